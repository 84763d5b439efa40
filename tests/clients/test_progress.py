"""Laws of `progress=`: the same in both worlds, told in order up to the end, and of no consequence for what is done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import attrs
import pytest

from di_salesforce.clients import (
    AsyncDialogInsightClient,
    AsyncSalesforceClient,
    DialogInsightClient,
    SalesforceClient,
)
from di_salesforce.dialog_insight import Capabilities, Probe
from di_salesforce.exceptions import AuthenticationError
from di_salesforce.retry import RetryPolicy
from di_salesforce.salesforce import AccessToken, Bulk
from di_salesforce.testing import Column, FakeDialogInsight, FakeSalesforce, Project, ProjectField, Table
from di_salesforce.testing._sf_schema import Field

PROJECT, ORDERS, COUNT = 4321, 8765, 25
QUICK: Final = Bulk(first_look=0, longest_pause=0.01, most_rows=10, page_rows=10)
PROMPT: Final = RetryPolicy(base=0)
LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)

Step: TypeAlias = tuple[str, int, int]
Work: TypeAlias = Callable[[Any, Any], Any]  # of a client and a callback


def people(number: int = COUNT) -> list[dict[str, Any]]:
    return [{"Ext__c": f"x{n:03}", "LastName": f"Tremblay {n}"} for n in range(number)]


def contacts(number: int = COUNT) -> list[dict[str, Any]]:
    return [{"EMail": f"p{n}@test.example"} for n in range(number)]


SALESFORCE: Final[dict[str, tuple[Work, dict[str, int]]]] = {
    "query": (
        lambda client, tell: client.query("SELECT Id FROM Contact", progress=tell),
        {"query Contact": COUNT},
    ),
    "query_all": (
        lambda client, tell: client.query_all("SELECT Id FROM Contact", progress=tell),
        {"query Contact": COUNT},
    ),
    "changed_since": (
        lambda client, tell: client.changed_since("Contact", ["Id"], LONG_AGO, page_rows=10, progress=tell),
        {"read changes of Contact": COUNT},
    ),
    "create_many": (
        lambda client, tell: client.create_many("Contact", people(), progress=tell),
        {"create Contact": COUNT},
    ),
    "update_many": (
        lambda client, tell: client.update_many("Contact", [{"Id": None}, *people()], progress=tell),
        {"update Contact": COUNT + 1},
    ),
    "upsert_many": (
        lambda client, tell: client.upsert_many("Contact", "Ext__c", people(), progress=tell),
        {"upsert Contact": COUNT},
    ),
    "delete_many": (
        lambda client, tell: client.delete_many("Contact", ["no id"] * 3, progress=tell),
        {"delete Contact": 3},
    ),
    "retrieve_many": (
        lambda client, tell: client.retrieve_many("Contact", ["003000000000001AAA"] * 4, ["LastName"], progress=tell),
        {"retrieve Contact": 4},
    ),
    "write": (
        lambda client, tell: client.write("Contact", "upsert", people(5), key="Ext__c", progress=tell),
        {"upsert Contact": 5},
    ),
    "write in bulk": (
        lambda client, tell: client.write("Contact", "upsert", people(), key="Ext__c", bulk=QUICK, progress=tell),
        {"upload Contact": COUNT, "bulk upsert Contact": COUNT},
    ),
    "bulk_ingest": (
        lambda client, tell: client.bulk_ingest("Contact", "upsert", people(), key="Ext__c", bulk=QUICK, progress=tell),
        {"upload Contact": COUNT, "bulk upsert Contact": COUNT},
    ),
    "bulk_query": (
        lambda client, tell: client.bulk_query("SELECT Id FROM Contact", bulk=QUICK, progress=tell),
        {"bulk query Contact": COUNT},
    ),
}

DIALOG_INSIGHT: Final[dict[str, tuple[Work, dict[str, int]]]] = {
    "find": (
        lambda client, tell: client.project(PROJECT).contacts.find(
            "EMail", [f"n{n}" for n in range(70)], progress=tell
        ),
        {f"find in the contacts of project {PROJECT}": 70},
    ),
    "merge": (
        lambda client, tell: client.project(PROJECT).contacts.merge(
            [*contacts(), {"EMail": ""}], key="EMail", progress=tell
        ),
        {f"merge into the contacts of project {PROJECT}": COUNT + 1},
    ),
    "discover": (
        lambda client, tell: client.discover(
            PROJECT, confirm=lambda _: True, probe=Probe(most_records=5), progress=tell
        ),
        {f"discover project {PROJECT}": 16},
    ),
    "discover_table": (
        lambda client, tell: client.discover_table(
            ORDERS, {"idOrder": "o-1", "City": "Laval"}, key="idOrder", confirm=lambda _: True, progress=tell
        ),
        {f"discover relational table {ORDERS}": 5},
    ),
}


def org() -> FakeSalesforce:
    fake = FakeSalesforce(page_size=10)
    fake.add_field("Contact", Field("Ext__c", length=80, external_id=True, unique=True))
    fake.switches = attrs.evolve(fake.switches, bulk_looks=1)
    fake.load("Contact", people())
    return fake


def account() -> FakeDialogInsight:
    fake = FakeDialogInsight()
    fake.add_project(Project(PROJECT, "Demo", fields=[ProjectField("EMail", "email", key=True), ProjectField("City")]))
    fake.add_table(Table(ORDERS, project=PROJECT, code="Orders", columns=[Column("idOrder", key=True), Column("City")]))
    return fake


@attrs.frozen
class World:
    """A service, and how to do a piece of work with one of its clients."""

    fake: Any
    made: Any  # a client's class, with its settings
    awaited: bool

    def do(self, work: Work, tell: Any) -> Any:
        if not self.awaited:
            with self.made() as client:
                return self.whole(work(client, tell))

        async def run() -> Any:
            async with self.made() as client:
                found = work(client, tell)
                return [row async for row in found] if hasattr(found, "__aiter__") else await found

        return asyncio.run(run())

    @staticmethod
    def whole(found: Any) -> Any:
        return list(found) if isinstance(found, Iterator) else found


def names(cases: dict[str, Any], kinds: tuple[type, type]) -> list[Any]:
    return [pytest.param(kind, *case, id=f"{kind.__name__}-{name}") for name, case in cases.items() for kind in kinds]


CASES: Final = [
    *names(SALESFORCE, (SalesforceClient, AsyncSalesforceClient)),
    *names(DIALOG_INSIGHT, (DialogInsightClient, AsyncDialogInsightClient)),
]


def world_of(kind: type) -> World:
    awaited = kind.__name__.startswith("Async")
    if kind in (SalesforceClient, AsyncSalesforceClient):
        fake = org().start()
        auth = AccessToken(fake.url, fake.access_token())
        return World(fake, lambda: kind(auth=auth, retry=PROMPT, bulk_from=10, ranges=3), awaited)
    account_ = account().start()
    able = Capabilities(max_records_per_merge=10, delete=True, merges_at_once=3)
    key = {"id_key": account_.id_key, "key": account_.key, "host": account_.url}
    return World(account_, lambda: kind(**key, retry=PROMPT, capabilities=able), awaited)


@pytest.mark.parametrize(("kind", "work", "phases"), CASES)
def test_what_is_told(kind: type, work: Work, phases: dict[str, int]) -> None:
    """Each phase begins at nothing, never goes back, knows its total once and for all, and ends at it."""
    world = world_of(kind)
    told: list[Step] = []
    with world.fake:
        world.do(work, lambda *step: told.append(step))
    assert list(dict.fromkeys(phase for phase, _, _ in told)) == list(phases)
    for phase, total in phases.items():
        steps = [(done, of) for named, done, of in told if named == phase]
        assert steps[0][0] == 0
        assert steps[-1] == (total, total)
        assert steps == sorted(set(steps))
        assert {of for _, of in steps} <= {0, total}


@pytest.mark.parametrize(("kind", "work", "phases"), CASES)
def test_a_callback_that_fails_changes_nothing(
    kind: type, work: Work, phases: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a callback raises is logged: the same is sent, and every outcome comes, as without one."""

    def failing(*_: object) -> None:
        raise ZeroDivisionError

    results: list[Any] = []
    requests: list[Any] = []
    for tell in (None, failing):
        world = world_of(kind)
        with world.fake, caplog.at_level(logging.CRITICAL if tell is None else logging.ERROR, "di_salesforce"):
            results.append(repr(outcomes(world.do(work, tell))))
            requests.append(len(world.fake.requests))
    assert results[0] == results[1]
    assert requests[0] == requests[1]
    assert "a progress callback failed" in caplog.text
    assert phases


