"""The laws of the engine, as properties over generated transfers, rows, pasts and failures."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import attrs
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import (
    Action,
    Baseline,
    Conflict,
    Context,
    Coverage,
    Create,
    Need,
    Plan,
    Skip,
    Update,
    reconcile,
)
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side, Value, is_blank
from di_salesforce.testing._invariants import check_triggers, normal
from di_salesforce.testing._mirror import mirror_name
from di_salesforce.testing.strategies import change_something, fates, live_one_round, rows, transfers, worlds
from di_salesforce.testing.world import Saving, World
from di_salesforce.triggers import ConflictPolicy, Trigger

HOLD = st.just(ConflictPolicy.HOLD)
CONTEXT = Context(allow_empty=frozenset(Side))  # small worlds lose their last record; the guard has its own test


@st.composite
def some_worlds(
    draw: st.DrawFn,
    /,
    *,
    past: bool = True,
    honest: bool = False,
    rekeys: bool = False,
    **settings: Any,  # of `transfers`
) -> World:
    return draw(worlds(draw(transfers(**settings)), past=past, honest=honest, rekeys=rekeys, context=CONTEXT))


def planned(world: World, **changed: Any) -> Plan:  # arguments of reconcile
    """Plan from complete reads, without the world's own checks, answering look-ups."""
    arguments: dict[str, Any] = {
        "transfer": world.transfer,
        "salesforce": world.snapshot(Side.SALESFORCE),
        "dialog_insight": world.snapshot(Side.DIALOG_INSIGHT),
        "baseline": world.baseline,
        "now": world.now,
        "context": world.context,
        **changed,
    }
    plan = reconcile(**arguments)
    while plan.needs:
        found = {side.value: world.look_up(side, plan.needs[side]) for side in Side}
        plan = plan.supplied(**found)
    return plan


def exact(plan: Plan) -> str:
    return json.dumps(plan.to_dict())


@given(world=some_worlds())
def test_law_1_converges(world: World) -> None:
    """With no edits, full sight and all writes answered, the second plan writes nothing, whatever servers rewrite."""
    event(f"wrote {world.settle_down(most=2)} times")


@given(data=st.data(), world=some_worlds(honest=True, relational=False))
def test_law_1_converges_on_changes_alone(data: st.DataObject, world: World) -> None:
    """Gap-free changes on both sides see all that a complete read sees: after them, it finds nothing to write."""

    def by_changes(world: World) -> Plan:
        plan = world.plan(*(world.snapshot(side, Coverage.CHANGES) for side in Side))
        world.apply(plan)
        return plan

    world.settle_down(most=2)
    for side in Side:
        for name in data.draw(st.lists(st.sampled_from(sorted(world.rows(side)) or [""]), max_size=2)):
            change_something(data.draw, world, side, name)
    event(f"wrote {world.settle_down(by_changes, most=3)} times")
    assert not world.plan().writes


@given(world=some_worlds(past=False))
def test_law_2_the_same_input_gives_the_same_plan(world: World) -> None:
    """Planning twice gives the same plan, byte for byte."""
    assert exact(planned(world)) == exact(planned(world))


@given(data=st.data(), world=some_worlds(rekeys=True))
def test_law_2_does_not_depend_on_any_order(data: st.DataObject, world: World) -> None:
    """Rows and memory in any order give the same plan, byte for byte."""
    coverage = data.draw(st.sampled_from([Coverage.COMPLETE, Coverage.CHANGES]))
    shots = {side.value: world.snapshot(side, coverage) for side in Side}
    shuffled = {name: attrs.evolve(shot, rows=data.draw(st.permutations(shot.rows))) for name, shot in shots.items()}
    memory = Baseline.from_dicts(data.draw(st.permutations(world.baseline.to_dicts())))
    assert exact(planned(world, **shuffled, baseline=memory)) == exact(planned(world, **shots))


@given(world=some_worlds(rekeys=True))
def test_law_2_the_digest_leaves_out_when(world: World) -> None:
    """The same situation an hour later has the same digest."""
    first = planned(world)
    world.rest()
    assert planned(world).digest == first.digest


