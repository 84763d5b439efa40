"""What was saved is read back as it was, also by a later version, and what is damaged says how."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import (
    Action,
    Applied,
    Change,
    Conflict,
    ConflictField,
    Create,
    Delete,
    Link,
    Outcome,
    Plan,
    Proposal,
    Reject,
    Relation,
    Skip,
    Snapshot,
    Unlink,
    Update,
    settle,
)
from di_salesforce.engine._actions import action_from_dict, action_to_dict
from di_salesforce.engine._saving import digest_of, seal_of
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import UNSET, Side
from di_salesforce.testing._pairs import NOW, LinkedPair, plan_of, row

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT

CHANGES = (
    Change("a", "x", Decimal("1.50"), "update.changed", "A:a", date(2026, 5, 1), bounce=2),
    Change("b", UNSET, None, "constant", "", UNSET),
)
PROPOSALS = (
    Proposal(S, CHANGES, address={"EMail": "k", "n": 1.5}),
    Proposal(D, refusal="trigger.off", verdict="skip"),
)
COMMON: dict[str, Any] = {
    "id": "1",
    "transfer": "t",
    "key": ("k", 5, None),
    "reason": "update.several",
    "link": "l",
    "subject": "link:l",
    "key_text": ("k", "5", ""),
    "salesforce_id": "003",
    "dialog_insight_id": "7",
}
WRITTEN: dict[str, Any] = {
    "side": D,
    "record_id": "7",
    "address": {"EMail": "k"},
    "values": {"a": datetime(2026, 5, 1, tzinfo=UTC), "b": True},
    "based_on": {"a": "x", "b": None},
    "changes": CHANGES,
}
FIELDS = (ConflictField("A:a", "x", None, UNSET, Decimal(2)), ConflictField("B:b", UNSET, 1, date(2026, 5, 1), False))
ACTIONS: tuple[Action, ...] = (
    Create(**COMMON, **WRITTEN),
    Update(**COMMON, **WRITTEN),
    Delete(**COMMON, **WRITTEN),
    Link(**COMMON, moved_from="l0"),
    Unlink(**COMMON, survivor=D, duplicate_of="8"),
    Skip(**COMMON, side=S, fields=("A:a", "B:b"), group="g", fingerprint="f"),
    Conflict(**COMMON, fields=FIELDS, group="g", proposals=PROPOSALS, fingerprint="f"),
    Reject(
        **COMMON,
        side=S,
        record_id="003",
        group="g",
        causes=(("A", "value.not_scalar"),),
        fingerprint="f",
        candidates=("7", "8"),
        tier=1,
    ),
)


def through_text(data: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(data))
    return read


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.kind)
def test_an_action_is_read_back_as_it_was(action: Action) -> None:
    """Each kind with everything that it can say, values with their types."""
    defaults = {field.name for field in attrs.fields(type(action)) if getattr(action, field.name) == field.default}
    assert not defaults, "the table above must say something of every member"
    assert action_from_dict(through_text(action_to_dict(action))) == action


def test_a_plan_is_read_back_with_all_its_members() -> None:
    """What a plan waits for, what was set aside, when it was made, and what settling needs: whatever a text holds."""
    made = plan_of([row(S, 1, value="half of a pair: \ud83d"), row(S, 2, None)], []).without(kind="reject")
    plan = Plan.joined([made, plan_of([row(S, 3)], Snapshot.changes([]))])
    back = Plan.from_dict(through_text(plan.to_dict()))
    for name in ("actions", "set_aside", "parts", "needs", "now", "digest"):
        assert getattr(back, name) == getattr(plan, name), name
    assert plan.actions and plan.needs and plan.set_aside and plan.now == NOW


def as_older(document: dict[str, Any], later: set[str]) -> dict[str, Any]:
    """Give a saved plan as a version would have saved it that did not know some members of actions."""
    actions = [{name: each for name, each in action.items() if name not in later} for action in document["actions"]]
    older = {**document, "actions": actions, "digest": digest_of(actions)}
    return {**older, "seal": seal_of({name: each for name, each in older.items() if name != "seal"})}


def test_a_plan_of_an_older_version_is_read() -> None:
    """Members of actions that came later have their default in it; it is still known to be as it was saved."""
    plan = plan_of([row(S, 1, None), row(S, 2)], [row(D, 2)])
    older = as_older(through_text(plan.to_dict()), {"tier", "candidates", "fingerprint", "survivor", "duplicate_of"})
    read = Plan.from_dict(older)
    assert [type(action) for action in read.actions] == [type(action) for action in plan.actions]
    (reject,) = plan.rejects
    assert read.rejects == (attrs.evolve(reject, fingerprint=""),)
    older["actions"][0]["reason"] = "other"
    with pytest.raises(ConfigurationError, match="was changed"):
        Plan.from_dict(older)


@pytest.mark.parametrize("kind", [type(action) for action in ACTIONS], ids=lambda kind: kind.kind)
def test_a_member_that_comes_later_changes_no_digest(kind: type[Action]) -> None:
    """An approval names a plan by its digest: what an action says nothing by is not part of it."""
    must = {field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING}
    bare = action_to_dict(kind(**{name: value for name, value in {**COMMON, "side": S}.items() if name in must}))
    assert digest_of([bare]) == digest_of([{name: bare[name] for name in ("kind", *must)}])


@pytest.mark.parametrize("missing", ["id", "reason", "kind"])
def test_a_plan_without_what_every_action_says_is_damaged(missing: str) -> None:
    """It is refused, with the kind of damage."""
    older = as_older(through_text(plan_of([row(S, 1)], []).to_dict()), {missing})
    with pytest.raises(ConfigurationError, match=r"the saved plan is damaged \(KeyError\)"):
        Plan.from_dict(older)


def test_a_damaged_record_of_a_write_says_how() -> None:
    """Likewise."""
    write = Update(**COMMON, **WRITTEN)
    plain = Applied.of(write, None, None, NOW).to_dict()
    del plain["changes"]
    with pytest.raises(ConfigurationError, match=r"the record of a write is damaged \(KeyError\)"):
        Applied.from_dict(plain)


def test_the_record_of_a_write_says_what_the_write_said() -> None:
    """What the service keeps of the fields that were written, not of others; a write need not name a link."""
    write = Update(**{**COMMON, "link": None}, **WRITTEN)
    applied = Applied.of(write, "9", {"a": "kept", "other": 1}, NOW, sure=False)
    assert applied == Applied(
        "1", "t", "update", D, "", "7", ("k", 5, None), "update.several", CHANGES, {"a": "kept"}, NOW, sure=False
    )
    assert Applied.from_dict(through_text(applied.to_dict())) == applied


def test_a_plan_that_got_its_transfer_back_settles_as_it_would_have() -> None:
    """Read back and bound again it compares by the converters: what the service only spelled otherwise agrees."""
    fields = [FieldMapping("Key", "key", key=True), FieldMapping("A", "a", converter=converters.email())]
    transfer = ObjectTransfer("t", sobject="T", fields=fields)
    one = LinkedPair.of(transfer, {"Key": "k", "A": "x@test.example"}, {"key": "k", "a": "x@test.example"})
    one.edit(S, A="y@test.example")
    plan = one.world.plan()
    (write,) = plan.writes
    outcomes = {write.id: Outcome.done(write.record_id, {"key": "k", "a": "Y@test.example"})}
    bound = plan.bound_transfer("t")
    assert bound is not None
    back = Plan.from_dict(through_text(plan.to_dict()))
    (as_it_was,), (unbound,), (again,) = (
        settle(each, outcomes, now=one.world.now).changed_links for each in (plan, back, back.bound_to(bound))
    )
    assert again == as_it_was and again.fields["A:a"].rel is Relation.AGREED
    assert unbound.fields["A:a"].rel is Relation.REWRITTEN
