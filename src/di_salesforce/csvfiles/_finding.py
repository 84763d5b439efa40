"""What a file does not say of itself, found from its bytes: the encoding, the delimiter, whose columns these are.

What may not go in here: giving rows.  Nothing is guessed beyond what is named here; what was found can be looked at,
and each finding can be given instead.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import BinaryIO, Final

from di_salesforce.dialog_insight import ContactList
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side

__all__ = ["DELIMITERS", "dialect_error", "find_delimiter", "find_encoding", "row_names", "side_of", "table_of"]

_MARKS: Final = (  # how a file may begin, and what that says
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF16_LE, "utf-16"),  # a spreadsheet's "Unicode text"
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT: Final[Mapping[bytes, str]] = {  # what people take for a CSV file by mistake
    b"PK\x03\x04": "is a workbook (.xlsx) or an archive, no CSV file: save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "is a workbook (.xls), no CSV file: save the sheet as CSV UTF-8",
    b"\x1f\x8b": "is compressed: unpack it first",
}
_PIECE: Final = 1 << 20  # bytes that are read at once: a file of any size passes through as much memory


def find_encoding(file: BinaryIO) -> str:
    """Tell a file's encoding: by its mark; else UTF-8 if every byte of it is; else cp1252, Windows' Western Europe.

    Text that is not UTF-8 almost never passes for UTF-8, so all of the file is looked at.

    Raises:
        ConfigurationError: It is neither, or no text.
    """
    head = file.read(_PIECE)
    for sign, why in _NO_TEXT.items():
        if head.startswith(sign):
            raise ConfigurationError(why)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if b"\0" in head.partition(b"\n")[0]:
        raise ConfigurationError("has zero bytes in its header: UTF-16 without a mark needs encoding='utf-16-le'")
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
    piece = head
    while True:
        for name, decoder in list(decoders.items()):
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError:
                del decoders[name]
        if not decoders:
            raise ConfigurationError("is neither UTF-8 nor cp1252: name its encoding (encoding=)")
        if not piece:
            break
        piece = file.read(_PIECE)
    found = next(iter(decoders))  # UTF-8 first: plain ASCII is both
    if found == "cp1252":
        _refuse_damaged(file)
    return found


# A letter beyond ASCII, as UTF-8 writes it.  In cp1252 these bytes are pairs such as Ã©, which no language has.
_LETTER: Final = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_HIGH: Final = re.compile(rb"[\x80-\xff]")


def _refuse_damaged(file: BinaryIO) -> None:
    """Refuse UTF-8 with a few broken bytes, which as cp1252 would turn every accent into two other letters."""
    file.seek(0)
    letters, others, broken = 0, 0, 0
    for number, line in enumerate(iter(partial(file.readline, _PIECE), b""), start=1):
        high = len(_HIGH.findall(line))
        if high:
            found = _LETTER.findall(line)
            letters += len(found)
            others += high - sum(map(len, found))
            broken = broken or (number if high > sum(map(len, found)) else 0)
    if letters > others:
        raise ConfigurationError(
            f"is UTF-8 but for a few bytes, the first in line {broken}: mend them, or name its encoding (encoding=)"
        )


DELIMITERS: Final[Mapping[str, str]] = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
"""What may stand between cells, with its name; the first is taken where a file has one column."""

_LOOKED_AT: Final = 1 << 16  # characters: some hundred rows
_SEP: Final = "sep="  # a line that spreadsheets write and read to name the delimiter


def find_delimiter(text: io.TextIOBase) -> str:
    """Tell what stands between the cells: what cuts the header and most rows into as many cells."""
    sample = text.read(_LOOKED_AT)
    first, _, _ = sample.partition("\n")
    if first.lower().startswith(_SEP) and first[len(_SEP) :].rstrip("\r") in DELIMITERS:
        return first[len(_SEP) :].rstrip("\r")
    best, found = 0.0, ","
    for delimiter in DELIMITERS:
        try:
            rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
        except csv.Error:
            continue
        if len(sample) == _LOOKED_AT and len(rows) > 1:
            rows.pop()  # cut through
        widths = Counter(map(len, rows))
        columns = len(rows[0]) if rows else 0
        likeness = widths[columns] / len(rows) * columns if columns > 1 else 0
        if likeness > best:
            best, found = likeness, delimiter
    return found


def skips_first_line(first: str) -> bool:
    """Tell whether a file's first line only names the delimiter."""
    return first.lower().startswith(_SEP) and first[len(_SEP) :].rstrip("\r\n") in DELIMITERS