@given(world=some_worlds(rekeys=True))
def test_law_3_nothing_is_lost(world: World) -> None:
    """Every difference and every record is exactly one of written, noted, held, skipped, rejected, waiting."""
    assert world.unaccounted(world.plan()) == []


@given(world=some_worlds(rekeys=True))
def test_law_3_every_write_names_its_rule_and_what_it_replaces(world: World) -> None:
    """A value that an update replaces stands in it as before-image, with the name of a rule."""
    for write in world.plan().writes:
        now = world.rows(write.side).get(world.sides[write.side].find(write.record_id, write.address), {})
        for change in write.changes:
            assert change.rule
            if not isinstance(write, Create):
                assert change.before == now[change.field] == write.based_on[change.field]


@given(
    world=some_worlds(rekeys=True), triggers=st.integers(0, Trigger.ALL.value).map(Trigger), keep=st.sampled_from(Side)
)
def test_law_4_obeys_the_triggers(world: World, triggers: Trigger, keep: Side) -> None:
    """No plan holds a write that the triggers forbid, nor does one in which a person has decided every conflict."""
    transfer = attrs.evolve(world.transfer, triggers=triggers)
    plan = planned(world, transfer=transfer)
    check_triggers(transfer, plan)
    for conflict in plan.conflicts:
        try:
            decided = plan.resolve(conflict.salesforce_id or conflict.key, keep=keep)
        except ConfigurationError:
            event("a value that cannot be kept")
        else:
            check_triggers(transfer, decided)


@given(world=some_worlds(rekeys=True))
def test_law_5_minimal(world: World) -> None:
    """An update sends only fields that change, each to a value that is not there yet; a create sends no blanks."""
    lines = {line.name: line for line in world.transfer.lines}
    for write in world.plan().writes:
        assert dict(write.values) == {change.field: change.after for change in write.changes if write.kind != "delete"}
        for change in write.changes:
            if isinstance(write, Create):
                assert not is_blank(change.after)
            elif isinstance(write, Update):
                line = lines[change.line]
                there = world.rows(write.side)[world.sides[write.side].find(write.record_id, write.address)][
                    change.field
                ]
                assert normal(line, write.side, there) != normal(line, write.side, change.after)


# ------------------------------------------------------------------------------------------------- 6: symmetry


def seen_in_the_mirror(plan: Plan, *, mirrored: bool) -> Counter[str]:
    """Give a plan's actions and needs as a set without order, each in words that the mirror can turn around."""
    if not mirrored:
        return Counter(
            [*map(repr, map(_told, plan.actions)), *(repr((side.value, _need(need))) for side, need in plan.needs)]
        )
    told = [*(_turned(_told(action)) for action in plan.actions)]
    return Counter([*map(repr, told), *(repr((side.other.value, _need(need))) for side, need in plan.needs)])


def _need(need: Need) -> tuple[str | None, Any]:  # a key: a value, or a tuple of values
    return need.record_id, need.key


def _told(action: Action) -> dict[str, Any]:  # plain words
    side = getattr(action, "side", None)
    told: dict[str, Any] = {
        "kind": action.kind,
        "reason": action.reason,
        "ids": (action.salesforce_id, action.dialog_insight_id),
        "side": side.value if side is not None else None,
    }
    match action:
        case Create() | Update():
            told["changes"] = sorted(
                (mirror_safe(c.line), c.rule, repr(c.before), repr(c.after)) for c in action.changes
            )
        case Conflict():
            told["fields"] = sorted(
                (mirror_safe(f.line), repr(f.salesforce), repr(f.dialog_insight)) for f in action.fields
            )
            told["proposals"] = sorted((p.keep.value, p.refusal, len(p.changes)) for p in action.proposals)
        case Skip():
            told["fields"] = sorted(map(mirror_safe, action.fields))
        case _:
            pass
    return told


def mirror_safe(line: str) -> str:
    """Name a line in a way that its mirror shares."""
    return min(line, mirror_name(line))


