"""What stops a plan before anything is written: limits, sides that came back empty, rows that cannot be named."""

from __future__ import annotations

from typing import Any

import pytest

from di_salesforce.engine import Context, EngineCapabilities, Limits, Snapshot
from di_salesforce.exceptions import ConfigurationError, EmptySideError, GuardError, Problem
from di_salesforce.records import Side
from di_salesforce.testing._pairs import ORDERS, LinkedPair, contacts, linked, plan_of, row
from di_salesforce.testing.world import World
from di_salesforce.triggers import Deletes

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT

# -------------------------------------------------------------------------------------------------------- limits

LINKED = 10
COUNTS = {"creates": 3, "deletes": 2, "writes": 9}  # what the plan below would do; the rest are updates


def planned(limits: Limits) -> tuple[Problem, ...]:
    """Plan a few writes of each kind over ten linked records."""
    context = Context(limits=limits, capabilities=EngineCapabilities(deletes=frozenset(Side)))
    world = World(contacts(deletes=Deletes.DELETE), context=context)
    for number in range(LINKED):
        world.add(S, {"Email": f"{number}@test.example", "A": "x"})
        world.add(D, {"EMail": f"{number}@test.example", "a": "x"})
    world.one_pass()
    names = list(world.rows(S))
    for name in names[:2]:
        world.remove(S, name)
    for name in names[2:6]:
        world.edit(S, name, {"A": "y"})
    for number in range(3):
        world.add(D, {"EMail": f"new{number}@test.example"})
    plan = world.plan()
    assert {kind: len(plan.only(kind=kind).actions) for kind in ("create", "delete")} == {"create": 3, "delete": 2}
    assert len(plan.writes) == COUNTS["writes"]
    return plan.guards


@pytest.mark.parametrize("name", COUNTS)
def test_a_plan_may_do_as_much_as_its_limit_and_no_more(name: str) -> None:
    """A limit of as many stops nothing; one less stops the plan, which says how much it would do and may."""
    count = COUNTS[name]
    unlimited: dict[str, Any] = {"deletes_share": None}
    assert planned(Limits(**{**unlimited, name: count})) == ()
    assert planned(Limits(**{**unlimited, name: count - 1})) == (
        Problem("t", f"t would make {count} {name}; the limit is {count - 1}", f"limit.{name}"),
    )


@pytest.mark.parametrize("name", COUNTS)
def test_a_plan_may_touch_as_large_a_share_as_its_limit_and_no_more(name: str) -> None:
    """Likewise of all that is linked."""
    count = COUNTS[name]
    unlimited: dict[str, Any] = {"deletes_share": None}
    assert planned(Limits(**{**unlimited, f"{name}_share": count / LINKED})) == ()
    assert planned(Limits(**{**unlimited, f"{name}_share": (count - 1) / LINKED})) == (
        Problem(
            "t",
            f"t would make {count} {name} among {LINKED} linked records; the limit is {count - 1}0%",
            f"limit.{name}_share",
        ),
    )


def test_one_is_no_share_and_two_are() -> None:
    """In a table of two a single write is half of it, and nothing to be stopped for."""
    for count, codes in ((1, []), (2, ["limit.writes_share"])):
        one = linked(context=Context(limits=Limits(writes_share=0.0)))
        for name in list(one.world.rows(S))[:count]:
            one.world.edit(S, name, {"A": "y"})
        plan = one.world.plan()
        assert [problem.code for problem in plan.guards] == codes
        if codes:
            with pytest.raises(GuardError) as stopped:
                plan.raise_for_guards()
            assert stopped.value.code == codes[0]


def test_many_deletes_stop_a_plan_unasked() -> None:
    """More than a fifth of the links deleted at once is stopped without any setting; it can still be looked at."""
    world = World(contacts(deletes=Deletes.DELETE))
    for number in range(10):
        world.add(D, {"EMail": f"{number}@test.example"})
    world.one_pass()
    for name in list(world.rows(D))[:3]:
        world.remove(D, name)
    plan = world.plan()
    assert [problem.code for problem in plan.guards] == ["limit.deletes_share"]
    assert len(plan.writes) == 3 and f"stopped: {plan.guards[0].message}" in plan.summary()


# ------------------------------------------------------------------------------------------------------ emptied


@pytest.mark.parametrize("side", Side)
def test_a_side_that_came_back_empty_stops_everything(side: Side) -> None:
    """It is no mass delete but a lost permission, unless somebody says that the side may be empty."""
    one = linked()
    empty = {side.value: Snapshot.complete([], as_of=one.world.now)}
    with pytest.raises(EmptySideError, match="2 linked ones") as stopped:
        one.look(**empty)
    assert stopped.value.code == "side.empty"
    one.world.context = Context(allow_empty=frozenset({side.other}))
    with pytest.raises(EmptySideError):
        one.look(**empty)
    one.world.context = Context(allow_empty=frozenset({side}))
    assert len(one.look(**empty).needs[side]) == 2, "each of them is looked up"


def test_what_is_not_linked_or_sleeps_does_not_make_a_side_empty() -> None:
    """Changes may well be none; and where every link is dormant already, nothing is left to be lost."""
    one = LinkedPair.of(contacts(), {"Email": "k"}, {"EMail": "k"}, context=Context(allow_empty=frozenset(Side)))
    for make in (Snapshot.changes, Snapshot.sample):
        one.look(salesforce=make([]))
    one.remove(S)
    one.world.one_pass()
    one.world.context = Context()
    one.look()


# ------------------------------------------------------------------------------------------------- rows without a name


def test_rows_that_cannot_be_named_are_all_told_at_once() -> None:
    """Of each side the first ten, by their place; a relational table has no ids to be missing."""
    wrong = [{"Id": "s", "Email": "k"}, *({"Id": blank, "Email": "k"} for blank in (None, "", *[None] * 10))]
    wrong_there = [{"EMail": "k", "a": "x"}, {"idContact": "", "EMail": "k"}, {"idContact": 0, "EMail": "k"}]
    with pytest.raises(ConfigurationError) as refused:
        plan_of(wrong, wrong_there)
    assert refused.value.problems == (
        *(
            Problem(f"salesforce.rows[{index}]", "has no Id: rows of Salesforce are named by it", "row.no_id")
            for index in range(1, 11)
        ),
        *(
            Problem(
                f"dialog_insight.rows[{index}]",
                "has no idContact: rows of Dialog Insight are named by it",
                "row.no_id",
            )
            for index in range(2)
        ),
    )
    assert str(refused.value).startswith("transfer 't': 12 problems")
    assert plan_of([], [row(D, None)], transfer=ORDERS).actions
