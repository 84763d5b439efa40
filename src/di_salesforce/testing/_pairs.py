"""The smallest world: one record on each side, linked; for tests of a single line of a mapping or of a table."""

from __future__ import annotations

from typing import Self

import attrs

from di_salesforce.engine import Context, Coverage, FieldState, LinkRecord, Plan, Snapshot, reconcile
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Row, Side, Value
from di_salesforce.testing._served import Saving
from di_salesforce.testing.world import World

__all__ = ["LinkedPair"]


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
