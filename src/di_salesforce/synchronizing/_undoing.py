"""Taking back what a run wrote: its history is read, and so are the records as they are now; the engine decides.

What may not go in here: deciding, carrying out.
"""

from __future__ import annotations

from functools import partial

from di_salesforce.engine import Plan, undo
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.synchronizing._planning import look_up_needs, transfer_context
from di_salesforce.synchronizing._setup import Setup, silent
from di_salesforce.wire import Flow, time_now, work

__all__ = ["plan_undo"]


def plan_undo(setup: Setup, run_id: str, *, deletes: bool) -> Flow[Plan]:
    """Plan to take back what a run wrote; the transfers in the contrary order of their writes."""
    done = yield from work("read the history", partial(setup.store.applied, run_id=run_id))
    if not done:
        raise ConfigurationError(f"the history knows no write of a run {run_id!r}: status() and store.runs() name runs")
    plans: list[Plan] = []
    for transfer in reversed(setup.integration.in_order()):
        own = [line.applied for line in done if line.applied.transfer == transfer.name]
        if own:
            baseline = yield from work("read the memory", partial(setup.store.baseline, transfer.name))
            context = yield from transfer_context(setup, transfer, baseline, {})
            now = yield from time_now()
            plan = undo(transfer, own, baseline=baseline, now=now, deletes=deletes, context=context)
            plans.append((yield from look_up_needs(setup, transfer, plan, silent)))
    return Plan.joined(plans)
