"""Links: what has become of the two records of each, and what follows for the link.

What may not go in here: comparing fields (`_fields.py`), rows without a link (`_rows.py`).  Absence is evidence only where
a complete read or a look-up proves it.
"""

from __future__ import annotations

from typing import Any

import attrs

from di_salesforce.engine._actions import Change, Conflict, Delete, Link, Skip, Unlink
from di_salesforce.engine._fields import decide_fields
from di_salesforce.engine._memory import Life, LinkRecord, digest
from di_salesforce.engine._observe import Observation, Presence
from di_salesforce.engine._snapshot import Coverage
from di_salesforce.engine._workspace import Workspace, display_key
from di_salesforce.records import UNSET, Side, UnsetType
from di_salesforce.triggers import Deletes

__all__ = ["about_link", "decide_link", "in_quarantine"]

_KNOWN = (Presence.HERE, Presence.NOT_READ, Presence.TOO_OLD)


def decide_link(work: Workspace, link: LinkRecord) -> None:
    """Decide one link: where its two records are, and if both are there, their fields."""
    seen = {side: work.views[side].of_link(link) for side in Side}
    remembered, link = link, _identified(link, seen)
    for side in Side:
        _claim(work, side, link, seen[side])
    if link.life is not Life.LIVE:
        _decide_dormant(work, link, seen)
        return
    for side in Side:
        match seen[side].presence:
            case Presence.ABSENT:
                work.need_row(side, link)
            case Presence.TOO_OLD if work.views[side].snapshot.coverage is Coverage.CHANGES:
                work.need_row(side, link)
            case Presence.MERGED | Presence.CONVERTED as gone:
                _hold_link(work, link, f"conflict.{gone.value}")
                return
            case _:
                pass
    gone_sides = [side for side in Side if seen[side].presence is Presence.DELETED]
    if gone_sides:
        _deleted(work, link, gone_sides, seen)
    elif any(seen[side].presence is Presence.OUT_OF_SCOPE for side in Side):
        left = next(side for side in Side if seen[side].presence is Presence.OUT_OF_SCOPE)
        _dormant(work, link, left, "scope.left")
    elif all(seen[side].presence in _KNOWN for side in Side):
        if in_quarantine(work, f"link:{link.id}"):
            _skip_link(work, link, "outcome.quarantine")
        else:
            _remember(work, remembered, decide_fields(work, link, seen, is_new=False), seen)


def _identified(link: LinkRecord, seen: dict[Side, Observation]) -> LinkRecord:
    """Take over the record id of a row that was created without telling it."""
    for side in Side:
        ref = seen[side].ref
        if ref is not None and link.record_id(side) is None and ref.record_id is not None:
            link = link.with_side(side, record_id=ref.record_id)
    return link


def _claim(work: Workspace, side: Side, link: LinkRecord, seen: Observation) -> None:
    """Note which row and which key the link holds, so that no other row takes either."""
    ref = seen.ref
    name = link.record_id(side) or (ref.record_id if ref else None)
    key = link.key(side)
    if name is None and key is not None:
        name = digest(key)
    if name is not None:
        work.linked[side].add(name)
    now = ref.key if ref is not None and isinstance(ref.key, tuple) else key
    if now is not None:
        work.held_keys[side].setdefault(now, []).append(link)


def _remember(work: Workspace, old: LinkRecord, new: LinkRecord, seen: dict[Side, Observation]) -> None:
    """Keep a link that is to be remembered otherwise than it was, or that has an action, with when it was seen."""
    for side in Side:
        ref = seen[side].ref
        if ref is not None and isinstance(ref.key, tuple):
            new = new.with_side(side, key=ref.key)
    if new == old and new.id not in work.acted:
        return
    for side in Side:
        if seen[side].presence is Presence.HERE:
            new = new.with_side(side, as_of=work.views[side].seen_at(new))
    work.links[new.id] = attrs.evolve(new, rev=old.rev + 1)


def _decide_dormant(work: Workspace, link: LinkRecord, seen: dict[Side, Observation]) -> None:
    gone = link.gone or Side.SALESFORCE
    presence = seen[gone].presence
    if presence is Presence.HERE:
        revived = attrs.evolve(link, life=Life.LIVE, gone=None, cause="")
        if seen[gone.other].presence in _KNOWN:
            work.actions.append(Link(**about_link(work, link, "link"), reason="link.revived"))
            _remember(work, link, decide_fields(work, revived, seen, is_new=True), seen)
        else:
            work.need_row(gone.other, link)
    elif seen[gone.other].presence is Presence.DELETED and link.cause != "scope.left":
        _unlink(work, link, "unlink.both_deleted", None)
    elif presence is Presence.DELETED and link.cause == "scope.left":
        _deleted(work, link, [gone], seen)
    else:
        work.counts["dormant"] += 1


