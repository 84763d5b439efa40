"""Laws of work on many records: every record gets its own outcome, and no slice loses another's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import (
    AuthenticationError,
    ConfigurationError,
    DISalesforceError,
    TransportError,
)
from di_salesforce.records import record_id_18
from di_salesforce.retry import RetryPolicy
from di_salesforce.runners import SyncRunner
from di_salesforce.salesforce import RowResult, Settings
from di_salesforce.salesforce import _flows as flows
from di_salesforce.wire import HttpRequest, HttpResponse

LOST = TransportError("lost", may_have_applied=True)


def number_of(record: dict[str, Any]) -> int:
    return int(record["Number__c"])


def record_id(number: int) -> str:
    return str(record_id_18(f"003{number:012d}"))


class Org:
    """A connection that creates numbered records, and whose answers can be changed by what is in the request."""

    def __init__(
        self, change: Callable[[list[int], int], HttpResponse | DISalesforceError | None] | None = None
    ) -> None:
        self.change = change or (lambda _numbers, _count: None)
        self.sent: list[list[int]] = []
        self.lock = threading.Lock()

    def send(self, request: HttpRequest) -> HttpResponse:
        numbers = [number_of(record) for record in json.loads(request.content)["records"]]
        with self.lock:
            self.sent.append(numbers)
            count = sum(numbers == earlier for earlier in self.sent)
        changed = self.change(numbers, count)
        if isinstance(changed, DISalesforceError):
            raise changed
        if changed is not None:
            return changed
        return answer([{"id": record_id(number), "success": True, "errors": []} for number in numbers])

    def renew(self, stale: int) -> bool:
        return False

    def create(self, numbers: list[int], *, slice_size: int = 10, attempts: int = 4, **options: Any) -> list[RowResult]:
        settings = Settings(retry=RetryPolicy(attempts=attempts), slice_size=slice_size, parallel=4)
        runner = SyncRunner({"salesforce": self}, sleep=lambda _: None)
        records = [{"Number__c": number} for number in numbers]
        operation = options.pop("operation", "create")
        return runner.run(flows.write_collection(settings, "salesforce", operation, "Contact", records, **options))


def answer(rows: list[dict[str, Any]], status: int = 200) -> HttpResponse:
    return HttpResponse(status, content=json.dumps(rows).encode())


def refused(code: str, status: int = 400) -> HttpResponse:
    return answer([{"errorCode": code, "message": "m"}], status)


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=70), st.integers(1, 25))
def test_results_stand_in_the_order_of_the_records(numbers: list[int], slice_size: int) -> None:
    """Each record is sent once, in slices no larger than they may be, and its result stands where it stood."""
    org = Org()
    results = org.create(numbers, slice_size=slice_size)
    assert [result.record_id for result in results] == [record_id(number) for number in numbers]
    assert sorted(number for part in org.sent for number in part) == sorted(numbers)
    assert all(1 <= len(part) <= slice_size for part in org.sent)


def test_a_lost_slice_is_unknown_and_the_others_keep_their_outcomes() -> None:
    """A create whose answer is lost is not sent again; its records are unknown, the others created."""
    org = Org(lambda numbers, _count: LOST if 15 in numbers else None)
    results = org.create(list(range(30)))
    assert [place for place, result in enumerate(results) if result.unknown] == list(range(10, 20))
    assert sum(result.success for result in results) == 20
    assert len(org.sent) == 3


def test_one_lost_slice_alone_is_unknown_too() -> None:
    """Where everything is in doubt, that is said of every record rather than raised."""
    results = Org(lambda _numbers, _count: LOST).create([1, 2])
    assert [result.unknown for result in results] == [True, True]
    assert [result.errors[0].code for result in results] == ["answer.lost"] * 2


def test_an_update_whose_answer_is_lost_is_sent_again() -> None:
    """An upsert by a real external id leaves the same state twice; by Id it might create two."""
    for external_id, times in (("Number__c", 2), ("Id", 1)):
        org = Org(lambda _numbers, count: LOST if count == 1 else None)
        settings = Settings()
        records = [{"Number__c": 1, "Id": record_id(1)}]
        flow = flows.write_collection(settings, "salesforce", "upsert", "Contact", records, external_id=external_id)
        [result] = SyncRunner({"salesforce": org}, sleep=lambda _: None).run(flow)
        assert len(org.sent) == times
        assert result.unknown is (times == 1)


def test_a_refusal_of_all_slices_is_raised_once() -> None:
    """Where no slice was accepted and nothing is in doubt, the error comes out as it is."""
    with pytest.raises(AuthenticationError):
        Org(lambda _numbers, _count: refused("INVALID_SESSION_ID", 401)).create(list(range(30)))


def test_a_refusal_of_one_slice_is_an_outcome() -> None:
    """Where another slice was accepted, a refused one's records are refused with its code."""
    results = Org(lambda numbers, _count: refused("X_DENIED", 403) if 5 in numbers else None).create(list(range(20)))
    assert [result.errors[0].code for result in results[:10]] == ["X_DENIED"] * 10
    assert all(result.success for result in results[10:])


@given(st.integers(0, 49), st.integers(0, 49))
def test_a_bad_record_refuses_only_itself(one: int, other: int) -> None:
    """A slice that is refused as a whole is halved until the records at fault stand alone; nothing is sent twice."""
    bad = {one, other}
    org = Org(lambda numbers, _count: refused("JSON_PARSER_ERROR") if bad & set(numbers) else None)
    results = org.create(list(range(50)), slice_size=50)
    assert {place for place, result in enumerate(results) if not result.success} == bad
    assert [results[place].errors[0].code for place in sorted(bad)] == ["JSON_PARSER_ERROR"] * len(bad)
    accepted = [number for part in org.sent if not bad & set(part) for number in part]
    assert sorted(accepted) == sorted(set(range(50)) - bad)


