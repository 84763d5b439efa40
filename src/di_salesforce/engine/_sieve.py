"""Telling by raw equality that nothing can have changed in a link's fields, which is so for most links.

A row passes where it holds, byte for byte, what the link remembers of it, and the link remembers nothing but plain
agreement under this very mapping.  What may not go in here: deciding, and what else is known of a link or a row.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from di_salesforce.engine._bytes import PLAIN, differing, pack, pack_special, repacked, same, unpack
from di_salesforce.engine._lines import BoundLine, BoundTransfer
from di_salesforce.engine._memory import SIDES, LinkRecord, Relation
from di_salesforce.engine._packed import PackedFields, Shape, Traits, tight
from di_salesforce.records import UNSET, Row

if TYPE_CHECKING:
    from di_salesforce.engine._observe import RowRef

__all__ = ["Moved", "Sieve"]

Moved = tuple[bytes | None, bytes | None]
"""The bytes of both rows of a link; None for one that holds just what the link remembers."""

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
        values = self._values(row)
        return None if values is None else repacked(values)

    def of_all(self, rows: Iterable[Row]) -> Iterator[bytes | None]:
        """Give the fields of many rows as bytes, as `of` gives each."""
        read = self._read
        for row in rows:
            try:
                values = [*read(row)]
                if self._special:
                    pack_special(values, self._special)
                yield repacked(values)
            except KeyError:
                yield None
            except ValueError:  # of a type that was not met at its place before, or that is not known
                yield self.of(row)

    def _values(self, row: Row) -> list[Any] | None:
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

    def __init__(self, bound: BoundTransfer, *, is_in_use: bool) -> None:
        self._is_in_use = is_in_use
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
        for at, row in enumerate((salesforce, dialog_insight)):
            (kept,) = self.kept(at, [link])
            if kept is None or (row is not None and self._bytes[at].of(row) != kept):
                return False
        return True

    def kept(self, at: int, links: Iterable[LinkRecord | None]) -> Iterator[bytes | None]:
        """Give what links remember of one side, as bytes; None where that is not plain agreement in every line.

        Args:
            at: The side's place in `SIDES`.
            links: The links; None for no link.
        """
        shape: Shape | None = None
        places: tuple[int, ...] | None = None
        for link in links:
            if link is None:
                yield None
                continue
            fields = link.fields
            if not isinstance(fields, PackedFields):
                fields = tight(fields)
            if fields.shape is not shape:
                shape = fields.shape
                places = self._places[shape] if shape in self._places else self._place(shape)
            packed = fields.dialog_insight if at else fields.salesforce
            yield packed if places is _AS_IT_IS else None if places is None else _picked(packed, fields.shape, places)

    def packed(self, at: int, rows: Iterable[Row]) -> Iterator[bytes | None]:
        """Give what rows of one side hold in the same form; None where not all was read, or is a value."""
        return self._bytes[at].of_all(rows)

    def loud(
        self, link: LinkRecord, sides: Iterable[tuple[RowRef | None, bool]], moved: Moved | None = None
    ) -> Mapping[str, BoundLine]:
        """Give the lines to be decided: without those that remember plain agreement, which both sides still hold.

        Args:
            link: The link.
            sides: Salesforce's row and Dialog Insight's, each with whether what was not read did not change.
            moved: Their bytes, where they are known already.
        """
        fields = link.fields
        if not (self._is_in_use and self.is_open and isinstance(fields, PackedFields)):
            return self._lines
        shape = fields.shape
        places = self._places[shape] if shape in self._places else self._place(shape)
        if places is not _AS_IT_IS:
            return self._loud_one_by_one(fields, sides)
        found: set[int] = set()
        for at, (ref, gap_free) in enumerate(sides):
            kept = fields.dialog_insight if at else fields.salesforce
            if moved is not None:
                now = moved[at] or kept
            elif ref is None and gap_free:
                continue
            else:
                read = None if ref is None or ref.unclear else self._bytes[at].of(ref.row)
                if read is None:
                    return self._loud_one_by_one(fields, sides)
                now = read
            if now != kept:
                found.update(differing(kept, now, len(shape.names)))
        return self._whole_groups(shape.names[place] for place in found)

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
