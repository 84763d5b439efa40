"""What a service refused: not sent again as it is, and sent again as soon as it would be another write."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from di_salesforce.engine import Create, Delete, Update, Write
from di_salesforce.engine._actions import write_fingerprint
from di_salesforce.records import Side
from di_salesforce.testing._pairs import linked, told
from di_salesforce.testing._served import Fate
from di_salesforce.testing.world import World

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}
UNCHANGED = ("skip", "refused.unchanged")


def refused(world: World) -> None:
    world.apply(world.plan(), lambda write: Fate.REFUSED)


@pytest.mark.parametrize("changed", Side)
def test_a_refused_update_is_sent_again_once_its_source_was_corrected(changed: Side) -> None:
    """As it is it would be refused again; with another value it may be taken."""
    one = linked()
    one.edit(changed, **{FIELD[changed]: "wrong"})
    refused(one.world)
    assert told(one.world.plan()) == [UNCHANGED]
    one.edit(changed, **{FIELD[changed]: "right"})
    assert told(one.world.one_pass()) == [("update", "update.changed")]
    assert one.row(changed.other)[FIELD[changed.other]] == "right"


@pytest.mark.parametrize("changed", Side)
def test_a_refused_create_is_sent_again_once_its_source_was_corrected(changed: Side) -> None:
    """Likewise; nothing but the key need be the same."""
    one = linked()
    email = {S: "Email", D: "EMail"}[changed]
    name = one.world.add(changed, {email: "new", FIELD[changed]: "wrong"})
    refused(one.world)
    assert told(one.world.plan()) == [UNCHANGED]
    one.world.edit(changed, name or "", {FIELD[changed]: "right"})
    assert told(one.world.one_pass()) == [("create", "create.new")]


COMMON: dict[str, Any] = {"transfer": "t", "key": "k", "reason": "r", "side": D}
UPDATE = Update(**COMMON, id="1", address={"EMail": "k"}, values={"a": "x"}, based_on={"a": "w"})
CREATE = Create(**COMMON, id="1", address={"EMail": "k"}, values={"EMail": "k", "a": "x"})
DELETE = Delete(**COMMON, id="1", address={"EMail": "k"}, based_on={"EMail": "k", "a": "x"})


@pytest.mark.parametrize(
    ("one", "other", "is_the_same"),
    [
        (UPDATE, attrs.evolve(UPDATE, id="2", key="K", reason="s", based_on={"a": "v"}), True),
        (UPDATE, attrs.evolve(UPDATE, values={"a": "y"}), False),
        (UPDATE, attrs.evolve(UPDATE, values={"b": "x"}), False),
        (UPDATE, attrs.evolve(UPDATE, address={"EMail": "l"}), False),
        (CREATE, attrs.evolve(CREATE, id="2", key="K", reason="s"), True),
        (CREATE, attrs.evolve(CREATE, values={"EMail": "k", "a": "y"}), False),
        (DELETE, attrs.evolve(DELETE, id="2", key="K", reason="s"), True),
        (DELETE, attrs.evolve(DELETE, based_on={"EMail": "k", "a": "y"}), False),
        (UPDATE, DELETE, False),
        (UPDATE, CREATE, False),
        (CREATE, DELETE, False),
    ],
)
def test_a_refusal_is_of_what_a_write_would_do(one: Write, other: Write, is_the_same: bool) -> None:
    """It is the same write where kind, record and values are, and for a delete what stands there; not by when or why.

    So a record may be deleted although an update to the very values that it holds was refused.
    """
    assert (write_fingerprint(one) == write_fingerprint(other)) is is_the_same
