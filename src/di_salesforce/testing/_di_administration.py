"""People's hands on the simulated account: the half of `FakeDialogInsight` that knows no HTTP.

What may not go in here: requests, keys, faults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Value
from di_salesforce.testing._di_files import ImportMode, ImportReport, export_rows, import_rows
from di_salesforce.testing._di_model import Project, Table
from di_salesforce.testing._di_routes import Desk
from di_salesforce.testing._di_store import OnSave, Shelf
from di_salesforce.testing._di_values import Raw
from di_salesforce.testing._di_webhooks import Webhooks
from di_salesforce.testing._facade import Turn

__all__ = ["Hands"]


class Hands:
    """What happens in the account behind the API's back; base class of `FakeDialogInsight`."""

    def __init__(self, lock: Turn, desk: Desk) -> None:
        self._lock = lock
        self._desk = desk
        self.webhooks = Webhooks(desk, lock)

    # what it holds --------------------------------------------------------------------------------------------------
    def add_project(self, project: Project) -> Project:
        """Add a project, or publish a changed definition under the same id: rows stay, removed fields go.

        Raises:
            ConfigurationError: another key than before, or the number of a table.
        """
        with self._lock:
            self._desk.account.add_project(project)
        return project

    def add_table(self, table: Table) -> Table:
        """Add a relational table to a project, or publish a changed definition under the same id.

        Raises:
            ConfigurationError: no such project, a foreign key to nowhere, another key than before, a project's number.
        """
        with self._lock:
            self._desk.account.add_table(table)
        return table

    def load_contacts(self, project_id: int, rows: Iterable[Mapping[str, Raw]]) -> list[int]:
        """Store contacts as they are, all or none, and give their ids: only types and keys count, no rule, no hook.

        A key may be blank where its fields are not required; nothing finds such a contact but its `idContact`.  Rows
        have bare codes (`EMail`, `optin_news`, `dtOptin_news`), values native or as on the wire, and perhaps an
        `idContact` of their own.

        Raises:
            ConfigurationError: all rows that cannot be held, with their positions.
        """
        return self._seed(project_id, rows, self._desk.account.projects)

    def load_rows(self, id_table: int, rows: Iterable[Mapping[str, Raw]]) -> list[int]:
        """Store rows of a relational table as `load_contacts` does, and give their internal numbers."""
        return self._seed(id_table, rows, self._desk.account.tables)

    def load(self, number: int, rows: Iterable[Mapping[str, Raw]]) -> list[int]:
        """Store rows in the project or table with that number; as `load_contacts` and `load_rows`."""
        with self._lock:
            return self._desk.account.seed(number, rows)

    def _seed(self, number: int, rows: Iterable[Mapping[str, Raw]], among: Mapping[int, object]) -> list[int]:
        with self._lock:
            self._found(number, among)
            return self._desk.account.seed(number, rows)

    def contacts(self, project_id: int) -> list[dict[str, Value]]:
        """List the contacts of a project as they are stored: native values under `idContact` and bare codes."""
        with self._lock:
            return self._found(project_id, self._desk.account.projects).truth()

    def rows(self, id_table: int) -> list[dict[str, Value]]:
        """List the rows of a relational table as they are stored: native values under column names."""
        with self._lock:
            return self._found(id_table, self._desk.account.tables).truth()

    def _found(self, number: int, among: Mapping[int, object]) -> Shelf:
        if number not in among:
            kind = "project" if among is self._desk.account.projects else "table"
            raise ConfigurationError(f"there is no {kind} {number} here; add it first")
        return self._desk.account.shelf(number)

    # an outsider's hand ---------------------------------------------------------------------------------------------
    def edit(self, target: int | Project | Table, record: Raw | tuple[Raw, ...], /, **values: Raw) -> None:
        """Change a record as somebody in the application does: hooks run, rules do not.

        Args:
            target: the project or table, or its number.
            record: a contact's `idContact`, or the key of a relational row (a tuple where it has several columns).
            values: native or as on the wire, under bare codes.

        Raises:
            ConfigurationError: no such record or code, a value of another type, or a key that is taken.
        """
        with self._lock, self.webhooks.watching(by_api=False):
            number = _number(target)
            self._desk.account.edit(number, self._record(number, record), values)

    def delete(self, target: int | Project | Table, record: Raw | tuple[Raw, ...]) -> None:
        """Delete a record, named as for `edit`; a contact takes the rows of profiling tables along.

        Raises:
            ConfigurationError: no such record.
        """
        with self._lock:
            number = _number(target)
            self._desk.account.delete(number, [self._record(number, record)])

    def record_ids(self, target: int | Project | Table) -> list[Raw | tuple[Raw, ...]]:
        """List what names the records of a project (`idContact`) or table (their keys), for `edit` and `delete`."""
        with self._lock:
            shelf = self._desk.account.shelf(_number(target))
            if shelf.layout.id_slot is not None:
                return [*sorted(shelf.rows)]
            names = [slot.name for slot in shelf.layout.key]
            keys = [tuple(row[name] for name in names) for row in shelf.truth()]
            return [key[0] if len(key) == 1 else key for key in keys]

    # files ----------------------------------------------------------------------------------------------------------
    def import_csv(
        self,
        target: int | Project | Table,
        content: bytes | str,
        mode: ImportMode = "normal",
        *,
        ignored: Iterable[str] = (),
    ) -> ImportReport:
        r"""Import a file as somebody does in the application; webhooks are told nothing.

        Args:
            target: the project or table, or its number.
            content: CSV with a header row: `key_f_<code>`, `f_<code>`, `optin_<code>` for contacts, `key_<column>` and
                `<column>` for a table.
            mode: upsert, add only, update only, or replacement, which empties a table and deactivates the contacts that
                the file does not name.
            ignored: columns that are left alone.

        Raises:
            ConfigurationError: a file that the application would not take.

        Example:
            >>> from di_salesforce.testing import FakeDialogInsight, ProjectField
            >>> fake = FakeDialogInsight()
            >>> project = fake.add_project(Project(7, fields=[ProjectField("EMail", "email", key=True)]))
            >>> fake.import_csv(7, "key_f_EMail,f_LastName\nluc@example.ca,Roy\n").created
            1
        """
        with self._lock:
            return import_rows(self._desk.account, _number(target), content, mode, ignored, self._desk.clock())

    def export_csv(self, target: int | Project | Table) -> str:
        """Write all rows as a file in the form that an import takes."""
        with self._lock:
            return export_rows(self._desk.account, _number(target))

    def inactive_contacts(self, project: int | Project) -> frozenset[int]:
        """Name the contacts that a replacing import deactivated."""
        with self._lock:
            return self._desk.account.inactive.get(_number(project), frozenset())

    def edit_contact(self, project_id: int, id_contact: int, **values: Raw) -> None:
        """Change a contact; as `edit`, and refuses the number of a table."""
        self._found(project_id, self._desk.account.projects)
        self.edit(project_id, id_contact, **values)

    def edit_row(self, id_table: int, key: Raw | tuple[Raw, ...], **values: Raw) -> None:
        """Change a row of a relational table; as `edit`, and refuses the number of a project."""
        self._found(id_table, self._desk.account.tables)
        self.edit(id_table, key, **values)

    def delete_contact(self, project_id: int, id_contact: int) -> None:
        """Delete a contact; as `delete`, and refuses the number of a table."""
        self._found(project_id, self._desk.account.projects)
        self.delete(project_id, id_contact)

    def delete_row(self, id_table: int, key: Raw | tuple[Raw, ...]) -> None:
        """Delete a row of a relational table; as `delete`, and refuses the number of a project."""
        self._found(id_table, self._desk.account.tables)
        self.delete(id_table, key)

    def _record(self, number: int, record: Raw | tuple[Raw, ...]) -> int:
        """Find a record's internal number by what people call it."""
        shelf = self._desk.account.shelf(number)
        if shelf.layout.id_slot is not None:
            if not isinstance(record, int) or record not in shelf.rows:
                raise ConfigurationError(f"project {number} has no contact {record}")
            return record
        return self._row_number(number, record)

    def _row_number(self, id_table: int, key: Raw | tuple[Raw, ...]) -> int:
        shelf = self._found(id_table, self._desk.account.tables)
        parts = key if isinstance(key, tuple) else (key,)
        names = [slot.name for slot in shelf.layout.key]
        if len(parts) != len(names):
            raise ConfigurationError(f"table {id_table}: the key has {len(names)} columns: {', '.join(names)}")
        identity = shelf.identity(shelf.native(dict(zip(names, parts, strict=True))))
        number = None if identity is None else shelf.find(identity)
        if number is None:
            raise ConfigurationError(f"table {id_table} has no row with this key")
        return number

    def on_save(self, target: int | Project | Table, function: OnSave) -> None:
        """Let a function rewrite each row that is stored by a Merge or an edit, in place, as server-side rules do.

        It is given the whole row under bare names with native values, a contact's `idContact` too where it has one;
        functions of one target run in the order in which they were given.

        Raises:
            ConfigurationError: no such project or table.
        """
        number = _number(target)
        with self._lock:
            self._desk.account.shelf(number)
            hooks = self._desk.account.hooks
            hooks[number] = (*hooks.get(number, ()), function)


def _number(target: int | Project | Table) -> int:
    return target if isinstance(target, int) else target.id
