"""Laws of reading Salesforce's answers: the right error, exact values, and nothing outside our tree for any bytes."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import (
    AmbiguousKeyError,
    ApiError,
    AuthenticationError,
    ConversionError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RecordLockedError,
    ServerError,
    UnexpectedResponseError,
)
from di_salesforce.records import UNSET, Side
from di_salesforce.salesforce import RefreshToken, RowError, RowResult, Settings, Soql, Usage
from di_salesforce.salesforce import _calls as calls
from di_salesforce.salesforce._collections import retrieve_slice, write_slice
from di_salesforce.salesforce._errors import error_of, log_in_error
from di_salesforce.salesforce._rows import as_object, parent_paths, plain_rows, record_text
from di_salesforce.salesforce._schema import table_schema
from di_salesforce.salesforce._settings import Page, Writing, usage_of
from di_salesforce.schema import FieldType
from di_salesforce.wire import Call, HttpRequest, HttpResponse

SETTINGS = Settings()
REQUEST = HttpRequest(Side.SALESFORCE, "PATCH", "/x", name="update Contact", writes=True)


def refusal(status: int, code: str, message: str = "", fields: list[str] | None = None, **headers: str) -> HttpResponse:
    error: dict[str, Any] = {"message": message, "errorCode": code}
    if fields is not None:
        error["fields"] = fields
    return HttpResponse(
        status, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps([error]).encode()
    )


# Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (refusal(401, "INVALID_SESSION_ID", "Session expired or invalid"), AuthenticationError),
        (HttpResponse(401, content=b"<html>"), AuthenticationError),
        (refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), RateLimitError),
        (refusal(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded"), RateLimitError),
        (HttpResponse(429), RateLimitError),
        (refusal(400, "UNABLE_TO_LOCK_ROW"), RecordLockedError),
        (refusal(500, "UNABLE_TO_LOCK_ROW"), RecordLockedError),
        (refusal(403, "API_DISABLED_FOR_ORG"), PermissionDeniedError),
        (HttpResponse(403), PermissionDeniedError),
        (refusal(404, "NOT_FOUND"), NotFoundError),
        (refusal(404, "ENTITY_IS_DELETED", fields=[]), NotFoundError),
        (HttpResponse(300, content=b'["/services/data/v60.0/sobjects/Contact/003A"]'), AmbiguousKeyError),
        (refusal(400, "REQUIRED_FIELD_MISSING", fields=["LastName"]), InvalidRequestError),
        (refusal(400, "SOMETHING_NEW"), InvalidRequestError),
        (HttpResponse(413), InvalidRequestError),
        (refusal(503, "SERVER_UNAVAILABLE"), ServerError),
        (HttpResponse(502, content=b"<html>Bad gateway</html>"), ServerError),
        (HttpResponse(302), UnexpectedResponseError),
    ],
    ids=lambda value: f"{value.status} {value.content[:60]!r}" if isinstance(value, HttpResponse) else value.__name__,
)
def test_each_refusal_has_its_error(response: HttpResponse, kind: type[ApiError]) -> None:
    """Code first, status second; the sentence names request, status and code; the error survives pickle and copy."""
    error = error_of(REQUEST, response)
    assert type(error) is kind
    assert "update Contact" in str(error)
    assert f"HTTP {response.status}" in str(error)
    assert error.code in str(error)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (str(twin), vars(twin)) == (str(error), vars(error))


def test_the_day_is_told_from_the_moment() -> None:
    """The daily limit is exhausted and not worth repeating; the concurrency limit is."""
    day = error_of(REQUEST, refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
    moment = error_of(REQUEST, refusal(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded"))
    assert isinstance(day, RateLimitError)
    assert isinstance(moment, RateLimitError)
    assert (day.exhausted, day.retryable) == (True, False)
    assert (moment.exhausted, moment.retryable) == (False, True)


def test_what_an_error_carries() -> None:
    """Fields, request id, Retry-After and matches are attributes; the server's text is kept out of the sentence."""
    error = error_of(
        REQUEST,
        refusal(400, "STRING_TOO_LONG", "Last Name: data value too large: Ada", ["LastName"], x_request_id="r1"),
    )
    assert (error.code, error.fields, error.request_id, error.status) == ("STRING_TOO_LONG", ("LastName",), "r1", 400)
    assert error.message == "Last Name: data value too large: Ada"
    assert "LastName" in str(error)
    assert "Ada" not in str(error)
    limited = error_of(REQUEST, refusal(429, "X", retry_after="7"))
    assert isinstance(limited, RateLimitError)
    assert limited.retry_after == 7
    several = error_of(REQUEST, HttpResponse(300, content=b'["/a", "/b"]'))
    assert isinstance(several, AmbiguousKeyError)
    assert several.matches == ("/a", "/b")


