"""Salesforce's endpoints for one record, one page, one question: each a function that returns a `Call`.

What may not go in here: several steps, retrying, and anything that happens.  A call is a request and the pure reader of
its answer.  Sources: fact sheet, 3.1 to 3.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import repeat
from typing import Any, Final, TypeVar
from urllib.parse import quote

import attrs

from di_salesforce._json_text import read_exactly
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side, record_id_18
from di_salesforce.salesforce._errors import error_of, unreadable
from di_salesforce.salesforce._json import int_of, is_object, object_of, objects_of, text_of
from di_salesforce.salesforce._rows import is_child_result, record_text
from di_salesforce.salesforce._schema import table_schema
from di_salesforce.salesforce._settings import Identity, Limit, Page, RowResult, Settings
from di_salesforce.salesforce._soql import Soql, field_path, identifier
from di_salesforce.schema import TableSchema
from di_salesforce.wire import Call, HttpRequest, HttpResponse

__all__ = [
    "HEADERS",
    "JSON_BODY",
    "child_results",
    "create_record",
    "delete_record",
    "describe_sobject",
    "get_record",
    "limits",
    "next_page",
    "organization_id",
    "query_page",
    "raw_call",
    "reading",
    "saving_headers",
    "schema_of",
    "sobject_of",
    "update_record",
    "upsert_record",
    "userinfo",
    "versions",
]

T = TypeVar("T")

# Change events and logs of the org name the writer by this [D]; it is how our own writes can be told apart.
HEADERS: Final = {"Sforce-Call-Options": "client=di-salesforce", "Accept": "application/json"}

JSON_BODY: Final = {"Content-Type": "application/json"}


def saving_headers(settings: Settings) -> dict[str, str]:
    """Give the headers of a call that saves records."""
    return {**JSON_BODY, **({"Sforce-Duplicate-Rule-Header": "allowSave=true"} if settings.allow_duplicates else {})}


def reading(
    request: HttpRequest, read: Callable[[Any], T], *, ok: Collection[int] = (200,)
) -> Callable[[HttpResponse], T]:
    """Make a reader: refusals become our errors, and what cannot be read `UnexpectedResponseError`."""

    def decode(response: HttpResponse) -> T:
        if response.status not in ok:
            raise error_of(request, response)
        try:
            return read(read_exactly(response.content))
        except RecursionError:
            why = "nested too deeply"
        except ValueError as error:
            why = str(error)
        raise unreadable(request, response, why)

    return decode


# Who and what -----------------------------------------------------------------------------------------------------


def _get(path: str, name: str, query: Mapping[str, str] | None = None) -> HttpRequest:
    return HttpRequest(Side.SALESFORCE, "GET", path, query or {}, name=name)


def versions() -> Call[tuple[str, ...]]:
    """Ask which API versions the instance has."""
    request = _get("/services/data", "list the API versions")
    return Call(request, reading(request, lambda data: tuple(text_of(item, "version") for item in objects_of(data))))


def userinfo() -> Call[Identity]:
    """Ask who is logged in; a session without the OAuth scope for it is refused."""
    request = _get("/services/oauth2/userinfo", "ask who is logged in")

    def read(data: Any) -> Identity:  # a JSON value
        told = object_of(data)
        username = told.get("preferred_username")
        user = told.get("user_id")
        return Identity(
            text_of(told, "organization_id"),
            user if isinstance(user, str) else None,
            username if isinstance(username, str) else None,
        )

    return Call(request, reading(request, read))


def organization_id(settings: Settings) -> Call[Identity]:
    """Ask for the org's id by a query, which every session with API access may."""
    call = query_page(settings, Soql.trusted("SELECT Id FROM Organization LIMIT 1"))

    def read(response: HttpResponse) -> Identity:
        records = call.decode(response).records
        if not records or not isinstance(records[0].get("Id"), str):
            raise unreadable(call.request, response, "no Organization in it")
        return Identity(records[0]["Id"])

    return Call(call.request, read)


def limits(settings: Settings) -> Call[dict[str, Limit]]:
    """Ask for the org's allowances, by name."""
    request = _get(settings.path("limits"), "ask for the limits")

    def read(data: Any) -> dict[str, Limit]:  # a JSON value
        told = {name: object_of(limit) for name, limit in object_of(data).items()}
        return {name: Limit(int_of(limit, "Max"), int_of(limit, "Remaining")) for name, limit in told.items()}

    return Call(request, reading(request, read))


