"""Laws of the notebook views: nothing from outside is markup, people's data are masked, nothing is fetched.

A real browser has the last word (Chromium, where there is one): nothing runs, and all can be read in both themes.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import (
    ConflictPolicy,
    Constant,
    DestinationProject,
    FieldMapping,
    FieldSchema,
    FieldType,
    Integration,
    ObjectTransfer,
    Plan,
    Side,
    Snapshot,
    TableSchema,
    reconcile,
    suggest_transfer,
)
from di_salesforce._findings import Findings, found
from di_salesforce.csvfiles import read_csv
from di_salesforce.engine import Baseline, ReportLine, SyncReport
from di_salesforce.synchronizing._comparing import Comparison, Difference, TransferComparison

# In a browser either of its two ways to run leaves a mark on the page.
HOSTILE = """<script>document["title"]="ran"</script><img src=x onerror='document["title"]="ran"'>&amp;"""
TAGS = {"style", "div", "table", "thead", "tbody", "tr", "th", "td", "span", "b", "br"}


class Reader(HTMLParser):
    """Collect tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def read(value: Any) -> Reader:
    """Read a view as a browser does; it may hold our own tags only, and nothing that is fetched or run."""
    html = value._repr_html_()
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.tags <= TAGS
    assert reader.attributes <= {"class"}
    assert not re.search(r"url\(|@import|javascript:", html.partition("</style>")[0])
    return reader


def planned(email: str, left: str, right: str) -> Plan:
    transfer = ObjectTransfer(
        "people", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True), FieldMapping("A", "a")]
    )
    return reconcile(
        transfer,
        salesforce=Snapshot.complete(
            [{"Id": "1", "Email": email, "A": left}, {"Id": "2", "Email": "n@x.ca", "A": left}]
        ),
        dialog_insight=Snapshot.complete([{"idContact": 5, "EMail": email, "a": right}]),
        baseline=Baseline.empty(),
        now=datetime(2026, 1, 2, tzinfo=UTC),
    )


@given(st.text(min_size=1), st.text(), st.text())
def test_a_plan_shows_any_value_as_text(email: str, left: str, right: str) -> None:
    """Whatever a record holds, the page has our own tags only."""
    plan = planned(email, left, right)
    read(plan)
    read(plan.unmasked())
    read(plan.conflicts)


def hostile_views() -> dict[str, Any]:
    schema = TableSchema(
        HOSTILE,
        side=Side.SALESFORCE,
        fields=[FieldSchema(HOSTILE, FieldType.EMAIL, label=HOSTILE, key=True, calculated=True, creatable=False)],
    )
    theirs = TableSchema("Contact", side=Side.DIALOG_INSIGHT, fields=[FieldSchema(HOSTILE, FieldType.EMAIL)])
    project = DestinationProject(HOSTILE, id=1)
    transfer = ObjectTransfer(
        HOSTILE,
        sobject=HOSTILE,
        project=project,
        salesforce_filter=HOSTILE,
        active=False,
        fields=[
            FieldMapping(HOSTILE, HOSTILE, key=True, group=HOSTILE),
            FieldMapping("A", "a", conflict=ConflictPolicy.FILL_BLANKS),
            Constant(HOSTILE + "1", HOSTILE, side=Side.SALESFORCE),
            Constant(HOSTILE + "2", HOSTILE, side=Side.DIALOG_INSIGHT),
        ],
    )
    line = ReportLine(HOSTILE, HOSTILE, "create", Side.SALESFORCE, HOSTILE, "refused", HOSTILE, HOSTILE, (HOSTILE,))
    report = SyncReport(lines=[line], calls={HOSTILE: 1}, cut_short=HOSTILE)
    quoted = HOSTILE.replace('"', '""')
    rows = read_csv(io.BytesIO(f'idContact,f_A\n"{quoted}",<b>\n'.encode()))
    difference = Difference(HOSTILE, HOSTILE, (HOSTILE,), Side.SALESFORCE, HOSTILE)
    comparison = Comparison((TransferComparison(HOSTILE, 1, [difference, attrs.evolve(difference, why="")]),))
    findings = Findings([found("trigger.none", HOSTILE, HOSTILE, HOSTILE, examples=[HOSTILE])])
    return {
        "schema": schema,
        "draft": suggest_transfer(schema, theirs, name=HOSTILE),
        "transfer": transfer,
        "integration": Integration([transfer]),
        "plan": planned(HOSTILE, HOSTILE, "x"),
        "unmasked plan": planned(HOSTILE, HOSTILE, "x").unmasked(),
        "report": report,
        "unmasked report": report.unmasked(),
        "lines": report.refused,
        "unmasked lines": report.refused.unmasked(),
        "file": rows,
        "unmasked file": rows.unmasked(),
        "comparison": comparison,
        "unmasked comparison": comparison.unmasked(),
        "findings": findings,
        "errors": findings.notes,
    }


@pytest.mark.parametrize("name", hostile_views())
def test_every_view_escapes_hostile_values(name: str) -> None:
    """A name or value that is markup is shown as the text that it is."""
    reader = read(hostile_views()[name])
    if "plan" not in name and name not in ("file", "lines", "report"):
        assert HOSTILE in reader.text


