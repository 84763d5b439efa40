"""Laws of large writes: through bulk jobs or through collections, the same is left, whatever happens on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from di_salesforce.exceptions import ConfigurationError, StoreError, TransportError
from di_salesforce.records import Side
from di_salesforce.salesforce import Bulk
from di_salesforce.synchronizer import RunBudget
from di_salesforce.synchronizing._salesforce_writing import piece_size
from di_salesforce.testing import HttpStatus, LostAnswer, Meanwhile, ResetConnection
from di_salesforce.testing._deaths import CHANGES, around_changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

    from di_salesforce.engine import Baseline

PROJECT = 4400
JOBS = "*/jobs/ingest*"
NAMES = st.sampled_from(["Roy", "Li", "Zoé, Ōoka", 'says "hi"', "two\nlines", "#N/A", "Robot"])
PERSON = st.fixed_dictionaries(
    {
        "first": st.one_of(st.none(), NAMES),
        "last": NAMES,
        "points": st.one_of(st.none(), st.integers(0, 999)),
        "place": st.sampled_from(["here", "there", "both", "changed"]),
    }
)


def populate(world: World, people: list[dict[str, Any]]) -> None:
    """Put people on either side; some of both sides agree, and some were changed in Dialog Insight since."""
    world.salesforce.validation_rule("Contact", lambda row, *_: "No." if row.get("LastName") == "Robot" else None)
    agreed = [(f"p{n}@example.com", one) for n, one in enumerate(people) if one["place"] in ("both", "changed")]
    for email, _ in agreed:
        world.pair(email, points=1)
    world.sync().run(first_run=True)
    for number, one in enumerate(people):
        email = f"p{number}@example.com"
        values = {name: one[name] for name in ("first", "last", "points")}
        if one["place"] == "here" and one["last"] != "Robot":
            world.contact(email, **values)
        elif one["place"] == "there":
            world.person(email, **values)
        elif one["place"] == "changed":
            world.dialog_insight.edit_contact(
                PROJECT,
                world.person_id(email),
                FirstName=values["first"],
                Points=values["points"],
                LastName=one["last"],
            )


def remembered(baseline: Baseline) -> tuple[list[object], list[object]]:
    """Give a memory without its times and ids: those of two runs differ."""
    links = [
        attrs.evolve(link, id="", salesforce_id=None, salesforce_as_of=None, dialog_insight_as_of=None)
        for link in baseline.links
    ]
    items = [(item.key, item.group, item.reason, item.detail, item.count) for item in baseline.open_items.values()]
    return sorted(links, key=lambda link: str(link.dialog_insight_key)), sorted(items, key=str)


def jobs_of(world: World) -> list[str]:
    """Give the states of the ingest jobs that Salesforce was asked for."""
    return [job.state for job in world.salesforce._service.jobs.values() if not job.is_query]


def takes(world: World, *, looks: int) -> None:
    """Let every job wait for so many looks before it begins."""
    world.salesforce.switches = attrs.evolve(world.salesforce.switches, bulk_looks=looks)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(people=st.lists(PERSON, min_size=1, max_size=8))
def test_both_ways_leave_the_same(make_world: Callable[..., World], people: list[dict[str, Any]]) -> None:
    """One plan through collections and through bulk jobs: the same org, the same report, the same memory."""
    told = []
    for bulk_from in (None, 1):
        world = make_world(bulk_from=bulk_from)
        populate(world, people)
        world.salesforce.withdraw()
        report = world.sync().run(first_run=True)
        told.append((world.truth(), report.counts, remembered(world.store.baseline("people"))))
        here = [line for line in (*report.written, *report.refused) if line.side is Side.SALESFORCE]
        if bulk_from is None:
            assert jobs_of(world) == []
        elif here and "#N/A" not in str(people):  # a text that a bulk job would read as null goes by itself
            assert set(jobs_of(world)) == {"JobComplete"}
            assert all(": bulk: at least 1 records" in way for way in report.ways), report.ways
    assert told[0] == told[1]


# ---------------------------------------------------------------------------------------------- deaths and lost answers


def crowd(world: World) -> None:
    """Populate: creations and updates in Salesforce, one of them refused, and a creation the other way."""
    world.salesforce.validation_rule("Contact", lambda row, *_: "No." if row.get("LastName") == "Robot" else None)
    for name in ("ann", "bob", "cat"):
        world.pair(f"{name}@example.com", first=name.title(), points=1)
    world.sync().run(first_run=True)
    for name in ("new", "dan", "eve"):
        world.person(f"{name}@example.com", first=name.title())
    world.person("robot@example.com", last="Robot")
    world.contact("here@example.com", first="Noé")
    for name in ("ann", "bob"):
        world.dialog_insight.edit_contact(PROJECT, world.person_id(f"{name}@example.com"), FirstName="Zoé", Points=None)


@pytest.fixture
def crowded(make_world: Callable[..., World]) -> Callable[[], World]:
    """Make the same crowd again and again, in a world where two writes of a kind go in bulk."""

    def make() -> World:
        world = make_world(bulk_from=2)
        crowd(world)
        return world

    return make


def assert_at_rest(world: World) -> None:
    before = world.write_calls
    sync = world.sync()
    sync.run()
    assert world.write_calls == before
    assert world.store.intents() == ()
    comparison = sync.compare()
    assert comparison.ok, str(comparison)


def expected(crowded: Callable[[], World]) -> tuple[object, ...]:
    world = crowded()
    world.finish()
    assert_at_rest(world)
    assert [len(side) for side in world.truth()] == [7, 8]  # the robot is refused
    assert jobs_of(world) == ["JobComplete"] * 2
    return world.truth()


def test_killed_at_any_step_of_bulk_jobs(crowded: Callable[[], World]) -> None:
    """Whatever step is the last, later runs come to the end of an undisturbed run, and nobody is doubled."""
    end = expected(crowded)
    steps = crowded().drive(None)
    assert steps.count("remember the job") == 2
    for last in range(len(steps)):
        world = crowded()
        assert world.drive(last) == steps[:last]
        world.finish()
        assert world.truth() == end, f"killed before step {last} ({steps[last]})"
        assert_at_rest(world)


def test_an_error_after_any_effect_of_bulk_jobs(crowded: Callable[[], World]) -> None:
    """Whatever fails after it has happened, a write, a look or a line in the store, later runs come to the same end."""
    end = expected(crowded)
    steps = crowded().drive(None)
    lost = TransportError("the answer was lost", side=Side.SALESFORCE, may_have_applied=True)
    for last, name in enumerate(steps):
        if name in CHANGES or name == "Send":
            world = crowded()
            world.drive(last, lost if name.startswith("Send") else StoreError("the disk is gone"))
            world.finish()
            assert world.truth() == end, f"failed after step {last} ({name})"
            assert_at_rest(world)


def test_an_edit_after_a_death_in_bulk_is_not_lost(crowded: Callable[[], World]) -> None:
    """Somebody edits a record that the dead run's job may or may not have written: their value stands."""
    for last in around_changes(crowded().drive(None)):
        world = crowded()
        world.drive(last)
        world.salesforce.edit("Contact", world.contact_id("bob@example.com"), LastName="Yours")
        world.finish()
        for side in world.truth():
            assert [row[2] for row in side if row[0] == "bob@example.com"] == ["Yours"], f"killed before step {last}"
        assert_at_rest(world)


