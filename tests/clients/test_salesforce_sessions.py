"""Laws of sessions over an HTTP client of one's own: rotated refresh tokens, one renewal for many, hosts that move."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import attrs
import httpx
import pytest

from di_salesforce.clients import AsyncSalesforceClient, SalesforceClient
from di_salesforce.retry import RetryPolicy
from di_salesforce.salesforce import RefreshToken

PROMPT = RetryPolicy(base=0)


@attrs.define
class Org:
    """Answers log-ins and calls; each log-in ends the session before it, and may move the org to another host."""

    rotates: bool = True
    moves: bool = False
    refused_at_once: int = 0  # calls that meet one ended session together
    log_ins: int = 0
    spent: list[str] = attrs.field(factory=list[str])
    seen: list[httpx.Request] = attrs.field(factory=list[httpx.Request])
    lock: Any = attrs.field(factory=threading.Lock)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            self.seen.append(request)
            if request.url.path == "/services/oauth2/token":
                return self._log_in(parse_qs(request.content.decode())["refresh_token"][0])
            if request.headers["authorization"] != f"Bearer session-{self.log_ins}":
                body = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
                return httpx.Response(401, json=body)
        return httpx.Response(200, json={"ok": True})

    def _log_in(self, token: str) -> httpx.Response:
        self.spent.append(token)
        self.log_ins += 1
        host = f"https://pod{self.log_ins if self.moves else 1}.example.com"
        told = {"access_token": f"session-{self.log_ins}", "instance_url": host}
        return httpx.Response(200, json=told | ({"refresh_token": f"token-{self.log_ins}"} if self.rotates else {}))


def auth(on_rotation: Callable[[str], None] | None = None) -> RefreshToken:
    return RefreshToken("token-0", "app", domain="login.example.com", on_rotation=on_rotation)


class Blocking:
    """One world: a client over a function, and several calls at once."""

    def __init__(self, org: Org, **options: Any) -> None:
        self.http = httpx.Client(transport=httpx.MockTransport(org))
        self.client = SalesforceClient(auth=auth(**options), http_client=self.http, retry=PROMPT)

    def ask(self, **headers: str) -> Any:
        return self.client.request("GET", "limits", headers=headers).json()

    def ask_together(self, count: int) -> list[Any]:
        ready, answers = threading.Barrier(count), list[Any]()

        def one() -> None:
            ready.wait(timeout=30)
            answers.append(self.ask())

        threads = [threading.Thread(target=one) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        return answers

    def close(self) -> None:
        self.client.close()
        self.http.close()


class Awaited:
    """The other world, used as the first."""

    def __init__(self, org: Org, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(org))
        self.client = AsyncSalesforceClient(auth=auth(**options), http_client=self.http, retry=PROMPT)

    async def _ask(self, headers: dict[str, str]) -> Any:
        return (await self.client.request("GET", "limits", headers=headers)).json()

    def ask(self, **headers: str) -> Any:
        return self.loop.run_until_complete(self._ask(headers))

    def ask_together(self, count: int) -> list[Any]:
        async def all_of_them() -> list[Any]:
            return list(await asyncio.gather(*(self._ask({}) for _ in range(count))))

        return self.loop.run_until_complete(all_of_them())

    def close(self) -> None:
        self.loop.run_until_complete(self.client.close())
        self.loop.run_until_complete(self.http.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@pytest.fixture(params=[Blocking, Awaited], ids=["blocking", "async"])
def world(request: pytest.FixtureRequest) -> Iterator[Any]:
    made: list[Any] = []

    def make(org: Org, **options: Any) -> Any:
        made.append(request.param(org, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_rotated_token_is_told_and_used(world: Any) -> None:
    """Each new refresh token is told once, in order, and buys the next session; the first one is spent once."""
    told: list[str] = []
    org = Org()
    client = world(org, on_rotation=told.append)
    for _ in range(3):
        assert client.ask() == {"ok": True}
        org.log_ins += 10  # ends the session
    assert told == ["token-1", "token-12", "token-23"]
    assert org.spent == ["token-0", "token-1", "token-12"]


def test_a_token_that_stays_is_not_told(world: Any) -> None:
    """Where the answer brings no new token, there is nothing to keep."""
    told: list[str] = []
    client = world(Org(rotates=False), on_rotation=told.append)
    client.ask()
    assert told == []


def test_a_keeper_that_fails_does_not_lose_the_session(world: Any) -> None:
    """What the callback raises reaches the caller; the client goes on with the new token."""

    def fail(_: str) -> None:
        raise OSError("disk full")

    org = Org()
    client = world(org, on_rotation=fail)
    with pytest.raises(OSError, match="disk full"):
        client.ask()
    assert client.ask() == {"ok": True}
    assert org.spent == ["token-0"]


def test_no_token_shows(world: Any) -> None:
    """Neither the value nor the client shows a token."""
    client = world(Org(), on_rotation=print)
    client.ask()
    assert "token-" not in repr(client.client) + repr(auth(print))
    assert "session-" not in repr(client.client)


def test_one_renewal_for_many_callers(world: Any) -> None:
    """Eight callers, threads or tasks, that meet one ended session make one log-in, and all get their answer."""
    org = Org()
    client = world(org)
    client.ask()
    org.log_ins += 10
    assert client.ask_together(8) == [{"ok": True}] * 8
    assert org.spent == ["token-0", "token-1"]


def test_a_host_that_changes_is_followed(world: Any) -> None:
    """After a log-in that names another instance, the repeated request and all later ones go there."""
    org = Org(moves=True)
    client = world(org)
    client.ask()
    org.log_ins += 1
    client.ask()
    calls = [request.url.host for request in org.seen if request.url.path != "/services/oauth2/token"]
    assert calls == ["pod1.example.com", "pod1.example.com", "pod3.example.com"]


def test_the_repeated_request_is_whole(world: Any) -> None:
    """Headers of one call go along when it is repeated with the new session (simple-salesforce drops them)."""
    org = Org()
    client = world(org)
    client.ask()
    org.log_ins += 10
    client.ask(**{"If-Modified-Since": "Mon, 02 Mar 2026 10:00:00 GMT", "Sforce-Query-Options": "batchSize=200"})
    last, first = org.seen[-1], org.seen[-3]
    for name in ("if-modified-since", "sforce-query-options", "sforce-call-options", "user-agent", "accept"):
        assert last.headers[name] == first.headers[name]
    assert last.headers["authorization"] != first.headers["authorization"]
    assert json.loads(json.dumps(str(last.url))) == str(first.url)
