"""Routes of sObject Collections: up to 200 rows a call, an outcome for each in the order of the request.

What may not go in here: what a save checks (`_sf_save.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, TypeAlias, cast

from di_salesforce.records import record_id_18
from di_salesforce.testing._sf_errors import Answer, Refusal, bad_reference
from di_salesforce.testing._sf_records import key_field, show_fields
from di_salesforce.testing._sf_save import Hand, Saver, many_matches
from di_salesforce.testing._sf_schema import Field
from di_salesforce.testing._sf_service import ApiCall
from di_salesforce.testing._sf_store import Table, undo

MAX_ROWS: Final = 200
MAX_RETRIEVED: Final = 2000
MAX_CHUNKS: Final = 10
"""Runs of rows of one type in a call (facts 3.7)."""

Outcome: TypeAlias = dict[str, object]
Save: TypeAlias = Callable[[Hand], Outcome]
JsonRow: TypeAlias = Mapping[str, Any]  # a JSON object: this is the wire


def create(call: ApiCall) -> Answer:
    """POST `/composite/sobjects`."""
    rows, all_or_none = _rows(call)
    saver = call.service.saver

    def save(table: Table, row: JsonRow) -> Save:
        return lambda hand: _done(saver.create(table, row, hand))

    return _run(call, [(table, save(table, row)) for table, row in rows], all_or_none=all_or_none)


def update(call: ApiCall) -> Answer:
    """PATCH `/composite/sobjects`: each row carries its `id`."""
    rows, all_or_none = _rows(call)
    saver = call.service.saver

    def save(table: Table, row: JsonRow) -> Save:
        def one(hand: Hand) -> Outcome:
            values = {name: value for name, value in row.items() if name.lower() != "id"}
            record_id = row_id(table, next((value for name, value in row.items() if name.lower() == "id"), None))
            saver.update(table, record_id, values, hand)
            return _done(record_id)

        return one

    return _run(call, [(table, save(table, row)) for table, row in rows], all_or_none=all_or_none)


def upsert(call: ApiCall) -> Answer:
    """PATCH `/composite/sobjects/X/<external id>`: every row says `created`, the failed ones too [seen]."""
    table = call.table()
    field = key_field(table, call.part["field"], call.caller)
    rows, all_or_none = _rows(call)
    for other, _ in rows:
        if other is not table:
            message = f"The type of a record is {other.sobject.name}, the address says {table.sobject.name}"
            raise Refusal("INVALID_TYPE", message)
    taken: set[object] = set()

    def save(row: JsonRow) -> Save:
        return lambda hand: upsert_row(call.service.saver, (table, field), row, taken, hand)

    return _run(call, [(table, save(row)) for table, row in rows], all_or_none=all_or_none, upserting=True)


def upsert_row(saver: Saver, by: tuple[Table, Field], row: JsonRow, taken: set[object], hand: Hand) -> Outcome:
    """Save one row of an upsert; `taken` holds the keys that came before it in the same call."""
    table, field = by
    name = next((name for name in row if name.lower() == field.name.lower()), field.name)
    values = {key: value for key, value in row.items() if key != name}
    if field.type == "id":
        if row.get(name) is None:
            return _done(saver.create(table, values, hand)) | {"created": True}
        record_id = row_id(table, row[name])
        saver.update(table, record_id, values, hand)
        return _done(record_id) | {"created": False}
    key = table.writers[field.name].convert(row.get(name))
    if key is None:
        raise Refusal("MISSING_ARGUMENT", f"{field.name} not specified", [field.name])
    index = table.index(field)
    folded = index.fold(key)
    if folded in taken:
        raise Refusal("DUPLICATE_VALUE", f"Duplicate external id specified: {key}", [field.name])
    taken.add(folded)
    found = index.find(key)
    if len(found) > 1:
        raise many_matches(field, found)
    if found:
        saver.update(table, found[0], values, hand)
        return _done(found[0]) | {"created": False}
    return _done(saver.create(table, row, hand)) | {"created": True}


def delete(call: ApiCall) -> Answer:
    """DELETE `/composite/sobjects?ids=`."""
    texts = [text.strip() for text in call.request.query.get("ids", "").split(",") if text.strip()]
    _limit(texts, "ids")

    def save(text: str) -> Save:
        def one(hand: Hand) -> Outcome:
            table = _table_of(call, text)
            record_id = row_id(table, text)
            call.service.saver.delete(table, record_id, hand)
            return _done(record_id)

        return one

    known = (call.org.table_of_id(text) for text in texts)
    rows = [(table, save(text)) for table, text in zip(known, texts, strict=True)]
    return _run(call, rows, all_or_none=call.flag("allOrNone"))


def retrieve(call: ApiCall) -> Answer:
    """POST `/composite/sobjects/X` with ids and fields: rows in the order of the ids, null for what is not there."""
    body = call.json_object()
    ids: Any = body.get("ids")
    fields: Any = body.get("fields")
    if not isinstance(ids, list) or not isinstance(fields, list):
        missing = [name for name in ("ids", "fields") if not isinstance(body.get(name), list)]
        raise Refusal("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)
    return _retrieved(
        call, [str(one) for one in cast("list[object]", ids)], ",".join(map(str, cast("list[object]", fields)))
    )


def retrieve_short(call: ApiCall) -> Answer:
    """GET `/composite/sobjects/X?ids=&fields=`: as many ids as an address can hold."""
    query = call.request.query
    return _retrieved(call, [one for one in query.get("ids", "").split(",") if one], query.get("fields", ""))


def _retrieved(call: ApiCall, ids: Sequence[str], fields: str) -> Answer:
    table = call.table()
    if len(ids) > MAX_RETRIEVED:
        raise Refusal("EXCEEDED_ID_LIMIT", f"record limit reached. cannot retrieve more than {MAX_RETRIEVED} records")
    show = show_fields(call, table, fields)
    rows = (table.live(record_id_18(one) or "") for one in ids)
    return Answer(200, [None if row is None else show(row) for row in rows], sobject=table.sobject.name, rows=len(ids))


# The parts of a call ------------------------------------------------------------------------------------------------


def _rows(call: ApiCall) -> tuple[list[tuple[Table, JsonRow]], bool]:
    """Read the records with their tables; raises for what the vendor refuses as a whole."""
    body = call.json_object()
    records: Any = body.get("records")
    if not isinstance(records, list):
        records = []
    listed = cast("list[object]", records)
    _limit(listed, "records")
    rows: list[tuple[Table, JsonRow]] = []
    for record in listed:
        row = _object(record)
        kind: object = _object(row.get("attributes")).get("type")
        if not isinstance(kind, str):
            raise Refusal(
                "JSON_PARSER_ERROR", "Missing attributes.type of a record", key="records"
            )  # [seen], own words
        table = call.org.table(kind)
        if table is None:
            raise Refusal("INVALID_TYPE", f"sObject type '{kind}' is not supported.")
        rows.append((table, row))
    return rows, body.get("allOrNone") is True


def _object(value: object) -> JsonRow:
    return cast("JsonRow", value) if isinstance(value, dict) else {}


def _limit(rows: Sequence[object], name: str) -> None:
    if not rows:
        raise Refusal("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{name}]", [name])
    if len(rows) > MAX_ROWS:
        message = f"record limit reached. cannot submit more than {MAX_ROWS} records into this call"
        raise Refusal("EXCEEDED_ID_LIMIT", message)


def _run(
    call: ApiCall, rows: Sequence[tuple[Table | None, Save]], *, all_or_none: bool, upserting: bool = False
) -> Answer:
    """Save row by row, each in full or not at all; with all-or-none, one failure takes all of them back."""
    if sum(1 for _ in groupby(rows, key=lambda pair: pair[0])) > MAX_CHUNKS:
        message = f"Cannot have more than {MAX_CHUNKS} chunks in a single operation."
        raise Refusal("LIMIT_EXCEEDED", message)  # the limit is documented, its code is [inferred]
    whole = call.org.switches.parse_errors_refuse_request
    outcomes: list[Outcome] = []
    failed = False
    with call.saving() as hand:
        journal = hand.journal if hand.journal is not None else []
        for _, save in rows:
            mark = len(journal)
            try:
                outcomes.append(save(hand))
            except Refusal as refused:
                if refused.key is not None and whole:
                    raise
                undo(journal, mark)
                failed = True
                outcomes.append(_failed(call.place(refused), upserting=upserting))
        if failed and all_or_none:
            undo(journal)
            outcomes = [one if not one["success"] else _failed(_ROLLED_BACK, upserting=upserting) for one in outcomes]
    first = rows[0][0]
    status = call.org.switches.all_or_none_status if failed and all_or_none else 200
    return Answer(status, outcomes, sobject=None if first is None else first.sobject.name, rows=len(rows))


_ROLLED_BACK: Final = Refusal(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
    (),
)


def _done(record_id: str) -> Outcome:
    return {"id": record_id, "success": True, "errors": []}


def _failed(refused: Refusal, *, upserting: bool) -> Outcome:
    """A failed row has no id [seen]."""
    outcome: Outcome = {"success": False, "errors": [refused.row()]}
    return outcome | {"created": False} if upserting else outcome


def row_id(table: Table, value: object) -> str:
    """Read the id that a row names; raises the refusal of a missing one and of another object's."""
    if value is None:
        raise Refusal("MISSING_ARGUMENT", "Id not specified in an update call", ())
    full = record_id_18(value) if isinstance(value, str) else None
    if full is None or full[:3] != table.sobject.prefix:
        raise Refusal("MALFORMED_ID", f"{table.sobject.label} ID: id value of incorrect type: {value}", ())
    return full


def _table_of(call: ApiCall, text: str) -> Table:
    if record_id_18(text) is None:
        raise Refusal("MALFORMED_ID", f"Record ID: id value of incorrect type: {text}", ())
    table = call.org.table_of_id(text)
    if table is None:
        raise bad_reference()
    return table
