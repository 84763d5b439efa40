"""Connections over httpx: the only file that imports it.

What may not go in here: anything that knows one vendor.  A connection holds the base URL, the session and the
credential; it adds the credential at the last moment, counts the sessions, and turns httpx's errors into ours.  No
httpx error is kept inside ours, since it would carry the request with its secrets along.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import ssl
import threading
import warnings
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from importlib.metadata import version
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

import attrs
import httpx

from di_salesforce.exceptions import ConfigurationError, DISalesforceError, TimedOutError, TransportError
from di_salesforce.records import Side
from di_salesforce.session import LogIn, LogInCall, Session
from di_salesforce.wire import HttpRequest, HttpResponse

__all__ = ["DEFAULT_TIMEOUT", "AsyncHttpClient", "AsyncHttpxConnection", "HttpClient", "HttpxConnection"]

# For the signatures of the clients, which may not import httpx themselves.
HttpClient: TypeAlias = httpx.Client
AsyncHttpClient: TypeAlias = httpx.AsyncClient

# Seconds without a byte.  A write of 200 records whose triggers are slow may well take half a minute.
DEFAULT_TIMEOUT: Final = 60.0

# Seconds to establish a connection: a host that does not take one in this time is not there.
_CONNECT_TIMEOUT: Final = 10.0

# No proxy for this machine, whatever the environment says: simulators live here.
_DIRECT: Final = {"all://localhost": None, "all://127.0.0.1": None, "all://[::1]": None}

# The request had not left: the connection was not there, or the request was never well-formed.
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


# The request itself is at fault: sending it again gives the same.
_NEVER_SENDABLE: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


# httpx logs the whole address of each request, and with it the values of a query: not of ours.
_ours: ContextVar[bool] = ContextVar("di_salesforce_request", default=False)


class _NotOurs(logging.Filter):
    """Keeps httpx's log lines about our requests out of the log; `runners.py` has lines of its own without data."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _ours.get()


_NOT_OURS: Final = _NotOurs()


@attrs.frozen
class _State:
    """A session and its number; numbers only grow."""

    number: int
    session: Session


class _Common:
    """What both connections share: all but the sending and the locks."""

    def __init__(
        self,
        side: Side,
        opening: Session | LogIn,
        *,
        timeout: float,
        headers: Mapping[str, str],
        on_answer: Callable[[HttpResponse], None] | None,
    ) -> None:
        if not timeout > 0:
            raise ConfigurationError(f"timeout must be more than 0 seconds, not {timeout}")
        logging.getLogger("httpx").addFilter(_NOT_OURS)  # the same filter is added once
        self.side = side
        self._timeout = timeout
        self._headers = {"User-Agent": f"di-salesforce/{version('di-salesforce')}", **headers}
        self._on_answer = on_answer
        self._log_in: LogIn | None = opening.renewal if isinstance(opening, Session) else opening
        self._state: _State | None = _State(1, opening) if isinstance(opening, Session) else None
        self._tries: int = 0  # log-ins that have come to an end
        self._failure: DISalesforceError | None = None
        self._closed = False

    def __repr__(self) -> str:
        state = self._state
        where = state.session.base_url if state is not None else "not logged in yet"
        return f"{type(self).__name__}({self.side.value}: {where})"

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError(f"the {self.side.label} connection is closed; make a new client")

    def _arguments(self, request: HttpRequest, session: Session) -> dict[str, Any]:  # keyword arguments of httpx
        ready = session.credential.apply(request)
        query = "?" + urlencode(ready.query, quote_via=quote) if ready.query else ""
        seconds = request.timeout or self._timeout
        return {
            "method": ready.method,
            "url": f"{session.base_url}{ready.path}{query}",
            "headers": {**self._headers, **ready.headers},
            "content": ready.content or None,
            "timeout": httpx.Timeout(seconds, connect=min(seconds, _CONNECT_TIMEOUT)),
            "follow_redirects": False,  # a redirected write could go anywhere, with the credential
        }

    def _answer(self, response: httpx.Response, number: int) -> HttpResponse:
        answer = HttpResponse(response.status_code, dict(response.headers.items()), response.content, number)
        if self._on_answer is not None:
            self._on_answer(answer)
        return answer

    def _known_failure(self, tries_before: int) -> DISalesforceError | None:
        """Give the failure of a log-in for which this caller waited: one refusal serves all who waited for it."""
        return copy.copy(self._failure) if self._failure is not None and self._tries != tries_before else None

    def _opened(self, session: Session) -> _State:
        self._log_in = session.renewal or self._log_in
        self._state = _State(self._state.number + 1 if self._state is not None else 1, session)
        self._tries, self._failure = self._tries + 1, None
        return self._state

    def _failed(self, error: DISalesforceError) -> None:
        self._tries, self._failure = self._tries + 1, error


