"""Laws of the web-service keys of the Dialog Insight simulator: who is let in, to what, and how often."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._di_access import ApiKey, Right
from di_salesforce.testing._di_model import Column, Project, ProjectField, Table
from di_salesforce.testing._di_switches import CALL_ERRORS, CallCause
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._loopback import SimResponse, parse_request

PROJECT, OTHER_PROJECT, TABLE = 4321, 4322, 8765
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
MERGE: dict[str, Any] = {
    "idProject": PROJECT,
    "Records": [{"ID": {"key_f_EMail": "new@test.example"}, "Data": {}}],
    "MergeOptions": {"AllowInsert": True, "AllowUpdate": True},
}


@pytest.fixture
def fake() -> FakeDialogInsight:
    made = FakeDialogInsight(clock=lambda: NOW)
    email = ProjectField("EMail", "email", key=True)
    made.add_project(Project(PROJECT, fields=[email]))
    made.add_project(Project(OTHER_PROJECT, fields=[email]))
    made.add_table(Table(TABLE, project=PROJECT, columns=[Column("idOrder", "nvarchar", 100, key=True)]))
    made.load_contacts(PROJECT, [{"EMail": "ada@test.example"}])
    return made


def post(fake: FakeDialogInsight, service: str, method: str, body: dict[str, Any]) -> SimResponse:
    content = json.dumps(body).encode()
    return fake.handle(parse_request("POST", f"/webservices/ofc4/{service}.ashx?method={method}", {}, content))


def with_key(fake: FakeDialogInsight, **members: Any) -> dict[str, Any]:
    return {"AuthKey": {"idKey": fake.id_key, "Key": fake.key}, **members}


@pytest.mark.parametrize("id_key", ["as number", "as text"])
def test_the_key_number_is_read_as_number_and_as_text(fake: FakeDialogInsight, id_key: str) -> None:
    """[seen] PHP clients send `idKey` as text."""
    number = fake.id_key if id_key == "as number" else str(fake.id_key)
    answer = post(fake, "projects", "List", {"AuthKey": {"idKey": number, "Key": fake.key}})
    assert json.loads(answer.body)["Success"] is True


def test_the_key_may_stand_last(fake: FakeDialogInsight) -> None:
    """[seen] Clients append `AuthKey` at the end and work."""
    body = {"idProject": PROJECT, **with_key(fake)}
    assert json.loads(post(fake, "projects", "Get", body).body)["Success"] is True


@pytest.mark.parametrize(
    ("auth", "cause"),
    [
        (None, CallCause.MISSING_KEY),
        ({"idKey": 1234}, CallCause.MISSING_KEY),
        ({"IdKey": 1234, "key": "x"}, CallCause.MISSING_KEY),
        ({"idKey": True, "Key": "x"}, CallCause.MISSING_KEY),
        ({"idKey": 1234, "Key": "wrong"}, CallCause.BAD_KEY),
        ({"idKey": 99, "Key": "wrong"}, CallCause.BAD_KEY),
    ],
)
def test_a_wrong_key_is_refused(fake: FakeDialogInsight, auth: Any, cause: CallCause) -> None:
    """[seen] Member names and the key itself count by case; a refused call is an envelope with Success false."""
    envelope = json.loads(post(fake, "projects", "List", {"AuthKey": auth}).body)
    assert (envelope["Success"], envelope["ErrorCode"]) == (False, CALL_ERRORS[cause].code)


def test_the_key_counts_by_case(fake: FakeDialogInsight) -> None:
    """[seen] Authentication is case-sensitive."""
    body = {"AuthKey": {"idKey": fake.id_key, "Key": fake.key.upper()}}
    assert json.loads(post(fake, "projects", "List", body).body)["Success"] is False


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"active": False}, CallCause.INACTIVE_KEY),
        ({"expires": NOW}, CallCause.EXPIRED_KEY),
        ({"expires": NOW + timedelta(seconds=1)}, None),
        ({"addresses": frozenset({"192.0.2.1"})}, CallCause.FOREIGN_IP),
        ({"addresses": frozenset({"127.0.0.1"})}, None),
        ({"quota": 0}, CallCause.QUOTA),
        ({"quota": 1}, None),
        ({"rights": (Right("projects"),)}, CallCause.NO_RIGHT),
        ({"rights": (Right("contacts", "Get"),)}, CallCause.NO_RIGHT),
        ({"rights": (Right("contacts", "Merge"),)}, None),
        ({"rights": (Right(id_project=PROJECT),)}, None),
        ({"rights": (Right(id_project=OTHER_PROJECT),)}, CallCause.NO_RIGHT),
        ({"rights": (Right(id_table=TABLE),)}, CallCause.NO_RIGHT),
    ],
)
def test_a_key_is_held_to_its_limits(fake: FakeDialogInsight, change: dict[str, Any], cause: CallCause | None) -> None:
    """[seen] Expiry, right, quota and address each refuse a call; a refused Merge stores nothing."""
    fake.access = attrs.evolve(fake.access, **change)
    before = fake.contacts(PROJECT)
    envelope = fake.call("contacts", "Merge", **MERGE)
    assert envelope["ErrorCode"] == (None if cause is None else CALL_ERRORS[cause].code)
    assert (fake.contacts(PROJECT) == before) is (cause is not None)


def test_the_list_of_addresses_is_held_against_the_caller(fake: FakeDialogInsight) -> None:
    """[seen] A key may be bound to addresses; where calls come from can be played."""
    fake.access = attrs.evolve(fake.access, addresses=frozenset({"192.0.2.1"}))
    for address, good in (("192.0.2.1", True), ("192.0.2.2", False)):
        fake.caller_address = address
        assert (fake.caller_address, fake.call("projects", "List")["Success"]) == (address, good)


@pytest.mark.parametrize(
    ("right", "allowed"),
    [(Right(id_table=TABLE), True), (Right(id_project=PROJECT), True), (Right(id_project=OTHER_PROJECT), False)],
)
def test_a_table_is_reached_by_its_own_right_and_by_its_project(
    fake: FakeDialogInsight, right: Right, allowed: bool
) -> None:
    """[inferred] Rights are given per table and per project."""
    fake.access = attrs.evolve(fake.access, rights=(right,))
    assert fake.call("relationaltables", "Get", idTable=TABLE)["Success"] is allowed


def test_a_list_of_projects_shows_what_the_key_may_see(fake: FakeDialogInsight) -> None:
    """[inferred] A key with rights to one project is told of that one."""
    fake.access = attrs.evolve(fake.access, rights=(Right(id_project=OTHER_PROJECT),))
    assert [project["idProject"] for project in fake.call("projects", "List")["Records"]] == [OTHER_PROJECT]


def test_the_quota_counts_calls_that_were_let_in(fake: FakeDialogInsight) -> None:
    """[seen] The number of permitted calls can be used up; refused strangers use none of it."""
    fake.access = attrs.evolve(fake.access, quota=2)
    post(fake, "projects", "List", {"AuthKey": {"idKey": fake.id_key, "Key": "wrong"}})
    assert [fake.call("projects", "List")["Success"] for _ in range(3)] == [True, True, False]
    assert fake.calls_used() == 2


def test_keys_are_told_apart(fake: FakeDialogInsight) -> None:
    """[inferred] A second key has limits and a count of its own."""
    fake.add_key(ApiKey(77, "other", quota=0))
    assert (
        json.loads(post(fake, "projects", "List", {"AuthKey": {"idKey": 77, "Key": "other"}}).body)["Success"] is False
    )
    assert fake.call("projects", "List")["Success"] is True
    with pytest.raises(ConfigurationError, match="add_key"):
        fake.access = ApiKey(78, "x")


def test_no_key_shows_in_a_repr(fake: FakeDialogInsight) -> None:
    """Secrets never show: neither in the simulator's own repr, nor in its key's, its log's, its snapshot's."""
    fake.call("projects", "List")
    assert fake.key not in "".join(map(repr, (fake, fake.access, fake.requests, fake.snapshot())))