def _deleted(work: Workspace, link: LinkRecord, gone: list[Side], seen: dict[Side, Observation]) -> None:
    """Apply the transfer's rule for proven deletes."""
    if len(gone) == len(Side):
        _unlink(work, link, "unlink.both_deleted", None)
        return
    side = gone[0]
    match work.bound.transfer.deletes:
        case Deletes.REPORT:
            _dormant(work, link, side, "deleted.reported")
        case Deletes.UNLINK:
            _unlink(work, link, "unlink.deleted", side.other)
        case Deletes.DELETE:
            if seen[side.other].presence is not Presence.HERE:
                work.need_row(side.other, link)
            elif _edited(work, link, side.other, seen[side.other]):
                _hold_link(work, link, "conflict.delete_edited")
            else:
                _delete(work, link, side.other, seen[side.other])


def _edited(work: Workspace, link: LinkRecord, side: Side, seen: Observation) -> bool:
    """Tell whether the surviving record holds anything that was not there at the last agreement."""
    for name, line in work.bound.lines.items():
        state = link.fields.get(name)
        value = seen.row.get(line.field(side), UNSET)
        base = state.of(side) if state is not None else UNSET
        if (
            isinstance(value, UnsetType)
            or isinstance(base, UnsetType)
            or line.normal(side, value) != line.normal(side, base)
        ):
            return True
    return False


def about_link(work: Workspace, link: LinkRecord, kind: str) -> dict[str, Any]:  # the members that all actions share
    work.acted.add(link.id)
    key = link.salesforce_key or link.dialog_insight_key or ()
    shown = work.link_key_values(Side.SALESFORCE, link) or tuple(key)
    return {
        "id": digest(work.name, kind, link.id),
        "transfer": work.name,
        "key": display_key(shown) if shown else None,
        "key_text": key,
        "link": link.id,
        "subject": f"link:{link.id}",
        "salesforce_id": link.salesforce_id,
        "dialog_insight_id": link.dialog_insight_id,
    }


def _dormant(work: Workspace, link: LinkRecord, gone: Side, cause: str) -> None:
    work.visited.add(f"link:{link.id}")
    if link.life is Life.DORMANT and link.cause == cause:
        work.counts["dormant"] += 1
        return
    work.actions.append(Skip(**about_link(work, link, "skip"), reason=cause, side=gone.other))
    work.links[link.id] = attrs.evolve(link, life=Life.DORMANT, gone=gone, cause=cause, rev=link.rev + 1)


def _unlink(work: Workspace, link: LinkRecord, reason: str, survivor: Side | None) -> None:
    work.visited.add(f"link:{link.id}")
    work.actions.append(Unlink(**about_link(work, link, "unlink"), reason=reason, survivor=survivor))
    work.links[link.id] = attrs.evolve(link, life=Life.ENDED, cause=reason, gone=survivor.other if survivor else None)


def _delete(work: Workspace, link: LinkRecord, side: Side, seen: Observation) -> None:
    work.visited.add(f"link:{link.id}")
    if side not in work.context.capabilities.deletes:
        _dormant(work, link, side.other, "deleted.reported")
        return
    fields = {line.field(side): seen.row.get(line.field(side)) for line in work.bound.lines.values()}
    work.actions.append(
        Delete(
            **about_link(work, link, "delete"),
            reason="delete.proven",
            side=side,
            record_id=link.record_id(side),
            address={line.field(side): seen.row.get(line.field(side)) for line in work.bound.key_lines},
            based_on=fields,
            changes=tuple(
                Change(line.field(side), seen.row.get(line.field(side)), None, "delete.proven", name, UNSET)
                for name, line in work.bound.lines.items()
            ),
        )
    )
    work.links[link.id] = link


def _hold_link(work: Workspace, link: LinkRecord, reason: str) -> None:
    work.visited.add(f"link:{link.id}")
    work.actions.append(Conflict(**about_link(work, link, "conflict"), reason=reason))


def _skip_link(work: Workspace, link: LinkRecord, reason: str) -> None:
    work.visited.add(f"link:{link.id}")
    work.actions.append(Skip(**about_link(work, link, "skip"), reason=reason))


def in_quarantine(work: Workspace, subject: str) -> bool:
    """Tell whether a write whose answer was lost may still land after what was now observed."""
    return any(
        item.reason == "outcome.unknown"
        and any(work.views[side].as_of < item.since + work.context.quarantine[side] for side in Side)
        for item in work.items.get(subject, ())
    )
