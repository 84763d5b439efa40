"""Laws of vanished records: reported, unlinked or deleted as the transfer says, and never taken for news."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from di_salesforce.mapping import Integration
from di_salesforce.records import Side
from di_salesforce.triggers import Deletes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

    from di_salesforce.synchronizer import Synchronizer

PROJECT = 4400
ANN = "ann@example.com"


@pytest.fixture
def many(world: World) -> World:
    """Give a world of eight pairs, so that one of them is no great share."""
    for name in ("ann", "bob", "cat", "dan", "eva", "fay", "gus", "hal"):
        world.pair(f"{name}@example.com")
    return world


def removed(world: World, side: Side) -> None:
    if side is Side.SALESFORCE:
        world.salesforce.delete("Contact", world.contact_id(ANN))
    else:
        world.dialog_insight.delete_contact(PROJECT, world.person_id(ANN))


def silent(world: World, sync: Synchronizer) -> None:
    before = world.write_calls
    for _ in range(3):
        assert sync.run().ok
    assert world.write_calls == before
    assert sync.compare().ok


sides = pytest.mark.parametrize("side", list(Side), ids=lambda side: side.value)


@sides
@pytest.mark.parametrize("deletes", [Deletes.REPORT, Deletes.UNLINK], ids=str)
def test_a_vanished_record_is_not_made_again(
    many: World, people_transfer: Callable[..., Any], side: Side, deletes: Deletes
) -> None:
    """By default, and where links are ended: nothing is deleted, and nothing is created in its place, run after run."""
    sync = many.sync(Integration([people_transfer(deletes=deletes)]))
    sync.run(first_run=True)
    removed(many, side)
    report = sync.run()
    assert report.written == ()
    assert len(report.lines) == 1  # told once
    silent(many, sync)
    assert sorted(len(people) for people in many.truth()) == [7, 8]


def test_a_delete_is_carried_to_salesforce_where_that_is_asked_for(
    many: World, people_transfer: Callable[..., Any]
) -> None:
    """`deletes=DELETE`: the counterpart goes too, once it was proven that the record is gone; then silence."""
    sync = many.sync(Integration([people_transfer(deletes=Deletes.DELETE)]))
    sync.run(first_run=True)
    removed(many, Side.DIALOG_INSIGHT)
    [line] = sync.run().written
    assert (line.kind, line.side) == ("delete", Side.SALESFORCE)
    assert [len(people) for people in many.truth()] == [7, 7]
    silent(many, sync)


def test_dialog_insight_deletes_nothing_unless_its_client_may(many: World, people_transfer: Callable[..., Any]) -> None:
    """A contact goes for good, with its history: without the client's capability even `deletes=DELETE` does nothing."""
    sync = many.sync(Integration([people_transfer(deletes=Deletes.DELETE)]))
    sync.run(first_run=True)
    removed(many, Side.SALESFORCE)
    assert sync.run().written == ()
    assert len(many.truth()[1]) == 8
    silent(many, sync)


def test_a_counterpart_that_was_edited_is_not_deleted(many: World, people_transfer: Callable[..., Any]) -> None:
    """Somebody worked on the other record since the two last agreed: it is held, not deleted."""
    sync = many.sync(Integration([people_transfer(deletes=Deletes.DELETE)]))
    sync.run(first_run=True)
    many.salesforce.edit("Contact", many.contact_id(ANN), LastName="Worked-on")
    removed(many, Side.DIALOG_INSIGHT)
    report = sync.run()
    assert report.written == ()
    assert len(report.conflicts) == 1
    assert len(many.truth()[0]) == 8


def test_a_record_that_comes_back_goes_on_as_before(many: World) -> None:
    """Taken out of the recycle bin, a record is linked as it was: an edit made meanwhile on the other side arrives."""
    sync = many.sync()
    sync.run(first_run=True)
    ann = many.contact_id(ANN)
    many.salesforce.delete("Contact", ann)
    sync.run()
    many.dialog_insight.edit_contact(PROJECT, many.person_id(ANN), FirstName="Anna")
    sync.run()
    many.salesforce.undelete("Contact", ann)
    sync.run()
    assert (ANN, "Anna", "Roy", None) in many.truth()[0]
    silent(many, sync)


def test_somebody_who_is_made_again_is_news(many: World) -> None:
    """A person makes the deleted contact again, under a new id: the two are linked, nobody is doubled."""
    sync = many.sync()
    sync.run(first_run=True)
    removed(many, Side.SALESFORCE)
    sync.run()
    many.contact(ANN)
    sync.run()
    assert [len(people) for people in many.truth()] == [8, 8]
    silent(many, sync)
    assert sync.compare().agree == 8
