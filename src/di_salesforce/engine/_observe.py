"""One side as observed: which rows are here, what their absence means, what is known of keys.

What may not go in here: comparing the sides, deciding.  A look-up beats a snapshot; a row that is older than what is
remembered of it is ignored; the same row twice with different values counts as not read where they differ.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from datetime import datetime

import attrs

from di_salesforce.engine._baseline import BaselineLike
from di_salesforce.engine._lines import BoundTransfer, Undefined, normal_id
from di_salesforce.engine._memory import KeyText, LinkRecord, digest
from di_salesforce.engine._snapshot import Coverage, Snapshot
from di_salesforce.records import UNSET, Row, Side, Value

__all__ = ["Lookup", "Observation", "Presence", "RowRef", "SideView"]


class Presence(enum.StrEnum):
    """Where the record of a link is, as far as this observation can tell."""

    HERE = "here"
    NOT_READ = "not_read"  # its absence says nothing, or says that it did not change
    TOO_OLD = "too_old"  # observed before what is already remembered
    ABSENT = "absent"  # missing from a complete read, cause unknown
    DELETED = "deleted"
    MERGED = "merged"
    CONVERTED = "converted"
    OUT_OF_SCOPE = "out_of_scope"


@attrs.frozen(repr=False)
class RowRef:
    """A row with its identity: the native id, or the key where there is none."""

    side: Side
    record_id: str | None
    key: KeyText | None | Undefined
    row: Row

    @property
    def subject(self) -> str:
        """What open items about the row are filed under."""
        name = self.record_id or digest(self.key if isinstance(self.key, tuple) else ("?",))
        return f"row:{self.side.value}:{name}"


@attrs.frozen(repr=False)
class Lookup:
    """The answer to a plan's needs on one side: the rows found, and what was asked for (the rest is proven absent)."""

    rows: tuple[Row, ...] = ()
    ids: frozenset[str] = frozenset()
    keys: frozenset[KeyText] = frozenset()

    def joined(self, other: Lookup) -> Lookup:
        """Add a later look-up."""
        return Lookup((*self.rows, *other.rows), self.ids | other.ids, self.keys | other.keys)


@attrs.frozen(repr=False)
class Observation:
    """What is known of the record of one link on one side."""

    presence: Presence
    ref: RowRef | None = None
    gap_free: bool = False  # a field that was not read did not change

    @property
    def row(self) -> Row:
        """The row's fields; empty where it was not read."""
        return self.ref.row if self.ref is not None else _NO_ROW


_NO_ROW: Row = {}


