"""Links as they are remembered, with each line's state; the names and the plain form of all that is remembered.

What may not go in here: what is remembered besides links (`_besides.py`), the memory as a whole (`_baseline.py`),
deciding, any format but plain data.  The plain form is a promise: each row carries its format number, and older formats
stay readable.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, Self, cast

import attrs

from di_salesforce.engine._packed import from_plain_fields, tight
from di_salesforce.records import UNSET, Side, UnsetType, Value, from_plain, to_plain

__all__ = [
    "DAMAGE",
    "FORMAT",
    "SIDES",
    "FieldState",
    "KeyText",
    "Life",
    "LinkRecord",
    "Relation",
    "digest",
    "fingerprint",
    "key_of",
    "plain_format",
    "plain_key",
    "plain_time",
    "time_of",
]

SIDES: Final = tuple(Side)
"""Both sides, Salesforce first: walking an enumeration is slow, and pairs are walked by the hundred thousand."""

_SALESFORCE: Final = Side.SALESFORCE  # to name a member of an enumeration is slow as well

FORMAT: Final = 1
"""The format number of plain rows; a reader accepts this and every older one."""

DAMAGE: Final = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError)
"""What reading plain data that is not what it should be may raise."""

KeyText = tuple[str, ...]
"""A normalised key: one text per key field."""


class Relation(enum.StrEnum):
    """How the two values of a baseline relate."""

    AGREED = "="  # they were equal
    REWRITTEN = "~"  # known to differ: a side rewrites values on save, or the field flows one way only
    ACCEPTED = "!"  # a person decided that they may differ


class Life(enum.StrEnum):
    """Where a link stands in its life."""

    LIVE = "live"
    DORMANT = "dormant"  # one record is gone or out of scope: nothing flows, the state is kept
    ENDED = "ended"


@attrs.frozen(repr=False)
class FieldState:
    """What is remembered of one line of one link; `base` holds each side's own value, never a converted one."""

    base: tuple[Value, Value] | None = None  # (Salesforce, Dialog Insight); None: they never agreed
    rel: Relation = Relation.AGREED
    seen: tuple[Value | UnsetType, Value | UnsetType] = (UNSET, UNSET)  # kept only while it differs from base
    bounce: int = 0
    wrote: Side | None = None  # the side that we wrote last
    unverified: bool = False  # what the server kept of our last write is not known
    version: str = ""  # the converter's
    group: str | None = None

    def of(self, side: Side) -> Value | UnsetType:
        """That side's value of the base."""
        return UNSET if self.base is None else self.base[0 if side is _SALESFORCE else 1]

    def seen_of(self, side: Side) -> Value | UnsetType:
        """That side's value at the last look, where it differs from the base."""
        return self.seen[0 if side is _SALESFORCE else 1]

    def seeing(self, seen: tuple[Value | UnsetType, Value | UnsetType]) -> FieldState:
        """Give the same state with other values at the last look."""
        # Not `attrs.evolve`, which is slow, and this is done for every line that differs.
        return FieldState(self.base, self.rel, seen, self.bounce, self.wrote, self.unverified, self.version, self.group)

    def agreeing(self, base: tuple[Value, Value], version: str, *, unverified: bool) -> FieldState:
        """Give the same state once both sides are known to hold the same."""
        return FieldState(
            base, Relation.AGREED, (UNSET, UNSET), self.bounce, self.wrote, unverified, version, self.group
        )

    def __repr__(self) -> str:
        return f"<FieldState {'no base' if self.base is None else self.rel.value}>"

    def to_plain(self) -> list[Any]:  # JSON-safe data
        """Give the state as a short list: what has its default value at the end is left out."""
        full: list[Any] = [
            None if self.base is None else [to_plain(self.base[0]), to_plain(self.base[1])],
            self.rel.value,
            [to_plain(self.seen[0]), to_plain(self.seen[1])] if self.seen != (UNSET, UNSET) else None,
            self.bounce,
            self.wrote.value if self.wrote else None,
            self.unverified,
            self.version,
            self.group,
        ]
        return full

    @classmethod
    def from_plain(cls, data: list[Any]) -> Self:  # JSON-safe data
        """Read what `to_plain` gave."""
        base, rel, seen, bounce, wrote, unverified, version, group = data
        return cls(
            None if base is None else (from_plain(base[0]), from_plain(base[1])),
            Relation(rel),
            (UNSET, UNSET) if seen is None else (from_plain(seen[0]), from_plain(seen[1])),
            int(bounce),
            None if wrote is None else Side(wrote),
            bool(unverified),
            str(version),
            group,
        )


