"""Settings of a line and of a run that change what is decided: drift, rewritten values, the newest, retention."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from di_salesforce import Constant, DestinationProject, FieldMapping, ObjectTransfer, OptIn, converters, named
from di_salesforce.engine import Context, Coverage, Plan, Snapshot
from di_salesforce.engine._besides import Tombstone
from di_salesforce.engine._context import ERASED
from di_salesforce.engine._part import Part
from di_salesforce.engine._reconcile import mapping_version
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair, contacts, linked
from di_salesforce.testing._served import Saving
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction, Drift, Rewritten, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}
UPDATED = {S: Trigger.SALESFORCE_UPDATED, D: Trigger.DIALOG_INSIGHT_UPDATED}
KEY = FieldMapping("Email", "EMail", key=True)


def pair(*lines: FieldMapping, saving: dict[Side, Saving] | None = None, **settings: Any) -> LinkedPair:
    transfer = ObjectTransfer("t", sobject="T", fields=[KEY, *lines], **settings)
    return LinkedPair.of(transfer, {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"}, saving=saving)


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(action.kind, action.reason) for action in plan.actions]


# ------------------------------------------------------------------------------------------------------------ drift


@pytest.mark.parametrize("source", Side)
def test_an_enforced_truth_is_written_over_a_drift(source: Side) -> None:
    """Where the truth is enforced, what somebody changed on the receiving side is put back, with its before-image."""
    one = pair(FieldMapping("A", "a", direction=Direction.towards(source.other), drift=Drift.ENFORCE))
    one.edit(source.other, **{FIELD[source.other]: "y"})
    plan = one.world.one_pass()
    assert told(plan) == [("update", "update.enforced")]
    (change,) = plan.writes[0].changes
    assert (change.before, change.after) == ("y", "x")
    assert one.row(source.other)[FIELD[source.other]] == "x"
    assert one.world.one_pass().actions == ()


@pytest.mark.parametrize("source", Side)
def test_enforcing_obeys_the_trigger(source: Side) -> None:
    """Without the source's trigger for updates nothing is put back."""
    line = FieldMapping("A", "a", direction=Direction.towards(source.other), drift=Drift.ENFORCE)
    one = pair(line, triggers=Trigger.ALL & ~UPDATED[source])
    one.edit(source.other, **{FIELD[source.other]: "y"})
    assert told(one.world.one_pass()) == [("skip", "trigger.off")]


def test_a_drift_that_comes_back_at_once_is_held() -> None:
    """An automation that changes the field each time it is put back is told after three rounds, not fought for ever."""
    one = pair(FieldMapping("A", "a", direction=Direction.TO_SALESFORCE, drift=Drift.ENFORCE))
    reasons: list[tuple[str, str]] = []
    for number in range(5):
        one.edit(S, A=f"y{number}")
        reasons += told(one.world.one_pass())
    assert reasons == [*[("update", "update.enforced")] * 3, *[("conflict", "conflict.unsettled")] * 2]


def test_enforcing_never_lifts_a_refusal() -> None:
    """Somebody was opted out in Salesforce, where consent only arrives: a person has to look, whatever is enforced."""
    line = FieldMapping("News__c", OptIn("news"), converter=converters.boolean(), drift=Drift.ENFORCE)
    transfer = ObjectTransfer("t", sobject="T", fields=[KEY, line])
    one = LinkedPair.of(transfer, {"Email": "k", "News__c": True}, {"EMail": "k", "optin_news": True})
    one.edit(S, News__c=False)
    assert told(one.world.one_pass()) == [("conflict", "conflict.consent")]
    other = LinkedPair.of(transfer, {"Email": "k", "News__c": False}, {"EMail": "k", "optin_news": False})
    other.edit(S, News__c=True)
    assert told(other.world.one_pass()) == [("update", "update.enforced")]


# -------------------------------------------------------------------------------------------------------- rewritten


