"""Laws of faults: whatever goes wrong on the road or in a service, nothing is lost, doubled or guessed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from di_salesforce.exceptions import (
    ApiError,
    ConfigurationError,
    DISalesforceError,
    TransportError,
)
from di_salesforce.records import Side
from di_salesforce.retry import RetryPolicy
from di_salesforce.stores import MemoryStore
from di_salesforce.testing import (
    EnvelopeError,
    HtmlPage,
    HttpStatus,
    LostAnswer,
    Meanwhile,
    ResetConnection,
    SlowAnswer,
    TruncatedBody,
)
from di_salesforce.testing import sandbox as declared
from di_salesforce.testing._di_switches import CallCause
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_faults import CONCURRENCY_LIMIT, DAILY_LIMIT, ROW_LOCK, SERVER_BUSY, ExpiredSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

PROJECT = 4400
ANN = "ann@example.com"
WRITES = "*/composite/sobjects*"
QUARANTINE = 601.0  # seconds: Salesforce ends its longest call after ten minutes


def break_writes(world: World, side: Side, fault: Any, times: int | None = 1) -> None:
    """Let something go wrong with the next write call on a side."""
    if side is Side.SALESFORCE:
        for method in ("POST", "PATCH"):
            world.salesforce.inject(fault, method=method, path=WRITES, times=times)
    else:
        world.dialog_insight.inject(fault, method="Merge", times=times)


def heal(world: World) -> None:
    world.salesforce.withdraw()
    world.dialog_insight.withdraw()


def born_on(world: World, side: Side, email: str) -> None:
    world.contact(email) if side is Side.SALESFORCE else world.person(email)


def at_rest(world: World, sync: Any) -> None:
    """Assert agreement of both sides, a memory that knows it, and silence."""
    here, there = world.truth()
    assert here == there
    before = world.write_calls
    assert sync.run().ok
    assert world.write_calls == before
    comparison = sync.compare()
    assert comparison.ok
    assert comparison.agree == len(here)


both_sides = pytest.mark.parametrize("side", list(Side), ids=lambda side: side.value)
LOST = [
    pytest.param(LostAnswer(), id="carried out, answer lost"),
    pytest.param(ResetConnection(), id="never carried out, no answer"),
    pytest.param(TruncatedBody(), id="carried out, answer cut"),
    pytest.param(HttpStatus(500), id="HTTP 500"),
    pytest.param(HttpStatus(502), id="HTTP 502"),
    pytest.param(HtmlPage(), id="a page of HTML"),
]


@both_sides
@pytest.mark.parametrize("fault", LOST)
def test_a_create_whose_answer_is_lost_is_not_doubled(world: World, side: Side, fault: Any) -> None:
    """Whether or not the create was carried out: it is not repeated in the quarantine, and one record stands after."""
    born_on(world, side.other, ANN)
    break_writes(world, side, fault)
    sync = world.sync()
    report = sync.run(first_run=True)
    assert not report.ok
    heal(world)
    for _ in range(3):
        sync.run()
        assert [len(each) for each in world.truth()] in ([1, 1], [1, 0], [0, 1])
        world.clock.sleep(QUARANTINE / 2)
    sync.run()
    assert [len(each) for each in world.truth()] == [1, 1]
    assert len(world.store.baseline("people")) == 1
    at_rest(world, sync)


@both_sides
def test_a_lost_create_is_left_alone_while_it_may_still_land(world: World, side: Side) -> None:
    """Within the quarantine the unknown create is not tried again, by the servers' own logs."""
    born_on(world, side.other, ANN)
    break_writes(world, side, ResetConnection())
    sync = world.sync()
    sync.run(first_run=True)
    before = world.write_calls
    for _ in range(4):
        world.clock.sleep(10)
        sync.run()
        world.sync().run()
    assert world.write_calls == before
    world.clock.sleep(QUARANTINE)
    assert len(sync.run().written) == 1
    at_rest(world, sync)


@both_sides
@pytest.mark.parametrize("fault", LOST)
def test_an_update_whose_answer_is_lost_settles(settled: World, side: Side, fault: Any) -> None:
    """An update of unknown fate is read again after the quarantine, and both sides agree."""
    if side is Side.SALESFORCE:
        settled.dialog_insight.edit_contact(PROJECT, settled.person_id(ANN), FirstName="Anna")
    else:
        settled.salesforce.edit("Contact", settled.contact_id(ANN), FirstName="Anna")
    break_writes(settled, side, fault)
    sync = settled.sync()
    assert not sync.run().ok
    heal(settled)
    for _ in range(3):
        settled.clock.sleep(QUARANTINE)
        sync.run()
    assert (ANN, "Anna", "Roy", 10.0) in settled.truth()[0]
    at_rest(settled, sync)


