"""Several transfers in one world: sObjects and Dialog Insight tables that they share, one clock, a memory each.

Use it to put a loop of your own over an `Integration` through everything that can happen.  What may not go in here: one
transfer's affairs (`world.py`), Hypothesis (`strategies.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import attrs

from di_salesforce.engine import Context, Life, Plan
from di_salesforce.mapping import Integration, ObjectTransfer
from di_salesforce.records import Row, Side
from di_salesforce.testing.world import Records, Saving, World, WorldClock, contact_id, salesforce_ids

__all__ = ["SeveralWorlds"]

_Place: TypeAlias = tuple[str, ...]


def _place(transfer: ObjectTransfer, side: Side) -> _Place:
    """Name the table of a transfer on one side; Salesforce's names ignore case."""
    if side is Side.SALESFORCE:
        return (side.value, transfer.sobject.casefold())
    return (side.value, transfer.project.name if transfer.project else "", transfer.table)


def _servers() -> dict[Side, Saving]:
    return {side: Saving() for side in Side}


@attrs.define(repr=False)
class SeveralWorlds:
    """The worlds of an integration's transfers, by name: what one writes, the others find.

    Each transfer's `World` holds its plans and settlements to the invariants.  What another transfer wrote counts there
    as an edit by somebody else.

    Args:
        integration: The transfers; give each line its converter.
        saving: How each side's servers save.
        context: Circumstances handed to the engine; links and claims of the other transfers are added.

    Example:
        >>> from di_salesforce import DestinationProject, FieldMapping
        >>> key = FieldMapping("Email", "EMail", key=True)
        >>> chain = [
        ...     ObjectTransfer(name, sobject="Contact", project=DestinationProject(name, id=number), fields=[key])
        ...     for number, name in enumerate(["acquisition", "members"], 1)
        ... ]
        >>> worlds = SeveralWorlds(Integration([chain[0], chain[1].with_key("Email")]))
        >>> _ = worlds["acquisition"].add(Side.DIALOG_INSIGHT, {"EMail": "ada@test.example"})
        >>> worlds.settle_down(), worlds["members"].rows(Side.DIALOG_INSIGHT)["1"]["EMail"]
        (1, 'ada@test.example')
    """

    integration: Integration
    saving: Mapping[Side, Saving] = attrs.field(factory=_servers)
    context: Context = attrs.field(factory=Context)
    clock: WorldClock = attrs.field(factory=WorldClock)
    _worlds: dict[str, World] = attrs.field(init=False, factory=dict[str, World])

    def __attrs_post_init__(self) -> None:
        tables: dict[_Place, Records] = {}
        prefixes: dict[_Place, str] = {}
        for transfer in self.integration.transfers:
            places = {side: _place(transfer, side) for side in Side}
            # Ids of each sObject begin otherwise, as in an org.
            prefix = prefixes.setdefault(places[Side.SALESFORCE], f"{len(prefixes) + 3:03d}")
            self._worlds[transfer.name] = World(
                transfer,
                self.saving,
                self.context,
                ids={Side.SALESFORCE: salesforce_ids(prefix), Side.DIALOG_INSIGHT: contact_id},
                records={side: tables.setdefault(place, Records()) for side, place in places.items()},
                clock=self.clock,
            )

    def __iter__(self) -> Iterator[World]:
        """Walk the worlds so that each comes after those that its lookups refer to, else as declared."""
        for transfer in self.integration.in_order():
            yield self[transfer.name]

    def __getitem__(self, name: str) -> World:
        """Give one transfer's world, knowing what the others remember now."""
        world = self._worlds[name]
        here = _place(world.transfer, Side.DIALOG_INSIGHT)
        world.context = attrs.evolve(
            world.context,
            links={
                line.references: self._worlds[line.references].baseline
                for line in world.transfer.lines
                if line.references is not None
            },
            claims={
                link.dialog_insight_id: other.transfer.name
                for other in self._worlds.values()
                if other is not world and _place(other.transfer, Side.DIALOG_INSIGHT) == here
                for link in other.baseline.links
                if link.life is Life.LIVE and link.dialog_insight_id is not None
            },
        )
        return world

    def convert(self, lead: str, *, of: str, into: str, values: Row) -> str | None:
        """Convert a lead as a person would.

        Args:
            lead: Name of a Salesforce record of the transfer `of`.
            of: The transfer of the leads.
            into: The transfer of the contacts.
            values: Fields of the new contact.

        Returns:
            The contact's name, or None where the server does not take it.
        """
        contact = self[into].add(Side.SALESFORCE, values)
        if contact is not None:
            leads = self[of]
            leads.remove(Side.SALESFORCE, lead)
            leads.records[Side.SALESFORCE].converted[lead] = (self.clock.seconds, contact)
        return contact

    def one_pass(self, order: Iterable[str] | None = None) -> list[Plan]:
        """Read, plan, carry out and settle each transfer in turn (None: parents first, else as declared)."""
        return [self[name].one_pass() for name in order or [each.name for each in self.integration.in_order()]]

    def settle_down(self, order: Iterable[str] | None = None, *, most: int = 10) -> int:
        """Run passes until one neither writes nor links; give how many did.

        A pass that only links is no rest: a child that came first in the order may have waited for that link.

        Raises:
            AssertionError: Where it never settles.
        """
        names = None if order is None else list(order)
        for moved in range(most):
            plans = self.one_pass(names)
            if not any(plan.writes or {"link", "unlink"} & {each.kind for each in plan.actions} for plan in plans):
                return moved
        raise AssertionError(f"{most} passes in a row wrote or linked something")

    def __repr__(self) -> str:
        return f"<SeveralWorlds of {', '.join(self._worlds)}: second {self.clock.seconds}>"
