"""The classes behind `converters.date` and `converters.datetime`: days that no zone shifts, and moments that one does.

What may not go in here: what `_lenses.py` says, whose laws hold here too.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Hashable
from datetime import UTC, date, datetime, tzinfo
from typing import ClassVar, Final, NoReturn

import attrs
from typing_extensions import override

from di_salesforce._lenses import Lens, mistake, refuse
from di_salesforce.records import Side, Value

__all__ = ["CalendarDate", "Instant"]


# Days that show whether a pattern keeps all of a date: a birthday in another century, day and month not exchangeable.
_PROBES: Final = (datetime(1931, 12, 25, 13, 45, 59), datetime(2026, 2, 3, 4, 5, 6))  # noqa: DTZ001 - patterns carry no zone


def _keeps(pattern: str, *, time: bool) -> bool:
    """Tell whether what is written with a pattern can be read again."""
    try:
        read = [datetime.strptime(probe.strftime(pattern), pattern) for probe in _PROBES]  # noqa: DTZ007 - likewise
    except ValueError:
        return False
    if time:
        return read == list(_PROBES)
    return [moment.date() for moment in read] == [probe.date() for probe in _PROBES]


# Patterns write years below 1000 without leading zeros on some platforms, and a year such as 0202 is a typing mistake.
_FIRST_YEAR: Final = 1000


def _patterned(moment: date, pattern: str, code: str) -> str:
    if moment.year < _FIRST_YEAR:
        refuse(code, "the year has fewer than four digits: a typing mistake?")
    return moment.strftime(pattern)


_ISO_DAY: Final = re.compile(r"(\d{4})([.-])(\d{2})\2(\d{2})(?:[T ](.*))?", re.ASCII)
_MIDNIGHT: Final = re.compile(
    r"00:00(:00(\.0+)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)  # in whatever zone: the day as written


@attrs.frozen
class CalendarDate(Lens):
    """A day without a time: `YYYY-MM-DD` in Salesforce, `YYYY.MM.DD` in Dialog Insight [seen]; never shifted by a zone.

    How Dialog Insight renders dates in answers is [unknown]: whatever is sent, both of these forms are read, also with
    a midnight behind them.
    """

    kind: ClassVar[str] = "date"
    dialog_insight: str = "%Y.%m.%d"

    def __attrs_post_init__(self) -> None:
        if not _keeps(self.dialog_insight, time=False):
            mistake("dialog_insight", f"{self.dialog_insight!r} does not write a whole date, such as %Y.%m.%d does")

    @override
    def _read(self, side: Side, value: Value) -> date:
        if isinstance(value, datetime):
            if value.replace(tzinfo=None) != datetime.combine(value.date(), datetime.min.time()):
                _time_of_day()
            return value.date()
        if isinstance(value, date):
            return value
        if not isinstance(value, str):
            refuse("value.not_date", "the value is no date")
        written = value.strip()
        if side is Side.DIALOG_INSIGHT:
            try:
                return datetime.strptime(written, self.dialog_insight).date()  # noqa: DTZ007 - a day has no zone
            except ValueError:
                pass  # then one of the known forms
        known = _ISO_DAY.fullmatch(written)
        if known is None:
            refuse("value.not_date", "the text is no date")
        if known[5] and not _MIDNIGHT.fullmatch(known[5]):
            _time_of_day()
        try:
            return date(int(known[1]), int(known[3]), int(known[4]))
        except ValueError:
            refuse("value.not_date", "there is no such day")

    @override
    def _write(self, side: Side, canonical: date) -> Value:
        if side is Side.SALESFORCE:
            return canonical.isoformat()
        return _patterned(canonical, self.dialog_insight, "value.not_date")


def _time_of_day() -> NoReturn:
    refuse("value.not_date", "the value has a time of day, and the line is mapped as a date")


@attrs.frozen
class Instant(Lens):
    """A moment: `+0000` text in Salesforce; in Dialog Insight local text without a zone, read in the project's zone.

    Compared to the second.  When clocks go back, a local time that occurs twice is read as the first of the two; when
    they go forward, a local time that does not exist is read as if the clock had not moved yet.  Each side compares in
    its own form, so neither rule makes a pair flap.
    """

    kind: ClassVar[str] = "datetime"
    time_zone: str = "UTC"
    dialog_insight: str = "%Y.%m.%d %H:%M:%S"

    def __attrs_post_init__(self) -> None:
        _zone(self.time_zone)  # a wrong name is the declaration's mistake, not the first row's
        if not _keeps(self.dialog_insight, time=True):
            mistake(
                "dialog_insight",
                f"{self.dialog_insight!r} does not write date and time to the second, as %Y.%m.%d %H:%M:%S does",
            )

    @override
    def _normal(self, side: Side, value: Value) -> Hashable:
        """Give the moment in UTC (Salesforce) or the local time as written (Dialog Insight)."""
        return self._read(side, value) if side is Side.SALESFORCE else self._local(value)

    def _local(self, value: Value) -> datetime:
        moment = _moment(value, self.dialog_insight)
        local = moment if moment.tzinfo is None else _moved(moment, _zone(self.time_zone)).replace(tzinfo=None)
        # fold=0 is the first of two equal local times; a reader's own choice must not survive in the comparison.
        return local.replace(microsecond=0, fold=0)

    @override
    def _read(self, side: Side, value: Value) -> datetime:
        if side is Side.DIALOG_INSIGHT:
            return _moved(self._local(value).replace(tzinfo=_zone(self.time_zone)), UTC)
        moment = _moment(value, "%Y-%m-%dT%H:%M:%S.%f%z")
        if moment.tzinfo is None:
            refuse("value.not_datetime", "a Salesforce date-time has no offset from UTC")
        return _moved(moment, UTC).replace(microsecond=0)

    @override
    def _write(self, side: Side, canonical: datetime) -> Value:
        if side is Side.SALESFORCE:
            return canonical.replace(tzinfo=None).isoformat(timespec="milliseconds") + "+0000"
        return _patterned(_moved(canonical, _zone(self.time_zone)), self.dialog_insight, "value.not_datetime")


def _moment(value: Value, pattern: str) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a day has no zone
    if not isinstance(value, str):
        refuse("value.not_datetime", "the value is no date and time")
    written = value.strip()
    try:
        return datetime.strptime(written, pattern)  # noqa: DTZ007 - Dialog Insight's times carry no zone
    except ValueError:
        pass  # other renderings are possible: read any ISO form, with dots or dashes in the day
    if not _ISO_DAY.fullmatch(written):
        refuse("value.not_datetime", "the text is no date and time")
    try:
        return datetime.fromisoformat(written[:10].replace(".", "-") + written[10:])  # 10: the day's signs
    except ValueError:
        refuse("value.not_datetime", "there is no such date and time")


def _moved(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except (OverflowError, ValueError):
        refuse("value.not_datetime", "the moment lies outside the years 1 to 9999 in the other zone")


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of zones
        mistake(
            "time_zone",
            f"the time zone {name!r} is not known here; on a system without zone data: pip install 'di-salesforce[tz]'",
        )
