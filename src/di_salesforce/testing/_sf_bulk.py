"""Routes of Bulk API 2.0: ingest and query jobs, from their making to their result files.

A job moves when somebody looks at it: the first looks find it waiting (`bulk_looks`), each further one carries out one
internal batch.  What may not go in here: what a save checks (`_sf_save.py`), the CSV itself (`_sf_jobs.py`).
"""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from di_salesforce.testing._sf_access import Caller
from di_salesforce.testing._sf_collections import row_id, upsert_row
from di_salesforce.testing._sf_errors import Answer, Refusal, not_found
from di_salesforce.testing._sf_filter import Scope
from di_salesforce.testing._sf_jobs import (
    DELIMITERS,
    LINE_ENDINGS,
    Cells,
    Form,
    InvalidBatch,
    Job,
    cell_text,
    cell_value,
    row_error,
    wrong_type,
)
from di_salesforce.testing._sf_query import Runner
from di_salesforce.testing._sf_records import key_field
from di_salesforce.testing._sf_save import Hand
from di_salesforce.testing._sf_schema import Field
from di_salesforce.testing._sf_service import ApiCall, Service
from di_salesforce.testing._sf_soql import Path, Query, parse
from di_salesforce.testing._sf_store import Journal, Table, numbered_id, undo

_T = TypeVar("_T")

_INGEST: Final = ("insert", "update", "upsert", "delete")
_QUERY: Final = ("query", "queryAll")
MOST_IN_CELL: Final = 32_000
"""Characters of one cell (facts 3.10)."""
MOST_IN_RECORD: Final = 400_000
"""Characters of one record (facts 3.10)."""
MOST_COLUMNS: Final = 5_000
"""Fields of one record (facts 3.10)."""
_CSV: Final = {"Content-Type": "text/csv"}


# Making, closing and ending a job -----------------------------------------------------------------------------------


def create_ingest(call: ApiCall) -> Answer:
    """POST `/jobs/ingest`: 200 and the open job."""
    given = call.json_object()
    operation = _one_of(given, "operation", _INGEST, None)
    table = call.org.table(str(given.get("object")))
    if table is None:
        message = f"InvalidEntity : Unable to find object: {given.get('object')}"
        raise Refusal("INVALIDENTITY", message)  # the code is [inferred] from clients' tables
    external_id = ""
    if operation == "upsert":
        name = given.get("externalIdFieldName")
        if not isinstance(name, str):
            raise Refusal("INVALIDJOB", "InvalidJob : externalIdFieldName is required for upsert")
        external_id = key_field(table, name, call.caller).name
    job = _opened(call, given, operation, table.sobject.name, state="Open")
    job.external_id = external_id
    return Answer(200, job.shown(call.base), sobject=job.sobject)


def create_query(call: ApiCall) -> Answer:
    """POST `/jobs/query`: 200 and the job; a query that is wrong is refused at once."""
    given = call.json_object()
    operation = _one_of(given, "operation", _QUERY, None)
    text = given.get("query")
    if not isinstance(text, str) or not text.strip():
        raise Refusal("MALFORMED_QUERY", "A query string has to be specified")
    if call.service.bulk_queries >= call.org.switches.bulk_query_jobs:
        raise Refusal("LIMIT_EXCEEDED", "DailyBulkV2QueryJobs Limit exceeded.")
    table, columns = _columns(call.runner, parse(text))
    call.runner.run(text, deleted=operation == "queryAll")
    job = _opened(call, given, operation, table.sobject.name, state="UploadComplete")
    job.query, job.columns = text, columns
    call.service.bulk_queries += 1
    return Answer(200, job.shown(call.base), sobject=job.sobject)


def _opened(call: ApiCall, given: dict[str, Any], operation: str, sobject: str, *, state: str) -> Job:  # a JSON object
    form = Form(
        _one_of(given, "columnDelimiter", tuple(DELIMITERS), "COMMA"),
        _one_of(given, "lineEnding", tuple(LINE_ENDINGS), "LF"),
    )
    _one_of(given, "contentType", ("CSV",), "CSV")
    service = call.service
    service.jobs_made += 1
    job = Job(
        numbered_id("750", service.jobs_made), call.caller, operation, sobject, form, call.version, call.org.now(),
        state,
        looks=call.org.switches.bulk_looks,
    )  # fmt: skip
    service.jobs[job.id] = job
    return job


