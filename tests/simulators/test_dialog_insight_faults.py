"""Laws of the Dialog Insight simulator's faults, of its HTTP server, and of its log."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import pytest

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._di_faults import DialogInsightFault, EnvelopeError, MissingTrace, NumbersAsText
from di_salesforce.testing._di_model import Column, Project, ProjectField, Table
from di_salesforce.testing._di_switches import CallCause
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._faults import (
    ByteOrderMark,
    HtmlPage,
    HttpStatus,
    LateWrite,
    LostAnswer,
    Meanwhile,
    ResetConnection,
    SlowAnswer,
    TruncatedBody,
)
from di_salesforce.testing._loopback import SimResponse, parse_request

PROJECT, TABLE = 4321, 8765
MERGE: dict[str, Any] = {
    "idProject": PROJECT,
    "Records": [{"ID": {"key_f_EMail": "new@test.example"}, "Data": {"f_FirstName": "N"}}],
    "MergeOptions": {"AllowInsert": True, "AllowUpdate": True},
}


def make() -> FakeDialogInsight:
    fake = FakeDialogInsight()
    fake.add_project(Project(PROJECT, fields=[ProjectField("EMail", "email", key=True)]))
    fake.add_table(Table(TABLE, project=PROJECT, columns=[Column("idOrder", "nvarchar", 100, key=True)]))
    fake.load_contacts(PROJECT, [{"EMail": "ada@test.example", "FirstName": "Ada"}])
    return fake


@pytest.fixture
def fake() -> FakeDialogInsight:
    return make()


def post(fake: FakeDialogInsight, service: str, method: str, body: dict[str, Any]) -> SimResponse:
    content = json.dumps(body).encode()
    return fake.handle(parse_request("POST", f"/webservices/ofc4/{service}.ashx?method={method}", {}, content))


def with_key(fake: FakeDialogInsight, **members: Any) -> dict[str, Any]:
    return {"AuthKey": {"idKey": fake.id_key, "Key": fake.key}, **members}


# faults ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        (HttpStatus(503, {"Retry-After": "3"}), False),
        (HtmlPage(), False),
        (ResetConnection(), False),
        (EnvelopeError(CallCause.QUOTA), False),
        (LateWrite(), False),
        (LostAnswer(), True),
        (TruncatedBody(), True),
        (ByteOrderMark(), True),
        (NumbersAsText(), True),
        (MissingTrace(), True),
        (SlowAnswer(0), True),
    ],
)
def test_a_fault_says_whether_the_write_was_done(
    fake: FakeDialogInsight, fault: DialogInsightFault, stored: bool
) -> None:
    """A fault in place of the work leaves the rows alone, one on the way back comes after it; then all is well."""
    fake.inject(fault, service="Contacts", method="Merge")
    post(fake, "contacts", "Merge", with_key(fake, **MERGE))
    assert (len(fake.contacts(PROJECT)) == 2) is stored
    assert fake.requests[-1].fault == type(fault).__name__
    assert post(fake, "contacts", "Merge", with_key(fake, **MERGE)).body.endswith(b"}")
    assert fake.requests[-1].fault is None


def test_faults_have_their_shapes(fake: FakeDialogInsight) -> None:
    """Each fault does to the answer what its name says."""

    def struck(fault: DialogInsightFault) -> SimResponse:
        fake.inject(fault)
        return post(fake, "projects", "List", with_key(fake))

    assert (struck(HttpStatus(503, {"Retry-After": "3"})).status, struck(HtmlPage()).status) == (503, 200)
    assert struck(HttpStatus(429, {"Retry-After": "3"})).headers["Retry-After"] == "3"
    assert struck(HtmlPage()).body.startswith(b"<!DOCTYPE html>")
    assert struck(ResetConnection()).reset
    fake.inject(HtmlPage())
    with pytest.raises(ConfigurationError, match="HTTP 200"):
        fake.call("projects", "List")
    assert struck(LostAnswer()).reset
    assert json.loads(struck(EnvelopeError(CallCause.NO_RIGHT)).body)["ErrorCode"] == "PermissionDenied"
    assert struck(ByteOrderMark()).body.startswith(b"\xef\xbb\xbf{")
    assert "Trace" not in json.loads(struck(MissingTrace()).body)
    as_text = json.loads(struck(NumbersAsText()).body)
    assert (as_text["Success"], as_text["Records"][0]["idProject"]) == (True, str(PROJECT))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        json.loads(struck(TruncatedBody()).body)


def test_a_rule_waits_counts_and_can_be_withdrawn(fake: FakeDialogInsight) -> None:
    """`after` calls go well, `times` are hit, other calls do not count; a withdrawn rule strikes no more."""
    fake.inject(HttpStatus(500), service="projects", method="List", after=1, times=2)
    fake.call("contacts", "Get", idProject=PROJECT)
    fake.call("projects", "Get", idProject=PROJECT)
    statuses = [post(fake, "projects", "List", with_key(fake)).status for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    rule = fake.inject(HttpStatus(500), times=None)
    assert post(fake, "projects", "List", with_key(fake)).status == 500
    fake.withdraw(rule)
    assert post(fake, "projects", "List", with_key(fake)).status == 200


def test_faults_at_random_repeat_with_their_seed(fake: FakeDialogInsight) -> None:
    """The same seed hits the same calls; some are hit and some are not."""
    series: list[list[int]] = []
    for _ in range(2):
        rule = fake.inject(HttpStatus(500), times=None, chance=0.5, seed=7)
        series.append([post(fake, "projects", "List", with_key(fake)).status for _ in range(30)])
        fake.withdraw(rule)
    assert series[0] == series[1]
    assert set(series[0]) == {200, 500}
    with pytest.raises(ConfigurationError, match="chance"):
        fake.inject(HttpStatus(500), chance=0)


def test_somebody_else_may_act_in_the_middle_of_a_run(fake: FakeDialogInsight) -> None:
    """`Meanwhile` runs before the call is looked at: its edit is in the answer."""
    fake.inject(Meanwhile(lambda: fake.edit_contact(PROJECT, 900001, FirstName="Augusta")), after=1)
    names = [fake.call("contacts", "Get", idProject=PROJECT)["Records"][0]["f_FirstName"] for _ in range(2)]
    assert names == ["Ada", "Augusta"]


# over HTTP ------------------------------------------------------------------------------------------------------------
def test_http_and_handle_give_the_same_answer() -> None:
    """The socket server and `handle()` are two doors of one house; a connection serves several calls."""
    with make() as fake:
        host, port = fake.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        over_http: list[Any] = []
        for _ in range(2):
            body = json.dumps(with_key(fake, idProject=PROJECT))
            connection.request("POST", "/webservices/ofc4/contacts.ashx?method=Get", body)
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
            over_http.append(json.loads(answer.read())["Records"])
        connection.close()
        assert over_http == [fake.call("contacts", "Get", idProject=PROJECT)["Records"]] * 2


def test_a_slow_answer_comes_after_the_work_and_ends_with_the_server() -> None:
    """A client that gives up finds its write done; closing does not wait for the slow answer."""
    with make() as fake:
        fake.inject(SlowAnswer(3600))
        host, port = fake.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=0.5)
        body = json.dumps(with_key(fake, **MERGE))
        connection.request("POST", "/webservices/ofc4/contacts.ashx?method=Merge", body)
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        assert len(fake.contacts(PROJECT)) == 2


@pytest.mark.parametrize(("fault", "stored"), [(ResetConnection(), False), (LostAnswer(), True)])
def test_a_reset_ends_the_connection_without_an_answer(fault: DialogInsightFault, stored: bool) -> None:
    """Before the work or after it, the client sees the same: a connection that ends."""
    with make() as fake:
        fake.inject(fault)
        host, port = fake.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        body = json.dumps(with_key(fake, **MERGE))
        connection.request("POST", "/webservices/ofc4/contacts.ashx?method=Merge", body)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
        connection.close()
        assert (len(fake.contacts(PROJECT)) == 2) is stored


def test_starting_and_closing_may_be_repeated() -> None:
    """Rows outlive a closed server; a closed one has no address and listens no more."""
    fake = make()
    with pytest.raises(ConfigurationError, match="start"):
        _ = fake.url
    assert fake.start() is fake.start()
    port = int(fake.url.rpartition(":")[2])
    fake.close()
    fake.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    with fake:
        assert len(fake.contacts(PROJECT)) == 1


# the log --------------------------------------------------------------------------------------------------------------
def test_the_log_tells_reads_from_writes_and_counts_rows(fake: FakeDialogInsight) -> None:
    """Each request is one entry: what it addressed, whether it may write, how many rows it moved, how it ended."""
    fake.call("contacts", "Get", idProject=PROJECT)
    fake.call("contacts", "Merge", **{**MERGE, "Records": MERGE["Records"] * 3})
    fake.call("RelationalTables", "Delete", idTable=TABLE)
    fake.handle(parse_request("GET", "/favicon.ico", {}, b""))
    shown = [
        (c.number, c.service, c.method, c.status, c.is_write, c.id_project, c.id_table, c.row_count, c.success)
        for c in fake.requests
    ]
    assert shown == [
        (1, "contacts", "Get", 200, False, PROJECT, None, 1, True),
        (2, "contacts", "Merge", 200, True, PROJECT, None, 3, True),
        (3, "relationaltables", "Delete", 200, True, PROJECT, TABLE, 0, False),
        (4, "", "", 404, False, None, None, 0, None),
    ]
    assert fake.requests_since(3) == fake.requests[3:]
    assert [call.number for call in fake.writes] == [2, 3]
