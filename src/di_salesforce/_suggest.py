"""`suggest_transfer`: a draft of a transfer from two schemas, with a reason and a confidence for every line.

What may not go in here: choosing a key.  A draft is no `ObjectTransfer` before `with_key` was called, since a transfer
has a key and a guessed one would merge people.  The words that names are compared by are data (`_suggest_names.py`).

A draft also keeps its hands off what only people can say: record ids and lookups (they need another transfer's links),
and an opt-out against an opt-in (which would turn consent round).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from di_salesforce._check_ground import listed
from di_salesforce._compatibility import PARTS, converter_for, fit, kind_of
from di_salesforce._schema_data import needs_value
from di_salesforce._suggest_likeness import Likeness, named_alike
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import Constant, DestinationProject, FieldMapping, ObjectTransfer, OptIn, OptInDate
from di_salesforce.records import Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.triggers import Direction

__all__ = ["Confidence", "SuggestedLine", "SuggestedTransfer", "UnmatchedField", "suggest_transfer"]

T: Final = FieldType


class Confidence(enum.StrEnum):
    """How sure a suggestion is: the names say the same, nearly the same, or something alike."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@attrs.frozen
class SuggestedLine:
    """A line of a draft, how sure it is, and why it is there."""

    line: FieldMapping
    confidence: Confidence
    why: str


@attrs.frozen
class UnmatchedField:
    """A field that no line of the draft uses, and the other side's unused fields that come nearest."""

    side: Side
    name: str
    near: tuple[str, ...] = ()


# Which pairs can be lines -------------------------------------------------------------------------------------------
@attrs.frozen
class _Pair:
    """Two fields that may be mapped onto each other."""

    line: FieldMapping
    likeness: Likeness
    narrow: bool

    @property
    def score(self) -> float:
        """How good the pair is: how alike the names are, less where only some values fit."""
        return self.likeness.score - (0.15 if self.narrow else 0.0)  # 0.15: HIGH becomes MEDIUM, MEDIUM becomes LOW

    @property
    def order(self) -> tuple[float, str, str]:
        """The best first; of equals, by name."""
        return -self.score, self.line.salesforce, self.line.field(Side.DIALOG_INSIGHT)


def _writable(field: FieldSchema) -> bool:
    """Whether new records and edits may write it: what only one of them may write flows out, until somebody decides."""
    return not field.calculated and field.creatable and field.updatable


def _line(salesforce: FieldSchema, dialog_insight: FieldSchema) -> FieldMapping | None:
    """Make the line of two fields, without a key and a converter; None where no value could flow."""
    if dialog_insight.type is T.OPT_IN:
        named_so = dialog_insight.name.startswith(OptIn.prefix)
        if not (named_so and kind_of(salesforce) is T.BOOLEAN and _writable(salesforce)):
            return None
        return FieldMapping(salesforce.name, OptIn(dialog_insight.name.removeprefix(OptIn.prefix)))
    if dialog_insight.name.startswith(OptInDate.prefix):  # in the rows of an export
        date = OptInDate(dialog_insight.name.removeprefix(OptInDate.prefix))
        return FieldMapping(salesforce.name, date) if _writable(salesforce) else None
    direction = {
        (True, True): Direction.BOTH,
        (True, False): Direction.TO_SALESFORCE,
        (False, True): Direction.TO_DIALOG_INSIGHT,
        (False, False): None,
    }[_writable(salesforce), _writable(dialog_insight)]
    if direction is None:
        return None
    line = FieldMapping(salesforce.name, dialog_insight.name, direction=direction)
    # A parent path or a record's own id flows one way only, whatever could be written.
    ends = {Side.SALESFORCE: salesforce, Side.DIALOG_INSIGHT: dialog_insight}
    possible = line.only_flows in (None, direction) or direction is Direction.BOTH
    return line if possible and all(_writable(ends[to]) for to in Side if line.flows.allows(to)) else None


_LEFT_TO_PEOPLE: Final = PARTS | {T.ID, T.REFERENCE}
_NOT_AT_ALL: Final = frozenset({"type.mismatch", "reference.not_translated", "field.compound", "opt_in.not_checkbox"})


