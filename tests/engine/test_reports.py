"""What a report says: its lines as rows, as plain data and on a page, and what several steps of a run come to."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce._findings import Finding, Severity
from di_salesforce.engine import Outcome, ReportLine, SyncReport, settle
from di_salesforce.engine._actions import key_from_plain
from di_salesforce.engine._reasons import sentence
from di_salesforce.records import Side
from di_salesforce.testing._pairs import NOW, linked

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
KEY = ("ada@test.example", 5, None, Decimal("1.50"), datetime(2026, 5, 1, tzinfo=UTC))
FULL = ReportLine(
    transfer="people",
    key=KEY,
    kind="update",
    side=D,
    reason="update.changed",
    outcome="refused",
    code="BAD_PHONE",
    message="no such number",
    fields=("f_Phone", "f_Name"),
    rewritten=("f_Name", "f_City"),
    verified=False,
)
PLAIN = ReportLine("people", "k", "link", None, "link.key", "")


# -------------------------------------------------------------------------------------------------------- one line


@pytest.mark.parametrize("line", [FULL, PLAIN, attrs.evolve(FULL, side=S, key=None)], ids=["full", "plain", "no key"])
def test_nothing_of_a_line_is_lost_in_plain_data(line: ReportLine) -> None:
    """Every member stands under its own name, through JSON, from which the same line can be made again."""
    plain = json.loads(json.dumps(line.to_dict()))
    assert list(plain) == [member.name for member in attrs.fields(ReportLine)]
    read = {
        "key": key_from_plain(plain["key"]),
        "side": plain["side"] and Side(plain["side"]),
        **{name: tuple(plain[name]) for name in ("fields", "rewritten")},
    }
    assert ReportLine(**{**plain, **read}) == line


def test_a_line_is_one_flat_row_that_a_person_can_read() -> None:
    """A key of several parts is one cell, so are several fields; the reason stands there in words as well."""
    assert FULL.to_table() == [
        {
            "transfer": "people",
            "key": "ada@test.example / 5 / 1.50 / 2026-05-01 00:00:00+00:00",
            "kind": "update",
            "side": "dialog_insight",
            "outcome": "refused",
            "fields": "f_Phone, f_Name",
            "reason": "update.changed",
            "why": sentence("update.changed"),
            "code": "BAD_PHONE",
            "message": "no such number",
            "rewritten": "f_Name, f_City",
            "verified": False,
        }
    ]
    (plain,) = PLAIN.to_table()
    assert list(plain) == list(FULL.to_table()[0])
    assert (plain["key"], plain["side"], plain["fields"], plain["verified"]) == ("k", None, "", True)


SAID: list[tuple[ReportLine, str]] = [
    (FULL, "ada@test.example / 5 / 1.50 / 2026-05-01 00:00:00+00:00 in Dialog Insight (f_Phone, f_Name): "),
    (attrs.evolve(FULL, side=None, fields=()), "ada@test.example / 5 / 1.50 / 2026-05-01 00:00:00+00:00: "),
    (attrs.evolve(FULL, key="k", side=S, fields=("Phone",)), "k in Salesforce (Phone): "),
    (attrs.evolve(FULL, key=None, side=S, fields=()), "(no key) in Salesforce: "),
    (attrs.evolve(FULL, key=("", None), side=None, fields=("A",)), "(no key) (A): "),
]
WHY: list[tuple[str, str, str]] = [
    ("BAD_PHONE", "no such number", "BAD_PHONE: no such number"),
    ("BAD_PHONE", "", "BAD_PHONE"),
    ("", "no such number", "no such number"),
    ("", "", sentence("update.changed")),
]


@pytest.mark.parametrize(("line", "named"), SAID, ids=[named for _, named in SAID])
@pytest.mark.parametrize(("code", "message", "why"), WHY)
def test_a_page_names_the_record_the_place_the_fields_and_the_service_s_own_words(
    line: ReportLine, named: str, code: str, message: str, why: str
) -> None:
    """A service that says nothing leaves the reason in words; a record without a key is said to have none."""
    page = str(SyncReport([attrs.evolve(line, code=code, message=message)])).splitlines()
    assert page[-2:] == ["Refused by a service:", f"  people: {named}{why}"]


# ------------------------------------------------------------------------------------------------------ the report


def test_the_lines_of_a_kind_and_of_an_outcome_can_be_asked_for() -> None:
    """By either, by both, or all; in the report's order, none missing and none too many."""
    lines = [
        attrs.evolve(FULL, kind=kind, outcome=outcome, key=f"k{number}")
        for number in range(2)
        for kind in ("create", "update")
        for outcome in ("done", "refused", "stale")
    ]
    report = SyncReport(lines)
    for kind, outcome in itertools.product((None, "create", "update", "delete"), (None, "done", "refused", "unknown")):
        wanted = [line for line in lines if kind in (None, line.kind) and outcome in (None, line.outcome)]
        assert list(report.of(kind=kind, outcome=outcome)) == wanted


