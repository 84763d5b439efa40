"""A small world for the synchronizer's laws: two simulators with a handful of people, one clock, one store.

The clients are the real ones; by default their httpx client hands each request to a simulator without a socket, so that
a law over many runs stays quick.  `sockets=True` puts real HTTP in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Final, Self

import attrs
import httpx
import pytest

from di_salesforce.clients import (
    AsyncDialogInsightClient,
    AsyncSalesforceClient,
    DialogInsightClient,
    SalesforceClient,
)
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.exceptions import DISalesforceError
from di_salesforce.mapping import DestinationProject, FieldMapping, Integration, ObjectTransfer
from di_salesforce.retry import RetryPolicy
from di_salesforce.salesforce import AccessToken
from di_salesforce.stores import MemoryStore, Store
from di_salesforce.synchronizer import AsyncSynchronizer, Synchronizer
from di_salesforce.testing import FakeDialogInsight, FakeSalesforce, HttpStatus, Project, ProjectField, Switches
from di_salesforce.testing import sandbox as declared
from di_salesforce.testing._deaths import Doomed, Killed, Mortal
from di_salesforce.testing._loopback import SimRequest, SimResponse, parse_request
from di_salesforce.triggers import Trigger

PROJECT: Final = 4400
START: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PEOPLE_PROJECT: Final = DestinationProject("people", id=PROJECT, time_zone="UTC")
_SALESFORCE_URL: Final = "https://simulated.my.salesforce.com"  # where no socket is open
_LIST: Final = Project(
    PROJECT,
    "people",
    fields=[
        ProjectField("EMail", "email", required=True, key=True),
        ProjectField("FirstName", "text"),
        ProjectField("LastName", "text", 20),
        ProjectField("Points", "integer"),
        ProjectField("Level", "text"),  # mapped by nobody but tests of wrong names
    ],
)


class Clock:
    """A time that moves by a millisecond with each look, and by what a flow sleeps."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def now(self) -> datetime:
        """Give the time."""
        return self()

    def ticks(self) -> float:
        """Give the seconds that have passed."""
        return (self.time - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Pass so much time."""
        self.time += timedelta(seconds=seconds)


class InProcess(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Hand httpx's requests to a simulator; where it answers nothing, neither does this."""

    def __init__(self, handle: Callable[[SimRequest], SimResponse]) -> None:
        self._handle = handle

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        target = request.url.raw_path.decode()
        answer = self._handle(parse_request(request.method, target, dict(request.headers), body))
        if answer.reset:
            raise httpx.ReadError("the simulator closed the connection", request=request)
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body, request=request)


def make_people_transfer(**options: Any) -> ObjectTransfer:
    """Give the transfer of the small world: people, known by their address, edited on both sides."""
    given: dict[str, Any] = {
        "sobject": "Contact",
        "project": PEOPLE_PROJECT,
        "fields": [
            FieldMapping("Email", "EMail", key=True),
            FieldMapping("FirstName", "FirstName"),
            FieldMapping("LastName", "LastName"),
            FieldMapping("Loyalty_Points__c", "Points"),
        ],
        "triggers": Trigger.ALL,
    }
    return ObjectTransfer("people", **(given | options))


