"""Projects, relational tables and their fields as frozen declarations, and the layout compiled from each.

What may not go in here: rows, requests, and what a value may look like (that is the values' room).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from di_salesforce.exceptions import ConfigurationError, MissingExtraError, Problem
from di_salesforce.records import Value

__all__ = [
    "Column",
    "Kind",
    "Layout",
    "OptinField",
    "Project",
    "ProjectField",
    "Slot",
    "Table",
    "contact_layout",
    "table_layout",
    "zone",
]

FieldType: TypeAlias = Literal[
    "text",
    "long_text",
    "integer",
    "decimal",
    "boolean",
    "date",
    "datetime",
    "email",
    "phone",
    "address",
    "single_choice",
    "multiple_choice",
]
"""Types of contact fields: short text is [seen], the rest [inferred] from the vendor's forms and column types."""

ColumnType: TypeAlias = Literal["nvarchar", "int", "bigint", "decimal", "datetime", "bit"]
"""Types of table columns, as the vendor's articles name them [seen], except bit [inferred]."""

Kind: TypeAlias = Literal[
    "text", "email", "choice", "choices", "int", "bigint", "decimal", "boolean", "date", "datetime"
]
"""What a value is, whatever it is called in its place."""

_FIELD_KINDS: Final[Mapping[FieldType, Kind]] = {
    "text": "text",
    "long_text": "text",
    "integer": "bigint",
    "decimal": "decimal",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "email": "email",
    "phone": "text",
    "address": "text",
    "single_choice": "choice",
    "multiple_choice": "choices",
}
_COLUMN_KINDS: Final[Mapping[ColumnType, Kind]] = {
    "nvarchar": "text",
    "int": "int",
    "bigint": "bigint",
    "decimal": "decimal",
    "datetime": "datetime",
    "bit": "boolean",
}
_SHORT_TEXT: Final = 100  # [seen] the limit of short text
_CODE: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9_]{0,23}[A-Za-z0-9])?", re.ASCII)  # [seen] 25 characters at most
_CODE_RULE: Final = (
    "a code has 1 to 25 letters, digits or _, begins with a letter and does not end with _; idContact is taken"
)
ID_CONTACT: Final = "idContact"


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


def _project_fields(values: Iterable[ProjectField]) -> tuple[ProjectField, ...]:
    return tuple(values)


def _optins(values: Iterable[OptinField]) -> tuple[OptinField, ...]:
    return tuple(values)


def _columns(values: Iterable[Column]) -> tuple[Column, ...]:
    return tuple(values)


@attrs.frozen
class ProjectField:
    """A field of the contact list: `code` without `f_`; `length` in characters; `options` for choices.

    `data_type` is the text that Projects.Get answers for it; the real texts are unknown, so the type's own name is used
    unless you say otherwise.
    """

    code: str
    type: FieldType = "text"
    length: int | None = None
    required: bool = attrs.field(default=False, kw_only=True)
    key: bool = attrs.field(default=False, kw_only=True)
    default: Value = attrs.field(default=None, kw_only=True)
    options: tuple[str, ...] = attrs.field(default=(), kw_only=True, converter=_texts)
    label: str | None = attrs.field(default=None, kw_only=True)
    data_type: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class OptinField:
    """An opt-in: `code` without `optin_`; `date_code` without `dtOptin_`, a code of its own [seen]; None: no date."""

    code: str
    date_code: str | None = attrs.field(default=None, kw_only=True)
    date_type: Literal["date", "datetime"] = attrs.field(default="date", kw_only=True)
    label: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Project:
    """A project with its one contact list.

    With `standard_fields`, `EMail`, `FirstName` and `LastName` are added where they are not declared, and `EMail` is
    always required: so it is in the application [seen].  `tracking_consent` adds `hasTrackingConsent` and
    `dtTrackingConsent`.  Dates without a zone mean `time_zone`.

    Raises:
        ConfigurationError: no key, a code that the application would not take, or the same code twice.
    """

    id: int
    name: str = "project"
    fields: tuple[ProjectField, ...] = attrs.field(default=(), kw_only=True, converter=_project_fields)
    optins: tuple[OptinField, ...] = attrs.field(default=(), kw_only=True, converter=_optins)
    time_zone: str = attrs.field(default="UTC", kw_only=True)
    tracking_consent: bool = attrs.field(default=False, kw_only=True)
    standard_fields: bool = attrs.field(default=True, kw_only=True)

    def __attrs_post_init__(self) -> None:
        path = f"project {self.id}"
        problems = [
            Problem(
                f"{path}, field {field.code!r}",
                _CODE_RULE,
            )
            for field in self.fields
            if not _CODE.fullmatch(field.code) or field.code == ID_CONTACT
        ]
        problems += _of_type(path, [(field.code, field.type) for field in self.fields], _FIELD_KINDS)
        if self.id < 1:
            problems.append(Problem(path, "an id is at least 1"))
        layout = contact_layout(self)
        problems += _problems(path, layout.slots)
        zone(self.time_zone)
        if problems:
            raise ConfigurationError(problems)

    @property
    def all_fields(self) -> tuple[ProjectField, ...]:
        """The declared fields and the standard ones."""
        if not self.standard_fields:
            return self.fields
        declared = {field.code for field in self.fields}
        fields = (attrs.evolve(field, required=True) if field.code == "EMail" else field for field in self.fields)
        standard = (ProjectField("EMail", "email", required=True), ProjectField("FirstName"), ProjectField("LastName"))
        return (*fields, *(field for field in standard if field.code not in declared))


