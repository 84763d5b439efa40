"""What every settlement must say of every action; a breach is an `AssertionError` that names it.

Each action has its line in the report, each write that was or may have been carried out its place in the history, all
that is left open an item by which it is found again, and what ended its tombstone.  Written apart from the engine:
nothing of its decisions may be imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from di_salesforce.engine import (
    REASONS,
    Action,
    Conflict,
    Create,
    Delete,
    Outcome,
    OutcomeKind,
    Reject,
    Relation,
    Skip,
    Unlink,
    Update,
)
from di_salesforce.records import UNSET, Side, UnsetType

if TYPE_CHECKING:
    from di_salesforce.engine import (
        Applied,
        Baseline,
        Change,
        LinkRecord,
        OpenItem,
        Plan,
        ReportLine,
        Settlement,
        Write,
    )
    from di_salesforce.records import Row

__all__ = ["check_settled"]

_TRIED: Final = frozenset({OutcomeKind.DONE, OutcomeKind.UNKNOWN})
# What the link itself remembers, and what the write's own item says.
_KEPT_ELSEWHERE: Final = frozenset({"deleted.reported", "scope.left", "outcome.quarantine", "refused.unchanged"})


def check_settled(
    plan: Plan, outcomes: Mapping[str, Outcome], settlement: Settlement, before: Baseline, now: datetime
) -> None:
    """Check that a settlement says of each action what became of it, and leaves nothing open that it does not name.

    Args:
        plan: The plan that was settled.
        outcomes: What became of its writes.
        settlement: What is to be remembered.
        before: The memory that the plan was made from.
        now: When it was settled.

    Raises:
        AssertionError: Something is missing, said twice, or not as it was.
    """
    for flaw in _flaws(plan, outcomes, settlement, before, now):
        raise AssertionError(flaw)


def _flaws(
    plan: Plan, outcomes: Mapping[str, Outcome], settlement: Settlement, before: Baseline, now: datetime
) -> Iterable[str]:
    if len(settlement.report.lines) != len(plan.actions):
        yield f"{len(plan.actions)} actions have {len(settlement.report.lines)} lines in the report"
    for action, line in zip(plan.actions, settlement.report.lines, strict=False):
        if not _tells(line, action, outcomes.get(action.id)):
            yield f"{action!r}: its line in the report is {line!r}"
    history = {each.action: each for each in settlement.applied}
    tried = {write.id: write for write in plan.writes if write.id in outcomes and _was_tried(outcomes[write.id])}
    if len(history) != len(settlement.applied) or set(history) != set(tried):
        yield "the history is not of the writes that were or may have been carried out"
    for name, write in tried.items():
        if name in history and not _is_history(history[name], write, outcomes[name], now):
            yield f"{write!r}: its history is {history[name]!r}"
    items = {(item.subject, item.side, item.group): item for item in settlement.open_items}
    links = {link.id: link for part in plan.parts for link in part.links.values()}
    for action in plan.actions:
        yield from _flaws_of_what_is_open(action, outcomes.get(action.id), items, links)
    prior, told = before.open_items, (*plan.actions, *plan.set_aside)
    keys = {  # a link that moves to another record is told with the key of each
        (subject, each.key if isinstance(each.key, tuple) else (each.key,))
        for each in told
        for subject in (each.subject, f"link:{each.link}")
    }
    subjects = {subject for subject, _ in keys}
    for item in settlement.open_items:
        yield from _flaws_of_an_item(item, prior.get(item.id), now)
        if item.subject in subjects and (item.subject, item.key) not in keys:
            yield f"{item!r}: it is open with another key than it was told with"
    if not set(settlement.closed_items) <= set(prior):
        yield "an item is closed that was not open"
    yield from _flaws_of_links(plan, outcomes, settlement, before, now)


def _was_tried(outcome: Outcome) -> bool:
    """Tell whether a write was or may have been carried out, be it on another record than was meant."""
    return outcome.kind in _TRIED or (outcome.kind is OutcomeKind.STALE and outcome.record_id is not None)


def _tells(line: ReportLine, action: Action, outcome: Outcome | None) -> bool:
    is_write = isinstance(action, (Create, Update, Delete))
    became = "" if not is_write else outcome.kind.value if outcome is not None else "not_tried"
    said = ("", "") if outcome is None else (outcome.code, outcome.message)
    side = getattr(action, "side", None)
    return (
        (line.transfer, line.key, line.kind, line.reason) == (action.transfer, action.key, action.kind, action.reason)
        and (line.side, line.outcome, line.code, line.message) == (side, became, *said)
        and line.verified is not (became == "done" and _is_untold(action, outcome))
        and (tuple(line.fields) == _fields(action, outcome))
    )


def _is_untold(action: Action, outcome: Outcome | None) -> bool:
    """Tell whether the service did not say, of any line that was written, what it keeps now."""
    stored: Row = (outcome.stored if outcome is not None else None) or {}
    changes = action.changes if isinstance(action, (Create, Update)) else ()
    return any(change.line and change.field not in stored for change in changes)


def _fields(action: Action, outcome: Outcome | None) -> tuple[str, ...]:
    if outcome is not None and outcome.fields:
        return outcome.fields
    match action:
        case Update() | Delete():
            return tuple(change.field for change in action.changes)
        case Skip():
            return action.fields
        case Conflict():
            return tuple(field.line for field in action.fields)
        case Reject():
            return tuple(field for field, _ in action.causes)
        case _:  # a create's fields would be all that there are
            return ()


def _is_history(said: Applied, write: Write, outcome: Outcome, now: datetime) -> bool:
    named = (said.transfer, said.kind, said.side, said.link, said.key, said.reason, said.changes)
    fields = {change.field for change in write.changes}
    kept = {field: value for field, value in (outcome.stored or {}).items() if field in fields}
    return (
        named == (write.transfer, write.kind, write.side, write.link, write.key, write.reason, write.changes)
        and (said.at, said.sure, dict(said.kept)) == (now, outcome.kind is OutcomeKind.DONE, kept)
        and said.record_id in (write.record_id, outcome.record_id)
    )


def _flaws_of_what_is_open(
    action: Action,
    outcome: Outcome | None,
    items: Mapping[tuple[str, Side | None, str], OpenItem],
    links: Mapping[str, LinkRecord],
) -> Iterable[str]:
    """Hold what an action leaves open against the item under which the next plan finds it.

    A rule writes all that it may of a side at once; of what a person decides, each group is a write and an item.
    """
    side: Side | None = None
    match action:
        case Create() | Update() | Delete():
            if outcome is not None and outcome.kind is OutcomeKind.DONE:
                return
            group, side = _group_of_a_choice(action, links), action.side
            reason = "outcome.not_tried" if outcome is None else f"outcome.{outcome.kind.value}"
        case Skip() | Conflict() | Reject():
            if action.reason in _KEPT_ELSEWHERE or action.reason.startswith("undo."):
                return
            group, reason = action.group, action.reason
        case _:
            return
    item = items.get((action.subject, side, group))
    if item is None or (item.transfer, item.reason) != (action.transfer, reason):
        yield f"{action!r}: it is open as {item!r}"
        return
    said = f"{outcome.code}: {outcome.message}" if outcome is not None and outcome.code else ""
    if side is not None and item.detail != said:
        yield f"{action!r}: of what the service said {item.detail!r} is remembered"
    if isinstance(action, (Skip, Conflict, Reject)) and item.fingerprint != action.fingerprint:
        yield f"{action!r}: what it was decided from is not remembered"
    if side is not None and not item.fingerprint:
        yield f"{action!r}: what would be written is not remembered"
    if (item.key[0] if len(item.key) == 1 else item.key) != action.key and item.key != (action.key,):
        yield f"{action!r}: its key is remembered as {len(item.key)} parts"


def _group_of_a_choice(write: Write, links: Mapping[str, LinkRecord]) -> str:
    """Name the one group that a person's choice writes; empty for what a rule writes."""
    if {change.rule for change in write.changes} != {"update.person"}:
        return ""
    states = {change.line: links[write.link or ""].fields[change.line] for change in write.changes}
    (group,) = {state.group or line for line, state in states.items()}
    return group


