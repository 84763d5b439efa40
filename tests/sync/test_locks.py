"""Laws of row locks: siblings travel together, and what was locked is tried again within the run, call by call."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.engine import Create
from di_salesforce.mapping import FieldMapping, Integration, ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.synchronizing._locks import in_slices, side_by_side
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.triggers import Direction, Trigger

if TYPE_CHECKING:
    from tests.sync.conftest import World

PROJECT = 4400
LOCK_LASTS = 0.5  # seconds


def creates(count: int) -> list[Create]:
    return [
        Create(id=f"a{n}", transfer="t", key=n, reason="create", side=Side.SALESFORCE, subject=f"row:{n}")
        for n in range(count)
    ]


FAMILIES = st.lists(st.one_of(st.none(), st.sampled_from("ABCD")), max_size=30)


@given(parents=FAMILIES, size=st.integers(1, 8))
def test_no_two_slices_share_a_parent(parents: list[str | None], size: int) -> None:
    """Each write is in one slice, none is too long, and a family stands in one unless it fills one by itself."""
    actions = creates(len(parents))
    by_id = {action.id: parent for action, parent in zip(actions, parents, strict=True) if parent}
    slices = in_slices(actions, by_id, size)
    assert sorted(a.id for part in slices for a in part) == sorted(a.id for a in actions)
    assert all(0 < len(part) <= size for part in slices)
    for parent in set(by_id.values()):
        holding = [part for part in slices if any(by_id.get(action.id) == parent for action in part)]
        count = sum(each == parent for each in by_id.values())
        assert len(holding) == 1 if count <= size else len(holding) == -(-count // size)


@given(parents=FAMILIES)
def test_siblings_stand_next_to_each_other(parents: list[str | None]) -> None:
    """Putting siblings together loses nobody, and leaves writes without a parent in their order."""
    actions = creates(len(parents))
    by_id = {action.id: parent for action, parent in zip(actions, parents, strict=True) if parent}
    ordered = side_by_side(actions, by_id)
    assert sorted(action.id for action in ordered) == sorted(action.id for action in actions)
    told = [by_id.get(action.id, action.id) for action in ordered]
    assert list(dict.fromkeys(told)) == [name for i, name in enumerate(told) if i == 0 or told[i - 1] != name]
    assert [a for a in ordered if a.id not in by_id] == [a for a in actions if a.id not in by_id]


def families(world: World) -> Integration:
    """Give the transfer of people who report to somebody, with three superiors who are known on both sides."""
    fields = [
        FieldMapping("Email", "EMail", key=True),
        FieldMapping("LastName", "LastName"),
        FieldMapping("ReportsToId", "Points", references="people", direction=Direction.TO_SALESFORCE),
    ]
    people = world.integration["people"]
    integration = Integration(
        [ObjectTransfer("people", sobject="Contact", project=people.project, fields=fields, triggers=Trigger.ALL)]
    )
    for name in "abc":
        world.pair(f"boss-{name}@example.com")
    world.sync(integration).run(first_run=True)
    return integration


class Locks:
    """Salesforce's own locks: a save holds the parent for a while, and a save of another call is turned away."""

    def __init__(self, world: World) -> None:
        self.world, self.held = world, dict[str, tuple[int, float]]()
        self.turned_away = 0
        self.calls: list[list[str]] = []  # the parents of the rows of each call
        world.salesforce.on_save("Contact", self)

    def __call__(self, row: dict[str, Any], *_: Any) -> None:
        parent = str(row.get("ReportsToId") or "")
        call = len(self.world.salesforce.requests)
        self.calls += [[] for _ in range(call - len(self.calls) + 1)]
        self.calls[call].append(parent)
        holder, until = self.held.get(parent, (call, 0.0))
        if parent and holder != call and self.world.clock.ticks() < until:
            self.turned_away += 1
            raise Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        self.held[parent] = (call, self.world.clock.ticks() + LOCK_LASTS)


def test_siblings_that_lock_each_other_out_are_written_within_the_run(world: World) -> None:
    """A family that is cut in two is turned away in part; it is tried again after a pause, and nobody waits a night."""
    integration = families(world)
    bosses = [world.person_id(f"boss-{name}@example.com") for name in "abc"]
    for number in range(6):  # two of each, apart
        world.person(f"p{number}@example.com", points=bosses[number % 3])
    locks = Locks(world)
    sync = world.sync(integration)
    sync._setup = attrs.evolve(sync._setup, salesforce=attrs.evolve(sync._setup.salesforce, slice_size=3, parallel=1))
    report = sync.run()
    assert locks.turned_away == 1  # of the one family that two calls shared
    assert report.ok
    assert len(report.written) == 6


def test_what_stays_locked_is_tried_so_often_and_then_waits(world: World) -> None:
    """The tries are bounded, each after its pause, siblings in one call; then the next run tries, and it is told."""
    integration = families(world)
    boss = world.person_id("boss-a@example.com")
    for number in range(3):
        world.person(f"p{number}@example.com", points=boss)
    tried: list[float] = []

    def lock(row: dict[str, Any], *_: Any) -> None:
        if str(row["Email"]).startswith("p"):
            tried.append(world.clock.ticks())
            raise Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    world.salesforce.on_save("Contact", lock)
    sync = world.sync(integration)
    report = sync.run()
    assert len(report.untried) == 3
    pauses = sync._setup.lock_pauses
    assert len(tried) == 3 * (1 + len(pauses))
    begun = tried[::3]
    assert [round(later - earlier) for earlier, later in pairwise(begun)] == list(pauses)
