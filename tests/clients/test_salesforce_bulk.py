"""Laws of the clients' bulk methods, blocking and async, against the simulated org over real HTTP."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self, get_args

import attrs
import pytest

from di_salesforce.clients import AsyncSalesforceClient, SalesforceClient
from di_salesforce.exceptions import ConfigurationError, InvalidRequestError, TimedOutError, TransportError
from di_salesforce.records import UNSET
from di_salesforce.retry import RetryPolicy
from di_salesforce.salesforce import Bulk, BulkJob, CsvForm
from di_salesforce.salesforce._bulk_csv import Delimiter
from di_salesforce.testing._faults import HtmlPage, HttpStatus, LostAnswer, Meanwhile, ResetConnection, TruncatedBody
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_faults import ExpiredSession
from di_salesforce.testing._sf_schema import Field

PROMPT = RetryPolicy(base=0)
QUICK = Bulk(first_look=0, longest_pause=0.01)
NASTY = ["a,b", 'say "hi"', "line\nbreak", "carriage\rreturn", "both\r\nends", "sep\u2028arator", "tab\t;|^`", "é漢😀"]


class Async:
    """An async client used as a blocking one, so that each law is written once."""

    def __init__(self, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncSalesforceClient(**options)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            result = member(*arguments, **named)
            if hasattr(result, "__aiter__"):
                return self._iterate(result)
            return self._loop.run_until_complete(result)

        return call

    def _iterate(self, rows: Any) -> Iterator[Any]:
        try:
            while True:
                yield self._loop.run_until_complete(anext(rows))
        except StopAsyncIteration:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@pytest.fixture
def fake() -> Iterator[FakeSalesforce]:
    with FakeSalesforce() as simulator:
        simulator.add_field("Contact", Field("Ext__c", length=80, external_id=True, unique=True))
        simulator.add_field("Contact", Field("Points__c", "double", scale=2))
        simulator.add_field("Contact", Field("Since__c", "datetime"))
        simulator.add_field("Contact", Field("Notes__c", "textarea", length=32000))
        simulator.add_field("Account", Field("Ext__c", length=80, external_id=True, unique=True))
        simulator.switches = attrs.evolve(simulator.switches, bulk_looks=0)
        yield simulator


@pytest.fixture(params=[SalesforceClient, Async], ids=["blocking", "async"])
def client(request: pytest.FixtureRequest, fake: FakeSalesforce) -> Iterator[Any]:
    from di_salesforce.salesforce import ClientCredentials

    with request.param(auth=ClientCredentials(fake.url, fake.client_id, fake.client_secret), retry=PROMPT) as made:
        yield made


def people(count: int) -> list[dict[str, Any]]:
    return [{"Ext__c": f"x{n}", "LastName": f"Tremblay{n:04d}"} for n in range(count)]


def jobs_made(fake: FakeSalesforce) -> int:
    return sum(entry.route == "jobs/ingest" for entry in fake.requests)


# Writing ----------------------------------------------------------------------------------------------------------


def test_results_stand_in_the_order_of_the_rows(fake: FakeSalesforce, client: Any) -> None:
    """However the service shuffles, and however rows are cut into jobs: each result belongs to the row in its place."""
    fake.load("Contact", [{"LastName": "Old", "Ext__c": "x3"}])
    rows = [*people(25), {"Ext__c": "bad"}]
    bulk = attrs.evolve(QUICK, most_rows=7)
    results = client.bulk_ingest("Contact", "upsert", rows, key="Ext__c", bulk=bulk)
    stored = {row["Id"]: row["Ext__c"] for row in fake.rows("Contact")}
    assert [stored.get(result.record_id) for result in results] == [*(row["Ext__c"] for row in rows[:25]), None]
    assert [place for place, result in enumerate(results) if result.success and not result.created] == [3]
    assert (results[25].errors[0].code, results[25].errors[0].fields) == ("REQUIRED_FIELD_MISSING", ("LastName",))
    assert jobs_made(fake) == 4


@pytest.mark.parametrize("delimiter", get_args(Delimiter))
@pytest.mark.parametrize("ending", ["LF", "CRLF"])
def test_every_text_arrives_as_it_was(fake: FakeSalesforce, client: Any, delimiter: Any, ending: Any) -> None:
    """Newlines of every kind, quotes, delimiters and rare characters survive upload, results and bulk query."""
    bulk = attrs.evolve(QUICK, form=CsvForm(delimiter, ending))
    rows = [{"Ext__c": f"k{n}{text}", "LastName": "L", "Notes__c": text} for n, text in enumerate(NASTY)]
    results = client.bulk_ingest("Contact", "create", rows, key="Ext__c", bulk=bulk)
    assert [result.success for result in results] == [True] * len(NASTY)
    assert [row["Notes__c"] for row in fake.rows("Contact")] == NASTY
    read = client.bulk_query("SELECT Notes__c, Ext__c FROM Contact ORDER BY Ext__c", bulk=bulk)
    assert [(row["Ext__c"], row["Notes__c"]) for row in read] == [(row["Ext__c"], row["Notes__c"]) for row in rows]


def test_absent_null_and_blank_are_three_things(fake: FakeSalesforce, client: Any) -> None:
    """`UNSET` and an absent column leave a field as it is; None clears it, and so does the blank text."""
    ids = fake.load("Contact", [{"LastName": "L", "FirstName": "F", "Title": "T"} for _ in range(4)])
    rows = [
        {"Id": ids[0], "FirstName": UNSET},
        {"Id": ids[1], "FirstName": None},
        {"Id": ids[2], "FirstName": ""},
        {"Id": ids[3], "FirstName": "New", "Title": None},
    ]
    assert all(result.success for result in client.bulk_ingest("Contact", "update", rows, bulk=QUICK))
    stored = [(row["FirstName"], row["Title"]) for row in fake.rows("Contact")]
    assert stored == [("F", "T"), (None, "T"), (None, "T"), ("New", None)]


def test_values_of_every_type(fake: FakeSalesforce, client: Any) -> None:
    """Numbers, booleans, moments and lookups by external id arrive in their types."""
    [account] = fake.load("Account", [{"Name": "Acme", "Ext__c": "a1"}])
    moment = datetime(2026, 5, 1, 7, 25, 37, tzinfo=UTC)
    row = {
        "Ext__c": "k",
        "LastName": "L",
        "Points__c": Decimal("12.50"),
        "DoNotCall": True,
        "Since__c": moment,
        "Account.Ext__c": "a1",
    }
    [result] = client.bulk_ingest("Contact", "upsert", [row], key="Ext__c", bulk=QUICK)
    stored = fake.row("Contact", result.record_id)
    assert (stored["Points__c"], stored["DoNotCall"], stored["AccountId"]) == (12.5, True, account)
    assert stored["Since__c"] == "2026-05-01T07:25:37.000+0000"


def test_deleting(fake: FakeSalesforce, client: Any) -> None:
    """A delete sends ids alone, of 15 or 18 characters; a row that is gone already is refused by itself."""
    ids = fake.load("Contact", [{"LastName": "A"}, {"LastName": "B"}])
    fake.delete("Contact", ids[1])
    rows = [{"Id": ids[0][:15], "LastName": "A"}, {"Id": ids[1]}]
    results = client.bulk_ingest("Contact", "delete", rows, bulk=QUICK)
    assert [result.success for result in results] == [True, False]
    assert results[1].errors[0].code == "ENTITY_IS_DELETED"
    assert fake.rows("Contact") == []


def test_rows_that_cannot_be_sent_are_refused_alone(fake: FakeSalesforce, client: Any) -> None:
    """A blank or repeated key, and a value without a form in a cell, refuse their row; the others are sent."""
    rows = [
        {"Ext__c": "a", "LastName": "A"},
        {"Ext__c": "", "LastName": "B"},
        {"Ext__c": "a", "LastName": "C"},
        {"Ext__c": "d", "LastName": "#N/A"},
        {"Ext__c": "e", "LastName": "half \ud800"},
        {"Ext__c": "f", "LastName": "F", "Points__c": float("nan")},
        {"Ext__c": "#N/A", "LastName": "G"},
    ]
    results = client.bulk_ingest("Contact", "upsert", rows, key="Ext__c", bulk=QUICK)
    codes = [result.errors[0].code if result.errors else "" for result in results]
    assert codes == ["", "key.missing", "key.duplicate", *["value.not_sendable"] * 4]
    assert [row["LastName"] for row in fake.rows("Contact")] == ["A"]
    assert results[5].errors[0].fields == ("Points__c",)


@pytest.mark.parametrize(("operation", "key"), [("create", ""), ("upsert", ""), ("update", "Ext__c")])
def test_a_key_is_asked_for_before_anything_is_sent(
    fake: FakeSalesforce, client: Any, operation: str, key: str
) -> None:
    """Without a column that tells the rows apart nothing could be tied."""
    with pytest.raises(ConfigurationError):
        client.bulk_ingest("Contact", operation, people(1), key=key)
    assert fake.requests == ()


def test_a_job_that_fails_refuses_its_rows_with_its_reason(fake: FakeSalesforce, client: Any) -> None:
    """An unknown column fails the whole job: no row was touched, none is in doubt."""
    results = client.bulk_ingest("Contact", "upsert", [{"Ext__c": "a", "Nme": "x"}], key="Ext__c", bulk=QUICK)
    assert [(result.success, result.unknown, result.errors[0].code) for result in results] == [
        (False, False, "InvalidBatch")
    ]
    assert "Nme" in results[0].errors[0].message


def test_rows_are_read_no_further_than_they_are_sent(fake: FakeSalesforce) -> None:
    """A generator of rows is consumed piece by piece: what is held is bounded by the pieces, not by the rows."""
    consumed: list[int] = []
    ahead: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(people(5000)):
            consumed.append(number)
            yield row

    def on_job(_: BulkJob) -> None:
        ahead.append(len(consumed))

    from di_salesforce.salesforce import ClientCredentials

    auth = ClientCredentials(fake.url, fake.client_id, fake.client_secret)
    with SalesforceClient(auth=auth, parallel=1) as client:
        bulk = attrs.evolve(QUICK, most_rows=1000)
        results = client.bulk_ingest("Contact", "create", rows(), key="Ext__c", bulk=bulk, on_job=on_job)
    assert [result.success for result in results] == [True] * 5000
    assert [later - earlier for earlier, later in itertools.pairwise(ahead)] == [1000, 1000, 1000, 999]
    assert ahead[0] == 1001


def test_rows_that_share_a_parent_travel_together(fake: FakeSalesforce, client: Any) -> None:
    """With `together` no parent's rows are in two jobs, and results still stand in the rows' own order."""
    accounts = fake.load("Account", [{"Name": str(n)} for n in range(5)])
    rows = [{**row, "AccountId": accounts[n % 5]} for n, row in enumerate(people(25))]
    seen: dict[int, set[object]] = {}
    fake.on_save("Contact", lambda row: seen.setdefault(jobs_open(fake), set()).add(row["AccountId"]))
    bulk = attrs.evolve(QUICK, most_rows=12)
    results = client.bulk_ingest("Contact", "create", rows, key="Ext__c", bulk=bulk, together="AccountId")
    stored = {row["Id"]: row["Ext__c"] for row in fake.rows("Contact")}
    assert [stored[result.record_id] for result in results] == [row["Ext__c"] for row in rows]
    assert len(seen) == 3
    assert sum(map(len, seen.values())) == 5


def jobs_open(fake: FakeSalesforce) -> int:
    """Tell the job at work by how many still wait."""
    return sum(not job.finished for job in fake._service.jobs.values())


# What goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [LostAnswer(), ResetConnection(), HttpStatus(503)])
@pytest.mark.parametrize("path", ["*/jobs/ingest", "*/batches", "*/jobs/ingest/750*", "*/successfulResults"])
def test_one_failing_exchange_costs_nothing(fake: FakeSalesforce, client: Any, fault: Any, path: str) -> None:
    """Whatever befalls one call of a job, before or after its work: each row is written once and known to be."""
    fake.inject(fault, path=path)
    results = client.bulk_ingest("Contact", "create", people(10), key="Ext__c", bulk=QUICK)
    assert [result.success for result in results] == [True] * 10
    assert len(fake.rows("Contact")) == 10


def test_results_that_cannot_be_read_are_unknown(fake: FakeSalesforce, client: Any) -> None:
    """The rows were carried out, so they are in doubt rather than refused; the job's id is in the text."""
    jobs: list[BulkJob] = []
    fake.inject(HtmlPage(), path="*/successfulResults", times=None)
    results = client.bulk_ingest("Contact", "create", people(3), key="Ext__c", bulk=QUICK, on_job=jobs.append)
    assert [result.unknown for result in results] == [True] * 3
    assert jobs[0].id in results[0].errors[0].message
    fake.withdraw()
    found = client.bulk_results(jobs[0].id, key="Ext__c")
    assert {key for key, result in found.rows.items() if result.success} == {"x0", "x1", "x2"}


