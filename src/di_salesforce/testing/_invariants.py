"""What must hold at every plan and every settlement of a `World`; a breach is an `AssertionError` that names it.

The three invariants of the engine: *no blind write* (a write's before-image is what the last look at the field found),
*no orphan value* (what was seen of a live pair is remembered), *the base moves only by the settling table*.  Written
apart from the engine, from its documented rules alone: nothing of its decisions may be imported here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import attrs

from di_salesforce.converters import AS_IS
from di_salesforce.engine import (
    Action,
    Conflict,
    Coverage,
    Create,
    Life,
    Link,
    Outcome,
    OutcomeKind,
    Reject,
    Relation,
    Skip,
    Unlink,
    Update,
)
from di_salesforce.exceptions import ConversionError
from di_salesforce.records import UNSET, Side, UnsetType, is_blank
from di_salesforce.triggers import Trigger

if TYPE_CHECKING:
    from di_salesforce.engine import Baseline, FieldState, LinkRecord, Plan, Snapshot, Write
    from di_salesforce.mapping import FieldMapping, ObjectTransfer
    from di_salesforce.records import Row, Value
    from di_salesforce.testing.world import World

__all__ = ["Looks", "agree", "agree_here", "check_memory", "check_plan", "check_triggers", "normal", "unaccounted"]


def normal(line: FieldMapping, side: Side, value: Value) -> Hashable:
    """Give a value's normal form on its own side; a value outside the domain is equal to nothing but itself."""
    try:
        return (line.converter or AS_IS).normal(side, value)
    except ConversionError:
        return ("raw", repr(value))


def agree(line: FieldMapping, salesforce: Value, dialog_insight: Value) -> bool:
    """Tell whether two values are the same one, by the rule of the line's direction (not for translated lookups)."""
    converter = line.converter or AS_IS
    values = {Side.SALESFORCE: salesforce, Side.DIALOG_INSIGHT: dialog_insight}
    for to in Side:
        if not line.flows.allows(to):
            continue
        try:
            if converter.normal(to, converter.convert(values[to.other], to=to)) == converter.normal(to, values[to]):
                return True
        except ConversionError:
            continue
    return False


def agree_here(world: World, line: FieldMapping, salesforce: Value, dialog_insight: Value) -> bool:
    """Tell whether two values are the same one; a lookup's, by the links of the transfer that it refers to."""
    if line.references is None:
        return agree(line, salesforce, dialog_insight)
    if is_blank(salesforce) or is_blank(dialog_insight):
        return is_blank(salesforce) and is_blank(dialog_insight)
    parent = world.context.links[line.references].find(Side.SALESFORCE, str(salesforce))
    return parent is not None and parent.life is Life.LIVE and parent.dialog_insight_id == str(dialog_insight)


_Place: TypeAlias = tuple[Side, str, str]  # side, name of the record, field


def _places() -> dict[_Place, tuple[int, bool]]:
    return {}


@attrs.define(repr=False)
class Looks:
    """When each field of each record was last looked at, in seconds of the world's time.

    A write whose stored row was not told is a look with closed eyes: what was seen before counts no more.
    """

    _at: dict[_Place, tuple[int, bool]] = attrs.field(factory=_places)  # when, and with open eyes

    def note(self, world: World, side: Side, snapshot: Snapshot) -> None:
        """Take a snapshot into account: gap-free changes are a look at every record."""
        seconds = world.second_of(snapshot.as_of or world.now)
        changes = snapshot.coverage is Coverage.CHANGES
        rows = world.sides[side].rows_at(seconds).values() if changes else snapshot.rows
        self.note_rows(world, side, rows, seconds)

    def note_rows(self, world: World, side: Side, rows: Iterable[Row], seconds: int) -> None:
        """Take rows into account that were read at that second."""
        for row in rows:
            self._note(side, world.sides[side].name(row), row, seconds)

    def note_write(self, world: World, write: Write, outcome: Outcome) -> None:
        """Take an answer into account."""
        if outcome.kind is not OutcomeKind.DONE:
            return
        server, told = world.sides[write.side], outcome.stored
        if told is None:
            name = server.find(write.record_id or outcome.record_id, write.address)
            self._note(write.side, name, write.values, world.seconds, open_eyes=False)
        else:
            self._note(
                write.side, server.name(told), told if isinstance(write, Create) else write.values, world.seconds
            )

    def _note(self, side: Side, name: str, fields: Iterable[str], seconds: int, *, open_eyes: bool = True) -> None:
        for field in fields:
            place = (side, name, field)
            if self._at.get(place, (seconds, True))[0] <= seconds:
                self._at[place] = (seconds, open_eyes)

    def at(self, side: Side, name: str, field: str) -> int | None:
        """When the field was last looked at; None: never, or not since it was written with closed eyes."""
        seconds, open_eyes = self._at.get((side, name, field), (0, False))
        return seconds if open_eyes else None

    def copy(self) -> Looks:
        """Give an independent copy."""
        return Looks(dict(self._at))


