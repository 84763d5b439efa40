"""What every store must do when it is moved or looked into, as tests: export, import, inspect.

What may not go in here: the memory itself (`store_contract.py`, whose `StoreContract` inherits all of this).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from di_salesforce.engine import Outcome
from di_salesforce.exceptions import StoreError
from di_salesforce.records import Side
from di_salesforce.stores import MemoryStore, Owner, Store
from di_salesforce.testing import _store_rows as rows
from di_salesforce.testing._store_runs import RunLaws

__all__ = ["MoveLaws"]

_OWNER: Final = Owner("00D5g000000abcdEAA", (1, 2))
_NAMES: Final = ("contacts", "a/b", "été %_'\"")

# How a file is spoilt, and the line that is named then, counted from 0, or from the end.
_SPOILT: Final[Mapping[str, tuple[Callable[[list[str]], list[str]], int]]] = {
    "empty": (lambda _: [], 0),
    "no head": (lambda lines: lines[1:], 0),
    "head alone": (lambda lines: lines[:1], 1),
    "lost": (lambda lines: [*lines[:4], *lines[5:]], 4),
    "swapped": (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], 4),
    "changed": (lambda lines: [*lines[:5], lines[5].replace('"transfer"', '"transfeR"'), *lines[6:]], 5),
    "torn": (lambda lines: [*lines[:6], lines[6][:-4]], 6),
    "not text": (lambda lines: [*lines[:6], "\udcff\x00 [", *lines[6:]], 6),
    "no end": (lambda lines: lines[:-1], -1),
    "last line torn": (lambda lines: [*lines[:-1], lines[-1][:-1]], -1),
}


class MoveLaws(RunLaws):
    """The laws of a store that are about its portable form."""

    def test_everything_moves_exactly(self, store: Store, tmp_path: Path) -> None:
        """An export imports, into a store in memory and back, as all that was kept; a lease stays behind."""
        fill_store(store)
        known = told(store)
        store.acquire("a run", now=rows.NOW, until=rows.NOW + timedelta(hours=1))
        store.export_to(tmp_path / "one.jsonl")
        between = MemoryStore()
        between.import_from(tmp_path / "one.jsonl")
        assert told(between) == known
        between.export_to(tmp_path / "two.jsonl")
        other = self._beside(tmp_path)
        other.import_from(tmp_path / "two.jsonl")
        assert told(other) == known
        assert told(store) == known
        other.acquire("another run", now=rows.NOW, until=rows.NOW + timedelta(hours=1))
        assert sorted(each.name for each in tmp_path.glob("*.part")) == []

    def test_an_empty_store_moves_too(self, store: Store, tmp_path: Path) -> None:
        """Nothing is something that can be moved, and the store is still empty after it."""
        store.export_to(tmp_path / "one.jsonl")
        store.import_from(tmp_path / "one.jsonl")
        store.import_from(tmp_path / "one.jsonl")
        assert told(store) == told(MemoryStore())

    @pytest.mark.parametrize(("spoilt", "line"), _SPOILT.values(), ids=_SPOILT)
    def test_a_damaged_file_changes_nothing(
        self, store: Store, tmp_path: Path, spoilt: Callable[[list[str]], list[str]], line: int
    ) -> None:
        """A file that is not whole, line for line, is refused: the message names the line and no value."""
        fill_store(store)
        whole = tmp_path / "whole.jsonl"
        store.export_to(whole)
        lines = whole.read_text(encoding="ascii").splitlines()
        bad = tmp_path / "bad.jsonl"
        bad.write_bytes("\n".join(spoilt(lines)).encode("utf-8", "surrogateescape"))
        number = range(1, len(lines) + 1)[line]
        other = self._beside(tmp_path)
        with pytest.raises(StoreError, match=rf"line {number} of ") as refused:
            other.import_from(bad)
        assert "example.com" not in str(refused.value)
        assert told(other) == told(MemoryStore())
        other.import_from(whole)
        assert told(other) == told(store)

    def test_nothing_may_follow_the_end(self, store: Store, tmp_path: Path) -> None:
        """A file that goes on after its end is not the one that was written."""
        fill_store(store)
        path = tmp_path / "one.jsonl"
        store.export_to(path)
        lines = path.read_text(encoding="ascii").splitlines()
        path.write_text("\n".join([*lines, lines[-1]]), encoding="ascii")
        other = self._beside(tmp_path)
        with pytest.raises(StoreError, match=f"line {len(lines) + 1} of "):
            other.import_from(path)
        assert told(other) == told(MemoryStore())

    def test_a_store_that_holds_something_is_left_alone(self, store: Store, tmp_path: Path) -> None:
        """Two memories are never mixed: an import into a store that holds anything, or a lease, is refused."""
        fill_store(store)
        store.export_to(tmp_path / "one.jsonl")
        known = told(store)
        with pytest.raises(StoreError, match="holds something"):
            store.import_from(tmp_path / "one.jsonl")
        assert told(store) == known
        other = self._beside(tmp_path)
        other.acquire("a run", now=rows.NOW, until=rows.NOW + timedelta(hours=1))
        with pytest.raises(StoreError, match="using the store"):
            other.import_from(tmp_path / "one.jsonl")
        assert told(other) == told(MemoryStore())

    def test_a_file_that_is_not_there_is_told(self, store: Store, tmp_path: Path) -> None:
        """A path that cannot be read, or written, is named, and nothing is left half written."""
        with pytest.raises(StoreError, match=r"nowhere\.jsonl"):
            store.import_from(tmp_path / "nowhere.jsonl")
        with pytest.raises(StoreError, match=r"no folder"):
            store.export_to(tmp_path / "no folder" / "one.jsonl")

    def test_inspecting_shows_numbers_alone(self, store: Store) -> None:
        """What is in a store is told by kind, in all and for each transfer; no value of a record is in it."""
        fill_store(store)
        found = store.inspect()
        assert found.owner == _OWNER
        assert list(found.transfers) == sorted((*_NAMES, "orders"))
        assert found.transfers["a/b"] == {"coverage": 2, "hint": 1, "link": 3, "open_item": 3, "tombstone": 3}
        assert found.transfers["orders"] == {"run": 2}
        assert found.transfers["contacts"]["hint"] == 2
        assert found.transfers["contacts"]["write"] == 2
        assert found.totals["link"] == 3 * len(_NAMES) + 1
        assert (found.totals["run"], found.totals["intent"], found.totals["schema"], found.totals["value"]) == (
            2,
            2,
            1,
            1,
        )
        assert "example.com" not in repr(found)

    def _beside(self, place: Path) -> Store:
        """Open an empty store of the same kind beside the first."""
        (place / "beside").mkdir()
        other = self.open_store(place / "beside")
        self._opened.callback(other.close)
        return other


def fill_store(store: Store) -> None:
    """Let a store keep something of every kind."""
    store.belong_to(_OWNER)
    store.save(rows.joined(map(rows.everything, _NAMES)), rows.run("run-1", 0))
    for run_id in ("run-1", "run-2"):
        store.save(rows.applied("Ada@example.com", "7"), rows.run(run_id, 1))
    for name in ("run-2/1", "run-2/2"):
        store.intend(rows.intent(name))
    store.note("run-2/1", {"a": Outcome.done("003", {"LastName": "told"}), "b": Outcome.refused("X", "é", ("F",))})
    store.keep_schemas("contacts", {Side.SALESFORCE: rows.schema(Side.SALESFORCE)})
    store.put("a:b", {"é \ud83d": [1, None]})
    store.put("nothing", None)
    for transfer, contact in (("contacts", "8"), ("a/b", "7"), ("contacts", "7")):
        store.hint(transfer, [contact])


def told(store: Store) -> object:
    """Give all that a store tells of what it keeps, as plain data: what compares equal but is not the same shows."""
    return json.dumps(
        [
            repr(store.owner()),
            {
                name: [
                    sorted(json.dumps(row, sort_keys=True) for row in store.baseline(name).to_dicts()),
                    {side.value: schema.to_dict() for side, schema in store.schemas(name).items()},
                    list(store.hints(name).values()),
                ]
                for name in store.transfers()
            },
            [run.to_dict() for run in store.runs()],
            [write.to_dict() for write in store.applied()],
            [write.to_dict() for write in store.applied(name="7")],
            [intent.to_dict() for intent in store.intents()],
            store.get("a:b"),
            store.get("nothing"),
        ],
        sort_keys=True,
    )
