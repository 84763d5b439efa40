"""The classes behind `converters`: one frozen value per kind, two-way ("lenses"); days and moments: `_time_lenses.py`.

What may not go in here: anything that looks at more than one value, reads a clock, or knows a request.  Equal
converters convert equally, and a converter's `version` is stored with what it compared.

The laws, for every lens and every value of its domain: converting there, back and there again gives what converting
once gave; what was converted has a normal form on the side that it was converted for; a value outside the domain raises
`ConversionError` and nothing else, in a sentence that never holds the value.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Hashable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, ClassVar, Final, NoReturn, Self

import attrs
from typing_extensions import override

from di_salesforce.exceptions import ConfigurationError, ConversionError, Problem
from di_salesforce.protocols import NamedFunction
from di_salesforce.records import Side, Value, is_blank, record_id_18

__all__ = [
    "AS_IS",
    "AsIs",
    "Boolean",
    "Choice",
    "DecimalNumber",
    "EMail",
    "Integer",
    "Lens",
    "MultiChoice",
    "Pair",
    "Phone",
    "RecordId",
    "Text",
    "function_name",
    "mistake",
    "refuse",
]


def refuse(code: str, message: str) -> NoReturn:
    """Say that a value is outside the domain."""
    raise ConversionError(message, code=code) from None  # what it comes from may quote the value


# Asked for every value of every field: the types themselves are found sooner than their subclasses.
_SCALARS: Final = frozenset({bool, int, float, Decimal, str, date, datetime})


def _scalar(value: object) -> Value:
    """Hold to the type at run time: a service may answer with an object or a list (an address, a linked record)."""
    if value is not None and not isinstance(value, (bool, int, float, Decimal, str, date)):
        refuse("value.not_scalar", "an object or a list stands where one value is expected: map one of its parts")
    return value


def mistake(setting: str, message: str) -> NoReturn:
    """Say that a converter cannot work as it is set up."""
    raise ConfigurationError([Problem(setting, message, "converter.setting")], what="converter") from None


@attrs.frozen
class Lens:
    """The common half: blanks and compound values are handled here, `_read`, `_write` and `_across` see real values.

    `_read` gives a side's own normal form and may give None for what is blank after all, such as text of blanks.
    """

    kind: ClassVar[str] = ""

    @property
    def version(self) -> str:
        """Name everything that the answers depend on; 1 counts changes of the code itself."""
        settings = ",".join(f"{name}={value!r}" for name, value in attrs.asdict(self, recurse=False).items())
        return f"{self.kind}/1({settings})"

    def normal(self, side: Side, value: Value) -> Hashable:
        """Give that side's own normal form of a value; None stands for blank."""
        if value is None or value == "":
            return None
        return self._normal(side, value if value.__class__ in _SCALARS else _scalar(value))

    def convert(self, value: Value, *, to: Side) -> Value:
        """Give the other side's native value; raises `ConversionError` where there is none."""
        if value is None or value == "":
            converted = self._blank(to)
        else:
            converted = self._across(value if value.__class__ in _SCALARS else _scalar(value), to)
        return None if is_blank(converted) else converted

    def _blank(self, to: Side) -> Value:
        """Give what a blank becomes on that side."""
        return None

    def _normal(self, side: Side, value: Value) -> Hashable:
        """Give the normal form, where it is not the canonical value that both sides share."""
        canonical: Hashable = self._read(side, value)
        return canonical

    def _across(self, value: Value, to: Side) -> Value:
        """Convert a real value."""
        return self._write(to, self._read(to.other, value))

    def _read(self, side: Side, value: Value) -> Any:  # each lens has its own canonical type
        raise AssertionError(side)  # every subclass has its own, or asks for none

    def _write(self, side: Side, canonical: Any) -> Value:  # likewise
        native: Value = canonical  # most canonical values are native on both sides
        return native


# Digits in all that a number may have: Salesforce's widest number has 18, and an exponent such as 1e999999 would take
# gigabytes to write out as a whole number.
_MOST_DIGITS: Final = 400
# Bits of that many digits: asking an int for its bits is instant, writing it out in decimal is not.
_MOST_BITS: Final = _MOST_DIGITS * 4


def _number(value: Value) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        refuse("value.not_number", "the value is no number")
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        refuse("value.too_large", "the number has more digits than either service can hold")
    if isinstance(value, str) and "_" in value:  # Python's own notation, in neither service
        refuse("value.not_number", "the text is no number")
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        refuse("value.not_number", "the text is no number")
    if not number.is_finite():
        refuse("value.not_number", "the value is not a finite number")
    if number and abs(number.adjusted()) > _MOST_DIGITS:
        refuse("value.too_large", "the number has more digits than either service can hold")
    return number


def _written(value: Value) -> str:
    """Give a value as a person would write it, in Unicode NFC: a whole number has no fraction and no exponent."""
    if isinstance(value, bool):
        refuse("value.not_text", "a truth value stands where text is expected: map it with boolean()")
    if isinstance(value, float):
        number = _number(value)
        return str(int(number)) if number == int(number) else repr(value)
    if isinstance(value, (int, Decimal)):
        return f"{_number(value):f}"
    return unicodedata.normalize("NFC", str(value))


