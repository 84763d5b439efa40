"""What is remembered besides links: what is open, what must not be created again, what was read completely.

What may not go in here: links (`_memory.py`), the memory as a whole (`_baseline.py`), deciding.  The plain form is a
promise, as a link's is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Self

import attrs

from di_salesforce.engine._memory import FORMAT, KeyText, digest, key_of, plain_key, plain_time, time_of
from di_salesforce.records import Side, Value, from_plain, to_plain

__all__ = ["CoverageRecord", "OpenItem", "Tombstone"]


@attrs.frozen(repr=False)
class OpenItem:
    """A difference or a row that is not settled: held, skipped, refused, waiting; found again at every run until it is.

    Items of one subject are told apart by what they are about.  About a write: `side` is the side that was to be
    written, and `group` is empty, or the name of the field group that a person decided.  About one field group of a
    link: `group` is its name.  About a whole link or row: neither.
    """

    kind: ClassVar[str] = "open_item"
    transfer: str
    subject: str  # "link:<id>" or "row:<side>:<record id or key>"
    group: str  # the field group, or "" for a write by rule and for the whole link or row
    reason: str  # dotted code
    since: datetime
    count: int = 1
    fingerprint: str = ""  # of the inputs: the same inputs need no second telling
    key: tuple[Value, ...] = ()
    detail: str = ""  # the server's own words
    side: Side | None = None  # the side that a write was to change; None: it is not about a write

    @property
    def id(self) -> str:
        """What tells it from every other item of the store."""
        return f"{self.transfer}/{self.subject}/{self.side.value if self.side else ''}/{self.group}"

    @property
    def is_about_a_write(self) -> bool:
        """Whether a write failed, was left out, or got lost: its rows are read again before anything flows."""
        return self.reason.startswith("outcome.")

    def __repr__(self) -> str:
        return f"<OpenItem {self.transfer} {self.reason} x{self.count}>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the item as plain data."""
        return {
            "kind": self.kind,
            "format": FORMAT,
            "transfer": self.transfer,
            "subject": self.subject,
            "group": self.group,
            "reason": self.reason,
            "since": plain_time(self.since),
            "count": self.count,
            "fingerprint": self.fingerprint,
            "key": [to_plain(part) for part in self.key],
            "detail": self.detail,
            "side": self.side.value if self.side else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave."""
        return cls(
            data["transfer"],
            data["subject"],
            data["group"],
            data["reason"],
            datetime.fromisoformat(data["since"]),
            data["count"],
            data["fingerprint"],
            tuple(from_plain(part) for part in data["key"]),
            data["detail"],
            None if data["side"] is None else Side(data["side"]),
        )


@attrs.frozen(repr=False)
class Tombstone:
    """A record that must not be created again on the other side: by native id, by key only where there is no id."""

    kind: ClassVar[str] = "tombstone"
    transfer: str
    side: Side
    record_id: str | None
    key: KeyText | None
    since: datetime
    cause: str

    @property
    def id(self) -> str:
        """What tells it from every other tombstone of the store."""
        return f"{self.transfer}/{self.side.value}/{self.record_id or digest(self.key or ())}"

    def __repr__(self) -> str:
        return f"<Tombstone {self.transfer} {self.side.value} {self.cause}>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the tombstone as plain data."""
        return {
            "kind": self.kind,
            "format": FORMAT,
            "transfer": self.transfer,
            "side": self.side.value,
            "record_id": self.record_id,
            "key": plain_key(self.key),
            "since": plain_time(self.since),
            "cause": self.cause,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave."""
        return cls(
            data["transfer"],
            Side(data["side"]),
            data["record_id"],
            key_of(data["key"]),
            datetime.fromisoformat(data["since"]),
            data["cause"],
        )


@attrs.frozen
class CoverageRecord:
    """What a side was last read completely for, and as of when it was last observed at all."""

    kind: ClassVar[str] = "coverage"
    transfer: str
    side: Side
    scope: str | None
    fields: tuple[str, ...]
    complete_as_of: datetime | None
    as_of: datetime | None  # of the last complete or gap-free observation
    cursor: str | None = None  # where a feed goes on; its form is the feed's own

    @property
    def id(self) -> str:
        """What tells it from every other coverage of the store."""
        return f"{self.transfer}/{self.side.value}"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the record as plain data."""
        return {
            "kind": self.kind,
            "format": FORMAT,
            "transfer": self.transfer,
            "side": self.side.value,
            "scope": self.scope,
            "fields": list(self.fields),
            "complete_as_of": plain_time(self.complete_as_of),
            "as_of": plain_time(self.as_of),
            "cursor": self.cursor,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave."""
        return cls(
            data["transfer"],
            Side(data["side"]),
            data["scope"],
            tuple(data["fields"]),
            time_of(data["complete_as_of"]),
            time_of(data["as_of"]),
            data["cursor"],
        )