@pytest.mark.parametrize(
    ("code", "message", "name"),
    [
        ("INVALID_FIELD", "No such column 'Nme' on sobject of type Contact", "Nme"),
        ("INVALID_FIELD", "SELECT Nme FROM Contact ^ ERROR: No such column 'Nme' on entity 'Contact'.", "Nme"),
        ("INVALID_TYPE", "sObject type 'Contct' is not supported.", "Contct"),
    ],
)
def test_a_wrong_name_is_named(code: str, message: str, name: str) -> None:
    """Where the answer lists no fields, the name that its text quotes is shown."""
    error = error_of(REQUEST, refusal(400, code, message))
    assert error.fields == (name,)
    assert name in str(error)


def test_a_server_that_repeats_a_secret() -> None:
    """What a server calls its code or its fields is shown only if it looks like one."""
    answer = refusal(400, "Bearer s3cr3t", "s3cr3t", ["s3cr3t of nobody", "LastName"])
    error = error_of(REQUEST, answer)
    assert "s3cr3t" not in str(error)
    assert (error.code, error.fields) == ("", ("LastName",))
    assert "s3cr3t" not in str(log_in_error("s3cr3t", ""))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_grant", AuthenticationError),
        (400, "something_new", AuthenticationError),
        (400, "rate_limit_exceeded", RateLimitError),
        (429, "", RateLimitError),
        (503, "", ServerError),
        (500, "INVALID_LOGIN", AuthenticationError),
    ],
)
def test_refused_log_ins(status: int, code: str, kind: type[ApiError]) -> None:
    """A refused log-in is about who you are, unless the service is busy; a SOAP fault is a refusal, though a 500."""
    error = log_in_error(code, "the server's words", status=status)
    assert type(error) is kind
    assert error.message == "the server's words"
    assert "words" not in str(error) or code == "something_new"


# All readers, any bytes -------------------------------------------------------------------------------------------

REFRESH = RefreshToken("s3cr3t", "client", domain="https://login.salesforce.com").log_in().call
CREATE = Writing("create", "Contact")
READERS: dict[str, Call[Any]] = {
    "versions": calls.versions(),
    "userinfo": calls.userinfo(),
    "organization": calls.organization_id(SETTINGS),
    "limits": calls.limits(SETTINGS),
    "describe": calls.describe_sobject(SETTINGS, "Contact"),
    "schema": calls.schema_of(SETTINGS, "Contact"),
    "query": calls.query_page(SETTINGS, Soql.trusted("SELECT Id FROM Contact")),
    "next page": calls.next_page("/services/data/v60.0/query/0r8-2000"),
    "get": calls.get_record(SETTINGS, "Contact", "003000000000001AAA"),
    "create": calls.create_record(SETTINGS, "Contact", {}),
    "update": calls.update_record(SETTINGS, "Contact", "003000000000001AAA", {}),
    "delete": calls.delete_record(SETTINGS, "Contact", "003000000000001AAA"),
    "upsert": calls.upsert_record(SETTINGS, "Contact", "Email", "x", {}),
    "write slice": write_slice(SETTINGS, CREATE, [b"{}", b"{}"]),
    "retrieve slice": retrieve_slice(SETTINGS, "Contact", ["003000000000001AAA"], ["Id"]),
    "request": calls.raw_call(SETTINGS, "GET", "limits"),
    "refresh token": REFRESH,
}

