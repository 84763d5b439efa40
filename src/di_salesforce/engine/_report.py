"""What became of a plan: one line per action, counts, and whether all is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, Self

import attrs

from di_salesforce._findings import Finding
from di_salesforce._listing import HasHtml, Listing, Tabular
from di_salesforce.engine._actions import Key, Kind
from di_salesforce.engine._reasons import sentence
from di_salesforce.engine._tables import key_text
from di_salesforce.records import Side, Value, to_plain

__all__ = ["ReportLine", "SyncReport"]


@attrs.frozen(repr=False)
class ReportLine:
    """One action and what became of it; `outcome` is done, refused, stale, unknown, not_tried, or settled by itself."""

    transfer: str
    key: Key
    kind: Kind
    side: Side | None
    reason: str
    outcome: str
    code: str = ""
    message: str = ""  # the service's own words
    fields: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()  # fields that the service kept otherwise than sent
    verified: bool = True

    def __repr__(self) -> str:
        return f"<ReportLine {self.transfer} {self.kind} {self.reason} {self.outcome}>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the line as plain data."""
        return {
            "transfer": self.transfer,
            "key": list(map(to_plain, self.key)) if isinstance(self.key, tuple) else to_plain(self.key),
            "kind": self.kind,
            "side": self.side.value if self.side else None,
            "reason": self.reason,
            "outcome": self.outcome,
            "code": self.code,
            "message": self.message,
            "fields": list(self.fields),
            "rewritten": list(self.rewritten),
            "verified": self.verified,
        }

    def to_table(self) -> list[dict[str, Value]]:
        """Give the line as one flat row."""
        return [
            {
                "transfer": self.transfer,
                "key": key_text(self.key),
                "kind": self.kind,
                "side": self.side.value if self.side else None,
                "outcome": self.outcome,
                "fields": ", ".join(self.fields),
                "reason": self.reason,
                "why": sentence(self.reason),
                "code": self.code,
                "message": self.message,
                "rewritten": ", ".join(self.rewritten),
                "verified": self.verified,
            }
        ]


@attrs.frozen
class _Step:
    """What one step of a run counted, and of which transfers."""

    transfers: tuple[str, ...]
    agreed: int
    quiet: int


def _lines(lines: Iterable[ReportLine]) -> tuple[ReportLine, ...]:
    return tuple(lines)


_UNUSUAL: Final = ("a bulk query", "replication was asked for")  # readings that a page tells of; all are in `feeds`
_BULK: Final = ": bulk:"  # the usual way, collections, is no news
_SHOWN: Final = 12  # lines of each kind that a printed report names; the rest are counted


