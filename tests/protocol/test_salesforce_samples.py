"""Laws of reading Salesforce, over samples: each endpoint's answer in its recorded shape, and any damage to it.

The shapes are those of recorded answers as far as there are any (fact sheet, 3.2 to 3.10); names and ids are invented.
Describes have samples and laws of their own.  `nox -s fuzz` damages each of them thousands of times.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import AmbiguousKeyError, ApiError
from di_salesforce.salesforce import (
    AccessToken,
    BulkJob,
    Identity,
    Limit,
    RefreshToken,
    RowError,
    RowResult,
    Settings,
    Soql,
    Updates,
)
from di_salesforce.salesforce import _bulk as bulk
from di_salesforce.salesforce import _calls as calls
from di_salesforce.salesforce import _changes as changes
from di_salesforce.salesforce import _collections as collections
from di_salesforce.salesforce._bulk import BulkPage
from di_salesforce.salesforce._bulk_csv import CsvForm
from di_salesforce.salesforce._changes import Deletions
from di_salesforce.salesforce._rows import plain_rows
from di_salesforce.salesforce._settings import Writing
from di_salesforce.wire import Call, HttpResponse

SAMPLES = {
    path.stem: path for path in sorted((Path(__file__).parent / "samples" / "salesforce_answers").glob("*.json"))
}
SETTINGS = Settings()
ONE, TWO = "003000000000001AAA", "003000000000002AAA"
JOB = BulkJob("750000000000001AAA", "Open", "insert", "Contact")
QUERY = Soql.trusted("SELECT Id FROM Contact")
START, END = (datetime(2026, 5, 1, 7, minute, tzinfo=UTC) for minute in (0, 25))
MISSING = RowResult(
    False, errors=(RowError("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", ("LastName",)),)
)
MADE = RowResult(True, ONE, created=True)

# Each sample: the call whose answer it is, and what it is read as.
READ: dict[str, tuple[Call[Any], object]] = {
    "versions": (calls.versions(), ("65.0", "60.0")),
    "userinfo": (calls.userinfo(), Identity("00D000000000001EAA", "005000000000001AAA", "sync@example.ca")),
    "organization_id": (calls.organization_id(SETTINGS), Identity("00D000000000001EAA")),
    "limits": (
        calls.limits(SETTINGS),
        {"DailyApiRequests": Limit(15000, 14998), "DailyBulkV2QueryJobs": Limit(10000, 10000)},
    ),
    "query_page": (
        calls.query_page(SETTINGS, QUERY),
        [
            {
                "Id": ONE,
                "CreatedDate": "2026-05-01T07:25:37.000+0000",
                "Points__c": Decimal("12.5"),
                "Account.Name": "Acme",
                "Cases": [{"Id": "500000000000001AAA"}],
            }
        ],
    ),
    "next_page": (calls.next_page("/services/data/v60.0/query/0r8-2000"), [{"Id": TWO, "Account": None}]),
    "get_record": (calls.get_record(SETTINGS, "Contact", ONE), "LastName MailingAddress Id attributes".split()),
    "create_record": (calls.create_record(SETTINGS, "Contact", {}), ONE),
    "update_record": (calls.update_record(SETTINGS, "Contact", ONE, {}), None),
    "delete_record": (calls.delete_record(SETTINGS, "Contact", ONE), None),
    "upsert_record": (calls.upsert_record(SETTINGS, "Contact", "Email", "x", {}), MADE),
    "upsert_record.updated": (calls.upsert_record(SETTINGS, "Contact", "Email", "x", {}), RowResult(True, ONE)),
    "write_slice": (
        collections.write_slice(SETTINGS, Writing("upsert", "Contact", "Email"), [b"{}", b"{}"]),
        [MADE, MISSING],
    ),
    "retrieve_slice": (
        collections.retrieve_slice(SETTINGS, "Contact", [ONE, TWO], ["Id", "LastName"]),
        [{"attributes": {"type": "Contact", "url": "x"}, "Id": ONE, "LastName": "Tremblay"}, None],
    ),
    "updated_window": (changes.updated_window(SETTINGS, "Contact", START, END), Updates((ONE,), END)),
    "deleted_window": (
        changes.deleted_window(SETTINGS, "Contact", START, END),
        Deletions({TWO: datetime(2026, 5, 1, 7, 20, tzinfo=UTC)}, END, datetime(2026, 4, 1, tzinfo=UTC)),
    ),
    "create_ingest": (bulk.create_ingest(SETTINGS, "create", "Contact", CsvForm()), JOB),
    "upload": (bulk.upload(SETTINGS, JOB, b"x"), None),
    "close_job": (
        bulk.close_job(SETTINGS, JOB.id, "UploadComplete"),
        BulkJob(JOB.id, "UploadComplete", "insert", "Contact"),
    ),
    "look_at": (bulk.look_at(SETTINGS, JOB.id), BulkJob(JOB.id, "JobComplete", "insert", "Contact", 2, 1)),
    "look_at.failed": (
        bulk.look_at(SETTINGS, JOB.id),
        BulkJob(JOB.id, "Failed", "insert", "Contact", error="InvalidBatch : Field name not found : Nme"),
    ),
    "successful_rows": (bulk.successful_rows(SETTINGS, JOB, "Ext__c"), {"x1": MADE}),
    "failed_rows": (bulk.failed_rows(SETTINGS, JOB, "Ext__c"), {"x2": MISSING}),
    "unprocessed_keys": (
        bulk.unprocessed_keys(SETTINGS, JOB, "Ext__c"),
        {"x3": RowResult(False, errors=(RowError("row.unprocessed", "the job ended before this row"),))},
    ),
    "create_query": (
        bulk.create_query(SETTINGS, QUERY, CsvForm()),
        BulkJob("750000000000002AAA", "UploadComplete", "query", "Contact"),
    ),
    "bulk_query_page": (
        bulk.query_page(SETTINGS, JOB, locator="", page_rows=2),
        BulkPage(("Id", "LastName"), [[ONE, "Tremblay"], [TWO, ""]], "MTAwMDA"),
    ),
    "refresh_token": (
        RefreshToken("r", "app").log_in().call,
        AccessToken("https://example.my.salesforce.com", "00D000000000001!AQ").session(),
    ),
}
REFUSED = {"upsert_record.several": calls.upsert_record(SETTINGS, "Contact", "Email", "x", {})}
ELSEWHERE = {"describe_sobject", "schema_of", "raw_call"}  # describes have samples of their own; any answer at all


def sample(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(SAMPLES[name].read_text(encoding="utf-8"))
    return read


def response(told: dict[str, Any], body: object = ...) -> HttpResponse:
    content = told["body"] if body is ... else body
    text = "" if content is None else content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return HttpResponse(told["status"], told["headers"], text.encode("utf-8", "surrogatepass"))


def test_every_endpoint_has_a_sample() -> None:
    """Each function that makes a call has a sample of its answer, and each sample a call."""
    made = {
        name
        for module in (calls, collections, changes, bulk)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and str(inspect.signature(function).return_annotation).startswith("Call[")
    }
    public = {name for name in made if not name.startswith("_")}
    assert public - ELSEWHERE == {name.partition(".")[0] for name in READ} & public
    assert set(SAMPLES) == {*READ, *REFUSED}


@pytest.mark.parametrize("name", READ)
def test_a_sample_is_read(name: str) -> None:
    """The answer is read as what it says."""
    call, expected = READ[name]
    found = call.decode(response(sample(name)))
    if name in ("query_page", "next_page"):
        assert plain_rows(found) == expected
        assert (found.total, found.next_path is None) == (2086, name == "next_page")
    elif name == "get_record":
        assert sorted(found) == sorted(expected)  # type: ignore[type-var,arg-type]  # names
    else:
        assert found == expected


def test_an_ambiguous_key_is_read() -> None:
    """Several records of one external id are told by their paths."""
    with pytest.raises(AmbiguousKeyError) as caught:
        REFUSED["upsert_record.several"].decode(response(sample("upsert_record.several")))
    assert [path.rpartition("/")[2] for path in caught.value.matches] == [ONE, TWO]


@pytest.mark.parametrize("name", [name for name in READ if not name.startswith(("upload", "update_", "delete_"))])
def test_a_byte_order_mark_changes_nothing(name: str) -> None:
    """An answer that begins with a byte-order mark is the same answer."""
    call, whole = READ[name][0], response(sample(name))
    marked = HttpResponse(whole.status, whole.headers, b"\xef\xbb\xbf" + whole.content)
    assert call.decode(marked) == call.decode(whole)


# Damage -----------------------------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["/services/data/x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the paths to everything inside a JSON value."""
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, inner in inside for deeper in places(inner, (*path, key)))]


