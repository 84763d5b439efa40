"""Bulk API 2.0: jobs as values, the calls that make and read them, and their result files tied to rows.

What may not go in here: several steps (`_bulk_flows.py`), and how a cell is written (`_bulk_csv.py`).  Sources: fact
sheet, 3.10.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError, UnexpectedResponseError
from di_salesforce.records import Side, record_id_18
from di_salesforce.salesforce._bulk_csv import CsvForm, read_lines
from di_salesforce.salesforce._calls import JSON_BODY, raw_call, reading
from di_salesforce.salesforce._errors import code_of, error_of, names_of, unreadable
from di_salesforce.salesforce._json import WrongShapeError, object_of, text_of
from di_salesforce.salesforce._settings import Operation, RowError, RowResult, Settings
from di_salesforce.salesforce._soql import Soql, identifier
from di_salesforce.schema import FieldType, TableSchema
from di_salesforce.wire import Call, HttpRequest, HttpResponse

__all__ = [
    "Bulk",
    "BulkJob",
    "BulkPage",
    "BulkResults",
    "Keyed",
    "close_job",
    "create_ingest",
    "create_query",
    "failed_rows",
    "job_error",
    "look_at",
    "query_page",
    "reader_of",
    "successful_rows",
    "unprocessed_keys",
    "upload",
]

_WIRE_OPERATIONS: Final[Mapping[Operation, str]] = {
    "create": "insert", "update": "update", "upsert": "upsert", "delete": "delete"
}  # fmt: skip

# A job takes 150 MB after base64, hence 100 MB or so as it is sent [D]; we stay far below for the sake of memory.
_MOST_BYTES: Final = 100_000_000


@attrs.frozen(kw_only=True)
class Bulk:
    """How work is cut into jobs, and how long they are waited for.

    Args:
        most_bytes: of one upload, at most 100,000,000; as many uploads as `parallel` allows are held at once.
        most_rows: of one upload.
        form: how the CSV is written.
        first_look: seconds until a job is looked at for the first time.
        longest_pause: seconds between two looks, once the pauses have grown to it.
        patience: seconds of waiting in all; then the rows of a job count as `unknown`, and it can be asked for later.
        page_rows: rows of one page of a bulk query.
    """

    most_bytes: int = attrs.field(
        default=10_000_000, validator=[attrs.validators.ge(1), attrs.validators.le(_MOST_BYTES)]
    )
    most_rows: int = attrs.field(default=100_000, validator=attrs.validators.ge(1))
    form: CsvForm = attrs.field(factory=CsvForm)
    first_look: float = attrs.field(default=0.25, validator=attrs.validators.ge(0))
    longest_pause: float = attrs.field(default=10.0, validator=attrs.validators.ge(0))
    patience: float = attrs.field(default=86_400.0, validator=attrs.validators.ge(0))
    page_rows: int = attrs.field(default=50_000, validator=attrs.validators.ge(1))


@attrs.frozen
class BulkJob:
    """A job as the service tells of it; `id` is all that is needed to ask for it again."""

    id: str
    state: str
    operation: str = ""
    sobject: str = ""
    processed: int = 0
    failed: int = 0
    error: str = attrs.field(default="", repr=False)  # the server's own text may quote a row
    form: CsvForm = attrs.field(factory=CsvForm)

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it; a finished job may hold refused rows."""
        return self.state in ("JobComplete", "Failed", "Aborted")


@attrs.frozen
class BulkPage:
    """One page of a bulk query: its lines of cells, the names above them, and where the query goes on."""

    header: tuple[str, ...]
    lines: list[list[str]] = attrs.field(repr=False)
    locator: str = ""


# Jobs -------------------------------------------------------------------------------------------------------------


def _path(settings: Settings, kind: str, job_id: str, below: str = "") -> str:
    if record_id_18(job_id) is None:
        raise ConfigurationError(f"{job_id!r} is no id of a bulk job (15 characters, or 18 with their checksum)")
    return settings.path(f"jobs/{kind}/{job_id}{below}")


