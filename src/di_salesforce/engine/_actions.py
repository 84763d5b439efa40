"""The closed union of actions: what a plan would write, and what it says where it writes nothing.

What may not go in here: deciding, and anything that carries an action out.  Every action names its rule (`reason`, a
dotted code of `_reasons.py`) and carries the values that it was based on.  Records' values never stand in a repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeGuard, cast

import attrs

from di_salesforce.engine._memory import fingerprint
from di_salesforce.engine._reasons import sentence
from di_salesforce.records import Side, UnsetType, Value, from_plain, record_id_18, to_plain

__all__ = [
    "Action",
    "Change",
    "Conflict",
    "ConflictField",
    "Create",
    "Delete",
    "Key",
    "Link",
    "Proposal",
    "Reject",
    "Skip",
    "Unlink",
    "Update",
    "Write",
    "action_from_dict",
    "action_to_dict",
    "change_from_plain",
    "change_to_plain",
    "key_from_plain",
    "key_parts",
    "satisfies",
    "write_fingerprint",
]

Key: TypeAlias = Value | tuple[Value, ...]
"""The value of a single key field, or a tuple of several."""
Kind: TypeAlias = Literal["create", "update", "delete", "link", "unlink", "skip", "conflict", "reject"]


def key_parts(key: Key) -> tuple[Value, ...]:
    """Give a key as a tuple, whether it has one part or several."""
    return key if isinstance(key, tuple) else (key,)


@attrs.frozen(repr=False)
class Change:
    """One field of a write: its name and its values there before and after, the rule, and the source's own value."""

    field: str
    before: Value | UnsetType
    after: Value
    rule: str
    line: str
    source: Value | UnsetType
    bounce: int = 0  # rounds of rewriting that this write would make

    def __repr__(self) -> str:
        return f"<Change {self.field} by {self.rule}>"


@attrs.frozen(repr=False)
class ConflictField:
    """One line of a conflict: both values now, and both at the last agreement."""

    line: str
    salesforce: Value | UnsetType
    dialog_insight: Value | UnsetType
    salesforce_before: Value | UnsetType
    dialog_insight_before: Value | UnsetType

    def __repr__(self) -> str:
        return f"<ConflictField {self.line}>"


@attrs.frozen(repr=False)
class Proposal:
    """What keeping one side's value would come to: changes on the other side, or the code of what stands against it."""

    keep: Side
    changes: tuple[Change, ...] = ()
    refusal: str = ""
    verdict: str = ""
    address: Mapping[str, Value] = attrs.field(factory=dict[str, Value])  # of the row that would be written

    def __repr__(self) -> str:
        return f"<Proposal keep {self.keep.value}: {self.refusal or f'{len(self.changes)} changes'}>"


