"""From a plan and what became of its writes to what is remembered: a delta, never the whole baseline.

What may not go in here: deciding what to write.  The base of a field moves only by the settling table of ENGINE: for a
write that was done, for an agreement that was noted, for a difference that a person accepted.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self

import attrs

from di_salesforce.engine._actions import (
    Action,
    Conflict,
    Create,
    Delete,
    Link,
    Reject,
    Skip,
    Unlink,
    Update,
    Write,
    key_parts,
    write_fingerprint,
)
from di_salesforce.engine._applied import Applied
from di_salesforce.engine._besides import CoverageRecord, OpenItem, Tombstone
from di_salesforce.engine._lines import BoundLine, normal_id
from di_salesforce.engine._memory import FieldState, Life, LinkRecord, Relation
from di_salesforce.engine._observe import MERGED_INTO
from di_salesforce.engine._part import Part
from di_salesforce.engine._plan import Plan
from di_salesforce.engine._report import ReportLine, SyncReport
from di_salesforce.engine._written import LINE_BY_LINE, WrittenLine, agreeing, born, written
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import UNSET, Row, Side

__all__ = ["Outcome", "OutcomeKind", "Settlement", "settle"]


class OutcomeKind(enum.StrEnum):
    """What became of one write."""

    DONE = "done"
    REFUSED = "refused"
    STALE = "stale"
    UNKNOWN = "unknown"


@attrs.frozen(repr=False)
class Outcome:
    """What became of one write; made by one of the four named constructors."""

    kind: OutcomeKind
    record_id: str | None = None
    stored: Row | None = None
    code: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()

    @classmethod
    def done(cls, record_id: object = None, stored: Row | None = None) -> Self:
        """The write was carried out; `stored` is the row as the service keeps it now, where it told us."""
        return cls(OutcomeKind.DONE, None if record_id is None else str(record_id), stored)

    @classmethod
    def refused(cls, code: str, message: str, fields: tuple[str, ...] = ()) -> Self:
        """The service refused the record, with its own code and words."""
        return cls(OutcomeKind.REFUSED, code=code, message=message, fields=tuple(fields))

    @classmethod
    def stale(cls) -> Self:
        """The record moved since the plan was made; it is read and planned again."""
        return cls(OutcomeKind.STALE)

    @classmethod
    def unknown(cls) -> Self:
        """The answer was lost: the write may or may not have been carried out, now or in a while."""
        return cls(OutcomeKind.UNKNOWN)

    def __repr__(self) -> str:
        return f"<Outcome {self.kind.value}{f' {self.code}' if self.code else ''}>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give what a journal keeps of an outcome (without the stored row)."""
        return {"kind": self.kind.value, "record_id": self.record_id, "code": self.code, "message": self.message}