@both_sides
def test_an_edit_during_the_quarantine_is_not_overwritten(settled: World, side: Side) -> None:
    """No blind write: an edit that a person makes on the target while our write is in doubt is held, not lost."""
    ann = settled.contact_id(ANN), settled.person_id(ANN)

    def edit(where: Side, value: str) -> None:
        if where is Side.SALESFORCE:
            settled.salesforce.edit("Contact", ann[0], FirstName=value)
        else:
            settled.dialog_insight.edit_contact(PROJECT, ann[1], FirstName=value)

    edit(side.other, "Ours")
    break_writes(settled, side, ResetConnection())
    sync = settled.sync()
    sync.run()
    edit(side, "Theirs")
    for _ in range(3):
        sync.run()
        settled.clock.sleep(QUARANTINE)
    names = [row[1] for rows in settled.truth() for row in rows if row[0] == ANN]
    assert sorted(map(str, names)) == ["Ours", "Theirs"]
    assert len(sync.run().conflicts) == 1


def test_a_retry_after_a_lost_insert_is_no_duplicate(make_world: Callable[..., World]) -> None:
    """Dialog Insight carried the insert out, the client repeated it: the key is known now, and the two are linked."""
    world = make_world(retry=RetryPolicy(attempts=3, base=0))
    world.contact(ANN)
    break_writes(world, Side.DIALOG_INSIGHT, LostAnswer())
    sync = world.sync()
    sync.run(first_run=True)
    assert [len(each) for each in world.truth()] == [1, 1]
    world.clock.sleep(QUARANTINE)
    sync.run()
    at_rest(world, sync)


@pytest.mark.parametrize(
    "fault", [CONCURRENCY_LIMIT, SERVER_BUSY, ROW_LOCK, ExpiredSession(), HttpStatus(502), HttpStatus(503)], ids=str
)
@pytest.mark.parametrize("path", ["*/query*", WRITES])
def test_passing_troubles_pass(make_world: Callable[..., World], fault: Any, path: str) -> None:
    """What ends by itself may cost a run, never a record: after it both sides agree."""
    world = make_world(retry=RetryPolicy(attempts=3, base=0))
    world.person(ANN)
    world.contact("bob@example.com")
    world.salesforce.inject(fault, path=path)
    sync = world.sync()
    for _ in range(3):
        with suppress(ApiError):  # without a way to log in again, an expired session is one
            sync.run(first_run=True)
        if isinstance(fault, ExpiredSession):
            sync = world.sync()  # logs in afresh
        world.clock.sleep(QUARANTINE)
    at_rest(world, sync)


def test_a_record_that_stays_locked_is_told_and_tried_again(settled: World) -> None:
    """A lock that outlasts the retries is named, and the report is not ok; once it is gone the record is written."""
    locked = {"ann@example.com"}

    def lock(row: dict[str, Any], *_: Any) -> None:
        if row.get("Email") in locked:
            raise Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    settled.salesforce.on_save("Contact", lock)
    for name in ("ann", "bob"):
        settled.dialog_insight.edit_contact(PROJECT, settled.person_id(f"{name}@example.com"), LastName="Lee")
    sync = settled.sync()
    report = sync.run()
    assert not report.ok
    assert [line.key for line in report.untried] == ["ann@example.com"]
    assert [line.key for line in report.written] == ["bob@example.com"]
    assert "ann@example.com" in str(report)
    locked.clear()
    assert [line.key for line in sync.run().written] == ["ann@example.com"]


def test_a_refused_record_does_not_stop_the_others_in_salesforce(world: World) -> None:
    """One record of a batch breaks a rule of the org: it is named with the org's words, all others are created."""
    world.salesforce.validation_rule(
        "Contact", lambda row, *_: "No robots, please." if row.get("LastName") == "Robot" else None
    )
    for name in ("a", "b", "c", "d"):
        world.person(f"{name}@example.com", last="Robot" if name == "b" else "Roy")
    report = world.sync().run(first_run=True)
    assert len(report.written) == 3
    [refused] = report.refused
    assert refused.key == "b@example.com"
    assert refused.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert refused.message == "No robots, please."
    assert "b@example.com" in str(report)
    assert "No robots" in str(report)
    assert not report.ok


def test_a_refused_record_does_not_stop_the_others_in_dialog_insight(world: World) -> None:
    """One record is too long for its field: it is named with field and rule, all others are created."""
    for name in ("a", "b", "c", "d"):
        world.contact(f"{name}@example.com", last="x" * 21 if name == "b" else "Roy")
    report = world.sync().run(first_run=True)
    assert len(report.written) == 3
    assert not report.ok or report.rejects
    [line] = [*report.refused, *report.rejects]
    assert line.key == "b@example.com"
    assert len(world.truth()[1]) == 3


