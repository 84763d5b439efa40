"""Laws of data frames: values come through exactly, in the column type that fits; a frame is as good as rows."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer, Snapshot, check, frames, reconcile
from di_salesforce._findings import Findings, found
from di_salesforce.engine import Baseline, ReportLine, SyncReport
from di_salesforce.exceptions import ConfigurationError

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "exact": st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6),
    "truth": st.booleans(),
    "day": st.dates(min_value=date(1700, 1, 1), max_value=date(2200, 1, 1)),
    "moment": st.datetimes(
        min_value=datetime(1700, 1, 1),
        max_value=datetime(2200, 1, 1),
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))]),
    ),
    "local": st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2200, 1, 1)),
}
tables = st.lists(
    st.fixed_dictionaries({name: st.none() | kind for name, kind in KINDS.items()}), min_size=1, max_size=5
)


@given(tables)
def test_polars_gives_every_value_back(table: list[dict[str, Any]]) -> None:
    """Out to polars and in again is the same value, to the last digit and second."""
    assert list(frames.rows(frames.to_polars(table))) == table


@given(tables)
def test_pandas_gives_every_value_back(table: list[dict[str, Any]]) -> None:
    """Out to pandas and in again is the same value, to the last digit and second."""
    assert list(frames.rows(frames.to_pandas(table))) == table


def test_columns_have_the_type_that_fits() -> None:
    """Numbers are numbers, moments have their zone, decimals all their digits; several types make text in polars."""
    table = [
        {"n": 1, "x": Decimal("0.10"), "t": NOW, "b": True, "s": "a", "d": date(2026, 1, 2), "m": 1},
        {"n": None, "x": Decimal("12345678901234567890.123"), "t": None, "b": None, "s": None, "d": None, "m": "x"},
    ]
    polars = frames.to_polars(table)
    assert polars.schema == {
        "n": pl.Int64,
        "x": pl.Decimal(23, 3),
        "t": pl.Datetime("us", "UTC"),
        "b": pl.Boolean,
        "s": pl.String,
        "d": pl.Date,
        "m": pl.String,
    }
    assert polars["x"].to_list() == [Decimal("0.10"), Decimal("12345678901234567890.123")]
    pandas = frames.to_pandas(table)
    assert [str(pandas[name].dtype) for name in ("n", "b", "s")] == ["Int64", "boolean", "string"]
    assert isinstance(pandas["t"].dtype, pd.DatetimeTZDtype)
    assert pandas["x"].tolist() == [Decimal("0.10"), Decimal("12345678901234567890.123")]


def test_values_past_a_frames_reach_are_kept() -> None:
    """A year, a number or a decimal that a column type cannot hold is kept exactly, as an object or as text."""
    table: list[Any] = [{"t": datetime(9999, 1, 1, tzinfo=UTC), "n": 2**70, "x": Decimal("1E+50")}]
    assert list(frames.rows(frames.to_pandas(table))) == table
    [row] = frames.rows(frames.to_polars(table))
    assert (row["t"], row["n"], row["x"]) == (table[0]["t"], str(2**70), "1E+50")


def test_whole_numbers_with_gaps_are_whole_again() -> None:
    """Pandas keeps whole numbers with gaps as floats; as rows they are whole."""
    frame = pd.DataFrame({"Id": ["a", "b"], "Points": [7, None], "Since": pd.to_datetime(["2026-01-02", None])})
    assert list(frames.rows(frame)) == [
        {"Id": "a", "Points": 7, "Since": datetime(2026, 1, 2)},
        {"Id": "b", "Points": None, "Since": None},
    ]


TRANSFER = ObjectTransfer(
    "people", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True), FieldMapping("City", "City")]
)


def test_a_named_index_is_a_column_and_nanoseconds_are_cut() -> None:
    """Ids that pandas keeps as a frame's index are not lost; a moment is cut where Python's own ends."""
    moment = pd.Timestamp("2026-01-02T03:04:05.123456789Z")
    frame = pd.DataFrame({"Id": ["1", "2"], "Since": [moment, pd.NaT]}).set_index("Id")
    assert list(frames.rows(frame)) == [
        {"Id": "1", "Since": datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)},
        {"Id": "2", "Since": None},
    ]
    assert list(frames.rows(frame[frame.index == "2"])) == [{"Id": "2", "Since": None}]


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pl.LazyFrame])
def test_a_frame_is_as_good_as_rows(library: Any) -> None:
    """Snapshots and `check` take a frame where they take rows, with the same result."""
    rows = [{"Id": "1", "Email": "ada@example.ca", "City": "Laval"}, {"Id": "2", "Email": None, "City": None}]
    assert Snapshot.complete(library(rows)).rows == Snapshot.complete(rows).rows
    assert check(TRANSFER, salesforce=library(rows)) == check(TRANSFER, salesforce=rows)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_answers_about_matches_may_be_a_frame(library: Any) -> None:
    """What a person decided in a data frame counts as what stands in a file; what is missing there is blank."""
    transfer = attrs.evolve(TRANSFER, match=[["City:City"]])
    plan = reconcile(
        transfer,
        salesforce=Snapshot.complete([{"Id": "1", "Email": "ada@x.ca", "City": "Laval"}]),
        dialog_insight=Snapshot.complete([{"idContact": 5, "EMail": "ada@y.ca", "City": "Laval"}]),
        baseline=Baseline.empty(),
        now=datetime(2026, 1, 2, tzinfo=UTC),
    )
    [row] = plan.match_rows()
    assert plan.resolve_matches(library([{**row, "decision": None}])) is plan
    decided = plan.resolve_matches(library([{**row, "decision": "link"}]))
    assert [action.reason for action in decided.actions if action.kind == "link"] == ["link.person"]


def test_what_is_no_frame_is_refused() -> None:
    """Another value of the same library, and columns without text names, are told in a sentence."""
    with pytest.raises(ConfigurationError, match="no pandas or polars data frame"):
        Snapshot.complete(pl.Series([1]))  # type: ignore[arg-type]  # the mistake that is tested
    with pytest.raises(ConfigurationError, match="two columns named a"):
        Snapshot.complete(pd.DataFrame([[1, 2]], columns=["a", "a"]))  # type: ignore[arg-type]  # likewise
    with pytest.raises(ConfigurationError, match="two columns named a"):
        list(frames.rows(pd.DataFrame({"a": [1]}, index=pd.Index([2], name="a"))))
    with pytest.raises(ConfigurationError, match="named by text"):
        Snapshot.complete(pd.DataFrame([[1]]))  # type: ignore[arg-type]  # likewise


def test_plans_reports_and_findings_are_tables() -> None:
    """A plan has a row for each field of each action, a report for each line, findings for each finding."""
    plan = reconcile(
        TRANSFER,
        salesforce=Snapshot.complete([{"Id": "1", "Email": "ada@example.ca", "City": "=Laval"}]),
        dialog_insight=Snapshot.complete([{"idContact": 5, "EMail": "ada@example.ca", "City": "Rome"}]),
        baseline=Baseline.empty(),
        now=NOW,
    )
    told = plan.to_polars().filter(pl.col("kind") == "conflict").row(0, named=True)
    assert (told["key"], told["field"], told["salesforce"], told["dialog_insight"]) == (
        "ada@example.ca",
        "City:City",
        "=Laval",
        "Rome",
    )
    assert plan.conflicts.to_pandas()["reason"].tolist() == ["conflict.first_match"]
    assert len(plan.conflicts.to_dicts()) == 1
    report = SyncReport(lines=[ReportLine("people", "k", "create", None, "create.new", "refused", code="TOO_LONG")])
    assert report.refused.to_polars()["code"].to_list() == ["TOO_LONG"]
    assert report.to_pandas()["outcome"].tolist() == ["refused"]
    assert Findings([found("trigger.none", "triggers", "none", "some")]).to_polars()["code"].to_list() == [
        "trigger.none"
    ]
    assert plan.without(kind="conflict").conflicts.to_polars().is_empty()


def test_a_table_for_a_spreadsheet_is_harmless(tmp_path: Any) -> None:
    """A table that is written for people has no cell that a spreadsheet would run."""
    line = ReportLine("people", '=cmd|"/c calc"!A1', "create", None, "create.new", "refused", message="@x")
    SyncReport(lines=[line]).refused.to_csv(tmp_path / "refused.csv")
    text = (tmp_path / "refused.csv").read_text(encoding="utf-8-sig")
    assert "'=cmd" in text
    assert "'@x" in text


def test_a_missing_extra_is_named() -> None:
    """Without the library the error names the extra to install, and importing the package needs none of them."""
    program = (
        "import sys; sys.modules['polars'] = None\n"
        "from di_salesforce import Plan\n"
        "from di_salesforce.exceptions import MissingExtraError\n"
        "try: Plan.empty().to_polars()\n"
        "except MissingExtraError as error: print(error)\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "a polars data frame needs an extra: pip install 'di-salesforce[polars]'",
        "False",
    ]
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from di_salesforce.exceptions import MissingExtraError\n"
        "import di_salesforce.testing\n"
        "try: import di_salesforce.testing.strategies\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "di_salesforce.testing.strategies needs an extra: pip install 'di-salesforce[testing]'\n"
