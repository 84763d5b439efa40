"""Words for records: sides, values, "not there", and record ids.

What may not go in here: anything about mappings, comparing or the wire.  Everything else imports this file, so it
imports nothing of the package.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, cast

__all__ = [
    "UNSET",
    "Row",
    "Side",
    "UnsetType",
    "Value",
    "from_plain",
    "is_blank",
    "record_id_18",
    "same_record_id",
    "to_plain",
]


class Side(enum.StrEnum):
    """One of the two services; its value is the name used on disk."""

    SALESFORCE = "salesforce"
    DIALOG_INSIGHT = "dialog_insight"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.DIALOG_INSIGHT if self is Side.SALESFORCE else Side.SALESFORCE

    @property
    def label(self) -> str:
        """The service's name as people write it."""
        return "Salesforce" if self is Side.SALESFORCE else "Dialog Insight"


class UnsetType(enum.Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = UnsetType.UNSET
"""Not there: the field was not read, or is not to be written.  Absent, null (`None`), blank (`""`) are three things."""

Value: TypeAlias = bool | int | float | Decimal | str | date | datetime | None
"""A native value of either side, as its client delivers it."""

Row: TypeAlias = Mapping[str, Value]
"""A record as a plain mapping: Salesforce API names, or Dialog Insight codes without the wire prefixes."""


def is_blank(value: Value | UnsetType) -> bool:
    """Tell whether a value is null or the empty string; `UNSET` is neither (absent is never a value).

    Example:
        >>> is_blank(None), is_blank(""), is_blank(0), is_blank(UNSET)
        (True, True, False, False)
    """
    return value is None or (isinstance(value, str) and value == "")


_SUFFIX_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def record_id_18(record_id: str) -> str | None:
    """Give the 18-character form of a Salesforce record id, or None where the text is no record id.

    A 15-character id is case-sensitive and gets its checksum; an 18-character id is accepted only with the right
    checksum, so ids are never compared by case folding (two ids that differ only by case are two records).

    Example:
        >>> record_id_18("001D000000IRFma")
        '001D000000IRFmaIAH'
        >>> record_id_18("001D000000IRFmaIAX") is None
        True
    """
    if len(record_id) not in (15, 18) or not (record_id.isascii() and record_id.isalnum()):
        return None
    body = record_id[:15]
    suffix = "".join(
        _SUFFIX_ALPHABET[sum(1 << bit for bit, letter in enumerate(body[start : start + 5]) if letter.isupper())]
        for start in (0, 5, 10)
    )
    full = body + suffix
    return full if len(record_id) == 15 or record_id == full else None


def same_record_id(left: str, right: str) -> bool:
    """Tell whether two texts name the same Salesforce record, in 15- or 18-character form.

    Example:
        >>> same_record_id("001D000000IRFma", "001D000000IRFmaIAH")
        True
        >>> same_record_id("001D000000IRFma", "001d000000IRFma")
        False
    """
    full = record_id_18(left)
    return full is not None and full == record_id_18(right)


def to_plain(value: Value | UnsetType) -> Any:  # a JSON value
    """Give a value as exact plain data: JSON scalars as they are, everything else tagged with its type.

    Example:
        >>> to_plain(Decimal("1.10")), to_plain(UNSET), to_plain("x")
        ({'$decimal': '1.10'}, {'$unset': True}, 'x')
    """
    match value:
        case UnsetType():
            return {"$unset": True}
        case float() if not math.isfinite(value):
            return {"$float": repr(value)}  # JSON has no form for these
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return {"$decimal": str(value)}
        case datetime():
            return {"$datetime": value.isoformat()}
        case date():
            return {"$date": value.isoformat()}


def from_plain(data: Any) -> Any:  # a JSON value in; a Value or UNSET out
    """Read what `to_plain` wrote; raises `ValueError` for an unknown tag."""
    if not isinstance(data, Mapping):
        return data
    tagged = cast("Mapping[str, Any]", data)
    if len(tagged) == 1:
        ((tag, content),) = tagged.items()
        if tag in _READERS:
            return _READERS[tag](content)
    raise ValueError(f"a value is tagged {sorted(map(str, tagged))}: known tags are {sorted(_READERS)}")


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {  # each reads the JSON content of its own tag
    "$unset": lambda _: UNSET,
    "$decimal": Decimal,
    "$float": float,
    "$date": date.fromisoformat,
    "$datetime": datetime.fromisoformat,
}
