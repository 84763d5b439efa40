"""The settling table: what is remembered after each outcome, a test per row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer
from di_salesforce.engine import Coverage, FieldState, Outcome, Plan, Relation, Settlement, settle
from di_salesforce.engine._written import WrittenLine, agreeing
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import UNSET, Side
from di_salesforce.testing._pairs import NOW, LinkedPair, linked, plan_of, row
from di_salesforce.testing._served import Fate, Saving
from di_salesforce.triggers import Deletes, Direction, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
LINE = "A:a"
NOT_DONE = {
    "refused": Outcome.refused("server.refused", "no"),
    "stale": Outcome.stale(),
    "unknown": Outcome.unknown(),
    "not_tried": None,
}


def transfer(*more: FieldMapping, **settings: Any) -> ObjectTransfer:
    return ObjectTransfer(
        "t", sobject="T", fields=[FieldMapping("Key", "key", key=True), FieldMapping("A", "a"), *more], **settings
    )


def pair(saving: Saving | None = None, **settings: Any) -> LinkedPair:
    servers = {S: Saving(), D: saving or Saving()}
    return LinkedPair.of(transfer(**settings), {"Key": "k", "A": "x"}, {"key": "k", "a": "x"}, saving=servers)


def edited(saving: Saving | None = None) -> LinkedPair:
    """A pair whose Salesforce side was edited: one update is due."""
    one = pair(saving)
    one.edit(S, A="long text")
    return one


def ended(plan: Plan, outcome: Outcome | None, one: LinkedPair) -> Settlement:
    """Settle a plan with one outcome for all of its writes."""
    outcomes = {} if outcome is None else {write.id: outcome for write in plan.writes}
    return settle(plan, outcomes, now=one.world.now)


def test_done_and_the_stored_row_is_as_sent() -> None:
    """Done, stored row known: base is (what the source holds, what is stored), agreed, and nothing is left open."""
    one = edited()
    one.world.one_pass()
    state = one.state(LINE)
    assert (state.base, state.rel, state.seen) == (("long text", "long text"), Relation.AGREED, (UNSET, UNSET))
    assert not state.unverified and not one.world.baseline.open_items


def test_done_and_the_server_rewrote_the_value() -> None:
    """Done, stored otherwise than sent: base holds what the server kept, known to be rewritten, told in the report."""
    one = edited(Saving(truncate=4))
    plan = one.world.plan()
    settlement = one.world.apply(plan)
    state = one.state(LINE)
    assert (state.base, state.rel) == (("long text", "long"), Relation.REWRITTEN)
    assert settlement is not None and settlement.report.written[0].rewritten == ("a",)
    assert not one.world.one_pass().actions, "a rewritten value is no edit"


def test_done_and_nobody_told_what_is_stored() -> None:
    """Done, stored row unknown: base is what was sent, unverified; a later difference counts as an edit."""
    one = edited(Saving(truncate=4))
    one.world.apply(one.world.plan(), lambda write: Fate.SILENT)
    state = one.state(LINE)
    assert (state.base, state.rel, state.unverified) == (("long text", "long text"), Relation.AGREED, True)
    plan = one.world.one_pass()
    assert [(a.kind, a.reason) for a in plan.actions] == [("update", "update.changed")]
    assert one.row(S)["A"] == "long"


@pytest.mark.parametrize("how", NOT_DONE)
def test_not_done_never_moves_the_base(how: str) -> None:
    """Refused, stale, unknown, not tried: the base stays, what was seen is kept, and an open item tells why."""
    one = edited()
    settlement = ended(one.look(), NOT_DONE[how], one)
    state = settlement.changed_links[0].fields[LINE]
    assert (state.base, state.seen) == (("x", "x"), ("long text", UNSET))
    assert [item.reason for item in settlement.open_items] == [f"outcome.{how}"]


SKIPPED: dict[str, dict[str, Any]] = {
    "trigger.off": {"triggers": Trigger.NONE},
    "conflict.both_changed": {},
}


@pytest.mark.parametrize("reason", SKIPPED)
def test_a_skip_or_a_hold_never_moves_the_base(reason: str) -> None:
    """What is skipped or held keeps its base; both values are remembered as seen; the item is open and counts up."""
    one = pair(**SKIPPED[reason])
    one.edit(S, A="y")
    if reason.startswith("conflict"):
        one.edit(D, a="z")
    for count in (1, 2, 3):
        one.world.one_pass()
        assert one.state(LINE).base == ("x", "x") and one.state(LINE).seen_of(S) == "y"
        assert [(item.reason, item.count) for item in one.world.baseline.open_items.values()] == [(reason, count)]


def test_an_open_item_remembers_since_when() -> None:
    """The first date stays while the reason is the same."""
    one = pair(triggers=Trigger.NONE)
    one.edit(S, A="y")
    one.world.one_pass()
    first = next(iter(one.world.baseline.open_items.values())).since
    one.world.rest()
    one.world.one_pass()
    assert next(iter(one.world.baseline.open_items.values())).since == first


@pytest.mark.parametrize("how", ["refused", "stale", "not_tried"])
def test_after_a_failed_write_the_row_is_read_again(how: str) -> None:
    """A stale or failed write is not repeated from memory: the record that was to be written is asked for."""
    one = edited()
    plan = one.world.plan()
    one.world.baseline = one.world.baseline.updated(ended(plan, NOT_DONE[how], one))
    one.world.tick()
    again = one.look(*(one.world.snapshot(side, Coverage.SAMPLE, pick=lambda name, field: False) for side in Side))
    assert not again.writes
    assert (D, one.names[D]) in [(side, need.record_id) for side, need in again.needs]


def test_an_unknown_write_is_in_quarantine() -> None:
    """An answer that was lost: nothing is written to the row until the client's time-out has passed, at every plan."""
    one = edited()
    one.world.apply(one.world.plan(), lambda write: Fate.LOST)
    lost = one.world.seconds
    lasts = one.world.context.quarantine[D]
    while one.world.seconds + 10 < lost + lasts / timedelta(seconds=1):
        one.world.tick(10)
        plan = one.world.one_pass()
        assert [(a.kind, a.reason) for a in plan.actions] == [("skip", "outcome.quarantine")]
    one.world.rest()
    assert [a.kind for a in one.world.one_pass().actions] == ["update"]
    assert one.row(D)["a"] == "long text"


