"""The smallest worlds, for tests of a single line of a mapping or of a table.

One record on each side, linked; or a few rows with a key and one other field, planned once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Self

import attrs

from di_salesforce import converters
from di_salesforce.engine import Baseline, Context, Coverage, FieldState, LinkRecord, Plan, Snapshot, reconcile
from di_salesforce.mapping import FieldMapping, ObjectTransfer
from di_salesforce.records import Row, Side, Value
from di_salesforce.testing._served import Saving
from di_salesforce.testing._told import check_told
from di_salesforce.testing.world import World

__all__ = ["NOW", "ORDERS", "LinkedPair", "asked", "contacts", "link_of", "linked", "plan_of", "row", "told"]


@attrs.frozen(repr=False)
class LinkedPair:
    """A world of one linked pair, and the names of its two records.

    Example:
        >>> from di_salesforce import FieldMapping
        >>> fields = [FieldMapping("Key", "key", key=True), FieldMapping("A", "a")]
        >>> transfer = ObjectTransfer("t", sobject="T", fields=fields)
        >>> pair = LinkedPair.of(transfer, {"Key": "k", "A": "x"}, {"key": "k", "a": "x"})
        >>> pair.edit(Side.SALESFORCE, A="y")
        >>> pair.look()
        <Plan t: 1 update>
    """

    world: World
    names: dict[Side, str]

    @classmethod
    def of(
        cls,
        transfer: ObjectTransfer,
        salesforce: Row,
        dialog_insight: Row,
        *,
        saving: dict[Side, Saving] | None = None,
        context: Context | None = None,
    ) -> Self:
        """Add one record to each side and let a first pass link them.

        Raises:
            AssertionError: Where the first pass does not link them.
        """
        world = World(transfer, saving or dict.fromkeys(Side, Saving()), context or Context())
        names = {
            Side.SALESFORCE: world.add(Side.SALESFORCE, salesforce) or "",
            Side.DIALOG_INSIGHT: world.add(Side.DIALOG_INSIGHT, dialog_insight) or "",
        }
        world.one_pass()
        if len(world.baseline) != 1:
            raise AssertionError("the two records were not linked")
        return cls(world, names)

    @property
    def link(self) -> LinkRecord:
        """The link as it is remembered."""
        return self.world.baseline.links[0]

    def state(self, line: str) -> FieldState:
        """What is remembered of one line."""
        return self.link.fields[line]

    def row(self, side: Side) -> Row:
        """The record of one side as it is."""
        return self.world.rows(side)[self.names[side]]

    def edit(self, side: Side, **values: Value) -> None:
        """Change fields of one record as a person would."""
        if not self.world.edit(side, self.names[side], values):
            raise AssertionError(f"{side.label} did not take the edit")

    def remove(self, side: Side) -> None:
        """Delete one record as a person would."""
        self.world.remove(side, self.names[side])

    def snapshot(self, side: Side, fields: set[str] | None = None) -> Snapshot:
        """Read one record: completely, or as a sample of some fields besides id and key."""
        if fields is None:
            return self.world.snapshot(side)
        return self.world.snapshot(side, Coverage.SAMPLE, pick=lambda name, field: not field or field in fields)

    def look(self, salesforce: Snapshot | None = None, dialog_insight: Snapshot | None = None) -> Plan:
        """Plan from two snapshots (None: a complete read) without answering look-ups."""
        return reconcile(
            self.world.transfer,
            salesforce=salesforce or self.world.snapshot(Side.SALESFORCE),
            dialog_insight=dialog_insight or self.world.snapshot(Side.DIALOG_INSIGHT),
            baseline=self.world.baseline,
            now=self.world.now,
            context=self.world.context,
        )

    def __repr__(self) -> str:
        return f"<LinkedPair in {self.world!r}>"


# --------------------------------------------------------------------------------------------- contacts, planned once

NOW: Final = datetime(2026, 5, 1, tzinfo=UTC)


def contacts(**settings: Any) -> ObjectTransfer:  # of an ObjectTransfer; `converter` is the key's
    """Give a transfer of a key (an e-mail address unless told otherwise) and one field."""
    key = settings.pop("converter", converters.email())
    fields = [FieldMapping("Email", "EMail", key=True, converter=key), FieldMapping("A", "a")]
    return ObjectTransfer("t", sobject="Contact", fields=fields, **settings)


ORDERS: Final = contacts(table="Orders", converter=converters.text())


def row(side: Side, number: int | None, key: Any = "k", value: Any = "x") -> Row:  # any value, also a wrong one
    """Give a row of `contacts`; a relational row has no number."""
    id_field = {Side.SALESFORCE: "Id", Side.DIALOG_INSIGHT: "idContact"}[side]
    names = {Side.SALESFORCE: ("Email", "A"), Side.DIALOG_INSIGHT: ("EMail", "a")}[side]
    return {**({} if number is None else {id_field: f"{side.value[0]}{number}"}), names[0]: key, names[1]: value}


def plan_of(
    salesforce: Snapshot | Iterable[Row],
    dialog_insight: Snapshot | Iterable[Row],
    baseline: Baseline | None = None,
    **more: Any,  # of reconcile
) -> Plan:
    """Plan once, and check what is told; plain rows are complete reads."""
    shots = [shot if isinstance(shot, Snapshot) else Snapshot.complete(shot) for shot in (salesforce, dialog_insight)]
    transfer: ObjectTransfer = more.pop("transfer", contacts())
    memory = Baseline.empty() if baseline is None else baseline
    plan = reconcile(
        transfer,
        salesforce=shots[0],
        dialog_insight=shots[1],
        baseline=memory,
        now=more.pop("now", NOW),
        **more,
    )
    check_told(transfer, memory, plan)
    return plan


def told(plan: Plan) -> list[tuple[str, str]]:
    """Say a plan's actions: kind and reason."""
    return [(action.kind, action.reason) for action in plan.actions]


def asked(plan: Plan) -> list[tuple[Side, str | None, Any]]:  # a key: a value, or a tuple of values
    """Say what a plan asks for."""
    return [(side, need.record_id, need.key) for side, need in plan.needs]


def linked(*, saving: dict[Side, Saving] | None = None, context: Context | None = None, **settings: Any) -> LinkedPair:
    """Give a pair of `contacts` with the key k, in a world that holds another pair, so that no side is ever empty."""
    one = LinkedPair.of(
        contacts(**settings), {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"}, saving=saving, context=context
    )
    one.world.add(Side.SALESFORCE, {"Email": "other"})
    one.world.add(Side.DIALOG_INSIGHT, {"EMail": "other"})
    one.world.one_pass()
    return one


def link_of(one: LinkedPair) -> LinkRecord | None:
    """Give the pair's link, if it is still remembered."""
    return next((link for link in one.world.baseline.links if one.names[Side.SALESFORCE] == link.salesforce_id), None)
