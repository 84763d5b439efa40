"""`FakeDialogInsight`: a stateful, validating Dialog Insight for tests and scripts, over real HTTP or without sockets.

What may not go in here: how the service behaves (that is in the `_di_` files); this is the handle that people hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._di_access import ApiKey
from di_salesforce.testing._di_administration import Hands
from di_salesforce.testing._di_faults import DialogInsightFault
from di_salesforce.testing._di_routes import Desk, read_address
from di_salesforce.testing._di_serving import LoggedCall, log_entry, replied, response
from di_salesforce.testing._di_store import Account
from di_salesforce.testing._di_switches import Switches
from di_salesforce.testing._facade import Facade
from di_salesforce.testing._faults import FaultRule
from di_salesforce.testing._loopback import SimRequest, SimResponse, parse_request

__all__ = ["DialogInsightState", "FakeDialogInsight"]

_ID_KEY: Final = 1234
_KEY: Final = "0123456789abcdefghijklmnopqrstuv"  # 32 letters and digits, as real keys have [seen]; guards nothing


@attrs.frozen(repr=False)
class DialogInsightState:
    """What `FakeDialogInsight.snapshot()` remembers; only good for `restore()`."""

    account: Account
    keys: Mapping[int, ApiKey]
    used: Mapping[int, int]


class FakeDialogInsight(Facade[DialogInsightFault, LoggedCall], Hands):
    """A simulated Dialog Insight account.

    Use it as a context manager for real HTTP on loopback, or hand requests to `handle()` without sockets.

    Args:
        port: where to listen; 0 takes a free port.
        clock: gives the aware time, in UTC (`FakeClock` is one that tests move); None is the real time.
        switches: the answers to the open questions about the service.
        id_key: the number of the web-service key that it accepts.
        key: its text.
    """

    _thread = "fake-dialog-insight"

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
        super().__init__(port, clock)
        desk = Desk(Account(switches or Switches()), self.now, {id_key: ApiKey(id_key, key)})
        Hands.__init__(self, self._lock, desk)

    def __repr__(self) -> str:
        with self._lock:
            rows = sum(len(shelf.rows) for shelf in self._desk.account.shelves.values())
            return f"<FakeDialogInsight: {len(self._desk.account.shelves)} lists and tables, {rows} rows>"

    # serving --------------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """Stop listening and posting webhooks; rows, log and rules stay; may be called twice."""
        self._closing.set()
        self.webhooks.close()
        super().close()

    @property
    def switches(self) -> Switches:
        """The answers to the open questions about the service; set them to let it behave otherwise from now on."""
        return self._desk.account.switches

    @switches.setter
    def switches(self, chosen: Switches) -> None:
        with self._lock:
            self._desk.account = self._desk.account.under(chosen)

    def _call_of(self, request: SimRequest) -> tuple[str, str]:
        address = read_address(request)
        return address.service, address.method

    def _carried_out(self, request: SimRequest) -> None:
        with self.webhooks.watching(by_api=True):
            self._desk.answer(read_address(request), request)

    def _answered(self, request: SimRequest, struck: Sequence[DialogInsightFault]) -> SimResponse:
        with self.webhooks.watching(by_api=True):
            address = read_address(request)
            reply = replied(self._desk, address, request, struck)
            self._log.append(log_entry(len(self._log) + 1, address, reply, struck))
        return response(reply, request, struck, self.switches)

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

    def use_up_quota(self) -> None:
        """Let the first key's calls be used up from now on; `access` gives it further ones."""
        with self._lock:
            self.access = attrs.evolve(self.access, quota=self.calls_used())

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
        fault: DialogInsightFault,
        *,
        service: str | None = None,
        method: str | None = None,
        times: int | None = 1,
        after: int = 0,
        chance: float = 1.0,
        seed: int = 0,
    ) -> FaultRule[DialogInsightFault]:
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

        def fits(asked: str, name: str) -> bool:
            return (service is None or service.lower() == asked) and method in (None, name)

        return self._injected(FaultRule(fault, times, after, chance, seed, fits))

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
            self._forget_calls()
