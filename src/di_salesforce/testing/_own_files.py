"""A folder of somebody's own CSV files, declared by their headers and loaded into both simulators.

    salesforce/Account.csv          API names; `Account.Ext__c` names a parent by its external id
    salesforce/Membership__c.csv    a custom object
    dialog_insight/4321.csv         contacts of project 4321: `key_f_EMail`, `f_City`, `optin_news`, `dtOptin_news`
    dialog_insight/4321-8765.csv    rows of its table 8765: `key_idOrder`, `idContact`, `Revenue`

What a column holds (truth values, numbers, dates, text) is read from its values; a text whose values all differ is an
external id.  What may not go in here: the example's files (`_seed.py`), and what an import does.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.testing._di_model import Column, OptinField, Project, ProjectField, Table
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_schema import Field, FieldType, SObject

__all__ = ["is_own_folder", "load_dialog_insight_folder", "load_salesforce_folder"]

Kind: TypeAlias = Literal["boolean", "number", "date", "datetime", "text"]

# A column is of the first kind that all of its values fit.
_KINDS: Final[Mapping[Kind, re.Pattern[str]]] = {
    "boolean": re.compile(r"true|false", re.IGNORECASE),
    "number": re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?"),  # a leading zero is no number's
    "date": re.compile(r"\d{4}([.-])\d\d\1\d\d"),
    "datetime": re.compile(r"\d{4}([.-])\d\d\1\d\d[ T]\d\d:\d\d.*"),
}
_SALESFORCE: Final[Mapping[Kind, FieldType]] = {
    "boolean": "boolean", "number": "double", "date": "date", "datetime": "datetime", "text": "string"
}  # fmt: skip
_FIELD: Final[Mapping[Kind, Literal["boolean", "decimal", "date", "datetime", "long_text"]]] = {
    "boolean": "boolean", "number": "decimal", "date": "date", "datetime": "datetime", "text": "long_text"
}  # fmt: skip
_COLUMN: Final[Mapping[Kind, Literal["bit", "decimal", "datetime", "nvarchar"]]] = {
    "boolean": "bit", "number": "decimal", "date": "datetime", "datetime": "datetime", "text": "nvarchar"
}  # fmt: skip
_LONG: Final = 32_768  # a custom text of more than 255 characters is long text


def is_own_folder(folder: Path) -> bool:
    """Tell whether a folder has files of somebody's own, rather than those of the example."""
    return (folder / "salesforce").is_dir() or (folder / "dialog_insight").is_dir()


def load_salesforce_folder(fake: FakeSalesforce, folder: Path) -> dict[str, int]:
    """Load the files of `salesforce/`, parents before children, and count the rows by object.

    Raises:
        ConfigurationError: a file that cannot be read, or rows that a save would refuse.
    """
    files = {path.stem: _read(path) for path in sorted((folder / "salesforce").glob("*.csv"))}
    for name, file in files.items():
        if name not in fake.declared:
            fake.declare(SObject(name))
        for header in file.headers:
            if header.endswith("__c") and fake.declared[name].field(header) is None:
                fake.add_field(name, _custom(header, file.column(header)))
    for name in [known for known in fake.declared if known in files]:
        rows = [_nested(row) for row in files[name].rows]
        fake.load(name, rows, trusted="Id" in files[name].headers)
    return {name: len(file.rows) for name, file in files.items()}


def _custom(name: str, values: Sequence[str]) -> Field:
    kind = kind_of(values)
    if kind == "text" and max(map(len, values), default=0) > 255:
        return Field(name, "textarea", length=_LONG)
    unique = kind == "text" and all(values) and len(set(map(str.casefold, values))) == len(values)
    return Field(name, _SALESFORCE[kind], external_id=unique)


