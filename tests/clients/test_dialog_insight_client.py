"""Both Dialog Insight clients against the simulator, over real HTTP."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import httpx
import pytest

from di_salesforce.clients._dialog_insight import DialogInsightClient, Project, Records
from di_salesforce.clients._dialog_insight_async import AsyncDialogInsightClient, AsyncProject, AsyncRecords
from di_salesforce.dialog_insight import Capabilities, MergeOptions, MergeStatus
from di_salesforce.exceptions import (
    AuthenticationError,
    ConfigurationError,
    DISalesforceError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from di_salesforce.records import Row
from di_salesforce.retry import RetryPolicy
from di_salesforce.runners import Exchange
from di_salesforce.schema import FieldType
from di_salesforce.testing import _di_faults as di_faults
from di_salesforce.testing import _di_model as model
from di_salesforce.testing import _faults as faults
from di_salesforce.testing._di_access import Right
from di_salesforce.testing._di_switches import CallCause, RecordCause, RecordResult, Switches
from di_salesforce.testing._dialog_insight import FakeDialogInsight

PROJECT, ORDERS, LINES = 4321, 8765, 8766
ADA = "ada@test.example"
ALL = Capabilities(clauseless_get=True, delete=True)
ONCE = RetryPolicy(attempts=1)
INSERT_ONLY = MergeOptions(allow_update=False)
UPDATE_ONLY = MergeOptions(allow_insert=False)


def account(switches: Switches | None = None) -> FakeDialogInsight:
    fake = FakeDialogInsight(switches=switches)
    fake.add_project(
        model.Project(
            PROJECT,
            "Demo",
            fields=[
                model.ProjectField("EMail", "email", key=True, required=True),
                model.ProjectField("City", length=10),
                model.ProjectField("Points", "decimal"),
                model.ProjectField("Born", "date"),
                model.ProjectField("Vip", "boolean"),
            ],
            optins=[model.OptinField("news", date_code="newsDate")],
        )
    )
    fake.add_table(
        model.Table(
            ORDERS,
            project=PROJECT,
            code="Orders",
            kind="profiling",
            columns=[
                model.Column("idOrder", length=100, key=True),
                model.Column("idContact", "int", foreign_key=True),
                model.Column("Revenue", "decimal"),
                model.Column("dtTransaction", "datetime"),
            ],
        )
    )
    columns = [model.Column("idOrder", length=100, key=True), model.Column("line", "int", key=True)]
    fake.add_table(
        model.Table(LINES, project=PROJECT, code="Lines", columns=[*columns, model.Column("quantity", "int")])
    )
    return fake


def connect(fake: FakeDialogInsight, **options: Any) -> DialogInsightClient:  # the class's own parameters
    settings: dict[str, Any] = {"capabilities": ALL, "retry": ONCE, **options}
    return DialogInsightClient(id_key=fake.id_key, key=fake.key, host=fake.url, **settings)


@pytest.fixture
def fake() -> Iterator[FakeDialogInsight]:
    with account() as running:
        yield running


@pytest.fixture
def client(fake: FakeDialogInsight) -> Iterator[DialogInsightClient]:
    with connect(fake) as connected:
        yield connected


@pytest.fixture
def contacts(client: DialogInsightClient) -> Records:
    return client.project(PROJECT).contacts


# reading and writing ------------------------------------------------------------------------------------------------
def test_contact_goes_there_and_back(contacts: Records) -> None:
    """What is written is read again under the same names, decimals exact."""
    row: Row = {
        "EMail": ADA,
        "City": "Orléans",
        "Points": Decimal("12.50"),
        "Born": date(1815, 12, 10),
        "optin_news": True,
    }
    (result,) = contacts.merge([row], key="EMail")
    assert result.status is MergeStatus.CREATED
    assert result.stored is not None
    assert result.stored["idContact"] == result.record_id
    (read,) = contacts.get(EMail=ADA)
    assert read == result.stored
    expected = {
        "EMail": ADA,
        "City": "Orléans",
        "Born": "1815.12.10",
        "optin_news": True,
        "idContact": result.record_id,
    }
    assert {name: read[name] for name in expected} == expected
    assert Decimal(str(read["Points"])) == Decimal("12.50")


def test_blank_clears_and_absent_leaves(contacts: Records) -> None:
    """A null or empty value clears its field; a field that is left out stays as it is."""
    contacts.merge([{"EMail": ADA, "City": "Metz", "Points": 3}], key="EMail")
    contacts.merge([{"EMail": ADA, "City": None}], key="EMail", options=UPDATE_ONLY)
    (read,) = contacts.get(EMail=ADA)
    assert (read["City"] or None, read["Points"]) == (None, 3)


def test_contact_is_addressed_by_its_id(contacts: Records) -> None:
    """An update by idContact reaches the contact, and may change its address."""
    (created,) = contacts.merge([{"EMail": ADA}], key="EMail")
    row = {"idContact": created.record_id, "EMail": "augusta@test.example"}
    (result,) = contacts.merge([row], key="idContact", options=UPDATE_ONLY)
    assert (result.status, result.record_id) == (MergeStatus.UPDATED, created.record_id)
    assert contacts.get(EMail=ADA) == []
    (read,) = contacts.get(idContact=created.record_id)
    assert read["EMail"] == "augusta@test.example"


def test_relational_rows_go_there_and_back(client: DialogInsightClient, contacts: Records) -> None:
    """Rows of a table are written by their key, found by a foreign key, changed field by field."""
    (ada,) = contacts.merge([{"EMail": ADA}], key="EMail")
    orders = client.table(ORDERS)
    row = {"idOrder": "A-17", "idContact": ada.record_id, "Revenue": Decimal("19.90")}
    (result,) = orders.merge([{**row, "dtTransaction": datetime(2025, 3, 4, 10, 20, 30)}], key="idOrder")
    assert result.status is MergeStatus.CREATED
    (result,) = orders.merge([{"idOrder": "A-17", "Revenue": 5}], key="idOrder", options=UPDATE_ONLY)
    assert result.status is MergeStatus.UPDATED
    (read,) = orders.get(idContact=ada.record_id)
    assert read == result.stored
    assert (read["dtTransaction"], read["Revenue"]) == ("2025.03.04 10:20:30", 5)


def test_composite_key(client: DialogInsightClient) -> None:
    """Rows with a key of two fields are written and found by both."""
    lines = client.table(LINES)
    rows = [{"idOrder": order, "line": line, "quantity": line * 10} for order in "AB" for line in (1, 2)]
    assert [result.status for result in lines.merge(rows, key=("idOrder", "line"))] == [MergeStatus.CREATED] * 4
    assert lines.get(idOrder="A", line=2) == [rows[1]]
    assert lines.find(("idOrder", "line"), [("B", 1), ("A", 1)]) == [rows[2], rows[0]]
    (result,) = lines.merge([{"idOrder": "B", "line": 2, "quantity": 7}], key=("idOrder", "line"), options=UPDATE_ONLY)
    assert result.stored == {"idOrder": "B", "line": 2, "quantity": 7}


def test_full_read_and_look_up(fake: FakeDialogInsight, contacts: Records) -> None:
    """A full read gives every row; a look-up gives those of the values, each value asked for once."""
    fake.load_contacts(PROJECT, [{"EMail": f"{number}@test.example"} for number in range(50)])
    assert len(contacts.get()) == 50
    before = len(fake.requests)
    wanted = [f"{number}@test.example" for number in (7, 3, 7, 99)]
    assert [row["EMail"] for row in contacts.find("EMail", wanted)] == wanted[:2]
    assert len(fake.requests_since(before)) == 3


FAILS_THE_CALL = Switches(unknown_field="fail_call")


def test_a_merge_that_is_refused_as_a_whole_is_halved_down_to_the_bad_row() -> None:
    """One row with a field that nobody knows refuses its whole call: it alone stays refused, the others are written."""
    rows: list[Row] = [{"EMail": f"p{n}@test.example", "City": "Metz"} for n in range(20)]
    rows[13] = {"EMail": "p13@test.example", "Nowhere": "x"}
    with account(FAILS_THE_CALL) as fake, connect(fake) as client:
        results = client.project(PROJECT).contacts.merge(rows, key="EMail", options=INSERT_ONLY)
    refused = [place for place, result in enumerate(results) if result.status is MergeStatus.REFUSED]
    assert refused == [13]
    assert sum(result.status is MergeStatus.CREATED for result in results) == 19
    assert len(fake.contacts(PROJECT)) == 19
    levels = 5  # of halves, until one of twenty stands alone
    assert len([call for call in fake.requests if call.method == "Merge"]) <= 1 + 2 * levels


def test_a_merge_of_nothing_but_bad_rows_is_given_up_soon() -> None:
    """Where every half is refused, the calls are bounded, and the reason is told."""
    rows: list[Row] = [{"EMail": f"p{n}@test.example", "Nowhere": "x"} for n in range(200)]
    with account(FAILS_THE_CALL) as fake, connect(fake) as client, pytest.raises(InvalidRequestError):
        client.project(PROJECT).contacts.merge(rows, key="EMail", options=INSERT_ONLY)
    assert len([call for call in fake.requests if call.method == "Merge"]) <= 64
    assert fake.contacts(PROJECT) == []


def test_merge_slices_by_the_ceiling(fake: FakeDialogInsight) -> None:
    """More rows than one call takes are sent in several, and every row gets its own contact's result."""
    rows = [{"EMail": f"{number}@test.example"} for number in range(25)]
    with connect(fake, capabilities=attrs.evolve(ALL, max_records_per_merge=10, merges_at_once=3)) as client:
        results = client.project(PROJECT).contacts.merge(rows, key="EMail", options=INSERT_ONLY)
    assert [result.stored and result.stored["EMail"] for result in results] == [row["EMail"] for row in rows]
    assert [call.row_count for call in fake.writes] in ([10, 10, 5], [10, 5, 10])


