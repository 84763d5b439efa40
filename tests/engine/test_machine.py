"""A world that lives: edits on both sides, looks of all kinds, failing writes, crashes, restored memories.

The world itself holds every plan and settlement to the three invariants; here it is pushed around at random, and
whenever it is left in peace it must settle, account for every difference, and stay quiet.  One machine lives in the
world of one generated transfer, the other in that of several transfers that touch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,  # pyright: ignore[reportUnknownVariableType]  # Hypothesis leaves its arguments untyped
)

from di_salesforce import Integration
from di_salesforce.engine import Applied, Baseline, BoundTransfer, Context, Coverage, Life, Plan
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import FieldMapping
from di_salesforce.records import Row, Side, is_blank
from di_salesforce.testing._invariants import Looks
from di_salesforce.testing.several import SeveralWorlds
from di_salesforce.testing.strategies import fates, integrations, rows_of, several_worlds, transfers
from di_salesforce.testing.world import Fate, World
from di_salesforce.triggers import ConflictPolicy, Trigger

STEPS = 15  # of one run: enough for two or three rounds between edits, failures and a crash
QUIET_PASSES = 8  # what keys that moved in a chain, and writes that wait for a look, need at most in so small a world
MOST_ROWS = 5  # of one table: small worlds find more
GROUPS_ONLY = (ConflictPolicy.MOST_RESTRICTIVE, ConflictPolicy.NEWEST)
POLICIES = st.sampled_from([policy for policy in ConflictPolicy if policy not in GROUPS_ONLY])
SIDES = st.sampled_from(Side)
CONTEXT = Context(allow_empty=frozenset(Side))  # small worlds lose their last record; the guard has its own test
ONE_TRANSFER = transfers().map(lambda transfer: Integration([transfer]))


def has_something_in(field: str) -> Callable[[Row], bool]:
    return lambda row: not is_blank(row.get(field))


class LivingWorld(RuleBasedStateMachine):
    """Transfers, their two or three sides, and everything that may happen to them."""

    integrations = ONE_TRANSFER
    worlds: SeveralWorlds

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.worlds = data.draw(several_worlds(data.draw(self.integrations), context=CONTEXT))
        self.names = list(self.worlds.integration.names)
        # Narrower triggers than the declared ones stay safe; wider ones might let two transfers create one record.
        self.widest = {world.transfer.name: world.transfer.allowed for world in self.worlds}
        if len(self.names) == 1:
            self.widest = dict.fromkeys(self.names, Trigger.ALL)
        self.backups = [self._backup()]
        self.applied: dict[str, list[Applied]] = {name: [] for name in self.names}
        self.oldest = self.worlds.clock.seconds

    def _world(self, data: st.DataObject) -> World:
        return self.worlds[data.draw(st.sampled_from(self.names)) if len(self.names) > 1 else self.names[0]]

    def _someone(self, data: st.DataObject, world: World, side: Side) -> str | None:
        names = sorted(world.rows(side))
        return data.draw(st.sampled_from(names)) if names else None

    # ---------------------------------------------------------------------------------------------- people

    @rule(data=st.data(), side=SIDES)
    def edit(self, data: st.DataObject, side: Side) -> None:
        world = self._world(data)
        name = self._someone(data, world, side)
        row = data.draw(rows_of(self.worlds, world.transfer.name, side))
        field = data.draw(st.sampled_from(sorted(row)))
        if name is not None:
            world.edit(side, name, {field: row[field]})

    @rule(data=st.data(), side=SIDES)
    def add(self, data: st.DataObject, side: Side) -> None:
        world = self._world(data)
        if len(world.rows(side)) < MOST_ROWS:
            world.add(side, data.draw(rows_of(self.worlds, world.transfer.name, side)))

    @rule(data=st.data(), side=SIDES)
    def remove(self, data: st.DataObject, side: Side) -> None:
        world = self._world(data)
        name = self._someone(data, world, side)
        if name is not None:
            world.remove(side, name)

    @rule(data=st.data(), side=SIDES)
    def undelete(self, data: st.DataObject, side: Side) -> None:
        world = self._world(data)
        gone = sorted(set(world.sides[side].history) - set(world.rows(side)))
        if gone:
            world.undelete(side, data.draw(st.sampled_from(gone)))

    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        world = self._world(data)
        names = sorted(world.rows(Side.SALESFORCE))
        if len(names) > 1:
            loser, winner, *_ = data.draw(st.permutations(names))
            world.merge(Side.SALESFORCE, loser, winner)

    @rule(data=st.data(), bits=st.integers(0, Trigger.ALL.value))
    def flip_triggers(self, data: st.DataObject, bits: int) -> None:
        world = self._world(data)
        world.transfer = attrs.evolve(world.transfer, triggers=Trigger(bits) & self.widest[world.transfer.name])

    @rule(data=st.data(), policy=POLICIES)
    def flip_policy(self, data: st.DataObject, policy: ConflictPolicy) -> None:
        world = self._world(data)
        world.transfer = attrs.evolve(
            world.transfer,
            fields=[
                attrs.evolve(line, conflict=policy) if isinstance(line, FieldMapping) and not line.is_consent else line
                for line in world.transfer.fields
            ],
        )

    @rule(data=st.data(), salesforce=st.booleans(), dialog_insight=st.booleans())
    def flip_filters(self, data: st.DataObject, salesforce: bool, dialog_insight: bool) -> None:
        """Rows whose last line is blank fall out of a filter's scope, or come back into it."""
        world = self._world(data)
        line = world.transfer.lines[-1]
        world.scope = has_something_in(line.salesforce) if salesforce else None
        world.transfer = attrs.evolve(
            world.transfer,
            salesforce_filter=f"{line.salesforce} != null" if salesforce else None,
            dialog_insight_filter=has_something_in(line.field(Side.DIALOG_INSIGHT)) if dialog_insight else None,
        )

    @rule(seconds=st.sampled_from([1, 30, 90, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.worlds.clock.tick(seconds)

    # ---------------------------------------------------------------------------------------------- rounds

    def _look(self, data: st.DataObject, world: World, side: Side) -> Any:  # a Snapshot
        """Read one side: all of it, what changed, or a sample of its rows and of their fields."""
        coverage = data.draw(st.sampled_from(Coverage))
        seen: set[str] = set()
        if coverage is Coverage.SAMPLE:
            fields = [line.field(side) for line in world.transfer.lines]
            seen = data.draw(st.sets(st.sampled_from([*world.rows(side), *fields])))
        return world.snapshot(side, coverage, pick=lambda name, field: (field or name) not in seen)

    def _plan(self, data: st.DataObject, world: World) -> Plan:
        return world.plan(*(self._look(data, world, side) for side in Side))

    def _finish(self, data: st.DataObject, world: World, plan: Plan, *, crash: bool = False) -> None:
        """Carry a plan out, as it is or read back from a file, with any answers."""
        if data.draw(st.booleans()):
            plan = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
            plan = plan.bound_to(BoundTransfer.of(world.transfer, world.context))
        chosen = {write.id: data.draw(fates(late=not crash)) for write in plan.writes}
        settlement = world.apply(plan, lambda write: chosen.get(write.id, Fate.DONE), crash=crash)
        self.applied[world.transfer.name] += settlement.applied if settlement is not None else ()
        self._keep()

    def _backup(self) -> dict[str, Any]:  # what `World.remember` gives
        return {name: self.worlds[name].remember() for name in self.names}

    def _keep(self) -> None:
        self.backups = [*self.backups[-3:], self._backup()]

    @rule(data=st.data())
    def sync(self, data: st.DataObject) -> None:
        """A round with any looks and any answers."""
        world = self._world(data)
        self._finish(data, world, self._plan(data, world))

    @rule(data=st.data())
    def sync_with_edits_in_the_window(self, data: st.DataObject) -> None:
        """People, and another transfer, go on between the look and the writes."""
        world = self._world(data)
        plan = self._plan(data, world)
        for side in Side:
            self.edit(data, side)
        other = self._world(data)
        # Of one table, two transfers each told that a record is free would both link it: a store's lease forbids that.
        if other.records[Side.DIALOG_INSIGHT] is not world.records[Side.DIALOG_INSIGHT]:
            other.one_pass()
        self._finish(data, self.worlds[world.transfer.name], plan)

    @rule(data=st.data())
    def sync_and_crash(self, data: st.DataObject) -> None:
        """The process dies after any of the writes, before anything is remembered."""
        world = self._world(data)
        self._finish(data, world, self._plan(data, world), crash=True)

    @rule(data=st.data(), side=SIDES, age=st.integers(1, 20))
    def sync_with_an_old_export(self, data: st.DataObject, side: Side, age: int) -> None:
        """A file arrives that was written a while ago."""
        world = self._world(data)
        old = world.snapshot(side, at=max(self.oldest, world.seconds - age))
        fresh = self._look(data, world, side.other)
        self._finish(data, world, world.plan(**{side.value: old, side.other.value: fresh}))

    @rule(data=st.data(), keep=SIDES, accept=st.booleans())
    def a_person_decides(self, data: st.DataObject, keep: Side, accept: bool) -> None:
        world = self._world(data)
        plan = world.plan()
        for conflict in plan.conflicts[:2]:
            key = conflict.salesforce_id if conflict.salesforce_id is not None else conflict.key
            try:
                plan = plan.accept(key) if accept else plan.resolve(key, keep=keep)
            except ConfigurationError:
                continue  # it cannot be kept, or is not about values: it stays held
        self._finish(data, world, plan)

    @rule(data=st.data(), kind=st.sampled_from(["create", "update", "link", "conflict", "skip"]))
    def a_person_takes_something_out(self, data: st.DataObject, kind: str) -> None:
        world = self._world(data)
        self._finish(data, world, world.plan().without(kind=kind))

    @rule(data=st.data(), deletes=st.booleans())
    def a_person_undoes(self, data: st.DataObject, deletes: bool) -> None:
        """The latest writes are taken back, as far as what they left still stands."""
        world = self._world(data)
        latest = self.applied[world.transfer.name][-3:]
        if latest:
            self._finish(data, world, world.undo(latest, deletes=deletes))

    @rule()
    def lose_the_memory(self) -> None:
        """The store is gone, once nothing is under way any more that it could not know of."""
        self.worlds.clock.tick(3600)
        for name in self.names:
            self.worlds[name].restore((Baseline.empty(), Looks()))

    @rule(data=st.data(), distrust=st.booleans())
    def restore_a_backup(self, data: st.DataObject, distrust: bool) -> None:
        """An older copy of the memory comes back, once nothing is under way any more that it could not know of."""
        self.worlds.clock.tick(3600)
        backup = data.draw(st.sampled_from(self.backups))
        for name in self.names:
            self.worlds[name].restore(backup[name])
            if distrust:
                self.worlds[name].distrust()

    # ----------------------------------------------------------------------------------------------- peace

    @rule()
    def peace(self) -> None:
        """Left alone it settles, accounts for everything, and says the same thing again."""
        self.worlds.clock.tick(3600)
        self._retry_refused(True)  # a server's mood has passed
        self._settle()
        self._retry_refused(False)
        self._settle(may_write=False)
        for name in self.names:
            plan = self.worlds[name].plan()
            assert self.worlds[name].unaccounted(plan) == []
        self._keep()

    def _settle(self, *, may_write: bool = True) -> None:
        """Run passes until two say the same."""
        told: list[str] = []
        for _ in range(QUIET_PASSES):
            plans = self.worlds.one_pass()
            writes = any(plan.writes for plan in plans)
            assert may_write or not writes, "it was quiet, and writes again"
            before, told = told, [plan.digest for plan in plans]
            if told == before and not writes:
                return
            may_write = may_write and (writes or len(self.names) > 1)  # what one frees, another may take
        raise AssertionError(f"{QUIET_PASSES} passes in a row wrote something, or said something else")

    def _retry_refused(self, retry: bool) -> None:
        for world in self.worlds:
            world.context = attrs.evolve(world.context, retry_refused=retry)

    @invariant()
    def links_are_one_to_one(self) -> None:
        """No record stands in two links of one transfer, nor in living links of two."""
        for world in self.worlds if hasattr(self, "worlds") else ():
            links = world.baseline.links
            others = {link.dialog_insight_id for link in links if link.life is Life.LIVE} & set(world.context.claims)
            assert not others, f"{others} stand in living links of two transfers"
            for side in Side:
                ids = [link.record_id(side) for link in links if link.record_id(side) is not None]
                assert len(ids) == len(set(ids)), f"a record of {side.label} stands in two links"
            assert all(link.life is not Life.ENDED for link in links)

    def teardown(self) -> None:
        if hasattr(self, "worlds"):
            self.peace()


class LivingIntegration(LivingWorld):
    """A chain of two projects, two sObjects on one table, or a parent with children."""

    integrations = integrations()

    @rule(data=st.data())
    def convert(self, data: st.DataObject) -> None:
        """A person converts a lead into a contact with the same values."""
        if "leads" in self.names:
            leads = self.worlds["leads"]
            name = self._someone(data, leads, Side.SALESFORCE)
            if name is not None:
                values = {field: value for field, value in leads.rows(Side.SALESFORCE)[name].items() if field != "Id"}
                self.worlds.convert(name, of="leads", into="contacts", values=values)


def test_a_living_world_settles_whenever_it_is_left_in_peace() -> None:
    """Whatever happens, in any order: the invariants hold at each step, and peace brings it to rest."""
    run_state_machine_as_test(LivingWorld, settings=settings(stateful_step_count=STEPS))


def test_several_living_transfers_settle_whenever_they_are_left_in_peace() -> None:
    """The same of transfers that share an sObject or a table, or refer to each other."""
    run_state_machine_as_test(LivingIntegration, settings=settings(stateful_step_count=STEPS))
