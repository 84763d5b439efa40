"""Laws of the handle that people hold: declarations, seeding, edits, hooks, snapshots, threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import ConfigurationError, MissingExtraError
from di_salesforce.records import Value
from di_salesforce.testing._di_model import Column, OptinField, Project, ProjectField, Table
from di_salesforce.testing._di_switches import Switches
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._faults import HttpStatus

PROJECT, TABLE = 4321, 8765
UPSERT = {"AllowInsert": True, "AllowUpdate": True}
EMAIL = ProjectField("EMail", "email", key=True)
CITY = ProjectField("City", "text", 10)
ORDERS = Table(
    TABLE,
    project=PROJECT,
    code="Orders",
    kind="profiling",
    columns=[Column("idOrder", "nvarchar", 20, key=True), Column("idContact", "int", foreign_key=True)],
)


@pytest.fixture
def fake() -> FakeDialogInsight:
    made = FakeDialogInsight()
    optins = [OptinField("news", date_code="nws")]
    made.add_project(Project(PROJECT, fields=[EMAIL, CITY], optins=optins, time_zone="America/Toronto"))
    made.add_table(ORDERS)
    made.load_contacts(PROJECT, [{"EMail": "ada@test.example", "City": "Paris"}, {"EMail": "b@test.example"}])
    made.load_rows(TABLE, [{"idOrder": "1", "idContact": 900001}, {"idOrder": "2", "idContact": 900002}])
    return made


def merge(fake: FakeDialogInsight, email: str, **data: Any) -> dict[str, Any]:
    records = [{"ID": {"key_f_EMail": email}, "Data": {f"f_{code}": value for code, value in data.items()}}]
    return fake.call("contacts", "Merge", idProject=PROJECT, Records=records, MergeOptions=UPSERT)


# declarations ---------------------------------------------------------------------------------------------------------
WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: Project(0, fields=[EMAIL]), "id is at least 1"),
    (lambda: Project(1, fields=[]), "no key"),
    (lambda: Project(1, fields=[EMAIL, ProjectField("9lives")]), "'9lives'"),
    (lambda: Project(1, fields=[EMAIL, ProjectField("a" * 26)]), "1 to 25"),
    (lambda: Project(1, fields=[EMAIL, ProjectField("ends_")]), "'ends_'"),
    (lambda: Project(1, fields=[EMAIL, ProjectField("idContact")]), "idContact"),
    (lambda: Project(1, fields=[EMAIL, ProjectField("City"), ProjectField("city")]), "twice"),
    (lambda: Project(1, fields=[EMAIL, ProjectField("optin_news")], optins=[OptinField("news")]), "same bare name"),
    (lambda: Project(1, fields=[EMAIL], optins=[OptinField("a"), OptinField("a")]), "twice"),
    (lambda: Table(1, project=1, columns=[Column("a")]), "no key"),
    (lambda: Table(1, project=1, columns=[Column("a", key=True), Column("A")]), "twice"),
    (lambda: Table(1, project=1, kind="profiling", columns=[Column("a", key=True)]), "foreign key"),
]


@pytest.mark.parametrize(("declare", "sentence"), WRONG)
def test_a_declaration_that_cannot_be_is_refused(declare: Callable[[], object], sentence: str) -> None:
    """[seen] What the application would not take, the declaration does not take, and says why."""
    with pytest.raises(ConfigurationError, match=sentence):
        declare()


def test_unknown_types_are_refused() -> None:
    """A type that does not exist is listed with those that do, also where no type checker looks."""
    wrong: Any = "varchar"
    with pytest.raises(ConfigurationError, match=r"varchar.*nvarchar"):
        Table(1, project=1, columns=[Column("a", wrong, key=True)])
    with pytest.raises(ConfigurationError, match=r"varchar.*long_text"):
        Project(1, fields=[EMAIL, ProjectField("a", wrong)])


def test_the_standard_fields_always_exist() -> None:
    """[seen] `EMail`, `FirstName` and `LastName` are in every project, and the e-mail field is required."""
    codes = {field.code: field.required for field in Project(1, fields=[EMAIL]).all_fields}
    assert codes == {"EMail": True, "FirstName": False, "LastName": False}
    keyed = ProjectField("Number", key=True)
    assert [field.code for field in Project(1, fields=[keyed], standard_fields=False).all_fields] == ["Number"]


def test_a_table_must_fit_its_project(fake: FakeDialogInsight) -> None:
    """A table needs its project first, and its foreign key names `idContact` or the project's single key field."""
    with pytest.raises(ConfigurationError, match="no project 99"):
        fake.add_table(attrs.evolve(ORDERS, id=1, project=99))
    columns = [Column("a", key=True), Column("c", foreign_key=True, references="City")]
    with pytest.raises(ConfigurationError, match="'City'"):
        fake.add_table(attrs.evolve(ORDERS, id=1, columns=columns))
    with pytest.raises(ConfigurationError, match="a project and a table"):
        fake.add_table(attrs.evolve(ORDERS, id=PROJECT))


