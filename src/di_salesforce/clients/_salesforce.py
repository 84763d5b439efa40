"""The Salesforce client whose calls block: one line per method over the flows of `di_salesforce.salesforce`.

What may not go in here: decisions of any kind.  `_salesforce_async.py` has the same names, parameters and docstrings,
which a test compares; the two differ by `await` alone.
"""

from __future__ import annotations

import functools
import json as jsonlib
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from types import TracebackType
from typing import Any, Final, LiteralString, Self, TypeVar, overload

from di_salesforce.clients._salesforce_budget import SalesforceConnection, UsageMeter
from di_salesforce.clients._salesforce_changes import SalesforceChanges
from di_salesforce.pacing import Pace
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.retry import RetryPolicy
from di_salesforce.runners import Connection, Observer, PacedConnection, SyncRunner
from di_salesforce.salesforce import _flows as flows
from di_salesforce.salesforce import _query_flows as query_flows
from di_salesforce.salesforce._auth import AccessToken, Auth, RefreshToken, auth_from_env
from di_salesforce.salesforce._calls import HEADERS
from di_salesforce.salesforce._ranges import ReadingWay
from di_salesforce.salesforce._rows import record_reader
from di_salesforce.salesforce._settings import Budget, Identity, Limit, Page, Settings, Usage
from di_salesforce.salesforce._soql import Soql
from di_salesforce.salesforce._soql import soql as with_values
from di_salesforce.schema import TableSchema
from di_salesforce.session import LogIn, Session
from di_salesforce.transports import _simple_salesforce as guests
from di_salesforce.transports._httpx import DEFAULT_TIMEOUT, HttpClient
from di_salesforce.wire import Flow, HttpResponse

__all__ = ["CONNECTION", "SalesforceClient", "adopted", "environment", "opening"]

T = TypeVar("T")

CONNECTION: Final = Side.SALESFORCE.value
"""The name that the flows of a client give to its connection."""


def opening(auth: Auth | Session, settings: Settings, timeout: float) -> Session | LogIn:
    """Give a session, or how to get one."""
    match auth:
        case Session():
            return auth
        case AccessToken():
            return auth.session()
        case RefreshToken():
            return auth.log_in()
        case _:
            return functools.partial(guests.log_in, auth, settings.api_version, timeout)


def environment(environ: Mapping[str, str] | None) -> dict[str, Any]:  # arguments of the clients
    """Read the log-in and the API version from environment variables."""
    given = os.environ if environ is None else environ
    version = given.get("SALESFORCE_API_VERSION", "").strip()
    return {"auth": auth_from_env(given)} | ({"api_version": version} if version else {})


def adopted(sf: guests.SimpleSalesforce) -> dict[str, Any]:  # arguments of the clients
    """Take the session and the API version from a `simple_salesforce.Salesforce`."""
    session, version = guests.adopted(sf)
    return {"auth": session, "api_version": version}


