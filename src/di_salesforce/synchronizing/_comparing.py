"""Reading both sides afresh and saying what agrees: the proof that does not lean on the engine's decisions.

What may not go in here: planning.  A difference is explained where the memory holds a reason for it (held, refused,
trigger off, accepted); what nothing explains is named, and makes the comparison fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import attrs

from di_salesforce._listing import HasHtml, Listing, Tabular
from di_salesforce.engine import Baseline, BoundLine, BoundTransfer, Life, LinkRecord, Relation, display_key
from di_salesforce.engine._actions import Key, key_parts
from di_salesforce.engine._memory import digest
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Side, Value
from di_salesforce.synchronizing._erasing import read_erased
from di_salesforce.synchronizing._full_reading import read_side
from di_salesforce.synchronizing._planning import transfer_context
from di_salesforce.synchronizing._reading import both
from di_salesforce.synchronizing._setup import Setup
from di_salesforce.wire import Flow, work

__all__ = ["Comparison", "Difference", "TransferComparison", "compare"]


@attrs.frozen(repr=False)
class Difference:
    """Two records that differ, or one that has no counterpart; `why` is a reason's code, empty where there is none."""

    transfer: str
    key: Key
    fields: tuple[str, ...] = ()
    only_on: Side | None = None
    why: str = ""

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the difference as plain data."""
        return {
            "transfer": self.transfer,
            "key": " / ".join(map(str, key_parts(self.key))),
            "fields": list(self.fields),
            "only_on": self.only_on.value if self.only_on else None,
            "why": self.why,
        }

    def to_table(self) -> list[dict[str, Value]]:
        """Give the difference as one flat row."""
        return [{**self.to_dict(), "fields": ", ".join(self.fields)}]

    def __repr__(self) -> str:
        return f"<Difference {self.transfer} {self.why or 'unexplained'}>"

    def __str__(self) -> str:
        key = " / ".join(map(str, key_parts(self.key)))
        what = f"only in {self.only_on.label}" if self.only_on else ", ".join(self.fields)
        return f"{self.transfer}: {key}: {what} ({self.why or 'unexplained'})"


def _differences(items: Iterable[Difference]) -> Listing[Difference]:
    return Listing(sorted(items, key=lambda item: (item.why, str(item.key), item.fields)))


@attrs.frozen(repr=False)
class TransferComparison:
    """One transfer's pairs, counted, and each difference by name."""

    transfer: str
    agree: int
    differences: Listing[Difference] = attrs.field(converter=_differences)

    @property
    def unexplained(self) -> Listing[Difference]:
        """The differences that no remembered reason explains."""
        return Listing(item for item in self.differences if not item.why)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many differences there are by reason."""
        counted: dict[str, int] = {}
        for item in self.differences:
            name = f"{'only in ' + item.only_on.label if item.only_on else 'differ'}: {item.why or 'unexplained'}"
            counted[name] = counted.get(name, 0) + 1
        return dict(sorted(counted.items()))

    def __repr__(self) -> str:
        return f"<TransferComparison {self.transfer}: {self.agree:,} agree, {len(self.differences):,} differ>"


_SHOWN: Final = 8  # unexplained differences that a printed comparison names


@attrs.frozen(repr=False)
class Comparison(Tabular):
    """What a fresh look at both sides found; `ok` means that nothing differs without a remembered reason."""

    transfers: tuple[TransferComparison, ...]

    @property
    def ok(self) -> bool:
        """Whether every difference has a reason."""
        return not any(part.unexplained for part in self.transfers)

    @property
    def agree(self) -> int:
        """How many pairs agree in every mapped field."""
        return sum(part.agree for part in self.transfers)

    def to_dicts(self) -> list[dict[str, Any]]:  # JSON-safe data
        """Give every difference as plain data."""
        return [item.to_dict() for part in self.transfers for item in part.differences]

    def to_table(self) -> list[dict[str, Value]]:
        """Give every difference as one flat row."""
        return [row for part in self.transfers for item in part.differences for row in item.to_table()]

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.comparison(self)

    def unmasked(self) -> HasHtml:
        """Give a notebook's view that shows people's data."""
        from di_salesforce import _notebook

        return _notebook.Html(_notebook.comparison(self, unmasked=True))

    def __repr__(self) -> str:
        return f"<Comparison {'ok' if self.ok else 'not ok'}: {self.agree:,} agree>"

    def __str__(self) -> str:
        page: list[str] = []
        for part in self.transfers:
            page.append(f"{part.transfer}: {part.agree:,} pairs agree")
            page += [f"  {count:>6,}  {name}" for name, count in part.counts.items()]
            page += [f"  ! {item}" for item in part.unexplained[:_SHOWN]]
        return "\n".join(page)


def compare(setup: Setup, transfers: Sequence[ObjectTransfer], *, progress: Progress) -> Flow[Comparison]:
    """Read both sides of each transfer in full and compare them pair by pair."""
    parts: list[TransferComparison] = []
    erased = yield from read_erased(setup.store)
    for transfer in transfers:
        name = transfer.name
        baseline = yield from work("read the memory", partial(setup.store.baseline, name))
        context = yield from transfer_context(setup, transfer, baseline, {})
        found = yield from both({side: read_side(setup, transfer, side, progress) for side in Side})
        rows = {side: erased.left(transfer, side, found[side].rows) for side in Side}
        parts.append(_compared(BoundTransfer.of(transfer, context), rows, baseline))
    return Comparison(tuple(parts))


def _compared(bound: BoundTransfer, rows: Mapping[Side, tuple[Row, ...]], baseline: Baseline) -> TransferComparison:
    """Pair the rows by what is remembered, else by key, and compare every line."""
    by_name = {side: {bound.row_name(side, row): row for row in rows[side]} for side in Side}
    reasons = _Reasons(baseline)
    agree = 0
    differences: list[Difference] = []
    paired: dict[Side, set[str]] = {side: set() for side in Side}
    for link, salesforce, dialog_insight in _pairs(bound, by_name, baseline):
        for side, row in ((Side.SALESFORCE, salesforce), (Side.DIALOG_INSIGHT, dialog_insight)):
            paired[side].add(bound.row_name(side, row))
        differing = [line for line in bound.lines.values() if not _agrees(line, salesforce, dialog_insight)]
        if not differing:
            agree += 1
        for line in differing:
            why = reasons.of_line(link, line, salesforce, dialog_insight) if link is not None else ""
            differences.append(Difference(bound.transfer.name, _key(bound, salesforce), (line.name,), None, why))
    for side in Side:
        for name, row in by_name[side].items():
            if name not in paired[side] and _takes_part(bound, side, row):
                key = display_key(bound.key_values(side, row))
                why = reasons.of_row(side, name)
                differences.append(Difference(bound.transfer.name, key, (), side, why))
    return TransferComparison(bound.transfer.name, agree, differences)


def _takes_part(bound: BoundTransfer, side: Side, row: Row) -> bool:
    filtered = bound.transfer.dialog_insight_filter
    return side is Side.SALESFORCE or filtered is None or bool(filtered(row))


def _key(bound: BoundTransfer, row: Row) -> Key:
    return display_key(bound.key_values(Side.SALESFORCE, row))


def _pairs(
    bound: BoundTransfer, by_name: Mapping[Side, Mapping[str, Row]], baseline: Baseline
) -> Iterator[tuple[LinkRecord | None, Row, Row]]:
    """Give the pairs: linked ones first, then unlinked rows whose key exactly one row on each side has."""
    taken: dict[Side, set[str]] = {side: set() for side in Side}
    for link in baseline.links:
        if link.life is not Life.LIVE:
            continue
        names = {side: link.record_id(side) or digest(link.key(side) or ()) for side in Side}
        found = {side: by_name[side].get(names[side]) for side in Side}
        salesforce, dialog_insight = found[Side.SALESFORCE], found[Side.DIALOG_INSIGHT]
        if salesforce is not None and dialog_insight is not None:
            for side in Side:
                taken[side].add(names[side])
            yield link, salesforce, dialog_insight
    by_key: dict[Side, dict[tuple[str, ...], list[Row]]] = {side: {} for side in Side}
    for side in Side:
        for name, row in by_name[side].items():
            key = bound.key(side, row)
            if name not in taken[side] and isinstance(key, tuple):
                by_key[side].setdefault(key, []).append(row)
    for key, rows in by_key[Side.SALESFORCE].items():
        others = by_key[Side.DIALOG_INSIGHT].get(key, [])
        if len(rows) == len(others) == 1:
            yield None, rows[0], others[0]


def _value(line: BoundLine, side: Side, row: Row) -> Value:
    return row.get(line.field(side))


def _agrees(line: BoundLine, salesforce: Row, dialog_insight: Row) -> bool:
    return line.agree(_value(line, Side.SALESFORCE, salesforce), _value(line, Side.DIALOG_INSIGHT, dialog_insight))


class _Reasons:
    """The remembered reasons, found by what they are about."""

    def __init__(self, baseline: Baseline) -> None:
        self._items: dict[str, list[tuple[str, str]]] = {}
        for item in baseline.open_items.values():
            self._items.setdefault(item.subject, []).append((item.group, item.reason))
        self._baseline = baseline

    def of_line(self, link: LinkRecord, line: BoundLine, salesforce: Row, dialog_insight: Row) -> str:
        """Give the reason why two values differ; a known difference counts while both values are the known ones."""
        state, group = link.fields.get(line.name), line.mapping.group_name
        if state is not None and state.base is not None and state.rel is not Relation.AGREED:
            values = (_value(line, Side.SALESFORCE, salesforce), _value(line, Side.DIALOG_INSIGHT, dialog_insight))
            if all(
                line.normal(side, value) == line.normal(side, base)
                for side, value, base in zip(Side, values, state.base, strict=True)
            ):
                return "rewritten" if state.rel is Relation.REWRITTEN else "accepted"
        items = self._items.get(f"link:{link.id}", [])
        # A reason about the group itself, or about the whole write that it was part of.
        own = [reason for about, reason in items if about == group]
        whole = [reason for about, reason in items if about in ("", *(side.value for side in Side))]
        return (own or whole or [""])[0]

    def of_row(self, side: Side, name: str) -> str:
        items = self._items.get(f"row:{side.value}:{name}", [])
        if items:
            return items[0][1]
        link = self._baseline.find(side, name)
        return link.cause if link is not None and link.life is not Life.LIVE else ""
