"""Clauses: how the condition of a Get or Delete is read, and which rows it picks.

What may not go in here: permissions, row limits, answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final, TypeGuard

import attrs

from di_salesforce.records import UnsetType, Value
from di_salesforce.testing._di_model import ID_CONTACT, Layout, Slot
from di_salesforce.testing._di_store import Shelf, StoredRow
from di_salesforce.testing._di_switches import CallCause, Switches
from di_salesforce.testing._di_values import Json, JsonObject, folded, read_value

__all__ = ["GUESSED_OPERATORS", "CallRefusal", "Condition", "is_list", "is_object", "picked", "read_clause"]


@attrs.frozen
class CallRefusal:
    """Why a whole call is refused; `detail` is added to the text of the cause."""

    cause: CallCause
    detail: str = ""


def is_object(value: Json) -> TypeGuard[JsonObject]:
    """Tell whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: Json) -> TypeGuard[list[Json]]:
    """Tell whether a JSON value is a list."""
    return isinstance(value, list)


# operators ----------------------------------------------------------------------------------------------------------
Compare = Callable[[Value, Value], bool]


def _place(value: Value) -> tuple[Decimal, str]:
    """Give a value's place in the order of its kind: numbers by size, dates and texts by their text."""
    return (Decimal(value), "") if isinstance(value, (int, float, Decimal)) else (Decimal(0), str(value))


def _both(compare: Callable[[tuple[Decimal, str], tuple[Decimal, str]], bool]) -> Compare:
    return lambda stored, asked: stored is not None and asked is not None and compare(_place(stored), _place(asked))


_EQUAL: Final = "Equal"
GUESSED_OPERATORS: Final[Mapping[str, Compare]] = {  # invented names: only `Equal` is seen
    "NotEqual": lambda stored, asked: stored != asked,
    "Greater": _both(lambda stored, asked: stored > asked),
    "GreaterOrEqual": _both(lambda stored, asked: stored >= asked),
    "Less": _both(lambda stored, asked: stored < asked),
    "LessOrEqual": _both(lambda stored, asked: stored <= asked),
    "Contains": lambda stored, asked: isinstance(stored, str) and isinstance(asked, str) and asked in stored,
}


@attrs.frozen
class Condition:
    """One field compared with one value; `folds`: without regard to case."""

    slot: Slot
    operator: str
    value: Value
    folds: bool
    null_matches: bool

    def holds(self, row: StoredRow) -> bool:
        """Tell whether a row meets the condition."""
        stored = folded(row[self.slot.name]) if self.folds else row[self.slot.name]
        if self.operator == _EQUAL:
            return stored == self.value and (stored is not None or self.null_matches)
        return GUESSED_OPERATORS[self.operator](stored, self.value)


# reading ------------------------------------------------------------------------------------------------------------
def read_clause(clause: Json, layout: Layout, switches: Switches) -> tuple[Condition, ...] | CallRefusal:
    """Read a `Clause`: an object, or a list that means AND; null, absent and `[]` mean no condition."""
    if clause is None:
        return ()
    if is_list(clause) and switches.clause_list == "refuse":
        return CallRefusal(CallCause.BAD_CLAUSE, "Clause is a list.")
    conditions: list[Condition] = []
    for item in clause if is_list(clause) else [clause]:
        condition = _read_condition(item, layout, switches)
        if isinstance(condition, CallRefusal):
            return condition
        conditions.append(condition)
    return tuple(conditions)


def _read_condition(clause: Json, layout: Layout, switches: Switches) -> Condition | CallRefusal:
    if not is_object(clause):
        return CallRefusal(CallCause.BAD_CLAUSE, "Clause is not an object.")
    if switches.clause_type_first == "demand" and next(iter(clause), None) != "$type":
        return CallRefusal(CallCause.BAD_CLAUSE, "$type is not the first member.")
    if clause.get("$type", "FieldClause") != "FieldClause":
        return CallRefusal(CallCause.BAD_CLAUSE, "$type is not FieldClause.")
    operator = clause.get("TypeOperator")
    known = operator == _EQUAL or (switches.operators == "also_guessed" and operator in GUESSED_OPERATORS)
    if not isinstance(operator, str) or not known:
        return CallRefusal(CallCause.BAD_CLAUSE, "TypeOperator is not known.")
    slot = _read_field(clause.get("Field"), layout)
    if isinstance(slot, CallRefusal):
        if slot.cause is CallCause.UNKNOWN_FIELD and switches.unknown_clause_field == "no_rows":
            # Equal to nothing, where nothing matches nothing: no row meets it.
            return Condition(layout.slots[0], _EQUAL, None, folds=False, null_matches=False)
        return slot
    if "ComparisonValue" not in clause:
        return CallRefusal(CallCause.BAD_CLAUSE, "ComparisonValue is missing.")
    value = read_value(slot, clause["ComparisonValue"], switches)
    if isinstance(value, UnsetType):
        return CallRefusal(CallCause.BAD_CLAUSE, f"ComparisonValue is not of the type of {slot.wire}.")
    folds = not switches.clause_value_case_sensitive
    return Condition(
        slot, operator, folded(value) if folds else value, folds, switches.null_comparison == "matches_null"
    )


def _read_field(field: Json, layout: Layout) -> Slot | CallRefusal:
    name = field.get("Name") if is_object(field) else None
    if not is_object(field) or not isinstance(name, str):
        return CallRefusal(CallCause.BAD_CLAUSE, "Field.Name is missing.")
    if field.get("TableCode") not in (None, "Contact"):
        return CallRefusal(CallCause.BAD_CLAUSE, "Field.TableCode names another table.")
    slot = layout.id_slot if layout.id_slot is not None and name == ID_CONTACT else layout.slot(name)
    return slot or CallRefusal(CallCause.UNKNOWN_FIELD, f"{name}.")


# picking ------------------------------------------------------------------------------------------------------------
def picked(shelf: Shelf, conditions: tuple[Condition, ...]) -> list[int]:
    """List the numbers of the rows that meet all conditions, by number."""
    return [number for number in _candidates(shelf, conditions) if all(c.holds(shelf.rows[number]) for c in conditions)]


def _candidates(shelf: Shelf, conditions: tuple[Condition, ...]) -> Iterable[int]:
    equal = {condition.slot.name: condition for condition in conditions if condition.operator == _EQUAL}
    if shelf.layout.id_slot is not None and ID_CONTACT in equal:
        asked = equal[ID_CONTACT].value
        return (asked,) if isinstance(asked, int) and asked in shelf.rows else ()
    key = [equal.get(slot.name) for slot in shelf.layout.key]
    if all(condition is not None and shelf.finds(condition.slot, folds=condition.folds) for condition in key):
        identity = shelf.identity({name: condition.value for name, condition in equal.items()})
        number = None if identity is None else shelf.find(identity)
        if identity is not None:
            return () if number is None else (number,)
    return sorted(shelf.rows)
