"""Two-way value conversions: make them with these functions, put them on a line of a transfer.

What may not go in here: the conversions themselves (`_lenses.py`, `_time_lenses.py`).  Blank (null or the empty string)
is one value for every converter here unless it says otherwise, and it converts to null; the clients send null in each
service's own way.  A converter that is given a value outside its domain raises `ConversionError`, whose sentence never
holds the value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

from di_salesforce._lenses import (
    AS_IS,
    Boolean,
    Choice,
    DecimalNumber,
    EMail,
    Integer,
    MultiChoice,
    Pair,
    Phone,
    RecordId,
    Text,
)
from di_salesforce._time_lenses import CalendarDate, Instant
from di_salesforce.exceptions import ConversionError
from di_salesforce.protocols import Converter, NamedFunction
from di_salesforce.records import Side, Value

__all__ = [
    "AS_IS",
    "boolean",
    "check_pair",
    "choice",
    "date",
    "datetime",
    "decimal",
    "email",
    "integer",
    "multi_choice",
    "negate",
    "pair",
    "phone",
    "record_id",
    "text",
]


def text(*, trim: bool = False, truncate: int | None = None) -> Converter:
    """Convert text; `trim` drops outer blanks, `truncate` cuts to so many characters.

    Example:
        >>> text(trim=True).convert("  Zoé ", to=Side.DIALOG_INSIGHT)
        'Zoé'
    """
    return Text(trim, truncate)


def integer() -> Converter:
    """Convert whole numbers, also written as text.

    Example:
        >>> integer().convert("7", to=Side.SALESFORCE)
        7
    """
    return Integer()


def decimal(*, scale: int | None = None) -> Converter:
    """Convert exact decimal numbers; `scale` rounds to so many digits behind the point.

    Example:
        >>> decimal(scale=2).convert("10.005", to=Side.SALESFORCE)
        Decimal('10.00')
    """
    return DecimalNumber(scale)


def boolean(*, blank: bool | None = False) -> Converter:
    """Convert truth values; `blank` is what a blank of Dialog Insight becomes in Salesforce.

    Example:
        >>> boolean().convert("1", to=Side.SALESFORCE)
        True
    """
    return Boolean(blank=blank)


def negate(*, blank: bool | None = False) -> Converter:
    """Convert truth values and swap them: Salesforce's opt-out against Dialog Insight's opt-in.

    Example:
        >>> negate().convert("0", to=Side.SALESFORCE)
        True
    """
    return Boolean(negated=True, blank=blank)


def date(*, dialog_insight: str = "%Y.%m.%d") -> Converter:
    """Convert days; `dialog_insight` is the form in which they are sent there.

    Example:
        >>> date().convert("2026-05-01", to=Side.DIALOG_INSIGHT)
        '2026.05.01'
    """
    return CalendarDate(dialog_insight)


def datetime(*, time_zone: str = "UTC", dialog_insight: str = "%Y.%m.%d %H:%M:%S") -> Converter:
    """Convert moments; `time_zone` is the zone of Dialog Insight's local times, an IANA name.

    Example:
        >>> datetime(time_zone="America/Toronto").convert("2026-05-01T07:25:37.000+0000", to=Side.DIALOG_INSIGHT)
        '2026.05.01 03:25:37'
    """
    return Instant(time_zone, dialog_insight)


def email() -> Converter:
    """Convert e-mail addresses, compared without regard to case.

    Example:
        >>> email().normal(Side.SALESFORCE, "Ada@Test.Example")
        'ada@test.example'
    """
    return EMail()


def phone() -> Converter:
    """Convert telephone numbers, compared by their digits, letters and a leading plus.

    Example:
        >>> phone().normal(Side.SALESFORCE, "(514) 555-0100") == phone().normal(Side.DIALOG_INSIGHT, "514 555 0100")
        True
    """
    return Phone()


def choice(values: Mapping[str, str]) -> Converter:
    """Convert picklist values through a map from Salesforce's to Dialog Insight's.

    Example:
        >>> choice({"Français": "fr", "English": "en"}).convert("fr", to=Side.SALESFORCE)
        'Français'
    """
    return Choice.of(values)


def multi_choice(values: Mapping[str, str] | None = None) -> Converter:
    """Convert multi-select picklists, with or without a map.

    Example:
        >>> multi_choice().convert("b;a", to=Side.DIALOG_INSIGHT)
        'a|b'
    """
    return MultiChoice.of(values or {})


def record_id() -> Converter:
    """Convert Salesforce record ids, 15 or 18 characters.

    Example:
        >>> record_id().convert("001D000000IRFma", to=Side.DIALOG_INSIGHT)
        '001D000000IRFmaIAH'
    """
    return RecordId()


def pair(
    to_dialog_insight: Callable[[Value], Value] | NamedFunction[Callable[[Value], Value]],
    to_salesforce: Callable[[Value], Value] | NamedFunction[Callable[[Value], Value]],
) -> Converter:
    """Convert with two functions of your own; register them with `named` if the declaration is to be saved.

    They must be pure, are never given a blank (a blank stays blank), and what they raise becomes a `ConversionError`.
    Put the pair through `check_pair` in your tests.

    Example:
        >>> pair(lambda cents: cents / 100, lambda amount: round(amount * 100)).convert(250, to=Side.DIALOG_INSIGHT)
        2.5
    """
    return Pair(to_dialog_insight, to_salesforce)


def check_pair(
    converter: Converter, salesforce_values: Iterable[Value] = (), dialog_insight_values: Iterable[Value] = ()
) -> tuple[str, ...]:
    """Put a converter through the laws that the engine relies on; for the tests of your own `pair`.

    The laws, for every given value: it converts; the same value always gives the same answer; what the other side then
    holds can be read there; and there, back and there again gives what going there once gave.  A pair that breaks the
    last one is written again in every run.

    Args:
        converter: The converter to try.
        salesforce_values: Values as Salesforce delivers them, from inside the domain.
        dialog_insight_values: Values as Dialog Insight delivers them, likewise.

    Returns:
        What is broken, one sentence each, with the value's place in its list and never the value; empty: all holds.

    Example:
        >>> shout = pair(lambda name: name.upper() + "!", lambda name: name.lower())
        >>> check_pair(shout, salesforce_values=["ada"])
        ('salesforce_values[0]: to Dialog Insight, back and there again gives another value than going there once',)
    """
    given = ((Side.SALESFORCE, salesforce_values), (Side.DIALOG_INSIGHT, dialog_insight_values))
    return tuple(
        f"{side.value}_values[{index}]: {broken}"
        for side, values in given
        for index, value in enumerate(values)
        for broken in _broken_laws(converter, side, value)
    )


def _broken_laws(converter: Converter, side: Side, value: Value) -> Iterator[str]:
    there = side.other
    step = f"to {there.label}"
    try:
        once = converter.convert(value, to=there)
        step = f"reading in {there.label} what was converted"
        once_read = _normal(converter, there, once)
        step = f"to {there.label} a second time"
        if _normal(converter, there, converter.convert(value, to=there)) != once_read:
            yield f"{step} gives another answer: the function is not pure"
        step = f"back to {side.label}"
        back = converter.convert(once, to=side)
        step = f"reading in {side.label} what came back"
        _normal(converter, side, back)
        step = f"to {there.label} again"
        if _normal(converter, there, converter.convert(back, to=there)) != once_read:
            yield f"to {there.label}, back and there again gives another value than going there once"
    except ConversionError as error:
        yield f"{step}: {error} ({error.code})"
    except Exception as error:  # noqa: BLE001 - a converter of the user's own class may raise anything, and that is the finding
        yield f"{step}: {type(error).__name__} was raised, where only ConversionError may be"


def _normal(converter: Converter, side: Side, value: Value) -> Hashable:
    normal = converter.normal(side, value)
    hash(normal)  # a list would fail here rather than deep in the engine
    return normal
