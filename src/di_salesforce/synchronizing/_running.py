"""Planning over several transfers, and running until quiet: the flows behind `Synchronizer.plan` and `.run`.

What may not go in here: requests of one service, deciding, carrying a plan out (`_applying.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import attrs

from di_salesforce.engine import Baseline, Plan, Snapshot, SyncReport, settle
from di_salesforce.engine._actions import Key
from di_salesforce.exceptions import ConfigurationError, FirstRunError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.synchronizing._applying import apply
from di_salesforce.synchronizing._planning import plan_transfer
from di_salesforce.synchronizing._setup import Setup, silent
from di_salesforce.synchronizing._standing import note_feeds
from di_salesforce.synchronizing._under_way import UnderWay
from di_salesforce.wire import Flow, time_now, work

__all__ = ["Asked", "plan", "run"]

# A field that two systems keep rewriting is held after three rounds, and a tree of records that refer to each other
# links one generation a round: deeper than this is no tree that people keep.
_MOST_ROUNDS: Final = 60


def plan(
    setup: Setup,
    transfers: Sequence[ObjectTransfer],
    *,
    keys: Sequence[Key] | None,
    progress: Progress,
    given: Mapping[Side, Snapshot],
) -> Flow[Plan]:
    """Plan over several transfers what can be seen now, not what the plan's own writes will cause."""
    _check_given(transfers, given)
    plans: list[Plan] = []
    links: dict[str, Baseline] = {}
    for transfer in transfers:
        planned = (
            yield from plan_transfer(setup, transfer, progress=progress, keys=keys, links=links, given=given)
        ).plan
        plans.append(planned)
        name = transfer.name
        if any(line.references == name for other in transfers for line in other.lines):
            known = yield from work("read the memory", partial(setup.store.baseline, name))
            now = yield from time_now()
            # What settles by itself (pairs found by key) can already be referred to; what must be written first cannot.
            links[name] = known.updated(settle(planned, {}, now=now))
    return Plan.joined(plans)


def _check_given(transfers: Sequence[ObjectTransfer], given: Mapping[Side, Snapshot]) -> None:
    if given and len(transfers) != 1:
        raise ConfigurationError("rows of one's own are of one transfer: name it")


@attrs.frozen(repr=False)
class Asked:
    """What a run was asked for: some keys only, rows of one's own in place of a reading, a limit of writes."""

    keys: Sequence[Key] | None = None
    given: Mapping[Side, Snapshot] = attrs.field(factory=dict[Side, Snapshot])
    max_writes: int | None = None
    first_run: bool = False
    progress: Progress = silent

    def observed(self, now: datetime) -> Asked:
        """Date the rows that were given: what a later round of the run reads or writes is newer than they are."""
        given = {side: attrs.evolve(rows, as_of=rows.as_of or now) for side, rows in self.given.items()}
        return attrs.evolve(self, given=given)


@attrs.define
class _Rounds:
    """A run while it goes on."""

    reports: list[SyncReport] = attrs.field(factory=list[SyncReport])
    written: int = 0
    cut_short: str = ""


def run(setup: Setup, transfers: Sequence[ObjectTransfer], under_way: UnderWay, asked: Asked) -> Flow[SyncReport]:
    """Plan and apply the transfers in their order, again for those that see others' writes, until all is quiet."""
    _check_given(transfers, asked.given)
    if not asked.first_run:
        yield from _check_not_first(setup)
    asked = asked.observed((yield from time_now()))
    rounds = _Rounds()
    waiting = list(transfers)
    for _ in range(_MOST_ROUNDS):
        again: list[ObjectTransfer] = []
        for transfer in waiting:
            rounds.cut_short = under_way.why_stop()
            report = yield from _run_one(setup, transfer, rounds, under_way, asked)
            if rounds.cut_short:
                return attrs.evolve(SyncReport.joined(rounds.reports), cut_short=rounds.cut_short)
            if report.written:
                again += [other for other in transfers if _sees(setup, other, transfer, report)]
            if report.of(outcome="stale"):
                again.append(transfer)
        waiting = [transfer for transfer in transfers if transfer in again]
        if not waiting:
            return SyncReport.joined(rounds.reports)
    names = ", ".join(transfer.name for transfer in waiting)
    return attrs.evolve(
        SyncReport.joined(rounds.reports), cut_short=f"still not quiet after {_MOST_ROUNDS} rounds: {names}"
    )


class _StoppedError(Exception):
    """A reading is given up, since the run is to end; no error of a service, which a flow might put up with."""


def _until_stopped(progress: Progress, under_way: UnderWay) -> Progress:
    """Give up a reading at its next step once the run is to end; reading a million records takes long."""

    def told(phase: str, done: int, total: int) -> None:
        if why := under_way.why_stop():
            raise _StoppedError(why)
        progress(phase, done, total)

    return told


def _run_one(
    setup: Setup, transfer: ObjectTransfer, rounds: _Rounds, under_way: UnderWay, asked: Asked
) -> Flow[SyncReport]:
    if not transfer.active or rounds.cut_short:
        return SyncReport(transfers=(transfer.name,))
    yield from under_way.hold.keep()
    progress = _until_stopped(asked.progress, under_way)
    try:
        found = yield from plan_transfer(setup, transfer, progress=progress, keys=asked.keys, given=asked.given)
    except _StoppedError as stopped:
        rounds.cut_short = str(stopped)
        return SyncReport(transfers=(transfer.name,))
    planned, max_writes = found.plan, asked.max_writes
    if max_writes is not None and rounds.written + len(planned.writes) > max_writes:
        rounds.cut_short = (
            f"{transfer.name} would make {len(planned.writes):,} writes after {rounds.written:,}; "
            f"max_writes is {max_writes:,}"
        )
        return SyncReport(transfers=(transfer.name,))
    yield from note_feeds(setup.store, found.used)
    report = yield from apply(setup, planned, under_way, progress=asked.progress)
    report = attrs.evolve(report, feeds=tuple(map(str, found.used)))
    if found.heard and not report.cut_short:
        yield from work("drop the hints", partial(setup.store.heard, transfer.name, found.heard))
    rounds.reports.append(report)
    rounds.cut_short = report.cut_short
    rounds.written += len(report.written)
    return report


def _sees(setup: Setup, other: ObjectTransfer, writer: ObjectTransfer, report: SyncReport) -> bool:
    """Tell whether a transfer must look again: a table it reads was written, or records it refers to were linked."""
    if any(line.references == writer.name for line in other.lines) and any(w.kind == "create" for w in report.written):
        return True  # also a transfer that refers to itself: each round links one more generation
    if other.name == writer.name:
        return False
    sides = {line.side for line in report.written if line.side is not None}
    written = {setup.place(writer, side) for side in sides}
    reads = {setup.place(other, side) for side in Side}
    return bool(written & reads)


def _check_not_first(setup: Setup) -> Flow[None]:
    """Refuse an empty store: a lost one must not create forty thousand contacts."""
    runs = yield from work("read the history", lambda: setup.store.runs(1))
    if runs:
        return
    for transfer in setup.integration.transfers:
        name = transfer.name
        known = yield from work("read the memory", partial(setup.store.baseline, name))
        if len(known):
            return
    raise FirstRunError(
        "nothing is remembered yet: look at sync.plan(), then sync.apply(plan), or pass first_run=True (on the command "
        "line: plan --save, apply, or run --first-run). If this store was in use before, it was lost: restore a copy"
    )
