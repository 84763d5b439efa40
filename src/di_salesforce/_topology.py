"""The rules of `check` for several transfers together: who writes what, who creates where, who waits for whom.

What may not go in here: anything that needs rows, or what a declaration alone already refuses (`_declared.py`).

A transfer that is not active is never applied, so it takes no part, except as a parent that never comes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

import attrs

from di_salesforce._check_ground import Found, Ground, listed
from di_salesforce._findings import found
from di_salesforce._lenses import Boolean, DecimalNumber, Text
from di_salesforce.mapping import FieldMapping, Integration, ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.schema import FieldType
from di_salesforce.triggers import ConflictPolicy, Direction

__all__ = ["TOPOLOGY_RULES", "beside_findings"]

Grounds: TypeAlias = Mapping[str, Ground]
N = TypeVar("N", bound=Hashable)


def _place(transfer: ObjectTransfer, side: Side) -> tuple[str, ...]:
    """Name the table of a transfer on one side; Salesforce's names ignore case."""
    if side is Side.SALESFORCE:
        return (side.value, transfer.sobject.casefold())
    return (side.value, transfer.project.name if transfer.project else "", transfer.table)


def _active(integration: Integration) -> list[tuple[int, ObjectTransfer]]:
    return [(index, transfer) for index, transfer in enumerate(integration.transfers) if transfer.active]


def _names(transfers: Iterable[ObjectTransfer]) -> str:
    return listed(dict.fromkeys(transfer.name for transfer in transfers))


def _by_filters(transfers: Sequence[ObjectTransfer], side: Side) -> bool:
    """Whether every transfer has a filter of its own on that side, so that each may have its own records."""
    filters = [t.salesforce_filter if side is Side.SALESFORCE else t.dialog_insight_filter for t in transfers]
    return all(a is not None and all(a != b for b in filters[i + 1 :]) for i, a in enumerate(filters))


# Two writers --------------------------------------------------------------------------------------------------------
def _two_writers(integration: Integration, grounds: Grounds) -> Found:
    """Find Salesforce fields that edits in several projects change; of Dialog Insight's the declaration says it."""
    writers: dict[tuple[str, str], list[tuple[str, ObjectTransfer, FieldMapping]]] = defaultdict(list)
    for index, transfer in _active(integration):
        if not transfer.allowed.allows_update(Side.DIALOG_INSIGHT):
            continue
        for path, line in transfer.placed:
            if line.flows.allows(Side.SALESFORCE):
                place = (transfer.sobject.casefold(), line.salesforce.casefold())
                writers[place].append((f"transfers[{index}].{path}", transfer, line))
    for several in writers.values():
        transfers = [transfer for _, transfer, _ in several]
        if len(several) < 2 or all(
            line.is_consent and line.conflict is ConflictPolicy.MOST_RESTRICTIVE for _, _, line in several
        ):
            continue
        field = f"{transfers[0].sobject}.{several[0][2].salesforce}"
        filtered = _by_filters(transfers, Side.SALESFORCE)
        for path, _, line in several[1:]:
            remedy = (
                "let all of them be MOST_RESTRICTIVE (conflict=)"
                if line.is_consent
                else "let one transfer write it and the others only read it: direction=Direction.TO_DIALOG_INSIGHT"
            )
            yield found(
                "topology.filtered_writers" if filtered else "topology.two_writers",
                path,
                f"{_names(transfers)} all write {field}"
                + (", each with its own filter" if filtered else ", so they overwrite each other"),
                "make sure that no record passes two of the filters" if filtered else remedy,
                side=Side.SALESFORCE,
            )


# Two creators -------------------------------------------------------------------------------------------------------
def _creators(integration: Integration, grounds: Grounds) -> Found:
    by_table: dict[tuple[str, ...], list[tuple[int, ObjectTransfer]]] = defaultdict(list)
    for index, transfer in _active(integration):
        by_table[_place(transfer, Side.DIALOG_INSIGHT)].append((index, transfer))
    for group in by_table.values():
        outward = [(i, t) for i, t in group if t.allowed.allows_create(Side.DIALOG_INSIGHT)]
        inward = [(i, t) for i, t in group if t.allowed.allows_create(Side.SALESFORCE)]
        transfers = [transfer for _, transfer in outward]
        table = grounds[group[0][1].name].where(Side.DIALOG_INSIGHT)
        if not _by_filters(transfers, Side.DIALOG_INSIGHT):
            for index, _ in outward[1:]:
                yield found(
                    "topology.two_creators",
                    f"transfers[{index}].triggers",
                    f"{_names(transfers)} all create Salesforce records from new records of {table}",
                    "let one of them do so (triggers= without dialog_insight.created), or give each its own "
                    "dialog_insight_filter",
                    side=Side.SALESFORCE,
                )
        for index, _ in inward[1:]:
            yield found(
                "topology.one_table",
                f"transfers[{index}].triggers",
                f"{_names(t for _, t in inward)} may all create records in {table}",
                "one person may come from both: the second is rejected as a duplicate where the keys are alike; "
                "give each its own filter",
                side=Side.DIALOG_INSIGHT,
            )


