"""JSON read exactly and plain rows written: the same values whether the extra `speed` is installed or not.

What may not go in here: anything that knows an endpoint.  The extra is msgspec, which reads a page of records in half
the time of the standard library and hands over each number's own digits; orjson, as fast, would make floats of them.
Whatever msgspec does not take is judged by the standard library, so that the two never differ.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn

__all__ = ["read_exactly", "written_fast"]

# What msgspec writes as we do; of a float that is no number it would make null, and dates have a form of ours.
_PLAIN: Final = frozenset({str, int, bool, type(None)})


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _standard(content: bytes) -> Any:  # any JSON value
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError:
        why = "nested too deeply"
    except (UnicodeDecodeError, ArithmeticError):  # arithmetic: a number that no Decimal holds
        why = "not JSON"
    raise ValueError(why)


@functools.cache
def _fast_reader() -> Callable[[bytes], Any] | None:  # any JSON value
    try:
        import msgspec
    except ImportError:
        return None
    return msgspec.json.Decoder(float_hook=Decimal).decode


def read_exactly(content: bytes) -> Any:  # any JSON value
    """Read a body as JSON, with or without a byte-order mark, with every decimal to its last digit.

    Raises:
        ValueError: it is no JSON, or nested without end, or holds a number that no `Decimal` holds.

    Example:
        >>> read_exactly(b'{"Amount": 1234567890123456.10}')
        {'Amount': Decimal('1234567890123456.10')}
    """
    fast = _fast_reader()
    if fast is not None:
        try:
            return fast(content)
        except Exception:  # noqa: BLE001, S110 - whatever it is that this reader does not take, the other one judges
            pass
    return _standard(content)


@functools.cache
def _fast_writer() -> Callable[[Mapping[str, object]], bytes] | None:
    try:
        import msgspec
    except ImportError:
        return None
    return msgspec.json.Encoder().encode


def written_fast(row: Mapping[str, object]) -> bytes | None:
    """Give a row of texts, whole numbers, booleans and nulls as JSON; None where it holds more, or there is no extra.

    Example:
        >>> written_fast({"Amount": Decimal("1.10")}) is None
        True
    """
    fast = _fast_writer()
    if fast is None or not _PLAIN.issuperset(map(type, row.values())):
        return None
    try:
        return fast(row)
    except (TypeError, ValueError):  # half a character (a lone surrogate), a mapping of a kind of its own
        return None
