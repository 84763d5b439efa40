"""Carrying exactly one plan out: piece by piece, each recorded before it is sent and settled before the next.

What may not go in here: requests of one service, deciding.  An error in the middle ends the run, and what was done
before it is remembered; what a run that was killed left open is settled by the next one (`recover`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import attrs

from di_salesforce.engine import (
    BaselineLike,
    BoundTransfer,
    Create,
    Outcome,
    Part,
    Plan,
    ReportLine,
    SyncReport,
    Write,
    settle,
)
from di_salesforce.engine import mapping_version as version_of
from di_salesforce.exceptions import ConfigurationError, DISalesforceError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.salesforce import RowResult
from di_salesforce.stores import Intent, IntentJob
from di_salesforce.synchronizing._bulk_writing import Journal, written_by_jobs
from di_salesforce.synchronizing._locks import parents_of
from di_salesforce.synchronizing._pieces import groups, pieces
from di_salesforce.synchronizing._planning import transfer_context
from di_salesforce.synchronizing._salesforce_writing import Written, outcomes_of, piece_size
from di_salesforce.synchronizing._setup import Setup, memory
from di_salesforce.synchronizing._standing import without_exhausted
from di_salesforce.synchronizing._under_way import UnderWay
from di_salesforce.synchronizing._writing import moved_since, verified, write
from di_salesforce.wire import Flow, time_now, work

__all__ = ["apply", "recover"]


def apply(setup: Setup, plan: Plan, run: UnderWay, *, progress: Progress) -> Flow[SyncReport]:
    """Carry exactly this plan out, settle it, and remember what came of it."""
    _check_applicable(setup, plan)
    run.digests.append(plan.digest)
    reports: list[SyncReport] = []
    for part in plan.parts:
        piece = plan.only_transfer(part.transfer)
        report = yield from _apply_part(setup, setup.integration[part.transfer], piece, part, run, progress)
        reports.append(report)
        if report.cut_short:
            break
    return SyncReport.joined(reports)


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
        if part.version != version_of(transfer):
            raise ConfigurationError(
                f"the plan was made with another mapping of {part.transfer!r} than the present one: plan again"
            )


def _apply_part(
    setup: Setup, transfer: ObjectTransfer, plan: Plan, part: Part, run: UnderWay, progress: Progress
) -> Flow[SyncReport]:
    run.begin(transfer.name)
    baseline = yield from work("read the memory", partial(memory, setup.store, part.transfer))
    context = yield from transfer_context(setup, transfer, baseline, {})
    # A plan that was read back compares by the mapping's own converters, like one that was just made.
    plan = plan.bound_to(BoundTransfer.of(transfer, context))
    plan, outrun = yield from work("look for later runs", partial(_without_outrun, plan, part, baseline))
    plan, exhausted = yield from without_exhausted(setup.store, plan, setup.most_tries)
    sending = _Sending(setup, transfer, run, progress, len(plan.writes))
    parts, rest = pieces(plan, partial(piece_size, setup, transfer))
    reports: list[SyncReport] = []
    for piece in parts:
        sending.cut_short = sending.cut_short or run.why_stop()
        left = bool(sending.cut_short)
        reports.append((yield from (_leave(run, piece) if left else _carry_out(sending, piece))))
    reports.append((yield from _leave(run, rest)))
    return attrs.evolve(
        reports[-1],
        lines=[line for report in reports for line in report.lines] + outrun + exhausted,
        cut_short=sending.cut_short,
        transfers=(transfer.name,),
        rounds=1,
        ways=tuple(sending.ways),
        window=sending.window,
    )


@attrs.define
class _Sending:
    """One transfer's plan while it is carried out."""

    setup: Setup
    transfer: ObjectTransfer
    run: UnderWay
    progress: Progress
    total: int
    done: int = 0
    cut_short: str = ""
    ways: dict[str, None] = attrs.field(factory=dict[str, None])  # a set that keeps its order
    window: timedelta = timedelta(0)  # the longest time between a look at a record and its write

    def journal(self, intent_id: str) -> Journal:
        """Give what keeps the jobs of an intent, and the lease while they go on."""

        def remember(job: IntentJob) -> Flow[None]:
            note = partial(self.setup.store.note, intent_id, {}, jobs=[job], holder=self.run.hold.holder)
            yield from work("remember the job", note)

        return Journal(remember, self.run.goes_on)


def _carry_out(sending: _Sending, piece: Plan) -> Flow[SyncReport]:
    """Record what is about to be written, write it, and settle what came of it."""
    run, store, transfer = sending.run, sending.setup.store, sending.transfer
    holder = run.hold.holder
    now = yield from time_now()
    intent = Intent(run.next_intent(), run.run_id, transfer.name, now, piece.to_dict())
    yield from work("record the intent", partial(store.intend, intent, holder=holder))
    outcomes: dict[str, Outcome] = {}
    parents = parents_of(piece, transfer)
    left_open = ""
    for kind, side, actions in groups(piece.writes):
        yield from run.hold.keep()
        phase = f"{kind} {transfer.name} in {side.label}"
        sending.progress(phase, sending.done, sending.total)
        try:
            told = yield from _write(sending, piece, side, actions, parents, sending.journal(intent.id))
        except DISalesforceError as error:
            # Nothing of this group was applied: its writes stay untried, and so do all after it.
            sending.cut_short = f"{phase}: {error}"
            break
        yield from work("note the outcomes", partial(store.note, intent.id, told.outcomes, holder=holder))
        outcomes |= yield from verified(sending.setup, transfer, side, told.outcomes)
        if told.way:
            sending.ways[f"{phase}: {told.way}"] = None
        sending.done += len(actions)
        sending.progress(phase, sending.done, sending.total)
        if told.left_open:
            sending.cut_short, left_open = f"{phase}: {told.left_open}", told.left_open
            break
    now = yield from time_now()
    if left_open:
        # The journal keeps the piece, like that of a run that was killed: whoever comes next asks its jobs first.
        doubt = {action.id: Outcome.unknown() for action in piece.writes if action.id not in outcomes}
        return settle(piece, {**outcomes, **doubt}, now=now).report
    settlement = settle(piece, outcomes, now=now)
    yield from run.save(settlement, settlement.report, [intent.id])
    return settlement.report