@attrs.frozen
class Column:
    """A column of a relational table; `length` in characters; a foreign key points at `references` of the contact list.

    `references` is `idContact`, or the code of the project's single key field [seen: both].
    """

    name: str
    type: ColumnType = "nvarchar"
    length: int | None = None
    key: bool = attrs.field(default=False, kw_only=True)
    required: bool = attrs.field(default=False, kw_only=True)
    foreign_key: bool = attrs.field(default=False, kw_only=True)
    references: str = attrs.field(default=ID_CONTACT, kw_only=True)


@attrs.frozen
class Table:
    """A relational table: a profiling table hangs on contacts by a foreign key, a lookup table stands alone [seen].

    Raises:
        ConfigurationError: no key, the same column twice, or a profiling table without a foreign key.
    """

    id: int
    project: int = attrs.field(kw_only=True)
    code: str = attrs.field(default="Table", kw_only=True)
    kind: Literal["profiling", "lookup"] = attrs.field(default="lookup", kw_only=True)
    columns: tuple[Column, ...] = attrs.field(kw_only=True, converter=_columns)

    def __attrs_post_init__(self) -> None:
        path = f"table {self.id}"
        problems = _of_type(path, [(column.name, column.type) for column in self.columns], _COLUMN_KINDS)
        if self.id < 1:
            problems.append(Problem(path, "an id is at least 1"))
        layout = table_layout(self)
        problems += _problems(path, layout.slots)
        if self.kind == "profiling" and not any(column.foreign_key for column in self.columns):
            problems.append(Problem(path, "a profiling table needs a foreign key to its contacts"))
        if problems:
            raise ConfigurationError(problems)


@attrs.frozen
class Slot:
    """One place for a value in a row: its bare name, its name on the wire, and its rules."""

    name: str
    wire: str
    kind: Kind
    length: int | None = None
    required: bool = False
    key: bool = False
    default: Value = None
    options: tuple[str, ...] = ()
    references: str | None = None
    date_of: str | None = None

    @property
    def key_wire(self) -> str:
        """Its name inside `ID`: `key_f_<code>` for a contact field, `key_<column>` for a column [seen]."""
        return f"key_{self.wire}"