def test_a_closing_without_any_answer_leaves_the_rows_in_doubt(fake: FakeSalesforce, client: Any) -> None:
    """Where nobody can tell whether a job was closed, its rows are unknown, and nothing is sent again."""
    fake.inject(LostAnswer(), path="*/jobs/ingest/750*", times=None, after=1)  # the upload is answered
    results = client.bulk_ingest("Contact", "create", people(3), key="Ext__c", bulk=QUICK)
    assert [result.unknown for result in results] == [True] * 3
    assert jobs_made(fake) == 1
    fake.withdraw()
    fake.finish_bulk_jobs()
    assert len(fake.rows("Contact")) == 3


def test_an_org_that_takes_no_job_raises_once(fake: FakeSalesforce, client: Any) -> None:
    """Where no job is accepted and nothing is in doubt, the error comes out as it is."""
    fake.inject(ResetConnection(), path="*/batches", times=None)
    with pytest.raises(TransportError) as caught:
        client.bulk_ingest("Contact", "create", people(3), key="Ext__c", bulk=QUICK)
    assert caught.value.may_have_applied is False
    fake.finish_bulk_jobs()
    assert fake.rows("Contact") == []


def test_a_session_may_end_while_a_job_is_waited_for(fake: FakeSalesforce, client: Any) -> None:
    """The poll logs in again, and the job comes to its end."""
    fake.switches = attrs.evolve(fake.switches, bulk_looks=3)
    fake.inject(ExpiredSession(), method="GET", path="*/jobs/ingest/750*", after=1)
    results = client.bulk_ingest("Contact", "create", people(3), key="Ext__c", bulk=QUICK)
    assert [result.success for result in results] == [True] * 3


