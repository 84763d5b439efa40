"""Laws of the Dialog Insight simulator's Merge, Get and Delete: what becomes of each record under default switches."""

from __future__ import annotations

from typing import Any

import pytest

from di_salesforce.testing._di_model import Column, Project, ProjectField, Table
from di_salesforce.testing._di_switches import CALL_ERRORS, RECORD_RESULTS, CallCause, RecordCause
from di_salesforce.testing._dialog_insight import FakeDialogInsight

PROJECT, ORDERS, LINES, CODES = 4321, 8765, 8766, 8767
ADA = "ada@test.example"
UPSERT = {"AllowInsert": True, "AllowUpdate": True}
ADD_ONLY = {"AllowInsert": True}
CHANGE_ONLY = {"AllowUpdate": True}

FIELDS = [
    ProjectField("EMail", "email", required=True, key=True),
    ProjectField("City", "text", 10),
    ProjectField("Visits", "integer"),
]
ORDER_COLUMNS = [
    Column("idOrder", "nvarchar", 20, key=True),
    Column("idContact", "int", foreign_key=True),
    Column("quantity", "int"),
    Column("total", "decimal"),
    Column("createdOn", "datetime"),
    Column("paid", "bit"),
]
LINE_COLUMNS = [
    Column("idOrder", "nvarchar", 20, key=True),
    Column("line", "int", key=True),
    Column("owner", "nvarchar", 100, foreign_key=True, references="EMail"),
]


@pytest.fixture
def fake() -> FakeDialogInsight:
    made = FakeDialogInsight()
    made.add_project(Project(PROJECT, fields=FIELDS))
    made.add_table(Table(ORDERS, project=PROJECT, code="Orders", kind="profiling", columns=ORDER_COLUMNS))
    made.add_table(Table(LINES, project=PROJECT, code="Lines", kind="profiling", columns=LINE_COLUMNS))
    made.add_table(Table(CODES, project=PROJECT, code="Codes", columns=[Column("code", key=True), Column("text")]))
    made.load_contacts(PROJECT, [{"EMail": ADA, "City": "Paris", "Visits": 7}])
    return made


def merge(fake: FakeDialogInsight, *records: tuple[dict[str, Any], dict[str, Any]], **options: bool) -> dict[str, Any]:
    listed = [{"ID": id_, "Data": data} for id_, data in records]
    return fake.call("contacts", "Merge", idProject=PROJECT, Records=listed, MergeOptions=options or UPSERT)


