"""What a read counts for afterwards: as of when a side was observed, and for what it was last read as a whole."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from di_salesforce.engine import Baseline, Plan, Snapshot
from di_salesforce.engine._besides import CoverageRecord
from di_salesforce.records import Side
from di_salesforce.testing._pairs import NOW, plan_of, row

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELDS = ("A", "Email")
THEN = NOW - timedelta(hours=1)
BEFORE = CoverageRecord("t", S, "A != null", ("Email",), THEN - timedelta(days=1), THEN, "cursor")
NOTHING = CoverageRecord("t", S, None, (), None, None)


def covered(plan: Plan) -> CoverageRecord:
    (part,) = plan.parts
    assert [each.side for each in part.coverages] == list(Side)
    return part.coverages[0]


def remembering(record: CoverageRecord | None) -> Baseline:
    return Baseline((), (), (), () if record is None else (record,))


@pytest.mark.parametrize(
    ("read", "before", "after"),
    [
        (Snapshot.complete([]), None, CoverageRecord("t", S, None, FIELDS, NOW, NOW)),
        (Snapshot.complete([]), BEFORE, CoverageRecord("t", S, None, FIELDS, NOW, NOW, "cursor")),
        (Snapshot.complete([], scope="f"), BEFORE, CoverageRecord("t", S, "f", FIELDS, NOW, NOW, "cursor")),
        (Snapshot.complete([], as_of=THEN - timedelta(seconds=1)), BEFORE, BEFORE),
        (Snapshot.changes([]), None, attrs.evolve(NOTHING, as_of=NOW)),
        (Snapshot.changes([]), BEFORE, attrs.evolve(BEFORE, as_of=NOW)),
        (Snapshot.changes([], as_of=THEN - timedelta(seconds=1)), BEFORE, BEFORE),
        (Snapshot.sample([]), None, NOTHING),
        (Snapshot.sample([]), BEFORE, BEFORE),
    ],
)
def test_what_a_read_adds(read: Snapshot, before: CoverageRecord | None, after: CoverageRecord) -> None:
    """A whole read is remembered with scope and fields, changes with their time; a sample and an old read add nothing.

    Where a feed goes on is the feed's own: no read forgets it.
    """
    plan = plan_of(read, [], remembering(before))
    assert not plan.needs and covered(plan) == after


@pytest.mark.parametrize("before", [None, BEFORE])
def test_a_read_is_not_whole_while_something_of_it_waits_for_a_look_up(before: CoverageRecord | None) -> None:
    """That it was made is remembered in any case; once all was looked up, it was whole."""
    plan = plan_of(Snapshot.complete([row(S, 1)]), Snapshot.changes([]), remembering(before))
    assert plan.needs and covered(plan) == attrs.evolve(before or NOTHING, as_of=NOW)
    whole = CoverageRecord("t", S, None, FIELDS, NOW, NOW, None if before is None else "cursor")
    assert covered(plan.supplied()) == whole


def test_a_plan_is_as_old_as_the_older_of_its_two_observations() -> None:
    """What was written since then is not in it."""
    for moments in ((THEN, NOW), (NOW, THEN)):
        shots = [Snapshot.complete([], as_of=moment) for moment in moments]
        assert plan_of(*shots).parts[0].observed == THEN
