"""sObject Collections: up to 200 records written, or 2,000 read, in one call.

What may not go in here: more than one call; `_many.py` cuts the slices.  Sources: fact sheet, 3.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from di_salesforce.records import Side
from di_salesforce.salesforce._calls import JSON_BODY, reading, saving_headers
from di_salesforce.salesforce._errors import code_of, names_of
from di_salesforce.salesforce._json import WrongShapeError, array_of, object_of, objects_of
from di_salesforce.salesforce._settings import Operation, RowError, RowResult, Settings, Writing
from di_salesforce.salesforce._soql import field_path, identifier
from di_salesforce.wire import Call, HttpRequest, HttpResponse

__all__ = ["MOST_RETRIEVED", "retrieve_slice", "write_slice"]

MOST_RETRIEVED: Final = 2000  # ids in one retrieve by POST [D]


def write_slice(settings: Settings, writing: Writing, rows: Sequence[bytes]) -> Call[list[RowResult]]:
    """Write up to 200 records in one call and get one result for each, in order.

    Args:
        settings: the API version.
        writing: what to do.
        rows: ids for a delete; else records as `record_text` writes them, with their `attributes`.
    """
    operation, sobject, external_id = writing.operation, writing.sobject, writing.external_id
    below = "composite/sobjects"
    name = f"{operation} {len(rows)} {identifier(sobject, 'sObject')}"
    flag = "true" if writing.all_or_none else "false"
    if operation == "delete":
        query = {"ids": b",".join(rows).decode(), "allOrNone": flag}
        request = HttpRequest(Side.SALESFORCE, "DELETE", settings.path(below), query, writes=True, name=name)
    else:
        if operation == "upsert":
            below += f"/{sobject}/{identifier(external_id, 'external id')}"
        request = HttpRequest(
            Side.SALESFORCE,
            "POST" if operation == "create" else "PATCH",
            settings.path(below),
            headers=saving_headers(settings),
            content=b'{"allOrNone":%b,"records":[%b]}' % (flag.encode(), b",".join(rows)),
            writes=True,
            # An upsert without a key, or by a null Id, creates [R]: by Id it may not be sent twice.
            repeatable=operation == "update" or (operation == "upsert" and external_id.lower() != "id"),
            name=name,
        )

    def read(data: Any) -> list[RowResult]:  # a JSON value
        results = [_row_result(item, operation) for item in objects_of(data)]
        if len(results) != len(rows):
            raise WrongShapeError(f"{len(results)} results for {len(rows)} records")
        return results

    accepted = reading(request, read)
    # With all_or_none the status of a refusal is not certain (200 in the documents, 400 in one client's tests).
    refused = reading(request, read, ok=(400,))

    def decode(response: HttpResponse) -> list[RowResult]:
        by_row = response.status == 400 and b'"success"' in response.content
        return refused(response) if by_row else accepted(response)

    return Call(request, decode)


def _row_result(item: dict[str, Any], operation: Operation) -> RowResult:  # a JSON object
    success = item.get("success")
    if not isinstance(success, bool):
        raise WrongShapeError("`success` is missing")
    record_id, errors = item.get("id"), item.get("errors")
    return RowResult(
        success,
        record_id if isinstance(record_id, str) else None,
        success and (operation == "create" or item.get("created") is True),
        tuple(map(_row_error, objects_of(errors))) if errors else (),
    )


def _row_error(error: dict[str, Any]) -> RowError:  # a JSON object
    code = error.get("statusCode") or error.get("errorCode")  # collections say statusCode, the rest errorCode
    return RowError(code_of(code), str(error.get("message") or ""), names_of(error.get("fields")))


def retrieve_slice(
    settings: Settings, sobject: str, ids: Sequence[str], fields: Sequence[str]
) -> Call[list[dict[str, Any] | None]]:  # JSON objects
    """Read up to 2,000 records by id: in order, None for those that are not there or may not be seen."""
    columns = ",".join(f'"{field_path(field)}"' for field in fields)
    listed = ",".join(f'"{record_id}"' for record_id in ids)  # checked by the caller: letters and digits
    request = HttpRequest(
        Side.SALESFORCE,
        "POST",
        settings.path(f"composite/sobjects/{identifier(sobject, 'sObject')}"),
        headers=JSON_BODY,
        content=f'{{"ids":[{listed}],"fields":[{columns}]}}'.encode(),
        name=f"retrieve {len(ids)} {sobject}",
    )

    def read(data: Any) -> list[dict[str, Any] | None]:  # JSON values
        records = array_of(data)
        if len(records) != len(ids):
            raise WrongShapeError(f"{len(records)} results for {len(ids)} ids")
        return [None if item is None else object_of(item) for item in records]

    return Call(request, reading(request, read))
