"""What one transfer is checked against: its declaration, what is known of both sides, and the words for messages.

What may not go in here: rules.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import attrs

from di_salesforce import converters
from di_salesforce._compatibility import converter_for, field_of
from di_salesforce._findings import Finding, found
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import FieldMapping, ObjectTransfer
from di_salesforce.protocols import Converter
from di_salesforce.records import Row, Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = ["Found", "Ground", "Known", "Rule", "described", "listed", "near"]

Found: TypeAlias = Iterator[Finding]
"""What a rule gives: it walks what it is about, and yields a finding for each thing that it sees."""


@attrs.frozen
class Known:
    """What is known of one side: its schema, rows of it, both or nothing."""

    schema: TableSchema | None = None
    rows: Iterable[Row] | None = attrs.field(default=None, repr=False)  # people's data


@attrs.frozen
class Ground:
    """One transfer, its place in the declaration, and what is known of both sides."""

    transfer: ObjectTransfer
    salesforce: Known
    dialog_insight: Known
    prefix: str = ""
    settled: frozenset[str] = frozenset()  # names of the lines that earlier runs compared; empty: not known
    converters: dict[str, Converter | None] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        chosen = {line.name: self._choose(line) for line in self.transfer.lines}
        object.__setattr__(self, "converters", chosen)  # the way that attrs names for computed fields of a frozen class

    def known(self, side: Side) -> Known:
        """What is known of that side."""
        return self.salesforce if side is Side.SALESFORCE else self.dialog_insight

    def schema(self, side: Side) -> TableSchema | None:
        """The side's schema, where there is one."""
        return self.known(side).schema

    def field(self, line: FieldMapping, side: Side) -> FieldSchema | None:
        """The field of a line on one side; None where nothing is known of it."""
        schema, name = self.schema(side), line.field(side)
        if self.transfer.id_field(side) is None and (schema is None or name not in schema):
            return None  # in a relational table `idContact` is a field like others, not the row's own id
        return field_of(line, side, schema)

    def creates(self, side: Side) -> bool:
        """Whether records may be created on that side."""
        return self.transfer.allowed.allows_create(side.other)

    def updates(self, side: Side) -> bool:
        """Whether records may be changed on that side."""
        return self.transfer.allowed.allows_update(side.other)

    def flows(self, line: FieldMapping, to: Side) -> bool:
        """Whether the line's values may be written on that side."""
        return line.flows.allows(to) and (self.creates(to) or self.updates(to))

    def converter(self, line: FieldMapping) -> Converter | None:
        """The line's converter, declared or chosen; None for a translated lookup, and with an unknown time zone."""
        return self.converters[line.name]

    def _choose(self, line: FieldMapping) -> Converter | None:
        if line.converter is not None or line.references is not None:
            return line.converter
        try:
            return converter_for(line, self.salesforce.schema, self.dialog_insight.schema, self.time_zone or "UTC")
        except ConfigurationError:
            return None  # `time_zone.unknown` says so

    @property
    def time_zone(self) -> str | None:
        """The zone of the project's local times, where it is named."""
        return self.transfer.project.time_zone if self.transfer.project else None

    @property
    def time_zone_is_known(self) -> bool:
        """Whether this machine has the zone that the project names."""
        try:
            converters.datetime(time_zone=self.time_zone or "UTC")
        except ConfigurationError:
            return False
        return True

    @property
    def writes(self) -> Iterator[tuple[str, FieldMapping, Side, FieldSchema | None, FieldSchema | None]]:
        """Walk the lines with each side that they may write: path, line, side, the field read, the field written."""
        for path, line in self.transfer.placed:
            for to in Side:
                if self.flows(line, to):
                    yield path, line, to, self.field(line, to.other), self.field(line, to)

    def where(self, side: Side) -> str:
        """Name the side's table as people do."""
        if side is Side.SALESFORCE:
            return f"Salesforce's {self.transfer.sobject}"
        project = f" of project {self.transfer.project.name!r}" if self.transfer.project else ""
        return f"Dialog Insight's {self.transfer.table}{project}"

    def place(self, path: str = "") -> str:
        """Give a path in the transfer as a path in what is checked."""
        return f"{self.prefix}{path}" if path else self.prefix.removesuffix(".")

    def found(self, code: str, path: str, message: str, remedy: str, *, side: Side | None = None) -> Finding:
        """Make a finding at a place of this transfer."""
        return found(code, self.place(path), message, remedy, side=side)


Rule: TypeAlias = Callable[[Ground], Found]


def described(field: FieldSchema, side: Side) -> str:
    """Name a field with its side and its type."""
    kind = (field.raw_type or "unknown type") if field.type is FieldType.UNKNOWN else field.type.value.replace("_", " ")
    return f"{side.label}'s {field.name} ({kind})"


def near(name: str, names: Iterable[str]) -> str | None:
    """Give the name that was probably meant: the same but for case, or the most alike."""
    known = sorted(names)
    folded = {other.casefold(): other for other in reversed(known)}
    close = difflib.get_close_matches(name.casefold(), sorted(folded), n=1)
    return folded.get(name.casefold()) or (folded[close[0]] if close else None)


def listed(names: Iterable[str], most: int = 5) -> str:
    """Name a few things, and say how many more there are; 5 is what one reads at a glance."""
    shown = list(names)
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")
