"""A refusal that a merged record's counterpart was given: how it is written into the record that the merge left."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, OptIn, converters
from di_salesforce.engine import Change, Plan, Skip, Update
from di_salesforce.records import Side
from di_salesforce.testing._loop import ONE, Loop
from di_salesforce.testing._pairs import told
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
TWO, THREE = "003000000000002AAA", "003000000000003AAA"
NEWS = FieldMapping("News__c", OptIn("news"), converter=converters.boolean(blank=None))
LINE = NEWS.name


def merged(**person: Any) -> tuple[Loop, Plan]:
    """Give two people who consent, of whom one refuses in Dialog Insight and is then merged into the other."""
    loop = Loop(NEWS)
    for number, name in ((1, ONE), (2, TWO), (3, THREE)):
        loop.salesforce(name, Email=f"p{number}", News__c=True)
        loop.person(number, EMail=f"p{number}", optin_news=True)
    loop.run()
    loop.person(1, optin_news=False)
    if person:
        loop.person(2, **person)
    return loop, loop.plan(loop.merge(ONE, TWO))


@pytest.mark.parametrize("other", [True, None])
def test_a_refusal_replaces_what_the_winner_held_and_says_by_which_rule(other: bool | None) -> None:
    """The write names what it was based on and whose consent stands there; that it waits is told of its field."""
    _, plan = merged(optin_news=other)
    (update,) = [action for action in plan.actions if isinstance(action, Update)]
    assert update.changes == (Change("News__c", True, False, "update.merged", LINE, other),)
    (skip,) = [action for action in plan.actions if isinstance(action, Skip)]
    assert (skip.reason, skip.side, skip.fields, skip.group) == ("merge.refusal", S, (LINE,), NEWS.group_name)
    assert sorted(told(plan)) == [
        ("skip", "merge.refusal"),
        ("unlink", "unlink.merged"),
        ("update", "update.merged"),
    ], "nothing else is decided about the field"


def test_once_salesforce_refuses_the_field_is_decided_as_any_other() -> None:
    """A person refused there before the write came: it is there now, and told as an edit against the flow."""
    loop, plan = merged()
    loop.carry_out(plan.without(kind="update"))
    loop.salesforce(TWO, News__c=False)
    plan = loop.plan()
    assert sorted(told(plan)) == [("skip", "direction.one_way"), ("skip", "tombstone")]
    loop.carry_out(plan)
    assert (loop.rows[S][TWO]["News__c"], loop.rows[D]["2"]["optin_news"]) == (False, True)


def test_a_refusal_that_has_no_word_there_waits() -> None:
    """Salesforce's field cannot say it: nothing is written, and it stays open."""
    only_yes = converters.choice({"Yes": "1"})
    loop = Loop(attrs.evolve(NEWS, converter=only_yes), triggers=Trigger.ALL)
    for number, name in ((1, ONE), (2, TWO), (3, THREE)):
        loop.salesforce(name, Email=f"p{number}", News__c="Yes")
        loop.person(number, EMail=f"p{number}", optin_news="1")
    loop.run()
    loop.person(1, optin_news="0")
    plan = loop.plan(loop.merge(ONE, TWO))
    assert sorted(told(plan)) == [("skip", "merge.refusal"), ("unlink", "unlink.merged")]
    loop.carry_out(plan)
    assert ("skip", "merge.refusal") in loop.run()