def check_plan(world: World, plan: Plan, looks: Looks, taken: Mapping[Side, datetime]) -> None:
    """Check that no write is blind: before-images are what was seen, and no created key was there all along."""
    lines = {(side, line.field(side)): line for side in Side for line in world.transfer.lines}
    for write in plan.writes:
        if isinstance(write, Create):
            _check_create(world, write, world.second_of(taken[write.side]))
            continue
        name = world.sides[write.side].find(write.record_id, write.address)
        for field, before in write.based_on.items():
            look = looks.at(write.side, name, field)
            if look is None:
                continue  # nobody has looked since we wrote it ourselves
            there = world.sides[write.side].rows_at(look).get(name, {}).get(field)
            line = lines[write.side, field]
            if normal(line, write.side, there) != normal(line, write.side, before):
                raise AssertionError(
                    f"blind write to {write.side.label} {name}.{field}: based on {before!r}, last seen as {there!r}"
                )
        for change in write.changes:
            if not change.rule:
                raise AssertionError(f"a value of {change.field} is replaced without the name of a rule")
            if not (isinstance(change.before, UnsetType) or change.field in write.based_on):
                raise AssertionError(
                    f"the write of {change.field} says what it replaces, but does not ask the server to check it"
                )


def _check_create(world: World, write: Create, taken: int) -> None:
    server = world.sides[write.side]
    key = server.key(write.values)
    then = {name for name, row in server.rows_at(taken).items() if key is not None and server.key(row) == key}
    now = {name for name, row in server.rows.items() if server.key(row) == key}
    if then & now:
        raise AssertionError(
            f"a record with the key {key} would be created in {write.side.label}, where {then & now} had it all along"
        )


_CREATED = {Side.SALESFORCE: Trigger.SALESFORCE_CREATED, Side.DIALOG_INSIGHT: Trigger.DIALOG_INSIGHT_CREATED}
_UPDATED = {Side.SALESFORCE: Trigger.SALESFORCE_UPDATED, Side.DIALOG_INSIGHT: Trigger.DIALOG_INSIGHT_UPDATED}


def check_triggers(transfer: ObjectTransfer, plan: Plan) -> None:
    """Check that a plan holds no create or update that the triggers forbid, nor one against a direction."""
    flows = {line.name: line.flows for line in transfer.lines}
    for write in plan.writes:
        source = write.side.other
        if isinstance(write, Create) and _CREATED[source] not in transfer.allowed:
            raise AssertionError(f"a forbidden create in {write.side.label}")
        if isinstance(write, Update) and _UPDATED[source] not in transfer.allowed:
            raise AssertionError(f"a forbidden update in {write.side.label}")
        if isinstance(write, (Create, Update)):
            against = [c.line for c in write.changes if c.line and not flows[c.line].allows(write.side)]
            if against:
                raise AssertionError(f"{against} do not flow towards {write.side.label}")


def check_memory(world: World, plan: Plan, before: Baseline, outcomes: Mapping[str, Outcome]) -> None:
    """Check what is remembered after a settlement: no value that was seen is lost, and no base moved by itself."""
    # A record that is held as a whole is read again before anything flows, so its memory may wait.
    held = {action.link for action in plan.actions if isinstance(action, (Skip, Conflict)) and not action.fields}
    done: dict[str | None, list[Write]] = {}
    for write in plan.writes:
        if _is_done(outcomes.get(write.id)):
            done.setdefault(write.link, []).append(write)
    old = {link.id: link for link in before.links}
    for link in world.baseline.links:
        if link.life is Life.LIVE and link.id not in held:
            _check_no_orphan(world, link)
        _check_moves(world, link, old.get(link.id), done.get(link.id, []))


