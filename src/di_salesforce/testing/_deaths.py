"""Deaths of a synchronizer's process: its flow is broken off at a chosen step, or at one that chance picks.

What is left of the process is what a `kill -9` leaves: both services, and the store.  What may not go in here: what
must hold afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from di_salesforce.exceptions import DISalesforceError, StoreError
from di_salesforce.runners import Clock, Connection, Observer, SyncRunner, blocking_clock
from di_salesforce.stores import Store
from di_salesforce.wire import Flow, Local, Now, Renew, Send, SendAll, Sleep, Step, Ticks

__all__ = ["CHANGES", "Doomed", "Fated", "Killed", "Mortal", "around_changes"]

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """The store as a process sees it: once the process is gone, so is all that it would still do with it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.alive = True

    def __getattr__(self, name: str) -> Any:
        if not self.alive:
            raise Killed
        return getattr(self._store, name)


class Doomed:
    """Carries a flow out step by step, and is gone before the effect of step number `last`.

    That is also after the effect of the step before it: between two steps a flow does nothing that anybody could see.
    Work that runs at once runs here one after the other, each of its steps counted.  A `Local` step is the store's own
    transaction: it happens, or it does not.
    """

    def __init__(
        self,
        connections: Mapping[str, Connection],
        store: Mortal,
        clock: Clock,
        last: int | None,
        error: DISalesforceError | None = None,
    ) -> None:
        self._error = error  # thrown into the flow after the effect of the last step, instead of dying before it
        self._connections = connections
        self._store = store
        self._clock = clock
        self._last = last
        self.names: list[str] = []

    def run(self, flow: Flow[T]) -> T:
        """Carry the flow out; raises `Killed` at the last step."""
        try:
            step = next(flow)
            while True:
                try:
                    answer = self._step(step)
                except DISalesforceError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    def _step(self, step: Step) -> object:
        if isinstance(step, SendAll):
            return [self._one(flow) for flow in step.flows]
        is_last = len(self.names) == self._last
        if is_last and self._error is None:
            self._store.alive = False
            raise Killed
        self.names.append(_named(step))
        answer = self._effect(step)
        if is_last and self._error is not None:
            raise self._error
        return answer

    def _one(self, flow: Flow[Any]) -> object:
        try:
            return self.run(flow)
        except DISalesforceError as error:
            return error

    def _effect(self, step: Step) -> object:
        match step:
            case Send(request, connection):
                return self._connections[connection].send(request)
            case Sleep(seconds):
                self._clock.sleep(seconds)
                return None
            case Now():
                return self._clock.now()
            case Ticks():
                return self._clock.ticks()
            case Renew(connection, stale):
                return self._connections[connection].renew(stale)
            case Local(function):
                return function()
            case _:
                raise AssertionError(step)


def _named(step: Step) -> str:
    """Name a step; a request that changes something is told from one that reads."""
    if isinstance(step, Send):
        return "Send write" if step.request.writes else "Send"
    return step.name if isinstance(step, Local) else type(step).__name__


class Fated(SyncRunner):
    """Carries steps out one after the other; some fail in the store, and one may be the last."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        observer: Observer,
        store: Mortal,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        super().__init__(connections, observer=observer, **blocking_clock(clock))
        self._store, self._chance = store, chance
        self._last = chance.randrange(120) if chance.random() < 0.4 else None
        self._trouble = 0.03 if chance.random() < 0.3 else 0.0
        self._steps = 0

    def _carry_out(self, step: Step) -> object:
        if isinstance(step, SendAll):
            return self._send_all(step.flows, 1)
        is_effect = isinstance(step, (Send, Local))
        dies = is_effect and self._steps == self._last
        self._steps += is_effect
        if dies and self._chance.random() < 0.5:
            self._die()
        fails = isinstance(step, Local) and self._chance.random() < self._trouble
        is_torn = self._chance.random() < 0.5  # committed, and yet told as failed
        if fails and not is_torn:
            raise StoreError(self._chance.choice(("the disk is full", "the database is locked")))
        answer = super()._carry_out(step)
        if fails:
            raise StoreError("the disk is gone")
        if dies:
            self._die()
        return answer

    def _die(self) -> None:
        self._store.alive = False
        raise Killed


CHANGES = frozenset(
    {
        *("Send write", "record the intent", "remember the job", "note the outcomes", "remember"),
        *("take the lease", "claim the store"),
    }
)
"""Steps after which something is otherwise than before, in a service or in the store."""


def around_changes(steps: Sequence[str]) -> list[int]:
    """Number the steps before and after which something changes: elsewhere a death is the same as a step later."""
    return sorted({number + later for number, name in enumerate(steps[:-1]) if name in CHANGES for later in (0, 1)})
