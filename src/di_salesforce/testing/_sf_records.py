"""Routes of single records: create, read, change, delete, by id and by external id, with their conditions.

What may not go in here: what a save checks (`_sf_save.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from di_salesforce.records import record_id_18
from di_salesforce.testing._sf_access import Caller
from di_salesforce.testing._sf_errors import Answer, Refusal, is_deleted, not_found
from di_salesforce.testing._sf_query import Show
from di_salesforce.testing._sf_schema import NUMBERS, Field, StoredRow, Wire
from di_salesforce.testing._sf_service import ApiCall
from di_salesforce.testing._sf_soql import fault_at
from di_salesforce.testing._sf_store import Table

_FIRST_UPSERT_BODY: Final = 46.0
"""The version from which an upsert that updates answers 200 with a body; before it 204 without one (facts 3.3)."""


def create(call: ApiCall) -> Answer:
    """POST `/sobjects/X`: 201 and the id."""
    table = call.table()
    with call.saving() as hand:
        record_id = call.service.saver.create(table, call.json_object(), hand)
    return _saved(call, table, record_id, status=201)


def read(call: ApiCall) -> Answer:
    """GET `/sobjects/X/<id>`: all fields, or those of `fields`."""
    table = call.table()
    return _shown(call, table, call.service.saver.existing(table, _known(call, table)))


def update(call: ApiCall) -> Answer:
    """PATCH `/sobjects/X/<id>`: 204, empty."""
    table = call.table()
    record_id = _known(call, table)
    refused = _condition(call, table, call.service.saver.existing(table, record_id))
    if refused is not None:
        return refused
    with call.saving() as hand:
        call.service.saver.update(table, record_id, call.json_object(), hand)
    return Answer(204, sobject=table.sobject.name, rows=1)


def delete(call: ApiCall) -> Answer:
    """DELETE `/sobjects/X/<id>`: 204; an unknown id is an invalid cross reference here [inferred]."""
    table = call.table()
    record_id = path_id(call.part["id"], table)
    call.service.saver.existing(table, record_id, status=404)
    with call.saving() as hand:
        call.service.saver.delete(table, record_id, hand)
    return Answer(204, sobject=table.sobject.name, rows=1)


def create_by_id_field(call: ApiCall) -> Answer:
    """POST `/sobjects/X/Id`: creates, as an upsert by `Id` without one does (facts 3.3)."""
    if call.part["id"].lower() != "id":
        raise not_found(_NO_EXTERNAL_ID + call.part["id"])
    return create(call)


def read_by_key(call: ApiCall) -> Answer:
    """GET `/sobjects/X/<field>/<value>`."""
    table = call.table()
    field, ids = _matches(call, table)
    return _several(call, table, ids) or _shown(call, table, _only(table, field, ids))


def delete_by_key(call: ApiCall) -> Answer:
    """DELETE `/sobjects/X/<field>/<value>`."""
    table = call.table()
    field, ids = _matches(call, table)
    several = _several(call, table, ids)
    if several is not None:
        return several
    row = _only(table, field, ids)
    with call.saving() as hand:
        call.service.saver.delete(table, str(row["Id"]), hand)
    return Answer(204, sobject=table.sobject.name, rows=1)


def upsert(call: ApiCall) -> Answer:
    """PATCH `/sobjects/X/<field>/<value>`: 201 created, 200 updated, 300 several; `updateOnly=true` never creates."""
    table = call.table()
    field, ids = _matches(call, table)
    several = _several(call, table, ids)
    if several is not None:
        return several
    values = call.json_object()
    if any(name.lower() == field.name.lower() for name in values):
        message = f"The {field.name} field should not be specified in the sobject data."
        raise Refusal("INVALID_FIELD", message, [field.name])  # that it is an error is documented, its form [inferred]
    if not ids and (call.flag("updateOnly") or field.type == "id"):
        raise not_found()
    with call.saving() as hand:
        if ids:
            refused = _condition(call, table, call.service.saver.existing(table, ids[0]))
            if refused is not None:
                return refused
            call.service.saver.update(table, ids[0], values, hand)
        else:
            key = typed_key(field, call.part["value"])
            ids = [call.service.saver.create(table, {**values, field.name: key}, hand)]
            return _saved(call, table, ids[0], status=201, created=True)
    if float(call.version) < _FIRST_UPSERT_BODY:
        return Answer(204, sobject=table.sobject.name, rows=1)
    return _saved(call, table, ids[0], status=200, created=False)


# Finding ------------------------------------------------------------------------------------------------------------

_NO_EXTERNAL_ID: Final = "Provided external ID field does not exist or is not accessible: "


def path_id(text: str, table: Table) -> str:
    """Read the id in an address; raises the 404 of a text that is none, or of another object's id."""
    full = record_id_18(text)
    if full is None and len(text) not in (15, 18):
        raise not_found(_NO_EXTERNAL_ID + text)
    if full is None or full[:3] != table.sobject.prefix:
        raise Refusal("MALFORMED_ID", f"{table.sobject.label} ID: id value of incorrect type: {text}", (), status=404)
    return full


