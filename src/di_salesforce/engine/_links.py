"""Links: what has become of the two records of each, and what follows for the link.

What may not go in here: comparing fields (`_fields.py`), rows without a link (`_rows.py`).  Absence is evidence only
where a complete read or a look-up proves it.  Whatever is decided, what was read of the two rows is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from di_salesforce.engine._actions import Change, Conflict, Delete, Link, Skip, Unlink
from di_salesforce.engine._fields import decide_fields
from di_salesforce.engine._lines import BoundLine
from di_salesforce.engine._memory import SIDES, Life, LinkRecord, digest
from di_salesforce.engine._observe import (
    CONVERTED_INTO,
    MERGED_INTO,
    Observation,
    Presence,
    RowRef,
    became,
    where_by_cause,
)
from di_salesforce.engine._pair import has_moved, is_untouched, loud_lines, noticed, read_rows
from di_salesforce.engine._snapshot import Coverage
from di_salesforce.engine._workspace import Workspace, display_key
from di_salesforce.mapping import OptIn
from di_salesforce.records import UNSET, Side, Value
from di_salesforce.triggers import Deletes

__all__ = ["about_link", "decide_link", "observe_link", "whereabouts"]

_S, _D = SIDES  # to name a member of an enumeration is slow, here and below
_HERE, _DELETED = Presence.HERE, Presence.DELETED
_LIVE, _DORMANT = Life.LIVE, Life.DORMANT
_UNTOLD = (Presence.NOT_READ, Presence.TOO_OLD, Presence.ABSENT)
_LIVING = (Presence.HERE, Presence.NOT_READ, Presence.TOO_OLD)


def observe_link(work: Workspace, link: LinkRecord) -> dict[Side, Observation]:
    """Tell what is known of a link's two records, and note which rows and keys it holds: no other row may take them."""
    views = work.views
    seen = {_S: views[_S].of_link(link), _D: views[_D].of_link(link)}
    for side, observation in seen.items():
        ref, key = observation.ref, link.key(side)
        name = ref.name if ref is not None else link.record_id(side) or (digest(key) if key is not None else None)
        if name is not None:
            work.linked[side].add(name)
    if whereabouts(link, _S, seen[_S]) is _DELETED and whereabouts(link, _D, seen[_D]) is _DELETED:
        return seen  # it ends with this plan, so its key is free for another record now
    for side, observation in seen.items():
        ref, key = observation.ref, link.key(side)
        now = ref.key if ref is not None and isinstance(ref.key, tuple) else key
        if now is not None:
            work.held_keys[side].setdefault(now, []).append(link)
    return seen


def whereabouts(link: LinkRecord, side: Side, seen: Observation) -> Presence:
    """Tell where a link's record is: as observed, else as the link remembers of the one that is gone."""
    if link.life is _DORMANT and link.gone is side and seen.presence in _UNTOLD:
        return where_by_cause(link.cause)
    return seen.presence


def decide_link(work: Workspace, link: LinkRecord, seen: dict[Side, Observation]) -> None:
    """Decide one link: where its two records are, and if both are there, their fields."""
    is_told = link.id in work.acted or link.id in work.refusals  # of a merge, before any link is decided
    read = read_rows(work, link, seen)
    if link.life is _LIVE and not is_told and read is None and is_untouched(work, link, seen):
        is_known = all(each.presence is Presence.HERE or each.gap_free for each in seen.values())
        work.counts["agreed" if is_known else "unread"] += 1
        if any(each.as_of is not None and not each.is_covered for each in seen.values()):
            work.remember(link, link, seen)
        return
    owed = {item.group for item in work.items.get(f"link:{link.id}", ()) if item.reason == "merge.refusal"}
    if owed:
        work.refusals.setdefault(link.id, set()).update(owed)
    loud = work.bound.lines if is_told or owed else loud_lines(work, link, seen, read)
    new = noticed(work, _identified(link, seen), seen, loud)
    decided = _decided(work, new, seen, loud)
    if link.id in work.refusals and decided.life is not Life.ENDED:
        _keep_refusals(work, decided)
    work.remember(link, decided, seen)


def _keep_refusals(work: Workspace, link: LinkRecord) -> None:
    """Keep open what is to be passed on to a link whose fields were not decided: of the merge it is told only once."""
    for item in work.items.get(f"link:{link.id}", ()):
        if item.reason == "merge.refusal":
            work.closing[item.id] = item  # or else what follows is news
    for group in sorted(work.refusals[link.id] & work.bound.groups.keys()):
        lines = tuple(line.name for line in work.bound.groups[group] if isinstance(line.mapping.dialog_insight, OptIn))
        about = about_link(work, link, f"skip:{group}")
        work.actions.append(Skip(**about, reason="merge.refusal", side=_S, fields=lines, group=group))


