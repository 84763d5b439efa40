"""What every action of a plan must say, whoever decided it and why; a breach is an `AssertionError` that names it.

A plan is read by people, filtered, saved, answered and carried out by what its actions say of themselves: which record,
which line, which side, and what stands there now.  Written apart from the engine: nothing of its decisions may be
imported here, only the table of its reasons.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from di_salesforce.engine import REASONS, Action, Conflict, Create, Delete, Life, Link, Reject, Skip, Unlink, Update
from di_salesforce.records import UNSET, Side, UnsetType, is_blank
from di_salesforce.triggers import Trigger

if TYPE_CHECKING:
    from di_salesforce.engine import Baseline, Change, LinkRecord, Plan, Proposal
    from di_salesforce.mapping import ObjectTransfer
    from di_salesforce.records import Value

__all__ = ["check_told"]

_CODE: Final = re.compile(r"[a-z_]+(\.[a-z_]+)+")  # an application's converters may have codes of their own
_NOT_BY_FIELD: Final = frozenset(  # what stands against taking back all that was written to a record
    {"undo.create", "undo.deleted", "undo.gone", "undo.lost", "undo.not_deletable", "undo.unlinked"}
)
_UPDATES: Final = {Side.SALESFORCE: Trigger.SALESFORCE_UPDATED, Side.DIALOG_INSIGHT: Trigger.DIALOG_INSIGHT_UPDATED}


def check_told(transfer: ObjectTransfer, before: Baseline, plan: Plan) -> None:
    """Check that each action of a plan is told whole: by a known reason, of a named record, with all that it must say.

    Args:
        transfer: What the plan was made for.
        before: The memory that it was made from.
        plan: The plan.

    Raises:
        AssertionError: An action says less than it must, or what contradicts the transfer or the link.
    """
    old = {link.id: link for link in before.links}
    links = {**old, **plan.parts[0].links} if plan.parts else {}
    named: set[str] = set()
    for action in plan.actions:
        if action.id in named:
            raise AssertionError(f"two actions have the id {action.id}")
        named.add(action.id)
        for flaw in _flaws(transfer, action, links):
            raise AssertionError(f"{action!r}: {flaw}")
    for flaw in _flaws_of_shared_records(links.values(), old.values()):
        raise AssertionError(flaw)
    ends = {each.link: each.reason for each in (*plan.actions, *plan.set_aside) if isinstance(each, Unlink)}
    for link in plan.parts[0].links.values() if plan.parts else ():
        for flaw in (
            *_flaws_of_a_life(link, ends.get(link.id, "relinked")),
            *_flaws_of_a_memory(link, old.get(link.id)),
        ):
            raise AssertionError(f"{link!r}: {flaw}")


def _flaws_of_shared_records(links: Iterable[LinkRecord], before: Iterable[LinkRecord]) -> Iterable[str]:
    """What one record holds belongs to one pair: no plan makes it another's as well."""
    for side in Side:
        then, now = (
            Counter(name for link in each if link.life is not Life.ENDED and (name := link.record_id(side)) is not None)
            for each in (before, links)
        )
        for name, count in now.items():
            if count > max(1, then[name]):
                yield f"{count} links name {name} of {side.label}"


_SLEEPS: Final = frozenset({"scope.left", "deleted.reported", "delete.proven", "conflict.delete_edited"})
_BECAME: Final = ("merged:", "converted:", "conflict.merged", "conflict.converted")  # with the other's id, if known


_ENDED_AS: Final[Mapping[str, tuple[str, ...]]] = {
    "unlink.merged": ("merged:",),
    "unlink.converted": ("converted:", "conflict.converted"),
}


def _flaws_of_a_life(link: LinkRecord, ended_by: str) -> Iterable[str]:
    """Hold where a link stands against why: what it says of itself is all that the next plan knows of it."""
    is_told = {
        Life.LIVE: link.gone is None and not link.cause,
        Life.DORMANT: link.gone is not None and (link.cause in _SLEEPS or link.cause.startswith(_BECAME)),
        Life.ENDED: link.cause.startswith(_ENDED_AS.get(ended_by, (ended_by,))),
    }
    if not is_told[link.life]:
        yield f"it would be remembered as gone in {link.gone} for {link.cause!r}"


def _flaws_of_a_memory(link: LinkRecord, old: LinkRecord | None) -> Iterable[str]:
    """Hold what would be remembered of a link against what is: each settlement counts, and no look is forgotten."""
    if link.rev != (0 if old is None else old.rev + 1):
        yield f"it would be settled for the time {link.rev}"
    if any(not state.version for state in link.fields.values()):
        yield "it does not say by which rule a line was compared"
    for side in Side if old is None and link.life is Life.LIVE else ():
        if link.record_id(side) is not None and link.as_of(side) is None:
            yield f"it does not say when {side.label} was seen"