@attrs.define(eq=False)
class World:
    """Both services, the clock, and what is synchronised."""

    salesforce: FakeSalesforce
    dialog_insight: FakeDialogInsight
    clock: Clock
    integration: Integration
    store: Store
    sockets: bool = False
    reads_all: bool = True  # whether Dialog Insight may be asked for every row
    retry: RetryPolicy = attrs.field(factory=lambda: RetryPolicy(attempts=1))
    bulk_from: int | None = 10_000  # the client's default
    _open: ExitStack = attrs.field(factory=ExitStack)
    _open_async: list[httpx.AsyncClient] = attrs.field(factory=list[httpx.AsyncClient])

    @classmethod
    def of_people(cls, **options: Any) -> Self:
        """Make the world of one transfer."""
        clock = Clock()
        salesforce, dialog_insight = FakeSalesforce(clock=clock), FakeDialogInsight(clock=clock)
        for field in declared._CUSTOM_FIELDS:
            salesforce.add_field("Contact", field)
        dialog_insight.add_project(_LIST)
        given = {"integration": Integration([make_people_transfer()]), "store": MemoryStore()} | options
        return cls(salesforce, dialog_insight, clock, **given)

    @classmethod
    def of_three(cls, **options: Any) -> Self:
        """Make the world of the example: a type B and a type A project and a relational table, without rows."""
        clock = Clock()
        salesforce = FakeSalesforce(clock=clock)
        dialog_insight = FakeDialogInsight(clock=clock, switches=Switches(email_key_case_sensitive=True))
        for field in declared._CUSTOM_FIELDS:
            salesforce.add_field("Contact", field)
        dialog_insight.add_project(declared._ACQUISITION)
        dialog_insight.add_project(declared._COMMUNICATIONS)
        dialog_insight.add_table(declared._ORDERS)
        integration = Integration.from_file(str(files("di_salesforce.testing") / "data" / "integration.toml"))
        return cls(salesforce, dialog_insight, clock, **{"integration": integration, "store": MemoryStore()} | options)

    # the two services -----------------------------------------------------------------------------------------------
    def contact(self, email: str, first: str = "Ada", last: str = "Roy", points: float | None = None) -> str:
        """Add a person to Salesforce; give the record id."""
        row = {"Email": email, "FirstName": first, "LastName": last, "Loyalty_Points__c": points}
        return self.salesforce.load("Contact", [row])[0]

    def person(self, email: str, first: str = "Ada", last: str = "Roy", points: int | None = None) -> int:
        """Add a person to Dialog Insight; give the idContact."""
        row = {"EMail": email, "FirstName": first, "LastName": last, "Points": points}
        return self.dialog_insight.load_contacts(PROJECT, [row])[0]

    def pair(self, email: str, **values: Any) -> tuple[str, int]:
        """Add one person to both sides."""
        return self.contact(email, **values), self.person(email, **values)

    def contact_id(self, email: str) -> str:
        """Give the record id of somebody in Salesforce."""
        [found] = [str(row["Id"]) for row in self.salesforce.rows("Contact") if row.get("Email") == email]
        return found

    def person_id(self, email: str) -> int:
        """Give the idContact of somebody in Dialog Insight."""
        [found] = [row["idContact"] for row in self.dialog_insight.contacts(PROJECT) if row.get("EMail") == email]
        return int(str(found))

    def truth(self) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        """Give the people of both sides in one form, sorted: address, first and last name, points."""
        here = [
            tuple(_plain(row.get(name)) for name in ("Email", "FirstName", "LastName", "Loyalty_Points__c"))
            for row in self.salesforce.rows("Contact")
        ]
        there = [
            tuple(_plain(row.get(name)) for name in ("EMail", "FirstName", "LastName", "Points"))
            for row in self.dialog_insight.contacts(PROJECT)
        ]
        return sorted(here, key=str), sorted(there, key=str)

    @property
    def write_calls(self) -> tuple[int, int]:
        """How many write calls Salesforce and Dialog Insight have had, by their own logs."""
        return len(self.salesforce.writes), len(self.dialog_insight.writes)

    # the library ----------------------------------------------------------------------------------------------------
    def sync(
        self,
        integration: Integration | None = None,
        *,
        store: Store | None = None,
        clients: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Synchronizer:
        """Give a synchronizer on the world's clock."""
        return Synchronizer(
            integration or self.integration,
            store=store or self.store,
            clock=self.clock,
            **(clients or self.clients()),
            **options,
        )

    def async_sync(self, integration: Integration | None = None, *, store: Store | None = None) -> AsyncSynchronizer:
        """Give an async synchronizer on the world's clock; `close_async` closes its clients."""
        salesforce, dialog_insight = self._http(httpx.AsyncClient)
        self._open_async += [salesforce, dialog_insight]
        return AsyncSynchronizer(
            integration or self.integration,
            store=store or self.store,
            clock=self.clock,
            salesforce=AsyncSalesforceClient(
                auth=self._token(), http_client=salesforce, retry=self.retry, bulk_from=self.bulk_from
            ),
            dialog_insight=AsyncDialogInsightClient(http_client=dialog_insight, **self._key()),
        )

    def drive(self, last: int | None, error: DISalesforceError | None = None, **options: Any) -> list[str]:
        """Run until the step, and give the names of the steps carried out; the lease stays with the dead."""
        store = Mortal(self.store)
        sync = self.sync(store=store, **options)
        doomed = Doomed(sync._connections, store, self.clock, last, error)
        sync._runner = doomed
        with suppress(Killed, DISalesforceError):
            sync.run(first_run=True)
        return doomed.names

    def finish(self) -> None:
        """Come back later, as the next nights' jobs do, with new processes; the dead one's lease has ended by then."""
        for _ in range(2):
            self.clock.sleep(3600)
            self.sync().run(first_run=True)

    async def close_async(self) -> None:
        """Close the clients of the async synchronizers."""
        for client in self._open_async:
            await client.aclose()

    def clients(self) -> dict[str, Any]:
        """Give both clients, as arguments of a `Synchronizer`; the world closes them."""
        salesforce, dialog_insight = self._http(httpx.Client)
        made = {
            "salesforce": SalesforceClient(
                auth=self._token(), http_client=salesforce, retry=self.retry, bulk_from=self.bulk_from
            ),
            "dialog_insight": DialogInsightClient(http_client=dialog_insight, **self._key()),
        }
        for each in (salesforce, dialog_insight, *made.values()):
            self._open.enter_context(each)
        return made

    def _http(self, kind: Callable[..., Any]) -> tuple[Any, Any]:
        if self.sockets:
            return kind(), kind()
        return kind(transport=InProcess(self.salesforce.handle)), kind(transport=InProcess(self.dialog_insight.handle))

    def _token(self) -> AccessToken:
        return AccessToken(self.salesforce.url if self.sockets else _SALESFORCE_URL, self.salesforce.access_token())

    def _key(self) -> dict[str, Any]:
        return {
            "id_key": self.dialog_insight.id_key,
            "key": self.dialog_insight.key,
            "host": self.dialog_insight.url if self.sockets else "app.dialoginsight.com",
            "retry": self.retry,
            "capabilities": Capabilities(clauseless_get=self.reads_all),
        }

    def __enter__(self) -> Self:
        if self.sockets:
            self._open.enter_context(self.salesforce)
            self._open.enter_context(self.dialog_insight)
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self._open.close()


def _plain(value: object) -> object:
    """Read numbers of both sides as one kind, and blanks as one."""
    if value in (None, ""):
        return None
    return value if isinstance(value, str) else float(str(value))


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Make worlds of people; all are closed at the end."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(World.of_people(**options))


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Give a world of people, empty."""
    return make_world()


@pytest.fixture
def three() -> Iterator[World]:
    """Give the example's world of three transfers, empty."""
    with World.of_three() as made:
        yield made


@pytest.fixture
def settled(world: World) -> World:
    """Give a world of three people who agree and are remembered: ann, bob and cat."""
    for name in ("ann", "bob", "cat"):
        world.pair(f"{name}@example.com", first=name.title(), last="Roy", points=10)
    report = world.sync().run(first_run=True)
    assert report.ok
    assert report.written == ()
    return world


@pytest.fixture
def people_transfer() -> Callable[..., ObjectTransfer]:
    """Make the transfer of people with other settings."""
    return make_people_transfer


@pytest.fixture
def failing() -> Callable[[World], object]:
    """Let every query of Salesforce fail from now on."""
    return lambda world: world.salesforce.inject(HttpStatus(500), path="*/query*", times=None)
