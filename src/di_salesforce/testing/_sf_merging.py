"""What people do to records in the org beyond saving them: merging, converting a lead, a transaction that lasts.

What may not go in here: HTTP; none of this can be done through the plain REST API (facts 3.13).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_save import Hand, Saver
from di_salesforce.testing._sf_schema import StoredRow
from di_salesforce.testing._sf_store import Org, Table

_MERGING: Final = frozenset({"Account", "Contact", "Lead", "Case"})
_MOST_LOSERS: Final = 2
"""Three records merge at once (facts 3.13)."""


def merge(org: Org, saver: Saver, table: Table, winner: str, losers: Sequence[str], hand: Hand) -> None:
    """Delete the losers, let them name the winner, and give it their children."""
    name = table.sobject.name
    if name not in _MERGING or len(losers) > _MOST_LOSERS or winner in losers:
        raise Refusal("INVALID_OPERATION", f"{name}: up to {_MOST_LOSERS} other records merge into one", ())
    moment = org.now()
    stamps: StoredRow = {"LastModifiedDate": moment, "LastModifiedById": hand.user_id, "SystemModstamp": moment}
    for loser in losers:
        gone = saver.existing(table, loser)
        for child, field in list(org.children(name)):
            for child_id in child.index(field).find(loser):
                # That a new parent moves SystemModstamp alone is our reading of "system changes".
                child.put(child_id, child.rows[child_id] | {field.name: winner, "SystemModstamp": moment}, hand.journal)
        table.put(loser, gone | stamps | {"IsDeleted": True, "MasterRecordId": winner}, hand.journal)
    kept = saver.existing(table, winner)
    table.put(winner, kept | stamps, hand.journal)


@attrs.frozen
class Conversion:
    """What a lead became."""

    account_id: str
    contact_id: str
    opportunity_id: str | None = None


_SAME_IN_CONTACT: Final = ("Salutation", "FirstName", "LastName", "Title", "Email", "Phone", "MobilePhone", "Fax")


def convert_lead(org: Org, saver: Saver, record_id: str, hand: Hand, *, opportunity: bool) -> Conversion:
    """Make the three records, and leave the lead behind with their ids, read-only from then on."""
    tables = {name: org.tables[name.lower()] for name in ("Lead", "Account", "Contact", "Opportunity")}
    lead = saver.existing(tables["Lead"], record_id)
    if lead.get("IsConverted"):
        raise Refusal("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", ())
    account = saver.create(tables["Account"], {"Name": lead["Company"]}, hand)
    person: dict[str, object] = {name: lead[name] for name in _SAME_IN_CONTACT if name in lead}
    contact = saver.create(tables["Contact"], {**person, "AccountId": account}, hand)
    deal = None
    today = org.clock().date()
    if opportunity:
        close = (today + timedelta(days=90)).isoformat()  # any later day: the vendor takes the end of the quarter
        values = {"Name": f"{lead['Company']}-", "AccountId": account, "StageName": "Prospecting", "CloseDate": close}
        deal = saver.create(tables["Opportunity"], values, hand)
    moment = org.now()
    converted: StoredRow = lead | {
        "IsConverted": True, "ConvertedDate": today.isoformat(), "ConvertedAccountId": account,
        "ConvertedContactId": contact, "Status": "Closed - Converted", "LastModifiedDate": moment,
        "LastModifiedById": hand.user_id, "SystemModstamp": moment,
    }  # fmt: skip
    if deal is not None:
        converted["ConvertedOpportunityId"] = deal
    tables["Lead"].put(record_id, converted, hand.journal)
    return Conversion(account, contact, deal)


@attrs.define(eq=False)
class HeldChange:
    """Rows that have been saved, with their stamps, and that nobody sees yet."""

    _rows: list[tuple[Table, str, StoredRow | None, StoredRow | None]] = attrs.field(repr=False)
    _lock: AbstractContextManager[object] = attrs.field(repr=False)

    def commit(self) -> None:
        """Let everybody see the rows; a second time does nothing.

        Raises:
            ConfigurationError: somebody else saved one of them meanwhile; a real transaction would have held its lock.
        """
        with self._lock:
            if any(table.rows.get(record_id) is not old for table, record_id, old, _ in self._rows):
                raise ConfigurationError("a held row was saved by somebody else meanwhile")
            for table, record_id, _, new in self._rows:
                table.put(record_id, new)
            self._rows = []


def held(org: Org, lock: AbstractContextManager[object], act: Callable[[], object]) -> HeldChange:
    """Carry something out and take it back, but for what it did to the rows."""
    before = {name: dict(table.rows) for name, table in org.tables.items()}
    act()
    moved: list[tuple[Table, str, StoredRow | None, StoredRow | None]] = []
    for name, table in org.tables.items():
        old = before.get(name, {})
        for record_id in [one for one in {**old, **table.rows} if old.get(one) is not table.rows.get(one)]:
            moved.append((table, record_id, old.get(record_id), table.rows.get(record_id)))
            table.put(record_id, old.get(record_id))
    return HeldChange(moved, lock)
