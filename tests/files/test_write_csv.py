"""Laws of `write_csv`: the files hold exactly the plan's values, in each product's form; what is left out is told."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import (
    Deletes,
    DestinationProject,
    FieldMapping,
    FieldSchema,
    FieldType,
    ObjectTransfer,
    Plan,
    Side,
    Snapshot,
    TableSchema,
    Trigger,
    reconcile,
    settle,
)
from di_salesforce import converters as cv
from di_salesforce.csvfiles import _writing, read_csv, write_csv
from di_salesforce.engine import Baseline, Context, EngineCapabilities, Limits, Outcome
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Row

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PEOPLE = ObjectTransfer(
    "people",
    sobject="Contact",
    fields=[FieldMapping("Email", "EMail", key=True), FieldMapping("Note", "Note"), FieldMapping("City", "Ville")],
)


def planned(
    salesforce: Iterable[Row],
    dialog_insight: Iterable[Row],
    transfer: ObjectTransfer = PEOPLE,
    baseline: Baseline = Baseline.empty(),  # noqa: B008 - a frozen value
) -> Plan:
    both = EngineCapabilities(deletes=frozenset(Side))
    return reconcile(
        transfer,
        salesforce=Snapshot.complete(salesforce),
        dialog_insight=Snapshot.complete(dialog_insight),
        baseline=baseline,
        now=NOW,
        context=Context(capabilities=both, limits=Limits(deletes_share=None)),
    )


def cells(path: Path) -> list[dict[str, str]]:
    """Read an import file as a machine does: no apostrophe is taken away."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


NOTES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(st.emails(), NOTES, min_size=1, max_size=4))
def test_import_files_hold_the_plans_values_exactly(notes: dict[str, str]) -> None:
    """A machine reads the values that the plan writes, formulas and line breaks as they are."""
    people = {email.casefold(): note for email, note in notes.items() if note != "#N/A"}
    numbered = list(enumerate(people.items()))
    to_di = planned([{"Id": str(i), "Email": e, "Note": n, "City": ""} for i, (e, n) in numbered], [])
    to_sf = planned([], [{"idContact": i, "EMail": e, "Note": n, "Ville": ""} for i, (e, n) in numbered])
    for plan, email, note in ((to_di, "key_f_EMail", "f_Note"), (to_sf, "Email", "Note")):
        with tempfile.TemporaryDirectory() as folder:
            written = write_csv(plan, folder)
            assert not written.left
            found = {row[email]: row[note] for file in written.files for row in cells(file.path)}
        assert len(found) == len(people)
        assert found == {write.values[email.removeprefix("key_f_")]: write.values["Note"] for write in plan.writes}


def test_each_product_gets_its_own_form(tmp_path: Path) -> None:
    """Salesforce: API names, Id first, `#N/A` to clear.  Dialog Insight: prefixes, its dates, a mark, 1 and 0."""
    transfer = ObjectTransfer(
        "people",
        sobject="Contact",
        fields=[
            FieldMapping("Email", "EMail", key=True),
            FieldMapping("Birthdate", "Naissance", converter=cv.date()),
            FieldMapping("Vip__c", "VIP", converter=cv.boolean()),
            FieldMapping("Rate__c", "Taux", converter=cv.decimal()),
        ],
    )
    plan = planned(
        [{"Id": "003", "Email": "a@x.ca", "Birthdate": date(1815, 12, 10), "Vip__c": True, "Rate__c": Decimal("1.10")}],
        [{"idContact": 5, "EMail": "b@x.ca", "Naissance": "1906.12.09", "VIP": False, "Taux": ""}],
        transfer,
    )
    written = write_csv(plan, tmp_path / "out")
    assert [(file.path.name, file.rows) for file in written.files] == [
        ("people-salesforce-create.csv", 1),
        ("people-dialog_insight-create.csv", 1),
    ]
    theirs = (tmp_path / "out" / "people-dialog_insight-create.csv").read_bytes()
    assert theirs.startswith(b"\xef\xbb\xbfkey_f_EMail,f_Naissance,f_VIP,f_Taux\r\n")
    assert cells(written.files[1].path) == [
        {"key_f_EMail": "a@x.ca", "f_Naissance": "1815.12.10", "f_VIP": "1", "f_Taux": "1.10"}
    ]
    assert cells(written.files[0].path) == [{"Email": "b@x.ca", "Birthdate": "1906-12-09", "Vip__c": "false"}]


