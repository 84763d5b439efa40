"""Laws of the simulated Bulk API 2.0: the states of jobs, their result files, and the guest's own bulk client."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import attrs
import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

from di_salesforce.testing._loopback import SimResponse
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_schema import Field

BASE = "/services/data/v60.0/jobs"


@pytest.fixture
def fake() -> FakeSalesforce:
    made = FakeSalesforce()
    made.add_field("Contact", Field("Ext__c", length=40, external_id=True, unique=True))
    made.add_field("Contact", Field("Points__c", "double"))
    made.switches = attrs.evolve(made.switches, bulk_looks=0)
    return made


def body_of(response: SimResponse) -> Any:
    return json.loads(response.body)


def start(fake: FakeSalesforce, data: str, **options: Any) -> str:
    job = {"object": "Contact", "operation": "insert", "contentType": "CSV", **options}
    answer = fake.send("POST", f"{BASE}/ingest", job)
    assert answer.status == 200, answer.body
    job_id = str(body_of(answer)["id"])
    headers = {"Content-Type": "text/csv"}
    assert fake.send("PUT", f"{BASE}/ingest/{job_id}/batches", data.encode(), headers=headers).status == 201
    return job_id


def close(fake: FakeSalesforce, job_id: str) -> None:
    assert fake.send("PATCH", f"{BASE}/ingest/{job_id}", {"state": "UploadComplete"}).status == 200


def look(fake: FakeSalesforce, job_id: str) -> Any:
    return body_of(fake.send("GET", f"{BASE}/ingest/{job_id}"))


def ingest(fake: FakeSalesforce, data: str, **options: Any) -> str:
    job_id = start(fake, data, **options)
    close(fake, job_id)
    fake.finish_bulk_jobs()
    return job_id


def results(fake: FakeSalesforce, job_id: str, kind: str) -> list[dict[str, str]]:
    text = fake.send("GET", f"{BASE}/ingest/{job_id}/{kind}/").body.decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_life_of_a_job(fake: FakeSalesforce) -> None:
    """[seen] Open, UploadComplete, InProgress, JobComplete; the upload's address has no slash in front."""
    fake.switches = attrs.evolve(fake.switches, bulk_looks=1)
    made = fake.send("POST", f"{BASE}/ingest", {"object": "contact", "operation": "insert"})
    job = body_of(made)
    assert (job["state"], job["apiVersion"], job["id"][:3]) == ("Open", 60.0, "750")
    assert fake.send("PUT", f"/{job['contentUrl']}", b"LastName\nRoy\n").body == b""
    closed = body_of(fake.send("PATCH", f"{BASE}/ingest/{job['id']}", {"state": "UploadComplete"}))
    assert closed["state"] == "UploadComplete"
    assert "contentUrl" not in closed
    assert [look(fake, job["id"])["state"] for _ in range(3)] == ["InProgress", "JobComplete", "JobComplete"]
    told = look(fake, job["id"])
    assert (told["jobType"], told["numberRecordsProcessed"], told["numberRecordsFailed"]) == ("V2Ingest", 1, 0)
    assert fake.send("DELETE", f"{BASE}/ingest/{job['id']}").status == 204
    assert fake.send("GET", f"{BASE}/ingest/{job['id']}").status == 404


def test_result_files(fake: FakeSalesforce) -> None:
    """[seen] `sf__` headers are quoted, those of the input are not; a completed job may hold failed rows."""
    job = ingest(fake, "LastName,Ext__c\nRoy,a\n,b\n")
    done, refused = results(fake, job, "successfulResults"), results(fake, job, "failedResults")
    assert [(row["sf__Created"], row["LastName"], row["Ext__c"]) for row in done] == [("true", "Roy", "a")]
    assert [(row["sf__Id"], row["sf__Error"], row["Ext__c"]) for row in refused] == [
        ("", "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --", "b")
    ]
    first = fake.send("GET", f"{BASE}/ingest/{job}/SUCCESSFULRESULTS").body.split(b"\n")[0]
    assert first == b'"sf__Id","sf__Created",LastName,Ext__c'
    assert look(fake, job)["state"] == "JobComplete"
    assert results(fake, job, "unprocessedRecords") == []