def _job(data: Any) -> BulkJob:  # a JSON value
    told = object_of(data)
    counts = {name: told.get(name) for name in ("numberRecordsProcessed", "numberRecordsFailed")}
    processed, failed = (int(count) if isinstance(count, int) else 0 for count in counts.values())
    delimiter, ending = told.get("columnDelimiter"), told.get("lineEnding")
    try:
        form = CsvForm(delimiter or "COMMA", ending or "LF")
    except (TypeError, ValueError):
        raise WrongShapeError("an unknown form of CSV") from None
    return BulkJob(
        text_of(told, "id"),
        text_of(told, "state"),
        str(told.get("operation") or ""),
        str(told.get("object") or ""),
        processed,
        failed,
        str(told.get("errorMessage") or ""),
        form,
    )


def _job_call(method: str, path: str, body: Mapping[str, object] | None, name: str) -> Call[BulkJob]:
    content = b"" if body is None else json.dumps(body).encode()
    # A job that nobody closes changes no record, so making one twice does no harm.
    request = HttpRequest(Side.SALESFORCE, method, path, headers=JSON_BODY, content=content, name=name)
    return Call(request, reading(request, _job))


def create_ingest(
    settings: Settings, operation: Operation, sobject: str, form: CsvForm, *, external_id: str = ""
) -> Call[BulkJob]:
    """Make a job that will write; nothing happens before it is given rows and closed."""
    body: dict[str, object] = {
        "object": identifier(sobject, "sObject"),
        "operation": _WIRE_OPERATIONS[operation],
        "contentType": "CSV",
        "lineEnding": form.line_ending,
        "columnDelimiter": form.delimiter,
    }
    if operation == "upsert":
        body["externalIdFieldName"] = identifier(external_id, "external id")
    return _job_call("POST", settings.path("jobs/ingest"), body, f"make a bulk job to {operation} {sobject}")


def upload(settings: Settings, job: BulkJob, content: bytes) -> Call[None]:
    """Give a job its rows: once, and not again after a lost answer, since a job takes one upload."""
    request = HttpRequest(
        Side.SALESFORCE,
        "PUT",
        _path(settings, "ingest", job.id, "/batches"),
        headers={"Content-Type": "text/csv; charset=UTF-8"},
        content=content,
        writes=True,
        repeatable=False,
        name=f"upload to bulk job {job.id}",
    )

    def decode(response: HttpResponse) -> None:
        if response.status not in (200, 201):
            raise error_of(request, response)

    return Call(request, decode)


def close_job(settings: Settings, job_id: str, state: str, *, kind: str = "ingest") -> Call[BulkJob]:
    """Close a job so that its rows are carried out (`UploadComplete`), or end it (`Aborted`)."""
    call = _job_call("PATCH", _path(settings, kind, job_id), {"state": state}, f"close bulk job {job_id}")
    request = attrs.evolve(call.request, writes=state == "UploadComplete")  # from here on records may change
    return Call(request, reading(request, _job))


def look_at(settings: Settings, job_id: str, *, kind: str = "ingest") -> Call[BulkJob]:
    """Ask how far a job is."""
    return _job_call("GET", _path(settings, kind, job_id), None, f"look at bulk job {job_id}")


# Results of writing -----------------------------------------------------------------------------------------------

Keyed: TypeAlias = dict[str, RowResult]
"""Results by the text of the key cell."""


@attrs.frozen
class BulkResults:
    """What came of a job's rows, by the text of their key cell; rows that are not in it were not carried out.

    That holds once `job.finished`; before, nothing is known of the others.  `closed` is false for a job that was never
    closed, so that nothing of it was carried out or will be.
    """

    job: BulkJob
    rows: Mapping[str, RowResult] = attrs.field(repr=False)
    closed: bool = True