def test_a_changed_definition_keeps_the_rows(fake: FakeDialogInsight) -> None:
    """Publishing a project again adds and removes fields under the rows; the key is fixed for good [seen]."""
    fake.add_project(Project(PROJECT, fields=[EMAIL, ProjectField("Rank", "integer", default=1)]))
    assert fake.contacts(PROJECT)[0] == {
        "idContact": 900001,
        "EMail": "ada@test.example",
        "Rank": 1,
        "FirstName": None,
        "LastName": None,
    }
    assert merge(fake, "ada@test.example", City="x")["Records"][0]["Status"] == "Error"
    with pytest.raises(ConfigurationError, match="key cannot be changed"):
        fake.add_project(Project(PROJECT, fields=[ProjectField("Number", key=True)]))


def test_a_field_of_another_type_keeps_what_it_can(fake: FakeDialogInsight) -> None:
    """A value that the new type cannot hold is gone, another one is read anew."""
    fake.edit_contact(PROJECT, 900002, City="42")
    fake.add_project(Project(PROJECT, fields=[EMAIL, ProjectField("City", "integer")]))
    assert [contact["City"] for contact in fake.contacts(PROJECT)] == [None, 42]


def test_an_unknown_zone_names_the_extra() -> None:
    """Without zone data the error says what to install."""
    with pytest.raises(MissingExtraError, match="tz"):
        Project(1, fields=[EMAIL], time_zone="Nowhere/City")


# seeding --------------------------------------------------------------------------------------------------------------
def test_seeding_takes_rows_as_they_are(fake: FakeDialogInsight) -> None:
    """Seeding knows no rules but type and key: what the service would refuse can be there all the same."""
    rows = [{"EMail": "not an address", "City": "longer than ten", "optin_news": "1", "dtOptin_nws": "2025-03-04"}]
    (number,) = fake.load(PROJECT, rows)
    contact = fake.contacts(PROJECT)[-1]
    assert (contact["idContact"], contact["City"], contact["optin_news"]) == (number, "longer than ten", True)
    assert contact["dtOptin_nws"] == date(2025, 3, 4)


def test_seeding_may_give_the_ids(fake: FakeDialogInsight) -> None:
    """A row may bring its `idContact`; later ones count on from the highest."""
    assert fake.load_contacts(PROJECT, [{"idContact": 7_000_000, "EMail": "c@test.example"}]) == [7_000_000]
    assert fake.load_contacts(PROJECT, [{"EMail": "d@test.example"}]) == [7_000_001]


def test_contacts_without_a_key_are_found_by_their_id() -> None:
    """Where the key is no required field, contacts may lack it, several at once: only `idContact` names them."""
    fake = FakeDialogInsight()
    fake.add_project(Project(PROJECT, fields=[ProjectField("ClientNo", key=True), CITY]))
    fake.load_contacts(PROJECT, [{"EMail": "a@test.example"}, {"EMail": "b@test.example", "ClientNo": ""}])
    records: list[dict[str, Any]] = [
        {"ID": {"idContact": 900001}, "Data": {"f_City": "Oslo"}},
        {"ID": {"idContact": 900002}, "Data": {"f_ClientNo": "7"}},
    ]
    fake.call("contacts", "Merge", idProject=PROJECT, Records=records, MergeOptions=UPSERT)
    assert [(c["ClientNo"], c["City"]) for c in fake.contacts(PROJECT)] == [(None, "Oslo"), ("7", None)]