def test_a_job_of_a_dead_run_is_found_again_and_not_waited_for(crowded: Callable[[], World]) -> None:
    """Killed once a job was closed, the next run asks the job, and knows all its records without a quarantine."""
    steps = crowded().drive(None)
    closed = steps.index("Send write", steps.index("remember the job") + 2) + 1
    world = crowded()
    world.drive(closed)
    [intent] = world.store.intents()
    assert len(intent.jobs) == 1
    world.clock.sleep(1801)  # the lease
    report = world.sync().run()
    assert report.unknown == ()
    assert world.sync().status().in_doubt == {}
    assert len(world.truth()[0]) == 7


def test_a_job_that_was_never_closed_is_ended_and_done_anew(crowded: Callable[[], World]) -> None:
    """Killed before its job was closed, nothing of it was done: the next run ends the job, and writes at once."""
    steps = crowded().drive(None)
    world = crowded()
    world.drive(steps.index("remember the job") + 1)
    assert jobs_of(world) == ["Open"]
    world.clock.sleep(1801)
    report = world.sync().run()
    assert jobs_of(world)[0] == "Aborted"
    assert report.unknown == ()
    assert len(world.truth()[0]) == 7


def test_a_job_whose_results_cannot_be_read_stays_in_the_journal(crowded: Callable[[], World]) -> None:
    """Salesforce goes away while a job runs: the run ends and says so; the next one asks the job, doubling nobody."""
    world = crowded()
    world.salesforce.inject(HttpStatus(503), method="GET", path="*/jobs/ingest/*", times=None)
    report = world.sync().run()
    assert "a bulk job has not told" in report.cut_short
    assert len(world.store.intents()) == 1
    with pytest.raises(Exception, match="503"):
        world.sync().run()  # nothing may be planned about these records before their job has been asked
    world.salesforce.withdraw()
    world.sync().run()
    assert [len(side) for side in world.truth()] == [7, 8]
    assert world.store.intents() == ()
    assert_at_rest(world)