@pytest.mark.parametrize(
    "switches",
    [
        Switches(),
        Switches(insert_only_hit="refuse", update_only_miss="skip"),
        Switches(record_results={RecordCause.KNOWN_SKIPPED: RecordResult("Ignoré", "OK")}, trace="absent"),
        Switches(error_http_status=400, body_layout="indented", number_rendering="text"),
    ],
)
def test_flags_that_forbid_leave_a_recognisable_outcome(switches: Switches) -> None:
    """However the service words it, an insert-only hit and an update-only miss are told, and harmless."""
    with account(switches) as fake, connect(fake) as client:
        fake.load_contacts(PROJECT, [{"EMail": ADA, "City": "Metz"}])
        contacts = client.project(PROJECT).contacts
        rows = [{"EMail": ADA, "City": "Lyon"}, {"EMail": "bea@test.example", "City": "Lyon"}]
        hit = contacts.merge(rows[:1], key="EMail", options=INSERT_ONLY)
        miss = contacts.merge(rows[1:], key="EMail", options=UPDATE_ONLY)
        assert [result.status for result in (*hit, *miss)] == [MergeStatus.EXISTS, MergeStatus.UNMATCHED]
        assert [row["City"] for row in contacts.get()] == ["Metz"]


def test_bad_record_does_not_hurt_the_good_ones(contacts: Records) -> None:
    """A record that the service refuses, or that cannot be sent, is told by itself; the others are stored."""
    rows: list[Row] = [
        {"EMail": ADA, "City": "Metz"},
        {"EMail": "bea@test.example", "City": "Llanfairpwllgwyngyll"},
        {"EMail": None, "City": "Metz"},
        {"EMail": "cat@test.example", "Born": datetime(2000, 1, 1, tzinfo=UTC)},
        {"EMail": "dan@test.example", "City": "Lyon"},
    ]
    results = contacts.merge(rows, key="EMail")
    assert [result.status.value for result in results] == ["created", "refused", "refused", "refused", "created"]
    assert [result.code for result in results[2:4]] == ["key.missing", "value.time_zone"]
    assert "City" in results[1].message
    assert len(contacts.get()) == 2


