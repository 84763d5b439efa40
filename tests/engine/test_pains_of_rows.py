"""More of what users run into, as far as it is decided here: rows that come late, twice, early or broken; dates; state.

The numbers are those of the list that this library was planned with, as in `test_pains.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import REASONS, Baseline, Coverage, Outcome, Snapshot, settle
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side
from di_salesforce.testing._pairs import NOW, LinkedPair, asked, contacts, linked, plan_of, row, told
from di_salesforce.testing.world import World
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


def test_what_changed_while_a_run_was_reading_is_skipped_for_ever() -> None:
    """Pain 5: a read counts as of when it began: what moved after that is found by the next one."""
    one = linked()
    began = one.world.snapshot(S, Coverage.CHANGES)
    one.edit(S, A="y")
    one.world.apply(one.world.plan(began, one.world.snapshot(D, Coverage.CHANGES)))
    later = one.world.plan(one.world.snapshot(S, Coverage.CHANGES), one.world.snapshot(D, Coverage.CHANGES))
    assert told(later) == [("update", "update.changed")]


def test_two_mappings_of_one_object_spoil_each_others_place_in_the_feed() -> None:
    """Pain 6: how far a side was read is remembered for each transfer and side, not for an object."""
    one = linked()
    other = ObjectTransfer("u", sobject="Contact", fields=contacts().fields)
    later = one.world.now + timedelta(days=1)
    shots = [Snapshot.complete(rows, as_of=later) for rows in ([row(S, 8)], [row(D, 8)])]
    plan = plan_of(*shots, transfer=other, now=later)
    before = {side: one.world.baseline.coverage(side) for side in Side}
    ids = {coverage.id for coverage in settle(plan, {}, now=later).coverages}
    assert ids == {"u/salesforce", "u/dialog_insight"}
    assert {coverage.id for coverage in before.values() if coverage is not None} == {"t/salesforce", "t/dialog_insight"}


def test_a_value_moved_and_no_date_tells_of_it() -> None:
    """Pain 9: a formula moves without a date; a full read decides by the value alone."""
    one = linked()
    one.edit(S, A="worked out anew")
    quiet = one.world.plan(Snapshot.changes([]), one.world.snapshot(D, Coverage.CHANGES))
    assert not quiet.actions
    assert told(one.world.one_pass()) == [("update", "update.changed")]


def test_an_edit_counts_as_a_new_record_once_its_key_was_patched() -> None:
    """Pain 10: who a record is does not hang on the field that is patched: an edited key is an edit."""
    one = linked()
    one.edit(S, Email="k2", A="y")
    plan = one.look(Snapshot.changes([one.row(S)], as_of=one.world.now), Snapshot.changes([], as_of=one.world.now))
    assert "create" not in {action.kind for action in plan.actions}
    assert {action.link for action in plan.actions} == {one.link.id}


@pytest.mark.parametrize("zone", ["America/Toronto", "Asia/Tokyo", "UTC"])
@pytest.mark.parametrize("hour", [0, 3, 23])
def test_a_date_slips_a_day_or_moves_by_being_read(zone: str, hour: int) -> None:
    """Pains 13 and 14: what was read and not touched is never written back, near midnight in any zone."""
    lines = [
        FieldMapping("Key", "key", key=True),
        FieldMapping("Born", "born", converter=converters.date()),
        FieldMapping("Seen", "seen", converter=converters.datetime(time_zone=zone)),
    ]
    world = World(ObjectTransfer("t", sobject="T", fields=lines, triggers=Trigger.ALL))
    moment = datetime(2026, 3, 1, hour, 59, tzinfo=UTC)
    name = world.add(S, {"Key": "k", "Born": moment.date(), "Seen": moment})
    world.one_pass()
    assert name is not None and world.one_pass().actions == ()
    assert (world.rows(S)[name]["Born"], world.rows(S)[name]["Seen"]) == (moment.date(), moment)
    world.distrust()
    assert not world.one_pass().writes, "nor at a first meeting"


def test_the_zone_of_the_other_side_is_set_otherwise_and_everything_counts_as_newer() -> None:
    """Pain 15: a mapping that reads values otherwise than before is held for a person; nothing is written for it."""
    lines = [FieldMapping("Key", "key", key=True), FieldMapping("At", "at", converter=converters.datetime())]
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=lines),
        {"Key": "k", "At": datetime(2026, 3, 1, 12, tzinfo=UTC)},
        {"key": "k", "at": "2026.03.01 12:00:00"},
    )
    moved = FieldMapping("At", "at", converter=converters.datetime(time_zone="America/Toronto"))
    one.world.transfer = attrs.evolve(one.world.transfer, fields=[lines[0], moved])
    assert told(one.world.plan()) == [("conflict", "conflict.mapping_changed")]


def test_one_key_finds_several_records_and_any_of_them_is_taken() -> None:
    """Pain 21: several records of one key are all listed, each with the ones that it may belong to."""
    plan = plan_of([row(S, 1), row(S, 2)], [row(D, 1)])
    assert told(plan) == [("reject", "key.ambiguous")] * 3
    assert {each.record_id: each.candidates for each in plan.rejects} == {
        "s1": ("d1",),
        "s2": ("d1",),
        "d1": ("s1", "s2"),
    }


def test_a_child_is_written_before_its_parent_is_there() -> None:
    """Pain 25: it waits, with the reason, and is written once the parent has its link."""
    parents = World(contacts())
    name = parents.add(S, {"Email": "parent", "A": "x"})
    lines = [FieldMapping("Key", "key", key=True), FieldMapping("Parent", "parent", references="t")]
    children = World(ObjectTransfer("children", sobject="C", fields=lines, triggers=Trigger.ALL))
    children.add(S, {"Key": "c", "Parent": name})
    children.context = attrs.evolve(children.context, links={"t": parents.baseline})
    assert told(children.one_pass()) == [("skip", "reference.waiting")]
    parents.one_pass()
    children.context = attrs.evolve(children.context, links={"t": parents.baseline})
    (write,) = children.one_pass().writes
    assert str(write.values["parent"]) == parents.baseline.links[0].dialog_insight_id


def test_one_bad_row_fails_all_the_others() -> None:
    """Pain 30: a row of which a value has no form is rejected by itself, whatever stands beside it."""
    rows = [row(S, number, f"k{number}", object() if number == 2 else "x") for number in range(5)]
    plan = plan_of(rows, [])
    assert sorted(told(plan)) == [("create", "create.new")] * 4 + [("reject", "value.not_scalar")]
    answers = {write.id: Outcome.done(str(place)) for place, write in enumerate(plan.writes)}
    assert len(settle(plan, answers, now=NOW).changed_links) == 4


def test_a_field_that_i_may_not_read_any_more_empties_the_other_side() -> None:
    """Pain 34: a field that is missing from every row was not read: nothing is written, and it is asked for by name."""
    one = linked()
    one.edit(D, a="y")
    short = [{name: value for name, value in each.items() if name != "A"} for each in one.world.rows(S).values()]
    plan = one.look(Snapshot.complete(short, as_of=one.world.now))
    assert not plan.writes and (S, one.names[S], None) in asked(plan)


def test_a_damaged_memory_is_taken_for_an_empty_one() -> None:
    """Pain 42 and bug B8: it is refused aloud, with what is wrong: neither used in part nor silently forgotten."""
    rows = list(linked().world.baseline.to_dicts())
    broken = [{**each, "fields": "?"} if "fields" in each else each for each in rows]
    assert broken != rows
    with pytest.raises(ConfigurationError):
        Baseline.from_dicts(broken)


def test_it_tells_me_a_code_and_i_do_not_know_what_to_do() -> None:
    """Pain 43: every reason has its sentence, and `explain` says it beside the values."""
    assert all(len(words.split()) > 2 for words in REASONS.values())
    one = linked()
    one.edit(S, A="y")
    one.edit(D, a="z")
    page = one.world.plan().explain("k")
    assert REASONS["conflict.both_changed"] in page and "keep Salesforce" in page and "keep Dialog Insight" in page