def test_a_refused_record_is_tried_again_when_it_changed(world: World) -> None:
    """What was refused rests until somebody mends it; then it goes through by itself."""
    world.salesforce.validation_rule(
        "Contact", lambda row, *_: "No robots, please." if row.get("LastName") == "Robot" else None
    )
    number = world.person(ANN, last="Robot")
    sync = world.sync()
    sync.run(first_run=True)
    before = world.write_calls
    for _ in range(3):
        assert sync.run().written == ()
    assert world.write_calls == before
    world.dialog_insight.edit_contact(PROJECT, number, LastName="Roy")
    assert len(sync.run().written) == 1
    at_rest(world, sync)


def test_a_lost_slice_leaves_the_others_done(world: World) -> None:
    """Of two calls for 250 updates the second is lost: the first's are done, the second's are settled later, once."""
    rows = [{"Email": f"p{number}@example.com", "FirstName": "A", "LastName": "B"} for number in range(250)]
    world.salesforce.load("Contact", rows)
    sync = world.sync()
    assert len(sync.run(first_run=True).written) == 250
    for row in world.dialog_insight.contacts(PROJECT):
        world.dialog_insight.edit_contact(PROJECT, int(str(row["idContact"])), FirstName="C")
    world.salesforce.inject(LostAnswer(), method="PATCH", path=WRITES, after=1)
    report = sync.run()
    assert sorted((len(report.written), len(report.unknown))) == [50, 200]
    before = world.write_calls
    world.clock.sleep(QUARANTINE)
    sync.run()
    assert world.write_calls == before  # it was carried out, and the next look shows it
    at_rest(world, sync)


# ------------------------------------------------------------------------------------------- a service that goes down


def test_a_spent_allowance_cuts_the_run_short_and_loses_nothing(world: World) -> None:
    """Salesforce takes no more calls for today: the report says where it stopped, and tomorrow's run finishes."""
    for name in ("a", "b", "c"):
        world.person(f"{name}@example.com")
    world.contact("d@example.com")
    world.salesforce.inject(DAILY_LIMIT, method="POST", path=WRITES)
    sync = world.sync()
    report = sync.run(first_run=True)
    assert not report.ok
    assert "people" in report.cut_short
    assert "Salesforce" in report.cut_short
    assert report.cut_short in str(report)
    assert len(report.of(outcome="not_tried")) == 4
    sync.run()
    at_rest(world, sync)


def test_a_spent_quota_of_dialog_insight_cuts_the_run_short(three: World) -> None:
    """Dialog Insight's quota ends between two transfers: what is done stays done, the next run does the rest."""
    three.dialog_insight.load_contacts(
        declared.ACQUISITION_ID, [{"EMail": f"{n}@example.com", "FirstName": "A", "LastName": "B"} for n in "abc"]
    )
    rule = three.dialog_insight.inject(EnvelopeError(CallCause.QUOTA), method="Merge", times=None)
    sync = three.sync()
    report = sync.run(first_run=True)
    assert "contacts" in report.cut_short
    assert len(report.written) == 3
    three.dialog_insight.withdraw(rule)
    assert sync.run().ok
    assert len(three.salesforce.rows("Contact")) == 3
    assert len(three.dialog_insight.contacts(declared.COMMUNICATIONS_ID)) == 3
    before = three.write_calls
    sync.run()
    assert three.write_calls == before


@pytest.mark.parametrize("after", range(8))
def test_a_side_that_goes_down_at_any_call_costs_nothing(three: World, after: int) -> None:
    """Dialog Insight stops answering after so many calls, and comes back later: the same end, and no duplicate."""
    three.dialog_insight.load_contacts(
        declared.ACQUISITION_ID, [{"EMail": f"{n}@example.com", "FirstName": "A", "LastName": "B"} for n in "abc"]
    )
    sync = three.sync()
    rule = three.dialog_insight.inject(ResetConnection(), times=None, after=after)
    with suppress(TransportError):
        sync.run(first_run=True)
    three.dialog_insight.withdraw(rule)
    for _ in range(3):
        three.clock.sleep(QUARANTINE)
        sync.run(first_run=True)
    emails = {f"{n}@example.com" for n in "abc"}
    for rows, field in (
        (three.salesforce.rows("Contact"), "Email"),
        (three.dialog_insight.contacts(declared.COMMUNICATIONS_ID), "EMail"),
    ):
        assert sorted(str(row[field]) for row in rows) == sorted(emails)
    before = three.write_calls
    assert sync.run().ok
    assert three.write_calls == before


@both_sides
def test_a_side_that_cannot_be_read_stops_the_run_before_it_writes(settled: World, side: Side) -> None:
    """Half a picture is no picture: where one side cannot be read nothing is written on the other."""
    settled.contact("new@example.com")
    settled.person("other@example.com")
    sync = settled.sync()
    sync.plan()
    if side is Side.SALESFORCE:
        settled.salesforce.inject(HttpStatus(500), path="*/query*", times=None)
    else:
        settled.dialog_insight.inject(HttpStatus(500), method="Get", times=None)
    with pytest.raises(DISalesforceError, match=side.label):
        sync.run()
    assert settled.write_calls == (0, 0)


