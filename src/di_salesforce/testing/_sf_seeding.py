"""Rows from outside into the simulated org: natives and CSV text into stored form, and rows taken at their word.

What may not go in here: the checks of a save; `FakeSalesforce.load` chooses between them and this.
"""

from __future__ import annotations

from collections.abc import Mapping

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import record_id_18
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_schema import NUMBERS, Field, StoredRow, Wire
from di_salesforce.testing._sf_store import Org, Table
from di_salesforce.testing._sf_values import checkbox_from_text, native_to_json, number_from_text, read_datetime, stamp


def as_json(table: Table, row: Mapping[str, object]) -> dict[str, object]:
    """Turn a row of native values, or of the text of CSV cells, into what a client would send for it."""
    return {name: _as_json(table.sobject.field(name), value) for name, value in row.items()}


def _as_json(field: Field | None, value: object) -> object:
    if isinstance(value, str) and field is not None:
        if field.type == "boolean":
            return checkbox_from_text(value)
        if field.type in NUMBERS or field.type == "int":
            number = number_from_text(value)
            return int(number) if isinstance(number, float) and field.type == "int" and number.is_integer() else number
    return native_to_json(value)


def stored(org: Org, table: Table, row: Mapping[str, object], user_id: str) -> StoredRow:
    """Store a row at its word: no check but that its fields exist; ids, stamps and audit fields may be given.

    Raises:
        ConfigurationError: a field that the object does not have, or an id that is none.
    """
    values: StoredRow = {}
    for name, value in as_json(table, row).items():
        field = table.sobject.field(name)
        if field is None or field.formula is not None:
            raise ConfigurationError(f"{table.sobject.name} has no field {name} that can be stored")
        if value is not None and value != "":
            values[field.name] = _stored(field, value)
    record_id = values.get("Id")
    full = table.next_id() if record_id is None else record_id_18(str(record_id))
    if full is None or full[:3] != table.sobject.prefix:
        raise ConfigurationError(f"{table.sobject.name}: Id is no id of this object")
    moment = values.get("SystemModstamp") or values.get("LastModifiedDate") or org.now()
    system: StoredRow = {
        "IsDeleted": False, "CreatedDate": values.get("LastModifiedDate", moment), "CreatedById": user_id,
        "LastModifiedDate": moment, "LastModifiedById": user_id, "SystemModstamp": moment,
    }  # fmt: skip
    if "OwnerId" in table.writers:
        system["OwnerId"] = user_id
    return table.defaults | system | values | {"Id": full}


def _stored(field: Field, value: object) -> Wire:
    if field.type in NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if field.type == "datetime" and isinstance(value, str):
        moment = read_datetime(value)
        return value if moment is None else stamp(moment)
    if field.type == "reference" and isinstance(value, str):
        return record_id_18(value) or value
    if isinstance(value, (bool, int, float, str)):
        return value
    raise ConfigurationError(f"{field.name} cannot hold a value of type {type(value).__name__}")


def would_refuse(refused: Refusal) -> str:
    """Say why a save refuses a row, without the row's data (the server's own text may quote it)."""
    fields = f" ({', '.join(refused.fields)})" if refused.fields else ""
    return f"Salesforce would refuse it with {refused.code}{fields}"