@attrs.frozen
class AsIs(Lens):
    """Compare values as they are: what a line without a converter does.  Truth values never equal numbers."""

    kind: ClassVar[str] = "as_is"

    @override
    def _normal(self, side: Side, value: Value) -> Hashable:
        if isinstance(value, (float, Decimal)):
            return _number(value)  # refuses what is not even equal to itself
        return ("boolean", value) if isinstance(value, bool) else value

    @override
    def _across(self, value: Value, to: Side) -> Value:
        self._normal(to, value)  # what cannot be compared must not be written
        return value


AS_IS: Final = AsIs()


@attrs.frozen
class Text(Lens):
    """Text: compared in Unicode NFC; trimmed and cut only where asked for."""

    kind: ClassVar[str] = "text"
    trim: bool = False
    truncate: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.truncate is not None and self.truncate < 1:
            mistake("truncate", "text is cut to at least one character")

    @override
    def _read(self, side: Side, value: Value) -> str | None:
        written = _written(value)
        cut = (written.strip() if self.trim else written)[: self.truncate]
        return (cut.strip() if self.trim else cut) or None  # the cut may have bared a blank


@attrs.frozen
class EMail(Lens):
    """An e-mail address: compared without regard to case and outer blanks, sent as it is written."""

    kind: ClassVar[str] = "email"

    @override
    def _normal(self, side: Side, value: Value) -> Hashable:
        return unicodedata.normalize("NFC", _written(value).strip().lower()) or None

    @override
    def _across(self, value: Value, to: Side) -> Value:
        return _written(value).strip()


@attrs.frozen
class Phone(Lens):
    """A telephone number: compared by its digits, letters and a leading plus, sent as it is written."""

    kind: ClassVar[str] = "phone"

    @override
    def _normal(self, side: Side, value: Value) -> Hashable:
        written = unicodedata.normalize("NFKC", _written(value)).strip()
        # Letters count: two vanity numbers, or two extensions, may have the same digits.
        signs = re.sub(r"[\W_]", "", written).lower()
        return ("+" if written.lstrip("( ").startswith("+") else "") + signs if signs else written or None

    @override
    def _across(self, value: Value, to: Side) -> Value:
        written = _written(value)
        return written if written.strip() else None


@attrs.frozen
class Integer(Lens):
    """A whole number, also where a service writes it as text or with a zero fraction."""

    kind: ClassVar[str] = "integer"

    @override
    def _read(self, side: Side, value: Value) -> int:
        number = _number(value)
        whole = int(number)
        if whole != number:
            refuse("value.not_integer", "the number has a fraction, and the line is mapped as a whole number")
        return whole


@attrs.frozen
class DecimalNumber(Lens):
    """An exact decimal number; `scale` rounds half to even, for a side that keeps fewer digits behind the point."""

    kind: ClassVar[str] = "decimal"
    scale: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.scale is not None and not 0 <= self.scale <= _MOST_DIGITS:
            mistake("scale", f"the digits behind the point are 0 to {_MOST_DIGITS}")

    @override
    def _read(self, side: Side, value: Value) -> Decimal:
        number = _number(value)
        if self.scale is None:
            return number
        # A context of our own: the caller's thread may have set another precision.  It has room for every digit that a
        # number may have, before the point and behind it.
        return number.quantize(Decimal(1).scaleb(-self.scale), ROUND_HALF_EVEN, Context(prec=2 * _MOST_DIGITS + 2))


_TRUTH: Final[Mapping[str, bool]] = {"1": True, "true": True, "0": False, "false": False}


@attrs.frozen
class Boolean(Lens):
    """A truth value in any of Dialog Insight's renderings; `negated` swaps it, for opt-out against opt-in.

    `blank` says what a blank of Dialog Insight is in Salesforce, whose checkboxes are never null: a missing status is
    no opt-in, so an opt-in checkbox stays unchecked; it is no opt-out either, so an opt-out checkbox stays unchecked.
    """

    kind: ClassVar[str] = "boolean"
    negated: bool = False
    blank: bool | None = False

    @override
    def _read(self, side: Side, value: Value) -> bool:
        """Read in Dialog Insight's sense: True is opted in."""
        truth = value if isinstance(value, bool) else _TRUTH.get(_written(value).strip().lower())
        if truth is None and isinstance(value, Decimal) and value in (0, 1):  # 1.0: `_written` keeps its fraction
            truth = bool(value)
        if truth is None:
            refuse("value.not_boolean", "the value is none of true, false, 1 and 0")
        return truth != (self.negated and side is Side.SALESFORCE)

    @override
    def _write(self, side: Side, canonical: bool) -> Value:
        return canonical != (self.negated and side is Side.SALESFORCE)

    @override
    def _blank(self, to: Side) -> Value:
        return self.blank if to is Side.SALESFORCE else None


