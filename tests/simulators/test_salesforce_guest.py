"""The unmodified simple-salesforce, over real HTTP: the independent client that the simulator must satisfy."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from di_salesforce.testing import FakeClock
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_faults import DAILY_LIMIT
from di_salesforce.testing._sf_schema import Field


class ToLoopback(HTTPAdapter):
    """Sends https requests to the simulator instead: the library writes https into every address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._to = urlsplit(url)

    def send(self, request: requests.PreparedRequest, *args: Any, **rest: Any) -> requests.Response:
        asked = urlsplit(str(request.url))
        request.url = urlunsplit((self._to.scheme, self._to.netloc, asked.path, asked.query, ""))
        return super().send(request, *args, **rest)


@pytest.fixture
def fake() -> Iterator[FakeSalesforce]:
    with FakeSalesforce(page_size=3) as fake:
        fake.add_field("Contact", Field("Ext__c", external_id=True, unique=True))
        fake.add_field("Contact", Field("Group__c", external_id=True))
        yield fake


@pytest.fixture
def session(fake: FakeSalesforce) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", ToLoopback(fake.url))
        yield session


@pytest.fixture
def guest(fake: FakeSalesforce, session: requests.Session) -> Any:
    return by_client_credentials(fake, session)


def by_client_credentials(fake: FakeSalesforce, session: requests.Session) -> Any:
    return Salesforce(
        consumer_key=fake.client_id, consumer_secret=fake.client_secret, domain="acme.my", session=session
    )


def by_soap(fake: FakeSalesforce, session: requests.Session) -> Any:
    return Salesforce(
        username=fake.username, password=fake.password, security_token=fake.security_token, session=session
    )


def by_soap_organization(fake: FakeSalesforce, session: requests.Session) -> Any:
    return Salesforce(username=fake.username, password=fake.password, organizationId=fake.org_id, session=session)


def by_password(fake: FakeSalesforce, session: requests.Session) -> Any:
    return Salesforce(
        username=fake.username,
        password=fake.password + fake.security_token,
        consumer_key=fake.client_id,
        consumer_secret=fake.client_secret,
        session=session,
    )


def by_session_id(fake: FakeSalesforce, session: requests.Session) -> Any:
    return Salesforce(session_id=fake.access_token(), instance_url=fake.url, session=session)


@pytest.mark.parametrize("log_in", [by_client_credentials, by_soap, by_soap_organization, by_password, by_session_id])
def test_every_login_of_the_guest_works(fake: FakeSalesforce, session: requests.Session, log_in: Any) -> None:
    """[seen] Each way in ends in a session with which it can query."""
    assert log_in(fake, session).query("SELECT COUNT() FROM Contact")["totalSize"] == 0


def test_a_wrong_password_is_an_authentication_error(session: requests.Session) -> None:
    """[seen] The SOAP fault is one that the guest can read."""
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        Salesforce(username="x", password="y", security_token="z", session=session)
    assert caught.value.code == "INVALID_LOGIN"


def test_a_tour_of_the_record_calls(fake: FakeSalesforce, guest: Any) -> None:
    """[seen] Create, get, update, upsert, get and delete by external id, delete: each does what it says."""
    made = guest.Contact.create({"LastName": "Roy", "Email": "a@example.com"})
    assert (made["success"], made["errors"]) == (True, [])
    assert guest.Contact.update(made["id"], {"FirstName": "Ada"}) == 204
    assert guest.Contact.get(made["id"])["Name"] == "Ada Roy"
    assert guest.Contact.upsert("Ext__c/k 1", {"LastName": "New"}) == 201
    assert guest.Contact.upsert("Ext__c/k 1", {"FirstName": "Now"}) == 200
    assert guest.Contact.get_by_custom_id("Email", "a@example.com")["Id"] == made["id"]
    assert guest.Contact.delete(made["id"]) == 204
    assert [row["Name"] for row in fake.rows("Contact")] == ["Now New"]


def test_queries_page_to_the_end(fake: FakeSalesforce, guest: Any) -> None:
    """[seen] `query_all` follows every page; `include_deleted` sees the bin."""
    ids = fake.load("Contact", [{"LastName": f"N{number}"} for number in range(10)])
    fake.delete("Contact", ids[0])
    soql = "SELECT Id, Account.Name FROM Contact"
    assert [row["Id"] for row in guest.query_all(soql)["records"]] == ids[1:]
    assert [row["Id"] for row in guest.query_all(soql, include_deleted=True)["records"]] == ids


def test_describe_limits_and_replication(fake: FakeSalesforce, guest: Any) -> None:
    """[seen] Describes, limits and the global describe are read; the usage header is understood."""
    assert guest.Contact.describe()["keyPrefix"] == "003"
    assert guest.Contact.metadata()["objectDescribe"]["name"] == "Contact"
    assert "Contact" in {entry["name"] for entry in guest.describe()["sobjects"]}
    assert guest.limits()["DailyApiRequests"]["Max"] == fake.daily_limit
    assert guest.api_usage["api-usage"].total == fake.daily_limit
    body = {"allOrNone": False, "records": [{"attributes": {"type": "Contact"}, "LastName": "A"}]}
    assert guest.restful("composite/sobjects", method="POST", json=body)[0]["success"] is True


