"""Passing over the links that nothing happened to, before anything is made of their rows.

A link is passed over only where each of its two rows was read just once and holds, byte for byte, what the link
remembers of it (or is known not to have changed), where the link remembers nothing but plain agreement under this very
mapping, and where nothing else is known about it: no evidence, no look-up, no open item.  All other links and rows are
decided as if there were no sieve; what they may ask about the passed ones is answered here, when it is asked.

What may not go in here: deciding.  With `IN_USE` off the plans are the same, letter by letter: a test holds them to it.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from di_salesforce._lenses import AsIs, EMail, Text
from di_salesforce.engine._lines import BoundLine, BoundTransfer, Undefined, normal_id
from di_salesforce.engine._memory import SIDES, KeyText, Life, LinkRecord, Relation, digest
from di_salesforce.engine._packed import (
    PLAIN,
    PackedFields,
    Shape,
    Traits,
    differing,
    pack,
    pack_special,
    repacked,
    same,
    tight,
    unpack,
)
from di_salesforce.engine._snapshot import Coverage
from di_salesforce.records import UNSET, Row, Side

if TYPE_CHECKING:
    from di_salesforce.engine._observe import RowRef, SideView

__all__ = ["Sieve", "Sifted", "key_reader", "sift"]

IN_USE = True
"""Whether links are passed over at all."""

_AS_IT_IS: Final[tuple[int, ...]] = ()


class _RowBytes:
    """Packs one side's fields of a row in the order of the transfer's lines."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        # Of a single field `itemgetter` would give the bare value.
        self._read: Callable[[Row], Iterable[Any]] = (
            operator.itemgetter(*fields) if len(fields) > 1 else lambda row: [row[field] for field in fields]
        )
        self._special: list[int] = []  # places where a value was found that does not go into the bytes as it is

    def of(self, row: Row) -> bytes | None:
        """Give the row's fields as bytes; None where one was not read, or is no value that is known."""
        try:
            values = list(self._read(row))
            if self._special:
                pack_special(values, self._special)
            return repacked(values)
        except KeyError:
            return None
        except ValueError:
            return None if self.values(row) is None else self.of(row)

    def values(self, row: Row) -> list[Any] | None:
        """Give the row's fields as they go into the bytes; None likewise."""
        try:
            values = list(self._read(row))
        except KeyError:
            return None
        special = {place for place, value in enumerate(values) if type(value) not in PLAIN}
        if not special <= set(self._special):
            if pack(values) is None:
                return None
            self._special = sorted(special.union(self._special))
        pack_special(values, self._special)
        return values