@pytest.mark.parametrize("source", Side)
def test_an_adopted_value_flows_back_and_rests(source: Side) -> None:
    """What a service cuts short counts as its own change: the second plan writes it back, the third writes nothing."""
    saving = {source: Saving(), source.other: Saving(truncate=3)}
    one = pair(FieldMapping("A", "a", rewritten=Rewritten.ADOPT), saving=saving)
    one.edit(source, **{FIELD[source]: "abcdef"})
    assert [write.side for write in one.world.one_pass().writes] == [source.other]
    assert [write.side for write in one.world.one_pass().writes] == [source]
    assert one.row(source)[FIELD[source]] == one.row(source.other)[FIELD[source.other]] == "abc"
    assert one.world.one_pass().actions == ()


def test_an_adopted_value_is_found_where_nothing_tells_of_it() -> None:
    """The store alone knows of it: a plan that is shown no row at all still finds what is to flow back."""
    saving = {S: Saving(), D: Saving(truncate=3)}
    one = pair(FieldMapping("A", "a", rewritten=Rewritten.ADOPT), saving=saving)
    one.edit(S, A="abcdef")
    one.world.one_pass()
    plan = one.look(Snapshot.changes([]), Snapshot.changes([]))
    assert [(write.side, dict(write.values)) for write in plan.writes] == [(S, {"A": "abc"})]


def test_a_kept_rewriting_is_known_and_quiet() -> None:
    """By default the two values are known to differ, and no later plan says so again."""
    one = pair(FieldMapping("A", "a"), saving={S: Saving(), D: Saving(truncate=3)})
    one.edit(S, A="abcdef")
    one.world.one_pass()
    assert (one.row(S)["A"], one.row(D)["a"]) == ("abcdef", "abc")
    assert one.world.one_pass().actions == ()


def test_a_plan_of_an_older_release_adopts_nothing() -> None:
    """A saved plan that does not say what is adopted reads as if nothing were."""
    one = pair(FieldMapping("A", "a", rewritten=Rewritten.ADOPT))
    part = one.look().parts[0].to_dict()
    older = {**part, "lines": {name: words[:3] for name, words in part["lines"].items()}}
    del older["expired"]
    read = Part.from_dict(older)
    assert {words[3] for words in read.lines.values()} == {False}
    assert read.expired == ()


# ----------------------------------------------------------------------------------------------------------- newest


DATED = (
    FieldMapping("A", "a", group="g", conflict=ConflictPolicy.NEWEST),
    FieldMapping("On", "on", group="g", conflict=ConflictPolicy.NEWEST, converter=converters.datetime()),
)
DAY = {S: "2026-05-0{}T10:00:00.000+0000", D: "2026.05.0{} 10:00:00"}


def both_edited(salesforce: str | None, dialog_insight: str | None) -> LinkedPair:
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=[KEY, *DATED]),
        {"Email": "k", "A": "x", "On": DAY[S].format(1)},
        {"EMail": "k", "a": "x", "on": DAY[D].format(1)},
    )
    one.edit(S, A="s", On=salesforce)
    one.edit(D, a="d", on=dialog_insight)
    return one


@pytest.mark.parametrize("newer", Side)
def test_the_newest_of_a_group_wins_whole(newer: Side) -> None:
    """The side whose own mapped date is the later one gives the whole group, its date included."""
    days = {newer: 3, newer.other: 2}
    one = both_edited(DAY[S].format(days[S]), DAY[D].format(days[D]))
    (write,) = one.world.one_pass().writes
    assert (write.side, write.reason) == (newer.other, "update.policy")
    assert set(write.values) == ({"A", "On"} if newer is D else {"a", "on"})
    assert one.world.one_pass().actions == ()


@pytest.mark.parametrize(
    ("salesforce", "dialog_insight"),
    [
        (DAY[S].format(2), DAY[D].format(2)),
        (None, DAY[D].format(2)),
        (DAY[S].format(2), None),
        (DAY[S].format(2), "some day"),
        ("some day", DAY[D].format(2)),
    ],
)
def test_without_two_dates_that_differ_nobody_wins(salesforce: str | None, dialog_insight: str | None) -> None:
    """Dates that are equal, missing, or no dates say nothing of which is newer: a person decides."""
    plan = both_edited(salesforce, dialog_insight).world.plan()
    assert [conflict.reason for conflict in plan.conflicts] == ["conflict.both_changed"]
    assert plan.writes == ()