def test_delete_is_off_until_it_is_meant(fake: FakeDialogInsight, contacts: Records) -> None:
    """Without the capability nothing is deleted; with it, what matches is."""
    contacts.merge([{"EMail": ADA}], key="EMail")
    with connect(fake, capabilities=Capabilities()) as cautious, pytest.raises(ConfigurationError, match="delete"):
        cautious.project(PROJECT).contacts.delete(EMail=ADA)
    assert contacts.delete(EMail=ADA) == 1
    assert contacts.delete(EMail=ADA) == 0


def test_projects_and_their_schema(client: DialogInsightClient) -> None:
    """Projects are listed; a project's fields and opt-ins are told, types as far as their names give them away."""
    (listed,) = client.projects()
    assert (listed.id, listed.name) == (PROJECT, "Demo")
    schema = client.project(PROJECT).info()
    types = {name: schema[name].type for name in ("EMail", "Points", "Born", "Vip", "optin_news", "idContact")}
    assert types == {
        "EMail": FieldType.EMAIL,
        "Points": FieldType.DECIMAL,
        "Born": FieldType.DATE,
        "Vip": FieldType.BOOLEAN,
        "optin_news": FieldType.OPT_IN,
        "idContact": FieldType.ID,
    }


def test_escape_hatch_has_the_same_key_and_errors(client: DialogInsightClient) -> None:
    """Any method can be called; its answer comes without the envelope's trace, its refusal as the same errors."""
    answer = client.call("Projects", "Get", {"idProject": PROJECT}, writes=False)
    assert [field["Code"] for field in answer["ProjectInfo"]["OptinFields"]] == ["news"]
    assert "Trace" not in answer
    with pytest.raises(InvalidRequestError):
        client.call("Contacts", "Frobnicate", {})