def key_field(table: Table, name: str, caller: Caller) -> Field:
    """Find a field that can address records; raises the 404 of one that cannot."""
    field = table.sobject.field(name)
    if field is None or not field.addresses or not caller.sees(table.sobject.name, field):
        raise not_found(_NO_EXTERNAL_ID + name)
    return field


def typed_key(field: Field, text: str) -> Wire:
    """Read an external id out of an address as the field's own type."""
    if field.type not in NUMBERS and field.type != "int":
        return text
    try:
        return int(text) if field.type == "int" else float(text)
    except ValueError:
        raise Refusal("INVALID_FIELD", f"{field.label}: value not of required type: {text}", [field.name]) from None


def _known(call: ApiCall, table: Table) -> str:
    record_id = path_id(call.part["id"], table)
    if record_id not in table.rows and record_id not in table.purged:
        raise not_found()
    return record_id


def _matches(call: ApiCall, table: Table) -> tuple[Field, list[str]]:
    field = key_field(table, call.part["id"], call.caller)
    value = call.part["value"]
    if field.type == "id":
        record_id = path_id(value, table)
        row = table.rows.get(record_id)
        if row is not None and row["IsDeleted"]:
            raise is_deleted()
        return field, [record_id] if row is not None else []
    return field, table.index(field).find(typed_key(field, value))


def _only(table: Table, field: Field, ids: list[str]) -> StoredRow:
    if not ids:
        raise not_found()
    return table.rows[ids[0]]


def _several(call: ApiCall, table: Table, ids: list[str]) -> Answer | None:
    """Answer 300 with the paths of all records that hold the key [seen]."""
    if len(ids) < 2:
        return None
    return Answer(300, [f"{call.base}/sobjects/{table.sobject.name}/{one}" for one in ids], sobject=table.sobject.name)


# Answering ----------------------------------------------------------------------------------------------------------


def _saved(call: ApiCall, table: Table, record_id: str, *, status: int, created: bool | None = None) -> Answer:
    body: dict[str, object] = {"id": record_id, "success": True, "errors": []}
    if created is not None:
        body["created"] = created
    location = f"{call.base}/sobjects/{table.sobject.name}/{record_id}"
    return Answer(status, body, {"Location": location}, sobject=table.sobject.name, rows=1)


def _shown(call: ApiCall, table: Table, row: StoredRow) -> Answer:
    refused = _condition(call, table, row)
    if refused is not None:
        return refused
    wanted = call.request.query.get("fields")
    show = show_all(call, table) if wanted is None else show_fields(call, table, wanted)
    shown = show(row)
    return Answer(200, shown, _validators(table, row), sobject=table.sobject.name, rows=1)


def show_all(call: ApiCall, table: Table) -> Show:
    """Build the function that shows every visible field, compound ones too."""
    return call.runner.shape([table], [[field.name] for field in call.caller.view(table.sobject).visible()])


def show_fields(call: ApiCall, table: Table, text: str) -> Show:
    """Build the function that shows the named fields; an unknown one is refused with its place in the list [seen]."""
    paths: list[list[str]] = []
    for match in re.finditer(r"[^,\s]+", text):
        paths.append(match[0].split("."))
        try:
            call.runner.shape([table], paths[-1:])
        except Refusal as refused:
            raise fault_at(refused.code, text, match.start(), refused.message) from None
    return call.runner.shape([table], paths)


def _modified(row: StoredRow) -> datetime:
    return datetime.strptime(str(row["SystemModstamp"]), "%Y-%m-%dT%H:%M:%S.000%z")


def _etag(row: StoredRow) -> str:
    return f'"{hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:24]}"'


def _validators(table: Table, row: StoredRow) -> Mapping[str, str]:
    """`Last-Modified` is the SystemModstamp [seen once]; only Account has an entity tag [seen]."""
    headers = {"Last-Modified": format_datetime(_modified(row).astimezone(UTC), usegmt=True)}
    return headers | {"ETag": _etag(row)} if table.sobject.name == "Account" else headers


def _condition(call: ApiCall, table: Table, row: StoredRow) -> Answer | None:
    """Give the 304 or 412 that the conditional headers ask for (facts 3.4); None: go on."""
    headers = call.request.headers
    since = _header_date(call, "if-modified-since")
    until = _header_date(call, "if-unmodified-since")
    modified = _modified(row)
    tag = _etag(row) if table.sobject.name == "Account" else None
    unchanged = (since is not None and modified <= since) or (tag is not None and headers.get("if-none-match") == tag)
    if unchanged:
        return Answer(304, headers=_validators(table, row), sobject=table.sobject.name)
    moved = (until is not None and modified > until) or (
        tag is not None and headers.get("if-match", tag) not in (tag, "*")
    )
    if moved:
        # The status is documented; the body's code and text are our guess.
        raise Refusal("PRECONDITION_FAILED", "The record has been modified since the given condition")
    return None


def _header_date(call: ApiCall, name: str) -> datetime | None:
    text = call.request.headers.get(name)
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        if call.request.method == "GET":
            return None  # reads ignore what they cannot read; writes refuse it (facts 3.4)
        raise Refusal("INVALID_HTTP_HEADER", f"{name} is not an HTTP date", status=400) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