def _one_of(given: dict[str, Any], name: str, known: Sequence[str], default: str | None) -> str:  # a JSON object
    value = given.get(name) or default
    if value not in known:
        raise Refusal("INVALIDJOB", f"InvalidJob : {name} must be one of {', '.join(known)}")
    return str(value)


def upload(call: ApiCall) -> Answer:
    """PUT `/jobs/ingest/<id>/batches`: 201, empty; once a job."""
    job = _job(call)
    if job.state != "Open" or job.data is not None:
        raise Refusal("INVALIDJOBSTATE", "InvalidJobState : the job takes no (further) data")
    if len(call.request.body) > call.org.switches.bulk_max_upload:
        raise Refusal("LIMIT_EXCEEDED", "The upload exceeds the size limit of a job", status=413)  # [inferred]
    job.data = call.request.body
    return Answer(201, sobject=job.sobject, rows=max(call.request.body.count(b"\n") - 1, 1))


def change_state(call: ApiCall) -> Answer:
    """PATCH `/jobs/<kind>/<id>`: `UploadComplete` or `Aborted`."""
    job = _job(call)
    state = call.json_object().get("state")
    if state == "UploadComplete" and not job.is_query:
        if job.state != "Open":
            raise Refusal("INVALIDJOBSTATE", f"InvalidJobState : the job is {job.state}")
    elif state == "Aborted":
        if job.finished:
            raise Refusal("INVALIDJOBSTATE", f"Aborting already {job.state} Job not allowed")
    else:
        raise Refusal("INVALIDJOBSTATE", f"InvalidJobState : {state}")
    job.state, job.changed = str(state), call.org.now()
    return Answer(200, job.short(), sobject=job.sobject)


def look(call: ApiCall) -> Answer:
    """GET `/jobs/<kind>/<id>`."""
    job = _job(call)
    advance(call.service, job)
    return Answer(200, job.told(call.base), sobject=job.sobject)


def forget(call: ApiCall) -> Answer:
    """DELETE `/jobs/<kind>/<id>`: 204, once it has ended."""
    job = _job(call)
    if not job.finished:
        raise Refusal("INVALIDJOBSTATE", f"InvalidJobState : the job is {job.state}")
    del call.service.jobs[job.id]
    return Answer(204, sobject=job.sobject)


def _job(call: ApiCall) -> Job:
    job = call.service.jobs.get(call.part["job"])
    if job is None or job.is_query is not (call.part["kind"].lower() == "query"):
        raise not_found()
    return job


# Carrying out -------------------------------------------------------------------------------------------------------


def advance(service: Service, job: Job) -> None:
    """Move a job by one look."""
    if job.finished or job.state == "Open":
        return
    job.changed = service.org.now()
    if job.looks > 0:
        job.looks -= 1
        job.state = "InProgress"
        return
    try:
        done = _read(service, job) if job.is_query else _batch(service, job)
    except InvalidBatch as error:
        job.state, job.error = "Failed", str(error)
    else:
        job.state = "JobComplete" if done else "InProgress"


def finish(service: Service) -> None:
    """Carry out all that waits, though nobody looks."""
    for job in service.jobs.values():
        while not (job.finished or job.state == "Open"):
            advance(service, job)


def _read(service: Service, job: Job) -> bool:
    runner = Runner(service.org, f"/services/data/v{job.version}", job.caller)
    try:
        job.rows = runner.run(job.query, deleted=job.operation == "queryAll").rows
    except Refusal as refused:  # the schema has changed since the job was made
        raise InvalidBatch(f"InvalidBatch : {refused.message}") from None
    return True


