"""Laws of the simulated org's change events: what a listener is told of each transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from di_salesforce.salesforce import ChangeEvent, change_event
from di_salesforce.testing import FakeClock, FakeSalesforce, SalesforceSwitches

BASE = "/services/data/v60.0/"
NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def fake(clock: FakeClock) -> FakeSalesforce:
    fake = FakeSalesforce(clock=clock)
    fake.capture_changes("Contact", "Account")
    return fake


def events(fake: FakeSalesforce, after: int = 0) -> list[ChangeEvent]:
    return [change_event(message) for message in fake.change_events(after)]


def kinds(fake: FakeSalesforce) -> list[str]:
    return [f"{event.sobject} {event.kind}" for event in events(fake)]


def test_each_kind_of_change_is_told(fake: FakeSalesforce) -> None:
    """[documented] Creates, updates, deletes and undeletes are told; an emptied bin and a save of nothing are not."""
    [record_id] = fake.load("Contact", [{"LastName": "Roy"}])
    fake.edit("Contact", record_id, FirstName="Ada")
    fake.edit("Contact", record_id, FirstName="Ada")
    fake.delete("Contact", record_id)
    fake.undelete("Contact", record_id)
    fake.delete("Contact", record_id)
    fake.empty_bin()
    fake.load("Case", [{"Subject": "not captured"}])
    assert kinds(fake) == [f"Contact {kind}" for kind in ("CREATE", "UPDATE", "DELETE", "UNDELETE", "DELETE")]
    assert all(event.record_ids == (record_id,) for event in events(fake))


def test_an_update_holds_the_changed_fields_alone(fake: FakeSalesforce) -> None:
    """[seen] Changed and cleared fields are named, parts of compound ones with a dot; the rest is not told."""
    [record_id] = fake.load("Contact", [{"LastName": "Roy", "Phone": "1", "MailingCity": "Laval"}])
    fake.edit("Contact", record_id, FirstName="Ada", MailingCity="Paris", Phone=None)
    payload: Any = fake.change_events()[-1]["data"]["payload"]
    header = payload["ChangeEventHeader"]
    assert {"Name.FirstName", "MailingAddress.City", "Phone"} <= set(header["changedFields"])
    assert header["nulledFields"] == ["Phone"]
    assert payload["MailingAddress"] == {"City": "Paris"}
    values = events(fake)[-1].values
    assert (values["FirstName"], values["Phone"], "LastName" in values) == ("Ada", None, False)


def test_an_event_says_who_wrote_when_and_in_which_transaction(fake: FakeSalesforce) -> None:
    """[documented] The client's name comes from `Sforce-Call-Options`; people in the application have none."""
    records = [{"attributes": {"type": "Contact"}, "LastName": name} for name in "AB"]
    headers = {"Sforce-Call-Options": "client=mine"}
    fake.send("POST", BASE + "composite/sobjects", {"records": records}, headers=headers)
    fake.edit("Contact", fake.record_ids("Contact")[0], Title="Dr")
    one, two, three = events(fake)
    assert (one.client, two.client, three.client) == ("mine", "mine", "")
    assert one.origin == "com/salesforce/api/rest/60.0;client=mine"
    assert (one.transaction, one.sequence, two.sequence) == (two.transaction, 1, 2)
    assert three.transaction != one.transaction
    assert three.commit_number > one.commit_number > 2**53
    assert one.committed == NOW


def test_equal_changes_of_several_rows_are_one_event(fake: FakeSalesforce) -> None:
    """[seen] A transaction that changes several rows alike tells of them in one event."""
    ids = fake.load("Contact", [{"LastName": name} for name in "ABC"])
    records = [{"attributes": {"type": "Contact"}, "id": one, "Title": "Dr"} for one in ids]
    fake.send("PATCH", BASE + "composite/sobjects", {"records": records})
    assert events(fake)[-1].record_ids == tuple(ids)


def test_what_is_taken_back_is_not_told(fake: FakeSalesforce) -> None:
    """[inferred] A rolled-back call and a refused row leave no event; a slow transaction is told at its commit."""
    records = [{"attributes": {"type": "Contact"}, "LastName": name} for name in ("A", "")]
    fake.send("POST", BASE + "composite/sobjects", {"allOrNone": True, "records": records})
    held = fake.hold(lambda: fake.load("Contact", [{"LastName": "late"}]))
    assert kinds(fake) == []
    held.commit()
    assert kinds(fake) == ["Contact CREATE"]


def test_a_merge_is_told_as_updates_and_deletes(fake: FakeSalesforce) -> None:
    """[inferred] Nothing says that it was a merge: the loser is deleted, in the transaction that moved its children."""
    winner, loser = fake.load("Account", [{"Name": "A"}, {"Name": "B"}])
    [child] = fake.load("Contact", [{"LastName": "C", "AccountId": loser}])
    before = len(events(fake))
    fake.merge("Account", winner, [loser])
    told = events(fake)[before:]
    assert {(event.kind.value, event.record_ids) for event in told} >= {("DELETE", (loser,)), ("UPDATE", (child,))}
    assert len({event.transaction for event in told}) == 1


@pytest.mark.parametrize(("answer", "kind", "named"), [("gaps", "GAP_UPDATE", 1), ("overflow", "GAP_OVERFLOW", 0)])
def test_events_may_tell_only_that_something_changed(fake: FakeSalesforce, answer: Any, kind: str, named: int) -> None:
    """[documented] A gap has a header alone; an overflow does not even name the records."""
    [record_id] = fake.load("Contact", [{"LastName": "A"}])
    fake.switches = SalesforceSwitches(change_events=answer)
    fake.edit("Contact", record_id, LastName="B")
    event = events(fake)[-1]
    assert (event.kind.value, len(event.record_ids), event.values) == (kind, named, {})
    assert event.is_gap


def test_events_can_be_replayed_for_three_days(fake: FakeSalesforce, clock: FakeClock) -> None:
    """[documented] Listening goes on behind a replay id; what is older than three days is gone."""
    fake.load("Contact", [{"LastName": "A"}])
    clock.advance(timedelta(days=2))
    fake.load("Contact", [{"LastName": "B"}])
    first = fake.change_events()[0]["data"]["event"]["replayId"]
    assert [event.values["LastName"] for event in events(fake, first)] == ["B"]
    clock.advance(timedelta(days=2))
    assert [event.values["LastName"] for event in events(fake)] == ["B"]


def test_snapshots_and_resets_are_no_changes(fake: FakeSalesforce) -> None:
    """Going back tells nothing, and capturing goes on; a reset forgets what was told."""
    kept = fake.snapshot()
    fake.load("Contact", [{"LastName": "A"}])
    fake.restore(kept)
    assert kinds(fake) == ["Contact CREATE"]
    fake.reset()
    assert kinds(fake) == []
    fake.load("Contact", [{"LastName": "A"}])
    assert kinds(fake) == ["Contact CREATE"]
    assert attrs.evolve(fake.switches, change_events="full") == fake.switches
