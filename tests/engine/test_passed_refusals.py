"""An opt-out given to a merged record's counterpart reaches the record that is left, whatever stands in between."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import attrs
import pytest

from di_salesforce import FieldMapping, OptIn, converters
from di_salesforce.engine import Context, Outcome, Snapshot, settle
from di_salesforce.records import Side
from di_salesforce.testing._loop import Loop

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
NEWS = FieldMapping("News__c", OptIn("news"), converter=converters.boolean())
NAMES = ("003000000000001AAA", "003000000000002AAA", "003000000000003AAA")
ONE, TWO, THREE = NAMES
WAITS = ("skip", "merge.refusal")


def three_people() -> Loop:
    """Give three linked pairs that all consent."""
    loop = Loop(NEWS)
    for number, name in enumerate(NAMES, 1):
        loop.salesforce(name, Email=f"p{number}", News__c=True)
        loop.person(number, EMail=f"p{number}", optin_news=True)
    loop.run()
    return loop


def passed_on(loop: Loop, told: list[tuple[str, str]], name: str) -> bool:
    return any(kind == "update" for kind, _ in told) and loop.rows[S][name]["News__c"] is False


def test_a_refusal_waits_for_a_write_that_may_still_land() -> None:
    """The winner's pair is left alone meanwhile, and the merge is told only once."""
    loop = three_people()
    loop.context = Context(quarantine=dict.fromkeys(Side, timedelta(days=1)))
    loop.person(2, EMail="p2.new")
    plan = loop.plan()
    lost = {write.id: Outcome.unknown() for write in plan.writes}
    loop.baseline = loop.baseline.updated(settle(plan, lost, now=loop.now))
    loop.person(1, optin_news=False)
    told = loop.run(loop.merge(ONE, TWO))
    assert sorted(told) == [WAITS, ("skip", "outcome.quarantine"), ("unlink", "unlink.merged")]
    assert WAITS in loop.run()
    loop.context = Context()
    assert passed_on(loop, loop.run(), TWO)


def test_a_refusal_waits_for_a_pair_that_sleeps() -> None:
    """The winner's own person is gone: when that one is back the refusal is written, were it a year later."""
    loop = three_people()
    person = loop.rows[D].pop("2")
    loop.run()
    loop.person(1, optin_news=False)
    assert sorted(loop.run(loop.merge(ONE, TWO))) == [WAITS, ("unlink", "unlink.merged")]
    assert WAITS in loop.run() and loop.rows[S][TWO]["News__c"] is True
    loop.rows[D]["2"] = person
    assert passed_on(loop, loop.run(), TWO)
    assert loop.run() == [("skip", "tombstone")]


def test_a_refusal_waits_while_the_winner_s_consent_is_no_value() -> None:
    """Nothing is written over what nobody can read, and the refusal is not forgotten for it."""
    loop = three_people()
    loop.person(1, optin_news=False)
    whole = loop.rows[S][TWO]
    loop.rows[S][TWO] = {**whole, "News__c": ["?"]}
    for evidence in (loop.merge(ONE, TWO), None):
        told = loop.run(evidence)
        assert WAITS in told and "update" not in {kind for kind, _ in told}
    loop.rows[S][TWO] = whole
    assert passed_on(loop, loop.run(), TWO)


@pytest.mark.parametrize("names", list(permutations(NAMES)))
def test_a_refusal_goes_into_the_last_of_a_row_of_merges(names: tuple[str, str, str]) -> None:
    """One was merged into a second and that into a third, all linked: the third gets it, in whatever order they are."""
    first, second, third = names
    loop = three_people()
    loop.person(NAMES.index(first) + 1, optin_news=False)
    del loop.rows[S][first], loop.rows[S][second]
    plan = loop.plan(Snapshot.complete(loop.rows[S].values(), merged={first: second, second: third}))
    ends = [action for action in plan.actions if action.kind == "unlink"]
    assert {action.duplicate_of for action in ends} == {str(NAMES.index(third) + 1)}
    assert passed_on(loop, loop.carry_out(plan), third)


def test_a_refusal_of_a_field_that_is_mapped_no_more_is_let_go() -> None:
    """There is nowhere to write it; and the plan is made all the same."""
    loop = three_people()
    loop.rows[D].pop("2")
    loop.run()
    loop.person(1, optin_news=False)
    loop.run(loop.merge(ONE, TWO))
    loop.transfer = attrs.evolve(loop.transfer, fields=[loop.transfer.lines[0], FieldMapping("A", "a")])
    for person in loop.rows[D]:
        loop.person(int(person), a=None)
    for name in loop.rows[S]:
        loop.salesforce(name, A=None)
    assert WAITS not in loop.run()