def merge_rows(fake: FakeDialogInsight, table: int, *records: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    listed = [{"ID": id_, "Data": data} for id_, data in records]
    return fake.call("relationaltables", "Merge", idTable=table, Records=listed, MergeOptions=UPSERT)


def by_email(email: str) -> dict[str, Any]:
    return {"key_f_EMail": email}


def clause(field: str, value: object) -> dict[str, Any]:
    return {"$type": "FieldClause", "Field": {"Name": field}, "TypeOperator": "Equal", "ComparisonValue": value}


def validation(cause: RecordCause) -> str:
    return RECORD_RESULTS[cause].validation


# the recorded shapes --------------------------------------------------------------------------------------------------
def test_a_known_key_is_updated_and_the_rest_stays(fake: FakeDialogInsight) -> None:
    """[seen] The recorded upsert: counters, an item with id, status, echo and nulls; absent members stay."""
    answer = merge(fake, (by_email(ADA), {"f_City": "Lyon"}), **UPSERT)
    assert (answer["CreatedRecords"], answer["UpdatedRecords"]) == (0, 1)
    assert answer["Records"] == [
        {
            "IdRecord": 900001,
            "Status": "Updated",
            "ValidationResult": "OK",
            "Message": None,
            "ID": by_email(ADA),
            "Data": None,
            "Record": None,
        }
    ]
    (stored,) = fake.contacts(PROJECT)
    assert (stored["City"], stored["Visits"]) == ("Lyon", 7)


def test_a_new_key_is_created_with_its_id(fake: FakeDialogInsight) -> None:
    """[seen] `IdRecord` is filled for inserts too, and is the `idContact` of the new contact."""
    answer = merge(fake, (by_email("new@test.example"), {"f_City": "Nice"}))
    (item,) = answer["Records"]
    assert (answer["CreatedRecords"], item["Status"]) == (1, "Created")
    assert item["IdRecord"] == fake.contacts(PROJECT)[1]["idContact"]


def test_a_contact_is_addressed_by_its_internal_id(fake: FakeDialogInsight) -> None:
    """[seen] `ID` may be `idContact`, as number or as text; with no such contact nothing is ever created."""
    answer = merge(fake, ({"idContact": 900001}, {"f_Visits": 8}), ({"idContact": "900009"}, {"f_Visits": 1}))
    assert [item["ValidationResult"] for item in answer["Records"]] == ["OK", validation(RecordCause.UNMATCHED_REFUSED)]
    assert [contact["Visits"] for contact in fake.contacts(PROJECT)] == [8]


def test_the_stored_row_is_returned_on_demand(fake: FakeDialogInsight) -> None:
    """[seen] `ReturnRecordsOnSuccess` fills `Record` with the whole row, as Get answers it."""
    answer = merge(fake, (by_email(ADA), {"f_Visits": 9}), **UPSERT, ReturnRecordsOnSuccess=True)
    (item,) = answer["Records"]
    assert [item["Record"]] == fake.call("contacts", "Get", idProject=PROJECT, Clause=clause("f_EMail", ADA))["Records"]
    assert (item["Record"]["f_Visits"], item["Data"]) == (9, {"f_Visits": 9})


@pytest.mark.parametrize("asked", [True, False])
def test_refused_records_are_returned_on_demand(fake: FakeDialogInsight, asked: bool) -> None:
    """[inferred] `ReturnRecordsOnError` shows what was sent and what is stored; good records stay bare."""
    answer = merge(
        fake, (by_email(ADA), {"f_Visits": "x"}), (by_email("b@test.example"), {}), **UPSERT, ReturnRecordsOnError=asked
    )
    bad, good = answer["Records"]
    assert (bad["Data"] == {"f_Visits": "x"}, bad["Record"] is not None) == (asked, asked)
    assert (good["Data"], good["Record"]) == (None, None)


@pytest.mark.parametrize(
    ("options", "created", "updated"),
    [(UPSERT, 1, 1), (ADD_ONLY, 1, 0), (CHANGE_ONLY, 0, 1), ({"AllowInsert": False}, 0, 0)],
)
def test_the_flags_mean_upsert_add_only_and_change_only(
    fake: FakeDialogInsight, options: dict[str, bool], created: int, updated: int
) -> None:
    """[seen] A flag left out is false; what is not allowed is not done, and the call still succeeds."""
    answer = merge(fake, (by_email(ADA), {"f_Visits": 1}), (by_email("b@test.example"), {}), **options)
    assert (answer["Success"], answer["CreatedRecords"], answer["UpdatedRecords"]) == (True, created, updated)
    assert len(fake.contacts(PROJECT)) == 1 + created
    assert fake.contacts(PROJECT)[0]["Visits"] == (1 if updated else 7)


def test_answers_come_in_the_order_of_the_records(fake: FakeDialogInsight) -> None:
    """[inferred] One item per record in input order, good and bad ones mixed; a bad one stops no other."""
    ids = [by_email(f"p{index}@test.example") for index in range(6)]
    answer = merge(fake, *((id_, {"f_Visits": "x" if index % 2 else index}) for index, id_ in enumerate(ids)))
    assert [item["ID"] for item in answer["Records"]] == ids
    assert [item["ValidationResult"] == "OK" for item in answer["Records"]] == [True, False] * 3
    assert answer["CreatedRecords"] == 3


def test_the_first_of_a_duplicate_wins(fake: FakeDialogInsight) -> None:
    """[seen, for imports] A key twice in one call: the second is reported, or passed over on demand; by id too."""
    twice = ((by_email("b@test.example"), {"f_Visits": 1}), (by_email("B@Test.example"), {"f_Visits": 2}))
    answer = merge(fake, *twice)
    assert [item["ValidationResult"] for item in answer["Records"]] == ["OK", validation(RecordCause.DUPLICATE_REFUSED)]
    answer = merge(fake, (by_email(ADA), {"f_Visits": 1}), ({"idContact": 900001}, {"f_Visits": 2}))
    assert answer["UpdatedRecords"] == 1
    answer = merge(fake, *twice, **UPSERT, SkipDuplicateRecords=True)
    assert [item["Status"] for item in answer["Records"]] == [
        "Updated",
        RECORD_RESULTS[RecordCause.DUPLICATE_SKIPPED].status,
    ]
    assert [contact["Visits"] for contact in fake.contacts(PROJECT)] == [1, 1]


def test_unmatched_records_are_passed_over_on_demand(fake: FakeDialogInsight) -> None:
    """[inferred] `SkipUnmatchedRecords` turns the complaint of a change-only Merge off."""
    stranger = (by_email("b@test.example"), {"f_Visits": 1})
    for skip, cause in ((False, RecordCause.UNMATCHED_REFUSED), (True, RecordCause.UNMATCHED_SKIPPED)):
        (item,) = merge(fake, stranger, **CHANGE_ONLY, SkipUnmatchedRecords=skip)["Records"]
        assert (item["Status"], item["IdRecord"]) == (RECORD_RESULTS[cause].status, None)


# keys -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "id_", [{}, {"f_EMail": ADA}, {"key_EMail": ADA}, {"key_f_City": "Paris"}, by_email(""), {"idContact": "x"}]
)
def test_an_id_without_the_key_refuses_its_record(fake: FakeDialogInsight, id_: dict[str, Any]) -> None:
    """[seen] The key member is `key_f_<KeyField>`; without it, or blank, nothing can be matched."""
    (item,) = merge(fake, (id_, {"f_City": "Oslo"}))["Records"]
    assert (item["ValidationResult"], item["IdRecord"]) == (validation(RecordCause.KEY_INCOMPLETE), None)
    assert fake.contacts(PROJECT)[0]["City"] == "Paris"


