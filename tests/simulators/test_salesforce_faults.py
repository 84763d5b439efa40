"""Laws of the simulated Salesforce as a tool of tests: faults, seeding, the log, snapshots, sockets."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._clock import FakeClock
from di_salesforce.testing._faults import (
    ByteOrderMark,
    HtmlPage,
    HttpStatus,
    LateWrite,
    LostAnswer,
    Meanwhile,
    ResetConnection,
    SlowAnswer,
    TruncatedBody,
)
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_faults import CONCURRENCY_LIMIT, ErrorAnswer, ExpiredSession, SalesforceFault
from di_salesforce.testing._sf_schema import Field, SObject

BASE = "/services/data/v60.0/"
START = datetime(2026, 5, 20, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def fake(clock: FakeClock) -> FakeSalesforce:
    return FakeSalesforce(clock=clock)


def call(fake: FakeSalesforce, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = fake.send(method, BASE + path, body, headers=sent)
    return response.status, json.loads(response.body) if response.body else None


# Faults -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "saved"),
    [
        (CONCURRENCY_LIMIT, False),
        (ErrorAnswer(429, "TOO_MANY", retry_after=7), False),
        (HttpStatus(502), False),
        (HtmlPage(), False),
        (ResetConnection(), False),
        (ExpiredSession(), False),
        (LateWrite(), False),
        (LostAnswer(), True),
        (TruncatedBody(), True),
        (ByteOrderMark(), True),
    ],
)
def test_a_fault_carries_out_the_work_or_does_not(fake: FakeSalesforce, fault: SalesforceFault, saved: bool) -> None:
    """Faults in place of the work save nothing, those of the way back have saved; the second call goes well."""
    fake.inject(fault, method="POST", path="*/sobjects/Contact")
    fake.send("POST", BASE + "sobjects/Contact", {"LastName": "A"})
    assert (len(fake.rows("Contact")) == 1) is saved
    [entry] = fake.writes
    assert (entry.status == 0) is isinstance(fault, (ResetConnection, LostAnswer, LateWrite))
    assert fake.send("POST", BASE + "sobjects/Contact", {"LastName": "B"}).status == 201


def test_faults_keep_to_method_path_after_and_times(fake: FakeSalesforce) -> None:
    """A rule strikes only where it should, past the first `after`, `times` often, until it is withdrawn."""
    rule = fake.inject(ErrorAnswer(503, "SERVER_UNAVAILABLE"), method="GET", path="*/limits", after=1, times=2)
    statuses = [fake.send("GET", BASE + path).status for path in ("limits", "sobjects", "limits", "limits/", "limits")]
    assert statuses == [200, 200, 503, 503, 200]
    fake.withdraw(rule)
    always = fake.inject(HtmlPage(), times=None)
    assert fake.send("GET", BASE + "limits").body.startswith(b"<!DOCTYPE html>")
    fake.withdraw(always)
    assert fake.send("GET", BASE + "limits").status == 200


def test_retry_after_is_a_header(fake: FakeSalesforce) -> None:
    """`retry_after` shows as `Retry-After`; without it there is none."""
    fake.inject(ErrorAnswer(429, "TOO_MANY", retry_after=7))
    fake.inject(ErrorAnswer(429, "TOO_MANY"), after=1)
    headers = [fake.send("GET", BASE + "limits").headers for _ in range(2)]
    assert [header.get("Retry-After") for header in headers] == ["7", None]


def test_somebody_may_act_between_two_pages(fake: FakeSalesforce) -> None:
    """`Meanwhile` acts just before the call is looked at."""
    [record_id] = fake.load("Contact", [{"LastName": "A"}])
    fake.inject(Meanwhile(lambda: fake.edit("Contact", record_id, LastName="B")))
    assert call(fake, "GET", f"sobjects/Contact/{record_id}")[1]["LastName"] == "B"


def test_a_slow_answer_ends_with_the_server(fake: FakeSalesforce) -> None:
    """Closing the simulator ends the waiting of a slow answer: nothing hangs."""
    fake.start()
    asked = Event()
    fake.inject(SlowAnswer(600))
    fake.inject(Meanwhile(asked.set))
    waiting = Thread(target=fake.send, args=("GET", BASE + "limits"))
    waiting.start()
    assert asked.wait(timeout=30)
    fake.close()
    waiting.join(timeout=30)
    assert not waiting.is_alive()


# Seeding, log, state ------------------------------------------------------------------------------------------------


def test_load_takes_natives_and_the_text_of_csv_cells(fake: FakeSalesforce) -> None:
    """Dates, decimals and CSV text are stored in the API's forms; loading leaves no trace in the log."""
    fake.add_field("Contact", Field("Points__c", "double"))
    natives = {"LastName": "A", "Points__c": Decimal("1.50"), "Birthdate": START.date(), "HasOptedOutOfEmail": True}
    cells = {"LastName": "A", "Points__c": "1.5", "Birthdate": "2026-05-20", "HasOptedOutOfEmail": "TRUE", "Title": ""}
    fake.load("Contact", [natives, cells])
    names = ("LastName", "Points__c", "Birthdate", "HasOptedOutOfEmail", "Title")
    first, second = ([row[name] for name in names] for row in fake.rows("Contact"))
    assert first == second == ["A", 1.5, "2026-05-20", True, None]
    assert fake.requests == ()


