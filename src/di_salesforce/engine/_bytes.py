"""Values of a row as bytes: equal bytes mean equal values of equal types, down to a decimal's last zero.

Unequal bytes mean nothing, and are looked into.  What may not go in here: what the values are of, and anything that is
stored: the bytes are this process's own.
"""

from __future__ import annotations

import marshal
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from di_salesforce.records import Value

__all__ = ["PLAIN", "differing", "is_known", "pack", "pack_special", "repacked", "same", "unpack"]

PLAIN: Final = frozenset({type(None), bool, int, float, str})
"""Types that go into the bytes as they are; of subclasses nothing is known."""

# The second version of the form depends on nothing but the values: later ones also tell which objects are shared.
_FORM: Final = 2
_DECIMAL: Final = 1
_CODES: Final = 4  # a mark is the value's place times this, plus its type's code


def _moment(value: datetime) -> str:
    return value.isoformat() + ("f" if value.fold else "")


def _read_moment(text: str) -> datetime:
    return datetime.fromisoformat(text.removesuffix("f")).replace(fold=int(text.endswith("f")))


_SPECIAL: Final[Mapping[type[Any], tuple[int, Callable[[Any], str]]]] = {  # each writer is given its own type
    Decimal: (_DECIMAL, str),
    date: (2, date.isoformat),
    datetime: (3, _moment),
}
_READERS: Final[Sequence[Callable[[str], Value]]] = (str, Decimal, date.fromisoformat, _read_moment)


def pack_special(values: list[Any], places: Iterable[int]) -> None:  # values of a row, whatever they are
    """Turn values at some places into text, in place, and mark behind the values what they were; places ascend."""
    for place in places:
        value = values[place]
        if value.__class__ is Decimal:  # by far the most frequent
            values[place] = str(value)
            values.append(place * _CODES + _DECIMAL)
            continue
        known = _SPECIAL.get(value.__class__)
        if known is not None:
            code, text = known
            values[place] = text(value)
            values.append(place * _CODES + code)


def pack(values: Iterable[Any]) -> bytes | None:  # likewise
    """Give values as bytes that are equal only for equal values of equal types; None where a type is not known."""
    listed = list(values)
    special = [place for place, value in enumerate(listed) if type(value) not in PLAIN]
    if any(type(listed[place]) not in _SPECIAL for place in special):
        return None
    pack_special(listed, special)
    return marshal.dumps(listed, _FORM)


def repacked(values: list[Any]) -> bytes:  # what `pack_special` was given
    """Give values as bytes, once `pack_special` has been at them; raises `ValueError` for a type that is not known."""
    return marshal.dumps(values, _FORM)


def differing(one: bytes, other: bytes, count: int) -> list[int]:
    """Give the places, of so many, at which two packed rows are not the same."""
    kept: list[Any] = marshal.loads(one)  # noqa: S302 - written by this process, never read from anywhere else
    now: list[Any] = marshal.loads(other)  # noqa: S302 - likewise
    found = [
        place
        for place, (before, after) in enumerate(zip(kept[:count], now, strict=False))
        if before is not after
        and (
            before.__class__ is not after.__class__
            or before != after
            or (before.__class__ is float and repr(before) != repr(after))
        )
    ]
    if kept[count:] != now[count:]:
        found += {mark // _CODES for mark in {*kept[count:]} ^ {*now[count:]}}.difference(found)
    return found


def unpack(packed: bytes, count: int) -> list[Value]:
    """Read so many values as `pack` took them."""
    values: list[Any] = marshal.loads(packed)  # noqa: S302 - written by this process, never read from anywhere else
    if len(values) > count:
        for mark in values[count:]:
            place, code = divmod(mark, _CODES)
            values[place] = _READERS[code](values[place])
        del values[count:]
    return values


def same(one: Any, other: Any) -> bool:  # whatever a row holds
    """Tell whether two values are the same in value and type, down to a decimal's last zero."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    if type(one) is float:
        return repr(one) == repr(other)  # zero has two signs
    special = _SPECIAL.get(one.__class__)
    return type(one) in PLAIN or (special is not None and special[1](one) == special[1](other))


def is_known(value: object) -> bool:
    """Tell whether a value is equal to itself, and of a type that goes into the bytes."""
    if isinstance(value, (float, Decimal)) and not math.isfinite(value):
        return False  # not equal to itself
    return type(value) in PLAIN or type(value) in _SPECIAL
