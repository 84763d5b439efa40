"""Laws of the Dialog Insight simulator's wire: envelopes, addresses and verbs, calls that are wrong as a whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.testing._di_model import Column, OptinField, Project, ProjectField, Table
from di_salesforce.testing._di_switches import CALL_ERRORS, CallCause
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._loopback import SimResponse, parse_request

PROJECT, OTHER_PROJECT, TABLE = 4321, 4322, 8765
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ADA = "ada@test.example"
UPSERT = {"AllowInsert": True, "AllowUpdate": True}
BY_EMAIL = {
    "$type": "FieldClause",
    "Field": {"Name": "f_EMail"},
    "TypeOperator": "Equal",
    "ComparisonValue": ADA,
}
MERGE: dict[str, Any] = {
    "idProject": PROJECT,
    "Records": [{"ID": {"key_f_EMail": "new@test.example"}, "Data": {"f_FirstName": "N"}}],
    "MergeOptions": UPSERT,
}


def make() -> FakeDialogInsight:
    fake = FakeDialogInsight(clock=lambda: NOW)
    email = ProjectField("EMail", "email", required=True, key=True)
    fields = [email, ProjectField("FirstName"), ProjectField("Points", "decimal"), ProjectField("Visits", "integer")]
    fake.add_project(Project(PROJECT, "Demo", fields=fields, optins=[OptinField("news", date_code="nws")]))
    fake.add_project(Project(OTHER_PROJECT, "Other", fields=[email]))
    columns = [Column("idOrder", "nvarchar", 100, key=True), Column("idContact", "int", foreign_key=True)]
    fake.add_table(Table(TABLE, project=PROJECT, code="Orders", kind="profiling", columns=columns))
    fake.load_contacts(PROJECT, [{"EMail": ADA, "FirstName": "Ada", "Visits": 7, "optin_news": True}])
    return fake


@pytest.fixture
def fake() -> FakeDialogInsight:
    return make()


def post(fake: FakeDialogInsight, service: str, method: str, body: bytes | dict[str, Any]) -> SimResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return fake.handle(parse_request("POST", f"/webservices/ofc4/{service}.ashx?method={method}", {}, content))


def with_key(fake: FakeDialogInsight, **members: Any) -> dict[str, Any]:
    return {"AuthKey": {"idKey": fake.id_key, "Key": fake.key}, **members}


# envelopes ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("service", "method", "members", "own"),
    [
        ("contacts", "Get", {"idProject": PROJECT, "Clause": BY_EMAIL, "Tag": None}, ["Records"]),
        ("contacts", "Merge", MERGE, ["CreatedRecords", "UpdatedRecords", "Records"]),
        ("contacts", "Delete", {"idProject": PROJECT, "Clause": BY_EMAIL, "MaxRows": 1}, ["DeletedRecords"]),
        ("relationaltables", "Get", {"idTable": TABLE}, ["Records"]),
        ("projects", "List", {}, ["Records"]),
        ("projects", "Get", {"idProject": PROJECT}, ["ProjectInfo"]),
    ],
)
def test_envelope_members_stand_in_the_recorded_order(
    fake: FakeDialogInsight, service: str, method: str, members: dict[str, Any], own: list[str]
) -> None:
    """[seen] Success, ErrorCode, ErrorMessage, the method's own members, idRequest, Trace; nulls on success."""
    envelope = fake.call(service, method, **members)
    assert list(envelope) == ["Success", "ErrorCode", "ErrorMessage", *own, "idRequest", "Trace"]
    assert (envelope["Success"], envelope["ErrorCode"], envelope["ErrorMessage"]) == (True, None, None)


def test_request_numbers_rise_and_have_eight_digits(fake: FakeDialogInsight) -> None:
    """[seen] `idRequest` is a large number of its own for each call."""
    first, second = (fake.call("projects", "List")["idRequest"] for _ in range(2))
    assert second == first + 1
    assert len(str(first)) == 8


def test_a_get_answers_flat_prefixed_rows(fake: FakeDialogInsight) -> None:
    """[seen] Records of Contacts.Get hold `idContact`, every `f_<Code>` and every `optin_<Code>`, with no nesting."""
    (row,) = fake.call("contacts", "Get", idProject=PROJECT, Clause=BY_EMAIL)["Records"]
    assert row == {
        "idContact": 900001,
        "f_EMail": ADA,
        "f_FirstName": "Ada",
        "f_Points": None,
        "f_Visits": 7,
        "f_LastName": None,
        "optin_news": True,
        "dtOptin_nws": None,
    }


