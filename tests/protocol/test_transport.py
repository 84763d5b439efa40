"""Laws of the connections: credentials at the last moment, one log-in for many, and httpx's errors told as ours."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import socket
import threading
import warnings
from collections.abc import Callable
from typing import Any

import attrs
import httpx
import pytest

from di_salesforce.exceptions import AuthenticationError, ConfigurationError, TimedOutError, TransportError
from di_salesforce.records import Side
from di_salesforce.session import LogInCall, Session, base_url
from di_salesforce.testing._loopback import LoopbackServer, SimRequest, SimResponse
from di_salesforce.transports._httpx import AsyncHttpxConnection, HttpxConnection
from di_salesforce.wire import Call, HttpRequest, HttpResponse

SECRET = "s3cr3t-of-nobody"
READ = HttpRequest(Side.SALESFORCE, "GET", "/things")
WRITE = attrs.evolve(READ, method="POST", content=b"{}", writes=True)


@attrs.frozen
class Token:
    token: str = attrs.field(repr=False)

    def apply(self, request: HttpRequest) -> HttpRequest:
        return attrs.evolve(request, headers={**request.headers, "Authorization": self.token})


HOST = "https://example.my.salesforce.com"
SESSION = Session(HOST, Token(SECRET))


class World:
    """One of the two connections, over a plain function."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(
        self,
        handle: Callable[[httpx.Request], httpx.Response],
        use: Callable[[Any], list[Any]],
        opening: Any = SESSION,
        **options: Any,
    ) -> list[Any]:
        """Make a connection and give what it answers to calls such as `("send", READ)`: results or exceptions."""
        transport = httpx.MockTransport(handle)
        if self.kind == "sync":
            with httpx.Client(transport=transport) as client:
                connection = HttpxConnection(Side.SALESFORCE, opening, http_client=client, **options)
                return [self._tried(connection, *call) for call in use(connection)]

        async def main() -> list[Any]:
            async with httpx.AsyncClient(transport=transport) as client:
                connection = AsyncHttpxConnection(Side.SALESFORCE, opening, http_client=client, **options)
                return [await self._awaited(connection, *call) for call in use(connection)]

        return asyncio.run(main())

    @staticmethod
    def _tried(connection: HttpxConnection, method: str, *arguments: Any) -> Any:
        try:
            return getattr(connection, method)(*arguments)
        except Exception as error:  # noqa: BLE001 - what comes out is the result
            return error

    @staticmethod
    async def _awaited(connection: AsyncHttpxConnection, method: str, *arguments: Any) -> Any:
        try:
            return await getattr(connection, method)(*arguments)
        except Exception as error:  # noqa: BLE001 - what comes out is the result
            return error


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_a_request_travels_as_it_is(world: World) -> None:
    """Path, query, headers and body arrive unchanged, with the credential, the fixed headers and a user agent."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, headers={"X-Thing": "1"}, content=b"{}")

    sent = attrs.evolve(WRITE, path="/a%2Fb/%2E%2E", query={"q": "a b+c/'é'&x=1"}, headers={"X-Own": "2"})
    [answer] = world(handle, lambda _: [("send", sent)], headers={"X-Fixed": "3"})
    [request] = seen
    assert request.method == "POST"
    assert request.url.raw_path == b"/a%2Fb/%2E%2E?q=a%20b%2Bc%2F%27%C3%A9%27%26x%3D1"
    assert request.content == b"{}"
    assert [request.headers[name] for name in ("authorization", "x-own", "x-fixed")] == [SECRET, "2", "3"]
    assert request.headers["user-agent"].startswith("di-salesforce/")
    assert (answer.status, answer.headers["x-thing"], answer.content, answer.session) == (201, "1", b"{}", 1)


def test_no_data_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Of our requests httpx does not log the address, as it does of others: a query holds people's data."""
    asked = attrs.evolve(READ, path="/Email/ada@example.com", query={"q": "ada@example.com"})
    with caplog.at_level("DEBUG"):
        world(lambda _: httpx.Response(200), lambda _: [("send", asked)])
        httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))).get("https://not.ours.example.com")
    assert "ada" not in caplog.text
    assert "not.ours" in caplog.text