def test_a_key_changed_through_data_moves_the_contact(fake: FakeDialogInsight) -> None:
    """[inferred] The address may change through `Data`, unless another contact has the new one."""
    merge(fake, (by_email("b@test.example"), {}))
    answer = merge(
        fake, (by_email(ADA), {"f_EMail": "augusta@test.example"}), ({"idContact": 900002}, {"f_EMail": ADA})
    )
    assert [item["Status"] for item in answer["Records"]] == ["Updated", "Updated"]
    (item,) = merge(fake, (by_email(ADA), {"f_EMail": "augusta@test.example"}))["Records"]
    assert item["ValidationResult"] == validation(RecordCause.KEY_TAKEN)
    assert [contact["EMail"] for contact in fake.contacts(PROJECT)] == ["augusta@test.example", ADA]


def test_composite_keys_need_every_part(fake: FakeDialogInsight) -> None:
    """[seen: "at least one" key column] A row is known by all its key columns together."""
    fake.load_rows(LINES, [{"idOrder": "A", "line": 1}, {"idOrder": "A", "line": 2}])
    answer = merge_rows(
        fake,
        LINES,
        ({"key_idOrder": "A", "key_line": 2}, {"owner": ADA}),
        ({"key_idOrder": "A", "key_line": 3}, {"owner": ADA}),
        ({"key_idOrder": "A"}, {"owner": ADA}),
    )
    assert [item["Status"] for item in answer["Records"]] == ["Updated", "Created", "Error"]
    assert [(row["line"], row["owner"]) for row in fake.rows(LINES)] == [(1, None), (2, ADA), (3, ADA)]


# relational tables ----------------------------------------------------------------------------------------------------
def test_relational_rows_have_bare_names(fake: FakeDialogInsight) -> None:
    """[seen] Columns carry no prefix, the key in `ID` is `key_<column>`, and answers hold all columns."""
    data = {"idOrder": "A-17", "idContact": 900001, "quantity": 3, "createdOn": "2025-03-04 10:20:30", "paid": "1"}
    records = [{"ID": {"key_idOrder": "A-17"}, "Data": data}]
    options = {**UPSERT, "ReturnRecordsOnSuccess": True}
    answer = fake.call("relationaltables", "Merge", idTable=ORDERS, Records=records, MergeOptions=options)
    assert answer["Records"][0]["Record"] == {
        "idOrder": "A-17",
        "idContact": 900001,
        "quantity": 3,
        "total": None,
        "createdOn": "2025.03.04 10:20:30",
        "paid": True,
    }
    merge_rows(fake, ORDERS, ({"key_idOrder": "A-17"}, {"quantity": 4}))
    assert [(row["quantity"], row["paid"]) for row in fake.rows(ORDERS)] == [(4, True)]


@pytest.mark.parametrize("as_list", [True, False])
def test_rows_are_read_by_foreign_key(fake: FakeDialogInsight, as_list: bool) -> None:
    """[seen] A clause is a list on relational tables in one client and an object elsewhere: both pick the same rows."""
    fake.load_rows(ORDERS, [{"idOrder": str(n), "idContact": 900001 + n % 2} for n in range(4)])
    asked = clause("idContact", 900001)
    answer = fake.call("relationaltables", "Get", idTable=ORDERS, Clause=[asked] if as_list else asked)
    assert [row["idOrder"] for row in answer["Records"]] == ["0", "2"]