def test_an_aware_time_becomes_local_time() -> None:
    """The service holds naive local time: an aware time is turned into the project's zone."""
    fake = FakeDialogInsight()
    fake.add_project(Project(PROJECT, fields=[EMAIL, ProjectField("Seen", "datetime")], time_zone="America/Toronto"))
    fake.load_contacts(PROJECT, [{"EMail": "a@test.example", "Seen": datetime(2025, 7, 1, 2, 30, tzinfo=UTC)}])
    assert fake.contacts(PROJECT)[0]["Seen"] == datetime(2025, 6, 30, 22, 30)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"EMail": "ADA@test.example"}, "rows[1]"),
        ({"EMail": ""}, "rows[1]"),
        ({"City": "Oslo"}, "rows[1]"),
        ({"EMail": "c@test.example", "f_City": "Oslo"}, "rows[1].f_City"),
        ({"EMail": "c@test.example", "optin_news": "perhaps"}, "rows[1].optin_news"),
        ({"EMail": "c@test.example", "idContact": 900001}, "rows[1]"),
        ({"EMail": "c@test.example", "idContact": "first"}, "rows[1].idContact"),
        ({"EMail": "c@test.example", "idContact": 0}, "rows[1].idContact"),
    ],
)
def test_seeding_is_all_or_nothing(fake: FakeDialogInsight, row: dict[str, Any], place: str) -> None:
    """A row that cannot be held is named by its position, and nothing of the batch is stored."""
    before = fake.contacts(PROJECT)
    with pytest.raises(ConfigurationError) as raised:
        fake.load_contacts(PROJECT, [{"EMail": "first@test.example"}, row])
    assert [problem.path for problem in raised.value.problems] == [place]
    assert fake.contacts(PROJECT) == before


def test_numbers_are_told_apart(fake: FakeDialogInsight) -> None:
    """A project is no table and a table no project, whoever asks."""
    with pytest.raises(ConfigurationError, match=f"no project {TABLE}"):
        fake.contacts(TABLE)
    with pytest.raises(ConfigurationError, match=f"no project {TABLE}"):
        fake.load_contacts(TABLE, [])
    with pytest.raises(ConfigurationError, match=f"no table {PROJECT}"):
        fake.rows(PROJECT)
    with pytest.raises(ConfigurationError, match="no project or table 5"):
        fake.load(5, [])


# an outsider's hand ---------------------------------------------------------------------------------------------------
def test_edits_show_in_answers_and_in_the_index(fake: FakeDialogInsight) -> None:
    """A person in the application changes rows under the client's feet, keys included."""
    fake.edit_contact(PROJECT, 900001, EMail="augusta@test.example", City="Lyon")
    fake.edit_row(TABLE, "1", idOrder="one")
    assert merge(fake, "augusta@test.example")["UpdatedRecords"] == 1
    assert [row["idOrder"] for row in fake.rows(TABLE)] == ["one", "2"]
    fake.delete_row(TABLE, "one")
    fake.delete_contact(PROJECT, 900002)
    assert (len(fake.contacts(PROJECT)), fake.rows(TABLE)) == (1, [])
    assert [call.method for call in fake.requests] == ["Merge"]


def test_an_edit_that_cannot_be_is_refused(fake: FakeDialogInsight) -> None:
    """What is not there cannot be edited, and no two rows have one key."""
    wrong: list[tuple[Callable[[], None], str]] = [
        (lambda: fake.edit_contact(PROJECT, 5, City="x"), "no contact 5"),
        (lambda: fake.edit_contact(PROJECT, 900001, Nope="x"), "Nope"),
        (lambda: fake.edit_contact(PROJECT, 900001, EMail="B@test.example"), "taken"),
        (lambda: fake.edit_contact(PROJECT, 900001, EMail=None), "blank"),
        (lambda: fake.edit_row(TABLE, "9", idContact=1), "no row with this key"),
        (lambda: fake.edit_row(TABLE, ("1", "2"), idContact=1), "1 columns"),
        (lambda: fake.delete_contact(PROJECT, 5), "no contact 5"),
        (lambda: fake.delete_row(TABLE, None), "no row with this key"),
    ]
    before = fake.contacts(PROJECT), fake.rows(TABLE)
    for act, sentence in wrong:
        with pytest.raises(ConfigurationError, match=sentence):
            act()
    assert (fake.contacts(PROJECT), fake.rows(TABLE)) == before


def test_the_truth_is_a_copy(fake: FakeDialogInsight) -> None:
    """What people do with the listed rows does not reach the stored ones."""
    fake.contacts(PROJECT)[0]["City"] = "Elsewhere"
    assert fake.contacts(PROJECT)[0]["City"] == "Paris"


# server-side rewriting ------------------------------------------------------------------------------------------------
def test_hooks_rewrite_what_is_stored_and_returned(fake: FakeDialogInsight) -> None:
    """Rewriting happens on Merge and on edits, in the order of the functions, and the returned row shows it."""

    def shout(row: dict[str, Value]) -> None:
        row["City"] = str(row["City"]).upper()

    def mark(row: dict[str, Value]) -> None:
        row["City"] = f"{row['City']}!"

    fake.on_save(PROJECT, shout)
    fake.on_save(Project(PROJECT, fields=[EMAIL]), mark)
    records = [{"ID": {"key_f_EMail": "ada@test.example"}, "Data": {"f_City": "Nice"}}]
    options = {**UPSERT, "ReturnRecordsOnSuccess": True}
    answer = fake.call("contacts", "Merge", idProject=PROJECT, Records=records, MergeOptions=options)
    assert answer["Records"][0]["Record"]["f_City"] == "NICE!"
    fake.edit_contact(PROJECT, 900002, City="Rome")
    fake.load_contacts(PROJECT, [{"EMail": "c@test.example", "City": "Bern"}])
    assert [contact["City"] for contact in fake.contacts(PROJECT)] == ["NICE!", "ROME!", "Bern"]


