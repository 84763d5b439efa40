"""What comes back wrong, over real sockets, for both clients in both worlds: the right error, the truth about a write.

The write is one that could create twice if it were sent twice: of Salesforce a create, of Dialog Insight a call that
nobody has declared repeatable.  The server counts what it has carried out.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from di_salesforce.clients import (
    AsyncDialogInsightClient,
    AsyncSalesforceClient,
    DialogInsightClient,
    SalesforceClient,
)
from di_salesforce.exceptions import (
    ApiError,
    DISalesforceError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    TimedOutError,
    TransportError,
    UnexpectedResponseError,
)
from di_salesforce.retry import RetryPolicy
from di_salesforce.salesforce import AccessToken
from di_salesforce.testing._loopback import LoopbackServer, SimRequest, SimResponse

PAGE = b"<!DOCTYPE html><html><body>Down for maintenance</body></html>"
GOOD = b'{"id": "003000000000001AAA", "success": true, "errors": [], "Success": true, "Records": []}'
JSON = {"Content-Type": "application/json"}


@attrs.define
class Server:
    """Answers every request in one way, carries the write out or not, and counts both."""

    answer: Callable[[], SimResponse]
    applies: bool = False
    received: int = 0
    applied: int = 0

    def __call__(self, request: SimRequest) -> SimResponse:
        self.received += 1
        self.applied += self.applies
        return self.answer()


@attrs.frozen
class Case:
    """One wrong answer: what a read and a write end in, and whether the write may have been carried out."""

    answer: Callable[[], SimResponse]
    error: type[DISalesforceError]
    in_doubt: bool
    applies: bool = True


def refusal(status: int, code: str) -> Callable[[], SimResponse]:
    """A refusal in the form of each service, with a code that nobody knows."""
    body = [{"errorCode": code, "message": "no"}]
    return lambda: SimResponse(status, JSON, json.dumps(body).encode())


CASES = {
    "a body cut short": Case(lambda: SimResponse(200, JSON, GOOD[:-9]), UnexpectedResponseError, in_doubt=True),
    "a body that is no JSON": Case(lambda: SimResponse(200, JSON, b"OK"), UnexpectedResponseError, in_doubt=True),
    "an empty body": Case(lambda: SimResponse(200, JSON), UnexpectedResponseError, in_doubt=True),
    "bytes that are no text": Case(lambda: SimResponse(200, JSON, b"\xff\xfe"), UnexpectedResponseError, in_doubt=True),
    "a page of HTML with status 200": Case(
        lambda: SimResponse(200, {"Content-Type": "text/html"}, PAGE), UnexpectedResponseError, in_doubt=True
    ),
    "a page of HTML with status 503": Case(lambda: SimResponse(503, {}, PAGE), ServerError, in_doubt=True),
    "another envelope": Case(lambda: SimResponse(200, JSON, b'{"ok": 1}'), UnexpectedResponseError, in_doubt=True),
    "a list instead": Case(lambda: SimResponse(200, JSON, b"[1, 2]"), UnexpectedResponseError, in_doubt=True),
    "an unknown code": Case(refusal(400, "NEVER_SEEN"), InvalidRequestError, in_doubt=False, applies=False),
    "an unknown code of a missing thing": Case(refusal(404, "NEW"), NotFoundError, in_doubt=False, applies=False),
    "an unknown code of a failure": Case(refusal(500, "NEVER_SEEN"), ServerError, in_doubt=True),
    "a redirection": Case(
        lambda: SimResponse(302, {"Location": "http://127.0.0.1:1/elsewhere"}), UnexpectedResponseError, in_doubt=True,
        applies=False,
    ),
    "a status that there is not": Case(lambda: SimResponse(299, JSON, b""), UnexpectedResponseError, in_doubt=True),
    "a reset after the write was applied": Case(lambda: SimResponse(reset=True), TransportError, in_doubt=True),
}  # fmt: skip

CLIENTS = ["salesforce", "salesforce async", "dialog insight", "dialog insight async"]


def attempt(client: str, url: str, *, write: bool, timeout: float = 30.0) -> Any:
    """Make one call through one client, and give its result."""
    options: dict[str, Any] = {"retry": RetryPolicy(base=0), "timeout": timeout}
    auth = AccessToken(url, "token")

    def of(made: Any) -> Any:
        if client.startswith("salesforce"):
            return made.create("Contact", {"LastName": "A"}) if write else made.describe("Contact")
        body = {"idProject": 1, "Records": []}
        return made.call("Contacts", "Merge" if write else "Get", body, writes=write, repeatable=not write)

    async def awaited(made: Any) -> Any:
        async with made:
            return await of(made)

    match client:
        case "salesforce":
            with SalesforceClient(auth=auth, **options) as made:
                return of(made)
        case "dialog insight":
            with DialogInsightClient(id_key=1, key="k", host=url, **options) as plain:
                return of(plain)
        case "salesforce async":
            return asyncio.run(awaited(AsyncSalesforceClient(auth=auth, **options)))
        case _:
            return asyncio.run(awaited(AsyncDialogInsightClient(id_key=1, key="k", host=url, **options)))


@pytest.fixture
def served() -> Iterator[Callable[[Server], str]]:
    opened: list[LoopbackServer] = []

    def serve(server: Server) -> str:
        opened.append(LoopbackServer(server, name="bad input"))
        return opened[-1].url

    yield serve
    for one in opened:
        one.close()


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", CASES)
def test_a_write_ends_in_the_truth(served: Any, client: str, name: str) -> None:
    """A write that meets it ends in this error, was sent once, and what the error says of it is true."""
    case = CASES[name]
    server = Server(case.answer, applies=case.applies)
    with pytest.raises(case.error) as caught:
        attempt(client, served(server), write=True)
    assert isinstance(caught.value, ApiError | TransportError)
    assert caught.value.may_have_applied is case.in_doubt
    assert server.received == 1
    assert server.applied == 0 or caught.value.may_have_applied


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", CASES)
def test_a_read_is_never_in_doubt(served: Any, client: str, name: str) -> None:
    """A read that meets it ends in the same error, and cannot have changed anything, however often it was sent."""
    case = CASES[name]
    if client.startswith("salesforce") and name == "another envelope":
        pytest.skip("a describe is handed over as it came, whatever members it has")
    server = Server(case.answer)
    with pytest.raises(case.error) as caught:
        attempt(client, served(server), write=False)
    assert isinstance(caught.value, ApiError | TransportError)
    assert not caught.value.may_have_applied
    assert 1 <= server.received <= RetryPolicy().attempts


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_hangs(served: Any, client: str) -> None:
    """A write that gets no answer in time is in doubt and sent once."""
    done = threading.Event()

    def hang() -> SimResponse:
        done.wait(timeout=60)
        return SimResponse(200, JSON, GOOD)

    server = Server(hang, applies=True)
    try:
        with pytest.raises(TimedOutError) as caught:
            attempt(client, served(server), write=True, timeout=0.3)
    finally:
        done.set()
    assert caught.value.may_have_applied
    assert server.received == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_nobody_there(client: str) -> None:
    """A connection that never came about leaves nothing in doubt."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(TransportError) as caught:
            attempt(client, f"http://127.0.0.1:{taken.getsockname()[1]}", write=True)
    assert not caught.value.may_have_applied


@pytest.mark.parametrize("client", CLIENTS)
def test_a_reset_before_anything_was_applied(client: str) -> None:
    """A connection that is reset while the request travels is in doubt, though nothing was done: nobody can know."""
    accepted: list[int] = []

    def reset(listening: socket.socket) -> None:
        try:
            while True:
                peer, _ = listening.accept()
                accepted.append(1)
                peer.recv(1)
                peer.close()  # what was not read makes it a reset
        except OSError:
            pass  # the test is over

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=reset, args=(listening,), daemon=True)
        thread.start()
        with pytest.raises(TransportError) as caught:
            attempt(client, f"http://127.0.0.1:{listening.getsockname()[1]}", write=True)
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=30)
    assert caught.value.may_have_applied
    assert len(accepted) == 1