def test_access_check_names_what_is_missing(fake: FakeDialogInsight, client: DialogInsightClient) -> None:
    """Nothing is missing where all can be read; else each sentence says what, and nothing is written."""
    assert client.check_access(PROJECT) == []
    fake.access = attrs.evolve(fake.access, rights=[Right("Projects")])
    (sentence,) = client.check_access(PROJECT)
    assert "Contacts.Get" in sentence
    (sentence,) = client.check_access(1)[:1]
    assert "project 1" in sentence
    assert fake.writes == ()


# failures -----------------------------------------------------------------------------------------------------------
def deny(fake: FakeDialogInsight, **changes: Any) -> None:  # the fields of ApiKey
    fake.access = attrs.evolve(fake.access, **changes)


# What is broken, and the error that a read then ends in.
FAILURES: list[tuple[Callable[[FakeDialogInsight], object], type[DISalesforceError]]] = [
    (lambda fake: deny(fake, key="another"), AuthenticationError),
    (lambda fake: deny(fake, expires=datetime(2020, 1, 1, tzinfo=UTC)), AuthenticationError),
    (lambda fake: deny(fake, addresses={"203.0.113.9"}), PermissionDeniedError),
    (lambda fake: deny(fake, rights=[]), PermissionDeniedError),
    (lambda fake: deny(fake, quota=0), RateLimitError),
    (lambda fake: fake.inject(faults.HtmlPage()), UnexpectedResponseError),
    (lambda fake: fake.inject(faults.TruncatedBody()), UnexpectedResponseError),
    (lambda fake: fake.inject(faults.HttpStatus(503)), ServerError),
    (lambda fake: fake.inject(faults.ResetConnection()), TransportError),
    (lambda fake: fake.inject(di_faults.EnvelopeError(CallCause.UNKNOWN_PROJECT)), NotFoundError),
]


@pytest.mark.parametrize(("break_it", "kind"), FAILURES)
def test_failure_has_its_class_and_no_secret(
    fake: FakeDialogInsight,
    contacts: Records,
    break_it: Callable[[FakeDialogInsight], object],
    kind: type[DISalesforceError],
) -> None:
    """Each failure is the error that says whose fault it is; none shows the key or the value that was asked for."""
    break_it(fake)
    with pytest.raises(DISalesforceError) as caught:
        contacts.get(EMail=ADA)
    assert type(caught.value) is kind
    shown = f"{caught.value!r} {caught.value} {vars(caught.value)}"
    assert fake.key not in shown
    assert ADA not in shown


