"""Where the simulated org keeps its records: one table per sObject, ids, and indexes that always agree with the rows.

Rows are never changed in place: a save puts a new dict in the old one's place, so that a snapshot is a shallow copy and
a page under way keeps what it saw.  What may not go in here: the checks of a save (`_sf_save.py`), queries, HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, Self, TypeAlias

import attrs

from di_salesforce.records import record_id_18
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_schema import Field, SObject, StoredRow, Wire, completed
from di_salesforce.testing._sf_switches import SalesforceSwitches
from di_salesforce.testing._sf_values import Convert, References, compile_field, stamp

_BASE_62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_BODY: Final = "Fk0"  # what follows the key prefix: any instance's letters and the reserved zero
_COUNTER_DIGITS: Final = 9  # 15 characters, less the prefix and the three above

Key: TypeAlias = bool | int | float | str
Getter: TypeAlias = Callable[[StoredRow], object]


def numbered_id(prefix: str, number: int) -> str:
    """Make the 18-character id of the n-th record of a key prefix; ids sort in the order of their making."""
    digits: list[str] = []
    for _ in range(_COUNTER_DIGITS):
        number, digit = divmod(number, len(_BASE_62))
        digits.append(_BASE_62[digit])
    full = record_id_18(prefix + _ID_BODY + "".join(reversed(digits)))
    if full is None:
        raise ValueError(f"no key prefix: {prefix!r}")
    return full


def fold(field: Field) -> Callable[[Wire], Key | None]:
    """Give the form in which a field's values are compared: text without case, unless the field says otherwise."""
    if field.folds:
        return lambda value: value.casefold() if isinstance(value, str) else value
    return lambda value: value


class Index:
    """The live rows by one field's folded value: the id, or a set of ids where several rows share the value."""

    def __init__(self, field: Field) -> None:
        self.name = field.name
        self.fold = fold(field)
        self._ids: dict[Key, str | set[str]] = {}

    def find(self, value: Wire) -> list[str]:
        """List the ids of the live rows that hold the value, in the order of their making."""
        key = self.fold(value)
        found = None if key is None else self._ids.get(key)
        if found is None:
            return []
        return [found] if isinstance(found, str) else sorted(found)

    def move(self, record_id: str, old: Wire, new: Wire) -> None:
        """Follow a row whose value changed; null is not indexed."""
        before, after = self.fold(old), self.fold(new)
        if before == after:
            return
        if before is not None:
            held = self._ids[before]
            if isinstance(held, str):
                del self._ids[before]
            else:
                held.discard(record_id)
                if not held:
                    del self._ids[before]
        if after is not None:
            others = self._ids.get(after)
            if others is None:
                self._ids[after] = record_id
            elif isinstance(others, str):
                self._ids[after] = {others, record_id}
            else:
                others.add(record_id)


@attrs.frozen
class Writer:
    """One field, compiled for writing."""

    name: str
    convert: Convert
    createable: bool
    updateable: bool
    permitted: bool


Journal: TypeAlias = "list[tuple[Table, str, StoredRow | None]]"


