"""One side of a `World`: the clock, records with their whole history, and a server that saves them in its own way.

What may not go in here: the engine's side of things (plans, the memory).
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import TypeAlias

import attrs

from di_salesforce.converters import AS_IS
from di_salesforce.engine import Create, Delete, Outcome, Write
from di_salesforce.exceptions import ConversionError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Row, Side, Value, is_blank

__all__ = ["Fate", "Ids", "Records", "Saving", "ServedSide", "WorldClock"]

Ids: TypeAlias = Callable[[int], Value]
"""How a side numbers its records."""


History: TypeAlias = dict[str, list[tuple[int, Row | None]]]
"""Per record, what it held from which second on; None: it was deleted."""


def _no_history() -> History:
    return {}


@attrs.define(repr=False)
class Records:
    """The records of one table by name, with their history; several transfers may look at the same."""

    history: History = attrs.field(factory=_no_history)
    count: int = 0
    columns: dict[str, None] = attrs.field(factory=dict[str, None])
    merged: dict[str, tuple[int, str]] = attrs.field(factory=dict[str, tuple[int, str]])  # loser: when, and the winner
    converted: dict[str, tuple[int, str]] = attrs.field(factory=dict[str, tuple[int, str]])  # lead: when, and contact


def _nothing_late() -> list[tuple[int, ServedSide, Write, int]]:
    return []


@attrs.define(repr=False)
class WorldClock:
    """The seconds of a world, and the writes that are still under way; several transfers may share it."""

    seconds: int = 0
    _late: list[tuple[int, ServedSide, Write, int]] = attrs.field(init=False, factory=_nothing_late)

    def tick(self, seconds: int) -> None:
        """Let time pass; late writes land when their time has come."""
        self.seconds += seconds
        due = [entry for entry in self._late if entry[0] <= self.seconds]
        self._late = [entry for entry in self._late if entry[0] > self.seconds]
        for _, server, write, number in due:
            server.write(write, number, self.seconds)

    def delay(self, server: ServedSide, write: Write, number: int) -> None:
        """Let a write land later."""
        self._late.append((self.seconds + server.saving.late, server, write, number))


class Fate(enum.StrEnum):
    """What becomes of one write."""

    DONE = "done"  # and the stored row is told
    SILENT = "silent"  # done, but the stored row is not told
    NAMELESS = "nameless"  # done, and neither the stored row nor a new record's id is told
    REFUSED = "refused"
    LOST = "lost"  # the request never arrived, and no answer did
    LANDED = "landed"  # carried out, but the answer was lost
    LATE = "late"  # the answer was lost, and the write is carried out some seconds later
    NOT_TRIED = "not_tried"


@attrs.frozen
class Saving:
    """What one side's server does with what it is given: cut, trim, refuse, keep keys unique."""

    truncate: int | None = None  # characters kept of a text
    trims: bool = False
    refuses: frozenset[Value] = frozenset()  # a record with one of these values is refused
    unique_key: bool = True
    late: int = 30  # seconds after which a late write lands: less than either quarantine

    def kept(self, value: Value) -> Value:
        """Give what is stored for a value."""
        if not isinstance(value, str):
            return value
        kept = value.strip() if self.trims else value
        return kept[: self.truncate] if self.truncate is not None else kept


