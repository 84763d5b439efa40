"""Bad input over real sockets and without them: whatever is sent, both simulators answer, and go on answering."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.testing import FakeDialogInsight, FakeSalesforce, Field, Project, ProjectField, _loopback
from di_salesforce.testing._loopback import parse_request
from di_salesforce.testing._sf_routes import ROUTES

BASE = "/services/data/v60.0/"
PROJECT = 4321
SERVED: list[FakeSalesforce | FakeDialogInsight] = []


def organisation() -> FakeSalesforce:
    fake = FakeSalesforce()
    fake.add_field("Contact", Field("Ext__c", external_id=True))
    fake.load("Contact", [{"LastName": "Roy", "Ext__c": "k"}])
    return fake


def account() -> FakeDialogInsight:
    fake = FakeDialogInsight()
    fake.add_project(Project(PROJECT, fields=[ProjectField("EMail", "email", key=True)]))
    return fake


@pytest.fixture(autouse=True, scope="module")
def served() -> Iterator[None]:
    with ExitStack() as stack:
        SERVED[:] = [stack.enter_context(organisation()), stack.enter_context(account())]
        yield
    SERVED.clear()


def exchange(fake: FakeSalesforce | FakeDialogInsight, sent: bytes) -> bytes:
    """Send bytes, end the sending side, and give all that comes back until the server ends the connection."""
    address = urlsplit(fake.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30) as connection:
        received = b""
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except OSError:  # it was ended before all was sent: it may, after its answer
            pass
    return received


def lives(fake: FakeSalesforce | FakeDialogInsight) -> bool:
    ask = b"GET /services/data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status = exchange(fake, ask).split(b" ", 2)[1]
    return status == (b"200" if isinstance(fake, FakeSalesforce) else b"404")


LINE_SAFE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
TARGETS = (
    st.sampled_from(
        [
            *("/", "//[", "/%zz", "*", "/services", "/services/data/v60.0/query?q=%00", "/services/data/v99.9/limits"),
            *(BASE + "sobjects/Contact", BASE + "composite/sobjects", BASE + "jobs/ingest", "http://[/x"),
            *("/services/oauth2/token", "/services/Soap/u/60.0"),
            *("/webservices/ofc4/contacts.ashx?method=Merge", "/webservices/ofc4/Projects.ashx", "/" + "x" * 20_000),
        ]
    )
    | LINE_SAFE
)
HEADERS = st.lists(
    st.sampled_from(
        [
            *(
                "Content-Length: 5",
                "Content-Length: -1",
                "Content-Length: 5, 5",
                "Content-Length: ²",
                "Content-Length: 9" * 2,
            ),
            *("Content-Length: 99999999999", "Transfer-Encoding: chunked", "Expect: 100-continue", "Connection: close"),
            *(
                "Authorization: Bearer x",
                "Authorization: Basic ???",
                "Content-Type: nothing",
                "If-Modified-Since: never",
            ),
            *("no colon", "Sforce-Query-Options: batchSize=x", "Host:", "X: " + "y" * 20_000),
        ]
    ),
    max_size=3,
)
BODIES = st.binary(max_size=40) | st.sampled_from(
    [
        b"{}",
        b"[",
        b"\xef\xbb\xbf{}",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"zz\r\n",
        b"ffffffff\r\n",
        b"<a/>",
        b"grant_type=password",
    ]
)
VERBS = st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW", "get", ""])


@given(st.integers(0, 1), VERBS, TARGETS, HEADERS, BODIES)
def test_any_bytes_are_answered(which: int, verb: str, target: str, headers: list[str], body: bytes) -> None:
    """Whatever a client sends, it gets an HTTP answer without a stack trace; the next client is served as ever."""
    lines = [f"{verb} {target} HTTP/1.1", *headers, "", ""]
    received = exchange(SERVED[which], "\r\n".join(lines).encode() + body)
    assert received.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ", b"<!DOCTYPE")) or not received  # HTTP 0.9 has no status
    assert b"simulator bug" not in received
    assert b"Traceback" not in received
    assert lives(SERVED[which])


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("BREW /services/data/v60.0/limits HTTP/1.1\r\n", (401, 404)),
        ("POST / HTTP/1.1\r\nContent-Length: x\r\n", (400, 400)),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", (400, 400)),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", (413, 413)),
        (f"POST / HTTP/1.1\r\nContent-Length: {_loopback.MAX_BODY + 1}\r\n", (413, 413)),
        (f"GET /{'x' * 16_400} HTTP/1.1\r\nHost: x\r\n", (414, 404)),
        (f"GET /webservices/ofc4/contacts.ashx?{'x' * 16_400} HTTP/1.1\r\nHost: x\r\n", (414, 414)),
        (f"GET /{'x' * 70_000} HTTP/1.1\r\nHost: x\r\n", (414, 414)),
        (f"GET /services/data HTTP/1.1\r\nX: {'y' * 16_400}\r\n", (431, 404)),
        (f"GET /services/data HTTP/1.1\r\nX: {'y' * 70_000}\r\n", (431, 431)),
        ("GET http://[/x HTTP/1.1\r\nHost: x\r\n", (400, 400)),
    ],
    ids=lambda value: value[:40].replace(" ", "_") if isinstance(value, str) else None,
)
def test_what_is_no_request_has_its_status(which: int, request_head: str, status: tuple[int, int]) -> None:
    """Wrong lengths and chunks are 400, too long ones 413, 414 and 431; verbs are the service's own business."""
    received = exchange(SERVED[which], f"{request_head}Connection: close\r\n\r\n".encode())
    assert int(received.split(b" ", 2)[1]) == status[which]
    assert lives(SERVED[which])


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that announces more than it sends gets 408 in the end: no thread waits for ever."""
    monkeypatch.setattr(_loopback, "_BODY_SECONDS", 0.05)
    address = urlsplit(SERVED[0].url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30) as connection:
        connection.sendall(b"POST /services/oauth2/token HTTP/1.1\r\nContent-Length: 9\r\n\r\n123")
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("records", "attributes", "type", "Id", "id", "ids", "fields", "allOrNone", "LastName", "Account"),
                    *(
                        "object",
                        "operation",
                        "query",
                        "state",
                        "externalIdFieldName",
                        "contentType",
                        "Ext__c",
                        "Birthdate",
                    ),
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
PARTS = st.sampled_from(["Contact", "Id", "Ext__c", "k", "x", "0", "%2F", "..", "ingest", "query", "successfulResults"])
QUERIES = st.sampled_from(
    ["", "q=SELECT+Id+FROM+Contact", "q=%27", "start=x&end=y", "ids=,,&fields=,", "ids=003&fields=Nope", "locator=%FF"]
)


@given(st.sampled_from(ROUTES), st.lists(PARTS, min_size=3, max_size=3), QUERIES, JSON, st.data())
def test_any_json_on_any_salesforce_route_is_answered(
    route: object, parts: list[str], query: str, body: object, data: st.DataObject
) -> None:
    """No body, address part or parameter makes a route fail: it is done, or refused with an error array."""
    line = next(one for one in ROUTES if one is route)
    names = iter(parts)
    path = "/".join(next(names) if segment.startswith("{") else segment for segment in line.pattern)
    target = f"{BASE}{path}?{query}"
    headers = data.draw(
        st.sampled_from([{}, {"If-Unmodified-Since": "x"}, {"If-Modified-Since": "Tue, 99 Foo"}, {"If-Match": '"x"'}])
    )
    response = FAKE.send(line.method, target, body, headers=headers)
    assert 200 <= response.status < 500
    if response.status >= 400:
        [error] = json.loads(response.body)
        assert error["errorCode"]


FAKE = organisation()


@given(st.sampled_from(["token", "revoke", "userinfo"]), st.binary(max_size=60), st.text(max_size=20))
def test_any_log_in_is_answered(grant: str, body: bytes, basic: str) -> None:
    """Nothing that is sent to the log-in makes it fail."""
    header = {"authorization": f"Basic {quote(basic)}", "content-type": "application/x-www-form-urlencoded"}
    for content in (body, b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + body):
        response = FAKE.handle(parse_request("POST", f"/services/oauth2/{grant}", header, content))
        assert response.status in (400, 401)
    assert FAKE.handle(parse_request("POST", "/services/Soap/u/60.0", {}, body)).status == 500  # a SOAP fault