def test_an_expired_session_is_renewed(fake: FakeSalesforce, guest: Any) -> None:
    """[seen] The guest logs in again on 401 `INVALID_SESSION_ID`, and its call succeeds."""
    fake.expire_sessions()
    assert guest.query("SELECT COUNT() FROM Contact")["totalSize"] == 0


def test_refusals_become_the_guests_exceptions(fake: FakeSalesforce, guest: Any) -> None:
    """[seen] 300, 400, 403 and 404 arrive as the guest's own exceptions, with the error array inside."""
    fake.load("Contact", [{"LastName": "A", "Group__c": "g"}, {"LastName": "B", "Group__c": "g"}])
    with pytest.raises(SalesforceMoreThanOneRecord):
        guest.Contact.upsert("Group__c/g", {"LastName": "C"})
    with pytest.raises(SalesforceMalformedRequest) as caught:
        guest.Contact.create({})
    errors: Any = caught.value.content  # whatever the body was
    assert errors[0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    with pytest.raises(SalesforceResourceNotFound):
        guest.Contact.get_by_custom_id("Ext__c", "nope")
    fake.inject(DAILY_LIMIT)
    with pytest.raises(SalesforceRefusedRequest):
        guest.query("SELECT Id FROM Contact")


def test_a_query_can_be_followed_page_by_page(fake: FakeSalesforce, guest: Any) -> None:
    """[seen] `query_more` takes the next page by its address and by its locator alone."""
    ids = fake.load("Contact", [{"LastName": f"N{number}"} for number in range(8)])
    first = guest.query("SELECT Id FROM Contact")
    second = guest.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    third = guest.query_more(second["nextRecordsUrl"].rpartition("/")[2])
    assert [row["Id"] for page in (first, second, third) for row in page["records"]] == ids
    assert [page["done"] for page in (first, second, third)] == [False, False, True]


def test_what_changed_and_what_was_deleted_is_listed(session: requests.Session) -> None:
    """[seen] `updated` and `deleted` take the guest's date-times and name the records."""
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    clock = FakeClock(start)
    with FakeSalesforce(clock=clock) as fake:
        guest: Any = by_session_id(fake, session)
        session.mount("https://", ToLoopback(fake.url))
        made, gone = (guest.Contact.create({"LastName": name})["id"] for name in ("A", "B"))
        guest.Contact.delete(gone)
        clock.advance(120)
        window = start, start + timedelta(minutes=2)
        assert guest.Contact.updated(*window)["ids"] == [made]
        assert [entry["id"] for entry in guest.Contact.deleted(*window)["deletedRecords"]] == [gone]


def test_bulk_jobs_write_and_read(fake: FakeSalesforce, guest: Any) -> None:
    """[seen] Insert, upsert, update, delete and query of Bulk 2.0, with the results of each row."""
    bulk = guest.bulk2.Contact
    rows = [{"LastName": f"N{number}", "Ext__c": f"k{number}"} for number in range(5)]
    [told] = bulk.insert(records=rows, wait=0)
    assert (told["numberRecordsProcessed"], told["numberRecordsFailed"]) == (5, 0)
    assert bulk.get_successful_records(told["job_id"]).count('"true"') == 5
    changed = [{"Ext__c": "k1", "LastName": "two\nlines"}, {"Ext__c": "k9", "LastName": 'a "word", and more'}]
    [told] = bulk.upsert(records=changed, external_id_field="Ext__c", wait=0)
    assert (told["numberRecordsProcessed"], told["numberRecordsFailed"]) == (2, 0)
    names = {row["Ext__c"]: row["LastName"] for row in fake.rows("Contact")}
    assert (len(names), names["k1"], names["k9"]) == (6, "two\nlines", 'a "word", and more')
    [told] = bulk.update(records=[{"Id": "003000000000000AAA", "LastName": "x"}], wait=0)
    assert told["numberRecordsFailed"] == 1
    assert "sf__Error" in bulk.get_failed_records(told["job_id"])
    pages = list(bulk.query("SELECT Ext__c, LastName FROM Contact ORDER BY Ext__c", max_records=4, wait=0))
    read = [row for page in pages for row in csv.DictReader(StringIO(page, newline=""))]
    assert {row["Ext__c"]: row["LastName"] for row in read} == names
    assert len(pages) == 2
    [told] = bulk.delete(records=[{"Id": row["Id"]} for row in fake.rows("Contact")], wait=0)
    assert (told["numberRecordsProcessed"], told["numberRecordsFailed"], fake.rows("Contact")) == (6, 0, [])