@attrs.frozen(eq=False)
class Layout:
    """The slots of a contact list or table; `title` names it in messages, `id_slot` is the internal contact id."""

    number: int
    title: str
    slots: tuple[Slot, ...]
    id_slot: Slot | None = None
    codes_case_sensitive: bool = True
    by_name: Mapping[str, Slot] = attrs.field(init=False)
    key: tuple[Slot, ...] = attrs.field(init=False)
    ruled: tuple[Slot, ...] = attrs.field(init=False)
    date_of: Mapping[str, Slot] = attrs.field(init=False)
    _by_wire: Mapping[str, Slot] = attrs.field(init=False)
    _by_key_wire: Mapping[str, Slot] = attrs.field(init=False)
    _fold: Callable[[str], str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        fold: Callable[[str], str] = str if self.codes_case_sensitive else str.lower
        key = tuple(slot for slot in self.slots if slot.key)
        computed = {
            "by_name": {slot.name: slot for slot in self.slots},
            "key": key,
            "ruled": tuple(slot for slot in self.slots if slot.required or slot.references),
            "date_of": {slot.date_of: slot for slot in self.slots if slot.date_of},
            "_by_wire": {fold(slot.wire): slot for slot in self.slots},
            "_by_key_wire": {fold(slot.key_wire): slot for slot in key},
            "_fold": fold,
        }
        for name, value in computed.items():
            object.__setattr__(self, name, value)  # the way that attrs names for computed fields of a frozen class

    def slot(self, wire: str) -> Slot | None:
        """Find a slot by its name on the wire."""
        return self._by_wire.get(self._fold(wire))

    def key_slot(self, wire: str) -> Slot | None:
        """Find a key slot by its name inside `ID`."""
        return self._by_key_wire.get(self._fold(wire))


def contact_layout(project: Project, *, codes_case_sensitive: bool = True) -> Layout:
    """Compile a project's contact list."""
    slots = [
        Slot(
            field.code,
            f"f_{field.code}",
            _FIELD_KINDS.get(field.type, "text"),
            _SHORT_TEXT if field.type == "text" and field.length is None else field.length,
            required=field.required,
            key=field.key,
            default=field.default,
            options=field.options,
        )
        for field in project.all_fields
    ]
    for optin in project.optins:
        name = f"optin_{optin.code}"
        slots.append(Slot(name, name, "boolean"))
        if optin.date_code is not None:
            dated = f"dtOptin_{optin.date_code}"
            slots.append(Slot(dated, dated, optin.date_type, date_of=name))
    if project.tracking_consent:
        slots.append(Slot("hasTrackingConsent", "hasTrackingConsent", "boolean"))
        slots.append(Slot("dtTrackingConsent", "dtTrackingConsent", "date"))
    return Layout(
        project.id, f"project {project.id}", tuple(slots), Slot(ID_CONTACT, ID_CONTACT, "bigint"), codes_case_sensitive
    )


def table_layout(table: Table, *, codes_case_sensitive: bool = True) -> Layout:
    """Compile a relational table; its key columns are required [seen]."""
    slots = tuple(
        Slot(
            column.name,
            column.name,
            _COLUMN_KINDS.get(column.type, "text"),
            column.length,
            required=column.required or column.key,
            key=column.key,
            references=column.references if column.foreign_key else None,
        )
        for column in table.columns
    )
    return Layout(table.id, f"table {table.id}", slots, None, codes_case_sensitive)


def zone(name: str) -> tzinfo:
    """Find a time zone by its IANA name; UTC needs no zone data.

    Raises:
        MissingExtraError: the machine has no such zone, which is usual where no zone data is installed.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise MissingExtraError(extra="tz", purpose=f"The time zone {name!r}") from error


def _of_type(path: str, typed: Sequence[tuple[str, str]], kinds: Collection[str]) -> list[Problem]:
    return [
        Problem(f"{path}, field {name!r}", f"no such type: {kind!r}; the types are {', '.join(kinds)}")
        for name, kind in typed
        if kind not in kinds
    ]


def _problems(path: str, slots: Sequence[Slot]) -> list[Problem]:
    folded = [slot.wire.lower() for slot in slots]
    problems = [
        Problem(f"{path}, field {slot.name!r}", "is declared twice, or differs from another only by case")
        for slot in slots
        if folded.count(slot.wire.lower()) > 1
    ]
    names = [slot.name for slot in slots]
    problems += [
        Problem(f"{path}, field {name!r}", "a field and an opt-in have the same bare name; rename one")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if not any(slot.key for slot in slots):
        problems.append(Problem(path, "has no key: give one or more fields key=True"))
    return problems