def test_a_report_as_plain_data_says_all_that_it_knows() -> None:
    """Whether all is well, every figure and sentence under its own name, counts, and every line."""
    change = Finding(Severity.WARNING, "drift.retyped", "Contact.A", "the field was text", "look at the line")
    report = SyncReport(
        [FULL, PLAIN],
        transfers=("people",),
        agreed=7,
        quiet=2,
        rounds=3,
        cut_short="max_calls",
        calls={"query": 4},
        schema_changes=(change,),
        feeds=("Salesforce: all of Contact",),
        window=timedelta(minutes=1, milliseconds=500),
        ways=("create people in Salesforce: bulk: many",),
    )
    plain = report.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain == {
        "ok": False,
        "agreed": 7,
        "quiet": 2,
        "rounds": 3,
        "cut_short": "max_calls",
        "calls": {"query": 4},
        "schema_changes": [change.to_dict()],
        "feeds": ["Salesforce: all of Contact"],
        "window_seconds": 60.5,
        "ways": ["create people in Salesforce: bulk: many"],
        "counts": {"link": 1, "update refused": 1},
        "lines": [FULL.to_dict(), PLAIN.to_dict()],
    }
    assert report.to_table() == [*FULL.to_table(), *PLAIN.to_table()]


def test_a_notebook_shows_people_only_where_it_is_asked_to() -> None:
    """A report's own view masks keys and leaves the service's words out; `unmasked` shows both."""
    report = SyncReport([FULL])
    pages = report._repr_html_(), report.unmasked()._repr_html_()
    assert [("ada@test.example" in page, "no such number" in page) for page in pages] == [(False, False), (True, True)]


WAITING: list[tuple[str, str, dict[str, Any]]] = [  # members of a line
    ("Something needs a person.", "Refused by a service", {"outcome": "refused"}),
    ("Something needs a person.", "Answer lost", {"outcome": "unknown"}),
    (
        "Something needs a person.",
        "Not tried, or turned away for the moment; the next run tries",
        {"outcome": "not_tried"},
    ),
    (
        "Done; what waits is named.",
        "Set aside, since a service refused it before and nothing changed",
        {"kind": "skip", "reason": "refused.unchanged", "outcome": ""},
    ),
    ("Done; what waits is named.", "Held for a person", {"kind": "conflict", "outcome": ""}),
    ("Done; what waits is named.", "Cannot be synchronised as they are", {"kind": "reject", "outcome": ""}),
    ("All is well.", "Met a record that was there already", {"outcome": "stale"}),
    ("All is well.", "", {"outcome": "done"}),
    ("All is well.", "", {"kind": "skip", "outcome": ""}),
    ("All is well.", "", {"kind": "link", "outcome": ""}),
]


@pytest.mark.parametrize(("head", "title", "told"), WAITING)
@pytest.mark.parametrize("count", [1, 12, 13])
def test_a_page_says_first_whether_somebody_must_look_and_names_what_waits(
    head: str, title: str, told: dict[str, Any], count: int
) -> None:
    """What waits stands under what it waits for, a dozen lines of it; all else is counted."""
    lines = [attrs.evolve(FULL, key=f"k{number}", **told) for number in range(count)]
    done = count if told["outcome"] == "done" else 0
    named = [
        f"  people: k{number} in Dialog Insight (f_Phone, f_Name): BAD_PHONE: no such number" for number in range(12)
    ]
    assert str(SyncReport(lines, agreed=1234)).splitlines() == [
        head,
        f"1,234 pairs agree; {done} writes done.",
        f"  {count:>7}  {lines[0].kind} {lines[0].outcome}".rstrip(),
        *([f"{title}:", *named[:count]] if title else []),
        *(["  ... and 1 more"] if title and count > len(named) else []),
    ]


def test_a_run_that_was_cut_short_says_why_in_its_first_line() -> None:
    """What it did not come to needs a person, or another run."""
    report = SyncReport(cut_short="max_writes is 5")
    assert str(report).splitlines()[0] == "Something needs a person. Cut short: max_writes is 5." and not report.ok


def test_a_table_that_changed_stands_in_the_report() -> None:
    """A person sees which table moved, and what to do about it."""
    change = Finding(Severity.WARNING, "drift.retyped", "Contact.A", "the field was text", "look at the line")
    page = str(SyncReport((), schema_changes=(change,)))
    assert "Tables that changed since the last run:" in page and str(change) in page and change.remedy in page


def test_a_report_says_how_long_an_edit_could_have_been_overwritten() -> None:
    """The stated window, as it was in this run."""
    assert "1.5 s at most" in str(SyncReport(window=timedelta(seconds=1.5))) and "at most" not in str(SyncReport())


