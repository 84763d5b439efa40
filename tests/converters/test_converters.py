"""The laws of converters: over their domain they go there and back, outside it they refuse and say nothing of people.

The laws are tried on generated values of each converter's own domain; single examples stand where a rule is a choice
(renderings of truth values, clock changes, rounding), so that changing the choice changes a test.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import inspect
import re
import traceback
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import _lenses, _time_lenses
from di_salesforce import converters as cv
from di_salesforce.engine import REASONS
from di_salesforce.exceptions import ConfigurationError, ConversionError
from di_salesforce.protocols import Converter, named
from di_salesforce.records import Side, Value, is_blank, record_id_18

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
TORONTO = zoneinfo.ZoneInfo("America/Toronto")
BLANKS = (None, "")


def local(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> dt.datetime:
    """Make a time without a zone, as Dialog Insight's are."""
    return dt.datetime(year, month, day, hour, minute, second)


def to_amount(cents: Any) -> Value:  # in the functions of a user's pair: whatever a service delivers
    return Decimal(str(cents)) / 100


def to_cents(amount: Any) -> Value:
    return int(Decimal(str(amount)) * 100)


# Domains -------------------------------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
padded = st.tuples(st.sampled_from(["", " ", "\t", "\u00a0"]), words, st.sampled_from(["", " "])).map("".join)
integers = st.integers(-(10**18), 10**18)
whole = st.one_of(
    integers, integers.map(str), st.integers(-(2**53), 2**53).map(float), integers.map(lambda n: f" {n}.0 ")
)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=4)
numbers = st.one_of(
    integers,
    decimals,
    decimals.map(str),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15),
)
truths: tuple[Value, ...] = (
    True, False, 1, 0, 1.0, 0.0, Decimal(1), Decimal("1.0"), Decimal("0.0"), "1", "0", "true", "false", "True", "False",
    "TRUE", "FALSE", " true ",
)  # fmt: skip
days = st.dates(min_value=dt.date(1000, 1, 1))
salesforce_days = st.one_of(days, days.map(dt.date.isoformat), days.map(lambda d: f"{d}T00:00:00.000+0000"))
dialog_insight_days = st.one_of(
    salesforce_days, days.map(lambda d: d.strftime("%Y.%m.%d")), days.map(lambda d: d.strftime("%Y.%m.%d 00:00:00"))
)
moments = st.datetimes(min_value=local(1000, 1, 2), max_value=local(9999, 12, 30))
salesforce_moments = st.one_of(
    moments.map(lambda m: m.strftime("%Y-%m-%dT%H:%M:%S.000+0000")),
    moments.map(lambda m: m.isoformat() + "Z"),
    moments.map(lambda m: m.replace(tzinfo=dt.UTC)),
)
dialog_insight_moments = st.one_of(
    moments,
    moments.map(lambda m: m.strftime("%Y.%m.%d %H:%M:%S")),
    moments.map(lambda m: m.isoformat(" ")),
    moments.map(lambda m: m.replace(tzinfo=TORONTO)),
)
around_clock_changes = st.one_of(
    *(st.datetimes(day, day + dt.timedelta(days=1)) for day in (local(2026, 3, 8), local(2026, 11, 1)))
)
LANGUAGES = {"Français": "fr", "English": "en", "Anglais": "en", "Español": "es"}
HOBBIES = {"Voile": "1", "Sailing": "1", "Ski": "2", "Vélo": "3"}
ids = st.text("abcXYZ0123456789", min_size=15, max_size=15)
either_form = st.one_of(ids, ids.map(record_id_18))
CENTS = cv.pair(to_amount, to_cents)


@attrs.frozen
class Domain:
    """A converter, and values of each side that it must be able to convert."""

    converter: Converter
    salesforce: st.SearchStrategy[Any]  # values of any native type
    dialog_insight: st.SearchStrategy[Any]

    def of(self, side: Side) -> st.SearchStrategy[Any]:
        return self.salesforce if side is S else self.dialog_insight