def edited(salesforce: dict[str, Any], dialog_insight: dict[str, Any], count: int = 2, **settings: Any) -> Plan:
    """Link pairs that agree, then change them on one side or the other."""
    transfer = attrs.evolve(PEOPLE, **settings)
    rows = [{"Email": f"p{n}@x.ca", "Note": "old", "City": "old"} for n in range(count)]
    left = [{"Id": f"s{n}", **row} for n, row in enumerate(rows)]
    right = [
        {"idContact": n, "EMail": row["Email"], "Note": row["Note"], "Ville": row["City"]} for n, row in enumerate(rows)
    ]
    first = planned(left, right, transfer)
    baseline = Baseline.empty().updated(settle(first, {}, now=NOW))
    changed = [{**row, **salesforce.get(row["Id"], {})} for row in left]
    others = [{**row, **dialog_insight.get(str(row["idContact"]), {})} for row in right]
    return planned([row for row in changed if row.get("Note") is not ...], others, transfer, baseline)


def test_updates_never_say_more_than_they_know(tmp_path: Path) -> None:
    """A field that an update leaves alone has an empty cell where that means so, and else a file without its column."""
    plan = edited({"s0": {"Note": "new"}, "s1": {"City": ""}}, {})
    written = write_csv(plan, tmp_path / "a")
    assert [cells(file.path) for file in written.files] == [
        [{"key_f_EMail": "p0@x.ca", "f_Note": "new"}],
        [{"key_f_EMail": "p1@x.ca", "f_Ville": ""}],
    ]
    plan = edited({}, {"0": {"Note": "new"}, "1": {"Ville": ""}})
    written = write_csv(plan, tmp_path / "b")
    assert [cells(file.path) for file in written.files] == [
        [{"Id": "s0", "Note": "new", "City": ""}, {"Id": "s1", "Note": "", "City": "#N/A"}]
    ]


def test_what_no_import_can_do_is_told(tmp_path: Path) -> None:
    """The text that Bulk reads as null, half a character, and a delete in Dialog Insight stand in no file, by name."""
    rows = [
        {"idContact": n, "EMail": f"{n}@x.ca", "Note": note, "Ville": ""}
        for n, note in enumerate(["#N/A", "\ud800", "fine"])
    ]
    written = write_csv(planned([], rows), tmp_path / "a")
    assert [file.rows for file in written.files] == [1]
    assert [write.key for write, _ in written.left] == ["0@x.ca", "1@x.ca"]
    assert "2 writes in no file" not in str(written)
    assert "1 writes in no file: Note is the text #N/A" in str(written)
    plan = edited({"s0": {"Note": ...}}, {}, deletes=Deletes.DELETE).supplied()
    assert [write.kind for write in plan.writes] == ["delete"]
    written = write_csv(plan, tmp_path / "b")
    assert (written.files, [why for _, why in written.left]) == (
        (),
        ["there is no import that deletes in Dialog Insight"],
    )


def test_a_relational_table_has_its_own_prefix(tmp_path: Path) -> None:
    """A table's columns have no prefix, and its key has `key_`."""
    table = TableSchema(
        "Orders", side=Side.DIALOG_INSIGHT, id=9, fields=[FieldSchema("idOrder", FieldType.TEXT, key=True)]
    )
    project = DestinationProject("p", id=1, tables={"Orders": table})
    transfer = ObjectTransfer(
        "orders",
        sobject="Order",
        table="Orders",
        project=project,
        triggers=Trigger.ALL,
        fields=[FieldMapping("OrderNumber", "idOrder", key=True), FieldMapping("Total", "Revenue")],
    )
    [file] = write_csv(planned([{"Id": "1", "OrderNumber": "A", "Total": 5}], [], transfer), tmp_path / "a").files
    assert cells(file.path) == [{"key_idOrder": "A", "Revenue": "5"}]