def test_a_look_from_within_the_quarantine_does_not_end_it() -> None:
    """What was read while the lost write could still land proves nothing: the row is read again first."""
    one = edited()
    one.world.apply(one.world.plan(), lambda write: Fate.LOST)
    early = one.world.snapshot(D)
    one.world.rest()
    plan = one.look(dialog_insight=early)
    assert not plan.writes and (D, one.names[D]) in [(side, need.record_id) for side, need in plan.needs]


def test_a_second_lost_answer_starts_the_quarantine_afresh() -> None:
    """Each lost write may land late: the time is counted from the last one."""
    one = edited()
    for _ in range(2):
        one.world.rest()
        one.world.apply(one.world.plan(), lambda write: Fate.LOST)
    one.world.tick(5)
    assert [action.reason for action in one.world.plan().actions] == ["outcome.quarantine"]


def test_after_a_failed_write_the_source_is_read_again_too() -> None:
    """Where only the written side was read, the other is asked for: what it holds now is not known."""
    one = edited()
    one.world.baseline = one.world.baseline.updated(ended(one.world.plan(), NOT_DONE["stale"], one))
    one.world.tick()
    plan = one.look(one.world.snapshot(S, Coverage.SAMPLE, pick=lambda name, field: False))
    assert not plan.writes and (S, one.names[S]) in [(side, need.record_id) for side, need in plan.needs]


def test_a_late_write_is_found_after_the_quarantine() -> None:
    """A write that lands late is no edit of the other side, and is not written twice."""
    one = edited()
    one.world.apply(one.world.plan(), lambda write: Fate.LATE)
    one.world.rest()
    assert not one.world.plan().writes
    one.world.one_pass()
    assert one.state(LINE).base == ("long text", "long text") and not one.world.baseline.open_items


def test_an_edit_in_quarantine_is_not_lost() -> None:
    """What the other side edits while a lost write may still land is seen afterwards, even by changes alone."""
    one = edited()
    one.world.apply(one.world.plan(), lambda write: Fate.LOST)
    one.edit(D, a="theirs")
    one.world.apply(one.world.plan(*(one.world.snapshot(side, Coverage.CHANGES) for side in Side)))
    one.world.rest()
    plan = one.world.plan(*(one.world.snapshot(side, Coverage.CHANGES) for side in Side))
    assert [(a.kind, a.reason) for a in plan.actions] == [("conflict", "conflict.both_changed")]


