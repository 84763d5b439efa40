"""What changed in a table since it was last described, and what that means for a mapping.

What may not go in here: fetching a description, keeping one (`_schema_data.py` gives its plain form), and what a run
does about a change (`synchronizing/_drifting.py`).

A field that disappeared is a permission or a removal, never a field whose values became null.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeAlias

import attrs

from di_salesforce._check_ground import Found, described, listed, near
from di_salesforce._findings import Finding, FindingCode, Findings, Severity, found
from di_salesforce._schema_data import meant, needs_value
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = ["CHANGE_CODES", "Concern", "schema_changes"]

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO


class Concern(enum.Enum):
    """Which transfers a change of a field concerns; its value is the phrase of the reference page."""

    TABLE = "every transfer of the table"
    NAMED = "transfers that name the field"
    WRITTEN = "transfers that write the field"
    UNFILLED = "transfers that create records there and do not fill the field"


@attrs.frozen
class ChangeCode(FindingCode):
    """What the code of a change means, how much it matters, and to whom."""

    concern: Concern = Concern.NAMED


CHANGE_CODES: Final[Mapping[str, ChangeCode]] = {
    "schema.choices_added": ChangeCode(_I, "a picklist has new values"),
    "schema.choices_removed": ChangeCode(_W, "a picklist has lost values"),
    "schema.field_appeared": ChangeCode(_I, "the table has a new field, or the user may now see it"),
    "schema.field_disappeared": ChangeCode(_E, "a field is gone, or the user may no longer see it"),
    "schema.key_changed": ChangeCode(
        _E, "a field became part of the table's key, or is no longer part of it", Concern.TABLE
    ),
    "schema.less_room": ChangeCode(_W, "a field holds shorter text or smaller numbers than before", Concern.WRITTEN),
    "schema.more_room": ChangeCode(_I, "a field holds longer text or larger numbers than before"),
    "schema.not_unique": ChangeCode(_W, "a field no longer keeps its values unique, or no longer finds records"),
    "schema.not_required": ChangeCode(_I, "new records no longer need a value in a field"),
    "schema.now_required": ChangeCode(_E, "new records need a value in a field, and did not before", Concern.UNFILLED),
    "schema.now_unique": ChangeCode(
        _W, "a field keeps its values unique, or finds records, and did not before", Concern.WRITTEN
    ),
    "schema.other_table": ChangeCode(_E, "the description is of another table than the one before", Concern.TABLE),
    "schema.read_only": ChangeCode(_E, "a field can no longer be written", Concern.WRITTEN),
    "schema.references_changed": ChangeCode(_W, "a lookup refers to other objects than before"),
    "schema.restricted": ChangeCode(_W, "a picklist takes no other values than its own any more", Concern.WRITTEN),
    "schema.table_closed": ChangeCode(
        _E, "records of the table can no longer be read, created, changed or deleted", Concern.TABLE
    ),
    "schema.table_opened": ChangeCode(
        _I, "records of the table can be read, created, changed or deleted, and could not before", Concern.TABLE
    ),
    "schema.type_changed": ChangeCode(_E, "a field has another type"),
    "schema.unrestricted": ChangeCode(_I, "a picklist takes other values than its own now"),
    "schema.writable": ChangeCode(_I, "a field can now be written"),
}
"""Each code of `schema_changes`: an error stops a run until a person has accepted it, the others are told once."""


# What changed -------------------------------------------------------------------------------------------------------
Rule: TypeAlias = "Callable[[TableSchema, FieldSchema, FieldSchema], Found]"


def _change(code: str, schema: TableSchema, path: str, message: str, remedy: str) -> Finding:
    return found(code, path, message, remedy, side=schema.side, codes=CHANGE_CODES)


_FINE: Final = "nothing to do"
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
            f"values that fitted may be refused now: {_CHECK_AGAIN}" if code == "schema.less_room" else _FINE,
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
        yield _change("schema.unrestricted", schema, new.name, f"{name} takes other values than its own now", _FINE)


def _writing(schema: TableSchema, old: FieldSchema, new: FieldSchema) -> Found:
    name = described(new, schema.side)
    before, after = meant(old), meant(new)
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
            yield _change("schema.writable", schema, new.name, f"{name} can now be {deed}", _FINE)
    if after.required and not before.required:
        yield _now_required(schema, new)
    if before.required and not after.required:
        yield _change("schema.not_required", schema, new.name, f"new records may go without {name} now", _FINE)


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

    Use it when the `fingerprint` of a table is not the one that was kept, before anything is read or written.  A
    `Synchronizer` does so by itself, with what its store keeps.

    Args:
        before: The schema as it was kept.
        after: The schema as it is now, of the same side.
        transfer: The transfer that uses the table: only what concerns it is reported.  None: everything.

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
    uses = None if transfer is None else _Uses.of(transfer, after.side)
    return Findings(change for change in _changes(before, after) if uses is None or uses.concerned_by(change))


@attrs.frozen
class _Uses:
    """The fields of one side that a transfer names, writes, and gives to new records (None: it creates none there)."""

    named: frozenset[str]
    written: frozenset[str]
    filled: frozenset[str] | None

    @classmethod
    def of(cls, transfer: ObjectTransfer, side: Side) -> _Uses:
        constants = {constant.field for constant in transfer.constants if constant.side is side}
        lines = {line.field(side) for line in transfer.lines}
        flowing = {line.field(side) for line in transfer.lines if line.flows.allows(side)}
        creates, updates = transfer.allowed.allows_create(side.other), transfer.allowed.allows_update(side.other)
        steps = {name.partition(".")[0] for name in lines if "." in name and side is Side.SALESFORCE}
        # The lookup at the beginning of a parent path, by the platform's naming rule.
        lookups = {f"{step[:-1]}c" if step.endswith("__r") else f"{step}Id" for step in steps}
        return cls(
            named=frozenset(lines | constants | lookups),
            written=frozenset((flowing if creates or updates else set[str]()) | (constants if creates else set[str]())),
            filled=frozenset(flowing | constants) if creates else None,
        )

    def concerned_by(self, change: Finding) -> bool:
        match CHANGE_CODES[change.code].concern:
            case Concern.TABLE:
                return True
            case Concern.NAMED:
                return change.path in self.named
            case Concern.WRITTEN:
                return change.path in self.written
            case Concern.UNFILLED:
                return self.filled is not None and change.path not in self.filled


def _changes(before: TableSchema, after: TableSchema) -> Found:
    if before.name.casefold() != after.name.casefold() or before.id != after.id:
        yield _change(
            "schema.other_table",
            after,
            "",
            f"the table is {_called(after)}, and what was kept is of {_called(before)}",
            "if it was made anew in the application, its records have other ids: compare both sides in full first",
        )
    yield from _rights(before, after)
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
            _FINE,
        )
        if needs_value(after[name]):
            yield _now_required(after, after[name])


def _rights(before: TableSchema, after: TableSchema) -> Found:
    if closed := [deed for deed in after.closed_to if deed not in before.closed_to]:
        yield _change(
            "schema.table_closed",
            after,
            "",
            f"the user may no longer {listed(closed)} records of {_called(after)}",
            "let an administrator give the right back (profile, permission set)",
        )
    if opened := [deed for deed in before.closed_to if deed not in after.closed_to]:
        yield _change(
            "schema.table_opened", after, "", f"the user may {listed(opened)} records of {_called(after)} now", _FINE
        )


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
