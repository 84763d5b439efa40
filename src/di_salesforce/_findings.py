"""What `check` says: findings with stable codes, and the page that a person reads.

What may not go in here: the rules that find something (`_check.py` and its rooms).  `FINDING_CODES` is the one list of
codes; the severity belongs to the code, and the reference page is made from this table.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from di_salesforce._listing import Listing, Tabular
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import Side, Value

__all__ = ["FINDING_CODES", "Finding", "FindingCode", "Findings", "Severity", "found"]


class Severity(enum.StrEnum):
    """How much a finding matters; its value is the name used in plain data."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@attrs.frozen
class FindingCode:
    """What a code means, and how much it matters."""

    severity: Severity
    meaning: str


def _codes(severity: Severity, meanings: Mapping[str, str]) -> dict[str, FindingCode]:
    return {code: FindingCode(severity, meaning) for code, meaning in meanings.items()}


FINDING_CODES: Final[Mapping[str, FindingCode]] = {
    **_codes(
        Severity.ERROR,
        {
            "choice.not_in_picklist": "a map, constant or default writes what a restricted picklist does not have",
            "constant.too_long": "a constant or default is longer than its field",
            "field.calculated": "the field that would be written is calculated by the service",
            "field.compound": "a compound or binary field has no single value: map one of its parts",
            "field.missing": "the field is not in the schema, or the user may not see it",
            "field.not_creatable": "new records would get the field, and it cannot be given to them",
            "field.not_updatable": "edits would change the field, and it cannot be changed",
            "key.not_dedicated": "the key is declared as dedicated, and its field is no unique external id",
            "key.not_the_tables_key": "Dialog Insight knows its records by another key than the transfer's",
            "opt_in.not_checkbox": "an opt-in flows into a field that is no checkbox",
            "opt_in.plain_name": "an opt-in is mapped by its plain name, so it would be written too",
            "path.not_reference": "the first step of a parent path is no lookup",
            "reference.not_lookup": "a translated lookup is mapped on a field that is no lookup",
            "reference.not_translated": "a record id would be written where Dialog Insight expects its own ids",
            "reference.other_object": "a lookup refers to another sObject than the transfer that translates it",
            "required.not_mapped": "a field is required on create, and nothing fills it",
            "rows.all_refused": "every row would be refused",
            "rows.filter_failed": "the transfer's row filter fails on rows",
            "table.not_creatable": "records would be created in a table where the user may not create any",
            "table.not_deletable": "records would be deleted from a table where the user may not delete any",
            "table.not_readable": "the user may not read the table",
            "table.not_updatable": "records would be changed in a table where the user may not change any",
            "time_zone.unknown": "this machine does not know the time zone that the project names",
            "topology.create_loop": "a new record would be created again where it came from",
            "topology.field_cycle_changes": "a value comes back to its field as another value",
            "topology.parent_elsewhere": "a lookup is translated by a transfer of another project",
            "topology.two_creators": "a new Dialog Insight record would be created in Salesforce more than once",
            "topology.two_writers": "several transfers write one Salesforce field",
            "type.mismatch": "no value of the one type has a form in the other",
        },
    ),
    **_codes(
        Severity.WARNING,
        {
            "choice.different": "the source's picklist has values that the target's restricted one does not have",
            "choice.not_mapped": "the source's picklist has values that the line's map does not hold",
            "choice.separator": "a choice holds the sign that separates choices on the other side",
            "choice.unmapped": "any text flows into a restricted picklist",
            "key.not_unique": "the key's Salesforce field is neither unique nor an external id nor a look-up field",
            "key.not_written": "new records on one side would have no key",
            "key.nullable": "the key may be blank where records are created from",
            "lead.converted": "converted leads can no longer be changed",
            "number.rounded": "the source keeps more digits behind the point than the target",
            "number.too_large": "the source keeps more digits before the point than the target",
            "opt_in.polarity": "an opt-in flows into a field that reads like an opt-out, without negation",
            "path.unverified": "the lookup at the beginning of a parent path is not in the schema",
            "person_account.fixed": "a person account keeps its record type, and its contact its account",
            "person_account.name": "the name of a person account cannot be written",
            "required.may_be_blank": "a field is required on create, and the field that fills it may be blank",
            "rows.absent": "the field is in none of the rows",
            "rows.blank_required": "rows have no value for a field that is required on create",
            "rows.key_duplicate": "rows share one key",
            "rows.key_missing": "rows have no key",
            "rows.no_match": "no key is on both sides",
            "rows.not_an_address": "rows hold what is no e-mail address",
            "rows.not_convertible": "rows hold values without a form on the other side",
            "rows.not_in_picklist": "rows hold values that the other side's restricted picklist does not have",
            "rows.odd_address": "rows hold unusual e-mail addresses; whether a service takes them is unknown",
            "rows.too_large": "rows hold numbers with more digits than the other side keeps",
            "rows.too_long": "rows hold text that is longer than the other side's field",
            "schema.other_table": "the schema that was given has another name than the transfer's object",
            "text.too_long": "the source may hold longer text than the target",
            "time_zone.not_set": "moments are mapped, and the project names no time zone",
            "topology.filtered_writers": "transfers with different filters write one Salesforce field",
            "topology.one_table": "several transfers may create records in one Dialog Insight table",
            "topology.other_integration": "another integration writes the same table",
            "topology.parent_inactive": "a lookup is translated by a transfer that is not active",
            "topology.parent_not_created": "records may wait for parents that their transfer never creates",
            "topology.project_twice": "two projects have one id",
            "topology.reference_cycle": "transfers refer to each other, so records that do so wait for each other",
            "trigger.setting_unused": "a line enforces or adopts values, and the trigger that lets it do so is off",
            "trigger.update_off": "edits of one side never flow, and make later edits of the other side conflicts",
            "type.multi_choice": "one end holds several choices, the other end one",
            "type.narrow": "only some values of the one type have a form in the other",
            "type.time_of_day": "one end holds a moment, the other end a day",
        },
    ),
    **_codes(
        Severity.INFO,
        {
            "choice.record_type": "which values of a restricted picklist are taken depends on the record's type",
            "constant.unused": "a constant or default belongs to a side where nothing is created",
            "field.moves_silently": "changes of the field do not move the record's time of modification",
            "key.fixed": "a changed key is held, since it cannot be written",
            "key.lookup_first": "a create in Salesforce is looked up by its key before it is repeated",
            "key.not_recommended": "the project's type recommends another key",
            "key.upsert": "creates in Salesforce go as upserts by the dedicated external id",
            "line.new": "earlier runs never compared the line: the next one reads both sides in full for it",
            "opt_in.date_not_listed": "an opt-in date cannot be looked up: Dialog Insight does not list them",
            "rows.checked": "how many rows were looked at, and how many would be refused",
            "rows.matching": "how many keys are on both sides",
            "schema.not_given": "nothing is known of one side",
            "topology.field_cycle": "a value may come back to its field, unchanged",
            "topology.parent_not_referenced": "a lookup is not translated, though a transfer moves what it refers to",
            "trigger.create_only": "a one-way field is written on create only",
            "trigger.none": "the transfer's triggers allow no write",
        },
    ),
}
"""Each code with its severity and meaning, by severity and name."""


