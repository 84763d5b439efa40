"""Laws of reading back: what a service keeps of a write is what is remembered, whether or not it is what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from di_salesforce.engine import Relation
from di_salesforce.records import Side
from di_salesforce.testing import HttpStatus, Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

PROJECT = 4400


def salesforce_shouts(world: World) -> None:
    """Let Salesforce keep first names in capitals."""

    def shout(row: dict[str, Any]) -> None:
        if row.get("FirstName"):
            row["FirstName"] = str(row["FirstName"]).upper()

    world.salesforce.on_save("Contact", shout)


def dialog_insight_shouts(world: World) -> None:
    """Let Dialog Insight keep first names in capitals."""

    def shout(row: dict[str, Any]) -> None:
        if row.get("FirstName"):
            row["FirstName"] = str(row["FirstName"]).upper()

    world.dialog_insight.on_save(PROJECT, shout)


def edit_on(world: World, side: Side, **values: Any) -> None:
    """Edit Ann as a person does who writes what they mean: the service rewrites it for them too."""
    if side is Side.SALESFORCE:
        world.salesforce.edit("Contact", world.contact_id("ann@example.com"), **values)
    else:
        world.dialog_insight.edit_contact(PROJECT, world.person_id("ann@example.com"), **values)


@pytest.mark.parametrize(
    ("shouts", "writer", "target"),
    [
        (salesforce_shouts, Side.DIALOG_INSIGHT, Side.SALESFORCE),
        (dialog_insight_shouts, Side.SALESFORCE, Side.DIALOG_INSIGHT),
    ],
    ids=["salesforce rewrites", "dialog insight rewrites"],
)
@pytest.mark.parametrize("kind", ["create", "update"])
def test_a_rewritten_value_is_known_and_does_not_flap(
    world: World, shouts: Callable[[World], None], writer: Side, target: Side, kind: str
) -> None:
    """What a service keeps otherwise than sent is reported once and remembered as `~`: nothing goes back."""
    sync = world.sync()
    if kind == "create":
        shouts(world)
        world.contact("ann@example.com") if writer is Side.SALESFORCE else world.person("ann@example.com")
        edit_on(world, writer, FirstName="Zoé")
        report = sync.run(first_run=True)
    else:
        world.pair("ann@example.com")
        sync.run(first_run=True)
        shouts(world)
        edit_on(world, writer, FirstName="Zoé")
        report = sync.run()
    [line] = report.written
    assert (line.kind, line.side) == (kind, target)
    assert line.rewritten == ("FirstName",)
    assert line.verified
    [link] = world.store.baseline("people").links
    state = link.fields["FirstName:FirstName"]
    assert state.rel is Relation.REWRITTEN
    assert {state.of(writer), state.of(target)} == {"Zoé", "ZOÉ"}
    before = world.write_calls
    for _ in range(4):
        assert sync.run().ok
    assert world.write_calls == before
    comparison = sync.compare()
    assert comparison.ok
    assert [item.why for part in comparison.transfers for item in part.differences] == ["rewritten"]


@pytest.mark.parametrize("side", list(Side), ids=lambda side: side.value)
def test_an_edit_after_a_rewriting_still_arrives(world: World, side: Side) -> None:
    """What was rewritten is no excuse for later edits: each side's own still flow, from either side."""
    salesforce_shouts(world)
    world.person("ann@example.com")
    sync = world.sync()
    sync.run(first_run=True)
    edit_on(world, side, FirstName="Léa")
    [line] = sync.run().written
    assert line.side is side.other
    [(_, here, *_)], [(_, there, *_)] = world.truth()
    assert (here, there) == (("LÉA", "Léa") if side is Side.DIALOG_INSIGHT else ("LÉA", "LÉA"))
    before = world.write_calls
    sync.run()
    assert world.write_calls == before


def test_a_text_that_is_cut_silently_is_not_cut_at_its_source(world: World) -> None:
    """Where Dialog Insight cuts an over-long text, the whole one stays in Salesforce: the cut is no edit."""
    world.dialog_insight.switches = attrs.evolve(world.dialog_insight.switches, over_length="truncate")
    world.contact("ann@example.com", last="Lafontaine-Roy de la Bruère")
    sync = world.sync()
    for _ in range(3):
        sync.run(first_run=True)
    [(_, _, here, _)], [(_, _, there, _)] = world.truth()
    assert here == "Lafontaine-Roy de la Bruère"
    assert here.startswith(there)  # shorter, if the sizes of the schema were not known before


