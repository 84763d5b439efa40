"""The table on which one plan is drawn up: what was observed and remembered, and what has been decided so far.

What may not go in here: rules.  It is filled by `_fields.py` and `_rows.py` and read once, by `_reconcile.py`; no public
name hands it out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import attrs

from di_salesforce.engine._actions import Action, Key
from di_salesforce.engine._baseline import BaselineLike
from di_salesforce.engine._context import Context
from di_salesforce.engine._lines import BoundTransfer
from di_salesforce.engine._memory import KeyText, LinkRecord, OpenItem, digest
from di_salesforce.engine._needs import Need
from di_salesforce.engine._observe import RowRef, SideView
from di_salesforce.records import Side, UnsetType, Value, to_plain

__all__ = ["Workspace", "display_key", "fingerprint"]


def display_key(values: tuple[Value, ...]) -> Key:
    """Show a key: the value of a single field, a tuple of several."""
    return values[0] if len(values) == 1 else values


def fingerprint(*values: Value | UnsetType) -> str:
    """Name the inputs of a decision, so that the same inputs are not told twice."""
    return digest(*(json.dumps(to_plain(value), sort_keys=True) for value in values))


@attrs.define(repr=False)
class Workspace:
    """What is known and decided while a plan is drawn up."""

    bound: BoundTransfer
    views: Mapping[Side, SideView]
    baseline: BaselineLike
    context: Context
    now: datetime
    actions: list[Action] = attrs.field(factory=list[Action])
    needs: dict[tuple[Side, str], Need] = attrs.field(factory=dict[tuple[Side, str], Need])
    links: dict[str, LinkRecord] = attrs.field(
        factory=dict[str, LinkRecord]
    )  # as they will be remembered, before any outcome
    visited: set[str] = attrs.field(factory=set[str])  # subjects whose open items are decided anew
    counts: Counter[str] = attrs.field(factory=Counter[str])
    items: Mapping[str, list[OpenItem]] = attrs.field(factory=dict[str, list[OpenItem]])  # the baseline's, by subject
    linked: dict[Side, set[str]] = attrs.field(factory=lambda: {side: set() for side in Side})
    acted: set[str] = attrs.field(factory=set[str])  # links that have an action
    held_keys: dict[Side, dict[KeyText, list[LinkRecord]]] = attrs.field(factory=lambda: {side: {} for side in Side})

    @property
    def name(self) -> str:
        """The transfer's name."""
        return self.bound.transfer.name

    def need(self, side: Side, *, record_id: str | None = None, key: tuple[Value, ...] | None = None) -> None:
        """Ask for a row by id, or for all rows with a key (as that side writes it)."""
        if record_id is None and key is None:
            return
        name = record_id if record_id is not None else fingerprint(*map(str, key or ()))
        self.needs.setdefault((side, name), Need(record_id, None if key is None else display_key(key)))

    def need_row(self, side: Side, link: LinkRecord) -> None:
        """Ask for a link's row on one side: by id, or by its key where it has none."""
        record_id = link.record_id(side)
        if record_id is not None:
            self.need(side, record_id=record_id)
            return
        values = self.link_key_values(side, link)
        if values is not None:
            self.need(side, key=values)

    def link_key_values(self, side: Side, link: LinkRecord) -> tuple[Value, ...] | None:
        """Give a link's key as one side writes it: from what is remembered of either side's key fields."""
        own: list[Value] = []
        for line in self.bound.key_lines:
            state = link.fields.get(line.name)
            value = state.of(side) if state is not None else None
            if state is None or isinstance(value, UnsetType) or value is None:
                break
            own.append(value)
        if len(own) == len(self.bound.key_lines):
            return tuple(own)
        key = link.key(side)
        # The normalised key is text in Dialog Insight's form: good enough to look a row up, never to be written.
        return None if key is None else tuple(part.removeprefix("\x00") for part in key)

    def row_key(self, ref: RowRef) -> tuple[Value, ...]:
        """Give a row's key as its side writes it."""
        return self.bound.key_values(ref.side, ref.row)

    def item(self, subject: str, group: str = "") -> OpenItem | None:
        """Give the open item about a subject, if one is remembered."""
        return next((item for item in self.items.get(subject, ()) if item.group == group), None)

    def key_text(self, ref: RowRef) -> KeyText:
        """Give a row's normalised key, empty where it has none."""
        return ref.key if isinstance(ref.key, tuple) else ()
