"""Laws of a memory that stays in its store: it answers as the memory itself does, and reads only what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer, SQLiteStore
from di_salesforce.converters import AS_IS
from di_salesforce.engine import (
    Baseline,
    Coverage,
    FieldState,
    LinkRecord,
    Settlement,
    Snapshot,
    SyncReport,
    reconcile,
)
from di_salesforce.exceptions import DISalesforceError, StoreError
from di_salesforce.records import Side
from di_salesforce.testing.strategies import fates, live_one_round, transfers, worlds
from di_salesforce.testing.world import START
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
TRANSFER = ObjectTransfer(
    "t", sobject="T", fields=[FieldMapping("Key", "key", key=True), FieldMapping("A", "a")], triggers=Trigger.ALL
)


def everything(baseline: Baseline, transfer: str) -> Settlement:
    """Give a settlement that makes an empty store hold a memory."""
    coverages = tuple(found for side in Side if (found := baseline.coverage(side)) is not None)
    return Settlement(
        report=SyncReport(),
        changed_links=baseline.links,
        open_items=tuple(baseline.open_items.values()),
        tombstones=tuple(baseline.tombstones.values()),
        coverages=coverages,
    ).of(transfer)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with SQLiteStore(tmp_path / "store.db") as opened:
        yield opened


@given(st.data())
def test_it_plans_as_the_memory_does(data: st.DataObject) -> None:
    """A plan from a memory left in its store is, letter by letter, the plan from the memory itself."""
    transfer = data.draw(transfers())
    world = data.draw(worlds(transfer))
    live_one_round(data.draw, world, fates(sure=True))
    read = st.sampled_from([Coverage.CHANGES, Coverage.CHANGES, *Coverage])
    snapshots = [world.snapshot(side, data.draw(read)) for side in Side]
    plans = []
    with SQLiteStore(":memory:") as store:
        store.save(everything(world.baseline, transfer.name))
        for baseline in (world.baseline, store.stored_baseline(transfer.name)):
            try:
                plan = reconcile(
                    transfer, salesforce=snapshots[0], dialog_insight=snapshots[1], baseline=baseline, now=world.now
                )
            except DISalesforceError as error:
                plans.append(str(error))
            else:
                plans.append(plan.to_dict())
    assert plans[0] == plans[1]


def link(number: int) -> LinkRecord:
    fields = {
        line.name: FieldState(base=(value, value), version=AS_IS.version)
        for line, value in zip(TRANSFER.lines, (f"k{number}", "a"), strict=True)
    }
    key = (f"k{number}",)
    return LinkRecord("t", f"link{number}", f"{number:03}", str(number), key, key, fields)


def changes(numbers: range) -> Snapshot:
    return Snapshot.changes([{"Id": f"{number:03}", "Key": f"k{number}", "A": "b"} for number in numbers])


@pytest.mark.parametrize("links", [20, 200])
def test_what_is_read_depends_on_what_changed(store: SQLiteStore, links: int) -> None:
    """Five changes against any number of links read five links."""
    store.save(everything(Baseline(map(link, range(links))), "t"))
    stored = store.stored_baseline("t")
    plan = reconcile(
        TRANSFER, salesforce=changes(range(5)), dialog_insight=Snapshot.changes([]), baseline=stored, now=START
    )
    assert [dict(write.values) for write in plan.writes] == [{"a": "b"}] * 5
    assert len(stored._known) == 5


class Guarded(Baseline):
    """A memory that may be asked, and never walked."""

    @property
    def links(self) -> tuple[LinkRecord, ...]:
        raise AssertionError("the whole memory was walked for a few changes")

    def __len__(self) -> int:
        raise AssertionError("the whole memory was counted for a few changes")


def test_nothing_is_walked_for_changes() -> None:
    """With changes on both sides the memory is neither walked nor counted, whatever is open."""
    settled = Guarded(map(link, range(20)))
    plan = reconcile(
        attrs.evolve(TRANSFER, triggers=Trigger.NONE),
        salesforce=changes(range(5)),
        dialog_insight=Snapshot.changes([{"idContact": 7, "key": "k7", "a": "c"}], deleted=["9"]),
        baseline=settled,
        now=START,
    )
    assert {action.kind for action in plan.actions} == {"skip"}
    assert len(plan.actions) == 7


def test_damage_is_told(store: SQLiteStore) -> None:
    """A body that is no link is an error of the store, not of the program."""
    store.save(everything(Baseline([link(1)]), "t"))
    with store._transaction("damage") as db:
        db.execute("UPDATE links SET body = ?", ('{"kind": "link", "format": 1}',))
    with pytest.raises(StoreError, match="damaged"):
        store.stored_baseline("t").find(S, "001")
    with store._transaction("damage") as db:
        db.execute("UPDATE links SET body = ?", ('{"kind": "link", "format": 99}',))
    with pytest.raises(StoreError, match="newer format"):
        list(store.stored_baseline("t").links)


def test_it_answers_as_a_memory(store: SQLiteStore) -> None:
    """Links are found by their own id, by record id and by key; of several with one key the live one."""
    stored = store.stored_baseline("t")
    assert (len(stored), bool(stored), stored.coverage(S), stored.find_key(S, ("k1",))) == (0, True, None, None)
    store.save(everything(Baseline(map(link, range(3))), "t"))
    stored = store.stored_baseline("t")
    assert (
        stored.link("link1") == stored.find(S, "001") == stored.find(D, "1") == stored.find_key(D, ("k1",)) == link(1)
    )
    assert [each.id for each in stored.links] == ["link0", "link1", "link2"]
    assert (stored.link("none"), len(stored), repr(stored)) == (None, 3, "<StoredBaseline t>")
