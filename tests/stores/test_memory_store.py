"""Laws of the store in memory: the contract of all stores."""

from __future__ import annotations

from pathlib import Path

from di_salesforce.stores import MemoryStore, Store
from di_salesforce.testing.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    durable = False

    def open_store(self, place: Path) -> Store:
        return MemoryStore()


def test_two_stores_know_nothing_of_each_other() -> None:
    """What one remembers another does not: nothing is kept in the class."""
    with MemoryStore() as one, MemoryStore() as two:
        TestMemoryStore().test_a_save_without_a_run_leaves_the_history_alone(one)
        assert len(one.baseline("contacts")) > 0
        assert len(two.baseline("contacts")) == 0
