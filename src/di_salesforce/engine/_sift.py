"""Passing over the links that nothing happened to, before anything is made of their rows.

A link is passed over only where each of its two rows was read just once and holds, byte for byte, what the link
remembers of it (or is known not to have changed), where the link remembers nothing but plain agreement under this very
mapping, and where nothing else is known about it: no evidence, no look-up, no open item.  All other links and rows are
decided as if there were no sieve; what they may ask about the passed ones is answered here, when it is asked.

What may not go in here: deciding.  With `IN_USE` off the plans are the same, letter by letter: a test holds them to it.
"""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from di_salesforce._lenses import AsIs, EMail, Text
from di_salesforce.engine._lines import BoundLine, BoundTransfer, Undefined, normal_id
from di_salesforce.engine._memory import SIDES, KeyText, Life, LinkRecord, digest
from di_salesforce.engine._sieve import Moved, Sieve
from di_salesforce.engine._snapshot import Coverage
from di_salesforce.records import Row, Side

if TYPE_CHECKING:
    from di_salesforce.engine._observe import SideView

__all__ = ["Read", "Sifted", "key_reader", "sift"]

IN_USE = True
"""Whether links are passed over at all."""


class Read(NamedTuple):
    """Both rows of a link of which at least one is not what the link remembers."""

    salesforce: Row
    dialog_insight: Row
    moved: Moved


class Sifted:
    """What was passed over, and what is left to be decided."""

    def __init__(self, links: Iterable[LinkRecord], rows: Mapping[Side, Iterable[Row]]) -> None:
        self.links = links  # that are left
        self.rows = rows
        self.passed: list[LinkRecord] = []
        self.passed_rows: Mapping[Side, list[Row | None]] = {side: [] for side in SIDES}
        self.read: dict[str, Read] = {}  # by the id of the link
        self._by_name: dict[Side, dict[str, Row | None]] = {}
        self._by_key: dict[Side, _Holders] = {}

    def row(self, side: Side, name: str) -> Row | None:
        """Give the row of that name, where it was passed over."""
        if not self.passed:
            return None
        if side not in self._by_name:
            names = map(operator.attrgetter(f"{side.value}_id"), self.passed)
            rows = dict(zip(names, self.passed_rows[side], strict=True))
            if None in rows:
                named = zip(self.passed, self.passed_rows[side], strict=True)
                rows = {_name_of(link, side): row for link, row in named}
            self._by_name[side] = rows
        return self._by_name[side].get(name)

    def holders(self, side: Side, key: KeyText) -> Sequence[LinkRecord]:
        """Give the links that were passed over and hold a key on that side."""
        if not self.passed:
            return ()
        if side not in self._by_key:
            self._by_key[side] = _Holders(side, self.passed)
        return self._by_key[side].of(key)


class _Holders:
    """Links by the key that they hold on one side."""

    def __init__(self, side: Side, links: list[LinkRecord]) -> None:
        keys: list[KeyText | None] = list(map(operator.attrgetter(f"{side.value}_key"), links))
        self._last = dict(zip(keys, links, strict=True))
        self._all: dict[KeyText | None, list[LinkRecord]] = {}
        if len(self._last) < len(links):  # which is so for hardly any transfer
            for key, link in zip(keys, links, strict=True):
                self._all.setdefault(key, []).append(link)

    def of(self, key: KeyText) -> Sequence[LinkRecord]:
        """Give the links with this key."""
        if self._all:
            return self._all.get(key, ())
        link = self._last.get(key)
        return () if link is None else (link,)


def _name_of(link: LinkRecord, side: Side) -> str:
    return link.record_id(side) or digest(link.key(side) or ())