def _is_done(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.kind is OutcomeKind.DONE


def _seen(world: World, link: LinkRecord, side: Side, line: FieldMapping) -> Value | UnsetType:
    """Give what the last look found of one field of a linked record."""
    name = world.name_of(side, link)
    look = world.looks.at(side, name, line.field(side))
    row = None if look is None else world.sides[side].rows_at(look).get(name)
    return UNSET if row is None else row.get(line.field(side), UNSET)


def _check_no_orphan(world: World, link: LinkRecord) -> None:
    for line in world.transfer.lines:
        state = link.fields.get(line.name)
        for side in Side:
            value = _seen(world, link, side, line)
            if state is None or isinstance(value, UnsetType):
                continue
            kept = state.seen_of(side)
            effective = state.of(side) if isinstance(kept, UnsetType) else kept
            if isinstance(effective, UnsetType):
                raise AssertionError(  # noqa: TRY004 - the type stands for "nothing"
                    f"{line.name}: {side.label} holds {value!r}, and nothing is remembered"
                )
            if normal(line, side, effective) != normal(line, side, value):
                raise AssertionError(f"{line.name}: {side.label} holds {value!r} and {effective!r} is remembered of it")


def _check_moves(world: World, link: LinkRecord, old: LinkRecord | None, done: list[Write]) -> None:
    groups = {line.name: line.group_name for line in world.transfer.lines}
    moved_by_write = {groups[change.line] for write in done for change in write.changes if change.line}
    created = any(isinstance(write, Create) for write in done)
    for line in world.transfer.lines:
        state = link.fields.get(line.name)
        earlier = old.fields.get(line.name) if old is not None else None
        before = earlier.base if earlier is not None else None
        after = state.base if state is not None else None
        if before is not None and after is None:
            raise AssertionError(f"the base of {line.name} was lost")
        if state is None or after is None or after == before:
            continue
        if created or line.group_name in moved_by_write or line.references is not None:
            continue
        _check_noted(world, link, line, before, state)


def _check_noted(
    world: World, link: LinkRecord, line: FieldMapping, before: tuple[Value, Value] | None, state: FieldState
) -> None:
    """Without a write, a base moves only to what both sides hold: since they agree, or since a person accepted it."""
    base, rel = state.base or (None, None), state.rel
    for side, value, earlier in zip(Side, base, before or (UNSET, UNSET), strict=True):
        if rel is Relation.ACCEPTED and value == earlier:
            continue  # an undo shows to have been done, and what the other side was edited to has not flowed yet
        there = _seen(world, link, side, line)
        if not (isinstance(there, UnsetType) or normal(line, side, there) == normal(line, side, value)):
            raise AssertionError(f"the base of {line.name} moved to {value!r}, but {side.label} holds {there!r}")
    if not (rel is Relation.ACCEPTED or agree(line, *base)):
        raise AssertionError(f"the base of {line.name} moved to {base!r}, which nobody wrote, accepted, or found equal")


def lines_told(transfer: ObjectTransfer, action: Action) -> set[str]:
    """Name the lines that an action speaks about."""
    match action:
        case Update():
            return {change.line for change in action.changes}
        case Conflict() if action.fields:
            return {field.line for field in action.fields}
        case Skip() if action.fields:
            return set(action.fields)
        case Reject() if action.group:
            return {line.name for line in transfer.groups[action.group]}
        case Link() | Unlink():
            return set()
        case _:  # of the whole record
            return {line.name for line in transfer.lines}


def unaccounted(world: World, plan: Plan) -> list[str]:
    """List what a plan made from two complete reads does not account for exactly once, one sentence each."""
    return [*_lost_lines(world, plan), *_lost_rows(world, plan)]


def _lost_lines(world: World, plan: Plan) -> Iterable[str]:
    links = {**{link.id: link for link in world.baseline.links}, **plan.parts[0].links}
    told = Counter((action.link, line) for action in plan.actions for line in lines_told(world.transfer, action))
    for link in links.values():
        pair = world.pair(link)
        if pair is None or link.life is not Life.LIVE:
            continue
        for line in world.transfer.lines:
            values = (pair[0][line.salesforce], pair[1][line.field(Side.DIALOG_INSIGHT)])
            times = told[link.id, line.name]
            known = _is_known(line, link.fields[line.name], values)
            if not agree_here(world, line, *values) and times != 1 and not (times == 0 and known):
                yield f"{line.name} differs ({values[0]!r}, {values[1]!r}) and is told {times} times"


def _is_known(line: FieldMapping, state: FieldState, values: tuple[Value, Value]) -> bool:
    """Tell whether a difference is one that was settled as such, and neither side has moved since."""
    return (
        state.base is not None
        and state.rel is not Relation.AGREED
        and all(
            normal(line, side, value) == normal(line, side, base)
            for side, value, base in zip(Side, values, state.base, strict=True)
        )
    )


def _takes_part(world: World, side: Side, row: Row) -> bool:
    condition = world.transfer.dialog_insight_filter if side is Side.DIALOG_INSIGHT else None
    return world.in_scope(side, row) and (condition is None or condition(row))


def _lost_rows(world: World, plan: Plan) -> Iterable[str]:
    known = {link.id for link in world.baseline.links}
    about_rows = [
        action
        for action in plan.actions
        if action.link is None
        or isinstance(action, Unlink)
        or (isinstance(action, (Create, Link)) and action.link not in known)
    ]
    ended = {link.id for link in plan.parts[0].links.values() if link.life is Life.ENDED}
    for side in Side:
        if world.transfer.id_field(side) is None:
            continue  # a relational row has no name in an action
        linked = {link.record_id(side) for link in world.baseline.links if link.id not in ended}
        told = Counter(
            action.salesforce_id if side is Side.SALESFORCE else action.dialog_insight_id for action in about_rows
        )
        for name, row in world.rows(side).items():
            if told[name] != (0 if name in linked or not _takes_part(world, side, row) else 1):
                yield f"{side.label} {name} is told {told[name]} times"