def test_load_takes_all_rows_or_none_and_lists_what_is_wrong(fake: FakeSalesforce) -> None:
    """Bad rows are listed with their place and code, without their data, and nothing is loaded."""
    with pytest.raises(ConfigurationError) as caught:
        fake.load("Contact", [{"LastName": "A"}, {"LastName": "secret" * 20}, {"Email": "secret"}])
    assert [problem.path for problem in caught.value.problems] == ["rows[1]", "rows[2]"]
    assert "secret" not in str(caught.value)
    assert fake.rows("Contact") == []


def test_trusted_rows_are_taken_at_their_word(fake: FakeSalesforce) -> None:
    """Trusted rows bring ids, stamps and read-only values; later ids do not collide with theirs."""
    [made] = fake.load("Contact", [{"LastName": "A"}])
    rows = [{"Id": made[:14] + "2", "LastName": "x" * 200, "LastModifiedDate": "2020-01-01T00:00:00Z"}]
    [given] = fake.load("Contact", rows, trusted=True)
    row = fake.row("Contact", given)
    assert row["LastModifiedDate"] == row["SystemModstamp"] == row["CreatedDate"] == "2020-01-01T00:00:00.000+0000"
    assert len({made, given, *fake.load("Contact", [{"LastName": "B"}, {"LastName": "C"}])}) == 4


@pytest.mark.parametrize(
    "mistake",
    [
        lambda fake: fake.rows("Nope"),
        lambda fake: fake.load("Nope", []),
        lambda fake: fake.load("Contact", [{"Nope": 1}], trusted=True),
        lambda fake: fake.edit("Contact", "nope", LastName="x"),
        lambda fake: fake.hide_field("Contact", "Nope"),
        lambda fake: fake.url,
    ],
)
def test_mistakes_of_the_test_author_are_configuration_errors(
    fake: FakeSalesforce, mistake: Callable[[FakeSalesforce], object]
) -> None:
    """Whoever names what is not there is told so in a sentence."""
    with pytest.raises(ConfigurationError):
        mistake(fake)


def test_snapshots_bring_everything_back(fake: FakeSalesforce) -> None:
    """A restored org has its rows, fields, indexes and automation of then, and can be restored again."""
    fake.declare(SObject("Thing__c", [Field("Key__c", external_id=True, unique=True)]))
    [record_id] = fake.load("Thing__c", [{"Key__c": "a"}])
    kept = fake.snapshot()
    for _ in range(2):
        before = fake.rows("Thing__c")
        fake.edit("Thing__c", record_id, Key__c="b")
        fake.load("Thing__c", [{"Key__c": "a"}])
        fake.add_field("Thing__c", Field("More__c"))
        fake.validation_rule("Thing__c", lambda _row: "No.")
        fake.restore(kept)
        assert fake.rows("Thing__c") == before
        assert call(fake, "GET", "query?q=SELECT+Id+FROM+Thing__c+WHERE+Key__c='A'")[1]["totalSize"] == 1
    fake.edit("Thing__c", record_id, Key__c="c")


def test_reset_forgets_rows_and_keeps_declarations(fake: FakeSalesforce) -> None:
    """After a reset rows, log, faults and used calls are gone; fields, users and sessions are there."""
    fake.add_field("Contact", Field("More__c"))
    token = fake.access_token()
    fake.load("Contact", [{"LastName": "A", "More__c": "x"}])
    fake.inject(HtmlPage())
    users = fake.rows("User")
    fake.reset()
    assert (fake.rows("Contact"), fake.requests, fake.calls_used, fake.rows("User")) == ([], (), 0, users)
    response = fake.send(
        "GET", BASE + "query?q=SELECT+More__c+FROM+Contact", headers={"Authorization": f"Bearer {token}"}
    )
    assert response.status == 200


def test_nothing_personal_shows_in_reprs(fake: FakeSalesforce) -> None:
    """Neither rows nor addresses nor credentials show in the repr of the simulator, its log or its snapshot."""
    fake.load("Contact", [{"LastName": "Secretname", "Email": "secretname@example.com"}])
    call(fake, "GET", "sobjects/Contact/Email/secretname@example.com")
    shown = repr(fake) + repr(fake.requests) + repr(fake.snapshot()) + repr(fake.user)
    assert "ecretname" not in shown
    assert fake.password not in shown
    assert fake.client_secret not in shown


# Sockets ------------------------------------------------------------------------------------------------------------


def test_the_socket_gives_what_the_function_gives(clock: FakeClock) -> None:
    """Over loopback HTTP and in process the answers are the same; many threads may ask at once."""
    with FakeSalesforce(clock=clock) as fake:
        fake.load("Contact", [{"LastName": "Ünïcode"}])
        target = BASE + "query?q=SELECT+LastName+FROM+Contact"
        inside = fake.send("GET", target)
        bodies: list[bytes] = []

        def ask() -> None:
            connection = http.client.HTTPConnection(urlsplit(fake.url).netloc)
            for _ in range(5):
                connection.request("GET", target, headers={"Authorization": f"Bearer {token}"})
                bodies.append(connection.getresponse().read())
            connection.close()

        token = fake.access_token()
        threads = [Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bodies == [inside.body] * 40
        assert [entry.number for entry in fake.requests] == list(range(1, 42))


def test_a_lost_answer_closes_the_connection() -> None:
    """A lost answer is a connection that ends without a word, after the work was done."""
    with FakeSalesforce() as fake:
        fake.inject(LostAnswer())
        connection = http.client.HTTPConnection(urlsplit(fake.url).netloc)
        headers = {"Authorization": f"Bearer {fake.access_token()}"}
        connection.request("POST", BASE + "sobjects/Contact", json.dumps({"LastName": "A"}), headers)
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        connection.close()
        assert len(fake.rows("Contact")) == 1
