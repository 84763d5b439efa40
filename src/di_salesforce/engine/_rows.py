"""Rows without a link: paired by key, or created on the other side, or a reason why not.

What may not go in here: comparing fields (`_fields.py`), links (`_links.py`).  A key group with several candidates is
listed, never guessed; nothing is created before it is proven that the other side has no such record.
"""

from __future__ import annotations

from typing import Any

import attrs

from di_salesforce.engine._actions import Change, Create, Link, Reject, Skip
from di_salesforce.engine._fields import decide_fields
from di_salesforce.engine._lines import Undefined
from di_salesforce.engine._links import about_link, in_quarantine
from di_salesforce.engine._memory import FieldState, KeyText, Life, LinkRecord, Relation, Tombstone, digest
from di_salesforce.engine._observe import Observation, Presence, RowRef
from di_salesforce.engine._workspace import Workspace, display_key, fingerprint
from di_salesforce.records import UNSET, Side, UnsetType, Value, is_blank

__all__ = ["pair_up"]


def pair_up(work: Workspace) -> None:
    """Decide every row that no link holds, one key group after the other."""
    groups: dict[KeyText, dict[Side, list[RowRef]]] = {}
    for side in Side:
        view = work.views[side]
        for ref in (*view.refs(), *view.unidentified):
            if _is_linked(work, ref):
                continue
            if not view.takes_part(ref):
                work.counts["out_of_scope"] += 1
            elif isinstance(ref.key, tuple):
                groups.setdefault(ref.key, {each: [] for each in Side})[side].append(ref)
            else:
                _without_key(work, ref)
    for key, group in sorted(groups.items()):
        _decide_group(work, key, group)


def _is_linked(work: Workspace, ref: RowRef) -> bool:
    name = ref.record_id or (digest(ref.key) if isinstance(ref.key, tuple) else None)
    return name in work.linked[ref.side]


def _without_key(work: Workspace, ref: RowRef) -> None:
    work.visited.add(ref.subject)
    if any(line.field(ref.side) not in ref.row for line in work.bound.key_lines):
        work.need(ref.side, record_id=ref.record_id)
    elif isinstance(ref.key, Undefined):
        causes = tuple((line.field(ref.side), ref.key.code) for line in work.bound.key_lines)
        _reject(work, ref, "key.invalid", causes)
    elif not work.bound.allowed.allows_create(ref.side):
        _skip(work, ref, "trigger.off")
    else:
        _reject(work, ref, "key.missing", tuple((line.field(ref.side), "key.missing") for line in work.bound.key_lines))


def _decide_group(work: Workspace, key: KeyText, group: dict[Side, list[RowRef]]) -> None:
    """Decide the unlinked rows that share a key."""
    rows = [ref for side in Side for ref in group[side]]
    for ref in rows:
        work.visited.add(ref.subject)
    if any(work.views[ref.side].is_old for ref in rows):
        for ref in rows:  # an old export: a hint to look, not a value to write
            work.need(ref.side, record_id=ref.record_id, key=None if ref.record_id else work.row_key(ref))
        return
    holders = {side: work.held_keys[side].get(key, []) for side in Side}
    if any(holders.values()):
        _held_elsewhere(work, rows, [link for links in holders.values() for link in links])
        return
    if any(len(group[side]) > 1 for side in Side):
        for ref in rows:
            _reject(
                work,
                ref,
                "key.ambiguous",
                tuple((line.field(ref.side), "key.ambiguous") for line in work.bound.key_lines),
            )
        return
    salesforce, dialog_insight = group[Side.SALESFORCE], group[Side.DIALOG_INSIGHT]
    if _ask_for_proof(work, key, rows[0], both=bool(salesforce and dialog_insight)):
        return
    if salesforce and dialog_insight:
        _link(work, key, salesforce[0], dialog_insight[0])
    else:
        _decide_row(work, rows[0])


