"""Laws of a Dialog Insight that is read by key alone: the default, since nobody knows whether it gives all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

PROJECT = 4400
ANN = "ann@example.com"


@pytest.fixture
def by_key(make_world: Callable[..., World]) -> World:
    """Give a world of which Dialog Insight is never asked for all rows: a pair, and one more person on each side."""
    world = make_world(reads_all=False)
    world.pair(ANN)
    world.contact("bob@example.com")
    world.person("cat@example.com")
    assert world.sync().run(first_run=True).ok
    return world


def names(world: World, email: str) -> list[object]:
    return [row[1] for side in world.truth() for row in side if row[0] == email]


def test_who_is_in_salesforce_is_looked_up_and_linked_or_created(by_key: World) -> None:
    """A pair is found by its key, a missing person is created once looked up; whom no key asks for stays unseen."""
    assert len(by_key.store.baseline("people")) == 2
    assert [len(side) for side in by_key.truth()] == [2, 3]
    assert by_key.write_calls == (0, 1)


def test_it_never_asks_for_every_row(by_key: World) -> None:
    """No read of Dialog Insight goes without a clause: each names a key or an id."""
    by_key.salesforce.edit("Contact", by_key.contact_id(ANN), FirstName="Anna")
    by_key.dialog_insight.switches = type(by_key.dialog_insight.switches)(clauseless_get="refuse")
    assert by_key.sync().run().ok
    assert names(by_key, ANN) == ["Anna", "Anna"]


def test_a_second_run_is_silent(by_key: World) -> None:
    """Nothing changed: no write, and no look-up of people who are linked already."""
    sync = by_key.sync()
    sync.plan()
    writes, asked = by_key.write_calls, len(by_key.dialog_insight.requests)
    assert sync.run().ok
    assert by_key.write_calls == writes
    assert len(by_key.dialog_insight.requests) == asked


def test_an_edit_is_checked_against_the_other_side_first(by_key: World) -> None:
    """Salesforce was edited: the record in Dialog Insight is looked at before it is written, so a conflict is held."""
    by_key.salesforce.edit("Contact", by_key.contact_id(ANN), FirstName="Here")
    by_key.dialog_insight.edit_contact(PROJECT, by_key.person_id(ANN), FirstName="There")
    by_key.salesforce.edit("Contact", by_key.contact_id("bob@example.com"), FirstName="Robert")
    report = by_key.sync().run()
    assert [line.key for line in report.conflicts] == [ANN]
    assert [line.key for line in report.written] == ["bob@example.com"]
    assert names(by_key, ANN) == ["Here", "There"]


def test_an_edit_in_dialog_insight_arrives_when_its_key_is_named(by_key: World) -> None:
    """What nothing points at is not seen by a run; `keys=` points at it, for edits and for somebody new."""
    by_key.dialog_insight.edit_contact(PROJECT, by_key.person_id(ANN), FirstName="Anna")
    assert by_key.sync().run().written == ()
    by_key.sync().run(keys=[ANN, "cat@example.com"])
    assert names(by_key, ANN) == ["Anna", "Anna"]
    assert len(names(by_key, "cat@example.com")) == 2
