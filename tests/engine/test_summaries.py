"""A plan as a small table for a terminal or a mail: what is decided by its figures."""

from __future__ import annotations

import attrs

from di_salesforce import FieldMapping, ObjectTransfer
from di_salesforce.engine import Plan
from di_salesforce.engine._reasons import sentence
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair, contacts, plan_of, row
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


def named(name: str) -> ObjectTransfer:
    return attrs.evolve(contacts(), name=name)


def people() -> Plan:
    """Give a first meeting: a pair that is linked, creates on both sides, and rows that nobody can synchronise."""
    here = [row(S, 1), *(row(S, number, f"s{number}") for number in range(10, 20)), row(S, 2, "twice"), row(S, 3, None)]
    there = [row(D, 1), row(D, 2, "d"), row(D, 3, "twice"), row(D, 4, "twice"), row(D, 5, ""), row(D, 6, "")]
    return plan_of(here, there, transfer=named("people"))


def accounts() -> Plan:
    """Give a later plan, which holds a conflict and an update back from one side."""
    one = LinkedPair.of(named("accounts"), {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"})
    for number in range(3):
        one.world.add(S, {"Email": f"k{number}", "A": "x"})
        one.world.add(D, {"EMail": f"k{number}", "a": "x"})
    one.world.one_pass()
    other = next(name for name, each in one.world.rows(D).items() if each["EMail"] == "k0")
    one.edit(S, A="y")
    one.edit(D, a="z")
    one.world.edit(D, other, {"a": "z"})
    one.world.transfer = attrs.evolve(one.world.transfer, triggers=Trigger.ALL & ~Trigger.DIALOG_INSIGHT_UPDATED)
    return one.world.plan()


def test_a_summary_is_a_table_with_a_line_for_each_kind_place_and_reason() -> None:
    """Transfers in their turn, each in the order of carrying out, then what agrees; figures in one column."""
    first = plan_of([row(S, 1)], [], transfer=named("organisations"))
    lines = Plan.joined([people(), accounts(), first]).summary().splitlines()
    told = [
        ("people         link                       1", "link.key"),
        ("people         create    Dialog Insight  10", "create.new"),
        ("people         create    Salesforce       1", "create.new"),
        ("people         reject    Dialog Insight   2", "key.ambiguous"),
        ("people         reject    Dialog Insight   2", "key.missing"),
        ("people         reject    Salesforce       1", "key.ambiguous"),
        ("people         reject    Salesforce       1", "key.missing"),
        ("people         agree                      1", ""),
        ("accounts       conflict                   1", "conflict.both_changed"),
        ("accounts       skip      Salesforce       1", "trigger.off"),
        ("accounts       agree                      2", ""),
        ("organisations  create    Dialog Insight   1", "create.new"),
        ("organisations  agree                      0", ""),
    ]
    assert lines == [
        f"{start}  {f'{reason}: {sentence(reason)}' if reason else 'pairs in agreement already'}"
        for start, reason in told
    ]


def test_a_choice_names_all_that_it_would_write() -> None:
    """Fields of one group are decided as one: keeping a side writes each of them."""
    lines = [FieldMapping("Key", "key", key=True), FieldMapping("A", "a", group="g"), FieldMapping("B", "b", group="g")]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    one = LinkedPair.of(transfer, {"Key": "k", "A": 1, "B": 1}, {"key": "k", "a": 1, "b": 1})
    one.edit(S, A=2, B=2)
    one.edit(D, a=3, b=3)
    assert one.world.plan().explain("k").splitlines()[-2:] == [
        "  keep Salesforce: writes a, b",
        "  keep Dialog Insight: writes A, B",
    ]