def _nested(row: Mapping[str, str]) -> dict[str, object]:
    """Turn `Account.Ext__c` into the form in which a save names a parent."""
    nested: dict[str, object] = {}
    for name, cell in row.items():
        relationship, dot, key = name.partition(".")
        if dot:
            nested[relationship] = {key: cell} if cell else None
        else:
            nested[name] = cell or None
    return nested


def load_dialog_insight_folder(fake: FakeDialogInsight, folder: Path) -> dict[str, int]:
    """Load the files of `dialog_insight/`, projects before tables, and count the rows by file.

    Raises:
        ConfigurationError: a file that cannot be read, a name that is no number, a row that is left out.
    """
    counts: dict[str, int] = {}
    paths = sorted((folder / "dialog_insight").glob("*.csv"), key=lambda path: (path.stem.count("-"), path.stem))
    for path in paths:
        numbers = path.stem.split("-")
        if not all(number.isdecimal() for number in numbers) or len(numbers) > 2:
            raise ConfigurationError([Problem(path.name, "is named neither <project>.csv nor <project>-<table>.csv")])
        file = _read(path)
        if len(numbers) == 1:
            fake.add_project(_project(int(numbers[0]), file))
        else:
            fake.add_table(_table(int(numbers[0]), int(numbers[1]), file))
        report = fake.import_csv(int(numbers[-1]), path.read_bytes())
        if report.left_out:
            raise ConfigurationError(report.left_out, what=path.name)
        counts[path.stem] = len(file.rows)
    return counts


def _project(number: int, file: _File) -> Project:
    fields: list[ProjectField] = []
    optins: list[OptinField] = []
    for header in file.headers:
        code = header.removeprefix("key_").removeprefix("f_")
        if header.startswith(("f_", "key_f_")):
            kind = "email" if code.lower() == "email" else _FIELD[kind_of(file.column(header))]
            fields.append(ProjectField(code, kind, key=header.startswith("key_")))
        elif header.startswith("optin_"):
            code = header.removeprefix("optin_")
            dated = f"dtOptin_{code}" in file.headers
            optins.append(OptinField(code, date_code=code if dated else None))
    return Project(number, f"project {number}", fields=fields, optins=optins)


def _table(project: int, number: int, file: _File) -> Table:
    columns = [
        Column("idContact", "int", foreign_key=True)
        if header == "idContact"
        else Column(header.removeprefix("key_"), _COLUMN[kind_of(file.column(header))], key=header.startswith("key_"))
        for header in file.headers
    ]
    hangs = any(column.foreign_key for column in columns)
    return Table(number, project=project, kind="profiling" if hangs else "lookup", columns=columns)


def kind_of(values: Iterable[str]) -> Kind:
    """Tell what a column holds; blank cells count for nothing, and a blank column is text.

    Example:
        >>> kind_of(["1", "", "2.5"]), kind_of(["1", "x"]), kind_of(["2026-05-01"])
        ('number', 'text', 'date')
    """
    filled = [value for value in values if value]
    for kind, form in _KINDS.items():
        if filled and all(map(form.fullmatch, filled)):
            return kind
    return "text"


@attrs.frozen
class _File:
    headers: tuple[str, ...]
    rows: list[dict[str, str]] = attrs.field(repr=False)

    def column(self, header: str) -> list[str]:
        return [row[header] for row in self.rows]


def _read(path: Path) -> _File:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            headers, *lines = csv.reader(file, strict=True)
    except (OSError, ValueError, csv.Error) as error:  # ValueError: no UTF-8, or no header
        raise ConfigurationError([Problem(path.name, f"cannot be read: {type(error).__name__}")]) from None
    uneven = [
        Problem(f"{path.name}, line {number}", f"has {len(cells)} cells, the header {len(headers)}")
        for number, cells in enumerate(lines, start=2)
        if cells and len(cells) != len(headers)
    ]
    if uneven:
        raise ConfigurationError(uneven)
    return _File(tuple(headers), [dict(zip(headers, cells, strict=True)) for cells in lines if cells])
