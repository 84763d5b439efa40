"""What a person takes out of a plan: it stays open as it was, and the next plan finds it again."""

from __future__ import annotations

import pytest

from di_salesforce.engine import Baseline, Coverage, OpenItem, Plan, settle
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair, linked, told
from di_salesforce.testing._served import Saving
from di_salesforce.triggers import Deletes, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


def left_open(one: LinkedPair, plan: Plan) -> list[OpenItem]:
    """Settle a plan of which all was taken out, and give what stays open, without what the items were decided from."""
    assert not plan.actions
    settlement = settle(plan, {}, now=one.world.now)
    return [
        OpenItem(each.transfer, each.subject, each.group, each.reason, each.since, each.count, "", each.key,
                 each.detail, each.side)
        for each in settlement.open_items
    ]  # fmt: skip


def test_a_write_stays_open_as_one_that_was_not_tried() -> None:
    """Filed under its link and the side that was to be written; no service said anything of it."""
    one = linked()
    one.edit(S, A="y")
    expected = OpenItem("t", f"link:{one.link.id}", "", "outcome.not_tried", one.world.now, key=("k",), side=D)
    assert left_open(one, one.look().without(kind="update")) == [expected]


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_the_end_of_a_known_link_stays_open_for_both_of_its_rows(rounds: int) -> None:
    """However young the link is: under changes alone both rows are read again, and the end comes again."""
    one = linked(deletes=Deletes.UNLINK)
    for number in range(rounds):
        one.edit(S, A=f"edit {number}")
        one.world.one_pass()
    one.remove(D)
    expected = OpenItem("t", f"link:{one.link.id}", "", "outcome.not_tried", one.world.now, key=("k",))
    plan = one.world.plan().without(kind="unlink")
    assert left_open(one, plan) == [expected]
    one.world.apply(plan)
    again = one.world.plan(*(one.world.snapshot(side, Coverage.CHANGES) for side in Side))
    assert told(again) == [("unlink", "unlink.deleted")]


def test_a_link_that_comes_to_life_again_stays_open_under_its_name() -> None:
    """It was known before the plan: it is not found again as a new pair of rows, but as itself."""
    one = linked()
    one.remove(D)
    one.world.one_pass()
    assert one.world.undelete(D, one.names[D])
    plan = one.world.plan().without(kind="link")
    expected = OpenItem("t", f"link:{one.link.id}", "", "outcome.not_tried", one.world.now, key=("k",))
    assert left_open(one, plan) == [expected]


def test_a_new_pair_stays_open_under_its_salesforce_row() -> None:
    """The link is forgotten as if it had never been found, and found again from the row when that is read."""
    one = linked()
    name = one.world.add(S, {"Email": "new", "A": "x"})
    one.world.add(D, {"EMail": "new", "a": "x"})
    plan = one.world.plan().without(kind="link")
    expected = OpenItem("t", f"row:salesforce:{name}", "", "outcome.not_tried", one.world.now, key=("new",))
    assert left_open(one, plan) == [expected]
    before = one.world.baseline
    one.world.apply(plan)
    assert one.world.baseline.links == before.links
    again = one.world.plan(*(one.world.snapshot(side, Coverage.CHANGES) for side in Side))
    assert [action.kind for action in again.actions] == ["link"]


def test_what_goes_with_a_link_that_moves_stays_open_with_it() -> None:
    """Two records were merged, and the pair's link moves to the winner, with an edit: neither is forgotten."""
    one = linked(saving={S: Saving(unique_key=False), D: Saving()})
    winner = one.world.add(S, {"Email": "k", "A": "edited"})
    assert winner is not None
    one.world.merge(S, one.names[S], winner)
    plan = one.world.plan()
    assert told(plan) == [("link", "link.merged"), ("update", "update.changed")]
    assert left_open(one, plan.without()) == [
        OpenItem("t", f"link:{one.link.id}", "", "outcome.not_tried", one.world.now, key=("k",), side=side)
        for side in (None, D)
    ]


def test_what_would_not_have_been_written_stays_open_for_its_own_reason() -> None:
    """Taking a skip out of the page does not settle it."""
    one = linked(triggers=Trigger.NONE)
    one.edit(S, A="y")
    expected = OpenItem("t", f"link:{one.link.id}", "A:a", "trigger.off", one.world.now, key=("k",))
    assert left_open(one, one.world.plan().without(kind="skip")) == [expected]


def test_nothing_of_a_plan_that_was_emptied_is_remembered_at_a_first_run() -> None:
    """All pairs of a first run were taken out: there are no links yet, and each pair is open."""
    one = linked()
    one.world.baseline = Baseline.empty()
    plan = one.world.plan().without()
    settlement = settle(plan, {}, now=one.world.now)
    assert (settlement.changed_links, settlement.removed_links) == ((), ())
    assert {item.subject for item in settlement.open_items} == {f"row:salesforce:{name}" for name in one.world.rows(S)}