_ERROR: Final = re.compile(r"([A-Z][A-Z0-9_]*):(.*):([^:]*?) ?--", re.DOTALL)  # `CODE:message:fields --` [R]


def row_error(text: str) -> RowError:
    """Read `sf__Error`; its message may hold colons of its own.

    Example:
        >>> row_error("REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --").fields
        ('LastName',)
    """
    found = _ERROR.fullmatch(text)
    if found is None:
        return RowError("", text)
    fields = names_of([name.strip() for name in found[3].split(",")])
    return RowError(code_of(found[1]), found[2], fields)


def job_error(job: BulkJob) -> RowError:
    """Read why a whole job failed: `InvalidBatch : Field name not found : X` [R]."""
    head = job.error.partition(":")[0].strip()
    return RowError(code_of(head) or f"job.{job.state.lower()}", job.error)


def _results(
    settings: Settings, job: BulkJob, key: str, resource: str, read: Callable[[Mapping[str, int], list[str]], RowResult]
) -> Call[Keyed]:
    request = HttpRequest(
        Side.SALESFORCE,
        "GET",
        _path(settings, "ingest", job.id, f"/{resource}/"),
        headers={"Accept": "text/csv"},
        name=f"results of bulk job {job.id}",
    )

    def decode(response: HttpResponse) -> Keyed:
        if response.status != 200:
            raise error_of(request, response)
        try:
            lines = _even(read_lines(response.content, job.form))
            places = {name: place for place, name in enumerate(lines[0])} if lines else {}
            column = places[key] if lines else 0
            return {cells[column]: read(places, cells) for cells in lines[1:]}
        except KeyError as error:
            why = f"no column {error.args[0]} in it"
        except WrongShapeError as error:
            why = str(error)
        raise unreadable(request, response, why)

    return Call(request, decode)


def successful_rows(settings: Settings, job: BulkJob, key: str) -> Call[Keyed]:
    """Ask which rows a job has written."""

    def read(places: Mapping[str, int], cells: list[str]) -> RowResult:
        created = cells[places["sf__Created"]].lower() == "true"
        return RowResult(success=True, record_id=cells[places["sf__Id"]] or None, created=created)

    return _results(settings, job, key, "successfulResults", read)


def failed_rows(settings: Settings, job: BulkJob, key: str) -> Call[Keyed]:
    """Ask which rows a job was refused, and why."""

    def read(places: Mapping[str, int], cells: list[str]) -> RowResult:
        return RowResult(success=False, errors=(row_error(cells[places["sf__Error"]]),))

    return _results(settings, job, key, "failedResults", read)


def unprocessed_keys(settings: Settings, job: BulkJob, key: str) -> Call[Keyed]:
    """Ask which rows a job that was ended never came to."""
    untouched = RowResult(success=False, errors=(RowError("row.unprocessed", "the job ended before this row"),))
    return _results(settings, job, key, "unprocessedrecords", lambda _places, _cells: untouched)


# Reading ----------------------------------------------------------------------------------------------------------


def create_query(settings: Settings, query: Soql, form: CsvForm, *, include_deleted: bool = False) -> Call[BulkJob]:
    """Make a job that will read."""
    body = {
        "operation": "queryAll" if include_deleted else "query",
        "query": query.text,
        "contentType": "CSV",
        "lineEnding": form.line_ending,
        "columnDelimiter": form.delimiter,
    }
    return _job_call("POST", settings.path("jobs/query"), body, "make a bulk query")


