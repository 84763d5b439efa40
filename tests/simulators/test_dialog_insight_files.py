"""Laws of the files that the simulated application imports and exports."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing import Column, FakeDialogInsight, OptinField, Project, ProjectField, Table, _di_files

PROJECT, TABLE = 4321, 8765


def make() -> FakeDialogInsight:
    fake = FakeDialogInsight()
    fields = [ProjectField("EMail", "email", key=True), ProjectField("City", "text", 10), ProjectField("Born", "date")]
    fake.add_project(Project(PROJECT, fields=fields, optins=[OptinField("news", date_code="nws")]))
    columns = [Column("a", key=True), Column("b", "int", key=True), Column("Revenue", "decimal")]
    fake.add_table(Table(TABLE, project=PROJECT, columns=columns))
    fake.load_contacts(PROJECT, [{"EMail": "ada@test.example", "City": "Paris", "optin_news": True}])
    fake.load_rows(TABLE, [{"a": "x", "b": 1, "Revenue": 5}])
    return fake


def cities(fake: FakeDialogInsight) -> dict[Any, Any]:
    return {row["EMail"]: row["City"] for row in fake.contacts(PROJECT)}


FILE = "key_f_EMail,f_City\nada@test.example,Oslo\nbob@test.example,Bern\n"


@pytest.mark.parametrize(
    ("mode", "counts", "left_out", "stored"),
    [
        ("normal", (1, 1), [], {"ada@test.example": "Oslo", "bob@test.example": "Bern"}),
        ("add_only", (1, 0), ["line 2"], {"ada@test.example": "Paris", "bob@test.example": "Bern"}),
        ("update_only", (0, 1), ["line 3"], {"ada@test.example": "Oslo"}),
        ("replace", (1, 1), [], {"ada@test.example": "Oslo", "bob@test.example": "Bern"}),
    ],
)
def test_the_types_of_import(mode: Any, counts: tuple[int, int], left_out: list[str], stored: dict[str, str]) -> None:
    """[seen] Normal upserts, add only creates, update only changes; what was passed over is named by its line."""
    fake = make()
    report = fake.import_csv(PROJECT, FILE, mode)
    assert (report.created, report.updated) == counts
    assert [problem.path for problem in report.left_out] == left_out
    assert cities(fake) == stored


def test_a_replacement_deactivates_contacts_and_empties_tables() -> None:
    """[seen] Contacts that the file does not name are deactivated, and stay; the rows of a table are gone."""
    fake = make()
    fake.import_csv(PROJECT, "key_f_EMail\nbob@test.example\n", "replace")
    assert fake.inactive_contacts(PROJECT) == {900001}
    assert len(fake.contacts(PROJECT)) == 2
    fake.import_csv(PROJECT, "key_f_EMail\nada@test.example\n")
    assert fake.inactive_contacts(PROJECT) == frozenset()
    fake.import_csv(TABLE, "key_a,key_b,Revenue\ny,2,7.5\n", "replace")
    assert [(row["a"], row["b"], float(str(row["Revenue"]))) for row in fake.rows(TABLE)] == [("y", 2, 7.5)]


def test_opt_ins_are_1_0_or_empty_with_a_date_beside() -> None:
    """[seen] The columns of opt-ins hold 1, 0 or nothing, their dates YYYY.MM.DD."""
    fake = make()
    header = "key_f_EMail,optin_news,dtOptin_nws\n"
    fake.import_csv(PROJECT, header + "ada@test.example,0,2025.03.04\nb@test.example,1,\nc@test.example,,\n")
    assert [(row["optin_news"], row["dtOptin_nws"]) for row in fake.contacts(PROJECT)] == [
        (False, date(2025, 3, 4)),
        (True, None),
        (None, None),
    ]


def test_the_first_of_repeated_keys_wins() -> None:
    """[seen] A key that occurs twice in a file counts once, with what stands first."""
    fake = make()
    report = fake.import_csv(PROJECT, FILE + "bob@test.example,Rome\n")
    assert cities(fake)["bob@test.example"] == "Bern"
    assert [(problem.path, problem.code) for problem in report.left_out] == [("line 4", "import.duplicate_skipped")]


def test_lines_that_a_field_cannot_hold_are_left_out_alone() -> None:
    """[inferred] A refused value leaves its line out and no other."""
    fake = make()
    report = fake.import_csv(PROJECT, "key_f_EMail,f_City\nada@test.example,Constantinople\nb@test.example,Oslo\n")
    assert [(problem.path, problem.code) for problem in report.left_out] == [("line 2", "import.too_long")]
    assert cities(fake) == {"ada@test.example": "Paris", "b@test.example": "Oslo"}


def test_an_import_is_told_to_no_webhook() -> None:
    """[seen] Contacts that are created or changed by an import fire no event."""
    fake = make()
    fake.webhooks.add("http://127.0.0.1:9/nobody")
    fake.import_csv(PROJECT, FILE)
    assert fake.webhooks.flush() == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"key_f_EMail\n\xff\n", "CSV in UTF-8"),
        ('key_f_EMail\n"x', "CSV in UTF-8"),
        ("f_City\nOslo\n", "key_f_EMail: the column of the key is missing"),
        ("key_f_EMail,f_Nope\nx,y\n", "f_Nope"),
        ("", "key_f_EMail"),
    ],
)
def test_a_file_that_cannot_be_imported_changes_nothing(content: bytes | str, sentence: str) -> None:
    """[inferred] No CSV, no key column, an unknown column that is not ignored: all of it is said, nothing stored."""
    fake = make()
    with pytest.raises(ConfigurationError, match=sentence):
        fake.import_csv(PROJECT, content, "replace")
    assert cities(fake) == {"ada@test.example": "Paris"}
    assert fake.inactive_contacts(PROJECT) == frozenset()


def test_columns_may_be_ignored() -> None:
    """[seen] A column that is marked as ignored may hold anything; a byte-order mark and short lines are borne."""
    fake = make()
    fake.import_csv(PROJECT, "\ufeffkey_f_EMail,Nope,f_City\nada@test.example,?\n".encode(), ignored=["Nope"])
    assert cities(fake) == {"ada@test.example": "Paris"}


def test_a_file_has_at_most_50_mb(monkeypatch: pytest.MonkeyPatch) -> None:
    """[seen] A file that is imported by hand has a limit of size."""
    monkeypatch.setattr(_di_files, "MOST_BYTES", 10)
    with pytest.raises(ConfigurationError, match="at most"):
        make().import_csv(PROJECT, FILE)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10).map(str.strip)


@given(st.lists(st.tuples(TEXTS, st.none() | st.booleans(), st.none() | st.dates(date(1900, 1, 1))), max_size=6))
def test_what_is_exported_can_be_imported(rows: list[tuple[str, bool | None, date | None]]) -> None:
    """[inferred] An export in the form of an import brings every row back, whatever its values hold."""
    fake = make()
    fake.reset()
    fake.load_contacts(
        PROJECT,
        [
            {"EMail": f"p{n}@test.example", "City": city or None, "optin_news": news, "Born": born}
            for n, (city, news, born) in enumerate(rows)
        ],
    )
    before, content = fake.contacts(PROJECT), fake.export_csv(PROJECT)
    fake.import_csv(PROJECT, content)
    assert fake.contacts(PROJECT) == before
    fake.reset()
    assert fake.import_csv(PROJECT, content).created == len(rows)
    assert [{**row, "idContact": 0} for row in fake.contacts(PROJECT)] == [{**row, "idContact": 0} for row in before]