def joined(names: Any, mark: str) -> st.SearchStrategy[str]:  # any collection of names
    return st.lists(st.sampled_from(sorted(names))).map(mark.join)


DOMAINS = {
    "as_is": Domain(
        cv.AS_IS, st.one_of(padded, numbers, st.booleans(), days), st.one_of(padded, numbers, st.booleans())
    ),
    "text": Domain(cv.text(), st.one_of(padded, numbers), st.one_of(padded, numbers)),
    "text trimmed": Domain(cv.text(trim=True), padded, padded),
    "text cut": Domain(cv.text(truncate=5), padded, padded),
    "text trimmed and cut": Domain(cv.text(trim=True, truncate=5), padded, padded),
    "email": Domain(cv.email(), padded, padded),
    "phone": Domain(cv.phone(), st.one_of(padded, integers), st.one_of(padded, integers)),
    "integer": Domain(cv.integer(), whole, whole),
    "decimal": Domain(cv.decimal(), numbers, numbers),
    "decimal of two digits": Domain(cv.decimal(scale=2), numbers, numbers),
    "boolean": Domain(cv.boolean(), st.sampled_from(truths), st.sampled_from([*truths, *BLANKS])),
    "boolean, blank kept": Domain(
        cv.boolean(blank=None), st.sampled_from([*truths, *BLANKS]), st.sampled_from([*truths, *BLANKS])
    ),
    "negate": Domain(cv.negate(), st.sampled_from(truths), st.sampled_from([*truths, *BLANKS])),
    "date": Domain(cv.date(), salesforce_days, dialog_insight_days),
    "date of a European": Domain(cv.date(dialog_insight="%d/%m/%Y"), salesforce_days, dialog_insight_days),
    "datetime": Domain(cv.datetime(), salesforce_moments, dialog_insight_moments),
    "datetime in Toronto": Domain(
        cv.datetime(time_zone="America/Toronto"), salesforce_moments, dialog_insight_moments
    ),
    "datetime of a European": Domain(
        cv.datetime(time_zone="Europe/Paris", dialog_insight="%d/%m/%Y %H:%M:%S"),
        salesforce_moments,
        dialog_insight_moments,
    ),
    "datetime at a clock change": Domain(
        cv.datetime(time_zone="America/Toronto"),
        around_clock_changes.map(lambda m: m.replace(tzinfo=dt.UTC)),
        around_clock_changes,
    ),
    "choice": Domain(cv.choice(LANGUAGES), st.sampled_from(sorted(LANGUAGES)), st.sampled_from(["fr", "en", "es"])),
    "multi_choice": Domain(
        cv.multi_choice(), st.lists(words.filter(lambda w: "|" not in w)).map(";".join),
        st.lists(words.filter(lambda w: ";" not in w)).map("|".join),
    ),
    "multi_choice with a map": Domain(cv.multi_choice(HOBBIES), joined(HOBBIES, ";"), joined("123", "|")),
    "record_id": Domain(cv.record_id(), either_form, either_form),
    "pair": Domain(CENTS, st.integers(0, 10**12), st.decimals(0, 10**9, places=2)),
}  # fmt: skip

each_domain = pytest.mark.parametrize("name", DOMAINS)
each_side = pytest.mark.parametrize("side", list(Side))
each_side_drawn = st.sampled_from(Side)


# Laws over the domain ------------------------------------------------------------------------------------------------


@each_domain
@given(side=each_side_drawn, data=st.data())
def test_there_back_and_there_again_is_there(name: str, side: Side, data: st.DataObject) -> None:
    """What a value becomes on the other side survives the way back: else every run would write it again."""
    domain = DOMAINS[name]
    value = data.draw(st.one_of(domain.of(side), st.sampled_from(BLANKS)))
    there = domain.converter.convert(value, to=side.other)
    again = domain.converter.convert(domain.converter.convert(there, to=side), to=side.other)
    if is_blank(value) and name in ("boolean", "negate") and side is S:
        assert domain.converter.normal(D, again) is not None, "Salesforce's checkboxes are never blank"
    else:
        assert domain.converter.normal(side.other, again) == domain.converter.normal(side.other, there)


