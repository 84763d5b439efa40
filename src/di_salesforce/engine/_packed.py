"""The lines of a link in little room: one string of bytes per side, and one shape that many links share.

Most links of most runs did not change, and are kept by the hundred thousand: a mapping of twenty states
takes kilobytes, their values as bytes take a few hundred, and a row is compared with them in one step (`_bytes.py`).

What may not go in here: deciding, and anything that is stored: the bytes are this process's own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakValueDictionary

import attrs

from di_salesforce.engine._bytes import PLAIN, is_known, pack, unpack
from di_salesforce.records import UNSET, Side, Value, from_plain

if TYPE_CHECKING:
    from di_salesforce.engine._memory import FieldState, Relation

__all__ = [
    "LazyFields",
    "PackedFields",
    "Shape",
    "Traits",
    "from_plain_fields",
    "states_of",
    "tight",
    "with_states",
]

_EXACT: Final = PLAIN - {float}  # each is equal to itself, and stored as it is


@attrs.frozen(eq=False)
class Traits:
    """All of a line's state but its values, made once (`_traits`): they are the same for most links."""

    rel: Relation
    bounce: int
    wrote: Side | None
    unverified: bool
    version: str
    group: str | None


class Shape:
    """The lines of a link and their traits, shared by all links that have the same; None: see the link's own states."""

    __slots__ = ("__weakref__", "_without", "names", "places", "traits")

    def __init__(self, names: tuple[str, ...], traits: tuple[Traits | None, ...]) -> None:
        self.names = names
        self.traits = traits
        self.places = {name: place for place, name in enumerate(names)}
        self._without: dict[frozenset[str], Shape] = {}

    def without(self, names: frozenset[str]) -> Shape:
        """Give the shape in which these lines' states are the link's own."""
        known = self._without.get(names)
        if known is None:
            own = (None if name in names else traits for name, traits in zip(self.names, self.traits, strict=True))
            known = self._without[names] = Shape.of(self.names, tuple(own))
        return known

    @staticmethod
    def of(names: tuple[str, ...], traits: tuple[Traits | None, ...]) -> Shape:
        """Give the one shape of these lines."""
        known = _SHAPES.get((names, traits))
        if known is None:
            known = _SHAPES[names, traits] = Shape(names, traits)
        return known


_SHAPES: Final[WeakValueDictionary[tuple[tuple[str, ...], tuple[Traits | None, ...]], Shape]] = WeakValueDictionary()


@functools.cache  # there are as many as versions of converters, times a dozen
def _traits(
    rel: Relation,
    bounce: int,
    wrote: Side | None,
    unverified: bool,  # noqa: FBT001 - a member of a state, given by place
    version: str,
    group: str | None,
) -> Traits:
    return Traits(rel, bounce, wrote, unverified, version, group)