def _fits(line: FieldMapping, salesforce: FieldSchema, dialog_insight: FieldSchema) -> list[str]:
    """List what `check` would say of the two types, in each direction in which the line flows."""
    ends = {Side.SALESFORCE: salesforce, Side.DIALOG_INSIGHT: dialog_insight}
    tables = {side: TableSchema("", side=side, fields=[field]) for side, field in ends.items()}
    converter = converter_for(line, tables[Side.SALESFORCE], tables[Side.DIALOG_INSIGHT], "UTC")
    codes = (fit(converter, ends[to.other], ends[to], to=to) for to in Side if line.flows.allows(to))
    return [code for code in codes if code is not None]


def _pair(salesforce: FieldSchema, dialog_insight: FieldSchema) -> _Pair | None:
    likeness = named_alike(salesforce, dialog_insight)
    if likeness.score < _LEAST:
        return None
    line = _line(salesforce, dialog_insight)
    if line is None or {salesforce.type, dialog_insight.type} & _LEFT_TO_PEOPLE:
        return None
    codes = _fits(line, salesforce, dialog_insight)
    if _NOT_AT_ALL.intersection(codes):
        return None
    return _Pair(line, likeness, narrow=bool(codes))


# The draft ----------------------------------------------------------------------------------------------------------
_LEVELS: Final = ((0.9, Confidence.HIGH), (0.7, Confidence.MEDIUM), (0.0, Confidence.LOW))
_LEAST: Final = 0.45  # nearly half of what the two names say is the same
_NEAR: Final = 0.25  # from here on a name is worth a look
_MOST_NEAR: Final = 3
_ARROWS: Final = {Direction.BOTH: "<->", Direction.TO_DIALOG_INSIGHT: "-->", Direction.TO_SALESFORCE: "<--"}


