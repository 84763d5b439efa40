"""The shelves of the simulator: the rows of each contact list and relational table, found by number and by key.

What may not go in here: requests, flags, refusals.  A stored row is replaced, never changed, so that copies are cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Final, TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import UnsetType, Value, is_blank
from di_salesforce.testing._di_model import ID_CONTACT, Layout, Project, Slot, Table, contact_layout, table_layout, zone
from di_salesforce.testing._di_switches import Switches
from di_salesforce.testing._di_values import TEXTS, Raw, Renderer, folded, read_value

__all__ = ["Account", "Identity", "OnSave", "Shelf", "StoredRow"]

StoredRow: TypeAlias = Mapping[str, Value]
"""A row under its bare names; a contact's holds `idContact` too."""

Identity: TypeAlias = tuple[Value, ...]
"""A row's key values in the form in which they are compared."""

OnSave: TypeAlias = Callable[[dict[str, Value]], None]
"""Server-side rewriting: changes the row that is about to be stored, in place, under bare names and native values."""

_FIRST_CONTACT: Final = 900_001  # as in the fact sheet's examples; ids are counted per project, so projects share them
_FIRST_ROW: Final = 1


class Shelf:
    """The rows of one contact list or relational table."""

    def __init__(self, layout: Layout, switches: Switches, time_zone: tzinfo) -> None:
        self.layout = layout
        self.time_zone = time_zone
        self.renderer = Renderer(layout, switches)
        self.rows: dict[int, StoredRow] = {}
        self._switches = switches
        self._numbers: dict[Identity, int] = {}
        self._next = _FIRST_ROW if layout.id_slot is None else _FIRST_CONTACT
        self._key = tuple((slot.name, _folds(slot, switches)) for slot in layout.key)

    def identity(self, values: Mapping[str, Value]) -> Identity | None:
        """Give the key of a row in comparable form; None where a part of it is missing or blank."""
        if len(self._key) == 1:  # the usual case, and the hot one
            name, folds = self._key[0]
            value = values.get(name)
            return None if value is None or value == "" else (folded(value) if folds else value,)
        parts = [(values.get(name), folds) for name, folds in self._key]
        return None if any(is_blank(value) for value, _ in parts) else tuple(folded(v) if f else v for v, f in parts)

    def find(self, identity: Identity) -> int | None:
        """Find a row's number by its key."""
        return self._numbers.get(identity)

    def accepts_key(self, row: Mapping[str, Value], number: int | None) -> bool:
        """Tell whether a row, new or with that number, may be stored under its key: free, or blank and not required."""
        identity = self.identity(row)
        if identity is None:
            return not any(slot.required for slot in self.layout.key)
        return self._numbers.get(identity, number) == number

    def finds(self, slot: Slot, *, folds: bool) -> bool:
        """Tell whether the key index finds all rows that a comparison of that slot, with or without case, means."""
        return not folds or (slot.name, True) in self._key or slot.kind not in TEXTS

    def holds(self, code: str, value: Value) -> bool:
        """Tell whether a foreign key value names a row here: by `idContact`, or by the single key field."""
        if code == ID_CONTACT:
            return value in self.rows
        identity = self.identity({code: value})
        return identity is not None and identity in self._numbers

    def put(self, row: StoredRow, number: int | None = None) -> int:
        """Store a row, new or in place of the one with that number; the caller has made sure that its key is free."""
        if number is None:
            number = self._next
        self._next = max(self._next, number + 1)
        before = self.rows.get(number)
        if before is not None:
            self._numbers.pop(self.identity(before) or (), None)
        identity = self.identity(row)
        if identity is not None:
            self._numbers[identity] = number
        self.rows[number] = row if self.layout.id_slot is None else {**row, ID_CONTACT: number}
        return number

    def remove(self, number: int) -> None:
        """Take a row away; its number is not given again."""
        self._numbers.pop(self.identity(self.rows.pop(number)) or (), None)

    def native(self, values: Mapping[str, Raw]) -> dict[str, Value]:
        """Read values that people seed or edit: by bare name, no rule but the type; an aware time becomes local.

        Raises:
            ConfigurationError: names and values that this shelf cannot hold, all of them.
        """
        read: dict[str, Value] = {}
        problems: list[Problem] = []
        for name, given in values.items():
            slot = self.layout.by_name.get(name)
            if slot is None:
                problems.append(Problem(name, f"{self.layout.title} has no such field"))
                continue
            value = read_value(slot, self._localised(given), self._switches)
            if isinstance(value, UnsetType):
                problems.append(Problem(name, f"{self.layout.title}: the value is not of type {slot.kind}"))
            else:
                read[name] = value
        if problems:
            raise ConfigurationError(problems)
        return read

    def own_number(self, asked: Raw) -> int | None:
        """Read the `idContact` that a seeded contact brings along; None where it brings none.

        Raises:
            ConfigurationError: it is not a whole number above zero.
        """
        number = None if self.layout.id_slot is None else read_value(self.layout.id_slot, asked, self._switches)
        if number is None or (isinstance(number, int) and number > 0):
            return number
        raise ConfigurationError([Problem(ID_CONTACT, "is not a whole number above zero")])

    def _localised(self, given: Raw) -> Raw:
        if isinstance(given, datetime) and given.tzinfo is not None:
            return given.astimezone(self.time_zone).replace(tzinfo=None)
        return given

    def blank_row(self) -> dict[str, Value]:
        """Give a new row that holds the defaults."""
        return {slot.name: slot.default for slot in self.layout.slots}

    def truth(self) -> list[dict[str, Value]]:
        """List copies of the rows by number, a contact's `idContact` first."""
        head = () if self.layout.id_slot is None else (ID_CONTACT,)
        names = (*head, *self.layout.by_name)
        return [{name: self.rows[number][name] for name in names} for number in sorted(self.rows)]

    def copy(self) -> Shelf:
        """Copy the shelf; the rows themselves are shared, since they never change."""
        twin = Shelf.__new__(Shelf)
        twin.__dict__.update(self.__dict__, rows=dict(self.rows), _numbers=dict(self._numbers))
        return twin

    def relaid(self, layout: Layout, switches: Switches, time_zone: tzinfo) -> Shelf:
        """Give the shelf after its definition was changed and built again: what has no place any more is gone.

        Raises:
            ConfigurationError: another key, which the application fixes for good [seen], or rows that would share one.
        """
        if [slot.name for slot in layout.key] != [slot.name for slot in self.layout.key]:
            raise ConfigurationError(f"{layout.title}: the key cannot be changed once it is made")
        twin = Shelf(layout, switches, time_zone)
        for number, row in self.rows.items():
            moved = {slot.name: self._moved(row, slot) for slot in layout.slots}
            if number in twin.rows or not twin.accepts_key(moved, None):
                raise ConfigurationError(f"{layout.title}: row {number} would have a blank key, or that of another row")
            twin.put(moved, number)
        twin._next = self._next
        return twin

    def _moved(self, row: StoredRow, slot: Slot) -> Value:
        if slot.name not in row:
            return slot.default
        value = read_value(slot, row[slot.name], self._switches)
        return None if isinstance(value, UnsetType) else value


