"""Laws of `discover_table`: it says what the simulator's switches say, of one row that is named first."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.dialog_insight import Capabilities, Discovery, Question, ThrowAwayRow
from di_salesforce.exceptions import ApiError, ConfigurationError, TransportError
from di_salesforce.records import Row
from di_salesforce.retry import RetryPolicy
from di_salesforce.testing import (
    ApiKey,
    Column,
    FakeDialogInsight,
    HttpStatus,
    LostAnswer,
    Project,
    ProjectField,
    ResetConnection,
    Right,
    Switches,
    Table,
    in_process,
)

TABLE: Final = 77
ROWS: Final = 5
ONCE: Final = RetryPolicy(attempts=1)
ALL: Final = Capabilities(clauseless_get=True, clause_lists=True, null_clears=True, delete=False)
MOMENT: Final = datetime(2031, 12, 25, 13, 14)
KEY: Final = ("Code", "Line")
ROW: Final[Row] = {
    "Code": "probe",
    "Line": 1,
    "Note": "aa",
    "Amount": Decimal("1.5"),
    "Day": datetime(2031, 12, 25, 13, 14),
}
COLUMNS: Final = (
    Column("Code", length=5, key=True),
    Column("Line", "int", key=True),
    Column("Note", length=2),
    Column("Amount", "decimal"),
    Column("Day", "datetime"),
)


def account(switches: Switches | None = None, columns: tuple[Column, ...] = COLUMNS) -> FakeDialogInsight:
    fake = FakeDialogInsight(switches=switches)
    fake.add_project(Project(1, fields=[ProjectField("EMail", "email", key=True)]))
    fake.add_table(Table(TABLE, project=1, columns=columns))
    fake.load_rows(TABLE, [{"Code": f"c{n}", "Line": 1} for n in range(ROWS)])
    return fake


def discovered(fake: FakeDialogInsight, row: Row = ROW, *, able: Capabilities = ALL, **rest: Any) -> Discovery:
    with in_process.dialog_insight_client(fake, retry=ONCE, capabilities=able) as client:
        return client.discover_table(TABLE, row, **{"key": KEY, "confirm": lambda _: True, **rest})


def clauseless(switches: Switches) -> str:
    """Five rows are there, and one more for the time being."""
    ceiling = switches.max_rows_per_get
    if switches.clauseless_get == "refuse":
        return "refused"
    if ceiling is None or ceiling > ROWS:
        return "every_row"
    return "refused" if switches.past_max_rows_per_get == "refuse" else "cut"


def expected(switches: Switches) -> dict[Question, str]:
    return {
        Question.CLAUSELESS_GET: clauseless(switches),
        Question.CLAUSE_LISTS: {"accept": "all_must_hold", "refuse": "refused"}[switches.clause_list],
        Question.NULL_IN_DATA: switches.null_in_data,
        Question.BLANK_IN_DATA: "clear",
        Question.DELETING: "works",
    }


OPEN: Final = (
    *("clauseless_get", "past_max_rows_per_get", "clause_list", "null_in_data", "blank_text", "null_rendering"),
    *("number_rendering", "date_rendering", "body_layout", "relational_id_record", "row_order", "error_http_status"),
    *("over_length", "delete_without_max_rows", "delete_past_max_rows", "insert_only_hit", "update_only_miss"),
)
SWITCHES: Final = st.fixed_dictionaries(
    {
        **{name: st.sampled_from(Switches.answers()[name]) for name in OPEN},
        "max_rows_per_get": st.none() | st.integers(1, ROWS + 2),
    }
).map(lambda chosen: Switches(**chosen))


@given(SWITCHES, st.booleans())
def test_the_answers_are_those_of_the_switches(switches: Switches, claimed: bool) -> None:
    """Under every combination of the switches' answers each is found out; a claim is taken back, and none is made."""
    fake = account(switches)
    before = fake.rows(TABLE)
    found = discovered(fake, able=ALL if claimed else Capabilities())
    assert {question: found.answer(question) for question in expected(switches)} == expected(switches), str(found)
    assert fake.rows(TABLE) == before
    assert (found.leftovers, found.stopped) == ((), "")
    able = found.capabilities
    assert able.clauseless_get is (claimed and clauseless(switches) == "every_row")
    assert able.clause_lists is (claimed and switches.clause_list == "accept")
    assert able.null_clears is (claimed and switches.null_in_data == "clear")
    assert able.max_rows_per_get == (switches.max_rows_per_get if clauseless(switches) == "cut" else None)
    assert not able.delete


