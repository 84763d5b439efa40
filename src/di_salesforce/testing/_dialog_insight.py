"""`FakeDialogInsight`: a stateful, validating Dialog Insight for tests and scripts, over real HTTP or without sockets.

What may not go in here: how the service behaves (that is in the `_di_` files); this is the handle that people hold.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Value
from di_salesforce.testing._di_access import ApiKey
from di_salesforce.testing._di_model import Project, Table
from di_salesforce.testing._di_routes import Desk, read_address
from di_salesforce.testing._di_serving import LoggedCall, log_entry, replied, response
from di_salesforce.testing._di_store import Account, OnSave, Shelf
from di_salesforce.testing._di_switches import Switches
from di_salesforce.testing._di_values import Raw
from di_salesforce.testing._di_webhooks import Webhooks
from di_salesforce.testing._faults import Fault, FaultRule, LostAnswer, Meanwhile, SlowAnswer
from di_salesforce.testing._loopback import LoopbackServer, SimRequest, SimResponse, parse_request

if TYPE_CHECKING:
    from di_salesforce.transports._in_process import InProcessTransport

__all__ = ["DialogInsightState", "FakeDialogInsight"]

_ID_KEY: Final = 1234
_KEY: Final = "0123456789abcdefghijklmnopqrstuv"  # 32 letters and digits, as real keys have [seen]; guards nothing


@attrs.frozen(repr=False)
class DialogInsightState:
    """What `FakeDialogInsight.snapshot()` remembers; only good for `restore()`."""

    account: Account
    keys: Mapping[int, ApiKey]
    used: Mapping[int, int]


class FakeDialogInsight:
    """A simulated Dialog Insight account.

    Use it as a context manager for real HTTP on loopback, or hand requests to `handle()` without sockets.

    Args:
        port: where to listen; 0 takes a free port.
        clock: gives the aware time, in UTC; None is the real time.
        switches: the answers to the open questions about the service.
        id_key: the number of the web-service key that it accepts.
        key: its text.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        clock: Callable[[], datetime] | None = None,
        switches: Switches | None = None,
        id_key: int = _ID_KEY,
        key: str = _KEY,
    ) -> None:
        self.id_key = id_key
        self.key = key
        self._port = port
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._server: LoopbackServer | None = None
        self._rules: list[FaultRule] = []
        self._log: list[LoggedCall] = []
        self._desk = Desk(Account(switches or Switches()), clock or _now, {id_key: ApiKey(id_key, key)})
        self.webhooks = Webhooks(self._desk, self._lock)

    def __repr__(self) -> str:
        with self._lock:
            rows = sum(len(shelf.rows) for shelf in self._desk.account.shelves.values())
            return f"<FakeDialogInsight: {len(self._desk.account.shelves)} lists and tables, {rows} rows>"

    # serving --------------------------------------------------------------------------------------------------------
    def start(self) -> Self:
        """Listen on loopback; does nothing where it already does."""
        if self._server is None:
            self._closing.clear()
            self._server = LoopbackServer(self.handle, name="fake-dialog-insight", port=self._port)
        return self

    def close(self) -> None:
        """Stop listening; rows, log and rules stay; may be called twice."""
        self._closing.set()
        self.webhooks.close()
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The base URL, to be given to a client as its host.

        Raises:
            ConfigurationError: it is not started.
        """
        if self._server is None:
            raise ConfigurationError("FakeDialogInsight does not listen: use it in a with statement, or call start()")
        return self._server.url

    def transport(self) -> InProcessTransport:
        """Give an httpx transport that reaches this simulator without a socket; it need not be started."""
        from di_salesforce.testing.in_process import transport  # on use: it loads httpx and the clients

        return transport(self)

    @property
    def switches(self) -> Switches:
        """The answers to the open questions about the service; set them to let it behave otherwise from now on."""
        return self._desk.account.switches

    @switches.setter
    def switches(self, chosen: Switches) -> None:
        with self._lock:
            self._desk.account = self._desk.account.under(chosen)

    def handle(self, request: SimRequest) -> SimResponse:
        """Answer one request, as the server does; for tests without sockets."""
        address = read_address(request)
        with self._lock:
            struck = [rule.fault for rule in self._rules if rule.strikes(address.service, address.method)]
        for fault in struck:
            if isinstance(fault, Meanwhile):
                fault.act()  # outside the lock: it may send requests of its own from another thread
        with self._lock, self.webhooks.watching(by_api=True):
            reply = replied(self._desk, address, request, struck)
            self._log.append(log_entry(len(self._log) + 1, address, reply, struck))
        for fault in struck:
            if isinstance(fault, SlowAnswer):
                self._closing.wait(fault.seconds)
        if reply is None or any(isinstance(fault, LostAnswer) for fault in struck):
            return SimResponse(reset=True)
        return response(reply, struck, self.switches)

    def call(self, service: str, method: str, **members: Any) -> dict[str, Any]:  # any JSON: this is the wire
        """Send one call with the first key, without sockets, and give the envelope: for tests and for trying things.

        Raises:
            ConfigurationError: the answer is no envelope (a wrong service, an injected fault).
        """
        body = json.dumps({"AuthKey": {"idKey": self.id_key, "Key": self.key}, **members}).encode()
        answer = self.handle(parse_request("POST", f"/webservices/ofc4/{service}.ashx?method={method}", {}, body))
        try:
            envelope: dict[str, Any] = json.loads(answer.body.decode("utf-8-sig"))
        except ValueError:
            raise ConfigurationError(
                f"{service}.{method} was answered without an envelope: HTTP {answer.status}"
            ) from None
        return envelope

    # what it holds --------------------------------------------------------------------------------------------------
    def add_project(self, project: Project) -> Project:
        """Add a project, or publish a changed definition under the same id: rows stay, removed fields go.

        Raises:
            ConfigurationError: another key than before, or the number of a table.
        """
        with self._lock:
            self._desk.account.add_project(project)
        return project

    def add_table(self, table: Table) -> Table:
        """Add a relational table to a project, or publish a changed definition under the same id.

        Raises:
            ConfigurationError: no such project, a foreign key to nowhere, another key than before, a project's number.
        """
        with self._lock:
            self._desk.account.add_table(table)
        return table

    def load_contacts(self, project_id: int, rows: Iterable[Mapping[str, Raw]]) -> list[int]:
        """Store contacts as they are, all or none, and give their ids: only types and keys count, no rule, no hook.

        A key may be blank where its fields are not required; nothing finds such a contact but its `idContact`.  Rows
        have bare codes (`EMail`, `optin_news`, `dtOptin_news`), values native or as on the wire, and perhaps an
        `idContact` of their own.

        Raises:
            ConfigurationError: all rows that cannot be held, with their positions.
        """
        return self._seed(project_id, rows, self._desk.account.projects)

    def load_rows(self, id_table: int, rows: Iterable[Mapping[str, Raw]]) -> list[int]:
        """Store rows of a relational table as `load_contacts` does, and give their internal numbers."""
        return self._seed(id_table, rows, self._desk.account.tables)

    def load(self, number: int, rows: Iterable[Mapping[str, Raw]]) -> list[int]:
        """Store rows in the project or table with that number; as `load_contacts` and `load_rows`."""
        with self._lock:
            return self._desk.account.seed(number, rows)

    def _seed(self, number: int, rows: Iterable[Mapping[str, Raw]], among: Mapping[int, object]) -> list[int]:
        with self._lock:
            self._found(number, among)
            return self._desk.account.seed(number, rows)

    def contacts(self, project_id: int) -> list[dict[str, Value]]:
        """List the contacts of a project as they are stored: native values under `idContact` and bare codes."""
        with self._lock:
            return self._found(project_id, self._desk.account.projects).truth()

    def rows(self, id_table: int) -> list[dict[str, Value]]:
        """List the rows of a relational table as they are stored: native values under column names."""
        with self._lock:
            return self._found(id_table, self._desk.account.tables).truth()

    def _found(self, number: int, among: Mapping[int, object]) -> Shelf:
        if number not in among:
            kind = "project" if among is self._desk.account.projects else "table"
            raise ConfigurationError(f"there is no {kind} {number} here; add it first")
        return self._desk.account.shelf(number)

    # an outsider's hand ---------------------------------------------------------------------------------------------
    def edit_contact(self, project_id: int, id_contact: int, **values: Raw) -> None:
        """Change a contact as somebody in the application does: hooks run, rules do not.

        Raises:
            ConfigurationError: no such contact or code, a value of another type, or a key that is taken.
        """
        with self._lock, self.webhooks.watching(by_api=False):
            self._found(project_id, self._desk.account.projects)
            self._desk.account.edit(project_id, id_contact, values)

    def edit_row(self, id_table: int, key: Raw | tuple[Raw, ...], **values: Raw) -> None:
        """Change a row of a relational table, found by its key (a tuple where it has several columns).

        Raises:
            ConfigurationError: no such row or column, a value of another type, or a key that is taken.
        """
        with self._lock:
            self._desk.account.edit(id_table, self._row_number(id_table, key), values)

    def delete_contact(self, project_id: int, id_contact: int) -> None:
        """Delete a contact with the rows of profiling tables that hang on it.

        Raises:
            ConfigurationError: no such contact.
        """
        with self._lock:
            if id_contact not in self._found(project_id, self._desk.account.projects).rows:
                raise ConfigurationError(f"project {project_id} has no contact {id_contact}")
            self._desk.account.delete(project_id, [id_contact])

    def delete_row(self, id_table: int, key: Raw | tuple[Raw, ...]) -> None:
        """Delete a row of a relational table, found by its key.

        Raises:
            ConfigurationError: no such row.
        """
        with self._lock:
            self._desk.account.delete(id_table, [self._row_number(id_table, key)])

    def _row_number(self, id_table: int, key: Raw | tuple[Raw, ...]) -> int:
        shelf = self._found(id_table, self._desk.account.tables)
        parts = key if isinstance(key, tuple) else (key,)
        names = [slot.name for slot in shelf.layout.key]
        if len(parts) != len(names):
            raise ConfigurationError(f"table {id_table}: the key has {len(names)} columns: {', '.join(names)}")
        identity = shelf.identity(shelf.native(dict(zip(names, parts, strict=True))))
        number = None if identity is None else shelf.find(identity)
        if number is None:
            raise ConfigurationError(f"table {id_table} has no row with this key")
        return number

    def on_save(self, target: int | Project | Table, function: OnSave) -> None:
        """Let a function rewrite each row that is stored by a Merge or an edit, in place, as server-side rules do.

        It is given the whole row under bare names with native values, a contact's `idContact` too where it has one;
        functions of one target run in the order in which they were given.

        Raises:
            ConfigurationError: no such project or table.
        """
        number = target if isinstance(target, int) else target.id
        with self._lock:
            self._desk.account.shelf(number)
            hooks = self._desk.account.hooks
            hooks[number] = (*hooks.get(number, ()), function)

    # keys -----------------------------------------------------------------------------------------------------------
    @property
    def access(self) -> ApiKey:
        """The state of the account's first key; set it to let the key expire, run dry, or lose rights."""
        with self._lock:
            return self._desk.keys[self.id_key]

    @access.setter
    def access(self, changed: ApiKey) -> None:
        if changed.id_key != self.id_key:
            raise ConfigurationError("access is the state of the first key; use add_key() for another one")
        self.add_key(changed)

    def add_key(self, key: ApiKey) -> None:
        """Add a key, or change the one with its number; the calls that it has made stay counted."""
        with self._lock:
            self._desk.keys[key.id_key] = key

    def calls_used(self, id_key: int | None = None) -> int:
        """Count the calls that a key was let in for (None: the first key)."""
        with self._lock:
            return self._desk.used.get(self.id_key if id_key is None else id_key, 0)

    @property
    def caller_address(self) -> str:
        """The IP address from which calls seem to come; set it to test a key's list of addresses."""
        return self._desk.caller_address

    @caller_address.setter
    def caller_address(self, address: str) -> None:
        self._desk.caller_address = address

    # faults ---------------------------------------------------------------------------------------------------------
    def inject(
        self,
        fault: Fault,
        *,
        service: str | None = None,
        method: str | None = None,
        times: int | None = 1,
        after: int = 0,
        chance: float = 1.0,
        seed: int = 0,
    ) -> FaultRule:
        """Let something go wrong on calls of a service and method (None: any).

        Args:
            fault: what goes wrong.
            service: on which calls, without regard to case.
            method: on which calls.
            times: how often; None for always.
            after: how many such calls go well first.
            chance: the probability with which each further call is hit, above 0 and up to 1.
            seed: of the random series that `chance` draws from.

        Returns:
            The rule, for `withdraw()`.  Several rules may strike one call: of faults in place of the work the first one
            counts, those of the way back add up.
        """
        rule = FaultRule(fault, service, method, times, after, chance, seed)
        with self._lock:
            self._rules.append(rule)
        return rule

    def withdraw(self, *rules: FaultRule) -> None:
        """Take back the given fault rules, or all where none is given."""
        with self._lock:
            self._rules = [rule for rule in self._rules if rules and rule not in rules]

    # log ------------------------------------------------------------------------------------------------------------
    @property
    def requests(self) -> tuple[LoggedCall, ...]:
        """The log of all requests, numbered from 1."""
        with self._lock:
            return tuple(self._log)

    @property
    def writes(self) -> tuple[LoggedCall, ...]:
        """The requests that may have changed rows (Merge and Delete), refused ones among them."""
        return tuple(call for call in self.requests if call.is_write)

    def requests_since(self, number: int) -> tuple[LoggedCall, ...]:
        """List the requests after the one with that number (0: all)."""
        return self.requests[number:]

    # state ----------------------------------------------------------------------------------------------------------
    def snapshot(self) -> DialogInsightState:
        """Remember definitions, rows, hooks, keys and counters; not the log and the faults."""
        with self._lock:
            return DialogInsightState(self._desk.account.copy(), dict(self._desk.keys), dict(self._desk.used))

    def restore(self, state: DialogInsightState) -> None:
        """Go back to a snapshot; it may be restored again later."""
        with self._lock:
            self._desk.account = state.account.copy()
            self._desk.keys, self._desk.used = dict(state.keys), dict(state.used)

    def reset(self) -> None:
        """Forget rows, hooks, log, faults, webhooks and used calls; projects, tables and keys stay as declared."""
        with self._lock:
            self.webhooks.reset()
            self._desk.account = self._desk.account.emptied()
            self._desk.used.clear()
            self._rules.clear()
            self._log.clear()


def _now() -> datetime:
    return datetime.now(UTC)
