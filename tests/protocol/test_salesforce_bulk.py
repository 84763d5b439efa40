"""Laws of bulk CSV: what is cut is whole, what is written is read again, and what cannot be read is said to be so."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import ConversionError, UnexpectedResponseError
from di_salesforce.records import UNSET, Side, record_id_18
from di_salesforce.salesforce import BulkJob, CsvForm, Settings
from di_salesforce.salesforce import _bulk as calls
from di_salesforce.salesforce._bulk_csv import Piece, cell_text, pieces, read_lines
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.wire import HttpResponse

JOB = BulkJob(str(record_id_18("750000000000001")), "JobComplete")
MARKS = {"COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`"}

texts = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "#N/A")
forms = st.builds(CsvForm, st.sampled_from(sorted(MARKS)), st.sampled_from(["LF", "CRLF"]))
rows = st.lists(st.dictionaries(st.sampled_from("ABCDE"), texts | st.none() | st.just(UNSET), max_size=5), max_size=30)


def cut(given: list[dict[str, Any]], form: CsvForm, **options: Any) -> list[Piece]:
    def refuse(place: int, error: ConversionError) -> None:
        raise AssertionError((place, error))

    numbered = [(place, {"Key": f"k{place}", **row}) for place, row in enumerate(given)]
    return list(pieces(numbered, form, key="Key", refuse=refuse, **options))


@given(rows, forms, st.integers(1, 400), st.integers(1, 8))
def test_the_pieces_hold_all_rows_and_nothing_else(
    given: list[dict[str, Any]], form: CsvForm, most_bytes: int, most_rows: int
) -> None:
    """Cut by whatever measure: a reader that knows only the documented form finds each cell of each row again."""
    found: dict[int, dict[str, str]] = {}
    for piece in cut(given, form, most_bytes=most_bytes, most_rows=most_rows):
        lines = list(csv.reader(io.StringIO(piece.content.decode(), newline=""), delimiter=MARKS[form.delimiter]))
        header, *body = lines
        assert len(body) == len(piece.places) <= most_rows
        assert [cells[0] for cells in body] == list(piece.keys)
        assert len(piece.content) <= most_bytes or len(body) == 1
        found |= {place: dict(zip(header, cells, strict=True)) for place, cells in zip(piece.places, body, strict=True)}
    wanted = [
        {"Key": f"k{place}", **{name: cell_text(value) for name, value in row.items()}}
        for place, row in enumerate(given)
    ]
    assert sorted(found) == list(range(len(given)))
    for place, row in enumerate(wanted):
        cells = {name: cell for name, cell in found[place].items() if cell or name in row}
        assert cells == {name: cell for name, cell in row.items() if cell or name in cells}


@given(st.lists(st.integers(0, 6), max_size=60), st.integers(1, 12))
def test_a_run_of_one_parent_is_not_cut(parents: list[int], most_rows: int) -> None:
    """Rows that share a parent stand in one piece, unless they fill one by themselves."""
    ordered = sorted(parents)
    found = cut(
        [{"A": str(parent)} for parent in ordered], CsvForm(), most_bytes=10**6, most_rows=most_rows, together="A"
    )
    assert [place for piece in found for place in piece.places] == list(range(len(ordered)))
    for parent in set(ordered):
        count = sum(parent in {ordered[place] for place in piece.places} for piece in found)
        assert count == 1 or ordered.count(parent) > most_rows


@given(st.lists(st.lists(texts, min_size=3, max_size=3), min_size=1), forms)
def test_lines_are_read_as_they_were_written(lines: list[list[str]], form: CsvForm) -> None:
    """Cells with newlines, quotes and delimiters come back; only line ends outside quotes end a line."""
    write = form.line_writer()
    assert read_lines("".join(map(write, lines)).encode(), form) == lines


def test_a_later_field_begins_a_new_piece() -> None:
    """A field that the first thousand rows did not have is written all the same."""
    found = cut([{"A": "a"}] * 1000 + [{"B": "b"}], CsvForm(), most_bytes=10**6, most_rows=10**6)
    assert [piece.content.splitlines()[0] for piece in found] == [b"Key,A", b"Key,A,B"]
    assert found[1].content.splitlines()[1:] == [b"k1000,,b"]


def test_a_recorded_result_file() -> None:
    """Quoted `sf__` headers and unquoted input headers in one line are read [recorded]; a miss is an error of ours."""
    body = (
        b'"sf__Id","sf__Error",Ext__c,LastName\n"","REQUIRED_FIELD_MISSING:Missing: [LastName]:LastName --","x1",""\n'
    )
    call = calls.failed_rows(Settings(), JOB, "Ext__c")
    [(key, result)] = call.decode(HttpResponse(200, content=body)).items()
    assert (key, result.errors[0].code, result.errors[0].fields) == ("x1", "REQUIRED_FIELD_MISSING", ("LastName",))
    with pytest.raises(UnexpectedResponseError):
        calls.failed_rows(Settings(), JOB, "Other__c").decode(HttpResponse(200, content=body))


@pytest.mark.fuzz
@given(st.binary(max_size=200), st.sampled_from(["", "0", "1", "2", "x"]), st.sampled_from(["", "null", "abc"]))
def test_whatever_comes_is_read_or_refused(content: bytes, count: str, locator: str) -> None:
    """No body makes a reader raise anything but our own error."""
    headers = {"sforce-numberofrecords": count, "sforce-locator": locator}
    answers = [
        calls.query_page(Settings(), JOB, locator="", page_rows=10),
        calls.successful_rows(Settings(), JOB, "Id"),
        calls.failed_rows(Settings(), JOB, "Id"),
        calls.unprocessed_keys(Settings(), JOB, "Id"),
        calls.look_at(Settings(), JOB.id),
    ]
    for call in answers:
        with suppress(UnexpectedResponseError):
            call.decode(HttpResponse(200, headers, content))


TYPED = TableSchema(
    "Contact",
    side=Side.SALESFORCE,
    fields=[
        FieldSchema(type_.value, type_)
        for type_ in (FieldType.INTEGER, FieldType.DECIMAL, FieldType.BOOLEAN, FieldType.DATETIME)
    ],
)
CELLS = st.text(alphabet="0123456789.eE+-:TZtruefalsNaIy ", max_size=26) | st.sampled_from(
    ["NaN", "Infinity", "1E+999999", "9" * 5000, "2026-05-01T07:25:37.000Z", "9999-12-31T23:59:59.999-12:00", "\u0663"]
)


@pytest.mark.fuzz
@given(st.lists(CELLS, min_size=4, max_size=4))
def test_cells_are_of_their_type_or_refused(cells: list[str]) -> None:
    """A cell that is not of its field's type is an error of ours, and never another value."""
    read = calls.reader_of(TYPED.names, TYPED)
    with suppress(UnexpectedResponseError):
        [row] = read([cells])
        for value, cell, kind in zip(row.values(), cells, (int, Decimal, bool, str), strict=True):
            assert (value is None) == (cell == "")
            assert value is None or type(value) is kind
            assert kind not in (int, Decimal) or value is None or value == Decimal(cell)


@pytest.mark.parametrize("cell", ["1.5", "NaN", "1E+999999", "9" * 5000, "x"])
def test_what_is_no_whole_number_is_refused(cell: str) -> None:
    """The error names no value, which is somebody's data, and takes no time."""
    with pytest.raises(UnexpectedResponseError, match=r"whole number|number is none") as caught:
        calls.reader_of(("integer",), TYPED)([[cell]])
    assert cell not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("DUPLICATE_VALUE:found: A duplicates: B --", "DUPLICATE_VALUE", "found: A duplicates"),
        ("STRING_TOO_LONG:two\nlines:Name --", "STRING_TOO_LONG", "two\nlines"),
        ("something else", "", "something else"),
    ],
)  # fmt: skip
def test_row_errors(text: str, code: str, message: str) -> None:
    """Code, message and fields are told apart by the first and the last colon; other texts are kept whole."""
    error = calls.row_error(text)
    assert (error.code, error.message) == (code, message)