@functools.lru_cache(maxsize=256)  # maps in use at a time; a full integration has some dozens
def _map(values: tuple[tuple[str, str], ...], to: Side) -> Mapping[str, str]:
    pairs = values if to is Side.DIALOG_INSIGHT else tuple((theirs, ours) for ours, theirs in values)
    # Read from behind, so that of several values with one code the first is the way back.
    return {unicodedata.normalize("NFC", here): unicodedata.normalize("NFC", there) for here, there in reversed(pairs)}


@attrs.frozen
class Choice(Lens):
    """A picklist value against an option code, through a map from Salesforce's values to Dialog Insight's.

    Several Salesforce values may map to one code; the way back then gives the first of them.  A blank stays blank.
    """

    kind: ClassVar[str] = "choice"
    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """Make one from a mapping."""
        return cls(tuple(values.items()))

    def __attrs_post_init__(self) -> None:
        if len(_map(self.values, Side.DIALOG_INSIGHT)) < len(self.values):
            mistake("values", "a Salesforce value stands in the map twice")
        if not all(name for pair in self.values for name in pair):
            mistake("values", "a blank cannot be mapped: it stays blank")

    @override
    def _normal(self, side: Side, value: Value) -> Hashable:
        return _written(value)

    @override
    def _across(self, value: Value, to: Side) -> Value:
        return self._mapped(_written(value), to)

    def _mapped(self, written: str, to: Side) -> str:
        mapped = _map(self.values, to).get(written)
        if mapped is None:
            refuse("value.not_mapped", "the value is not in the line's map of choices")
        return mapped


SEPARATORS: Final[Mapping[Side, str]] = {Side.SALESFORCE: ";", Side.DIALOG_INSIGHT: "|"}


@attrs.frozen
class MultiChoice(Choice):
    """Several choices in one text: joined by `;` in Salesforce, by `|` in Dialog Insight; their order has no meaning.

    The sign in Dialog Insight is [inferred].  Without a map the choices pass as they are.
    """

    kind: ClassVar[str] = "multi_choice"

    @override
    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        for pair in self.values:
            for side, name in zip(Side, pair, strict=True):
                if SEPARATORS[side] in name or name != name.strip():
                    mistake("values", f"no choice in {side.label} may hold {SEPARATORS[side]!r} or have outer blanks")

    def _parts(self, side: Side, value: Value) -> list[str]:
        parts = (part.strip() for part in _written(value).split(SEPARATORS[side]))
        return sorted({part for part in parts if part})

    @override
    def _normal(self, side: Side, value: Value) -> Hashable:
        return tuple(self._parts(side, value)) or None

    @override
    def _across(self, value: Value, to: Side) -> Value:
        parts = self._parts(to.other, value)
        mapped = {self._mapped(part, to) for part in parts} if self.values else set(parts)
        if any(SEPARATORS[to] in part for part in mapped):
            refuse("value.not_mapped", "a choice holds the sign that separates choices on the other side")
        return SEPARATORS[to].join(sorted(mapped))


@attrs.frozen
class RecordId(Lens):
    """A Salesforce record id: 15 and 18 characters are equal by checksum, never by case; sent with 18."""

    kind: ClassVar[str] = "record_id"

    @override
    def _read(self, side: Side, value: Value) -> str:
        full = record_id_18(_written(value).strip())
        if full is None:
            refuse("value.not_record_id", "the text is no Salesforce record id (or its checksum is wrong)")
        return full


@attrs.frozen
class Pair(Lens):
    """A pair of functions of the user's own, called with real values only; `check_pair` tries its laws."""

    kind: ClassVar[str] = "pair"
    to_dialog_insight: Callable[[Value], Value] | NamedFunction[Callable[[Value], Value]]
    to_salesforce: Callable[[Value], Value] | NamedFunction[Callable[[Value], Value]]

    @property
    @override
    def version(self) -> str:
        """Name both functions: rename one when its answers change."""
        return f"pair/1({function_name(self.to_dialog_insight)},{function_name(self.to_salesforce)})"

    @override
    def _normal(self, side: Side, value: Value) -> Hashable:
        return AS_IS.normal(side, value)

    @override
    def _across(self, value: Value, to: Side) -> Value:
        """Call the function for that side; what it raises becomes a `ConversionError`."""
        function = self.to_dialog_insight if to is Side.DIALOG_INSIGHT else self.to_salesforce
        try:
            converted: Value = function(value)
        except ConversionError:
            raise
        except Exception as error:  # noqa: BLE001 - the user's function may raise anything; one row must not stop a run
            refuse("value.not_converted", f"{function_name(function)} raised {type(error).__name__}")
        AS_IS.normal(to, converted)  # what cannot be compared must not be written
        return converted


def function_name(function: Callable[..., Any]) -> str:  # any function of the user's
    """Give the registered name of a function, or the one that it was defined with."""
    if isinstance(function, NamedFunction):
        return function.name
    return getattr(function, "__qualname__", type(function).__name__)
