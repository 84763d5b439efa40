"""Laws of `read_csv`: what was written comes back, whatever encoding, dialect and product."""

from __future__ import annotations

import csv
import io
import tracemalloc
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, FieldSchema, FieldType, ObjectTransfer, Side, Snapshot, TableSchema, check
from di_salesforce import converters as cv
from di_salesforce._cells import neutralised, restored
from di_salesforce.csvfiles import read_csv
from di_salesforce.exceptions import ConfigurationError

DATA = Path(__file__).parents[2] / "examples" / "data"
LATIN = st.characters(codec="cp1252", exclude_categories=["Cc"])
TEXT = st.text(LATIN, max_size=12)


def written(header: list[str], rows: list[list[str]], *, encoding: str = "utf-8", **dialect: object) -> io.BytesIO:
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows([header, *rows])  # type: ignore[arg-type]  # csv's own settings
    return io.BytesIO(text.getvalue().encode(encoding))


@given(
    st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=6),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-32"]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\r\n", "\n"]),
)
def test_what_was_written_comes_back(
    rows: list[tuple[str, str, str]], encoding: str, delimiter: str, quoting: int, end: str
) -> None:
    """Every encoding, delimiter, quoting and line end that is named gives back the text that was written."""
    header = ["Id", "Prénom", "Ville"]  # without an accent, ASCII rows would be cp1252 and UTF-8 at once
    file = written(
        header,
        [[neutralised(cell) for cell in row] for row in rows],
        encoding=encoding,
        delimiter=delimiter,
        quoting=quoting,
        lineterminator=end,
    )
    read = read_csv(file)
    assert read.delimiter == delimiter
    nulls = [tuple(None if cell == "#N/A" else cell for cell in row) for row in rows]
    assert [tuple(row.values()) for row in read] == nulls == [tuple(row.values()) for row in read]


@pytest.mark.parametrize("city", ["Québec", "ÉVÉNEMENT\u2026", "«\u00a0À voir\u00a0»", "Noël ß", "20\u00a0€"])
def test_an_accent_in_cp1252_is_no_damaged_utf_8(city: str) -> None:
    """French texts of Windows read as what they are, capitals before a mark that UTF-8 could take for a pair too."""
    assert list(read_csv(io.BytesIO(f"Id,City\n1,{city}\n2,Orléans\n".encode("cp1252")))) == [
        {"Id": "1", "City": city},
        {"Id": "2", "City": "Orléans"},
    ]


@given(st.text())
def test_a_neutralised_text_is_no_formula_and_comes_back(text: str) -> None:
    """No cell that was neutralised begins like a formula, and taking the apostrophe away gives the text exactly."""
    safe = neutralised(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert restored(safe) == text


@pytest.mark.parametrize(
    ("header", "side", "name", "names"),
    [
        ("Id,Email", Side.SALESFORCE, "Contact", ["Id", "Email"]),
        ("ID,EMAIL", Side.SALESFORCE, "Contact", ["Id", "EMAIL"]),
        ("sf__Id,sf__Error,Email", Side.SALESFORCE, "the file", ["Email"]),
        ("Email,Points__c", Side.SALESFORCE, "the file", ["Email", "Points__c"]),
        ("idContact,key_f_EMail,f_Nom", Side.DIALOG_INSIGHT, "Contact", ["idContact", "EMail", "Nom"]),
        ("idContact,EMail", Side.DIALOG_INSIGHT, "Contact", ["idContact", "EMail"]),
        ("EMail,optin_news,dtOptin_news", Side.DIALOG_INSIGHT, "Contact", ["EMail", "optin_news", "dtOptin_news"]),
        ("f_f_optin_x,key_f_EMail", Side.DIALOG_INSIGHT, "Contact", ["f_f_optin_x", "EMail"]),
        ("key_idOrder,idContact,Revenue", Side.DIALOG_INSIGHT, "the file", ["idOrder", "idContact", "Revenue"]),
        ("nom,ville", None, "the file", ["nom", "ville"]),
        ("Id,Email,di_salesforce.why", Side.SALESFORCE, "Contact", ["Id", "Email"]),
        ("Id,Email,,", Side.SALESFORCE, "Contact", ["Id", "Email"]),
    ],
)
def test_both_products_headers(header: str, side: Side | None, name: str, names: list[str]) -> None:
    """Rows have the names that the clients give, whichever product named the columns."""
    first = "0035g00000A9RPEAA3" + "," * header.count(",")
    read = read_csv(io.BytesIO(f"{header}\n{first}\n".encode()))
    assert (read.side, read.name) == (side, name)
    [row] = read
    assert list(row) == names


def test_blank_null_and_absent_are_three_things() -> None:
    """An empty cell is blank, `#N/A` in a Salesforce file null, a missing cell or column absent."""
    [whole, short] = read_csv(io.BytesIO(b"Id,Fax,City\n1,#N/A,\n2\n"))
    assert (whole, short) == ({"Id": "1", "Fax": None, "City": ""}, {"Id": "2"})
    [theirs] = read_csv(io.BytesIO(b"idContact,Fax\n1,#N/A\n"))
    assert theirs["Fax"] == "#N/A"


def test_a_spreadsheets_own_habits() -> None:
    """The line that names the delimiter, empty lines and empty columns at the end are no data."""
    file = io.BytesIO("sep=;\r\nidContact;f_Ville;\r\n\r\n7;L'Île;\r\n".encode("cp1252"))
    assert list(read_csv(file)) == [{"idContact": "7", "Ville": "L'Île"}]


def test_a_schema_gives_names_their_case() -> None:
    """Data Loader writes names in capitals; a schema that is given says how they are written."""
    schema = TableSchema(
        "Contact", side=Side.SALESFORCE, fields=[FieldSchema("Id"), FieldSchema("LastName", FieldType.TEXT)]
    )
    read = read_csv(io.BytesIO(b"ID,LASTNAME\n003,Roy\n"), schema=schema)
    assert (list(read), read.schema) == ([{"Id": "003", "LastName": "Roy"}], schema)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"Id,\x81\xff\n\x8d,1\n", "neither UTF-8 nor cp1252"),
        (b"PK\x03\x04\x14\0\x06\0\x08\0", "is a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is a workbook"),
        (b"\x1f\x8b\x08\0\0", "is compressed"),
        (
            "Id,City\n1,Québec\n2,Lévis\n".encode() + b"3,Montr\xe9al\n",
            "is UTF-8 but for a few bytes, the first in line 4",
        ),
        ("Id,City\n".encode("utf-16-le"), "has zero bytes in its header"),
        (b"f_EMail,key_f_EMail\na,b\n", "two columns for EMail"),
        (b"Id,City,City\na,b,c\n", "two columns named City: rename one"),
        (b"Id,,City\n1,2,3\n", "no name for column 2"),
        (b'Id,City\n1,"open\n', "line 2: is not CSV"),
        (
            b'Id,City\n1,"a\nb"\n2,"open\n3,x\n4,y\n',
            "line 4: is not CSV",
        ),  # where the row begins, not where the file ends
        (b'Id,City\n1,"open" wide\n', "a quote is not closed or stands within a cell"),
        (b"Id,City\n1,2\n3,4,5\n", "line 3: 3 cells, and the header has 2"),
    ],
)
def test_what_is_wrong_is_said_and_no_value_repeated(content: bytes, words: str) -> None:
    """A file that cannot be read ends in one sentence that names the place, and repeats none of its text."""
    with pytest.raises(ConfigurationError, match=words) as error:
        list(read_csv(io.BytesIO(content)))
    assert "open" not in str(error.value)


