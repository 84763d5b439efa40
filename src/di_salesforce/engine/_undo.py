"""Writes taken back: their before-images proposed, where what they left still stands.

What may not go in here: what was written when (a store's history), and any way round a trigger or a direction.  What
was undone counts as accepted, or the next plan would write it again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import datetime

import attrs

from di_salesforce.engine._actions import Change, Delete, Skip, Update
from di_salesforce.engine._applied import Applied
from di_salesforce.engine._baseline import BaselineLike
from di_salesforce.engine._context import Context
from di_salesforce.engine._lines import BoundLine
from di_salesforce.engine._links import about_link, observe_link
from di_salesforce.engine._memory import Life, LinkRecord, digest
from di_salesforce.engine._observe import Observation, Presence
from di_salesforce.engine._pair import noticed
from di_salesforce.engine._plan import Plan
from di_salesforce.engine._policies import is_consent, strictness
from di_salesforce.engine._reconcile import Inputs
from di_salesforce.engine._snapshot import Snapshot
from di_salesforce.engine._workspace import Workspace
from di_salesforce.engine._written import UNDONE, held_values, values_mark
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import UNSET, Row, Side, UnsetType, Value

__all__ = ["undo"]

_Done = tuple[Applied, ...]
"""What was written to one record, oldest first."""


def undo(
    transfer: ObjectTransfer,
    applied: Iterable[Applied],
    *,
    baseline: BaselineLike,
    now: datetime,
    salesforce: Iterable[Row] = (),
    dialog_insight: Iterable[Row] = (),
    deletes: bool = False,
    context: Context | None = None,
) -> Plan:
    """Plan what takes writes back: a field gets the value from before them, if what they left still stands there.

    Use it with what `Settlement.applied` told of earlier plans.  A field that moved since is left alone, and so is one
    that triggers or directions do not allow to be written any more; the plan says so.  What is undone settles as
    accepted: the two sides then differ, and are held again only when one of them changes.

    Args:
        transfer: The mapping, as it is now.
        applied: Writes of this transfer, oldest first; those of other transfers and unsure ones are passed over.
        baseline: What is remembered now.
        now: When the plan is made, aware.
        salesforce: Rows of the records concerned, read just now; those that are missing are asked for in `plan.needs`.
        dialog_insight: Likewise.
        deletes: Whether a create is taken back too, by deleting the record that it made, unless it was edited since.
        context: Limits and capabilities, as for `reconcile`.

    Returns:
        A plan like any other: look at it, filter it, apply it, settle it.  It says nothing about other records.

    Raises:
        ConfigurationError: For a naive `now`, or rows that belong to another object.

    Example:
        >>> from datetime import datetime, timezone
        >>> from di_salesforce import FieldMapping, ObjectTransfer
        >>> from di_salesforce.engine import Baseline, undo
        >>> transfer = ObjectTransfer("contacts", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True)])
        >>> undo(transfer, [], baseline=Baseline.empty(), now=datetime(2026, 5, 1, tzinfo=timezone.utc))
        <Plan contacts: nothing to do>
    """
    done: dict[tuple[str, Side], _Done] = {}
    for each in applied:
        if each.transfer == transfer.name and each.sure:
            done[each.link, each.side] = (*done.get((each.link, each.side), ()), each)
    inputs = Inputs.of(
        transfer,
        {Side.SALESFORCE: Snapshot.sample(salesforce), Side.DIALOG_INSIGHT: Snapshot.sample(dialog_insight)},
        baseline,
        now,
        context or Context(),
    )
    decide = functools.partial(_take_back, done=done, deletes=deletes)
    return attrs.evolve(inputs, decide=decide, is_whole=False).plan()


def _take_back(work: Workspace, *, done: Mapping[tuple[str, Side], _Done], deletes: bool) -> None:
    for (link_id, side), writes in sorted(done.items()):
        link = work.baseline.link(link_id)
        if link is None:
            _leave_unlinked(work, writes[-1])
        else:
            _take_back_one(work, link, side, writes, deletes=deletes)


def _take_back_one(work: Workspace, link: LinkRecord, side: Side, writes: _Done, *, deletes: bool) -> None:
    """Take back what was written to one record: all of its fields that allow it, in one write."""
    seen = observe_link(work, link)
    if any(work.in_quarantine(item) for item in work.items.get(f"link:{link.id}", ())):
        _leave(work, link, side, "undo.lost")
        return
    if any(each.kind == "delete" for each in writes):
        _leave(work, link, side, "undo.deleted")
        return
    if link.life is not Life.LIVE:  # nothing flows until a run has seen that both are there again
        _leave(work, link, side, "undo.gone")
        return
    if any(each.presence is not Presence.HERE for each in seen.values()):
        missing = [each for each in Side if seen[each].presence is not Presence.HERE]
        unasked = [each for each in missing if not work.views[each].asked(link.record_id(each), link.key(each))]
        for each in unasked:
            work.need_row(each, link)
        if not unasked:
            _leave(work, link, side, "undo.gone")
        return
    new = noticed(work, link, seen, work.bound.lines)
    if any(each.kind == "create" for each in writes):
        _take_back_create(work, new, side, writes, seen, deletes=deletes)
    else:
        _take_back_fields(work, new, side, writes, seen)
    work.remember(link, new, seen)


_Image = tuple[Change, Value]
"""The first change of a field, whose before-image counts, and what the last one left there."""


def _images(writes: _Done) -> dict[str, _Image]:
    """Give, per line, the oldest change of its field and what the newest left there."""
    images: dict[str, _Image] = {}
    for each in writes:
        for change in each.changes:
            if change.line:  # a constant belongs to a create, and no line keeps it
                first, _ = images.get(change.line, (change, None))
                images[change.line] = (first, each.left(change))
    return images


def _take_back_fields(
    work: Workspace, link: LinkRecord, side: Side, writes: _Done, seen: Mapping[Side, Observation]
) -> None:
    changes: list[Change] = []
    images = _images(writes)
    groups = {work.bound.lines[name].mapping.group_name for name in images if name in work.bound.lines}
    for name in sorted(set(images) - set(work.bound.lines)):
        _leave(work, link, side, "undo.not_mapped", (name,), name)
    for group in sorted(groups):
        lines = [line for line in work.bound.groups[group] if line.name in images]
        found = [_change(line, side, images[line.name], seen) for line in lines]
        against = [each for each in found if isinstance(each, str)]
        reason = against[0] if against else _stopped(work, link, side, lines, found)
        if reason:
            _leave(work, link, side, reason, tuple(line.name for line in lines), group)
        else:
            changes += [each for each in found if isinstance(each, Change) and each.before != each.after]
    if changes:
        _write(work, link, side, changes, seen)


def _change(line: BoundLine, side: Side, image: _Image, seen: Mapping[Side, Observation]) -> Change | str:
    """Give the change that takes a field back, or the code of what stands against it."""
    first, left = image
    there, source = (seen[each].ref for each in (side, side.other))
    now = UNSET if there is None else there.value(line.field(side))
    other = UNSET if source is None else source.value(line.field(side.other))
    if isinstance(now, UnsetType) or isinstance(other, UnsetType) or isinstance(first.before, UnsetType):
        return "undo.not_read"
    if line.normal(side, now) != line.normal(side, left):
        return "undo.moved"
    return Change(line.field(side), now, first.before, UNDONE, line.name, other)


def _stopped(work: Workspace, link: LinkRecord, side: Side, lines: list[BoundLine], found: list[Change | str]) -> str:
    """Say which gate stops a group; the same ones as for any other write."""
    line = lines[0]
    if not line.flows.allows(side):
        return "undo.direction"
    if side.other not in work.bound.updates_from:
        return "undo.trigger"
    if any(each.mapping.key for each in lines):
        return "undo.key"  # whether the old key is free again is for a person to find out
    if is_consent(tuple(lines)):
        for each, change in zip(lines, found, strict=True):
            if isinstance(change, Change) and strictness(each, side, change.after) < strictness(
                each, side, _value(change.before)
            ):
                return "undo.consent"
    return ""


def _value(value: Value | UnsetType) -> Value:
    return None if isinstance(value, UnsetType) else value


def _write(
    work: Workspace, link: LinkRecord, side: Side, changes: list[Change], seen: Mapping[Side, Observation]
) -> None:
    row = seen[side].row
    write = Update(
        **about_link(work, link, f"undo {side.value}"),
        reason=UNDONE,
        side=side,
        record_id=link.record_id(side),
        address={line.field(side): row.get(line.field(side)) for line in work.bound.key_lines},
        values={change.field: change.after for change in changes},
        based_on={change.field: _value(change.before) for change in changes},
        changes=tuple(changes),
    )
    work.add_write(write, tuple(change.line for change in changes))
    after = {change.line: change.after for change in changes}
    # Marked here, where the converters are at hand: a plan may be saved, and its answers be lost after that.
    work.undoing[write.id] = {
        group: values_mark(lines, side, {**held_values(link, side, lines), **after})
        for group, lines in work.bound.groups.items()
        if any(line.name in after for line in lines)
    }


def _take_back_create(
    work: Workspace, link: LinkRecord, side: Side, writes: _Done, seen: Mapping[Side, Observation], *, deletes: bool
) -> None:
    """Delete a record that we made, where that is asked for and nobody has put anything into it since."""
    if not deletes:
        _leave(work, link, side, "undo.create")
        return
    if side not in work.context.capabilities.deletes:
        _leave(work, link, side, "undo.not_deletable")
        return
    row = seen[side].row
    left = {work.bound.lines[name].field(side): (work.bound.lines[name], value)
            for name, (_, value) in _images(writes).items() if name in work.bound.lines}  # fmt: skip
    for line in work.bound.lines.values():
        state = link.fields.get(line.name)
        base = state.of(side) if state is not None else UNSET
        left.setdefault(line.field(side), (line, _value(base)))
    if any(line.normal(side, row.get(name)) != line.normal(side, value) for name, (line, value) in left.items()):
        _leave(work, link, side, "undo.moved")
        return
    held: dict[str, Value] = {line.field(side): row.get(line.field(side)) for line in work.bound.lines.values()}
    work.add_write(
        Delete(
            **about_link(work, link, f"undo {side.value}"),
            reason=UNDONE,
            side=side,
            record_id=link.record_id(side),
            address={line.field(side): held[line.field(side)] for line in work.bound.key_lines},
            based_on=held,
            changes=tuple(
                Change(line.field(side), held[line.field(side)], None, UNDONE, name, UNSET)
                for name, line in work.bound.lines.items()
            ),
        )
    )


def _leave(
    work: Workspace, link: LinkRecord, side: Side, reason: str, fields: tuple[str, ...] = (), group: str = ""
) -> None:
    about = about_link(work, link, f"undo {side.value} {reason} {group}")
    work.actions.append(Skip(**about, reason=reason, side=side, fields=fields, group=group))


def _leave_unlinked(work: Workspace, write: Applied) -> None:
    work.actions.append(
        Skip(
            id=digest(work.name, f"undo {write.side.value}", write.link),
            transfer=work.name,
            key=write.key,
            reason="undo.unlinked",
            subject=f"link:{write.link}",
            side=write.side,
        )
    )