def test_a_get_without_match_succeeds_with_no_records(fake: FakeDialogInsight) -> None:
    """[inferred] Nothing found is an empty list, not an error."""
    envelope = fake.call("contacts", "Get", idProject=PROJECT, Clause={**BY_EMAIL, "ComparisonValue": "x@test.example"})
    assert (envelope["Success"], envelope["Records"]) == (True, [])


def test_projects_are_listed_and_described(fake: FakeDialogInsight) -> None:
    """[seen] Projects.List gives id and name, Projects.Get the fields and opt-ins by bare code, with labels."""
    listed = fake.call("projects", "List")["Records"]
    assert listed == [
        {"idProject": PROJECT, "ProjectName": "Demo"},
        {"idProject": OTHER_PROJECT, "ProjectName": "Other"},
    ]
    info = fake.call("projects", "Get", idProject=PROJECT)["ProjectInfo"]
    assert [field["Code"] for field in info["ProjectFields"]] == ["EMail", "FirstName", "Points", "Visits", "LastName"]
    assert info["ProjectFields"][0] == {
        "Code": "EMail",
        "DataType": "email",
        "isRequired": True,
        "Labels": [{"Value": "EMail"}],
    }
    assert info["OptinFields"] == [{"Code": "news", "Labels": [{"Value": "news"}]}]


# addresses and verbs --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("service", ["contacts", "Contacts", "CONTACTS"])
def test_service_names_know_no_case(fake: FakeDialogInsight, service: str) -> None:
    """[inferred] The service is a file name on IIS."""
    assert fake.call(service, "Get", idProject=PROJECT)["Success"] is True


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/webservices/ofc4/contacts.ashx?method=Get", 405),
        ("PUT", "/webservices/ofc4/contacts.ashx?method=Merge", 405),
        ("POST", "/webservices/ofc4/nothing.ashx?method=Get", 404),
        ("POST", "/webservices/ofc4/contacts.ashx/more?method=Get", 404),
        ("POST", "/", 404),
        ("POST", "/webservices/ofc4/Sendings.ashx?method=SendBatch", 501),
    ],
)
def test_wrong_verbs_and_addresses_are_answered_by_the_web_server(
    fake: FakeDialogInsight, verb: str, path: str, status: int
) -> None:
    """[inferred] A wrong address or verb never reaches the service: an HTML page with its status."""
    answer = fake.handle(parse_request(verb, path, {}, json.dumps(with_key(fake)).encode()))
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert (answer.headers.get("Allow") == "POST") is (status == 405)


@pytest.mark.parametrize("method", ["", "get", "Insert", "GetDefinition"])
def test_an_unknown_method_is_refused_in_the_envelope(fake: FakeDialogInsight, method: str) -> None:
    """[inferred] The service itself answers for its methods; their names count by case."""
    assert fake.call("contacts", method, idProject=PROJECT)["ErrorCode"] == CALL_ERRORS[CallCause.UNKNOWN_METHOD].code


@pytest.mark.parametrize("limit", [0, -1, "many", True])
def test_a_wrong_row_limit_is_refused(fake: FakeDialogInsight, limit: Any) -> None:
    """[inferred] `MaxRows` is a whole number above zero, on Get and on Delete; nothing is deleted with a wrong one."""
    for method in ("Get", "Delete"):
        envelope = fake.call("contacts", method, idProject=PROJECT, Clause=BY_EMAIL, MaxRows=limit)
        assert envelope["ErrorCode"] == CALL_ERRORS[CallCause.BAD_PARAMETER].code
    assert len(fake.contacts(PROJECT)) == 1


