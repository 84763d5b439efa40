"""What a save does to one value: type check, trimming, length, picklist, e-mail and reference checks.

Each field is compiled once into a function from the JSON value to the stored one; it raises `Refusal`.  What may not go
in here: checks that need the whole row, and anything about HTTP.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, TypeAlias

import attrs

from di_salesforce.records import record_id_18
from di_salesforce.testing._sf_errors import Refusal, bad_reference
from di_salesforce.testing._sf_schema import NUMBERS, TEXTS, Field, Wire
from di_salesforce.testing._sf_switches import SalesforceSwitches

Convert: TypeAlias = Callable[[object], Wire]


@attrs.frozen
class References:
    """What a reference needs to know of the org: whose prefix an id has, and whether a row is there and not deleted."""

    sobject_of_prefix: Callable[[str], str | None]
    is_live: Callable[[str, str], bool]


BLANKS: Final = " \t\r\n\f\v"
"""What a save trims from both ends of a text; whether the service trims more than these is not known."""

# The years that a date may have (facts 3.5).
_FIRST_YEAR: Final = 1700
_LAST_YEAR: Final = 4000
_INT_LIMIT: Final = 2**31
# What an address must look like to be taken; the vendor's own check is stricter in places that are not published.
_EMAIL: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_DATETIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)")
_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,3})?)?Z?")


def stamp(moment: datetime) -> str:
    """Write a moment as the API does: UTC, whole seconds, an offset without a colon [seen]."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000+0000"


def read_datetime(text: str) -> datetime | None:
    """Read ISO 8601 with `T` and a zone; None where the text is none (a space instead of the `T` is refused [seen])."""
    if not _DATETIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.replace(microsecond=0) if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None


def read_date(text: str) -> date | None:
    """Read `YYYY-MM-DD`; None where the text is none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if _FIRST_YEAR <= day.year <= _LAST_YEAR else None


def native_to_json(value: object) -> object:
    """Turn a native value (date, datetime, Decimal) into what a client would send for it."""
    match value:
        case datetime():
            return stamp(value if value.tzinfo else value.replace(tzinfo=UTC))
        case date():
            return value.isoformat()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case _:
            return value


def compile_field(field: Field, references: References, switches: SalesforceSwitches) -> Convert:
    """Build the function that checks and stores one field's values."""
    if field.type in TEXTS:
        return _text(field, switches)
    if field.type in NUMBERS or field.type == "int":
        return _number(field, switches)
    match field.type:
        case "boolean":
            return _boolean(field, switches)
        case "reference":
            return _reference(field, references)
        case "date" | "datetime" | "time":
            return _moment(field)
        case _:  # ids, addresses: never written, so never asked
            return lambda value: _mismatch(field, value)


def _mismatch(field: Field, value: object) -> Wire:
    shown: object
    match value:
        case bool():
            token, shown = ("VALUE_TRUE", "true") if value else ("VALUE_FALSE", "false")
        case str():
            token, shown = "VALUE_STRING", value
        case int():
            token, shown = "VALUE_NUMBER_INT", value
        case float():
            token, shown = "VALUE_NUMBER_FLOAT", value
        case list():
            token, shown = "START_ARRAY", "["
        case _:
            token, shown = "START_OBJECT", "{"
    kind = "string" if field.type in TEXTS or field.type == "reference" else field.type
    raise Refusal(
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {kind} from {token} value {shown} or request may be missing a required field",
        key=field.name,
    )


def _text(field: Field, switches: SalesforceSwitches) -> Convert:
    limit, label, names = field.length, field.label, (field.name,)
    lower = field.type == "email" and switches.lower_case_emails
    check = _text_check(field)

    def convert(value: object) -> Wire:
        if value is None:
            return None
        if not isinstance(value, str):
            return _mismatch(field, value)
        text = value.strip(BLANKS)
        if not text:
            return None
        if len(text) > limit:
            message = f"{label}: data value too large: {text} (max length={limit})"
            raise Refusal("STRING_TOO_LONG", message, names)
        if check is not None:
            check(text)
        return text.lower() if lower else text

    return convert


def _text_check(field: Field) -> Callable[[str], None] | None:
    names = (field.name,)
    allowed = frozenset(field.values)
    multiple = field.type == "multipicklist"

    def email(text: str) -> None:
        if not _EMAIL.fullmatch(text):
            raise Refusal("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", names)

    def choice(text: str) -> None:
        for part in text.split(";") if multiple else (text,):
            if part not in allowed:
                message = f"{field.label}: bad value for restricted picklist field: {part}"
                raise Refusal("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, names)

    if field.type == "email":
        return email
    return choice if field.restricted and field.type in ("picklist", "multipicklist") else None


def _number(field: Field, switches: SalesforceSwitches) -> Convert:
    whole = field.type == "int"
    limit = (
        _INT_LIMIT if whole and field.precision >= 10 else 10 ** (field.precision - (0 if whole else field.scale))
    )  # 10: digits of 2^31
    quantum = Decimal(1).scaleb(-field.scale)

    def convert(value: object) -> Wire:
        if isinstance(value, str) and switches.lenient_json:
            value = number_from_text(value)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return _mismatch(field, value)
        if whole and value != int(value):
            return _mismatch(field, value)
        if abs(value) >= limit:
            message = f"{field.label}: value outside of valid range on numeric field: {value}"
            raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", message, (field.name,))
        if whole:
            return int(value)
        return float(Decimal(repr(value)).quantize(quantum, ROUND_HALF_UP))

    return convert


def number_from_text(text: str) -> object:
    """Read a number from text; blank text is None, other text stays what it is."""
    stripped = text.strip(BLANKS)
    try:
        return float(stripped) if stripped else None
    except ValueError:
        return text


_CHECKBOX_WORDS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False, "": False}


def checkbox_from_text(text: str) -> object:
    """Read a checkbox from the words that import files use; other text stays what it is."""
    return _CHECKBOX_WORDS.get(text.strip(BLANKS).lower(), text)


def _boolean(field: Field, switches: SalesforceSwitches) -> Convert:
    def convert(value: object) -> Wire:
        if value is None:
            return False  # a checkbox is never null [inferred]; that null unticks it is our guess
        if isinstance(value, str) and switches.lenient_json:
            value = checkbox_from_text(value)
        return value if isinstance(value, bool) else _mismatch(field, value)

    return convert


def _reference(field: Field, references: References) -> Convert:
    targets = frozenset(field.references)
    names = (field.name,)

    def convert(value: object) -> Wire:
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            return _mismatch(field, value)
        full = record_id_18(value.strip(BLANKS))
        target = None if full is None else references.sobject_of_prefix(full[:3])
        if full is None or target not in targets:
            message = f"{field.label}: id value of incorrect type: {value}"
            raise Refusal("MALFORMED_ID", message, names)
        if not references.is_live(target, full):
            raise bad_reference()
        return full

    return convert


def _moment(field: Field) -> Convert:
    def convert(value: object) -> Wire:
        if value is None or value == "":
            return None
        if isinstance(value, str):
            if field.type == "date":
                day = read_date(value)
                if day is not None:
                    return value
            elif field.type == "datetime":
                moment = read_datetime(value)
                if moment is not None:
                    return stamp(moment)
            elif _TIME.fullmatch(value):
                return f"{_padded_time(value)}Z"
        return _mismatch(field, value)

    return convert


def _padded_time(text: str) -> str:
    clock, _, fraction = text.rstrip("Z").partition(".")
    return f"{clock if clock.count(':') > 1 else clock + ':00'}.{fraction:0<3}"