def sift(
    bound: BoundTransfer,
    views: Mapping[Side, SideView],
    sieve: Sieve,
    links: Iterable[LinkRecord],
    subjects: Iterable[str],
) -> Sifted:
    """Pass over what nothing happened to.

    Args:
        bound: The transfer.
        views: Both sides as observed, before their rows are read.
        sieve: The transfer's.
        links: All links of the memory.
        subjects: What open items are about: it is never passed over.
    """
    whole = {side: view.snapshot.rows for side, view in views.items()}
    fit = (Coverage.COMPLETE, Coverage.CHANGES)
    if not (IN_USE and sieve.is_open) or any(v.is_old or v.snapshot.coverage not in fit for v in views.values()):
        return Sifted(links, whole)
    left, right = (_Named(bound, views[side]) for side in SIDES)
    open_subjects = set(subjects)
    for each in (left, right):
        start = f"row:{each.side.value}:"
        each.keep({subject.removeprefix(start) for subject in open_subjects if subject.startswith(start)})
    remaining: list[LinkRecord] = []
    candidates: list[LinkRecord] = []
    live = Life.LIVE
    for link in links:
        is_candidate = link.life is live and not (open_subjects and f"link:{link.id}" in open_subjects)
        (candidates if is_candidate else remaining).append(link)
    sifted = Sifted(remaining, {each.side: each.others for each in (left, right)})
    keep, keep_left, keep_right = sifted.passed.append, *(sifted.passed_rows[side].append for side in SIDES)
    at_rest = left.at_rest(sieve, candidates), right.at_rest(sieve, candidates)
    for link, one, other in zip(candidates, *at_rest, strict=True):
        if one is not _NOT_HERE and other is not _NOT_HERE:
            keep(link)
            keep_left(one)
            keep_right(other)
            continue
        remaining.append(link)
        ours, theirs = left.put_back(link, one), right.put_back(link, other)
        if ours is not None and theirs is not None:
            sifted.read[link.id] = Read(ours[0], theirs[0], (ours[1], theirs[1]))
    return sifted


_NOT_HERE: Final[Row] = {}
"""Stands for a row that is not at rest, or not known to be."""