class PackedFields(Mapping[str, "FieldState"]):
    """The states of a link's lines, made when they are asked for.

    `loose` holds those that do not fit: never agreed, seen otherwise than agreed, of a type that is not known, or
    changed since the bytes were made.
    """

    __slots__ = ("dialog_insight", "loose", "salesforce", "shape")

    def __init__(
        self, shape: Shape, salesforce: bytes, dialog_insight: bytes, loose: Mapping[str, FieldState] | None
    ) -> None:
        self.shape = shape
        self.salesforce = salesforce
        self.dialog_insight = dialog_insight
        self.loose = loose

    def __getitem__(self, name: str) -> FieldState:
        place = self.shape.places[name]
        if self.shape.traits[place] is None:
            return cast("Mapping[str, FieldState]", self.loose)[name]
        return self.states([name])[name]

    def states(self, names: Iterable[str] | None = None) -> dict[str, FieldState]:
        """Give several states at once, of lines that are here; None: all."""
        from di_salesforce.engine._memory import FieldState

        shape, count = self.shape, len(self.shape.names)
        salesforce: list[Value] | None = None
        dialog_insight: list[Value] = []
        found: dict[str, FieldState] = {}
        for name in shape.names if names is None else names:
            place = shape.places[name]
            traits = shape.traits[place]
            if traits is None:
                found[name] = cast("Mapping[str, FieldState]", self.loose)[name]
                continue
            if salesforce is None:
                salesforce = unpack(self.salesforce, count)
                is_one = self.dialog_insight is self.salesforce
                dialog_insight = salesforce if is_one else unpack(self.dialog_insight, count)
            found[name] = FieldState(
                (salesforce[place], dialog_insight[place]),
                traits.rel,
                _UNSEEN,
                traits.bounce,
                traits.wrote,
                traits.unverified,
                traits.version,
                traits.group,
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.shape.names)

    def __len__(self) -> int:
        return len(self.shape.names)

    def __contains__(self, name: object) -> bool:
        return name in self.shape.places

    def items(self) -> Any:  # typeshed wants an ItemsView; a dictionary's own is one
        return self.states().items()

    def values(self) -> Any:  # likewise
        return self.states().values()

    def with_states(self, changed: Mapping[str, FieldState]) -> Mapping[str, FieldState]:
        """Give the same lines with other states for some of them; a new line comes last."""
        if not changed:
            return self
        if not changed.keys() <= self.shape.places.keys():
            return {**self.states(), **changed}
        return PackedFields(
            self.shape.without(frozenset(changed)),
            self.salesforce,
            self.dialog_insight,
            {**self.loose, **changed} if self.loose else dict(changed),
        )

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedFields) and (
            self.shape.names == other.shape.names
            and self.salesforce == other.salesforce
            and self.dialog_insight == other.dialog_insight
        ):
            if self.shape is other.shape:
                return self.loose == other.loose
            names = {*(self.loose or ()), *(other.loose or ())}
            return _same_traits(self.shape, other.shape, names) and self.states(names) == other.states(names)
        if not isinstance(other, Mapping):
            return NotImplemented
        # Bytes that differ may hold values that Python calls equal: 1 and 1.0.
        return self.states() == dict(cast("Mapping[str, FieldState]", other).items())

    __hash__ = None  # type: ignore[assignment]  # like a dictionary's

    def __repr__(self) -> str:
        return f"<PackedFields: {len(self)}>"


def _same_traits(one: Shape, other: Shape, but: Collection[str]) -> bool:
    return all(
        own is theirs or name in but for name, own, theirs in zip(one.names, one.traits, other.traits, strict=True)
    )


_UNSEEN: Final = (UNSET, UNSET)