def _ask_for_proof(work: Workspace, key: KeyText, ref: RowRef, *, both: bool) -> bool:
    """Ask for the look-ups without which the key group is not known to be whole; tell whether any was asked for."""
    asked = False
    for side in Side:
        view = work.views[side]
        if view.key_is_settled(key) or view.covers_scope:
            # A filtered complete read proves all that is needed to link; `decide_row` asks more before a create.
            continue
        if (side is ref.side or both) and view.was_complete:
            continue
        values = work.row_key(ref) if side is ref.side else work.bound.key_for(side, work.row_key(ref))
        if values is not None:
            work.need(side, key=values)
            asked = True
    return asked


def _held_elsewhere(work: Workspace, rows: list[RowRef], links: list[LinkRecord]) -> None:
    """Decide unlinked rows whose key a linked record holds: duplicates, unless that record is proven gone."""
    dormant = [
        link
        for link in (work.links.get(each.id, each) for each in links)
        if link.life is Life.DORMANT and link.cause == "deleted.reported"
    ]
    if len(dormant) == len(links) == len(rows) == 1 and dormant[0].gone is rows[0].side:
        _relink(work, dormant[0], rows[0])
        return
    for ref in rows:
        _reject(
            work, ref, "key.duplicate", tuple((line.field(ref.side), "key.duplicate") for line in work.bound.key_lines)
        )


def _relink(work: Workspace, old: LinkRecord, ref: RowRef) -> None:
    """Link the survivor of a deleted record to the new record with its key, as a first meeting."""
    other = ref.side.other
    survivor = work.views[other].of_link(old)
    if survivor.presence is not Presence.HERE or survivor.ref is None:
        work.need_row(other, old)
        return
    work.links[old.id] = attrs.evolve(old, life=Life.ENDED, cause="relinked")
    pair = {ref.side: ref, other: survivor.ref}
    key = ref.key if isinstance(ref.key, tuple) else ()
    _link(work, key, pair[Side.SALESFORCE], pair[Side.DIALOG_INSIGHT])


def _row_members(work: Workspace, ref: RowRef, kind: str) -> dict[str, Any]:  # as in about_link
    values = work.row_key(ref)
    return {
        "id": digest(work.name, kind, ref.subject),
        "transfer": work.name,
        "key": display_key(values),
        "key_text": work.key_text(ref),
        "subject": ref.subject,
        f"{ref.side.value}_id": ref.record_id,
    }


def _inputs(work: Workspace, ref: RowRef) -> str:
    values = (ref.row.get(line.field(ref.side), UNSET) for line in work.bound.lines.values())
    return fingerprint(*values)


def _skip(work: Workspace, ref: RowRef, reason: str) -> None:
    work.actions.append(
        Skip(
            **_row_members(work, ref, "skip"),
            reason=reason,
            side=ref.side.other,
            fingerprint=_inputs(work, ref),
        )
    )


def _reject(work: Workspace, ref: RowRef, reason: str, causes: tuple[tuple[str, str], ...]) -> None:
    work.actions.append(
        Reject(
            **_row_members(work, ref, "reject"),
            reason=reason,
            side=ref.side,
            record_id=ref.record_id,
            causes=causes,
            fingerprint=_inputs(work, ref),
        )
    )


def _new_link(work: Workspace, key: KeyText, refs: dict[Side, RowRef | None]) -> LinkRecord:
    ids = {side: ref.record_id if ref is not None else None for side, ref in refs.items()}
    birth = tuple(f"{side.value}:{ids[side] or digest(key)}" for side in Side)
    return LinkRecord(
        transfer=work.name,
        id=digest(work.name, birth),
        salesforce_id=ids[Side.SALESFORCE],
        dialog_insight_id=ids[Side.DIALOG_INSIGHT],
        salesforce_key=key,
        dialog_insight_key=key,
        fields={},
    )


def _link(work: Workspace, key: KeyText, salesforce: RowRef, dialog_insight: RowRef) -> None:
    claimed = work.context.claims.get(dialog_insight.record_id or digest(key))
    if claimed is not None:
        _skip(work, dialog_insight, "claimed")
        _skip(work, salesforce, "claimed")
        return
    link = _new_link(work, key, {Side.SALESFORCE: salesforce, Side.DIALOG_INSIGHT: dialog_insight})
    members = about_link(work, link, "link")
    members |= {"key": display_key(work.row_key(salesforce))}
    work.actions.append(Link(**members, reason="link.key"))
    seen = {ref.side: Observation(Presence.HERE, ref) for ref in (salesforce, dialog_insight)}
    link = decide_fields(work, link, seen, is_new=True)
    for side in Side:
        link = link.with_side(side, as_of=work.views[side].seen_at(link))
    work.links[link.id] = link