def test_redirections_are_not_followed(world: World) -> None:
    """A redirection is an answer: following it would take the credential to another host."""
    hosts: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(302, headers={"Location": "https://elsewhere.example.com/"})

    [answer] = world(handle, lambda _: [("send", READ)])
    assert answer.status == 302
    assert hosts == ["example.my.salesforce.com"]


@pytest.mark.parametrize(
    ("error", "kind", "sent"),
    [
        (httpx.ConnectError("refused"), TransportError, False),
        (httpx.ConnectTimeout(""), TimedOutError, False),
        (httpx.PoolTimeout(""), TimedOutError, False),
        (httpx.ProxyError("no tunnel"), TransportError, False),
        (httpx.UnsupportedProtocol("gopher"), TransportError, False),
        (httpx.ReadTimeout(""), TimedOutError, True),
        (httpx.WriteTimeout(""), TimedOutError, True),
        (httpx.ReadError("reset"), TransportError, True),
        (httpx.WriteError("broken pipe"), TransportError, True),
        (httpx.RemoteProtocolError("Server disconnected"), TransportError, True),
        (httpx.DecodingError("not gzip"), TransportError, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_failures_are_told_truthfully(
    world: World, error: httpx.RequestError, kind: type[TransportError], *, sent: bool
) -> None:
    """Each httpx error becomes ours: in doubt where a write may have left, with nothing of httpx in it."""

    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    read, write = world(handle, lambda _: [("send", READ), ("send", WRITE)])
    assert type(read) is type(write) is kind
    assert read.may_have_applied is False
    assert write.may_have_applied is sent
    for ours in (read, write):
        assert ours.__cause__ is None
        assert ours.__context__ is None
        assert SECRET not in str(ours)
        for twin in (copy.copy(ours), pickle.loads(pickle.dumps(ours))):
            assert (str(twin), twin.may_have_applied) == (str(ours), ours.may_have_applied)


def test_a_bad_certificate_is_not_worth_a_second_try(world: World) -> None:
    """A certificate does not become good by waiting."""
    import ssl

    def handle(request: httpx.Request) -> httpx.Response:
        try:
            raise ssl.SSLCertVerificationError("self-signed")
        except ssl.SSLError as error:
            raise httpx.ConnectError("TLS") from error

    [error] = world(handle, lambda _: [("send", READ)])
    assert isinstance(error, TransportError)
    assert not error.retryable


class Door:
    """A log-in that gives numbered tokens, or refuses."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.count = 0
        self.refuses = refuses
        self.open = threading.Event()
        self.open.set()

    def __call__(self) -> Session:
        self.count += 1
        assert self.open.wait(30)
        if self.refuses:
            raise AuthenticationError("no", side=Side.SALESFORCE)
        return Session(f"https://host{self.count}.example.com", Token(f"token{self.count}"))


def tell(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=[request.url.host, request.headers["authorization"]])


def test_the_first_request_logs_in_and_a_renewal_changes_the_host(world: World) -> None:
    """Nothing is sent before the first request; a renewed session's host is followed; numbers grow."""
    door = Door()
    assert world(tell, lambda _: [], opening=door) == []
    assert door.count == 0
    calls = [("send", READ), ("renew", 1), ("renew", 1), ("send", READ)]
    first, renewed, again, second = world(tell, lambda _: calls, opening=door)
    assert (first.json(), first.session) == (["host1.example.com", "token1"], 1)
    assert (renewed, again) == (True, True)
    assert (second.json(), second.session) == (["host2.example.com", "token2"], 2)
    assert door.count == 2


def test_a_ready_session_cannot_be_renewed(world: World) -> None:
    """Where there is nothing to log in with, a renewal says so and the session stays."""
    refused, answer = world(tell, lambda _: [("renew", 1), ("send", READ)])
    assert refused is False
    assert answer.session == 1


@pytest.mark.parametrize("refuses", [False, True])
def test_one_log_in_serves_many_callers(world: World, *, refuses: bool) -> None:
    """Callers that arrive together cause one log-in, whether it works or not; later ones may try again."""
    door = Door(refuses=refuses)
    results = together(world, door, times=8)
    assert door.count == 1
    assert {type(result) for result in results} == {AuthenticationError if refuses else HttpResponse}
    if refuses:
        assert len({id(result) for result in results}) == len(results), "an error is shared between threads"


def together(world: World, door: Door, times: int) -> list[Any]:
    """Send from several callers at once; the log-in takes until all of them have arrived."""
    arrived: list[int] = []

    def arrive(number: int) -> None:
        arrived.append(number)
        if len(arrived) == times:
            door.open.set()

    door.open.clear()
    if world.kind == "sync":
        with httpx.Client(transport=httpx.MockTransport(tell)) as client:
            connection = HttpxConnection(Side.SALESFORCE, door, http_client=client)
            lock, results = Watched(connection._session_lock, arrive), list[Any]()
            connection._session_lock = lock  # type: ignore[assignment]  # tells when somebody comes to it

            threads = [
                threading.Thread(target=lambda: results.append(World._tried(connection, "send", READ)))
                for _ in range(times)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return results

    async def one(connection: AsyncHttpxConnection, number: int) -> Any:
        arrive(number)  # nothing is awaited between here and the lock
        return await World._awaited(connection, "send", READ)

    async def main() -> list[Any]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(tell)) as client:
            connection = AsyncHttpxConnection(Side.SALESFORCE, door, http_client=client)
            return list(await asyncio.gather(*(one(connection, number) for number in range(times))))

    return asyncio.run(main())


class Watched:
    """A lock that tells when somebody comes to it."""

    def __init__(self, lock: threading.Lock, arrive: Callable[[int], None]) -> None:
        self.lock = lock
        self.arrive = arrive

    def __enter__(self) -> None:
        self.arrive(threading.get_ident())
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def test_a_refused_log_in_may_be_tried_again_later(world: World) -> None:
    """A refusal is shared by those who waited for it, not by those who come later."""
    door = Door(refuses=True)
    first, second = world(tell, lambda _: [("send", READ), ("send", READ)], opening=door)
    assert isinstance(first, AuthenticationError)
    assert isinstance(second, AuthenticationError)
    assert door.count == 2


def test_a_log_in_by_call_is_sent_by_the_connection(world: World) -> None:
    """A log-in that is one call uses the same client; what it brings may replace how to log in the next time."""
    paths: list[tuple[str, str]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        paths.append((request.url.path, request.headers["authorization"]))
        return httpx.Response(200, json="fresh")

    def log_in(secret: str, following: LogInCall | None) -> LogInCall:
        request = HttpRequest(Side.SALESFORCE, "POST", "/token", name="log in")
        session = Session(HOST, Token(f"after {secret}"), following)
        return LogInCall(Session(HOST, Token(secret)), Call(request, lambda _: session))

    opening = log_in("one", log_in("two", None))
    calls = [("send", READ), ("renew", 1), ("renew", 2), ("send", READ)]
    world(handle, lambda _: calls, opening=opening)
    assert paths == [
        ("/token", "one"),
        ("/things", "after one"),
        ("/token", "two"),
        ("/token", "two"),
        ("/things", "after two"),
    ]


def test_a_closed_connection_says_so(world: World) -> None:
    """After `close()`, a request is refused with a sentence, and a client of yours is still open."""
    answer, nothing, error = world(tell, lambda _: [("send", READ), ("close",), ("send", READ)])
    assert answer.status == 200
    assert nothing is None
    assert isinstance(error, ConfigurationError)


def test_a_closed_client_of_yours_is_named() -> None:
    """A given httpx client that is closed is the user's mistake."""
    client = httpx.Client()
    client.close()
    with pytest.raises(ConfigurationError, match="http_client"):
        HttpxConnection(Side.SALESFORCE, SESSION, http_client=client).send(READ)


def test_a_forgotten_connection_warns() -> None:
    """What was opened and never closed is told as a ResourceWarning."""
    with LoopbackServer(lambda _: SimResponse(200), name="quiet") as server:
        connection = HttpxConnection(Side.SALESFORCE, Session(server.url, Token(SECRET)))
        connection.send(READ)
        connections = [connection]
        del connection
        with pytest.warns(ResourceWarning, match="never closed") as told:
            connections.clear()
        assert SECRET not in str([str(one.message) for one in told])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        HttpxConnection(Side.SALESFORCE, SESSION)  # never used, so there is nothing to close
        gc.collect()


def test_no_secret_is_shown() -> None:
    """A connection and its session show where they go and never as whom."""
    for shown in (
        HttpxConnection(Side.SALESFORCE, SESSION),
        SESSION,
        LogInCall(SESSION, Call(READ, lambda _: SESSION)),
    ):
        assert SECRET not in repr(shown)
    assert HOST in repr(HttpxConnection(Side.SALESFORCE, SESSION))


def test_every_answer_is_reported(world: World) -> None:
    """`on_answer` sees all answers, of refusals too."""
    seen: list[int] = []
    world(
        lambda _: httpx.Response(429), lambda _: [("send", READ)], on_answer=lambda answer: seen.append(answer.status)
    )
    assert seen == [429]


# On real sockets --------------------------------------------------------------------------------------------------


def test_a_hanging_server_times_out() -> None:
    """A server that does not answer ends in TimedOutError after the timeout of the request, in doubt for a write."""
    release = threading.Event()

    def handle(request: SimRequest) -> SimResponse:
        release.wait(30)
        return SimResponse(200)

    with LoopbackServer(handle, name="hanging") as server:
        connection = HttpxConnection(Side.SALESFORCE, Session(server.url, Token(SECRET)))
        with pytest.raises(TimedOutError) as caught:
            connection.send(attrs.evolve(WRITE, timeout=0.05))
        release.set()
        connection.close()
    assert caught.value.may_have_applied
    assert "0.05 s" in str(caught.value)


def test_a_reset_after_the_request_is_in_doubt() -> None:
    """A connection that ends without an answer leaves a write in doubt."""
    with LoopbackServer(lambda _: SimResponse(0, reset=True), name="resetting") as server:
        connection = HttpxConnection(Side.SALESFORCE, Session(server.url, Token(SECRET)))
        with pytest.raises(TransportError) as caught:
            connection.send(WRITE)
        connection.close()
    assert caught.value.may_have_applied


def test_nobody_listening_is_not_in_doubt() -> None:
    """Where no connection was made, nothing can have been applied."""
    with socket.socket() as taken:  # bound and not listening: nobody else can take the port
        taken.bind(("127.0.0.1", 0))
        connection = HttpxConnection(Side.SALESFORCE, Session(f"http://127.0.0.1:{taken.getsockname()[1]}", Token("")))
        with pytest.raises(TransportError) as caught:
            connection.send(WRITE)
        connection.close()
    assert not caught.value.may_have_applied


def test_no_proxy_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not asked for a simulator on loopback."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody there
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with LoopbackServer(lambda _: SimResponse(200), name="direct") as server:
        connection = HttpxConnection(Side.SALESFORCE, Session(server.url, Token("")))
        assert connection.send(READ).status == 200
        connection.close()


def test_the_proxy_of_the_environment_is_asked_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other host is reached through the proxy that the environment names, which sees the host and no more."""
    asked: list[bytes] = []

    def proxy(listener: socket.socket) -> None:
        caller, _ = listener.accept()
        with caller:
            asked.append(caller.recv(1000))
            caller.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    for name in ("HTTPS_PROXY", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        answering = threading.Thread(target=proxy, args=[listener], daemon=True)
        answering.start()
        connection = HttpxConnection(Side.SALESFORCE, Session("https://example.my.salesforce.com", Token("s3cr3t")))
        with pytest.raises(TransportError) as caught:
            connection.send(READ)
        connection.close()
        answering.join(10)
    assert not caught.value.may_have_applied
    assert asked[0].startswith(b"CONNECT example.my.salesforce.com:443 ")
    assert b"s3cr3t" not in asked[0]


# Base URLs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("example.my.salesforce.com", "https://example.my.salesforce.com"),
        (" https://Example.my.salesforce.com/ ", "https://example.my.salesforce.com"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.2", "http://127.0.0.2"),
        ("http://[::1]:80/", "http://[::1]:80"),
    ],
)
def test_base_urls(text: str, url: str) -> None:
    """A host name or a base URL reads as a base URL; https unless this machine is named with http."""
    assert base_url(text) == url
    assert base_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "http://example.com",
        "http://localhost.example.com",
        "http://128.0.0.1",
        "ftp://example.com",
        "https://example.com/services",
        "https://example.com?x=1",
        "https://user:s3cr3t@example.com",
        "https://exa mple.com",
        "https://example.com:port",
        "https://[::1",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """What is no host, would send secrets in the clear, or holds more than a host is refused, passwords unshown."""
    with pytest.raises(ConfigurationError) as caught:
        base_url(text)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
