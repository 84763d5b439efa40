"""A two-sided world in memory: rows on both sides, a memory, a clock, servers that may fail; no network, no threads.

Use it to put a loop of your own around the engine through everything that can happen.  What may not go in here:
deciding what to write (the engine does that), Hypothesis (`strategies.py`), the servers (`_served.py`), the checks
(`_invariants.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from di_salesforce.engine import (
    Applied,
    Baseline,
    Context,
    Coverage,
    Create,
    LinkRecord,
    Need,
    Outcome,
    Plan,
    Settlement,
    Snapshot,
    Write,
    reconcile,
    settle,
    undo,
)
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Row, Side, Value, record_id_18
from di_salesforce.testing._invariants import (
    Looks,
    agree,
    agree_here,
    check_memory,
    check_plan,
    check_triggers,
    unaccounted,
)
from di_salesforce.testing._mirror import mirror, mirror_context
from di_salesforce.testing._served import Fate, Ids, Records, Saving, ServedSide, WorldClock
from di_salesforce.testing._settled import check_settled
from di_salesforce.testing._told import check_told

__all__ = ["Fate", "Ids", "Records", "Saving", "World", "WorldClock", "agree", "contact_id", "mirror", "salesforce_ids"]

START: Final = datetime(2026, 5, 1, tzinfo=UTC)
_HOUR: Final = 3600  # seconds: longer than any quarantine
_MOST_LOOKUPS: Final = 6  # rounds of look-ups that one plan may ask for; a chain of proofs is far shorter


def salesforce_ids(prefix: str) -> Ids:
    """Number records as Salesforce does: 18 characters, the first three of the sObject."""

    def salesforce_id(number: int) -> Value:
        return record_id_18(f"{prefix}{number:012d}")

    return salesforce_id


def contact_id(number: int) -> Value:
    """Number records as Dialog Insight does."""
    return number


def _servers() -> dict[Side, Saving]:
    return {side: Saving() for side in Side}


def _records() -> dict[Side, Records]:
    return {side: Records() for side in Side}


def _ids() -> dict[Side, Ids]:
    return {Side.SALESFORCE: salesforce_ids("003"), Side.DIALOG_INSIGHT: contact_id}


@attrs.define(repr=False)
class World:
    """Two sides and the memory of one transfer.

    Every plan and every settlement that goes through it is held to the three invariants of the engine: no blind write,
    no orphan value, the base moves only by the settling table.  A breach is an `AssertionError`.

    Args:
        transfer: The mapping; give each line its converter.  It may be replaced between two passes.
        saving: How each side's server saves.
        context: Circumstances handed to the engine.
        scope: Which Salesforce rows are within the transfer's `salesforce_filter`; None: all.
        ids: How each side numbers its records: 18 characters in Salesforce, whole numbers in Dialog Insight.
        records: The records of each side, where another world looks at them too.
        clock: The time, likewise.

    Example:
        >>> from di_salesforce import FieldMapping
        >>> key = FieldMapping("Email", "EMail", key=True)
        >>> world = World(ObjectTransfer("contacts", sobject="Contact", fields=[key]))
        >>> _ = world.add(Side.SALESFORCE, {"Email": "ada@test.example"})
        >>> world.settle_down(), world.agrees()
        (1, True)
    """

    transfer: ObjectTransfer
    saving: Mapping[Side, Saving] = attrs.field(factory=_servers)
    context: Context = attrs.field(factory=Context)
    scope: Callable[[Row], bool] | None = None
    ids: Mapping[Side, Ids] = attrs.field(factory=_ids)
    records: Mapping[Side, Records] = attrs.field(factory=_records)
    clock: WorldClock = attrs.field(factory=WorldClock)
    baseline: Baseline = attrs.field(init=False, factory=Baseline.empty)
    looks: Looks = attrs.field(init=False, factory=Looks)
    sides: dict[Side, ServedSide] = attrs.field(init=False)
    _pending: Looks = attrs.field(init=False, factory=Looks)  # of the plan at hand, kept once it is settled

    def __attrs_post_init__(self) -> None:
        self.sides = {
            side: ServedSide(self.transfer, side, self.saving[side], self.ids[side], self.records[side])
            for side in Side
        }

    # ------------------------------------------------------------------------------------------------ the clock

    @property
    def seconds(self) -> int:
        """How long the world has lived."""
        return self.clock.seconds

    @property
    def now(self) -> datetime:
        """The world's time."""
        return START + timedelta(seconds=self.seconds)

    @staticmethod
    def second_of(moment: datetime) -> int:
        """Give a moment as seconds of the world's time."""
        return int((moment - START).total_seconds())

    def tick(self, seconds: int = 1) -> None:
        """Let time pass; late writes land when their time has come."""
        self.clock.tick(seconds)

    def rest(self) -> None:
        """Let an hour pass: every quarantine is over, and nothing is under way any more."""
        self.tick(_HOUR)

    # --------------------------------------------------------------------------------------------------- people

    def rows(self, side: Side) -> dict[str, Row]:
        """The records of one side, by name: the record id as text, or the key of a relational row."""
        return self.sides[side].rows

    def add(self, side: Side, values: Row) -> str | None:
        """Add a record as a person would; give its name, or None where the server does not take it."""
        self.tick()
        name, _ = self.sides[side].insert(values, self.sides[side].next_number(), self.seconds)
        return name or None

    def edit(self, side: Side, name: str, values: Row) -> bool:
        """Change fields of a record as a person would; False where the server does not take it."""
        self.tick()
        return not self.sides[side].change(name, values, self.seconds)

    def remove(self, side: Side, name: str) -> None:
        """Delete a record as a person would."""
        self.tick()
        self.sides[side].remove(name, self.seconds)

    def undelete(self, side: Side, name: str) -> bool:
        """Bring a deleted record back under its id, as from a recycle bin."""
        self.tick()
        return self.sides[side].undelete(name, self.seconds)

    def merge(self, side: Side, loser: str, winner: str) -> None:
        """Merge one record into another as a person would: the loser is gone, and the side can say into which."""
        self.remove(side, loser)
        self.records[side].merged[loser] = (self.seconds, winner)

    # --------------------------------------------------------------------------------------------------- looking

    def snapshot(
        self,
        side: Side,
        coverage: Coverage = Coverage.COMPLETE,
        *,
        pick: Callable[[str, str], bool] | None = None,
        at: int | None = None,
    ) -> Snapshot:
        """Read one side.

        Args:
            side: The side to read.
            coverage: Complete; the changes since the memory's last look (complete all the same where the transfer has a
                `salesforce_filter`); or a sample.
            pick: For a sample, which rows are read (asked with an empty field) and which of their fields, by row name
                and field; id and key always are.  None: all.
            at: Second of the world's time at which the rows are taken: an export that arrives late.  None: now.
        """
        seconds = self.seconds if at is None else at
        as_of = START + timedelta(seconds=seconds)
        everything = self.sides[side].rows_at(seconds)
        rows = {name: row for name, row in everything.items() if self.in_scope(side, row)}
        has_ids = self.transfer.id_field(side) is not None
        scope = self.transfer.salesforce_filter if side is Side.SALESFORCE else None
        if coverage is Coverage.CHANGES and scope is not None:
            coverage = Coverage.COMPLETE  # a feed that knows only the filter's rows cannot tell what left it
        match coverage:
            case Coverage.COMPLETE:
                merged, converted = self.sides[side].became(-1, seconds)
                return Snapshot.complete(rows.values(), as_of=as_of, scope=scope, merged=merged, converted=converted)
            case Coverage.CHANGES:
                covered = self.baseline.coverage(side)
                since = -1 if covered is None or covered.as_of is None else self.second_of(covered.as_of)
                moved = self.sides[side].moved(since, seconds)
                merged, converted = self.sides[side].became(since, seconds)
                return Snapshot.changes(
                    [row for name, row in rows.items() if name in moved],
                    as_of=as_of,
                    deleted=[name for name in moved if has_ids and name not in everything],
                    merged=merged,
                    converted=converted,
                )
            case Coverage.SAMPLE:
                always = {self.transfer.id_field(side), *(line.field(side) for line in self.transfer.key_lines)}
                return Snapshot.sample(
                    [
                        {f: value for f, value in row.items() if pick is None or f in always or pick(name, f)}
                        for name, row in rows.items()
                        if pick is None or pick(name, "")
                    ],
                    as_of=as_of,
                )

    def in_scope(self, side: Side, row: Row) -> bool:
        """Tell whether a read of the side, within the transfer's `salesforce_filter`, shows a row."""
        return side is Side.DIALOG_INSIGHT or self.scope is None or self.scope(row)

    def look_up(self, side: Side, needs: Iterable[Need]) -> list[Row]:
        """Answer a plan's needs on one side."""
        found: dict[str, Row] = {}
        for need in needs:
            values = need.key if isinstance(need.key, tuple) else (need.key,)
            asked = {line.field(side): value for line, value in zip(self.transfer.key_lines, values, strict=False)}
            key = self.sides[side].key(asked)
            for name, row in self.rows(side).items():
                by_key = key is not None and self.sides[side].key(row) == key
                if name == need.record_id if need.record_id is not None else by_key:
                    found[name] = row
        return list(found.values())

    # -------------------------------------------------------------------------------------------------- planning

    def plan(self, salesforce: Snapshot | None = None, dialog_insight: Snapshot | None = None) -> Plan:
        """Plan from two snapshots (None: a complete read now), answering all look-ups; check that no write is blind."""
        snapshots = {
            Side.SALESFORCE: salesforce or self.snapshot(Side.SALESFORCE),
            Side.DIALOG_INSIGHT: dialog_insight or self.snapshot(Side.DIALOG_INSIGHT),
        }
        looks = self.looks.copy()
        for side, snapshot in snapshots.items():
            looks.note(self, side, snapshot)
        plan = reconcile(
            self.transfer,
            salesforce=snapshots[Side.SALESFORCE],
            dialog_insight=snapshots[Side.DIALOG_INSIGHT],
            baseline=self.baseline,
            now=self.now,
            context=self.context,
        )
        return self._answered(plan, looks, {side: snapshot.as_of or self.now for side, snapshot in snapshots.items()})

    def undo(self, applied: Iterable[Applied], *, deletes: bool = False) -> Plan:
        """Plan what takes writes back, answering all look-ups; check that no write is blind."""
        plan = undo(self.transfer, applied, baseline=self.baseline, now=self.now, context=self.context, deletes=deletes)
        return self._answered(plan, self.looks.copy(), dict.fromkeys(Side, self.now))

    def _answered(self, plan: Plan, looks: Looks, as_of: Mapping[Side, datetime]) -> Plan:
        for _ in range(_MOST_LOOKUPS):
            if not plan.needs:
                break
            found = {side: self.look_up(side, plan.needs[side]) for side in Side}
            for side in Side:
                looks.note_rows(self, side, found[side], self.seconds)
            plan = plan.supplied(salesforce=found[Side.SALESFORCE], dialog_insight=found[Side.DIALOG_INSIGHT])
        if plan.needs:
            raise AssertionError(f"a plan still has {plan.needs} after {_MOST_LOOKUPS} rounds of look-ups")
        check_plan(self, plan, looks, as_of)
        check_told(self.transfer, self.baseline, plan)
        self._pending = looks
        return plan

    def apply(
        self, plan: Plan, fates: Callable[[Write], Fate] = lambda write: Fate.DONE, *, crash: bool = False
    ) -> Settlement | None:
        """Carry a plan out, settle it and remember; with `crash`, die before anything is remembered.

        Args:
            plan: The plan, as `plan` gave it, or filtered and decided in since.
            fates: What becomes of each write.
            crash: Whether the settlement is lost.
        """
        check_triggers(self.transfer, plan)
        self.tick()
        numbers = self._numbers(plan)
        outcomes = {
            write.id: outcome
            for write in plan.writes
            if (outcome := self._outcome(write, fates(write), numbers.get(write.id, 0))) is not None
        }
        self.tick()
        if crash:
            return None
        settlement = settle(plan, outcomes, now=self.now)
        before = self.baseline
        check_settled(plan, outcomes, settlement, before, self.now)
        # Through the stored form, so that what cannot be stored shows at once.
        self.baseline = Baseline.from_dicts(json.loads(json.dumps(before.updated(settlement).to_dicts())))
        self.looks = self._pending.copy()
        for write in plan.writes:
            if write.id in outcomes:
                self.looks.note_write(self, write, outcomes[write.id])
        check_memory(self, plan, before, outcomes)
        return settlement

    def _numbers(self, plan: Plan) -> dict[str, int]:
        """Number the records to be created by what they are made from, so that a mirrored world numbers them alike."""
        creates = [write for write in plan.writes if isinstance(write, Create)]
        creates.sort(key=lambda write: (str(write.salesforce_id or write.dialog_insight_id), write.key_text))
        return {write.id: self.sides[write.side].next_number() for write in creates}

    def _outcome(self, write: Write, fate: Fate, number: int) -> Outcome | None:
        """Carry one write out, or not, and give what the caller learns."""
        server = self.sides[write.side]
        match fate:
            case Fate.NOT_TRIED:
                return None
            case Fate.REFUSED:
                return Outcome.refused("server.refused", "the server refused the record")
            case Fate.LOST:
                return Outcome.unknown()
            case Fate.LANDED:
                server.write(write, number, self.seconds)
                return Outcome.unknown()
            case Fate.LATE:
                self.clock.delay(server, write, number)
                return Outcome.unknown()
            case Fate.DONE | Fate.SILENT | Fate.NAMELESS:
                outcome = server.write(write, number, self.seconds)
                if fate is Fate.DONE or outcome.stored is None:
                    return outcome
                nameless = fate is Fate.NAMELESS and isinstance(write, Create)
                return Outcome.done(None if nameless else outcome.record_id)

    def remember(self) -> tuple[Baseline, Looks]:
        """Give a copy of the memory, as a backup would hold it."""
        return self.baseline, self.looks.copy()

    def restore(self, memory: tuple[Baseline, Looks]) -> None:
        """Go back to an older copy of the memory."""
        self.baseline, self.looks = memory[0], memory[1].copy()

    def distrust(self) -> None:
        """Keep the links and forget what the fields held, as after a restored backup."""
        self.baseline, self.looks = self.baseline.distrust(), Looks()

    def one_pass(self) -> Plan:
        """Read both sides completely, plan, carry out, settle."""
        plan = self.plan()
        self.apply(plan)
        return plan

    def settle_down(self, one_pass: Callable[[World], Plan] | None = None, *, most: int = 10) -> int:
        """Run passes until one writes nothing; give how many wrote.

        Args:
            one_pass: One pass of a loop of your own over this world; None: `World.one_pass`.
            most: After how many passes that still write the world counts as never settling.

        Raises:
            AssertionError: Where it never settles.
        """
        for wrote in range(most):
            if not (one_pass or World.one_pass)(self).writes:
                return wrote
        raise AssertionError(f"{most} passes in a row wrote something")

    # ------------------------------------------------------------------------------------------------- comparing

    def name_of(self, side: Side, link: LinkRecord) -> str:
        """Give the name of a linked record; empty where it is not known."""
        record_id, key = link.record_id(side), link.key(side)
        if record_id is not None:
            return record_id
        wanted = None if key is None else tuple(part.removeprefix("\x00") for part in key)  # the mark of a number
        return next((name for name, row in self.rows(side).items() if self.sides[side].key(row) == wanted), "")

    def pair(self, link: LinkRecord) -> tuple[Row, Row] | None:
        """Give a link's two records, Salesforce first; None where one is gone."""
        rows = [self.rows(side).get(self.name_of(side, link)) for side in Side]
        return None if rows[0] is None or rows[1] is None else (rows[0], rows[1])

    def differing(self) -> set[tuple[str, str]]:
        """Name what differs between linked records: (link id, line)."""
        return {
            (link.id, line.name)
            for link in self.baseline.links
            if (pair := self.pair(link)) is not None
            for line in self.transfer.lines
            if not agree_here(self, line, pair[0][line.salesforce], pair[1][line.field(Side.DIALOG_INSIGHT)])
        }

    def agrees(self) -> bool:
        """Tell whether every record has its counterpart and all linked values agree."""
        linked = {side: {self.name_of(side, link) for link in self.baseline.links} for side in Side}
        return not self.differing() and all(set(self.rows(side)) <= linked[side] for side in Side)

    def unaccounted(self, plan: Plan) -> list[str]:
        """List what a plan, made just now from complete reads, does not account for exactly once.

        The law of nothing lost: every difference between two linked records is written, held, skipped, rejected, or
        settled as known; every record without a link is created, linked, skipped or rejected.
        """
        return unaccounted(self, plan)

    def mirrored(self) -> World:
        """Give an empty world that is the mirror of this one: transfer, servers, circumstances, ids."""
        return World(
            mirror(self.transfer),
            {side: self.saving[side.other] for side in Side},
            mirror_context(self.context),
            ids={side: self.ids[side.other] for side in Side},
        )

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.rows(side))} rows in {side.label}" for side in Side)
        return f"<World of {self.transfer.name}: {counts}, {len(self.baseline)} links, second {self.seconds}>"
