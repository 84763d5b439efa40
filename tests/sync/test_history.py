"""What was done, how things stand, what failed, what it costs, and taking back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from di_salesforce.engine import Plan
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side
from di_salesforce.stores import SQLiteStore
from di_salesforce.synchronizer import RunBudget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sync.conftest import World

PROJECT = 4400


@pytest.fixture
def edited(settled: World) -> World:
    """Give a world in which a run carried an edit each way and a creation each way."""
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), LastName="Lee", FirstName="Anna")
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id("bob@example.com"), Points=99)
    settled.contact("new@example.com")
    settled.person("born@example.com")
    assert len(settled.sync().run().written) == 4
    return settled


def last_run(world: World) -> str:
    return world.store.runs(1)[0].run_id


def last_names(world: World) -> dict[Any, Any]:
    return {row[0]: row[2] for row in world.truth()[1]}


# ---------------------------------------------------------------------------------------------------- the history


@pytest.mark.parametrize("key", ["ann@example.com", " ANN@example.com", "salesforce", "dialog_insight"])
def test_the_history_of_a_record(edited: World, key: str) -> None:
    """What was written of a record is told by its key and by both its ids: when, from what to what, by which rule."""
    key = {
        "salesforce": edited.contact_id("ann@example.com")[:15],
        "dialog_insight": str(edited.person_id("ann@example.com")),
    }.get(key, key)
    [done] = edited.sync().history(key)
    assert done.run_id == last_run(edited)
    assert done.applied.side is Side.DIALOG_INSIGHT
    changes = {change.field: (change.before, change.after, change.rule) for change in done.applied.changes}
    assert changes == {
        "FirstName": ("Ann", "Anna", "update.changed"),
        "LastName": ("Roy", "Lee", "update.changed"),
    }
    assert "'Roy' -> 'Lee'" in str(done)
    assert "Roy" not in repr(done)


def test_a_history_is_a_table_with_a_row_for_each_field(edited: World) -> None:
    """It goes into frames, files and notebooks as plans and reports do; in a notebook people are masked."""
    history = edited.sync().history("ann@example.com")
    table = history.to_table()
    assert [(line["kind"], line["side"], line["field"], line["before"], line["after"]) for line in table] == [
        ("update", "dialog_insight", "FirstName", "Ann", "Anna"),
        ("update", "dialog_insight", "LastName", "Roy", "Lee"),
    ]
    assert history.to_polars().height == len(history.to_pandas()) == 2
    assert history.to_dicts() == [line.to_dict() for line in history]
    assert "ann@" not in history._repr_html_()
    assert "Lee" not in history._repr_html_()
    assert "Lee" in history.unmasked()._repr_html_()


def test_a_record_that_was_created_is_known_by_its_new_id(edited: World) -> None:
    """The first line of a record's history is its creation, found by the id that the service gave it."""
    [done] = edited.sync().history(edited.contact_id("born@example.com"))
    assert done.applied.kind == "create"
    assert edited.sync().history("nobody@example.com") == ()


def test_old_history_is_dropped_by_a_run(edited: World) -> None:
    """A run drops what was written longer ago than history is kept; how the runs went stays, and so do the records."""
    run_id, before = last_run(edited), edited.truth()
    edited.clock.sleep(timedelta(days=29).total_seconds())
    sync = edited.sync(history_for=timedelta(days=30))
    sync.run()
    assert len(sync.history("ann@example.com")) == 1
    edited.clock.sleep(timedelta(days=2).total_seconds())
    edited.sync().run()
    assert len(sync.history("ann@example.com")) == 1, "without the setting history is kept for ever"
    sync.run()
    assert sync.history("ann@example.com") == ()
    assert run_id in {run.run_id for run in edited.store.runs()}
    with pytest.raises(ConfigurationError, match=run_id):
        sync.undo(run_id)
    assert edited.truth() == before


def test_history_is_kept_for_some_time(world: World) -> None:
    """To keep history for no time at all is a mistake, told at once."""
    with pytest.raises(ConfigurationError, match="history_for"):
        world.sync(history_for=timedelta(0))


def test_the_history_is_in_the_file(make_world: Callable[..., World], tmp_path: Path) -> None:
    """Another process finds it."""
    with SQLiteStore(tmp_path / "memory.db") as store:
        world = make_world(store=store)
        world.contact("ann@example.com")
        world.sync().run(first_run=True)
    with SQLiteStore(tmp_path / "memory.db") as store:
        assert len(world.sync(store=store).history("ann@example.com")) == 1


# --------------------------------------------------------------------------------------------------------- undoing


