"""Laws that both simulators share: writes that land late, a clock to move, somebody else at work."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing import (
    FakeClock,
    FakeDialogInsight,
    FakeSalesforce,
    LateWrite,
    Meanwhile,
    Outsider,
    Project,
    ProjectField,
)
from di_salesforce.testing._loopback import SimResponse, parse_request

# A simulator (of either class), a write to it, and the count of what it holds.
Service: TypeAlias = "Callable[[FakeClock], tuple[Any, Callable[[], SimResponse], Callable[[], int]]]"

PROJECT = 4321
MERGE = {
    "idProject": PROJECT,
    "Records": [{"ID": {"key_f_EMail": "new@test.example"}, "Data": {}}],
    "MergeOptions": {"AllowInsert": True},
}


def salesforce(clock: FakeClock) -> tuple[FakeSalesforce, Callable[[], SimResponse], Callable[[], int]]:
    fake = FakeSalesforce(clock=clock)
    return (
        fake,
        lambda: fake.send("POST", "/services/data/v60.0/sobjects/Contact", {"LastName": "A"}),
        lambda: len(fake.rows("Contact")),
    )


def dialog_insight(clock: FakeClock) -> tuple[FakeDialogInsight, Callable[[], SimResponse], Callable[[], int]]:
    fake = FakeDialogInsight(clock=clock)
    fake.add_project(Project(PROJECT, fields=[ProjectField("EMail", "email", key=True)]))
    body = json.dumps({"AuthKey": {"idKey": fake.id_key, "Key": fake.key}, **MERGE}).encode()

    def send() -> SimResponse:
        return fake.handle(parse_request("POST", "/webservices/ofc4/contacts.ashx?method=Merge", {}, body))

    return fake, send, lambda: len(fake.contacts(PROJECT))


@pytest.mark.parametrize("service", [salesforce, dialog_insight])
def test_a_late_write_lands_when_its_time_comes(service: Service) -> None:
    """The caller is told nothing; the write is done once its seconds have passed, and only once."""
    clock = FakeClock()
    fake, send, count = service(clock)
    fake.inject(LateWrite(30))
    assert send().reset
    assert (count(), fake.requests[-1].status, fake.requests[-1].is_write) == (0, 0, True)
    clock.advance(29)
    assert count() == 0
    clock.advance(2)
    assert count() == 1
    clock.advance(60)
    assert count() == 1
    assert len(fake.requests) == 1


@pytest.mark.parametrize("service", [salesforce, dialog_insight])
def test_what_is_late_can_be_landed_at_once_or_forgotten(service: Service) -> None:
    """`land()` does not wait for the clock; `reset()` forgets what was on its way."""
    fake, send, count = service(FakeClock())
    fake.inject(LateWrite(3600))
    send()
    fake.land()
    assert count() == 1
    fake.inject(LateWrite(0))
    send()
    fake.reset()
    assert count() == 0


def test_late_writes_bear_the_moment_of_their_landing_and_keep_their_order() -> None:
    """Stamps are those of the moments at which the writes landed, however much later somebody looks."""
    clock = FakeClock(datetime(2026, 5, 20, 12, tzinfo=UTC))
    fake = FakeSalesforce(clock=clock)
    [record_id] = fake.load("Contact", [{"LastName": "A"}])
    path = f"/services/data/v60.0/sobjects/Contact/{record_id}"
    fake.inject(LateWrite(20))
    fake.inject(LateWrite(10), after=1)
    fake.send("PATCH", path, {"LastName": "second"})
    fake.send("PATCH", path, {"LastName": "first"})
    clock.advance(15)
    assert fake.row("Contact", record_id)["LastName"] == "first"
    clock.advance(timedelta(hours=1))
    row = fake.row("Contact", record_id)
    assert (row["LastName"], row["SystemModstamp"]) == ("second", "2026-05-20T12:00:20.000+0000")


def test_a_clock_needs_a_zone() -> None:
    """A time without a zone is refused, since nobody could say which moment it means."""
    with pytest.raises(ConfigurationError, match="aware"):
        FakeClock(datetime(2026, 5, 1))
    assert repr(FakeClock()) == "FakeClock(2026-05-01T12:00:00+00:00)"


@pytest.mark.parametrize("service", [salesforce, dialog_insight])
def test_an_outsider_edits_at_random_in_the_middle_of_a_run(service: Service) -> None:
    """The same seed does the same things; edits and deletions happen between our calls, and are told."""
    done: list[list[bool]] = []
    for _ in range(2):
        fake, send, count = service(FakeClock())
        target: Any = PROJECT if isinstance(fake, FakeDialogInsight) else "Contact"
        rows = [
            {"LastName": f"N{n}", "EMail" if target == PROJECT else "Email": f"n{n}@test.example"} for n in range(9)
        ]
        fake.load(target, rows)
        somebody = Outsider(fake, target, {"FirstName": ["Ada", "Zoé"]}, seed=5, deletes=0.4)
        fake.inject(Meanwhile(somebody), times=None)
        for _ in range(6):
            send()
        done.append([bool(one.values) for one in somebody.done])
        assert len(somebody.done) == 6
        assert len(fake.record_ids(target)) == count()
    assert done[0] == done[1]
    assert set(done[0]) == {True, False}


def test_an_outsider_who_cannot_act_is_refused_and_an_empty_object_is_left_alone() -> None:
    """No field, or none of its values, is a mistake of the test; no row is nothing to do."""
    fake = FakeSalesforce()
    with pytest.raises(ConfigurationError, match="values"):
        Outsider(fake, "Contact", {"Title": []})
    somebody = Outsider(fake, "Contact", {"Title": ["Dr"]})
    somebody()
    assert somebody.done == []