def _turned(told: dict[str, Any]) -> dict[str, Any]:
    turned = {**told, "ids": told["ids"][::-1], "side": told["side"] and Side(told["side"]).other.value}
    if told["kind"] == "conflict":
        turned["fields"] = sorted((line, there, here) for line, here, there in told["fields"])
        turned["proposals"] = sorted((Side(keep).other.value, why, count) for keep, why, count in told["proposals"])
    return turned


@given(data=st.data(), transfer=transfers(relational=False, optins=False))
def test_law_6_symmetric(data: st.DataObject, transfer: ObjectTransfer) -> None:
    """The plan of the mirrored world is the mirrored plan, equal as a set, whatever happened before."""
    world = World(transfer, context=CONTEXT)
    mirrored = world.mirrored()
    names: dict[Side, list[str]] = {side: [] for side in Side}
    for side in Side:
        for row in data.draw(st.lists(rows(transfer, side), max_size=4)):
            name = world.add(side, row)
            assert mirrored.add(side.other, row) == name
            names[side] += [name] if name else []
    for _ in range(data.draw(st.integers(0, 2))):
        plans = world.one_pass(), mirrored.one_pass()
        assert seen_in_the_mirror(plans[0], mirrored=False) == seen_in_the_mirror(plans[1], mirrored=True)
        for side in Side:
            for name in data.draw(st.lists(st.sampled_from(sorted(world.rows(side)) or [""]), max_size=2, unique=True)):
                _change_both(data, (world, mirrored), side, name)
    plans = world.plan(), mirrored.plan()
    assert seen_in_the_mirror(plans[0], mirrored=False) == seen_in_the_mirror(plans[1], mirrored=True)


def _change_both(data: st.DataObject, pair: tuple[World, World], side: Side, name: str) -> None:
    world, mirrored = pair
    if not name:
        return
    if data.draw(st.integers(0, 7)) == 0:
        world.remove(side, name)
        mirrored.remove(side.other, name)
        return
    row = data.draw(rows(world.transfer, side))
    field = data.draw(st.sampled_from(sorted(row)))
    assert world.edit(side, name, {field: row[field]}) == mirrored.edit(side.other, name, {field: row[field]})


# ------------------------------------------------------------------------------------------------ 7, 8: locality


@given(world=some_worlds(honest=True))
def test_law_7_local(world: World) -> None:
    """A pair of records with a key of its own changes nothing of what is planned for the others."""
    before = planned(world)
    stranger: dict[str, Value] = {
        line.name: 99 if line.converter == converters.integer() else "zoe@test.example"
        for line in world.transfer.key_lines
    }
    for side in Side:
        world.add(side, {line.field(side): stranger[line.name] for line in world.transfer.key_lines})
    after = planned(world)
    others = [action for action in after.actions if not action.matches(tuple(stranger.values()))]
    assert [_told(action) for action in others] == [_told(action) for action in before.actions]


@given(world=some_worlds(first_match=HOLD, optins=False))
def test_law_8_conservative_without_a_baseline(world: World) -> None:
    """With nothing remembered, nothing is deleted or overwritten, and rows that agree are linked."""
    plan = planned(world, baseline=Baseline.empty())
    assert {write.kind for write in plan.writes} <= {"create"}
    linked = [action for action in plan.actions if action.kind == "link"]
    for action in linked:
        assert (action.salesforce_id in world.rows(Side.SALESFORCE)) and action.reason == "link.key"


@given(data=st.data(), world=some_worlds(first_match=HOLD, optins=False))
def test_law_8_conservative_with_an_older_baseline(data: st.DataObject, world: World) -> None:
    """With an older memory that is not trusted, nothing is deleted or overwritten; what agrees is noted."""
    older = world.baseline
    live_one_round(data.draw, world, fates())
    world.rest()
    plan = planned(world, baseline=older.distrust())
    assert {write.kind for write in plan.writes} <= {"create"}


# ---------------------------------------------------------------------------------------------------- 9: quiet


