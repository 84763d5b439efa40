"""What `discover` is given and what it gives: probes, throw-away records, findings.  Values only.

What may not go in here: requests and steps (`_discovering.py`).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import Value
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = [
    "OPERATORS",
    "Confirm",
    "ConfirmRow",
    "Discovery",
    "Found",
    "Probe",
    "Question",
    "Relation",
    "ThrowAway",
    "ThrowAwayRow",
]


class Relation(enum.StrEnum):
    """What an operator may turn out to mean."""

    NOT_EQUAL = "not_equal"
    GREATER = "greater"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS = "less"
    LESS_OR_EQUAL = "less_or_equal"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"


OPERATORS: Final[Mapping[str, Relation]] = MappingProxyType(
    {
        "NotEqual": Relation.NOT_EQUAL,
        "Different": Relation.NOT_EQUAL,
        "Greater": Relation.GREATER,
        "GreaterThan": Relation.GREATER,
        "GreaterOrEqual": Relation.GREATER_OR_EQUAL,
        "GreaterThanOrEqual": Relation.GREATER_OR_EQUAL,
        "Less": Relation.LESS,
        "LessThan": Relation.LESS,
        "LessOrEqual": Relation.LESS_OR_EQUAL,
        "LessThanOrEqual": Relation.LESS_OR_EQUAL,
        "Contains": Relation.CONTAINS,
        "StartsWith": Relation.STARTS_WITH,
        "BeginsWith": Relation.STARTS_WITH,
    }
)
"""Spellings to try: guesses all of them, since only `Equal` was ever seen."""


class Question(enum.StrEnum):
    """What the documents leave open and a test project can answer; the answers that `Found.answer` may have."""

    CLAUSELESS_GET = "clauseless_get"
    """`every_row`, `cut`, `refused`"""
    CLAUSE_LISTS = "clause_lists"
    """`all_must_hold`, `other`, `refused`"""
    OPERATORS = "operators"
    """the spellings that work, with commas between; empty: none of those that were tried"""
    MERGE_CEILING = "merge_ceiling"
    """`at least 1000` or the number"""
    BOOLEANS = "booleans"
    """`json` (true), `number` (1), `text` (a text, shown in the sentence)"""
    NUMBERS = "numbers"
    """`number`, `text`"""
    DATES = "dates"
    """a pattern of `strftime`"""
    DATETIMES = "datetimes"
    """likewise"""
    NULLS = "nulls"
    """`null`, `empty` (a blank text)"""
    NULL_IN_DATA = "null_in_data"
    """`clear`, `ignore`, `refuse`; of a relational table also `differs`, by field, as the sentence tells"""
    BLANK_IN_DATA = "blank_in_data"
    """what an empty text does, which is how blanks are sent without `Capabilities(null_clears=True)`: likewise"""
    UNKNOWN_FIELD = "unknown_field"
    """`ignore`, `fail_record`, `fail_call`"""
    INSERT_ONLY_HIT = "insert_only_hit"
    """`left_alone`, `fail_call`, `changed`"""
    UPDATE_ONLY_MISS = "update_only_miss"
    """`left_alone`, `fail_call`, `created`"""
    KEY_MEMBER = "key_member"
    """the member of a project's fields that marks the key"""
    DELETING = "deleting"
    """`works`, `refused`; it never switches `Capabilities.delete` on"""


@attrs.frozen
class ThrowAway:
    """A contact that is about to be written for the sake of finding out: where, what names it, what for."""

    id_project: int
    field: str
    value: str
    purpose: str

    def __str__(self) -> str:
        return f"project {self.id_project}: a contact with {self.field} {self.value}, {self.purpose}"


@attrs.frozen
class ThrowAwayRow:
    """A row of a relational table that is about to be written for the sake of finding out: where, and its key."""

    id_table: int
    named: Mapping[str, Value]

    def __str__(self) -> str:
        return f"table {self.id_table}: a row with {', '.join(f'{name} {value}' for name, value in self.named.items())}"


