"""`FakeSalesforce`: a stateful, validating Salesforce org for tests and scripts, over real HTTP or without sockets.

What may not go in here: how the service behaves (that is in the `_sf_` files); this is the handle that people hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

import attrs

from di_salesforce.testing._facade import Facade
from di_salesforce.testing._faults import FaultRule, in_place_of_the_work, on_the_way_back
from di_salesforce.testing._loopback import SimRequest, SimResponse, parse_request
from di_salesforce.testing._sf_access import ApiUser, Caller, field_names, invented_user
from di_salesforce.testing._sf_administration import Administration
from di_salesforce.testing._sf_auth import Door
from di_salesforce.testing._sf_bulk import finish
from di_salesforce.testing._sf_errors import Answer
from di_salesforce.testing._sf_faults import ErrorAnswer, ExpiredSession, SalesforceFault
from di_salesforce.testing._sf_objects import DEFAULT
from di_salesforce.testing._sf_routes import Routed, asked_for, dispatch, origin_of
from di_salesforce.testing._sf_save import Automation
from di_salesforce.testing._sf_schema import SObject
from di_salesforce.testing._sf_service import Service
from di_salesforce.testing._sf_store import TableState
from di_salesforce.testing._sf_switches import SalesforceSwitches

__all__ = ["FakeSalesforce", "LoggedRequest", "SalesforceState"]

_ORG_ID: Final = "00DFk0000000001MAA"
_DAILY_LIMIT: Final = 15_000  # a developer org's (facts 3.12)
_PAGE_SIZE: Final = 2000  # the vendor's default (facts 3.5)
_NO_CONTENT: Final = 204
_IN_PROCESS_URL: Final = "https://simulated.my.salesforce.com"  # what log-ins name where no socket is open


@attrs.frozen
class LoggedRequest:
    """One request, as the simulator met it.

    `route` names the kind of call (`sobjects/{sobject}/{id}`), `path` the very address; `status` is 0 where no answer
    was sent.  `is_write` tells that the call asked for a change, refused ones too; `row_count` counts the rows that
    were sent or shown.
    """

    number: int
    method: str
    route: str
    path: str = attrs.field(repr=False)  # may hold an e-mail address, where that is an external id
    query: Mapping[str, str] = attrs.field(repr=False)  # likewise
    status: int
    is_write: bool
    sobject: str | None
    row_count: int


@attrs.frozen(repr=False)
class SalesforceState:
    """What `FakeSalesforce.snapshot()` remembers; only good for `restore()`."""

    tables: Mapping[str, TableState]
    automation: Mapping[str, Automation]
    calls_used: int
    callers: Mapping[str, Caller] = attrs.field(factory=dict[str, Caller])


class FakeSalesforce(Facade[SalesforceFault, LoggedRequest], Administration):
    """A simulated Salesforce org.

    Use it as a context manager for real HTTP on loopback, or hand requests to `handle()` without sockets.

    Args:
        port: where to listen; 0 takes a free port.
        org_id: the organization id, 18 characters.
        page_size: rows of a query page; smaller ones than the vendor's 2000 make paging easy to test.
        clock: gives the aware time, in UTC (`FakeClock` is one that tests move); None is the real time.
        objects: the sObjects that exist; the default is the usual standard ones.
        switches: the answers to the open questions about the service.

    Example:
        >>> fake = FakeSalesforce()
        >>> [record_id] = fake.load("Contact", [{"LastName": "Tremblay", "Email": "a@example.com"}])
        >>> fake.rows("Contact")[0]["Name"]
        'Tremblay'
    """

    _thread = "fake-salesforce"

    def __init__(
        self,
        port: int = 0,
        *,
        org_id: str = _ORG_ID,
        page_size: int = _PAGE_SIZE,
        clock: Callable[[], datetime] | None = None,
        objects: Iterable[SObject] = DEFAULT,
        switches: SalesforceSwitches | None = None,
    ) -> None:
        super().__init__(port, clock)
        Administration.__init__(
            self, self._lock, org_id=org_id, clock=self.now, objects=objects, switches=switches or SalesforceSwitches()
        )
        self._door = Door(invented_user(self.user_id, ""), org_id=org_id, url=self._public_url, clock=self.now)
        self._service = Service(self._org, self._saver, page_size, _DAILY_LIMIT, self._callers)

    def __repr__(self) -> str:
        with self._lock:
            rows = sum(len(table.rows) for table in self._org.tables.values())
            return f"<FakeSalesforce: {len(self._org.tables)} objects, {rows} rows>"

    # serving --------------------------------------------------------------------------------------------------------
    def _public_url(self) -> str:
        return _IN_PROCESS_URL if self._server is None else self._server.url

    def send(
        self, method: str, target: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> SimResponse:
        """Send one request in process, with a session of its own: a client for tests of the simulated org itself.

        Args:
            method: in capitals.
            target: path and query, percent-encoded, for instance `/services/data/v60.0/limits`.
            body: a JSON value, or bytes as they are; None sends nothing.
            headers: further ones; an `Authorization` among them takes the place of the session.
        """
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        session = {"Authorization": f"Bearer {self.access_token()}"}
        return self.handle(parse_request(method, target, session | dict(headers or {}), content))

    def _turn_closed(self) -> None:
        if self._org.touched:
            self._feed.commit()

    def _call_of(self, request: SimRequest) -> tuple[str, str]:
        return request.method, "/" + request.path.strip("/")

    def _carried_out(self, request: SimRequest) -> None:
        dispatch(self._service, self._door, request)

    def _answered(self, request: SimRequest, struck: Sequence[SalesforceFault]) -> SimResponse:
        if any(isinstance(fault, ExpiredSession) for fault in struck):
            self._door.expire_sessions()
        response = next((found for fault in struck if (found := _instead(fault)) is not None), None)
        if response is not None:
            routed = asked_for(request)  # the work is left out, so all that can be said is what was asked for
        else:
            self._feed.origin = origin_of(request)
            routed = dispatch(self._service, self._door, request)
            self._turn_closed()
            self._feed.origin = ""
            response = self._response(routed)
            for fault in struck:
                response = on_the_way_back(fault, response)
        status = 0 if response.reset else response.status
        answer = routed.answer
        self._log.append(
            LoggedRequest(
                len(self._log) + 1, request.method, routed.route, request.path, request.query, status, routed.writes,
                answer.sobject, answer.rows,
            )
        )  # fmt: skip
        return response

    def _response(self, routed: Routed) -> SimResponse:
        answer: Answer = routed.answer
        headers = {
            "X-Request-Id": f"{len(self._log) + 1:032x}",
            "Cache-Control": "no-cache,must-revalidate,no-store,private",
        }
        if routed.counted and (routed.answer.status != _NO_CONTENT or self.switches.limits_on_204):
            headers["Sforce-Limit-Info"] = f"api-usage={self._service.calls_used}/{self._service.daily_limit}"
        if answer.body is None:
            return SimResponse(answer.status, headers | dict(answer.headers))
        if isinstance(answer.body, bytes):
            return SimResponse(answer.status, headers | dict(answer.headers), answer.body)
        body = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        content = {"Content-Type": "application/json;charset=UTF-8"}
        return SimResponse(answer.status, content | headers | dict(answer.headers), body)

    # logging in -----------------------------------------------------------------------------------------------------
    @property
    def user(self) -> ApiUser:
        """The integration user, with all that a client may log in with."""
        return self._door.users[0]

    @property
    def client_id(self) -> str:
        """The consumer key of the integration user."""
        return self.user.client_id

    @property
    def client_secret(self) -> str:
        """The consumer secret of the integration user."""
        return self.user.client_secret

    @property
    def username(self) -> str:
        """The user name of the integration user."""
        return self.user.username

    @property
    def password(self) -> str:
        """The password of the integration user."""
        return self.user.password

    @property
    def security_token(self) -> str:
        """What follows the integration user's password in log-ins that need it."""
        return self.user.security_token

    @property
    def refresh_token(self) -> str:
        """The refresh token of the integration user."""
        return self.user.refresh_token

    def access_token(self, user: ApiUser | None = None) -> str:
        """Open a session of a user (None: the integration user), as a log-in does, and give its token."""
        with self._lock:
            return self._door.open_session(user or self.user)

    def add_user(
        self,
        username: str,
        *,
        hidden: Mapping[str, Iterable[str]] | None = None,
        read_only: Mapping[str, Iterable[str]] | None = None,
    ) -> ApiUser:
        """Add a user with an app and field permissions of its own.

        Args:
            username: not one that there is.
            hidden: by sObject, the fields that it does not see.
            read_only: by sObject, the fields that it does not write.

        Returns:
            All that a client may log in with; `access_token(user)` opens a session at once.

        Raises:
            ConfigurationError: a user name that is taken, an object or field that there is not.

        Example:
            >>> fake = FakeSalesforce()
            >>> sales = fake.add_user("sales@example.com", hidden={"Contact": ["Birthdate"]})
            >>> len(fake.access_token(sales)) > 16
            True
        """
        with self._lock:
            taken_away = (hidden or {}, read_only or {})
            for fields in taken_away:
                for sobject, names in fields.items():
                    for name in names:
                        self._field(sobject, name)
            [user_id] = self.load("User", [_person(username)])
            user = invented_user(user_id, username)
            self._door.users.append(user)
            self._callers[user_id] = Caller(user_id, *map(field_names, taken_away))
            self._org.schema_seen_anew()
            return user

    def expire_sessions(self) -> None:
        """End all sessions: the next call of each gets 401 `INVALID_SESSION_ID`."""
        with self._lock:
            self._door.expire_sessions()

    def expire_cursors(self) -> None:
        """Forget the open query cursors: the next page of each gets `INVALID_QUERY_LOCATOR`."""
        with self._lock:
            self._service.cursors.clear()

    def finish_bulk_jobs(self) -> None:
        """Carry out all bulk jobs that wait: by themselves they move only when somebody looks at them."""
        with self._lock:
            finish(self._service)

    # settings -------------------------------------------------------------------------------------------------------
    @property
    def switches(self) -> SalesforceSwitches:
        """The answers to the open questions about the service; may be replaced at any time."""
        return self._org.switches

    @switches.setter
    def switches(self, chosen: SalesforceSwitches) -> None:
        with self._lock:
            self._org.switches = chosen

    @property
    def page_size(self) -> int:
        """The most rows of a query page; may be set between two pages."""
        return self._service.page_size

    @page_size.setter
    def page_size(self, size: int) -> None:
        self._service.page_size = size

    @property
    def daily_limit(self) -> int:
        """The calls of a day; past it calls get 403 `REQUEST_LIMIT_EXCEEDED`."""
        return self._service.daily_limit

    @daily_limit.setter
    def daily_limit(self, calls: int) -> None:
        self._service.daily_limit = calls

    @property
    def calls_used(self) -> int:
        """The calls of the day so far."""
        return self._service.calls_used

    def use_up_quota(self) -> None:
        """Let the day's allowance be gone from now on: every further call gets 403 `REQUEST_LIMIT_EXCEEDED`."""
        with self._lock:
            self._service.daily_limit = self._service.calls_used

    # faults ---------------------------------------------------------------------------------------------------------
    def inject(
        self,
        fault: SalesforceFault,
        *,
        method: str | None = None,
        path: str = "*",
        times: int | None = 1,
        after: int = 0,
        chance: float = 1.0,
        seed: int = 0,
    ) -> FaultRule[SalesforceFault]:
        """Let something go wrong on requests of a method (None: any) whose path fits a pattern.

        Args:
            fault: what goes wrong.
            method: on which requests, in capitals.
            path: a shell pattern for the whole decoded path without a slash at its end, for instance `*/composite/*`.
            times: how often; None for always.
            after: how many such requests go well first.
            chance: the probability with which each further request is hit, above 0 and up to 1.
            seed: of the random series that `chance` draws from.

        Returns:
            The rule, for `withdraw()`.  Several rules may strike one request: of faults in place of the work the first
            one counts, those of the way back add up.
        """

        def fits(sent: str, address: str) -> bool:
            return method in (None, sent) and fnmatchcase(address, path)

        return self._injected(FaultRule(fault, times, after, chance, seed, fits))

    # state ----------------------------------------------------------------------------------------------------------
    def snapshot(self) -> SalesforceState:
        """Remember declarations, rows, automation and counters; not log, faults, sessions, cursors and bulk jobs."""
        with self._lock:
            return SalesforceState(
                self._org.state(), self._saver.automation_state(), self._service.calls_used, dict(self._callers)
            )

    def restore(self, state: SalesforceState) -> None:
        """Go back to a snapshot; it may be restored again later."""
        with self._lock:
            self._org.restore(state.tables)
            self._saver.restore_automation(state.automation)
            self._service.calls_used = state.calls_used
            self._callers.clear()
            self._callers.update(state.callers)
            self._service.cursors.clear()
            self._service.jobs.clear()

    def reset(self) -> None:
        """Forget rows, automation, log, faults, cursors and used calls; objects, fields, users, sessions stay."""
        with self._lock:
            empty = {name: attrs.evolve(kept, rows={}, purged={}, made=0) for name, kept in self._org.state().items()}
            self.restore(SalesforceState(empty, {}, 0, dict(self._callers)))
            self._people()
            people = [{"Id": user.user_id, **_person(user.username)} for user in self._door.users[1:]]
            self.load("User", people, trusted=True)
            self._feed.forget()
            self._forget_calls()


def _person(username: str) -> dict[str, object]:
    return {"LastName": username, "Username": username, "Email": "user@example.com", "Alias": "user"}


def _instead(fault: SalesforceFault) -> SimResponse | None:
    return fault.answer() if isinstance(fault, ErrorAnswer) else in_place_of_the_work(fault)