@each_domain
@given(side=each_side_drawn, data=st.data())
def test_the_same_value_gives_the_same_answer_each_time(name: str, side: Side, data: st.DataObject) -> None:
    """Converters are pure: a plan that is made again from the same values is the same plan."""
    domain = DOMAINS[name]
    value = data.draw(domain.of(side))
    first, second = (domain.converter.convert(value, to=side.other) for _ in range(2))
    assert (first, type(first)) == (second, type(second))
    normal = domain.converter.normal(side, value)
    assert normal == domain.converter.normal(side, value)
    assert hash(normal) == hash(domain.converter.normal(side, value))


@each_domain
@given(side=each_side_drawn, data=st.data())
def test_what_is_written_has_a_normal_form_there_or_is_null(name: str, side: Side, data: st.DataObject) -> None:
    """A written value is null exactly where its normal form is blank, and never the empty string."""
    domain = DOMAINS[name]
    written = domain.converter.convert(data.draw(domain.of(side)), to=side.other)
    assert written != ""
    assert (written is None) == (domain.converter.normal(side.other, written) is None)


LOSSLESS = sorted(set(DOMAINS) - {
    "decimal of two digits", "text cut", "text trimmed and cut", "datetime in Toronto", "datetime of a European",
    "datetime at a clock change", "choice", "multi_choice with a map", "boolean", "negate",
})  # fmt: skip


@pytest.mark.parametrize("name", LOSSLESS)
@given(side=each_side_drawn, data=st.data())
def test_a_lossless_converter_loses_nothing(name: str, side: Side, data: st.DataObject) -> None:
    """Where no rounding, cutting, merging of choices or clock change is involved, the way back is exact."""
    domain = DOMAINS[name]
    value = data.draw(domain.of(side))
    back = domain.converter.convert(domain.converter.convert(value, to=side.other), to=side)
    assert domain.converter.normal(side, back) == domain.converter.normal(side, value)


@each_domain
@each_side
def test_null_and_blank_are_one_value(name: str, side: Side) -> None:
    """Null and the empty string compare as one value and convert to the same."""
    converter = DOMAINS[name].converter
    assert [converter.normal(side, blank) for blank in BLANKS] == [None, None]
    written = {converter.convert(blank, to=side) for blank in BLANKS}
    assert written == ({False} if name in ("boolean", "negate") and side is S else {None})


# Outside the domain --------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
HOSTILE: tuple[Any, ...] = (
    10**5000, "1e999999", "1e-999999", "NaN", "-Infinity", Decimal("sNaN"), Decimal("NaN"), Decimal("Infinity"),
    float("nan"), float("inf"), "1_000", "\ud800", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "0001-01-01", "9999.12.31 23:59:59", "2026-02-30", "2026.13.01", "2026-05-01T25:00:00Z", "24:00", "١", "٢٠٢٦-٠٥-٠١",
    local(1, 1, 1), local(9999, 12, 31, 23, 59, 59), local(1, 1, 1).replace(tzinfo=dt.UTC),
    local(9999, 12, 31, 23).replace(tzinfo=TORONTO),
    dt.date.min, dt.date.max, b"bytes", ("a",), "\x00", " ", ";", "|", ";|;", "+", "()",
)  # fmt: skip


def answers_or_refuses(converter: Converter, side: Side, value: Any) -> None:  # whatever a service answers
    """Hold a converter to refusing in one way, and to comparing whatever it converts."""
    with contextlib.suppress(ConversionError):
        hash(converter.normal(side, value))
    try:
        written = converter.convert(value, to=side.other)
    except ConversionError:
        return
    hash(converter.normal(side, value))
    hash(converter.normal(side.other, written))