def _batch(service: Service, job: Job) -> bool:
    """Carry out the next internal batch; True: it was the last one."""
    table = service.org.table(job.sobject)
    if table is None:
        raise InvalidBatch(f"InvalidEntity : Unable to find object: {job.sobject}")
    if not job.header:
        header, *job.lines = job.form.read(job.data or b"") or [[]]
        if not header:
            raise InvalidBatch("InvalidBatch : The file has no header row")
        job.header = header
    fields = _header_fields(service, table, job)
    end = min(job.next_line + service.org.switches.bulk_batch, len(job.lines))
    for cells in job.lines[job.next_line : end]:
        _row(service, job, table, fields, cells)
    job.next_line = end
    return end == len(job.lines)


Column = Callable[[dict[str, object], str], None]
"""Puts one cell's value into the row that is to be saved."""


def _header_fields(service: Service, table: Table, job: Job) -> list[Column]:
    if len(job.header) > MOST_COLUMNS:
        raise InvalidBatch(f"InvalidBatch : more than {MOST_COLUMNS} columns")
    if job.operation == "delete" and [name.lower() for name in job.header] != ["id"]:
        raise InvalidBatch("InvalidBatch : The 'delete' batch must contain only ids")
    return [_column(service, table, name, job.caller) for name in job.header]


def _column(service: Service, table: Table, name: str, caller: Caller) -> Column:
    relationship, dot, key = name.partition(".")
    reference = table.relationships.get(relationship.lower()) if dot else None
    target = None if reference is None else service.org.table(reference.references[0])
    owner, key = (table, name) if target is None else (target, key)
    field = owner.sobject.field(key)
    if field is None or not caller.sees(owner.sobject.name, field) or (dot and reference is None):
        raise InvalidBatch(f"InvalidBatch : Field name not found : {name}")

    def put(row: dict[str, object], cell: str) -> None:
        if cell == "":
            return
        value = cell if field.type == "id" else cell_value(field, cell)
        if reference is None:
            row[field.name] = value
        else:
            row[reference.relationship] = None if value is None else {field.name: value}

    return put


def _row(service: Service, job: Job, table: Table, columns: Sequence[Column], cells: Cells) -> None:
    journal: Journal = []
    row: dict[str, object] = {}
    try:
        _fill(row, columns, cells)
        record_id, created = _saved(service, job, table, row, Hand(job.caller.user_id, job.caller, journal=journal))
    except Refusal as refused:
        undo(journal)
        wrong = refused.code == "JSON_PARSER_ERROR"  # there is no JSON here: the same check, in this API's words
        shown = wrong_type(refused.key or "", "") if wrong else refused
        named = row.get("Id")
        job.failed.append((named if isinstance(named, str) else "", row_error(shown), cells))
    else:
        job.succeeded.append((record_id, created, cells))


def _fill(row: dict[str, object], columns: Sequence[Column], cells: Cells) -> None:
    if len(cells) != len(columns):  # code and text are our own
        raise Refusal("INVALID_CSV_ROW", f"the row has {len(cells)} cells, the header {len(columns)}")
    if sum(map(len, cells)) > MOST_IN_RECORD:
        raise Refusal("STRING_TOO_LONG", f"a record has more than {MOST_IN_RECORD} characters")
    for column, cell in zip(columns, cells, strict=True):
        if len(cell) > MOST_IN_CELL:
            raise Refusal("STRING_TOO_LONG", f"a cell has more than {MOST_IN_CELL} characters")
        column(row, cell)


def _saved(service: Service, job: Job, table: Table, row: dict[str, object], hand: Hand) -> tuple[str, bool]:
    saver = service.saver
    if job.operation == "insert":
        return saver.create(table, row, hand), True
    if job.operation == "upsert":
        field: Field = key_field(table, job.external_id, job.caller)
        outcome = upsert_row(saver, (table, field), row, job.taken, hand)
        return str(outcome["id"]), outcome["created"] is True
    record_id = row_id(table, row.get("Id"))
    if job.operation == "delete":
        saver.delete(table, record_id, hand)
    else:
        saver.update(table, record_id, {name: value for name, value in row.items() if name != "Id"}, hand)
    return record_id, False


# Results ------------------------------------------------------------------------------------------------------------


