"""What changed in a table since it was last described, and what that means for a mapping.

What may not go in here: fetching a description, and deciding what a run does about a change.

A schema's plain form is what a store keeps; its fingerprint tells at a glance whether there is anything to explain.  A
field that disappeared is a permission or a removal, never a field whose values became null.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

import attrs

from di_salesforce._check_ground import described, listed, near
from di_salesforce._findings import Finding, FindingCode, Findings, Severity
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import UNSET, Side, from_plain, to_plain
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = ["CHANGE_CODES", "fingerprint", "schema_changes", "schema_from_dict", "schema_to_dict"]

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

CHANGE_CODES: Final[Mapping[str, FindingCode]] = {
    "schema.choices_added": FindingCode(_I, "a picklist has new values"),
    "schema.choices_removed": FindingCode(_W, "a picklist has lost values"),
    "schema.field_appeared": FindingCode(_I, "the table has a new field, or the user may now see it"),
    "schema.field_disappeared": FindingCode(_E, "a field is gone, or the user may no longer see it"),
    "schema.key_changed": FindingCode(_E, "a field became part of the table's key, or is no longer part of it"),
    "schema.less_room": FindingCode(_W, "a field holds shorter text or smaller numbers than before"),
    "schema.more_room": FindingCode(_I, "a field holds longer text or larger numbers than before"),
    "schema.not_unique": FindingCode(_W, "a field no longer keeps its values unique, or no longer finds records"),
    "schema.not_required": FindingCode(_I, "new records no longer need a value in a field"),
    "schema.now_required": FindingCode(_E, "new records need a value in a field, and did not before"),
    "schema.now_unique": FindingCode(_W, "a field keeps its values unique, or finds records, and did not before"),
    "schema.other_table": FindingCode(_E, "the description is of another table than the one before"),
    "schema.read_only": FindingCode(_E, "a field can no longer be written"),
    "schema.references_changed": FindingCode(_W, "a lookup refers to other objects than before"),
    "schema.restricted": FindingCode(_W, "a picklist takes no other values than its own any more"),
    "schema.type_changed": FindingCode(_E, "a field has another type"),
    "schema.unrestricted": FindingCode(_I, "a picklist takes other values than its own now"),
    "schema.writable": FindingCode(_I, "a field can now be written"),
}
"""Each code of `schema_changes` with its severity and meaning."""


# Plain data ---------------------------------------------------------------------------------------------------------
_VERSION: Final = 1
_LISTS: Final = frozenset({"choices", "references"})
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
    """Give a schema as plain, JSON-safe data, for a store to keep; `schema_from_dict` gives an equal value.

    Example:
        >>> schema_to_dict(TableSchema("Contact", side=Side.SALESFORCE, fields=[FieldSchema("Email", FieldType.EMAIL)]))
        {'version': 1, 'name': 'Contact', 'side': 'salesforce', 'fields': [{'name': 'Email', 'type': 'email'}]}
    """
    data: dict[str, Any] = {"version": _VERSION, "name": schema.name, "side": schema.side.value}  # likewise
    if schema.id is not None:
        data["id"] = schema.id
    if schema.label:
        data["label"] = schema.label
    return {**data, "fields": [_plain_field(field) for field in schema]}


def schema_from_dict(data: Mapping[str, Any]) -> TableSchema:  # plain data of a store
    """Read what `schema_to_dict` gave.

    Raises:
        ConfigurationError: The data is of a later version, or is no schema.
    """
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
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"the kept schema cannot be read: {type(error).__name__}") from error


def _field_from(plain: Mapping[str, Any]) -> FieldSchema:  # JSON values
    read: dict[str, Any] = {name: from_plain(value) for name, value in plain.items()}  # likewise
    read["type"] = FieldType(read.get("type", FieldType.UNKNOWN))
    return FieldSchema(**read)


def fingerprint(schema: TableSchema) -> str:
    """Give a text that is the same exactly as long as nothing changed that matters to a mapping.

    Compare it with the one of the last run: where it is the same, `schema_changes` has nothing to tell.  Labels and the
    order of fields and of picklist values do not matter; nor does whether a field may be blank, since a blank is
    refused only where a value is required.

    Example:
        >>> email = FieldSchema("Email", FieldType.EMAIL, length=80)
        >>> before = TableSchema("Contact", side=Side.SALESFORCE, fields=[email])
        >>> fingerprint(before) == fingerprint(attrs.evolve(before, label="Contacts"))
        True
        >>> fingerprint(before) == fingerprint(attrs.evolve(before, fields=[attrs.evolve(email, length=100)]))
        False
    """
    fields = [_plain_field(_meant(field)) for field in sorted(schema, key=lambda field: field.name)]
    text = json.dumps([_VERSION, schema.name.casefold(), schema.side.value, schema.id, fields], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _meant(field: FieldSchema) -> FieldSchema:
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
        required=_needs_value(field),
        default=UNSET,  # it matters only to whether a value is needed
    )


def _needs_value(field: FieldSchema) -> bool:
    return field.required and field.default is UNSET


# What changed -------------------------------------------------------------------------------------------------------
Found: TypeAlias = Iterator[Finding]
Rule: TypeAlias = "Callable[[TableSchema, FieldSchema, FieldSchema], Found]"


def _change(code: str, schema: TableSchema, path: str, message: str, remedy: str) -> Finding:
    return Finding(CHANGE_CODES[code].severity, code, path, message, remedy, schema.side)


_CHECK_AGAIN: Final = "check the transfer again before its next run"


def _type(schema: TableSchema, old: FieldSchema, new: FieldSchema) -> Found:
    if old.type is not new.type or (new.type is FieldType.UNKNOWN and old.raw_type != new.raw_type):
        was = old.raw_type if old.type is FieldType.UNKNOWN else old.type.value.replace("_", " ")
        yield _change(
            "schema.type_changed",
            schema,
            new.name,
            f"{described(new, schema.side)} was {was or 'of unknown type'} before",
            f"its values may read otherwise now: {_CHECK_AGAIN}, and resolve its converters anew",
        )


_ROOM: Final[Mapping[str, str]] = {
    "length": "characters",
    "precision": "digits",
    "scale": "digits behind the point",
}


def _room(schema: TableSchema, old: FieldSchema, new: FieldSchema) -> Found:
    for name, unit in _ROOM.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after or old.type is not new.type:
            continue
        # No stated limit counts as the most room there is.
        code = "schema.less_room" if after is not None and (before is None or after < before) else "schema.more_room"
        yield _change(
            code,
            schema,
            new.name,
            f"{described(new, schema.side)} holds {_limit(after)} {unit}, before {_limit(before)}",
            f"values that fitted may be refused now: {_CHECK_AGAIN}" if code == "schema.less_room" else "nothing to do",
        )


def _limit(size: int | None) -> str:
    return "any number of" if size is None else str(size)


def _choices(schema: TableSchema, old: FieldSchema, new: FieldSchema) -> Found:
    name = described(new, schema.side)
    if gone := [value for value in old.choices if value not in new.choices]:
        yield _change(
            "schema.choices_removed",
            schema,
            new.name,
            f"{name} has lost {listed(gone)}",
            "look for them in the line's map, constants and defaults"
            + ("; they are refused from now on" if new.restricted else "; they are still taken, as any text is"),
        )
    if added := [value for value in new.choices if value not in old.choices]:
        yield _change(
            "schema.choices_added",
            schema,
            new.name,
            f"{name} has new values: {listed(added)}",
            "add them to the line's map, if it has one",
        )
    if new.restricted and not old.restricted:
        yield _change(
            "schema.restricted",
            schema,
            new.name,
            f"{name} takes no other values than its own any more",
            f"rows with other values will be refused: {_CHECK_AGAIN}",
        )
    if old.restricted and not new.restricted:
        yield _change(
            "schema.unrestricted", schema, new.name, f"{name} takes other values than its own now", "nothing to do"
        )


def _writing(schema: TableSchema, old: FieldSchema, new: FieldSchema) -> Found:
    name = described(new, schema.side)
    before, after = _meant(old), _meant(new)
    for was, now, deed in (
        (before.creatable, after.creatable, "given to new records"),
        (before.updatable, after.updatable, "changed"),
    ):
        if was and not now:
            yield _change(
                "schema.read_only",
                schema,
                new.name,
                f"{name} can no longer be {deed}",
                "it was made read-only or calculated, or the user lost the right: let an administrator give it back, "
                "or let the line flow the other way only (direction=)",
            )
        elif now and not was:
            yield _change("schema.writable", schema, new.name, f"{name} can now be {deed}", "nothing to do")
    if after.required and not before.required:
        yield _now_required(schema, new)
    if before.required and not after.required:
        yield _change(
            "schema.not_required", schema, new.name, f"new records may go without {name} now", "nothing to do"
        )


def _now_required(schema: TableSchema, field: FieldSchema) -> Finding:
    return _change(
        "schema.now_required",
        schema,
        field.name,
        f"{schema.side.label}'s {schema.name} takes no new record without {field.name} any more",
        f"map it, or give new records a value: Constant({field.name!r}, ..., side=Side.{schema.side.name})",
    )


def _identity(schema: TableSchema, old: FieldSchema, new: FieldSchema) -> Found:
    name = described(new, schema.side)
    if old.key is not new.key:
        yield _change(
            "schema.key_changed",
            schema,
            new.name,
            f"{name} is {'now' if new.key else 'no longer'} part of the table's key",
            "records are found by another key than before: stop, and make the key's lines the key, with_key(...)",
        )
    identifies = [
        (word, bool(getattr(old, flag)), bool(getattr(new, flag)))
        for flag, word in (("unique", "unique"), ("external_id", "an external id"), ("id_lookup", "a look-up field"))
    ]
    if lost := [word for word, was, now in identifies if was and not now]:
        yield _change(
            "schema.not_unique",
            schema,
            new.name,
            f"{name} is no longer {' and '.join(lost)}",
            f"as a key it may name several records, and no longer take upserts: {_CHECK_AGAIN}",
        )
    if gained := [word for word, was, now in identifies if now and not was]:
        yield _change(
            "schema.now_unique",
            schema,
            new.name,
            f"{name} is {' and '.join(gained)} now",
            "a value that another record has is refused where it is unique; else nothing to do",
        )
    if set(old.references) != set(new.references):
        yield _change(
            "schema.references_changed",
            schema,
            new.name,
            f"{name} refers to {listed(new.references) or 'nothing'}, before to {listed(old.references) or 'nothing'}",
            f"links of another transfer may be needed to translate it: {_CHECK_AGAIN}",
        )


FIELD_RULES: Final[tuple[Rule, ...]] = (_type, _room, _choices, _writing, _identity)


def schema_changes(before: TableSchema, after: TableSchema, *, transfer: ObjectTransfer | None = None) -> Findings:
    """Explain what changed between two descriptions of one table.

    Use it when the fingerprint of a table is not the one that was kept, before anything is read or written.

    Args:
        before: The schema as it was kept.
        after: The schema as it is now, of the same side.
        transfer: The transfer that uses the table: only what matters to it is reported, that is changes of the fields
            that it names, and new records' needs.  None: everything.

    Returns:
        Findings whose paths are field names; errors are changes after which a run could lose or refuse something.

    Raises:
        ConfigurationError: The two schemas are of different services.

    Example:
        >>> before = TableSchema("Contact", side=Side.SALESFORCE, fields=[FieldSchema("Email"), FieldSchema("Fax")])
        >>> after = TableSchema("Contact", side=Side.SALESFORCE, fields=[FieldSchema("Email")])
        >>> [error.code for error in schema_changes(before, after).errors]
        ['schema.field_disappeared']
    """
    if before.side is not after.side:
        raise ConfigurationError("the two schemas are of different services")
    used = _used(transfer, after.side)
    return Findings(change for change in _changes(before, after) if _matters(change, used))


_ALWAYS: Final = frozenset({"schema.now_required", "schema.other_table", "schema.key_changed"})
"""What concerns a transfer whether it names the field or not."""


def _matters(change: Finding, used: Collection[str] | None) -> bool:
    return used is None or change.code in _ALWAYS or change.path in used


def _used(transfer: ObjectTransfer | None, side: Side) -> frozenset[str] | None:
    if transfer is None:
        return None
    names = {line.field(side) for line in transfer.lines}
    names |= {constant.field for constant in transfer.constants if constant.side is side}
    steps = {name.partition(".")[0] for name in names if "." in name and side is Side.SALESFORCE}
    # The lookup at the beginning of a parent path, by the platform's naming rule.
    return frozenset(names | {f"{step[:-1]}c" if step.endswith("__r") else f"{step}Id" for step in steps})


def _changes(before: TableSchema, after: TableSchema) -> Found:
    if before.name.casefold() != after.name.casefold() or before.id != after.id:
        yield _change(
            "schema.other_table",
            after,
            "",
            f"the table is {_called(after)}, and what was kept is of {_called(before)}",
            "if it was made anew in the application, its records have other ids: compare both sides in full first",
        )
    new_names = [name for name in after.names if name not in before]
    for old in before:
        new = after.get(old.name)
        if new is None:
            yield _disappeared(after, old, new_names)
            continue
        for rule in FIELD_RULES:
            yield from rule(after, old, new)
    for name in new_names:
        yield _change(
            "schema.field_appeared",
            after,
            name,
            f"{described(after[name], after.side)} is new, or was hidden from the user before",
            "nothing to do",
        )
        if _needs_value(after[name]):
            yield _now_required(after, after[name])


def _called(schema: TableSchema) -> str:
    return f"{schema.name!r}" + ("" if schema.id is None else f" with id {schema.id}")


def _disappeared(after: TableSchema, old: FieldSchema, new_names: Collection[str]) -> Finding:
    renamed = near(old.name, new_names)
    cause = {
        Side.SALESFORCE: "an administrator deleted it, or the user lost the right to see it (field-level security)",
        Side.DIALOG_INSIGHT: "it was deleted in the application, or its list or table was not prepared again",
    }[after.side]
    return _change(
        "schema.field_disappeared",
        after,
        old.name,
        f"{described(old, after.side)} is no longer in {after.name}: {cause}. Its values did not become null",
        (f"perhaps it is called {renamed!r} now; otherwise " if renamed else "")
        + "restore the field or the right, or take the line out: without_fields(...)",
    )
