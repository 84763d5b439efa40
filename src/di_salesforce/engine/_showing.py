"""A plan in words, for a terminal or a mail: the table of counts, and one record's story.

What may not go in here: deciding, and HTML.  A summary holds counts only; `show_action` holds the record's values,
since that is what it is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from di_salesforce.engine._actions import (
    Action,
    Change,
    Conflict,
    Create,
    Delete,
    Link,
    Proposal,
    Reject,
    Skip,
    Unlink,
    Update,
)
from di_salesforce.records import UNSET, Side

if TYPE_CHECKING:
    from di_salesforce.engine._plan import Plan

__all__ = ["in_order", "show_action", "show_summary"]

# A safe order: identity first, creates before the updates that may need them, deletes last, words at the end.
ORDER: Final[Mapping[str, int]] = {
    kind: rank
    for rank, kind in enumerate(("unlink", "link", "create", "update", "delete", "conflict", "reject", "skip"))
}


def in_order(actions: Iterable[Action]) -> tuple[Action, ...]:
    """Put actions into their one order, which does not depend on the order of any input."""
    return tuple(sorted(actions, key=lambda a: (ORDER[a.kind], a.key_text, a.subject, a.reason, a.id)))


def show_summary(plan: Plan) -> str:
    """Show a plan as a small table: one line per transfer, kind, side and reason, with its count."""
    counted = Counter(
        (action.transfer, action.kind, _target(action), action.reason, action.sentence) for action in plan.actions
    )
    order = {part.transfer: index for index, part in enumerate(plan.parts)}
    table: list[tuple[str, ...]] = [
        (name, kind, side, f"{count:,}", f"{reason}: {sentence}")
        for (name, kind, side, reason, sentence), count in sorted(
            counted.items(), key=lambda row: (ORDER[row[0][1]], row[0])
        )
    ]
    table += [
        (part.transfer, "agree", "", f"{part.counts.get('agreed', 0):,}", "pairs in agreement already")
        for part in plan.parts
    ]
    table.sort(key=lambda row: order[row[0]])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}"
        for row in table
    ]
    lines += [f"stopped: {problem.message}" for problem in plan.guards]
    if plan.needs:
        lines.append(f"{len(plan.needs):,} rows must still be looked up")
    return "\n".join(lines) or "nothing to do"


def show_action(action: Action) -> str:
    """Tell what one action does about each field, and why."""
    told = [f"{action.transfer}: {action.kind} ({action.reason}): {action.sentence}"]
    match action:
        case Create() | Update() | Delete():
            told += [
                f"  {action.side.label} {c.field}: {_before(action, c)} -> {_shown(c.after)} by {c.rule}"
                for c in action.changes
            ]
        case Conflict():
            told += [
                f"  {field.line}: Salesforce {_shown(field.salesforce)} (was {_shown(field.salesforce_before)}), "
                f"Dialog Insight {_shown(field.dialog_insight)} (was {_shown(field.dialog_insight_before)})"
                for field in action.fields
            ]
            told += [f"  {_option(proposal)}" for proposal in action.proposals]
        case Reject():
            told += [f"  {field}: {code}" for field, code in action.causes]
        case Skip():
            told += [f"  {line}" for line in action.fields]
        case Unlink():
            told += [f"  a duplicate of {action.duplicate_of} in Dialog Insight"] if action.duplicate_of else []
        case Link():
            pass
    return "\n".join(told)


def _before(action: Action, change: Change) -> str:
    return "(new)" if isinstance(action, Create) else _shown(change.before)


def _target(action: Action) -> str:
    side: Side | None = getattr(action, "side", None)
    return "" if side is None else side.label


def _shown(value: object) -> str:
    return "(not known)" if value is UNSET else "(blank)" if value in (None, "") else str(value)


def _option(proposal: Proposal) -> str:
    if proposal.changes:
        return f"keep {proposal.keep.label}: writes {', '.join(change.field for change in proposal.changes)}"
    return f"keep {proposal.keep.label}: not possible ({proposal.refusal})"
