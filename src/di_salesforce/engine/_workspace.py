"""The table on which one plan is drawn up: what was observed and remembered, and what has been decided so far.

What may not go in here: rules.  It is filled by `_links.py`, `_fields.py` and `_rows.py` and read once, by
`_reconcile.py`; no public name hands it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

import attrs

from di_salesforce.engine._actions import Action, Create, Key, Skip, Write, write_fingerprint
from di_salesforce.engine._answers import NO_ANSWERS, Answers, Hit
from di_salesforce.engine._baseline import BaselineLike
from di_salesforce.engine._besides import OpenItem
from di_salesforce.engine._context import Context
from di_salesforce.engine._lines import BoundTransfer, Undefined
from di_salesforce.engine._memory import SIDES, KeyText, LinkRecord, digest, fingerprint
from di_salesforce.engine._needs import Need
from di_salesforce.engine._observe import Observation, RowRef, SideView
from di_salesforce.engine._sieve import Sieve
from di_salesforce.engine._sift import Sifted
from di_salesforce.records import UNSET, Side, UnsetType, Value

__all__ = ["Workspace", "display_key"]


def display_key(values: tuple[Value, ...]) -> Key:
    """Show a key: the value of a single field, a tuple of several."""
    return values[0] if len(values) == 1 else values


@attrs.define(repr=False)
class Workspace:
    """What is known and decided while a plan is drawn up."""

    bound: BoundTransfer
    sieve: Sieve
    sifted: Sifted
    views: Mapping[Side, SideView]
    baseline: BaselineLike
    context: Context
    now: datetime
    version: str = ""  # of the mapping
    items: Mapping[str, list[OpenItem]] = attrs.field(factory=dict[str, list[OpenItem]])  # the baseline's, by subject
    # Names of the unlinked rows that open items are about, by the key that they had.
    open_rows: Mapping[Side, dict[KeyText, list[str]]] = attrs.field(factory=lambda: {side: {} for side in SIDES})
    actions: list[Action] = attrs.field(factory=list[Action])
    needs: dict[tuple[Side, str], Need] = attrs.field(factory=dict[tuple[Side, str], Need])
    # As they will be remembered, before any outcome.
    links: dict[str, LinkRecord] = attrs.field(factory=dict[str, LinkRecord])
    closing: dict[str, OpenItem] = attrs.field(factory=dict[str, OpenItem])  # open items that are decided anew
    counts: Counter[str] = attrs.field(factory=Counter[str])
    # Names of linked rows, and links by the key that they hold, but for what was passed over.
    linked: dict[Side, set[str]] = attrs.field(factory=lambda: {side: set() for side in SIDES})
    held_keys: dict[Side, dict[KeyText, list[LinkRecord]]] = attrs.field(factory=lambda: {side: {} for side in SIDES})
    acted: set[str] = attrs.field(factory=set[str])  # links that have an action
    # Groups of consent of which a merged record's counterpart was refused, by the link that holds the winner.
    refusals: dict[str, set[str]] = attrs.field(factory=dict[str, set[str]])
    touched: set[KeyText] = attrs.field(factory=set[KeyText])  # keys whose holders may have changed
    answers: Answers = NO_ANSWERS  # what a person said about unlinked rows in this plan
    hits: dict[str, Hit] = attrs.field(factory=dict[str, Hit])  # of match tiers, by the row's subject
    unread_tiers: set[Side] = attrs.field(factory=set[Side])  # sides of which a row came without a tier's field
    undoing: dict[str, dict[str, str]] = attrs.field(factory=dict[str, dict[str, str]])  # see `Part`

    def __attrs_post_init__(self) -> None:
        for side, name, items in self.row_items():
            for key in {key for item in items if (key := self.item_key(side, item)) is not None}:
                self.open_rows[side].setdefault(key, []).append(name)

    @property
    def name(self) -> str:
        """The transfer's name."""
        return self.bound.transfer.name

    def holders(self, side: Side, key: KeyText) -> list[LinkRecord]:
        """Give the links that hold a key on that side."""
        return [*self.held_keys[side].get(key, ()), *self.sifted.holders(side, key)]

    def is_linked(self, ref: RowRef) -> bool:
        """Tell whether a row is some link's."""
        return ref.name in self.linked[ref.side] or self.sifted.row(ref.side, ref.name) is not None

    # ------------------------------------------------------------------------------------------------ asking

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

    def need_ref(self, ref: RowRef) -> None:
        """Ask for a row that was read once more."""
        self.need(ref.side, record_id=ref.record_id, key=None if ref.record_id else self.row_key(ref))

    # --------------------------------------------------------------------------------------------- open items

    def quarantine_end(self, item: OpenItem) -> datetime | None:
        """Give until when a write whose answer was lost may still land; None for anything else."""
        if item.reason != "outcome.unknown":
            return None
        sides = Side if item.side is None else (item.side,)
        return item.since + max(self.context.quarantine.get(side, timedelta()) for side in sides)

    def in_quarantine(self, item: OpenItem) -> bool:
        """Tell whether a write whose answer was lost may land even now."""
        end = self.quarantine_end(item)
        return end is not None and self.now < end

    def decided(self, subject: str, *, but: Collection[str] = (), keep_answers: bool = False) -> None:
        """Note that a subject's open items are decided anew, but for those about some groups and what is in quarantine.

        A write may have been about any group, so that its item stays while a group is not decided.  What a person said
        about a row's matches stays as long as the row has no link.
        """
        for item in self.items.get(subject, ()):
            if keep_answers and item.reason == "match.different":
                continue
            if not self.in_quarantine(item) and item.group not in but and not (but and item.side is not None):
                self.closing[item.id] = item

    def staying(self) -> Iterator[OpenItem]:
        """Give the open items that are not decided anew, and that an action may open again for the same reason."""
        for subject in sorted({action.subject for action in self.actions} & self.items.keys()):
            yield from (item for item in self.items[subject] if item.id not in self.closing)

    def add_write(self, write: Write, lines: tuple[str, ...] = ()) -> bool:
        """Plan a write, unless the service refused the very same before: then only say so, and keep that open."""
        for item in () if self.context.retry_refused else self.items.get(write.subject, ()):
            if item.side is write.side and item.fingerprint == write_fingerprint(write) and _is_poison(item, write):
                self.closing.pop(item.id, None)
                self.actions.append(_refused_before(write, lines))
                return False
        self.actions.append(write)
        return True

    # ------------------------------------------------------------------------------------------------- links

    def remember(self, old: LinkRecord, new: LinkRecord, seen: Mapping[Side, Observation]) -> None:
        """Keep a link that is to be remembered otherwise than it was, or that has an action, with when it was seen."""
        changed = new.id in self.acted or new != old
        known = [new.salesforce_as_of, new.dialog_insight_as_of]
        moments = [
            seen[side].as_of if seen[side].as_of is not None and (changed or not seen[side].is_covered) else before
            for side, before in zip(SIDES, known, strict=True)
        ]
        if not changed and moments == known:
            return
        if (
            new.life is not old.life
            or new.salesforce_key != old.salesforce_key
            or new.dialog_insight_key != old.dialog_insight_key
        ):
            self.touched.update(key for link in (old, new) for side in SIDES if (key := link.key(side)) is not None)
        self.links[new.id] = new.observed(*moments, rev=old.rev + 1)

    def is_key(self, side: Side, values: tuple[Value, ...]) -> bool:
        """Tell whether values are a key as that side writes it: as many as it has parts, and none of them blank."""
        return self.bound.normalised(side, values) is not None

    def link_key_values(self, side: Side, link: LinkRecord) -> tuple[Value, ...] | None:
        """Give a link's key as one side writes it: from what is remembered of either side's key fields."""
        states = [link.fields.get(line.name) for line in self.bound.key_lines]
        values = [UNSET if state is None else state.of(side) for state in states]
        own = tuple([value for value in values if not isinstance(value, UnsetType)])
        if self.is_key(side, own):
            return own
        key = link.key(side)
        # The normalised key is text in Dialog Insight's form: good enough to look a row up, never to be written.
        return None if key is None else tuple(part.removeprefix("\x00") for part in key)

    # -------------------------------------------------------------------------------------------------- rows

    def row_key(self, ref: RowRef) -> tuple[Value, ...]:
        """Give a row's key as its side writes it."""
        return self.bound.key_values(ref.side, ref.row)

    def asked(self, ref: RowRef) -> bool:
        """Tell whether a row was looked up for this plan already."""
        return self.views[ref.side].asked(ref.record_id, ref.key)

    def key_text(self, ref: RowRef) -> KeyText:
        """Give a row's normalised key, empty where it has none."""
        return ref.key if isinstance(ref.key, tuple) else ()

    def row_items(self) -> Iterator[tuple[Side, str, list[OpenItem]]]:
        """Give the open items about unlinked rows: the side, the row's name there, its items."""
        for subject, items in self.items.items():
            kind, _, rest = subject.partition(":")
            if kind == "row":
                side, _, name = rest.partition(":")
                yield Side(side), name, items

    def item_key(self, side: Side, item: OpenItem) -> KeyText | None:
        """Give the normalised key of the row that an open item is about, as it was then."""
        key = self.bound.normalised(side, item.key)
        return None if isinstance(key, Undefined) else key


def _is_poison(item: OpenItem, write: Write) -> bool:
    """Tell whether a write need not be tried again as it is.

    A create that is stale twice, although no record with its key is found, meets one that cannot be seen.
    """
    is_unseen = isinstance(write, Create) and item.reason == "outcome.stale" and item.count > 1
    return item.reason == "outcome.refused" or is_unseen


def _refused_before(write: Write, lines: tuple[str, ...]) -> Skip:
    return Skip(
        id=digest(write.id),  # another action than the write
        transfer=write.transfer,
        key=write.key,
        reason="refused.unchanged",
        link=None if isinstance(write, Create) else write.link,
        subject=write.subject,
        key_text=write.key_text,
        salesforce_id=write.salesforce_id,
        dialog_insight_id=write.dialog_insight_id,
        side=write.side,
        fields=lines,
        fingerprint=write_fingerprint(write),
    )
