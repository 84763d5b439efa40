"""The flows on a scripted connection: slices, look-ups, lost answers, and what is never sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from di_salesforce.dialog_insight import Capabilities, ContactList, MergeOptions, RelationalTable, Settings
from di_salesforce.dialog_insight import _flows as flows
from di_salesforce.dialog_insight._values import is_list
from di_salesforce.exceptions import (
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    TransportError,
    UnexpectedResponseError,
)
from di_salesforce.records import Row, Side
from di_salesforce.retry import RetryPolicy
from di_salesforce.runners import SyncRunner
from di_salesforce.wire import Flow, HttpRequest, HttpResponse

CONTACTS = ContactList(4321)
LINES = RelationalTable(8765)
NAME = "dialog_insight:demo"
INSERT_ONLY = MergeOptions(allow_update=False)
Json = dict[str, Any]  # members of any JSON value


class Scripted:
    """A connection that answers by a function and remembers the bodies."""

    def __init__(self, answer: Callable[[Json], Json]) -> None:
        self._answer = answer
        self.bodies: list[Json] = []

    def send(self, request: HttpRequest, /) -> HttpResponse:
        body = json.loads(request.content)
        self.bodies.append(body)
        members = {"Success": True, "ErrorCode": None, "ErrorMessage": None} | self._answer(body)
        return HttpResponse(200, {}, json.dumps(members).encode())

    def renew(self, stale: int, /) -> bool:
        return False


def run(flow: Flow[Any], connection: Scripted) -> Any:  # what the flow gives
    return SyncRunner({NAME: connection}, sleep=lambda _: None).run(flow)


def settings(**known: Any) -> Settings:  # the fields of Capabilities
    return Settings(Capabilities(**known), RetryPolicy(attempts=1))


def stored(body: Json) -> Json:
    """Answer a Merge as if every record had been created."""
    records = [
        {"IdRecord": n, "Status": "Created", "ValidationResult": "OK", "Message": None, "ID": record["ID"]}
        for n, record in enumerate(body["Records"], start=1)
    ]
    return {"CreatedRecords": len(records), "UpdatedRecords": 0, "Records": records}


def refuse(code: str) -> Json:
    return {"Success": False, "ErrorCode": code, "ErrorMessage": "no"}


def lost(*, may_have_applied: bool) -> TransportError:
    return TransportError("lost", side=Side.DIALOG_INSIGHT, may_have_applied=may_have_applied)


ROWS: list[Row] = [{"EMail": f"{number}@test.example"} for number in range(5)]


def merge(answer: Callable[[Json], Json], rows: list[Row] = ROWS) -> tuple[list[str], Scripted]:
    connection = Scripted(answer)
    flow = flows.merge_rows(settings(max_records_per_merge=2), NAME, CONTACTS, rows, key="EMail", options=INSERT_ONLY)
    return [result.status.value for result in run(flow, connection)], connection


def first_key(body: Json) -> str:
    key: str = body["Records"][0]["ID"]["key_f_EMail"]
    return key


def test_merge_is_sliced_in_order() -> None:
    """Rows go out in slices of the ceiling, in order, each once."""
    result, connection = merge(stored)
    assert result == ["created"] * 5
    keys = [[record["ID"]["key_f_EMail"] for record in body["Records"]] for body in connection.bodies]
    assert keys == [["0@test.example", "1@test.example"], ["2@test.example", "3@test.example"], ["4@test.example"]]


def test_merge_of_nothing_sends_nothing() -> None:
    """No rows, or none that can be sent, is no call."""
    assert merge(stored, [])[1].bodies == []
    result, connection = merge(stored, [{"EMail": None}])
    assert (result, connection.bodies) == (["refused"], [])


@pytest.mark.parametrize(("may_have_applied", "expected"), [(True, "unknown"), (False, "refused")])
def test_lost_slice_does_not_lose_the_others(may_have_applied: bool, expected: str) -> None:
    """Rows of a slice without an answer are unknown where it may have been carried out, else refused."""

    def answer(body: Json) -> Json:
        if first_key(body) == "2@test.example":
            raise lost(may_have_applied=may_have_applied)
        return stored(body)

    result, connection = merge(answer, [{"EMail": ""}, *ROWS])
    assert result == ["refused", "created", "created", expected, expected, "created"]
    assert len(connection.bodies) == 3


def test_refused_slice_does_not_stop_the_others() -> None:
    """A refusal that may be about the rows of one slice is narrowed down to them, and leaves the others to go on."""
    result, _ = merge(lambda body: refuse("DuplicateRecords") if first_key(body)[0] == "0" else stored(body))
    assert result == ["refused", "created", "created", "created", "created"]


def test_hopeless_refusal_is_raised_after_one_call() -> None:
    """A key that is refused is not tried again with the other slices."""
    connection = Scripted(lambda _: refuse("AuthKeyInvalid"))
    flow = flows.merge_rows(settings(max_records_per_merge=1), NAME, CONTACTS, ROWS, key="EMail", options=INSERT_ONLY)
    with pytest.raises(AuthenticationError):
        run(flow, connection)
    assert len(connection.bodies) == 1


def test_merge_that_is_refused_throughout_is_an_error() -> None:
    """Where every slice is refused and none is in doubt, nothing was written, and the reason is raised."""
    with pytest.raises(InvalidRequestError):
        merge(lambda _: refuse("UnknownField"))


def test_lost_answer_of_a_whole_merge_is_not_an_error_but_doubt() -> None:
    """Where nothing is known of any row, all rows say so, since an error would hide that they may have been written."""

    def answer(_: Json) -> Json:
        raise lost(may_have_applied=True)

    assert merge(answer)[0] == ["unknown"] * 5


def test_merge_with_a_key_may_be_repeated_and_a_delete_may_not() -> None:
    """After a lost answer a Merge is sent again, a Delete never."""

    def answer(body: Json) -> Json:
        if len(connection.bodies) == 1:
            raise lost(may_have_applied=True)
        return stored(body) if "Records" in body else {"DeletedRecords": 1}

    patient = Settings(Capabilities(delete=True), RetryPolicy(attempts=2))
    connection = Scripted(answer)
    results = run(flows.merge_rows(patient, NAME, CONTACTS, ROWS, key="EMail", options=INSERT_ONLY), connection)
    assert [result.status.value for result in results] == ["created"] * 5
    assert connection.bodies[0] == connection.bodies[1]
    connection = Scripted(answer)
    with pytest.raises(TransportError) as caught:
        run(flows.delete_rows(patient, NAME, CONTACTS, equal={"EMail": "a"}, max_rows=1), connection)
    assert caught.value.may_have_applied
    assert len(connection.bodies) == 1


# looking up ---------------------------------------------------------------------------------------------------------
TABLE = [{"idOrder": order, "line": str(line)} for order in ("A-17", "a-17", "B-1") for line in (1, 2)]


def matching(body: Json) -> Json:
    """Answer a Get without regard to case, as SQL Server usually would."""
    given: Any = body["Clause"]
    clauses: list[Json] = given if is_list(given) else [given]
    wanted = {clause["Field"]["Name"]: str(clause["ComparisonValue"]).lower() for clause in clauses}
    return {"Records": [row for row in TABLE if all(row[name].lower() == value for name, value in wanted.items())]}


def test_look_up_asks_once_for_each_value() -> None:
    """Each distinct value is asked for once; a row that two values find comes once."""
    connection = Scripted(matching)
    rows = run(flows.find_rows(settings(), NAME, LINES, "idOrder", ["A-17", "B-1", "A-17", "a-17"]), connection)
    assert len(connection.bodies) == 3
    assert sorted(map(str, rows)) == sorted(map(str, TABLE))


@pytest.mark.parametrize(("clause_lists", "calls"), [(False, 2), (True, 3)])
def test_composite_key_is_looked_up(clause_lists: bool, calls: int) -> None:
    """A composite key is asked for by its first field and sifted by the others, or by all where lists are taken."""
    connection = Scripted(matching)
    wanted = [("B-1", 1), ("B-1", 2), ("A-17", 2)]
    known = settings(clause_lists=clause_lists)
    rows = run(flows.find_rows(known, NAME, LINES, ("idOrder", "line"), wanted), connection)
    assert len(connection.bodies) == calls
    assert rows == [
        {"idOrder": "B-1", "line": "1"},
        {"idOrder": "B-1", "line": "2"},
        {"idOrder": "A-17", "line": "2"},
        {"idOrder": "a-17", "line": "2"},
    ]


def test_look_up_that_is_refused_stops_soon() -> None:
    """A refused look-up is raised, and does not cost the calls of all the others."""
    connection = Scripted(lambda _: refuse("AuthKeyInvalid"))
    with pytest.raises(AuthenticationError):
        run(flows.find_rows(settings(), NAME, CONTACTS, "EMail", map(str, range(1000))), connection)
    assert len(connection.bodies) < 100


def test_what_nobody_has_shown_to_work_is_not_sent() -> None:
    """Reading without a clause, a blank value, deleting, and a wrong number of values are refused here."""
    connection = Scripted(lambda _: {"Records": []})
    refused: list[Flow[Any]] = [
        flows.get_rows(settings(), NAME, CONTACTS, {"EMail": ""}),
        flows.find_rows(settings(), NAME, LINES, ("idOrder", "line"), [("A-17",)]),
    ]
    for flow in refused:
        with pytest.raises(ConfigurationError):
            run(flow, connection)
    with pytest.raises(ConfigurationError, match="clauseless_get"):
        flows.get_rows(settings(), NAME, CONTACTS, {})
    for equal, max_rows, known in (
        ({"EMail": "a"}, 1, settings()),
        ({}, 1, settings(delete=True)),
        ({"EMail": "a"}, 0, settings(delete=True)),
    ):
        with pytest.raises(ConfigurationError):
            flows.delete_rows(known, NAME, CONTACTS, equal=equal, max_rows=max_rows)
    assert connection.bodies == []


def test_full_read_sends_no_clause_and_is_not_cut_short() -> None:
    """A full read has no clause; an answer at the known ceiling may lack rows, so it is not taken for all."""
    connection = Scripted(lambda _: {"Records": [{"idContact": 1}, {"idContact": 2}]})
    known = settings(clauseless_get=True, max_rows_per_get=3)
    assert run(flows.read_rows(known, NAME, CONTACTS), connection) == [{"idContact": 1}, {"idContact": 2}]
    assert connection.bodies == [{"idProject": 4321}]
    with pytest.raises(UnexpectedResponseError, match="max_rows_per_get"):
        run(flows.read_rows(settings(clauseless_get=True, max_rows_per_get=2), NAME, CONTACTS), connection)


def test_access_is_told_step_by_step() -> None:
    """What is missing is told in a sentence each, and trying stops where every further call would meet the same."""

    def answer(body: Json) -> Json:
        if "Clause" in body:
            return refuse("PermissionDenied")
        return {"ProjectInfo": {}} if "idProject" in body else {"Records": []}

    missing = run(flows.check_access(settings(), NAME, [4321, 4322]), Scripted(answer))
    assert ["4321" in missing[0], "4322" in missing[1], len(missing)] == [True, True, 2]
    connection = Scripted(lambda _: refuse("AuthKeyExpired"))
    (sentence,) = run(flows.check_access(settings(), NAME, [4321]), connection)
    assert "expiry date" in sentence
    assert len(connection.bodies) == 1
    assert run(flows.check_access(settings(), NAME, []), Scripted(answer)) == []