def _write(
    sending: _Sending, piece: Plan, side: Side, actions: list[Write], parents: Mapping[str, str], journal: Journal
) -> Flow[Written]:
    """Write one group; what was planned too long ago by now is looked at again first."""
    now = yield from time_now()
    moved: frozenset[str] = frozenset()
    looked = sending.setup.fresh_since(piece, now)
    if looked is None:
        looked = now
        moved = yield from moved_since(sending.setup, sending.transfer, side, actions)
    left = [action for action in actions if action.id not in moved]
    told = Written({})
    if left:
        told = yield from write(sending.setup, sending.transfer, side, left, parents, journal)
        now = yield from time_now()
        if sending.transfer.dedicated_key or not isinstance(left[0], Create):  # other creates change nothing
            sending.window = max(sending.window, now - looked)
    return attrs.evolve(told, outcomes={**told.outcomes, **{action_id: Outcome.stale() for action_id in moved}})


def _leave(run: UnderWay, piece: Plan) -> Flow[SyncReport]:
    """Settle what is not written: notes, what is held, and writes that are not reached."""
    now = yield from time_now()
    settlement = settle(piece, {}, now=now)
    yield from run.save(settlement, settlement.report)
    return settlement.report


# ---------------------------------------------------------------------------------------------------- old plans


def _without_outrun(plan: Plan, part: Part, baseline: BaselineLike) -> tuple[Plan, list[ReportLine]]:
    """Leave out what concerns records that were settled since the plan was made (or a plan that is applied twice)."""
    known = {link_id: baseline.link(link_id) for link_id in part.links}
    revisions = {link_id: link.rev for link_id, link in known.items() if link is not None}
    outrun = {
        link.id
        for link in part.links.values()
        if (link.rev == 0 and link.id in revisions) or (link.rev > 0 and revisions.get(link.id) != link.rev - 1)
    }
    # A write of an earlier run whose answer was lost, and which this plan knew nothing of, may still land.
    in_doubt = {
        item.subject
        for item in baseline.open_items.values()
        if item.reason == "outcome.unknown" and (plan.now is None or item.since > plan.now)
    }
    gone = [a for a in plan.writes if a.link in outrun or a.subject in in_doubt]
    lines = [
        ReportLine(a.transfer, a.key, a.kind, a.side, a.reason, "stale", fields=tuple(c.field for c in a.changes))
        for a in gone
    ]
    # What was set aside would be opened again as not tried, and what may still land with it.
    doubtful = [a.id for a in gone if a.link not in outrun] + [a.id for a in plan.set_aside if a.subject in in_doubt]
    plan = plan.forgetting(doubtful, links=outrun)
    return (_without_old_news(plan) if _is_outrun(part, baseline) else plan), lines


def _is_outrun(part: Part, baseline: BaselineLike) -> bool:
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


# ----------------------------------------------------------------------------------------- what a dead run left open


def recover(setup: Setup, run: UnderWay) -> Flow[None]:
    """Settle what runs that were killed had intended: what is known of it, and all else as answers that were lost.

    A record whose write may still land is left alone until the quarantine has passed, and then read again.
    """
    for intent in (yield from work("look for unfinished writes", setup.store.intents)):
        if intent.transfer not in setup.integration.names:
            continue  # of another integration that shares the store: its own next run settles it
        transfer = setup.integration[intent.transfer]
        plan = Plan.from_dict(intent.plan)
        [part] = plan.parts
        baseline = yield from work("read the memory", partial(memory, setup.store, intent.transfer))
        if part.version == version_of(transfer):
            context = yield from transfer_context(setup, transfer, baseline, {})
            plan = plan.bound_to(BoundTransfer.of(transfer, context))
        plan, _ = yield from work(
            "look for later runs", partial(_without_outrun, attrs.evolve(plan, now=intent.at), part, baseline)
        )
        outcomes = yield from _known_of(setup, run, intent, plan)
        now = yield from time_now()
        settlement = settle(plan, outcomes, now=now)
        run.begin(intent.transfer)
        yield from run.save(settlement, settlement.report, [intent.id])


def _known_of(setup: Setup, run: UnderWay, intent: Intent, plan: Plan) -> Flow[dict[str, Outcome]]:
    """Gather what became of the writes of a dead run: from its journal, and from the bulk jobs that it names.

    What was written so long ago is not read back: a value that differs by now is an edit.
    """
    known = dict(intent.outcomes)
    asked = [action for action in plan.writes if action.id not in known]
    told: dict[str, RowResult] = {}
    if intent.jobs and asked:
        told = yield from written_by_jobs(setup, intent, asked, Journal(_nothing_new, run.goes_on))
        known |= outcomes_of(setup.integration[intent.transfer], asked, told)
    return {
        action.id: known.get(action.id, Outcome.unknown())
        for action in plan.writes
        # What a job is known not to have come to was not tried.
        if action.id in known or action.id not in told
    }


def _nothing_new(_job: IntentJob) -> Flow[None]:
    yield from ()
