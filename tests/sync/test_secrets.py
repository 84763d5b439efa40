"""Laws of discretion: neither a secret nor anything of anybody stands in a log, a repr, or an error of ours."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from di_salesforce.exceptions import DISalesforceError
from di_salesforce.mapping import Integration
from di_salesforce.records import Side
from di_salesforce.stores import SQLiteStore
from di_salesforce.testing import HttpStatus, LostAnswer, ResetConnection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sync.conftest import World

PROJECT = 4400
PERSON = ("secretive", "Confidentia", "Privée")
"""Words of people's data: of an address, a first and a last name."""


@pytest.fixture
def discreet(make_world: Callable[..., World], tmp_path: Path) -> World:
    """Give a world over real HTTP with somebody new on both sides, somebody held, and somebody who is refused."""
    world = make_world(sockets=True, store=SQLiteStore(tmp_path / "memory.db"))
    world.salesforce.validation_rule("Contact", lambda row, *_: "No." if row.get("FirstName") == "Confidentia3" else "")
    for number in range(2):
        world.pair(f"secretive{number}@example.com", first=f"Confidentia{number}", last="Privée")
    world.contact("secretive2@example.com", first="Confidentia2", last="Privée")
    world.person("secretive3@example.com", first="Confidentia3", last="Privée")
    world.person("secretive4@example.com", first="Confidentia4", last="Privée")
    return world


def secrets(world: World) -> tuple[str, ...]:
    """Give the key of Dialog Insight, and every token that Salesforce has given out."""
    assert world.salesforce._door._open
    return (world.dialog_insight.key, *world.salesforce._door._open)


def live(world: World) -> tuple[Any, list[Any]]:
    """Go through everything a synchronizer does, and give it with all that it gave."""
    sync = world.sync()
    seen: list[Any] = [sync, sync.check(), sync.plan()]
    seen.append(sync.run(first_run=True))
    world.salesforce.edit("Contact", world.contact_id("secretive0@example.com"), FirstName="ConfidentiaHere")
    world.dialog_insight.edit_contact(PROJECT, world.person_id("secretive0@example.com"), FirstName="ConfidentiaThere")
    plan = sync.plan()
    seen += [plan, *plan.actions, *plan.parts, plan.needs]
    decided = plan.resolve("secretive0@example.com", keep=Side.SALESFORCE)
    seen += [decided, *decided.actions, sync.apply(decided)]
    comparison = sync.compare()
    seen += [comparison, *comparison.transfers, *(item for part in comparison.transfers for item in part.differences)]
    for report in [each for each in seen if hasattr(each, "written")]:
        seen += report.lines
    baseline = world.store.baseline("people")
    seen += [world.store, baseline, *baseline.links, *baseline.open_items.values(), *world.store.runs()]
    seen += [state for link in baseline.links for state in link.fields.values()]
    seen += [sync.integration, sync.resolved(), sync._setup, sync._runner, *sync._connections.values()]
    return sync, seen


def test_no_repr_shows_anything(discreet: World) -> None:
    """Synchronizer, plan, actions, report and its lines, comparison, store, memory: none shows data or a secret."""
    _, seen = live(discreet)
    assert len(seen) > 30
    for value in seen:
        shown = repr(value)
        for word in (*PERSON, *secrets(discreet)):
            assert word not in shown, type(value).__name__


def test_no_log_shows_anything(discreet: World, caplog: pytest.LogCaptureFixture) -> None:
    """At the level DEBUG, of every logger of every package: no address, no name, no key, no token."""
    with caplog.at_level(logging.DEBUG):
        live(discreet)
        for fault in (HttpStatus(500), LostAnswer(), ResetConnection()):
            discreet.salesforce.inject(fault, path="*/query*")
            discreet.dialog_insight.inject(fault, method="Merge")
            discreet.contact(f"secretive-{type(fault).__name__}@example.com", first="Confidentia9")
            with suppress(DISalesforceError):
                discreet.sync().run()
    text = "\n".join(f"{record.name}: {record.getMessage()} {record.exc_text or ''}" for record in caplog.records)
    assert "Contacts.Merge" in text  # something was logged
    for word in (*PERSON, *secrets(discreet)):
        assert word not in text


@pytest.mark.parametrize("side", list(Side), ids=lambda side: side.value)
def test_no_error_of_ours_shows_anything(discreet: World, side: Side) -> None:
    """An error's sentence, repr and traceback hold nothing of anybody; the service's own words may, in `.message`."""
    sync = discreet.sync()
    sync.plan()
    if side is Side.SALESFORCE:
        discreet.salesforce.inject(HttpStatus(500), path="*/query*", times=None)
    else:
        discreet.dialog_insight.inject(HttpStatus(500), method="Get", times=None)
    with pytest.raises(DISalesforceError) as raised:
        sync.run(first_run=True, keys=["secretive0@example.com"])
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + str(raised.value)
    for word in (*PERSON[1:], *secrets(discreet)):
        assert word not in shown
    assert PERSON[0] not in str(raised.value)


def test_the_history_keeps_no_values(discreet: World) -> None:
    """What the store's history holds of a run is counts and a digest."""
    live(discreet)
    runs = [str(run.to_dict()) for run in discreet.store.runs()]
    assert runs
    assert not [word for word in PERSON for run in runs if word in run]


def test_the_memory_keeps_no_secret(discreet: World, tmp_path: Path) -> None:
    """Not a byte of a key, a token or a password is in the store's file."""
    live(discreet)
    discreet.store.close()
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert not [word for word in secrets(discreet) if word.encode() in content]


def test_a_plan_that_is_saved_holds_no_secret(discreet: World, people_transfer: Callable[..., Any]) -> None:
    """A plan as a file holds people's data, for it must be looked at; of the log-ins it holds nothing."""
    text = str(discreet.sync().plan().to_dict())
    assert "secretive2@example.com" in text
    assert not [word for word in secrets(discreet) if word in text]
    declared = attrs.evolve(people_transfer(), name="people")
    assert not [word for word in secrets(discreet) if word in repr(Integration([declared]).to_dict())]
