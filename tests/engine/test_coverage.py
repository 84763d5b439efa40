"""What a read counts for afterwards: as of when a side was observed, and for what it was last read as a whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import attrs
import pytest

from di_salesforce import ObjectTransfer
from di_salesforce.engine import Baseline, Coverage, CoverageRecord, Plan, Snapshot
from di_salesforce.records import Side
from di_salesforce.testing._pairs import NOW, ORDERS, LinkedPair, asked, contacts, linked, plan_of, row, told
from di_salesforce.testing._served import Fate

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


# ------------------------------------------------------------------------------------------------------ looked up


@pytest.mark.parametrize("key", ["ada@test.example", "Ada@Test.Example", " ada@test.example"])
@pytest.mark.parametrize("side", Side)
def test_a_key_is_looked_up_in_any_spelling(side: Side, key: str) -> None:
    """That no record there has the key is proven by a look-up, however the row that asked for it spells it."""
    reads = {side: Snapshot.complete([row(side, 1, key)]), side.other: Snapshot.changes([])}
    plan = plan_of(reads[S], reads[D])
    assert asked(plan) and told(plan.supplied()) == [("create", "create.new")]


def merged_into_nobody() -> Plan:
    one = linked()
    merged = Snapshot.changes([], as_of=one.world.now, merged={one.names[S]: "003000000000009AAA"})
    return one.look(merged, one.world.snapshot(D))


def open_and_gone() -> Plan:
    one = linked()
    name = one.world.add(S, {"Email": "new"}) or ""
    one.world.apply(one.world.plan(), lambda write: Fate.REFUSED)
    one.remove(S)
    one.world.remove(S, name)
    return one.look(Snapshot.changes([], as_of=one.world.now), Snapshot.changes([], as_of=one.world.now))


@pytest.mark.parametrize("waiting", [merged_into_nobody, open_and_gone])
def test_nothing_is_looked_up_twice_for_one_plan(waiting: Callable[[], Plan]) -> None:
    """What a look-up did not find is not there: asking again would go on for ever."""
    plan = waiting()
    assert any(need.record_id is not None for _, need in plan.needs)
    assert not plan.supplied().needs


@pytest.mark.parametrize("transfer", [contacts(), ORDERS], ids=["contacts", "rows without an id"])
@pytest.mark.parametrize("side", Side)
def test_of_changes_alone_each_row_is_known_as_its_links(side: Side, transfer: ObjectTransfer) -> None:
    """By its id, and where it has none by its key: it is never taken for a new one."""
    one = LinkedPair.of(transfer, {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"})
    one.edit(side, **{"A" if side is S else "a": "y"})
    plan = one.look(one.world.snapshot(S, Coverage.CHANGES), one.world.snapshot(D, Coverage.CHANGES))
    assert told(plan) == [("update", "update.changed")] and not plan.needs


def test_a_key_that_a_link_holds_is_not_free_though_its_rows_did_not_change() -> None:
    """Somebody enters a person once more: of changes alone too it is seen that the key is taken."""
    one = linked()
    double = {"Id": "003000000000009AAA", "Email": "k", "A": "z"}
    plan = one.look(Snapshot.changes([double], as_of=one.world.now), Snapshot.changes([], as_of=one.world.now))
    assert told(plan) == [("reject", "key.duplicate")] and not plan.needs
