"""The workload of `engine.py`: two sides and a memory that live apart, and what is right to decide about each record.

Everything follows from a record's number, so that every contestant, each in a process of its own, gets the same rows.
"""

# ruff: noqa: INP001 - modules of a program in this folder

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

FIELDS = 20
TEXTS, INTS, DECIMALS, BOOLS, DATES, MOMENTS = 7, 3, 3, 2, 2, 3  # F0, a text, is the key
SALESFORCE_NAMES = tuple(f"F{index:02}__c" for index in range(FIELDS))
DIALOG_INSIGHT_NAMES = tuple(f"f{index:02}" for index in range(FIELDS))
_FIRST_MOMENT = datetime(2020, 1, 1, tzinfo=UTC)
_MIXER = 2654435761  # a large odd number: neighbours become strangers
_WORDS = ("Montréal", "Québec", "Trois-Rivières", "Gatineau", "Saguenay", "Lévis", "Rimouski")


class Decision(NamedTuple):
    """What is decided about one record: a verb, and which fields (as bits) flow where or are held."""

    key: str
    verb: str  # "change", "create_salesforce", "create_dialog_insight", "gone_salesforce", "gone_dialog_insight"
    to_salesforce: int = 0
    to_dialog_insight: int = 0
    held: int = 0


def values(number: int, *, objects: bool) -> list[Any]:
    """Give a record's twenty values, as new objects; days and moments as text, as both services send them.

    Args:
        number: Of the record.
        objects: Give `date` and `datetime` objects instead of text.
    """
    mixed = number * _MIXER % 4294967296
    moments = [_FIRST_MOMENT + timedelta(seconds=mixed % 200000000 + index) for index in range(MOMENTS + DATES)]
    texts: list[Any] = [
        f"person{number}@test.example",
        f"Tremblay {mixed % 9973}",
        f"Ada {mixed % 997}",
        f"{mixed % 9000} rue Saint-Denis",
        _WORDS[mixed % 7] if mixed % 3 else None,
        f"H{mixed % 10}X {number % 10}Y{mixed % 10}",
        None if number % 2 else f"a note about {mixed % 100000}",
    ]
    numbers: list[Any] = [mixed % 100, mixed % 1000003, None if number % 5 == 0 else number]
    exact: list[Any] = [
        Decimal(f"{mixed % 100000}.{mixed % 90 + 10}"),
        Decimal(f"{number}.5"),
        Decimal(mixed % 500) if number % 2 else None,
    ]
    days: list[Any] = [moment.date() if objects else f"{moment:%Y-%m-%d}" for moment in moments[MOMENTS:]]
    stamps: list[Any] = [moment if objects else f"{moment:%Y-%m-%dT%H:%M:%S}.000+0000" for moment in moments[:MOMENTS]]
    return [*texts, *numbers, *exact, mixed % 2 == 0, mixed % 5 == 0, *days, *stamps]