def _identified(link: LinkRecord, seen: Mapping[Side, Observation]) -> LinkRecord:
    """Take over the record id of a row that was created without telling it."""
    for side in SIDES:
        ref = seen[side].ref
        if ref is not None and link.record_id(side) is None and ref.record_id is not None:
            link = link.with_side(side, record_id=ref.record_id)
    return link


def _decided(
    work: Workspace, link: LinkRecord, seen: Mapping[Side, Observation], loud: Mapping[str, BoundLine]
) -> LinkRecord:
    """Give the link as it is to be remembered."""
    where = {side: whereabouts(link, side, seen[side]) for side in SIDES}
    if link.life is _LIVE and where[_S] is _HERE and where[_D] is _HERE:  # which is so for most links; or else as below
        return link if _waits(work, link, seen, *SIDES) else decide_fields(work, link, seen, loud)
    for side in SIDES:
        is_hint = where[side] is Presence.TOO_OLD and work.views[side].snapshot.coverage is Coverage.CHANGES
        if is_hint or where[side] is Presence.ABSENT:
            work.need_row(side, link)
    for side in SIDES:
        if where[side] in (Presence.MERGED, Presence.CONVERTED):
            return _became_another(work, link, side, where[side])
    deleted = [side for side in SIDES if where[side] is Presence.DELETED]
    if deleted:
        return _deleted(work, link, deleted, where, seen)
    left = [side for side in SIDES if where[side] is Presence.OUT_OF_SCOPE]
    if left:
        return _dormant(work, link, left[0], "scope.left")
    if any(where[side] not in _LIVING for side in SIDES) or _waits(work, link, seen, *SIDES):
        return link
    if link.life is Life.DORMANT and _is_claimed(work, link):
        work.actions.append(Skip(**about_link(work, link, "skip"), reason="claimed", side=Side.SALESFORCE))
        return link  # while it slept, another transfer took the record over
    if link.life is Life.DORMANT:
        work.actions.append(Link(**about_link(work, link, "link"), reason="link.revived"))
        link = attrs.evolve(link, life=Life.LIVE, gone=None, cause="")
    return decide_fields(work, link, seen, loud)


def _is_claimed(work: Workspace, link: LinkRecord) -> bool:
    return work.context.claimant(link.dialog_insight_id, link.dialog_insight_key or ()) is not None


def _became_another(work: Workspace, link: LinkRecord, side: Side, how: Presence) -> LinkRecord:
    """Hold a link whose record became another one, and remember which: evidence comes once."""
    mark, known = (MERGED_INTO, work.views[side].merged) if how is Presence.MERGED else (
        CONVERTED_INTO, work.views[side].converted
    )  # fmt: skip
    record_id = known.get(link.record_id(side) or "") or became(link, mark)
    reason = f"conflict.{how.value}"
    cause = mark + record_id if record_id else reason
    if how is Presence.CONVERTED and _is_claimed(work, link):
        return _unlink(work, link, "unlink.converted", None, cause)  # the contacts' transfer has taken the person over
    return _hold(work, link, side, reason, cause)


def _waits(work: Workspace, link: LinkRecord, seen: Mapping[Side, Observation], *sides: Side) -> bool:
    """Tell whether a write that failed, was left out or got lost must be looked into before anything flows.

    While a lost write may still land, the link is left alone; afterwards, and after any other failure, the rows are
    read again: the one that was to be written in any case, the other where what it holds is not known.
    """
    items = [item for item in work.items.get(f"link:{link.id}", ()) if item.is_about_a_write]
    if any(work.in_quarantine(item) for item in items):
        work.actions.append(Skip(**about_link(work, link, "skip"), reason="outcome.quarantine"))
        return True
    waits = False
    for item in items:
        end = work.quarantine_end(item)
        for side in sides:
            as_of, is_here = seen[side].as_of, seen[side].presence is Presence.HERE
            if item.side in (None, side):
                fresh = is_here and (end is None or (as_of is not None and as_of >= end))
            else:
                fresh = is_here or seen[side].gap_free
            if not fresh:
                work.need_row(side, link)
                waits = True
    return waits