@attrs.frozen
class Finding:
    """One thing that `check` found: what is so, where, and what to do about it.

    `path` is the place in the declaration (`fields[2]`); `side` is the service whose description or rows show it.
    Findings about rows say how many (`count`) of how many (`of`), with examples whose values are masked unless they
    were asked for.
    """

    severity: Severity
    code: str
    path: str
    message: str
    remedy: str
    side: Side | None = None
    count: int | None = None
    of: int | None = None
    examples: tuple[str, ...] = attrs.field(default=(), repr=False)  # people's data, where it was asked for

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{place}{self.message} ({self.code})"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the finding as plain, JSON-safe data."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "path": self.path,
            "side": self.side.value if self.side else None,
            "message": self.message,
            "remedy": self.remedy,
            "count": self.count,
            "of": self.of,
            "examples": list(self.examples),
        }

    def to_table(self) -> list[dict[str, Value]]:
        """Give the finding as one flat row."""
        return [{**self.to_dict(), "examples": "; ".join(self.examples)}]


def found(
    code: str,
    path: str,
    message: str,
    remedy: str,
    *,
    side: Side | None = None,
    count: int | None = None,
    of: int | None = None,
    examples: Iterable[str] = (),
    codes: Mapping[str, FindingCode] = FINDING_CODES,
) -> Finding:
    """Make a finding; its severity is that of its code in the table of codes that it is told by."""
    return Finding(
        codes[code].severity, code, path, message, remedy, side, count=count, of=of, examples=tuple(examples)
    )


