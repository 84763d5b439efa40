"""What one transfer contributes to a plan besides actions: all that settling needs to know.

What may not go in here: actions, deciding.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

import attrs

from di_salesforce.engine._besides import CoverageRecord, OpenItem
from di_salesforce.engine._memory import LinkRecord
from di_salesforce.exceptions import Problem
from di_salesforce.records import Side

__all__ = ["LineWords", "Part"]

LineWords = tuple[str, str, str, bool]
"""What settling needs to know of a line: its name in Salesforce's rows and in Dialog Insight's, its version, and
whether a rewritten value is adopted."""


@attrs.frozen(repr=False)
class Part:
    """What one transfer contributes to a plan besides actions: all that settling needs to know."""

    transfer: str
    links: Mapping[str, LinkRecord] = attrs.field(factory=dict[str, LinkRecord])
    items: tuple[OpenItem, ...] = ()  # open ones that are decided anew: closed, unless an action opens them again
    coverages: tuple[CoverageRecord, ...] = ()
    counts: Mapping[str, int] = attrs.field(factory=dict[str, int])
    guards: tuple[Problem, ...] = ()
    active: bool = True
    version: str = ""  # of the mapping: a plan of another mapping is refused
    keyed: frozenset[Side] = frozenset()  # sides whose rows have no record id, only their key
    lines: Mapping[str, LineWords] = attrs.field(factory=dict[str, LineWords])
    expired: tuple[str, ...] = ()  # ids of tombstones that have served their time
    observed: datetime | None = None  # when the older of the two observations began that it was made from
    # Of each write that takes something back, by its id: what it would leave in each field group, as a mark.
    undoing: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict[str, Mapping[str, str]])
    tiers: tuple[tuple[str, ...], ...] = ()  # by what rows are compared: the key's lines, then those of each match tier
    staying: tuple[OpenItem, ...] = ()  # open ones that are not decided anew, though an action is about their subject

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the part as plain data."""
        return {
            "transfer": self.transfer,
            "links": [link.to_dict() for link in self.links.values()],
            "items": [item.to_dict() for item in self.items],
            "coverages": [coverage.to_dict() for coverage in self.coverages],
            "counts": dict(self.counts),
            "guards": [[problem.path, problem.message, problem.code] for problem in self.guards],
            "active": self.active,
            "version": self.version,
            "keyed": sorted(side.value for side in self.keyed),
            "lines": {name: list(words) for name, words in self.lines.items()},
            "expired": list(self.expired),
            "observed": self.observed.isoformat() if self.observed else None,
            "undoing": {action_id: dict(marks) for action_id, marks in self.undoing.items()},
            "tiers": [list(tier) for tier in self.tiers],
            "staying": [item.to_dict() for item in self.staying],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a plan
        """Read what `to_dict` gave."""
        links = [LinkRecord.from_dict(link) for link in data["links"]]
        return cls(
            data["transfer"],
            {link.id: link for link in links},
            tuple(map(OpenItem.from_dict, data["items"])),
            tuple(map(CoverageRecord.from_dict, data["coverages"])),
            data["counts"],
            tuple(Problem(*problem) for problem in data["guards"]),
            data["active"],
            data["version"],
            frozenset(map(Side, data["keyed"])),
            {name: (*words[:3], words[3:] == [True]) for name, words in data["lines"].items()},  # three, in older plans
            tuple(data.get("expired", ())),  # likewise
            datetime.fromisoformat(data["observed"]) if data.get("observed") else None,  # likewise
            data.get("undoing", {}),  # likewise
            tuple(map(tuple, data.get("tiers", ()))),  # likewise
            tuple(map(OpenItem.from_dict, data.get("staying", ()))),  # likewise
        )
