"""What is remembered of a transfer, read from a store only as far as somebody asks.

What may not go in here: deciding, writing, and a database's own words (`_sqlite.py`, `_postgres.py`).  What was read is
kept, so that one plan sees one state of a link; the lease keeps other runs from writing meanwhile.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from di_salesforce.engine import CoverageRecord, LinkRecord, OpenItem, Tombstone
from di_salesforce.engine._memory import DAMAGE, FORMAT, KeyText, Life, plain_format
from di_salesforce.records import Side

__all__ = ["StoredBaseline"]

_PAGE: Final = 10_000  # links that are read at once where all are asked for

_Row = TypeVar("_Row")

Ask = Callable[[str, tuple[object, ...]], list[tuple[Any, ...]]]  # columns of any type
"""Asks the store one question, in SQL."""


class StoredBaseline:
    """The memory of one transfer, left in its store: a `BaselineLike`, for runs that look at changes only.

    Args:
        transfer: Its name.
        ask: Asks the store.
        damaged: Gives the error for rows that cannot be read.
    """

    def __init__(self, transfer: str, ask: Ask, damaged: Callable[[str], Exception]) -> None:
        self._transfer = transfer
        self._ask = ask
        self._damaged = damaged
        self._known: dict[str, LinkRecord] = {}

    def _read(self, body: str, kind: Callable[[Mapping[str, Any]], _Row]) -> _Row:  # plain data of a store
        try:
            data = json.loads(body)
            if (plain_format(data) or 0) > FORMAT:
                raise self._damaged("a row of a newer format")
            return kind(data)
        except DAMAGE:
            raise self._damaged("a row") from None

    def _links(self, where: str, *values: object) -> list[LinkRecord]:
        rows = self._ask(f"SELECT id, body FROM links WHERE transfer = ? AND {where}", (self._transfer, *values))  # noqa: S608 - our own words
        for link_id, body in rows:
            if link_id not in self._known:
                self._known[link_id] = self._read(body, LinkRecord.from_dict)
        return [self._known[link_id] for link_id, _ in rows]

    @property
    def links(self) -> Iterator[LinkRecord]:
        """All links, page by page; they are not kept."""
        last = ""
        while page := self._ask(
            "SELECT id, body FROM links WHERE transfer = ? AND id > ? ORDER BY id LIMIT ?",
            (self._transfer, last, _PAGE),
        ):
            for link_id, body in page:
                yield self._known.get(link_id) or self._read(body, LinkRecord.from_dict)
            last = page[-1][0]

    def link(self, link_id: str) -> LinkRecord | None:
        """Give a link by its own id."""
        return next(iter(self._links("id = ?", link_id)), None)

    def find(self, side: Side, record_id: str) -> LinkRecord | None:
        """Give the link of a record by its native id."""
        return max(self._links(f"{side.value}_id = ?", record_id), key=_id, default=None)

    def find_key(self, side: Side, key: KeyText) -> LinkRecord | None:
        """Give the link of a record by its normalised key as remembered; of several one that is live."""
        found = self._links(f"{side.value}_key = ?", json.dumps(key))
        return max(found, key=lambda link: (link.life is Life.LIVE, link.id), default=None)

    def _rows(self, kind: str) -> Iterable[str]:
        return (body for (body,) in self._ask("SELECT body FROM rows WHERE transfer = ? AND kind = ?",
                                              (self._transfer, kind)))  # fmt: skip

    @functools.cached_property
    def open_items(self) -> Mapping[str, OpenItem]:
        """What is not settled, by item id."""
        items = (self._read(body, OpenItem.from_dict) for body in self._rows(OpenItem.kind))
        return {item.id: item for item in items}

    @functools.cached_property
    def tombstones(self) -> Mapping[str, Tombstone]:
        """What must not be created again, by tombstone id."""
        stones = (self._read(body, Tombstone.from_dict) for body in self._rows(Tombstone.kind))
        return {stone.id: stone for stone in stones}

    @functools.cached_property
    def _coverages(self) -> Mapping[Side, CoverageRecord]:
        found = (self._read(body, CoverageRecord.from_dict) for body in self._rows(CoverageRecord.kind))
        return {coverage.side: coverage for coverage in found}

    def coverage(self, side: Side) -> CoverageRecord | None:
        """What that side was last read for; None: never."""
        return self._coverages.get(side)

    @functools.cached_property
    def _count(self) -> int:
        return int(self._ask("SELECT count(*) FROM links WHERE transfer = ?", (self._transfer,))[0][0])

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        """A memory is never false."""
        return True

    def __repr__(self) -> str:
        return f"<StoredBaseline {self._transfer}>"


def _id(link: LinkRecord) -> str:
    return link.id