def changed(index: int, value: Any, by: int) -> Any:
    """Give another value of a field, of its own type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, date):
        return value + timedelta(days=by)
    if index < TEXTS or index >= TEXTS + INTS + DECIMALS:
        return f"{value or ''}, changed {by}"
    empty = 0 if index < TEXTS + INTS else Decimal(0)
    return (empty if value is None else value) + by


# Of a thousand records: so many of each kind; the rest is untouched.
_KINDS = (
    ("create_dialog_insight", 20),
    ("create_salesforce", 20),
    ("salesforce_changed", 30),
    ("dialog_insight_changed", 30),
    ("both_changed", 5),
    ("conflict", 2),
    ("same", 5),
    ("gone_salesforce", 2),
    ("gone_dialog_insight", 2),
)
_KIND_OF = tuple(kind for kind, count in _KINDS for _ in range(count))


def kind_of(number: int) -> str:
    """Say what happened to a record; empty where nothing did."""
    place = number * _MIXER % 4294967296 * 1000 // 4294967296
    return _KIND_OF[place] if place < len(_KIND_OF) else ""


def touched(number: int) -> tuple[int, int]:
    """Give the two fields of a record in which something may happen: never the key, never the same."""
    first = 1 + number % (FIELDS - 1)
    return first, 1 + (first - 1 + 7) % (FIELDS - 1)


class Workload:
    """Rows of both sides, in orders of their own, and what the two last agreed on, in a third."""

    def __init__(self, count: int, *, objects: bool = False) -> None:
        self.count = count
        self.objects = objects

    def _order(self, stride: int) -> Iterator[int]:
        """Walk all numbers in an order that a stride prime to their count gives."""
        step = stride
        while any(step % prime == 0 and self.count % prime == 0 for prime in (2, 3, 5, 7)):
            step += 1
        return (index * step % self.count for index in range(self.count))

    def base(self) -> Iterator[tuple[int, list[Any]]]:
        """Give number and values of every record on which both sides agreed once."""
        for number in self._order(1):
            if kind_of(number) not in ("create_dialog_insight", "create_salesforce"):
                yield number, values(number, objects=self.objects)

    def side(self, name: str) -> Iterator[tuple[int, list[Any]]]:
        """Give number and values of every record of a side ("salesforce" or "dialog_insight") as it is now."""
        is_salesforce = name == "salesforce"
        missing = {f"gone_{name}", f"create_{name}"}
        for number in self._order(104729 if is_salesforce else 1299709):
            kind = kind_of(number)
            if kind in missing:
                continue
            row = values(number, objects=self.objects)
            first, second = touched(number)
            if kind in (f"{name}_changed", "same"):
                row[first] = changed(first, row[first], 1)
            elif kind == "both_changed":
                field = first if is_salesforce else second
                row[field] = changed(field, row[field], 1)
            elif kind == "conflict":
                first = 1 + number % (TEXTS - 1)  # a text: a truth value has no third value to differ in
                row[first] = changed(first, row[first], 1 if is_salesforce else 2)
            yield number, row


def reference(work: Workload) -> Iterable[Decision]:
    """Decide field by field, slowly and plainly: the rule is written out once, over dictionaries of everything."""
    base = dict(work.base())
    salesforce, dialog_insight = dict(work.side("salesforce")), dict(work.side("dialog_insight"))
    for number in range(work.count):
        key = values(number, objects=work.objects)[0]
        left, right, before = salesforce.get(number), dialog_insight.get(number), base.get(number)
        if left is None and right is None:
            continue
        if left is None:
            yield Decision(key, "create_salesforce" if before is None else "gone_salesforce")
        elif right is None:
            yield Decision(key, "create_dialog_insight" if before is None else "gone_dialog_insight")
        elif before is not None:
            to_left = to_right = held = 0
            for index in range(FIELDS):
                left_moved, right_moved = left[index] != before[index], right[index] != before[index]
                if left[index] == right[index]:
                    continue
                if left_moved and right_moved:
                    held |= 1 << index
                elif left_moved:
                    to_right |= 1 << index
                elif right_moved:
                    to_left |= 1 << index
            if to_left or to_right or held:
                yield Decision(key, "change", to_left, to_right, held)


def tally(decisions: Iterable[Decision]) -> tuple[dict[str, int], str]:
    """Count decisions by verb, and give a checksum that does not depend on their order."""
    counts: Counter[str] = Counter()
    total = 0
    for decision in decisions:
        counts[decision.verb] += 1
        counts["fields"] += sum(mask.bit_count() for mask in decision[2:])
        total ^= int.from_bytes(hashlib.blake2b(repr(tuple(decision)).encode(), digest_size=8).digest())
    return dict(sorted(counts.items())), f"{total:016x}"


Contest = Callable[[Workload], tuple[Callable[[], Any], Callable[[Any], Iterable[Decision]]]]
"""Prepares its inputs outside the clock; gives what is timed, and what reads decisions from its result."""
