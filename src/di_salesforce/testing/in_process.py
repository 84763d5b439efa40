"""The real clients, talking to the simulators without sockets: for property tests that make thousands of calls.

What may not go in here: behaviour of either service.  The simulators answer through the same `handle` that their
servers use, so faults, logs and switches work alike.  What needs a socket does not: time-outs, and log-ins through
simple-salesforce (the clients of this module hold a session already).

Example:
    >>> from di_salesforce.testing import FakeDialogInsight, Project, ProjectField
    >>> fake = FakeDialogInsight()
    >>> project = fake.add_project(Project(7, fields=[ProjectField("EMail", key=True)]))
    >>> with dialog_insight_client(fake) as client:
    ...     client.projects()
    [ProjectSummary(id=7, name='project')]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from di_salesforce.clients import (
    AsyncDialogInsightClient,
    AsyncSalesforceClient,
    DialogInsightClient,
    SalesforceClient,
)
from di_salesforce.salesforce import AccessToken
from di_salesforce.testing._loopback import SimRequest, SimResponse, parse_request
from di_salesforce.transports._in_process import (
    Answer,
    Handler,
    InProcessTransport,
    async_in_process_client,
    in_process_client,
)

if TYPE_CHECKING:
    from di_salesforce.testing._dialog_insight import FakeDialogInsight
    from di_salesforce.testing._salesforce import FakeSalesforce

__all__ = [
    "Simulator",
    "async_dialog_insight_client",
    "async_salesforce_client",
    "dialog_insight_client",
    "handler",
    "salesforce_client",
    "transport",
]

# Names for requests that never leave the process; `.invalid` is reserved for such uses.
_SALESFORCE: Final = "https://simulated.my.salesforce.com"  # what the simulator calls itself where no socket is open
_DIALOG_INSIGHT: Final = "https://dialog-insight.invalid"


class Simulator(Protocol):
    """Either simulator: something that answers requests."""

    def handle(self, request: SimRequest, /) -> SimResponse:
        """Answer one request."""
        ...


def handler(fake: Simulator) -> Handler:
    """Give the function through which a simulator is reached without a socket."""

    def answer(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        response = fake.handle(parse_request(method, target, headers, body))
        return None if response.reset else Answer(response.status, response.headers, response.body)

    return answer


def transport(fake: Simulator) -> InProcessTransport:
    """Give an httpx transport that reaches a simulator: for an `httpx.Client` or `AsyncClient` of your own.

    Use it where your application hands its own httpx client to ours, or calls the services by itself.
    """
    return InProcessTransport(handler(fake))


def salesforce_client(fake: FakeSalesforce, **options: Any) -> SalesforceClient:  # the class's own parameters
    """Make a client of a simulated org that need not be started; `options` are further arguments of the class."""
    settings: dict[str, Any] = {**_settings(in_process_client(handler(fake))), **options}
    return SalesforceClient(auth=AccessToken(_SALESFORCE, fake.access_token()), **settings)


def async_salesforce_client(fake: FakeSalesforce, **options: Any) -> AsyncSalesforceClient:  # likewise
    """Make an async client of a simulated org that need not be started."""
    settings: dict[str, Any] = {**_settings(async_in_process_client(handler(fake))), **options}
    return AsyncSalesforceClient(auth=AccessToken(_SALESFORCE, fake.access_token()), **settings)


def dialog_insight_client(fake: FakeDialogInsight, **options: Any) -> DialogInsightClient:  # likewise
    """Make a client of a simulated account that need not be started; `options` are further arguments of the class."""
    settings: dict[str, Any] = {**_settings(in_process_client(handler(fake))), "host": _DIALOG_INSIGHT, **options}
    return DialogInsightClient(id_key=fake.id_key, key=fake.key, **settings)


def async_dialog_insight_client(fake: FakeDialogInsight, **options: Any) -> AsyncDialogInsightClient:  # likewise
    """Make an async client of a simulated account that need not be started."""
    settings: dict[str, Any] = {**_settings(async_in_process_client(handler(fake))), "host": _DIALOG_INSIGHT, **options}
    return AsyncDialogInsightClient(id_key=fake.id_key, key=fake.key, **settings)


def _settings(http_client: object) -> dict[str, Any]:  # arguments of the clients
    return {"http_client": http_client}
