"""What every store must do, as tests: subclass `StoreContract` in your own tests, and pytest runs them on your store.

What may not go in here: how one store keeps things (files, tables, connections), and anything that needs a service.

    class TestMyStore(StoreContract):
        def open_store(self, place: Path) -> Store:
            return MyStore(place / "memory")

For readable failures let pytest rewrite this module's assertions, in your `conftest.py`:
`pytest.register_assert_rewrite("di_salesforce.testing.store_contract")`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

import attrs
import pytest

from di_salesforce.engine import Baseline, FieldState, Life, Settlement, SyncReport
from di_salesforce.exceptions import AlreadyRunningError, ForeignStoreError, StoreError
from di_salesforce.records import UNSET, Side, Value
from di_salesforce.stores import Owner, Store
from di_salesforce.testing import _store_rows as rows
from di_salesforce.testing._store_moves import MoveLaws
from di_salesforce.testing._store_runs import AT_ONCE, in_threads

__all__ = ["StoreContract"]

_ORG: Final = "00D5g000000abcdEAA"
_OTHER_ORG: Final = "00D5g000000zzzzEAA"


class StoreContract(MoveLaws):
    """The laws of `di_salesforce.stores.Store`; a subclass says how its store is opened.

    Class attributes:
        durable: Whether what was saved is still there after closing and opening again.
    """

    def fail_halfway(self, store: Store, settlement: Settlement) -> None:
        """Let a save fail after a part of it; override it to let your own medium fail (a full disk, a lost connection).

        Whatever it does must raise; the law that calls it then looks at what is left.
        """
        store.save(attrs.evolve(settlement, coverages=rows.Unreadable(settlement.coverages)))

    # whose it is ----------------------------------------------------------------------------------------------------
    def test_another_org_is_refused(self, store: Store) -> None:
        """A store belongs to one Salesforce org: another is refused, again and again, and its own stays welcome."""
        store.belong_to(Owner(_ORG, (1,)))
        for _ in range(2):
            with pytest.raises(ForeignStoreError, match=_OTHER_ORG):
                store.belong_to(Owner(_OTHER_ORG, (1,)))
        store.belong_to(Owner(_ORG, (1,)))

    def test_wholly_other_projects_are_refused(self, store: Store) -> None:
        """An integration that shares no project with the store is refused, and named."""
        store.belong_to(Owner(_ORG, (1, 2)))
        with pytest.raises(ForeignStoreError, match="77"):
            store.belong_to(Owner(_ORG, (77,)))

    def test_further_projects_join(self, store: Store) -> None:
        """A project that is used beside a known one belongs to the store from then on; a refused one does not."""
        store.belong_to(Owner(_ORG, (1,)))
        with pytest.raises(ForeignStoreError):
            store.belong_to(Owner(_ORG, (3,)))
        store.belong_to(Owner(_ORG, (1, 2)))
        store.belong_to(Owner(_ORG, (2,)))
        with pytest.raises(ForeignStoreError):
            store.belong_to(Owner(_ORG, (3,)))

    def test_it_tells_whose_it_is(self, store: Store, tmp_path: Path) -> None:
        """The owner can be asked for; looking claims nothing."""
        store.belong_to(Owner(_ORG, (2,)), claim=False)
        assert store.owner() is None
        store.belong_to(Owner(_ORG, (2, 1)))
        assert self._again(store, tmp_path).owner() == Owner(_ORG, (1, 2))

    # what it keeps --------------------------------------------------------------------------------------------------
    def test_an_empty_store_remembers_nothing(self, store: Store) -> None:
        """Of a transfer that was never saved, the baseline is the empty one."""
        assert store.baseline("never") == Baseline.empty()
        assert store.runs() == ()
        assert store.transfers() == ()

    def test_every_row_comes_back_exactly(self, store: Store, tmp_path: Path) -> None:
        """Links with all that their lines hold, open items, tombstones and coverages read back as saved."""
        whole = rows.everything("contacts")
        store.save(whole)
        _assert_remembers(self._again(store, tmp_path), "contacts", whole)

    @pytest.mark.parametrize("value", rows.VALUES, ids=ascii)
    def test_every_value_comes_back_exactly(self, store: Store, tmp_path: Path, value: Value) -> None:
        """A value reads back with its type, zone and characters, in bases, in `seen` and in keys of items."""
        fields = {"line": FieldState((value, value), seen=(value, UNSET))}
        whole = rows.settlement(
            links=[rows.link("t", "a", fields=fields)], items=[rows.item("t", "link:a", key=(value, value))]
        )
        store.save(whole)
        _assert_remembers(self._again(store, tmp_path), "t", whole)

    def test_a_save_is_a_delta(self, store: Store) -> None:
        """A later save changes the rows that it names, removes those that it removes, and leaves all others alone."""
        before = rows.everything("contacts")
        store.save(before)
        kept_link, gone_link, *_ = before.changed_links
        kept_item, gone_item, *_ = before.open_items
        kept_stone, gone_stone, *_ = before.tombstones
        changed = attrs.evolve(kept_link, rev=kept_link.rev + 1, life=Life.DORMANT, gone=Side.SALESFORCE, cause="x")
        told_again = attrs.evolve(kept_item, count=kept_item.count + 1)
        covered = attrs.evolve(before.coverages[0], as_of=rows.NOW + timedelta(days=1))
        store.save(
            Settlement(
                SyncReport(),
                changed_links=(changed,),
                removed_links=(gone_link.id,),
                open_items=(told_again,),
                closed_items=(gone_item.id, "contacts/row:salesforce:nobody/"),
                removed_tombstones=(gone_stone.id,),
                coverages=(covered,),
            )
        )
        expected = Baseline(
            (changed, *before.changed_links[2:]),
            (told_again, *before.open_items[2:]),
            (kept_stone, *before.tombstones[2:]),
            (covered, *before.coverages[1:]),
        )
        assert store.baseline("contacts") == expected

    def test_saving_twice_is_saving_once(self, store: Store) -> None:
        """The same delta a second time changes nothing: a row is kept under its name, not beside its namesake."""
        whole = rows.everything("contacts")
        store.save(whole)
        store.save(whole)
        _assert_remembers(store, "contacts", whole)

    def test_a_baseline_is_a_value(self, store: Store) -> None:
        """A baseline that was read does not move when something is saved later."""
        store.save(rows.settlement(links=[rows.link("t", "a")]))
        read = store.baseline("t")
        store.save(rows.settlement(links=[rows.link("t", "b")], removed=["a"]))
        assert [link.id for link in read.links] == ["a"]
        assert [link.id for link in store.baseline("t").links] == ["b"]

    def test_transfers_are_kept_apart(self, store: Store) -> None:
        """One save may hold rows of several transfers, alike in all but the name; each finds its own alone."""
        names = ("contacts", "contacts2", "contact", "Contacts", "a/b", "a", "été %_'\"")
        parts = {name: rows.everything(name) for name in names}
        store.save(rows.joined(parts.values()))
        for name, part in parts.items():
            _assert_remembers(store, name, part)
        assert store.transfers() == tuple(sorted(names))
        first = parts["contacts"]
        store.save(
            rows.settlement(
                removed=[link.id for link in first.changed_links], closed=[item.id for item in first.open_items]
            )
        )
        assert store.baseline("contacts").links == ()
        assert store.baseline("contacts").open_items == {}
        for name in names[1:]:
            _assert_remembers(store, name, parts[name])

    def test_a_failed_save_leaves_nothing(self, store: Store, tmp_path: Path) -> None:
        """A save is one transaction: where it fails half-way, the memory is what it was, and the next save works."""
        before = rows.everything("contacts")
        store.save(before, rows.run("first", 0))
        with pytest.raises(Exception):  # noqa: B017, PT011 - how a medium fails is its own affair; that it shows is not
            self.fail_halfway(
                store, rows.settlement(links=[rows.link("contacts", "new")], removed=[before.changed_links[0].id])
            )
        _assert_remembers(store, "contacts", before)
        assert [run.run_id for run in store.runs()] == ["first"]
        store.save(rows.settlement(links=[rows.link("later", "x")]))
        store = self._again(store, tmp_path)
        _assert_remembers(store, "contacts", before)
        assert [link.id for link in store.baseline("later").links] == ["x"]
        store.close()

    # schemas --------------------------------------------------------------------------------------------------------
    def test_schemas_come_back_exactly(self, store: Store, tmp_path: Path) -> None:
        """A kept schema reads back as it was, each side and each transfer by itself; before that there is none."""
        assert store.schemas("contacts") == {}
        for side in Side:
            store.keep_schemas("contacts", {side: rows.schema(side)})
        store.keep_schemas("other", {Side.SALESFORCE: rows.schema(Side.SALESFORCE, "Lead")})
        store = self._again(store, tmp_path)
        assert store.schemas("contacts") == {side: rows.schema(side) for side in Side}
        assert store.schemas("other") == {Side.SALESFORCE: rows.schema(Side.SALESFORCE, "Lead")}
        assert store.schemas("salesforce:contacts") == {}
        store.close()

    def test_the_latest_schema_is_kept(self, store: Store, tmp_path: Path) -> None:
        """Keeping a schema replaces that of the same side; the other side's and the memory of records stay."""
        whole = rows.everything("contacts")
        store.save(whole)
        store.keep_schemas("contacts", {side: rows.schema(side) for side in Side})
        store.keep_schemas("contacts", {Side.SALESFORCE: rows.schema(Side.SALESFORCE, "Lead")})
        store.keep_schemas("contacts", {})
        store = self._again(store, tmp_path)
        names = {side: schema.name for side, schema in store.schemas("contacts").items()}
        assert names == {Side.SALESFORCE: "Lead", Side.DIALOG_INSIGHT: "Contact"}
        _assert_remembers(store, "contacts", whole)
        store.close()

    # opening and closing --------------------------------------------------------------------------------------------
    def test_closing_twice_does_no_harm(self, store: Store) -> None:
        """A store may be closed by whoever made it and by the synchronizer that was given it."""
        store.close()
        store.close()

    def test_reopening_keeps_everything(self, store: Store, tmp_path: Path) -> None:
        """Owner, memory, history and lease are still there after closing and opening again."""
        if not self.durable:
            pytest.skip("not a durable store")
        whole = rows.everything("contacts")
        store.belong_to(Owner(_ORG, (1,)))
        store.save(whole, rows.run("run", 0))
        store.acquire("first", now=rows.NOW, until=rows.NOW + timedelta(minutes=30))
        store.close()
        with closing(self.open_store(tmp_path)) as again:
            _assert_remembers(again, "contacts", whole)
            assert again.runs() == (rows.run("run", 0),)
            with pytest.raises(ForeignStoreError):
                again.belong_to(Owner(_OTHER_ORG, (1,)))
            with pytest.raises(AlreadyRunningError):
                again.acquire("second", now=rows.NOW, until=rows.NOW + timedelta(minutes=1))

    def test_a_closed_store_says_so(self, store: Store) -> None:
        """Whatever is asked of a closed store, the answer is a `StoreError`, not an empty memory."""
        if not self.durable:
            pytest.skip("a store without anything to close may answer on")
        store.close()
        calls: tuple[Callable[[], object], ...] = (
            lambda: store.belong_to(Owner(_ORG, (1,))),
            lambda: store.baseline("contacts"),
            lambda: store.save(rows.settlement()),
            store.runs,
            store.owner,
            store.transfers,
            store.intents,
            lambda: store.intend(rows.intent("run/1")),
            lambda: store.note("run/1", {}),
            lambda: store.renew("first", until=rows.NOW),
            lambda: store.schemas("contacts"),
            lambda: store.keep_schemas("contacts", {Side.SALESFORCE: rows.schema(Side.SALESFORCE)}),
            lambda: store.acquire("first", now=rows.NOW, until=rows.NOW + timedelta(minutes=1)),
            lambda: store.release("first"),
            store.inspect,
        )
        for call in calls:
            with pytest.raises(StoreError, match="closed"):
                call()

    def test_threads_may_share_it(self, store: Store) -> None:
        """Saves and reads from several threads neither fail nor lose anything."""

        def work(number: int) -> int:
            name = f"transfer {number}"
            for turn in range(5):
                store.save(
                    rows.settlement(links=[rows.link(name, f"{number}-{turn}")]), rows.run(f"{number}-{turn}", turn)
                )
                store.baseline(name)
                store.runs(3)
            return len(store.baseline(name))

        assert in_threads(work) == [5] * AT_ONCE
        assert len(store.runs()) == 5 * AT_ONCE

    def test_its_repr_shows_no_data(self, store: Store) -> None:
        """What a log or a traceback shows of a store holds nothing of anybody."""
        person = rows.link("t", "a", fields={"line": FieldState(("secretive@example.com", "secretive@example.com"))})
        store.save(rows.settlement(links=[person], items=[rows.item("t", "link:a", key=("secretive@example.com",))]))
        assert "secretive" not in f"{store!r} {store}"


def _exact(baseline: Baseline) -> list[str]:
    """Give a baseline's rows as text: what compares equal but is not the same (1 and True) shows."""
    return sorted(json.dumps(row, sort_keys=True) for row in baseline.to_dicts())


def _assert_remembers(store: Store, transfer: str, whole: Settlement) -> None:
    """Assert that the memory of a transfer is just this."""
    expected = Baseline(whole.changed_links, whole.open_items, whole.tombstones, whole.coverages)
    read = store.baseline(transfer)
    assert _exact(read) == _exact(expected)
    assert read == expected
