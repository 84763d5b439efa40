"""Hypothesis strategies for several transfers that touch: the shapes that `strategies.integrations` draws from.

What may not go in here: rows, worlds.  Each shape is one that `check` calls safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
from hypothesis import strategies as st

from di_salesforce import converters
from di_salesforce.mapping import DestinationProject, FieldMapping, Integration, ObjectTransfer
from di_salesforce.protocols import Converter
from di_salesforce.triggers import ConflictPolicy, Direction, Trigger

__all__ = ["chains", "families", "on_one_table"]


def _shared_line(number: int, converter: Converter, direction: Direction, conflict: ConflictPolicy) -> FieldMapping:
    return FieldMapping(
        f"F{number}__c",
        f"f{number}",
        direction=direction,
        converter=converter,
        conflict=conflict,
        first_match=ConflictPolicy.SALESFORCE_WINS,
    )


_PLAIN: Final[Sequence[Converter]] = (converters.AS_IS, converters.text(), converters.integer())
_MAIL: Final = FieldMapping("Email", "EMail", key=True, converter=converters.email())
_ONWARD: Final = Direction.TO_DIALOG_INSIGHT
_READ: Final = attrs.evolve(_MAIL, direction=_ONWARD)
_GROUPS_ONLY: Final = (ConflictPolicy.MOST_RESTRICTIVE, ConflictPolicy.NEWEST)
_POLICIES: Final = st.sampled_from([each for each in ConflictPolicy if each not in _GROUPS_ONLY])


@st.composite
def chains(draw: st.DrawFn, triggers: st.SearchStrategy[Trigger]) -> Integration:
    """Draw two projects beside one sObject; each Salesforce field has one project, or none, that may write it."""
    fields: dict[str, list[FieldMapping]] = {
        "acquisition": [_MAIL],
        "members": [attrs.evolve(_MAIL, direction=_ONWARD)],
    }
    for number in range(draw(st.integers(1, 2))):
        converter, conflict = draw(st.sampled_from(_PLAIN)), draw(_POLICIES)
        writer = draw(st.sampled_from(["acquisition", "acquisition", "members", ""]))
        inward = draw(st.sampled_from([Direction.BOTH, Direction.TO_SALESFORCE]))
        for name, lines in fields.items():
            lines.append(_shared_line(number, converter, inward if name == writer else _ONWARD, conflict))
    born_here = Trigger.DIALOG_INSIGHT_CREATED
    return Integration(
        [
            ObjectTransfer(
                name,
                sobject="Contact",
                project=DestinationProject(name, id=id_),
                fields=fields[name],
                triggers=draw(triggers) & ~(born_here if name == "members" else Trigger.NONE),
            )
            for id_, name in enumerate(fields, 1)
        ]
    )


@st.composite
def on_one_table(draw: st.DrawFn, triggers: st.SearchStrategy[Trigger]) -> Integration:
    """Draw leads and contacts beside one table of Dialog Insight; from its new rows only contacts are created."""
    converter, direction = draw(st.sampled_from(_PLAIN)), draw(st.sampled_from(Direction))
    line = _shared_line(0, converter, direction, draw(_POLICIES))
    return Integration(
        [
            ObjectTransfer("contacts", sobject="Contact", fields=[_MAIL, line], triggers=draw(triggers)),
            ObjectTransfer(
                "leads", sobject="Lead", fields=[_MAIL, line], triggers=draw(triggers) & ~Trigger.DIALOG_INSIGHT_CREATED
            ),
        ]
    )


@st.composite
def families(draw: st.DrawFn, triggers: st.SearchStrategy[Trigger]) -> Integration:
    """Draw contacts, and orders that refer to them, declared in either order."""
    project = DestinationProject("shop", id=1, tables={"Orders": 1})
    converter, conflict = draw(st.sampled_from(_PLAIN)), draw(_POLICIES)
    parents = ObjectTransfer(
        "contacts",
        sobject="Contact",
        project=project,
        fields=[_MAIL, _shared_line(0, converter, Direction.BOTH, conflict)],
        triggers=draw(triggers),
    )
    number = FieldMapping("Number__c", "number", key=True, converter=converters.text())
    refers = FieldMapping(
        "ContactId",
        "idContact",
        references="contacts",
        direction=draw(st.sampled_from(Direction)),
        conflict=conflict,
        first_match=ConflictPolicy.SALESFORCE_WINS,
    )
    children = ObjectTransfer(
        "orders",
        sobject="Order",
        project=project,
        table="Orders",
        triggers=draw(triggers),
        fields=[number, refers, _shared_line(1, converter, Direction.BOTH, conflict)],
    )
    return Integration(draw(st.permutations([parents, children])))