# ------------------------------------------------------------------------------------------- several steps of a run


def test_a_joined_report_keeps_every_write_and_each_last_word() -> None:
    """Steps of a run: all writes are kept, of all else each transfer's last word; calls are added up."""
    one = linked()
    one.edit(S, A="y")
    plan = one.world.plan()
    done = settle(plan, {write.id: Outcome.done() for write in plan.writes}, now=NOW).report
    one.edit(D, a="z")
    held = settle(one.world.plan(), {}, now=NOW).report
    steps = [
        SyncReport(report.lines, ("t",), report.agreed, report.quiet, 1, calls={"read": 2})
        for report in (held, done, held)
    ]
    whole = SyncReport.joined(steps)
    assert (len(whole.written), len(whole.conflicts), whole.rounds, whole.calls) == (1, 1, 3, {"read": 6})
    assert repr(whole) == "<SyncReport ok: 1 written, 1 held>" and repr(whole.conflicts[0]).startswith("<ReportLine t ")
    assert whole.to_dict()["lines"][0]["key"] == whole.lines[0].key and "Held for a person:" in str(whole)


def test_a_pair_is_counted_once_however_often_its_transfer_was_looked_at() -> None:
    """A report of several transfers, and a later one of one of them: of that one only the later word counts."""
    people, orders = SyncReport(transfers=("people",), agreed=3, quiet=1), SyncReport(transfers=("orders",), agreed=2)
    again = SyncReport(transfers=("people",), agreed=5)
    whole = SyncReport.joined([SyncReport.joined([people, orders]), again])
    assert (whole.agreed, whole.quiet) == (2 + 5, 0)


CHANGES = tuple(Finding(Severity.INFO, "line.new", path, "m", "r") for path in ("one", "other"))
OUTCOMES = st.lists(st.sampled_from(["", "done", "refused", "not_tried"]), max_size=2)


@st.composite
def steps(draw: st.DrawFn, /) -> SyncReport:
    """Give what one step of a run may report: of one transfer, or of nothing that has a name."""
    name, outcomes, number = draw(st.sampled_from(["", "people", "orders"])), draw(OUTCOMES), draw(st.integers(0, 9))
    return SyncReport(
        [attrs.evolve(PLAIN, transfer=name or "nameless", key=number, outcome=outcome) for outcome in outcomes],
        transfers=(name,) if name else (),
        agreed=number,
        quiet=10 - number,
        rounds=number % 3,
        cut_short=draw(st.sampled_from(["", "a", "b"])),
        calls={"query": number, "merge": 1} if number % 2 else {"query": number},
        schema_changes=CHANGES[number % 3 :],
        feeds=("x", "y", "z")[number % 4 :],
        window=timedelta(seconds=number),
        ways=("v", "w")[: number % 3],
    )


RUNS = st.lists(steps(), max_size=5)


@given(run=RUNS)
def test_joined_reports_say_what_their_steps_said(run: list[SyncReport]) -> None:
    """Every write and what it took are there; pairs, and lines that are no writes, are those of each last word."""
    whole = SyncReport.joined(run)
    last = {step.transfers: place for place, step in enumerate(run)}
    final = [step for place, step in enumerate(run) if not step.transfers or last[step.transfers] == place]
    assert (whole.agreed, whole.quiet) == (sum(step.agreed for step in final), sum(step.quiet for step in final))
    assert [line for line in whole.lines if line.outcome] == [
        line for step in run for line in step.lines if line.outcome
    ]
    assert [line for line in whole.lines if not line.outcome] == [
        line for step in final for line in step.lines if not line.outcome
    ]
    assert whole.transfers == tuple(dict.fromkeys(name for step in run for name in step.transfers))
    assert whole.rounds == sum(step.rounds for step in run)
    assert whole.cut_short == next((step.cut_short for step in run if step.cut_short), "")
    assert whole.calls == {
        name: sum(step.calls.get(name, 0) for step in run) for name in {name for step in run for name in step.calls}
    }
    for member in ("schema_changes", "feeds", "ways"):
        assert getattr(whole, member) == tuple(dict.fromkeys(each for step in run for each in getattr(step, member)))
    assert whole.window == max([timedelta(0), *(step.window for step in run)])


@given(run=RUNS, cuts=st.lists(st.integers(0, 5), min_size=2, max_size=2).map(sorted))
def test_reports_may_be_joined_in_any_grouping(run: list[SyncReport], cuts: list[int]) -> None:
    """A run's report joined with the next one's says what all their steps joined at once say; of nothing, nothing."""
    first, second = cuts
    pieces = run[:first], run[first:second], run[second:]
    assert SyncReport.joined(map(SyncReport.joined, pieces)) == SyncReport.joined(run)
    assert SyncReport.joined([]) == SyncReport()