# Loops --------------------------------------------------------------------------------------------------------------
def _loops(nodes: Sequence[N], follows: Callable[[N, N], bool]) -> list[list[N]]:
    """Group the nodes that lie on a common loop: each can be reached from the other (and back)."""
    after = {node: [other for other in nodes if follows(node, other)] for node in nodes}
    reach: dict[N, set[N]] = {}
    for node in nodes:
        seen: set[N] = set()
        waiting = list(after[node])
        while waiting:
            other = waiting.pop()
            if other not in seen:
                seen.add(other)
                waiting += after[other]
        reach[node] = seen
    groups: list[list[N]] = []
    for node in nodes:
        if node in reach[node] and not any(node in group for group in groups):
            groups.append([other for other in nodes if other in reach[node] and node in reach[other]])
    return groups


@attrs.frozen
class _Move:
    """One way that records or values go: by which transfer (or line), from where, to where."""

    index: int
    by: str
    source: tuple[str, ...]
    target: tuple[str, ...]


def _goes_on(one: _Move, other: _Move) -> bool:
    """Tell whether what came by one way may go on by another; back by the same transfer is no news (its links know)."""
    return one.target == other.source and one.by != other.by


def _create_loops(integration: Integration, grounds: Grounds) -> Found:
    moves = [
        _Move(index, transfer.name, _place(transfer, side), _place(transfer, side.other))
        for index, transfer in _active(integration)
        for side in Side
        if transfer.allowed.allows_create(side)
    ]
    for loop in _loops(moves, _goes_on):
        first = min(move.index for move in loop)
        yield found(
            "topology.create_loop",
            f"transfers[{first}].triggers",
            f"what one of {listed(dict.fromkeys(move.by for move in loop))} creates is new to the next, and may "
            "come back as another record",
            "turn off one of the creates (triggers=) on the way round",
        )


# Kinds of converters that give a value back as it came, as long as their settings change nothing.
_EXACT: Final = frozenset(
    {
        "as_is",
        "boolean",
        "date",
        "datetime",
        "decimal",
        "email",
        "integer",
        "multi_choice",
        "phone",
        "record_id",
        "text",
    }
)


def _changes(ground: Ground, line: FieldMapping) -> bool:
    """Tell whether a value may come through a line as another one."""
    converter = ground.converter(line)
    match converter:
        case Text():
            return converter.trim or converter.truncate is not None
        case DecimalNumber():
            return converter.scale is not None
        case Boolean():
            return converter.negated
        case _:
            return getattr(converter, "kind", None) not in _EXACT or bool(getattr(converter, "values", ()))


def _field_cycles(integration: Integration, grounds: Grounds) -> Found:
    lines: dict[str, tuple[Ground, FieldMapping]] = {}
    moves: list[_Move] = []
    for index, transfer in _active(integration):
        for path, line in transfer.placed:
            by = f"transfers[{index}].{path}"
            lines[by] = (grounds[transfer.name], line)
            moves += [
                _Move(
                    index,
                    by,
                    (*_place(transfer, side), line.field(side).casefold()),
                    (*_place(transfer, side.other), line.field(side.other).casefold()),
                )
                for side in Side
                if line.flows.allows(side.other) and transfer.allowed.allows_update(side)
            ]
    for loop in _loops(moves, _goes_on):
        ways = list(dict.fromkeys(move.by for move in loop))
        changing = [by for by in ways if _changes(*lines[by])]
        yield found(
            "topology.field_cycle_changes" if changing else "topology.field_cycle",
            ways[0],
            f"a value goes round by {listed(f'{by} ({lines[by][1].name})' for by in ways)}"
            + (f", and is changed at {listed(changing)}: it may never settle" if changing else ""),
            "let one of the lines flow one way only (direction=)" if changing else "nothing to do: it settles",
        )


# Parents ------------------------------------------------------------------------------------------------------------
def _parents(integration: Integration, grounds: Grounds) -> Found:
    for index, transfer in _active(integration):
        ground = grounds[transfer.name]
        for path, line in transfer.placed:
            place = f"transfers[{index}].{path}"
            if line.references is not None:
                yield from _parent(place, line, transfer, integration[line.references], ground)
                continue
            field = ground.field(line, Side.SALESFORCE)
            targets = (
                {name.casefold() for name in field.references} if field and field.type is FieldType.REFERENCE else ()
            )
            movers = [
                t.name
                for t in integration.transfers
                if t.sobject.casefold() in targets and t.project == transfer.project
            ]
            if movers and line.flows is not Direction.TO_SALESFORCE:
                yield found(
                    "topology.parent_not_referenced",
                    place,
                    f"{line.salesforce} holds Salesforce ids, and {listed(movers)} moves the records that they name",
                    f"to store Dialog Insight's ids there: references={movers[0]!r}",
                    side=Side.SALESFORCE,
                )


