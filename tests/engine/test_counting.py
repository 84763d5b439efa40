"""What stays open for the same reason counts on, and is as old as it was, also where it is not decided anew."""

from __future__ import annotations

import attrs
import pytest

from di_salesforce.engine import Applied, Context, OpenItem, Plan, Settlement
from di_salesforce.records import Side
from di_salesforce.testing._loop import ONE, ada_twice, answered
from di_salesforce.testing._pairs import LinkedPair, linked, told
from di_salesforce.testing._served import Fate

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


def settled(one: LinkedPair, plan: Plan, fate: Fate = Fate.DONE) -> Settlement:
    settlement = one.world.apply(plan, lambda write: fate)
    assert settlement is not None
    return settlement


def written() -> tuple[LinkedPair, tuple[Applied, ...]]:
    """Give a pair whose field A was changed in Salesforce and written."""
    one = linked()
    one.edit(S, A="y")
    return one, settled(one, one.world.plan()).applied


def counted(items: tuple[OpenItem, ...]) -> dict[tuple[str, str], tuple[int, bool]]:
    """Give of each item how often it was told, and whether it is as old as the oldest."""
    oldest = min(item.since for item in items)
    return {(item.reason, item.group): (item.count, item.since == oldest) for item in items}


def test_a_link_that_sleeps_while_another_transfer_holds_its_record_counts_on() -> None:
    """Its fields are not decided meanwhile; told again it is no news, and it ends once the record is free."""
    one = linked()
    one.remove(D)
    one.world.one_pass()
    one.world.undelete(D, one.names[D])
    one.world.context = Context(claims={one.names[D]: "leads"})
    first, *_, last = (settled(one, one.world.plan()).open_items for _ in range(3))
    assert [(item.reason, item.count, item.since) for item in last] == [("claimed", 3, first[0].since)]
    one.world.context = Context()
    assert told(one.world.one_pass()) == [("link", "link.revived")]
    assert not one.world.baseline.open_items


@pytest.mark.parametrize("saved", [False, True], ids=["as planned", "saved and read back"])
@pytest.mark.parametrize(
    ("fate", "expected"),
    [
        (Fate.NOT_TRIED, {("outcome.not_tried", ""): (2, True)}),
        (Fate.REFUSED, {("outcome.refused", ""): (2, True)}),
        (Fate.LOST, {("outcome.unknown", ""): (2, False), ("undo.unsure", "A:a"): (2, True)}),  # lost anew
    ],
)
def test_an_undo_that_fails_again_counts_on(
    fate: Fate, expected: dict[tuple[str, str], tuple[int, bool]], saved: bool
) -> None:
    """An undo decides nothing of what is open, and what it leaves open was open before."""
    one, applied = written()
    one.world.context = attrs.evolve(one.world.context, retry_refused=True)
    settled(one, one.world.undo(applied), fate)
    one.world.rest()
    plan = one.world.undo(applied)
    assert counted(settled(one, Plan.from_dict(plan.to_dict()) if saved else plan, fate).open_items) == expected


def test_an_undo_that_is_done_closes_nothing_that_it_did_not_decide() -> None:
    """What was refused before may be about other fields: the next look decides it, and not sooner."""
    one, applied = written()
    settled(one, one.world.undo(applied), Fate.REFUSED)
    one.world.context = attrs.evolve(one.world.context, retry_refused=True)
    assert settled(one, one.world.undo(applied)).closed_items == ()
    assert [item.reason for item in one.world.baseline.open_items.values()] == ["outcome.refused"]
    one.world.one_pass()
    assert not one.world.baseline.open_items


def test_two_rows_that_are_called_different_again_count_on() -> None:
    """What a person said stays said while a row has no link; said anew of other values it is the same answer."""
    loop = ada_twice()
    loop.carry_out(answered(loop.plan(), "different").without(kind="create"))
    loop.salesforce(ONE, First="Adam")
    loop.person(1, first="Adam")
    loop.carry_out(answered(loop.plan(), "different").without(kind="create"))
    assert {item.count for item in loop.baseline.open_items.values() if item.reason == "match.different"} == {2}
