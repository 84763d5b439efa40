"""A plan in pieces: so many records each, all that concerns one record in one piece.

What may not go in here: carrying out.  Pieces are settled one by one, so that a run that ends in the middle has settled
what it did; what is not about a written record, and how far the plan's reading went, is settled last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import attrs

from di_salesforce.engine import Plan, Write
from di_salesforce.engine._actions import Action
from di_salesforce.engine._needs import Needs
from di_salesforce.records import Side

__all__ = ["SizeOf", "groups", "pieces"]

T = TypeVar("T")

_KINDS = ("create", "update", "delete")
_SIDES = tuple(Side)


def groups(writes: Sequence[Write]) -> list[tuple[str, Side, list[Write]]]:
    """Group writes by kind and side: creates before updates before deletes, one call never mixing kinds."""
    found = [
        (kind, side, [action for action in writes if action.kind == kind and action.side is side])
        for kind in _KINDS
        for side in _SIDES
    ]
    return [group for group in found if group[2]]


SizeOf: TypeAlias = Callable[[Sequence[tuple[str, Side]], int], int]
"""Says how many records of those that are written alike (kinds and sides, and how many there are) make a piece."""


def pieces(plan: Plan, size_of: SizeOf) -> tuple[list[Plan], Plan]:
    """Split one transfer's plan into pieces of so many records that are written, and the rest."""
    places = _places(plan.writes, size_of)
    count = max(places.values(), default=-1) + 1
    [part] = plan.parts
    by_link = {action.link: places[_unit(action)] for action in plan.writes if action.link is not None}
    by_subject = {action.subject: places[_unit(action)] for action in plan.writes}
    by_subject |= {f"link:{link}": place for link, place in by_link.items()}

    def place(action: Action) -> int:
        return by_link.get(action.link or "", by_subject.get(action.subject, count))

    actions, set_aside = _sorted(plan.actions, place, count), _sorted(plan.set_aside, place, count)
    links = _sorted(part.links.values(), lambda link: by_link.get(link.id, count), count)
    items, staying = (
        _sorted(each, lambda item: by_subject.get(item.subject, count), count) for each in (part.items, part.staying)
    )
    made = [
        attrs.evolve(
            plan,
            actions=actions[n],
            set_aside=set_aside[n],
            needs=Needs(),
            again=None,
            parts=(
                attrs.evolve(
                    part,
                    links={link.id: link for link in links[n]},
                    items=items[n],
                    staying=staying[n],
                    # How far was read, and what was counted, is told once all is settled.
                    coverages=part.coverages if n == count else (),
                    counts=part.counts if n == count else {},
                    expired=part.expired if n == count else (),
                ),
            ),
        )
        for n in range(count + 1)
    ]
    return made[:-1], made[-1]


def _unit(action: Write) -> str:
    """Name what must be settled at once: the pair, or the row that has none yet."""
    return action.link or action.subject


def _places(writes: Sequence[Write], size_of: SizeOf) -> Mapping[str, int]:
    """Give each written record the number of its piece; records that are written alike stand together."""
    alike: dict[str, list[tuple[int, int]]] = {}
    for action in writes:
        alike.setdefault(_unit(action), []).append((_KINDS.index(action.kind), _SIDES.index(action.side)))
    by_kind: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for unit, kinds in alike.items():
        by_kind.setdefault(tuple(sorted(kinds)), []).append(unit)
    found: dict[str, int] = {}
    number = 0
    for alike_by, units in sorted(by_kind.items()):
        size = size_of([(_KINDS[kind], _SIDES[side]) for kind, side in alike_by], len(units))
        for start in range(0, len(units), size):
            found |= dict.fromkeys(units[start : start + size], number)
            number += 1
    return found


def _sorted(items: Iterable[T], place: Callable[[T], int], count: int) -> list[tuple[T, ...]]:
    found: list[list[T]] = [[] for _ in range(count + 1)]
    for item in items:
        found[place(item)].append(item)
    return [tuple(each) for each in found]