Confirm: TypeAlias = Callable[[ThrowAway], bool]
"""Asked before each throw-away record is written; False: write nothing at all."""

ConfirmRow: TypeAlias = Callable[[ThrowAwayRow], bool]
"""Likewise for the throw-away row of a relational table."""

_CONSENT: Final = ("hasTrackingConsent", "dtTrackingConsent")  # listed for every project, but perhaps not there
_LABEL: Final = re.compile(r"[a-z][a-z0-9-]{0,11}")  # short enough for a client number of 18 characters with its count


def _a_label(_: object, __: object, value: str) -> None:
    if not _LABEL.fullmatch(value):
        raise ConfigurationError(
            [Problem("label", "must be 1 to 12 small letters, digits and hyphens, a letter first")], what="Probe"
        )


def _a_bound(_: object, __: object, value: int) -> None:
    if isinstance(value, bool) or value < 1:
        raise ConfigurationError([Problem("most_records", "must be at least 1")], what="Probe")


@attrs.frozen(kw_only=True)
class Probe:
    """How `discover` goes about it; the defaults fit a project whose key is `EMail`.

    Args:
        key_field: the project's key: a field of text or an e-mail address.
        values: what a new contact must have besides its key, for fields that are required.
        fields: which field stands for a type, where the project's own words for types are not understood:
            `{FieldType.DATE: "Born"}`.  Types without a field are not tried.
        operators: spellings and what each should mean.
        most_records: the most records that a Merge is tried with; they are sent so that none is written.
        label: what the throw-away contacts are called: `discover-01@di-salesforce.invalid`, or `discover-01`.
        clean_up: delete the throw-away contacts in the end.

    Raises:
        ConfigurationError: a label or a number that cannot be.
    """

    key_field: str = "EMail"
    values: Mapping[str, Value] = attrs.field(factory=dict[str, Value], repr=False)
    fields: Mapping[FieldType, str] = attrs.field(factory=dict[FieldType, str])
    operators: Mapping[str, Relation] = attrs.field(default=OPERATORS)
    most_records: int = attrs.field(default=1000, validator=_a_bound)
    label: str = attrs.field(default="discover", validator=_a_label)
    clean_up: bool = True

    def field_for(self, type_: FieldType, schema: TableSchema) -> str | None:
        """Give the field that stands for a type; a project always has `FirstName` for texts [seen]."""
        if type_ in self.fields:
            return self.fields[type_]
        found = next((field.name for field in schema if field.type is type_ and self._is_free(field)), None)
        return "FirstName" if type_ is FieldType.TEXT and found is None and "FirstName" in schema else found

    def _is_free(self, field: FieldSchema) -> bool:
        taken = (self.key_field, "EMail", *self.values, *_CONSENT)
        return field.name not in taken and field.creatable and not field.required


@attrs.frozen
class Found:
    """The answer to one question, and the same in a sentence; an empty answer to all but `operators`: not found out."""

    question: Question
    answer: str
    sentence: str


def _founds(found: Iterable[Found]) -> tuple[Found, ...]:
    return tuple(found)


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(texts)


def _count(found: tuple[Found, ...]) -> str:
    return f"<{len(found)} answers>"


@attrs.frozen
class Discovery:
    """What `discover` found out: `print` it for a report, and give `capabilities` to the next client.

    `leftovers` names the throw-away records that could not be deleted; `stopped` says why it ended early, if it did.
    """

    capabilities: Capabilities = attrs.field(repr=False)
    found: tuple[Found, ...] = attrs.field(converter=_founds, repr=_count)
    leftovers: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    stopped: str = ""

    def answer(self, question: Question) -> str:
        """Give the answer to a question; empty where it was not found out."""
        return next((found.answer for found in self.found if found.question is question), "")

    def __str__(self) -> str:
        lines = [f"{found.question.value}: {found.sentence}" for found in self.found]
        if self.leftovers:
            lines.append(f"left behind, delete by hand: {', '.join(self.leftovers)}")
        if self.stopped:
            lines.append(f"ended early: {self.stopped}")
        return "\n".join(lines)