def _deleted(
    work: Workspace,
    link: LinkRecord,
    gone: list[Side],
    where: Mapping[Side, Presence],
    seen: Mapping[Side, Observation],
) -> LinkRecord:
    """Apply the transfer's rule for proven deletes."""
    if len(gone) == len(Side):
        return _unlink(work, link, "unlink.both_deleted", None, "unlink.both_deleted")
    side, survivor = gone[0], gone[0].other
    rule = work.bound.transfer.deletes
    # Nothing flows to a record out of scope; and a record that somebody made anew is linked, never deleted for.
    if rule is Deletes.REPORT or where[survivor] is Presence.OUT_OF_SCOPE or _made_anew(work, link, side):
        return _dormant(work, link, side, "deleted.reported")
    if rule is Deletes.UNLINK:
        return _unlink(work, link, "unlink.deleted", survivor, "unlink.deleted")
    # One that never told its id is looked for by its key, which somebody may have changed: that is no proof.
    is_named = link.record_id(side) is not None or work.bound.transfer.id_field(side) is None
    if survivor not in work.context.capabilities.deletes or not is_named:
        return _dormant(work, link, side, "deleted.reported")
    proven = attrs.evolve(link, life=Life.DORMANT, gone=side, cause="delete.proven")
    if _waits(work, link, seen, survivor):
        return proven
    ref = seen[survivor].ref
    if ref is None:
        work.need_row(survivor, link)
        return proven
    if _edited(work, link, ref):
        return _hold(work, link, side, "conflict.delete_edited", "conflict.delete_edited")
    _delete(work, link, ref)
    return proven


def _made_anew(work: Workspace, link: LinkRecord, side: Side) -> bool:
    """Tell whether an unlinked row has (or, as an open item, had) the key of a deleted one."""
    key = link.key(side.other)
    if key is None:
        return False
    if any(not work.is_linked(ref) for ref in work.views[side].with_key(key)):
        return True
    return any(not work.views[side].is_accounted_for(name, key) for name in work.open_rows[side].get(key, ()))


def _edited(work: Workspace, link: LinkRecord, ref: RowRef) -> bool:
    """Tell whether the surviving record holds, or may hold, anything that was not there at the last agreement."""
    for name, line in work.bound.lines.items():
        value = ref.value(line.field(ref.side))
        if value is UNSET or has_moved(line, ref.side, link.fields[name], value):
            return True
    return False


def about_link(work: Workspace, link: LinkRecord, kind: str) -> dict[str, Any]:  # the members that all actions share
    """Give what every action about a link as a whole has."""
    work.acted.add(link.id)
    key = link.salesforce_key or link.dialog_insight_key or ()
    shown = work.link_key_values(_S, link) or work.link_key_values(_D, link)
    return {
        "id": digest(kind, link.id),
        "transfer": work.name,
        "key": display_key(shown) if shown else None,
        "key_text": key,
        "link": link.id,
        "subject": f"link:{link.id}",
        "salesforce_id": link.salesforce_id,
        "dialog_insight_id": link.dialog_insight_id,
    }


def _dormant(work: Workspace, link: LinkRecord, gone: Side, cause: str) -> LinkRecord:
    """Let nothing flow any more; told once, since the link itself remembers it."""
    work.decided(f"link:{link.id}")
    if (link.life, link.gone, link.cause) == (Life.DORMANT, gone, cause):
        work.counts["dormant"] += 1
        return link
    work.actions.append(Skip(**about_link(work, link, "skip"), reason=cause, side=gone.other))
    return attrs.evolve(link, life=Life.DORMANT, gone=gone, cause=cause)


def _hold(work: Workspace, link: LinkRecord, gone: Side, reason: str, cause: str) -> LinkRecord:
    """Let nothing flow until a person has looked; told at every plan, since it stays open."""
    work.decided(f"link:{link.id}")
    work.actions.append(Conflict(**about_link(work, link, "conflict"), reason=reason))
    return attrs.evolve(link, life=Life.DORMANT, gone=gone, cause=cause)


def _unlink(work: Workspace, link: LinkRecord, reason: str, survivor: Side | None, cause: str) -> LinkRecord:
    work.decided(f"link:{link.id}")
    work.actions.append(Unlink(**about_link(work, link, "unlink"), reason=reason, survivor=survivor))
    return attrs.evolve(link, life=Life.ENDED, cause=cause, gone=survivor.other if survivor else None)


def _delete(work: Workspace, link: LinkRecord, ref: RowRef) -> None:
    work.decided(f"link:{link.id}")
    side = ref.side
    held: dict[str, Value] = {line.field(side): ref.row[line.field(side)] for line in work.bound.lines.values()}
    write = Delete(
        **about_link(work, link, "delete"),
        reason="delete.proven",
        side=side,
        record_id=link.record_id(side),
        address={line.field(side): held[line.field(side)] for line in work.bound.key_lines},
        based_on=held,
        changes=tuple(
            Change(line.field(side), held[line.field(side)], None, "delete.proven", name, UNSET)
            for name, line in work.bound.lines.items()
        ),
    )
    work.add_write(write)
