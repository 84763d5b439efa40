"""HTML for notebooks: transfers, plans, reports, comparisons, schemas, findings, files, each as a small table.

What may not go in here: deciding, and anything that a terminal shows.  Everything that came from outside is escaped;
people's data are masked unless they were asked for (`.unmasked()`).  Colours are those of the page, so that light and
dark themes are both readable; no script, no link, nothing that is fetched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final

import attrs

from di_salesforce._cells import masked
from di_salesforce._findings import Findings, Severity
from di_salesforce._inferred import InferredSchema
from di_salesforce.records import Side, Value
from di_salesforce.triggers import ConflictPolicy, Direction

if TYPE_CHECKING:
    from di_salesforce._suggest import SuggestedTransfer
    from di_salesforce.csvfiles import CsvRows
    from di_salesforce.engine import Plan, SyncReport
    from di_salesforce.mapping import FieldMapping, Integration, ObjectTransfer
    from di_salesforce.schema import TableSchema
    from di_salesforce.synchronizing._comparing import Comparison

__all__ = [
    "Html",
    "comparison",
    "csv_rows",
    "draft",
    "findings",
    "integration",
    "plan",
    "report",
    "schema",
    "table",
    "transfer",
]

_SHOWN: Final = 20  # rows of a table; the rest are counted, and `to_pandas()` has all
_PEOPLE: Final = frozenset({"key", "before", "after", "salesforce", "dialog_insight"})
"""The columns that hold people's data."""
_ONLY_UNMASKED: Final = frozenset({"message"})  # a service's own words may repeat any value

_STYLE: Final = (
    "<style>"
    ".di-sf{font-size:.92em;line-height:1.45;color:inherit}"
    ".di-sf table{border-collapse:collapse;margin:.4em 0;color:inherit;background:none}"
    ".di-sf th,.di-sf td{text-align:left!important;vertical-align:top;padding:.2em .8em .2em 0;color:inherit;"
    "background:none!important;border:0;border-bottom:1px solid rgba(128,128,128,.35);max-width:28em;"
    "overflow-wrap:break-word;word-break:normal;white-space:pre-wrap}"
    ".di-sf th{font-weight:600;white-space:nowrap}"
    ".di-sf{overflow-x:auto}"
    ".di-sf .n{text-align:right!important;font-variant-numeric:tabular-nums}"
    ".di-sf .m{opacity:.72}"
    ".di-sf .b{border-radius:.6em;padding:.05em .6em;background:rgba(128,128,128,.22);white-space:nowrap}"
    ".di-sf .g{background:rgba(46,160,67,.28)}.di-sf .r{background:rgba(218,54,51,.32)}"
    ".di-sf .y{background:rgba(210,153,34,.32)}"
    "</style>"
)
_COLOURS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("create", "update", "done", "ok", "high"), "g"),
    **dict.fromkeys(("conflict", "warning", "stale", "not_tried", "medium", "low"), "y"),
    **dict.fromkeys(("reject", "refused", "unknown", "error", "delete", "not ok"), "r"),
}


@attrs.frozen(repr=False)
class Html:
    """A piece of a page, for a notebook to display."""

    text: str

    def _repr_html_(self) -> str:
        return self.text


def _text(value: object) -> str:
    return "" if value is None else escape(str(value))


def _badge(word: object) -> str:
    return f'<span class="b {_COLOURS.get(str(word), "")}">{_text(word)}</span>'


def _muted(text: object) -> str:
    return f'<span class="m">{_text(text)}</span>'


