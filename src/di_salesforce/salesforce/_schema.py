"""An sObject's describe, read as a `TableSchema`.

What may not go in here: requests.  Sources: fact sheet, 3.2, with its corrections in section 7: a field is compound or
not by its `type` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from di_salesforce.records import UNSET, Side
from di_salesforce.salesforce._json import array_of, objects_of, text_of
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = ["table_schema"]

_TYPES: Final[Mapping[str, FieldType]] = {
    "id": FieldType.ID,
    "string": FieldType.TEXT,
    "encryptedstring": FieldType.TEXT,
    "textarea": FieldType.LONG_TEXT,
    "int": FieldType.INTEGER,
    "long": FieldType.INTEGER,
    "double": FieldType.DECIMAL,
    "currency": FieldType.DECIMAL,
    "percent": FieldType.DECIMAL,
    "boolean": FieldType.BOOLEAN,
    "date": FieldType.DATE,
    "datetime": FieldType.DATETIME,
    "time": FieldType.TIME,
    "email": FieldType.EMAIL,
    "phone": FieldType.PHONE,
    "url": FieldType.URL,
    "picklist": FieldType.CHOICE,
    "combobox": FieldType.CHOICE,
    "multipicklist": FieldType.MULTI_CHOICE,
    "reference": FieldType.REFERENCE,
    "address": FieldType.COMPOUND,
    "location": FieldType.COMPOUND,
    "complexvalue": FieldType.COMPOUND,
    "base64": FieldType.BINARY,
    "json": FieldType.LONG_TEXT,
    "DataCategoryGroupReference": FieldType.TEXT,  # the group's unique name
}


def table_schema(describe: Mapping[str, Any]) -> TableSchema:  # a JSON object
    """Read a describe answer; unknown types become `FieldType.UNKNOWN` and keep Salesforce's word in `raw_type`.

    Raises:
        ValueError: it is no describe answer.
    """
    return TableSchema(
        text_of(describe, "name"),
        side=Side.SALESFORCE,
        fields=[_field(field) for field in objects_of(describe.get("fields"))],
        label=str(describe.get("label") or ""),
        # A member that is missing says nothing.
        readable=bool(describe.get("queryable", True)),
        creatable=bool(describe.get("createable", True)),
        updatable=bool(describe.get("updateable", True)),
        deletable=bool(describe.get("deletable", True)),
        record_types=[
            str(found.get("name"))
            for found in objects_of(describe.get("recordTypeInfos") or [])
            if found.get("available") and not found.get("master")
        ],
    )


def _field(read: Mapping[str, Any]) -> FieldSchema:  # a JSON object
    creatable = bool(read.get("createable"))
    nullable = bool(read.get("nillable", True))
    default = read.get("defaultValue")
    choices = objects_of(read.get("picklistValues") or [])
    return FieldSchema(
        name=text_of(read, "name"),
        type=_TYPES.get(str(read.get("type")), FieldType.UNKNOWN),
        label=str(read.get("label") or ""),
        length=read.get("length") or None,
        precision=read.get("precision") or read.get("digits") or None,
        scale=read.get("scale"),
        nullable=nullable,
        creatable=creatable,
        updatable=bool(read.get("updateable")),
        required=creatable and not nullable and not read.get("defaultedOnCreate"),  # checked on recordings [R]
        unique=bool(read.get("unique")),
        external_id=bool(read.get("externalId")),
        id_lookup=bool(read.get("idLookup")),
        calculated=bool(read.get("calculated") or read.get("autoNumber")),
        choices=[str(entry.get("value")) for entry in choices if entry.get("active")],
        restricted=bool(read.get("restrictedPicklist")),
        references=[str(name) for name in array_of(read.get("referenceTo") or [])],
        default=UNSET if default is None else default,
        raw_type=str(read.get("type") or ""),
    )
