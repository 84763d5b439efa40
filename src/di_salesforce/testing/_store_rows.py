"""The rows that `store_contract` lets a store keep: values of every kind, and links, items and the like in every state.

What may not go in here: laws, and anything that touches a store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

from di_salesforce.engine import (
    Applied,
    CoverageRecord,
    FieldState,
    Life,
    LinkRecord,
    OpenItem,
    Relation,
    Settlement,
    SyncReport,
    Tombstone,
)
from di_salesforce.engine._actions import Change
from di_salesforce.records import UNSET, Side, Value
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.stores import Intent, RunRecord

__all__ = [
    "NOW",
    "VALUES",
    "Unreadable",
    "applied",
    "everything",
    "intent",
    "item",
    "joined",
    "link",
    "run",
    "schema",
    "settlement",
]

NOW: Final = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)

VALUES: Final[tuple[Value, ...]] = (
    None, "", " padded ", "Éloïse Ōoka 🙂", "a\x00b\n\t\u2028", 'quote " and \\', "lone \ud83d surrogate",
    True, False, 0, -1, 2**63, 0.1, -0.0, 1e300, Decimal("1.10"), Decimal("-0"), Decimal("1E+3"),
    date(2026, 2, 28),
    datetime(2026, 2, 28, 23, 59, 59, 999999),  # noqa: DTZ001 - Dialog Insight's times have no zone
    datetime(2026, 2, 28, 23, 59, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=timezone(timedelta(hours=-4, minutes=-30))),
)  # fmt: skip
"""A value of every kind that a row can hold, and the awkward ones of each."""


class Unreadable(tuple[CoverageRecord, ...]):
    """Rows that cannot be read: a save fails when it comes to them."""

    __slots__ = ()

    def __iter__(self) -> Iterator[CoverageRecord]:
        raise OSError("the rows cannot be read")


def link(transfer: str, name: str, **given: Any) -> LinkRecord:  # members of several types
    """Give a link with this id; `given` names further members."""
    rest: dict[str, Any] = {
        "salesforce_id": f"0035g00000{name:>05.5}AAA",
        "dialog_insight_id": name,
        "salesforce_key": (f"{name}@example.com",),
        "dialog_insight_key": (f"{name}@example.com",),
        "fields": {},
    }
    return LinkRecord(transfer=transfer, id=name, **(rest | given))


def item(transfer: str, subject: str, **given: Any) -> OpenItem:  # members of several types
    """Give an open item about a subject; `given` names further members."""
    rest: dict[str, Any] = {"group": "", "reason": "conflict.both_changed", "since": NOW}
    return OpenItem(transfer=transfer, subject=subject, **(rest | given))


def run(run_id: str, hours: int) -> RunRecord:
    """Give a line of history, so many hours after the first."""
    started = NOW + timedelta(hours=hours)
    counts = (("create done", 3), ("update refused", 1))
    return RunRecord(
        run_id, ("contacts", "orders"), started, started + timedelta(seconds=9), "d" * 64, ok=False, counts=counts
    )


def intent(intent_id: str, transfer: str = "contacts") -> Intent:
    """Give an intent with a plan that holds awkward texts; a store does not look into it."""
    plan = {"format": 1, "actions": [{"values": {"LastName": "Ōoka \ud83d 🙂 \x00"}}], "seal": "x"}
    return Intent(intent_id, intent_id.partition("/")[0], transfer, NOW, plan)


def applied(key: str, record_id: str) -> Settlement:
    """Give a settlement with a write that was done, with its before-image."""
    change = Change("LastName", "Ōoka", "Lee", "update.changed", "LastName:LastName", "Lee")
    done = Applied(
        "a", "contacts", "update", Side.DIALOG_INSIGHT, record_id, record_id, key, "update.changed", (change,), {}, NOW
    )
    kept = link("contacts", record_id, salesforce_id="0035g00000abcdeAAA")
    return Settlement(SyncReport(), changed_links=(kept,), applied=(done,))


def schema(side: Side, name: str = "Contact") -> TableSchema:
    """Give a schema with a field of every type, and all that can be said of one."""
    full = FieldSchema(
        "Level__c", FieldType.CHOICE, "Niveau « fidélité »", length=40, precision=18, scale=2, nullable=False,
        creatable=False, updatable=False, required=True, unique=True, external_id=True, id_lookup=True, key=True,
        calculated=True, choices=("a", "é|;"), restricted=True, references=("Account", "Lead"),
        default=Decimal("1.50"), raw_type="picklist",
    )  # fmt: skip
    plain = [FieldSchema(f"field {kind.value}", kind) for kind in FieldType]
    return TableSchema(
        name, side=side, fields=[full, *plain], id=7, label="Des gens", deletable=False, record_types=["Household"]
    )


def settlement(
    links: Sequence[LinkRecord] = (),
    items: Sequence[OpenItem] = (),
    *,
    removed: Sequence[str] = (),
    closed: Sequence[str] = (),
) -> Settlement:
    """Give a delta of links and open items."""
    return Settlement(
        SyncReport(),
        changed_links=tuple(links),
        removed_links=tuple(removed),
        open_items=tuple(items),
        closed_items=tuple(closed),
    )


def joined(settlements: Iterable[Settlement]) -> Settlement:
    """Give one delta with the rows of several."""
    listed = list(settlements)
    return Settlement(
        SyncReport(),
        changed_links=tuple(row for part in listed for row in part.changed_links),
        open_items=tuple(row for part in listed for row in part.open_items),
        tombstones=tuple(row for part in listed for row in part.tombstones),
        coverages=tuple(row for part in listed for row in part.coverages),
    )


def everything(transfer: str) -> Settlement:
    """Give rows of every kind, in every state; ids of links are unique over all transfers, as the engine's are."""
    plain = link(transfer, f"{transfer}:1", fields={"Email:EMail": FieldState(("a@example.com", "A@example.com"))})
    lines = {
        "agreed": FieldState(("x", "x"), version="text"),
        "rewritten": FieldState(("X", "x"), Relation.REWRITTEN, wrote=Side.SALESFORCE, unverified=True),
        "accepted": FieldState((1, Decimal("1.50")), Relation.ACCEPTED, bounce=2, wrote=Side.DIALOG_INSIGHT),
        "never agreed": FieldState(None, seen=("left", None), group="consent"),
        "seen on one side": FieldState((None, ""), seen=(UNSET, date(2026, 5, 1))),
    }
    full = link(
        transfer,
        f"{transfer}:2",
        fields=lines,
        life=Life.DORMANT,
        gone=Side.DIALOG_INSIGHT,
        cause="deleted.reported",
        salesforce_as_of=NOW,
        dialog_insight_as_of=NOW - timedelta(days=400),
        rev=17,
    )
    relational = link(
        transfer, f"{transfer}:3", salesforce_id=None, dialog_insight_id=None, salesforce_key=None,
        dialog_insight_key=("A-1", "é", ""), life=Life.ENDED, gone=Side.SALESFORCE,
    )  # fmt: skip
    items = (
        item(transfer, "link:1", group="Email:EMail", fingerprint="f" * 20, key=("a@example.com", None)),
        item(transfer, "link:1", group="salesforce", reason="outcome.refused", count=12, detail="LONG: « trop long »"),
        item(transfer, "row:dialog_insight:7", reason="key.ambiguous", since=NOW - timedelta(days=1)),
    )
    stones = (
        Tombstone(transfer, Side.SALESFORCE, "0035g00000A9Nr4AAF", None, NOW, "deleted"),
        Tombstone(transfer, Side.DIALOG_INSIGHT, None, ("A-1", "é"), NOW, "unlink"),
        Tombstone(transfer, Side.DIALOG_INSIGHT, "42", None, NOW, "deleted"),
    )
    coverages = (
        CoverageRecord(transfer, Side.SALESFORCE, "Email != null", ("Email", "Id"), NOW, NOW, "cursor: 2026"),
        CoverageRecord(transfer, Side.DIALOG_INSIGHT, None, (), None, None),
    )
    return Settlement(
        SyncReport(), changed_links=(plain, full, relational), open_items=items, tombstones=stones, coverages=coverages
    )