def test_where_all_are_bad_the_calls_are_limited() -> None:
    """A wrong field name refuses every record; finding that out record by record would waste the org's calls."""
    org = Org(lambda _numbers, _count: refused("INVALID_FIELD"))
    results = org.create(list(range(200)), slice_size=200)
    assert [result.errors[0].code for result in results] == ["INVALID_FIELD"] * 200
    assert len(org.sent) < 70


def test_all_or_none_is_never_halved() -> None:
    """Halving would write some and not others."""
    org = Org(lambda _numbers, _count: refused("JSON_PARSER_ERROR"))
    results = org.create([1, 2], all_or_none=True)
    assert not any(result.success for result in results)
    assert len(org.sent) == 1


def test_all_or_none_is_refused_where_it_cannot_be_kept() -> None:
    """More records than one slice, or one that cannot be sent: nothing is sent, and all of it is told."""
    org = Org()
    with pytest.raises(ConfigurationError) as caught:
        org.create([*range(11)], all_or_none=True, operation="update")
    assert [problem.path for problem in caught.value.problems] == [
        *(f"records[{n}].Id" for n in range(11)),
        "all_or_none",
    ]
    assert org.sent == []


def locked_rows(locked: set[int], times: int) -> Callable[[list[int], int], HttpResponse]:
    seen: dict[int, int] = {}

    def change(numbers: list[int], count: int) -> HttpResponse:
        rows: list[dict[str, Any]] = []
        for number in numbers:
            seen[number] = seen.get(number, 0) + 1
            if number in locked and seen[number] <= times:
                rows.append({"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": ""}]})
            else:
                rows.append({"success": True, "id": record_id(number), "errors": []})
        return answer(rows)

    return change


def test_locked_rows_are_tried_again_alone() -> None:
    """A row that another transaction held is written again; the rows that were written are not."""
    org = Org(locked_rows({2, 5}, times=2))
    assert all(result.success for result in org.create(list(range(8))))
    assert org.sent == [list(range(8)), [2, 5], [2, 5]]


def test_rows_that_stay_locked_are_refused() -> None:
    """After all attempts, a locked row is refused with its code."""
    org = Org(locked_rows({2}, times=99))
    results = org.create(list(range(4)), attempts=3)
    assert [result.success for result in results] == [True, True, False, True]
    assert results[2].errors[0].code == "UNABLE_TO_LOCK_ROW"
    assert len(org.sent) == 3


def test_a_record_that_cannot_be_sent_is_refused_alone() -> None:
    """A missing key or a value without a form is an outcome of its record; the others are sent."""
    org = Org()
    records = [{"Number__c": 1}, {"Number__c": float("nan")}, {"Number__c": 3}]
    runner = SyncRunner({"salesforce": org})
    results = runner.run(flows.write_collection(Settings(), "salesforce", "create", "Contact", records))
    assert [result.success for result in results] == [True, False, True]
    assert (results[1].errors[0].code, results[1].errors[0].fields) == ("value.not_sendable", ("Number__c",))
    records = [{"Number__c": None}, {"Number__c": ""}, {"LastName": "x"}]
    flow = flows.write_collection(Settings(), "salesforce", "upsert", "Contact", records, external_id="Number__c")
    assert [result.errors[0].code for result in runner.run(flow)] == ["key.missing"] * 3
    assert org.sent == [[1, 3]]


@pytest.mark.parametrize("odd", [None, 7, {3: "x", "Number__c": 1}], ids=["none", "number", "a name that is no text"])
def test_what_is_no_record_costs_no_outcome_of_the_others(odd: Any) -> None:
    """Whatever stands among the records: it is refused by itself, and slices before it keep their outcomes."""
    org = Org()
    records: list[Any] = [{"Number__c": number} for number in range(6)]
    records.insert(5, odd)
    flow = flows.write_collection(Settings(slice_size=2), "salesforce", "create", "Contact", records)
    results = SyncRunner({"salesforce": org}).run(flow)
    assert [result.success for result in results] == [True] * 5 + [False, True]
    assert results[5].errors[0].code == "row.unreadable"
    assert sorted(number for numbers in org.sent for number in numbers) == list(range(6))


def test_records_that_fail_to_come_are_not_written_half() -> None:
    """Where records come from may fail: then nothing has been sent, and no outcome is lost."""

    def failing() -> Any:
        yield {"Number__c": 1}
        raise ZeroDivisionError

    org = Org()
    flow = flows.write_collection(Settings(slice_size=1), "salesforce", "create", "Contact", failing())
    with pytest.raises(ZeroDivisionError):
        SyncRunner({"salesforce": org}).run(flow)
    assert org.sent == []


def test_finished_slices_are_told() -> None:
    """`on_slice` adds up to all records that were sent."""
    told: list[int] = []
    Org().create(list(range(25)), on_slice=told.append)
    assert sorted(told) == [5, 10, 10]


def test_names_are_checked_before_anything_is_sent() -> None:
    """An object or external id that is no API name is the caller's mistake."""
    for arguments in (("create", "Con tact", ""), ("upsert", "Contact", "Ext/../x")):
        operation, sobject, external_id = arguments
        flow = flows.write_collection(Settings(), "s", operation, sobject, [], external_id=external_id)  # type: ignore[arg-type]  # literals
        with pytest.raises(ConfigurationError):
            SyncRunner({}).run(flow)


def test_what_is_not_about_the_records_is_not_halved() -> None:
    """Where the road is the trouble, smaller slices would not help."""
    org = Org(lambda _numbers, _count: TransportError("no network", may_have_applied=False, retryable=False))
    with pytest.raises(TransportError):
        org.create(list(range(8)))
    assert len(org.sent) == 1