@pytest.mark.parametrize("fault", [faults.ByteOrderMark(), di_faults.MissingTrace(), di_faults.NumbersAsText()])
def test_oddities_of_answers_are_read(fake: FakeDialogInsight, contacts: Records, fault: faults.Fault) -> None:
    """A byte-order mark, a missing trace and numbers as strings change nothing but the numbers of rows."""
    (created,) = contacts.merge([{"EMail": ADA, "City": "Metz"}], key="EMail")
    fake.inject(fault, times=None)
    (read,) = contacts.get(EMail=ADA)
    assert (read["idContact"], read["City"]) == (created.record_id, "Metz")
    (result,) = contacts.merge([{"EMail": ADA, "City": "Lyon"}], key="EMail")
    assert (result.status, result.record_id) == (MergeStatus.UPDATED, created.record_id)


@pytest.mark.parametrize("fault", [faults.LostAnswer(), faults.TruncatedBody(), faults.HttpStatus(500)])
def test_merge_without_a_readable_answer_is_unknown(
    fake: FakeDialogInsight, contacts: Records, fault: faults.Fault
) -> None:
    """Where the answer to a merge is lost, cut short or an error of the service, its rows are unknown, not refused."""
    fake.inject(fault, method="Merge")
    (result,) = contacts.merge([{"EMail": ADA}], key="EMail", options=INSERT_ONLY)
    assert result.unknown


def test_lost_merge_is_repeated_without_a_double(fake: FakeDialogInsight) -> None:
    """A merge whose answer was lost is sent again and meets what the first attempt left: nothing is created twice."""
    fake.inject(faults.LostAnswer(), method="Merge")
    with connect(fake, retry=RetryPolicy(base=0)) as client:
        contacts = client.project(PROJECT).contacts
        (result,) = contacts.merge([{"EMail": ADA}], key="EMail", options=INSERT_ONLY)
        assert result.status is MergeStatus.EXISTS
        assert len(contacts.get()) == 1
    assert len(fake.writes) == 2


def test_lost_delete_is_not_repeated(fake: FakeDialogInsight) -> None:
    """A delete whose answer was lost is sent once, and the error says that it may have been carried out."""
    fake.load_contacts(PROJECT, [{"EMail": ADA}])
    fake.inject(faults.LostAnswer(), method="Delete")
    with connect(fake, retry=RetryPolicy(base=0)) as client, pytest.raises(TransportError) as caught:
        client.project(PROJECT).contacts.delete(EMail=ADA)
    assert caught.value.may_have_applied
    assert len(fake.writes) == 1


def test_nobody_there_is_a_transport_error_that_wrote_nothing() -> None:
    """Where no service listens, a merge raises: nothing was written, no row is in doubt."""
    with account() as fake:
        url = fake.url
    with (
        DialogInsightClient(id_key=1, key="k", host=url, retry=ONCE) as client,
        pytest.raises(TransportError) as caught,
    ):
        client.project(PROJECT).contacts.merge([{"EMail": ADA}], key="EMail")
    assert not caught.value.may_have_applied


# the client itself --------------------------------------------------------------------------------------------------
def test_client_comes_from_the_environment(fake: FakeDialogInsight) -> None:
    """Key pair and host are read from the environment; what is not set is named, all of it."""
    environ = {"DIALOG_INSIGHT_ID_KEY": str(fake.id_key), "DIALOG_INSIGHT_KEY": fake.key}
    with DialogInsightClient.from_env({**environ, "DIALOG_INSIGHT_HOST": fake.url}) as client:
        assert [project.id for project in client.projects()] == [PROJECT]
    with pytest.raises(ConfigurationError) as caught:
        DialogInsightClient.from_env({})
    assert [problem.path for problem in caught.value.problems] == ["DIALOG_INSIGHT_ID_KEY", "DIALOG_INSIGHT_KEY"]


@pytest.mark.parametrize("host", ["http://app.dialoginsight.com", "https://app.dialoginsight.com/fe", "", "ftp://x"])
def test_host_that_cannot_be_is_refused(host: str) -> None:
    """Plain http to another machine, a path, or no host at all, is refused before anything is sent."""
    with pytest.raises(ConfigurationError):
        DialogInsightClient(id_key=1, key="k", host=host)


