"""Following an object's changes with what the service itself says of them: stamps, and the replication calls beside.

What may not go in here: the calls and their windows (`_changes.py`, `_change_flows.py`).

Stamps alone can miss what becomes visible long after its stamp: the overlap of `changed_since` is a guess.  The
replication calls know of it, and say until when all is told (`latestDateCovered` [D]); they know of records that have
left the recycle bin, too.  They do not give rows, nor what happened after that moment, nor merges and conversions.
So both are asked: rows come by stamp, and what the replication calls name besides is read by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import attrs

from di_salesforce.exceptions import InvalidRequestError
from di_salesforce.records import Side
from di_salesforce.salesforce._change_flows import changed_since, deleted_since, updated
from di_salesforce.salesforce._changes import MERGING, ChangeCursor, Changes
from di_salesforce.salesforce._flows import query_by_key, query_rows
from di_salesforce.salesforce._settings import Settings
from di_salesforce.salesforce._soql import Soql, chunked_in, select
from di_salesforce.wire import Flow

__all__ = ["Replicated", "replicated_since"]


@attrs.frozen
class Replicated:
    """What changed, and the ids of all records that were named, whether they meet the conditions or not."""

    changes: Changes
    named: frozenset[str]


def replicated_since(
    settings: Settings,
    connection: str,
    sobject: str,
    fields: Iterable[str],
    since: ChangeCursor,
    *,
    where: Sequence[Soql] = (),
) -> Flow[Replicated]:
    """Read what changed since a cursor; the next one stands where the service says that all is told.

    Args:
        settings: retries.
        connection: its name.
        sobject: the object.
        fields: API names; `Id` and `SystemModstamp` come along.
        since: the cursor of the reading before; one of another feed does as well, if it is set back by its overlap.
        where: conditions that rows must meet; not asked of evidence.

    Raises:
        InvalidRequestError: the object cannot be followed so, or its log does not go back so far.
    """
    start = ChangeCursor(since.moment)
    log = yield from updated(settings, connection, sobject, start.moment)
    gone = yield from deleted_since(settings, connection, sobject, start.moment)
    if gone.earliest is not None and start.moment < gone.earliest:
        sentence = f"Salesforce, deletions of {sobject}: the log begins at {gone.earliest.isoformat()}"
        raise InvalidRequestError(sentence, side=Side.SALESFORCE, code="INVALID_REPLICATION_DATE")
    # By stamp last: what changes between these calls is in it.
    wanted = list(fields)
    changes = yield from changed_since(settings, connection, sobject, wanted, start, where=where, overlap=timedelta(0))
    rows = {str(row["Id"]): row for row in changes.rows}
    left_out = [each for each in log.ids if each not in rows and each not in changes.deleted | changes.merged.keys()]
    late = yield from query_by_key(
        settings, connection, sobject, [*wanted, "SystemModstamp"], key="Id", values=left_out, where=where
    )
    rows |= {str(row["Id"]): row for row in late}
    known = changes.deleted | changes.merged.keys()
    dead, merged = yield from _proven(settings, connection, sobject, [each for each in gone.dates if each not in known])
    return Replicated(
        attrs.evolve(
            changes,
            rows=tuple(row for record_id, row in rows.items() if record_id not in dead),
            cursor=ChangeCursor(min(log.covered, gone.covered)),
            deleted=changes.deleted | (dead - merged.keys()),
            merged={**merged, **changes.merged},
        ),
        frozenset(log.ids) | rows.keys(),
    )


def _proven(
    settings: Settings, connection: str, sobject: str, ids: Sequence[str]
) -> Flow[tuple[frozenset[str], dict[str, str]]]:
    """Tell which records of the log are gone indeed, and into which others they were merged: some were undeleted."""
    merging = ["MasterRecordId"] if sobject.lower() in MERGING else []
    query = select(sobject, ["Id", "IsDeleted", *merging], where=[Soql.trusted("Id IN :ids")])
    found: list[dict[str, Any]] = []  # rows
    for part in chunked_in(query, "ids", ids):
        found += yield from query_rows(settings, connection, part, include_deleted=True)
    living = {str(row["Id"]) for row in found if not row["IsDeleted"]}
    merged = {str(row["Id"]): str(row["MasterRecordId"]) for row in found if row.get("MasterRecordId")}
    return frozenset(ids) - living, merged
