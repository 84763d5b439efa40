"""Laws of the road without a socket: the real clients behave as they do over one."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, NoReturn

import httpx
import pytest

from di_salesforce.clients import AsyncDialogInsightClient, DialogInsightClient
from di_salesforce.exceptions import AuthenticationError, ServerError, TransportError
from di_salesforce.retry import RetryPolicy
from di_salesforce.testing import (
    FakeDialogInsight,
    FakeSalesforce,
    HttpStatus,
    LostAnswer,
    Project,
    ProjectField,
    in_process,
)

PROJECT = 4321
ONCE = RetryPolicy(attempts=1)


@pytest.fixture(autouse=True)
def no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a socket was connected")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def dialog_insight() -> FakeDialogInsight:
    fake = FakeDialogInsight()
    fake.add_project(Project(PROJECT, fields=[ProjectField("EMail", "email", key=True)]))
    fake.load_contacts(PROJECT, [{"EMail": "ada@test.example", "FirstName": "Ada"}])
    return fake


def test_both_blocking_clients_work_without_a_socket(dialog_insight: FakeDialogInsight) -> None:
    """Reading and writing work through the simulator's own handler, and its log knows of them."""
    with in_process.dialog_insight_client(dialog_insight) as client:
        contacts = client.project(PROJECT).contacts
        [row] = contacts.get(EMail="ada@test.example")
        assert row["FirstName"] == "Ada"
        assert contacts.merge([{"EMail": "é@test.example"}], key="EMail")[0].written
    assert [call.method for call in dialog_insight.requests] == ["Get", "Merge"]
    salesforce = FakeSalesforce()
    with in_process.salesforce_client(salesforce) as org:
        record_id = org.create("Contact", {"LastName": "Tremblay, Luc & fils"})
        assert [row["LastName"] for row in salesforce.rows("Contact")] == ["Tremblay, Luc & fils"]
        assert record_id == salesforce.rows("Contact")[0]["Id"]


def test_both_async_clients_work_without_a_socket(dialog_insight: FakeDialogInsight) -> None:
    """The same in the other world."""

    async def use() -> tuple[Any, Any]:
        async with in_process.async_dialog_insight_client(dialog_insight) as client:
            rows = await client.project(PROJECT).contacts.get(EMail="ada@test.example")
        salesforce = FakeSalesforce()
        async with in_process.async_salesforce_client(salesforce) as org:
            await org.create("Contact", {"LastName": "Tremblay"})
        return rows, salesforce.rows("Contact")

    rows, people = asyncio.run(use())
    assert (rows[0]["FirstName"], people[0]["LastName"]) == ("Ada", "Tremblay")


def test_faults_arrive_as_they_do_over_a_socket(dialog_insight: FakeDialogInsight) -> None:
    """An error page is an error of the service; a lost answer leaves a write in doubt, and the write is done."""
    with in_process.dialog_insight_client(dialog_insight, retry=ONCE) as client:
        contacts = client.project(PROJECT).contacts
        dialog_insight.inject(HttpStatus(503))
        with pytest.raises(ServerError):
            contacts.get(EMail="ada@test.example")
        dialog_insight.inject(LostAnswer())
        [result] = contacts.merge([{"EMail": "bob@test.example"}], key="EMail")
        assert result.unknown
        assert len(dialog_insight.contacts(PROJECT)) == 2
        dialog_insight.inject(LostAnswer())
        with pytest.raises(TransportError):
            contacts.get(EMail="ada@test.example")


def test_a_transport_serves_clients_of_your_own(dialog_insight: FakeDialogInsight) -> None:
    """`transport()` fits a blocking and an async httpx client, ours through `http_client` and bare ones alike."""
    with (
        httpx.Client(transport=dialog_insight.transport()) as http,
        DialogInsightClient(id_key=1, key="wrong", host="https://nowhere.invalid", http_client=http) as client,
        pytest.raises(AuthenticationError),
    ):
        client.projects()

    async def use() -> int:
        async with httpx.AsyncClient(transport=dialog_insight.transport()) as http:
            client = AsyncDialogInsightClient(
                id_key=dialog_insight.id_key, key=dialog_insight.key, host="https://nowhere.invalid", http_client=http
            )
            return len(await client.projects())

    assert asyncio.run(use()) == 1
    with httpx.Client(transport=FakeSalesforce().transport()) as http:
        assert http.get("https://nowhere.invalid/services/data").status_code == 200