def _decide_row(work: Workspace, ref: RowRef) -> None:
    """Decide a row whose key no other row and no link has: create its counterpart, or say why not."""
    target = ref.side.other
    key = work.key_text(ref)
    if target is Side.SALESFORCE and work.context.claims.get(ref.record_id or digest(key)) is not None:
        _skip(work, ref, "claimed")
    elif not work.bound.allowed.allows_create(ref.side):
        _skip(work, ref, "trigger.off")
    elif _tombstone(work, ref) is not None:
        _skip(work, ref, "tombstone")
    elif in_quarantine(work, ref.subject):
        _skip(work, ref, "outcome.quarantine")
    elif not work.views[target].key_is_settled(key):
        values = work.bound.key_for(target, work.row_key(ref))
        if values is not None:
            work.need(target, key=values)
    elif work.views[target].with_key(key):
        _skip(work, ref, "scope.out")
    else:
        _create(work, ref, target)


def _tombstone(work: Workspace, ref: RowRef) -> Tombstone | None:
    name = ref.record_id or digest(work.key_text(ref))
    return work.baseline.tombstones.get(f"{work.name}/{ref.side.value}/{name}")


def _create(work: Workspace, ref: RowRef, target: Side) -> None:
    changes: list[Change] = []
    causes: list[tuple[str, str]] = []
    fields: dict[str, FieldState] = {}
    waits = False
    for name, line in work.bound.lines.items():
        value = ref.row.get(line.field(ref.side), UNSET)
        if isinstance(value, UnsetType):
            work.need(ref.side, record_id=ref.record_id, key=None if ref.record_id else work.row_key(ref))
            return
        seen: tuple[Value | UnsetType, Value | UnsetType] = (value, UNSET)
        fields[name] = FieldState(
            rel=Relation.AGREED,
            seen=seen if ref.side is Side.SALESFORCE else (UNSET, value),
            version=line.version,
            group=line.mapping.group_name if len(work.bound.groups[line.mapping.group_name]) > 1 else None,
        )
        if not line.flows.allows(target):
            if line.mapping.key:
                causes.append((line.field(ref.side), "key.not_creatable"))
            continue
        converted = line.convert(value, to=target)
        if isinstance(converted, Undefined):
            waits = waits or converted.waits
            causes.append((line.field(ref.side), converted.code))
            continue
        default = line.mapping.default(target)
        if is_blank(converted) and not isinstance(default, UnsetType):
            changes.append(Change(line.field(target), UNSET, default, "default", name, value))
        elif not is_blank(converted):
            changes.append(Change(line.field(target), UNSET, converted, "create.new", name, value))
    if waits:
        _skip(work, ref, "reference.waiting")
    elif causes:
        reason = (
            "key.not_creatable" if any(code == "key.not_creatable" for _, code in causes) else "value.not_convertible"
        )
        _reject(work, ref, reason, tuple(causes))
    else:
        _append_create(work, ref, target, changes, fields)


def _append_create(
    work: Workspace, ref: RowRef, target: Side, changes: list[Change], fields: dict[str, FieldState]
) -> None:
    key = work.key_text(ref)
    link = attrs.evolve(_new_link(work, key, {ref.side: ref, target: None}), fields=fields)
    link = link.with_side(ref.side, as_of=work.views[ref.side].as_of)
    constants = [c for c in work.bound.transfer.constants if c.side is target]
    changes += [Change(c.field, UNSET, c.value, "constant", "", UNSET) for c in constants]
    work.links[link.id] = link
    work.actions.append(
        Create(
            **_row_members(work, ref, "create"),
            reason="create.new",
            link=link.id,
            side=target,
            address={
                line.field(target): value
                for line, value in zip(
                    work.bound.key_lines, work.bound.key_for(target, work.row_key(ref)) or (), strict=False
                )
            },
            values={change.field: change.after for change in changes},
            changes=tuple(changes),
        )
    )
