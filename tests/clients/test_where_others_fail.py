"""What simple-salesforce lacks or gets wrong (measured with 1.12.10), point by point: here it works.

A point that needs many cases has its own laws elsewhere; this page shows that none of the points was left out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import httpx
import pytest

from di_salesforce.clients import AsyncSalesforceClient, SalesforceClient
from di_salesforce.exceptions import AuthenticationError, ConfigurationError, ConversionError
from di_salesforce.retry import RetryPolicy
from di_salesforce.runners import Exchange
from di_salesforce.salesforce import AccessToken, Bulk, ClientCredentials, CsvForm, change_event
from di_salesforce.testing._faults import HttpStatus, ResetConnection
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_faults import CONCURRENCY_LIMIT, ROW_LOCK, ExpiredSession
from di_salesforce.testing._sf_schema import Field

PROMPT = RetryPolicy(base=0)
QUICK = Bulk(first_look=0)


@pytest.fixture
def fake() -> Iterator[FakeSalesforce]:
    with FakeSalesforce(page_size=10) as simulator:
        simulator.add_field("Contact", Field("Ext__c", length=80, external_id=True, unique=True))
        simulator.add_field("Contact", Field("Points__c", "double", precision=18, scale=2))
        simulator.add_field("Contact", Field("Since__c", "datetime"))
        simulator.add_field("Contact", Field("Notes__c", "textarea", length=32000))
        simulator.switches = attrs.evolve(simulator.switches, bulk_looks=0)
        yield simulator


@pytest.fixture
def client(fake: FakeSalesforce) -> Iterator[SalesforceClient]:
    auth = ClientCredentials(fake.url, fake.client_id, fake.client_secret)
    with SalesforceClient(auth=auth, retry=PROMPT) as made:
        yield made


def test_1_async(fake: FakeSalesforce) -> None:
    """There is an async client; its calls run side by side on one loop."""

    async def run() -> list[int]:
        auth = AccessToken(fake.url, fake.access_token())
        async with AsyncSalesforceClient(auth=auth, retry=PROMPT) as client:
            answers = await asyncio.gather(*(client.limits() for _ in range(5)))
        return [answer["DailyApiRequests"].allowed for answer in answers]

    assert asyncio.run(run()) == [fake.daily_limit] * 5


@pytest.mark.parametrize(
    "fault",
    [
        *(HttpStatus(status) for status in (429, 502, 503, 504)),
        ResetConnection(),
        ROW_LOCK,
        CONCURRENCY_LIMIT,
    ],
    ids=["429", "502", "503", "504", "reset", "locked row", "too many at once"],
)
def test_2_retries(fake: FakeSalesforce, client: SalesforceClient, fault: Any) -> None:
    """What passes by itself is tried again, by what the answer means and not by its status alone."""
    client.limits()
    fake.inject(fault, times=2)
    assert client.upsert("Contact", "Ext__c", "x", {"LastName": "A"}).created
    assert len(fake.rows("Contact")) == 1


def test_3a_a_token_that_stays_refused_ends(fake: FakeSalesforce, client: SalesforceClient) -> None:
    """Record calls do not go round for ever: one log-in, one repetition, an error."""
    client.limits()
    before = len(fake.requests)
    fake.inject(ExpiredSession(), path="*/sobjects/*", times=None)
    with pytest.raises(AuthenticationError):
        client.create("Contact", {"LastName": "A"})
    assert len(fake.requests) - before == 3


def test_3b_a_refusal_that_is_no_json() -> None:
    """A 401 with a page in it is an authentication error, not a JSON error."""
    page = httpx.MockTransport(lambda _: httpx.Response(401, text="<html>please log in</html>"))
    with httpx.Client(transport=page) as own:
        auth = AccessToken("https://example.my.salesforce.com", "t")
        with SalesforceClient(auth=auth, http_client=own) as client, pytest.raises(AuthenticationError):
            client.limits()


def test_3c_a_bulk_job_outlives_its_session(fake: FakeSalesforce, client: SalesforceClient) -> None:
    """A session that ends while a job is waited for is renewed there, too."""
    fake.inject(ExpiredSession(), path="*/jobs/ingest/*", after=1)
    [result] = client.bulk_ingest("Contact", "create", [{"LastName": "A"}], key="LastName", bulk=QUICK)
    assert result.success


def test_4_timeouts_everywhere() -> None:
    """Every request, a record's, a query's, a bulk job's, has a time-out for each phase."""
    seen: list[dict[str, float]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return httpx.Response(400, json=[{"errorCode": "X", "message": ""}])

    with httpx.Client(transport=httpx.MockTransport(answer), timeout=None) as own:
        auth = AccessToken("https://example.my.salesforce.com", "t")
        with SalesforceClient(auth=auth, http_client=own, timeout=7) as client:
            calls: list[Any] = [
                lambda: client.create("Contact", {"LastName": "A"}),
                lambda: client.delete("Contact", "003000000000001AAA"),
                lambda: client.query_all("SELECT Id FROM Contact"),
                lambda: client.updated("Contact", datetime.now(UTC) - timedelta(days=1)),
                lambda: client.bulk_ingest("Contact", "create", [{"LastName": "A"}], key="LastName"),
            ]
            for call in calls:
                with pytest.raises(Exception, match=r"HTTP 400"):
                    call()
    assert len(seen) == len(calls)
    assert all(set(each.values()) == {7} for each in seen)


def test_5_collections(fake: FakeSalesforce, client: SalesforceClient) -> None:
    """Two hundred records travel in a call, and each has its own result."""
    results = client.create_many("Contact", [{"LastName": f"N{n}"} for n in range(250)])
    assert all(result.success for result in results)
    assert sum(entry.method == "POST" and "composite" in entry.path for entry in fake.requests) == 2


def test_6_replication_windows(client: SalesforceClient) -> None:
    """A moment without a zone is refused; a window says until when it is covered."""
    with pytest.raises(ConfigurationError, match="time zone"):
        client.updated("Contact", datetime(2026, 1, 1))
    found = client.updated("Contact", datetime.now(UTC) - timedelta(hours=1))
    assert found.covered.tzinfo is not None


def test_7_change_events() -> None:
    """A change event is read, whatever delivered it."""
    header = {"entityName": "Contact", "changeType": "GAP_UPDATE", "recordIds": ["003000000000001AAA"]}
    assert change_event({"data": {"payload": {"ChangeEventHeader": header}}}).is_gap


def test_8_ranges_of_ids(fake: FakeSalesforce) -> None:
    """A large object is read in ranges of ids side by side."""
    ids = fake.load("Contact", [{"LastName": f"N{n}"} for n in range(60)])
    with SalesforceClient(auth=AccessToken(fake.url, fake.access_token()), ranges=4) as client:
        assert sorted(row["Id"] for row in client.query("SELECT Id FROM Contact")) == sorted(ids)


@pytest.mark.parametrize("value", ["a/../b", "..", ".", "a b", "a+b", "a?b#c", "é%2F", "a'b", "x" * 80])
def test_9_external_ids_of_any_form(fake: FakeSalesforce, client: SalesforceClient, value: str) -> None:
    """A value addresses the record that holds it and no other, in a path and in a query."""
    [other] = fake.load("Contact", [{"LastName": "Other", "Ext__c": "b"}])
    client.upsert("Contact", "Ext__c", value, {"LastName": "Mine"})
    [row] = client.query_all("SELECT LastName FROM Contact WHERE Ext__c = :value", {"value": value})
    assert row["LastName"] == "Mine"
    assert fake.row("Contact", other)["LastName"] == "Other"


def test_10_upserts_tell_the_id(client: SalesforceClient) -> None:
    """An upsert gives the record's id, and whether it was created."""
    first = client.upsert("Contact", "Ext__c", "x", {"LastName": "A"})
    second = client.upsert("Contact", "Ext__c", "x", {"LastName": "B"})
    assert (first.created, second.created) == (True, False)
    assert first.record_id == second.record_id


def test_11_json_of_every_type(client: SalesforceClient) -> None:
    """Dates, aware date-times and decimals are sent; a number that is none is refused; decimals come back exact."""
    values = {
        "LastName": "A",
        "Birthdate": date(1990, 2, 28),
        "Since__c": datetime(2026, 5, 1, 7, 25, tzinfo=UTC),
        "Points__c": Decimal("0.10"),
    }
    record_id = client.create("Contact", values)
    row = client.get("Contact", record_id, ["Points__c", "Birthdate", "Since__c"])
    assert str(row["Points__c"]) in ("0.10", "0.1")
    assert row["Birthdate"] == "1990-02-28"
    assert row["Since__c"].startswith("2026-05-01T07:25:00.000")
    with pytest.raises(ConversionError, match="Points__c"):
        client.create("Contact", {"LastName": "B", "Points__c": float("nan")})


@pytest.mark.parametrize("form", [CsvForm(), CsvForm("TAB", "CRLF")])
def test_12_bulk_cells(fake: FakeSalesforce, client: SalesforceClient, form: CsvForm) -> None:
    """None clears, an absent field stays, line ends of every kind and commas survive, results are tied to rows."""
    [old] = fake.load("Contact", [{"LastName": "A", "FirstName": "B", "Notes__c": "C"}])
    bulk = attrs.evolve(QUICK, form=form)
    [cleared] = client.bulk_ingest("Contact", "update", [{"Id": old, "FirstName": None}], bulk=bulk)
    assert (cleared.record_id, fake.row("Contact", old)["FirstName"]) == (old, None)
    assert fake.row("Contact", old)["Notes__c"] == "C"
    text = 'one\ntwo\u2028three\x85, "four"\tfive'
    rows = [{"Ext__c": "x", "LastName": "N", "Notes__c": text, "Since__c": datetime(2026, 5, 1, tzinfo=UTC)}]
    assert client.bulk_ingest("Contact", "upsert", rows, key="Ext__c", bulk=bulk)[0].success
    [row] = client.bulk_query("SELECT Notes__c FROM Contact WHERE Ext__c = 'x'", bulk=bulk)
    assert row["Notes__c"] == text


def test_13_usage_after_every_call(fake: FakeSalesforce, client: SalesforceClient) -> None:
    """A record's call tells the org's usage as any other does."""
    client.create("Contact", {"LastName": "A"})
    assert client.usage is not None
    assert client.usage.allowed == fake.daily_limit


def test_14_plain_rows_and_types(fake: FakeSalesforce, client: SalesforceClient) -> None:
    """Rows are flat and without `attributes`; a class gives them types."""

    @attrs.frozen
    class Contact:
        Id: str
        CreatedDate: datetime

    [account] = fake.load("Account", [{"Name": "Acme"}])
    fake.load("Contact", [{"LastName": "A", "AccountId": account}])
    assert client.query_all("SELECT LastName, Account.Name FROM Contact") == [{"LastName": "A", "Account.Name": "Acme"}]
    [contact] = client.query("SELECT Id, CreatedDate FROM Contact", into=Contact)
    assert contact.CreatedDate.tzinfo is not None


def test_15_as_many_connections_as_are_asked_for(fake: FakeSalesforce) -> None:
    """Work on many records uses `parallel` requests at once."""
    auth = AccessToken(fake.url, fake.access_token())
    with SalesforceClient(auth=auth, parallel=16, retry=PROMPT) as client:
        assert all(result.success for result in client.create_many("Contact", [{"LastName": "N"}] * 4000))


def test_16_observers(fake: FakeSalesforce) -> None:
    """Each exchange can be watched: request, answer, time; without data in its repr."""
    seen: list[Exchange] = []
    auth = AccessToken(fake.url, fake.access_token())
    with SalesforceClient(auth=auth, observer=seen.append) as client:
        client.create("Contact", {"LastName": "Secret"})
    [exchange] = seen
    assert exchange.response is not None
    assert (exchange.response.status, exchange.seconds >= 0) == (201, True)
    assert "Secret" not in repr(exchange)
    assert json.loads(exchange.request.content) == {"LastName": "Secret"}