class Sieve:
    """Tells by raw equality that nothing can have changed in a link's fields, which is so for most links."""

    def __init__(self, bound: BoundTransfer) -> None:
        self._lines = bound.lines
        # A lookup's translation may have moved: such transfers are compared in full.
        self.is_open = all(line.mapping.references is None for line in bound.lines.values())
        self._bytes = [_RowBytes(tuple(line.field(side) for line in bound.lines.values())) for side in SIDES]
        self._groups = {
            line.name: name if len(lines) > 1 else None for name, lines in bound.groups.items() for line in lines
        }
        self._joint = {
            line.name: tuple(each.name for each in lines)
            for lines in bound.groups.values()
            if len(lines) > 1
            for line in lines
        }
        self._order = {name: at for at, name in enumerate(bound.lines)}
        self._places: dict[Shape, tuple[int, ...] | None] = {}

    def passes(self, link: LinkRecord, salesforce: Row | None, dialog_insight: Row | None) -> bool:
        """Tell whether a link remembers plain agreement, and each row that was read holds just that."""
        fields = link.fields
        if not isinstance(fields, PackedFields):
            fields = tight(fields)
        shape = fields.shape
        places = self._places[shape] if shape in self._places else self._place(shape)
        if places is None:
            return False
        kept = fields.salesforce, fields.dialog_insight
        if places is not _AS_IT_IS:
            kept = _picked(kept[0], shape, places), _picked(kept[1], shape, places)
        return (salesforce is None or self._bytes[0].of(salesforce) == kept[0]) and (
            dialog_insight is None or self._bytes[1].of(dialog_insight) == kept[1]
        )

    def loud(self, link: LinkRecord, sides: Iterable[tuple[RowRef | None, bool]]) -> Mapping[str, BoundLine]:
        """Give the lines to be decided: without those that remember plain agreement, which both sides still hold.

        Args:
            link: A live link.
            sides: Salesforce's row and Dialog Insight's, each with whether what was not read did not change.
        """
        fields = link.fields
        if not (IN_USE and self.is_open and isinstance(fields, PackedFields)):
            return self._lines
        shape = fields.shape
        places = self._places[shape] if shape in self._places else self._place(shape)
        if places is not _AS_IT_IS:
            return self._loud_one_by_one(fields, sides)
        moved: set[int] = set()
        for at, (ref, gap_free) in enumerate(sides):
            if ref is None and gap_free:
                continue
            values = None if ref is None or ref.unclear else self._bytes[at].values(ref.row)
            if values is None:
                return self._loud_one_by_one(fields, sides)
            moved.update(differing(fields.dialog_insight if at else fields.salesforce, values, len(shape.names)))
        return self._whole_groups(shape.names[place] for place in moved)

    def _loud_one_by_one(
        self, fields: PackedFields, sides: Iterable[tuple[RowRef | None, bool]]
    ) -> Mapping[str, BoundLine]:
        """Do the same for a link of which some lines, or a row of which some fields, say less."""
        shape = fields.shape
        kept = [unpack(packed, len(shape.names)) for packed in (fields.salesforce, fields.dialog_insight)]
        loud: list[str] = []
        for name, line in self._lines.items():
            place = shape.places.get(name)
            if place is None or not self._is_plain(line, shape.traits[place]):
                loud.append(name)
                continue
            for at, (ref, gap_free) in enumerate(sides):
                field = line.fields[at]
                if ref is None or (gap_free and field not in ref.row):
                    is_quiet = gap_free
                else:
                    is_quiet = field not in ref.unclear and same(ref.row.get(field, UNSET), kept[at][place])
                if not is_quiet:
                    loud.append(name)
                    break
        return self._whole_groups(loud)

    def _whole_groups(self, names: Iterable[str]) -> Mapping[str, BoundLine]:
        """Give lines with those of their groups, which are decided as one value, in the transfer's order."""
        found = {name for own in names for name in self._joint.get(own, (own,))}
        ordered = found if len(found) < 2 else sorted(found, key=self._order.__getitem__)
        return {name: self._lines[name] for name in ordered}

    def _is_plain(self, line: BoundLine, traits: Traits | None) -> bool:
        return (
            traits is not None
            and traits.rel is Relation.AGREED
            and not traits.bounce
            and not traits.unverified
            and traits.version == line.version
            and traits.group == self._groups[line.name]
        )

    def _place(self, shape: Shape) -> tuple[int, ...] | None:
        """Tell where the transfer's lines stand in a shape; None where one is not plainly agreed."""
        found: list[int] = []
        for name, line in self._lines.items():
            place = shape.places.get(name)
            traits = None if place is None else shape.traits[place]
            if place is None or not self._is_plain(line, traits):
                self._places[shape] = None
                return None
            found.append(place)
        places = _AS_IT_IS if found == list(range(len(shape.names))) else tuple(found)
        self._places[shape] = places
        return places


def _picked(packed: bytes, shape: Shape, places: tuple[int, ...]) -> bytes:
    """Give the bytes of some lines of a link that also remembers others, or has them in another order."""
    values = unpack(packed, len(shape.names))
    picked = pack(values[place] for place in places)
    assert picked is not None  # noqa: S101 - they were packed before
    return picked


