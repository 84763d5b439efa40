"""A plan as files: what both products import by hand, and the rows that a person must mend first.

What may not go in here: deciding what is written (the plan says it), and reading.

A machine reads the import files, so their values are exact, formulas and all.  A person opens the file to mend in a
spreadsheet, so there a text that would run is made harmless; `read_csv` undoes it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Final, TypeAlias, TypeGuard

import attrs

from di_salesforce._cells import neutralised
from di_salesforce._listing import as_rows
from di_salesforce.csvfiles._finding import OURS
from di_salesforce.csvfiles._reading import CsvRows
from di_salesforce.dialog_insight import ContactList, RelationalTable, Target
from di_salesforce.dialog_insight._values import wire_value
from di_salesforce.engine import BoundTransfer, Create, Plan, Reject, Write
from di_salesforce.engine._context import Context
from di_salesforce.engine._reasons import sentence
from di_salesforce.exceptions import ConfigurationError, ConversionError
from di_salesforce.mapping import CONTACT_TABLE, ObjectTransfer
from di_salesforce.records import UNSET, Row, Side, Value
from di_salesforce.salesforce._bulk_csv import cell_text

__all__ = ["ImportFile", "WrittenFiles", "write_csv"]

Rows: TypeAlias = Iterable[Row]

MOST_BYTES: Final = 50_000_000
"""What Dialog Insight's import page takes [seen]; Data Loader takes more."""


@attrs.frozen
class ImportFile:
    """One file that was written: where, of what, how many rows, and what to do with it."""

    path: Path
    transfer: str
    side: Side
    kind: str  # create, update, delete; mend
    rows: int
    what_to_do: str

    def __str__(self) -> str:
        return f"{self.path.name}: {self.rows:,} rows: {self.what_to_do}"


@attrs.frozen
class WrittenFiles:
    """What `write_csv` wrote, and the writes of the plan that stand in no file, each with its reason."""

    files: tuple[ImportFile, ...]
    left: tuple[tuple[Write, str], ...] = attrs.field(repr=False)  # people's data

    def __str__(self) -> str:
        told = [str(file) for file in self.files] or ["the plan writes nothing"]
        reasons = dict.fromkeys(why for _, why in self.left)
        told += [f"{sum(why == reason for _, why in self.left):,} writes in no file: {reason}" for reason in reasons]
        return "\n".join(told)


@attrs.frozen
class _Lines:
    """The rows of one file, before they are cells: the header, and for each write its cells."""

    names: tuple[str, ...]
    writes: tuple[tuple[Write, Mapping[str, Value]], ...]
    cell: Callable[[str, object], str]  # a field's name, and its value or UNSET


# Salesforce: Data Loader --------------------------------------------------------------------------------------------


def _salesforce_cell(name: str, value: object) -> str:
    try:
        return cell_text(value)
    except ValueError as error:
        raise ConversionError(f"{name} {error}", code="value.not_sendable", field=name) from None


def _for_salesforce(writes: Sequence[Write], bound: BoundTransfer) -> Iterator[_Lines]:
    """One file for a kind: an empty cell leaves its field as it is, `#N/A` clears it, as Bulk API reads them."""
    rows = tuple(
        (write, dict(write.values) if isinstance(write, Create) else {"Id": write.record_id, **write.values})
        for write in writes
    )
    yield _Lines(_names(row for _, row in rows), rows, _salesforce_cell)


# Dialog Insight: its import page ------------------------------------------------------------------------------------


def _dialog_insight_cell(name: str, value: object) -> str:
    if value is UNSET:
        return ""
    plain = wire_value(value, field=name)  # type: ignore[arg-type]  # not UNSET: a Value
    return "" if plain is None else f"{plain:f}" if not isinstance(plain, (str, int)) else str(plain)


def _for_dialog_insight(writes: Sequence[Write], bound: BoundTransfer) -> Iterator[_Lines]:
    """Creates in one file; updates in one for each set of fields, since an empty cell may clear its field [unknown]."""
    target: Target = ContactList(0) if bound.transfer.table == CONTACT_TABLE else RelationalTable(0)
    keys = tuple(line.field(Side.DIALOG_INSIGHT) for line in bound.key_lines)
    rows = [(write, {**write.address, **write.values}) for write in writes]
    kinds: dict[tuple[str, ...], list[tuple[Write, Mapping[str, Value]]]] = {}
    for write, row in rows:
        fields = () if isinstance(write, Create) else tuple(sorted(set(row) - set(keys)))
        named = {target.key_name(n) if n in keys else target.wire_name(n): value for n, value in row.items()}
        kinds.setdefault(fields, []).append((write, named))
    first = tuple(map(target.key_name, keys))
    for group in kinds.values():
        names = _names(row for _, row in group)
        yield _Lines((*first, *(name for name in names if name not in first)), tuple(group), _dialog_insight_cell)