def test_a_list_of_clauses_means_and(fake: FakeDialogInsight) -> None:
    """[inferred] Every clause of a list must hold."""
    fake.load_rows(ORDERS, [{"idOrder": str(n), "idContact": 900001, "quantity": n} for n in range(3)])
    both = [clause("idContact", "900001"), clause("quantity", 2)]
    assert [row["idOrder"] for row in fake.call("relationaltables", "Get", idTable=ORDERS, Clause=both)["Records"]] == [
        "2"
    ]


@pytest.mark.parametrize(
    ("table", "id_", "data", "good"),
    [
        (ORDERS, {"key_idOrder": "1"}, {"idContact": 900001}, True),
        (ORDERS, {"key_idOrder": "1"}, {"idContact": 5}, False),
        (ORDERS, {"key_idOrder": "1"}, {}, True),
        (LINES, {"key_idOrder": "1", "key_line": 1}, {"owner": ADA.upper()}, True),
        (LINES, {"key_idOrder": "1", "key_line": 1}, {"owner": "b@test.example"}, False),
        (CODES, {"key_code": "x"}, {"text": "anything"}, True),
    ],
)
def test_a_foreign_key_must_name_a_contact(
    fake: FakeDialogInsight, table: int, id_: dict[str, Any], data: dict[str, Any], good: bool
) -> None:
    """[inferred] A profiling table hangs on contacts by their id or by the project's key; a lookup table on nothing."""
    (item,) = merge_rows(fake, table, (id_, data))["Records"]
    assert item["ValidationResult"] == ("OK" if good else validation(RecordCause.ORPHAN))
    assert len(fake.rows(table)) == good


def test_numbers_of_int_columns_have_32_bits(fake: FakeDialogInsight) -> None:
    """[seen] Int and BigInt are types of their own."""
    answer = merge_rows(
        fake, ORDERS, ({"key_idOrder": "1"}, {"quantity": 2**31 - 1}), ({"key_idOrder": "2"}, {"quantity": 2**31})
    )
    assert [item["ValidationResult"] == "OK" for item in answer["Records"]] == [True, False]


# deleting -------------------------------------------------------------------------------------------------------------
def test_deleting_a_contact_deletes_its_profiling_rows(fake: FakeDialogInsight) -> None:
    """[seen] The rows that hang on a contact go with it, by id and by address; other rows and lookup tables stay."""
    fake.load_contacts(PROJECT, [{"EMail": "b@test.example"}])
    fake.load_rows(
        ORDERS, [{"idOrder": "1", "idContact": 900001}, {"idOrder": "2", "idContact": 900002}, {"idOrder": "3"}]
    )
    fake.load_rows(LINES, [{"idOrder": "1", "line": 1, "owner": "ADA@test.example"}, {"idOrder": "2", "line": 1}])
    fake.load_rows(CODES, [{"code": ADA}])
    answer = fake.call("contacts", "Delete", idProject=PROJECT, Clause=clause("f_EMail", ADA), MaxRows=1)
    assert answer["DeletedRecords"] == 1
    assert [row["idOrder"] for row in fake.rows(ORDERS)] == ["2", "3"]
    assert [row["idOrder"] for row in fake.rows(LINES)] == ["2"]
    assert len(fake.rows(CODES)) == 1


def test_an_id_is_never_given_twice(fake: FakeDialogInsight) -> None:
    """[inferred] A contact that is made again after its deletion is another contact."""
    fake.call("contacts", "Delete", idProject=PROJECT, Clause=clause("f_EMail", ADA))
    assert merge(fake, (by_email(ADA), {}))["Records"][0]["IdRecord"] == 900002


def test_delete_refuses_more_rows_than_allowed(fake: FakeDialogInsight) -> None:
    """[unknown, the default] More matches than `MaxRows`: the call is refused and nothing is deleted."""
    merge(fake, (by_email("b@test.example"), {"f_City": "Paris"}))
    answer = fake.call("contacts", "Delete", idProject=PROJECT, Clause=clause("f_City", "Paris"), MaxRows=1)
    assert answer["ErrorCode"] == CALL_ERRORS[CallCause.TOO_MANY_ROWS].code
    assert len(fake.contacts(PROJECT)) == 2
