"""Routes that only read: versions, describes, queries and their pages, `updated` and `deleted`, limits.

What may not go in here: record calls, and how a query is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from di_salesforce.testing._sf_errors import Answer, Refusal
from di_salesforce.testing._sf_query import Result
from di_salesforce.testing._sf_schema import child_relationship, describe_sobject, describe_summary
from di_salesforce.testing._sf_service import ApiCall
from di_salesforce.testing._sf_store import Table
from di_salesforce.testing._sf_values import read_datetime, stamp

FIRST_VERSION: Final = 31
LAST_VERSION: Final = 67
VERSIONS: Final = frozenset(f"{number}.0" for number in range(FIRST_VERSION, LAST_VERSION + 1))

# `batchSize` of Sforce-Query-Options (facts 3.5).
_MIN_BATCH: Final = 200
_MAX_BATCH: Final = 2000

# How far back `updated` and `deleted` may look, and how many ids they give (facts 3.9).
_UPDATED_DAYS: Final = 30
_DELETED_DAYS: Final = 15
_MAX_IDS: Final = 600_000


# Discovery ----------------------------------------------------------------------------------------------------------


def versions() -> Answer:
    """GET `/services/data`: no session needed, no limit header [seen]."""
    seasons = ("Spring", "Summer", "Winter")
    listed: list[Mapping[str, str]] = []
    for number in range(FIRST_VERSION, LAST_VERSION + 1):
        # Version 60 is Spring '24, and three come a year; a winter release bears the next year's number.
        years, season = divmod(number - 60, 3)
        label = f"{seasons[season]} '{24 + years + (season == 2):02d}"
        listed.append({"label": label, "url": f"/services/data/v{number}.0", "version": f"{number}.0"})
    return Answer(200, listed)


def resources(call: ApiCall) -> Answer:
    """GET `/services/data/vXX.X`: resource names and their paths."""
    names = ("sobjects", "query", "queryAll", "limits", "composite", "jobs/ingest", "jobs/query")
    return Answer(200, {name: f"{call.base}/{name}" for name in names})


def sobjects(call: ApiCall) -> Answer:
    """GET `/sobjects`."""
    tables = sorted(call.org.tables.values(), key=lambda table: table.sobject.name)
    listed = [describe_summary(table.sobject, call.base) for table in tables]
    return Answer(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})


def sobject(call: ApiCall) -> Answer:
    """GET `/sobjects/X`."""
    table = call.table()
    recent: list[object] = []
    body = {"objectDescribe": describe_summary(table.sobject, call.base), "recentItems": recent}
    return Answer(200, body, sobject=table.sobject.name)


def describe(call: ApiCall) -> Answer:
    """GET `/sobjects/X/describe`: honours `If-Modified-Since` [seen]."""
    table = call.table()
    name = table.sobject.name
    changed = call.org.schema_changed.astimezone(UTC).replace(microsecond=0)
    headers = {"Last-Modified": format_datetime(changed, usegmt=True), "Content-Type": "application/json;charset=UTF-8"}
    if _not_modified(call, changed):
        return Answer(304, headers=headers, sobject=name)
    key = f"{name} {call.version} {call.caller.user_id}"
    if key not in call.org.described:
        children = [
            child_relationship(child.sobject, field)
            for child, field in call.org.children(name)
            if call.caller.sees(child.sobject.name, field)
        ]
        body = describe_sobject(call.caller.view(table.sobject), children, call.base)
        call.org.described[key] = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(200, call.org.described[key], headers, sobject=name)


def _not_modified(call: ApiCall, changed: datetime) -> bool:
    text = call.request.headers.get("if-modified-since")
    if text is None:
        return False
    try:
        since = parsedate_to_datetime(text)
    except ValueError:
        return False
    return changed <= (since if since.tzinfo else since.replace(tzinfo=UTC))


def limits(call: ApiCall) -> Answer:
    """GET `/limits`: the daily calls and bulk queries are counted, the others stand still."""
    service = call.service
    still = {"DailyBulkApiBatches": 15000, "DailyBulkV2QueryFileStorageMB": 976562}
    body = {name: {"Max": most, "Remaining": most} for name, most in still.items()}
    body["DailyApiRequests"] = {
        "Max": service.daily_limit,
        "Remaining": max(service.daily_limit - service.calls_used, 0),
    }
    queries = call.org.switches.bulk_query_jobs
    body["DailyBulkV2QueryJobs"] = {"Max": queries, "Remaining": max(queries - service.bulk_queries, 0)}
    return Answer(200, body)


def record_count(call: ApiCall) -> Answer:
    """GET `/limits/recordCount`: exact here, approximate at the vendor's."""
    names = [name for name in call.request.query.get("sObjects", "").split(",") if name]
    tables = [table for name in names if (table := call.org.table(name))] if names else list(call.org.tables.values())
    counts = [{"count": sum(1 for _ in table.all_live()), "name": table.sobject.name} for table in tables]
    return Answer(200, {"sObjects": counts})


# Queries ------------------------------------------------------------------------------------------------------------