def damaged(draw: Any, body: Any) -> Any:
    """Put something else in one place of a body, or take it away."""
    path = draw(st.sampled_from(places(body)))
    if not path:
        return draw(ANYTHING)
    whole = copy.deepcopy(body)
    parent = whole
    for key in path[:-1]:
        parent = parent[key]
    if draw(st.booleans()):
        parent[path[-1]] = draw(ANYTHING)
    else:
        del parent[path[-1]]
    return whole


@st.composite
def answers(draw: Any) -> tuple[Call[Any], HttpResponse]:
    name = draw(st.sampled_from(sorted(SAMPLES)))
    call = REFUSED[name] if name in REFUSED else READ[name][0]
    told = sample(name)
    body = told["body"]
    for _ in range(draw(st.integers(0, 3))):
        body = damaged(draw, body) if not isinstance(body, str) else body
    content = response(told, body).content
    cut = draw(st.integers(0, len(content)))
    content = content[:cut] + draw(st.binary(max_size=3)) + content[cut + draw(st.integers(0, 3)) :]
    status = draw(
        st.sampled_from([told["status"]] * 6 + [200, 201, 204, 300, 302, 400, 401, 403, 404, 412, 429, 500, 503])
    )
    headers = {
        **told["headers"],
        **draw(
            st.dictionaries(st.sampled_from(["sforce-numberofrecords", "retry-after", "date"]), st.text(max_size=5))
        ),
    }
    return call, HttpResponse(status, headers, content)


@pytest.mark.fuzz
@given(answers())
def test_damage_ends_in_a_value_or_in_our_error(answer: tuple[Call[Any], HttpResponse]) -> None:
    """Whatever befalls an answer, its reader gives a value or raises an ApiError, and nothing else."""
    call, damaged_answer = answer
    with contextlib.suppress(ApiError):
        call.decode(damaged_answer)
