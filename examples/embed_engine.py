"""Embedding the engine: our own gateway, our own tables; the library decides and never sees a socket.

    pip install attrs typing-extensions && pip install --no-deps di-salesforce
    python examples/embed_engine.py

Dicts stand here for the two services, and SQLite for our database.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from di_salesforce import FieldMapping, ObjectTransfer, Side
from di_salesforce import converters as cv
from di_salesforce.engine import (
    Action,
    Applied,
    Baseline,
    Conflict,
    CoverageRecord,
    Create,
    Delete,
    Link,
    LinkRecord,
    Need,
    OpenItem,
    Outcome,
    Plan,
    Reject,
    Settlement,
    Skip,
    Snapshot,
    Tombstone,
    Unlink,
    Update,
    reconcile,
    settle,
)
from di_salesforce.records import Row, Value

members = ObjectTransfer(
    "members",
    sobject="Contact",
    fields=[
        FieldMapping("Email", "EMail", key=True, converter=cv.email()),
        FieldMapping("Points__c", "Points", converter=cv.integer()),
        FieldMapping("Birthdate", "Naissance", converter=cv.date(dialog_insight="%Y.%m.%d")),
    ],
)


services: dict[Side, dict[str, dict[str, Value]]] = {
    Side.SALESFORCE: {
        "0035e00000AbCdEAAV": {
            "Id": "0035e00000AbCdEAAV",
            "Email": "Ada@example.ca",
            "Points__c": 120,
            "Birthdate": "1815-12-10",
        },
    },
    Side.DIALOG_INSIGHT: {},
}


def fetch(side: Side, needs: Sequence[Need]) -> list[Row]:
    """Look records up, by id or by key (in that side's own form)."""
    field = "Email" if side is Side.SALESFORCE else "EMail"
    ids = {need.record_id for need in needs}
    keys = {str(need.key).lower() for need in needs}
    return [row for id_, row in services[side].items() if id_ in ids or str(row[field]).lower() in keys]


def write(side: Side, record_id: str | None, values: Row) -> tuple[str, Row]:
    """Create (no id) or change a record; give its id and the row as the service keeps it now."""
    id_field = "Id" if side is Side.SALESFORCE else "idContact"
    record_id = record_id or str(501 + len(services[side]))
    row = services[side].setdefault(record_id, {id_field: record_id})
    row.update(values)
    return record_id, dict(row)


database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE memory (kind TEXT, id TEXT, row TEXT, PRIMARY KEY (kind, id))")


def remembered() -> Baseline:
    """Give what was remembered, as plain rows out of our table."""
    return Baseline.from_dicts(json.loads(row) for (row,) in database.execute("SELECT row FROM memory"))


def remember(settlement: Settlement) -> None:
    """Store a settlement, which is a change of the memory and not the whole of it, in one transaction."""
    gone = [
        *(("link", id_) for id_ in settlement.removed_links),
        *(("open_item", id_) for id_ in settlement.closed_items),
        *(("tombstone", id_) for id_ in settlement.removed_tombstones),
    ]
    kept: list[LinkRecord | OpenItem | Tombstone | CoverageRecord] = [
        *settlement.changed_links,
        *settlement.open_items,
        *settlement.tombstones,
        *settlement.coverages,
    ]
    with database:
        database.executemany("DELETE FROM memory WHERE kind = ? AND id = ?", gone)
        database.executemany(
            "INSERT OR REPLACE INTO memory VALUES (?, ?, ?)",
            [(row.kind, row.id, json.dumps(row.to_dict())) for row in kept],
        )


class Refused(Exception):  # noqa: N818 - our gateway's own name for it
    """Stands for your gateway's own error."""


def attempt(action: Action) -> Outcome | None:
    """Carry out one action; None where there is nothing to carry out."""
    match action:
        case Create(side=side, values=values):
            return sent(side, None, values)
        case Update(side=side, record_id=record_id, values=values):
            return sent(side, record_id, values)
        case Delete():
            return Outcome.refused("deletes.off", "we never delete")
        case Link() | Unlink() | Skip() | Conflict() | Reject():
            return None  # settle knows what to do with them
        case _:
            assert_never(action)


def sent(side: Side, record_id: str | None, values: Row) -> Outcome:
    """Write through our gateway, and say what became of it."""
    try:
        new_id, stored = write(side, record_id, values)
    except Refused as error:
        return Outcome.refused("refused", str(error))
    except TimeoutError:
        return Outcome.unknown()  # the answer was lost: it is looked up later, never blindly repeated
    return Outcome.done(new_id, stored)


history: list[Applied] = []  # what was written; `to_dict` gives it as plain data for a table of yours


def one_pass(salesforce: Snapshot, dialog_insight: Snapshot, now: datetime) -> Plan:
    """Plan, look up what the plan asks for, write, settle, remember."""
    plan = reconcile(members, salesforce=salesforce, dialog_insight=dialog_insight, baseline=remembered(), now=now)
    while plan.needs:  # counterparts that the engine must see before it decides
        plan = plan.supplied(
            salesforce=fetch(Side.SALESFORCE, plan.needs[Side.SALESFORCE]),
            dialog_insight=fetch(Side.DIALOG_INSIGHT, plan.needs[Side.DIALOG_INSIGHT]),
        )
    outcomes = {action.id: outcome for action in plan.actions if (outcome := attempt(action)) is not None}
    settlement = settle(plan, outcomes, now=now)
    remember(settlement)
    history.extend(settlement.applied)
    return plan


def main() -> int:
    """Create Ada in Dialog Insight, bring her new points back, and see that a third pass is quiet."""
    first = one_pass(
        Snapshot.complete(services[Side.SALESFORCE].values()),
        Snapshot.complete(services[Side.DIALOG_INSIGHT].values()),
        datetime(2026, 1, 2, tzinfo=UTC),
    )
    print(first)
    [member] = services[Side.DIALOG_INSIGHT].values()
    member["Points"] = 150
    second = one_pass(Snapshot.changes([]), Snapshot.changes([member]), datetime(2026, 1, 3, tzinfo=UTC))
    print(second)
    third = one_pass(Snapshot.changes([]), Snapshot.changes([]), datetime(2026, 1, 4, tzinfo=UTC))
    print(f"{len(third.writes)} writes in the third pass; {len(history)} in the history")
    return 0 if services[Side.SALESFORCE]["0035e00000AbCdEAAV"]["Points__c"] == 150 and not third.writes else 1


if __name__ == "__main__":
    with contextlib.closing(database):
        sys.exit(main())
