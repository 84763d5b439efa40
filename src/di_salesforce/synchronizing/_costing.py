"""What a plan would cost in calls, and what a run may spend.

What may not go in here: making the calls of a plan.  The counts hold where all goes well: a slice that is halved, or a
request that is repeated, costs more.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import attrs

from di_salesforce.engine import Delete, Plan
from di_salesforce.exceptions import ApiError
from di_salesforce.records import Side
from di_salesforce.salesforce import Limit
from di_salesforce.salesforce import _flows as salesforce_flows
from di_salesforce.synchronizing._pieces import groups, pieces
from di_salesforce.synchronizing._salesforce_writing import piece_size, way_of
from di_salesforce.synchronizing._setup import SALESFORCE, Setup
from di_salesforce.wire import Flow

__all__ = ["Cost", "RunBudget", "cost", "live_limit"]

# How many ids fit into one query's address, roughly: what was written is read back by id.
_READ_BACK: Final = 400
# A bulk job is made, given its rows, closed, looked at three times or so, and read.
_JOB: Final = 8


@attrs.frozen(kw_only=True)
class RunBudget:
    """What one run may spend before it ends clean, with `report.cut_short`; the next one goes on where it was.

    Args:
        salesforce_calls: calls of Salesforce in one run; None: any number.
        dialog_insight_calls: calls of Dialog Insight in one run; None: any number.
        share_of_day: of Salesforce's calls of a day, 0 to 1, past which nothing more is begun, whoever used them.

    Example:
        >>> RunBudget(salesforce_calls=500, share_of_day=0.8)
        RunBudget(salesforce_calls=500, dialog_insight_calls=None, share_of_day=0.8)
    """

    salesforce_calls: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(1))
    )
    dialog_insight_calls: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(1))
    )
    share_of_day: float | None = attrs.field(
        default=None, validator=attrs.validators.optional([attrs.validators.gt(0), attrs.validators.le(1)])
    )

    def spent(self, calls: Mapping[str, int], limit: Limit | None, at_start: int) -> str:
        """Say why a run must end, or nothing.

        Args:
            calls: calls of this run so far, by service.
            limit: the day's allowance as it was when the run began.
            at_start: calls of this run when the allowance was asked for.
        """
        for side, most in ((Side.SALESFORCE, self.salesforce_calls), (Side.DIALOG_INSIGHT, self.dialog_insight_calls)):
            if most is not None and calls.get(side.value, 0) >= most:
                return f"the run's budget of {most:,} calls of {side.label} is used up"
        if self.share_of_day is not None and limit is not None:
            used = limit.allowed - limit.remaining + calls.get(SALESFORCE, 0) - at_start
            if used >= self.share_of_day * limit.allowed:
                return f"{self.share_of_day:.0%} of the day's {limit.allowed:,} calls of Salesforce are used up"
        return ""


@attrs.frozen
class Cost:
    """What carrying a plan out takes where all goes well, and what is left of the day.

    Args:
        salesforce_calls: writes, and reading back what was written.
        dialog_insight_calls: writes; what was written comes back with the answer.
        salesforce_records: records written there.
        dialog_insight_records: records written there.
        left_today: calls of Salesforce that are left of the day's allowance; None where that may not be asked.
    """

    salesforce_calls: int
    dialog_insight_calls: int
    salesforce_records: int
    dialog_insight_records: int
    left_today: int | None = None

    @property
    def fits(self) -> bool:
        """Whether the day's allowance is known to bear it."""
        return self.left_today is not None and self.salesforce_calls <= self.left_today

    def __str__(self) -> str:
        left = f"{self.left_today:,} left today" if self.left_today is not None else "what is left today is not known"
        return (
            f"Salesforce: {self.salesforce_records:,} records, {self.salesforce_calls:,} calls ({left}); "
            f"Dialog Insight: {self.dialog_insight_records:,} records, {self.dialog_insight_calls:,} calls"
        )


def live_limit(setup: Setup) -> Flow[Limit | None]:
    """Ask how many calls of the day are left; None for a user who may not ask."""
    try:
        limits = yield from salesforce_flows.limits(setup.salesforce, SALESFORCE)
    except ApiError:
        return None
    return limits.get("DailyApiRequests")


def cost(setup: Setup, plan: Plan) -> Flow[Cost]:
    """Count the calls that a plan's writes take, piece by piece as they will be sent, against the live allowance."""
    calls, records = dict.fromkeys(Side, 0), dict.fromkeys(Side, 0)
    for part in plan.parts:
        transfer = setup.integration[part.transfer]
        slice_size = {
            Side.SALESFORCE: setup.salesforce.slice_size,
            Side.DIALOG_INSIGHT: setup.settings(transfer).capabilities.max_records_per_merge,
        }
        for piece in pieces(plan.only_transfer(part.transfer), partial(piece_size, setup, transfer))[0]:
            for kind, side, actions in groups(piece.writes):
                count = len(actions)
                alone = side is Side.DIALOG_INSIGHT and isinstance(actions[0], Delete)  # one call each
                in_bulk = side is Side.SALESFORCE and way_of(setup, transfer, kind, count).way == "bulk"
                records[side] += count
                calls[side] += count if alone else _JOB if in_bulk else -(-count // slice_size[side])
                if side is Side.SALESFORCE and kind != "delete":
                    calls[side] += -(-count // _READ_BACK)
    limit = yield from live_limit(setup)
    return Cost(
        calls[Side.SALESFORCE],
        calls[Side.DIALOG_INSIGHT],
        records[Side.SALESFORCE],
        records[Side.DIALOG_INSIGHT],
        limit.remaining if limit is not None else None,
    )