KEYS = st.sampled_from(
    "records done totalSize nextRecordsUrl id Id success errors statusCode errorCode message fields created name type "
    "Max Remaining organization_id access_token instance_url refresh_token picklistValues referenceTo length "
    "error".split()
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["/services/data/x", "9" * 5000])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
BODIES = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40),
    st.sampled_from(
        [b"", b"<html>", b"[" * 100_000, b'{"x":1e99999999999999999999}', b"\xff\xfe", b"\xef\xbb\xbf[]", b"1" * 5000]
    ),
)


@pytest.mark.fuzz
@given(
    reader=st.sampled_from(sorted(READERS)),
    status=st.sampled_from([200, 200, 200, 201, 204, 300, 302, 400, 401, 403, 404, 429, 500, 503]),
    body=BODIES,
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "date", "sforce-limit-info"]),
        st.text(max_size=20) | st.sampled_from(["9" * 5000, f"api-usage={'9' * 5000}/15000"]),
    ),
)
def test_any_bytes_end_in_a_result_or_in_our_error(
    reader: str, status: int, body: bytes, headers: dict[str, str]
) -> None:
    """Whatever comes, a reader gives a result or an ApiError, and nothing else."""
    with contextlib.suppress(ApiError):
        READERS[reader].decode(HttpResponse(status, headers, body))
    usage_of(headers)


def test_a_page_that_leads_elsewhere_is_refused() -> None:
    """The next page's path stays on the host: an absolute URL would be given the session."""
    for following in ("https://elsewhere.example.com/services/data/", "//elsewhere/services/data", 7):
        body = json.dumps({"records": [], "done": False, "totalSize": 0, "nextRecordsUrl": following}).encode()
        with pytest.raises(UnexpectedResponseError):
            READERS["query"].decode(HttpResponse(200, content=body))


def test_rows_of_a_collection_are_read_in_order() -> None:
    """Success, id, created and errors of each row; a reply of another length is no reply."""
    answer = [
        {"id": "003000000000001AAA", "success": True, "errors": []},
        {
            "success": False,
            "errors": [{"statusCode": "REQUIRED_FIELD_MISSING", "message": "m", "fields": ["LastName"]}],
        },
    ]
    content = json.dumps(answer).encode()
    assert READERS["write slice"].decode(HttpResponse(200, content=content)) == [
        RowResult(success=True, record_id="003000000000001AAA", created=True),
        RowResult(success=False, errors=(RowError("REQUIRED_FIELD_MISSING", "m", ("LastName",)),)),
    ]
    assert READERS["write slice"].decode(HttpResponse(400, content=content))[1].errors[0].fields == ("LastName",)
    with pytest.raises(UnexpectedResponseError, match="1 results for 2 records"):
        READERS["write slice"].decode(HttpResponse(200, content=json.dumps(answer[:1]).encode()))


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("api-usage=25/15000", Usage(25, 15000)),
        ("per-app-api-usage=17/250(appName=x); api-usage=1/2", Usage(1, 2)),
        ("per-app-api-usage=17/250(appName=x)", None),
        ("", None),
    ],
)
def test_usage(header: str, usage: Usage | None) -> None:
    """The org's usage is read, not one app's."""
    assert usage_of({"sforce-limit-info": header}) == usage


# Rows -------------------------------------------------------------------------------------------------------------

ATTRIBUTES = {"type": "Contact", "url": "/services/data/v60.0/sobjects/Contact/003"}
RECORD = {
    "attributes": ATTRIBUTES,
    "Id": "003",
    "Account": {"attributes": {"type": "Account"}, "Name": "Acme", "Owner": {"attributes": {}, "Name": "Ada"}},
    "MailingAddress": {"city": "Laval", "latitude": None},
    "Cases": {"totalSize": 1, "done": True, "records": [{"attributes": {}, "Subject": "s", "Parent": None}]},
}