@each_domain
@given(side=each_side_drawn, value=json_values)
def test_whatever_a_service_answers_is_converted_and_compared_or_refused(name: str, side: Side, value: Any) -> None:
    """Outside the domain there is `ConversionError` and nothing else; what converts has a normal form on both sides."""
    answers_or_refuses(DOMAINS[name].converter, side, value)


@each_domain
def test_hostile_values_are_converted_and_compared_or_refused(name: str) -> None:
    """The law above, for values chosen to break it: endless numbers, the ends of time, broken Unicode, separators."""
    for side in Side:
        for value in HOSTILE:
            answers_or_refuses(DOMAINS[name].converter, side, value)


REFUSED: tuple[tuple[Converter, Any, str], ...] = (
    (cv.AS_IS, {"street": "12 Sekret Row"}, "value.not_scalar"),
    (cv.AS_IS, float("nan"), "value.not_number"),
    (cv.text(), True, "value.not_text"),
    (cv.text(), ["Sekret"], "value.not_scalar"),
    (cv.email(), False, "value.not_text"),
    (cv.integer(), "Sekret", "value.not_number"),
    (cv.integer(), "7.5125", "value.not_integer"),
    (cv.integer(), True, "value.not_number"),
    (cv.integer(), "1e999999", "value.too_large"),
    (cv.decimal(), "NaN", "value.not_number"),
    (cv.decimal(), "1_000", "value.not_number"),
    (cv.boolean(), "Sekret", "value.not_boolean"),
    (cv.boolean(), 20260501, "value.not_boolean"),
    (cv.date(), "Sekret", "value.not_date"),
    (cv.date(), "2026-05-01T07:25:37.000+0000", "value.not_date"),
    (cv.date(), local(2026, 5, 1, 7), "value.not_date"),
    (cv.date(), 20260501, "value.not_date"),
    (cv.date(), "2026-02-30", "value.not_date"),
    (cv.date(), "0202-05-01", "value.not_date"),
    (cv.datetime(), "Sekret", "value.not_datetime"),
    (cv.datetime(), "2026-05-01T07:25:37", "value.not_datetime"),
    (cv.datetime(), "2026-05-01", "value.not_datetime"),
    (cv.datetime(time_zone="America/Toronto"), "0001-01-01T00:00:00Z", "value.not_datetime"),
    (cv.choice(LANGUAGES), "Sekret", "value.not_mapped"),
    (cv.multi_choice(HOBBIES), "Ski;Sekret", "value.not_mapped"),
    (cv.multi_choice(), "a|b;Sekret", "value.not_mapped"),
    (cv.record_id(), "Sekret", "value.not_record_id"),
    (cv.record_id(), "001D000000IRFmaIAX", "value.not_record_id"),
    (CENTS, "Sekret", "value.not_converted"),
)


@pytest.mark.parametrize(("converter", "value", "code"), REFUSED)
def test_a_refusal_names_the_rule_and_never_the_value(converter: Converter, value: Any, code: str) -> None:
    """The code says which rule; neither the sentence nor the traceback as printed holds what a person typed."""
    with pytest.raises(ConversionError) as caught:
        converter.convert(value, to=D)
    assert caught.value.code == code
    assert str(value) not in str(caught.value)
    printed = traceback.format_exception(caught.value)
    assert not any("Sekret" in line for line in printed if not line.startswith("  File"))


# Choices that were made ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rendering", truths)
def test_a_truth_value_is_read_in_every_rendering(rendering: Value) -> None:
    """How Dialog Insight renders truth values is unknown: all that were ever seen are read, and `negate` swaps them."""
    expected = str(rendering).strip().lower() in ("true", "1", "1.0")
    assert cv.boolean().convert(rendering, to=S) is expected
    assert cv.negate().convert(rendering, to=S) is not expected
    assert cv.boolean().normal(D, rendering) == expected