def outcomes(found: Any) -> Any:
    """Give what stands for an outcome, without the ids, which differ from one simulator to the next."""
    found = getattr(found, "results", getattr(found, "rows", found))
    if not isinstance(found, list | tuple):
        return sorted((each.question, each.answer) for each in found.found)
    return [getattr(each, "success", getattr(each, "written", None)) for each in found]


def test_a_callback_may_use_the_client() -> None:
    """What is shown may need another call: also a call that has a callback of its own."""
    fake = org()
    with fake, SalesforceClient(auth=AccessToken(fake.url, fake.access_token()), retry=PROMPT) as client:
        asked: list[int] = []

        def tell(_phase: str, done: int, _total: int) -> None:
            asked.append(len(client.query_all("SELECT Id FROM Contact LIMIT 1", progress=lambda *_: None)) + done)

        client.upsert_many("Contact", "Ext__c", people(), progress=tell)
    assert asked == [1, COUNT + 1]


def test_slices_side_by_side_are_counted_one_after_another() -> None:
    """Sixteen calls at once: every step is told once, and none after a later one."""
    fake = org()
    told: list[Step] = []
    with fake, SalesforceClient(auth=AccessToken(fake.url, fake.access_token()), parallel=16, retry=PROMPT) as client:
        client.create_many("Contact", [{"LastName": "N"}] * 3200, progress=lambda *step: told.append(step))
    assert told == [("create Contact", done, 3200) for done in range(0, 3201, 200)]


def test_a_call_that_fails_as_a_whole_tells_no_end() -> None:
    """Where the service takes nothing, nothing is told to be done, and the error is the call's own."""
    told: list[Step] = []
    with account() as fake, DialogInsightClient(id_key=fake.id_key, key="wrong", host=fake.url) as client:
        people = client.project(PROJECT).contacts
        with pytest.raises(AuthenticationError):
            people.merge(contacts(), key="EMail", progress=lambda *step: told.append(step))
    assert told == [(f"merge into the contacts of project {PROJECT}", 0, COUNT)]