def test_a_job_that_somebody_ends_tells_which_rows_it_never_came_to(fake: FakeSalesforce, client: Any) -> None:
    """Rows before the end are done, rows after it are known not to be."""
    fake.switches = attrs.evolve(fake.switches, bulk_batch=4)
    jobs: list[BulkJob] = []

    def end() -> None:
        fake.send("PATCH", f"/services/data/v60.0/jobs/ingest/{jobs[0].id}", {"state": "Aborted"})

    fake.inject(Meanwhile(end), method="GET", path="*/jobs/ingest/750*", after=1)
    results = client.bulk_ingest("Contact", "create", people(10), key="Ext__c", bulk=QUICK, on_job=jobs.append)
    assert [result.success for result in results] == [True] * 4 + [False] * 6
    assert {result.errors[0].code for result in results[4:]} == {"row.unprocessed"}
    assert not any(result.unknown for result in results)


def test_a_job_outlives_patience_and_is_taken_up_by_its_id(fake: FakeSalesforce, client: Any) -> None:
    """When patience ends the rows are in doubt; the id brings their results later."""
    fake.switches = attrs.evolve(fake.switches, bulk_looks=50)
    jobs: list[BulkJob] = []
    bulk = Bulk(first_look=0, longest_pause=0.001, patience=0.001)
    results = client.bulk_ingest("Contact", "create", people(3), key="Ext__c", bulk=bulk, on_job=jobs.append)
    assert {(result.unknown, result.errors[0].code) for result in results} == {(True, "job.unfinished")}
    fake.finish_bulk_jobs()
    found = client.bulk_results(jobs[0].id, key="Ext__c", bulk=QUICK)
    assert found.job.state == "JobComplete"
    assert [found.rows[row["Ext__c"]].success for row in people(3)] == [True] * 3


