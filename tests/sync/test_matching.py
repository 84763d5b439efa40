"""Laws of match tiers over the services: what a person answered in a plan is carried out, and not asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from di_salesforce import Integration, ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.triggers import Trigger

if TYPE_CHECKING:
    from tests.sync.conftest import World


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("word", "people"), [("link", 1), ("different", 2)])
def test_an_answer_is_carried_out(
    make_world: Callable[..., World],
    people_transfer: Callable[..., ObjectTransfer],
    word: str,
    people: int,
    whole: bool,
) -> None:
    """A run creates nobody who may be there; the answered plan is applied as it is, and later runs write nothing more.

    So it is with a filter in Salesforce as well, where a key that was not read may exist all the same.
    """
    settings = {} if whole else {"salesforce_filter": "Email != null"}
    transfer = people_transfer(match=[["FirstName:FirstName", "LastName:LastName"]], **settings)
    world = make_world(integration=Integration([transfer]))
    world.contact("ada@work.example.com")
    world.person("ada@home.example.com")
    sync = world.sync()
    assert sync.run(first_run=True).written == ()
    plan = sync.plan()
    assert len(plan.ambiguous) == 2
    rows = [{**row, "decision": word} for row in plan.match_rows()]
    decided = plan.resolve_matches(rows)
    assert not decided.needs
    for side in Side:
        assert [each.cursor for each in decided.parts[0].coverages if each.side is side] == [
            each.cursor for each in plan.parts[0].coverages if each.side is side
        ]
    sync.apply(decided)
    assert [len(side) for side in world.truth()] == [people, people]
    assert len(world.store.baseline("people").links) == people
    writes = world.write_calls
    assert sync.run().written == () and world.write_calls == writes
    assert not sync.plan().ambiguous


def test_a_forgotten_person_is_in_nobody_elses_answer(
    make_world: Callable[..., World], people_transfer: Callable[..., ObjectTransfer]
) -> None:
    """That somebody else is not this person would still name this person."""
    transfer = people_transfer(match=[["LastName:LastName"]], triggers=Trigger.SALESFORCE_UPDATED)
    world = make_world(integration=Integration([transfer]))
    world.contact("ada@work.example.com")
    number = world.person("ada@home.example.com")
    sync = world.sync()
    sync.run(first_run=True)
    plan = sync.plan()
    sync.apply(plan.resolve_matches([{**row, "decision": "different"} for row in plan.match_rows()]))
    assert "match.different" in {item.reason for item in world.store.baseline("people").open_items.values()}
    sync.forget(str(number))
    items = world.store.baseline("people").open_items.values()
    assert not any(str(number) in f"{item.subject} {item.group}" for item in items)
