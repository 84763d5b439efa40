"""Laws of a client's limits: budgets, conditional writes, duplicate rules, pages asked for ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from di_salesforce.clients import AsyncSalesforceClient, SalesforceClient
from di_salesforce.exceptions import InvalidRequestError, RateLimitError, StaleRecordError, TransportError
from di_salesforce.retry import RetryPolicy
from di_salesforce.salesforce import AccessToken, Budget
from di_salesforce.testing._faults import LostAnswer, Meanwhile
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_faults import SERVER_BUSY

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def fake() -> Iterator[FakeSalesforce]:
    with FakeSalesforce(page_size=10) as simulator:
        yield simulator


Make = Callable[..., Any]


@pytest.fixture(params=["blocking", "async"])
def make(request: pytest.FixtureRequest, fake: FakeSalesforce) -> Iterator[Make]:
    """Make clients of one world; an async one is used as a blocking one, so that each law is written once."""
    loop = asyncio.new_event_loop()
    clients: list[Any] = []

    class Async:
        def __init__(self, **options: Any) -> None:
            self.client = AsyncSalesforceClient(**options)

        def __getattr__(self, name: str) -> Any:
            member = getattr(self.client, name)
            if not callable(member):
                return member
            return lambda *arguments, **named: loop.run_until_complete(member(*arguments, **named))

    def made(**options: Any) -> Any:
        kind = SalesforceClient if request.param == "blocking" else Async
        options = {"auth": AccessToken(fake.url, fake.access_token()), "retry": RetryPolicy(base=0), **options}
        clients.append(kind(**options))
        return clients[-1]

    yield made
    for client in clients:
        client.close()
    loop.close()


# Budgets ----------------------------------------------------------------------------------------------------------


def test_a_budget_of_calls_is_kept_to_the_call(fake: FakeSalesforce, make: Make) -> None:
    """The call past the budget is not sent; the error says that waiting will not help, and is not retried."""
    client = make(budget=Budget(calls=3))
    for _ in range(3):
        client.limits()
    with pytest.raises(RateLimitError) as caught:
        client.limits()
    assert caught.value.exhausted
    assert not caught.value.retryable
    assert len(fake.requests) == client.calls_sent == 3


def test_a_share_of_the_day_is_left_to_others(fake: FakeSalesforce, make: Make) -> None:
    """Whoever used it up: past the share nothing is sent, and the rest of the allowance stays."""
    fake.daily_limit = 20
    client = make(budget=Budget(share=0.5))
    fake.load("Contact", [{"LastName": f"N{number}"} for number in range(200)])
    with pytest.raises(RateLimitError) as caught:
        client.query_all("SELECT Id FROM Contact")
    assert caught.value.exhausted
    assert fake.calls_used == 10


def test_a_budget_ends_in_the_midst_of_many(fake: FakeSalesforce, make: Make) -> None:
    """Records past the budget are refused one by one, none is in doubt, and those before it are written."""
    client = make(budget=Budget(calls=2), parallel=1)
    results = client.create_many("Contact", [{"LastName": f"N{number}"} for number in range(600)])
    assert [result.success for result in results] == [True] * 400 + [False] * 200
    assert {(result.unknown, result.errors[0].code) for result in results[400:]} == {(False, "budget.exhausted")}
    assert len(fake.rows("Contact")) == 400


def test_retries_count(fake: FakeSalesforce, make: Make) -> None:
    """A call that is repeated uses up the budget each time, as it does the org's allowance."""
    fake.inject(SERVER_BUSY, times=None)
    client = make(budget=Budget(calls=2))
    with pytest.raises(RateLimitError):
        client.limits()
    assert len(fake.requests) == 2


@pytest.mark.parametrize("wrong", [{"calls": -1}, {"share": 1.5}, {"share": -0.1}])
def test_budgets_that_cannot_be(wrong: dict[str, Any]) -> None:
    """A budget lies within its bounds."""
    with pytest.raises(ValueError, match="must be"):
        Budget(**wrong)


# Conditional writes -----------------------------------------------------------------------------------------------


def test_a_record_that_changed_since_is_not_written(make: Make) -> None:
    """To the second: what was saved after the moment stops the write, what was saved before it does not."""
    now = NOON
    with FakeSalesforce(clock=lambda: now) as org:
        [record_id] = org.load("Contact", [{"LastName": "A"}])
        client = make(auth=AccessToken(org.url, org.access_token()))
        client.update("Contact", record_id, {"FirstName": "B"}, unchanged_since=NOON)
        now += timedelta(seconds=1)
        org.edit("Contact", record_id, FirstName="C")
        with pytest.raises(StaleRecordError) as caught:
            client.update("Contact", record_id, {"FirstName": "D"}, unchanged_since=NOON)
        assert (caught.value.status, caught.value.retryable) == (412, False)
        assert org.row("Contact", record_id)["FirstName"] == "C"
        client.update("Contact", record_id, {"FirstName": "E"}, unchanged_since=now)
        assert org.row("Contact", record_id)["FirstName"] == "E"


