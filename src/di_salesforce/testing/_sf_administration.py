"""An administrator's hands on the simulated org: the half of `FakeSalesforce` that knows no HTTP.

What may not go in here: requests, sessions, faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import record_id_18
from di_salesforce.testing._facade import Turn
from di_salesforce.testing._sf_access import ApiUser, Caller, FieldName
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_events import ChangeFeed, Message
from di_salesforce.testing._sf_merging import Conversion, HeldChange, convert_lead, held, merge
from di_salesforce.testing._sf_save import DuplicateRule, Hand, OnSave, Saver, ValidationRule
from di_salesforce.testing._sf_schema import Field, SObject
from di_salesforce.testing._sf_seeding import as_json, stored, would_refuse
from di_salesforce.testing._sf_store import Journal, Org, Table, undo
from di_salesforce.testing._sf_switches import SalesforceSwitches


class Administration:
    """What happens in the org behind the API's back; base class of `FakeSalesforce`."""

    def __init__(
        self,
        lock: Turn,
        *,
        org_id: str,
        clock: Callable[[], datetime],
        objects: Iterable[SObject],
        switches: SalesforceSwitches,
    ) -> None:
        self.org_id = org_id
        self._lock = lock
        self._org = Org(clock, switches)
        self._saver = Saver(self._org)
        self._feed = ChangeFeed(self._org)
        self._callers: dict[str, Caller] = {}
        for sobject in objects:
            self._org.declare(sobject)
        self.user_id, self._administrator_id = self._people()

    def _people(self) -> tuple[str, str]:
        """Make the org's own row and its two users: the one that the API acts as, and an administrator."""
        people = [("Integration", "integration@example.com"), ("Administrator", "administrator@example.com")]
        ids: list[str] = []
        for name, address in people:
            row = {"LastName": name, "Username": address, "Email": address, "Alias": name[:8], "IsActive": True}
            ids += self._store_at_its_word("User", [row], "") if self._org.table("User") else [""]
        if self._org.table("Organization"):
            row = {
                "Id": self.org_id,
                "Name": "Simulated",
                "OrganizationType": "Developer Edition",
                "InstanceName": "SIM1",
            }
            self._store_at_its_word("Organization", [row], ids[1])
        return ids[0], ids[1]

    # declaring ------------------------------------------------------------------------------------------------------
    @property
    def declared(self) -> Mapping[str, SObject]:
        """The objects of the org by their API names, parents before the standard ones that point at them."""
        with self._lock:
            return {table.sobject.name: table.sobject for table in self._org.tables.values()}

    def declare(self, sobject: SObject) -> None:
        """Add an sObject, or declare the one of that name afresh; system fields are added, rows stay."""
        with self._lock:
            self._org.declare(sobject)

    def add_field(self, sobject: str, field: Field) -> None:
        """Add a field, or put a changed declaration in the place of its namesake."""
        with self._lock:
            self._org.declare(self._table(sobject).sobject.with_field(field))

    def hide_field(self, sobject: str, field: str, *, hidden: bool = True, user: ApiUser | None = None) -> None:
        """Take away (or give back) the permission to see a field: it vanishes from describe and queries.

        It is one user's permission, or (None) that of all users of the API.
        """
        with self._lock:
            known = self._field(sobject, field)
            if user is None:
                self.add_field(sobject, attrs.evolve(known, hidden=hidden))
            else:
                self._permit(user, hidden=[(sobject.lower(), field.lower())], give=not hidden)

    def read_only_field(self, sobject: str, field: str, *, read_only: bool = True, user: ApiUser | None = None) -> None:
        """Take away (or give back) the permission to write a field: one user's, or (None) that of all."""
        with self._lock:
            known = self._field(sobject, field)
            if user is None:
                self.add_field(sobject, attrs.evolve(known, locked=read_only))
            else:
                self._permit(user, locked=[(sobject.lower(), field.lower())], give=not read_only)

    def _permit(
        self, user: ApiUser, *, hidden: Iterable[FieldName] = (), locked: Iterable[FieldName] = (), give: bool
    ) -> None:
        known = self._callers.get(user.user_id, Caller(user.user_id))
        self._callers[user.user_id] = known.changed(hidden=hidden, locked=locked, give=give)
        self._org.schema_seen_anew()

    def on_save(self, sobject: str, function: OnSave) -> None:
        """Let a function see every row before it is stored; what it changes in the dict is stored in its place.

        It may raise `Refusal` to refuse the row with any error code.
        """
        with self._lock:
            self._saver.automation(self._table(sobject)).on_save.append(function)

    def validation_rule(self, sobject: str, function: ValidationRule) -> None:
        """Let a function refuse rows: the text that it returns is the administrator's message, None is consent."""
        with self._lock:
            self._saver.automation(self._table(sobject)).validation.append(function)

    def duplicate_rule(
        self, sobject: str, fields: Sequence[str], *, name: str = "Rule", allow_save: bool = True
    ) -> None:
        """Refuse rows that agree with another one in all named fields, case aside; `allow_save`: a header overrides."""
        with self._lock:
            for field in fields:
                self._field(sobject, field)
            rule = DuplicateRule(name, tuple(fields), allow_save)
            self._saver.automation(self._table(sobject)).duplicates.append(rule)

    # rows -----------------------------------------------------------------------------------------------------------
    def load(self, sobject: str, rows: Iterable[Mapping[str, object]], *, trusted: bool = False) -> list[str]:
        """Seed rows, all or none, outside the request log.

        Args:
            sobject: API name.
            rows: native values (dates, `Decimal`) or the text of CSV cells; blank is null.
            trusted: take rows at their word: ids, stamps and read-only fields may be given, nothing is checked.

        Returns:
            The record ids, in order.

        Raises:
            ConfigurationError: what a create would refuse; lists all such rows.
        """
        with self._lock:
            if trusted:
                return self._store_at_its_word(sobject, rows, self._administrator_id)
            table = self._table(sobject)
            hand = Hand(self._administrator_id, journal=[])
            ids: list[str] = []
            problems: list[Problem] = []
            for number, row in enumerate(rows):
                try:
                    ids.append(self._saver.create(table, as_json(table, row), hand))
                except Refusal as refused:
                    problems.append(Problem(f"rows[{number}]", would_refuse(refused), "row.refused"))
            if problems:
                undo(hand.journal or [])
                raise ConfigurationError(problems, what=f"{sobject}: nothing was loaded")
            return ids

    def _store_at_its_word(self, sobject: str, rows: Iterable[Mapping[str, object]], user_id: str) -> list[str]:
        table = self._table(sobject)
        journal: Journal = []
        try:
            for row in rows:
                whole = stored(self._org, table, row, user_id)
                table.put(str(whole["Id"]), whole, journal)
        except ConfigurationError:
            undo(journal)
            raise
        return [record_id for _, record_id, _ in journal]

    def rows(self, sobject: str, *, include_deleted: bool = False) -> list[dict[str, object]]:
        """Give all rows with all fields, hidden and computed ones too, in the API's value forms: the truth."""
        with self._lock:
            table = self._table(sobject)
            return [table.shown(row) for row in table.rows.values() if include_deleted or not row["IsDeleted"]]

    def row(self, sobject: str, record_id: str) -> dict[str, object]:
        """Give one row, deleted or not, as `rows` does."""
        with self._lock:
            table = self._table(sobject)
            return table.shown(table.rows[self._known(table, record_id)])

    def record_ids(self, sobject: str) -> list[str]:
        """List the ids of all rows that are not deleted, for `edit` and `delete`."""
        with self._lock:
            return [str(row["Id"]) for row in self._table(sobject).all_live()]

    def edit(self, sobject: str, record_id: str, /, **values: object) -> None:
        """Change a row as an administrator would, through the same save path: checks, automation, stamps.

        Raises:
            ConfigurationError: what a save would refuse.
        """
        with self._lock:
            table = self._table(sobject)
            known = self._known(table, record_id)
            self._as_administrator(table, lambda hand: self._saver.update(table, known, as_json(table, values), hand))

    def delete(self, sobject: str, record_id: str) -> None:
        """Put a row into the recycle bin, as an administrator would."""
        with self._lock:
            table = self._table(sobject)
            known = self._known(table, record_id)
            self._as_administrator(table, lambda hand: self._saver.delete(table, known, hand))

    def undelete(self, sobject: str, record_id: str) -> None:
        """Take a row out of the recycle bin."""
        with self._lock:
            table = self._table(sobject)
            known = self._known(table, record_id)
            self._as_administrator(table, lambda hand: self._saver.undelete(table, known, hand))

    def merge(self, sobject: str, winner: str, losers: Iterable[str]) -> None:
        """Merge records into one, as a person does: the losers are deleted and name the winner, their children move.

        Raises:
            ConfigurationError: what the org would refuse: an object that does not merge, more than two losers, a record
                that is gone.
        """
        with self._lock:
            table = self._table(sobject)
            ids = [self._known(table, one) for one in (winner, *losers)]
            self._as_administrator(table, lambda hand: merge(self._org, self._saver, table, ids[0], ids[1:], hand))

    def convert_lead(self, record_id: str, *, opportunity: bool = True) -> Conversion:
        """Convert a lead, as a person does: into a new account, a contact and an opportunity; the lead stays behind.

        Raises:
            ConfigurationError: what the org would refuse.
        """
        with self._lock:
            table = self._table("Lead")
            known = self._known(table, record_id)
            made: list[Conversion] = []

            def save(hand: Hand) -> None:
                made.append(convert_lead(self._org, self._saver, known, hand, opportunity=opportunity))

            self._as_administrator(table, save)
            return made[0]

    def hold(self, act: Callable[[], object]) -> HeldChange:
        """Let something happen whose stamps are of now, but which nobody sees before its `commit()`.

        So a slow transaction looks from outside: rows appear with stamps that lie in the past.

        Args:
            act: what happens, for instance `lambda: fake.edit("Contact", record_id, FirstName="Ada")`.
        """
        with self._lock:
            return held(self._org, self._lock, act)

    def capture_changes(self, *sobjects: str) -> None:
        """Select objects for change events, as an administrator does; `change_events` tells of what follows."""
        with self._lock:
            for name in sobjects:
                self._org.capture(self._table(name).sobject.name)

    def change_events(self, after: int = 0) -> list[Message]:
        """List the change events that are still kept (three days), as a CometD listener decodes them.

        Give them to `di_salesforce.salesforce.change_event`.  No transport is played.

        Args:
            after: a replay id; 0: from the beginning.

        Example:
            >>> from di_salesforce.testing import FakeSalesforce
            >>> fake = FakeSalesforce()
            >>> fake.capture_changes("Contact")
            >>> [record_id] = fake.load("Contact", [{"LastName": "Roy"}])
            >>> [message] = fake.change_events()
            >>> message["data"]["payload"]["ChangeEventHeader"]["changeType"]
            'CREATE'
        """
        with self._lock:
            return self._feed.after(after)

    def empty_bin(self) -> None:
        """Remove all deleted rows for good; only `deleted` still tells of them."""
        with self._lock:
            for table in self._org.tables.values():
                for record_id, row in list(table.rows.items()):
                    if row["IsDeleted"]:
                        table.purged[record_id] = str(row["SystemModstamp"])
                        table.put(record_id, None)

    def touch(self, sobject: str, record_id: str) -> None:
        """Move `SystemModstamp` alone, as system changes do."""
        with self._lock:
            table = self._table(sobject)
            known = self._known(table, record_id)
            table.put(known, table.rows[known] | {"SystemModstamp": self._org.now()})

    def _as_administrator(self, table: Table, save: Callable[[Hand], None]) -> None:
        hand = Hand(self._administrator_id, allow_duplicates=True, journal=[])
        try:
            save(hand)
        except Refusal as refused:
            undo(hand.journal or [])
            raise ConfigurationError(f"{table.sobject.name}: {would_refuse(refused)}") from None

    def _table(self, name: str) -> Table:
        table = self._org.table(name)
        if table is None:
            raise ConfigurationError(f"the simulated org has no object {name}; declare it first")
        return table

    def _field(self, sobject: str, name: str) -> Field:
        field = self._table(sobject).sobject.field(name)
        if field is None:
            raise ConfigurationError(f"the simulated {sobject} has no field {name}")
        return field

    def _known(self, table: Table, record_id: str) -> str:
        full = record_id_18(record_id)
        if full is None or full not in table.rows:
            raise ConfigurationError(f"the simulated {table.sobject.name} has no record {record_id}")
        return full
