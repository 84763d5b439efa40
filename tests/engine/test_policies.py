"""Who wins, asked directly: consent at a first meeting, an application's own policy, the line of the field table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from di_salesforce import FieldMapping, ObjectTransfer, OptIn, OptInDate, converters
from di_salesforce.engine._decision import Decision, FieldLine, Flow, SideClass, _line
from di_salesforce.engine._memory import Relation
from di_salesforce.protocols import FieldCase
from di_salesforce.records import Side, Value
from di_salesforce.testing._pairs import LinkedPair, told
from di_salesforce.testing.world import World

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
KEY = FieldMapping("Key", "key", key=True)


def disputed(line: FieldMapping) -> LinkedPair:
    """A pair of which both sides changed one field."""
    transfer = ObjectTransfer("t", sobject="T", fields=[KEY, line])
    one = LinkedPair.of(transfer, {"Key": "k", "A": "x"}, {"key": "k", "a": "x"})
    one.edit(S, A="ours")
    one.edit(D, a="theirs")
    return one


@pytest.mark.parametrize(
    ("salesforce", "dialog_insight", "action"),
    [
        (True, "0", ("update", "update.first_match")),
        (False, "1", ("conflict", "conflict.consent")),
        (None, "0", ("update", "update.first_match")),
        (False, "", ("conflict", "conflict.consent")),
        (None, "1", ("conflict", "conflict.consent")),
        (True, "", ("update", "update.first_match")),
    ],
)
def test_consent_meets_for_the_first_time(salesforce: Value, dialog_insight: Value, action: tuple[str, str]) -> None:
    """The stricter answer wins; where it stands in Salesforce, which only receives, a person decides."""
    line = FieldMapping("News__c", OptIn("news"), converter=converters.boolean(blank=None))
    world = World(ObjectTransfer("t", sobject="T", fields=[KEY, line]))
    world.add(S, {"Key": "k", "News__c": salesforce})
    world.add(D, {"key": "k", "optin_news": dialog_insight})
    assert told(world.plan()) == [("link", "link.key"), action]


def test_a_policy_of_ones_own_is_told_the_whole_case() -> None:
    """An application's function gets transfer, line, both values and both of before; its answer is what wins."""
    cases: list[FieldCase] = []

    def policy(case: FieldCase, /) -> Side | None:
        cases.append(case)
        return D

    line = FieldMapping("A", "a", conflict=policy)
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=[KEY, line]), {"Key": "k", "A": "x"}, {"key": "k", "a": "x"}
    )
    one.edit(S, A="ours")
    one.edit(D, a="theirs")
    assert told(one.world.one_pass()) == [("update", "update.policy")]
    assert cases == [FieldCase("t", "A:a", "ours", "theirs", "x", "x")] and one.row(S)["A"] == "theirs"


@pytest.mark.parametrize("answer", [None, True, "salesforce"])
def test_a_policy_that_names_no_side_holds(answer: Any) -> None:
    """A function that names no side leaves the decision to a person, whatever it says instead."""
    line = FieldMapping("A", "a", conflict=lambda case: answer)
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=[KEY, line]), {"Key": "k", "A": "x"}, {"key": "k", "a": "x"}
    )
    one.edit(S, A="ours")
    one.edit(D, a="theirs")
    assert told(one.world.plan()) == [("conflict", "conflict.both_changed")]


def test_a_line_of_the_table_reads_as_it_is_written() -> None:
    """Each letter stands for a class of a side, and each word for what the line asks besides."""
    words = {"agree": False, "waits": True, "rel": frozenset({Relation.AGREED}), "flow": frozenset({Flow.OUT})}
    assert _line(7, "UC", "F?", Decision.PROPOSE, "it flows", **words) == FieldLine(
        7,
        frozenset({SideClass.UNCHANGED, SideClass.CHANGED}),
        frozenset({SideClass.FIRST, SideClass.UNKNOWN}),
        Decision.PROPOSE,
        "it flows",
        agree=False,
        waits=True,
        rel=frozenset({Relation.AGREED}),
        flow=frozenset({Flow.OUT}),
    )


DATE = FieldMapping("News_Date__c", OptInDate("news"), converter=converters.datetime())
STATUS = FieldMapping("News__c", OptIn("news"), converter=converters.boolean())


def test_the_date_of_a_consent_alone_is_no_consent_and_flows_as_its_field_does() -> None:
    """Where only the date is mapped nobody refused or agreed: the date of Dialog Insight, its only source, is taken."""
    world = World(ObjectTransfer("t", sobject="T", fields=[KEY, DATE]))
    world.add(S, {"Key": "k", "News_Date__c": datetime(2026, 1, 1, tzinfo=UTC)})
    world.add(D, {"key": "k", "optin_news_date": "2026.02.01 00:00:00"})
    assert told(world.plan()) == [("link", "link.key"), ("update", "update.first_match")]
    world.settle_down()
    assert world.agrees()


def test_the_stricter_status_wins_wherever_its_line_stands() -> None:
    """The date stands before the status in the declaration: it is the status that is compared."""
    world = World(ObjectTransfer("t", sobject="T", fields=[KEY, DATE, STATUS]))
    old, new = datetime(2026, 1, 1, tzinfo=UTC), "2026.02.01 00:00:00"
    world.add(S, {"Key": "k", "News__c": False, "News_Date__c": old})
    world.add(D, {"key": "k", "optin_news": "1", "optin_news_date": new})
    assert told(world.plan()) == [("link", "link.key"), ("conflict", "conflict.consent")]
