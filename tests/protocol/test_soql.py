"""Laws of SOQL: values cannot leave their quotes, and long lists make queries that fit."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simple_salesforce.format import quote_soql_value

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.salesforce import Identifier, Soql, chunked_in, select, soql
from di_salesforce.salesforce._soql import quoted

AN_OBJECT = pytest.param(object(), id="an object")  # its repr holds an address, which differs between workers
EDGE = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))  # before the year 1, in UTC

plain = st.one_of(st.text(), st.booleans(), st.none(), st.integers(), st.dates())


@given(plain | st.lists(plain, min_size=1))
def test_quoting_agrees_with_simple_salesforce(value: Any) -> None:
    """Texts, numbers, booleans, nulls, dates and lists read as simple-salesforce writes them."""
    assert quoted(value) == quote_soql_value(value)


def unquoted(text: str) -> str:
    """Read a SOQL text literal back: the inverse, written from the list of escapes."""
    assert text[0] == text[-1] == "'"
    inverse = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
    return re.sub(r"\\(.)", lambda found: inverse.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)


@given(st.text(alphabet=st.sampled_from("'\\\"\n\rab:%_ \t\b\f") | st.characters()))
def test_a_text_stays_inside_its_quotes(text: str) -> None:
    """A quoted text reads back as itself, and no quote in it is bare."""
    literal = quoted(text)
    assert unquoted(literal) == text
    assert re.fullmatch(r"'(?:\\.|[^'\\])*'", literal, re.DOTALL)


@given(st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-5)))))
def test_date_times_are_written_in_utc(moment: datetime) -> None:
    """An aware date-time becomes an unquoted UTC literal of the same moment, to the millisecond."""
    literal = quoted(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", literal)
    assert abs(datetime.fromisoformat(literal) - moment) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (1e-7, "0.0000001"),
        (["a", None], "('a',null)"),
        (date(2026, 3, 1), "2026-03-01"),
        (Identifier("Account.Name"), "Account.Name"),
    ],
    ids=str,
)
def test_other_values(value: object, text: str) -> None:
    """Numbers have no exponents, lists are lists, identifiers are not quoted."""
    assert quoted(value) == text


@pytest.mark.parametrize(
    "value", [[], float("nan"), Decimal("Infinity"), datetime(2026, 1, 1), EDGE, AN_OBJECT, b"raw", {"a": 1}], ids=repr
)  # fmt: skip
def test_values_without_a_form_are_refused_without_being_shown(value: object) -> None:
    """A value that SOQL has no form for is an error that names the parameter."""
    with pytest.raises(ConfigurationError, match="x: "):
        soql("SELECT Id FROM Contact WHERE A = :x", x=value)


def test_parameters_go_where_they_are_named() -> None:
    """Placeholders in quotes, date-times and date functions are left alone; a value is not looked at again."""
    text = soql(
        "SELECT Id FROM Contact WHERE Name = ':a \\' :b' AND Email = :a AND LastName IN :b "
        "AND CreatedDate > 2026-01-01T00:00:00Z AND LastModifiedDate = LAST_N_DAYS:30",
        a=":b",
        b=["x", ":a"],
    ).text
    assert text == (
        "SELECT Id FROM Contact WHERE Name = ':a \\' :b' AND Email = ':b' AND LastName IN ('x',':a') "
        "AND CreatedDate > 2026-01-01T00:00:00Z AND LastModifiedDate = LAST_N_DAYS:30"
    )


def test_all_problems_are_told_at_once() -> None:
    """Missing values, superfluous ones and impossible ones come in one error."""
    with pytest.raises(ConfigurationError) as caught:
        soql("SELECT Id FROM Contact WHERE A = :a AND B = :b", b=object(), c=1)
    assert [problem.path for problem in caught.value.problems] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["", "Id,Name", "Id FROM User", "Na me", "Account..Name", "1st", "É", "Id\n"])
def test_names_are_checked(name: str) -> None:
    """What is no API name cannot get into a query as one."""
    for make in (lambda: select("Contact", [name]), lambda: select(name, ["Id"]), lambda: Identifier(name)):
        with pytest.raises(ConfigurationError):
            make()


def test_select_needs_fields() -> None:
    """A query of nothing is refused."""
    with pytest.raises(ConfigurationError, match="at least one field"):
        select("Contact", [])


def test_conditions_cannot_run_into_each_other() -> None:
    """Each condition keeps to itself: an OR in one does not weaken another."""
    text = select("Contact", ["Id"], where=[soql("A = 1 OR B = 2"), soql("C = 3")]).text
    assert text == "SELECT Id FROM Contact WHERE (A = 1 OR B = 2) AND (C = 3)"


def test_a_query_does_not_show_its_values() -> None:
    """A query's repr holds no data."""
    assert "ada" not in repr(soql("SELECT Id FROM Contact WHERE Email = :e", e="ada@example.com"))


values = st.lists(
    st.text(max_size=60), max_size=60
)  # one value takes at most 720 bytes of a URL, so a query with one fits into 1,000


@given(values, st.integers(1000, 2600))
def test_long_lists_make_queries_that_fit(items: list[str], room: int) -> None:
    """Every value is in exactly one query, in order, once; every query fits; and none could take one value more."""
    start = Soql.trusted("SELECT Id FROM Contact WHERE Name = :name AND Email IN :items")
    made = list(chunked_in(start, "items", items, room=room, name="Zoë"))
    lists = [query.text.partition(" IN (")[2].removesuffix(")") for query in made]
    parts = [re.findall(r"'(?:\\.|[^'\\])*'", text, re.DOTALL) for text in lists]
    assert [unquoted(literal) for part in parts for literal in part] == list(dict.fromkeys(items))
    lengths = [len(quote(query.text, safe="")) for query in made]
    assert all(length <= room for length in lengths)
    for length, following in zip(lengths, parts[1:], strict=False):
        assert length + len(quote("," + following[0], safe="")) + 12 > room  # 12: an estimate may err by a few bytes


def test_a_value_too_long_for_any_query_is_refused() -> None:
    """Where even one value leaves no room, nothing is cut."""
    with pytest.raises(ConfigurationError, match="more than 500 bytes"):
        list(chunked_in("SELECT Id FROM Contact WHERE Email IN :emails", "emails", ["x" * 600], room=500))
