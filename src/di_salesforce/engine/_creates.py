"""What is said of one row without a link, and its creation on the other side.

What may not go in here: pairing rows (`_rows.py`).  A create holds no lookup that cannot be translated yet, and nothing
that has no form there: the row then waits, or is rejected with every cause.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from di_salesforce.engine._actions import Change, Create, Reject, Skip
from di_salesforce.engine._lines import BoundTransfer, Undefined, are_sound, value_flaw
from di_salesforce.engine._memory import SIDES, FieldState, KeyText, LinkRecord, Relation, digest, fingerprint
from di_salesforce.engine._observe import RowRef
from di_salesforce.engine._packed import LazyFields
from di_salesforce.engine._workspace import Workspace, display_key
from di_salesforce.records import UNSET, Row, Side, UnsetType, Value, is_blank

__all__ = ["about_row", "create", "new_link", "reject_row", "skip_row"]


def about_row(work: Workspace, ref: RowRef, kind: str, group: str = "") -> dict[str, Any]:  # as in about_link
    """Give what every action about a row without a link has; what a person said of it stays said."""
    work.decided(ref.subject, keep_answers=True)
    values = work.row_key(ref)
    return {
        "id": digest(work.name, kind, ref.subject, group),
        "transfer": work.name,
        "key": display_key(values),
        "key_text": work.key_text(ref),
        "subject": ref.subject,
        f"{ref.side.value}_id": ref.record_id,
    }


def _inputs(work: Workspace, ref: RowRef) -> str:
    values = (ref.value(line.field(ref.side)) for line in work.bound.lines.values())
    return f"{work.version}:{fingerprint(*values)}"


def skip_row(work: Workspace, ref: RowRef, reason: str) -> None:
    work.actions.append(
        Skip(
            **about_row(work, ref, "skip"),
            reason=reason,
            side=ref.side.other,
            fingerprint=_inputs(work, ref),
        )
    )


def reject_row(
    work: Workspace,
    ref: RowRef,
    reason: str,
    causes: tuple[tuple[str, str], ...],
    *,
    candidates: tuple[str, ...] = (),
    tier: int = 0,
) -> None:
    work.actions.append(
        Reject(
            **about_row(work, ref, "reject"),
            reason=reason,
            side=ref.side,
            record_id=ref.record_id,
            causes=causes,
            fingerprint=_inputs(work, ref),
            candidates=candidates,
            tier=tier,
        )
    )


def new_link(work: Workspace, refs: Mapping[Side, RowRef | None], keys: Mapping[Side, KeyText]) -> LinkRecord:
    """Give a link of two rows, of which one may not be there yet, with the keys by which they are to be known."""
    ids = {side: ref.record_id if ref is not None else None for side, ref in refs.items()}
    birth = tuple(f"{side.value}:{ids[side] or digest(keys[side])}" for side in Side)
    return LinkRecord(
        transfer=work.name,
        id=digest(work.name, birth),
        salesforce_id=ids[Side.SALESFORCE],
        dialog_insight_id=ids[Side.DIALOG_INSIGHT],
        salesforce_key=keys[Side.SALESFORCE] or None,
        dialog_insight_key=keys[Side.DIALOG_INSIGHT] or None,
        fields={},
    )


def create(work: Workspace, ref: RowRef, target: Side) -> None:
    flaws = _flaws(work, ref)
    if any(code in _LOOKED_UP for code in flaws.values()) and not work.asked(ref):
        work.need_ref(ref)
        return
    if flaws:
        reject_row(work, ref, next(iter(flaws.values())), tuple(flaws.items()))
        return
    changes: list[Change] = []
    causes: list[tuple[str, str]] = []
    reasons: set[str] = set()
    row, here, there = ref.row, SIDES.index(ref.side), SIDES.index(target)
    for name, line in work.bound.lines.items():
        fields = line.fields
        value = row[fields[here]]
        if not line.receives[there]:
            if line.mapping.key:
                causes.append((fields[here], "key.not_creatable"))
                reasons.add("key.not_creatable")
            continue
        converted = line.convert(value, to=target)
        if isinstance(converted, Undefined):
            causes.append((fields[here], converted.code))
            reasons.add(_refusal(converted, is_key=line.mapping.key))
        elif not is_blank(converted):
            changes.append(Change(fields[there], UNSET, converted, "create.new", name, value))
        elif not isinstance(default := line.mapping.default(target), UnsetType):
            changes.append(Change(line.fields[there], UNSET, default, "default", name, value))
    if "reference.waiting" in reasons:
        skip_row(work, ref, "reference.waiting")
    elif reasons:
        reject_row(
            work, ref, min(reasons), tuple(causes)
        )  # one about the key, if there is one: `key` sorts before `value`
    else:
        _append_create(work, ref, target, changes)


def _flaws(work: Workspace, ref: RowRef) -> dict[str, str]:
    """Give the fields of which no value was read, each with its code: first those that hold something else."""
    if not ref.unclear and _is_sound(ref.row, work.bound.fields[SIDES.index(ref.side)]):
        return {}  # sooner told of all fields at once
    flaws: dict[str, str] = {}
    missing: list[str] = []
    row, unclear, at = ref.row, ref.unclear, SIDES.index(ref.side)
    for line in work.bound.lines.values():
        field = line.fields[at]
        if field not in row:
            missing.append(field)
        elif code := "value.unclear" if field in unclear else value_flaw(row[field]):
            flaws[field] = code
    return flaws | dict.fromkeys(missing, "value.not_read")


def _is_sound(row: Row, fields: tuple[str, ...]) -> bool:
    """Tell whether all of these fields were read, and hold plain values."""
    try:
        return are_sound([row[field] for field in fields])
    except KeyError:
        return False


def _beside_blank(side: Side, value: Value) -> tuple[Value, Value]:
    return (value, None) if side is Side.SALESFORCE else (None, value)


_LOOKED_UP = frozenset({"value.not_read", "value.unclear"})  # what a look-up may mend


def _refusal(undefined: Undefined, *, is_key: bool) -> str:
    if undefined.waits:
        return "reference.waiting"
    return "key.invalid" if is_key else "value.not_convertible"


def _born(bound: BoundTransfer, side: Side, row: Row) -> dict[str, FieldState]:
    """Give what is remembered of a record's lines until its counterpart is made."""
    fields: dict[str, FieldState] = {}
    for name, line in bound.lines.items():
        value = row[line.field(side)]
        fields[name] = FieldState(
            # How it compares with a new record in which it is blank; a line that is sent settles by what is kept of it.
            rel=Relation.AGREED if line.agree(*_beside_blank(side, value)) else Relation.REWRITTEN,
            seen=(value, UNSET) if side is Side.SALESFORCE else (UNSET, value),
            version=line.version,
            group=line.mapping.group_name if len(bound.groups[line.mapping.group_name]) > 1 else None,
        )
    return fields


def _append_create(work: Workspace, ref: RowRef, target: Side, changes: list[Change]) -> None:
    key = work.key_text(ref)
    born = LazyFields(functools.partial(_born, work.bound, ref.side, ref.row))
    link = new_link(work, {ref.side: ref, target: None}, dict.fromkeys(SIDES, key)).with_fields(born)
    link = link.with_side(ref.side, as_of=ref.as_of)
    changes += [
        Change(c.field, UNSET, c.value, "constant", "", UNSET) for c in work.bound.constants if c.side is target
    ]
    address = zip(work.bound.key_lines, work.bound.key_for(target, work.row_key(ref)) or (), strict=False)
    write = Create(
        **about_row(work, ref, "create"),
        reason="create.new",
        link=link.id,
        side=target,
        address={line.field(target): value for line, value in address},
        values={change.field: change.after for change in changes},
        changes=tuple(changes),
    )
    if work.add_write(write):
        work.links[link.id] = link