def test_a_file_ends_before_the_import_pages_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file for Dialog Insight is larger than its page takes, and no row is lost between two."""
    form = attrs.evolve(_writing._FORMS[Side.DIALOG_INSIGHT], most_bytes=200)
    monkeypatch.setitem(_writing._FORMS, Side.DIALOG_INSIGHT, form)  # type: ignore[arg-type]  # a dict, declared as a mapping
    rows = [{"Id": str(n), "Email": f"person{n}@x.ca", "Note": "é" * 10, "City": ""} for n in range(20)]
    written = write_csv(planned(rows, []), tmp_path / "a")
    assert len(written.files) > 3
    assert all(file.path.stat().st_size <= 200 for file in written.files)
    assert [row["key_f_EMail"] for file in written.files for row in cells(file.path)] == sorted(
        row["Email"] for row in rows
    )
    assert written.files[1].path.name == "people-dialog_insight-create-2.csv"


def test_rows_to_mend_come_back_whole(tmp_path: Path) -> None:
    """A rejected row is written under its file's own header, harmless; mended, it plans like any other."""
    source = io.BytesIO(b'idContact,key_f_EMail,f_Note,f_Ville\n1,,"=1+1",Laval\n2,ok@x.ca,n,Laval\n')
    source.name = "export.csv"
    rows = read_csv(source)
    plan = planned([], rows)
    assert [reject.reason for reject in plan.rejects] == ["key.missing"]
    mend = write_csv(plan, tmp_path / "a", dialog_insight=rows).files[1]
    assert (mend.path.name, mend.rows) == ("people-dialog_insight-mend.csv", 1)
    text = mend.path.read_text(encoding="utf-8-sig")
    assert text.splitlines() == [
        "idContact,key_f_EMail,f_Note,f_Ville,di_salesforce.field,di_salesforce.code,di_salesforce.why",
        "1,,'=1+1,Laval,EMail,key.missing,the key is blank",
    ]
    mend.path.write_text(text.replace("1,,", "1,mended@x.ca,"), encoding="utf-8")
    mended = read_csv(mend.path)
    assert list(mended) == [{"idContact": "1", "EMail": "mended@x.ca", "Note": "=1+1", "Ville": "Laval"}]
    again = reconcile(
        PEOPLE,
        salesforce=Snapshot.complete([]),
        dialog_insight=Snapshot.complete([*mended, *(row for row in rows if row["idContact"] != "1")]),
        baseline=Baseline.empty(),
        now=NOW,
    )
    assert (len(again.rejects), len(again.writes)) == (0, 2)
    # Without the rows a plan still knows record ids and keys.
    [_, named] = write_csv(plan, tmp_path / "b").files
    assert cells(named.path)[0]["idContact"] == "1"


def test_settings_that_cannot_work_are_refused(tmp_path: Path) -> None:
    """An old folder, a plan that forgot its transfers, and rows of nobody knows which transfer are told."""
    plan = planned([{"Id": "1", "Email": "a@x.ca", "Note": "n", "City": ""}], [])
    write_csv(plan, tmp_path / "a")
    with pytest.raises(ConfigurationError, match="is not empty: give a new folder"):
        write_csv(plan, tmp_path / "a")
    saved = Plan.from_dict(plan.to_dict())
    with pytest.raises(ConfigurationError, match=r"give transfers= with 'people'"):
        write_csv(saved, tmp_path / "b")
    assert write_csv(saved, tmp_path / "b", transfers=[PEOPLE]).files[0].rows == 1
    both = Plan.joined([plan, planned([], [], attrs.evolve(PEOPLE, name="others"))])
    with pytest.raises(ConfigurationError, match="several transfers"):
        write_csv(both, tmp_path / "c", salesforce=[])
    assert settle(plan, {action.id: Outcome.done("5") for action in plan.writes}, now=NOW)