def _flaws(transfer: ObjectTransfer, action: Action, links: Mapping[str, LinkRecord]) -> Iterable[str]:
    if action.reason not in REASONS:
        yield f"{action.reason} is no reason of the table"
    if action.transfer != transfer.name:
        yield f"it is told of the transfer {action.transfer}"
    if not action.subject:
        yield "it is filed under nothing"
    link = links.get(action.link or "")
    if link is not None and not isinstance(action, Create):
        yield from _flaws_about_the_link(action, link)
    if link is not None and not getattr(action, "fields", ()) and not getattr(action, "group", ""):
        yield from _flaws_of_a_whole_record(action, link)
    match action:
        case Create():
            yield from _flaws_of_a_create(transfer, action, link)
        case Update() | Delete():
            yield from _flaws_of_a_write(transfer, action, link)
        case Skip() | Reject() if action.subject.startswith("row:"):
            yield from _flaws_about_a_row(transfer, action)
        case Skip():
            yield from _flaws_of_a_skip(transfer, action)
        case Conflict():
            yield from _flaws_of_a_conflict(transfer, action)
        case Reject():
            yield from _flaws_of_a_reject(transfer, action, link)
        case _:
            pass


def _flaws_about_the_link(action: Action, link: LinkRecord) -> Iterable[str]:
    if (action.salesforce_id, action.dialog_insight_id) != (link.salesforce_id, link.dialog_insight_id):
        yield "its two ids are not those of its link"
    if not isinstance(action, Link) and action.subject != f"link:{link.id}":
        yield f"it is filed under {action.subject}"
    if bool(action.key_text) is not bool(link.salesforce_key or link.dialog_insight_key):
        yield "it does not say the link's key"
    if action.key_text and any(map(is_blank, action.key if isinstance(action.key, tuple) else (action.key,))):
        yield "it shows no key, and has one"


def _flaws_about_a_row(transfer: ObjectTransfer, action: Skip | Reject) -> Iterable[str]:
    """Hold what is told of a row without a link against the name that it is filed under."""
    _, held_by, name = action.subject.split(":", 2)
    side = Side(held_by)
    # A skip names the side that is not written, a reject the side that holds the row at fault; an answer is about both.
    told_of = side if isinstance(action, Reject) else None if action.reason == "match.different" else side.other
    if action.side is not told_of or (told_of is None and not action.group):
        yield f"it is filed under {action.subject}, and tells of another side"
    record_id = action.salesforce_id if side is Side.SALESFORCE else action.dialog_insight_id
    if transfer.id_field(side) is not None and record_id != name:
        yield f"it is filed under {action.subject}, and is about {record_id}"
    if isinstance(action, Reject) and action.record_id != record_id:
        yield "it names another record than its row"
    if not action.fingerprint:
        yield "it does not say what it was decided from"
    if isinstance(action, Reject) and (
        not action.causes or any(_CODE.fullmatch(code) is None for _, code in action.causes)
    ):
        yield "it does not say why, field by field"


def _flaws_of_a_create(transfer: ObjectTransfer, create: Create, link: LinkRecord | None) -> Iterable[str]:
    """Hold a create against the declaration, and against the link that it would make."""
    side = create.side
    if dict(create.values) != {change.field: change.after for change in create.changes} or create.based_on:
        yield "what it writes is not what its changes say"
    if any(not isinstance(change.before, UnsetType) for change in create.changes):
        yield "it replaces something"
    constants = {each.field: each.value for each in transfer.constants if each.side is side}
    if {change.field: change.after for change in create.changes if change.rule == "constant"} != constants:
        yield "it does not write the constants of its side, and no others"
    lines = {line.name: line for line in transfer.lines}
    for change in create.changes:
        line = lines.get(change.line)
        if (line is None) is not (change.rule == "constant") or change.rule not in (
            "constant",
            "default",
            "create.new",
        ):
            yield f"{change.field} is written by {change.rule}"
        elif line is not None and (change.field != line.field(side) or not line.flows.allows(side)):
            yield f"{change.field} is not what the line {line.name} writes"
    if set(create.address) != {line.field(side) for line in transfer.key_lines}:
        yield "its address is not the record's key"
    if link is None:
        yield "it would make no link"
    else:
        yield from _flaws_of_a_new_link(transfer, create, link)