@given(world=some_worlds())
def test_law_9_quiet(world: World) -> None:
    """Once settled, the same situation is told in the same words, and what nobody tells is counted as known."""
    world.settle_down(most=2)
    plan = world.plan()
    world.apply(plan)
    again = world.plan()
    assert again.digest == plan.digest
    assert world.unaccounted(again) == []


@pytest.mark.parametrize("side", Side)
def test_law_9_a_field_that_is_kept_rewriting_is_held_within_three_rounds(side: Side) -> None:
    """Two systems that rewrite each other's value are stopped after three rounds, and a quiet round forgives."""
    transfer = ObjectTransfer(
        "t",
        sobject="T",
        fields=[FieldMapping("Key", "key", key=True), FieldMapping("A", "a", converter=converters.integer())],
    )
    world = World(transfer)
    names = {each: world.add(each, {line.field(each): "k" for line in transfer.key_lines}) or "" for each in Side}
    world.settle_down()
    value = 0

    def rewrite(on: Side) -> list[Any]:  # the plan's actions
        nonlocal value
        value += 1
        world.edit(on, names[on], {transfer.lines[1].field(on): value})
        return list(world.one_pass().actions)

    assert isinstance(rewrite(side)[0], Update)
    for round_ in range(3):
        on = side.other if round_ % 2 == 0 else side
        kinds = [action.kind for action in rewrite(on)]
        assert kinds == (["update"] if round_ < 2 else ["conflict"])
    held = world.plan().conflicts[0]
    assert held.reason == "conflict.unsettled"
    world.apply(world.plan().resolve("k", keep=side))
    assert not world.one_pass().actions
    assert isinstance(rewrite(side.other)[0], Update), "a quiet observation starts the count afresh"


# ------------------------------------------------------------------------------------------------ 10: crash-safe


def _end_state(world: World) -> dict[Side, Counter[str]]:
    """Give what both sides hold, without the numbers of the records."""
    return {
        side: Counter(
            repr(sorted((field, repr(value)) for field, value in row.items() if field != world.transfer.id_field(side)))
            for row in world.rows(side).values()
        )
        for side in Side
    }


@given(data=st.data(), transfer=transfers(first_match=HOLD, optins=False), failures=st.integers(1, 4))
def test_law_10_crash_safe(data: st.DataObject, transfer: ObjectTransfer, failures: int) -> None:
    """Stop anywhere, lose any answer, run again: both sides end as if nothing had failed; nothing is there twice."""
    saving = dict.fromkeys(Side, Saving(unique_key=data.draw(st.booleans())))
    context = attrs.evolve(CONTEXT, retry_refused=True)  # refusals here are a server's mood, not the record's fault
    worlds_ = World(transfer, saving, context), World(transfer, saving, context)
    for side in Side:
        for row in data.draw(st.lists(rows(transfer, side), max_size=4)):
            for world in worlds_:
                world.add(side, row)
    clean, broken = worlds_
    for _ in range(data.draw(st.integers(0, 1))):
        for world in worlds_:
            world.settle_down(most=2)
        for side in Side:
            for name in data.draw(st.lists(st.sampled_from(sorted(clean.rows(side)) or [""]), max_size=2, unique=True)):
                _edit_both(data, worlds_, side, name)
    clean.settle_down(most=2)
    for _ in range(failures):
        plan = broken.plan()
        crash = data.draw(st.booleans())
        chosen = {write.id: data.draw(fates(late=not crash)) for write in plan.writes}
        broken.apply(plan, lambda write: chosen[write.id], crash=crash)  # noqa: B023 - called at once
        broken.tick(data.draw(st.sampled_from([1, 20, 90])))
    broken.rest()
    broken.settle_down(most=3)
    assert _end_state(broken) == _end_state(clean)


def _edit_both(data: st.DataObject, both: tuple[World, World], side: Side, name: str) -> None:
    row = data.draw(rows(both[0].transfer, side))
    field = data.draw(st.sampled_from(sorted(set(row) - {line.field(side) for line in both[0].transfer.key_lines})))
    for world in both:
        if name:
            world.edit(side, name, {field: row[field]})
