"""Laws of several users of the simulated Salesforce: each has its log-in and its own field permissions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing import ApiUser, FakeSalesforce, Field
from di_salesforce.testing._loopback import parse_request

BASE = "/services/data/v60.0/"


@pytest.fixture
def fake() -> FakeSalesforce:
    fake = FakeSalesforce()
    fake.add_field("Contact", Field("Ext__c", external_id=True))
    fake.add_field("Contact", Field("Secret__c"))
    fake.load("Contact", [{"LastName": "Roy", "Ext__c": "k", "Secret__c": "s", "Email": "a@example.com"}])
    return fake


@pytest.fixture
def sales(fake: FakeSalesforce) -> ApiUser:
    return fake.add_user(
        "sales@example.com", hidden={"Contact": ["Secret__c", "Ext__c"]}, read_only={"Contact": ["Title"]}
    )


def call(fake: FakeSalesforce, user: ApiUser | None, method: str, path: str, body: object = None) -> tuple[int, Any]:
    response = fake.send(method, BASE + path, body, headers={"Authorization": f"Bearer {fake.access_token(user)}"})
    return response.status, json.loads(response.body) if response.body else None


def test_a_hidden_field_is_hidden_from_its_user_alone(fake: FakeSalesforce, sales: ApiUser) -> None:
    """[documented] One user finds neither the field in describe nor in records nor in queries; the other user does."""
    record_id = fake.record_ids("Contact")[0]
    for user, seen in ((sales, False), (None, True)):
        names = {field["name"] for field in call(fake, user, "GET", "sobjects/Contact/describe")[1]["fields"]}
        assert ("Secret__c" in names) is seen
        assert ("Secret__c" in call(fake, user, "GET", f"sobjects/Contact/{record_id}")[1]) is seen
        for query in ("SELECT Secret__c FROM Contact", "SELECT Id FROM Contact WHERE Secret__c = 's'"):
            status, body = call(fake, user, "GET", f"query?q={quote(query)}")
            assert (status == 200) is seen
            assert seen or body[0]["errorCode"] == "INVALID_FIELD"
        assert (call(fake, user, "GET", "sobjects/Contact/Ext__c/k")[0] == 200) is seen
        every = call(fake, user, "GET", f"query?q={quote('SELECT FIELDS(ALL) FROM Contact LIMIT 1')}")[1]["records"][0]
        assert ("Secret__c" in every) is seen


@pytest.mark.parametrize("values", [{"Title": "Dr"}, {"Secret__c": "x"}])
def test_a_locked_or_hidden_field_is_not_written_by_its_user(
    fake: FakeSalesforce, sales: ApiUser, values: Mapping[str, str]
) -> None:
    """[seen] A save of a field that the user may not write is refused with its name; another user may."""
    path = f"sobjects/Contact/{fake.record_ids('Contact')[0]}"
    status, body = call(fake, sales, "PATCH", path, values)
    assert (status, body[0]["errorCode"], body[0]["fields"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE", [*values])
    assert call(fake, None, "PATCH", path, values)[0] == 204
    described = call(fake, sales, "GET", "sobjects/Contact/describe")[1]["fields"]
    title = next(field for field in described if field["name"] == "Title")
    assert (title["createable"], title["updateable"]) == (False, False)


def test_bulk_jobs_act_with_the_permissions_of_their_maker(fake: FakeSalesforce, sales: ApiUser) -> None:
    """[inferred] A job is its maker's: a column that the maker does not see fails it; rows are created in its name."""
    for header, state in (("LastName,Secret__c", "Failed"), ("LastName,FirstName", "JobComplete")):
        job = call(fake, sales, "POST", "jobs/ingest", {"object": "Contact", "operation": "insert"})[1]
        call(fake, sales, "PUT", f"jobs/ingest/{job['id']}/batches", f"{header}\nNew,x\n".encode())
        call(fake, sales, "PATCH", f"jobs/ingest/{job['id']}", {"state": "UploadComplete"})
        fake.finish_bulk_jobs()
        assert call(fake, None, "GET", f"jobs/ingest/{job['id']}")[1]["state"] == state
        assert job["createdById"] == sales.user_id
    assert fake.rows("Contact")[-1]["CreatedById"] == sales.user_id
    refused = {"query": "SELECT Secret__c FROM Contact", "operation": "query"}
    assert call(fake, sales, "POST", "jobs/query", refused)[1][0]["errorCode"] == "INVALID_FIELD"


def test_each_user_logs_in_by_its_own_app(fake: FakeSalesforce, sales: ApiUser) -> None:
    """[documented] A log-in opens a session of the user whose credentials they are; those of two users do not mix."""

    def log_in(**form: str) -> Any:
        body = urlencode(form).encode()
        return json.loads(fake.handle(parse_request("POST", "/services/oauth2/token", {}, body)).body)

    app = {"client_id": sales.client_id, "client_secret": sales.client_secret}
    granted = log_in(grant_type="client_credentials", **app)
    info = fake.handle(
        parse_request("GET", "/services/oauth2/userinfo", {"Authorization": f"Bearer {granted['access_token']}"}, b"")
    )
    assert json.loads(info.body)["user_id"] == sales.user_id
    assert granted["id"].endswith(sales.user_id)
    assert log_in(grant_type="refresh_token", refresh_token=fake.refresh_token, **app)["error"] == "invalid_grant"
    assert "secret" not in repr(sales)


def test_permissions_change_while_it_runs(fake: FakeSalesforce, sales: ApiUser) -> None:
    """A permission that is taken away, or given back, counts from the next call on, and a describe is then new."""
    path = "sobjects/Contact/describe"

    def sees(name: str) -> bool:
        return name in {field["name"] for field in call(fake, sales, "GET", path)[1]["fields"]}

    kept = fake.snapshot()
    assert sees("Email")
    fake.hide_field("Contact", "Email", user=sales)
    fake.read_only_field("Contact", "Title", read_only=False, user=sales)
    assert not sees("Email")
    assert call(fake, sales, "POST", "sobjects/Contact", {"LastName": "A", "Title": "Dr"})[0] == 201
    fake.hide_field("Contact", "Email", hidden=False, user=sales)
    assert sees("Email")
    fake.restore(kept)
    assert call(fake, sales, "POST", "sobjects/Contact", {"LastName": "A", "Title": "Dr"})[0] == 400


def test_users_outlive_a_reset(fake: FakeSalesforce, sales: ApiUser) -> None:
    """After a reset the users are there, with their rows and permissions."""
    fake.reset()
    assert fake.row("User", sales.user_id)["Username"] == "sales@example.com"
    assert call(fake, sales, "POST", "sobjects/Contact", {"LastName": "A", "Title": "Dr"})[0] == 400


def test_a_user_that_cannot_be_added_is_refused(fake: FakeSalesforce, sales: ApiUser) -> None:
    """A taken name, and permissions for what is not there, are mistakes of the test."""
    with pytest.raises(ConfigurationError):
        fake.add_user(sales.username)
    with pytest.raises(ConfigurationError, match="no field Nope"):
        fake.add_user("other@example.com", hidden={"Contact": ["Nope"]})