def test_a_job_that_was_never_closed_is_ended(fake: FakeSalesforce, client: Any) -> None:
    """After a crash before the closing, nothing of the job is ever carried out, and that is said."""
    jobs: list[BulkJob] = []

    def crash(job: BulkJob) -> None:
        jobs.append(job)
        raise RuntimeError("crashed")

    with pytest.raises(RuntimeError):
        client.bulk_ingest("Contact", "create", people(3), key="Ext__c", bulk=QUICK, on_job=crash)
    found = client.bulk_results(jobs[0].id, key="Ext__c", bulk=QUICK)
    assert (found.job.state, dict(found.rows)) == ("Aborted", {})
    fake.finish_bulk_jobs()
    assert fake.rows("Contact") == []


def test_a_refused_row_keeps_the_orgs_own_words(fake: FakeSalesforce, client: Any) -> None:
    """Code, text with colons, and fields come out of `sf__Error` apart."""

    def refuse(_: object) -> None:
        raise Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Not: on, a Sunday -- sorry", ["LastName", "Email"])

    fake.on_save("Contact", refuse)
    [result] = client.bulk_ingest("Contact", "create", people(1), key="Ext__c", bulk=QUICK)
    [error] = result.errors
    assert (error.code, error.message) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Not: on, a Sunday -- sorry")
    assert error.fields == ("LastName", "Email")


# Reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", [True, False])
def test_a_bulk_query_pages_to_its_end(fake: FakeSalesforce, client: Any, repeats: bool) -> None:
    """Every row comes once, whether pages repeat the header or not; a row that looks like a header is a row."""
    fake.switches = attrs.evolve(fake.switches, bulk_repeats_header=repeats, bulk_looks=2)
    names = [f"N{number}" for number in range(9)] + ["LastName"] * 4
    fake.load("Contact", [{"LastName": name} for name in names])
    read = client.bulk_query("SELECT LastName FROM Contact", bulk=attrs.evolve(QUICK, page_rows=3))
    assert sorted(row["LastName"] for row in read) == sorted(names)
    assert sum("results" in entry.route for entry in fake.requests) == 5


def test_types_come_with_a_schema(fake: FakeSalesforce, client: Any) -> None:
    """Without a schema values are texts, with one numbers and booleans are what `query` gives; blank is None."""
    fake.load("Contact", [{"LastName": "L", "Points__c": Decimal("1.25"), "AccountId": None}])
    soql = "SELECT LastName, Points__c, DoNotCall, FirstName, Account.Name FROM Contact"
    [plain] = client.bulk_query(soql, bulk=QUICK)
    assert plain == {
        "LastName": "L", "Points__c": "1.25", "DoNotCall": "false", "FirstName": None, "Account.Name": None
    }  # fmt: skip
    [typed] = client.bulk_query(soql, schema=client.schema("Contact"), bulk=QUICK)
    [same] = client.query(soql)
    assert typed == same


def test_a_column_of_blanks_keeps_its_rows(fake: FakeSalesforce, client: Any) -> None:
    """A single blank cell is an empty line, and still a row."""
    fake.load("Contact", [{"LastName": "L", "FirstName": name} for name in (None, "F", None)])
    read = client.bulk_query("SELECT FirstName FROM Contact", bulk=QUICK)
    assert sorted(str(row["FirstName"]) for row in read) == ["F", "None", "None"]


def test_an_empty_result(client: Any) -> None:
    """No rows are no rows."""
    assert list(client.bulk_query("SELECT Id FROM Contact", bulk=QUICK)) == []


def test_deleted_rows_on_request(fake: FakeSalesforce, client: Any) -> None:
    """`include_deleted` sees the recycle bin."""
    [gone] = fake.load("Contact", [{"LastName": "L"}])
    fake.delete("Contact", gone)
    assert list(client.bulk_query("SELECT Id FROM Contact", bulk=QUICK)) == []
    assert list(client.bulk_query("SELECT Id FROM Contact", include_deleted=True, bulk=QUICK)) == [{"Id": gone}]


def test_a_wrong_query_is_refused(client: Any) -> None:
    """What the service refuses at once, and what is not possible in bulk, is an error of ours."""
    with pytest.raises(InvalidRequestError):
        list(client.bulk_query("SELECT Nope FROM Contact", bulk=QUICK))


def test_a_page_that_is_cut_short_is_noticed(fake: FakeSalesforce, client: Any) -> None:
    """Fewer lines than the answer announces are never taken for all."""
    from di_salesforce.exceptions import UnexpectedResponseError

    fake.load("Contact", [{"LastName": f"N{number}"} for number in range(20)])
    fake.inject(TruncatedBody(0.5), path="*/results")
    with pytest.raises(UnexpectedResponseError):
        list(client.bulk_query("SELECT Id, LastName FROM Contact", bulk=QUICK))


def test_a_query_is_taken_up_by_its_id(fake: FakeSalesforce, client: Any) -> None:
    """A query that outlives patience raises, names its job, and its rows come later."""
    [made] = fake.load("Contact", [{"LastName": "L"}])
    fake.switches = attrs.evolve(fake.switches, bulk_looks=50)
    jobs: list[BulkJob] = []
    bulk = Bulk(first_look=0, longest_pause=0.001, patience=0.001)
    with pytest.raises(TimedOutError) as caught:
        list(client.bulk_query("SELECT Id FROM Contact", bulk=bulk, on_job=jobs.append))
    assert jobs[0].id in str(caught.value)
    fake.finish_bulk_jobs()
    assert list(client.bulk_query_rows(jobs[0].id, bulk=QUICK)) == [{"Id": made}]


def test_nothing_is_sent_before_the_first_row(fake: FakeSalesforce, client: Any) -> None:
    """A bulk query is lazy."""
    client.bulk_query("SELECT Id FROM Contact")
    assert fake.requests == ()


def test_the_first_look_comes_within_half_a_second() -> None:
    """The default does not make small jobs wait."""
    assert Bulk().first_look <= 0.5
