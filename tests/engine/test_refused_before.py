"""A write that the service did not take is not sent again as it is: it would be refused, and be news, at every run."""

from __future__ import annotations

import attrs
import pytest

from di_salesforce.engine import Context, EngineCapabilities, Outcome, Plan, Skip, settle
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair, linked, told
from di_salesforce.triggers import Deletes

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
REFUSED, STALE = Outcome.refused("server.refused", "no"), Outcome.stale()
CAN_DELETE = Context(capabilities=EngineCapabilities(deletes=frozenset(Side)))


def about_to(kind: str) -> LinkedPair:
    """Give a world whose next plan is one write of that kind, to Dialog Insight."""
    one = linked(deletes=Deletes.DELETE, context=CAN_DELETE)
    if kind == "create":
        one.world.add(S, {"Email": "new", "A": "y"})
    elif kind == "update":
        one.edit(S, A="y")
    else:
        one.remove(S)
    return one


def tried(one: LinkedPair, outcome: Outcome | None, times: int = 1) -> Plan:
    """Let the next plan's write end like this, so many times in a row; give the plan after that."""
    for _ in range(times):
        plan = one.world.plan()
        outcomes = {} if outcome is None else {write.id: outcome for write in plan.writes}
        one.world.baseline = one.world.baseline.updated(settle(plan, outcomes, now=one.world.now))
        one.world.tick()
    return one.world.plan()


KINDS = ("create", "update", "delete")
TRIED_AGAIN = [
    *((kind, STALE, 1) for kind in KINDS),  # it was read again: what is planned now is from that
    *((kind, None, 3) for kind in KINDS),  # left out, or not reached: the service never saw it
    ("update", STALE, 3),  # the record moves all the time
    ("delete", STALE, 3),
]
LEFT_ALONE = [
    *((kind, REFUSED, 1) for kind in KINDS),
    ("create", STALE, 2),  # its key is taken by a record that no look-up finds
]


@pytest.mark.parametrize(("kind", "outcome", "times"), TRIED_AGAIN)
def test_a_write_that_may_succeed_is_tried_again(kind: str, outcome: Outcome | None, times: int) -> None:
    """Only the service's own word stops a write, or a create that met nobody twice."""
    assert told(tried(about_to(kind), outcome, times))[0][0] == kind


@pytest.mark.parametrize(("kind", "outcome", "times"), LEFT_ALONE)
def test_a_write_that_was_not_taken_is_left_alone(kind: str, outcome: Outcome, times: int) -> None:
    """It is told as what it is, stays open as it was, and is sent again on demand."""
    one = about_to(kind)
    (write,) = one.world.plan().writes
    plan = tried(one, outcome, times)
    (skip,) = plan.actions
    assert isinstance(skip, Skip) and skip.id != write.id
    named = ("transfer", "key", "key_text", "subject", "salesforce_id", "dialog_insight_id", "side")
    assert [getattr(skip, name) for name in named] == [getattr(write, name) for name in named]
    assert (skip.reason, skip.link) == ("refused.unchanged", None if kind == "create" else one.link.id)
    assert skip.fields == (("A:a",) if kind == "update" else ())
    before = one.world.baseline.open_items
    one.world.apply(plan)
    assert before and one.world.baseline.open_items == before
    one.world.context = attrs.evolve(CAN_DELETE, retry_refused=True)
    assert [each.kind for each in one.world.plan().writes] == [kind]


@pytest.mark.parametrize("kind", ["create", "update"])
def test_a_write_of_another_value_is_tried(kind: str) -> None:
    """What was refused is that value: the next one is another question."""
    one = about_to(kind)
    tried(one, REFUSED)
    for name, values in list(one.world.rows(S).items()):
        if values["A"] == "y":
            one.world.edit(S, name, {"A": "z"})
    assert [(each.kind, each.values["a"]) for each in one.world.plan().writes] == [(kind, "z")]