def test_a_run_is_taken_back(edited: World) -> None:
    """Fields go back to their before-images, on the side that was written; the next run leaves it so."""
    sync = edited.sync()
    plan = sync.undo(last_run(edited))
    assert {action.kind for action in plan.writes} == {"update"}
    report = sync.apply(plan)
    assert report.ok
    assert len(report.written) == 2
    assert last_names(edited)["ann@example.com"] == "Roy"
    [points] = [row[3] for row in edited.truth()[0] if row[0] == "bob@example.com"]
    assert points == 10
    before = edited.write_calls
    assert edited.sync().run().written == ()
    assert edited.write_calls == before
    assert sync.compare().ok


def test_an_edit_after_an_undo_flows(edited: World) -> None:
    """What was taken back is no rule for ever: the next edit of the field is carried as usual."""
    sync = edited.sync()
    sync.apply(sync.undo(last_run(edited)))
    edited.salesforce.edit("Contact", edited.contact_id("ann@example.com"), LastName="Li")
    sync.run()
    assert last_names(edited)["ann@example.com"] == "Li"


def test_what_was_edited_since_is_not_taken_back(edited: World) -> None:
    """A field that somebody changed after the run keeps what they wrote, also where they did so after the plan."""
    sync = edited.sync()
    plan = sync.undo(last_run(edited))
    edited.dialog_insight.edit_contact(PROJECT, edited.person_id("ann@example.com"), LastName="Mine")
    edited.clock.sleep(120)
    assert [line.key for line in sync.apply(plan).of(outcome="stale")] == ["ann@example.com"]
    assert "ann@example.com" not in {action.key for action in sync.undo(last_run(edited)).writes}
    assert last_names(edited)["ann@example.com"] == "Mine"


def test_an_undo_can_be_saved_and_approved(edited: World) -> None:
    """It is a plan like any other: it survives being written to a file."""
    sync = edited.sync()
    plan = Plan.from_dict(sync.undo(last_run(edited)).to_dict())
    assert sync.apply(plan).ok
    assert last_names(edited)["ann@example.com"] == "Roy"


def test_creates_are_taken_back_only_if_asked_for(edited: World) -> None:
    """With `deletes` what the run created is deleted, and not created again."""
    sync = edited.sync()
    plan = sync.undo(last_run(edited), deletes=True).only(kind="delete", side=Side.SALESFORCE)
    assert sync.apply(plan).ok
    assert "born@example.com" not in {row[0] for row in edited.truth()[0]}
    assert sync.run().written == ()


def test_a_run_that_is_not_known_is_an_error(settled: World) -> None:
    """An id that the history does not know is told."""
    with pytest.raises(ConfigurationError, match="nobody's"):
        settled.sync().undo("nobody's")


# ------------------------------------------------------------------------------------------------------ the status


def test_the_status_of_a_store_that_was_never_used(world: World) -> None:
    """Before anything was done there is nothing to tell, and no service is asked."""
    told = world.sync().status()
    assert (told.last_run, told.last_good, told.lag) == (None, None, None)
    assert "never" in str(told)
    assert len(world.salesforce.requests) == 0


def test_the_status_counts_what_waits(settled: World) -> None:
    """Held conflicts, refused records and lost answers are counted by transfer; the lag is since the last good run."""
    good = last_run(settled)
    settled.clock.sleep(3600)
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), LastName="Lee")
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id("ann@example.com"), LastName="Li")
    settled.salesforce.validation_rule("Contact", lambda row, *_: "No." if row.get("LastName") == "Robot" else None)
    settled.person("robot@example.com", last="Robot")
    assert not settled.sync().run().ok
    told = settled.sync().status()
    assert told.last_run is not None
    assert not told.last_run.ok
    assert told.last_good is not None
    assert told.last_good.run_id == good
    assert told.lag is not None
    assert told.lag.total_seconds() > 3600
    assert (told.held, told.set_aside, told.in_doubt) == ({"people": 1}, {"people": 1}, {})
    assert told.to_dict()["held"] == {"people": 1}


# ----------------------------------------------------------------------------------------------------- failed rows


@pytest.fixture
def refused(settled: World) -> World:
    """Give a world in which Salesforce refused a robot."""
    settled.salesforce.validation_rule(
        "Contact", lambda row, *_: "No." if str(row.get("LastName")).startswith("Robot") else None
    )
    settled.person("robot@example.com", last="Robot")
    settled.sync().run()
    return settled


def test_a_refused_record_is_listed_with_advice(refused: World) -> None:
    """Code, the service's words, what to do, how often, since when."""
    [row] = refused.sync().failed()
    assert (row.key, row.code, row.count, row.set_aside) == (
        "robot@example.com",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        1,
        True,
    )
    assert row.message == "No."
    assert "rule" in row.advice
    assert "robot@example.com" in str(row)
    assert "robot" not in repr(row)
    assert row.to_dict()["key"] == ["robot@example.com"]