def test_settings_that_cannot_work_are_refused(tmp_path: Path) -> None:
    """A missing file, an unknown encoding, a column that is not there and a stream that cannot be rewound are told."""
    with pytest.raises(ConfigurationError, match=r"nowhere\.csv cannot be read"):
        read_csv(tmp_path / "nowhere.csv")
    with pytest.raises(ConfigurationError, match="unknown encoding, 'klingon'"):
        read_csv(io.BytesIO(b"Id\n1\n"), encoding="klingon")
    for delimiter in ("||", "", '"', "\n"):
        with pytest.raises(ConfigurationError, match="delimiter is one character"):
            read_csv(io.BytesIO(b"Id\n1\n"), delimiter=delimiter)
    with pytest.raises(ConfigurationError, match="is not ascii text"):
        list(read_csv(io.BytesIO("Id\né\n".encode()), encoding="ascii"))
    with pytest.raises(ConfigurationError, match="has no column Nom: it has Id"):
        read_csv(io.BytesIO(b"Id\n1\n"), columns={"Nom": "LastName"})

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(ConfigurationError, match="cannot be rewound"):
        read_csv(Pipe(b"Id\n1\n"))
    with pytest.raises(ConfigurationError, match="give read_csv side="):
        _ = read_csv(io.BytesIO(b"nom\nRoy\n")).schema


def test_rows_carry_what_check_needs() -> None:
    """`check` takes rows with their schema, and does not take the longest text seen for a limit."""
    salesforce = read_csv(io.BytesIO(b"Id,Email,LastName\n1,ada@example.ca,Lovelace\n2,,Hopper\n"), name="Contact")
    dialog_insight = read_csv(io.BytesIO(b"idContact,f_EMail,f_LastName\n1,ada@example.ca,King\n"))
    transfer = ObjectTransfer(
        "people",
        sobject="Contact",
        fields=[FieldMapping("Email", "EMail", key=True, converter=cv.email()), FieldMapping("LastName", "LastName")],
    )
    findings = check(transfer, salesforce=salesforce, dialog_insight=dialog_insight)
    assert {finding.code for finding in findings if finding.count} == {
        "rows.checked",
        "rows.key_missing",
        "rows.matching",
    }
    assert not [finding for finding in findings if finding.code in ("rows.too_long", "text.too_long")]


def test_rows_show_counts_and_mask_people() -> None:
    """A display names columns, types and blanks; of people it shows shapes only."""
    read = read_csv(DATA / "salesforce_contacts.csv")
    assert repr(read) == "<CsvRows salesforce_contacts.csv: Salesforce Contact, 15 columns, utf-8, comma>"
    page = str(read)
    assert "could be the key: Id" in page
    assert "Email               email" in page
    assert "hughes" not in page.casefold()
    assert len(Snapshot.complete(read).rows) == len(list(read)) == 3_000


def test_a_million_rows_would_take_no_more_memory_than_few() -> None:
    """Reading and describing a file holds one row at a time: four times the rows take the same memory."""
    peaks: list[int] = []
    for count in (5_000, 20_000):
        rows = b"".join(b"%018d,person%d@example.ca,Montr\xc3\xa9al\n" % (n, n) for n in range(count))
        file = io.BytesIO(b"Id,Email,MailingCity\n" + rows)
        tracemalloc.start()
        read = read_csv(cast("BinaryIO", file))
        assert sum(1 for _ in read) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.1 + 4 * 1024**2  # the piece that is looked at for the encoding, in bytes and text