def test_no_status_is_neither_consent_nor_refusal() -> None:
    """A blank opt-in leaves both an opt-in checkbox and an opt-out checkbox unchecked, unless told otherwise."""
    assert cv.boolean().convert(None, to=S) is False
    assert cv.negate().convert("", to=S) is False
    assert cv.negate(blank=True).convert("", to=S) is True
    assert cv.boolean(blank=None).convert("", to=S) is None
    assert cv.negate().convert(None, to=D) is None


@given(day=days, zone=st.sampled_from(["America/Toronto", "Pacific/Kiritimati", "UTC"]))
def test_a_date_never_shifts(day: dt.date, zone: str) -> None:
    """A birthday stays the same day whatever the form and whatever zone a midnight was written in."""
    converter = cv.date()
    midnight = dt.datetime.combine(day, dt.time(), zoneinfo.ZoneInfo(zone))
    for value in (day, day.isoformat(), f"{day}T00:00:00.000+0000", f"{day}T00:00:00-05:00", midnight):
        assert converter.normal(S, value) == day
        assert converter.convert(value, to=D) == day.strftime("%Y.%m.%d")
    assert converter.convert(day.strftime("%Y.%m.%d"), to=S) == day.isoformat()


CLOCK_CHANGES = (
    # moment in Salesforce, local time in Toronto, moment that this local time is read as
    ("2026-11-01T05:30:00.000+0000", "2026.11.01 01:30:00", "2026-11-01T05:30:00.000+0000"),  # the first 01:30
    ("2026-11-01T06:30:00.000+0000", "2026.11.01 01:30:00", "2026-11-01T05:30:00.000+0000"),  # the second: an hour lost
    ("2026-11-01T07:30:00.000+0000", "2026.11.01 02:30:00", "2026-11-01T07:30:00.000+0000"),
    ("2026-03-08T06:59:59.000+0000", "2026.03.08 01:59:59", "2026-03-08T06:59:59.000+0000"),
    ("2026-03-08T07:00:00.000+0000", "2026.03.08 03:00:00", "2026-03-08T07:00:00.000+0000"),  # no 02:00 that night
)


@pytest.mark.parametrize(("moment", "local", "back"), CLOCK_CHANGES)
def test_an_hour_that_occurs_twice_is_read_as_the_first(moment: str, local: str, back: str) -> None:
    """When clocks change, both ways are stated; a pair at rest agrees, though the way back may lose an hour."""
    converter = cv.datetime(time_zone="America/Toronto")
    assert converter.convert(moment, to=D) == local
    assert converter.convert(local, to=S) == back
    assert converter.normal(D, converter.convert(moment, to=D)) == converter.normal(D, local)


def test_an_hour_that_does_not_exist_is_read_as_if_the_clock_had_not_moved() -> None:
    """02:30 in the night when clocks go forward is 03:30, and 03:30 stays."""
    converter = cv.datetime(time_zone="America/Toronto")
    moment = converter.convert("2026.03.08 02:30:00", to=S)
    assert moment == "2026-03-08T07:30:00.000+0000"
    assert converter.convert(moment, to=D) == "2026.03.08 03:30:00"


@given(text=padded)
def test_an_address_is_compared_without_case_and_sent_as_written(text: str) -> None:
    """Case and outer blanks never make a difference, and are never changed by us except for the blanks."""
    converter = cv.email()
    assert converter.normal(S, f" {text}  ") == converter.normal(S, text)
    sent = converter.convert("  Ada.Lovelace@Test.Example ", to=D)
    assert sent == "Ada.Lovelace@Test.Example"
    assert converter.normal(S, "ADA.LOVELACE@test.example") == converter.normal(D, sent)