def test_a_hook_cannot_give_a_contact_another_id(fake: FakeDialogInsight) -> None:
    """The internal id is the server's."""

    def renumber(row: dict[str, Value]) -> None:
        row["idContact"] = 1

    fake.on_save(PROJECT, renumber)
    merge(fake, "ada@test.example", City="Nice")
    assert [contact["idContact"] for contact in fake.contacts(PROJECT)] == [900001, 900002]


# snapshots ------------------------------------------------------------------------------------------------------------
def test_a_snapshot_brings_everything_back(fake: FakeDialogInsight) -> None:
    """Rows, definitions, keys and counters come back, as often as wanted; the log goes on."""
    before = fake.snapshot()
    contacts, rows, access = fake.contacts(PROJECT), fake.rows(TABLE), fake.access
    for _ in range(2):
        merge(fake, "new@test.example")
        merge(fake, "ada@test.example", City="Nice")
        fake.delete_contact(PROJECT, 900002)
        fake.add_project(Project(77, fields=[EMAIL]))
        fake.access = attrs.evolve(fake.access, quota=5)
        assert fake.contacts(PROJECT) != contacts
        fake.restore(before)
        assert (fake.contacts(PROJECT), fake.rows(TABLE), fake.access) == (contacts, rows, access)
        assert fake.calls_used() == 0
        with pytest.raises(ConfigurationError):
            fake.contacts(77)
    assert len(fake.requests) == 4
    assert merge(fake, "new@test.example")["Records"][0]["IdRecord"] == 900003


def test_reset_leaves_the_declarations(fake: FakeDialogInsight) -> None:
    """After a reset there are no rows, hooks, faults and requests, and the ids begin anew."""
    fake.on_save(PROJECT, lambda row: row.update(City="x"))
    fake.inject(HttpStatus(500), times=None)
    fake.reset()
    assert (fake.contacts(PROJECT), fake.rows(TABLE), fake.requests) == ([], [], ())
    assert merge(fake, "ada@test.example", City="Nice")["Records"][0]["IdRecord"] == 900001
    assert fake.contacts(PROJECT)[0]["City"] == "Nice"


# threads and clause picking -------------------------------------------------------------------------------------------
def test_calls_from_many_threads_are_one_after_another(fake: FakeDialogInsight) -> None:
    """Many threads that write at once lose no row, give no number twice, and are all in the log."""

    def write(number: int) -> None:
        merge(fake, f"p{number % 50}@test.example", City=str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    contacts = fake.contacts(PROJECT)
    assert len(contacts) == len({contact["EMail"] for contact in contacts}) == 52
    assert [call.number for call in fake.requests] == list(range(1, 201))


@given(
    emails=st.lists(st.text("aAbB", min_size=1, max_size=2), max_size=8),
    asked=st.text("aAbB", min_size=1, max_size=2),
    key_exact=st.booleans(),
    clause_exact=st.booleans(),
)
def test_the_index_finds_what_a_full_scan_finds(
    emails: list[str], asked: str, key_exact: bool, clause_exact: bool
) -> None:
    """Whatever the case rules of keys and clauses, reading by key gives the rows whose key equals the asked value."""
    fake = FakeDialogInsight(
        switches=Switches(text_key_case_sensitive=key_exact, clause_value_case_sensitive=clause_exact)
    )
    fake.add_project(Project(1, fields=[ProjectField("Code", key=True)], standard_fields=False))
    kept: dict[str, str] = {}
    for email in emails:
        kept.setdefault(email if key_exact else email.lower(), email)
    fake.load_contacts(1, [{"Code": email} for email in kept.values()])
    clause = {
        "$type": "FieldClause",
        "Field": {"Name": "f_Code"},
        "TypeOperator": "Equal",
        "ComparisonValue": asked,
    }
    found = [row["f_Code"] for row in fake.call("contacts", "Get", idProject=1, Clause=clause)["Records"]]
    assert found == [e for e in kept.values() if (e == asked if clause_exact else e.lower() == asked.lower())]
