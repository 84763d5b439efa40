"""Laws of writing by volume: the way follows from the number and is told; both ways give the same results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from di_salesforce.clients import AsyncSalesforceClient, SalesforceClient
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.retry import RetryPolicy
from di_salesforce.salesforce import AccessToken, Settings
from di_salesforce.salesforce._write_flows import write_way
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_schema import Field


@pytest.fixture
def fake() -> Iterator[FakeSalesforce]:
    with FakeSalesforce() as simulator:
        simulator.add_field("Contact", Field("Ext__c", length=80, external_id=True, unique=True))
        simulator.switches = attrs.evolve(simulator.switches, bulk_looks=0)
        yield simulator


@pytest.fixture(params=["blocking", "async"])
def written(request: pytest.FixtureRequest, fake: FakeSalesforce) -> Any:
    """Write through a client of one world."""
    auth, retry = AccessToken(fake.url, fake.access_token()), RetryPolicy(base=0)

    def blocking(*arguments: Any, options: dict[str, Any], **named: Any) -> Any:
        with SalesforceClient(auth=auth, retry=retry, **options) as client:
            return client.write(*arguments, **named)

    def awaited(*arguments: Any, options: dict[str, Any], **named: Any) -> Any:
        import asyncio

        async def run() -> Any:
            async with AsyncSalesforceClient(auth=auth, retry=retry, **options) as client:
                return await client.write(*arguments, **named)

        return asyncio.run(run())

    return blocking if request.param == "blocking" else awaited


def people(count: int) -> Iterator[dict[str, Any]]:
    return ({"Ext__c": f"x{n}", "LastName": f"Tremblay{n}"} for n in range(count))


@pytest.mark.parametrize(("count", "way"), [(0, "collections"), (29, "collections"), (30, "bulk"), (31, "bulk")])
def test_the_number_of_records_chooses_the_way(fake: FakeSalesforce, written: Any, count: int, way: str) -> None:
    """Below the threshold collections, from it on a bulk job; every row is written and told in order either way."""
    report = written("Contact", "upsert", people(count), key="Ext__c", options={"bulk_from": 30})
    assert (report.way.way, report.ok, len(report.results), len(report.jobs)) == (way, True, count, int(way == "bulk"))
    assert "30" in report.way.reason
    by_key = {row["Ext__c"]: row["Id"] for row in fake.rows("Contact")}
    assert [result.record_id for result in report.results] == [by_key[f"x{n}"] for n in range(count)]
    assert all(result.created for result in report.results)
    assert f"{count} of {count} written" in str(report)


def test_updates_and_deletes_take_both_ways(fake: FakeSalesforce, written: Any) -> None:
    """What names records by Id needs no key."""
    ids = fake.load("Contact", [{"LastName": "A"}] * 12)
    for bulk_from, way in ((13, "collections"), (12, "bulk")):
        rows = [{"Id": one, "FirstName": way} for one in ids]
        assert written("Contact", "update", rows, options={"bulk_from": bulk_from}).way.way == way
        assert {row["FirstName"] for row in fake.rows("Contact")} == {way}
    report = written("Contact", "delete", [{"Id": one} for one in ids], options={"bulk_from": 1})
    assert (report.way.way, report.ok) == ("bulk", True)
    assert not fake.rows("Contact")


def test_a_refused_row_is_told_either_way(written: Any) -> None:
    """A row without its required field is refused by itself, and the report says so in a sentence."""
    for bulk_from in (2, None):
        rows = [{"Ext__c": f"{bulk_from}a", "LastName": "A"}, {"Ext__c": f"{bulk_from}b"}]
        report = written("Contact", "upsert", rows, key="Ext__c", options={"bulk_from": bulk_from})
        assert [result.success for result in report.results] == [True, False]
        assert not report.ok
        assert str(report).startswith("1 of 2 written, 1 refused; ")


@pytest.mark.parametrize(
    ("settings", "operation", "many", "key", "way", "word"),
    [
        ({}, "create", True, "", "collections", "key column"),
        ({}, "create", True, "Email", "bulk", "bulk_from"),
        ({}, "create", False, "Email", "collections", "fewer"),
        ({}, "update", True, "", "bulk", "10000"),
        ({"allow_duplicates": True}, "upsert", True, "Ext__c", "collections", "allow_duplicates"),
        ({"allow_duplicates": True}, "delete", True, "", "bulk", "bulk_from"),
        ({"bulk_from": None}, "update", True, "", "collections", "switched off"),
    ],
)
def test_each_choice_has_its_reason(
    settings: dict[str, Any], operation: Any, many: bool, key: str, way: str, word: str
) -> None:
    """What bulk cannot do is not done in bulk, however many records there are."""
    chosen = write_way(Settings(**settings), operation, many=many, key=key)
    assert chosen.way == way
    assert word in str(chosen)


def test_mistakes_are_found_before_anything_is_sent(fake: FakeSalesforce, written: Any) -> None:
    """An upsert without a key, and a threshold that is none."""
    with pytest.raises(ConfigurationError, match="key"):
        written("Contact", "upsert", people(1), options={})
    with pytest.raises(ConfigurationError, match="bulk_from"):
        written("Contact", "create", people(1), options={"bulk_from": 0})
    assert not fake.requests