def test_result_rows_stand_in_no_order(fake: FakeSalesforce) -> None:
    """[documented] Rows are shuffled from a seed, and stand in the upload's order only where the switch says so."""
    data = "LastName\n" + "".join(f"N{number}\n" for number in range(20))
    names = [f"N{number}" for number in range(20)]
    job = ingest(fake, data)
    shuffled = [row["LastName"] for row in results(fake, job, "successfulResults")]
    assert shuffled != names
    assert sorted(shuffled) == sorted(names)
    fake.switches = attrs.evolve(fake.switches, bulk_shuffle=None)
    assert [row["LastName"] for row in results(fake, job, "successfulResults")] == names


def test_cells(fake: FakeSalesforce) -> None:
    """[documented] An empty cell leaves a field alone, `#N/A` clears it; cells of the wrong kind refuse their row."""
    ids = fake.load("Contact", [{"LastName": "L", "FirstName": "F", "Points__c": 1} for _ in range(3)])
    job = ingest(
        fake, f"Id,FirstName,Points__c\n{ids[0]},,2\n{ids[1]},#N/A,#N/A\n{ids[2]},G,many\n", operation="update"
    )
    stored = [(row["FirstName"], row["Points__c"]) for row in fake.rows("Contact")]
    assert stored == [("F", 2.0), (None, None), ("F", 1.0)]
    [refused] = results(fake, job, "failedResults")
    assert refused["sf__Error"].startswith("INVALID_TYPE_ON_FIELD_IN_RECORD:")
    assert refused["sf__Id"] == ids[2]


@pytest.mark.parametrize(("cells", "size"), [(1, 32_001), (13, 31_000)])
def test_a_row_has_its_measure(fake: FakeSalesforce, cells: int, size: int) -> None:
    """[documented] A cell above 32,000 characters, or a record above 400,000, refuses its row alone."""
    names = [f"Text{number}__c" for number in range(cells)]
    for name in names:
        fake.add_field("Contact", Field(name, "textarea", length=131_072))
    line = ",".join(["x" * size] * cells)
    job = ingest(fake, f"LastName,{','.join(names)}\nWide,{line}\nSlim{',' * cells}\n")
    [refused] = results(fake, job, "failedResults")
    assert (refused["LastName"], refused["sf__Error"].partition(":")[0]) == ("Wide", "STRING_TOO_LONG")
    assert [row["LastName"] for row in fake.rows("Contact")] == ["Slim"]


@pytest.mark.parametrize(
    ("data", "options", "told"),
    [
        ("LastName,Nme\nRoy,x\n", {}, "InvalidBatch : Field name not found : Nme"),
        ("LastName\nRoy\n", {"operation": "delete"}, "only ids"),
        ("LastName\r\nRoy\r\n", {}, "LineEnding is invalid"),
        ("LastName\nRoy\n", {"lineEnding": "CRLF"}, "LineEnding is invalid"),
        ('LastName\n"Roy\n', {}, "Failed to parse CSV"),
    ],
)
def test_a_wrong_upload_fails_the_whole_job(
    fake: FakeSalesforce, data: str, options: dict[str, str], told: str
) -> None:
    """[seen] The job is Failed, says why, and has processed nothing."""
    job = look(fake, ingest(fake, data, **options))
    assert (job["state"], job["numberRecordsProcessed"]) == ("Failed", 0)
    assert told in job["errorMessage"]
    assert fake.rows("Contact") == []


def test_upserts(fake: FakeSalesforce) -> None:
    """[inferred] Rows are found by the external id; the second of two rows with one key is refused."""
    [known] = fake.load("Contact", [{"LastName": "Old", "Ext__c": "a"}])
    job = ingest(fake, "Ext__c,LastName\na,New\nb,B\nb,C\n", operation="upsert", externalIdFieldName="ext__C")
    done = {
        row["Ext__c"]: (row["sf__Created"], row["sf__Id"] == known) for row in results(fake, job, "successfulResults")
    }
    assert done == {"a": ("false", True), "b": ("true", False)}
    assert results(fake, job, "failedResults")[0]["sf__Error"].startswith("DUPLICATE_VALUE:")


def test_parents_by_their_external_id(fake: FakeSalesforce) -> None:
    """[documented] `Relationship.ExtId__c` is a column; a miss refuses the row alone."""
    fake.add_field("Account", Field("Ext__c", external_id=True))
    [account] = fake.load("Account", [{"Name": "Acme", "Ext__c": "a"}])
    job = ingest(fake, "LastName,Account.Ext__c\nRoy,a\nRoe,z\n")
    assert [row["AccountId"] for row in fake.rows("Contact")] == [account]
    assert results(fake, job, "failedResults")[0]["sf__Error"].startswith("INVALID_FIELD:Foreign key external ID: z")