def _parent(place: str, line: FieldMapping, child: ObjectTransfer, parent: ObjectTransfer, ground: Ground) -> Found:
    field = ground.field(line, Side.SALESFORCE)
    if not parent.active:
        yield found(
            "topology.parent_inactive",
            place,
            f"{parent.name} is not active, so {line.salesforce} is translated by old links only",
            "activate it",
        )
    if parent.project != child.project:
        yield found(
            "topology.parent_elsewhere",
            place,
            f"{parent.name} belongs to another project, whose ids mean nothing in this one",
            "name a transfer of the same project",
            side=Side.DIALOG_INSIGHT,
        )
    if field is not None and field.references and parent.sobject.casefold() not in map(str.casefold, field.references):
        yield found(
            "reference.other_object",
            place,
            f"{field.name} refers to {listed(field.references)}, and {parent.name} moves {parent.sobject}",
            "name the transfer of that sObject",
            side=Side.SALESFORCE,
        )
    for side in Side:
        creates = child.allowed.allows_create(side.other) and line.flows.allows(side)
        if creates and not parent.allowed.allows_create(side.other) and parent is not child:
            yield found(
                "topology.parent_not_created",
                place,
                f"{child.name} creates records in {side.label}, and {parent.name} does not create their parents there",
                "records wait until their parent is linked: allow the parent's creates, or load the parents first",
                side=side,
            )


def _reference_cycles(integration: Integration, grounds: Grounds) -> Found:
    transfers = [transfer.name for _, transfer in _active(integration)]
    refers = {t.name: {line.references for line in t.lines} - {None, t.name} for _, t in _active(integration)}
    for loop in _loops(transfers, lambda one, other: other in refers[one]):
        yield found(
            "topology.reference_cycle",
            f"transfers[{integration.names.index(loop[0])}]",
            f"{listed(loop)} refer to each other: two new records that refer to each other wait for each other",
            "map one of the lookups later, once the records are linked",
        )


# One project, several hands -----------------------------------------------------------------------------------------
def _project_twice(integration: Integration, grounds: Grounds) -> Found:
    by_id: dict[int, list[str]] = defaultdict(list)
    for project in integration.projects:
        by_id[project.id].append(project.name)
    for number, names in by_id.items():
        if len(names) > 1:
            index = next(i for i, t in enumerate(integration.transfers) if t.project and t.project.name == names[1])
            yield found(
                "topology.project_twice",
                f"transfers[{index}].project",
                f"{listed(names)} both have the id {number}: if they are one project, nothing here sees that their "
                "transfers meet in it",
                "give one project one name; two projects of different accounts may have one id by chance",
                side=Side.DIALOG_INSIGHT,
            )


def beside_findings(placed: Mapping[str, ObjectTransfer], others: Iterable[Integration]) -> Found:
    """Find the tables that an integration of another program or store writes, too: nobody sees the loops between them.

    Transfers of different filters are told, too: which records pass them is not known here.  `placed` is by path.
    """
    theirs = [(transfer, side) for other in others for _, transfer in _active(other) for side in _written(transfer)]
    for path, transfer in placed.items():
        for side in _written(transfer) if transfer.active else ():
            place = _table(transfer, side)
            names = dict.fromkeys(other.name for other, to in theirs if to is side and _table(other, to) == place)
            if names:
                table = f"{transfer.sobject} in Salesforce" if side is Side.SALESFORCE else f"{transfer.table}"
                yield found(
                    "topology.other_integration",
                    path,
                    f"{transfer.name}, and {listed(names)} of another integration, write {table}"
                    + (f" of project {place[1]}" if side is Side.DIALOG_INSIGHT else ""),
                    "join them in one Integration with one store, so that loops and second writers are found; else let "
                    "only one of them write the table",
                    side=side,
                )


def _written(transfer: ObjectTransfer) -> list[Side]:
    """List the sides that a transfer may write."""
    allowed = transfer.allowed
    return [side for side in Side if allowed.allows_create(side.other) or allowed.allows_update(side.other)]


def _table(transfer: ObjectTransfer, side: Side) -> tuple[object, ...]:
    """Name a table across integrations, where a project may go by another name but not by another id."""
    if side is Side.SALESFORCE:
        return (side, transfer.sobject.casefold())
    return (side, transfer.project.id if transfer.project else None, transfer.table)


TopologyRule: TypeAlias = Callable[[Integration, Grounds], Found]

TOPOLOGY_RULES: Final[tuple[TopologyRule, ...]] = (
    _two_writers, _creators, _create_loops, _field_cycles, _parents, _reference_cycles, _project_twice,
)  # fmt: skip
