"""The whole system on one virtual clock, seeded schedules: people who edit, services and stores that fail, deaths.

Each schedule has periods of trouble, and after each a quiet one, in which later runs must bring all to rest.  What is
left to chance comes from the seed and nothing runs at once, so a failing seed replays exactly:
`SIMULATION_SEEDS=4711 pytest -n 0 tests/sync/test_simulation.py`.  The long form is `nox -s simulation`.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from di_salesforce.exceptions import ConfigurationError, DISalesforceError, StoreError
from di_salesforce.records import Side
from di_salesforce.runners import SyncRunner, blocking_clock
from di_salesforce.stores import MemoryStore
from di_salesforce.synchronizer import RunBudget
from di_salesforce.testing import HtmlPage, HttpStatus, LostAnswer, ResetConnection, TruncatedBody
from di_salesforce.wire import Local, Send, SendAll, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

    from di_salesforce.synchronizer import Synchronizer

PROJECT = 4400
HOUR = 3600.0
GIVEN = os.environ.get("SIMULATION_SEEDS", "0-99")  # one seed, or a range
FIRST, _, LAST = GIVEN.partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)
IN_ONE_TEST = 10  # seeds: so that the workers of a machine share them
PEOPLE = [f"{name}@example.com" for name in ("ann", "bob", "cat", "dan", "eve")]
NAMES = ["Lee", "Roy", "Li", "Zoé", "Ōoka"]
FIELDS = ["FirstName", "LastName"]
FAULTS = [LostAnswer(), ResetConnection(), TruncatedBody(0.3), HttpStatus(500), HttpStatus(503), HtmlPage()]
CALLS = 60  # of each service in one run: more than these small runs ever need, and less than a loop would make


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """The store as a process sees it: once the process is gone, so is all that it would still do with it."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.alive = True

    def __getattr__(self, name: str) -> Any:
        if not self.alive:
            raise Killed
        return getattr(self._store, name)


class Fated(SyncRunner):
    """Carries steps out one after the other; some fail in the store, and one may be the last."""

    def __init__(self, sync: Synchronizer, store: Mortal, world: World, chance: random.Random) -> None:
        super().__init__(sync._connections, observer=sync._calls.note, **blocking_clock(world.clock))
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
            raise StoreError("the disk is full")
        answer = super()._carry_out(step)
        if fails:
            raise StoreError("the disk is gone")
        if dies:
            self._die()
        return answer

    def _die(self) -> None:
        self._store.alive = False
        raise Killed


class Schedule:
    """One seed's story, and what must hold in it."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.edited: dict[tuple[str, str], dict[str, str]] = {}  # who and which field: what each side wrote last
        self.options: dict[str, Any] = {"budget": RunBudget(salesforce_calls=CALLS, dialog_insight_calls=CALLS)}
        if seed % 2:  # half of them follow Salesforce's changes for a day between two full reads
            self.options["full_every"] = {Side.SALESFORCE: timedelta(days=1)}

    def tell(self) -> None:
        """Let three troubled periods pass, each followed by a quiet one."""
        for name in PEOPLE[:3]:
            self.world.pair(name, points=1)
        self.world.sync().run(first_run=True)
        for _ in range(3):
            for _ in range(self.chance.randrange(3, 9)):
                self.chance.choice((self.edit, self.edit, self.run, self.run, self.trouble, self.wait))()
            self.quiet()

    def wait(self) -> None:
        self.world.clock.sleep(self.chance.choice((1.0, 90.0, 700.0, HOUR)))

    def trouble(self) -> None:
        fault, times = self.chance.choice(FAULTS), self.chance.randrange(1, 3)
        if self.chance.random() < 0.5:
            method = self.chance.choice(("POST", "PATCH", "GET"))
            self.world.salesforce.inject(fault, method=method, times=times, after=self.chance.randrange(4))
        else:
            method = self.chance.choice(("Merge", "Get"))
            self.world.dialog_insight.inject(fault, method=method, times=times, after=self.chance.randrange(4))

    def edit(self) -> None:
        """Let a person edit somebody, or add them where they are not."""
        email, field, value = self.chance.choice(PEOPLE), self.chance.choice(FIELDS), self.chance.choice(NAMES)
        side = self.chance.choice(("salesforce", "dialog_insight"))
        world = self.world
        with suppress(ConfigurationError):
            if side == "salesforce":
                ids = [str(row["Id"]) for row in world.salesforce.rows("Contact") if row["Email"] == email]
                if ids:
                    world.salesforce.edit("Contact", ids[0], **{field: value})
                elif self.is_nowhere(email):
                    world.contact(email, last=value)
                    return
            else:
                rows = world.dialog_insight.contacts(PROJECT)
                ids = [str(row["idContact"]) for row in rows if row["EMail"] == email]
                if ids:
                    world.dialog_insight.edit_contact(PROJECT, int(ids[0]), **{field: value})
                elif self.is_nowhere(email):
                    world.person(email, last=value)
                    return
            if ids:
                self.edited.setdefault((email, field), {})[side] = value

    def is_nowhere(self, email: str) -> bool:
        return all(row[0] != email for side in self.world.truth() for row in side)

    def run(self) -> None:
        """Start a process, which may meet trouble in its store, and may die."""
        store = Mortal(self.world.store)
        sync = self.world.sync(store=store, **self.options)
        sync._runner = Fated(sync, store, self.world, self.chance)
        with suppress(Killed, DISalesforceError):
            sync.run(first_run=True)

    def quiet(self) -> None:
        """Let all trouble end, and a few runs come; then everything is at rest, and nothing was lost or doubled."""
        world = self.world
        world.salesforce._forget_calls()
        world.dialog_insight._forget_calls()
        for _ in range(3):
            world.clock.sleep(HOUR)
            world.sync(**self.options).run(first_run=True)
        before, sync = world.write_calls, world.sync(**self.options)
        report = sync.run(first_run=True)
        assert not report.cut_short, "the quota"
        assert world.write_calls == before, "not at rest"
        assert world.store.intents() == ()
        comparison = sync.compare()
        assert comparison.ok, str(comparison)
        here, there = ({row[0]: row for row in side} for side in world.truth())
        assert [len(side) for side in world.truth()] == [len(here), len(there)], "somebody is doubled"
        assert here.keys() == there.keys(), "somebody is missing"
        for (email, field), by_side in self.edited.items():
            at = 1 + FIELDS.index(field)
            if len(by_side) == 1:
                [(side, value)] = by_side.items()
                stands = (here if side == "salesforce" else there)[email][at]
                assert stands == value, f"an edit of {field} in {side} was lost"
            else:
                assert {here[email][at], there[email][at]} <= set(by_side.values()), f"both edits of {field} are lost"
        self.edited.clear()


@pytest.mark.parametrize("first", SEEDS[::IN_ONE_TEST])
def test_whatever_happens_it_comes_to_rest(make_world: Callable[..., World], first: int) -> None:
    """After every quiet period nothing is left to do, nobody is doubled or missing, no edit is lost."""
    for seed in range(first, min(first + IN_ONE_TEST, SEEDS.stop)):
        try:
            Schedule(make_world(), seed).tell()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_a_seed_replays_exactly(make_world: Callable[..., World]) -> None:
    """The same seed makes the same calls in the same order, and leaves both sides the same."""
    told = []
    for _ in range(2):
        world = make_world()
        Schedule(world, 3).tell()
        told.append((world.truth(), len(world.salesforce.requests), len(world.dialog_insight.requests)))
    assert told[0] == told[1]
