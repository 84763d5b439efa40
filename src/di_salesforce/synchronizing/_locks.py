"""Rows that lock each other out: siblings under one parent, written side by side.

What may not go in here: requests.  A save locks the parent for as long as it takes; two that run at once and share one
turn each other away.  Siblings therefore travel in one call, and where rows were locked all the same they are tried
again one call after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from di_salesforce.engine import Plan, Write
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Side, record_id_18

__all__ = ["in_slices", "parents_of", "side_by_side"]


def parents_of(plan: Plan, transfer: ObjectTransfer) -> dict[str, str]:
    """Give the parent of each write in Salesforce, by action id: what it sends as lookup, else what is remembered.

    A record with several lookups is filed under all of them together; one without any is left out.
    """
    lookups = [line for line in transfer.lines if line.references is not None and "." not in line.salesforce]
    if not lookups:
        return {}
    [part] = plan.parts
    found: dict[str, str] = {}
    for action in plan.writes:
        if action.side is not Side.SALESFORCE:
            continue
        link = part.links.get(action.link or "")
        ids: list[str] = []
        for line in lookups:
            state = link.fields.get(line.name) if link is not None else None
            value = action.values.get(line.salesforce, state.of(Side.SALESFORCE) if state is not None else None)
            ids.append(record_id_18(value) or "" if isinstance(value, str) else "")
        if any(ids):
            found[action.id] = " ".join(ids)
    return found


def side_by_side(actions: Sequence[Write], parents: Mapping[str, str]) -> list[Write]:
    """Put siblings next to each other, families in the order in which they first appear."""
    places: dict[str, int] = {}
    for action in actions:
        places.setdefault(parents.get(action.id, action.id), len(places))
    return sorted(actions, key=lambda action: places[parents.get(action.id, action.id)])


def in_slices(actions: Sequence[Write], parents: Mapping[str, str], size: int) -> list[list[Write]]:
    """Cut writes into slices so that no two slices share a parent, unless a family fills a slice of its own."""
    families: dict[str, list[Write]] = {}
    for action in actions:
        families.setdefault(parents.get(action.id, action.id), []).append(action)
    slices: list[list[Write]] = [[]]
    for family in families.values():
        if slices[-1] and len(slices[-1]) + len(family) > size:
            slices.append([])
        for start in range(0, len(family), size):
            if len(slices[-1]) + len(family[start : start + size]) > size:
                slices.append([])
            slices[-1] += family[start : start + size]
    return [each for each in slices if each]
