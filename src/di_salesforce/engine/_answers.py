"""Which unlinked records a person may be asked about, as plain rows, and what the person answered.

What may not go in here: finding matches (`_matching.py`), and carrying an answer out.  Nothing is taken of a list with
a mistake in it: all problems come at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn, Protocol

import attrs

from di_salesforce._listing import Tabular, as_rows
from di_salesforce.engine._actions import Action, Key, Reject, Skip
from di_salesforce.engine._lines import BoundLine, normal_id
from di_salesforce.engine._part import Part
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import Row, Side, Value

__all__ = [
    "AMBIGUOUS",
    "NO_ANSWERS",
    "Again",
    "Answers",
    "Hit",
    "MatchRows",
    "NamedPair",
    "Several",
    "keeping_cursors",
    "match_rows",
    "read_answers",
]

AMBIGUOUS: Final = frozenset({"key.ambiguous", "match.ambiguous", "match.proposed"})
"""The reasons of rows that wait until a person has said which of them belong together."""

NamedPair = tuple[str, str]
"""The name of a row of Salesforce, and of one of Dialog Insight: a record id, or a digest of the key."""

_S, _D = Side.SALESFORCE, Side.DIALOG_INSIGHT


@attrs.frozen(repr=False)
class Hit:
    """The first tier in which a row agrees with rows of the other side, and the names of these."""

    tier: int
    lines: tuple[BoundLine, ...]
    names: tuple[str, ...]
    reason: str = "match.ambiguous"


@attrs.frozen(repr=False)
class Answers:
    """What a person answered about rows of one transfer: pairs to link, pairs that differ, rows without a partner."""

    links: frozenset[NamedPair] = frozenset()
    different: frozenset[NamedPair] = frozenset()
    alone: frozenset[tuple[Side, str]] = frozenset()

    def joined(self, other: Answers) -> Answers:
        """Add later answers."""
        return Answers(self.links | other.links, self.different | other.different, self.alone | other.alone)

    def __bool__(self) -> bool:
        return bool(self.links or self.different or self.alone)


NO_ANSWERS: Final = Answers()
"""Nobody was asked."""


def _name(action: Action) -> tuple[Side, str]:
    side, _, name = action.subject.removeprefix("row:").partition(":")
    return Side(side), name


def _pairs(actions: Iterable[Action]) -> Iterator[tuple[Reject, NamedPair]]:
    """Give the pairs to be asked about, each with the row that tells of it; one that both tell of comes twice."""
    for action in actions:
        if isinstance(action, Reject) and action.reason in AMBIGUOUS:
            side, name = _name(action)
            for other in action.candidates:
                yield action, (name, other) if side is _S else (other, name)


def _rows(actions: Iterable[Action]) -> Mapping[tuple[str, Side, str], Action]:
    """Give the actions about unlinked rows, by transfer, side and name."""
    rows = [action for action in actions if action.subject.startswith("row:")]
    return {(action.transfer, *_name(action)): action for action in rows}


class MatchRows(tuple[dict[str, Value], ...], Tabular):
    """Pairs to be asked about, as flat rows with a blank `decision`; `to_csv` gives a file that a person fills in."""

    __slots__ = ()

    def to_dicts(self) -> list[dict[str, Any]]:  # JSON-safe data
        """Give the rows: ids and keys are text already."""
        return [dict(row) for row in self]

    def to_table(self) -> list[dict[str, Value]]:
        """Give the rows."""
        return list(self)


def match_rows(actions: Iterable[Action], parts: Iterable[Part]) -> MatchRows:
    """Give one flat row for each pair to be asked about."""
    listed = list(actions)
    rows, tiers = _rows(listed), {part.transfer: part.tiers for part in parts}
    found: dict[tuple[str, NamedPair], dict[str, Value]] = {}
    for told, (salesforce, dialog_insight) in _pairs(listed):
        one, other = (rows.get((told.transfer, side, name)) for side, name in ((_S, salesforce), (_D, dialog_insight)))
        # Older plans do not tell the lines, whose fields are named then.
        lines = tiers[told.transfer][told.tier] if tiers[told.transfer] else dict(told.causes)
        row: dict[str, Value] = {
            "transfer": told.transfer,
            "tier": told.tier or "key",
            "salesforce_id": salesforce,
            "salesforce_key": None if one is None else _text(one.key),
            "dialog_insight_id": dialog_insight if other is None else other.dialog_insight_id,
            "dialog_insight_key": None if other is None else _text(other.key),
            "agreeing": ", ".join(lines),
            "decision": "",
        }
        # Rows that tell of each other do so by the same tier: the first one in which either agrees with any.
        found.setdefault((told.transfer, (salesforce, dialog_insight)), row)
    return MatchRows(row for _, row in sorted(found.items()))


def _text(key: Key) -> Value:
    """Show a key in one cell."""
    if not isinstance(key, tuple):
        return key
    return None if all(part is None for part in key) else " / ".join("" if p is None else str(p) for p in key)


class Again(Protocol):
    """Plans once more: with rows that were looked up, or with what a person answered about matches."""

    def supplied(self, found: Mapping[Side, tuple[Row, ...]]) -> Any:  # a Plan, which this file may not import
        """Plan with these rows as well."""
        ...

    def matched(self, answers: Mapping[str, Answers]) -> Any:  # likewise
        """Plan with these answers, by transfer, as well."""
        ...


@attrs.frozen(repr=False)
class Several:
    """Plans once more what several plans were joined of."""

    plans: list[Any]  # likewise
    join: Callable[[Iterable[Any]], Any]  # likewise

    def supplied(self, found: Mapping[Side, tuple[Row, ...]]) -> NoReturn:
        """Refuse rows, which do not say whose they are."""
        raise ConfigurationError("this plan is of several transfers: supply rows to each before they are joined")

    def matched(self, answers: Mapping[str, Answers]) -> Any:  # likewise
        """Plan those again that something was answered about."""
        return self.join(plan._matched(answers) for plan in self.plans)  # noqa: SLF001 - part of the same verb


def keeping_cursors(before: Iterable[Part], after: Iterable[Part]) -> tuple[Part, ...]:
    """Give the parts of a plan that was made again from the same rows what was noted of where those ended."""
    known = {(part.transfer, each.side): each.cursor for part in before for each in part.coverages}
    return tuple(
        attrs.evolve(
            part,
            coverages=tuple(attrs.evolve(each, cursor=known[part.transfer, each.side]) for each in part.coverages),
        )
        for part in after
    )


@attrs.define(repr=False)
class _Reading:
    """The answers while they are read, and what is wrong with them."""

    rows: Mapping[tuple[str, Side, str], Action]
    pairs: set[tuple[str, NamedPair]]
    transfers: tuple[str, ...]
    names: dict[tuple[str, Side, str], str | None] = attrs.field(factory=dict[tuple[str, Side, str], str | None])
    links: dict[tuple[str, NamedPair], str] = attrs.field(factory=dict[tuple[str, NamedPair], str])
    different: dict[tuple[str, NamedPair], str] = attrs.field(factory=dict[tuple[str, NamedPair], str])
    alone: set[tuple[str, Side, str]] = attrs.field(factory=set[tuple[str, Side, str]])
    problems: list[Problem] = attrs.field(factory=list[Problem])

    def __attrs_post_init__(self) -> None:
        for (transfer, side, name), action in self.rows.items():
            self.names.setdefault((transfer, side, name), name)
            if action.dialog_insight_id is None and side is _D:
                shown = (transfer, side, str(_text(action.key)))
                if self.names.setdefault(shown, name) != name:
                    self.names[shown] = None  # two keys that are shown alike: neither is named by that

    def wrong(self, path: str, message: str, code: str) -> None:
        self.problems.append(Problem(path, message, code))

    def read(self, path: str, decision: Mapping[str, object]) -> None:
        """Take one answer down."""
        word = _said(decision.get("decision"))
        if word == "":
            return
        if word not in ("link", "different"):
            self.wrong(f"{path}.decision", "must be link, different or blank", "match.decision")
            return
        given = decision.get("transfer")
        meant = [name for name in self.transfers if given in (name, "", None)]
        if len(meant) != 1:
            self.wrong(f"{path}.transfer", f"the plan is of {', '.join(self.transfers)}", "match.transfer")
            return
        (transfer,) = meant
        one = self._found(path, decision, transfer, _S)
        other = self._found(path, decision, transfer, _D)
        if one is None or other is None:
            return  # told already
        if one == "" or other == "":
            self._read_alone(path, word, transfer, _S if one else _D, one or other)
            return
        pair = (transfer, (one, other))
        if pair not in self.pairs:
            self.wrong(path, "the plan does not ask about these two: see plan.match_rows()", "match.unknown")
            return
        (self.links if word == "link" else self.different).setdefault(pair, path)

    def _read_alone(self, path: str, word: str, transfer: str, side: Side, name: str) -> None:
        action = self.rows.get((transfer, side, name))
        if name and word == "different" and isinstance(action, Skip) and action.reason == "match.unproven":
            self.alone.add((transfer, side, name))
        else:
            self.wrong(
                path, "names one record: only what the plan skips as match.unproven is answered so", "match.unknown"
            )

    def _found(self, path: str, decision: Mapping[str, object], transfer: str, side: Side) -> str | None:
        """Give the name of the record that an answer names; empty where it names none, None where it is not known."""
        given: Any = decision.get(f"{side.value}_id")  # whatever a person's file holds
        by_id = normal_id(side, given) or ""
        key = decision.get(f"{side.value}_key") if side is _D else None
        by_key = "" if key is None else str(key)
        if not by_id and not by_key:
            return ""
        name = self.names.get((transfer, side, by_id or by_key))
        if name is None:
            field = f"{side.value}_{'id' if by_id else 'key'}"
            self.wrong(f"{path}.{field}", f"the plan asks about no such record of {side.label}", "match.unknown")
        return name

    def check(self) -> None:
        """Hold the answers against each other: one record has one partner, and a pair one answer."""
        used: dict[tuple[str, Side, str], str] = {}
        for (transfer, pair), path in self.links.items():
            if (transfer, pair) in self.different:
                first = self.different[transfer, pair]
                self.wrong(path, f"{first} says that these two are different", "match.contradiction")
            for side, name in zip(Side, pair, strict=True):
                first = used.setdefault((transfer, side, name), path)
                if first != path:
                    self.wrong(path, f"{first} links this record of {side.label} already", "match.twice")


def _said(value: object) -> str:
    return "" if value is None else str(value).strip().lower()


def read_answers(
    decisions: Iterable[Mapping[str, object]], actions: Iterable[Action], transfers: Iterable[str]
) -> Mapping[str, Answers]:
    """Read a person's answers, by transfer.

    Raises:
        ConfigurationError: With everything that is wrong with them.
    """
    listed = list(actions)
    reading = _Reading(
        _rows(listed), {(told.transfer, pair) for told, pair in _pairs(listed)}, tuple(dict.fromkeys(transfers))
    )
    undecided = 0  # rows without the column; a spreadsheet may leave blanks at a row's end out, never all of them
    count = 0
    for index, decision in enumerate(as_rows(decisions)):
        count += 1
        undecided += "decision" not in decision
        reading.read(f"decisions[{index}]", decision)
    if count and undecided == count:
        why = "none has a column named decision: is this the file of match_rows()?"
        reading.wrong("decisions", why, "match.decision")
    reading.check()
    if reading.problems:
        raise ConfigurationError(reading.problems, what="resolve_matches")
    named = {transfer for transfer, _ in (*reading.links, *reading.different)}
    named |= {transfer for transfer, _, _ in reading.alone}
    return {
        name: Answers(
            frozenset(pair for transfer, pair in reading.links if transfer == name),
            frozenset(pair for transfer, pair in reading.different if transfer == name),
            frozenset((side, row) for transfer, side, row in reading.alone if transfer == name),
        )
        for name in sorted(named)
    }