def test_an_ended_job(fake: FakeSalesforce) -> None:
    """[documented] What a job did before it was ended stays; the rest is unprocessed, and there is no way back."""
    fake.switches = attrs.evolve(fake.switches, bulk_batch=2)
    job = start(fake, "LastName\nA\nB\nC\n")
    close(fake, job)
    assert look(fake, job)["state"] == "InProgress"
    assert fake.send("PATCH", f"{BASE}/ingest/{job}", {"state": "Aborted"}).status == 200
    assert [row["LastName"] for row in results(fake, job, "unprocessedrecords")] == ["C"]
    assert fake.send("PATCH", f"{BASE}/ingest/{job}", {"state": "Aborted"}).status == 400
    assert len(fake.rows("Contact")) == 2


def test_a_job_takes_one_upload(fake: FakeSalesforce) -> None:
    """[documented] A second upload, one that is too large, and one after the closing are refused."""
    job = start(fake, "LastName\nA\n")
    assert fake.send("PUT", f"{BASE}/ingest/{job}/batches", b"LastName\nB\n").status == 400
    fake.switches = attrs.evolve(fake.switches, bulk_max_upload=10)
    other = body_of(fake.send("POST", f"{BASE}/ingest", {"object": "Contact", "operation": "insert"}))["id"]
    assert fake.send("PUT", f"{BASE}/ingest/{other}/batches", b"LastName\nB\n").status == 413


@pytest.mark.parametrize(
    "job",
    [
        {"object": "Nope", "operation": "insert"},
        {"object": "Contact", "operation": "mend"},
        {"object": "Contact", "operation": "upsert"},
        {"object": "Contact", "operation": "upsert", "externalIdFieldName": "LastName"},
        {"object": "Contact", "operation": "insert", "columnDelimiter": "DOT"},
        {"object": "Contact", "operation": "insert", "contentType": "XML"},
    ],
)
def test_wrong_jobs_are_refused_at_once(fake: FakeSalesforce, job: dict[str, str]) -> None:
    """[inferred] A job that cannot be is never made."""
    assert fake.send("POST", f"{BASE}/ingest", job).status in (400, 404)


def query(fake: FakeSalesforce, soql: str, operation: str = "query", **options: Any) -> str:
    answer = fake.send("POST", f"{BASE}/query", {"operation": operation, "query": soql, **options})
    assert answer.status == 200, answer.body
    assert body_of(answer)["state"] == "UploadComplete"
    fake.finish_bulk_jobs()
    return str(body_of(answer)["id"])


@pytest.mark.parametrize("repeats", [True, False])
def test_query_pages(fake: FakeSalesforce, repeats: bool) -> None:
    """[inferred] Pages hold `maxRecords` rows and name the next one; whether they repeat the header is a switch."""
    fake.switches = attrs.evolve(fake.switches, bulk_repeats_header=repeats)
    fake.load("Contact", [{"LastName": f"N{number}"} for number in range(5)])
    path = f"{BASE}/query/{query(fake, 'SELECT LastName FROM Contact ORDER BY LastName')}/results?maxRecords=2"
    pages: list[bytes] = []
    locator = ""
    while locator != "null":
        answer = fake.send("GET", path + (f"&locator={locator}" if locator else ""))
        locator = answer.headers["Sforce-Locator"]
        pages.append(answer.body)
        assert int(answer.headers["Sforce-NumberOfRecords"]) == answer.body.count(b'"N')
    header = b'"LastName"\n'
    assert pages == [
        header + b'"N0"\n"N1"\n',
        (header if repeats else b"") + b'"N2"\n"N3"\n',
        (header if repeats else b"") + b'"N4"\n',
    ]