@attrs.frozen(repr=False)
class SyncReport(Tabular):
    """What a run did; `ok`: nothing was refused, left unknown or untried, or cut short (held conflicts count apart)."""

    lines: tuple[ReportLine, ...] = attrs.field(default=(), converter=_lines)
    transfers: tuple[str, ...] = ()
    agreed: int = 0
    quiet: int = 0
    rounds: int = 0
    cut_short: str = ""
    calls: Mapping[str, int] = attrs.field(factory=dict[str, int])
    schema_changes: tuple[Finding, ...] = ()  # how the tables changed since the last run; none of them stopped it
    feeds: tuple[str, ...] = ()  # how each side was read, what that covers and why, one sentence for each reading
    window: timedelta = timedelta(0)  # the longest time between a look at a record and a write that changed it
    ways: tuple[str, ...] = ()  # how what was written to Salesforce travelled, and why
    _steps: tuple[_Step, ...] = attrs.field(
        default=(), alias="steps", eq=False
    )  # those that it was joined from and that still count; none: it is one step

    @classmethod
    def joined(cls, reports: Iterable[SyncReport]) -> Self:
        """Join the reports of several steps of one run: every write, and of all else each transfer's last word."""
        listed = list(reports)
        last = {name: index for index, report in enumerate(listed) for name in report.transfers}
        # A report of several transfers may be overtaken in some of them only.
        steps = [step for report in listed for step in report._counted()]  # noqa: SLF001 - of its own class
        newest = {name: index for index, step in enumerate(steps) for name in step.transfers}
        final = [step for index, step in enumerate(steps) if not step.transfers or index in newest.values()]
        calls: Counter[str] = Counter()
        for report in listed:
            calls.update(report.calls)
        return cls(
            lines=[
                line
                for index, report in enumerate(listed)
                for line in report.lines
                if line.outcome or last.get(line.transfer, index) == index
            ],
            transfers=tuple(last),
            agreed=sum(step.agreed for step in final),
            quiet=sum(step.quiet for step in final),
            rounds=sum(report.rounds for report in listed),
            cut_short=next((report.cut_short for report in listed if report.cut_short), ""),
            calls=dict(calls),
            schema_changes=tuple(dict.fromkeys(change for report in listed for change in report.schema_changes)),
            feeds=tuple(dict.fromkeys(feed for report in listed for feed in report.feeds)),
            window=max((report.window for report in listed), default=timedelta(0)),
            ways=tuple(dict.fromkeys(way for report in listed for way in report.ways)),
            steps=tuple(final),
        )

    def _counted(self) -> tuple[_Step, ...]:
        return self._steps or (_Step(self.transfers, self.agreed, self.quiet),)

    def of(self, *, kind: str | None = None, outcome: str | None = None) -> Listing[ReportLine]:
        """Give the lines of a kind, of an outcome, or of both."""
        return Listing(
            line
            for line in self.lines
            if (kind is None or line.kind == kind) and (outcome is None or line.outcome == outcome)
        )

    @property
    def ok(self) -> bool:
        """Whether nothing was refused, left unknown, left untried, or cut short."""
        return not (self.refused or self.unknown or self.untried or self.cut_short)

    @property
    def written(self) -> Listing[ReportLine]:
        """The writes that were done."""
        return self.of(outcome="done")

    @property
    def refused(self) -> Listing[ReportLine]:
        """The writes that a service refused."""
        return self.of(outcome="refused")

    @property
    def unknown(self) -> Listing[ReportLine]:
        """The writes whose answer was lost."""
        return self.of(outcome="unknown")

    @property
    def untried(self) -> Listing[ReportLine]:
        """Writes that were not reached, or met a passing refusal such as a locked row: the next run tries them."""
        return self.of(outcome="not_tried")

    @property
    def conflicts(self) -> Listing[ReportLine]:
        """What is held for a person."""
        return self.of(kind="conflict")

    @property
    def rejects(self) -> Listing[ReportLine]:
        """Rows and fields that cannot be synchronised as they are."""
        return self.of(kind="reject")

    @property
    def set_aside(self) -> Listing[ReportLine]:
        """Writes that a service refused in an earlier run and that are not tried again until their values change."""
        return Listing(line for line in self.lines if line.reason == "refused.unchanged")

    @property
    def counts(self) -> Mapping[str, int]:
        """How many lines there are by kind and outcome, such as `update done`."""
        return dict(sorted(Counter(f"{line.kind} {line.outcome}".strip() for line in self.lines).items()))

    def to_dicts(self) -> list[dict[str, Any]]:  # JSON-safe data
        """Give the lines as plain data."""
        return [line.to_dict() for line in self.lines]

    def to_table(self) -> list[dict[str, Value]]:
        """Give the lines as flat rows."""
        return [row for line in self.lines for row in line.to_table()]

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the whole report as plain data."""
        return {
            "ok": self.ok,
            "agreed": self.agreed,
            "quiet": self.quiet,
            "rounds": self.rounds,
            "cut_short": self.cut_short,
            "calls": dict(self.calls),
            "schema_changes": [change.to_dict() for change in self.schema_changes],
            "feeds": list(self.feeds),
            "window_seconds": self.window.total_seconds(),
            "ways": list(self.ways),
            "counts": dict(self.counts),
            "lines": self.to_dicts(),
        }

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.report(self)

    def unmasked(self) -> HasHtml:
        """Give a notebook's view that shows people's data, which the report's own view masks."""
        from di_salesforce import _notebook

        return _notebook.Html(_notebook.report(self, unmasked=True))

    def __repr__(self) -> str:
        return (
            f"<SyncReport {'ok' if self.ok else 'not ok'}: {len(self.written):,} written, {len(self.conflicts):,} held>"
        )

    def __str__(self) -> str:
        """A page that a person can read in a mail; it names records by their key."""
        waits = self.conflicts or self.rejects or self.set_aside
        head = "Something needs a person." if not self.ok else "Done; what waits is named." if waits else "All is well."
        page = [head + (f" Cut short: {self.cut_short}." if self.cut_short else "")]
        page.append(f"{self.agreed:,} pairs agree; {len(self.written):,} writes done.")
        page += [f"  {count:>7,}  {name}" for name, count in self.counts.items()]
        for title, lines in (
            ("Refused by a service", self.refused),
            ("Answer lost", self.unknown),
            ("Not tried, or turned away for the moment; the next run tries", self.untried),
            ("Set aside, since a service refused it before and nothing changed", self.set_aside),
            ("Met a record that was there already", [line for line in self.of(outcome="stale") if line.code]),
            ("Held for a person", self.conflicts),
            ("Cannot be synchronised as they are", self.rejects),
        ):
            if lines:
                page.append(f"{title}:")
                page += [f"  {_show(line)}" for line in lines[:_SHOWN]]
            if len(lines) > _SHOWN:
                page.append(f"  ... and {len(lines) - _SHOWN:,} more")
        page += [f"How it was read: {feed}" for feed in self.feeds if any(word in feed for word in _UNUSUAL)]
        if self.window:
            page.append(
                f"Between our last look at a record and its write lay {self.window.total_seconds():.1f} s at most; "
                "an edit of a written field that fell in between was overwritten."
            )
        page += [f"How it travelled: {way}" for way in self.ways if _BULK in way]
        if self.schema_changes:
            page.append("Tables that changed since the last run:")
            page += [f"  {change}: {change.remedy}" for change in self.schema_changes]
        return "\n".join(page)


def _show(line: ReportLine) -> str:
    where = f" in {line.side.label}" if line.side else ""
    fields = f" ({', '.join(line.fields)})" if line.fields else ""
    why = ": ".join(word for word in (line.code, line.message) if word) or sentence(line.reason)
    return f"{line.transfer}: {key_text(line.key) or '(no key)'}{where}{fields}: {why}"