def query_page(
    settings: Settings, job: BulkJob, *, locator: str, page_rows: int, header: Sequence[str] = ()
) -> Call[BulkPage]:
    """Get a page of a finished query; `header` is what its first page had, for pages that do not repeat it.

    Whether pages repeat the header is told differently by different sources [K]: it is read from the row count that
    each page states.
    """
    query = {"maxRecords": str(page_rows)} | ({"locator": locator} if locator else {})
    path = _path(settings, "query", job.id, "/results")
    request = attrs.evolve(
        raw_call(settings, "GET", path, query=query, headers={"Accept": "text/csv"}).request,
        name=f"page of bulk query {job.id}",
    )

    def decode(response: HttpResponse) -> BulkPage:
        if response.status != 200:
            raise error_of(request, response)
        try:
            return _page(response, job.form, header)
        except ValueError as error:
            raise unreadable(request, response, str(error)) from None

    return Call(request, decode)


def _page(response: HttpResponse, form: CsvForm, known: Sequence[str]) -> BulkPage:
    lines = read_lines(response.content, form)
    count = response.headers.get("sforce-numberofrecords", "")
    if not (count.isascii() and count.isdigit()):
        raise WrongShapeError("no count of rows")
    header = tuple(known)
    if len(lines) == int(count) + 1 and (not header or tuple(lines[0]) == header):
        header = tuple(lines.pop(0))
    if len(lines) != int(count) or (lines and not header):
        raise WrongShapeError(f"{len(lines)} lines where {count} are announced")
    _even([list(header), *lines])
    locator = response.headers.get("sforce-locator", "")
    return BulkPage(header, lines, "" if locator == "null" else locator)


def _even(lines: list[list[str]]) -> list[list[str]]:
    if any(len(cells) != len(lines[0]) for cells in lines):
        raise WrongShapeError("a line has more or fewer cells than the header")
    return lines


def _decimal(cell: str) -> Decimal:
    try:
        number = Decimal(cell)
    except InvalidOperation:
        raise WrongShapeError("a number is none") from None
    if not number.is_finite():
        raise WrongShapeError("a number is none")
    return number


_MOST_DIGITS: Final = 100  # of a whole number: far more than any field holds, and read in no time


def _integer(cell: str) -> int:
    number = _decimal(cell)
    if number.adjusted() > _MOST_DIGITS or number != number.to_integral_value():
        raise WrongShapeError("a whole number is none")
    return int(number)


_MOMENT: Final = 24  # characters of `2026-05-01T07:25:37.000Z`, the form that is documented for uploads


def _moment(cell: str) -> str:
    """Write a date-time as a query's answer does: `2026-05-01T07:25:37.000+0000`."""
    if len(cell) == _MOMENT and cell[-1] == "Z":
        return f"{cell[:-1]}+0000"
    try:
        moment = datetime.fromisoformat(cell)
        written = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError):
        raise WrongShapeError("a date-time is none") from None
    if moment.tzinfo is None:
        raise WrongShapeError("a date-time has no zone")
    return f"{written}+0000"


_TYPED: Final[Mapping[FieldType, Callable[[str], Any]]] = {  # a Value of the type
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOLEAN: lambda cell: cell.lower() == "true",
    FieldType.DATETIME: _moment,
}


def reader_of(
    header: Sequence[str], schema: TableSchema | None
) -> Callable[[Iterable[Sequence[str]]], list[dict[str, Any]]]:  # rows of Values
    """Give what makes rows of lines: texts and None, and the own fields of a schema in their types.

    What is given raises `UnexpectedResponseError` for a cell that is not of its field's type.
    """
    known = {} if schema is None else {field.name.lower(): field.type for field in schema.fields}
    typed = [_TYPED.get(known.get(name.lower(), FieldType.UNKNOWN)) for name in header]

    def read(lines: Iterable[Sequence[str]]) -> list[dict[str, Any]]:  # see above
        try:
            return [
                {
                    name: None if cell == "" else cell if convert is None else convert(cell)
                    for name, cell, convert in zip(header, cells, typed, strict=True)
                }
                for cells in lines
            ]
        except ValueError as error:
            why = str(error)
        raise UnexpectedResponseError(
            f"Salesforce, rows of a bulk query: {why}, by the schema that was given", side=Side.SALESFORCE
        )

    return read