def _folds(slot: Slot, switches: Switches) -> bool:
    return not (switches.email_key_case_sensitive if slot.kind == "email" else switches.text_key_case_sensitive)


@attrs.define(eq=False)
class Account:
    """All projects and tables of one account, with their shelves and hooks; not thread-safe by itself."""

    switches: Switches
    projects: dict[int, Project] = attrs.field(factory=dict[int, Project])
    tables: dict[int, Table] = attrs.field(factory=dict[int, Table])
    shelves: dict[int, Shelf] = attrs.field(factory=dict[int, Shelf])
    hooks: dict[int, tuple[OnSave, ...]] = attrs.field(factory=dict[int, tuple[OnSave, ...]])
    inactive: dict[int, frozenset[int]] = attrs.field(factory=dict[int, frozenset[int]])
    """By project, the contacts that a replacing import deactivated."""
    last_request: int = 50_000_000  # eight digits, as in the recordings [seen]

    def add_project(self, project: Project) -> None:
        """Add a project, or publish a changed definition of it."""
        self._refuse_shared_number(project.id, self.tables)
        layout = contact_layout(project, codes_case_sensitive=self.switches.codes_case_sensitive)
        self._lay(layout, zone(project.time_zone))
        self.projects[project.id] = project

    def add_table(self, table: Table) -> None:
        """Add a relational table, or publish a changed definition of it."""
        self._refuse_shared_number(table.id, self.projects)
        project = self.projects.get(table.project)
        if project is None:
            raise ConfigurationError(f"table {table.id}: there is no project {table.project}; add it first")
        contact_key = [slot.name for slot in self.shelves[project.id].layout.key]
        wrong = [
            c for c in table.columns if c.foreign_key and c.references != ID_CONTACT and [c.references] != contact_key
        ]
        if wrong:
            raise ConfigurationError(
                Problem(
                    f"table {table.id}, column {column.name!r}",
                    f"refers to {column.references!r}; it may to {ID_CONTACT} or the project's single key field",
                )
                for column in wrong
            )
        layout = table_layout(table, codes_case_sensitive=self.switches.codes_case_sensitive)
        self._lay(layout, zone(project.time_zone))
        self.tables[table.id] = table

    def _lay(self, layout: Layout, time_zone: tzinfo) -> None:
        known = self.shelves.get(layout.number)
        make = Shelf if known is None else known.relaid
        self.shelves[layout.number] = make(layout, self.switches, time_zone)

    def _refuse_shared_number(self, number: int, others: Mapping[int, object]) -> None:
        if number in others:
            raise ConfigurationError(f"{number} would be a project and a table here; give one of them another id")

    def shelf(self, number: int) -> Shelf:
        """Find a shelf for people.

        Raises:
            ConfigurationError: nothing has that number.
        """
        if number not in self.shelves:
            raise ConfigurationError(f"there is no project or table {number} here; add it first")
        return self.shelves[number]

    def contacts_of(self, number: int) -> Shelf | None:
        """Find the contact list that a table hangs on; None for a contact list itself."""
        table = self.tables.get(number)
        return None if table is None else self.shelves[table.project]

    def seed(self, number: int, rows: Iterable[Mapping[str, Raw]]) -> list[int]:
        """Store rows as they are, all or none; only types and keys count.

        Raises:
            ConfigurationError: rows that cannot be held: an unknown name, a value of another type, a taken key.
        """
        shelf = self.shelf(number).copy()
        problems: list[Problem] = []
        numbers: list[int] = []
        for index, row in enumerate(rows):
            values = dict(row)
            asked = values.pop(ID_CONTACT, None) if shelf.layout.id_slot is not None else None
            try:
                number_asked = shelf.own_number(asked)
                stored = {**shelf.blank_row(), **shelf.native(values)}
            except ConfigurationError as error:
                problems += [Problem(f"rows[{index}].{found.path}", found.message) for found in error.problems]
                continue
            if number_asked in shelf.rows or not shelf.accepts_key(stored, None):
                problems.append(Problem(f"rows[{index}]", f"{shelf.layout.title}: the key is blank or taken"))
                continue
            numbers.append(shelf.put(stored, number_asked))
        if problems:
            raise ConfigurationError(problems)
        self.shelves[number] = shelf
        return numbers

    def edit(self, number: int, row_number: int, values: Mapping[str, Raw]) -> None:
        """Change a row as a person in the application does: hooks run, rules do not.

        Raises:
            ConfigurationError: no such row, name or value, or a key that is taken.
        """
        shelf = self.shelf(number)
        if row_number not in shelf.rows:
            raise ConfigurationError(f"{shelf.layout.title} has no row {row_number}")
        row = self.rewritten(shelf, {**shelf.rows[row_number], **shelf.native(values)})
        if not shelf.accepts_key(row, row_number):
            raise ConfigurationError(f"{shelf.layout.title}: the key is blank or taken")
        shelf.put(row, row_number)

    def rewritten(self, shelf: Shelf, row: dict[str, Value]) -> dict[str, Value]:
        """Let the hooks of a shelf rewrite a row that is about to be stored."""
        hooks = self.hooks.get(shelf.layout.number, ())
        for hook in hooks:
            hook(row)
        return shelf.native({name: row[name] for name in shelf.layout.by_name}) if hooks else row

    def delete(self, number: int, row_numbers: Iterable[int]) -> None:
        """Delete rows; a contact takes the rows of profiling tables that hang on it with it [seen]."""
        shelf = self.shelves[number]
        gone = {row_number: shelf.rows[row_number] for row_number in row_numbers}
        if number in self.projects:
            for table in self.tables.values():
                if table.project == number and table.kind == "profiling":
                    self._cascade(shelf, self.shelves[table.id], gone)
        for row_number in gone:
            shelf.remove(row_number)

    def _cascade(self, contacts: Shelf, rows: Shelf, gone: Mapping[int, StoredRow]) -> None:
        links = [(slot.name, slot.references) for slot in rows.layout.slots if slot.references is not None]
        identities = {contacts.identity(row) for row in gone.values()}
        for row_number, row in list(rows.rows.items()):
            for name, references in links:
                value = row[name]
                if is_blank(value):
                    continue
                if value in gone if references == ID_CONTACT else contacts.identity({references: value}) in identities:
                    rows.remove(row_number)
                    break

    def next_request(self) -> int:
        """Count a request."""
        self.last_request += 1
        return self.last_request

    def copy(self) -> Account:
        """Copy everything that calls and people can change."""
        return Account(
            self.switches,
            dict(self.projects),
            dict(self.tables),
            {number: shelf.copy() for number, shelf in self.shelves.items()},
            dict(self.hooks),
            dict(self.inactive),
            self.last_request,
        )

    def under(self, switches: Switches) -> Account:
        """Give the account with the same rows under other switches.

        Raises:
            ConfigurationError: rows that would have the same key.
        """
        twin = attrs.evolve(self.copy(), switches=switches)
        for project in self.projects.values():
            twin.add_project(project)
        for table in self.tables.values():
            twin.add_table(table)
        return twin

    def emptied(self) -> Account:
        """Give the account as declared, without rows and hooks."""
        fresh = Account(self.switches)
        for project in self.projects.values():
            fresh.add_project(project)
        for table in self.tables.values():
            fresh.add_table(table)
        return fresh


def local_now(now: datetime, time_zone: tzinfo) -> datetime:
    """Give the time as a project's clock on the wall shows it."""
    return now.astimezone(UTC).astimezone(time_zone).replace(tzinfo=None, microsecond=0)
