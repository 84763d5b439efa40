"""Which feed serves Salesforce's side, and why: pages, ranges, bulk queries; stamps and the replication calls."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.clients import SalesforceClient
from di_salesforce.engine import Coverage
from di_salesforce.exceptions import UnexpectedResponseError
from di_salesforce.mapping import FieldMapping, Integration, ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.salesforce import AccessToken, Bulk, select, soql
from di_salesforce.salesforce._bulk_reading import bulk_rows
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.synchronizer import FeedKind, Feeds, FeedUsed, Synchronizer
from di_salesforce.synchronizing._parents import with_parents
from di_salesforce.testing import FakeSalesforce, Field, HttpStatus, TruncatedBody
from di_salesforce.testing.in_process import salesforce_client

if TYPE_CHECKING:
    from tests.sync.conftest import World

PROJECT = 4400
DAY = timedelta(days=1)
OVERLAP = 601.0  # a little more than a feed of changes goes back each time
QUICK = Bulk(first_look=0, longest_pause=0.01, patience=5, page_rows=3)
ALL_BULK = Feeds(bulk_from=1, multi_line_in_bulk=True, bulk=QUICK)


def used(world: World, side: Side = Side.SALESFORCE) -> FeedUsed:
    """Give how a side was read by the last run, as `status()` tells it."""
    [found] = [feed for feed in world.sync().status().feeds["people"] if feed.side is side]
    return found


# ------------------------------------------------------------------------------------------- bulk queries give the same

FIELDS = [
    Field("Words__c", "textarea", length=32_000),
    Field("Points__c", "double", precision=18, scale=4),
    Field("Count__c", "int"),
    Field("Money__c", "currency", precision=18, scale=2),
    Field("Ticked__c", "boolean"),
    Field("Born__c", "date"),
    Field("Seen__c", "datetime"),
    Field("Kind__c", "picklist", values=["a,b", "c;d", '"e"']),
    Field("Kinds__c", "multipicklist", values=["x", "y", "z"]),
]
PARENT_FIELDS = [Field("Rate__c", "double", precision=18, scale=4), Field("Asked__c", "datetime")]
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n\r\t,;"|'), max_size=12)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)


def decimals(places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(-(10**8), 10**8, places=places, allow_nan=False, allow_infinity=False)


def row_values() -> st.SearchStrategy[dict[str, Any]]:
    """Draw a record with a value of each kind, or none."""
    values: dict[str, st.SearchStrategy[Any]] = {
        "FirstName": TEXTS,
        "Words__c": TEXTS | st.sampled_from(["#N/A", "null", "0", "a\r\nb", "a\nb", " padded ", "=1+1", "é漢😀"]),
        "Points__c": decimals(4),
        "Count__c": st.integers(-(10**8), 10**8),
        "Money__c": decimals(2),
        "Born__c": st.dates(date(1900, 1, 1), date(2090, 1, 1)),
        "Seen__c": MOMENTS,
        "Kind__c": st.sampled_from(["a,b", "c;d", '"e"']),
        "Kinds__c": st.sets(st.sampled_from("xyz"), min_size=1).map(lambda parts: ";".join(sorted(parts))),
    }
    maybe = {name: st.none() | each for name, each in values.items()}
    return st.fixed_dictionaries({"Ticked__c": st.booleans(), **maybe})


TRANSFER = ObjectTransfer(
    "all",
    sobject="Contact",
    fields=[
        FieldMapping("LastName", "LastName", key=True),
        FieldMapping("FirstName", "FirstName"),
        *(FieldMapping(field.name, field.name) for field in FIELDS),
        FieldMapping("SystemModstamp", "Stamp"),
        FieldMapping("AccountId", "AccountId"),
        FieldMapping("Account.Name", "Company"),
        *(FieldMapping(f"Account.{field.name}", field.name) for field in PARENT_FIELDS),
    ],
)


@functools.cache
def org() -> tuple[FakeSalesforce, SalesforceClient, TableSchema]:
    """Give an org with a field of each kind, and what its client says of it; one for all examples."""
    fake = FakeSalesforce()
    for field in FIELDS:
        fake.add_field("Contact", field)
    for field in PARENT_FIELDS:
        fake.add_field("Account", field)
    client = salesforce_client(fake)
    described = {"Contact": client.schema("Contact")}
    return fake, client, client.run(with_parents(*client.context, [TRANSFER], described))["all"]


BATCHES = itertools.count()


@given(
    st.lists(row_values(), max_size=8), st.lists(st.none() | st.tuples(decimals(4), MOMENTS), min_size=1), st.booleans()
)
def test_a_bulk_query_gives_the_rows_of_a_plain_query(
    rows: list[dict[str, Any]], parents: list[tuple[Decimal, datetime] | None], repeats: bool
) -> None:
    """Row by row and value by value, of every type, with nulls, blanks, several lines, and fields of parents."""
    fake, client, schema = org()
    fake.switches = attrs.evolve(fake.switches, bulk_repeats_header=repeats)
    accounts = [
        None if each is None else fake.load("Account", [{"Name": "A", "Rate__c": each[0], "Asked__c": each[1]}])[0]
        for each in parents
    ]
    batch = f"b{next(BATCHES)}"
    named = [
        {"LastName": f"n{number}", "Department": batch, "AccountId": accounts[number % len(accounts)]}
        for number in range(len(rows))
    ]
    fake.load("Contact", [{**name, **row} for name, row in zip(named, rows, strict=True)])
    names = ["Id", *(line.salesforce for line in TRANSFER.lines)]
    query = select("Contact", names, where=[soql("Department = :batch", batch=batch)])
    plain = list(client.query(query))
    in_bulk = client.run(bulk_rows(*client.context, query, schema=schema, bulk=QUICK, expected=len(rows)))
    by_id = {row["Id"]: row for row in in_bulk}
    assert len(plain) == len(in_bulk) == len(by_id) == len(rows)
    for row in plain:
        found = by_id[row["Id"]]
        assert found == row
        # 1 and True are equal, and are not the same value.
        for kind in (bool, str):
            assert [isinstance(value, kind) for value in found.values()] == [isinstance(v, kind) for v in row.values()]


# ------------------------------------------------------------------------------------------------------ full reads


def people(world: World, number: int) -> None:
    for each in range(number):
        world.pair(f"p{each}@example.com", points=each)


def test_few_records_come_page_after_page(world: World) -> None:
    """Below `bulk_from` no job is made, which costs no call to find out: the first page tells how many there are."""
    people(world, 4)
    report = world.sync(feeds=Feeds(bulk_from=5)).run(first_run=True)
    assert used(world).kind is FeedKind.PAGES
    assert used(world).covers is Coverage.COMPLETE
    assert used(world).reason == "it was never read in full; fewer than 5 records (bulk_from)"
    assert report.feeds[0] == str(used(world))
    assert not any("jobs/query" in str(request) for request in world.salesforce.requests)
    assert "How it was read" not in str(report)


def test_many_records_come_in_bulk(world: World) -> None:
    """From `bulk_from` on one bulk query gives the same pairs, and the report says so."""
    people(world, 20)
    world.contact("new@example.com")
    report = world.sync(feeds=Feeds(bulk_from=21, bulk=QUICK)).run(first_run=True)
    assert used(world) == FeedUsed(
        "people", Side.SALESFORCE, FeedKind.BULK, Coverage.COMPLETE, 21,
        "it was never read in full; 21 records (bulk_from)",
    )  # fmt: skip
    assert [line.key for line in report.written] == ["new@example.com"]
    assert "How it was read: people, Salesforce: everything, by a bulk query (21 records)" in str(report)
    assert len(world.store.baseline("people")) == 21


def test_changes_go_on_from_a_bulk_query(world: World) -> None:
    """A bulk query leaves a cursor like any other full read; what changes afterwards is followed from there."""
    people(world, 5)
    sync = world.sync(feeds=ALL_BULK, full_every=DAY)
    sync.run(first_run=True)
    world.clock.sleep(2 * OVERLAP)
    world.salesforce.edit("Contact", world.contact_id("p3@example.com"), LastName="Lee")
    assert [line.key for line in sync.run().written] == ["p3@example.com"]
    assert used(world).kind is FeedKind.MODIFIED
    assert used(world).covers is Coverage.CHANGES


@pytest.mark.parametrize("path", ["*/jobs/query", "*/jobs/query/*/results"])
def test_a_bulk_query_that_fails_leaves_the_pages(world: World, path: str) -> None:
    """A service that refuses the job, or cuts its file, is read page after page, and the reason is told."""
    people(world, 8)
    fault = TruncatedBody(0.5) if "results" in path else HttpStatus(500)
    world.salesforce.inject(fault, path=path, times=None)
    report = world.sync(feeds=ALL_BULK).run(first_run=True)
    assert report.ok
    assert used(world).kind is FeedKind.PAGES
    assert "a bulk query was tried" in used(world).reason
    assert "a bulk query was tried" in str(report)
    assert len(world.store.baseline("people")) == 8


@pytest.mark.parametrize(
    ("counted", "seen", "why"),
    [
        (3, "2026-05-01T07:25:37.000Z", "it has 3 rows, and 2 came"),
        (0, "2026-05-01T07:25:37.000Z", "it has 4 rows, and 2 came"),  # a job that does not count
        (2, "yesterday", "a date-time is none"),
        (2, "2026-05-01T07:25:37", "a date-time has no zone"),
    ],
)
def test_rows_that_cannot_be_relied_on_are_refused(counted: int, seen: str, why: str) -> None:
    """Fewer rows than were counted are never taken for all of them, and a cell is never taken for what it is not."""
    job = {"id": "750000000000001AAA", "state": "JobComplete", "numberRecordsProcessed": counted}
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(
            f"{request.method} {json.loads(request.content).get('state', '') if request.content else ''}".strip()
        )
        if request.url.path.endswith("/results"):
            lines = ["Id,Seen__c", f"003000000000001AAA,{seen}", "003000000000002AAA,"]
            return httpx.Response(200, text="\n".join(lines), headers={"Sforce-NumberOfRecords": "2"})
        return httpx.Response(200, json=job)

    schema = TableSchema(
        "Contact", side=Side.SALESFORCE,
        fields=[FieldSchema("Id", FieldType.ID), FieldSchema("Seen__c", FieldType.DATETIME)],
    )  # fmt: skip
    query = soql("SELECT Id, Seen__c FROM Contact")
    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as http,
        SalesforceClient(auth=AccessToken("https://a.my.salesforce.com", "t"), http_client=http) as client,
        pytest.raises(UnexpectedResponseError, match=why),
    ):
        client.run(bulk_rows(*client.context, query, schema=schema, bulk=QUICK, expected=4))
    assert asked[-1] == "PATCH Aborted"  # nothing is left behind


def test_a_bulk_query_without_end_is_left(world: World) -> None:
    """A job that is not done when patience ends is ended, and the side is read page after page."""
    people(world, 3)
    world.salesforce.switches = attrs.evolve(world.salesforce.switches, bulk_looks=10**6)
    impatient = attrs.evolve(ALL_BULK, bulk=Bulk(first_look=1, patience=60))
    assert world.sync(feeds=impatient).run(first_run=True).ok
    assert used(world).kind is FeedKind.PAGES
    assert [job.state for job in world.salesforce._service.jobs.values()] == ["Aborted"]


@pytest.mark.parametrize(
    ("fields", "feeds", "why"),
    [
        ([FieldMapping("Description", "Level")], Feeds(bulk_from=1, bulk=QUICK), "Description may have several lines"),
        ([FieldMapping("Owner.Name", "Level")], ALL_BULK, "how Owner.Name would look in a bulk file is not known"),
        ([], Feeds(bulk_from=None), "bulk queries are switched off"),
    ],
)
def test_what_is_not_known_of_bulk_files_is_not_read_so(
    world: World, people_transfer: Callable[..., Any], fields: list[FieldMapping], feeds: Feeds, why: str
) -> None:
    """Where nobody says how a value looks in a bulk file, or it was switched off, it is read page after page."""
    people(world, 2)
    more = Integration([people_transfer(fields=[*people_transfer().fields, *fields])])
    world.sync(more, feeds=feeds).run(first_run=True)
    assert used(world).kind is FeedKind.PAGES
    assert why in used(world).reason


@pytest.mark.parametrize(("allowed", "edits"), [(False, 0), (True, 1)])
def test_line_breaks_that_a_bulk_file_changes_are_no_edits(
    world: World, people_transfer: Callable[..., Any], allowed: bool, edits: int
) -> None:
    """Where bulk files change line breaks, text of several lines would look edited: by default it is not read so."""
    lines = Integration([people_transfer(fields=[*people_transfer().fields, FieldMapping("Description", "Level")])])
    contact, person = world.pair("ann@example.com")
    world.salesforce.edit("Contact", contact, Description="one\r\ntwo")
    world.dialog_insight.edit_contact(PROJECT, person, Level="one\r\ntwo")
    assert world.sync(lines).run(first_run=True).written == ()
    world.salesforce.switches = attrs.evolve(world.salesforce.switches, bulk_line_feeds=True)
    report = world.sync(lines, feeds=attrs.evolve(ALL_BULK, multi_line_in_bulk=allowed)).run()
    assert len(report.written) == edits


def test_a_comparison_reads_many_records_in_bulk(world: World) -> None:
    """`compare()` reads afresh by the same choice, and finds the same pairs."""
    people(world, 6)
    sync = world.sync(feeds=ALL_BULK)
    sync.run(first_run=True)
    before = len(world.salesforce._service.jobs)
    assert sync.compare().agree == 6
    assert len(world.salesforce._service.jobs) == before + 1


def test_ranges_of_ids_are_the_clients_setting(world: World) -> None:
    """A client that reads in ranges of ids side by side does so here too, and nobody comes twice or is missed."""
    people(world, 40)
    world.salesforce.page_size = 4
    clients = world.clients()
    clients["salesforce"].settings = attrs.evolve(clients["salesforce"].settings, ranges=4)
    assert world.sync(clients=clients).run(first_run=True).written == ()
    assert used(world).kind is FeedKind.RANGES
    assert len(world.store.baseline("people")) == 40


def test_an_object_in_which_nothing_changes_stays_followed(world: World) -> None:
    """The cursor stands at the last change for weeks, and no run reads all for it; one that comes too late does."""
    people(world, 3)
    sync = world.sync(full_every=timedelta(days=90))
    sync.run(first_run=True)
    for _ in range(5):
        world.clock.sleep(timedelta(days=5).total_seconds())
        sync.run()
        assert used(world).kind is FeedKind.MODIFIED
    world.salesforce.delete("Contact", world.contact_id("p1@example.com"))
    world.salesforce.empty_bin()
    world.clock.sleep(timedelta(days=15).total_seconds())
    report = sync.run()
    assert used(world).kind is FeedKind.PAGES
    assert used(world).reason.startswith("since the last reading, deleted records may have left the recycle bin")
    assert [line.reason for line in report.of(kind="skip")] == ["deleted.reported"]


# ------------------------------------------------------------------------------------------------------- replication

REPLICATION = Feeds(changes="replication")


@pytest.fixture
def replicated(world: World) -> Callable[..., Synchronizer]:
    """Give a synchronizer that follows changes by replication, over a world of ten people, read in full a while ago."""
    people(world, 10)
    assert world.sync(full_every=DAY).run(first_run=True).ok
    world.clock.sleep(2 * OVERLAP)
    return lambda feeds=REPLICATION: world.sync(full_every=DAY, feeds=feeds)


def test_replication_finds_what_changed_at_once(world: World, replicated: Callable[..., Synchronizer]) -> None:
    """Also what happened since the last whole minute, which the replication calls do not cover yet."""
    world.salesforce.edit("Contact", world.contact_id("p3@example.com"), LastName="Lee")
    world.contact("new@example.com")
    gone = world.contact_id("p7@example.com")
    world.salesforce.delete("Contact", gone)
    report = replicated().run()
    assert {(line.kind, line.key) for line in report.written} == {
        ("update", "p3@example.com"), ("create", "new@example.com")
    }  # fmt: skip
    assert [line.reason for line in report.of(kind="skip")] == ["deleted.reported"]
    assert used(world).kind is FeedKind.REPLICATION
    assert used(world).covers is Coverage.CHANGES


def moment(world: World) -> datetime:
    coverage = world.store.baseline("people").coverage(Side.SALESFORCE)
    assert coverage is not None
    return datetime.fromisoformat(json.loads(coverage.cursor or "")["moment"])


def test_the_cursor_stands_where_the_service_says_that_all_is_told(
    world: World, replicated: Callable[..., Synchronizer]
) -> None:
    """It does not run ahead of `latestDateCovered`, however late that is, nor stay at the last change."""
    world.salesforce.switches = attrs.evolve(world.salesforce.switches, coverage_lag=300.0)
    replicated().run()
    covered = moment(world)
    assert timedelta(minutes=4) < world.clock.time - covered < timedelta(minutes=8)
    world.clock.sleep(3600)
    replicated().run()
    assert moment(world) - covered > timedelta(minutes=55)


@pytest.mark.parametrize(("feeds", "found"), [(REPLICATION, ["p4@example.com"]), (Feeds(), list[str]())])
def test_what_becomes_visible_long_after_its_stamp_is_found(
    world: World, replicated: Callable[..., Synchronizer], feeds: Feeds, found: list[str]
) -> None:
    """What a long transaction brings holds the cursor of replication back; by stamp it waits for a full read."""
    world.salesforce.switches = attrs.evolve(world.salesforce.switches, coverage_lag=7_200.0)
    late = world.contact_id("p4@example.com")
    held = world.salesforce.hold(lambda: world.salesforce.edit("Contact", late, LastName="Late"))
    world.clock.sleep(3600)
    world.salesforce.edit("Contact", world.contact_id("p1@example.com"), LastName="Soon")
    assert [line.key for line in replicated(feeds=feeds).run().written] == ["p1@example.com"]
    world.clock.sleep(3600)
    held.commit()
    assert [line.key for line in replicated(feeds=feeds).run().written] == found
    world.clock.sleep(DAY.total_seconds())
    replicated(feeds=feeds).run()
    assert [row[2] for row in world.truth()[1] if row[0] == "p4@example.com"] == ["Late"]


def test_who_has_left_the_recycle_bin_is_known_to_be_deleted(
    world: World, replicated: Callable[..., Synchronizer]
) -> None:
    """A record that was deleted for good is in no query; the log of deletions names it all the same."""
    world.salesforce.delete("Contact", world.contact_id("p7@example.com"))
    world.salesforce.empty_bin()
    world.clock.sleep(120)
    report = replicated().run()
    assert [(line.key, line.reason) for line in report.of(kind="skip")] == [("p7@example.com", "deleted.reported")]


def test_who_was_undeleted_is_not_taken_for_deleted(world: World, replicated: Callable[..., Synchronizer]) -> None:
    """A record that is back out of the bin goes on, with what was edited since."""
    back = world.contact_id("p7@example.com")
    world.salesforce.delete("Contact", back)
    world.clock.sleep(120)
    world.salesforce.undelete("Contact", back)
    world.salesforce.edit("Contact", back, LastName="Back")
    report = replicated().run()
    assert [(line.kind, line.key) for line in report.written] == [("update", "p7@example.com")]


def test_a_merge_is_told_as_one(world: World, replicated: Callable[..., Synchronizer]) -> None:
    """The log of deletions calls the loser deleted; that it was merged is found out beside it."""
    winner, loser = (world.contact_id(f"p{number}@example.com") for number in (1, 2))
    world.salesforce.merge("Contact", winner, [loser])
    world.clock.sleep(120)
    assert ("unlink", "unlink.merged") in {(line.kind, line.reason) for line in replicated().run().lines}


def test_who_leaves_the_filter_is_noticed_by_replication(world: World, people_transfer: Callable[..., Any]) -> None:
    """A linked record that is edited out of the filter asks for a full read, whichever feed says that it changed."""
    scoped = Integration([people_transfer(salesforce_filter="LastName != 'Gone'")])
    people(world, 3)
    world.sync(scoped, full_every=DAY).run(first_run=True)
    world.clock.sleep(2 * OVERLAP)
    world.salesforce.edit("Contact", world.contact_id("p1@example.com"), LastName="Gone")
    assert world.sync(scoped, full_every=DAY, feeds=REPLICATION).run().written == ()
    assert [link.cause for link in world.store.baseline("people").links if link.cause] == ["scope.left"]
    assert "does not meet the filter any more" in used(world).reason


def test_an_object_that_is_not_replicated_is_followed_by_its_stamps(
    world: World, replicated: Callable[..., Synchronizer]
) -> None:
    """Where the service refuses the replication calls, changes are found by stamp, and the reason is told."""
    world.salesforce.edit("Contact", world.contact_id("p3@example.com"), LastName="Lee")
    world.salesforce.inject(HttpStatus(400), path="*/Contact/updated*", times=None)
    report = replicated().run()
    assert [line.key for line in report.written] == ["p3@example.com"]
    assert used(world).kind is FeedKind.MODIFIED
    assert "replication was asked for" in used(world).reason
    assert "replication was asked for" in str(report)


def test_the_feed_may_be_changed_between_runs(world: World, replicated: Callable[..., Synchronizer]) -> None:
    """One feed goes on where the other stood: nothing is lost at the change, and no full read is needed."""
    for number, feeds in enumerate((REPLICATION, Feeds(), REPLICATION, Feeds())):
        world.salesforce.edit("Contact", world.contact_id(f"p{number}@example.com"), LastName=f"N{number}")
        world.clock.sleep(90)
        assert [line.key for line in replicated(feeds=feeds).run().written] == [f"p{number}@example.com"]
        assert used(world).covers is Coverage.CHANGES


# ---------------------------------------------------------------------------------------------------- what is told


def test_the_side_of_dialog_insight_is_told_too(make_world: Callable[..., World]) -> None:
    """In full where it may be asked for every row, else what webhooks named and what comes up by key."""
    world = make_world(reads_all=False)
    people(world, 2)
    world.sync().run(first_run=True)
    there = used(world, Side.DIALOG_INSIGHT)
    assert (there.kind, there.covers) == (FeedKind.HINTS, Coverage.SAMPLE)
    assert there.reason == "whether it gives every row is not known (capability clauseless_get)"
    world.reads_all = True
    world.sync().run()
    there = used(world, Side.DIALOG_INSIGHT)
    assert (there.kind, there.covers, there.records) == (FeedKind.EVERY_ROW, Coverage.COMPLETE, 2)
    world.sync().run(keys=["p1@example.com"])
    assert {feed.kind for feed in world.sync().status().feeds["people"]} == {FeedKind.BY_KEY}


def test_how_it_was_read_is_plain_data(world: World) -> None:
    """`status().to_dict()` and the report's hold it for a health page; it is read back as it was."""
    people(world, 1)
    report = world.sync().run(first_run=True)
    kept = world.sync().status()
    plain = json.loads(json.dumps(kept.to_dict()))["feeds"]["people"]
    assert tuple(map(FeedUsed.from_dict, plain)) == kept.feeds["people"]
    assert report.to_dict()["feeds"] == [str(feed) for feed in kept.feeds["people"]]


def test_a_plan_alone_keeps_nothing(world: World) -> None:
    """How a side was read is kept by runs, not by looking."""
    people(world, 1)
    world.sync().plan()
    assert world.sync().status().feeds == {}