class SalesforceClient(SalesforceChanges):
    """A client of one Salesforce org, whose calls block.

    It logs in with the first call, logs in again when the session ends (once for all threads that meet it), repeats
    what may be repeated, and may be used by several threads.  Records are plain rows: by API name, exact decimals,
    parents' fields under dotted names (`Account.Name`), date-times as Salesforce writes them.

    Args:
        auth: how to log in: a value of `di_salesforce.salesforce`.
        api_version: as in "60.0".
        retry: when and how often a call is repeated.
        parallel: calls in flight at once for work on many records.
        prefetch: pages of a query that are asked for at once; 1: each when the rows before it are used up.
        ranges: ranges of record ids in which a query is read side by side, where `reading_way` says that it may be; 1:
            one page after another.  Rows come in no certain order then.
        bulk_from: records from which on `write` makes bulk jobs of them; None: never.
        allow_duplicates: save records although a duplicate rule of the org warns of them (not in bulk).
        budget: how many calls this client may make, or up to which share of the org's daily allowance; then it stops
            with a `RateLimitError` whose `exhausted` is true.
        pace: how many requests may be under way at once, and how many may begin in a second.
        http_client: your own `httpx.Client`, with its proxies and certificates; you close it.  Log-ins through
            simple-salesforce do not use it.
        timeout: seconds without a byte before a call is given up.
        observer: told of every exchange.

    Raises:
        ConfigurationError: a setting that cannot be right; nothing is sent before the first call.
    """

    def __init__(
        self,
        *,
        auth: Auth | Session,
        api_version: str = "60.0",
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        parallel: int = 8,
        prefetch: int = 1,
        ranges: int = 1,
        bulk_from: int | None = 10_000,
        allow_duplicates: bool = False,
        budget: Budget | None = None,
        pace: Pace = Pace(),  # noqa: B008 - a frozen value
        http_client: HttpClient | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        observer: Observer | None = None,
    ) -> None:
        self.settings = Settings(
            api_version=api_version,
            retry=retry,
            parallel=parallel,
            prefetch=prefetch,
            ranges=ranges,
            bulk_from=bulk_from,
            allow_duplicates=allow_duplicates,
        )
        self._meter = UsageMeter(budget)
        self._timeout = timeout
        self._transport = SalesforceConnection(
            Side.SALESFORCE,
            opening(auth, self.settings, timeout),
            http_client=http_client,
            timeout=timeout,
            headers=HEADERS,
            meter=self._meter,
        )
        self.connection: Connection = PacedConnection(self._transport, pace)
        self._runner = SyncRunner({CONNECTION: self.connection}, observer=observer)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Any) -> Self:  # the class's own parameters
        """Make a client from environment variables; the first log-in of these that is complete is taken.

        `SALESFORCE_INSTANCE_URL`, `SALESFORCE_ACCESS_TOKEN`: a ready token.
        `SALESFORCE_REFRESH_TOKEN`, `SALESFORCE_CLIENT_ID` (`SALESFORCE_CLIENT_SECRET`, `SALESFORCE_DOMAIN`).
        `SALESFORCE_USERNAME`, `SALESFORCE_CLIENT_ID`, `SALESFORCE_PRIVATE_KEY` (`SALESFORCE_DOMAIN`): a JWT.
        `SALESFORCE_USERNAME`, `SALESFORCE_PASSWORD` (`SALESFORCE_SECURITY_TOKEN`, `SALESFORCE_DOMAIN`, `..._CLIENT_ID`,
        `..._CLIENT_SECRET`).
        `SALESFORCE_DOMAIN`, `SALESFORCE_CLIENT_ID`, `SALESFORCE_CLIENT_SECRET`: client credentials.
        `SALESFORCE_API_VERSION` goes with any of them.

        Args:
            environ: instead of the process environment.
            options: further arguments of the class.

        Raises:
            ConfigurationError: no log-in is complete; names what each of them lacks.
        """
        return cls(**{**environment(environ), **options})

    @classmethod
    def from_simple_salesforce(cls, sf: guests.SimpleSalesforce, **options: Any) -> Self:  # the class's own parameters
        """Make a client that uses the session of a `simple_salesforce.Salesforce`, and its log-in when that ends.

        Args:
            sf: the object, logged in.
            options: further arguments of the class; the API version is that of `sf`.
        """
        return cls(**{**adopted(sf), **options})

    def to_simple_salesforce(self) -> Any:  # simple_salesforce.Salesforce, whose own types strict checkers refuse
        """Give a `simple_salesforce.Salesforce` on this client's session, for what this client does not do.

        It keeps the session it was given: when that ends, ask for another one.

        Raises:
            AuthenticationError: the log-in was refused.
        """
        return guests.guest(self._transport.session(), self.settings.api_version, self._timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport!r}, api_version={self.settings.api_version!r})"

    @property
    def context(self) -> tuple[Settings, str]:
        """What every flow takes first: the settings, and the name of the connection."""
        return self.settings, CONNECTION

    @property
    def usage(self) -> Usage | None:
        """The org's API calls of the last 24 hours, as the latest answer told; None before the first one."""
        return self._meter.latest

    @property
    def calls_sent(self) -> int:
        """The calls that this client has sent, log-ins left out."""
        return self._meter.sent

    def run(self, flow: Flow[T]) -> T:
        """Carry out a flow of `di_salesforce.salesforce` through this client."""
        return self._runner.run(flow)

    def check_access(self, *sobjects: str) -> list[str]:
        """Try what a synchronisation needs, and say in plain words what is missing; writes nothing.

        Args:
            sobjects: objects that must be readable, creatable and updatable.

        Returns:
            One sentence for each thing that is missing; nothing is, if there is none.
        """
        return self.run(flows.check_access(*self.context, sobjects))

    def identity(self) -> Identity:
        """Tell the org and the user of the session; a session that may not ask for the user tells the org alone.

        Raises:
            ApiError, TransportError: the service refused, or did not answer.
        """
        return self.run(flows.identity(*self.context))

    def limits(self) -> dict[str, Limit]:
        """Ask for the org's allowances, by name (`DailyApiRequests`).

        Raises:
            ApiError, TransportError: the service refused, or did not answer.
        """
        return self.run(flows.limits(*self.context))

    def describe(self, sobject: str) -> dict[str, Any]:  # a JSON object
        """Ask for everything about an object and its fields, as Salesforce sends it.

        Args:
            sobject: its API name.

        Raises:
            NotFoundError: there is no such object, or the user may not see it.
        """
        return self.run(flows.describe(*self.context, sobject))

    def schema(self, sobject: str) -> TableSchema:
        """Ask for an object's fields, in the vocabulary that both services share.

        Args:
            sobject: its API name.

        Raises:
            NotFoundError: there is no such object, or the user may not see it.
        """
        return self.run(flows.schema(*self.context, sobject))

    @overload
    def query(
        self,
        soql: LiteralString | Soql,
        params: Mapping[str, object] | None = None,
        *,
        into: type[T],
        include_deleted: bool = False,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[T]: ...

    @overload
    def query(
        self,
        soql: LiteralString | Soql,
        params: Mapping[str, object] | None = None,
        *,
        into: None = None,
        include_deleted: bool = False,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[dict[str, Any]]: ...  # Value, or a list of rows for a child query

    def query(
        self,
        soql: LiteralString | Soql,
        params: Mapping[str, object] | None = None,
        *,
        into: type[Any] | None = None,
        include_deleted: bool = False,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Any]:  # see the overloads
        """Run a query and go through its rows; each page is fetched when the rows before it are used up.

        Nothing is sent before the first row is asked for.  Without `ORDER BY` the order is not defined.

        Args:
            soql: a literal text with `:name` places for values, or a `Soql`.
            params: the values: texts, numbers, booleans, None, dates, aware date-times, and lists of them for `IN`.
            into: a class whose fields have the API names (attrs, dataclass): objects of it instead of plain rows, with
                parents as objects in them and aware date-times.
            include_deleted: also rows in the recycle bin (`IsDeleted`).
            batch_size: rows in a page, 200 to 2,000; a wish, no promise.
            progress: told how many rows have been read (`progress_bar` draws it).

        Raises:
            ConfigurationError: at once, where text and values do not fit together.
            ApiError, TransportError: on the way, where the service refuses or does not answer.
            ConversionError: on the way, where a record does not fit the class.
        """
        question = with_values(soql, **(params or {}))
        pages = self._pages(question, record_reader(question.text, into), include_deleted, batch_size, progress)
        return chain.from_iterable(pages)  # row after row without a step of ours for each

    def _pages(
        self,
        question: Soql,
        read: Callable[[Page], list[Any]],  # whatever was asked for
        include_deleted: bool,  # noqa: FBT001 - private
        batch_size: int | None,
        progress: Progress | None,
    ) -> Iterator[list[Any]]:  # likewise
        reading = query_flows.begin(self.settings, question, include_deleted=include_deleted, batch_size=batch_size)
        tally = query_flows.tally_of(progress, question)
        while not reading.done:
            pages, reading = self.run(query_flows.next_pages(*self.context, reading, tally))
            while pages:
                yield read(pages.pop(0))  # which is let go when its rows are used up

    def query_all(
        self,
        soql: LiteralString | Soql,
        params: Mapping[str, object] | None = None,
        *,
        include_deleted: bool = False,
        progress: Progress | None = None,
    ) -> list[dict[str, Any]]:  # Value, or a list of rows for a child query
        """Run a query to its end and give all of its rows; see `query`.

        Args:
            soql: a literal text with `:name` places for values, or a `Soql`.
            params: the values.
            include_deleted: also rows in the recycle bin (`IsDeleted`).
            progress: told how many rows have been read.

        Raises:
            ConfigurationError: text and values do not fit together; nothing was sent.
            ApiError, TransportError: the service refused, or did not answer.
        """
        question = with_values(soql, **(params or {}))
        return self.run(flows.query_rows(*self.context, question, include_deleted=include_deleted, progress=progress))

    def reading_way(self, soql: LiteralString | Soql, params: Mapping[str, object] | None = None) -> ReadingWay:
        """Tell how this client would read a query, in ranges of ids or page after page, and why; sends nothing.

        Args:
            soql: as for `query`.
            params: as for `query`.

        Raises:
            ConfigurationError: text and values do not fit together.
        """
        return query_flows.chosen_way(self.settings, with_values(soql, **(params or {})))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: Any = None,  # any JSON value: this is the wire
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> HttpResponse:
        """Make any call, with the same log-in, retries and errors as the others.

        Args:
            method: as in `GET`.
            path: below the host if it begins with a slash (`/services/apexrest/...`), else below the API version
                (`sobjects`); percent-encoded.
            query: parameters, not encoded.
            json: a body, unless `content` is given.
            content: a body as it is.
            headers: further headers.
            repeatable: whether carrying it out twice does no harm; None: GET, HEAD, OPTIONS, PUT and DELETE are.

        Returns:
            The answer: `.status`, `.headers`, `.content`, `.json()`.

        Raises:
            ApiError, TransportError: the service refused, or did not answer (see `.may_have_applied`).
        """
        body = content or (b"" if json is None else jsonlib.dumps(json, allow_nan=False).encode())
        return self.run(
            flows.request(
                *self.context, method, path, query=query, content=body, headers=headers, repeatable=repeatable
            )
        )

    def close(self) -> None:
        """Close the connections to the service, unless they belong to an `http_client` of yours."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
