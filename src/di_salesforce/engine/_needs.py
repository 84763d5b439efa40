"""What a plan must still be shown before it can decide: rows by id, or all rows with a key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import attrs

from di_salesforce.engine._actions import Key, key_from_plain
from di_salesforce.records import Side, to_plain

__all__ = ["Need", "Needs"]


@attrs.frozen(repr=False)
class Need:
    """One look-up: a record id, or a key as that side writes it (a tuple where the key has several fields)."""

    record_id: str | None
    key: Key

    def to_plain(self) -> list[Any]:  # JSON-safe data
        """Give the need as plain data: the id, and the key (a list where it has several parts)."""
        key = list(map(to_plain, self.key)) if isinstance(self.key, tuple) else to_plain(self.key)
        return [self.record_id, key]

    @classmethod
    def from_plain(cls, data: list[Any]) -> Self:  # JSON-safe data
        """Read what `to_plain` gave."""
        record_id, key = data
        return cls(record_id, key_from_plain(key))

    def __repr__(self) -> str:
        return f"<Need by {'id' if self.record_id is not None else 'key'}>"


def _sorted(needs: Iterable[Need]) -> tuple[Need, ...]:
    return tuple(sorted(needs, key=lambda need: (need.record_id is None, str(need.record_id), repr(need.key))))


@attrs.frozen(repr=False)
class Needs:
    """The look-ups that a plan waits for, by side; false where there are none.

    Example:
        >>> needs = Needs(salesforce=[Need("003000000000001AAA", None)])
        >>> bool(needs), len(needs[Side.SALESFORCE]), len(needs[Side.DIALOG_INSIGHT])
        (True, 1, 0)
    """

    salesforce: tuple[Need, ...] = attrs.field(default=(), converter=_sorted, kw_only=True)
    dialog_insight: tuple[Need, ...] = attrs.field(default=(), converter=_sorted, kw_only=True)

    def __getitem__(self, side: Side) -> tuple[Need, ...]:
        return self.salesforce if side is Side.SALESFORCE else self.dialog_insight

    def __iter__(self) -> Iterator[tuple[Side, Need]]:
        for side in Side:
            for need in self[side]:
                yield side, need

    def __len__(self) -> int:
        return len(self.salesforce) + len(self.dialog_insight)

    def __bool__(self) -> bool:
        return len(self) > 0

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the needs as plain data, by side."""
        return {side.value: [need.to_plain() for need in self[side]] for side in Side}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a plan
        """Read what `to_dict` gave."""
        return cls(**{side.value: [Need.from_plain(need) for need in data[side.value]] for side in Side})

    def __repr__(self) -> str:
        return f"<Needs: {len(self.salesforce)} of Salesforce, {len(self.dialog_insight)} of Dialog Insight>"
