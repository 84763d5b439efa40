"""Which writes are allowed, whose value is the truth, who wins: three settings that are never mixed.

What may not go in here: code that decides.  These are words; `engine/_decision.py` holds the tables that use them.
In memory a trigger is a flag, on disk it is a name, so that stored declarations survive any renumbering.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final

from di_salesforce.records import Side

__all__ = ["TYPE_TABLE", "ConflictPolicy", "Deletes", "Direction", "Drift", "ProjectType", "Rewritten", "Trigger"]


class Trigger(enum.Flag):
    """An event that is allowed to cause a write on the other side (Dialog Insight's word is *operation*).

    `SALESFORCE_CREATED` lets a record born in Salesforce be created in Dialog Insight, `SALESFORCE_UPDATED` lets an
    edit in Salesforce change the linked record; likewise in the other direction.

    Example:
        >>> Trigger.from_names(["salesforce.created"]).allows_create(Side.SALESFORCE)
        True
    """

    NONE = 0
    SALESFORCE_CREATED = enum.auto()
    SALESFORCE_UPDATED = enum.auto()
    DIALOG_INSIGHT_CREATED = enum.auto()
    DIALOG_INSIGHT_UPDATED = enum.auto()
    ALL = SALESFORCE_CREATED | SALESFORCE_UPDATED | DIALOG_INSIGHT_CREATED | DIALOG_INSIGHT_UPDATED

    @property
    def names(self) -> tuple[str, ...]:
        """The names used on disk, such as `salesforce.created`."""
        return tuple(name for trigger, name in _ON_DISK.items() if trigger in self)

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Trigger:
        """Join triggers by their names on disk; raises `ValueError` naming what is unknown."""
        found = cls.NONE
        for name in names:
            if name not in _BY_NAME:
                raise ValueError(f"no trigger is called {name!r}: it is one of {', '.join(_BY_NAME)}")
            found |= _BY_NAME[name]
        return found

    def allows_create(self, born_on: Side) -> bool:
        """Tell whether a record born on that side may be created on the other."""
        return (Trigger.SALESFORCE_CREATED if born_on is Side.SALESFORCE else Trigger.DIALOG_INSIGHT_CREATED) in self

    def allows_update(self, changed_on: Side) -> bool:
        """Tell whether an edit on that side may change the other."""
        return (Trigger.SALESFORCE_UPDATED if changed_on is Side.SALESFORCE else Trigger.DIALOG_INSIGHT_UPDATED) in self


_ON_DISK: Final[Mapping[Trigger, str]] = {
    Trigger.SALESFORCE_CREATED: "salesforce.created",
    Trigger.SALESFORCE_UPDATED: "salesforce.updated",
    Trigger.DIALOG_INSIGHT_CREATED: "dialog_insight.created",
    Trigger.DIALOG_INSIGHT_UPDATED: "dialog_insight.updated",
}
_BY_NAME: Final = {name: trigger for trigger, name in _ON_DISK.items()}


class Direction(enum.StrEnum):
    """Whose value of a field is the truth; its value is the name used on disk."""

    BOTH = "both"
    TO_DIALOG_INSIGHT = "to_dialog_insight"
    TO_SALESFORCE = "to_salesforce"

    def allows(self, to: Side) -> bool:
        """Tell whether a value may flow towards that side."""
        return self is Direction.BOTH or self is Direction.towards(to)

    @classmethod
    def towards(cls, side: Side) -> Direction:
        """The one-way direction that ends on that side."""
        return cls.TO_SALESFORCE if side is Side.SALESFORCE else cls.TO_DIALOG_INSIGHT


class ProjectType(enum.StrEnum):
    """The kind of a Dialog Insight project, as its own Salesforce integration names them.

    A is for communications: its people come from Salesforce.  B is for acquisition: its people are born in Dialog
    Insight.  The diagram in Dialog Insight's article is a picture whose text is not public; `TYPE_TABLE` is the reading
    that fits the article's prose [inferred], in one place where it is easy to correct.
    """

    A = "A"
    B = "B"

    @property
    def triggers(self) -> Trigger:
        """The triggers that projects of this type support."""
        return TYPE_TABLE[self][0]

    @property
    def recommended_key(self) -> str:
        """The Salesforce field that is recommended as key: the record id (type A) or the e-mail address (type B)."""
        return TYPE_TABLE[self][1]


TYPE_TABLE: Final[Mapping[ProjectType, tuple[Trigger, str]]] = {
    ProjectType.A: (
        Trigger.SALESFORCE_CREATED | Trigger.SALESFORCE_UPDATED | Trigger.DIALOG_INSIGHT_UPDATED,
        "Id",
    ),
    ProjectType.B: (
        Trigger.DIALOG_INSIGHT_CREATED | Trigger.DIALOG_INSIGHT_UPDATED | Trigger.SALESFORCE_UPDATED,
        "Email",
    ),
}
"""Per project type: the supported triggers and the recommended key."""


class ConflictPolicy(enum.StrEnum):
    """Who wins when both sides changed a field (or meet for the first time and differ)."""

    HOLD = "hold"
    SALESFORCE_WINS = "salesforce_wins"
    DIALOG_INSIGHT_WINS = "dialog_insight_wins"
    FILL_BLANKS = "fill_blanks"
    MOST_RESTRICTIVE = "most_restrictive"
    NEWEST = "newest"  # by the one date that the field's group maps: clocks of records are no evidence


class Deletes(enum.StrEnum):
    """What a record that is proven deleted on one side does to the other."""

    REPORT = "report"
    UNLINK = "unlink"
    DELETE = "delete"


class Drift(enum.StrEnum):
    """What becomes of a value that was changed on the side to which a one-way field flows."""

    LEAVE = "leave"  # it stands there, and each plan says so
    ENFORCE = "enforce"  # the truth is written over it, under the trigger for updates


class Rewritten(enum.StrEnum):
    """What becomes of a value that a service keeps otherwise than it was sent (cut short, in capitals)."""

    KEEP = "keep"  # the two are known to differ from then on
    ADOPT = "adopt"  # it counts as that side's own change, and flows back