def describe_sobject(settings: Settings, sobject: str) -> Call[dict[str, Any]]:  # a JSON object
    """Ask for everything about an object and its fields, as this user sees them."""
    path = settings.path(f"sobjects/{identifier(sobject, 'sObject')}/describe")
    request = _get(path, f"describe {sobject}")
    return Call(request, reading(request, object_of))


def schema_of(settings: Settings, sobject: str) -> Call[TableSchema]:
    """Ask for an object's fields in the vocabulary that both services share."""
    request = describe_sobject(settings, sobject).request
    return Call(request, reading(request, lambda data: table_schema(object_of(data))))


# Queries ----------------------------------------------------------------------------------------------------------


def sobject_of(query: Soql) -> str:
    """Give the object that a query asks for, for words that may be shown; empty where that cannot be told."""
    asked = re.search(r"\bFROM\s+(\w+)(?!.*\bFROM\b)", query.text, re.IGNORECASE | re.DOTALL)
    return asked[1] if asked else ""


def query_page(
    settings: Settings, query: Soql, *, include_deleted: bool = False, batch_size: int | None = None
) -> Call[Page]:
    """Run a query and get its first page; `batch_size` (200 to 2000) is a wish, no promise [D]."""
    resource = "queryAll" if include_deleted else "query"
    sobject = sobject_of(query)
    request = _get(settings.path(resource), f"query {sobject}" if sobject else "query", {"q": query.text})
    if batch_size is not None:
        request = attrs.evolve(request, headers={"Sforce-Query-Options": f"batchSize={int(batch_size)}"})
    return Call(request, _page_reader(request))


def next_page(path: str) -> Call[Page]:
    """Get the page that an earlier one named."""
    request = _get(path, "query, next page")
    return Call(request, _page_reader(request))


def _page_reader(request: HttpRequest) -> Callable[[HttpResponse], Page]:
    def decode(response: HttpResponse) -> Page:
        return reading(request, lambda data: _page(data, response.content.count(b"{")))(response)

    return decode


def _page(data: Any, braces: int) -> Page:  # a JSON value
    """Read a page of records and take their `attributes` away, which say what the query says already.

    `braces` is how often an object may begin in the page's text.  The page is one, each record is one, and so are a
    record's attributes: where that is all, nothing is nested, without looking at every value.
    """
    told = object_of(data)
    total, following = told.get("totalSize"), told.get("nextRecordsUrl")
    if following is not None and not (isinstance(following, str) and following.startswith("/services/data/")):
        raise ValueError("the next page's path leads elsewhere")  # another host would be given the session
    if following is None and told.get("done") is not True:
        raise ValueError("neither `done` nor `nextRecordsUrl`")
    records = objects_of(told.get("records"))
    taken = map(dict[str, Any].pop, records, repeat("attributes"), repeat(None))
    all_had_them = not set(map(type, taken)) - {dict}
    nested = not (all_had_them and braces == 1 + 2 * len(records)) and any(map(_is_nested, records))
    for child in child_results(records) if nested else ():
        _page(child, braces)
    return Page(records, total if isinstance(total, int) else len(records), following, nested)


def _is_nested(record: dict[str, Any]) -> bool:  # a JSON object
    return dict in map(type, record.values())