def _flaws_of_an_item(item: OpenItem, prior: OpenItem | None, now: datetime) -> Iterable[str]:
    """What is open for the same reason as before counts on, and is as old as it was; a lost answer starts afresh."""
    if item.reason not in REASONS:
        yield f"{item!r}: {item.reason} is no reason of the table"
    if item.detail and item.side is None:
        yield f"{item!r}: no service said {item.detail!r}"
    is_the_same = prior is not None and prior.reason == item.reason
    count = prior.count + 1 if prior is not None and is_the_same else 1
    since = prior.since if prior is not None and is_the_same and item.reason != "outcome.unknown" else now
    if (item.count, item.since) != (count, since):
        yield f"{item!r} was open {item.count} times since {item.since}, not {count} times since {since}"


def _flaws_of_links(
    plan: Plan, outcomes: Mapping[str, Outcome], settlement: Settlement, before: Baseline, now: datetime
) -> Iterable[str]:
    changed = {link.id: link for link in settlement.changed_links}
    old = {link.id: link for link in before.links}
    for action in plan.actions:
        link = changed.get(action.link or "")
        is_done = action.id in outcomes and outcomes[action.id].kind is OutcomeKind.DONE
        match action:
            case Create() if not is_done and link is not None:
                yield f"{action!r}: nothing was created, and a link is remembered"
            case Create() | Update() if is_done:
                if link is None or link.as_of(action.side) != now:
                    yield f"{action!r}: it was done, and its link is not as of now"
                elif link.rev <= (old[link.id].rev if link.id in old else 0):
                    yield f"{action!r}: it was done, and its link does not count it"
                else:
                    for change in action.changes:
                        if change.line and not _is_settled(link, action.side, change, outcomes[action.id].stored):
                            yield f"{action!r}: {change.line} is remembered as {link.fields[change.line]!r}"
            case Unlink():
                ended = tuple(Side) if action.survivor is None else (action.survivor,)
                yield from _flaws_of_an_end(action, ended, settlement, now)
            case Delete() if is_done:
                yield from _flaws_of_an_end(action, tuple(Side), settlement, now)
            case _:
                pass


