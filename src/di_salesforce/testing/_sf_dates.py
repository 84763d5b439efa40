"""SOQL's date literals (`TODAY`, `LAST_N_DAYS:7`, ...) as ranges of days.

The simulated user's time zone is UTC.  What may not go in here: anything but calendar arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final, TypeAlias

Days: TypeAlias = tuple[date, date]
"""A range of days: the first one, and the first one after it."""


def literal_days(text: str, today: date) -> Days | None:
    """Give the days that a date literal means; None where there is no such literal.

    Example:
        >>> literal_days("LAST_N_DAYS:2", date(2026, 3, 10))
        (datetime.date(2026, 3, 8), datetime.date(2026, 3, 11))
    """
    name, _, number = text.upper().partition(":")
    if number:
        counted = _COUNTED.get(name)
        return None if counted is None else counted(today, int(number))
    plain = _PLAIN.get(name)
    return None if plain is None else plain(today)


def _day(shift: int) -> Callable[[date], Days]:
    def days(today: date) -> Days:
        first = today + timedelta(days=shift)
        return first, first + timedelta(days=1)

    return days


def _week(shift: int) -> Callable[[date], Days]:
    def days(today: date) -> Days:
        sunday = today - timedelta(days=(today.weekday() + 1) % 7)  # the vendor's week begins on Sunday for a US locale
        first = sunday + timedelta(weeks=shift)
        return first, first + timedelta(weeks=1)

    return days


def _months(day: date, count: int) -> date:
    years, month = divmod(day.month - 1 + count, 12)
    return date(day.year + years, month + 1, 1)


def _month(shift: int, size: int = 1) -> Callable[[date], Days]:
    """Whole months, quarters (3) or years (12), counted from the one that holds today."""

    def days(today: date) -> Days:
        begin = _months(today, -((today.month - 1) % size))
        return _months(begin, shift * size), _months(begin, (shift + 1) * size)

    return days


_PLAIN: Final[Mapping[str, Callable[[date], Days]]] = {
    "YESTERDAY": _day(-1),
    "TODAY": _day(0),
    "TOMORROW": _day(1),
    **{f"{word}_WEEK": _week(shift) for word, shift in (("LAST", -1), ("THIS", 0), ("NEXT", 1))},
    **{
        f"{word}_{unit}": _month(shift, size)
        for unit, size in (("MONTH", 1), ("QUARTER", 3), ("YEAR", 12))
        for word, shift in (("LAST", -1), ("THIS", 0), ("NEXT", 1))
    },
    "LAST_90_DAYS": lambda today: (today - timedelta(days=90), today + timedelta(days=1)),
    "NEXT_90_DAYS": lambda today: (today + timedelta(days=1), today + timedelta(days=91)),
}


def _last_months(size: int) -> Callable[[date, int], Days]:
    return lambda today, count: (_month(-count, size)(today)[0], _month(0, size)(today)[0])


def _next_months(size: int) -> Callable[[date, int], Days]:
    return lambda today, count: (_month(1, size)(today)[0], _month(count, size)(today)[1])


_COUNTED: Final[Mapping[str, Callable[[date, int], Days]]] = {
    "LAST_N_DAYS": lambda today, count: (today - timedelta(days=count), today + timedelta(days=1)),
    "NEXT_N_DAYS": lambda today, count: (today + timedelta(days=1), today + timedelta(days=count + 1)),
    "N_DAYS_AGO": lambda today, count: _day(-count)(today),
    "LAST_N_MONTHS": _last_months(1),
    "NEXT_N_MONTHS": _next_months(1),
    "LAST_N_YEARS": _last_months(12),
    "NEXT_N_YEARS": _next_months(12),
}