def test_accepting_a_difference_settles_it() -> None:
    """A person accepts: base is both values as they are, known as accepted; only a later change is news."""
    one = pair()
    one.edit(S, A="y")
    one.edit(D, a="z")
    one.world.apply(one.world.plan().accept("k"))
    state = one.state(LINE)
    assert (state.base, state.rel, state.seen) == (("y", "z"), Relation.ACCEPTED, (UNSET, UNSET))
    assert not one.world.baseline.open_items and not one.world.one_pass().actions
    one.edit(S, A="w")
    assert [(a.kind, a.side) for a in one.world.plan().writes] == [("update", D)]


@pytest.mark.parametrize("keep", Side)
def test_choosing_a_side_is_a_proposal_with_preconditions(keep: Side) -> None:
    """A person chooses: a write of the other side, based on what it held; a record that moved since is left alone."""
    one = pair()
    one.edit(S, A="y")
    one.edit(D, a="z")
    plan = one.world.plan().resolve("k", keep=keep)
    assert [(w.side, w.reason) for w in plan.writes] == [(keep.other, "update.person")]
    one.edit(keep.other, **{"A" if keep.other is S else "a": "moved"})
    one.world.apply(plan)
    assert one.row(keep.other)["A" if keep.other is S else "a"] == "moved"
    assert {item.reason for item in one.world.baseline.open_items.values()} == {"outcome.stale"}


def test_a_create_settles_all_of_its_lines() -> None:
    """Blank fields settle as sent; what flows only the other way, and a default, settle as known to differ."""
    lines = (
        FieldMapping("Blank", "blank"),
        FieldMapping("Back", "back", direction=Direction.TO_SALESFORCE),
        FieldMapping("Default", "default", dialog_insight_default="d"),
    )
    one = LinkedPair.of(transfer(*lines), {"Key": "k", "A": "x"}, {"key": "k", "a": "x"})
    name = one.world.add(S, {"Key": "k2", "A": "x", "Back": "only here"})
    plan = one.world.one_pass()
    assert dict(plan.writes[0].values) == {"key": "k2", "a": "x", "default": "d"}
    link = one.world.baseline.find(S, name or "")
    assert link is not None
    told = {line: (state.base, state.rel) for line, state in link.fields.items()}
    assert told["Blank:blank"] == ((None, None), Relation.AGREED)
    assert told["Back:back"] == (("only here", None), Relation.REWRITTEN)
    assert told["Default:default"] == ((None, "d"), Relation.REWRITTEN)
    assert not one.world.one_pass().actions, "a default travelled back, or a birth is a conflict at every run"
    assert one.world.rows(S)[name or ""]["Default"] is None


def test_a_create_without_an_id_is_linked_by_key_until_its_row_is_seen() -> None:
    """A create that was done without telling the new id is not created again, and takes the id over when it is seen."""
    one = pair()
    name = one.world.add(S, {"Key": "k2", "A": "x"})
    one.world.apply(one.world.plan(), lambda write: Fate.NAMELESS)
    link = one.world.baseline.find(S, name or "")
    assert link is not None and link.dialog_insight_id is None
    one.edit(S, A="y")  # something else to do
    assert [write.kind for write in one.world.one_pass().writes] == ["update"]
    link = one.world.baseline.find(S, name or "")
    assert link is not None and link.dialog_insight_id in one.world.rows(D)


def test_the_time_of_the_last_look_is_kept() -> None:
    """`as_of` of a side is that of the observation used, and the moment of settling where we wrote."""
    one = edited()
    read = one.world.now
    one.world.one_pass()
    assert one.link.as_of(S) == read and one.link.as_of(D) == one.world.now


def test_each_settlement_of_a_link_counts() -> None:
    """`rev` grows whenever the link is settled otherwise than it was."""
    one = edited()
    before = one.link.rev
    one.world.one_pass()
    assert one.link.rev > before


def test_what_was_set_aside_stays_open() -> None:
    """A write that a person takes out of the plan is not forgotten: it is open, and the next plan has it again."""
    one = edited()
    plan = one.world.plan().without(kind="update")
    assert not plan.writes
    one.world.apply(plan)
    assert {item.reason for item in one.world.baseline.open_items.values()} == {"outcome.not_tried"}
    assert [write.kind for write in one.world.plan().writes] == ["update"]


def test_a_create_that_was_set_aside_leaves_no_link() -> None:
    """A create that a person takes out is not remembered as if it had been done; the next plan has it again."""
    one = pair()
    one.world.add(S, {"Key": "k2", "A": "y"})
    one.world.apply(one.world.plan().without(kind="create"))
    assert len(one.world.baseline) == 1
    assert [write.kind for write in one.world.plan().writes] == ["create"]