def test_a_conditional_write_whose_answer_is_lost_is_in_doubt(fake: FakeSalesforce, make: Make) -> None:
    """Sent again it would find its own change and be refused: so it is not, and says that it may have been done."""
    [record_id] = fake.load("Contact", [{"LastName": "A"}])
    fake.inject(LostAnswer(), method="PATCH")
    with pytest.raises(TransportError) as caught:
        make().update("Contact", record_id, {"FirstName": "B"}, unchanged_since=datetime.now(UTC) + timedelta(1))
    assert caught.value.may_have_applied
    assert len(fake.writes) == 1


# Duplicate rules --------------------------------------------------------------------------------------------------


def test_duplicates_are_saved_on_request(fake: FakeSalesforce, make: Make) -> None:
    """A rule that warns is overridden where the client was told to, one by one and in collections; else it refuses."""
    fake.load("Contact", [{"LastName": "A", "Email": "a@example.com"}])
    fake.duplicate_rule("Contact", ["Email"])
    row = {"LastName": "B", "Email": "a@example.com"}
    strict, lenient = make(), make(allow_duplicates=True)
    with pytest.raises(InvalidRequestError) as caught:
        strict.create("Contact", row)
    assert caught.value.code == "DUPLICATES_DETECTED"
    assert [result.errors[0].code for result in strict.create_many("Contact", [row])] == ["DUPLICATES_DETECTED"]
    assert lenient.create("Contact", row)
    assert [result.success for result in lenient.create_many("Contact", [row])] == [True]


# Pages asked for ahead --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 9, 10, 11, 25, 60])
def test_pages_asked_for_ahead_give_the_same_rows(fake: FakeSalesforce, make: Make, prefetch: int, count: int) -> None:
    """However many pages are asked for at once, every row comes once, in order, and no call is made in vain."""
    ids = fake.load("Contact", [{"LastName": f"N{number}"} for number in range(count)])
    rows = make(prefetch=prefetch).query_all("SELECT Id FROM Contact ORDER BY Id")
    assert [row["Id"] for row in rows] == ids
    assert len(fake.requests) == max(1, -(-count // 10))


def test_pages_that_shrink_on_the_way_lose_no_row(fake: FakeSalesforce, make: Make) -> None:
    """The service may change the size of pages: guesses that do not join up are thrown away."""
    ids = fake.load("Contact", [{"LastName": f"N{number}"} for number in range(95)])

    def shrink() -> None:
        fake.page_size = 7

    fake.inject(Meanwhile(shrink), path="*/query/*", after=3)
    rows = make(prefetch=4).query_all("SELECT Id FROM Contact ORDER BY Id")
    assert [row["Id"] for row in rows] == ids


def test_a_page_that_fails_ahead_is_asked_for_again(fake: FakeSalesforce, make: Make) -> None:
    """A guess that fails is no failure of the query."""
    ids = fake.load("Contact", [{"LastName": f"N{number}"} for number in range(60)])
    fake.inject(SERVER_BUSY, path="*-30", times=4)  # as often as one call is tried
    rows = make(prefetch=5).query_all("SELECT Id FROM Contact ORDER BY Id")
    assert [row["Id"] for row in rows] == ids


# Ranges of ids ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 10, 11, 137])
def test_ranges_of_ids_give_the_same_rows(fake: FakeSalesforce, make: Make, count: int) -> None:
    """Read in ranges side by side or page after page, a query gives the same rows."""
    ids = fake.load("Contact", [{"LastName": f"N{number}"} for number in range(count)])
    client = make(ranges=4)
    rows = client.query_all("SELECT Id FROM Contact WHERE LastName LIKE 'N%'")
    assert sorted(row["Id"] for row in rows) == sorted(ids)
    assert len(fake.requests) <= -(-count // 10) + 9


@pytest.mark.parametrize("kind", [SalesforceClient, AsyncSalesforceClient])
def test_the_way_of_reading_is_told(kind: Any) -> None:
    """A client says how it would read a query, and why, without sending anything."""
    auth = AccessToken("http://127.0.0.1:1", "token")
    assert "switched off" in str(kind(auth=auth).reading_way("SELECT Id FROM Contact"))
    client = kind(auth=auth, ranges=4)
    assert client.reading_way("SELECT Id FROM Contact").by_ranges
    assert str(client.reading_way("SELECT Id FROM Contact LIMIT 1")).startswith("page after page")


def test_rows_of_ranges_come_lazily(fake: FakeSalesforce) -> None:
    """Going through rows holds the pages of one step: nothing is asked for that is not needed yet."""
    fake.load("Contact", [{"LastName": f"N{number}"} for number in range(100)])
    auth = AccessToken(fake.url, fake.access_token())
    with SalesforceClient(auth=auth, ranges=3) as client:
        rows = client.query("SELECT Id FROM Contact")
        assert not fake.requests
        next(rows)
        assert len(fake.requests) == 1
        assert len({row["Id"] for row in rows}) == 99