@attrs.frozen(repr=False, kw_only=True)
class _Base:
    id: str
    transfer: str
    key: Key
    reason: str
    kind: ClassVar[Kind]
    link: str | None = None  # id of the link that it concerns
    subject: str = ""  # what an open item about it is filed under
    key_text: tuple[str, ...] = ()
    salesforce_id: str | None = None
    dialog_insight_id: str | None = None

    @property
    def sentence(self) -> str:
        """What the reason means, in words."""
        return sentence(self.reason)

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the action as exact, JSON-safe data."""
        return action_to_dict(self)  # type: ignore[arg-type]  # every concrete action is of the union

    def to_table(self) -> list[dict[str, Value]]:
        """Give the action as flat rows with native values, one for each field that it is about."""
        from di_salesforce.engine._tables import action_table  # here, since that file matches these classes

        return action_table(self)  # type: ignore[arg-type]  # as above

    def matches(self, key: Key) -> bool:
        """Tell whether the action is about the record with that key or record id."""
        parts, own = key_parts(key), key_parts(self.key)
        texts = tuple(str(part).strip().lower() for part in parts)
        return (
            parts == own
            or texts == tuple(part.lower() for part in self.key_text)
            or (len(parts) == 1 and self._is_named(str(parts[0])))
        )

    def _is_named(self, record_id: str) -> bool:
        return record_id == self.dialog_insight_id or self.salesforce_id in (
            record_id,
            record_id_18(record_id) or record_id,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.transfer} {self.id}: {self.reason}>"


@attrs.frozen(repr=False, kw_only=True)
class _Written(_Base):
    side: Side  # the side that is written
    record_id: str | None = None
    address: Mapping[str, Value] = attrs.field(
        factory=dict[str, Value]
    )  # the record's key there, for rows without an id
    values: Mapping[str, Value] = attrs.field(factory=dict[str, Value])
    based_on: Mapping[str, Value] = attrs.field(factory=dict[str, Value])
    changes: tuple[Change, ...] = ()


@attrs.frozen(repr=False, kw_only=True)
class Create(_Written):
    """Create a record on `side` with `values` (that side's names and native values, ready to send)."""

    kind: ClassVar[Literal["create"]] = "create"


@attrs.frozen(repr=False, kw_only=True)
class Update(_Written):
    """Change fields of a linked record on `side`; `based_on` holds what the fields were when this was decided."""

    kind: ClassVar[Literal["update"]] = "update"


@attrs.frozen(repr=False, kw_only=True)
class Delete(_Written):
    """Delete the counterpart of a record that is proven deleted; only where the transfer says `deletes=DELETE`."""

    kind: ClassVar[Literal["delete"]] = "delete"


@attrs.frozen(repr=False, kw_only=True)
class Link(_Base):
    """Remember that two records belong together; writes nothing and settles by itself."""

    kind: ClassVar[Literal["link"]] = "link"
    moved_from: str = ""  # the record of Salesforce whose link it was before, where that was merged away


@attrs.frozen(repr=False, kw_only=True)
class Unlink(_Base):
    """End a link; writes nothing and settles by itself."""

    kind: ClassVar[Literal["unlink"]] = "unlink"
    survivor: Side | None = None
    duplicate_of: str = ""  # the survivor's own kind: the record that is linked where its counterpart was merged to


@attrs.frozen(repr=False, kw_only=True)
class Skip(_Base):
    """Leave a difference or a row as it is for a reason that is no fault: a trigger that is off, a missing parent."""

    kind: ClassVar[Literal["skip"]] = "skip"
    side: Side | None = None  # the side that would have been written
    fields: tuple[str, ...] = ()
    group: str = ""
    fingerprint: str = ""


@attrs.frozen(repr=False, kw_only=True)
class Conflict(_Base):
    """Hold a difference for a person; `proposals` say what keeping either side's value would come to."""

    kind: ClassVar[Literal["conflict"]] = "conflict"
    fields: tuple[ConflictField, ...] = ()
    group: str = ""
    proposals: tuple[Proposal, ...] = ()
    fingerprint: str = ""


@attrs.frozen(repr=False, kw_only=True)
class Reject(_Base):
    """Name a row or a field that cannot be synchronised as it is, with every cause."""

    kind: ClassVar[Literal["reject"]] = "reject"
    side: Side  # the side that holds the row at fault
    record_id: str | None = None
    group: str = ""
    causes: tuple[tuple[str, str], ...] = ()  # (field, code)
    fingerprint: str = ""
    candidates: tuple[str, ...] = ()  # names of the other side's rows that it may belong to: ids, or digests of keys
    tier: int = 0  # the match tier in which they agree, counted from one; none: the key


Write: TypeAlias = Create | Update | Delete
Action: TypeAlias = Create | Update | Delete | Link | Unlink | Skip | Conflict | Reject

_KINDS: Final[Mapping[str, type[Action]]] = {
    kind.kind: kind for kind in (Create, Update, Delete, Link, Unlink, Skip, Conflict, Reject)
}


def satisfies(
    action: Action, kind: str | None, side: Side | None, key: Key | UnsetType, transfer: str | None, reason: str | None
) -> bool:
    """Tell whether an action fulfils every condition that is given."""
    return (
        (kind is None or action.kind == kind)
        and (side is None or getattr(action, "side", None) is side)
        and (isinstance(key, UnsetType) or action.matches(key))
        and (transfer is None or action.transfer == transfer)
        and (reason is None or action.reason == reason)
    )


def write_fingerprint(write: Write) -> str:
    """Name what a write would do to its record: what was refused once is not sent again as it is."""
    told = {**write.address, **write.values} if isinstance(write, (Create, Update)) else write.based_on
    return fingerprint(write.kind, *(part for name in sorted(told) for part in (name, told[name])))


def action_to_dict(action: Action) -> dict[str, Any]:  # JSON-safe data
    """Give an action as exact plain data."""
    return {"kind": action.kind, **_members(action)}


def action_from_dict(data: Mapping[str, Any]) -> Action:  # plain data of a plan
    """Read what `action_to_dict` gave; raises `KeyError` or `ValueError` for anything else."""
    kind = _KINDS[data["kind"]]
    return kind(
        **{
            field.name: _LOADERS.get(field.name, _same)(data[field.name])
            for field in attrs.fields(kind)
            if field.name in data or field.default is attrs.NOTHING  # older plans lack later members
        }
    )


def _is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:  # of any members
    return isinstance(value, tuple)


def _is_list(value: object) -> TypeGuard[list[Any]]:  # of JSON values
    return isinstance(value, list)


def _members(value: Any) -> dict[str, Any]:  # an action or a part of one, whose members are any of what `_dump` takes
    return {
        name: member if (member := getattr(value, name)).__class__ in _PLAIN else _dump(member)
        for name in _NAMES[type(value)]
    }


_NAMES: Final[Mapping[type, tuple[str, ...]]] = {
    kind: tuple(field.name for field in attrs.fields(kind))
    for kind in (*_KINDS.values(), Change, ConflictField, Proposal)
}

# Most members, and most values of fields: JSON has the same.
_PLAIN: Final = frozenset({str, int, bool, type(None)})


def _dump(value: Any) -> Any:  # any member of an action
    if value.__class__ in _PLAIN:
        return value
    if isinstance(value, Side):
        return value.value
    if isinstance(value, (Change, ConflictField, Proposal)):
        return _members(value)
    if _is_tuple(value):
        return [_dump(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _dump(part) for name, part in cast("Mapping[str, Any]", value).items()}  # likewise
    return to_plain(value)


def _same(data: Any) -> Any:  # plain text or None
    return data


def _side(data: str | None) -> Side | None:
    return None if data is None else Side(data)


def key_from_plain(data: Any) -> Any:  # a value, or a tuple of values
    """Read a key: a value, or the values of several fields."""
    return tuple(map(from_plain, data)) if _is_list(data) else from_plain(data)


def _values(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_plain(value) for name, value in data.items()}


def change_to_plain(change: Change) -> dict[str, Any]:  # JSON-safe data
    """Give a change as exact plain data."""
    return _members(change)


def change_from_plain(data: Mapping[str, Any]) -> Change:
    """Read what `change_to_plain` gave."""
    return Change(
        data["field"],
        from_plain(data["before"]),
        from_plain(data["after"]),
        data["rule"],
        data["line"],
        from_plain(data["source"]),
        data["bounce"],
    )


def _conflict_field(data: Any) -> Any:  # a Skip lists names, a Conflict lists fields
    if isinstance(data, str):
        return data
    return ConflictField(data["line"], *(from_plain(data[field.name]) for field in attrs.fields(ConflictField)[1:]))


def _proposal(data: Mapping[str, Any]) -> Proposal:
    return Proposal(
        Side(data["keep"]),
        tuple(map(change_from_plain, data["changes"])),
        data["refusal"],
        data["verdict"],
        _values(data["address"]),
    )


def _changes(data: list[Any]) -> tuple[Change, ...]:
    return tuple(map(change_from_plain, data))


def _fields(data: list[Any]) -> tuple[Any, ...]:
    return tuple(map(_conflict_field, data))


def _proposals(data: list[Any]) -> tuple[Proposal, ...]:
    return tuple(map(_proposal, data))


def _causes(data: list[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(field), str(code)) for field, code in data)


_LOADERS: Final[Mapping[str, Any]] = {  # one reader per member name; all others are plain text
    "key": key_from_plain,
    "key_text": tuple,
    "side": _side,
    "survivor": _side,
    "address": _values,
    "values": _values,
    "based_on": _values,
    "changes": _changes,
    "fields": _fields,
    "proposals": _proposals,
    "causes": _causes,
    "candidates": tuple,
}