def _transport_error(error: Exception, request: HttpRequest, seconds: float) -> TransportError:
    sent = not isinstance(error, _NOT_SENT)
    in_doubt = sent and request.writes
    waited = isinstance(error, httpx.ReadTimeout)
    reason = f"nothing came for {seconds:g} s" if waited else str(error) or "no reason given"
    consequence = "it may have been carried out all the same" if in_doubt else "nothing was changed"
    kind = TimedOutError if isinstance(error, httpx.TimeoutException) else TransportError
    return kind(
        f"no answer from {request.side.label} to {request.shown}: {reason} ({type(error).__name__}); {consequence}",
        side=request.side,
        may_have_applied=in_doubt,
        retryable=not (isinstance(error, _NEVER_SENDABLE) or _bad_certificate(error)),
    )


def _bad_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


class HttpxConnection(_Common):
    """Send one service's requests by blocking; bears several threads.

    Args:
        side: the service, for error texts.
        opening: a session, or how to get one (on the first request and whenever it is renewed).
        http_client: your own `httpx.Client`, with its proxies and certificates; it is never closed here.
        timeout: seconds without a byte, for requests that name none.
        headers: sent with every request.
        on_answer: called with every answer (never with a log-in's).
    """

    def __init__(
        self,
        side: Side,
        opening: Session | LogIn,
        *,
        http_client: httpx.Client | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        headers: Mapping[str, str] | None = None,
        on_answer: Callable[[HttpResponse], None] | None = None,
    ) -> None:
        super().__init__(side, opening, timeout=timeout, headers=headers or {}, on_answer=on_answer)
        self._given = http_client
        self._own: httpx.Client | None = None
        self._client_lock = threading.Lock()
        self._session_lock = threading.Lock()

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request, logging in first where there is no session yet.

        Raises:
            TransportError: no answer came.
            AuthenticationError: the log-in was refused.
        """
        state = self._state or self._first_session()
        return self._answer(self._exchange(request, state.session), state.number)

    def renew(self, stale: int) -> bool:
        """Log in again unless the session is no longer number `stale`; False where there is nothing to log in with."""
        tries_before = self._tries
        with self._session_lock:
            if self._state is not None and self._state.number != stale:
                return True
            if self._log_in is None:
                return False
            self._open(self._log_in, tries_before)
            return True

    def session(self) -> Session:
        """Give the present session, logging in where there is none yet."""
        return (self._state or self._first_session()).session

    def close(self) -> None:
        """Close the connections to the service, unless they belong to a client of yours."""
        self._closed = True
        if self._own is not None:
            self._own.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and self._own is not None:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)
            self._own.close()

    def _first_session(self) -> _State:
        tries_before = self._tries
        with self._session_lock:
            if self._state is not None:
                return self._state
            if self._log_in is None:
                raise ConfigurationError("this connection has neither a session nor a way to get one")
            return self._open(self._log_in, tries_before)

    def _open(self, log_in: LogIn, tries_before: int) -> _State:
        self._check_open()
        if (known := self._known_failure(tries_before)) is not None:
            raise known
        try:
            if isinstance(log_in, LogInCall):
                answer = self._exchange(log_in.call.request, log_in.via)
                session = log_in.call.decode(_plain(answer))
            else:
                session = log_in()
        except DISalesforceError as error:
            self._failed(error)
            raise
        state = self._opened(session)
        if session.opened is not None:
            session.opened()
        return state

    def _exchange(self, request: HttpRequest, session: Session) -> httpx.Response:
        arguments = self._arguments(request, session)
        unheard = _ours.set(True)
        try:
            return self._client().request(**arguments)
        except httpx.RequestError as error:
            failure = _transport_error(error, request, request.timeout or self._timeout)
        finally:
            _ours.reset(unheard)
        raise failure  # outside the handler, so that httpx's error does not come along as its context

    def _client(self) -> httpx.Client:
        self._check_open()
        if self._given is not None:
            if self._given.is_closed:
                raise ConfigurationError("the httpx client that was given as http_client is closed")
            return self._given
        with self._client_lock:
            if self._own is None:
                self._own = httpx.Client(mounts=dict(_DIRECT))
            return self._own


class AsyncHttpxConnection(_Common):
    """Send one service's requests on the running event loop.

    Args:
        side: the service, for error texts.
        opening: a session, or how to get one (on the first request and whenever it is renewed).
        http_client: your own `httpx.AsyncClient`, with its proxies and certificates; it is never closed here.
        timeout: seconds without a byte, for requests that name none.
        headers: sent with every request.
        on_answer: called with every answer (never with a log-in's).
    """

    def __init__(
        self,
        side: Side,
        opening: Session | LogIn,
        *,
        http_client: httpx.AsyncClient | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        headers: Mapping[str, str] | None = None,
        on_answer: Callable[[HttpResponse], None] | None = None,
    ) -> None:
        super().__init__(side, opening, timeout=timeout, headers=headers or {}, on_answer=on_answer)
        self._given = http_client
        self._own: httpx.AsyncClient | None = None
        self._session_lock = asyncio.Lock()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request, logging in first where there is no session yet.

        Raises:
            TransportError: no answer came.
            AuthenticationError: the log-in was refused.
        """
        state = self._state or await self._first_session()
        return self._answer(await self._exchange(request, state.session), state.number)

    async def renew(self, stale: int) -> bool:
        """Log in again unless the session is no longer number `stale`; False where there is nothing to log in with."""
        tries_before = self._tries
        async with self._session_lock:
            if self._state is not None and self._state.number != stale:
                return True
            if self._log_in is None:
                return False
            await self._open(self._log_in, tries_before)
            return True

    async def session(self) -> Session:
        """Give the present session, logging in where there is none yet."""
        return (self._state or await self._first_session()).session

    async def close(self) -> None:
        """Close the connections to the service, unless they belong to a client of yours."""
        self._closed = True
        if self._own is not None:
            await self._own.aclose()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and self._own is not None:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)

    async def _first_session(self) -> _State:
        tries_before = self._tries
        async with self._session_lock:
            if self._state is not None:
                return self._state
            if self._log_in is None:
                raise ConfigurationError("this connection has neither a session nor a way to get one")
            return await self._open(self._log_in, tries_before)

    async def _open(self, log_in: LogIn, tries_before: int) -> _State:
        self._check_open()
        if (known := self._known_failure(tries_before)) is not None:
            raise known
        try:
            if isinstance(log_in, LogInCall):
                answer = await self._exchange(log_in.call.request, log_in.via)
                session = log_in.call.decode(_plain(answer))
            else:
                session = await asyncio.to_thread(log_in)
        except DISalesforceError as error:
            self._failed(error)
            raise
        state = self._opened(session)
        if session.opened is not None:
            await asyncio.to_thread(session.opened)
        return state

    async def _exchange(self, request: HttpRequest, session: Session) -> httpx.Response:
        arguments = self._arguments(request, session)
        unheard = _ours.set(True)
        try:
            return await self._client().request(**arguments)
        except httpx.RequestError as error:
            failure = _transport_error(error, request, request.timeout or self._timeout)
        finally:
            _ours.reset(unheard)
        raise failure  # outside the handler, so that httpx's error does not come along as its context

    def _client(self) -> httpx.AsyncClient:
        self._check_open()
        if self._given is not None:
            if self._given.is_closed:
                raise ConfigurationError("the httpx client that was given as http_client is closed")
            return self._given
        if self._own is None:
            self._own = httpx.AsyncClient(mounts=dict(_DIRECT))
        return self._own


def _plain(response: httpx.Response) -> HttpResponse:
    return HttpResponse(response.status_code, dict(response.headers.items()), response.content)