def child_results(records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:  # JSON objects
    """Go through the results of child queries inside records; they are shaped like pages."""
    for record in records:
        for value in record.values():
            if is_object(value) and is_child_result(value):
                yield value


# Single records ---------------------------------------------------------------------------------------------------


def _record_path(settings: Settings, sobject: str, record_id: str) -> str:
    if record_id_18(record_id) is None:
        raise ConfigurationError(f"{record_id!r} is no Salesforce record id (15 characters, or 18 with their checksum)")
    return settings.path(f"sobjects/{identifier(sobject, 'sObject')}/{record_id}")


def _nothing(request: HttpRequest) -> Callable[[HttpResponse], None]:
    def decode(response: HttpResponse) -> None:
        if response.status not in (200, 204):
            raise error_of(request, response)

    return decode


def get_record(
    settings: Settings, sobject: str, record_id: str, fields: Iterable[str] | None = None
) -> Call[dict[str, Any]]:  # a JSON object
    """Read a record by id; without `fields`, all that the user may see."""
    query = {} if fields is None else {"fields": ",".join(map(field_path, fields))}
    request = _get(_record_path(settings, sobject, record_id), f"get {sobject}", query)
    return Call(request, reading(request, object_of))


def create_record(settings: Settings, sobject: str, values: Mapping[str, object]) -> Call[str]:
    """Create a record and get its id; never repeated after a lost answer, which could create two."""
    request = HttpRequest(
        Side.SALESFORCE,
        "POST",
        settings.path(f"sobjects/{identifier(sobject, 'sObject')}/"),
        headers=saving_headers(settings),
        content=record_text(values),
        writes=True,
        repeatable=False,
        name=f"create {sobject}",
    )
    return Call(request, reading(request, lambda data: text_of(object_of(data), "id"), ok=(200, 201)))


def update_record(
    settings: Settings,
    sobject: str,
    record_id: str,
    values: Mapping[str, object],
    *,
    unchanged_since: datetime | None = None,
) -> Call[None]:
    """Write some fields of a record; with `unchanged_since`, only if its `SystemModstamp` is not later (412 if it is).

    The condition is as coarse as a second [D].  A conditional write is not repeated after a lost answer: its own first
    attempt may be what changed the record.
    """
    condition = {} if unchanged_since is None else {"If-Unmodified-Since": _http_date(unchanged_since)}
    request = HttpRequest(
        Side.SALESFORCE,
        "PATCH",
        _record_path(settings, sobject, record_id),
        headers={**saving_headers(settings), **condition},
        content=record_text(values),
        writes=True,
        repeatable=not condition,
        name=f"update {sobject} {record_id}",
    )
    return Call(request, _nothing(request))


def _http_date(moment: datetime) -> str:
    from email.utils import format_datetime  # on use: it loads socket, and this module is loaded with the package

    if moment.tzinfo is None:
        raise ConfigurationError("unchanged_since needs a time zone (as in datetime.now(UTC))")
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def delete_record(settings: Settings, sobject: str, record_id: str) -> Call[None]:
    """Delete a record (into the recycle bin)."""
    path = _record_path(settings, sobject, record_id)
    request = HttpRequest(Side.SALESFORCE, "DELETE", path, writes=True, name=f"delete {sobject} {record_id}")
    return Call(request, _nothing(request))


def upsert_record(
    settings: Settings, sobject: str, external_id: str, value: str, values: Mapping[str, object]
) -> Call[RowResult]:
    """Update the record that holds an external id, or create it; 201 created, 200 or 204 updated, 300 several."""
    field = identifier(external_id, "external id")
    below = f"sobjects/{identifier(sobject, 'sObject')}/{field}/{quote(value, safe='')}"
    request = HttpRequest(
        Side.SALESFORCE,
        "PATCH",
        settings.path(below),
        headers=saving_headers(settings),
        content=record_text(values),
        writes=True,
        name=f"upsert {sobject} by {external_id}",  # the path holds somebody's data
    )

    def read(data: Any) -> RowResult:  # a JSON value
        told = object_of(data)
        return RowResult(success=True, record_id=text_of(told, "id"), created=told.get("created") is True)

    with_body = reading(request, read, ok=(200, 201))

    def decode(response: HttpResponse) -> RowResult:
        return RowResult(success=True) if response.status == 204 else with_body(response)  # 204: before API 46 [D]

    return Call(request, decode)


# Anything else ----------------------------------------------------------------------------------------------------


def raw_call(
    settings: Settings,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    repeatable: bool | None = None,
) -> Call[HttpResponse]:
    """Make any call; a path that begins with a slash counts from the host, another one from the API version."""
    verb = method.upper()
    harmless = verb in ("GET", "HEAD", "OPTIONS")
    request = HttpRequest(
        Side.SALESFORCE,
        verb,
        path if path.startswith("/") else settings.path(path),
        query or {},
        {**(JSON_BODY if content else {}), **(headers or {})},
        content,
        writes=not harmless,
        repeatable=(harmless or verb in ("PUT", "DELETE")) if repeatable is None else repeatable,
        name=f"{verb} request",  # the path may hold somebody's data
    )

    def decode(response: HttpResponse) -> HttpResponse:
        if not (200 <= response.status < 300 or response.status == 304):
            raise error_of(request, response)
        return response

    return Call(request, decode)