def query(call: ApiCall) -> Answer:
    """GET `/query?q=`."""
    return _first_page(call, deleted=False)


def query_all(call: ApiCall) -> Answer:
    """GET `/queryAll?q=`: deleted rows too."""
    return _first_page(call, deleted=True)


def next_page(call: ApiCall) -> Answer:
    """GET `/query/<cursor>-<offset>`."""
    cursor, _, offset = call.part["cursor"].rpartition("-")
    result = call.service.cursors.get(cursor)
    if result is None or not offset.isdigit():
        raise Refusal("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(call, result, cursor, int(offset))


def _first_page(call: ApiCall, *, deleted: bool) -> Answer:
    text = call.request.query.get("q")
    if text is None:
        raise Refusal("MALFORMED_QUERY", "A query string has to be specified")
    result = call.runner.run(text, deleted=deleted)
    return _page(call, result, None, 0)


def _page(call: ApiCall, result: Result, cursor: str | None, offset: int) -> Answer:
    end = offset + call.service.shrunk(_batch_size(call))
    rows = result.rows[offset:end]
    if cursor is not None:
        rows = call.service.live_rows(result, rows)
    body: dict[str, object] = {"totalSize": result.total, "done": end >= len(result.rows)}
    if end < len(result.rows):
        cursor = cursor or call.service.keep(result)
        body["nextRecordsUrl"] = f"{call.base}/query/{cursor}-{end}"
    body["records"] = [result.show(row) for row in rows]
    name = None if result.table is None else result.table.sobject.name
    return Answer(200, body, sobject=name, rows=len(rows))


def _batch_size(call: ApiCall) -> int:
    """The page size of the simulator, or a smaller one that the call asks for, within the vendor's bounds."""
    for option in call.request.headers.get("sforce-query-options", "").replace(";", ",").split(","):
        name, _, value = option.partition("=")
        if name.strip().lower() == "batchsize" and value.strip().isdigit():
            return min(call.service.page_size, max(_MIN_BATCH, min(int(value), _MAX_BATCH)))
    return call.service.page_size


# Replication --------------------------------------------------------------------------------------------------------


def updated(call: ApiCall) -> Answer:
    """GET `/sobjects/X/updated?start=&end=`: ids of rows created or changed in the window, live ones only."""
    table = call.table()
    start, end, covered = _window(call, table, days=_UPDATED_DAYS)
    ids = [str(row["Id"]) for row in table.all_live() if start <= str(row["SystemModstamp"]) < end]
    _check_count(len(ids))
    return Answer(200, {"ids": ids, "latestDateCovered": covered}, sobject=table.sobject.name, rows=len(ids))


def deleted(call: ApiCall) -> Answer:
    """GET `/sobjects/X/deleted?start=&end=`: from the recycle bin and from what left it."""
    table = call.table()
    start, end, covered = _window(call, table, days=_DELETED_DAYS)
    gone = {
        str(row["Id"]): str(row["SystemModstamp"]) for row in table.rows.values() if row["IsDeleted"]
    } | table.purged
    found = [{"deletedDate": when, "id": one} for one, when in gone.items() if start <= when < end]
    _check_count(len(found))
    earliest = stamp(call.org.clock() - timedelta(days=_DELETED_DAYS))
    body = {"deletedRecords": found, "earliestDateAvailable": earliest, "latestDateCovered": covered}
    return Answer(200, body, sobject=table.sobject.name, rows=len(found))


def _window(call: ApiCall, table: Table, *, days: int) -> tuple[str, str, str]:
    """Read start and end, to the minute, and say until when the answer is sure to be whole."""
    if not table.sobject.replicateable:
        raise Refusal("INVALID_TYPE", f"{table.sobject.name} is not replicateable")
    start, end = (_minute(call, name) for name in ("start", "end"))
    now = call.org.clock().astimezone(UTC)
    if start < now.replace(second=0, microsecond=0) - timedelta(days=days):
        raise Refusal("INVALID_REPLICATION_DATE", f"startDate cannot be more than {days} days ago")
    if end - start < timedelta(minutes=1):
        raise Refusal("INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate")
    sure = (now - timedelta(seconds=call.org.switches.coverage_lag)).replace(second=0, microsecond=0)
    covered = max(min(end, sure), start)
    # Nothing after the covered date is shown: what a lagging transaction holds back comes with a later window.
    return stamp(start), stamp(min(end, covered)), stamp(covered)


def _minute(call: ApiCall, name: str) -> datetime:
    text = call.request.query.get(name)
    if text is None:
        raise Refusal("MISSING_ARGUMENT", f"The {name} parameter is required")
    moment = read_datetime(text)
    if moment is None:
        raise Refusal("INVALID_REPLICATION_DATE", f"{name} is not a valid dateTime: {text}")
    return moment.replace(second=0)  # seconds are ignored (facts 3.9)


def _check_count(count: int) -> None:
    if count > _MAX_IDS:
        raise Refusal("EXCEEDED_ID_LIMIT", f"the number of records exceeds {_MAX_IDS}")