class SideView:
    """Everything that one side told, indexed."""

    def __init__(
        self,
        bound: BoundTransfer,
        side: Side,
        snapshot: Snapshot,
        lookup: Lookup,
        baseline: BaselineLike,
        now: datetime,
    ) -> None:
        self.side = side
        self.snapshot = snapshot
        self.lookup = lookup
        self.as_of = snapshot.as_of or now
        self._bound = bound
        self._now = now
        remembered = baseline.coverage(side)
        self._covered_as_of = remembered.as_of if remembered else None
        self.was_complete = remembered is not None and remembered.complete_as_of is not None
        self.is_old = self._covered_as_of is not None and self.as_of < self._covered_as_of
        self._filter = bound.transfer.dialog_insight_filter if side is Side.DIALOG_INSIGHT else None
        # The stronger evidence last: an id that is listed as deleted and as merged was merged.
        self._evidence = {
            normal_id(side, record_id): presence
            for ids, presence in (
                (snapshot.deleted, Presence.DELETED),
                (snapshot.converted, Presence.CONVERTED),
                (snapshot.merged, Presence.MERGED),
            )
            for record_id in ids
        }
        self.rows: dict[str, RowRef] = {}
        self.found: dict[str, RowRef] = {}  # by look-up
        self.unidentified: list[RowRef] = []  # rows without id or usable key
        for row in snapshot.rows:
            self._take(row, self.rows)
        for row in lookup.rows:
            self._take(row, self.found)
        self._by_key: dict[KeyText, list[RowRef]] = {}
        for ref in self.refs():
            if isinstance(ref.key, tuple):
                self._by_key.setdefault(ref.key, []).append(ref)

    def _take(self, row: Row, into: dict[str, RowRef]) -> None:
        record_id = self._bound.record_id(self.side, row)
        key = self._bound.key(self.side, row)
        has_ids = self._bound.transfer.id_field(self.side) is not None
        name = record_id if has_ids else (digest(key) if isinstance(key, tuple) else None)
        if name is None:
            self.unidentified.append(RowRef(self.side, record_id, key, row))
            return
        earlier = into.get(name)
        if earlier is not None and earlier.row != row:
            row = _where_equal(earlier.row, row)
            key = self._bound.key(self.side, row)
        into[name] = RowRef(self.side, record_id, key, row)

    def refs(self) -> Iterator[RowRef]:
        """Give every row once, a looked-up row before a snapshot's."""
        yield from self.found.values()
        for name, ref in self.rows.items():
            if name not in self.found and ref.record_id not in self.lookup.ids:
                yield ref

    def takes_part(self, ref: RowRef) -> bool:
        """Tell whether a row is within the transfer's filter."""
        if self._filter is not None and not self._filter(ref.row):
            return False
        # A complete read of a filter's scope holds all rows that satisfy it: one that only a look-up found does not.
        if self.snapshot.coverage is Coverage.COMPLETE and self.snapshot.scope is not None and not self.is_old:
            return _name(ref) in self.rows
        return True

    def with_key(self, key: KeyText) -> list[RowRef]:
        """Give the rows that were read with this key."""
        return self._by_key.get(key, [])

    @property
    def proves_absence(self) -> bool:
        """Whether a key that was not read is proven not to exist on this side."""
        return self.snapshot.coverage is Coverage.COMPLETE and self.snapshot.scope is None and not self.is_old

    @property
    def covers_scope(self) -> bool:
        """Whether every record of the transfer's scope was read."""
        return self.snapshot.coverage is Coverage.COMPLETE and not self.is_old

    def key_is_settled(self, key: KeyText) -> bool:
        """Tell whether all rows with this key are known, by a read without a filter or by a look-up."""
        return self.proves_absence or key in self.lookup.keys

    def of_link(self, link: LinkRecord) -> Observation:
        """Tell what is known of a link's record on this side."""
        record_id, key = link.record_id(self.side), link.key(self.side)
        name = record_id if record_id is not None else (digest(key) if key is not None else None)
        if name is None:
            return Observation(Presence.NOT_READ)
        asked = record_id in self.lookup.ids or (record_id is None and key in self.lookup.keys)
        ref = self.found.get(name)
        if ref is None and record_id is None and key is not None:
            ref = self._by_unborn_id(key)
        if ref is not None:
            return self._here(ref)
        if asked:
            return Observation(Presence.DELETED)
        if record_id in self._evidence:
            return Observation(self._evidence[record_id])
        return self._in_snapshot(link, name)

    def _here(self, ref: RowRef, *, gap_free: bool = False) -> Observation:
        return Observation(Presence.HERE if self.takes_part(ref) else Presence.OUT_OF_SCOPE, ref, gap_free)

    def _by_unborn_id(self, key: KeyText) -> RowRef | None:
        """Find the row of a link that was made without a record id: by its key, if just one row has it."""
        if self._bound.transfer.id_field(self.side) is None:
            return None
        refs = self.with_key(key)
        return refs[0] if len(refs) == 1 else None

    def _in_snapshot(self, link: LinkRecord, name: str) -> Observation:
        moments = [moment for moment in (link.as_of(self.side), self._covered_as_of) if moment is not None]
        too_old = bool(moments) and self.as_of < max(moments)
        ref = self.rows.get(name)
        coverage = self.snapshot.coverage
        if ref is not None:
            if too_old:
                return Observation(Presence.TOO_OLD)
            return self._here(ref, gap_free=coverage is Coverage.CHANGES)
        if coverage is Coverage.COMPLETE and not too_old:
            return Observation(Presence.ABSENT)
        return Observation(Presence.NOT_READ, gap_free=coverage is Coverage.CHANGES and not too_old)

    def seen_at(self, link: LinkRecord) -> datetime:
        """When the observation used for a link was made."""
        record_id, key = link.record_id(self.side), link.key(self.side)
        looked_up = record_id in self.lookup.ids or (key is not None and key in self.lookup.keys)
        return self._now if looked_up else self.as_of


def _name(ref: RowRef) -> str:
    return ref.record_id or digest(ref.key if isinstance(ref.key, tuple) else ("?",))


def _where_equal(left: Row, right: Row) -> Mapping[str, Value]:
    """Keep what two readings of one row have in common: where they differ, the field counts as not read."""
    return {name: value for name, value in left.items() if right.get(name, UNSET) == value}