class Sifted:
    """What was passed over, and what is left to be decided."""

    def __init__(self, links: Iterable[LinkRecord], rows: Mapping[Side, Iterable[Row]]) -> None:
        self.links = links  # that are left
        self.rows = rows
        self.passed: list[LinkRecord] = []
        self.passed_rows: Mapping[Side, list[Row | None]] = {side: [] for side in SIDES}
        self._by_name: dict[Side, dict[str, Row]] = {}
        self._by_key: dict[Side, dict[KeyText, list[LinkRecord]]] = {}

    def row(self, side: Side, name: str) -> Row | None:
        """Give the row of that name, where it was passed over."""
        if not self.passed:
            return None
        if side not in self._by_name:
            found = zip(self.passed, self.passed_rows[side], strict=True)
            self._by_name[side] = {_name_of(link, side): row for link, row in found if row is not None}
        return self._by_name[side].get(name)

    def holders(self, side: Side, key: KeyText) -> list[LinkRecord]:
        """Give the links that were passed over and hold a key on that side."""
        if not self.passed:
            return []
        if side not in self._by_key:
            held: dict[KeyText, list[LinkRecord]] = {}
            for link in self.passed:
                own = link.key(side)
                if own is not None:
                    held.setdefault(own, []).append(link)
            self._by_key[side] = held
        return self._by_key[side].get(key, [])


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
    sifted = Sifted(remaining, {each.side: each.rows for each in (left, right)})
    passes, live = sieve.passes, Life.LIVE
    keep, keep_left, keep_right = sifted.passed.append, *(sifted.passed_rows[side].append for side in SIDES)
    for link in links:
        if link.life is not live or (open_subjects and f"link:{link.id}" in open_subjects):
            remaining.append(link)
            continue
        one = left.take(link.salesforce_id, link.salesforce_key)
        other = _NOT_HERE if one is _NOT_HERE else right.take(link.dialog_insight_id, link.dialog_insight_key)
        if (
            other is not _NOT_HERE
            and passes(link, one, other)
            and left.is_known(one, link.salesforce_key, link.salesforce_as_of)
            and right.is_known(other, link.dialog_insight_key, link.dialog_insight_as_of)
        ):
            keep(link)
            keep_left(one)
            keep_right(other)
        else:
            left.put_back(one)
            right.put_back(other)
            remaining.append(link)
    return sifted


_NOT_HERE: Final[Row] = {}
"""Stands for a row that was not read, where that says something, or that is not to be passed over."""


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
        self._others: list[Row] = []
        self._single = self._by_name(_names(bound, view), view.snapshot.rows)

    def _by_name(self, names: list[str | None], rows: tuple[Row, ...]) -> dict[str, Row]:
        single: dict[Any, Row] = dict(zip(names, rows, strict=True))  # None, of all that have no name, goes below
        single.pop(None, None)
        if len(single) < len(rows):
            again = {name for name, count in Counter(names).items() if count > 1 or name is None}
            self._others += [row for name, row in zip(names, rows, strict=True) if name in again]
            for name in again - {None}:
                del single[name]
            self._kept |= {name for name in again if name is not None}
        self._others += [row for name in self._kept if (row := single.pop(name, None)) is not None]
        return single

    def keep(self, names: set[str]) -> None:
        """Pass over none of these."""
        self._kept |= names
        self._others += [row for name in names if (row := self._single.pop(name, None)) is not None]

    @property
    def rows(self) -> Iterable[Row]:
        """The rows that are left, to be asked for when all is sifted."""
        return _Left(self._single, self._others)

    def _name(self, record_id: str | None, key: KeyText | None) -> str | None:
        if self._has_ids or record_id is not None:
            return record_id
        return None if key is None else digest(key)

    def take(self, record_id: str | None, key: KeyText | None) -> Row | None:
        """Take a link's row out, so that no other link that names it finds it.

        None: it is known not to have changed; `_NOT_HERE`: it cannot be passed over.
        """
        name = record_id if self._has_ids else self._name(record_id, key)
        if name is None:
            return _NOT_HERE
        if self._reads_all:
            return self._single.pop(name, _NOT_HERE)
        if name in self._kept:
            return _NOT_HERE
        self._kept.add(name)
        return self._single.pop(name, None)

    def put_back(self, row: Row | None) -> None:
        """Leave a row to be decided with its link."""
        if row is not None and row is not _NOT_HERE:
            self._others.append(row)

    def is_known(self, row: Row | None, key: KeyText | None, moment: datetime | None) -> bool:
        """Tell whether a row is news, is within the transfer's filter, and has the key that the link remembers.

        Whoever asks for a key is answered by what the links remember.
        """
        if moment is not None and self._as_of < moment:
            return False
        if row is None:
            return True
        return self._key(row) == key and (self._filter is None or self._filter(row))


def _names(bound: BoundTransfer, view: SideView) -> list[str | None]:
    """Give the names of a snapshot's rows; None for a row that has none."""
    side, rows, field = view.side, view.snapshot.rows, bound.transfer.id_field(view.side)
    if field is None:
        return [digest(key) if isinstance(key := bound.key(side, row), tuple) else None for row in rows]
    ids: list[Any] = [row.get(field) for row in rows]
    if side is Side.DIALOG_INSIGHT and set(map(type, ids)) == {int}:
        return list(map(str, ids))
    return [normal_id(side, record_id) for record_id in ids]


class _Left:
    def __init__(self, single: dict[str, Row], others: list[Row]) -> None:
        self._single, self._others = single, others

    def __iter__(self) -> Iterator[Row]:
        yield from self._single.values()
        yield from self._others


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