def _flaws_of_a_new_link(transfer: ObjectTransfer, create: Create, link: LinkRecord) -> Iterable[str]:
    side, source = create.side, create.side.other
    if link.record_id(side) is not None or link.as_of(source) is None:
        yield "its link names the record that is not there yet, or does not say when the other was seen"
    if not create.key_text == link.key(side) == link.key(source):
        yield "its link has another key"
    if any(change.line and change.source != link.fields[change.line].seen_of(source) for change in create.changes):
        yield "it does not say what its values were made from"
    if any(not change.line and change.source is not UNSET for change in create.changes):
        yield "a constant is made from something"
    for line in transfer.lines:
        state = link.fields[line.name]
        group = line.group_name if len(transfer.groups[line.group_name]) > 1 else None
        if not state.version or state.group != group or isinstance(state.seen_of(source), UnsetType):
            yield f"its link does not say of {line.name} what was seen"


def _flaws_of_a_whole_record(action: Action, link: LinkRecord) -> Iterable[str]:
    """Hold what is told of a linked record as a whole against how its link will be remembered."""
    remembered = (link.life, link.gone, link.cause)
    match action:
        case Unlink():
            yield from _flaws_of_an_end(action, link)
        case Link() if action.reason == "link.revived":
            if remembered != (Life.LIVE, None, ""):
                yield f"its link is remembered as {remembered}"
        case Delete() if action.reason == "delete.proven":
            if remembered != (Life.DORMANT, action.side.other, "delete.proven"):
                yield f"its link is remembered as {remembered}"
        case Skip() if action.reason in ("scope.left", "deleted.reported"):
            gone = None if action.side is None else action.side.other
            if remembered != (Life.DORMANT, gone, action.reason) and link.cause != "relinked":
                yield f"its link is remembered as {remembered}"
        case Conflict():
            if link.life is not Life.DORMANT or link.gone is None or not link.cause:
                yield f"its link is remembered as {remembered}"
        case _:
            pass


_ENDS_BOTH: Final = frozenset({"unlink.both_deleted", "unlink.converted"})  # neither record is left to this transfer


def _flaws_of_an_end(unlink: Unlink, link: LinkRecord) -> Iterable[str]:
    gone = None if unlink.survivor is None else unlink.survivor.other
    if (unlink.survivor is None) is not (unlink.reason in _ENDS_BOTH):
        yield "it does not say which record stays"
    if (link.life, link.gone) != (Life.ENDED, gone):
        yield f"its link is remembered as {link.life} for {link.cause!r}"


def _flaws_of_a_write(transfer: ObjectTransfer, write: Update | Delete, link: LinkRecord | None) -> Iterable[str]:
    if link is None or write.record_id != link.record_id(write.side):
        yield "it names another record than its link"
    if isinstance(write, Update) and dict(write.values) != {change.field: change.after for change in write.changes}:
        yield "what it writes is not what its changes say"
    if isinstance(write, Delete) and any((each.after, each.source) != (None, UNSET) for each in write.changes):
        yield "it puts something in the place of what it deletes"
    if dict(write.based_on) != _before(write.changes):
        yield "what it is based on is not what its changes say"
    rules = {change.rule for change in write.changes}
    if write.reason != (rules.pop() if len(rules) == 1 else "update.several"):
        yield f"its reason is {write.reason}, and its changes have other rules"
    if isinstance(write, Delete):
        yield from _flaws_of_a_delete(transfer, write)
    yield from _flaws_of_changes(transfer, write.side, write.changes, write.address)


def _flaws_of_a_delete(transfer: ObjectTransfer, delete: Delete) -> Iterable[str]:
    """A record is deleted for what all of its mapped fields hold, since nothing else of it will be known again."""
    if [change.line for change in delete.changes] != [line.name for line in transfer.lines]:
        yield "it does not say what each line holds"
    if any(change.after is not None or change.source is not UNSET for change in delete.changes):
        yield "it leaves something behind"
    if set(delete.address) != {line.field(delete.side) for line in transfer.key_lines}:
        yield "its address is not the record's key"


def _before(changes: Iterable[Change]) -> dict[str, Value]:
    return {change.field: change.before for change in changes if not isinstance(change.before, UnsetType)}


def _flaws_of_changes(
    transfer: ObjectTransfer, side: Side, changes: tuple[Change, ...], address: Mapping[str, Value]
) -> Iterable[str]:
    """Hold what is written of one record against the declaration: its key addresses it, each line has its field."""
    fields = {line.name: line.field(side) for line in transfer.lines}
    if not changes:
        yield "it changes nothing"
    if [change.field for change in changes] != [fields.get(change.line) for change in changes]:
        yield "a change names another field than its line"
    if unknown := {change.rule for change in changes} - set(REASONS):
        yield f"{unknown} are no rules of the table"
    keys = {line.field(side) for line in transfer.key_lines}
    if not set(address) <= keys:
        yield "its address is not the record's key"
    if transfer.id_field(side) is None and (set(address) != keys or all(map(is_blank, address.values()))):
        yield "a row without an id is not addressed by its whole key"