def test_failed_rows_are_a_table(refused: World) -> None:
    """They go into frames, files and notebooks as plans and reports do; in a notebook people are masked."""
    rows = refused.sync().failed()
    frame = rows.to_pandas()
    assert frame[["key", "code", "count"]].to_numpy().tolist() == [
        ["robot@example.com", "FIELD_CUSTOM_VALIDATION_EXCEPTION", 1]
    ]
    assert str(frame["since"].dtype).endswith("UTC]")
    assert rows.to_dicts() == [row.to_dict() for row in rows]
    assert "robot@" not in rows._repr_html_()
    assert "robot@" in rows.unmasked()._repr_html_()


def test_a_requeued_record_is_tried_again(refused: World) -> None:
    """After the rule is gone nothing of the record has changed: it is tried again once somebody says so."""
    refused.salesforce.validation_rule("Contact", lambda *_: None)
    sync = refused.sync()
    assert sync.run().written == ()
    [row] = sync.failed()
    assert sync.requeue(row.id) == 1
    before = refused.write_calls
    sync.run()
    assert refused.write_calls != before


def test_an_ignored_record_is_left_alone(refused: World) -> None:
    """Whatever changes, nobody tries it, until it is requeued."""
    sync = refused.sync()
    [row] = sync.failed()
    sync.ignore(row.id)
    refused.dialog_insight.edit_contact(PROJECT, refused.person_id("robot@example.com"), LastName="Human")
    before = refused.write_calls
    assert [line.key for line in sync.run().set_aside] == ["robot@example.com"]
    assert refused.write_calls == before
    assert [row.ignored for row in sync.failed()] == [True]
    sync.requeue(row.id)
    assert [line.key for line in sync.run().written] == ["robot@example.com"]
    assert sync.failed() == ()


def test_a_record_is_set_aside_after_so_many_refusals(refused: World) -> None:
    """Each change is tried once; after the limit it is tried no more, and told as set aside."""
    sync = refused.sync(most_tries=3)
    for number in range(5):
        refused.dialog_insight.edit_contact(PROJECT, refused.person_id("robot@example.com"), LastName=f"Robot {number}")
        report = sync.run()
    assert [row.count for row in sync.failed()] == [3]
    assert [line.key for line in report.set_aside] == ["robot@example.com"]


def test_an_id_of_nothing_is_an_error(settled: World) -> None:
    """What is requeued or ignored must have failed."""
    for call in (settled.sync().requeue, settled.sync().ignore):
        with pytest.raises(ConfigurationError, match="name nothing"):
            call("people/nobody//")


# ---------------------------------------------------------------------------------------------- costs and budgets


def test_a_cost_is_what_it_comes_to(world: World) -> None:
    """The calls that a plan is said to take are those that applying it takes."""
    for number in range(450):
        world.person(f"p{number}@example.com")
    for number in range(30):
        world.contact(f"q{number}@example.com")
    sync = world.sync()
    plan = sync.plan()
    cost = sync.cost(plan)
    assert (cost.salesforce_records, cost.dialog_insight_records) == (450, 30)
    assert cost.left_today is not None
    assert cost.fits
    assert "450 records" in str(cost)
    before = len(world.salesforce.requests), len(world.dialog_insight.requests)
    assert sync.apply(plan).ok
    spent = len(world.salesforce.requests) - before[0], len(world.dialog_insight.requests) - before[1]
    assert (cost.salesforce_calls, cost.dialog_insight_calls) == spent


def test_a_run_ends_clean_when_its_budget_is_gone(world: World) -> None:
    """Within one run so many calls and no more; the report says so, and the next run goes on where it was."""
    for number in range(6):
        world.contact(f"p{number}@example.com")
    runs = 0
    while runs < 9:
        runs += 1
        sync = world.sync(budget=RunBudget(dialog_insight_calls=4))
        sync._setup = attrs.evolve(sync._setup, piece=1)
        report = sync.run(first_run=True)
        assert report.calls["dialog_insight"] <= 4
        if not report.cut_short:
            break
        assert "budget of 4 calls of Dialog Insight" in report.cut_short
    assert runs == 3  # of two reads and two writes each
    assert len(world.truth()[1]) == 6


def test_a_share_of_the_day_is_kept_free(world: World) -> None:
    """Past its share of the day's calls a run begins nothing, whoever used them."""
    world.contact("ann@example.com")
    sync = world.sync(budget=RunBudget(share_of_day=0.000001))
    report = sync.run(first_run=True)
    assert "of the day's" in report.cut_short
    assert world.write_calls == (0, 0)
    assert world.sync(budget=RunBudget(share_of_day=1.0)).run(first_run=True).ok