def test_rows_are_plain() -> None:
    """No attributes; parents and compound fields under dotted names; child queries as lists of rows."""
    assert plain_rows(Page([RECORD], 1)) == [
        {
            "Id": "003",
            "Account.Name": "Acme",
            "Account.Owner.Name": "Ada",
            "MailingAddress.city": "Laval",
            "MailingAddress.latitude": None,
            "Cases": [{"Subject": "s", "Parent": None}],
        }
    ]


def test_null_parents_keep_the_shape_of_rows() -> None:
    """Rows of one query have the same columns, whether a parent is there or not, at every depth."""
    paths = parent_paths("SELECT Id, Account.Name, Account.Owner.Name, (SELECT X.Y FROM Cases) FROM Contact")
    records = [
        {"Id": "1", "Account": {"Name": "A", "Owner": {"Name": "O"}}},
        {"Id": "2", "Account": {"Name": "A", "Owner": None}},
        {"Id": "3", "Account": None},
    ]
    rows = plain_rows(Page(records, len(records)), paths)
    assert [set(row) for row in rows] == [{"Id", "Account.Name", "Account.Owner.Name"}] * 3
    assert rows[1]["Account.Owner.Name"] is rows[2]["Account.Name"] is None


def test_numbers_are_exact() -> None:
    """A decimal arrives and leaves with all of its digits."""
    body = b'{"Id":"003","Amount":1234567890123456.78,"Rate":1.10}'
    row = READERS["get"].decode(HttpResponse(200, content=body))
    assert row["Amount"] == Decimal("1234567890123456.78")
    assert str(row["Rate"]) == "1.10"
    assert record_text(row) == body


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
)


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Za-z_]{0,8}", fullmatch=True), values))
def test_records_survive_the_wire(record: dict[str, Any]) -> None:
    """What is written reads back as the same value: numbers to the last digit, date-times to the millisecond."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        return value.isoformat() if isinstance(value, date) else value

    read = json.loads(record_text(record), parse_float=Decimal)
    assert read.keys() == record.keys()
    for name, value in record.items():
        if isinstance(value, float):
            assert float(read[name]) == value
        else:
            assert read[name] == plain(value)
            assert isinstance(read[name], bool) is isinstance(value, bool)


AN_OBJECT = pytest.param(object(), id="an object")  # its repr holds an address, which differs between workers
EDGE = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))  # before the year 1, in UTC


def test_absent_null_and_blank_are_three_things() -> None:
    """UNSET is left out, None is null, the empty text is the empty text."""
    assert record_text({"A": UNSET, "B": None, "C": ""}) == b'{"B":null,"C":""}'


def test_a_parents_external_id_is_nested() -> None:
    """`Account.Ext__c` sets the lookup by the parent's external id; null cannot clear it so."""
    assert json.loads(record_text({"Account.Ext__c": "x", "Id": "1"}, sobject="Contact")) == {
        "attributes": {"type": "Contact"},
        "Account": {"Ext__c": "x"},
        "Id": "1",
    }
    with pytest.raises(ConversionError, match=r"Account\.Ext__c is null"):
        record_text({"Account.Ext__c": None})


@pytest.mark.parametrize(
    "value",
    [float("nan"), Decimal("Infinity"), datetime(2026, 1, 1), EDGE, "\ud800", AN_OBJECT, b"x", [1]],
    ids=repr,
)  # fmt: skip
def test_values_without_a_form_name_their_field(value: object) -> None:
    """What JSON has no form for is refused before it is sent, by field, unshown."""
    with pytest.raises(ConversionError) as caught:
        record_text({"LastName": "Ada", "Bad__c": value})
    assert caught.value.field == "Bad__c"
    assert caught.value.code == "value.not_sendable"
    assert "Ada" not in str(caught.value)


# Objects ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Owner:
    Name: str


@attrs.frozen
class Case:
    Subject: str | None


@attrs.frozen
class Contact:
    Id: str
    CreatedDate: datetime
    Account: Owner | None
    Birthdate: date | None = None
    Points__c: Decimal | None = None
    Visits__c: int | None = None
    Cases: list[Case] = attrs.field(factory=list)


