"""Applying plans and running until quiet: the flows behind `Synchronizer.apply` and `Synchronizer.run`.

What may not go in here: requests of one service, deciding.  What was written is settled and stored transfer by
transfer; an error in the middle stops the run, and what was done before it is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

import attrs

from di_salesforce.engine import (
    Baseline,
    BoundTransfer,
    Outcome,
    Part,
    Plan,
    ReportLine,
    SyncReport,
    Write,
    mapping_version,
    settle,
)
from di_salesforce.engine._actions import Key
from di_salesforce.exceptions import ConfigurationError, DISalesforceError, FirstRunError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.stores import RunRecord
from di_salesforce.synchronizing._planning import plan_transfer, transfer_context
from di_salesforce.synchronizing._setup import Setup
from di_salesforce.synchronizing._writing import moved_since, write
from di_salesforce.wire import Flow, time_now, work

__all__ = ["apply", "plan", "run"]

# A field that two systems keep rewriting is held after three rounds, and a tree of records that refer to each other
# links one generation a round: deeper than this is no tree that people keep.
_MOST_ROUNDS: Final = 60

_KINDS: Final = ("create", "update", "delete")


def plan(
    setup: Setup, transfers: Sequence[ObjectTransfer], *, keys: Sequence[Key] | None, progress: Progress
) -> Flow[Plan]:
    """Plan over several transfers what can be seen now, not what the plan's own writes will cause."""
    plans: list[Plan] = []
    links: dict[str, Baseline] = {}
    for transfer in transfers:
        planned = yield from plan_transfer(setup, transfer, progress=progress, keys=keys, links=links)
        plans.append(planned)
        name = transfer.name
        if any(line.references == name for other in transfers for line in other.lines):
            known = yield from work("read the memory", partial(setup.store.baseline, name))
            now = yield from time_now()
            # What settles by itself (pairs found by key) can already be referred to; what must be written first cannot.
            links[name] = known.updated(settle(planned, {}, now=now))
    return Plan.joined(plans)


def apply(setup: Setup, plan: Plan, *, progress: Progress, run_id: str = "") -> Flow[SyncReport]:
    """Carry exactly this plan out, settle it, and remember what came of it."""
    _check_applicable(setup, plan)
    run_id = run_id or _run_id((yield from time_now()))
    reports: list[SyncReport] = []
    for part in plan.parts:
        piece = plan.only_transfer(part.transfer)
        report = yield from _apply_part(setup, setup.integration[part.transfer], piece, part, progress, run_id)
        reports.append(report)
        if report.cut_short:
            break
    return SyncReport.joined(reports)


def _run_id(began: datetime) -> str:
    """Name a run by when it began: the lease keeps two of one store from beginning at once."""
    return f"{began:%Y%m%dT%H%M%S.%fZ}"


def _check_applicable(setup: Setup, plan: Plan) -> None:
    """Refuse, before anything is sent, a plan that is not finished, goes past a limit, or is of another mapping."""
    plan.raise_for_guards()
    if plan.needs:
        raise ConfigurationError(f"the plan still waits for {len(plan.needs)} rows to be looked up")
    for part in plan.parts:
        if part.transfer not in setup.integration.names:
            raise ConfigurationError(f"the plan is about {part.transfer!r}, which is no transfer of this integration")
        transfer = setup.integration[part.transfer]
        if not transfer.active:
            raise ConfigurationError(f"transfer {part.transfer!r} is not active: it may be planned, never applied")
        if part.version != mapping_version(transfer):
            raise ConfigurationError(
                f"the plan was made with another mapping of {part.transfer!r} than the present one: plan again"
            )


def _apply_part(
    setup: Setup, transfer: ObjectTransfer, plan: Plan, part: Part, progress: Progress, run_id: str
) -> Flow[SyncReport]:
    started = yield from time_now()
    baseline = yield from work("read the memory", partial(setup.store.baseline, part.transfer))
    context = yield from transfer_context(setup, transfer, baseline, {})
    # A plan that was read back compares by the mapping's own converters, like one that was just made.
    plan = plan.bound_to(BoundTransfer.of(transfer, context))
    plan, outrun = _without_outrun(plan, part, baseline)
    trusted = plan.now is not None and started - plan.now <= setup.fresh_for
    outcomes: dict[str, Outcome] = {}
    cut_short = ""
    done, total = 0, len(plan.writes)
    for kind, side, actions in _batches(plan.writes):
        phase = f"{kind} {transfer.name} in {side.label}"
        progress(phase, done, total)
        try:
            outcomes |= yield from _batch(setup, transfer, side, actions, trusted=trusted)
        except DISalesforceError as error:
            # Nothing of this batch was applied: its writes stay untried, and so do all after it.
            cut_short = f"{phase}: {error}"
            break
        done += len(actions)
        progress(phase, done, total)
    now = yield from time_now()
    settlement = settle(plan, outcomes, now=now)
    report = attrs.evolve(
        settlement.report,
        lines=[*settlement.report.lines, *outrun],
        cut_short=cut_short,
        transfers=(transfer.name,),
        rounds=1,
    )
    record = _record(run_id, transfer, plan, report, started, now)
    yield from work("remember", lambda: setup.store.save(settlement, record))
    return report


def _record(
    run_id: str, transfer: ObjectTransfer, plan: Plan, report: SyncReport, started: datetime, now: datetime
) -> RunRecord:
    return RunRecord(run_id, (transfer.name,), started, now, plan.digest, report.ok, tuple(report.counts.items()))