@attrs.define(repr=False)
class ServedSide:
    """The records of one side by name (the record id as text, or the key of a relational row), and their history."""

    transfer: ObjectTransfer
    side: Side
    saving: Saving
    ids: Ids
    records: Records = attrs.field(factory=Records)

    def __attrs_post_init__(self) -> None:
        self.records.columns.update(dict.fromkeys(line.field(self.side) for line in self.transfer.lines))

    @property
    def history(self) -> History:
        """What each record held, from which second on."""
        return self.records.history

    @property
    def rows(self) -> dict[str, Row]:
        """The records as they are."""
        return {name: row for name, versions in self.history.items() if (row := versions[-1][1]) is not None}

    def rows_at(self, seconds: int) -> dict[str, Row]:
        """The records as they were."""
        found: dict[str, Row] = {}
        for name, versions in self.history.items():
            row = next((row for at, row in reversed(versions) if at <= seconds), None)
            if row is not None:
                found[name] = row
        return found

    def moved(self, since: int, until: int) -> set[str]:
        """Name the records that were changed or deleted within these seconds."""
        return {name for name, versions in self.history.items() if any(since <= at <= until for at, _ in versions)}

    def key(self, row: Row) -> tuple[str, ...] | None:
        """Give a row's normalised key; None where it has none."""
        parts: list[str] = []
        for line in self.transfer.key_lines:
            converter = line.converter or AS_IS
            value = row.get(line.field(self.side))
            try:
                there = value if self.side is Side.DIALOG_INSIGHT else converter.convert(value, to=Side.DIALOG_INSIGHT)
                normal = converter.normal(Side.DIALOG_INSIGHT, there)
            except ConversionError:
                return None
            if is_blank(value) or normal is None:
                return None
            parts.append(str(normal))
        return tuple(parts)

    def name(self, row: Row) -> str:
        """Give the name of a row."""
        field = self.transfer.id_field(self.side)
        return str(row[field]) if field is not None else json.dumps(self.key(row))

    def find(self, record_id: str | None, address: Row) -> str:
        """Name the record that a write addresses: by id, else by key; empty where there is none."""
        if record_id is not None:
            return record_id
        key = self.key(address)
        return next((name for name, row in self.rows.items() if key is not None and self.key(row) == key), "")

    def next_number(self) -> int:
        """Count one more record."""
        self.records.count += 1
        return self.records.count

    def insert(self, values: Row, number: int, seconds: int) -> tuple[str, str]:
        """Add a record; give its name, or nothing and why it was not taken."""
        row = {**dict.fromkeys(self.records.columns), **self._saved(values)}
        id_field = self.transfer.id_field(self.side)
        if id_field is not None:
            row[id_field] = self.ids(number)
        if why := self._refusal(row, None):
            return "", why
        name = self.name(row)
        self._store(name, row, seconds)
        return name, ""

    def change(self, name: str, values: Row, seconds: int) -> str:
        """Change fields of a record; give why it was not taken, or nothing."""
        row = self.rows.get(name)
        if row is None:
            return "record.not_found"
        changed = {**row, **self._saved(values)}
        why = self._refusal(changed, name)
        if not why:
            self._store(name, changed, seconds)
        return why

    def remove(self, name: str, seconds: int) -> None:
        """Delete a record."""
        self.history[name].append((seconds, None))

    def became(self, since: int, until: int) -> tuple[dict[str, str], dict[str, str]]:
        """Name what was merged, and what was converted, within these seconds, each with what it became."""
        became = (self.records.merged, self.records.converted)
        merged, converted = (
            {name: other for name, (at, other) in table.items() if since <= at <= until} for table in became
        )
        return merged, converted

    def undelete(self, name: str, seconds: int) -> bool:
        """Bring a deleted record back under its id; False where there is none, its key is taken, or it was merged."""
        if name in self.records.merged or name in self.records.converted:
            return False
        versions = self.history.get(name, [])
        last = versions[-2][1] if len(versions) > 1 and versions[-1][1] is None else None
        if last is None or self._refusal(last, name):
            return False
        self._store(name, last, seconds)
        return True

    def write(self, write: Write, number: int, seconds: int) -> Outcome:
        """Carry a write out as a well-behaved server does: check what it is based on, save, tell what is stored."""
        if isinstance(write, Create):
            name, why = self.insert(write.values, number, seconds)
            if why == "key.taken":
                return Outcome.stale()
            return (
                Outcome.refused(why, "the record was not taken")
                if why
                else Outcome.done(self._told(name), self.rows[name])
            )
        name = self.find(write.record_id, write.address)
        row = self.rows.get(name)
        if row is None:
            return Outcome.refused("record.not_found", "there is no such record")
        if any(row.get(field) != value for field, value in write.based_on.items()):
            return Outcome.stale()
        if isinstance(write, Delete):
            self.remove(name, seconds)
            return Outcome.done(self._told(name))
        why = self.change(name, write.values, seconds)
        return (
            Outcome.refused(why, "the record was not taken") if why else Outcome.done(self._told(name), self.rows[name])
        )

    def _told(self, name: str) -> str | None:
        return name if self.transfer.id_field(self.side) is not None else None

    def _saved(self, values: Row) -> dict[str, Value]:
        return {field: self.saving.kept(value) for field, value in values.items()}

    def _store(self, name: str, row: Row, seconds: int) -> None:
        self.history.setdefault(name, []).append((seconds, row))

    def _refusal(self, row: Row, name: str | None) -> str:
        key = self.key(row)
        if any(value in self.saving.refuses for value in row.values()):
            return "value.refused"
        relational = self.transfer.id_field(self.side) is None
        if relational and (key is None or (name is not None and self.name(row) != name)):
            return "key.fixed"  # a relational row is its key: it cannot lack one, nor take another
        if not (relational or self.saving.unique_key) or key is None:
            return ""
        taken = any(self.key(other) == key for at, other in self.rows.items() if at != name)
        return "key.taken" if taken else ""
