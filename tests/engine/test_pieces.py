"""A plan in pieces: filtered, parted by transfer, joined of several, and with a record forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from di_salesforce import FieldMapping, ObjectTransfer
from di_salesforce.engine import Action, Baseline, Coverage, Link, Needs, Plan, settle
from di_salesforce.engine._showing import ORDER
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair
from di_salesforce.testing.world import World
from di_salesforce.triggers import ConflictPolicy

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


def busy(name: str = "t") -> World:
    """A world whose plan has something of nearly every kind, about records that were linked before and about others."""
    lines = [FieldMapping("Email", "EMail", key=True), FieldMapping("A", "a"), FieldMapping("B", "b")]
    first = ConflictPolicy.SALESFORCE_WINS
    world = World(ObjectTransfer(name, sobject="Contact", fields=lines, first_match=first))
    ids = {
        (side, key): world.add(side, {email: key, one: 1, two: 1}) or ""
        for side, email, one, two in ((S, "Email", "A", "B"), (D, "EMail", "a", "b"))
        for key in ("one", "two", "three", "four")
    }
    world.one_pass()
    world.edit(S, ids[S, "one"], {"A": 2, "B": 2})
    world.edit(D, ids[D, "one"], {"b": 3})
    world.edit(D, ids[D, "two"], {"a": 4})
    world.remove(S, ids[S, "three"])
    world.add(S, {"Email": "new"})
    world.add(D, {"EMail": "new too"})
    world.add(S, {"Email": None})
    world.add(S, {"Email": "meet", "A": 5})
    world.add(D, {"EMail": "meet", "a": 6})
    return world


def waiting(world: World) -> Plan:
    """Plan from changes alone, which ask for the rows of the others, and answer nothing."""
    return LinkedPair(world, {}).look(world.snapshot(S, Coverage.CHANGES), world.snapshot(D, Coverage.CHANGES))


def ids(actions: Iterable[Action]) -> set[str]:
    return {action.id for action in actions}


# ------------------------------------------------------------------------------------------------------ filtered

CONDITIONS = ("kind", "side", "key", "transfer", "reason")


@pytest.mark.parametrize(
    "names", [names for count in (1, 2) for names in itertools.combinations(CONDITIONS, count)], ids="+".join
)
def test_a_filter_takes_what_satisfies_every_condition(names: tuple[str, ...]) -> None:
    """`only` keeps these and the links they stand on, `without` sets these aside and what stands on such a link."""
    plan = Plan.joined([busy("t").plan(), busy("u").plan()])
    for asked in plan.actions:
        condition: dict[str, Any] = {name: getattr(asked, name, None) for name in names}
        if condition.get("side", S) is None:
            continue  # no condition
        chosen = [a for a in plan.actions if all(getattr(a, name, None) == v for name, v in condition.items())]
        kept, left = plan.only(**condition), plan.without(**condition)
        for piece in (kept, left):
            assert piece.actions == tuple(action for action in plan.actions if action not in piece.set_aside)
            assert piece.set_aside == tuple(action for action in plan.actions if action not in piece.actions)
        assert ids(chosen) <= ids(kept.actions) and ids(chosen) <= ids(left.set_aside)
        stood_on = [action for action in kept.actions if action.id not in ids(chosen)]
        assert all(isinstance(a, Link) and a.link in {each.link for each in chosen} for a in stood_on)
        standing = [action for action in left.set_aside if action.id not in ids(chosen)]
        assert all(a.link in {each.link for each in chosen if isinstance(each, Link)} for a in standing)


VERBS: dict[str, Callable[[Plan], Plan]] = {
    "only": lambda plan: plan.only(kind="update"),
    "without": lambda plan: plan.without(kind="update"),
    "only_transfer": lambda plan: plan.only_transfer("t"),
    "forgetting": lambda plan: plan.forgetting([plan.actions[0].id]),
    "resolve": lambda plan: plan.resolve("one", keep=S),
    "accept": lambda plan: plan.accept("one"),
    "joined": lambda plan: Plan.joined([plan]),
    "read back": lambda plan: Plan.from_dict(plan.to_dict()),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_plan_that_is_not_as_it_was_made_is_not_planned_again(verb: str) -> None:
    """Planned again it would lose what was taken out of it or decided in it: it says so."""
    plan = VERBS[verb](busy().plan())
    for again in (plan.supplied, lambda: plan.resolve_matches([])):
        with pytest.raises(ConfigurationError, match="no longer has its inputs"):
            again()


# -------------------------------------------------------------------------------------------------------- joined


def test_a_joined_plan_is_all_of_each() -> None:
    """It has the actions, what was set aside, the needs, the parts and the transfers of each, and is of the latest."""
    other = busy("u")
    other.rest()
    one, two = busy("t").plan().without(kind="create"), waiting(other)
    assert one.now is not None and two.now is not None and two.now - one.now > timedelta()
    joined = Plan.joined([one, two])
    for name in ("actions", "set_aside", "parts"):
        assert getattr(joined, name) == (*getattr(one, name), *getattr(two, name)), name
    assert one.set_aside and two.needs.salesforce and two.needs.dialog_insight
    assert (joined.needs, joined.now, len(joined)) == (two.needs, two.now, len(one) + len(two))
    for plan, name in ((one, "t"), (two, "u")):
        assert joined.bound_transfer(name) is plan.bound_transfer(name) is not None


def test_a_joined_plan_asks_for_all_that_each_asks_for() -> None:
    """None of the look-ups is lost."""
    one, two = waiting(busy("t")), waiting(busy("u"))
    joined = Plan.joined([one, two]).needs
    assert joined == Needs(
        salesforce=[*one.needs.salesforce, *two.needs.salesforce],
        dialog_insight=[*one.needs.dialog_insight, *two.needs.dialog_insight],
    )


@pytest.mark.parametrize("plan", [busy().plan, lambda: busy().plan().only(kind="link"), lambda: waiting(busy())])
def test_a_plan_joined_of_one_is_that_plan(plan: Callable[[], Plan]) -> None:
    """And one that is joined of none does nothing."""
    one = plan()
    assert Plan.joined([one]) == one
    assert Plan.joined([]) == Plan.empty() == Plan.from_dict(Plan.empty().to_dict())


def test_a_piece_of_a_joined_plan_is_the_plan_of_one_transfer() -> None:
    """Two plans joined and taken apart again have what each had, without what the other has."""
    plans = [busy(name).plan().without(kind="update") for name in ("t", "u")]
    joined = Plan.joined(plans)
    for plan in plans:
        assert joined.only_transfer(plan.parts[0].transfer) == plan


# ------------------------------------------------------------------------------------------------------ forgotten


def remembered(memory: Baseline, subject: str) -> tuple[Any, ...]:  # a link, items
    items = [item for item in memory.open_items.values() if item.subject == subject]
    return memory.link(subject.removeprefix("link:")), items


@pytest.mark.parametrize("taken_out", ["nothing", *ORDER])
@pytest.mark.parametrize("by", ["action", "link"])
def test_forgetting_a_record_changes_nothing_else(by: str, taken_out: str) -> None:
    """Of a forgotten record what was remembered stays as it was; of all others all is settled as the plan would.

    So it is whether something of it was taken out of the plan before or not.
    """
    world = busy()
    world.apply(world.plan().without(kind="link"))  # so that much is open already
    world.add(S, {"Email": "newer"})
    for side, field in ((S, "A"), (D, "a")):
        world.edit(side, next(iter(world.rows(side))), {field: "again"})
    plan, before = world.plan().without(kind=taken_out), world.baseline
    after = before.updated(settle(plan, {}, now=world.now))
    every = (*plan.actions, *plan.set_aside)
    subjects = {action.subject for action in every} | {f"link:{link.id}" for link in after.links}
    assert plan.forgetting() is plan
    for action in every:
        if by == "link" and action.link is None:
            continue
        piece = plan.forgetting([action.id]) if by == "action" else plan.forgetting(links=[action.link or ""])
        about = [each for each in every if each is action or (each.link is not None and each.link == action.link)]
        assert (*piece.actions, *piece.set_aside) == tuple(each for each in every if each not in about)
        gone = {each.subject for each in about} | {f"link:{action.link}"}
        forgot = before.updated(settle(piece, {}, now=world.now))
        for subject in subjects:
            assert remembered(forgot, subject) == remembered(before if subject in gone else after, subject)
