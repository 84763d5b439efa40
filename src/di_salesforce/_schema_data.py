"""A schema as plain data, for a store to keep, and its fingerprint: the one format in which schemas are saved.

What may not go in here: fetching a description, and what a change means (`_drift.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, cast

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import UNSET, Side, from_plain, to_plain
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = ["fingerprint", "meant", "needs_value", "schema_from_dict", "schema_to_dict"]

_VERSION: Final = 1
_LISTS: Final = frozenset({"choices", "references"})
_RIGHTS: Final = ("readable", "creatable", "updatable", "deletable")
_FIELD_DEFAULTS: Final = {
    field.name: field.default for field in attrs.fields(FieldSchema) if field.name not in ("name", "type")
}


def _plain_field(field: FieldSchema) -> dict[str, Any]:  # JSON-safe data
    plain: dict[str, Any] = {"name": field.name, "type": field.type.value}  # likewise
    for name, default in _FIELD_DEFAULTS.items():
        value = getattr(field, name)
        if value != default or type(value) is not type(default):  # a default value of 1 is not True
            plain[name] = list(value) if name in _LISTS else to_plain(value)
    return plain


def schema_to_dict(schema: TableSchema) -> dict[str, Any]:  # JSON-safe data
    """Give a schema as plain, JSON-safe data: `TableSchema.to_dict`."""
    data: dict[str, Any] = {"version": _VERSION, "name": schema.name, "side": schema.side.value}  # likewise
    if schema.id is not None:
        data["id"] = schema.id
    if schema.label:
        data["label"] = schema.label
    closed = {flag: False for flag in _RIGHTS if not getattr(schema, flag)}
    if schema.record_types:
        data["record_types"] = list(schema.record_types)
    return {**data, **closed, "fields": [_plain_field(field) for field in schema]}


def schema_from_dict(data: Mapping[str, Any]) -> TableSchema:  # plain data of a store
    """Read what `schema_to_dict` gave: `TableSchema.from_dict`."""
    if data.get("version") != _VERSION:
        raise ConfigurationError(
            f"the kept schema is of version {data.get('version')!r}, and this release reads version {_VERSION}"
        )
    try:
        return TableSchema(
            data["name"],
            side=Side(data["side"]),
            fields=[_field_from(cast("Mapping[str, Any]", field)) for field in data["fields"]],
            id=data.get("id"),
            label=data.get("label", ""),
            record_types=data.get("record_types", ()),
            **{flag: bool(data[flag]) for flag in _RIGHTS if flag in data},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"the kept schema cannot be read: {type(error).__name__}") from error


def _field_from(plain: Mapping[str, Any]) -> FieldSchema:  # JSON values
    read: dict[str, Any] = {name: from_plain(value) for name, value in plain.items()}  # likewise
    read["type"] = FieldType(read.get("type", FieldType.UNKNOWN))
    return FieldSchema(**read)


def fingerprint(schema: TableSchema) -> str:
    """Give a text that is the same as long as nothing changed that matters to a mapping: `TableSchema.fingerprint`."""
    fields = [_plain_field(meant(field)) for field in sorted(schema, key=lambda field: field.name)]
    text = json.dumps(
        [_VERSION, schema.name.casefold(), schema.side.value, schema.id, schema.closed_to, fields], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def meant(field: FieldSchema) -> FieldSchema:
    """Leave out what does not matter; a service's own word matters only where we do not know it."""
    return attrs.evolve(
        field,
        label="",
        nullable=True,
        raw_type=field.raw_type if field.type is FieldType.UNKNOWN else "",
        creatable=field.creatable and not field.calculated,
        updatable=field.updatable and not field.calculated,
        calculated=False,
        choices=sorted(set(field.choices)),
        references=sorted(set(field.references)),
        required=needs_value(field),
        default=UNSET,  # it matters only to whether a value is needed
    )


def needs_value(field: FieldSchema) -> bool:
    """Tell whether a new record is refused unless it is given a value."""
    return field.required and field.default is UNSET
