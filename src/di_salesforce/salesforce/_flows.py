"""Salesforce's work of one step and of several: questions and single records.

What may not go in here: sockets, sleeping, and anything that differs between the blocking and the async world.  Every
flow takes the settings and the name of the connection first, so that any runner can carry it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from di_salesforce.exceptions import (
    ApiError,
    ConfigurationError,
    DISalesforceError,
    NotFoundError,
    PermissionDeniedError,
    TransportError,
)
from di_salesforce.records import Row, Side
from di_salesforce.retry import with_retry
from di_salesforce.salesforce import _calls as calls
from di_salesforce.salesforce._many import retrieve_many, write_collection
from di_salesforce.salesforce._query_flows import query_by_key, query_rows
from di_salesforce.salesforce._rows import plain_rows
from di_salesforce.salesforce._settings import Identity, Limit, Page, RowError, RowResult, Settings
from di_salesforce.schema import TableSchema
from di_salesforce.wire import Call, Flow, HttpResponse

__all__ = [
    "check_access",
    "create",
    "delete",
    "describe",
    "get",
    "identity",
    "limits",
    "query_by_key",
    "query_rows",
    "request",
    "retrieve_many",
    "schema",
    "update",
    "upsert",
    "write_collection",
]

T = TypeVar("T")


def _call(settings: Settings, connection: str, call: Call[T]) -> Flow[T]:
    return with_retry(call, connection, settings.retry)


# Who and what -----------------------------------------------------------------------------------------------------


def identity(settings: Settings, connection: str) -> Flow[Identity]:
    """Tell the org and the user; a session that may not ask for the user gets the org alone."""
    try:
        return (yield from _call(settings, connection, calls.userinfo()))
    except ApiError:  # a session that was not made by OAuth, or without the scope: its refusal has several forms
        return (yield from _call(settings, connection, calls.organization_id(settings)))


def limits(settings: Settings, connection: str) -> Flow[dict[str, Limit]]:
    """Ask for the org's allowances, by name."""
    return _call(settings, connection, calls.limits(settings))


def describe(settings: Settings, connection: str, sobject: str) -> Flow[dict[str, Any]]:  # a JSON object
    """Ask for everything about an object, as Salesforce sends it."""
    return _call(settings, connection, calls.describe_sobject(settings, sobject))


def schema(settings: Settings, connection: str, sobject: str) -> Flow[TableSchema]:
    """Ask for an object's fields in the vocabulary that both services share."""
    return _call(settings, connection, calls.schema_of(settings, sobject))


# The flags of a describe that a synchronised object needs, and what their absence means.
_NEEDED: Final = {
    "queryable": "may not be read",
    "createable": "may not be created",
    "updateable": "may not be updated",
}

_FEW_CALLS_LEFT: Final = 0.1  # of the day's allowance: worth telling before a long run


def check_access(settings: Settings, connection: str, sobjects: Sequence[str]) -> Flow[list[str]]:
    """Try what a synchronisation needs, and say in plain words what is missing."""
    try:
        known = yield from _call(settings, connection, calls.versions())
        yield from identity(settings, connection)
    except (ApiError, TransportError) as error:
        return [str(error)]
    missing: list[str] = []
    if settings.api_version not in known:
        newest = max(known, key=_version_number, default="none")
        missing.append(f"This instance has no API version {settings.api_version}; its newest is {newest}.")
    try:
        calls_left = (yield from limits(settings, connection)).get("DailyApiRequests")
    except ApiError:  # not everybody may ask, and nothing depends on it
        calls_left = None
    if calls_left is not None and calls_left.remaining < calls_left.allowed * _FEW_CALLS_LEFT:
        missing.append(f"Only {calls_left.remaining} of {calls_left.allowed} API calls are left for today.")
    for sobject in sobjects:
        try:
            told = yield from describe(settings, connection, sobject)
        except (NotFoundError, PermissionDeniedError):
            missing.append(f"The object {sobject} does not exist, or this user may not see it.")
        else:
            missing += [f"{sobject} {means} by this user." for flag, means in _NEEDED.items() if not told.get(flag)]
    return missing


def _version_number(version: str) -> float:
    try:
        return float(version)
    except ValueError:
        return 0.0


def request(
    settings: Settings,
    connection: str,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    repeatable: bool | None = None,
) -> Flow[HttpResponse]:
    """Make any call, with the same log-in, retry and errors as all others."""
    call = calls.raw_call(settings, method, path, query=query, content=content, headers=headers, repeatable=repeatable)
    return _call(settings, connection, call)


# Single records ---------------------------------------------------------------------------------------------------


def get(
    settings: Settings, connection: str, sobject: str, record_id: str, fields: Sequence[str] | None = None
) -> Flow[dict[str, Any]]:  # a row, see `_rows.flat`
    """Read a record by id, as a plain row."""
    record = yield from _call(settings, connection, calls.get_record(settings, sobject, record_id, fields))
    return plain_rows(Page([record], 1), [field for field in fields or () if "." in field])[0]


def create(settings: Settings, connection: str, sobject: str, values: Row) -> Flow[str]:
    """Create a record and give its id."""
    return _call(settings, connection, calls.create_record(settings, sobject, values))


def update(
    settings: Settings,
    connection: str,
    sobject: str,
    record_id: str,
    values: Row,
    *,
    unchanged_since: datetime | None = None,
) -> Flow[None]:
    """Write some fields of a record, if it was not changed since."""
    call = calls.update_record(settings, sobject, record_id, values, unchanged_since=unchanged_since)
    return _call(settings, connection, call)


def delete(settings: Settings, connection: str, sobject: str, record_id: str) -> Flow[None]:
    """Delete a record (into the recycle bin)."""
    return _call(settings, connection, calls.delete_record(settings, sobject, record_id))


def upsert(
    settings: Settings, connection: str, sobject: str, values: Row, *, external_id: str, value: str | int
) -> Flow[RowResult]:
    """Update the record that holds an external id, or create it."""
    key = str(value)
    if not key:
        raise ConfigurationError(f"upsert {sobject}: {external_id} is empty, and would address no record")
    if values.get(external_id, value) != value:
        raise ConfigurationError(f"upsert {sobject}: the values hold another {external_id} than the key")
    rest = {name: content for name, content in values.items() if name != external_id}
    if key not in (".", ".."):
        return (yield from _call(settings, connection, calls.upsert_record(settings, sobject, external_id, key, rest)))
    # No percent-encoding keeps these two from being taken for steps of the path: they travel in a body instead.
    records = [{**rest, external_id: value}]
    [result] = yield from write_collection(settings, connection, "upsert", sobject, records, external_id=external_id)
    if not result.success:
        raise _single_error(f"upsert {sobject} by {external_id}", result)
    return result


def _single_error(name: str, result: RowResult) -> DISalesforceError:
    if result.unknown:
        sentence = f"Salesforce, {name}: no answer came, and it may have been carried out"
        return TransportError(sentence, side=Side.SALESFORCE, may_have_applied=True)
    error = result.errors[0] if result.errors else RowError("")
    sentence = f"Salesforce, {name}: the record was refused ({error.code or 'no code given'})"
    return ApiError(sentence, side=Side.SALESFORCE, code=error.code, message=error.message, fields=error.fields)