def _is_settled(link: LinkRecord, side: Side, change: Change, stored: Row | None) -> bool:
    """Hold what is remembered of a line that was written against the table of what settles."""
    state, other = link.fields[change.line], side.other
    kept = (stored or {}).get(change.field, UNSET)
    is_told = not isinstance(kept, UnsetType)
    if change.rule == "undo.write":
        return (
            state.of(side) == (kept if is_told else change.after)
            and (state.rel, state.wrote, state.bounce) == (Relation.ACCEPTED, side, 0)
            and (state.seen_of(side), state.unverified, bool(state.version)) == (UNSET, not is_told, True)
        )
    is_adopted = state.seen_of(side) is not UNSET  # what the service made of it counts as its own change
    now = state.seen_of(side) if is_adopted else state.of(side)
    if change.rule in ("default", "update.merged"):
        relations = {Relation.REWRITTEN, Relation.AGREED} if change.rule != "default" else {Relation.REWRITTEN}
    elif is_told and not is_adopted and kept != change.after:
        relations = {Relation.REWRITTEN, Relation.AGREED}  # by the line's own rule
    else:
        relations = {Relation.AGREED}
    return (
        now == (kept if is_told else change.after)
        and state.of(other) == (None if isinstance(change.source, UnsetType) else change.source)
        and state.rel in relations
        and (state.wrote, state.bounce, state.unverified) == (side, change.bounce, not is_told)
        and state.seen_of(other) is UNSET
        and bool(state.version)
    )


def _flaws_of_an_end(
    action: Unlink | Delete, ended: tuple[Side, ...], settlement: Settlement, now: datetime
) -> Iterable[str]:
    if action.link not in settlement.removed_links:
        yield f"{action!r}: its link is not ended"
    for side in ended:
        name = action.salesforce_id if side is Side.SALESFORCE else action.dialog_insight_id
        found = [stone for stone in settlement.tombstones if stone.side is side and stone.record_id in (name, None)]
        if not any((stone.cause, stone.since) == (action.reason, now) for stone in found):
            yield f"{action!r}: no tombstone of {side.label} remembers it"
        if any(bool(stone.key) is not (stone.record_id is None) for stone in found):
            yield f"{action!r}: a tombstone of {side.label} names the record by more, or less, than its one name"