def test_a_store_that_cannot_remember_is_heard(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the settlement cannot be stored the run fails aloud, and the next one doubles nothing."""
    settled.contact("new@example.com")
    sync = settled.sync()
    real = MemoryStore.save

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(MemoryStore, "save", full)
    with pytest.raises(OSError, match="no space"):
        sync.run()
    monkeypatch.setattr(MemoryStore, "save", real)
    assert sync.run().ok
    assert [len(each) for each in settled.truth()] == [4, 4]
    at_rest(settled, sync)


# -------------------------------------------------------------------------------------------- everything at random

NAMES = st.sampled_from(["Ada", "Bo", "Zoé", "", "x" * 21])
EMAILS = st.sampled_from([f"{name}@example.com" for name in ("ann", "bob", "cat", "dan")])
FAULTS = st.sampled_from(
    [None, None, LostAnswer(), ResetConnection(), TruncatedBody(0.3), HttpStatus(500), HtmlPage(), DAILY_LIMIT]
)
STEPS = st.one_of(
    st.tuples(st.just("salesforce"), EMAILS, st.sampled_from(["FirstName", "LastName"]), NAMES),
    st.tuples(st.just("dialog_insight"), EMAILS, st.sampled_from(["FirstName", "LastName"]), NAMES),
    st.tuples(st.just("run"), st.sampled_from(["POST", "PATCH", "GET"]), FAULTS, st.integers(0, 2)),
    st.tuples(st.just("run di"), st.sampled_from(["Merge", "Get"]), FAULTS, st.integers(0, 2)),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 100.0, QUARANTINE])),
)


def _edit(world: World, side: str, email: str, field: str, value: str) -> None:
    """Let a person edit or add a record, as far as the service takes it."""
    with suppress(ConfigurationError):  # a blank last name in Salesforce, a long one in Dialog Insight
        if side == "salesforce":
            rows = [row for row in world.salesforce.rows("Contact") if row["Email"] == email]
            if rows:
                world.salesforce.edit("Contact", str(rows[0]["Id"]), **{field: value})
            else:
                world.contact(email, **{"first" if field == "FirstName" else "last": value})
        else:
            rows = [row for row in world.dialog_insight.contacts(PROJECT) if row["EMail"] == email]
            if rows:
                world.dialog_insight.edit_contact(PROJECT, int(str(rows[0]["idContact"])), **{field: value})
            else:
                world.person(email, **{"first" if field == "FirstName" else "last": value})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=12))
def test_whatever_happens_it_comes_to_rest(make_world: Callable[..., World], steps: list[Any]) -> None:
    """Edits, lost answers and errors in any order; then quiet: nobody is doubled, what differs has a reason."""
    world = make_world()
    world.pair("ann@example.com")
    sync = world.sync()
    sync.run(first_run=True)
    for kind, *rest in steps:
        if kind == "wait":
            world.clock.sleep(rest[0])
        elif kind in ("run", "run di"):
            method, fault, after = rest
            if fault is not None and kind == "run":
                world.salesforce.inject(fault, method=method, after=after)
            elif fault is not None and fault is not DAILY_LIMIT:
                world.dialog_insight.inject(fault, method=method, after=after)
            with suppress(ApiError, TransportError):
                sync.run()
            heal(world)
        else:
            _edit(world, kind, *rest)
    for _ in range(4):
        world.clock.sleep(QUARANTINE)
        sync.run()
    before = world.write_calls
    sync.run()
    assert world.write_calls == before
    comparison = sync.compare()
    assert comparison.ok, str(comparison)
    for rows, field in ((world.salesforce.rows("Contact"), "Email"), (world.dialog_insight.contacts(PROJECT), "EMail")):
        emails = [row[field] for row in rows]
        assert len(set(emails)) == len(emails)


def test_slow_and_edited_answers_are_no_trouble(settled: World) -> None:
    """Somebody edits while the write is under way: the edit after it is an edit, and it arrives with the next run."""
    settled.salesforce.edit("Contact", settled.contact_id(ANN), FirstName="Ours")
    number = settled.person_id("bob@example.com")
    settled.dialog_insight.inject(
        Meanwhile(lambda: settled.dialog_insight.edit_contact(PROJECT, number, FirstName="Theirs")), method="Merge"
    )
    settled.dialog_insight.inject(SlowAnswer(0.01), method="Merge")
    sync = settled.sync()
    sync.run()
    sync.run()
    assert ("bob@example.com", "Theirs", "Roy", 10.0) in settled.truth()[0]
    at_rest(settled, sync)