def test_what_differs_by_field_is_told_by_field() -> None:
    """A field that takes no blank is no reason to doubt that null clears; it is named."""
    columns = (*COLUMNS[:3], Column("Amount", "decimal", required=True), COLUMNS[4])
    fake = account(columns=columns)
    found = discovered(fake)
    told = {each.question: each for each in found.found}
    for question in (Question.NULL_IN_DATA, Question.BLANK_IN_DATA):
        assert told[question].answer == "differs"
        assert "Note: clear, Amount: refuse, Day: clear" in told[question].sentence
    assert found.capabilities.null_clears


def test_the_row_is_named_before_it_is_written() -> None:
    """The callback is given the key while no such row exists; a refusal means that nothing is written."""
    fake = account()
    named: list[str] = []

    def refuse(row: ThrowAwayRow) -> bool:
        assert len(fake.rows(TABLE)) == ROWS
        named.append(str(row))
        return False

    found = discovered(fake, confirm=refuse)
    assert named == ["table 77: a row with Code probe, Line 1"]
    assert (fake.writes, found.leftovers) == (type(fake.writes)(), ())
    assert "you refused" in str(found)
    assert {each.answer for each in found.found} == {""}
    assert found.capabilities == ALL


@pytest.mark.parametrize("row", [{**ROW, "Code": "c1"}, {**ROW, "Code": "c1", "Line": 9}, {**ROW, "Line": None}])
def test_a_row_that_could_be_anybodys_is_refused(row: Row) -> None:
    """Where the first key value is in use, or the key is not whole, nothing is written and nobody is asked."""
    fake = account()
    with pytest.raises(ConfigurationError):
        discovered(fake, row, confirm=lambda _: pytest.fail("asked"))
    assert not fake.writes


def test_what_cannot_be_deleted_is_named() -> None:
    """Without the right to delete, and where the caller wants to look at it, the row stays and the report says so."""
    fake = account()
    rights = [Right("relationaltables", "Get"), Right("relationaltables", "Merge")]
    fake.access = ApiKey(fake.id_key, fake.key, rights=rights)
    found = discovered(fake)
    assert found.answer(Question.DELETING) == "refused"
    kept = discovered(account(), clean_up=False)
    assert kept.answer(Question.DELETING) == ""
    assert found.leftovers == kept.leftovers == ("table 77: a row with Code probe, Line 1",)
    assert len(fake.rows(TABLE)) == ROWS + 1


def test_a_row_that_is_refused_leaves_a_report() -> None:
    """A row that the table does not take is an answer that says why; what needs no row is told all the same."""
    fake = account()
    found = discovered(fake, {**ROW, "Nope": "x"})
    assert "was not found after it was written" in str(found)
    assert found.answer(Question.NULL_IN_DATA) == found.answer(Question.DELETING) == ""
    assert (found.leftovers, len(fake.rows(TABLE))) == ((), ROWS)


def test_a_row_of_nothing_but_its_key_is_tried_too() -> None:
    """No field can be cleared then, which is said and takes no claim back."""
    found = discovered(account(), {"Code": "probe", "Line": 1})
    assert found.answer(Question.NULL_IN_DATA) == ""
    assert "no filled field" in str(found)
    assert found.capabilities == ALL


@pytest.mark.parametrize("after", range(0, 40, 3))
@pytest.mark.parametrize("fault", [ResetConnection(), LostAnswer(), HttpStatus(503)])
def test_trouble_at_any_point_leaves_nothing_behind(after: int, fault: Any) -> None:
    """Wherever one call fails, it ends in our error with nothing written, or in a true report; no row is left."""
    fake = account()
    before = fake.rows(TABLE)
    fake.inject(fault, after=after)
    try:
        found = discovered(fake)
    except (ApiError, TransportError):
        assert not fake.writes
    else:
        assert not found.leftovers
        for question, answer in expected(Switches()).items():
            assert found.answer(question) in ("", answer), str(found)
    assert fake.rows(TABLE) == before


def test_both_worlds_find_out_the_same() -> None:
    """The async client gives the same report."""
    fake = account()

    async def use() -> Discovery:
        async with in_process.async_dialog_insight_client(fake, capabilities=ALL) as client:
            return await client.discover_table(TABLE, ROW, key=KEY, confirm=lambda _: True)

    assert str(asyncio.run(use())) == str(discovered(fake))
