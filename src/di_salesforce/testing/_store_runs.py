"""What every store must do with runs, as tests: history, the journal of what is about to be written, the lease.

What may not go in here: the memory itself (`store_contract.py`, whose `StoreContract` inherits all of this).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final

import attrs
import pytest

from di_salesforce.engine import Baseline, Outcome
from di_salesforce.exceptions import AlreadyRunningError, ConfigurationError
from di_salesforce.stores import AppliedWrite, IntentJob, Store
from di_salesforce.stores._protocol import name_of
from di_salesforce.testing import _store_rows as rows

__all__ = ["AT_ONCE", "RunLaws", "in_threads"]

AT_ONCE: Final = 8  # threads: more than either machine of a continuous integration has cores


class RunLaws(ABC):
    """The laws of a store that are about runs; `StoreContract` says how a store is opened."""

    durable: ClassVar[bool] = True

    @abstractmethod
    def open_store(self, place: Path) -> Store:
        """Open the store that lives at `place`, an existing folder of this test alone; make it where there is none.

        Called twice with one place it must give, where the store is `durable`, the same memory.
        """

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """Give an empty store; it and what a law opens after it are closed at the end."""
        with ExitStack() as self._opened:
            yield self._opened.enter_context(closing(self.open_store(tmp_path)))

    def _again(self, store: Store, place: Path) -> Store:
        """Open the store anew where that means something."""
        if not self.durable:
            return store
        store.close()
        return self._opened.enter_context(closing(self.open_store(place)))

    # history --------------------------------------------------------------------------------------------------------
    def test_runs_come_newest_first(self, store: Store, tmp_path: Path) -> None:
        """The history is what was saved, exactly and newest first, as many as asked for."""
        runs = [rows.run(f"run-{number}", number) for number in range(5)]
        for run in runs:
            store.save(rows.settlement(), run)
        store = self._again(store, tmp_path)
        assert list(store.runs()) == runs[::-1]
        assert list(store.runs(2)) == runs[:2:-1]
        assert store.runs(0) == ()
        store.close()

    def test_a_run_is_kept_once(self, store: Store, tmp_path: Path) -> None:
        """A run that goes on replaces what was kept of it, in its place; one that never ended has no end."""
        begun = attrs.evolve(rows.run("first", 0), finished=None, ok=False, counts=())
        for run in (begun, rows.run("second", 1), rows.run("first", 0)):
            store.save(rows.settlement(), run)
        store.save(rows.settlement(), attrs.evolve(rows.run("third", 2), finished=None, cut_short="out of calls"))
        store = self._again(store, tmp_path)
        third, second, first = store.runs()
        assert (third.run_id, third.finished, third.cut_short) == ("third", None, "out of calls")
        assert (second, first) == (rows.run("second", 1), rows.run("first", 0))

    # the journal ----------------------------------------------------------------------------------------------------
    def test_an_intent_is_open_until_it_is_settled(self, store: Store, tmp_path: Path) -> None:
        """What was intended, and what came of it so far, is found again, oldest first, until a save settles it."""
        first, second = rows.intent("run/1"), rows.intent("run/2", "other")
        assert store.intents() == ()
        store.intend(first)
        store.intend(second)
        store.note(first.id, {"a": Outcome.done("003", {"LastName": "told"}), "b": Outcome.refused("X", "é", ("F",))})
        store.note(first.id, {"c": Outcome.stale(), "b": Outcome.unknown()})
        store = self._again(store, tmp_path)
        found = store.intents()
        assert [intent.id for intent in found] == ["run/1", "run/2"]
        assert found[1] == second
        assert attrs.evolve(found[0], outcomes={}) == first
        told = {action: (o.kind.value, o.record_id) for action, o in found[0].outcomes.items()}
        assert told == {"a": ("done", "003"), "b": ("unknown", None), "c": ("stale", None)}
        store.save(rows.settlement(links=[rows.link("contacts", "x")]), settles=[first.id, "never recorded"])
        store = self._again(store, tmp_path)
        assert [intent.id for intent in store.intents()] == ["run/2"]
        store.save(rows.settlement(), settles=[second.id])
        assert store.intents() == ()

    def test_jobs_of_an_intent_are_found_again(self, store: Store, tmp_path: Path) -> None:
        """A bulk job is kept with the writes that it carries, in the order of their making, until all settle."""
        first, second, third = (IntentJob(f"750{n}", "É_Ref__c", ["a", f"b{n}"]) for n in range(3))
        store.intend(rows.intent("run/1"))
        store.note("run/1", {}, jobs=[first])
        store.note("run/1", {"a": Outcome.stale()}, jobs=[second, third])
        store = self._again(store, tmp_path)
        [found] = store.intents()
        assert found.jobs == (first, second, third)
        assert list(found.outcomes) == ["a"]
        store.save(rows.settlement(), settles=["run/1"])
        assert self._again(store, tmp_path).intents() == ()

    def test_outcomes_of_nothing_are_refused(self, store: Store) -> None:
        """An outcome belongs to an intent that is open: another one is a mistake, and leaves no trace."""
        store.intend(rows.intent("run/1"))
        store.save(rows.settlement(), settles=["run/1"])
        for intent_id in ("run/1", "nobody"):
            with pytest.raises(ConfigurationError, match=intent_id):
                store.note(intent_id, {"a": Outcome.stale()})
        assert store.intents() == ()

    def test_a_failed_save_settles_no_intent(self, store: Store) -> None:
        """A save that fails half-way leaves the intent open that it would have settled."""
        store.intend(rows.intent("run/1"))
        with pytest.raises(OSError, match="cannot be read"):
            store.save(attrs.evolve(rows.settlement(), coverages=rows.Unreadable()), settles=["run/1"])
        assert [intent.id for intent in store.intents()] == ["run/1"]

    def test_a_save_without_a_run_leaves_the_history_alone(self, store: Store) -> None:
        """What is settled outside a run has no line in the history."""
        store.save(rows.everything("contacts"))
        assert store.runs() == ()

    # what was done --------------------------------------------------------------------------------------------------
    def test_the_history_of_a_record_comes_back_exactly(self, store: Store, tmp_path: Path) -> None:
        """Writes that were done are found by their run, and by the record's key or ids, oldest first."""
        ada, bob = rows.applied("Ada@example.com", "7"), rows.applied("bob@example.com", "8")
        store.save(ada, rows.run("run-1", 0))
        store.save(bob, rows.run("run-2", 1))
        store.save(ada, rows.run("run-2", 1))
        store = self._again(store, tmp_path)
        assert store.applied(run_id="run-1") == tuple(AppliedWrite.of(ada, "run-1"))
        assert [line.applied.key for line in store.applied(run_id="run-2")] == ["bob@example.com", "Ada@example.com"]
        assert [line.run_id for line in store.applied(name=name_of(" ada@EXAMPLE.com"))] == ["run-1", "run-2"]
        assert store.applied(name="8") == tuple(AppliedWrite.of(bob, "run-2"))
        assert store.applied(name="nobody") == ()
        assert len(store.applied()) == len(store.applied(name="0035g00000abcdeAAA")) == 3

    def test_erasing_leaves_nothing_of_a_record(self, store: Store, tmp_path: Path) -> None:
        """Link, open item and history are gone at once, the value is kept, and all others stay."""
        ada, bob = rows.applied("ada@example.com", "7"), rows.applied("bob@example.com", "8")
        items = [rows.item("contacts", f"link:{each}") for each in "78"]
        store.save(rows.settlement(items=items))
        store.save(ada, rows.run("run-1", 0))
        store.save(bob, rows.run("run-1", 0))
        store.erase(links=["7"], items=[items[0].id], names=["7"], value=("erased", {"salt": "x"}))
        store = self._again(store, tmp_path)
        assert [link.id for link in store.baseline("contacts").links] == ["8"]
        assert [item.subject for item in store.open_items("contacts")] == ["link:8"]
        assert [line.applied.key for line in store.applied()] == ["bob@example.com"]
        assert store.applied(name=name_of("ada@example.com")) == ()
        assert store.get("erased") == {"salt": "x"}

    def test_old_writes_are_dropped(self, store: Store, tmp_path: Path) -> None:
        """Writes of runs that began before a moment are gone under each name; later ones and all runs' lines stay."""
        ada, bob = rows.applied("ada@example.com", "7"), rows.applied("bob@example.com", "8")
        store.save(ada, rows.run("old", 0))
        store.save(bob, rows.run("old", 0))
        store.save(ada, rows.run("later", 2))
        store.drop_writes(rows.NOW)
        assert len(store.applied()) == 3
        store.drop_writes(rows.NOW + timedelta(hours=1))
        store = self._again(store, tmp_path)
        assert [line.run_id for line in store.applied()] == ["later"]
        assert [line.run_id for line in store.applied(name="7")] == ["later"]
        assert store.applied(name="8") == store.applied(run_id="old") == ()
        assert [run.run_id for run in store.runs()] == ["later", "old"]
        assert len(store.baseline("contacts")) == 2

    def test_open_items_can_be_read_alone(self, store: Store) -> None:
        """What waits is given without the links."""
        whole = rows.everything("contacts")
        store.save(whole)
        assert sorted(item.id for item in store.open_items("contacts")) == sorted(i.id for i in whole.open_items)
        assert store.open_items("other") == ()

    def test_small_values_are_kept(self, store: Store, tmp_path: Path) -> None:
        """A value is kept under its name until it is replaced, or taken away by None."""
        assert store.get("a") is None
        store.put("a", {"é": [1, None]})
        store.put("owner", "nobody's")
        assert store.owner() is None
        store = self._again(store, tmp_path)
        assert store.get("a") == {"é": [1, None]}
        store.put("a", None)
        assert store.get("a") is None

    # hints ----------------------------------------------------------------------------------------------------------
    def test_hints_wait_until_they_are_heard(self, store: Store, tmp_path: Path) -> None:
        """A hint is kept per transfer until it was heard; one that comes again meanwhile is another one."""
        assert store.hints("contacts") == {}
        store.hint("contacts", ["7", "8"])
        store.hint("other", ["7"])
        store = self._again(store, tmp_path)
        first = store.hints("contacts")
        assert list(first.values()) == ["7", "8"]
        store.hint("contacts", ["7"])
        store.heard("contacts", [*first, 999])
        assert list(store.hints("contacts").values()) == ["7"]
        assert list(store.hints("other").values()) == ["7"]
        assert not set(store.hints("contacts")) & set(first)

    # the lease ------------------------------------------------------------------------------------------------------
    def test_a_second_holder_is_told_who_and_since_when(self, store: Store) -> None:
        """While one holds the lease another is refused, and told whom it waits for; the holder keeps it."""
        store.acquire("first", now=rows.NOW, until=rows.NOW + timedelta(minutes=30))
        for minutes in (0, 29):
            with pytest.raises(AlreadyRunningError) as told:
                store.acquire("second", now=rows.NOW + timedelta(minutes=minutes), until=rows.NOW + timedelta(hours=9))
            assert told.value.holder == "first"
            assert datetime.fromisoformat(told.value.since) == rows.NOW

    def test_ones_own_lease_can_be_prolonged(self, store: Store) -> None:
        """The holder moves the end, not the beginning."""
        store.acquire("first", now=rows.NOW, until=rows.NOW + timedelta(minutes=30))
        store.acquire("first", now=rows.NOW + timedelta(minutes=20), until=rows.NOW + timedelta(minutes=50))
        with pytest.raises(AlreadyRunningError) as told:
            store.acquire("second", now=rows.NOW + timedelta(minutes=40), until=rows.NOW + timedelta(hours=9))
        assert datetime.fromisoformat(told.value.since) == rows.NOW

    def test_a_lease_that_ran_out_is_taken_over(self, store: Store) -> None:
        """A holder that died keeps nobody out for longer than it said; the new one holds it from now on."""
        store.acquire("dead", now=rows.NOW, until=rows.NOW + timedelta(minutes=30))
        later = rows.NOW + timedelta(minutes=30)
        store.acquire("next", now=later, until=later + timedelta(minutes=30))
        store.release("dead")  # it comes back late, and has nothing to give
        with pytest.raises(AlreadyRunningError) as told:
            store.acquire("third", now=later, until=later + timedelta(minutes=1))
        assert told.value.holder == "next"
        assert datetime.fromisoformat(told.value.since) == later

    def test_a_lease_is_renewed_by_its_holder_alone(self, store: Store) -> None:
        """Renewing moves the end of one's own lease; one that another has taken, or that nobody holds, is lost."""
        with pytest.raises(AlreadyRunningError):
            store.renew("first", until=rows.NOW + timedelta(minutes=1))
        store.acquire("first", now=rows.NOW, until=rows.NOW + timedelta(minutes=30))
        store.renew("first", until=rows.NOW + timedelta(minutes=90))
        with pytest.raises(AlreadyRunningError) as told:
            store.acquire("second", now=rows.NOW + timedelta(minutes=60), until=rows.NOW + timedelta(hours=9))
        assert (told.value.holder, datetime.fromisoformat(told.value.since)) == ("first", rows.NOW)
        later = rows.NOW + timedelta(minutes=90)
        store.acquire("second", now=later, until=later + timedelta(minutes=30))
        with pytest.raises(AlreadyRunningError) as told:
            store.renew("first", until=later + timedelta(hours=1))
        assert told.value.holder == "second"
        store.release("second")
        with pytest.raises(AlreadyRunningError):
            store.renew("first", until=later + timedelta(hours=1))

    def test_who_has_lost_the_lease_writes_nothing(self, store: Store) -> None:
        """A run whose lease was taken over can no longer save, intend or note: what it knows is out of date."""
        store.acquire("first", now=rows.NOW, until=rows.NOW + timedelta(minutes=30))
        store.intend(rows.intent("run/1"), holder="first")
        later = rows.NOW + timedelta(minutes=31)
        store.acquire("second", now=later, until=later + timedelta(minutes=30))
        calls: tuple[Callable[[], object], ...] = (
            lambda: store.save(rows.settlement(links=[rows.link("t", "a")]), rows.run("run", 0), holder="first"),
            lambda: store.intend(rows.intent("run/2"), holder="first"),
            lambda: store.note("run/1", {"a": Outcome.stale()}, holder="first"),
            lambda: store.drop_writes(later, holder="first"),
        )
        for call in calls:
            with pytest.raises(AlreadyRunningError) as told:
                call()
            assert told.value.holder == "second"
        assert store.baseline("t") == Baseline.empty()
        assert store.runs() == ()
        assert store.intents() == (rows.intent("run/1"),)
        store.save(rows.settlement(links=[rows.link("t", "a")]), holder="second", settles=["run/1"])
        assert len(store.baseline("t")) == 1

    def test_release_gives_the_lease_back(self, store: Store) -> None:
        """After its release the lease is anybody's; only the holder can release it, and twice does no harm."""
        store.release("nobody")
        store.acquire("first", now=rows.NOW, until=rows.NOW + timedelta(minutes=30))
        store.release("second")
        with pytest.raises(AlreadyRunningError):
            store.acquire("second", now=rows.NOW, until=rows.NOW + timedelta(minutes=30))
        store.release("first")
        store.release("first")
        store.acquire("second", now=rows.NOW, until=rows.NOW + timedelta(minutes=30))

    def test_one_of_many_gets_the_lease(self, store: Store) -> None:
        """Of several that ask at the same moment exactly one is let in."""
        start = threading.Barrier(AT_ONCE)

        def ask(number: int) -> bool:
            start.wait()
            try:
                store.acquire(f"holder {number}", now=rows.NOW, until=rows.NOW + timedelta(minutes=1))
            except AlreadyRunningError:
                return False
            return True

        assert sum(in_threads(ask)) == 1


def in_threads(function: Callable[[int], int]) -> list[int]:
    """Call a function in several threads at once, each with its number."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, range(AT_ONCE)))