_RANK: Final[Mapping[Severity, int]] = {severity: rank for rank, severity in enumerate(Severity)}
_HEADINGS: Final[Mapping[Severity, tuple[str, str]]] = {  # one, several
    Severity.ERROR: ("error", "errors"),
    Severity.WARNING: ("warning", "warnings"),
    Severity.INFO: ("note", "notes"),
}


def _place(finding: Finding) -> tuple[object, ...]:
    """Order by severity, then as declared (`fields[10]` after `fields[2]`), then by what was found."""
    steps = tuple(
        (0, int(step), "") if step.isdigit() else (1, 0, step) for step in re.findall(r"[0-9]+|[^0-9]+", finding.path)
    )
    side = finding.side.value if finding.side else ""
    return _RANK[finding.severity], steps, finding.code, side, finding.message, finding.remedy


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(findings), key=_place))


@attrs.frozen
class Findings(Tabular):
    """Everything that `check` found, errors first, each thing once; `print` it, or stop at its errors.

    Example:
        >>> findings = Findings([found("key.upsert", "fields[0]", "Customer__c is an external id", "nothing to do")])
        >>> print(findings)
        0 errors, 0 warnings, 1 note
        <BLANKLINE>
        Notes
          fields[0]: Customer__c is an external id (key.upsert)
            -> nothing to do
        >>> findings.raise_for_errors()
    """

    _found: tuple[Finding, ...] = attrs.field(default=(), converter=_ordered, alias="findings")

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def of(self, severity: Severity) -> Listing[Finding]:
        """Give the findings of one severity."""
        return Listing(finding for finding in self if finding.severity is severity)

    @property
    def errors(self) -> Listing[Finding]:
        """What cannot work: mend it before the first write."""
        return self.of(Severity.ERROR)

    @property
    def warnings(self) -> Listing[Finding]:
        """What works for some records only, or not as one may expect."""
        return self.of(Severity.WARNING)

    @property
    def notes(self) -> Listing[Finding]:
        """What is worth knowing."""
        return self.of(Severity.INFO)

    def raise_for_errors(self) -> None:
        """Stop where something cannot work; warnings and notes pass.

        Raises:
            ConfigurationError: With every error as a `Problem`, its path and its code.
        """
        if errors := self.errors:
            problems = [Problem(error.path, f"{error.message}: {error.remedy}", error.code) for error in errors]
            raise ConfigurationError(problems, what="check")

    def to_dicts(self) -> list[dict[str, Any]]:  # JSON-safe data
        """Give the findings as plain, JSON-safe data, in their order."""
        return [finding.to_dict() for finding in self]

    def to_table(self) -> list[dict[str, Value]]:
        """Give the findings as flat rows, in their order."""
        return [row for finding in self for row in finding.to_table()]

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.findings(self)

    def __str__(self) -> str:
        counts = {severity: len(self.of(severity)) for severity in Severity}
        lines = [", ".join(f"{count} {_HEADINGS[severity][count != 1]}" for severity, count in counts.items())]
        for severity in Severity:
            if not counts[severity]:
                continue
            lines += ["", _HEADINGS[severity][1].capitalize()]
            for finding in self.of(severity):
                lines += [
                    f"  {finding}",
                    *(f"      {example}" for example in finding.examples),
                    f"    -> {finding.remedy}",
                ]
        return "\n".join(lines)