@attrs.frozen(repr=False)
class Settlement:
    """What changes in the memory after a plan: store it in one transaction."""

    report: SyncReport
    changed_links: tuple[LinkRecord, ...] = ()
    removed_links: tuple[str, ...] = ()
    open_items: tuple[OpenItem, ...] = ()
    closed_items: tuple[str, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    removed_tombstones: tuple[str, ...] = ()
    coverages: tuple[CoverageRecord, ...] = ()
    applied: tuple[Applied, ...] = ()  # for the history: what was written, and what may have been

    @property
    def transfers(self) -> frozenset[str]:
        """The transfers whose memory changes."""
        tables = (self.changed_links, self.open_items, self.tombstones, self.coverages)
        return frozenset(row.transfer for table in tables for row in table)

    def of(self, transfer: str) -> Settlement:
        """Give the part that concerns one transfer (ids of removed links are unique over all transfers)."""
        prefix = f"{transfer}/"
        return attrs.evolve(
            self,
            changed_links=tuple(link for link in self.changed_links if link.transfer == transfer),
            open_items=tuple(item for item in self.open_items if item.transfer == transfer),
            closed_items=tuple(item for item in self.closed_items if item.startswith(prefix)),
            tombstones=tuple(stone for stone in self.tombstones if stone.transfer == transfer),
            removed_tombstones=tuple(stone for stone in self.removed_tombstones if stone.startswith(prefix)),
            coverages=tuple(coverage for coverage in self.coverages if coverage.transfer == transfer),
            applied=tuple(write for write in self.applied if write.transfer == transfer),
        )

    def __repr__(self) -> str:
        return (
            f"<Settlement: {len(self.changed_links):,} links changed, {len(self.removed_links):,} removed, "
            f"{len(self.open_items):,} open items>"
        )


@attrs.define(repr=False)
class _Ledger:
    """The settlement while it is written."""

    now: datetime
    links: dict[str | None, LinkRecord]  # what concerns no link, by None, finds none
    dropped: set[str] = attrs.field(factory=set[str])
    items: dict[str, OpenItem] = attrs.field(factory=dict[str, OpenItem])
    stones: dict[str, Tombstone] = attrs.field(factory=dict[str, Tombstone])
    lines: list[ReportLine] = attrs.field(factory=list[ReportLine])
    applied: list[Applied] = attrs.field(factory=list[Applied])


def settle(plan: Plan, outcomes: Mapping[str, Outcome], *, now: datetime) -> Settlement:
    """Turn a plan and the outcomes of its writes into what is to be remembered.

    Use it after each attempt to carry a plan out, whole or in part: a write without an outcome was not tried, and all
    that a write leaves open is found again by the next plan.

    Args:
        plan: The plan that was carried out.
        outcomes: Per action id of a write, what became of it; other actions need none.
        now: When the outcomes were known, aware.

    Returns:
        A delta: store it in one transaction, or apply it with `Baseline.updated`.

    Raises:
        ConfigurationError: For outcomes of actions that the plan does not hold, or a naive `now`.

    Example:
        >>> from datetime import datetime, timezone
        >>> from di_salesforce.engine import Plan, settle
        >>> settle(Plan.empty(), {}, now=datetime(2026, 5, 1, tzinfo=timezone.utc))
        <Settlement: 0 links changed, 0 removed, 0 open items>
    """
    if now.tzinfo is None:
        raise ConfigurationError("now must be an aware datetime, such as datetime.now(timezone.utc)")
    writes = {action.id for action in (*plan.writes, *plan.set_aside)}
    if strangers := sorted(set(outcomes) - writes):
        raise ConfigurationError(
            f"{len(strangers)} outcomes name no write of this plan (the first: {strangers[0]}): is it another plan's?"
        )
    ledger = _Ledger(now, {link.id: link for part in plan.parts for link in part.links.values()})
    parts = {part.transfer: part for part in plan.parts}
    ledger.dropped.update(link.id for link in ledger.links.values() if link.life is Life.ENDED)
    unlinked = {action.link for action in plan.set_aside if isinstance(action, Link)}
    unlinked -= {link.id for link in ledger.links.values() if link.rev > 0}  # those were known before this plan
    for action in plan.set_aside:
        if isinstance(action, Link) or action.link not in unlinked:
            _set_aside(ledger, parts[action.transfer], action)
    for action in plan.actions:
        _settle_action(ledger, plan, parts[action.transfer], action, outcomes.get(action.id))
    closing = {item.id: item for part in plan.parts for item in part.items}
    # What is not decided anew stays open all the same, and counts on where it is told again.
    prior = {**closing, **{item.id: item for part in plan.parts for item in part.staying}}
    return Settlement(
        report=SyncReport(
            lines=ledger.lines,
            agreed=sum(part.counts.get("agreed", 0) for part in plan.parts),
            quiet=sum(part.counts.get("quiet", 0) for part in plan.parts),
        ),
        changed_links=tuple(
            link for link in sorted(ledger.links.values(), key=lambda link: link.id) if link.id not in ledger.dropped
        ),
        removed_links=tuple(sorted(ledger.dropped)),
        open_items=tuple(_counted(item, prior.get(item.id)) for _, item in sorted(ledger.items.items())),
        closed_items=tuple(sorted(set(closing) - set(ledger.items))),
        tombstones=tuple(stone for _, stone in sorted(ledger.stones.items())),
        removed_tombstones=tuple(sorted({stone for part in plan.parts for stone in part.expired} - set(ledger.stones))),
        coverages=tuple(coverage for part in plan.parts for coverage in part.coverages),
        applied=tuple(ledger.applied),
    )


def _counted(item: OpenItem, prior: OpenItem | None) -> OpenItem:
    """Carry on the count and the first date of what was open already for the same reason."""
    if prior is None or prior.reason != item.reason:
        return item
    since = item.since if item.reason == "outcome.unknown" else prior.since
    return attrs.evolve(item, since=since, count=prior.count + 1)


def _set_aside(ledger: _Ledger, part: Part, action: Action) -> None:
    """Keep what a person took out of the plan open, so that the next plan finds it again."""
    match action:
        case Create() | Update() | Delete():
            _open(ledger, part, action, "outcome.not_tried", "")
        case Skip() | Conflict() | Reject():
            _keep_open(ledger, part, action)
        case Link() | Unlink():  # the last kind
            link = ledger.links.pop(action.link)
            ledger.dropped.discard(link.id)
            if (asleep := _became_another(action, link)) is not None:
                ledger.links[link.id] = asleep
            # A new pair is found again from its Salesforce row; of a known one both rows are read again.
            subject = action.subject if link.rev > 0 else f"{_ROW_OF_SALESFORCE}{link.salesforce_id}"
            _open(ledger, part, attrs.evolve(action, subject=subject), "outcome.not_tried", "")
    _untouch(ledger, action)


def _became_another(action: Link | Unlink, link: LinkRecord) -> LinkRecord | None:
    """Give a link whose record became another one as it sleeps while a person lets it neither move nor end.

    What became of the record is told once: without it, the record would count as deleted at the next look.
    """
    match action:
        case Unlink() if action.reason in _BECAME_ANOTHER:
            return attrs.evolve(link, life=Life.DORMANT, gone=Side.SALESFORCE)
        case Link() if action.moved_from and link.life is Life.LIVE:
            cause = f"{MERGED_INTO}{link.salesforce_id}"
            asleep = attrs.evolve(link, life=Life.DORMANT, gone=Side.SALESFORCE, cause=cause)
            return asleep.with_side(Side.SALESFORCE, record_id=action.moved_from)
        case _:
            return None


_BECAME_ANOTHER: Final = frozenset({"unlink.merged", "unlink.converted"})  # their links know into which
_ROW_OF_SALESFORCE: Final = f"row:{Side.SALESFORCE.value}:"


def _settle_action(ledger: _Ledger, plan: Plan, part: Part, action: Action, outcome: Outcome | None) -> None:
    match action:
        case Create() | Update() | Delete():
            if outcome is not None and outcome.kind is OutcomeKind.DONE:
                _done(ledger, plan, part, action, outcome)
            else:
                reason = f"outcome.{outcome.kind.value}" if outcome is not None else "outcome.not_tried"
                detail = f"{outcome.code}: {outcome.message}" if outcome is not None and outcome.code else ""
                _open(ledger, part, action, reason, detail)
                _tell(ledger, action, reason.removeprefix("outcome."), outcome)
                if outcome is not None and outcome.kind is OutcomeKind.UNKNOWN:
                    ledger.applied.append(Applied.of(action, None, None, ledger.now, sure=False))
                    _open_unsure(ledger, part, action)
                elif outcome is not None and outcome.kind is OutcomeKind.STALE and outcome.record_id is not None:
                    # It did reach a record, though not the one that was meant: what that held before, nobody knows.
                    ledger.applied.append(Applied.of(action, outcome.record_id, None, ledger.now, sure=False))
                _untouch(ledger, action)
        case Unlink():
            link = ledger.links[action.link]
            ledger.dropped.add(link.id)
            for side in Side if action.survivor is None else (action.survivor,):
                _bury(ledger, link, side, action.reason)
            _tell(ledger, action, "")
        case Skip() | Conflict() | Reject():
            _keep_open(ledger, part, action)
            _tell(ledger, action, "")
        case Link():  # the last kind
            _tell(ledger, action, "")


# The link's own life remembers the first two, the open item of the write itself the others.
_KEPT_ELSEWHERE: Final = frozenset({"deleted.reported", "scope.left", "outcome.quarantine", "refused.unchanged"})
_UNDOING: Final = "undo."  # what cannot be undone is no difference that waits: the person who wanted it was told


def _keep_open(ledger: _Ledger, part: Part, action: Skip | Conflict | Reject) -> None:
    if action.reason not in _KEPT_ELSEWHERE and not action.reason.startswith(_UNDOING):
        _open(ledger, part, action, action.reason, "")


def _untouch(ledger: _Ledger, action: Action) -> None:
    """Forget the link that a create would have made."""
    if isinstance(action, Create):
        del ledger.links[action.link]


def _open(ledger: _Ledger, part: Part, action: Action, reason: str, detail: str) -> None:
    group = mark = ""
    side: Side | None = None
    if isinstance(action, (Skip, Conflict, Reject)):
        group, mark = action.group, action.fingerprint
    elif isinstance(action, (Create, Update, Delete)):
        group, side, mark = _group_written(part, action), action.side, write_fingerprint(action)
    item = OpenItem(
        transfer=part.transfer,
        subject=action.subject,
        group=group,
        reason=reason,
        since=ledger.now,
        fingerprint=mark,
        key=key_parts(action.key),
        detail=detail,
        side=side,
    )
    ledger.items[item.id] = item


def _group_written(part: Part, write: Write) -> str:
    """Name the group that a person decided: each choice is a write of its own, a rule's write is of all groups."""
    link = write.link if write.reason == "update.person" else None
    if link is None:
        return ""
    name = write.changes[0].line
    return part.links[link].fields[name].group or name


def _open_adopted(ledger: _Ledger, action: Write, name: str, state: FieldState) -> None:
    """Keep open what a service made of a value, so that the next plan looks at it even where nothing tells of it."""
    subject, key = f"link:{action.link}", key_parts(action.key)
    item = OpenItem(action.transfer, subject, state.group or name, "rewritten.adopt", ledger.now, key=key)
    ledger.items[item.id] = item


def _open_unsure(ledger: _Ledger, part: Part, action: Write) -> None:
    """Keep what an undo whose answer was lost would have left: seen there later, it is no edit of that side."""
    for group, mark in part.undoing.get(action.id, {}).items():
        item = OpenItem(
            action.transfer,
            action.subject,
            group,
            "undo.unsure",
            ledger.now,
            fingerprint=mark,
            key=key_parts(action.key),
        )
        ledger.items[item.id] = item


def _tell(ledger: _Ledger, action: Action, outcome: str, told: Outcome | None = None, **more: Any) -> None:
    fields: tuple[str, ...] = ()
    match action:
        case Create() | Update() | Delete():
            fields = tuple(change.field for change in action.changes)
        case Skip():
            fields = action.fields
        case Conflict():
            fields = tuple(field.line for field in action.fields)
        case Reject():
            fields = tuple(name for name, _ in action.causes)
        case Link() | Unlink():  # the last kind
            pass
    ledger.lines.append(
        ReportLine(
            action.transfer,
            action.key,
            action.kind,
            action.side if isinstance(action, (Create, Update, Delete, Skip, Reject)) else None,
            action.reason,
            outcome,
            told.code if told else "",
            told.message if told else "",
            (told.fields if told else ()) or (() if isinstance(action, Create) else fields),
            **more,
        )
    )


def _bury(ledger: _Ledger, link: LinkRecord, side: Side, cause: str) -> None:
    record_id = link.record_id(side)
    stone = Tombstone(link.transfer, side, record_id, None if record_id else link.key(side), ledger.now, cause)
    ledger.stones[stone.id] = stone


def _done(ledger: _Ledger, plan: Plan, part: Part, action: Write, outcome: Outcome) -> None:
    link = ledger.links[action.link]
    record_id = None if action.side in part.keyed else normal_id(action.side, outcome.record_id)
    ledger.applied.append(Applied.of(action, record_id, outcome.stored, ledger.now))
    if isinstance(action, Delete):
        ledger.dropped.add(link.id)
        for side in Side:
            _bury(ledger, link, side, action.reason)
        _tell(ledger, action, "done")
        return
    bound = plan.bound_transfer(action.transfer)
    bound_lines: Mapping[str, BoundLine] = bound.lines if bound is not None else {}
    changes = {change.line: change for change in action.changes if change.line}
    # Decided as one value, and settled as one.
    groups = {link.fields[name].group for name, change in changes.items() if change.rule not in LINE_BY_LINE} - {None}
    rewritten: list[str] = []
    fields = dict(link.fields)
    for name, state in link.fields.items():
        if name not in part.lines:
            continue  # it was taken out of the mapping: its state is kept, in case it comes back
        line = WrittenLine(part.lines[name], bound_lines.get(name), action.side, outcome.stored)
        if name in changes:
            fields[name] = written(state, changes[name], line)
            is_adopted = any(value is not UNSET for value in fields[name].seen)
            if is_adopted:
                _open_adopted(ledger, action, name, fields[name])
            if is_adopted or fields[name].rel is Relation.REWRITTEN:
                rewritten.append(changes[name].field)
        elif isinstance(action, Create):
            fields[name] = born(state, line)
        elif state.group in groups:
            fields[name] = agreeing(state, line)
    if isinstance(action, Create):
        link = link.with_side(action.side, record_id=record_id)
    # A service may have rewritten the key: a row without an id is known by nothing else.
    key = bound.key(action.side, {**action.address, **action.values, **(outcome.stored or {})}) if bound else None
    link = link.with_side(action.side, as_of=ledger.now, key=key if isinstance(key, tuple) else UNSET)
    ledger.links[link.id] = attrs.evolve(link, fields=fields, rev=link.rev + 1)
    verified = not any(fields[name].unverified for name in changes)
    _tell(ledger, action, "done", rewritten=tuple(rewritten), verified=verified)
