"""One transfer's loop with its memory, over rows that a test writes down.

What may not go in here: deciding, and services: what a plan writes goes into the rows as it is.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from di_salesforce.engine import Baseline, Context, Outcome, Plan, Snapshot, reconcile, settle
from di_salesforce.mapping import FieldMapping, ObjectTransfer
from di_salesforce.records import Row, Side, Value
from di_salesforce.testing._pairs import NOW
from di_salesforce.testing._settled import check_settled
from di_salesforce.testing._told import check_told
from di_salesforce.triggers import Trigger

__all__ = ["BY_NAME", "BY_PHONE", "KEY", "ONE", "Loop", "ada_twice", "answered", "people"]

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
KEY: Final = FieldMapping("Email", "EMail", key=True)
ONE: Final = "003000000000001AAA"
BY_NAME: Final = ("First:first", "Last:last")
BY_PHONE: Final = ("Phone:phone",)


class Loop:
    """One transfer's loop with its memory, over rows that the test writes down."""

    def __init__(self, *lines: FieldMapping, **settings: Any) -> None:  # those of an ObjectTransfer
        all_settings: dict[str, Any] = {"name": "t", "triggers": Trigger.ALL, **settings}  # Any: as above
        self.transfer = ObjectTransfer(sobject="Contact", fields=[KEY, *lines], **all_settings)
        self.baseline = Baseline.empty()
        self.rows: dict[Side, dict[str, Row]] = {S: {}, D: {}}
        self.now = NOW
        self.context = Context()

    def salesforce(self, name: str, **values: Value) -> None:
        """Add a record of Salesforce, or change some of its fields."""
        self.rows[S][name] = {"Id": name, **self.rows[S].get(name, {}), **values}

    def person(self, number: int, **values: Value) -> None:
        """Add a contact of Dialog Insight, or change some of its fields."""
        self.rows[D][str(number)] = {"idContact": number, **self.rows[D].get(str(number), {}), **values}

    def plan(
        self, salesforce: Snapshot | None = None, dialog_insight: Snapshot | None = None, *, answers: bool = True
    ) -> Plan:
        """Plan with all rows (or another read of either side), and look up what is needed."""
        self.now += timedelta(minutes=30)
        plan = reconcile(
            self.transfer,
            salesforce=salesforce or Snapshot.complete(self.rows[S].values()),
            dialog_insight=dialog_insight or Snapshot.complete(self.rows[D].values()),
            baseline=self.baseline,
            now=self.now,
            context=self.context,
        )
        while answers and plan.needs:
            found = {
                side: [row for name, row in self.rows[side].items() if self._is_asked(side, name, row, plan)]
                for side in Side
            }
            plan = plan.supplied(salesforce=found[S], dialog_insight=found[D])
        check_told(self.transfer, self.baseline, plan)
        return plan

    def _is_asked(self, side: Side, name: str, row: Row, plan: Plan) -> bool:
        key = row.get("Email" if side is S else "EMail")
        return any(need.record_id == name or (need.record_id is None and need.key == key) for need in plan.needs[side])

    def run(self, salesforce: Snapshot | None = None, dialog_insight: Snapshot | None = None) -> list[tuple[str, str]]:
        """Plan, carry out, remember; give the actions' kinds and reasons."""
        return self.carry_out(self.plan(salesforce, dialog_insight))

    def carry_out(self, plan: Plan) -> list[tuple[str, str]]:
        """Write what a plan writes, and remember it as a store would; give the actions' kinds and reasons."""
        check_told(self.transfer, self.baseline, plan)
        outcomes: dict[str, Outcome] = {}
        for write in plan.writes:
            number = max([500, *map(int, self.rows[D])]) + 1 + len(self.rows[S])
            name = write.record_id or (f"003{number:09d}" if write.side is S else str(number))
            id_field: Row = {"Id": name} if write.side is S else {"idContact": int(name)}
            self.rows[write.side][name] = {**id_field, **self.rows[write.side].get(name, {}), **write.values}
            outcomes[write.id] = Outcome.done(name, self.rows[write.side][name])
        settlement = settle(Plan.from_dict(json.loads(json.dumps(plan.to_dict()))), outcomes, now=self.now)
        check_settled(plan, outcomes, settlement, self.baseline, self.now)
        self.baseline = Baseline.from_dicts(json.loads(json.dumps(self.baseline.updated(settlement).to_dicts())))
        return [(action.kind, action.reason) for action in plan.actions]

    def merge(self, loser: str, winner: str) -> Snapshot:
        """Merge two records of Salesforce, and read everything."""
        del self.rows[S][loser]
        return Snapshot.complete(self.rows[S].values(), merged={loser: winner})

    def links(self) -> set[tuple[str | None, str | None]]:
        """Give the ids of the linked pairs."""
        return {(link.salesforce_id, link.dialog_insight_id) for link in self.baseline.links}


def people(*tiers: tuple[str, ...], **settings: Any) -> Loop:  # those of an ObjectTransfer
    """Give a loop over people with a name and a phone number; who has one name may be one person, unless told else."""
    lines = [FieldMapping(field, field.lower()) for field in ("First", "Last", "Phone")]
    return Loop(*lines, match=tiers or (BY_NAME,), **settings)


def ada_twice(**settings: Any) -> Loop:  # likewise
    """Give one person who is unlinked on both sides, under two addresses."""
    loop = people(**settings)
    loop.salesforce(ONE, Email="ada@work", First="Ada", Last="L", Phone=None)
    loop.person(1, EMail="ada@home", first="Ada", last="L", phone=None)
    return loop


def answered(plan: Plan, *words: str) -> Plan:
    """Answer the plan's rows, in their order."""
    rows = plan.match_rows()
    return plan.resolve_matches([{**row, "decision": word} for row, word in zip(rows, words, strict=True)])
