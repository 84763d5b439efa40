"""What becomes of each row of a Merge: success is recognised, never guessed, and doubt is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.dialog_insight import (
    Capabilities,
    ContactList,
    MergeOptions,
    MergeResult,
    MergeStatus,
    RelationalTable,
    TextPattern,
)
from di_salesforce.dialog_insight._merge import Prepared, merge_call, prepare
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Row
from di_salesforce.wire import HttpResponse

NOTHING_KNOWN = Capabilities()
CONTACTS = ContactList(4321)
LINES = RelationalTable(8765)
UPSERT = MergeOptions()
INSERT_ONLY = MergeOptions(allow_update=False)
UPDATE_ONLY = MergeOptions(allow_insert=False)
FLAGS = {"upsert": UPSERT, "insert": INSERT_ONLY, "update": UPDATE_ONLY}


def judge(
    answers: Sequence[dict[str, Any]],  # as they stand on the wire
    *,
    options: MergeOptions = UPSERT,
    created: int | None = 0,
    updated: int | None = 0,
    rows: int | None = None,
    capabilities: Capabilities = NOTHING_KNOWN,
) -> list[MergeResult]:
    sent = [
        Prepared({"key_f_EMail": f"{number}@test.example"}, {})
        for number in range(len(answers) if rows is None else rows)
    ]
    body = {"Success": True, "Records": answers, "CreatedRecords": created, "UpdatedRecords": updated}
    call = merge_call(CONTACTS, sent, options, capabilities=capabilities)
    return call.decode(HttpResponse(200, {}, json.dumps(body).encode()))


def statuses(*args: Any, **options: Any) -> list[str]:
    return [result.status.value for result in judge(*args, **options)]


def record(status: str | None, validation: str | None = "OK", **rest: object) -> dict[str, Any]:
    return {"IdRecord": 7, "Status": status, "ValidationResult": validation, "Message": None, **rest}


CREATED, UPDATED, SKIPPED = record("Created"), record("Updated"), record("Skipped")

# One row: flags, its record, created and updated by the counters; what it is taken for.
ONE_ROW = [
    ("upsert", CREATED, 1, 0, "created"),
    ("upsert", record("CREATED", "ok"), 1, 0, "created"),
    ("upsert", UPDATED, 0, 1, "updated"),
    ("insert", CREATED, 1, 0, "created"),
    ("update", UPDATED, 0, 1, "updated"),
    # success in other words, proven by the counters
    ("upsert", record("Inserted"), 1, 0, "created"),
    ("update", record("Modifié"), 0, 1, "updated"),
    # a success that the counters or the validation contradict
    ("upsert", CREATED, 0, 0, "unknown"),
    ("upsert", UPDATED, 1, 0, "unknown"),
    ("upsert", record("Created", "Warning"), 1, 0, "unknown"),
    ("upsert", record("Created", None), 1, 0, "unknown"),
    # not written
    ("upsert", SKIPPED, 0, 0, "refused"),
    ("insert", SKIPPED, 0, 0, "exists"),
    ("insert", record("Error", "AlreadyExists"), 0, 0, "exists"),
    ("insert", record("Error", "E-5", Message="The record already exists."), 0, 0, "exists"),
    ("insert", record("Error", "ValueTooLong"), 0, 0, "refused"),
    ("insert", record(None, None), 0, 0, "exists"),
    ("update", SKIPPED, 0, 0, "unmatched"),
    ("update", record("Error", "NotFound"), 0, 0, "unmatched"),
    ("update", record("Error", "E-5", Message="No record matches and inserts are not allowed."), 0, 0, "unmatched"),
    ("update", record("Error", "ForeignKeyNotFound"), 0, 0, "refused"),
    ("update", record("Error", "AlreadyExists"), 0, 0, "refused"),
    # no counters
    ("upsert", CREATED, None, None, "created"),
    ("upsert", SKIPPED, None, None, "unknown"),
    ("upsert", record("Error", "ValueTooLong"), None, None, "refused"),
    ("insert", record("Error", "AlreadyExists"), None, None, "exists"),
]


@pytest.mark.parametrize(("flags", "answer", "created", "updated", "expected"), ONE_ROW)
def test_one_row(flags: str, answer: dict[str, Any], created: int | None, updated: int | None, expected: str) -> None:
    """A row is what its record and the counters say together; where they disagree, it is unknown."""
    assert statuses([answer], options=FLAGS[flags], created=created, updated=updated) == [expected]


def test_doubt_about_some_rows_does_not_touch_the_recognised_ones() -> None:
    """Where a call wrote more than is recognised, only the unrecognised rows are unknown."""
    answers = [CREATED, record("Inserted"), SKIPPED]
    assert statuses(answers, options=INSERT_ONLY, created=2) == ["created", "unknown", "unknown"]
    assert statuses(answers, options=INSERT_ONLY, created=1) == ["created", "exists", "exists"]


def test_words_that_are_learnt_are_recognised() -> None:
    """Statuses, validation results and texts can be taught once somebody has seen them."""
    learnt = Capabilities(
        created=["Inserted"], valid=["OK", "Valide"], record_patterns=[TextPattern("exists", "^Doublon$")]
    )
    answers = [record("inserted", "valide"), record("Erreur", "Doublon"), record("Erreur", "AlreadyExists")]
    assert statuses(answers, options=INSERT_ONLY, created=1, capabilities=learnt) == ["created", "exists", "refused"]


def test_answers_are_matched_by_the_echoed_id() -> None:
    """Answers in another order, with some left out and ids in another case, still reach their rows."""
    echoes = [record("Updated", ID={"KEY_F_EMAIL": f"{number}@TEST.example"}, IdRecord=number) for number in (2, 1)]
    results = judge(echoes, options=UPDATE_ONLY, updated=2, rows=4)
    assert [(result.status.value, result.record_id) for result in results] == [
        ("unmatched", None),
        ("updated", 1),
        ("updated", 2),
        ("unmatched", None),
    ]


def test_too_few_answers_without_ids_leave_all_in_doubt() -> None:
    """Answers that cannot be tied to rows make no row a success."""
    assert statuses([UPDATED], updated=1, rows=2) == ["unknown", "unknown"]


def test_the_same_key_twice_gets_its_answers_in_order() -> None:
    """Of two rows with one key, each gets the answer that came at its place."""
    ids = [{"ID": {"key_f_EMail": "0@test.example"}, "IdRecord": number} for number in (1, 2)]
    sent = [Prepared(ids[0]["ID"], {})] * 2  # type: ignore[arg-type]  # the member ID of a literal
    body = {"Success": True, "CreatedRecords": 1, "UpdatedRecords": 1}
    body["Records"] = [{**CREATED, **ids[0]}, {**UPDATED, **ids[1]}]  # type: ignore[assignment]  # JSON
    call = merge_call(CONTACTS, sent, UPSERT, capabilities=NOTHING_KNOWN)
    results = call.decode(HttpResponse(200, {}, json.dumps(body).encode()))
    assert [(result.status.value, result.record_id) for result in results] == [("created", 1), ("updated", 2)]


texts = st.sampled_from(["Created", "Updated", "Skipped", "Error", "OK", "NotFound", "AlreadyExists", "", None])
records = st.builds(record, texts, texts, Message=texts)
counters = st.none() | st.integers(0, 6)


@given(st.lists(records, max_size=6), st.sampled_from(list(FLAGS.values())), counters, counters)
def test_success_is_never_guessed(
    answers: list[dict[str, Any]], options: MergeOptions, created: int | None, updated: int | None
) -> None:
    """There is one result per row, never more successes than the counters allow, each with a valid record."""
    results = judge(answers, options=options, created=created, updated=updated)
    assert len(results) == len(answers)
    for status, count in ((MergeStatus.CREATED, created), (MergeStatus.UPDATED, updated)):
        assert sum(result.status is status for result in results) <= (len(answers) if count is None else count)
    for result, answer in zip(results, answers, strict=True):
        assert not result.written or answer["ValidationResult"] == "OK"


@given(st.lists(records, min_size=1, max_size=6), st.integers(0, 6), st.integers(0, 6))
def test_nothing_written_is_called_unwritten(answers: list[dict[str, Any]], created: int, updated: int) -> None:
    """Where the counters say that more was written than is recognised, no unrecognised row passes for unwritten."""
    results = judge(answers, options=UPDATE_ONLY, created=created, updated=updated)
    written = sum(result.written for result in results)
    assert written == created + updated or all(result.written or result.unknown for result in results)


# sending ------------------------------------------------------------------------------------------------------------
ROW: Row = {"EMail": "ada@test.example", "City": None, "optin_news": True, "Sum": Decimal("1.10")}


def sent(rows: Sequence[Row], key: str | Sequence[str], options: MergeOptions = UPSERT) -> list[Prepared | MergeResult]:
    return list(prepare(CONTACTS, rows, key, options, NOTHING_KNOWN))


def test_row_is_sent_by_its_key() -> None:
    """The key stands in ID, and in Data too where the call may insert; blanks clear, names get their prefixes."""
    data = {"f_City": "", "optin_news": 1, "f_Sum": Decimal("1.10")}
    key = {"key_f_EMail": "ada@test.example"}
    assert sent([ROW], "EMail", UPDATE_ONLY) == [Prepared(key, data)]
    assert sent([ROW], ["EMail"]) == [Prepared(key, {"f_EMail": "ada@test.example", **data})]
    assert sent([{"idContact": 7, "EMail": "new@test.example"}], "idContact", UPDATE_ONLY) == [
        Prepared({"idContact": 7}, {"f_EMail": "new@test.example"})
    ]


def test_composite_key_is_sent_whole() -> None:
    """All fields of a composite key stand in ID, each with its prefix."""
    row: Row = {"idOrder": "A-17", "line": 2, "quantity": 3}
    assert list(prepare(LINES, [row], ("idOrder", "line"), UPDATE_ONLY, NOTHING_KNOWN)) == [
        Prepared({"key_idOrder": "A-17", "key_line": 2}, {"quantity": 3})
    ]


@pytest.mark.parametrize(
    ("row", "code", "named"),
    [
        ({"City": "Metz"}, "key.missing", "EMail"),
        ({"EMail": ""}, "key.missing", "EMail"),
        ({"EMail": "a@test.example", "idContact": 7}, "field.read_only", "idContact"),
        ({"EMail": "a@test.example", "Born": datetime(2000, 1, 1, tzinfo=UTC)}, "value.time_zone", "Born"),
    ],
)
def test_row_that_cannot_be_sent_is_its_own_refusal(row: Row, code: str, named: str) -> None:
    """A row that cannot be sent is refused here, with code and field, and the rows beside it are sent."""
    first, second = sent([row, ROW], "EMail")
    assert isinstance(first, MergeResult)
    assert (first.status, first.code) == (MergeStatus.REFUSED, code)
    assert named in first.message
    assert "test.example" not in first.message
    assert isinstance(second, Prepared)


@pytest.mark.parametrize("odd", [None, 7, {3: "x", "EMail": "a"}], ids=["none", "number", "a name that is no text"])
def test_what_is_no_row_is_its_own_refusal(odd: Any) -> None:
    """Whatever stands among the rows is refused by itself: rows before it may be on their way already."""
    before, refused, after = sent([ROW, odd, ROW], "EMail")
    assert isinstance(refused, MergeResult)
    assert (refused.status, refused.code) == (MergeStatus.REFUSED, "row.unreadable")
    assert isinstance(before, Prepared)
    assert isinstance(after, Prepared)


@pytest.mark.parametrize(
    ("key", "options"), [("idContact", UPSERT), ((), UPSERT), (("EMail", "idContact"), UPDATE_ONLY)]
)
def test_key_that_cannot_work_is_refused(key: str | Sequence[str], options: MergeOptions) -> None:
    """An insert by idContact, no key, or idContact beside another key field is an error before anything is sent."""
    with pytest.raises(ConfigurationError):
        sent([{"EMail": "a", "idContact": 7}], key, options)


def test_options_that_write_nothing_are_refused() -> None:
    """With neither flag there would be nothing to do."""
    with pytest.raises(ConfigurationError):
        MergeOptions(allow_insert=False, allow_update=False)


def test_results_hide_peoples_data() -> None:
    """A result's repr shows neither the stored row nor the server's text."""
    result = MergeResult(MergeStatus.REFUSED, 7, "Error", "ada@test.example is taken", {"EMail": "ada@test.example"})
    assert "ada" not in repr(result)
    assert "ada" not in repr(Prepared({"key_f_EMail": "ada@test.example"}, {"f_City": "ada"}))
    assert attrs.asdict(result)["code"] == "Error"