def _grid(
    head: Sequence[str], rows: Iterable[Sequence[str]], numbers: frozenset[int] = frozenset(), *, whole: bool = False
) -> str:
    """Lay cells out, which are HTML already; numbers stand on the right, empty columns are left out unless `whole`."""
    body = list(rows)
    kept = [column for column in range(len(head)) if whole or not body or any(row[column] for row in body)]
    place = {column: ' class="n"' if column in numbers else "" for column in kept}
    heads = "".join(f"<th{place[column]}>{_text(head[column])}</th>" for column in kept)
    lines = "".join(
        "<tr>" + "".join(f"<td{place[column]}>{row[column]}</td>" for column in kept) + "</tr>" for row in body
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _page(*parts: str) -> str:
    return f'{_STYLE}<div class="di-sf">{"".join(part for part in parts if part)}</div>'


def _line(html: str) -> str:
    return f"<div>{html}</div>"


def _rest(count: int, hint: str = "") -> str:
    return _line(_muted(f"… and {count:,} more{hint}")) if count > 0 else ""


# Tables of actions, lines, findings -----------------------------------------------------------------------------------


def _cell(name: str, value: Value, *, unmasked: bool) -> str:
    if value is None or value == "":
        return ""
    if name in _PEOPLE and not unmasked:
        return _muted(masked(str(value)))
    return _badge(value) if name in ("kind", "outcome", "severity") else _text(value)


_LEFT_OUT: Final = frozenset({"reason", "salesforce_id", "dialog_insight_id"})  # told by `why` and `record`


def _narrowed(row: Mapping[str, Value]) -> dict[str, Value]:
    """Give a row of a table with fewer columns: a sentence instead of its code, both record ids in one."""
    told = {name: value for name, value in row.items() if name not in _LEFT_OUT or "why" not in row}
    for name in ("side", "only_on"):
        if isinstance(side := told.get(name), str):
            told[name] = Side(side).label
    if "verified" in told:
        told["verified"] = None if told["verified"] else "not read back"
    if "salesforce_id" in row:
        record = "\n".join(str(row[name]) for name in ("salesforce_id", "dialog_insight_id") if row[name])
        told = {**{name: told[name] for name in ("transfer", "kind", "side", "key")}, "record": record, **told}
    return told


_REPEATED: Final = ("transfer", "kind", "side", "key", "record")
"""The cells of a record that are written once, though several of its fields follow."""


def _told(rows: Sequence[Mapping[str, Value]], *, unmasked: bool) -> str:
    """Show flat rows: columns that are empty in all of them are left out, and a transfer that is the only one."""
    narrow = [_narrowed(row) for row in rows]
    names = dict.fromkeys(name for row in narrow for name in row)
    wanted = [
        name
        for name in names
        if (unmasked or name not in _ONLY_UNMASKED)
        and any(row.get(name) not in (None, "") for row in narrow)
        and not (name == "transfer" and len({row.get(name) for row in narrow}) == 1)
    ]
    cells: list[list[str]] = []
    before: Mapping[str, Value] = {}
    for row in narrow:
        again = row.get("field") is not None and all(row.get(name) == before.get(name) for name in _REPEATED)
        once = {*_REPEATED, "why"} if again and row.get("why") == before.get("why") else _REPEATED if again else ()
        cells.append(["" if name in once else _cell(name, row.get(name), unmasked=unmasked) for name in wanted])
        before = row
    return _grid([name.replace("_", " ") for name in wanted], cells)


def table(rows: Sequence[Mapping[str, Value]], *, unmasked: bool = False) -> str:
    """Show the rows of any table."""
    if not rows:
        return _page(_line(_muted("nothing")))
    return _page(_told(rows[:_SHOWN], unmasked=unmasked), _rest(len(rows) - _SHOWN, "; to_pandas() has all"))


def _grouped(rows: Iterable[Mapping[str, Value]]) -> Iterator[list[Mapping[str, Value]]]:
    """Part conflicts, rejects and writes, which have different columns to fill."""
    for _, group in groupby(rows, lambda row: row["kind"] if row["kind"] in ("conflict", "reject") else "write"):
        yield list(group)


_URGENCY: Final = {kind: rank for rank, kind in enumerate(("conflict", "reject", "delete", "create", "update"))}


def plan(value: Plan, *, unmasked: bool = False) -> str:
    """Show a plan: counts, what stands against it, then its actions, conflicts on top."""
    counted = Counter((a.transfer, a.kind, getattr(a, "side", None), a.reason, a.sentence) for a in value.actions)
    rank = {part.transfer: place for place, part in enumerate(value.parts)}
    in_turn = sorted(
        counted.items(), key=lambda item: (rank.get(item[0][0], 0), _URGENCY.get(item[0][1], 9), item[0][3])
    )
    summary = [
        (_text(name), _badge(kind), _text(side.label if side else ""), f"{count:,}", _text(sentence))
        for (name, kind, side, _, sentence), count in in_turn
    ]
    summary += [
        (_text(part.transfer), "agree", "", f"{part.counts.get('agreed', 0):,}", "pairs in agreement already")
        for part in value.parts
    ]
    chosen = sorted((a for a in value.actions if a.kind in _URGENCY), key=lambda action: _URGENCY[action.kind])
    rows = [row for action in chosen[:_SHOWN] for row in action.to_table()][:_SHOWN]
    shown = len({(row["kind"], row["key"], row["salesforce_id"], row["dialog_insight_id"]) for row in rows})
    return _page(
        "".join(_line(f"{_badge('not ok')} {_text(problem.message)}") for problem in value.guards),
        _line(f"{len(value.needs):,} rows must still be looked up") if value.needs else "",
        _grid(("transfer", "what", "where", "records", "why"), summary, frozenset({3})),
        *(_told(group, unmasked=unmasked) for group in _grouped(rows)),
        _rest(len(chosen) - shown, " records; to_pandas() has all") if rows else "",
        _line(_muted("decide with plan.resolve(key or record id, keep=Side.SALESFORCE)")) if value.conflicts else "",
        "" if unmasked or not rows else _line(_muted("people's data are masked; plan.unmasked() shows them")),
    )


def report(value: SyncReport, *, unmasked: bool = False) -> str:
    """Show a report: whether all is well, counts, calls, and the lines that need a person."""
    waiting = [
        line
        for line in value.lines
        if line.kind in ("conflict", "reject") or line.outcome in ("refused", "unknown", "not_tried")
    ]
    rows = [row for line in waiting[:_SHOWN] for row in line.to_table()]
    head = [
        _badge("ok" if value.ok else "not ok"),
        _text(f"{len(value.written):,} writes done, {value.agreed:,} pairs agree"),
        _muted(f"{sum(value.calls.values()):,} calls: {', '.join(f'{n} {c:,}' for n, c in value.calls.items())}")
        if value.calls
        else "",
    ]
    return _page(
        _line(" ".join(head)),
        _line(_text(f"cut short: {value.cut_short}")) if value.cut_short else "",
        _grid(("lines", "of"), ([f"{count:,}", _text(name)] for name, count in value.counts.items()), frozenset({0})),
        _told(rows, unmasked=unmasked) if rows else "",
        _rest(len(waiting) - _SHOWN),
    )


_WORDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def comparison(value: Comparison, *, unmasked: bool = False) -> str:
    """Show a comparison: counts by transfer and reason, then each difference."""
    counts = [
        row
        for part in value.transfers
        for row in (
            (_text(part.transfer), f"{part.agree:,}", "pairs agree"),
            *((_text(part.transfer), f"{count:,}", _text(name)) for name, count in part.counts.items()),
        )
    ]
    rows = value.to_table()
    return _page(
        _line(f"{_badge('ok' if value.ok else 'not ok')} {_text(f'{value.agree:,} pairs agree')}"),
        _grid(("transfer", "records", "what"), counts, frozenset({1})),
        _told(rows[:_SHOWN], unmasked=unmasked) if rows else "",
        _rest(len(rows) - _SHOWN, "; to_pandas() has all"),
    )


def findings(value: Findings) -> str:
    """Show findings, errors first; their examples are masked already, unless they were asked for."""
    counts = {_WORDS[severity]: len(value.of(severity)) for severity in Severity}
    rows = [
        (
            _badge(_WORDS[finding.severity]),
            _text(finding.path),
            _text(finding.message) + "".join(f"<br>{_muted(example)}" for example in finding.examples),
            _text(finding.remedy),
            _muted(finding.code),
        )
        for finding in value
    ]
    return _page(
        _line(", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())),
        _grid(("", "where", "what", "what to do", "code"), rows) if rows else "",
    )


# Declarations and schemas ---------------------------------------------------------------------------------------------

_ARROWS: Final = {Direction.BOTH: "⇄", Direction.TO_DIALOG_INSIGHT: "→", Direction.TO_SALESFORCE: "←"}


def _notes(line: FieldMapping) -> str:
    notes = [
        "key" if line.key else "",
        ""
        if line.conflict is ConflictPolicy.HOLD
        else f"conflict: {getattr(line.conflict, 'name', 'a function').lower()}",
        f"refers to {line.references}" if line.references else "",
        f"group {line.group}" if line.group else "",
    ]
    return " ".join(_badge(note) for note in notes if note)


def _lines(value: ObjectTransfer) -> str:
    rows = [
        (
            _text(line.salesforce),
            _ARROWS[line.flows],
            _text(line.field(Side.DIALOG_INSIGHT)),
            _muted(getattr(line.converter, "kind", "as it is") if line.converter else ""),
            _notes(line),
        )
        for line in value.lines
    ]
    rows += [
        (
            _text(constant.field) if constant.side is Side.SALESFORCE else _muted(repr(constant.value)),
            "←" if constant.side is Side.SALESFORCE else "→",
            _text(constant.field) if constant.side is Side.DIALOG_INSIGHT else _muted(repr(constant.value)),
            "",
            _badge(f"constant, on {constant.on}"),
        )
        for constant in value.constants
    ]
    return _grid(("Salesforce", "", "Dialog Insight", "converter", ""), rows)


def _where(value: ObjectTransfer) -> str:
    project = f" of project {value.project.name} ({value.project.id})" if value.project else ""
    return f"{value.sobject} and {value.table}{project}"


def transfer(value: ObjectTransfer) -> str:
    """Show a transfer: its lines with their arrows, and which writes are allowed."""
    told = [f"writes when: {', '.join(value.allowed.names) or 'never'}"]
    told += [f"only where {value.salesforce_filter}"] if value.salesforce_filter else []
    told += ["not active"] if not value.active else []
    return _page(
        _line(f"<b>{_text(value.name)}</b> {_text(_where(value))}"),
        _lines(value),
        *(_line(_muted(each)) for each in told),
    )


def integration(value: Integration) -> str:
    """Show the topology: the transfers in the order in which they run, and what flows where."""
    rows: list[tuple[str, ...]] = []
    for number, each in enumerate(value.in_order(), start=1):
        flows = {line.flows for line in each.lines}
        arrow = _ARROWS[flows.pop() if len(flows) == 1 else Direction.BOTH]
        parents = dict.fromkeys(line.references for line in each.lines if line.references)
        rows.append(
            (
                str(number),
                _text(each.name),
                _text(each.sobject),
                arrow,
                _text(each.table),
                _text(f"{each.project.name} ({each.project.id})" if each.project else ""),
                _text(", ".join(each.allowed.names)),
                _text(f"refers to {', '.join(parents)}" if parents else ""),
            )
        )
    head = ("", "transfer", "Salesforce", "", "Dialog Insight", "project", "writes when", "")
    return _page(_grid(head, rows, frozenset({0})))


_RIGHTS: Final = ("key", "required", "unique", "external_id", "calculated")


def _schema_rows(value: TableSchema) -> str:
    blanks: Mapping[str, int] = value.blanks if isinstance(value, InferredSchema) else {}
    rows = [
        (
            _text(field.name),
            _muted(field.label),
            _text(field.type.value.replace("_", " ")),
            "" if field.length is None else f"{field.length:,}",
            f"{blanks[field.name]:,} blank" if field.name in blanks else "",
            " ".join(_badge(name.replace("_", " ")) for name in _RIGHTS if getattr(field, name))
            + ("" if field.creatable or field.updatable else f" {_badge('read only')}"),
        )
        for field in value
    ]
    return _grid(("field", "label", "type", "length", "", ""), rows, frozenset({3}))


def schema(value: TableSchema) -> str:
    """Show a table's fields."""
    return _page(_line(f"<b>{_text(value.name)}</b> {_text(value.side.label)}"), _schema_rows(value))


def draft(value: SuggestedTransfer) -> str:
    """Show a draft: each pair of fields with how sure it is and why, and what was left."""
    rows = [
        (
            _text(line.line.salesforce),
            _ARROWS[line.line.flows],
            _text(line.line.field(Side.DIALOG_INSIGHT)),
            _badge(line.confidence.value),
            _text(line.why),
        )
        for line in value.lines
    ]
    candidates = ", ".join(value.key_candidates)
    hint = f" It could be {candidates}." if candidates else ""
    left = [f"left in {side.label}: {', '.join(f.name for f in value.unmatched if f.side is side)}" for side in Side]
    return _page(
        _line(f"<b>Draft {_text(value.name)}</b> {_text(value.sobject)} and {_text(value.table)}"),
        _grid(("Salesforce", "", "Dialog Insight", "sure", "why"), rows),
        *(_line(_muted(each)) for each in left if not each.endswith(": ")),
        _line(_text(f"The key is yours to choose: with_key(…).{hint}")),
    )


_FIRST: Final = 5  # rows of a file


def csv_rows(value: CsvRows, *, unmasked: bool = False) -> str:
    """Show a file: what was found, the types of its columns, and its first rows."""
    known = value.schema if value.side else None
    first = list(islice(value, _FIRST))
    names = [name for name in value.columns if name is not None]
    cells = (
        [_text(row.get(name)) if unmasked else _muted(masked(str(row.get(name) or ""))) for name in names]
        for row in first
    )
    told = f"{known.rows:,} rows; {known.key_hint}" if isinstance(known, InferredSchema) else ""
    return _page(
        _line(_text(repr(value)[1:-1])),
        _line(_muted(told)) if told else "",
        _schema_rows(known) if known else "",
        _grid(names, cells, whole=True),
    )