# bad input ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": 1e99999999999999999999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=["empty", "cut", "list", "text", "null", "no-utf8", "nan", "exponent", "digits", "nested", "nested-objects"],
)
def test_what_is_no_json_object_is_refused_in_the_envelope(fake: FakeDialogInsight, body: bytes) -> None:
    """[inferred] Bad JSON has an answer that says so, and no stack trace."""
    answer = post(fake, "contacts", "Get", body)
    assert answer.status == 200
    assert json.loads(answer.body)["ErrorCode"] == CALL_ERRORS[CallCause.BAD_JSON].code


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["ID", "Data", "$type", "Field", "Name", "key_f_EMail", "idContact", "f_Points", "AllowInsert"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
MEMBERS = st.dictionaries(
    st.sampled_from(["idProject", "idTable", "Clause", "MaxRows", "Records", "MergeOptions", "Tag"]), JSON_VALUES
)


@given(
    service=st.sampled_from(["contacts", "relationaltables", "projects"]),
    method=st.sampled_from(["Get", "Merge", "Delete", "List"]),
    members=MEMBERS,
    good=st.booleans(),
)
def test_every_json_body_is_answered_with_an_envelope(
    service: str, method: str, members: dict[str, Any], good: bool
) -> None:
    """[inferred] Whatever the members hold, the answer is an envelope whose Success agrees with its ErrorCode."""
    fake = make()
    body = {**members, "idProject": PROJECT} if good and service != "relationaltables" else members
    body = {**body, "idTable": TABLE} if good and service == "relationaltables" else body
    envelope = fake.call(service, method, **body)
    assert envelope["Success"] is (envelope["ErrorCode"] is None)


@pytest.mark.parametrize(
    ("members", "cause"),
    [
        ({"idProject": 1}, CallCause.UNKNOWN_PROJECT),
        ({}, CallCause.UNKNOWN_PROJECT),
        ({"idProject": TABLE}, CallCause.UNKNOWN_PROJECT),
        ({"idProject": PROJECT, "MaxRows": 0}, CallCause.BAD_PARAMETER),
        ({"idProject": PROJECT, "MaxRows": "many"}, CallCause.BAD_PARAMETER),
        ({"idProject": PROJECT, "Clause": "f_EMail"}, CallCause.BAD_CLAUSE),
        ({"idProject": PROJECT, "Clause": {**BY_EMAIL, "$type": "Other"}}, CallCause.BAD_CLAUSE),
        ({"idProject": PROJECT, "Clause": {**BY_EMAIL, "TypeOperator": "Like"}}, CallCause.BAD_CLAUSE),
        ({"idProject": PROJECT, "Clause": {**BY_EMAIL, "Field": "f_EMail"}}, CallCause.BAD_CLAUSE),
        ({"idProject": PROJECT, "Clause": {**BY_EMAIL, "Field": {"Name": "EMail"}}}, CallCause.UNKNOWN_FIELD),
        (
            {"idProject": PROJECT, "Clause": {**BY_EMAIL, "Field": {"Name": "f_EMail", "TableCode": "Orders"}}},
            CallCause.BAD_CLAUSE,
        ),
        (
            {"idProject": PROJECT, "Clause": {**BY_EMAIL, "Field": {"Name": "f_Visits"}, "ComparisonValue": "x"}},
            CallCause.BAD_CLAUSE,
        ),
        (
            {"idProject": PROJECT, "Clause": {n: v for n, v in BY_EMAIL.items() if n != "ComparisonValue"}},
            CallCause.BAD_CLAUSE,
        ),
    ],
)
def test_a_wrong_get_is_refused_as_a_whole(fake: FakeDialogInsight, members: dict[str, Any], cause: CallCause) -> None:
    """[inferred] A call that names what is not there is refused in the envelope, with HTTP 200."""
    envelope = fake.call("contacts", "Get", **members)
    assert (envelope["Success"], envelope["ErrorCode"]) == (False, CALL_ERRORS[cause].code)
    assert "Records" not in envelope


WRONG_MERGES: list[tuple[dict[str, Any], CallCause]] = [
    ({"Records": None}, CallCause.BAD_PARAMETER),
    ({"Records": ["x"]}, CallCause.BAD_PARAMETER),
    ({"Records": [{"Data": {}}]}, CallCause.BAD_PARAMETER),
    ({"Records": [{"ID": {"key_f_EMail": ["x"]}}]}, CallCause.BAD_PARAMETER),
    ({"Records": [{"ID": {"key_f_EMail": "x"}, "Data": {"f_FirstName": ["x"]}}]}, CallCause.BAD_PARAMETER),
    ({"MergeOptions": None}, CallCause.BAD_PARAMETER),
    ({"MergeOptions": {"AllowInsert": "yes"}}, CallCause.BAD_PARAMETER),
    ({"MergeOptions": {**UPSERT, "FieldOptions": "all"}}, CallCause.BAD_PARAMETER),
    ({"Records": MERGE["Records"] * 1001}, CallCause.TOO_MANY_RECORDS),
]


@pytest.mark.parametrize(("change", "cause"), WRONG_MERGES)
def test_a_wrong_merge_is_refused_as_a_whole_and_stores_nothing(
    fake: FakeDialogInsight, change: dict[str, Any], cause: CallCause
) -> None:
    """[inferred] A Merge of another shape fails before any record is touched."""
    before = fake.contacts(PROJECT)
    assert fake.call("contacts", "Merge", **{**MERGE, **change})["ErrorCode"] == CALL_ERRORS[cause].code
    assert fake.contacts(PROJECT) == before