def test_query_values(fake: FakeSalesforce) -> None:
    """[documented] Nulls are blank, unquoted, parents' names dotted, date-times end in `Z`; deleted rows on request."""
    [gone] = fake.load("Contact", [{"LastName": 'a "b"'}])
    stamp = str(fake.row("Contact", gone)["CreatedDate"]).replace(".000+0000", ".000Z")
    fake.delete("Contact", gone)
    soql = "SELECT LastName, Account.Name, IsDeleted, CreatedDate FROM Contact"
    assert fake.send("GET", f"{BASE}/query/{query(fake, soql)}/results").body.count(b"\n") == 1
    body = fake.send("GET", f"{BASE}/query/{query(fake, soql, 'queryAll')}/results").body.decode()
    head, row = body.splitlines()
    assert head == '"LastName","Account.Name","IsDeleted","CreatedDate"'
    assert row == f'"a ""b""",,"true","{stamp}"'


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Nope FROM Contact",
        "SELECT Id FROM Nope",
        "SELECT COUNT(Id) FROM Contact",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
        "SELECT MailingAddress FROM Contact",
        "nonsense",
        "",
    ],
)
def test_what_bulk_cannot_query(fake: FakeSalesforce, soql: str) -> None:
    """[documented] Wrong queries, sub-queries, aggregates and compound fields are refused when the job is made."""
    assert 400 <= fake.send("POST", f"{BASE}/query", {"operation": "query", "query": soql}).status < 500


def test_results_need_the_jobs_own_version(fake: FakeSalesforce) -> None:
    """[documented] Another API version is a conflict: 409."""
    job = query(fake, "SELECT Id FROM Contact")
    assert fake.send("GET", f"/services/data/v61.0/jobs/query/{job}/results").status == 409


def test_the_days_bulk_queries_are_counted(fake: FakeSalesforce) -> None:
    """[documented] `/limits` counts them down, and past the allowance none is made."""
    fake.switches = attrs.evolve(fake.switches, bulk_query_jobs=1)
    query(fake, "SELECT Id FROM Contact")
    told = body_of(fake.send("GET", "/services/data/v60.0/limits"))["DailyBulkV2QueryJobs"]
    assert told == {"Max": 1, "Remaining": 0}
    assert fake.send("POST", f"{BASE}/query", {"operation": "query", "query": "SELECT Id FROM Contact"}).status == 400


# The guest --------------------------------------------------------------------------------------------------------


class ToLoopback(HTTPAdapter):
    """Sends https requests to the simulator instead: the library writes https into every address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._to = urlsplit(url)

    def send(self, request: requests.PreparedRequest, *args: Any, **rest: Any) -> requests.Response:
        asked = urlsplit(str(request.url))
        request.url = urlunsplit((self._to.scheme, self._to.netloc, asked.path, asked.query, ""))
        return super().send(request, *args, **rest)


@pytest.fixture
def guest(fake: FakeSalesforce) -> Iterator[Any]:
    with fake, requests.Session() as session:
        session.trust_env = False
        session.mount("https://", ToLoopback(fake.url))
        yield Salesforce(session_id=fake.access_token(), instance_url=fake.url, session=session)


def test_the_guests_bulk_client_works_unmodified(fake: FakeSalesforce, guest: Any) -> None:
    """[seen] Insert, upsert, update, delete, results and queries of simple-salesforce's bulk2 end as they should."""
    records = [{"LastName": "Roy", "Ext__c": "a"}, {"LastName": "Roe", "Ext__c": "b"}]
    [told] = guest.bulk2.Contact.insert(records=records, wait=0.01)
    assert (told["numberRecordsProcessed"], told["numberRecordsFailed"]) == (2, 0)
    done = guest.bulk2.Contact.get_successful_records(told["job_id"])
    assert {row["Ext__c"] for row in csv.DictReader(io.StringIO(done))} == {"a", "b"}
    more = [{"LastName": "Now", "Ext__c": "b"}, {"LastName": "", "Ext__c": "c"}]
    [told] = guest.bulk2.Contact.upsert(records=more, external_id_field="Ext__c", wait=0.01)
    assert told["numberRecordsFailed"] == 1
    assert "REQUIRED_FIELD_MISSING" in guest.bulk2.Contact.get_failed_records(told["job_id"])
    assert guest.bulk2.Contact.get_unprocessed_records(told["job_id"]).count("\n") == 1
    ids = {row["Ext__c"]: row["Id"] for row in fake.rows("Contact")}
    guest.bulk2.Contact.update(records=[{"Id": ids["a"], "FirstName": "Ada"}], wait=0.01)
    guest.bulk2.Contact.delete(records=[{"Id": ids["b"]}], wait=0.01)
    assert [row["Name"] for row in fake.rows("Contact")] == ["Ada Roy"]
    pages = list(guest.bulk2.Contact.query("SELECT LastName FROM Contact", max_records=1, wait=0.01))
    assert pages == ['"LastName"\n"Roy"\n']
    pages = list(guest.bulk2.Contact.query_all("SELECT Id FROM Contact", max_records=1, wait=0.01))
    assert len(pages) == 2