@attrs.frozen(repr=False)
class SuggestedTransfer:
    """A draft that `suggest_transfer` made: look at it, change it, and make it a transfer with `with_key`.

    `lines` hold the suggestions, each with its confidence and reason; `unmatched` the fields that are left on both
    sides; `key_candidates` the Salesforce fields of lines whose fields can tell records apart; `needed` the fields,
    by side, without which a service takes no new record.  It displays as a table.
    """

    name: str
    sobject: str
    table: str
    lines: tuple[SuggestedLine, ...]
    unmatched: tuple[UnmatchedField, ...] = ()
    key_candidates: tuple[str, ...] = ()
    constants: tuple[Constant, ...] = ()
    needed: frozenset[tuple[Side, str]] = frozenset()

    @property
    def unfilled(self) -> tuple[tuple[Side, str], ...]:
        """The needed fields that no line and no constant fills: creates on that side will be refused without them."""
        filled = {(constant.side, constant.field) for constant in self.constants}
        filled |= {
            (side, name) for one in self.lines for side, name in _touched(one.line) if one.line.flows.allows(side)
        }
        return tuple(sorted(self.needed - filled))

    def with_key(self, *salesforce_fields: str, project: DestinationProject | None = None) -> ObjectTransfer:
        """Make the draft a transfer, with those lines as its key, in that order.

        Args:
            salesforce_fields: The Salesforce fields of the key's lines; only you can say which ones name a record.
            project: The destination project; None where only the engine is used, or it is given later.

        Raises:
            ConfigurationError: No field is given, no line maps one of them, or the transfer's own rules refuse it.
        """
        lines = {suggested.line.salesforce: suggested.line for suggested in self.lines}
        if not salesforce_fields:
            raise ConfigurationError(
                f"the key of {self.name!r} is yours to choose: with_key(...) with one or more of {listed(lines)}"
            )
        if missing := [name for name in salesforce_fields if name not in lines]:
            raise ConfigurationError(
                f"no line of the draft {self.name!r} maps {listed(missing)}: it maps {listed(lines, len(lines))}"
            )
        key = [attrs.evolve(lines.pop(name), key=True) for name in dict.fromkeys(salesforce_fields)]
        return ObjectTransfer(
            self.name,
            sobject=self.sobject,
            table=self.table,
            project=project,
            fields=[*key, *lines.values(), *self.constants],
        )

    def with_field(self, *lines: FieldMapping | Constant) -> SuggestedTransfer:
        """Add lines of your own; suggested lines that use one of their fields make way."""
        own = [line for line in lines if isinstance(line, FieldMapping)]
        taken = {name for line in own for name in _touched(line)}
        kept = [suggested for suggested in self.lines if not taken & _touched(suggested.line)]
        return attrs.evolve(
            self,
            lines=(*kept, *(SuggestedLine(line, Confidence.HIGH, "your own") for line in own)),
            unmatched=tuple(field for field in self.unmatched if (field.side, field.name) not in taken),
            constants=(*self.constants, *(line for line in lines if isinstance(line, Constant))),
        )

    def without_fields(self, *names: str) -> SuggestedTransfer:
        """Drop the lines that touch any of the named fields, on either side.

        Raises:
            ConfigurationError: A name is in no line.
        """
        known = {name for suggested in self.lines for _, name in _touched(suggested.line)}
        if missing := [name for name in names if name not in known]:
            raise ConfigurationError(f"no line of the draft {self.name!r} touches {listed(missing)}")
        gone = [one for one in self.lines if set(names) & {name for _, name in _touched(one.line)}]
        freed = [UnmatchedField(*field) for one in gone for field in sorted(_touched(one.line))]
        return attrs.evolve(
            self,
            lines=tuple(suggested for suggested in self.lines if suggested not in gone),
            unmatched=(*self.unmatched, *freed),
        )

    def __str__(self) -> str:
        rows = [
            (
                suggested.line.salesforce,
                _ARROWS[suggested.line.flows],
                suggested.line.field(Side.DIALOG_INSIGHT),
                suggested.confidence.value,
                suggested.why,
            )
            for suggested in self.lines
        ]
        head = ("Salesforce", "", "Dialog Insight", "sure", "why")
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        shown = [
            f"Draft {self.name!r}: {self.sobject} and {self.table}, {len(rows)} lines",
            *(
                "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
                for row in (head, *rows)
            ),
        ]
        for side in Side:
            if left := [field for field in self.unmatched if field.side is side]:
                shown.append(f"Left in {side.label}:")
                shown += [
                    f"  {field.name}" + (f" (near: {', '.join(field.near)})" if field.near else "") for field in left
                ]
        if unfilled := [f"{side.label}'s {name}" for side, name in self.unfilled]:
            shown.append(f"New records need, and no line fills: {listed(unfilled, len(unfilled))}")
        candidates = f"; it could be {listed(self.key_candidates)}" if self.key_candidates else ""
        return "\n".join([*shown, f"The key is yours to choose: with_key(...){candidates}"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.draft(self)


def _touched(line: FieldMapping) -> set[tuple[Side, str]]:
    return {(side, line.field(side)) for side in Side}


def suggest_transfer(
    salesforce_schema: TableSchema, dialog_insight_schema: TableSchema, *, name: str
) -> SuggestedTransfer:
    """Draft a transfer: pair the fields of two schemas by their names, labels and types.

    Use it to begin a mapping.  Names may be French or English, standard or custom, with accents, underscores or humps.
    Each field is used once; lines only stand between types of which values can flow.  Record ids, lookups, and an
    opt-out against an opt-in are left to you, as is the key.  The same schemas give the same draft, whatever the order
    of their fields.

    Args:
        salesforce_schema: The sObject.
        dialog_insight_schema: The contact list or the relational table.
        name: The transfer's name.

    Returns:
        A draft that displays as a table: `.lines` with reasons, `.unmatched`, and verbs; `with_key(...)` makes it an
        `ObjectTransfer`.

    Raises:
        ConfigurationError: A schema is of the other side.

    Example:
        >>> contact = TableSchema("Contact", side=Side.SALESFORCE, fields=[
        ...     FieldSchema("Email", FieldType.EMAIL, id_lookup=True), FieldSchema("FirstName", FieldType.TEXT),
        ...     FieldSchema("Fax", FieldType.PHONE),
        ... ])
        >>> clients = TableSchema("Contact", side=Side.DIALOG_INSIGHT, fields=[
        ...     FieldSchema("Courriel", FieldType.EMAIL), FieldSchema("Prenom", FieldType.TEXT),
        ... ])
        >>> suggest_transfer(contact, clients, name="contacts")
        Draft 'contacts': Contact and Contact, 2 lines
        Salesforce       Dialog Insight  sure  why
        Email       <->  Courriel        high  both mean 'email'
        FirstName   <->  Prenom          high  both mean 'first name'
        Left in Salesforce:
          Fax
        The key is yours to choose: with_key(...); it could be Email
        >>> suggest_transfer(contact, clients, name="contacts").with_key("Email").key_lines[0].name
        'Email:Courriel'
    """
    given = ((salesforce_schema, Side.SALESFORCE), (dialog_insight_schema, Side.DIALOG_INSIGHT))
    for schema, side in given:
        if schema.side is not side:
            raise ConfigurationError(f"{side.value}_schema= was given a schema of {schema.side.label}")
    fields = {side: sorted(schema, key=lambda field: field.name) for schema, side in given}
    found = (_pair(here, there) for here in fields[Side.SALESFORCE] for there in fields[Side.DIALOG_INSIGHT])
    pairs = sorted((pair for pair in found if pair is not None and pair.score >= _LEAST), key=lambda pair: pair.order)
    lines = _chosen(pairs)
    used = {end for suggested in lines for end in _ends(suggested.line)}
    return SuggestedTransfer(
        name,
        salesforce_schema.name,
        dialog_insight_schema.name,
        tuple(lines),
        tuple(_unmatched(fields, used)),
        tuple(
            suggested.line.salesforce
            for suggested in lines
            if _tells_apart(salesforce_schema[suggested.line.salesforce], dialog_insight_schema, suggested.line)
        ),
        needed=frozenset((side, field.name) for schema, side in given for field in schema if needs_value(field)),
    )


def _ends(line: FieldMapping) -> tuple[tuple[Side, str], tuple[Side, str]]:
    """Give what a line uses up; Salesforce's names ignore case."""
    return (Side.SALESFORCE, line.salesforce.casefold()), (Side.DIALOG_INSIGHT, line.field(Side.DIALOG_INSIGHT))


def _chosen(pairs: Sequence[_Pair]) -> list[SuggestedLine]:
    """Take the best pair, then the best of those that are left; say where another was as good."""
    used: set[tuple[Side, str]] = set()
    chosen: list[SuggestedLine] = []
    for pair in pairs:
        ends = _ends(pair.line)
        if used.intersection(ends):
            continue
        rivals = [
            other.line.name.replace(":", " and ")
            for other in pairs
            if other is not pair
            and other.score == pair.score
            and set(_ends(other.line)) & set(ends)
            and not used.intersection(_ends(other.line))
        ]
        used.update(ends)
        chosen.append(_suggested(pair, rivals))
    return chosen


def _suggested(pair: _Pair, rivals: Sequence[str]) -> SuggestedLine:
    why = pair.likeness.why + ("; only some values have a form on the other side" if pair.narrow else "")
    if rivals:
        return SuggestedLine(pair.line, Confidence.LOW, f"{why}; as likely: {listed(rivals)}")
    return SuggestedLine(pair.line, next(level for least, level in _LEVELS if pair.score >= least), why)


def _unmatched(fields: dict[Side, list[FieldSchema]], used: set[tuple[Side, str]]) -> Iterator[UnmatchedField]:
    left = {
        side: [field for field in of_side if (side, _as_used(side, field.name)) not in used]
        for side, of_side in fields.items()
    }
    for side, of_side in left.items():
        for field in of_side:
            ranked = sorted((-named_alike(field, other).score, other.name) for other in left[side.other])
            near = [name for score, name in ranked if -score >= _NEAR]
            yield UnmatchedField(side, field.name, tuple(near[:_MOST_NEAR]))


def _as_used(side: Side, name: str) -> str:
    return name.casefold() if side is Side.SALESFORCE else name


def _tells_apart(salesforce: FieldSchema, dialog_insight: TableSchema, line: FieldMapping) -> bool:
    """Tell whether a service says of a line's field that it is unique, finds records, or is its key."""
    there = dialog_insight.get(line.field(Side.DIALOG_INSIGHT))
    ours = salesforce.unique or salesforce.external_id or salesforce.id_lookup
    return not line.is_consent and (ours or (there is not None and (there.key or there.unique)))
