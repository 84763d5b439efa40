"""JSON read exactly and plain rows written: the same values whether the extra `speed` is installed or not.

What may not go in here: anything that knows an endpoint.  The extra is msgspec, which reads a page of records in half
the time of the standard library and hands over each number's own digits; orjson, as fast, would make floats of them.
Whatever msgspec does not take is judged by the standard library, so that the two never differ.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import Any, Final, NoReturn

__all__ = ["are_plain", "read_exactly", "written_ascii", "written_fast"]

# What msgspec writes as we do; of a float that is no number it would make null, and dates have a form of ours.
_PLAIN: Final = frozenset({str, int, bool, type(None)})

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")


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


def are_plain(values: Iterable[object]) -> bool:
    """Tell whether values are texts, whole numbers, booleans and nulls alone, which every writer writes alike.

    Example:
        >>> are_plain(["Ada", 1, True, None]), are_plain([1.5])
        (True, False)
    """
    return _PLAIN.issuperset(map(type, values))


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
    if fast is None or not are_plain(row.values()):
        return None
    try:
        return fast(row)
    except (TypeError, ValueError):  # half a character (a lone surrogate), a mapping of a kind of its own
        return None


def written_ascii(value: Mapping[str, object]) -> bytes | None:
    r"""Give JSON in ASCII of an object that holds plain values at every depth; None where there is no extra.

    The caller has looked at the values (`are_plain`); other objects and lists may be in it.

    Example:
        >>> written_ascii({"Records": [{"Name": "Zoé"}]}) in (b'{"Records":[{"Name":"Zo\\u00e9"}]}', None)
        True
    """
    fast = _fast_writer()
    if fast is None:
        return None
    try:
        content = fast(value)
    except (TypeError, ValueError):  # half a character (a lone surrogate), a mapping of a kind of its own
        return None
    if content.isascii():
        return content
    # What is not ASCII stands in texts alone, so that it can be escaped in place.
    return _NOT_ASCII.sub(lambda found: encode_basestring_ascii(found[0])[1:-1], content.decode()).encode("ascii")
