"""What a saved plan keeps of each transfer besides actions: all that settling it needs to know."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from di_salesforce.engine import CoverageRecord, FieldState, LinkRecord, OpenItem, Part
from di_salesforce.exceptions import Problem
from di_salesforce.records import Side

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)
FULL = Part(
    transfer="people",
    links={
        name: LinkRecord("people", name, f"S{name}", f"D{name}", (name,), (name,), {"A:a": FieldState(("x", "y"))})
        for name in ("one", "other")
    },
    items=(OpenItem("people", "link:one", "A:a", "conflict.both_changed", MOMENT, key=("k", 5)),),
    coverages=(CoverageRecord("people", S, "a filter", ("A",), MOMENT, MOMENT, "cursor"),),
    counts={"agreed": 3, "quiet": 1},
    guards=(Problem("limits.creates", "would make 2 creates; the limit is 1", "limit.creates"),),
    active=False,
    version="v1",
    keyed=frozenset({D}),
    lines={"A:a": ("A", "a", "1", True), "B:b": ("B", "b", "2", False)},
    expired=("people/salesforce/003",),
    observed=MOMENT,
    undoing={"a write": {"A:a": "a mark"}},
    tiers=(("A:a",), ("B:b", "A:a")),
    staying=(OpenItem("people", "link:one", "", "claimed", MOMENT, 2, key=("k", 5)),),
)


def saved(part: Part) -> Any:  # JSON data
    return json.loads(json.dumps(part.to_dict()))


@pytest.mark.parametrize("part", [FULL, Part("empty"), attrs.evolve(FULL, keyed=frozenset(Side))])
def test_nothing_that_settling_needs_is_lost_with_a_saved_plan(part: Part) -> None:
    """Every member stands under its own name, through JSON, and is read back as it was."""
    assert list(saved(part)) == [member.name for member in attrs.fields(Part)]
    assert Part.from_dict(saved(part)) == part


def test_a_full_part_has_nothing_by_default() -> None:
    """So that the law above is about each of its members, also of those to come."""
    empty = Part("empty")
    assert not [each.name for each in attrs.fields(Part) if getattr(FULL, each.name) == getattr(empty, each.name)]


# Members of any type.
LATER: dict[str, Any] = {"expired": (), "observed": None, "undoing": {}, "tiers": (), "staying": ()}


@pytest.mark.parametrize("missing", LATER)
def test_a_plan_of_an_older_release_is_read(missing: str) -> None:
    """What its parts could not say yet is as if it were not so; all else is read as it stands."""
    older = {name: member for name, member in saved(FULL).items() if name != missing}
    assert Part.from_dict(older) == attrs.evolve(FULL, **{missing: LATER[missing]})
