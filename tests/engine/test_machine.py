"""A world that lives: edits on both sides, looks of all kinds, failing writes, crashes, restored memories.

The world itself holds every plan and settlement to the three invariants; here it is pushed around at random, and
whenever it is left in peace it must settle, account for every difference, and stay quiet.
"""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,  # pyright: ignore[reportUnknownVariableType]  # Hypothesis leaves its arguments untyped
)

from di_salesforce import ObjectTransfer
from di_salesforce.engine import Context, Coverage, Life, Plan
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import FieldMapping
from di_salesforce.records import Side
from di_salesforce.testing.strategies import fates, rows, transfers, worlds
from di_salesforce.testing.world import Fate, World
from di_salesforce.triggers import ConflictPolicy, Trigger

STEPS = 15  # of one run: enough for two or three rounds between edits, failures and a crash
QUIET_PASSES = 6  # what keys that moved in a chain, and writes that wait for a look, need at most in so small a world
GROUPS_ONLY = (ConflictPolicy.MOST_RESTRICTIVE, ConflictPolicy.NEWEST)
POLICIES = st.sampled_from([policy for policy in ConflictPolicy if policy not in GROUPS_ONLY])


class LivingWorld(RuleBasedStateMachine):
    """One transfer, two sides, and everything that may happen to them."""

    world: World

    @initialize(data=st.data(), transfer=transfers())
    def begin(self, data: st.DataObject, transfer: ObjectTransfer) -> None:
        context = Context(allow_empty=frozenset(Side))
        self.world = data.draw(worlds(transfer, past=False, most_rows=3, context=context))
        self.backups: list[Any] = [self.world.remember()]
        self.oldest = self.world.seconds

    # ---------------------------------------------------------------------------------------------- people

    def _someone(self, data: st.DataObject, side: Side) -> str | None:
        names = sorted(self.world.rows(side))
        return data.draw(st.sampled_from(names)) if names else None

    @rule(data=st.data(), side=st.sampled_from(Side))
    def edit(self, data: st.DataObject, side: Side) -> None:
        name = self._someone(data, side)
        row = data.draw(rows(self.world.transfer, side))
        field = data.draw(st.sampled_from(sorted(row)))
        if name is not None:
            self.world.edit(side, name, {field: row[field]})

    @rule(data=st.data(), side=st.sampled_from(Side))
    def add(self, data: st.DataObject, side: Side) -> None:
        if len(self.world.rows(side)) < 5:  # small worlds find more
            self.world.add(side, data.draw(rows(self.world.transfer, side)))

    @rule(data=st.data(), side=st.sampled_from(Side))
    def remove(self, data: st.DataObject, side: Side) -> None:
        name = self._someone(data, side)
        if name is not None:
            self.world.remove(side, name)

    @rule(data=st.data(), side=st.sampled_from(Side))
    def undelete(self, data: st.DataObject, side: Side) -> None:
        gone = sorted(set(self.world.sides[side].history) - set(self.world.rows(side)))
        if gone:
            self.world.undelete(side, data.draw(st.sampled_from(gone)))

    @rule(bits=st.integers(0, Trigger.ALL.value))
    def flip_triggers(self, bits: int) -> None:
        self.world.transfer = attrs.evolve(self.world.transfer, triggers=Trigger(bits))

    @rule(policy=POLICIES)
    def flip_policy(self, policy: ConflictPolicy) -> None:
        self.world.transfer = attrs.evolve(
            self.world.transfer,
            fields=[
                attrs.evolve(line, conflict=policy) if isinstance(line, FieldMapping) and not line.is_consent else line
                for line in self.world.transfer.fields
            ],
        )

    @rule(seconds=st.sampled_from([1, 30, 90, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.world.tick(seconds)

    # ---------------------------------------------------------------------------------------------- rounds

    def _look(self, data: st.DataObject, side: Side) -> Any:  # a Snapshot
        coverage = data.draw(st.sampled_from(Coverage))
        seen = data.draw(
            st.sets(st.sampled_from([*self.world.rows(side), *(line.name for line in self.world.transfer.lines), ""]))
        )
        return self.world.snapshot(side, coverage, pick=lambda name, field: (field or name) not in seen)

    def _finish(self, data: st.DataObject, plan: Plan, *, crash: bool = False) -> None:
        chosen = {write.id: data.draw(fates(late=not crash)) for write in plan.writes}
        self.world.apply(plan, lambda write: chosen.get(write.id, Fate.DONE), crash=crash)
        self.backups = [*self.backups[-3:], self.world.remember()]

    @rule(data=st.data())
    def sync(self, data: st.DataObject) -> None:
        """A round with any looks and any answers."""
        self._finish(data, self.world.plan(*(self._look(data, side) for side in Side)))

    @rule(data=st.data())
    def sync_with_edits_in_the_window(self, data: st.DataObject) -> None:
        """People go on editing between the look and the writes."""
        plan = self.world.plan(*(self._look(data, side) for side in Side))
        for side in Side:
            self.edit(data, side)
        self._finish(data, plan)

    @rule(data=st.data())
    def sync_and_crash(self, data: st.DataObject) -> None:
        """The process dies after the writes, before anything is remembered."""
        self._finish(data, self.world.plan(*(self._look(data, side) for side in Side)), crash=True)

    @rule(data=st.data(), side=st.sampled_from(Side), age=st.integers(1, 20))
    def sync_with_an_old_export(self, data: st.DataObject, side: Side, age: int) -> None:
        """A file arrives that was written a while ago."""
        old = self.world.snapshot(side, at=max(self.oldest, self.world.seconds - age))
        fresh = self._look(data, side.other)
        self._finish(data, self.world.plan(**{side.value: old, side.other.value: fresh}))

    @rule(data=st.data(), keep=st.sampled_from(Side), accept=st.booleans())
    def a_person_decides(self, data: st.DataObject, keep: Side, accept: bool) -> None:
        plan = self.world.plan()
        for conflict in plan.conflicts[:2]:
            key = conflict.salesforce_id if conflict.salesforce_id is not None else conflict.key
            try:
                plan = plan.accept(key) if accept else plan.resolve(key, keep=keep)
            except ConfigurationError:
                continue  # it cannot be kept, or is not about values: it stays held
        self._finish(data, plan)

    @rule(data=st.data(), kind=st.sampled_from(["create", "update", "link", "conflict", "skip"]))
    def a_person_takes_something_out(self, data: st.DataObject, kind: str) -> None:
        self._finish(data, self.world.plan().without(kind=kind))

    @rule(data=st.data(), distrust=st.booleans())
    def restore_a_backup(self, data: st.DataObject, distrust: bool) -> None:
        """An older copy of the memory comes back, once nothing is under way any more that it could not know of."""
        self.world.rest()
        self.world.restore(data.draw(st.sampled_from(self.backups)))
        if distrust:
            self.world.distrust()

    # ----------------------------------------------------------------------------------------------- peace

    @rule()
    @precondition(lambda self: hasattr(self, "world"))
    def peace(self) -> None:
        """Left alone it settles, accounts for everything, and says the same thing again."""
        self.world.rest()
        self.world.context = attrs.evolve(self.world.context, retry_refused=True)  # a server's mood has passed
        self.world.settle_down(most=QUIET_PASSES)
        self.world.context = attrs.evolve(self.world.context, retry_refused=False)
        plan = self.world.plan()
        assert self.world.unaccounted(plan) == []
        self.world.apply(plan)
        assert self.world.plan().digest == plan.digest
        self.backups = [*self.backups[-3:], self.world.remember()]

    @invariant()
    def links_are_one_to_one(self) -> None:
        """No record stands in two links."""
        if not hasattr(self, "world"):
            return
        for side in Side:
            ids = [link.record_id(side) for link in self.world.baseline.links if link.record_id(side) is not None]
            assert len(ids) == len(set(ids)), f"a record of {side.label} stands in two links"
        assert all(link.life is not Life.ENDED for link in self.world.baseline.links)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.peace()


def test_a_living_world_settles_whenever_it_is_left_in_peace() -> None:
    """Whatever happens, in any order: the invariants hold at each step, and peace brings it to rest."""
    run_state_machine_as_test(LivingWorld, settings=settings(stateful_step_count=STEPS))