@pytest.mark.parametrize("fault", [LostAnswer(), ResetConnection(), HttpStatus(500)], ids=str)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_any_call_of_a_job_may_be_lost(crowded: Callable[[], World], method: str, fault: Any) -> None:
    """The answer to a job's making, upload or closing gets lost: nobody is doubled, and all comes to the same end."""
    end = expected(crowded)
    world = crowded()
    world.salesforce.inject(fault, method=method, path=JOBS, times=1)
    world.sync().run()
    assert len({row[0] for row in world.truth()[0]}) == len(world.truth()[0])
    world.finish()
    assert world.truth() == end
    assert_at_rest(world)


# -------------------------------------------------------------------------------------------------- while a job goes on


def test_a_run_that_is_stopped_ends_its_job(crowded: Callable[[], World]) -> None:
    """Asked to stop while a job goes on, the run ends the job, settles what it did, and the next run does the rest."""
    end = expected(crowded)
    world = crowded()
    takes(world, looks=3)
    sync = world.sync()
    report = sync.run(progress=lambda phase, *_: sync.stop() if phase == "create people in Salesforce" else None)
    assert report.cut_short == "stopped as asked"
    assert jobs_of(world) == ["Aborted"]
    assert report.unknown == ()
    assert world.store.intents() == ()
    world.finish()
    assert world.truth() == end
    assert_at_rest(world)


def test_the_lease_is_kept_while_a_job_goes_on(crowded: Callable[[], World]) -> None:
    """A job that takes longer than the lease: the run prolongs it again and again until the job has ended."""
    world = crowded()
    takes(world, looks=40)
    steps = world.drive(None, lease=timedelta(seconds=60))
    waited = steps[steps.index("remember the job") : steps.index("note the outcomes")]
    assert waited.count("keep the lease") > 3
    assert jobs_of(world) == ["JobComplete"] * 2


def test_a_job_without_end_is_ended(crowded: Callable[[], World]) -> None:
    """Patience has an end: the job is ended, its records are told as not tried, and nothing is in doubt."""
    world = crowded()
    takes(world, looks=10_000)
    sync = world.sync()
    sync._setup = attrs.evolve(sync._setup, bulk=Bulk(patience=120.0))
    report = sync.run()
    assert jobs_of(world)[0] == "Aborted"
    assert report.unknown == ()
    assert len(report.untried) >= 4


# --------------------------------------------------------------------------------------------------- which way, and why


def test_the_way_and_its_reason_are_told(crowded: Callable[[], World], make_world: Callable[..., World]) -> None:
    """The report says how what was written travelled and why, and prints it where it was in bulk."""
    report = crowded().sync().run()
    assert "create people in Salesforce: bulk: at least 2 records (bulk_from)" in report.ways
    assert "How it travelled: create people in Salesforce: bulk: at least 2 records (bulk_from)" in str(report)
    world = make_world()
    crowd(world)
    report = world.sync().run()
    assert "create people in Salesforce: collections: fewer than 10000 records (bulk_from)" in report.ways
    assert "How it travelled" not in str(report)


