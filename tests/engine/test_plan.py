"""A plan is a thing: looked at, filtered, decided in, saved, read back, and exactly what it was."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import Context, Coverage, Link, Outcome, Plan, settle
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair
from di_salesforce.testing.strategies import transfers, worlds
from di_salesforce.testing.world import World
from di_salesforce.triggers import ConflictPolicy

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
SECRET = "Ada Lovelace"


@st.composite
def plans(draw: st.DrawFn, /) -> Plan:
    world = draw(worlds(draw(transfers()), rekeys=True, context=Context(allow_empty=frozenset(Side))))
    return world.plan()


def read_back(plan: Plan) -> Plan:
    return Plan.from_dict(json.loads(json.dumps(plan.to_dict())))


def transfer(**settings: Any) -> ObjectTransfer:
    lines = [
        FieldMapping("Email", "EMail", key=True, converter=converters.email()),
        FieldMapping("A", "a"),
        FieldMapping("B", "b"),
    ]
    return ObjectTransfer("t", sobject="Contact", fields=lines, **settings)


def busy(**settings: Any) -> World:
    """A world whose plan has one of nearly everything: create, update, link, conflicts, reject, skip."""
    world = World(transfer(**settings))
    names = {
        (side, key): world.add(
            side,
            {"Email" if side is S else "EMail": key, "A" if side is S else "a": SECRET, "B" if side is S else "b": 1},
        )
        for side in Side
        for key in ("one@test.example", "two@test.example")
    }
    world.one_pass()
    world.edit(S, names[S, "one@test.example"] or "", {"A": "Grace", "B": 2})
    world.edit(D, names[D, "one@test.example"] or "", {"b": 3})
    world.edit(S, names[S, "two@test.example"] or "", {"A": "y"})
    world.edit(D, names[D, "two@test.example"] or "", {"a": "z"})
    world.add(S, {"Email": "new@test.example", "A": "n"})
    world.add(S, {"Email": None})
    world.add(S, {"Email": "meet@test.example", "A": "here"})
    world.add(D, {"EMail": "meet@test.example", "a": "there"})
    return world


# ---------------------------------------------------------------------------------------------- saved and read


@given(plan=plans())
def test_a_plan_survives_saving(plan: Plan) -> None:
    """to_dict and from_dict are exact, through JSON text: equal plan, equal digest, equal text again."""
    back = read_back(plan)
    assert back == plan and back.digest == plan.digest and hash(back) == hash(plan) and bool(back) is bool(plan.actions)
    assert back.actions == plan.actions and back.set_aside == plan.set_aside
    assert json.dumps(back.to_dict()) == json.dumps(plan.to_dict())


@given(plan=plans())
def test_a_plan_that_was_read_back_settles_alike(plan: Plan) -> None:
    """What is remembered of a done write does not depend on whether the plan was saved in between."""
    assert plan.now is not None
    outcomes = {write.id: Outcome.done("7", {**write.values, "Id": "7"}) for write in plan.writes}
    here, there = (settle(one, outcomes, now=plan.now) for one in (plan, read_back(plan)))
    told = [
        [(link.id, {n: (s.base, s.rel) for n, s in link.fields.items()}) for link in one.changed_links]
        for one in (here, there)
    ]
    assert told[0] == told[1]
    assert here.removed_links == there.removed_links and here.open_items == there.open_items


def test_needs_survive_saving() -> None:
    """A plan that still waits for look-ups says so after it was read back."""
    world = busy()
    pair = LinkedPair(world, {S: "", D: ""})
    plan = pair.look(world.snapshot(S, Coverage.CHANGES), world.snapshot(D, Coverage.CHANGES))
    assert plan.needs and read_back(plan).needs == plan.needs


PARTS = ["actions", "links", "set_aside"]


@pytest.mark.parametrize("part", PARTS)
def test_a_tampered_plan_is_refused(part: str) -> None:
    """A saved plan in which anything was changed by hand is not applied."""
    data = json.loads(json.dumps(busy().plan().without(kind="create").to_dict()))
    match part:
        case "actions":
            next(a for a in data["actions"] if a["kind"] == "update")["values"]["a"] = "tampered"
        case "links":
            data["parts"][0]["links"][0]["fields"]["A:a"][0] = ["tampered", "tampered"]
        case _:
            data["set_aside"][0]["values"]["a"] = "tampered"
    with pytest.raises(ConfigurationError):
        Plan.from_dict(data)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "plan"},
        {"kind": "plan", "format": 99},
        {"kind": "plan", "format": 1},
        {"kind": "link", "format": 1},
    ],
)
def test_what_is_no_plan_is_refused(data: dict[str, Any]) -> None:
    """Other data, newer formats and damaged plans are a clear error."""
    with pytest.raises(ConfigurationError):
        Plan.from_dict(data)


def damaged_plans() -> list[Any]:  # JSON data
    """Give saved plans, each damaged in one place."""
    whole = json.dumps(busy().plan().to_dict())
    found: list[Any] = []
    wrong: list[dict[str, Any]] = [
        {"actions": 1},
        {"actions": [1]},
        {"actions": [{"kind": "update"}]},
        {"parts": [{}]},
        {"now": 5},
        {"set_aside": None},
    ]
    found += [{**json.loads(whole), **each} for each in wrong]
    broken = json.loads(whole)
    broken["actions"][0]["key"] = {"$decimal": "no number"}
    return [*found, broken]


@pytest.mark.parametrize("number", range(7))
def test_a_damaged_plan_is_a_configuration_error(number: int) -> None:
    """Whatever is wrong inside, the error is ours, and says that the plan is damaged."""
    with pytest.raises(ConfigurationError, match="the saved plan is damaged") as damaged:
        Plan.from_dict(damaged_plans()[number])
    assert f"({type(damaged.value.__context__).__name__})" in str(damaged.value)


# -------------------------------------------------------------------------------------------------- the digest


@given(plan=plans())
def test_the_digest_ignores_order_time_and_ids(plan: Plan) -> None:
    """Two plans that would do the same have one digest."""
    other = attrs.evolve(
        plan,
        actions=tuple(attrs.evolve(action, id=f"other{i}") for i, action in enumerate(reversed(plan.actions))),
        now=plan.now and plan.now + timedelta(days=1),
    )
    assert other.digest == plan.digest


def test_the_digest_tells_other_values_apart() -> None:
    """A plan that would write another value has another digest."""
    plan = busy().plan()
    update = next(action for action in plan.writes if action.kind == "update")
    changed = attrs.evolve(update, values={**update.values, "a": "other"})
    other = attrs.evolve(plan, actions=tuple(changed if a is update else a for a in plan.actions))
    assert other.digest != plan.digest and other != plan and hash(other) != hash(plan)


@given(plan=plans())
def test_ids_name_one_action_each(plan: Plan) -> None:
    """No two actions of a plan share an id."""
    assert len({action.id for action in plan.actions}) == len(plan.actions)


# --------------------------------------------------------------------------------------------------- filtering

CONDITIONS: list[dict[str, Any]] = [
    {"kind": "create"},
    {"kind": "update"},
    {"kind": "link"},
    {"kind": "conflict"},
    {"side": D},
    {"key": "one@test.example"},
    {"key": "meet@test.example", "kind": "conflict"},
    {"reason": "conflict.first_match"},
    {"transfer": "t"},
    {"transfer": "other"},
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
@pytest.mark.parametrize("how", ["only", "without"])
def test_filters_are_closed_under_dependencies(condition: dict[str, Any], how: str) -> None:
    """Nothing is kept whose new link is set aside; what is not kept is set aside, not forgotten."""
    plan = busy(first_match=ConflictPolicy.SALESFORCE_WINS).plan()
    kept = getattr(plan, how)(**condition)
    assert {a.id for a in kept.actions} | {a.id for a in kept.set_aside} == {a.id for a in plan.actions}
    new_links = {action.link for action in plan.actions if isinstance(action, Link)}
    links_kept = {action.link for action in kept.actions if isinstance(action, Link)}
    assert all(action.link in links_kept for action in kept.actions if action.link in new_links)


def test_only_and_without_are_each_others_rest() -> None:
    """Keeping creates and dropping creates part the plan in two."""
    plan = busy().plan()
    assert {a.id for a in plan.only(kind="create").actions} == {a.id for a in plan.without(kind="create").set_aside}


def test_by_record_id() -> None:
    """A record is found by its key in any spelling, and by its id on either side, 15 characters or 18."""
    world = busy()
    plan = world.plan()
    link = world.baseline.links[0]
    found = plan.only(key=link.salesforce_id).actions
    assert found and found == plan.only(key=link.dialog_insight_id).actions
    assert found == plan.only(key=(link.salesforce_id or "")[:15]).actions
    assert plan.only(key=" ONE@test.example").actions == plan.only(key="one@test.example").actions


# ---------------------------------------------------------------------------------------------------- deciding


def test_resolve_decides_the_fields_that_are_named() -> None:
    """Only conflicts that touch the named fields are decided; the others stay."""
    one = LinkedPair.of(transfer(), {"Email": "k", "A": 1, "B": 1}, {"EMail": "k", "a": 1, "b": 1})
    one.edit(S, A=2, B=2)
    one.edit(D, a=3, b=3)
    plan = one.world.plan().resolve("k", keep=S, fields=["A"])
    assert [dict(write.values) for write in plan.writes] == [{"a": 2}]
    assert [conflict.fields[0].line for conflict in plan.conflicts] == ["B:b"]
    one.world.apply(plan.resolve("k", keep=D))
    assert (one.row(D)["a"], one.row(S)["B"]) == (2, 3)


@pytest.mark.parametrize("verb", ["resolve", "accept"])
def test_deciding_what_is_not_there_is_an_error(verb: str) -> None:
    """No such record, no such field, nothing held: an error that says where to look."""
    plan = busy().plan()
    more = {"keep": S} if verb == "resolve" else {}
    for key, fields in (("nobody", None), ("one@test.example", ["A"]), ("new@test.example", None)):
        with pytest.raises(ConfigurationError, match="conflicts"):
            getattr(plan, verb)(key, fields=fields, **more)


def test_a_decided_plan_survives_saving_and_applies() -> None:
    """A person's decision travels with the saved plan."""
    world = busy()
    plan = read_back(world.plan().resolve("two@test.example", keep=D).accept("one@test.example", fields=["B"]))
    world.apply(plan)
    assert {"z"} == {row["A"] for row in world.rows(S).values() if row["Email"] == "two@test.example"}
    assert not [c for c in world.plan().conflicts if c.matches("one@test.example")]


