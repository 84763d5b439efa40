"""SOQL's names and conditions, compiled against the schema: paths into columns, WHERE into a function of a row.

What may not go in here: reading rows out of tables, shaping answers (`_sf_query.py`).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeAlias

import attrs

from di_salesforce.records import record_id_18
from di_salesforce.testing._sf_access import Caller
from di_salesforce.testing._sf_dates import Days, literal_days
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_schema import NUMBERS, TEXTS, Field, StoredRow, Wire
from di_salesforce.testing._sf_soql import (
    Both,
    Comparison,
    Condition,
    Path,
    Query,
    Term,
    fault_at,
    like_pattern,
    unescape,
)
from di_salesforce.testing._sf_store import Getter, Org, Table, fold, unknown_column
from di_salesforce.testing._sf_values import read_date, read_datetime, stamp

Test: TypeAlias = Callable[[StoredRow], bool]
# Two values of one column; their common type is the column's, which no annotation can say.
Compare: TypeAlias = Callable[[Any, Any], bool]

MAX_HOPS: Final = 5
"""How many parents a path may go up (the vendor's limit)."""

_COMPARE: Final[Mapping[str, Compare]] = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip
_ORDERED: Final = frozenset({"<", "<=", ">", ">="})
_EXPECTED: Final[Mapping[str, str]] = {
    "boolean": "boolean", "date": "date", "datetime": "dateTime", "int": "int", "double": "double",
    "currency": "double", "percent": "double",
}  # fmt: skip


@attrs.frozen
class Column:
    """What a path means: the field, its object, and how to read it from a row of the query's object."""

    field: Field
    table: Table
    read: Getter
    own: bool


@attrs.frozen
class Scope:
    """The object that a query reads, and who reads it, for resolving its names."""

    org: Org
    table: Table
    alias: str
    text: str
    caller: Caller

    def column(self, path: Path) -> Column:
        """Resolve a path; raises `INVALID_FIELD` with the place."""
        parts = self.parts(path)
        try:
            return self._resolve([self.table], parts)
        except Refusal as refused:
            raise fault_at(refused.code, self.text, path.at, refused.message) from None

    def parts(self, path: Path) -> tuple[str, ...]:
        """Give the path without the alias or the object's own name in front."""
        first = path.parts[0].lower()
        prefixes = {self.alias.lower(), self.table.sobject.name.lower()}
        return path.parts[1:] if len(path.parts) > 1 and first in prefixes else path.parts

    def _resolve(self, tables: Sequence[Table], parts: Sequence[str], hops: int = 0) -> Column:
        if len(parts) == 1:
            return leaf(tables, parts[0], self.caller, own=not hops)
        if hops == MAX_HOPS:
            raise Refusal("INVALID_FIELD", f"a path may go up {MAX_HOPS} parents at most")
        reference, targets = parent(self.org, tables, parts[0], self.caller)
        rest = self._resolve(targets, parts[1:], hops + 1)
        org, name, read = self.org, reference.name, rest.read

        def up(row: StoredRow) -> object:
            found = org.row(str(row.get(name, "")))
            return None if found is None else read(found[1])

        return Column(rest.field, rest.table, up, own=False)


def leaf(tables: Sequence[Table], name: str, caller: Caller, *, own: bool) -> Column:
    """Find the field itself; of a polymorphic parent, the one that the row's own object has."""
    found = [
        (table, field)
        for table in tables
        if (field := table.sobject.field(name)) and caller.sees(table.sobject.name, field)
    ]
    if not found:
        raise unknown_column(name, tables[0].sobject.name)
    table, field = found[0]
    if len(tables) == 1:
        return Column(field, table, table.getter(field), own)
    readers = {table.sobject.prefix: table.getter(field) for table, field in found}

    def read(row: StoredRow) -> object:
        reader = readers.get(str(row["Id"])[:3])
        return None if reader is None else reader(row)

    return Column(field, table, read, own)


def parent(org: Org, tables: Sequence[Table], relationship: str, caller: Caller) -> tuple[Field, list[Table]]:
    """Find the lookup behind a relationship name, and the objects that it may point at."""
    for table in tables:
        field = table.relationships.get(relationship.lower())
        if field is not None and caller.sees(table.sobject.name, field):
            targets = [target for name in field.references if (target := org.table(name))]
            if targets:
                return field, targets
    message = (
        f"Didn't understand relationship '{relationship}' in field path. If you are attempting to use a custom "
        "relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or "
        "the describe call for the appropriate names."
    )
    raise Refusal("INVALID_FIELD", message)


@attrs.frozen
class Filter:
    """Compiles the WHERE of one query; `select` runs a semi-join's query and gives its values."""

    scope: Scope
    today: date
    select: Callable[[Query], frozenset[Wire]]

    def compile(self, condition: Condition) -> Test:
        """Build the function that tells whether a row meets the condition."""
        match condition:
            case Both(every, parts):
                tests = [self.compile(part) for part in parts]
                return (
                    (lambda row: all(test(row) for test in tests))
                    if every
                    else (lambda row: any(test(row) for test in tests))
                )
            case Comparison():
                return self._comparison(condition)
            case _:
                inner = self.compile(condition.part)
                return lambda row: not inner(row)

    def candidates(self, condition: Condition, *, deleted: bool) -> set[str] | None:
        """Give the ids that an index says can meet the condition at all; None: look at every row."""
        match condition:
            case Both(every, parts):
                found = [self.candidates(part, deleted=deleted) for part in parts]
                if every:
                    return min((ids for ids in found if ids is not None), key=len, default=None)
                return None if any(ids is None for ids in found) else {one for ids in found if ids for one in ids}
            case Comparison(operator="=" | "IN"):
                return self._indexed(condition, deleted=deleted)
            case _:
                return None

    def _indexed(self, comparison: Comparison, *, deleted: bool) -> set[str] | None:
        column = self.scope.column(comparison.path)
        field = column.field
        if not column.own or field.is_long or field.formula is not None:
            return None
        values = self._values(comparison, field)
        if values is None or None in values:
            return None
        if field.type == "id":
            return {str(value) for value in values}
        index = column.table.index(field) if field.type == "reference" else column.table.indexed(field)
        if index is None or deleted:  # an index holds live rows only
            return None
        return {one for value in values for one in index.find(value)}

    def _values(self, comparison: Comparison, field: Field) -> frozenset[Wire] | None:
        """Give the plain values of `=` and `IN`; None where one is a range of days."""
        if comparison.query is not None:
            return self.select(comparison.query)
        operands = [self._operand(field, term) for term in comparison.terms]
        return frozenset(one for one in operands if not isinstance(one, tuple)) if not any(
            isinstance(one, tuple) for one in operands
        ) else None  # fmt: skip

    def _comparison(self, comparison: Comparison) -> Test:
        column = self.scope.column(comparison.path)
        field, read, word = column.field, column.read, comparison.operator
        if field.is_long:
            message = f"field '{comparison.path.text}' can not be filtered in a query call"
            raise fault_at("INVALID_FIELD", self.scope.text, comparison.path.at, message)
        self._permit(field, comparison)
        if word in ("LIKE", "INCLUDES", "EXCLUDES"):
            return self._textual(field, read, comparison)
        if word in ("IN", "NOT IN"):
            wanted = self._set_test(comparison, field)
            return (lambda row: wanted(read(row))) if word == "IN" else (lambda row: not wanted(read(row)))
        operand = self._operand(field, comparison.terms[0])
        if operand is None:
            if word in _ORDERED:
                raise self._wrong_operator(field, comparison)
            return (lambda row: read(row) is None) if word == "=" else (lambda row: read(row) is not None)
        if isinstance(operand, tuple):
            return _range_test(word, operand, read)
        compare = _compare(field, word, operand)
        negated = word == "!="

        def test(row: StoredRow) -> bool:
            value = read(row)
            if value is None:
                return negated  # a row without a value differs from any value, and is neither above nor below it
            return compare(value)

        return test

    def _set_test(self, comparison: Comparison, field: Field) -> Callable[[Any], bool]:
        folded = fold(field)
        if comparison.query is not None:
            chosen = {folded(value) for value in self.select(comparison.query)}
            return lambda value: folded(value) in chosen
        operands = [self._operand(field, term) for term in comparison.terms]
        plain = {folded(one) for one in operands if not isinstance(one, tuple)}
        ranges = [one for one in operands if isinstance(one, tuple)]
        return lambda value: (
            folded(value) in plain or any(low <= value < high for low, high in ranges if value is not None)
        )

    def _textual(self, field: Field, read: Getter, comparison: Comparison) -> Test:
        texts: list[str] = []
        for term in comparison.terms:
            if term.kind != "string":
                raise self._wrong_literal(field, term)
            texts.append(unescape(term, self.scope.text, like=comparison.operator == "LIKE"))
        if comparison.operator == "LIKE":
            pattern = like_pattern(texts[0])
            return lambda row: isinstance(value := read(row), str) and pattern.fullmatch(value) is not None
        # Each literal of INCLUDES may itself name several values, joined by semicolons: all of them must be there.
        groups = [frozenset(text.casefold().split(";")) for text in texts]
        wanted = comparison.operator == "INCLUDES"

        def test(row: StoredRow) -> bool:
            value = read(row)
            held = frozenset(value.casefold().split(";")) if isinstance(value, str) else frozenset[str]()
            return any(group <= held for group in groups) is wanted

        return test

    def _permit(self, field: Field, comparison: Comparison) -> None:
        word = comparison.operator
        wrong = (
            (word == "LIKE" and field.type not in TEXTS)
            or (word in ("INCLUDES", "EXCLUDES") and field.type != "multipicklist")
            or (word in _ORDERED and field.type in ("boolean", "multipicklist"))
        )
        if wrong:
            raise self._wrong_operator(field, comparison)

    def _wrong_operator(self, field: Field, comparison: Comparison) -> Refusal:
        message = f"invalid operator on {field.type} field: {comparison.operator}"
        return fault_at("INVALID_QUERY_FILTER_OPERATOR", self.scope.text, comparison.at, message)

    def _wrong_literal(self, field: Field, term: Term) -> Refusal:
        kind = _EXPECTED.get(field.type, "string")
        quotes = "should not be" if field.type in _EXPECTED else "should be"
        message = (
            f"value of filter criterion for field '{field.name}' must be of type {kind} and {quotes} enclosed in quotes"
        )
        return fault_at("INVALID_FIELD", self.scope.text, term.at, message)

    def _operand(self, field: Field, term: Term) -> Wire | tuple[str, str]:
        """Read a literal as the field's own type; a date literal gives a half-open range in stored form."""
        if term.kind == "word" and term.text == "NULL":
            return None
        found = self._literal(field, term)
        if found is None:
            raise self._wrong_literal(field, term)
        return found

    def _literal(self, field: Field, term: Term) -> Wire | tuple[str, str]:
        kind = field.type
        if kind in TEXTS or kind in ("id", "reference"):
            if term.kind != "string":
                return None
            text = unescape(term, self.scope.text)
            return text if kind in TEXTS else self._id(text, term)
        if kind == "boolean":
            return {"TRUE": True, "FALSE": False}.get(term.text) if term.kind == "word" else None
        if kind in NUMBERS or kind == "int":
            return float(term.text) if term.kind == "number" else None
        if kind in ("date", "datetime"):
            return _date_operand(kind == "datetime", term, self.today)
        return None

    def _id(self, text: str, term: Term) -> str:
        full = record_id_18(text)
        if full is None and text:
            raise fault_at("INVALID_QUERY_FILTER_OPERATOR", self.scope.text, term.at, f"invalid ID field: {text}")
        return full or ""


def _compare(field: Field, word: str, operand: Wire) -> Callable[[Any], bool]:  # takes values of the column's type
    compare = operator.ne if word == "!=" else _COMPARE[word]
    target: Any = operand
    if not field.folds:
        return lambda value: compare(value, target)
    folded: Callable[[Any], Any] = fold(field)
    target = folded(operand)
    return lambda value: compare(folded(value), target)


def _date_operand(with_time: bool, term: Term, today: date) -> Wire | tuple[str, str]:  # noqa: FBT001 - a private choice of two
    """Read a date or datetime literal; a date cannot filter a datetime column, nor the reverse (facts 3.5)."""
    if term.kind in ("word", "ranged"):
        days = literal_days(term.text, today)
        return None if days is None else _stored_range(days, with_time=with_time)
    if term.kind == "date" and not with_time:
        day = read_date(term.text)
        return None if day is None else day.isoformat()
    if term.kind == "datetime" and with_time:
        moment = read_datetime(re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", term.text))
        return None if moment is None else stamp(moment)
    return None


def _stored_range(days: Days, *, with_time: bool) -> tuple[str, str]:
    # Stored dates and datetimes sort as text, and the midnights of the simulated user's zone are those of UTC.
    suffix = "T00:00:00.000+0000" if with_time else ""
    return days[0].isoformat() + suffix, days[1].isoformat() + suffix


def _range_test(word: str, days: tuple[str, str], read: Getter) -> Test:
    low, high = days
    tests: Mapping[str, Callable[[str], bool]] = {
        "=": lambda value: low <= value < high,
        "!=": lambda value: not low <= value < high,
        "<": lambda value: value < low,
        "<=": lambda value: value < high,
        ">": lambda value: value >= high,
        ">=": lambda value: value >= low,
    }
    test = tests[word]
    return lambda row: test(value) if isinstance(value := read(row), str) else word == "!="