def test_records_become_objects() -> None:
    """Objects have aware date-times, exact decimals, parents as objects and children as lists; the rest is left out."""
    record = {
        "attributes": ATTRIBUTES,
        "Id": "003",
        "CreatedDate": "2026-05-01T07:25:37.000+0000",
        "Account": {"attributes": {}, "Name": "Acme", "Phone": "1"},
        "Birthdate": "1990-12-31",
        "Points__c": Decimal("1.10"),
        "Visits__c": Decimal("3.0"),
        "Cases": {"done": True, "records": [{"attributes": {}, "Subject": None}]},
        "Other": 1,
    }
    moment = datetime(2026, 5, 1, 7, 25, 37, tzinfo=UTC)
    whole = Contact("003", moment, Owner("Acme"), date(1990, 12, 31), Decimal("1.10"), 3, [Case(None)])
    assert as_object(record, Contact) == whole


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"Id": None}, "Id"),
        ({"CreatedDate": "2026-05-01"}, "CreatedDate"),
        ({"CreatedDate": "yesterday"}, "CreatedDate"),
        ({"Visits__c": Decimal("1.5")}, "Visits__c"),
        ({"Points__c": "s3cr3t"}, "Points__c"),
    ],
    ids=str,
)
def test_a_misfit_names_the_field_and_not_the_value(change: dict[str, object], field: str) -> None:
    """Where a record does not fit its class, nothing is made up: the error names the field."""
    record = {"Id": "003", "CreatedDate": "2026-05-01T07:25:37.000+0000", "Account": None, **change}
    with pytest.raises(ConversionError) as caught:
        as_object(record, Contact)
    assert field in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__context__ is None


# Schemas ----------------------------------------------------------------------------------------------------------


def test_a_describe_is_read() -> None:
    """Types, lengths, what may be written and what must be, choices and references; unknown types keep their word."""
    shape = {"createable": True, "updateable": True, "nillable": True, "defaultedOnCreate": False}
    schema = table_schema(
        {
            "name": "Contact",
            "label": "Contact",
            "fields": [
                {"name": "Id", "type": "id", "length": 18, "nillable": False, "defaultedOnCreate": True},
                {**shape, "name": "LastName", "type": "string", "length": 80, "nillable": False},
                {**shape, "name": "Points__c", "type": "double", "precision": 18, "scale": 2, "length": 0},
                {**shape, "name": "Size__c", "type": "picklist", "restrictedPicklist": True, "picklistValues": [
                    {"active": True, "value": "L"}, {"active": False, "value": "M"}]},
                {**shape, "name": "AccountId", "type": "reference", "referenceTo": ["Account"]},
                {**shape, "name": "Ext__c", "type": "string", "externalId": True, "unique": True, "length": 20},
                {**shape, "name": "New__c", "type": "hologram"},
                {"name": "MailingAddress", "type": "address"},
                {"name": "Number__c", "type": "string", "autoNumber": True},
                {**shape, "name": "IsVip__c", "type": "boolean", "nillable": False, "defaultedOnCreate": True,
                 "defaultValue": False},
            ],
        }
    )  # fmt: skip
    assert (schema.name, schema.side) == ("Contact", Side.SALESFORCE)
    assert [field.name for field in schema if field.required] == ["LastName"]
    assert [field.name for field in schema if not field.creatable] == ["Id", "MailingAddress", "Number__c"]
    assert schema["LastName"].length == 80
    assert (schema["Points__c"].type, schema["Points__c"].precision, schema["Points__c"].scale) == (
        FieldType.DECIMAL,
        18,
        2,
    )
    assert schema["Points__c"].length is None
    assert (schema["Size__c"].choices, schema["Size__c"].restricted) == (("L",), True)
    assert schema["AccountId"].references == ("Account",)
    assert schema["Ext__c"].external_id
    assert schema["Ext__c"].unique
    assert (schema["New__c"].type, schema["New__c"].raw_type) == (FieldType.UNKNOWN, "hologram")
    assert schema["MailingAddress"].type is FieldType.COMPOUND
    assert schema["Number__c"].calculated
    assert schema["IsVip__c"].default is False
    assert schema["LastName"].default is UNSET
