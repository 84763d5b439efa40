"""One side as observed: which rows are here, what their absence means, what is known of keys.

What may not go in here: comparing the sides, deciding.  A look-up beats a snapshot, a later look-up an earlier one; a
row or evidence that is older than what is remembered is ignored; a field that two readings of one row give differently
counts as not known.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

import attrs

from di_salesforce.engine._baseline import BaselineLike
from di_salesforce.engine._lines import BoundTransfer, Undefined, normal_id, value_flaw
from di_salesforce.engine._memory import SIDES, KeyText, Life, LinkRecord, digest
from di_salesforce.engine._sift import Sifted, key_reader
from di_salesforce.engine._snapshot import Coverage, Snapshot
from di_salesforce.records import UNSET, Row, Side, UnsetType, Value

__all__ = [
    "CONVERTED_INTO",
    "MERGED_INTO",
    "REMEMBERED",
    "Lookup",
    "Observation",
    "Presence",
    "RowRef",
    "SideView",
    "became",
    "where_by_cause",
]


_SALESFORCE: Final = SIDES[0]  # to name a member of an enumeration is slow, here and below


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


MERGED_INTO: Final = "merged:"
CONVERTED_INTO: Final = "converted:"
"""How the cause of a dormant link begins that knows what its record became; the record's id follows."""


def became(link: LinkRecord, how: str) -> str | None:
    """Give the record that a dormant link's record became, where it is remembered."""
    return link.cause.removeprefix(how) if link.cause.startswith(how) else None


REMEMBERED: Final[Mapping[str, Presence]] = {
    "scope.left": Presence.OUT_OF_SCOPE,
    "deleted.reported": Presence.DELETED,
    "delete.proven": Presence.DELETED,
    "conflict.delete_edited": Presence.DELETED,
    "conflict.merged": Presence.MERGED,
    "conflict.converted": Presence.CONVERTED,
    MERGED_INTO: Presence.MERGED,
    CONVERTED_INTO: Presence.CONVERTED,
}
"""What a dormant link's cause says of the record that is gone: evidence comes once, and holds until it is back."""


def where_by_cause(cause: str) -> Presence:
    """Tell where the record of a dormant link is, by the link's cause."""
    head, mark, _ = cause.partition(":")
    return REMEMBERED.get(head + mark, Presence.DELETED)


_ROW_OF: Final[Mapping[Side, str]] = {side: f"row:{side.value}:" for side in SIDES}


@attrs.frozen(repr=False)
class RowRef:
    """A row with its identity: the native id, or the key where there is none."""

    side: Side
    name: str  # among the rows of its side
    record_id: str | None
    key: KeyText | Undefined | None
    row: Row
    as_of: datetime
    is_old: bool = False  # observed before what is remembered of its side: a hint to look, not a value to write
    unclear: frozenset[str] = frozenset()  # fields that were read twice, with different values

    @property
    def subject(self) -> str:
        """What open items about the row are filed under."""
        return f"{_ROW_OF[self.side]}{self.name}"

    def value(self, field: str) -> Value | UnsetType:
        """Give a field's value; `UNSET` where it was not read, or where what was read is no value."""
        value = self.row.get(field, UNSET)
        return UNSET if field in self.unclear or value_flaw(value) else value

    def flaw(self, field: str) -> str:
        """Give the code of what is wrong with a field that was read; empty where nothing is."""
        return "value.unclear" if field in self.unclear else value_flaw(self.row.get(field))


@attrs.frozen(repr=False)
class Lookup:
    """The answers to a plan's needs on one side, by rounds, and what was asked for (the rest is proven absent)."""

    rounds: tuple[tuple[Row, ...], ...] = ()
    ids: frozenset[str] = frozenset()
    keys: frozenset[KeyText] = frozenset()

    def joined(self, other: Lookup) -> Lookup:
        """Add a later look-up."""
        return Lookup((*self.rounds, *other.rounds), self.ids | other.ids, self.keys | other.keys)


@attrs.frozen(repr=False)
class Observation:
    """What is known of the record of one link on one side."""

    presence: Presence
    ref: RowRef | None = None
    as_of: datetime | None = None  # when this was observed, where it is evidence of anything
    gap_free: bool = False  # a field that was not read did not change
    is_covered: bool = False  # the side's coverage remembers the moment, so that the link need not

    @property
    def row(self) -> Row:
        """The row's fields; empty where it was not read."""
        return self.ref.row if self.ref is not None else {}


_HERE, _OUT_OF_SCOPE = Presence.HERE, Presence.OUT_OF_SCOPE
_COMPLETE, _CHANGES, _SAMPLE = Coverage.COMPLETE, Coverage.CHANGES, Coverage.SAMPLE
_DORMANT: Final = Life.DORMANT
_NOT_READ: Final = Observation(Presence.NOT_READ)
_TOO_OLD: Final = Observation(Presence.TOO_OLD)