def test_equal_looking_text_is_equal() -> None:
    """An accent typed as one sign or as two is the same accent, in values and in maps of choices."""
    one, two = "Zo\u00e9", "Zoe\u0301"
    assert cv.text().normal(S, one) == cv.text().normal(D, two)
    assert cv.choice({one: "z"}).convert(two, to=D) == "z"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("(514) 555-0100", "514.555.0100", True),
        ("+33 1 99 00 11 22", "+33-1-99-00-11-22", True),
        ("(+33) 199001122", "+33199001122", True),
        (5145550100.0, "514 555 0100", True),
        ("+33 1 99 00 11 22", "33 1 99 00 11 22", False),
        ("1-800-FLOWERS", "1-800-GOODBYE", False),
        ("514 555-0100 ext. 12", "514 555-0100 ext. 13", False),
        ("", " ", True),
    ],
)
def test_numbers_are_compared_by_digits_and_letters(left: Value, right: Value, same: bool) -> None:
    """Punctuation makes no difference, everything that can be dialled does."""
    assert (cv.phone().normal(S, left) == cv.phone().normal(D, right)) is same


@pytest.mark.parametrize(
    ("value", "expected"),
    [("10.005", "10.00"), ("10.015", "10.02"), (2.675, "2.68"), (7, "7.00"), ("-0.005", "0.00")],
)
def test_rounding_is_half_to_even_whatever_the_caller_has_set(value: Value, expected: str) -> None:
    """A rounded amount does not depend on the decimal context of the program around us."""
    with decimal.localcontext(prec=2, rounding=decimal.ROUND_UP):
        assert cv.decimal(scale=2).convert(value, to=D) == Decimal(expected)


@pytest.mark.parametrize(
    ("value", "text"), [(5.0, "5"), (5.5, "5.5"), (Decimal("1E+2"), "100"), (Decimal("1.10"), "1.10"), (-3, "-3")]
)
def test_a_number_becomes_the_text_that_a_person_would_write(value: Value, text: str) -> None:
    """Salesforce writes a number of pieces as 5.0; nobody wants to read that in a mail."""
    assert cv.text().convert(value, to=D) == text


def test_several_values_of_one_code_come_back_as_the_first() -> None:
    """The order of a map has a meaning, and many-to-one choices are stable."""
    converter = cv.choice(LANGUAGES)
    assert [converter.convert(name, to=D) for name in ("English", "Anglais")] == ["en", "en"]
    assert converter.convert("en", to=S) == "English"
    hobbies = cv.multi_choice(HOBBIES)
    assert hobbies.convert("Sailing;Voile;Ski", to=D) == "1|2"
    assert hobbies.convert("2|1", to=S) == "Ski;Voile"


@given(parts=st.lists(st.sampled_from(sorted(HOBBIES)), min_size=1), seed=st.randoms(use_true_random=False))
def test_the_order_of_several_choices_has_no_meaning(parts: list[str], seed: Any) -> None:
    """A multi-select picklist is a set: order and repetition neither compare nor write differently."""
    converter = cv.multi_choice(HOBBIES)
    shuffled = parts + parts[:1]
    seed.shuffle(shuffled)
    assert converter.normal(S, ";".join(parts)) == converter.normal(S, " ; ".join(shuffled))
    assert converter.convert(";".join(parts), to=D) == converter.convert(";".join(shuffled), to=D)


@given(short=ids, other=ids)
def test_record_ids_are_equal_by_checksum_and_never_by_case(short: str, other: str) -> None:
    """15 and 18 characters name one record; ids that differ in case are two."""
    converter = cv.record_id()
    assert converter.normal(S, short) == converter.normal(D, record_id_18(short))
    assert (converter.normal(S, short) == converter.normal(S, other)) == (short == other)


def test_a_truth_value_is_never_a_number_where_values_compare_as_they_are() -> None:
    """Python holds True and 1 to be equal; a line without a converter does not, and 5 and 5.0 are one number."""
    assert cv.AS_IS.normal(S, True) != cv.AS_IS.normal(D, 1)
    assert cv.AS_IS.normal(S, 5.0) == cv.AS_IS.normal(D, 5)
    assert cv.AS_IS.normal(S, "5") != cv.AS_IS.normal(D, 5)


# Settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: cv.text(truncate=0), "truncate"),
        (lambda: cv.decimal(scale=-1), "scale"),
        (lambda: cv.date(dialog_insight="%d.%m.%y"), "dialog_insight"),  # two digits lose the century
        (lambda: cv.date(dialog_insight="%Y.%m"), "dialog_insight"),
        (lambda: cv.date(dialog_insight="%Q"), "dialog_insight"),
        (lambda: cv.datetime(dialog_insight="%Y.%m.%d"), "dialog_insight"),
        (lambda: cv.datetime(dialog_insight="%Y.%m.%d %H:%M"), "dialog_insight"),  # a value with seconds would flap
        (lambda: cv.datetime(dialog_insight="%Y.%m.%d %I:%M:%S"), "dialog_insight"),  # morning or evening?
        (lambda: cv.datetime(time_zone="America/Montrél"), "time_zone"),
        (lambda: cv.datetime(time_zone="America"), "time_zone"),
        (lambda: cv.choice({"Zo\u00e9": "1", "Zoe\u0301": "2"}), "values"),
        (lambda: cv.choice({"": "1"}), "values"),
        (lambda: cv.multi_choice({"a;b": "1"}), "values"),
        (lambda: cv.multi_choice({"a": "1|2"}), "values"),
        (lambda: cv.multi_choice({" a": "1"}), "values"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_when_it_is_declared(make: Callable[[], object], setting: str) -> None:
    """A converter that would break its laws is the declaration's mistake, not the first row's."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert [(problem.path, problem.code) for problem in caught.value.problems] == [(setting, "converter.setting")]


@pytest.mark.parametrize("name", sorted(set(DOMAINS) - {"pair"}))
def test_a_version_names_the_kind_and_every_setting(name: str) -> None:
    """Two converters that answer differently have different versions, since stored values are compared by them."""
    versions = {other.converter.version for key, other in DOMAINS.items() if key != name}
    lens: Any = DOMAINS[name].converter  # the classes are not part of the protocol
    assert lens.version.startswith(f"{lens.kind}/1(")
    if name != "datetime at a clock change":
        assert lens.version not in versions - {DOMAINS["datetime at a clock change"].converter.version}


def test_a_pair_is_known_by_the_names_of_its_functions() -> None:
    """Renaming a registered function is how one tells that its answers changed."""
    first = cv.pair(named("to_euro")(lambda v: v), named("to_cents")(lambda v: v))
    second = cv.pair(named("to_euro")(lambda v: v), named("to_cents_2")(lambda v: v))
    assert first == cv.pair(named("to_euro")(lambda v: v), named("to_cents")(lambda v: v))
    assert "to_euro" in first.version
    assert first.version != second.version


# A user's own pair ---------------------------------------------------------------------------------------------------


def test_a_pair_is_never_given_a_blank_and_never_stops_a_run() -> None:
    """A function that cannot take null is not asked to; what it raises or returns wrongly is a refusal by its name."""

    def halve(value: Any) -> Any:  # as a user would write it
        return [value] if value == "list" else value / 2

    converter = cv.pair(halve, named("cents")(to_cents))
    assert converter.convert(None, to=D) is None
    assert converter.convert(4, to=D) == 2
    with pytest.raises(ConversionError, match="halve raised TypeError"):
        converter.convert("four", to=D)
    with pytest.raises(ConversionError) as caught:
        converter.convert("list", to=D)
    assert caught.value.code == "value.not_scalar"


@each_domain
@given(data=st.data())
def test_our_own_converters_pass_the_check_that_we_offer(name: str, data: st.DataObject) -> None:
    """`check_pair` finds nothing in a converter that keeps the laws."""
    domain = DOMAINS[name]
    salesforce = data.draw(st.lists(domain.salesforce, max_size=3))
    dialog_insight = data.draw(st.lists(domain.dialog_insight, max_size=3))
    assert cv.check_pair(domain.converter, salesforce, dialog_insight) == ()


calls: list[Value] = []


def counting(value: Value) -> Value:
    calls.append(value)
    return f"{value}{len(calls)}"


@attrs.frozen
class Listing:
    """A converter class of somebody else's that breaks the protocol: a list is no value and cannot be compared."""

    version: str = "listing/1"

    def normal(self, side: Side, value: Value) -> Any:
        return [value]

    def convert(self, value: Value, *, to: Side) -> Value:
        return value


def strictly_whole(value: Any) -> Value:
    return int(str(value))


def shout(value: Any) -> Value:
    return f"{value}!"


def whisper(value: Any) -> Value:
    return str(value).lower()


BROKEN: tuple[tuple[Converter, str], ...] = (
    (cv.pair(shout, whisper), "to Dialog Insight, back and there again gives another value"),
    (cv.pair(counting, whisper), "to Dialog Insight a second time gives another answer"),
    (cv.pair(strictly_whole, whisper), "to Dialog Insight: "),
    (cv.pair(whisper, strictly_whole), "back to Salesforce: "),
    (Listing(), "reading in Dialog Insight what was converted: TypeError was raised"),
)


@pytest.mark.parametrize(("converter", "finding"), BROKEN)
def test_a_broken_pair_is_told_which_law_it_breaks_and_where(converter: Converter, finding: str) -> None:
    """The finding names the value by its place, never by itself."""
    findings = cv.check_pair(converter, salesforce_values=[None, "Sekret"])
    assert any(text.startswith("salesforce_values[1]: ") and finding in text for text in findings), findings
    assert "sekret" not in str(findings).lower()


def test_both_sides_of_a_pair_are_tried() -> None:
    """A pair that is right from one side may be wrong from the other."""
    one_way = cv.pair(whisper, strictly_whole)
    assert cv.check_pair(one_way, salesforce_values=["7"]) == ()
    findings = cv.check_pair(one_way, salesforce_values=["7"], dialog_insight_values=["8", "eight"])
    assert [finding.partition(":")[0] for finding in findings] == ["dialog_insight_values[1]"]


def test_each_reason_of_a_refusal_has_its_sentence() -> None:
    """Plans, files to mend and notebooks say why a value has no form; every code of a converter is in that table."""
    sources = "".join(inspect.getsource(module) for module in (_lenses, _time_lenses))
    codes = set(re.findall(r'"(value\.[a-z_]+)"', sources))
    assert len(codes) > 8
    assert sorted(codes - set(REASONS)) == []


@pytest.mark.parametrize("value", [{"street": "x"}, ["x"], object()])
def test_what_is_no_single_value_is_refused_by_every_converter(value: Any) -> None:
    """A service may answer with an object or a list: it is neither compared nor converted, whatever the converter."""
    for converter in (cv.text(), cv.integer(), cv.decimal(scale=2), cv.boolean(), cv.email()):
        for side in Side:
            for attempt in (converter.normal, lambda side, value, c=converter: c.convert(value, to=side)):
                with pytest.raises(ConversionError) as raised:
                    attempt(side, value)
                assert raised.value.code == "value.not_scalar"


@pytest.mark.parametrize("scale", [0, 1, 400])
def test_rounding_costs_no_digit_before_the_point(scale: int) -> None:
    """The longest number that is taken keeps all of its digits at every scale."""
    number = Decimal("9" * 399 + ".5")
    kept = cv.decimal(scale=scale).convert(number, to=Side.DIALOG_INSIGHT)
    assert kept == (number if scale else Decimal(10) ** 399)


def test_a_function_of_ones_own_may_refuse_with_a_code_of_its_own() -> None:
    """A `ConversionError` that it raises is told as it is; any other error gets our code."""

    def refusing(value: Value) -> Value:
        raise ConversionError("only half is there", code="ours.half")

    converter = cv.pair(refusing, refusing)
    with pytest.raises(ConversionError) as raised:
        converter.convert("x", to=Side.SALESFORCE)
    assert raised.value.code == "ours.half"