def test_people_are_masked_unless_asked_for() -> None:
    """A plan's view holds shapes of keys and values, and record ids to decide by; `unmasked` holds the values."""
    plan = planned("ada@example.ca", "Montréal", "Québec")
    masked = read(plan).text
    assert "ada@" not in masked
    assert "Montréal" not in masked
    assert "xxx@xxxxxxx.xx" in masked
    assert "decide with plan.resolve" in masked
    assert "Montréal" in read(plan.unmasked()).text
    [conflict] = plan.conflicts
    assert conflict.salesforce_id is not None
    assert not plan.resolve(conflict.salesforce_id, keep=Side.SALESFORCE).conflicts  # as shown, so decided
    line = ReportLine("people", "ada@example.ca", "create", None, "create.new", "refused", "X", "bad: ada@example.ca")
    report = SyncReport(lines=[line])
    assert "ada@" not in read(report).text
    assert "bad: ada@example.ca" in read(report.unmasked()).text


def test_a_long_plan_is_cut_and_says_so() -> None:
    """A view shows as much as one looks at, and says how much more there is."""
    transfer = ObjectTransfer("people", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True)])
    plan = reconcile(
        transfer,
        salesforce=Snapshot.complete([{"Id": str(n), "Email": f"p{n}@x.ca"} for n in range(500)]),
        dialog_insight=Snapshot.complete([]),
        baseline=Baseline.empty(),
        now=datetime(2026, 1, 2, tzinfo=UTC),
    )
    reader = read(plan)
    assert "480 more records" in reader.text
    assert len(plan._repr_html_()) < 20_000
    assert "480 more" in read(plan.writes).text
    assert "nothing" in read(plan.conflicts).text


def test_names_complete_by_tab() -> None:
    """A schema offers its fields, an integration its transfers, where a notebook asks for a key."""
    schema = TableSchema("Contact", side=Side.SALESFORCE, fields=[FieldSchema("Email")])
    transfer = ObjectTransfer("people", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True)])
    assert schema._ipython_key_completions_() == ["Email"]
    assert Integration([transfer])._ipython_key_completions_() == ["people"]


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
THEMES = {  # the ground and the text of JupyterLab's two themes
    "light": ("#ffffff", "rgba(0,0,0,.87)"),
    "dark": ("#111111", "rgba(255,255,255,.87)"),
}
# The contrast of each text with what lies under it, as WCAG 2 computes it, and what was put into the page from outside.
MEASURE = """
const mix = (over, under) => over.slice(0, 3).map((c, i) => c * over[3] + under[i] * (1 - over[3])).concat(1);
const read = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length === 3 ? [...n, 1] : n; };
const light = rgb => rgb.slice(0, 3).map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const shown = element => {  // the ground under an element, and how much of its text lets the ground through
  const style = getComputedStyle(element);
  const under = element.parentElement ? shown(element.parentElement) : {ground: [255, 255, 255, 1], opacity: 1};
  return {ground: mix(read(style.backgroundColor), under.ground), opacity: under.opacity * style.opacity};
};
const contrast = element => {
  const {ground, opacity} = shown(element);
  const colour = read(getComputedStyle(element).color);
  const [a, b] = [light(mix([...colour.slice(0, 3), colour[3] * opacity], ground)), light(ground)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
};
onload = () => {
  const told = {title: document.title, control: document.body.dataset.control, faint: [], texts: 0};
  for (const element of document.querySelectorAll("section *")) {
    if (element.tagName === "STYLE" || ![...element.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    told.texts += 1;
    if (contrast(element) < 4.5) told.faint.push([element.closest("section").id, element.className, contrast(element)]);
  }
  told.elements = document.querySelectorAll("section script, section img, section a, section iframe").length;
  document.querySelector("output").textContent = JSON.stringify(told);
};
"""


def test_a_browser_runs_nothing_of_a_view_and_shows_it_readably(tmp_path: Path) -> None:
    """In Chromium no hostile value of any view runs or becomes an element; each text is readable in both themes."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("the views were not seen by a browser: none is here (Debian: apt-get install chromium)")
    views = "".join(view._repr_html_() for view in hostile_views().values())
    sections = "".join(
        f'<section id="{name}" style="background:{ground};color:{text}">{views}</section>'
        for name, (ground, text) in THEMES.items()
    )
    # What the views must not be able to do, the page can: so the marks would show.  And grey on grey is seen as faint.
    control = """<img src=x onerror='document.body.dataset.control="ran"'>"""
    faint = '<section id="control" style="background:#777"><p class="grey" style="color:#888">grey</p></section>'
    page = tmp_path / "views.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title>quiet</title><body>{control}{sections}{faint}<output></output>"
        f"<script>{MEASURE}</script></body>",
        encoding="utf-8",
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"]
    done = subprocess.run(
        [browser, *flags, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True,
        timeout=300,  # seconds: a browser that starts on a busy machine
        check=True,
    )
    [dumped] = re.findall("<output>(.*?)</output>", done.stdout.decode("utf-8"))
    told = json.loads(dumped)
    assert (told["title"], told["control"], told["elements"]) == ("quiet", "ran", 0)
    assert [(theme, kind) for theme, kind, _ in told["faint"]] == [("control", "grey")], told["faint"]
    assert told["texts"] > 200  # both themes were looked at