def test_without_the_right_to_bulk_jobs_collections_are_taken(crowded: Callable[[], World]) -> None:
    """A user who may make no bulk job: all is written by the other way, and the report says why."""
    end = expected(crowded)
    world = crowded()
    world.salesforce.inject(HttpStatus(403), method="POST", path=JOBS, times=None)
    report = world.sync().run()
    assert any("collections: no bulk job could be made" in way for way in report.ways)
    assert world.truth() == end
    assert_at_rest(world)


def test_the_cost_of_bulk_is_counted(crowded: Callable[[], World]) -> None:
    """Priced before it is done, a plan that goes in bulk costs no more calls than were foreseen."""
    world = crowded()
    sync = world.sync()
    plan = sync.plan()
    cost = sync.cost(plan)
    before = len(world.salesforce.requests)
    sync.apply(plan)
    assert len(world.salesforce.requests) - before <= cost.salesforce_calls


def test_a_budget_that_is_gone_ends_the_job_clean(crowded: Callable[[], World]) -> None:
    """The run's calls are used up while it waits for a job: it ends with nothing in doubt, and goes on later."""
    end = expected(crowded)
    world = crowded()
    takes(world, looks=10_000)
    report = world.sync(budget=RunBudget(salesforce_calls=30)).run()
    assert "budget" in report.cut_short
    assert report.unknown == ()
    takes(world, looks=1)
    world.finish()
    assert world.truth() == end
    assert_at_rest(world)


def test_pieces_that_go_in_bulk_are_large_and_none_is_too_small_for_it(make_world: Callable[..., World]) -> None:
    """A piece goes the way that all of its kind go, however many there are, and is never twice as large as asked."""
    setup = make_world(bulk_from=10_000).sync()._setup
    transfer = setup.integration["people"]
    for count in (1, 9_999, 10_000, 49_999, 50_000, 99_999, 100_000, 149_999, 1_000_000):
        size = piece_size(setup, transfer, [("update", Side.SALESFORCE)], count)
        assert piece_size(setup, transfer, [("update", Side.DIALOG_INSIGHT)], count) == setup.piece
        if count < 10_000:
            assert size == setup.piece
        else:
            last = count % size or size
            assert 10_000 <= last <= size < 2 * setup.bulk_piece


def test_a_job_that_fails_as_a_whole_is_tried_record_by_record(crowded: Callable[[], World]) -> None:
    """A column that is not there any more fails every row of a job alike: the other way says what it is of each."""
    world = crowded()
    gone = Meanwhile(lambda: world.salesforce.hide_field("Contact", "FirstName"))
    world.salesforce.inject(gone, method="PUT", path=JOBS)
    report = world.sync().run()
    assert jobs_of(world)[0] == "Failed"
    refused = [line for line in report.refused if line.side is Side.SALESFORCE]
    assert len(refused) == 6  # each record that has the field
    assert all(line.code.startswith("INVALID_FIELD") for line in refused)  # a row's own code, not the job's
    assert report.unknown == ()
    assert world.store.intents() == ()


def test_a_job_of_a_dead_run_that_failed_as_a_whole_says_nothing_of_its_records(crowded: Callable[[], World]) -> None:
    """Found again after a death, such a job refuses nobody: its records are written once the column is back."""
    end = expected(crowded)
    steps = crowded().drive(None)
    closed = steps.index("Send write", steps.index("remember the job") + 2) + 1
    world = crowded()
    gone = Meanwhile(lambda: world.salesforce.hide_field("Contact", "FirstName"))
    world.salesforce.inject(gone, method="PUT", path=JOBS)
    world.drive(closed)
    world.salesforce.finish_bulk_jobs()
    world.clock.sleep(1801)
    with pytest.raises(ConfigurationError, match="FirstName"):
        world.sync().run()  # the mapping names a field that is not there
    world.salesforce.hide_field("Contact", "FirstName", hidden=False)
    report = world.sync().run()
    assert jobs_of(world)[0] == "Failed"
    assert report.set_aside == ()
    assert world.truth() == end
    assert_at_rest(world)
