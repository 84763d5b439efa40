"""Bulk 2.0 jobs of the simulated Salesforce as values, and the CSV that they take and give.

What may not go in here: routes, and what a row's save does (`_sf_bulk.py`).  Sources: facts 3.10.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from di_salesforce.testing._sf_access import Caller
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_schema import NUMBERS, Field, StoredRow

DELIMITERS: Final[Mapping[str, str]] = {
    "COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`"
}  # fmt: skip
LINE_ENDINGS: Final[Mapping[str, str]] = {"LF": "\n", "CRLF": "\r\n"}
NULL_CELL: Final = "#N/A"
"""What a cell must hold to clear a field; an empty cell leaves it as it is [seen]."""

Cells: TypeAlias = Sequence[str]


@attrs.frozen
class Form:
    """How a job's CSV is written, in both directions."""

    delimiter: str = "COMMA"
    line_ending: str = "LF"

    def read(self, data: bytes) -> list[list[str]]:
        """Read all lines; raises `InvalidBatch` for what is no such CSV."""
        try:
            text = data.decode("utf-8-sig")
            head = text.partition("\n")[0]
            if head != text and head.endswith("\r") is not (self.line_ending == "CRLF"):
                raise InvalidBatch(
                    f"LineEnding is invalid on user data. Current LineEnding setting is {self.line_ending}"
                )
            lines = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[self.delimiter], strict=True)
            return [cells for cells in lines if cells]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidBatch(f"InvalidBatch : Failed to parse CSV: {error}") from None

    def write(self, lines: Iterable[Sequence[str | None]]) -> bytes:
        """Write lines with every cell quoted and every null blank, as results come [seen]."""
        mark, end = DELIMITERS[self.delimiter], LINE_ENDINGS[self.line_ending]
        return "".join([mark.join(map(_quoted, cells)) + end for cells in lines]).encode()

    def plain(self, cells: Cells) -> str:
        """Write the input's header names as results repeat them: without quotes [seen]."""
        return DELIMITERS[self.delimiter].join(cells)


def _quoted(cell: str | None) -> str:
    return "" if cell is None else '"' + cell.replace('"', '""') + '"'


class InvalidBatch(Exception):  # noqa: N818 - an answer of the org, no error of ours
    """The whole upload is wrong: its job fails with this text."""


@attrs.define
class Job:
    """One job: what was asked for, how far it is, and what came of each row."""

    id: str
    caller: Caller
    operation: str
    sobject: str
    form: Form
    version: str
    created: str
    state: str
    query: str = attrs.field(default="", repr=False)
    external_id: str = ""
    changed: str = ""
    error: str = ""
    data: bytes | None = attrs.field(default=None, repr=False)
    looks: int = 0  # looks at the job that will still find it waiting
    header: Cells = ()
    lines: list[list[str]] = attrs.field(factory=list[list[str]], repr=False)
    next_line: int = 0
    succeeded: list[tuple[str, bool, Cells]] = attrs.field(factory=list[tuple[str, bool, Cells]], repr=False)
    failed: list[tuple[str, str, Cells]] = attrs.field(factory=list[tuple[str, str, Cells]], repr=False)
    taken: set[object] = attrs.field(factory=set[object], repr=False)
    rows: Sequence[StoredRow] = attrs.field(default=(), repr=False)
    columns: Sequence[tuple[str, Callable[[StoredRow], object]]] = attrs.field(default=(), repr=False)

    @property
    def is_query(self) -> bool:
        """Whether the job reads."""
        return bool(self.query)

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("JobComplete", "Failed", "Aborted")

    @property
    def processed(self) -> int:
        """Rows that are done, refused ones too."""
        return len(self.rows) if self.is_query else len(self.succeeded) + len(self.failed)

    def short(self) -> dict[str, object]:
        """Show the job as a change of its state answers [seen]."""
        shown: dict[str, object] = {
            "id": self.id, "operation": self.operation, "object": self.sobject, "createdById": self.caller.user_id,
            "createdDate": self.created, "systemModstamp": self.changed or self.created, "state": self.state,
            "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": float(self.version),
        }  # fmt: skip
        return shown | ({"externalIdFieldName": self.external_id} if self.external_id else {})

    def shown(self, base: str) -> dict[str, object]:
        """Show the job as its making answers; the path of its upload begins without a slash [seen]."""
        shown = self.short() | {
            "lineEnding": self.form.line_ending, "columnDelimiter": self.form.delimiter
        }  # fmt: skip
        if not self.is_query:
            shown["contentUrl"] = f"{base.lstrip('/')}/jobs/ingest/{self.id}/batches"
        return shown

    def told(self, base: str) -> dict[str, object]:
        """Show the job as a look at it answers: with its counts [seen]."""
        shown = self.shown(base) | {
            "jobType": "V2Query" if self.is_query else "V2Ingest", "numberRecordsProcessed": self.processed,
            "retries": 0, "totalProcessingTime": self.processed, "apiActiveProcessingTime": self.processed,
            "apexProcessingTime": 0,
        }  # fmt: skip
        if not self.is_query:
            shown["numberRecordsFailed"] = len(self.failed)
        return shown | ({"errorMessage": self.error} if self.state == "Failed" else {})


_TICKS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}


def cell_value(field: Field, cell: str) -> object:
    """Turn a cell into what a JSON client would send; raises the refusal of a cell of the wrong kind.

    The code of that refusal is [inferred], its text our own.
    """
    if cell == NULL_CELL:
        return None
    if field.type == "boolean":
        ticked = _TICKS.get(cell.strip().lower())
        if ticked is not None:
            return ticked
    elif field.type in NUMBERS or field.type == "int":
        try:
            number = float(cell)
        except ValueError:
            pass
        else:
            return int(number) if field.type == "int" and number.is_integer() else number
    else:
        return cell
    raise wrong_type(field.name, cell)


def wrong_type(name: str, cell: str) -> Refusal:
    """Build the refusal of a cell that its field's type cannot hold."""
    return Refusal("INVALID_TYPE_ON_FIELD_IN_RECORD", f"value not of required type: {cell}", [name])


def cell_text(value: object, *, line_feeds: bool = False) -> str | None:
    """Show a stored value in a query's CSV: date-times end in `Z` there [inferred], null is blank."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case str():
            shown = value[:-5] + "Z" if value.endswith(".000+0000") else value
            return shown.replace("\r\n", "\n") if line_feeds else shown
        case _:
            return str(value)


def row_error(refused: Refusal) -> str:
    """Write a row's refusal as `sf__Error` does: code, text and fields between colons, then two dashes [seen]."""
    return f"{refused.code}:{refused.message}:{', '.join(refused.fields or ())} --"