def test_key_shows_nowhere(fake: FakeDialogInsight, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the reprs, nor the log, nor what observers see holds the key or people's data."""
    seen: list[Exchange] = []
    with caplog.at_level(logging.DEBUG), connect(fake, observer=seen.append) as client:
        contacts = client.project(PROJECT).contacts
        contacts.merge([{"EMail": ADA}], key="EMail")
        shown = f"{client!r} {client.connection!r} {client.settings!r} {contacts!r} {seen!r} {caplog.text}"
    assert len(seen) == 1
    assert fake.key.encode() not in seen[0].request.content
    assert fake.key not in shown
    assert ADA not in shown


def test_http_client_of_ones_own_is_used_and_left_open(fake: FakeDialogInsight) -> None:
    """A given httpx client carries the calls and is not closed with ours."""
    with httpx.Client(trust_env=False) as own:
        with connect(fake, http_client=own) as client:
            client.projects()
        assert not own.is_closed
        assert len(fake.requests) == 1


def test_forgotten_client_is_a_resource_warning(fake: FakeDialogInsight) -> None:
    """A client that made a connection and is never closed says so when it is collected; a closed one sends no more."""
    clients = [connect(fake)]
    clients[0].projects()
    with pytest.warns(ResourceWarning, match="never closed"):
        clients.clear()
    closed = connect(fake)
    closed.close()
    with pytest.raises(ConfigurationError, match="closed"):
        closed.projects()


def test_key_stands_first_on_the_wire() -> None:
    """On the wire AuthKey is the first member of every body."""
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(200, json={"Success": True, "Records": []})

    with httpx.Client(transport=httpx.MockTransport(answer)) as own:
        client = DialogInsightClient(id_key=1234, key="k", http_client=own)
        client.projects()
        client.project(PROJECT).contacts.get(EMail=ADA)
        client.close()
    assert [next(iter(json.loads(body))) for body in bodies] == ["AuthKey", "AuthKey"]


# the async twin -----------------------------------------------------------------------------------------------------
def test_async_client_does_the_same(fake: FakeDialogInsight) -> None:
    """The async client reads, writes, looks up and fails as the blocking one does."""

    async def work() -> None:
        made = AsyncDialogInsightClient(id_key=fake.id_key, key=fake.key, host=fake.url, capabilities=ALL, retry=ONCE)
        async with made as client:
            project = client.project(PROJECT)
            rows = [{"EMail": f"{number}@test.example", "City": "Metz"} for number in range(5)]
            results = await project.contacts.merge(rows, key="EMail")
            assert [result.status for result in results] == [MergeStatus.CREATED] * 5
            assert [row["EMail"] for row in await project.contacts.get()] == [row["EMail"] for row in rows]
            assert len(await project.contacts.find("EMail", ["1@test.example", "4@test.example"])) == 2
            assert (await project.info()).id == PROJECT
            assert [listed.id for listed in await client.projects()] == [PROJECT]
            assert await client.check_access(PROJECT) == []
            assert await project.contacts.delete(EMail="4@test.example") == 1
            assert await client.table(LINES).get() == []
            assert "ProjectInfo" in await client.call("Projects", "Get", {"idProject": PROJECT}, writes=False)
            deny(fake, active=False)
            with pytest.raises(AuthenticationError):
                await client.projects()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("blocking", "awaited"),
    [(DialogInsightClient, AsyncDialogInsightClient), (Project, AsyncProject), (Records, AsyncRecords)],
)
def test_twins_have_the_same_names_parameters_and_docstrings(blocking: type, awaited: type) -> None:
    """What one world has, the other has: the same public names, parameters and docstrings."""
    names = {name for name in vars(blocking) if not name.startswith("_")}
    assert names == {name for name in vars(awaited) if not name.startswith("_")}
    assert inspect.getdoc(blocking) == inspect.getdoc(awaited)
    for name in names:
        ours, theirs = inspect.getattr_static(blocking, name), inspect.getattr_static(awaited, name)
        assert inspect.getdoc(ours) == inspect.getdoc(theirs)
        if inspect.isfunction(ours):
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