def _flaws_of_a_skip(transfer: ObjectTransfer, skip: Skip) -> Iterable[str]:
    if skip.reason == "claimed" and skip.side is not Side.SALESFORCE:
        yield "it does not say to which side nothing flows"
    if skip.reason == "merge.refusal" and not skip.fields:
        yield "it does not say what is to be passed on"
    if skip.reason.startswith("undo."):
        yield from _flaws_of_what_stays(transfer, skip)
        return
    if skip.link is None or not skip.fields:
        return  # about a row, or about a record as a whole
    if skip.group and not set(skip.fields) <= {line.name for line in transfer.groups.get(skip.group, ())}:
        yield f"its fields are not of the group {skip.group}"
    if skip.reason in ("trigger.off", "direction.one_way", "merge.refusal") and skip.side is None:
        yield "it does not say which side is not written"
    if skip.reason == "trigger.off" and skip.side is not None and _UPDATES[skip.side.other] in transfer.allowed:
        yield "the trigger that it names is on"
    if skip.reason in ("trigger.off", "direction.one_way", "reference.waiting") and not (
        skip.group and skip.fingerprint
    ):
        yield "it does not say what it was decided from"


def _flaws_of_what_stays(transfer: ObjectTransfer, skip: Skip) -> Iterable[str]:
    """Hold what is told of a write that is not taken back: of a record as a whole, or of lines, mapped or not."""
    if skip.side is None:
        yield "it does not say which side is not written"
    if bool(skip.fields) is (skip.reason in _NOT_BY_FIELD) and skip.reason != "undo.moved":
        yield f"it tells of {len(skip.fields)} fields"
    mapped = {line.name for line in transfer.lines}
    if bool(mapped & {*skip.fields}) is (skip.reason == "undo.not_mapped") and skip.fields:
        yield "it tells of fields that the mapping says otherwise of"
    own = {line.name for line in transfer.groups.get(skip.group, ())} or {skip.group} - {""}
    if not own >= {*skip.fields} or bool(skip.group) is not bool(skip.fields):
        yield f"its fields are not of the group {skip.group}"


def _flaws_of_a_conflict(transfer: ObjectTransfer, conflict: Conflict) -> Iterable[str]:
    if not conflict.fields:
        return  # a record is held as a whole
    if [field.line for field in conflict.fields] != [line.name for line in transfer.groups.get(conflict.group, ())]:
        yield f"its fields are not those of the group {conflict.group}"
    if not conflict.fingerprint:
        yield "it does not say what it was decided from"
    if [proposal.keep for proposal in conflict.proposals] != list(Side):
        yield "it does not propose both sides"
    for proposal in conflict.proposals:
        yield from _flaws_of_a_proposal(transfer, proposal)


def _flaws_of_a_proposal(transfer: ObjectTransfer, proposal: Proposal) -> Iterable[str]:
    if bool(proposal.refusal) is bool(proposal.changes) or bool(proposal.refusal) is not bool(proposal.verdict):
        yield "a choice is either possible, with its changes, or refused, with a verdict"
    if proposal.refusal:
        if _CODE.fullmatch(proposal.refusal) is None:
            yield f"{proposal.refusal} is no reason"
        return
    if _UPDATES[proposal.keep] not in transfer.allowed:
        yield f"a choice would pass the trigger of {proposal.keep.label}"
    if {change.rule for change in proposal.changes} != {"update.person"}:
        yield "what a person chooses has another rule"
    yield from _flaws_of_changes(transfer, proposal.keep.other, proposal.changes, proposal.address)


def _flaws_of_a_reject(transfer: ObjectTransfer, reject: Reject, link: LinkRecord | None) -> Iterable[str]:
    if not reject.causes or any(_CODE.fullmatch(code) is None for _, code in reject.causes):
        yield "it does not say why, field by field"
    if not reject.group:
        if reject.subject.startswith("link:"):
            yield "it does not say which fields of the record it is about"
        return  # about a row
    if link is not None and reject.record_id != link.record_id(reject.side):
        yield "it names another record than its link"
    fields = {line.field(side) for line in transfer.groups.get(reject.group, ()) for side in Side}
    if not {field for field, _ in reject.causes} <= fields:
        yield f"its causes are not of the group {reject.group}"
    if not reject.fingerprint:
        yield "it does not say what it was decided from"
