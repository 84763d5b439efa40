"""Rows without a link: paired by key, or created on the other side, or a reason why not.

What may not go in here: comparing fields (`_fields.py`), links (`_links.py`).  A key group with several candidates is
listed, never guessed; nothing is created before it is proven that the other side has no such record.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from di_salesforce.engine._actions import Link
from di_salesforce.engine._besides import OpenItem
from di_salesforce.engine._creates import create, new_link, reject_row, skip_row
from di_salesforce.engine._fields import decide_first_meeting
from di_salesforce.engine._lines import Undefined
from di_salesforce.engine._links import about_link, whereabouts
from di_salesforce.engine._matching import (
    claimant,
    decided_pairs,
    find_hits,
    hold_hit,
    is_match_to_look_at,
    is_unproven,
    partners,
    tombstone,
)
from di_salesforce.engine._memory import SIDES, KeyText, Life, LinkRecord
from di_salesforce.engine._observe import Observation, Presence, RowRef
from di_salesforce.engine._workspace import Workspace, display_key
from di_salesforce.records import Side

__all__ = ["pair_up"]

_Group = dict[Side, list[RowRef]]


def pair_up(work: Workspace) -> None:
    """Decide every row that no link holds, one key group after the other."""
    unlinked = list(_unlinked(work))
    for salesforce, dialog_insight in decided_pairs(work, unlinked):
        _link(work, salesforce, dialog_insight, "link.person")
    groups: dict[KeyText, _Group] = {}
    without_key: list[RowRef] = []
    for ref in unlinked:
        if ref.name in work.linked[ref.side]:
            continue  # by a person, just now
        if isinstance(ref.key, tuple):
            groups.setdefault(ref.key, {each: [] for each in SIDES})[ref.side].append(ref)
        else:
            without_key.append(ref)
    if work.bound.transfer.match:
        alone = [group for group in groups.values() if not _is_pair(work, group)]
        keyed = [ref for group in alone for side in SIDES for ref in group[side]]
        work.hits.update(find_hits(work, [*keyed, *without_key]))
    for ref in without_key:
        _without_key(work, ref)
    incomplete = _ask_for_open_rows(work, work.touched | set(groups))
    for key, group in sorted(groups.items()):
        if key not in incomplete:
            _decide_group(work, key, group)


def _unlinked(work: Workspace) -> Iterator[RowRef]:
    """Give the rows that take part and that no link holds."""
    for side in SIDES:
        view = work.views[side]
        for ref in view.refs():
            if ref.name in work.linked[side]:
                work.decided(ref.subject)
            elif not view.takes_part(ref):
                work.counts["out_of_scope"] += 1
                work.decided(ref.subject)
            else:
                yield ref


def _is_pair(work: Workspace, group: _Group) -> bool:
    """Tell whether a key group is one row of each side, that belong together as far as nobody said otherwise."""
    return all(len(group[side]) == 1 and partners(work, group[side][0], group[side.other]) for side in SIDES)


def _ask_for_open_rows(work: Workspace, touched: set[KeyText]) -> set[KeyText]:
    """Ask again for unlinked rows that are open, were not read, and may be decided otherwise now; give their keys.

    So it is for a row whose key somebody else took or gave up, whose write failed, whose parent was not linked, or
    which was decided under another mapping.  A row that is gone takes its open items with it.
    """
    not_read: list[tuple[Side, str, list[OpenItem]]] = []
    for side, name, items in work.row_items():
        view = work.views[side]
        keys = {key for item in items if (key := work.item_key(side, item)) is not None}
        if view.is_gone(name, None) or any(view.is_gone(name, key) for key in keys):
            work.decided(f"row:{side.value}:{name}")
            touched |= keys
        elif name in view.rows or name in view.found:
            touched |= keys  # it may have another key now
        elif name in work.linked[side]:
            work.decided(f"row:{side.value}:{name}")
        else:
            not_read.append((side, name, items))
    incomplete: set[KeyText] = set()
    for side, name, items in not_read:
        keys = {key for item in items if (key := work.item_key(side, item)) is not None}
        if not (keys & touched) and not any(_is_to_be_asked_again(work, side, item) for item in items):
            continue
        incomplete |= keys
        if work.bound.transfer.id_field(side) is not None:
            work.need(side, record_id=name)
        elif keys:
            work.need(side, key=items[0].key)
    return incomplete


def _is_to_be_asked_again(work: Workspace, side: Side, item: OpenItem) -> bool:
    if work.in_quarantine(item) or item.reason == "match.different":
        return False
    if is_match_to_look_at(work, side, item):
        return True
    was_decided_otherwise = bool(item.fingerprint) and not item.fingerprint.startswith(f"{work.version}:")
    return item.is_about_a_write or item.reason == "reference.waiting" or was_decided_otherwise


def _without_key(work: Workspace, ref: RowRef) -> None:
    missing = tuple(line.field(ref.side) for line in work.bound.key_lines if line.field(ref.side) not in ref.row)
    is_unclear = isinstance(ref.key, Undefined) and ref.key.code == "value.unclear"
    if (missing or is_unclear or ref.is_old) and ref.record_id is not None and not work.asked(ref):
        work.need_ref(ref)
    elif missing:
        reject_row(work, ref, "value.not_read", tuple((name, "value.not_read") for name in missing))
    elif isinstance(ref.key, Undefined):
        causes = tuple((line.field(ref.side), ref.key.code) for line in work.bound.key_lines)
        reject_row(work, ref, ref.key.code if ref.key.code in _NO_VALUE else "key.invalid", causes)
    elif hold_hit(work, ref):
        pass
    elif ref.side not in work.bound.creates_from:
        skip_row(work, ref, "trigger.off")
    else:
        reject_row(work, ref, "key.missing", _about_key(work, ref, "key.missing"))


_NO_VALUE = frozenset({"value.not_scalar", "value.not_number", "value.unclear"})


def _about_key(work: Workspace, ref: RowRef, code: str) -> tuple[tuple[str, str], ...]:
    return tuple((line.field(ref.side), code) for line in work.bound.key_lines)


def _decide_group(work: Workspace, key: KeyText, group: _Group) -> None:
    """Decide the unlinked rows that share a key."""
    rows = [ref for side in SIDES for ref in group[side]]
    if any(ref.is_old for ref in rows):
        for ref in rows:  # an old export: a hint to look, not a value to write
            if ref.is_old:
                work.need_ref(ref)
        return
    holders = {link.id: link for side in SIDES for link in work.holders(side, key)}
    living = [link for link in (work.links.get(each, holders[each]) for each in holders) if link.life is not Life.ENDED]
    if living and _held_elsewhere(work, key, rows, living):
        return
    if len(rows) > 1 and not _is_pair(work, group):
        for ref in rows:
            others = partners(work, ref, group[ref.side.other])
            reject_row(work, ref, "key.ambiguous", _about_key(work, ref, "key.ambiguous"), candidates=others)
        return
    salesforce, dialog_insight = group[Side.SALESFORCE], group[Side.DIALOG_INSIGHT]
    if _ask_for_proof(work, key, rows[0], both=bool(salesforce and dialog_insight)):
        return
    if salesforce and dialog_insight:
        _link(work, salesforce[0], dialog_insight[0])
    else:
        _decide_row(work, rows[0])


def _ask_for_proof(work: Workspace, key: KeyText, ref: RowRef, *, both: bool) -> bool:
    """Ask for the look-ups without which the key group is not known to be whole; tell whether any was asked for."""
    asked = False
    for side in SIDES:
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


def _held_elsewhere(work: Workspace, key: KeyText, rows: list[RowRef], links: list[LinkRecord]) -> bool:
    """Decide unlinked rows whose key linked records hold, one row of the table after the other; False where none does.

    A living holder makes duplicates of them, one of which too little is known is asked for, and the survivor of a
    deleted one is linked to the record that was made anew.
    """
    survivors: list[LinkRecord] = []
    is_held = waits = False
    for link in links:
        for side in {ref.side for ref in rows}:
            seen = work.views[side].of_link(link)
            where = whereabouts(link, side, seen)
            if where is Presence.DELETED:
                if link.key(side.other) == key and link not in survivors:
                    survivors.append(link)
            elif link.record_id(side) is None and work.views[side].asked(None, link.key(side)):
                is_held = True  # by one of them, if nobody says by which
            elif where in (Presence.ABSENT, Presence.TOO_OLD) or (where is Presence.NOT_READ and not seen.gap_free):
                work.need_row(side, link)
                waits = True
            else:
                is_held = True
    if waits:
        return True
    if is_held:
        for ref in rows:
            reject_row(work, ref, "key.duplicate", _about_key(work, ref, "key.duplicate"))
        return True
    if len(survivors) != 1 or len(rows) != 1:
        for ref in rows if survivors else ():
            reject_row(work, ref, "key.ambiguous", _about_key(work, ref, "key.ambiguous"))
        return bool(survivors)
    _relink(work, key, survivors[0], rows[0])
    return True


def _relink(work: Workspace, key: KeyText, old: LinkRecord, ref: RowRef) -> None:
    """Link the survivor of a deleted record to the new record with its key, as a first meeting."""
    other = ref.side.other
    survivor = work.views[other].of_link(old)
    if survivor.presence is Presence.OUT_OF_SCOPE:
        skip_row(work, ref, "scope.out")
        return
    if survivor.ref is None:
        work.need_row(other, old)
        return
    if claimant(work, key, ref if other is Side.SALESFORCE else survivor.ref) is not None:
        skip_row(work, ref, "claimed")
        return
    work.decided(f"link:{old.id}")
    work.links[old.id] = attrs.evolve(old, life=Life.ENDED, cause="relinked", rev=old.rev + (old.id not in work.links))
    pair = {ref.side: ref, other: survivor.ref}
    _link(work, pair[Side.SALESFORCE], pair[Side.DIALOG_INSIGHT])


def _link(work: Workspace, salesforce: RowRef, dialog_insight: RowRef, reason: str = "link.key") -> None:
    """Link two rows as a first meeting.

    Args:
        work: The table.
        salesforce: The row of Salesforce.
        dialog_insight: The row of Dialog Insight.
        reason: Why: the key, or a person, who may also link rows whose keys differ.
    """
    own = {ref.side: work.key_text(ref) for ref in (salesforce, dialog_insight)}
    if claimant(work, own[Side.DIALOG_INSIGHT], dialog_insight) is not None:
        skip_row(work, dialog_insight, "claimed")
        skip_row(work, salesforce, "claimed")
        return
    refs = (salesforce, dialog_insight)
    for ref in refs:
        work.decided(ref.subject)
    link = new_link(work, {ref.side: ref for ref in refs}, own)
    seen = {ref.side: Observation(Presence.HERE, ref) for ref in refs}
    members = about_link(work, link, "link")
    members["key"] = display_key(work.row_key(salesforce if own[Side.SALESFORCE] else dialog_insight))
    work.actions.append(Link(**members, reason=reason))
    if reason == "link.person":  # what is decided after it must know that the two are taken
        for ref in refs:
            work.linked[ref.side].add(ref.name)
            if own[ref.side]:
                work.held_keys[ref.side].setdefault(own[ref.side], []).append(link)
    link = decide_first_meeting(work, link, seen)
    for ref in refs:
        link = link.with_side(ref.side, as_of=ref.as_of)
    work.links[link.id] = link


def _decide_row(work: Workspace, ref: RowRef) -> None:
    """Decide a row whose key no other row and no link has: create its counterpart, or say why not."""
    target = ref.side.other
    key = work.key_text(ref)
    lost = [end for item in work.items.get(ref.subject, ()) if (end := work.quarantine_end(item)) is not None]
    if target is Side.SALESFORCE and claimant(work, key, ref) is not None:
        skip_row(work, ref, "claimed")
    elif hold_hit(work, ref):
        return
    elif ref.side not in work.bound.creates_from:
        skip_row(work, ref, "trigger.off")
    elif tombstone(work, ref) is not None:
        skip_row(work, ref, "tombstone")
    elif any(work.now < end for end in lost):
        skip_row(work, ref, "outcome.quarantine")
    elif not work.views[target].key_is_settled(key, max(lost, default=None)):
        values = work.bound.key_for(target, work.row_key(ref))
        if values is None:
            reject_row(work, ref, "key.invalid", _undefined(work, ref, target))
        else:
            work.need(target, key=values)
    elif work.views[target].with_key(key):
        skip_row(work, ref, "scope.out")
    elif is_unproven(work, ref):
        skip_row(work, ref, "match.unproven")
    else:
        create(work, ref, target)


def _undefined(work: Workspace, ref: RowRef, target: Side) -> tuple[tuple[str, str], ...]:
    """Give the fields of a row's key that have no form on the other side, each with its cause."""
    answers = zip(work.bound.key_lines, work.row_key(ref), strict=True)
    converted = [(line, line.convert(value, to=target)) for line, value in answers]
    return tuple((line.field(ref.side), answer.code) for line, answer in converted if isinstance(answer, Undefined))