class LazyFields(Mapping[str, "FieldState"]):
    """States of a link's lines that are worked out when somebody asks: nobody does before the plan is carried out."""

    def __init__(self, work_out: Callable[[], dict[str, FieldState]]) -> None:
        self._work_out = work_out

    @functools.cached_property
    def _states(self) -> dict[str, FieldState]:
        return self._work_out()

    def __getitem__(self, name: str) -> FieldState:
        return self._states[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __repr__(self) -> str:
        return "<LazyFields>"


def states_of(fields: Mapping[str, FieldState], names: Iterable[str]) -> dict[str, FieldState]:
    """Give the states of some lines, of those that are there."""
    here = [name for name in names if name in fields]
    return fields.states(here) if isinstance(fields, PackedFields) else {name: fields[name] for name in here}


def with_states(fields: Mapping[str, FieldState], changed: Mapping[str, FieldState]) -> Mapping[str, FieldState]:
    """Give the same lines with other states for some of them; a new line comes last."""
    return fields.with_states(changed) if isinstance(fields, PackedFields) else {**fields, **changed}


def tight(fields: Mapping[str, FieldState]) -> PackedFields:
    """Give states in as little room as they can take."""
    if isinstance(fields, PackedFields):
        if fields.loose is None or not any(map(_fits, fields.loose.values())):
            return fields
        fields = fields.states()
    names = tuple(fields)
    traits: list[Traits | None] = []
    salesforce: list[Value] = []
    dialog_insight: list[Value] = []
    loose: dict[str, FieldState] = {}
    for name, state in fields.items():
        if state.base is not None and _fits(state):
            traits.append(_traits(state.rel, state.bounce, state.wrote, state.unverified, state.version, state.group))
            salesforce.append(state.base[0])
            dialog_insight.append(state.base[1])
        else:
            traits.append(None)
            salesforce.append(None)
            dialog_insight.append(None)
            loose[name] = state
    return packed_fields(Shape.of(names, tuple(traits)), salesforce, dialog_insight, loose)


def from_plain_fields(data: Mapping[str, list[Any]]) -> PackedFields:  # plain data of a store
    """Read the states of a link's lines as `FieldState.to_plain` gave them, without making most of them."""
    try:
        quickly = _from_columns(data)
    except (TypeError, ValueError):  # never agreed in some line, or damaged: line by line it is told apart
        quickly = None
    return _line_by_line(data) if quickly is None else quickly


def _from_columns(data: Mapping[str, list[Any]]) -> PackedFields | None:
    """Read a link of which no line is loose, which is so for most; None, or an error, for any other."""
    bases, rels, seens, *others = zip(*data.values(), strict=True)
    salesforce, dialog_insight = (_read(side) for side in zip(*bases, strict=True))
    if any(seen is not None for seen in seens) or salesforce is None or dialog_insight is None:
        return None
    return packed_fields(_plain_shape((*data,), rels, *others), salesforce, dialog_insight, None)


def _read(values: tuple[Any, ...]) -> list[Value] | None:  # plain data of a store
    """Read one side's values; None where one has no known type."""
    read = [*values]
    for place, value in enumerate(values):
        if type(value) not in _EXACT:
            read[place] = from_plain(value)
            if not is_known(read[place]):
                return None
    return read


def _line_by_line(data: Mapping[str, list[Any]]) -> PackedFields:  # likewise
    from di_salesforce.engine._memory import FieldState

    traits: list[Traits | None] = []
    salesforce: list[Value] = []
    dialog_insight: list[Value] = []
    loose: dict[str, FieldState] = {}
    for name, plain in data.items():
        base, rel, seen, *others = plain
        read = _read(tuple(base)) if base is not None and seen is None else None
        if read is None:
            traits.append(None)
            read = [None, None]
            loose[name] = FieldState.from_plain(plain)
        else:
            traits.append(_plain_traits(rel, *others))
        one, other = read
        salesforce.append(one)
        dialog_insight.append(other)
    return packed_fields(Shape.of(tuple(data), tuple(traits)), salesforce, dialog_insight, loose)


@functools.lru_cache(maxsize=1024)  # most links of a transfer have the same; it only saves time
def _plain_shape(names: tuple[str, ...], *columns: tuple[Any, ...]) -> Shape:  # plain data of a store
    """Give the shape of lines whose traits are told column by column, in the order of `_plain_traits`."""
    return Shape.of(names, tuple(_plain_traits(*line) for line in zip(*columns, strict=True)))


@functools.cache
def _plain_traits(
    rel: str,
    bounce: int,
    wrote: str | None,
    unverified: bool,  # noqa: FBT001 - as above
    version: str,
    group: str | None,
) -> Traits:
    from di_salesforce.engine._memory import Relation

    return _traits(
        Relation(rel), int(bounce), None if wrote is None else Side(wrote), bool(unverified), str(version), group
    )


def packed_fields(
    shape: Shape, salesforce: list[Value], dialog_insight: list[Value], loose: Mapping[str, FieldState] | None
) -> PackedFields:
    """Pack values that all have a known type; both sides' bytes are kept once where they are the same."""
    one, two = pack(salesforce), pack(dialog_insight)
    if one is None or two is None:
        raise AssertionError("a value of no known type was to be packed")  # `_fits` keeps them out
    return PackedFields(shape, one, one if one == two else two, loose or None)


def _fits(state: FieldState) -> bool:
    return state.base is not None and state.seen == _UNSEEN and all(map(is_known, state.base))