class _Named:
    """One side's rows by name, as far as each name was read once and nothing else is known of it."""

    def __init__(self, bound: BoundTransfer, view: SideView) -> None:
        self.side = view.side
        self._as_of = view.as_of
        self._filter = bound.transfer.dialog_insight_filter if view.side is Side.DIALOG_INSIGHT else None
        self._reads_all = view.snapshot.coverage is Coverage.COMPLETE
        self._key = key_reader(bound, view.side)
        self._has_ids = bound.transfer.id_field(view.side) is not None
        self._kept: set[str] = {*view.evidence, *view.lookup.ids, *view.found, *map(digest, view.lookup.keys)}
        self._kept |= set(view.merged.values())  # their links may be told something
        self._link_key = operator.attrgetter(f"{self.side.value}_key", f"{self.side.value}_as_of")
        self.others: list[Row] = []  # that are left to be decided, once all is sifted
        self._moved: dict[str, tuple[Row, bytes]] = {}  # rows that do not hold what their links remember, by link
        self._single = self._by_name(_names(bound, view), view.snapshot.rows)

    def _by_name(self, names: list[str | None], rows: tuple[Row, ...]) -> dict[str, Row]:
        single: dict[Any, Row] = dict(zip(names, rows, strict=True))  # None, of all that have no name, goes below
        single.pop(None, None)
        if len(single) < len(rows):
            again = {name for name, count in Counter(names).items() if count > 1 or name is None}
            self.others = [row for name, row in zip(names, rows, strict=True) if name in again]
            for name in again - {None}:
                del single[name]
            self._kept |= {name for name in again if name is not None}
        self.others += [row for name in self._kept if (row := single.pop(name, None)) is not None]
        return single

    def keep(self, names: set[str]) -> None:
        """Pass over none of these."""
        self._kept |= names
        self.others += [row for name in names if (row := self._single.pop(name, None)) is not None]

    def at_rest(self, sieve: Sieve, links: Sequence[LinkRecord]) -> Iterable[Row | None]:
        """Tell of all rows whether they are at rest; give for each link its row that is, `_NOT_HERE` for any other.

        None: it was not read, and is known not to have changed.  A row at rest holds what its link remembers, its key
        included (whoever asks for a key is answered by what the links remember), is no older than that, and is within
        the transfer's filter.  Rows are walked in their own order, since they lie in memory as they were read.
        """
        names = self._named(links)
        by_name = dict(zip(names, links, strict=True))
        if len(by_name) < len(links):  # no row is given to two links that name it
            again = {name for name, count in Counter(names).items() if count > 1}
            self.keep({name for name in again if name is not None})
        found = list(map(by_name.get, self._single))
        at, rows, key_of, as_of = SIDES.index(self.side), self._single.values(), self._key, self._as_of
        told = zip(self._single, rows, found, sieve.kept(at, found), sieve.packed(at, rows), strict=True)
        at_rest: dict[str | None, Row] = {}
        for name, row, link, kept, packed in told:
            if link is not None and packed is not None and kept is not None:
                if packed != kept:
                    self._moved[link.id] = row, packed
                else:
                    key, moment = self._link_key(link)
                    is_new = moment is None or as_of >= moment
                    if is_new and key_of(row) == key and (self._filter is None or self._filter(row)):
                        at_rest[name] = row
                        continue
            self.others.append(row)
        if self._reads_all:
            return map(at_rest.get, names, itertools.repeat(_NOT_HERE))
        return [
            at_rest[name] if name in at_rest else None if self._is_unchanged(name, link) else _NOT_HERE
            for name, link in zip(names, links, strict=True)
        ]

    def _named(self, links: Sequence[LinkRecord]) -> list[str | None]:
        """Give the names of links' rows; None where a link does not name its row."""
        if self._has_ids:
            return list(map(operator.attrgetter(f"{self.side.value}_id"), links))
        return [None if link.key(self.side) is None else _name_of(link, self.side) for link in links]

    def _is_unchanged(self, name: str | None, link: LinkRecord) -> bool:
        """Tell whether a link's row, which is not among those at rest, is known not to have changed."""
        moment = link.as_of(self.side)
        return (
            name is not None
            and name not in self._kept
            and name not in self._single
            and (moment is None or self._as_of >= moment)
        )

    def put_back(self, link: LinkRecord, row: Row | None) -> tuple[Row, bytes | None] | None:
        """Leave a row to be decided with its link; give it, and its bytes where they are not what is remembered."""
        if row is _NOT_HERE:
            return self._moved.get(link.id)
        if row is None:
            return None
        self.others.append(row)
        return row, None


def _names(bound: BoundTransfer, view: SideView) -> list[str | None]:
    """Give the names of a snapshot's rows; None for a row that has none."""
    side, rows, field = view.side, view.snapshot.rows, bound.transfer.id_field(view.side)
    if field is None:
        return [digest(key) if isinstance(key := bound.key(side, row), tuple) else None for row in rows]
    ids: list[Any] = [row.get(field) for row in rows]
    if side is Side.DIALOG_INSIGHT and set(map(type, ids)) == {int}:
        return list(map(str, ids))
    return [normal_id(side, record_id) for record_id in ids]


def key_reader(bound: BoundTransfer, side: Side) -> Callable[[Row], KeyText | Undefined | None]:
    """Give what reads a row's normalised key: as `BoundTransfer.key` does, sooner where the key is one plain text."""
    in_full = bound.key
    if len(bound.key_lines) != 1:
        return lambda row: in_full(side, row)
    line = bound.key_lines[0]
    field, plain = line.field(side), _plain_text(line)
    if plain is None:
        return lambda row: in_full(side, row)

    def read(row: Row) -> KeyText | Undefined | None:
        value = row.get(field)
        if type(value) is str and value.isascii() and (text := plain(value)):
            return (text,)
        return in_full(side, row)

    return read


def _plain_text(line: BoundLine) -> Callable[[str], str] | None:
    """Give what a converter makes of a text of ASCII letters as part of a key, where that is plain."""
    if type(line.converter) is AsIs or line.converter == Text():
        return str
    return _folded if type(line.converter) is EMail else None


def _folded(text: str) -> str:
    return text.strip().lower()