def _batches(writes: Sequence[Write]) -> list[tuple[str, Side, list[Write]]]:
    """Group writes by kind and side: creates before updates before deletes, one call never mixing kinds."""
    groups = [
        (kind, side, [action for action in writes if action.kind == kind and action.side is side])
        for kind in _KINDS
        for side in Side
    ]
    return [group for group in groups if group[2]]


def _batch(
    setup: Setup, transfer: ObjectTransfer, side: Side, actions: list[Write], *, trusted: bool
) -> Flow[dict[str, Outcome]]:
    """Write one batch; a plan that is not fresh is checked against the service first."""
    moved: frozenset[str] = frozenset()
    if not trusted:
        moved = yield from moved_since(setup, transfer, side, actions)
    left = [action for action in actions if action.id not in moved]
    outcomes = (yield from write(setup, transfer, side, left)) if left else {}
    return {**outcomes, **{action_id: Outcome.stale() for action_id in moved}}


def _without_outrun(plan: Plan, part: Part, baseline: Baseline) -> tuple[Plan, list[ReportLine]]:
    """Leave out what concerns links that were settled since the plan was made (or a plan that is applied twice)."""
    revisions = {link.id: link.rev for link in baseline.links}
    outrun = {
        link.id
        for link in part.links.values()
        if (link.rev == 0 and link.id in revisions) or (link.rev > 0 and revisions.get(link.id) != link.rev - 1)
    }
    lines = [
        ReportLine(a.transfer, a.key, a.kind, a.side, a.reason, "stale", fields=tuple(c.field for c in a.changes))
        for a in plan.writes
        if a.link in outrun
    ]
    plan = plan.forgetting(links=outrun)
    return (_without_old_news(plan) if _is_outrun(part, baseline) else plan), lines


def _is_outrun(part: Part, baseline: Baseline) -> bool:
    """Tell whether the memory holds a later observation than the plan was made from."""
    for coverage in part.coverages:
        known = baseline.coverage(coverage.side)
        if known is not None and known.as_of is not None and (coverage.as_of is None or coverage.as_of < known.as_of):
            return True
    return False


def _without_old_news(plan: Plan) -> Plan:
    """Drop what an old plan would say about rows that it does not write: later plans have said it better."""
    written = {action.subject for action in plan.writes}
    words = [a.id for a in plan.actions if a.link is None and a.subject not in written]
    plan = plan.forgetting(words)
    return attrs.evolve(
        plan,
        parts=tuple(
            attrs.evolve(
                part,
                coverages=(),
                items=tuple(i for i in part.items if i.subject in written or i.subject.startswith("link:")),
            )
            for part in plan.parts
        ),
    )


# ------------------------------------------------------------------------------------------------------- running


@attrs.define
class _Run:
    """A run while it goes on."""

    reports: list[SyncReport] = attrs.field(factory=list[SyncReport])
    written: int = 0
    cut_short: str = ""


def run(
    setup: Setup,
    transfers: Sequence[ObjectTransfer],
    *,
    keys: Sequence[Key] | None,
    max_writes: int | None,
    first_run: bool,
    progress: Progress,
) -> Flow[SyncReport]:
    """Plan and apply the transfers in their order, again for those that see others' writes, until all is quiet."""
    if not first_run:
        yield from _check_not_first(setup)
    run_id = _run_id((yield from time_now()))
    current = _Run()
    waiting = list(transfers)
    for _ in range(_MOST_ROUNDS):
        again: list[ObjectTransfer] = []
        for transfer in waiting:
            report = yield from _run_one(setup, transfer, current, keys, max_writes, progress, run_id)
            if current.cut_short:
                return attrs.evolve(SyncReport.joined(current.reports), cut_short=current.cut_short)
            if report.written:
                again += [other for other in transfers if _sees(setup, other, transfer, report)]
            if report.of(outcome="stale"):
                again.append(transfer)
        waiting = [transfer for transfer in transfers if transfer in again]
        if not waiting:
            return SyncReport.joined(current.reports)
    names = ", ".join(transfer.name for transfer in waiting)
    return attrs.evolve(
        SyncReport.joined(current.reports), cut_short=f"still not quiet after {_MOST_ROUNDS} rounds: {names}"
    )


def _run_one(
    setup: Setup,
    transfer: ObjectTransfer,
    current: _Run,
    keys: Sequence[Key] | None,
    max_writes: int | None,
    progress: Progress,
    run_id: str,
) -> Flow[SyncReport]:
    if not transfer.active:
        return SyncReport(transfers=(transfer.name,))
    planned = yield from plan_transfer(setup, transfer, progress=progress, keys=keys)
    if max_writes is not None and current.written + len(planned.writes) > max_writes:
        current.cut_short = (
            f"{transfer.name} would make {len(planned.writes):,} writes after {current.written:,}; "
            f"max_writes is {max_writes:,}"
        )
        return SyncReport(transfers=(transfer.name,))
    report = yield from apply(setup, planned, progress=progress, run_id=run_id)
    current.reports.append(report)
    current.cut_short = report.cut_short
    current.written += len(report.written)
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
        "nothing is remembered yet: look at sync.plan(), then sync.apply(plan), or pass first_run=True. If this store "
        "was in use before, it was lost: restore a copy"
    )
