"""Laws of what may change under a client in the middle of its run, in both simulators: quota, schema, session, luck."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from di_salesforce.testing import (
    THROTTLED,
    ErrorAnswer,
    ExpiredSession,
    FakeDialogInsight,
    FakeSalesforce,
    Field,
    HttpStatus,
    LostAnswer,
    Meanwhile,
    Project,
    ProjectField,
    Refusal,
)
from di_salesforce.testing._loopback import SimResponse, parse_request

BASE = "/services/data/v60.0/"
PROJECT = 4321


@pytest.fixture
def org() -> FakeSalesforce:
    fake = FakeSalesforce(page_size=2)
    fake.load("Contact", [{"LastName": f"N{number}"} for number in range(6)])
    return fake


@pytest.fixture
def account() -> FakeDialogInsight:
    fake = FakeDialogInsight()
    fake.add_project(Project(PROJECT, fields=[ProjectField("EMail", "email", key=True)]))
    return fake


class Reader:
    """Reads pages of one query with one session."""

    def __init__(self, fake: FakeSalesforce) -> None:
        self._fake = fake
        self._header = {"Authorization": f"Bearer {fake.access_token()}"}
        self._next = f"{BASE}query?q={quote('SELECT Id, LastName FROM Contact ORDER BY Id')}"

    def page(self) -> tuple[int, Any]:
        response = self._fake.handle(parse_request("GET", self._next, self._header, b""))
        body = json.loads(response.body)
        if response.status == 200:
            self._next = body.get("nextRecordsUrl", "")
        return response.status, body


def test_the_session_may_end_between_two_pages(org: FakeSalesforce) -> None:
    """[seen] A later page with an ended session is 401 `INVALID_SESSION_ID`; the cursor outlives the session."""
    reader = Reader(org)
    org.inject(ExpiredSession(), path="*/query/*")
    assert reader.page()[0] == 200
    status, body = reader.page()
    assert (status, body[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
    again = Reader(org)
    again._next = reader._next
    assert again.page()[0] == 200


def test_the_days_calls_may_be_used_up_in_the_middle(org: FakeSalesforce, account: FakeDialogInsight) -> None:
    """[seen] From then on every call is refused, in the way of each service, until there is a new allowance."""
    reader = Reader(org)
    org.inject(Meanwhile(org.use_up_quota), after=1)
    assert reader.page()[0] == 200
    for _ in range(2):
        status, body = reader.page()
        assert (status, body[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    org.daily_limit += 1
    assert reader.page()[0] == 200
    account.inject(Meanwhile(account.use_up_quota), after=1)
    answers = [account.call("Projects", "List")["Success"] for _ in range(3)]
    assert answers == [True, False, False]
    account.access = attrs.evolve(account.access, quota=None)
    assert account.call("Projects", "List")["Success"]


def test_the_schema_may_change_in_the_middle(org: FakeSalesforce, account: FakeDialogInsight) -> None:
    """[documented] A field that is gone, hidden or shorter from now on refuses what worked before; rows stay."""
    path, values = f"{BASE}sobjects/Contact", {"LastName": "A", "Title": "Professor"}
    org.inject(Meanwhile(lambda: org.add_field("Contact", Field("Title", length=3))), method="POST", after=1)
    org.inject(Meanwhile(lambda: org.hide_field("Contact", "Title")), method="POST", after=2)
    codes = [json.loads(org.send("POST", path, values).body) for _ in range(3)]
    assert codes[0]["success"]
    assert [one[0]["errorCode"] for one in codes[1:]] == ["STRING_TOO_LONG", "INVALID_FIELD_FOR_INSERT_UPDATE"]
    smaller = Project(PROJECT, fields=[ProjectField("EMail", "email", key=True)], standard_fields=False)
    account.inject(Meanwhile(lambda: account.add_project(smaller) and None), after=1)
    sent = {"ID": {"key_f_EMail": "a@test.example"}, "Data": {"f_FirstName": "Ada"}}
    options = {"AllowInsert": True, "AllowUpdate": True}
    statuses = [
        account.call("Contacts", "Merge", idProject=PROJECT, Records=[sent], MergeOptions=options)["Records"][0]
        for _ in range(2)
    ]
    assert [one["Status"] for one in statuses] == ["Created", "Error"]
    assert len(account.contacts(PROJECT)) == 1


@pytest.mark.parametrize("status", [420, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("retry_after", [None, "7"])
def test_gateways_answer_in_place_of_either_service(
    org: FakeSalesforce, account: FakeDialogInsight, status: int, retry_after: str | None
) -> None:
    """[inferred] An error of the road is HTML with its status, with and without `Retry-After`, and nothing is done."""
    fault = HttpStatus(status, {} if retry_after is None else {"Retry-After": retry_after})
    org.inject(fault)
    account.inject(fault)
    answers: list[SimResponse] = [
        org.send("POST", f"{BASE}sobjects/Contact", {"LastName": "A"}),
        account.handle(parse_request("POST", "/webservices/ofc4/projects.ashx?method=List", {}, b"{}")),
    ]
    for answer in answers:
        assert (answer.status, answer.headers.get("Retry-After")) == (status, retry_after)
        assert answer.body.startswith(b"<!DOCTYPE html>")
    assert len(org.rows("Contact")) == 6


def test_throttling_may_say_how_long(org: FakeSalesforce) -> None:
    """[seen] 429 comes as an error array, with `Retry-After` or without."""
    org.inject(THROTTLED)
    org.inject(attrs.evolve(THROTTLED, retry_after=9), after=1)
    answers = [org.send("GET", f"{BASE}limits") for _ in range(2)]
    assert [(one.status, one.headers.get("Retry-After")) for one in answers] == [(429, None), (429, "9")]


def test_faults_at_random_repeat_with_their_seed(org: FakeSalesforce) -> None:
    """The same seed hits the same calls, lost answers among them; some are hit and some are not."""
    series: list[list[bool]] = []
    for _ in range(2):
        rule = org.inject(LostAnswer(), times=None, chance=0.4, seed=11)
        series.append([org.send("GET", f"{BASE}limits").reset for _ in range(30)])
        org.withdraw(rule)
    assert series[0] == series[1]
    assert set(series[0]) == {True, False}


def test_one_row_of_many_may_be_locked(org: FakeSalesforce) -> None:
    """[seen] A row lock refuses its row alone; as `ROW_LOCK` or a 500 it refuses a whole call."""

    def locked(row: dict[str, Any]) -> None:
        if row["LastName"] == "locked":
            raise Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    org.on_save("Contact", locked)
    records = [{"attributes": {"type": "Contact"}, "LastName": name} for name in ("free", "locked", "also free")]
    outcomes = json.loads(org.send("POST", f"{BASE}composite/sobjects", {"records": records}).body)
    assert [one["success"] for one in outcomes] == [True, False, True]
    assert outcomes[1]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    org.inject(ErrorAnswer(500, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"))
    assert org.send("POST", f"{BASE}composite/sobjects", {"records": records}).status == 500