class Table:
    """All rows of one sObject, the deleted ones too, in the order of their making."""

    def __init__(self, sobject: SObject, references: References, switches: SalesforceSwitches) -> None:
        self.rows: dict[str, StoredRow] = {}
        self.made = 0
        self.watch: Callable[[str, StoredRow | None], None] | None = None
        """Told of every change, with the row as it was, where change events are captured."""
        self.purged: dict[str, str] = {}
        """Ids that left the recycle bin, with the stamp of their deletion: what `deleted` still reports."""
        self.compile(sobject, references, switches)

    def compile(self, sobject: SObject, references: References, switches: SalesforceSwitches) -> None:
        """Take a new declaration: compile its writers and defaults, and index its rows afresh."""
        self.sobject = sobject
        self.writers: dict[str, Writer] = {}
        for field in sobject.fields:
            writer = Writer(
                field.name,
                compile_field(field, references, switches),
                field.createable,
                field.updateable,
                not (field.hidden or field.locked),
            )
            self.writers[field.name] = self.writers[field.name.lower()] = writer
        self.relationships = {
            field.relationship.lower(): field for field in sobject.fields if field.type == "reference"
        }
        self.defaults: StoredRow = {
            field.name: False if field.default is None else field.default
            for field in sobject.fields
            if field.formula is None and (field.type == "boolean" or field.default is not None)
        }
        system = ("Id", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp")
        self.required = [
            field.name
            for field in sobject.fields
            if field.required and field.formula is None and field.name not in system and not field.auto_number
        ]
        self.unique = [field for field in sobject.fields if field.unique]
        self.auto_numbers = [field for field in sobject.fields if field.auto_number]
        self._indexes: dict[str, Index] = {}
        for field in sobject.fields:
            if field.formula is None and (
                field.unique or field.external_id or (field.id_lookup and field.type != "id")
            ):
                self.index(field)

    def index(self, field: Field) -> Index:
        """Give the index of a stored field, made on first use."""
        index = self._indexes.get(field.name)
        if index is None:
            index = self._indexes[field.name] = Index(field)
            for record_id, row in self.rows.items():
                if not row["IsDeleted"]:
                    index.move(record_id, None, row.get(field.name))
        return index

    def indexed(self, field: Field) -> Index | None:
        """Give the index of a field if it has one already."""
        return self._indexes.get(field.name)

    def next_id(self) -> str:
        """Make the id of the next record."""
        while True:
            self.made += 1
            record_id = numbered_id(self.sobject.prefix, self.made)
            if record_id not in self.rows and record_id not in self.purged:  # rows may have been loaded with their ids
                return record_id

    def put(self, record_id: str, row: StoredRow | None, journal: Journal | None = None) -> None:
        """Put a row in place of what was there (None: nothing), keep the indexes true, note the old one for undoing."""
        old = self.rows.get(record_id)
        if self.watch is not None:
            self.watch(record_id, old)
        if journal is not None:
            journal.append((self, record_id, old))
        if row is None:
            self.rows.pop(record_id, None)
        else:
            self.rows[record_id] = row
        was = None if old is None or old["IsDeleted"] else old
        now = None if row is None or row["IsDeleted"] else row
        for name, index in self._indexes.items():
            index.move(record_id, None if was is None else was.get(name), None if now is None else now.get(name))

    def live(self, record_id: str) -> StoredRow | None:
        """Give the row of an 18-character id, unless it is deleted or was never there."""
        row = self.rows.get(record_id)
        return None if row is None or row["IsDeleted"] else row

    def all_live(self) -> Iterator[StoredRow]:
        """Walk over the rows that are not deleted."""
        return (row for row in self.rows.values() if not row["IsDeleted"])

    def getter(self, field: Field) -> Getter:
        """Build the function that reads a field from a row, computed ones too."""
        if field.formula is not None:
            return field.formula
        name = field.name
        return lambda row: row.get(name)

    def shown(self, row: StoredRow) -> dict[str, object]:
        """Show all of a row, hidden fields too: nulls as None, formulas computed."""
        return {
            field.name: row.get(field.name) if field.formula is None else field.formula(row)
            for field in self.sobject.fields
        }


@attrs.frozen
class TableState:
    """A table as a snapshot keeps it; the rows themselves are shared, since they are never changed in place."""

    sobject: SObject
    rows: Mapping[str, StoredRow] = attrs.field(repr=False)
    purged: Mapping[str, str] = attrs.field(repr=False)
    made: int


class Org:
    """The tables of the org, by name in any case and by key prefix."""

    def __init__(self, clock: Callable[[], datetime], switches: SalesforceSwitches) -> None:
        self.clock = clock
        self.tables: dict[str, Table] = {}
        self._by_prefix: dict[str, Table] = {}
        self._switches = switches
        self.described: dict[str, bytes] = {}
        """Describe answers already built, by object and version; emptied by every change of the schema."""
        self.schema_changed = clock()
        self.captured: set[str] = set()
        self.touched: dict[tuple[str, str], StoredRow | None] = {}
        """Of captured objects, the rows that the transaction under way has touched, as they were before it."""

    def capture(self, name: str) -> None:
        """Note from now on which rows of an object a transaction touches."""
        key = name.lower()
        self.captured.add(key)

        def watch(record_id: str, old: StoredRow | None) -> None:
            self.touched.setdefault((key, record_id), old)

        self.tables[key].watch = watch

    @property
    def switches(self) -> SalesforceSwitches:
        """The answers chosen for what is not known of the service."""
        return self._switches

    @switches.setter
    def switches(self, chosen: SalesforceSwitches) -> None:
        self._switches = chosen
        for table in self.tables.values():
            table.compile(table.sobject, self._references(), chosen)

    def now(self) -> str:
        """Give the time, as a stamp."""
        return stamp(self.clock())

    def declare(self, sobject: SObject) -> Table:
        """Add an object, or give the one of that name another declaration; its rows stay."""
        known = self.tables.get(sobject.name.lower())
        whole = completed(sobject, known.sobject.prefix if known else self._free_prefix())
        if known is None:
            table = self.tables[whole.name.lower()] = Table(whole, self._references(), self._switches)
        else:
            table = known
            table.compile(whole, self._references(), self._switches)
        self._by_prefix[whole.prefix] = table
        self.schema_seen_anew()
        return table

    def schema_seen_anew(self) -> None:
        """Let describes be made anew, since somebody sees the schema otherwise from now on."""
        self.described.clear()
        self.schema_changed = self.clock()

    def table(self, name: str) -> Table | None:
        """Find a table by the API name of its object, in any case."""
        return self.tables.get(name.lower())

    def table_of_id(self, record_id: str) -> Table | None:
        """Find the table that an id's key prefix belongs to."""
        return self._by_prefix.get(record_id[:3])

    def row(self, record_id: str) -> tuple[Table, StoredRow] | None:
        """Find a row of whatever object by its 18-character id, deleted ones too."""
        table = self._by_prefix.get(record_id[:3])
        row = None if table is None else table.rows.get(record_id)
        return None if table is None or row is None else (table, row)

    def children(self, parent: str) -> Iterator[tuple[Table, Field]]:
        """Walk over the lookups that point at an object."""
        for table in self.tables.values():
            for field in table.sobject.fields:
                if parent in field.references:
                    yield table, field

    def state(self) -> dict[str, TableState]:
        """Copy what the org holds."""
        return {
            name: TableState(table.sobject, dict(table.rows), dict(table.purged), table.made)
            for name, table in self.tables.items()
        }

    def restore(self, state: Mapping[str, TableState]) -> Self:
        """Go back to a copied state: schema, rows and counters."""
        self.tables.clear()
        self._by_prefix.clear()
        for name, kept in state.items():
            table = self.tables[name] = Table(kept.sobject, self._references(), self._switches)
            self._by_prefix[kept.sobject.prefix] = table
            table.rows = dict(kept.rows)
            table.purged = dict(kept.purged)
            table.made = kept.made
            table.compile(kept.sobject, self._references(), self._switches)
        self.touched.clear()  # going back is no transaction
        for name in self.captured & self.tables.keys():
            self.capture(name)
        self.schema_seen_anew()
        return self

    def _references(self) -> References:
        return References(self._sobject_of_prefix, self._is_live)

    def _sobject_of_prefix(self, prefix: str) -> str | None:
        table = self._by_prefix.get(prefix)
        return None if table is None else table.sobject.name

    def _is_live(self, sobject: str, record_id: str) -> bool:
        table = self.tables.get(sobject.lower())
        return table is not None and table.live(record_id) is not None

    def _free_prefix(self) -> str:
        number = 0
        while (prefix := "a" + _BASE_62[number // len(_BASE_62)] + _BASE_62[number % len(_BASE_62)]) in self._by_prefix:
            number += 1
        return prefix


def undo(journal: Journal, mark: int = 0) -> None:
    """Take back what a journal noted since it had `mark` entries, the last change first."""
    for table, record_id, old in reversed(journal[mark:]):
        table.put(record_id, old)
    del journal[mark:]


def unknown_column(name: str, sobject: str) -> Refusal:
    """Build the refusal of a field that is not there, as reads and queries word it [seen]."""
    return Refusal(
        "INVALID_FIELD",
        f"No such column '{name}' on entity '{sobject}'. If you are attempting to use a custom field, be sure to "
        "append the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names.",
    )
