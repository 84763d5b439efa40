"""What is remembered between two runs of one transfer, as a value.

What may not go in here: deciding, and the rows' own forms (`_memory.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import attrs

from di_salesforce.engine._besides import CoverageRecord, OpenItem, Tombstone
from di_salesforce.engine._memory import DAMAGE, FORMAT, KeyText, Life, LinkRecord, plain_format
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import UNSET, Side

if TYPE_CHECKING:
    from di_salesforce.engine._settle import Settlement

__all__ = ["Baseline", "BaselineLike"]


class BaselineLike(Protocol):
    """What `reconcile` asks of a memory: a `Baseline`, or a store's own implementation.

    Where a side was read completely `links` is walked once.  Where only changes are given it is not touched: links are
    then asked for one by one, so that a store need not read what did not change.
    """

    @property
    def links(self) -> Iterable[LinkRecord]: ...

    def link(self, link_id: str) -> LinkRecord | None: ...

    def find(self, side: Side, record_id: str) -> LinkRecord | None: ...

    def find_key(self, side: Side, key: KeyText) -> LinkRecord | None: ...

    @property
    def open_items(self) -> Mapping[str, OpenItem]: ...

    @property
    def tombstones(self) -> Mapping[str, Tombstone]: ...

    def coverage(self, side: Side) -> CoverageRecord | None: ...

    def __len__(self) -> int: ...


_ROWS: Final[Mapping[str, type[LinkRecord | OpenItem | Tombstone | CoverageRecord]]] = {
    kind.kind: kind for kind in (LinkRecord, OpenItem, Tombstone, CoverageRecord)
}


class Baseline:
    """The memory of one transfer as a value: settlements make a new one.

    Example:
        >>> Baseline.empty()
        <Baseline: 0 links, 0 open items>
    """

    def __init__(
        self,
        links: Iterable[LinkRecord] = (),
        open_items: Iterable[OpenItem] = (),
        tombstones: Iterable[Tombstone] = (),
        coverages: Iterable[CoverageRecord] = (),
    ) -> None:
        self._links = {link.id: link.tight() for link in links}
        self._open_items = {item.id: item for item in open_items}
        self._tombstones = {stone.id: stone for stone in tombstones}
        self._coverages = {coverage.side: coverage for coverage in coverages}
        self._by_id: dict[Side, dict[str, LinkRecord]] | None = None
        self._by_key: dict[Side, dict[KeyText, LinkRecord]] | None = None

    @classmethod
    def empty(cls) -> Self:
        """Remember nothing: a first run."""
        return cls()

    @classmethod
    def from_dicts(cls, rows: Iterable[Mapping[str, Any]]) -> Self:  # plain data of a store
        """Read what `to_dicts` gave, in any order.

        Raises:
            ConfigurationError: For rows that are damaged, of a newer format or of no known kind, all at once with their
                positions (of very many the first).
        """
        found: dict[str, list[Any]] = {kind: [] for kind in _ROWS}  # each list holds its own kind
        problems: list[Problem] = []
        for index, row in enumerate(rows):
            version = plain_format(row)
            kind = row.get("kind") if version is not None else None
            if version is None or not isinstance(kind, str) or kind not in _ROWS:
                problems.append(Problem(f"rows[{index}]", "is no row of a baseline", "baseline.unknown_row"))
            elif version > FORMAT:
                problems.append(
                    Problem(
                        f"rows[{index}]", f"has format {version}; this version reads up to {FORMAT}", "baseline.newer"
                    )
                )
            else:
                try:
                    found[kind].append(_ROWS[kind].from_dict(row))
                except DAMAGE as error:
                    problems.append(
                        Problem(f"rows[{index}]", f"is damaged ({type(error).__name__})", "baseline.damaged")
                    )
        if problems:
            raise ConfigurationError(problems[:20], what="baseline")
        return cls(found["link"], found["open_item"], found["tombstone"], found["coverage"])

    def to_dicts(self) -> list[dict[str, Any]]:  # JSON-safe data
        """Give everything as plain, JSON-safe rows; exact: `from_dicts` gives an equal baseline."""
        return [row.to_dict() for row in self._all_rows()]

    def _all_rows(self) -> Iterator[LinkRecord | OpenItem | Tombstone | CoverageRecord]:
        for table in (self._coverages, self._links, self._open_items, self._tombstones):
            yield from table.values()

    @property
    def links(self) -> tuple[LinkRecord, ...]:
        """All links, live and dormant."""
        return tuple(self._links.values())

    @property
    def open_items(self) -> Mapping[str, OpenItem]:
        """What is not settled, by item id."""
        return self._open_items

    @property
    def tombstones(self) -> Mapping[str, Tombstone]:
        """What must not be created again, by tombstone id."""
        return self._tombstones

    def coverage(self, side: Side) -> CoverageRecord | None:
        """What that side was last read for; None: never."""
        return self._coverages.get(side)

    def link(self, link_id: str) -> LinkRecord | None:
        """Give a link by its own id."""
        return self._links.get(link_id)

    def find(self, side: Side, record_id: str) -> LinkRecord | None:
        """Give the link of a record by its native id."""
        if self._by_id is None:
            self._by_id = {s: {i: x for x in self._links.values() if (i := x.record_id(s)) is not None} for s in Side}
        return self._by_id[side].get(record_id)

    def find_key(self, side: Side, key: KeyText) -> LinkRecord | None:
        """Give the link of a record by its normalised key as remembered."""
        if self._by_key is None:
            # Of several links with one key a living one is given: it is the one that keeps the key from others.
            links = sorted(self._links.values(), key=lambda link: (link.life is Life.LIVE, link.id))
            self._by_key = {s: {k: x for x in links if (k := x.key(s)) is not None} for s in Side}
        return self._by_key[side].get(key)

    def updated(self, settlement: Settlement) -> Baseline:
        """Give the baseline after a settlement (a delta); rows of other transfers are left out.

        Raises:
            ConfigurationError: Where nothing is remembered yet and the settlement is of several transfers: take
                `settlement.of(name)`.
        """
        own = next(self._all_rows(), None)
        if own is not None:
            settlement = settlement.of(own.transfer)
        elif len(settlement.transfers) > 1:
            raise ConfigurationError(
                f"the settlement is of {', '.join(sorted(settlement.transfers))}, and a baseline of one transfer: "
                "take settlement.of(name)"
            )
        links, items, stones = dict(self._links), dict(self._open_items), dict(self._tombstones)
        for link_id in settlement.removed_links:
            links.pop(link_id, None)
        links.update({link.id: link.tight() for link in settlement.changed_links})
        for item_id in settlement.closed_items:
            items.pop(item_id, None)
        items.update({item.id: item for item in settlement.open_items})
        for stone_id in settlement.removed_tombstones:
            stones.pop(stone_id, None)
        stones.update({stone.id: stone for stone in settlement.tombstones})
        coverages = {**self._coverages, **{coverage.side: coverage for coverage in settlement.coverages}}
        baseline = Baseline((), items.values(), stones.values(), coverages.values())
        baseline._links = links
        return baseline

    def distrust(self) -> Baseline:
        """Keep the links and forget what the fields held: for a baseline that was restored from an older copy.

        The next plan then overwrites nothing by itself: pairs that agree are noted, pairs that differ meet as if for
        the first time.
        """
        return Baseline(
            (
                attrs.evolve(
                    link,
                    salesforce_as_of=None,
                    dialog_insight_as_of=None,
                    fields={
                        name: attrs.evolve(state, base=None, seen=(UNSET, UNSET), bounce=0)
                        for name, state in link.fields.items()
                    },
                )
                for link in self._links.values()
            ),
            self._open_items.values(),
            self._tombstones.values(),
        )

    def __len__(self) -> int:
        return len(self._links)

    def __bool__(self) -> bool:
        """A memory is never false: one without a link may still hold open items and tombstones."""
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Baseline):
            return NotImplemented
        return (self._links, self._open_items, self._tombstones, self._coverages) == (
            other._links,
            other._open_items,
            other._tombstones,
            other._coverages,
        )

    __hash__ = None  # type: ignore[assignment]  # it holds dictionaries

    def __repr__(self) -> str:
        return f"<Baseline: {len(self._links):,} links, {len(self._open_items):,} open items>"