# ----------------------------------------------------------------------------------------------------- looking


def test_explain_tells_values_and_rules() -> None:
    """Explaining a record names each field, both values, the rule, and what could be done."""
    plan = busy().plan()
    told = plan.explain("one@test.example")
    assert "Grace" in told and "update.changed" in told and "keep Salesforce" in told
    assert {line[:2] for line in told.splitlines()} == {"t:", "  "}, "an action, and what it is about"
    assert "nothing is planned" in plan.explain("nobody@test.example")


def test_the_summary_counts_everything() -> None:
    """The summary has a line for each kind and reason, and says what must still be looked up."""
    world = busy()
    told = world.plan().summary()
    for code in (
        "create.new",
        "update.changed",
        "conflict.both_changed",
        "conflict.first_match",
        "link.key",
        "key.missing",
    ):
        assert code in told
    waiting = LinkedPair(world, {}).look(world.snapshot(S, Coverage.CHANGES), world.snapshot(D, Coverage.CHANGES))
    assert "looked up" in waiting.summary()
    assert Plan.empty().summary() == "nothing to do" and not Plan.empty()


@given(plan=plans())
def test_reprs_hold_no_values(plan: Plan) -> None:
    """Neither a plan nor any part of it shows what a record holds."""
    shown = repr(plan) + "".join(repr(action) for action in plan.actions)
    for action in plan.actions:
        shown += "".join(map(repr, [*getattr(action, "changes", ()), *getattr(action, "proposals", ())]))
        shown += "".join(map(repr, getattr(action, "fields", ()) if action.kind == "conflict" else ()))
    for value in ("a text that", "ada@test.example", "ADA@", "514 555", "2026-05", "French"):
        assert value not in shown


def test_a_notebook_shows_values_only_when_asked() -> None:
    """A plan's own view masks people's data; the other one is asked for by name."""
    plan = busy().plan()
    assert "Grace" not in plan._repr_html_() and "Grace" in plan.unmasked()._repr_html_()


def test_the_report_shows_no_values() -> None:
    """A report, a settlement and a baseline show counts."""
    world = busy()
    settlement = world.apply(world.plan())
    assert settlement is not None
    for shown in (settlement, settlement.report, world.baseline, *settlement.changed_links, *settlement.open_items):
        assert SECRET not in repr(shown) and "Grace" not in repr(shown)
    assert SECRET not in str(settlement.report)