def _renamed(side: Side, ids: Mapping[str, str]) -> Mapping[str, str]:
    """Give which record became which, as far as both have a name: evidence may not say which it is."""
    named = ((normal_id(side, old), normal_id(side, new)) for old, new in ids.items())
    return {old: new for old, new in named if old and new}


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
        self.as_of = min(snapshot.as_of or now, now)  # a file may bear a later date than a plan that is made anew
        self._bound = bound
        self._baseline = baseline
        self._now = now
        remembered = baseline.coverage(side)
        covered_as_of = remembered.as_of if remembered else None
        self.was_complete = remembered is not None and remembered.complete_as_of is not None
        self.is_old = covered_as_of is not None and self.as_of < covered_as_of
        self._filter = bound.transfer.dialog_insight_filter if side is Side.DIALOG_INSIGHT else None
        self._key = key_reader(bound, side)
        self._has_ids = bound.transfer.id_field(side) is not None
        self._reads_scope = self.covers_scope and snapshot.scope is not None
        is_ours = side is _SALESFORCE  # Dialog Insight merges nothing, as far as is known
        self.merged = _renamed(side, snapshot.merged if is_ours else {})
        self.converted = _renamed(side, snapshot.converted if is_ours else {})
        # The stronger evidence last: an id that is listed as deleted and as merged was merged.
        self.evidence: Mapping[str, Presence] = {
            name: presence
            for ids, presence in (
                (snapshot.deleted, Presence.DELETED),
                (snapshot.converted, Presence.CONVERTED),
                (snapshot.merged, Presence.MERGED),
            )
            for record_id in ids
            if (name := normal_id(side, record_id)) is not None
        }
        self.rows: dict[str, RowRef] = {}  # without those that were passed over
        self.found: dict[str, RowRef] = {}  # by look-up
        for rows in lookup.rounds:
            answer: dict[str, RowRef] = {}
            self._take(rows, answer, now, is_old=False)
            self.found |= answer
        self._by_key: dict[KeyText, list[RowRef]] = {}
        self._sifted = Sifted((), {})

    def read(self, sifted: Sifted) -> None:
        """Take the snapshot's rows that are left to be decided."""
        self._sifted = sifted
        self._take(sifted.rows[self.side], self.rows, self.as_of, is_old=self.is_old)
        for ref in self.refs():
            if isinstance(ref.key, tuple):
                self._by_key.setdefault(ref.key, []).append(ref)

    def _take(self, rows: Iterable[Row], into: dict[str, RowRef], as_of: datetime, *, is_old: bool) -> None:
        bound, side = self._bound, self.side
        for row in rows:
            key = self._key(row)
            record_id = bound.record_id(side, row)
            name = record_id or (digest(key) if isinstance(key, tuple) else bound.row_name(side, row))
            earlier = into.get(name)
            if earlier is None:
                into[name] = RowRef(side, name, record_id, key, row, as_of, is_old)
            elif earlier.row != row:
                into[name] = self._twice(earlier, row)

    def _twice(self, earlier: RowRef, row: Row) -> RowRef:
        """Join two readings of one row: what they give differently is not known."""
        differing = {name for name, value in row.items() if earlier.row.get(name, value) != value}
        unclear = earlier.unclear | differing
        joined = {**earlier.row, **row}
        key = self._bound.key(self.side, joined)
        if any(line.field(self.side) in unclear for line in self._bound.key_lines):
            key = Undefined("value.unclear")
        return attrs.evolve(earlier, row=joined, key=key, unclear=unclear)

    def row_of(self, name: str) -> RowRef | None:
        """Give the row of that name, as looked up or else as read."""
        return self.found.get(name) or self.rows.get(name)

    def refs(self) -> Iterator[RowRef]:
        """Give every row once, a looked-up row before a snapshot's; what was looked up and not found is not there."""
        yield from self.found.values()
        if not (self.found or self.lookup.ids or self.lookup.keys):
            yield from self.rows.values()
            return
        for name, ref in self.rows.items():
            if name not in self.found and not self.asked(ref.record_id, ref.key):
                yield ref

    def asked(self, record_id: str | None, key: KeyText | Undefined | None) -> bool:
        """Tell whether the row with that identity was asked for by a look-up that has been answered."""
        return record_id in self.lookup.ids if record_id is not None else key in self.lookup.keys

    def is_accounted_for(self, name: str, key: KeyText | None) -> bool:
        """Tell whether it is known what has become of an unlinked row: it was read, or is proven to be gone."""
        return name in self.found or name in self.rows or self.is_gone(name, key)

    def is_gone(self, name: str, key: KeyText | None) -> bool:
        """Tell whether an unlinked row is proven to be gone (from the scope): by look-up, evidence, or full read."""
        if name in self.found:
            return False
        if self.asked(name if self._has_ids else None, key):
            return True
        return name not in self.rows and (self.covers_scope or (name in self.evidence and not self.is_old))

    def takes_part(self, ref: RowRef) -> bool:
        """Tell whether a row is within the transfer's filter."""
        if self._filter is not None and not self._filter(ref.row):
            return False
        # A complete read of a filter's scope holds all rows that satisfy it: one that only a look-up found does not.
        return not self._reads_scope or ref.name in self.rows or self._sifted.row(self.side, ref.name) is not None

    def with_key(self, key: KeyText) -> list[RowRef]:
        """Give the rows that were read with this key."""
        refs = self._by_key.get(key, [])
        holders = self._sifted.holders(self.side, key)
        if not holders:
            return refs
        names = (link.record_id(self.side) or digest(key) for link in holders)
        return [*refs, *(ref for name in names if (ref := self._row(name)) is not None)]

    def _row(self, name: str) -> RowRef | None:
        """Give the snapshot's row of that name, also where it was passed over."""
        ref = self.rows.get(name)
        if ref is not None:
            return ref
        row = self._sifted.row(self.side, name)
        if row is None:
            return None
        return RowRef(self.side, name, name if self._has_ids else None, self._key(row), row, self.as_of)

    @property
    def proves_absence(self) -> bool:
        """Whether a key that was not read is proven not to exist on this side."""
        return self.snapshot.coverage is _COMPLETE and self.snapshot.scope is None and not self.is_old

    @property
    def covers_scope(self) -> bool:
        """Whether every record of the transfer's scope was read."""
        return self.snapshot.coverage is _COMPLETE and not self.is_old

    def key_is_settled(self, key: KeyText, since: datetime | None = None) -> bool:
        """Tell whether all rows with this key are known: by an unfiltered read (not before `since`), or a look-up."""
        return key in self.lookup.keys or (self.proves_absence and (since is None or self.as_of >= since))

    def of_link(self, link: LinkRecord) -> Observation:
        """Tell what is known of a link's record on this side."""
        record_id, key = link.record_id(self.side), link.key(self.side)
        name = record_id if record_id is not None else (digest(key) if key is not None else None)
        if name is None:
            return _NOT_READ
        asked = self.asked(record_id, key)
        ref = self.found.get(name)
        if ref is not None:
            return self._here(ref, link)
        if record_id is None and key is not None and self._has_ids:
            told = self._without_id(link, key, asked=asked)
            if told is not None:
                return told
        if asked:
            return Observation(Presence.DELETED, as_of=self._now)
        return self._in_snapshot(link, name)

    def _here(self, ref: RowRef, link: LinkRecord, *, gap_free: bool = False, is_covered: bool = False) -> Observation:
        is_in = self.takes_part(ref)
        if link.life is _DORMANT and link.gone is self.side and link.cause == "scope.left":
            # Only Salesforce knows who satisfies its filter, and a look-up by id or key does not ask.
            is_in = is_in and (self._filter is not None or ref.name in self.rows)
        return Observation(_HERE if is_in else _OUT_OF_SCOPE, ref, ref.as_of, gap_free, is_covered)

    def _without_id(self, link: LinkRecord, key: KeyText, *, asked: bool) -> Observation | None:
        """Tell of a record that was made without telling its id: it is the one with its key that no other link names.

        None where no record has that key.  A look-up of the key gives all that have it; what was only read may not.
        """
        refs = [ref for ref in self.with_key(key) if not asked or ref.name in self.found]
        if refs and self._is_too_old(link) and not any(ref.name in self.found for ref in refs):
            return _TOO_OLD  # at that time another record may have had the key
        own = [ref for ref in refs if self._baseline.find(self.side, ref.name) is None]
        if len(own) == 1:
            return self._here(own[0], link)
        if asked:
            return _NOT_READ if own else None  # nobody says which of them it is
        return Observation(Presence.ABSENT) if refs else None

    def _is_too_old(self, link: LinkRecord) -> bool:
        """Tell whether the snapshot is older than what is remembered of the link."""
        moment = link.as_of(self.side)
        return self.is_old or (moment is not None and self.as_of < moment)

    def _in_snapshot(self, link: LinkRecord, name: str) -> Observation:
        too_old = self._is_too_old(link)
        ref, evidence = self._row(name), self.evidence.get(name)
        coverage = self.snapshot.coverage
        is_covered = coverage is not _SAMPLE
        if too_old and (evidence is not None or ref is not None):
            return _TOO_OLD
        if evidence is not None:
            return Observation(evidence, as_of=self.as_of, is_covered=is_covered)
        if ref is not None:
            return self._here(ref, link, gap_free=coverage is _CHANGES, is_covered=is_covered)
        if too_old or coverage is _SAMPLE:
            return _NOT_READ
        if coverage is _COMPLETE:
            return Observation(Presence.ABSENT)
        return Observation(Presence.NOT_READ, gap_free=True)