@pytest.mark.parametrize(
    ("lines", "path", "code"),
    [
        ([FieldMapping("A", "a", conflict=ConflictPolicy.NEWEST)], "fields[1].conflict", "policy.no_date"),
        ([FieldMapping("A", "a", first_match=ConflictPolicy.NEWEST)], "fields[1].first_match", "policy.no_date"),
        ([DATED[0]], "fields[1].conflict", "policy.no_date"),
        ([FieldMapping("N", OptIn("n"), conflict=ConflictPolicy.NEWEST)], "fields[1].conflict", "policy.consent"),
        ([FieldMapping("A", "a", drift=Drift.ENFORCE)], "fields[1].drift", "setting.unused"),
        (
            [FieldMapping("A", "a", direction=Direction.TO_SALESFORCE, rewritten=Rewritten.ADOPT)],
            "fields[1].rewritten",
            "setting.unused",
        ),
        (
            [FieldMapping("A", "a", group="g", rewritten=Rewritten.ADOPT), FieldMapping("B", "b", group="g")],
            "fields[2]",
            "group.policies",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_refused(lines: list[FieldMapping], path: str, code: str) -> None:
    """`NEWEST` without a date of its own, and settings without effect, are mistakes of the declaration."""
    with pytest.raises(ConfigurationError) as raised:
        ObjectTransfer("t", sobject="T", fields=[KEY, *lines])
    assert {(problem.path, problem.code) for problem in raised.value.problems} >= {(path, code)}


def test_the_whole_transfer_cannot_be_the_newest() -> None:
    """A transfer has no date of its own."""
    with pytest.raises(ConfigurationError, match="with a date only"):
        contacts(first_match=ConflictPolicy.NEWEST)


# -------------------------------------------------------------------------------------------------------- retention


def buried() -> LinkedPair:
    """Give a world in which a contact was deleted in Salesforce, and its counterpart remains, unlinked."""
    one = linked(deletes=Deletes.UNLINK)
    one.remove(S)
    one.world.one_pass()
    assert [stone.side for stone in one.world.baseline.tombstones.values()] == [D]
    return one


def test_a_tombstone_stays_as_long_as_its_record_does() -> None:
    """However old it is: without it, the survivor would be created again on the side where it was deleted."""
    one = buried()
    one.world.tick(int(timedelta(days=400).total_seconds()))
    assert told(one.world.one_pass()) == [("skip", "tombstone")]
    assert len(one.world.baseline.tombstones) == 1


@pytest.mark.parametrize(("days", "remains"), [(29, True), (31, False)])
def test_a_tombstone_of_nobody_expires(days: int, remains: bool) -> None:
    """Once its record is gone too, it is forgotten after the retention time."""
    one = buried()
    one.remove(D)
    one.world.tick(int(timedelta(days=days).total_seconds()))
    one.world.one_pass()
    assert bool(one.world.baseline.tombstones) is remains


def test_a_tombstone_serves_its_whole_time() -> None:
    """It expires when the retention time is past, not a second before."""
    one = buried()
    (stone,) = one.world.baseline.tombstones.values()
    one.remove(D)
    one.world.tick(one.world.second_of(stone.since + one.world.context.tombstone_retention) - one.world.seconds)
    assert one.look().parts[0].expired == ()
    one.world.tick()
    assert one.look().parts[0].expired == (stone.id,)


def test_a_shorter_retention_is_a_setting_and_needs_proof() -> None:
    """The time is of the run; what is missing from a sample is not gone."""
    one = buried()
    one.remove(D)
    one.world.context = Context(tombstone_retention=timedelta())
    one.world.tick()
    plan = one.look(dialog_insight=one.world.snapshot(D, Coverage.SAMPLE))
    assert plan.parts[0].expired == ()
    assert one.look().parts[0].expired == tuple(one.world.baseline.tombstones)


def test_an_erased_person_is_never_forgotten_to_be_erased() -> None:
    """The tombstone of somebody who asked to be forgotten outlives every retention time."""
    one = buried()
    one.remove(D)
    (stone,) = one.world.baseline.tombstones.values()
    kept: dict[str, Tombstone] = one.world.baseline.tombstones  # type: ignore[assignment]  # a test may write into it
    kept[stone.id] = attrs.evolve(stone, cause=ERASED)
    one.world.tick(int(timedelta(days=4000).total_seconds()))
    one.world.one_pass()
    assert len(one.world.baseline.tombstones) == 1


# -------------------------------------------------------------------------------------------------- mapping_version


@named("other")
def other(row: object) -> Any:
    return None


OTHER_LINE: dict[str, Any] = {
    "conflict": ConflictPolicy.SALESFORCE_WINS,
    "first_match": ConflictPolicy.FILL_BLANKS,
    "salesforce_default": "x",
    "dialog_insight_default": "x",
    "references": "parents",
    "group": "g",
    "direction": Direction.TO_SALESFORCE,
    "rewritten": Rewritten.ADOPT,
    "converter": converters.text(),
}
OTHER_TRANSFER: dict[str, Any] = {
    "name": "u",
    "sobject": "U",
    "table": "Things",
    "triggers": Trigger.NONE,
    "salesforce_filter": "A != null",
    "dialog_insight_filter": other,
    "first_match": ConflictPolicy.FILL_BLANKS,
    "deletes": Deletes.DELETE,
    "project": DestinationProject("P", id=1),
}


@pytest.mark.parametrize(("setting", "value"), OTHER_LINE.items())
def test_every_setting_of_a_line_is_in_the_version(setting: str, value: object) -> None:
    """A plan that was made with another declaration is not applied, whatever the difference is."""
    lines = [FieldMapping("A", "a"), FieldMapping("A", "a", **{setting: value})]
    versions = {mapping_version(ObjectTransfer("t", sobject="T", fields=[KEY, line])) for line in lines}
    assert len(versions) == 2


@pytest.mark.parametrize(("setting", "value"), OTHER_TRANSFER.items())
def test_every_setting_of_a_transfer_is_in_the_version(setting: str, value: object) -> None:
    """The same of the transfer's own settings."""
    given: dict[str, Any] = {"name": "t", "sobject": "T", "fields": [KEY]}
    versions = {mapping_version(ObjectTransfer(**one)) for one in (given, {**given, setting: value})}
    assert len(versions) == 2


def test_where_a_transfer_writes_is_in_the_version() -> None:
    """The same name may stand for another project or table by now: a plan is not applied there."""

    def version(**project: Any) -> str:
        given: dict[str, Any] = {"name": "P", "id": 1, "tables": {"Things": 7}}
        place = DestinationProject(**{**given, **project})
        return mapping_version(ObjectTransfer("t", sobject="T", table="Things", fields=[KEY], project=place))

    others = version(name="Q"), version(id=2), version(tables={"Things": 8})
    assert len({version(), *others}) == 1 + len(others)
    assert version() == version(tables={"Things": 7, "Others": 8})


def test_a_function_is_in_the_version_by_its_name() -> None:
    """Another process has another object: a plan that it saved is of the same mapping."""

    def plain() -> Any:
        return lambda row: True

    for filters in ((named("other")(plain()), other), (plain(), plain())):
        one, two = (ObjectTransfer("t", sobject="T", fields=[KEY], dialog_insight_filter=each) for each in filters)
        assert mapping_version(one) == mapping_version(two)


def test_constants_and_enforcing_are_in_the_version_and_being_active_is_not() -> None:
    """A transfer may be switched off without its plans becoming another mapping's."""
    one_way = FieldMapping("A", "a", direction=Direction.TO_SALESFORCE)
    kinds: list[list[FieldMapping | Constant]] = [
        [KEY, one_way],
        [KEY, attrs.evolve(one_way, drift=Drift.ENFORCE)],
        [KEY, one_way, Constant("Source", "x", side=S)],
        [KEY, one_way, Constant("Source", "y", side=S)],
    ]
    assert len({mapping_version(ObjectTransfer("t", sobject="T", fields=fields)) for fields in kinds}) == len(kinds)
    transfers = [ObjectTransfer("t", sobject="T", fields=[KEY], active=active) for active in (False, True)]
    assert mapping_version(transfers[0]) == mapping_version(transfers[1])