def ingest_results(call: ApiCall) -> Answer:
    """GET `/jobs/ingest/<id>/{successfulResults,failedResults,unprocessedrecords}`: rows in no order [documented]."""
    job = _job(call)
    if not job.finished:
        raise Refusal("INVALIDJOBSTATE", f"InvalidJobState : the job is {job.state}")  # [inferred]
    lines: list[Sequence[str | None]]
    head: tuple[str, ...] = ()
    match call.part["results"].lower():
        case "successfulresults":
            head = ("sf__Id", "sf__Created")
            lines = [(one, "true" if created else "false", *cells) for one, created, cells in job.succeeded]
        case "failedresults":
            head = ("sf__Id", "sf__Error")
            lines = [(one, error, *cells) for one, error, cells in job.failed]
        case "unprocessedrecords":
            lines = [*_unprocessed(job)]
        case _:
            raise not_found()
    names = [f'"{name}"' for name in head] + list(job.header or _unread_header(job))
    first = f"{job.form.plain(names)}{LINE_ENDINGS[job.form.line_ending]}".encode()
    body = first + job.form.write(_shuffled(call.org.switches.bulk_shuffle, lines))
    return Answer(200, body, _CSV, sobject=job.sobject, rows=len(lines))


def _unprocessed(job: Job) -> list[list[str]]:
    if job.header:
        return job.lines[job.next_line :]
    try:
        return job.form.read(job.data or b"")[1:]
    except InvalidBatch:
        return []


def _unread_header(job: Job) -> list[str]:
    try:
        return (job.form.read(job.data or b"") or [[]])[0]
    except InvalidBatch:
        return []


def _shuffled(seed: int | None, lines: list[_T]) -> list[_T]:
    if seed is not None:
        random.Random(seed).shuffle(lines)  # noqa: S311 - a repeatable disorder, not a secret
    return lines


def query_results(call: ApiCall) -> Answer:
    """GET `/jobs/query/<id>/results`: a page of CSV; `Sforce-Locator` says where it goes on, or `null`."""
    job = _job(call)
    if job.version != call.version:
        raise Refusal("API_VERSION_MISMATCH", "the job was made with another API version", status=409)  # own code
    if job.state != "JobComplete":
        raise Refusal("INVALIDJOBSTATE", f"InvalidJobState : the job is {job.state}")
    switches = call.org.switches
    asked = call.request.query.get("maxRecords", "")
    most = min(int(asked), switches.bulk_page_rows) if asked.isdigit() and int(asked) else switches.bulk_page_rows
    begin = _offset(call.request.query.get("locator", ""))
    end = min(begin + most, len(job.rows))
    lines: list[Sequence[str | None]] = [
        [cell_text(read(row), line_feeds=switches.bulk_line_feeds) for _, read in job.columns]
        for row in job.rows[begin:end]
    ]
    if begin == 0 or switches.bulk_repeats_header:
        lines.insert(0, [name for name, _ in job.columns])
    more = end < len(job.rows)
    headers = {
        **_CSV,
        "Sforce-NumberOfRecords": str(end - begin),
        "Sforce-Locator": base64.urlsafe_b64encode(str(end).encode()).decode() if more else "null",
    }
    return Answer(200, job.form.write(lines), headers, sobject=job.sobject, rows=end - begin)


def _offset(locator: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(locator)) if locator else 0
    except (ValueError, binascii.Error):
        raise Refusal("INVALID_QUERY_LOCATOR", "invalid query locator") from None


def _columns(runner: Runner, query: Query) -> tuple[Table, list[tuple[str, Callable[..., object]]]]:
    """Resolve what a query selects; only plain fields and parents' fields have columns (facts 3.10)."""
    table = runner.org.table(query.source.text)
    if table is None:
        runner.run(query.text, deleted=False)  # refuses with the place
        raise not_found()
    scope = Scope(runner.org, table, query.alias, query.text, runner.caller)
    columns: list[tuple[str, Callable[..., object]]] = []
    for item in query.select:
        column = scope.column(item) if isinstance(item, Path) else None
        if not isinstance(item, Path) or column is None or column.field.type == "address" or query.group_by:
            raise Refusal("FEATURE_NOT_ENABLED", "not supported in bulk: sub-queries, aggregates, compound fields")
        columns.append((".".join(scope.parts(item)), column.read))
    return table, columns