def test_automation_in_another_field_is_seen_by_the_next_run(settled: World) -> None:
    """A save that sets a second mapped field on its own is somebody's edit: the next run carries it over."""

    def award(row: dict[str, Any]) -> None:
        if row.get("FirstName") == "Anna":
            row["Points"] = 1000

    settled.dialog_insight.on_save(PROJECT, award)
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), FirstName="Anna")
    sync = settled.sync()
    sync.run()
    sync.run()
    here, there = settled.truth()
    assert here == there
    assert ("ann@example.com", "Anna", "Roy", 1000.0) in here
    before = settled.write_calls
    sync.run()
    assert settled.write_calls == before


def test_a_failed_read_back_leaves_the_write_done_and_unverified(settled: World) -> None:
    """Salesforce took the write and cannot be asked what it kept: done, marked as unverified, and not written again."""
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id("ann@example.com"), FirstName="Anna")
    settled.salesforce.inject(HttpStatus(500), path="*/query*", after=1, times=1)  # the first query is the plan's
    sync = settled.sync()
    report = sync.run()
    [line] = report.written
    assert not line.verified
    before = settled.write_calls
    assert sync.run().ok
    assert settled.write_calls == before
    here, there = settled.truth()
    assert here == there


def test_a_rewriting_behind_a_failed_read_back_counts_as_an_edit(world: World) -> None:
    """Unverified, then seen to differ: the settling table calls it an edit, and it settles without flapping."""
    salesforce_shouts(world)
    world.pair("ann@example.com", first="X")
    sync = world.sync()
    sync.run(first_run=True)
    world.dialog_insight.edit_contact(PROJECT, world.person_id("ann@example.com"), FirstName="anna")
    world.salesforce.inject(HttpStatus(500), path="*/query*", after=1, times=1)
    sync.run()
    for _ in range(3):
        sync.run()
    [(_, here, *_)], [(_, there, *_)] = world.truth()
    assert (here, there) == ("ANNA", "ANNA")
    before = world.write_calls
    sync.run()
    assert world.write_calls == before


def test_two_services_that_rewrite_each_other_come_to_rest(world: World) -> None:
    """One service shouts, the other whispers: after some runs nothing is written any more, whatever is held."""
    salesforce_shouts(world)

    def whisper(row: dict[str, Any]) -> None:
        if row.get("FirstName"):
            row["FirstName"] = str(row["FirstName"]).lower()

    world.dialog_insight.on_save(PROJECT, whisper)
    world.pair("ann@example.com", first="x")
    sync = world.sync()
    sync.run(first_run=True)
    edit_on(world, Side.SALESFORCE, FirstName="Zoé")
    for _ in range(6):
        sync.run()
    before = world.write_calls
    sync.run()
    assert world.write_calls == before
    assert sync.compare().ok


@pytest.mark.parametrize(
    "switch",
    [
        {"boolean_rendering": "text"},
        {"number_rendering": "text"},
        {"date_rendering": "iso"},
        {"date_rendering": "iso_t"},
        {"null_rendering": "empty"},
        {"null_in_data": "ignore"},
        {"blank_text": "null"},
        {"email_lower_casing": "lower"},
        {"trace": "absent"},
        {"row_order": "shuffled"},
        {"insert_only_hit": "refuse"},
        {"update_only_miss": "skip"},
        {"duplicate_in_call": "apply_each"},
        {"members_case_sensitive": False},
        {"body_layout": "indented"},
    ],
    ids=lambda switch: " ".join(f"{name}={answer}" for name, answer in switch.items()),
)
def test_it_comes_to_rest_whatever_dialog_insight_is_like(make_world: Any, switch: dict[str, Any]) -> None:
    """Under each answer to an open question: people of both sides, edits, a blank, then silence and agreement."""
    world = make_world()
    world.dialog_insight.switches = Switches(**switch)
    world.contact("Ann@Example.com", points=3)
    world.person("bob@example.com", points=4)
    world.pair("cat@example.com", points=5)
    sync = world.sync()
    sync.run(first_run=True)
    world.salesforce.edit("Contact", world.contact_id("cat@example.com"), FirstName=None)
    world.dialog_insight.edit_contact(PROJECT, world.person_id("bob@example.com"), Points=40)
    sync.run()
    sync.run()
    before = world.write_calls
    report = sync.run()
    assert report.ok
    assert world.write_calls == before
    here, there = world.truth()
    lower = [[(str(email).lower(), *rest) for email, *rest in side] for side in (here, there)]
    assert lower[0] == lower[1]
    assert ("cat@example.com", None, "Roy", 5.0) in there
    assert ("bob@example.com", "Ada", "Roy", 40.0) in here