@attrs.frozen(repr=False)
class LinkRecord:
    """A pair of records that belong together, and what is remembered of each line."""

    kind: ClassVar[str] = "link"
    transfer: str
    id: str
    salesforce_id: str | None
    dialog_insight_id: str | None
    salesforce_key: KeyText | None
    dialog_insight_key: KeyText | None
    fields: Mapping[str, FieldState]
    life: Life = Life.LIVE
    gone: Side | None = None  # the side whose record is missing, where the link is not live
    cause: str = ""
    salesforce_as_of: datetime | None = None
    dialog_insight_as_of: datetime | None = None
    rev: int = 0

    def record_id(self, side: Side) -> str | None:
        """That side's native id; a relational row has none."""
        return self.salesforce_id if side is _SALESFORCE else self.dialog_insight_id

    def key(self, side: Side) -> KeyText | None:
        """That side's normalised key."""
        return self.salesforce_key if side is _SALESFORCE else self.dialog_insight_key

    def as_of(self, side: Side) -> datetime | None:
        """When that side was last looked at for this link, or written."""
        return self.salesforce_as_of if side is _SALESFORCE else self.dialog_insight_as_of

    def with_side(
        self,
        side: Side,
        *,
        record_id: str | UnsetType | None = UNSET,
        key: KeyText | UnsetType | None = UNSET,
        as_of: datetime | UnsetType | None = UNSET,
    ) -> LinkRecord:
        """Give the same link with other words about one side."""
        own_id = self.record_id(side) if isinstance(record_id, UnsetType) else record_id
        own_key = self.key(side) if isinstance(key, UnsetType) else key
        own_as_of = self.as_of(side) if isinstance(as_of, UnsetType) else as_of
        if side is _SALESFORCE:
            ids, keys = (own_id, self.dialog_insight_id), (own_key, self.dialog_insight_key)
            return self._again(ids, keys, self.fields, (own_as_of, self.dialog_insight_as_of), self.rev)
        ids, keys = (self.salesforce_id, own_id), (self.salesforce_key, own_key)
        return self._again(ids, keys, self.fields, (self.salesforce_as_of, own_as_of), self.rev)

    def with_fields(self, fields: Mapping[str, FieldState]) -> LinkRecord:
        """Give the same link with other states of its lines."""
        if fields is self.fields:
            return self
        ids, keys = (self.salesforce_id, self.dialog_insight_id), (self.salesforce_key, self.dialog_insight_key)
        return self._again(ids, keys, fields, (self.salesforce_as_of, self.dialog_insight_as_of), self.rev)

    def observed(self, salesforce: datetime | None, dialog_insight: datetime | None, *, rev: int) -> LinkRecord:
        """Give the same link with when its sides were looked at, and another count of settlements."""
        ids, keys = (self.salesforce_id, self.dialog_insight_id), (self.salesforce_key, self.dialog_insight_key)
        return self._again(ids, keys, self.fields, (salesforce, dialog_insight), rev)

    def _again(
        self,
        ids: tuple[str | None, str | None],
        keys: tuple[KeyText | None, KeyText | None],
        fields: Mapping[str, FieldState],
        moments: tuple[datetime | None, datetime | None],
        rev: int,
    ) -> LinkRecord:
        # Not `attrs.evolve`, which is slow.
        return LinkRecord(self.transfer, self.id, *ids, *keys, fields, self.life, self.gone, self.cause, *moments, rev)

    def tight(self) -> LinkRecord:
        """Give the same link with its lines in little room: how a memory keeps it."""
        return self.with_fields(tight(self.fields))

    def __repr__(self) -> str:
        return f"<LinkRecord {self.transfer} {self.id} {self.life.value}: {len(self.fields)} fields>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the link as plain data."""
        return {
            "kind": self.kind,
            "format": FORMAT,
            "transfer": self.transfer,
            "id": self.id,
            "salesforce": [self.salesforce_id, plain_key(self.salesforce_key), plain_time(self.salesforce_as_of)],
            "dialog_insight": [
                self.dialog_insight_id,
                plain_key(self.dialog_insight_key),
                plain_time(self.dialog_insight_as_of),
            ],
            "life": [self.life.value, self.gone.value if self.gone else None, self.cause],
            "rev": self.rev,
            "fields": {name: state.to_plain() for name, state in self.fields.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave."""
        salesforce, dialog_insight = data["salesforce"], data["dialog_insight"]
        life, gone, cause = data["life"]
        return cls(
            transfer=data["transfer"],
            id=data["id"],
            salesforce_id=salesforce[0],
            salesforce_key=key_of(salesforce[1]),
            salesforce_as_of=time_of(salesforce[2]),
            dialog_insight_id=dialog_insight[0],
            dialog_insight_key=key_of(dialog_insight[1]),
            dialog_insight_as_of=time_of(dialog_insight[2]),
            life=Life(life),
            gone=None if gone is None else Side(gone),
            cause=cause,
            rev=data["rev"],
            fields=from_plain_fields(data["fields"]),
        )


def plain_format(data: object) -> int | None:
    """Give the format number of plain data, or None where it has none."""
    number = cast("Mapping[str, object]", data).get("format") if isinstance(data, Mapping) else None
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None


def digest(*parts: str | tuple[str, ...]) -> str:
    """Give a short stable name for what is named by its parts (also used for action ids)."""
    text = "\x1f".join(["\x1e".join(part) if isinstance(part, tuple) else part for part in parts])
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=10).hexdigest()


def fingerprint(*values: Value | UnsetType) -> str:
    """Name the inputs of a decision, so that the same inputs are not told, or tried, twice."""
    return digest(*(json.dumps(to_plain(value), sort_keys=True) for value in values))


def plain_key(key: KeyText | None) -> list[str] | None:
    """Give a key as JSON has it."""
    return None if key is None else list(key)


def key_of(data: list[str] | None) -> KeyText | None:
    """Read what `plain_key` gave."""
    return None if data is None else tuple(data)


def plain_time(moment: datetime | None) -> str | None:
    """Give a moment as JSON has it."""
    return None if moment is None else moment.isoformat()


def time_of(text: str | None) -> datetime | None:
    """Read what `plain_time` gave."""
    return None if text is None else datetime.fromisoformat(text)
