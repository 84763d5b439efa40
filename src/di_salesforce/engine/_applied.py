"""What a write did, as the history keeps it: enough to be told, and to be taken back.

What may not go in here: deciding.  It holds people's data, so that it never shows itself but by name; the plain form is
a promise: it carries its format number, and older formats stay readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self

import attrs

from di_salesforce.engine._actions import Change, Key, Write, change_from_plain, change_to_plain, key_from_plain
from di_salesforce.engine._memory import DAMAGE, plain_format
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Row, Side, Value, from_plain, to_plain

__all__ = ["Applied"]

_FORMAT: Final = 1


@attrs.frozen(repr=False)
class Applied:
    """One write that was done, or that may have been: what each field held before and after, and by which rule.

    Args:
        action: The action's id in its plan.
        transfer: Whose write it was.
        kind: `create`, `update` or `delete`.
        side: The side that was written.
        link: The id of the link that it concerns.
        record_id: The record's id there; None for a relational row, and where a create did not tell it.
        key: The record's key as the plan showed it.
        reason: The rule of the whole write, a dotted code.
        changes: The fields, each with its value before, the value that was sent, and its own rule.
        kept: What the service keeps of these fields since, where it told that.
        at: When the outcome was known.
        sure: False where the answer was lost: it may or may not have been done.
    """

    action: str
    transfer: str
    kind: str
    side: Side
    link: str
    record_id: str | None
    key: Key
    reason: str
    changes: tuple[Change, ...]
    kept: Mapping[str, Value]
    at: datetime
    sure: bool = True

    @classmethod
    def of(cls, write: Write, record_id: str | None, stored: Row | None, at: datetime, *, sure: bool = True) -> Self:
        """Take down what a write did."""
        fields = {change.field for change in write.changes}
        kept: dict[str, Value] = {name: value for name, value in (stored or {}).items() if name in fields}
        link = write.link or ""
        return cls(
            write.id, write.transfer, write.kind, write.side, link, write.record_id or record_id, write.key,
            write.reason, write.changes, kept, at, sure,
        )  # fmt: skip

    def left(self, change: Change) -> Value:
        """Give what the write left in a field: what the service told, else what was sent."""
        return self.kept.get(change.field, change.after)

    def __repr__(self) -> str:
        return f"<Applied {self.transfer} {self.kind} {self.side.value}: {len(self.changes)} fields by {self.reason}>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the write as plain data."""
        return {
            "kind": "applied",
            "format": _FORMAT,
            "action": self.action,
            "transfer": self.transfer,
            "did": self.kind,
            "side": self.side.value,
            "link": self.link,
            "record_id": self.record_id,
            "key": list(map(to_plain, self.key)) if isinstance(self.key, tuple) else to_plain(self.key),
            "reason": self.reason,
            "changes": list(map(change_to_plain, self.changes)),
            "kept": {name: to_plain(value) for name, value in self.kept.items()},
            "at": self.at.isoformat(),
            "sure": self.sure,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave.

        Raises:
            ConfigurationError: For anything else, or a newer format.
        """
        form = plain_format(data)
        if form is None or data.get("kind") != "applied":
            raise ConfigurationError("this is no record of a write")
        if form > _FORMAT:
            raise ConfigurationError(f"the record of a write has format {form}; this version reads up to {_FORMAT}")
        try:
            return cls(
                data["action"],
                data["transfer"],
                data["did"],
                Side(data["side"]),
                data["link"],
                data["record_id"],
                key_from_plain(data["key"]),
                data["reason"],
                tuple(map(change_from_plain, data["changes"])),
                {name: from_plain(value) for name, value in data["kept"].items()},
                datetime.fromisoformat(data["at"]),
                data["sure"],
            )
        except DAMAGE as error:
            raise ConfigurationError(f"the record of a write is damaged ({type(error).__name__})") from None
