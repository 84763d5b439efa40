"""Triggers, directions and project types: the words on disk, and the one table of what a project type supports."""

from __future__ import annotations

import enum
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.records import Side
from di_salesforce.triggers import (
    TYPE_TABLE,
    ConflictPolicy,
    Deletes,
    Direction,
    Drift,
    ProjectType,
    Rewritten,
    Trigger,
)

SINGLE = tuple(Trigger)
"""The four triggers themselves, without `NONE` and `ALL`."""

sets_of_triggers = st.sets(st.sampled_from(SINGLE))


def joined(triggers: set[Trigger]) -> Trigger:
    """Join single triggers as a declaration would."""
    result = Trigger.NONE
    for trigger in triggers:
        result |= trigger
    return result


@given(sets_of_triggers)
def test_triggers_go_to_disk_and_back_as_names(triggers: set[Trigger]) -> None:
    """A stored trigger survives any renumbering of the flag: on disk it is a name, in an order that never varies."""
    value = joined(triggers)
    assert Trigger.from_names(value.names) == value
    assert Trigger.from_names(reversed(value.names)) == value
    assert len(value.names) == len(triggers)
    assert value.names == tuple(name for name in Trigger.ALL.names if name in value.names)


def test_the_names_on_disk_never_change() -> None:
    """These words stand in people's files."""
    assert {trigger.name: trigger.names for trigger in SINGLE} == {
        "SALESFORCE_CREATED": ("salesforce.created",),
        "SALESFORCE_UPDATED": ("salesforce.updated",),
        "DIALOG_INSIGHT_CREATED": ("dialog_insight.created",),
        "DIALOG_INSIGHT_UPDATED": ("dialog_insight.updated",),
    }
    words: tuple[tuple[type[enum.StrEnum], list[str]], ...] = (
        (Side, ["salesforce", "dialog_insight"]),
        (Direction, ["both", "to_dialog_insight", "to_salesforce"]),
        (ProjectType, ["A", "B"]),
        (
            ConflictPolicy,
            ["hold", "salesforce_wins", "dialog_insight_wins", "fill_blanks", "most_restrictive", "newest"],
        ),
        (Deletes, ["report", "unlink", "delete"]),
        (Drift, ["leave", "enforce"]),
        (Rewritten, ["keep", "adopt"]),
    )
    for kind, expected in words:
        assert [member.value for member in kind] == expected


def test_an_unknown_name_is_refused_by_name() -> None:
    """A spelling mistake in a file would otherwise switch a trigger off in silence."""
    with pytest.raises(ValueError, match=r"salesforce\.creted.*salesforce\.created"):
        Trigger.from_names(["salesforce.updated", "salesforce.creted"])


@given(sets_of_triggers, st.sampled_from(Side))
def test_a_trigger_allows_one_kind_of_write_from_one_side(triggers: set[Trigger], side: Side) -> None:
    """Created allows creates and never updates, updated the reverse, each for the side that it names."""
    value = joined(triggers)
    name = side.name
    assert value.allows_create(side) == (Trigger[f"{name}_CREATED"] in triggers)
    assert value.allows_update(side) == (Trigger[f"{name}_UPDATED"] in triggers)


@pytest.mark.parametrize(("direction", "to"), list(itertools.product(Direction, Side)))
def test_a_one_way_direction_allows_its_own_side_only(direction: Direction, to: Side) -> None:
    """A value flows to a side when the direction ends there, or goes both ways."""
    assert direction.allows(to) == (direction in (Direction.BOTH, Direction.towards(to)))
    assert Direction.towards(to) is not Direction.towards(to.other)


SF_CREATED, SF_UPDATED, DI_CREATED, DI_UPDATED = SINGLE

# Type by type, as the issue tells the reading of the article's diagram.
TYPES = (
    (ProjectType.A, {SF_CREATED, SF_UPDATED, DI_UPDATED}, "Id"),  # communications: people come from Salesforce
    (ProjectType.B, {DI_CREATED, DI_UPDATED, SF_UPDATED}, "Email"),  # acquisition: people are born in Dialog Insight
)


@pytest.mark.parametrize(("kind", "supported", "key"), TYPES)
def test_a_project_type_supports_what_the_article_says(kind: ProjectType, supported: set[Trigger], key: str) -> None:
    """Type A does not take births from Dialog Insight, type B none from Salesforce; each recommends its own key."""
    assert kind.triggers == joined(supported)
    assert kind.recommended_key == key


def test_every_project_type_stands_in_the_table() -> None:
    """The reading of the diagram is one table, easy to correct; nothing is hidden beside it."""
    assert set(TYPE_TABLE) == set(ProjectType)
    for kind in ProjectType:
        assert (kind.triggers, kind.recommended_key) == TYPE_TABLE[kind]