def test_an_unlink_that_was_set_aside_keeps_the_link() -> None:
    """A link whose end a person takes out of the plan goes on."""
    one = pair(deletes=Deletes.UNLINK)
    for side, values in ((S, {"Key": "k2"}), (D, {"key": "k2"})):
        one.world.add(side, values)
    one.world.one_pass()
    one.remove(D)
    one.world.apply(one.world.plan().without(kind="unlink"))
    assert one.names[S] in {link.salesforce_id for link in one.world.baseline.links}
    assert [action.kind for action in one.world.plan().actions] == ["unlink"]


def test_a_link_that_was_set_aside_is_found_again() -> None:
    """Under changes alone, a pair whose link a person took out of the plan comes again."""
    one = pair()
    for side, values in ((S, {"Key": "k2", "A": "y"}), (D, {"key": "k2", "a": "y"})):
        one.world.add(side, values)
    shots = [one.world.snapshot(side, Coverage.CHANGES) for side in Side]
    one.world.apply(one.world.plan(*shots).without(kind="link"))
    again = one.look(*(one.world.snapshot(side, Coverage.CHANGES) for side in Side))
    assert again.needs or [action.kind for action in again.actions] == ["link"]


def test_outcomes_of_another_plan_are_refused() -> None:
    """An outcome that names no write of the plan is a mistake of the caller's, not something to ignore."""
    one = edited()
    with pytest.raises(ConfigurationError, match="another plan"):
        settle(one.look(), {"nobody": Outcome.done()}, now=one.world.now)


def test_the_report_tells_each_action_once() -> None:
    """One line per action with what became of it; all is well unless something was refused or left unknown."""
    one = edited()
    plan = one.look()
    assert [(line.kind, line.outcome) for line in ended(plan, Outcome.done(), one).report.lines] == [("update", "done")]
    assert ended(plan, Outcome.done(), one).report.ok
    assert not ended(plan, NOT_DONE["refused"], one).report.ok
    assert not ended(plan, NOT_DONE["unknown"], one).report.ok
    assert ended(plan, NOT_DONE["refused"], one).report.refused[0].code == "server.refused"


def test_the_report_counts_the_pairs_that_agree_and_those_that_may_differ() -> None:
    """Of two pairs one agrees; in the other a person accepted that the sides differ, which is counted apart."""
    one = linked()
    one.edit(S, A="y")
    one.edit(D, a="z")
    one.world.apply(one.world.plan().accept("k"))
    report = settle(one.world.plan(), {}, now=one.world.now).report
    assert (report.agreed, report.quiet, list(report.lines)) == (1, 1, [])
    report = settle(edited().look(), {}, now=one.world.now).report
    assert (report.agreed, report.quiet) == (0, 0)


def test_what_is_open_stays_open_while_it_is_not_decided() -> None:
    """A conflict of one field, and a look that brings the other one alone: the conflict is still there afterwards."""
    one = linked()
    one.edit(S, A="y")
    one.edit(D, a="z")
    one.world.one_pass()
    before = set(one.world.baseline.open_items)
    plan = one.look(dialog_insight=one.snapshot(D, set()))
    after = one.world.baseline.updated(settle(plan, {}, now=one.world.now))
    assert before and set(after.open_items) == before


def test_a_group_of_which_one_line_was_never_read_settles_what_was_written() -> None:
    """The group is decided as one value; of a line of which nothing is known nothing is claimed."""
    state = FieldState(version="v", group="g")
    line = WrittenLine(("B", "b", "v", False), None, D, None)
    assert agreeing(state, line) is state


def test_a_write_that_met_another_record_stands_in_the_history_as_unsure() -> None:
    """It did reach a record, though not the one that was meant: what that held before, nobody knows."""
    one = linked()
    one.edit(S, A="y")
    plan = one.world.plan()
    (write,) = plan.writes
    outcome = attrs.evolve(Outcome.stale(), record_id="77")
    settlement = settle(plan, {write.id: outcome}, now=one.world.now)
    (said,) = settlement.applied
    assert not said.sure and said.record_id in ("77", write.record_id)


def test_what_goes_with_a_link_that_was_set_aside_is_not_kept_without_it() -> None:
    """A new pair that a person took out is found again from its row; its fields' conflicts are found with it."""
    plan = plan_of([row(S, 1, value="y")], [row(D, 1, value="z")])
    assert {action.kind for action in plan.actions} == {"link", "conflict"}
    settlement = settle(plan.without(kind="link"), {}, now=NOW)
    assert [item.reason for item in settlement.open_items] == ["outcome.not_tried"]
    assert settlement.changed_links == ()