_DI_PREFIXES: Final = ("f_", "key_", "optin_", "dtOptin_")
_CONTACT: Final = ContactList(0)  # its names are those of every project
OURS: Final = "di_salesforce."
"""What the names of the columns begin with that `write_csv` adds to a file to mend, and `read_csv` leaves out."""
_RESULT_COLUMNS: Final = frozenset({"sf__id", "sf__created", "sf__error"})  # of a Bulk job's result files


def side_of(header: Sequence[str]) -> Side | None:
    """Tell by a header whose file it is; None where it does not show."""
    if any(name.startswith(_DI_PREFIXES) or name == "idContact" for name in header):
        return Side.DIALOG_INSIGHT
    folded = [name.casefold() for name in header]
    if "id" in folded or any(name in _RESULT_COLUMNS or name.endswith("__c") for name in folded):
        return Side.SALESFORCE
    return None


def _plain(name: str) -> str:
    return name


def _salesforce(name: str) -> str:
    return "Id" if name.casefold() == "id" else name  # Data Loader writes ID


def _dialog_insight(name: str) -> str:
    """Give a column's name in rows: a key's is marked in a header, a contact's field too."""
    return _CONTACT.row_name(name.removeprefix("key_"))


_NAMES: Final[Mapping[Side | None, Callable[[str], str]]] = {
    Side.SALESFORCE: _salesforce,
    Side.DIALOG_INSIGHT: _dialog_insight,
    None: _plain,
}


def row_names(
    header: Sequence[str], side: Side | None, given: Mapping[str, str | None], known: Sequence[str]
) -> tuple[str | None, ...]:
    """Give each column's name in rows; None for a column that is left out.

    Args:
        header: The names as the file has them.
        side: Whose file it is.
        given: Names in rows by the file's; None leaves a column out.
        known: The names of a schema's fields, which a header may write in other case.

    Raises:
        ConfigurationError: A column without a name, two of one name, or one of `given` that the file does not have.
    """
    if missing := [name for name in given if name not in header]:
        raise ConfigurationError(f"has no column {', '.join(missing)}: it has {', '.join(header)}")
    folded = {name.casefold(): name for name in known}
    names: list[str | None] = []
    for name in header:
        if name in given:
            names.append(given[name])
        elif name.startswith(OURS) or (side is Side.SALESFORCE and name.casefold() in _RESULT_COLUMNS):
            names.append(None)
        else:
            plain = _NAMES[side](name)
            names.append(folded.get(plain.casefold(), plain))
    if not any(names):
        raise ConfigurationError("has no column")
    if "" in names:
        raise ConfigurationError(
            f"has no name for column {names.index('') + 1}: leave it out with columns={{'': None}}"
        )
    if twice := sorted(name for name, count in Counter(names).items() if name is not None and count > 1):
        if alike := sorted(name for name, count in Counter(header).items() if count > 1 and name not in given):
            raise ConfigurationError(f"has two columns named {', '.join(alike)}: rename one of them in the file")
        raise ConfigurationError(
            f"has two columns for {', '.join(twice)}: leave one out by its name in the file (columns={{'f_X': None}})"
        )
    return tuple(names)


# The first three characters of a record id name its sObject; these are the standard ones that people synchronise.
_SOBJECTS: Final[Mapping[str, str]] = {
    "001": "Account",
    "003": "Contact",
    "00Q": "Lead",
    "00v": "CampaignMember",
    "006": "Opportunity",
    "500": "Case",
    "701": "Campaign",
    "801": "Order",
}


def table_of(side: Side | None, header: Sequence[str], first: Mapping[str, object] | None) -> str | None:
    """Tell which sObject or table a file's rows are of; None where it does not show."""
    if side is Side.DIALOG_INSIGHT:
        contact = any(name.startswith(("f_", "key_f_", "optin_")) for name in header)
        return "Contact" if contact or not any(name.startswith("key_") for name in header) else None
    return _SOBJECTS.get(str(first.get("Id", ""))[:3]) if side is Side.SALESFORCE and first else None


def dialect_error(error: Exception) -> str:
    """Say what is wrong with a file that stops being CSV; nothing of its text is repeated."""
    if isinstance(error, UnicodeDecodeError):
        return f"is not {error.encoding} text: name its encoding (encoding=)"
    return (
        "is not CSV: a quote is not closed or stands within a cell, or a cell is longer than Python's csv module takes"
        f" ({csv.field_size_limit():,} characters)"
    )
