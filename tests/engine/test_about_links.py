"""What is said of a link as a whole: which record it is about, by its key as Salesforce writes it, and when."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from di_salesforce import converters
from di_salesforce.engine import Baseline, Context, FieldState, LinkRecord, Snapshot
from di_salesforce.engine._memory import KeyText
from di_salesforce.records import Side
from di_salesforce.testing._pairs import NOW, ORDERS, contacts, linked, plan_of, told
from di_salesforce.testing._served import Fate
from di_salesforce.testing.world import World
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
LATER = NOW + timedelta(hours=1)
SPELLED = {"Email:EMail": FieldState(("Ada@Test.example", "ada@test.example"), version="v")}

KEYS: list[tuple[KeyText | None, KeyText | None, dict[str, FieldState], str | None, KeyText]] = [
    (("ada@test.example",), ("ada@test.example",), SPELLED, "Ada@Test.example", ("ada@test.example",)),
    (("ada@test.example",), ("ada@test.example",), {}, "ada@test.example", ("ada@test.example",)),
    (("ada",), None, {}, "ada", ("ada",)),
    (None, ("bo",), {}, "bo", ("bo",)),
    (None, ("\x005",), {}, "5", ("\x005",)),
    (("ada",), ("bo",), {}, "ada", ("ada",)),
    (("ada",), ("bo",), {"Email:EMail": FieldState(("", ""), version="v")}, "ada", ("ada",)),
    (("ada",), ("bo",), {"Email:EMail": FieldState((" ", " "), version="v")}, "ada", ("ada",)),
    (None, None, {}, None, ()),
]


@pytest.mark.parametrize(("salesforce", "dialog_insight", "fields", "key", "key_text"), KEYS)
def test_a_link_is_named_by_the_key_that_there_is(
    salesforce: KeyText | None,
    dialog_insight: KeyText | None,
    fields: dict[str, FieldState],
    key: str | None,
    key_text: KeyText,
) -> None:
    """As Salesforce spells it, where that is remembered; by that of the other record where there is no other."""
    link = LinkRecord("t", "l", "s1", "d1", salesforce, dialog_insight, fields)
    gone = Snapshot.changes([], deleted=["s1"], as_of=LATER)
    plan = plan_of(gone, Snapshot.changes([], as_of=LATER), Baseline((link,), (), (), ()), now=LATER)
    (said,) = plan.actions
    assert (said.reason, said.key, said.key_text) == ("deleted.reported", key, key_text)


def test_a_record_that_was_created_without_telling_its_id_is_told_once_it_is_seen() -> None:
    """Its link knows it by its key: the row is not a stranger with a key that somebody has, nor made anew."""
    world = World(contacts(converter=converters.text()))
    world.add(S, {"Email": "k", "A": "x"})
    world.apply(world.plan(), lambda write: Fate.NAMELESS)
    assert world.baseline.links[0].dialog_insight_id is None
    assert not world.one_pass().actions
    assert world.baseline.links[0].dialog_insight_id == "1"


@pytest.mark.parametrize("seconds", [-1, 0])
def test_a_look_at_the_very_end_of_a_quarantine_counts(seconds: int) -> None:
    """From that moment on a lost write cannot land any more: not a second sooner, not a second later."""
    one = linked(context=Context(quarantine=dict.fromkeys(Side, timedelta(seconds=60))))
    one.edit(S, A="y")
    one.world.apply(one.world.plan(), lambda write: Fate.LOST)
    (item,) = one.world.baseline.open_items.values()
    end = one.world.second_of(item.since) + 60
    one.world.tick(end - one.world.seconds + seconds)
    expected = ("update", "update.changed") if seconds == 0 else ("skip", "outcome.quarantine")
    assert told(one.look()) == [expected] and not one.look().needs


def test_a_row_of_a_table_that_was_linked_meanwhile_is_open_no_more() -> None:
    """It waited as a row, and is a link's now: it is not asked for by its key, and its item is closed."""
    orders = attrs.evolve(ORDERS, triggers=Trigger.ALL)
    world = World(orders)
    world.add(D, {"EMail": "a", "a": "x"})
    world.apply(world.plan(), lambda write: Fate.REFUSED)
    (item,) = world.baseline.open_items.values()
    link = LinkRecord("t", "l", "003", None, ("a",), ("a",), {})
    shots = [Snapshot.changes(rows, as_of=world.now) for rows in ([{"Id": "003", "Email": "a", "A": "y"}], [])]
    plan = plan_of(*shots, Baseline((link,), (item,), (), ()), transfer=orders, now=world.now)
    assert [item.id for item in plan.parts[0].items] == [item.id]
