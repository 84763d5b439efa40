"""Laws of following changes: nothing is lost between two readings, and what left an object is told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.clients import AsyncSalesforceClient, SalesforceClient
from di_salesforce.engine import Snapshot
from di_salesforce.exceptions import ConfigurationError, InvalidRequestError
from di_salesforce.retry import RetryPolicy
from di_salesforce.salesforce import AccessToken, ChangeCursor, soql
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_faults import ErrorAnswer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NONE = timedelta(0)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


class Async:
    """The async client's methods for changes, used as blocking ones, so that each law is written once."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            client = AsyncSalesforceClient(**self._options)
            try:
                return await getattr(client, name)(*arguments, **named)
            finally:
                await client.close()

        return lambda *arguments, **named: asyncio.run(call(*arguments, **named))

    def close(self) -> None:
        """Each call has closed its own client."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeSalesforce]:
    with FakeSalesforce(clock=clock) as simulator:
        yield simulator


@pytest.fixture(params=[SalesforceClient, Async], ids=["blocking", "async"])
def client(request: pytest.FixtureRequest, fake: FakeSalesforce) -> Iterator[Any]:
    made = request.param(auth=AccessToken(fake.url, fake.access_token()), retry=RetryPolicy(base=0))
    yield made
    made.close()


def names(found: Any) -> list[str]:
    return [row["LastName"] for row in found.rows]


def people(*letters: str) -> list[dict[str, str]]:
    return [{"LastName": letter} for letter in letters]


# By stamps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page_rows", [1, 2, 3, 50])
def test_records_that_share_a_stamp_are_all_read_once(
    fake: FakeSalesforce, clock: Clock, client: Any, page_rows: int
) -> None:
    """However pages fall, a bulk load on one stamp is read whole, and the cursor goes on exactly after it."""
    fake.load("Contact", people("A", "B", "C", "D", "E"))
    clock.pass_by(seconds=1)
    fake.load("Contact", people("F"))
    found = client.changed_since("Contact", ["LastName"], NOON, overlap=NONE, page_rows=page_rows)
    assert names(found) == list("ABCDEF")
    again = client.changed_since("Contact", ["LastName"], found.cursor, overlap=NONE, page_rows=page_rows)
    assert (names(again), again.cursor) == ([], found.cursor)
    fake.load("Contact", people("G"))  # on the very stamp at which reading stopped
    assert names(client.changed_since("Contact", ["LastName"], again.cursor, overlap=NONE)) == ["G"]


def test_a_record_that_becomes_visible_after_its_stamp_is_found(
    fake: FakeSalesforce, clock: Clock, client: Any
) -> None:
    """A transaction that commits late carries an old stamp: the overlap finds it, a bare cursor would not."""
    held = fake.hold(lambda: fake.load("Contact", people("Late")))
    clock.pass_by(minutes=1)
    fake.load("Contact", people("Early"))
    found = client.changed_since("Contact", ["LastName"], NOON - timedelta(hours=1))
    assert names(found) == ["Early"]
    held.commit()
    assert names(client.changed_since("Contact", ["LastName"], found.cursor, overlap=NONE)) == []
    assert names(client.changed_since("Contact", ["LastName"], found.cursor)) == ["Late", "Early"]


def test_conditions_hold_for_rows(fake: FakeSalesforce, client: Any) -> None:
    """Only rows that meet the condition come; each has its id and its stamp."""
    fake.load("Contact", people("A", "B"))
    found = client.changed_since("Contact", ["LastName"], NOON, where=[soql("LastName = :name", name="B")])
    assert [set(row) for row in found.rows] == [{"LastName", "Id", "SystemModstamp"}]
    assert names(found) == ["B"]


def test_what_left_is_told_apart(fake: FakeSalesforce, clock: Clock, client: Any) -> None:
    """Deleted records, merged ones with their last winner, and rows fit a snapshot as they are."""
    a, b, c, d, e = fake.load("Contact", people("A", "B", "C", "D", "E"))
    clock.pass_by(minutes=1)
    fake.delete("Contact", a)
    fake.merge("Contact", c, [b])
    fake.merge("Contact", d, [c])
    found = client.changed_since("Contact", ["LastName"], NOON)
    assert found.deleted == {a}
    assert found.merged == {b: d, c: d}
    assert {row["Id"] for row in found.rows} == {d, e}
    snapshot = Snapshot.changes(
        found.rows, as_of=found.as_of, deleted=found.deleted, merged=found.merged, converted=found.converted
    )
    assert snapshot.merged == {b: d, c: d}
    assert found.cursor.moment == clock.now


def test_converted_leads_name_their_contact(fake: FakeSalesforce, client: Any) -> None:
    """A lead that became a contact is evidence, even where the condition leaves converted leads out."""
    lead, other = fake.load("Lead", [{"LastName": "A", "Company": "Acme"}, {"LastName": "B", "Company": "Beta"}])
    made = fake.convert_lead(lead)
    found = client.changed_since("Lead", ["LastName"], NOON, where=[soql("IsConverted = false")])
    assert found.converted == {lead: made.contact_id}
    assert [row["Id"] for row in found.rows] == [other]


def test_a_cursor_never_goes_back(fake: FakeSalesforce, client: Any) -> None:
    """Where nothing changed the cursor stays, however far the overlap looked back."""
    cursor = ChangeCursor(NOON + timedelta(days=1), "003000000000001AAA")
    fake.load("Contact", people("A"))
    assert client.changed_since("Contact", ["LastName"], cursor, overlap=timedelta(days=2)).cursor == cursor


@given(st.datetimes(timezones=st.timezones()), st.text(max_size=18))
def test_cursors_serialise(moment: datetime, record_id: str) -> None:
    """A cursor is read as it was kept, whatever its zone."""
    try:
        cursor = ChangeCursor(moment, record_id)
    except OverflowError:
        return  # the edge of the calendar has no UTC
    assert ChangeCursor.from_dict(cursor.to_dict()) == cursor


def test_moments_need_a_zone(fake: FakeSalesforce, client: Any) -> None:
    """A naive moment is refused before anything is sent; so is a cursor that is none."""
    with pytest.raises(ConfigurationError):
        client.changed_since("Contact", ["LastName"], datetime(2026, 3, 2))
    with pytest.raises(ConfigurationError):
        client.updated("Contact", datetime(2026, 3, 2))
    with pytest.raises(ConfigurationError):
        ChangeCursor.from_dict({"moment": "soon"})
    assert fake.requests == ()


# By the replication calls -----------------------------------------------------------------------------------------


def test_windows_follow_what_is_covered(fake: FakeSalesforce, clock: Clock, client: Any) -> None:
    """While transactions hold the log back, the next window begins at what was covered, and nothing is lost."""
    ids = fake.load("Contact", people("A", "B"))
    fake.switches = attrs.evolve(fake.switches, coverage_lag=300.0)
    clock.pass_by(minutes=4)
    first = client.updated("Contact", NOON - timedelta(minutes=10), clock.now)
    assert first.ids == ()
    assert first.covered <= NOON
    clock.pass_by(minutes=4)
    second = client.updated("Contact", first.covered, clock.now)
    assert sorted(second.ids) == sorted(ids)
    assert second.covered <= clock.now - timedelta(minutes=5)


def test_deletions_are_told_even_after_the_bin_is_emptied(fake: FakeSalesforce, clock: Clock, client: Any) -> None:
    """The log knows what the bin has forgotten, with the moment, and from when on it knows anything."""
    kept, gone = fake.load("Contact", people("A", "B"))
    fake.delete("Contact", gone)
    fake.empty_bin()
    clock.pass_by(minutes=3)
    found = client.deleted_since("Contact", NOON - timedelta(minutes=5), clock.now)
    assert found.dates == {gone: NOON}
    assert kept not in found.dates
    assert found.earliest == clock.now - timedelta(days=15)


def test_a_window_that_holds_too_many_is_halved(fake: FakeSalesforce, clock: Clock, client: Any) -> None:
    """Too many ids for one answer: the halves are asked for one after another, and nothing is lost between them."""
    ids = fake.load("Contact", people("A"))
    clock.pass_by(minutes=8)
    ids += fake.load("Contact", people("B"))
    clock.pass_by(minutes=8)
    fake.inject(ErrorAnswer(400, "EXCEEDED_ID_LIMIT"), path="*/updated", times=2)
    found = client.updated("Contact", NOON, clock.now)
    assert (sorted(found.ids), found.covered) == (sorted(ids), clock.now)
    assert sum(entry.route.endswith("updated") for entry in fake.requests) > 3


def test_a_window_too_short_is_not_asked_for(fake: FakeSalesforce, client: Any) -> None:
    """Below two minutes the service would refuse it: nothing is sent, and nothing counts as covered."""
    found = client.updated("Contact", NOON, NOON + timedelta(seconds=119))
    assert (found.ids, found.covered, fake.requests) == ((), NOON, ())


def test_a_window_too_old_says_what_to_do(fake: FakeSalesforce, clock: Clock, client: Any) -> None:
    """Further back than the log reaches, the error says to read in full."""
    with pytest.raises(InvalidRequestError, match="in full"):
        client.deleted_since("Contact", NOON - timedelta(days=16), clock.now)