def _names(rows: Iterable[Mapping[str, Value]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


@attrs.frozen
class _Form:
    """How one product wants its files."""

    encoding: str
    most_bytes: int | None
    lay_out: Callable[[Sequence[Write], BoundTransfer], Iterator[_Lines]]
    what_to_do: Mapping[str, str]


_FORMS: Final[Mapping[Side, _Form]] = {
    Side.SALESFORCE: _Form(
        "utf-8",  # Data Loader's setting "read all CSVs with UTF-8 encoding" expects no mark
        None,
        _for_salesforce,
        {
            "create": "Data Loader, Insert on {sobject}",
            "update": "Data Loader with Bulk API, Update on {sobject}, matched by Id",
            "delete": "Data Loader, Delete on {sobject}",
        },
    ),
    Side.DIALOG_INSIGHT: _Form(
        "utf-8-sig",
        MOST_BYTES,
        _for_dialog_insight,
        {
            "create": "Dialog Insight's import page, target {table}, type: add only",
            "update": "Dialog Insight's import page, target {table}, type: update only",
        },
    ),
}


def write_csv(
    plan: Plan,
    folder: str | PathLike[str],
    *,
    salesforce: Rows | Mapping[str, Rows] | None = None,
    dialog_insight: Rows | Mapping[str, Rows] | None = None,
    transfers: Iterable[ObjectTransfer] = (),
) -> WrittenFiles:
    """Write a plan as the files that Data Loader and Dialog Insight's import page take, and the rows to mend.

    Use it for a first load that is too large for an API key's quota.  After the imports, plan with a `Synchronizer`:
    what agrees is linked, and nothing is written twice.

    Args:
        plan: What to write; its conflicts and what was set aside stand in no file.
        folder: Where to; it is made, and must be empty.
        salesforce: The rows that the plan was made from, to write the rejected ones out whole; for a plan over several
            transfers a mapping from their names.
        dialog_insight: Likewise.
        transfers: The transfers of a plan that was read back, which no longer knows them.

    Returns:
        The files, each with what to do with it, and the writes that stand in none.  A file to mend has the columns of
        its source and three more, which say what is wrong and which `read_csv` leaves out.

    Raises:
        ConfigurationError: The folder is not empty, or a transfer of the plan is not known.

    Example:
        >>> from datetime import UTC, datetime
        >>> from di_salesforce import Baseline, FieldMapping, ObjectTransfer, Snapshot, reconcile
        >>> people = ObjectTransfer("people", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True)])
        >>> plan = reconcile(
        ...     people, salesforce=Snapshot.complete([{"Id": "1", "Email": "ada@example.ca"}]),
        ...     dialog_insight=Snapshot.complete([]), baseline=Baseline.empty(), now=datetime(2026, 1, 2, tzinfo=UTC),
        ... )
        >>> print(write_csv(plan, "to_import"))
        people-dialog_insight-create.csv: 1 rows: Dialog Insight's import page, target Contact, type: add only
    """
    known = {transfer.name: BoundTransfer.of(transfer, Context()) for transfer in transfers}
    target = _empty(Path(folder))
    files: list[ImportFile] = []
    left: list[tuple[Write, str]] = []
    sources = {Side.SALESFORCE: salesforce, Side.DIALOG_INSIGHT: dialog_insight}
    for part in plan.parts:
        bound = plan.bound_transfer(part.transfer) or known.get(part.transfer)
        if bound is None:
            raise ConfigurationError(f"this plan was read back: give transfers= with {part.transfer!r} in it")
        piece = plan.only_transfer(part.transfer)
        for side, form in _FORMS.items():
            for kind in ("create", "update", "delete"):
                writes = [write for write in piece.writes if write.kind == kind and write.side is side]
                if kind not in form.what_to_do:
                    left += [(write, f"there is no import that deletes in {side.label}") for write in writes]
                elif writes:
                    files += _import_files(target, bound, side, kind, writes, left)
            rejects = [reject for reject in piece.rejects if reject.side is side]
            rows = _rows_of(sources[side], part.transfer, len(plan.parts))
            files += _file_to_mend(target, bound, side, rejects, rows)
    return WrittenFiles(tuple(files), tuple(left))


def _empty(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} is not empty: give a new folder, so that no old file is imported again")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be used: {error.strerror}") from error
    return folder


def _rows_of(given: Rows | Mapping[str, Rows] | None, transfer: str, parts: int) -> Rows | None:
    if _is_mapping(given):
        return given.get(transfer)
    if given is not None and parts > 1:
        raise ConfigurationError("the plan is over several transfers: give rows as a mapping from their names")
    return given  # type: ignore[return-value]  # no mapping


def _is_mapping(given: object) -> TypeGuard[Mapping[str, Rows]]:
    return isinstance(given, Mapping)


def _import_files(
    folder: Path, bound: BoundTransfer, side: Side, kind: str, writes: Sequence[Write], left: list[tuple[Write, str]]
) -> Iterator[ImportFile]:
    form = _FORMS[side]
    name = f"{bound.transfer.name}-{side.value}-{kind}"
    told = form.what_to_do[kind].format(sobject=bound.transfer.sobject, table=bound.transfer.table)
    number = 0
    for lines in form.lay_out(writes, bound):
        cells = _cells(lines, left)
        header = _line(lines.names)
        row = next(cells, None)
        while row is not None:
            number += 1
            path, count = folder / f"{name}{'' if number == 1 else f'-{number}'}.csv", 0
            with path.open("wb") as file:
                size = file.write(header.encode(form.encoding))
                while row is not None:
                    size += len(row)
                    if form.most_bytes is not None and count and size > form.most_bytes:
                        break
                    file.write(row)
                    count += 1
                    row = next(cells, None)
            yield ImportFile(path, bound.transfer.name, side, kind, count, told)


def _cells(lines: _Lines, left: list[tuple[Write, str]]) -> Iterator[bytes]:
    for write, row in lines.writes:
        try:
            yield _line([lines.cell(name, row.get(name, UNSET)) for name in lines.names]).encode()
        except ConversionError as error:
            left.append((write, str(error)))
        except UnicodeEncodeError:
            left.append((write, "a value holds half a character (a lone surrogate)"))


class _Echo:
    """A file for `csv.writer` that hands the line back: `writerow` returns what `write` does."""

    def write(self, text: str, /) -> str:
        return text


def _line(cells: Iterable[str]) -> str:
    return str(csv.writer(_Echo()).writerow(cells))  # RFC 4180: commas, CR LF, quotes doubled


# What a person must mend --------------------------------------------------------------------------------------------

_WHAT: Final = tuple(OURS + name for name in ("field", "code", "why"))


def _file_to_mend(
    folder: Path, bound: BoundTransfer, side: Side, rejects: Sequence[Reject], rows: Rows | None
) -> Iterator[ImportFile]:
    if not rejects:
        return
    if rows is None:
        names, found = _without_rows(bound, side, rejects)
    else:
        names, found = _from_rows(bound, side, rejects, rows)
    path, count = folder / f"{bound.transfer.name}-{side.value}-mend.csv", 0
    with path.open("w", encoding="utf-8-sig", newline="", errors="backslashreplace") as file:
        file.write(_line([*names, *_WHAT]))
        for cells, about in found:
            file.write(_line([neutralised(cell) for cell in [*cells, *_said(about)]]))
            count += 1
    yield ImportFile(path, bound.transfer.name, side, "mend", count, "mend the rows, then read the file with read_csv")


def _said(rejects: Sequence[Reject]) -> tuple[str, str, str]:
    causes = [cause for reject in rejects for cause in (reject.causes or (("", reject.reason),))]
    fields = dict.fromkeys(field for field, _ in causes if field)
    codes = dict.fromkeys(code for _, code in causes)
    return ", ".join(fields), ", ".join(codes), "; ".join(map(sentence, codes))


Found: TypeAlias = Iterator[tuple[list[str], Sequence[Reject]]]


def _without_rows(bound: BoundTransfer, side: Side, rejects: Sequence[Reject]) -> tuple[tuple[str, ...], Found]:
    """Name each rejected row by its record id and key: all that a plan knows of it."""
    own_id = bound.transfer.id_field(side)
    keys = tuple(line.field(side) for line in bound.key_lines)
    names: tuple[str, ...] = tuple(name for name in (own_id,) if name and name not in keys) + keys

    def found() -> Found:
        for reject in rejects:
            parts = reject.key if isinstance(reject.key, tuple) else (reject.key,)
            row = {**dict(zip(keys, parts, strict=False)), **({own_id: reject.record_id} if own_id else {})}
            yield [_shown(row.get(name)) for name in names], [reject]

    return names, found()


def _from_rows(
    bound: BoundTransfer, side: Side, rejects: Sequence[Reject], rows: Rows
) -> tuple[tuple[str, ...], Found]:
    """Find each rejected row again among the rows that the plan was made from."""
    by_name: dict[str, list[Reject]] = {}
    for reject in rejects:
        by_name.setdefault(reject.record_id or reject.subject.removeprefix(f"row:{side.value}:"), []).append(reject)
    rejected = [(row, about) for row in as_rows(rows) if (about := by_name.get(bound.row_name(side, row))) is not None]
    if isinstance(rows, CsvRows):  # under the file's own header, so that what is mended can go where the file went
        header = {name: head for head, name in zip(rows.header, rows.columns, strict=True) if name is not None}
    else:
        header = {name: name for name in _names(row for row, _ in rejected)}
    cells = ([_shown(row.get(name)) for name in header] for row, _ in rejected)
    return tuple(header.values()), zip(cells, (about for _, about in rejected), strict=True)


def _shown(value: Value) -> str:
    return "" if value is None else str(value)
