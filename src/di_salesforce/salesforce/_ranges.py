"""Reading a query in ranges of record ids side by side: which queries allow it, how ranges are cut, what proves them.

What may not go in here: calls and flows (`_query_flows.py`).

A range takes the ids above `low` up to and with `high`.  Neighbours share a bound, so every id is in at least one of
them, *whatever* order the service sorts ids in: the last range whose `low` is below an id holds it.  That none is in
two rests on the service's order being ours (base 62, by ASCII); `fits` checks it on every page that is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from di_salesforce.salesforce._soql import Soql, soql

__all__ = ["IdRange", "ReadingWay", "Split", "cut", "reading_way", "split_of"]

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
_LENGTH: Final = 15  # of an id without its checksum
_PREFIX: Final = 3  # of an id, which names the object: never interpolated

_QUOTED: Final = re.compile(r"'(?:\\.|[^'\\])*'", re.DOTALL)
_INNERMOST: Final = re.compile(r"\([^()]*\)")
_SHAPE: Final = re.compile(
    r"\s*SELECT\s(?P<fields>.*)\sFROM\s+(?P<sobject>\w+)(?:\s+WHERE\s(?P<where>.*))?\s*", re.IGNORECASE | re.DOTALL
)

# A clause that makes the query's result more, or other, than the set of its rows.
_CLAUSES: Final[Mapping[str, str]] = {
    r"ORDER\s+BY": "it asks for an order of its own",
    r"GROUP\s+BY|HAVING": "it groups rows",
    r"LIMIT|OFFSET": "it asks for a part of the rows",
    r"FOR\s+(VIEW|REFERENCE|UPDATE)|UPDATE\s+(TRACKING|VIEWSTAT)|ALL\s+ROWS|USING\s+SCOPE|WITH": "it has a clause "
    "whose effect on ranges is not known",
}


@attrs.frozen
class ReadingWay:
    """Whether a query may be read in ranges of ids, and why (not); `str` is the sentence."""

    by_ranges: bool
    reason: str

    def __str__(self) -> str:
        return f"in ranges of ids: {self.reason}" if self.by_ranges else f"page after page: {self.reason}"


@attrs.frozen(order=True)
class IdRange:
    """Ids above `low` up to and with `high`; an empty bound is none."""

    low: str = ""
    high: str = ""

    def fits(self, records: Iterable[Mapping[str, Any]]) -> bool:  # JSON objects
        """Tell whether all of a page's ids are in this range by our order, and so in no other."""
        ids = [str(record.get("Id"))[:_LENGTH] for record in records]
        return not ids or (min(ids) > self.low and (not self.high or max(ids) <= self.high))


@attrs.frozen(repr=False)
class Split:
    """A query taken apart, so that it can be asked for one range; only for queries that `reading_way` allows."""

    head: str
    where: str

    def within(self, ids: IdRange) -> Soql:
        """Give the query for the rows of a range, in the order of their ids."""
        return self._query(ids, "ORDER BY Id")

    def last_id(self) -> Soql:
        """Give the query for the row with the highest id."""
        return self._query(IdRange(), "ORDER BY Id DESC LIMIT 1")

    def _query(self, ids: IdRange, tail: str) -> Soql:
        parts = [f"({self.where})"] if self.where else []
        parts += [soql("Id > :low", low=ids.low).text] if ids.low else []
        parts += [soql("Id <= :high", high=ids.high).text] if ids.high else []
        return Soql(" ".join([self.head, *(["WHERE", " AND ".join(parts)] if parts else []), tail]))


def _masked(text: str) -> str:
    """Blank out what stands in quotes and in parentheses, so that only the query's own clauses are left to see."""
    masked = _QUOTED.sub(lambda found: "'" + "_" * (len(found[0]) - 2) + "'", text)
    while (inner := _INNERMOST.sub(lambda found: "_" * len(found[0]), masked)) != masked:
        masked = inner
    return masked


def reading_way(query: Soql) -> ReadingWay:
    """Tell whether a query may be read in ranges of ids, and why (not).

    Example:
        >>> print(reading_way(soql("SELECT Id, Email FROM Contact WHERE Email != null")))
        in ranges of ids: its rows have ids and no order of their own
        >>> print(reading_way(soql("SELECT Id FROM Contact LIMIT 10")))
        page after page: it asks for a part of the rows
    """
    way = _taken_apart(query)
    return way if isinstance(way, ReadingWay) else ReadingWay(True, "its rows have ids and no order of their own")


def split_of(query: Soql) -> Split | None:
    """Take a query apart; None where it may not be read in ranges."""
    split = _taken_apart(query)
    return split if isinstance(split, Split) else None


def _taken_apart(query: Soql) -> Split | ReadingWay:
    masked = _masked(query.text)
    for clause, why in _CLAUSES.items():
        if re.search(rf"(?<![\w.])({clause})(?!\w)", masked, re.IGNORECASE):
            return ReadingWay(False, why)
    found = _SHAPE.fullmatch(masked)
    if found is None or "(" in masked or ")" in masked:
        return ReadingWay(False, "it has not the shape SELECT ... FROM ... WHERE ...")
    fields = query.text[slice(*found.span("fields"))]
    if "(" in fields or re.search(r"\bTYPEOF\b", fields, re.IGNORECASE):
        return ReadingWay(False, "it selects more than fields")
    names = re.split(r"[\s,]+", found["fields"].strip().lower())
    if "id" not in names:
        return ReadingWay(False, "it does not select Id, by which ranges are proven")
    end = found.end("sobject")
    where = "" if found["where"] is None else query.text[slice(*found.span("where"))].strip()
    return Split(query.text[:end].strip(), where)


def _number(record_id: str) -> int:
    number = 0
    for digit in record_id:
        number = number * len(_DIGITS) + _VALUES[digit]
    return number


def _text(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def cut(ids: IdRange, parts: int, *, last: str = "") -> list[IdRange]:
    """Cut a range into at most so many of equal width, which together are the range.

    Args:
        ids: with a lower bound.
        parts: at least 1.
        last: the highest id that is known, where the range is open above; it stays open.

    Example:
        >>> cut(IdRange("003000000000000", "003000000000004"), 2)
        [IdRange(low='003000000000000', high='003000000000002'), IdRange(low='003000000000002', high='003000000000004')]
    """
    top = (ids.high or last)[:_LENGTH]
    prefix = ids.low[:_PREFIX]
    if (
        len(ids.low) != _LENGTH
        or len(top) != _LENGTH
        or top[:_PREFIX] != prefix
        or not _VALUES.keys() >= {*top, *ids.low}
    ):
        return [ids]
    first, end = _number(ids.low[_PREFIX:]), _number(top[_PREFIX:])
    inner = dict.fromkeys(first + (end - first) * part // parts for part in range(1, parts))
    bounds = [prefix + _text(number, _LENGTH - _PREFIX) for number in inner if first < number < end]
    lows: Sequence[str] = [ids.low, *bounds]
    return [IdRange(low, high) for low, high in zip(lows, [*bounds, ids.high], strict=True)]
