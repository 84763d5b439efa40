"""The world that the other tests stand on: its servers behave, and its checks do see a breach."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer, OptIn, converters
from di_salesforce.engine import Baseline, Context, Coverage, Plan, Update
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side, Value
from di_salesforce.testing._pairs import LinkedPair
from di_salesforce.testing._served import Saving
from di_salesforce.testing.strategies import transfers, worlds
from di_salesforce.testing.world import World, mirror
from di_salesforce.triggers import Direction, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
TRANSFER = ObjectTransfer("t", sobject="T", fields=[FieldMapping("Key", "key", key=True), FieldMapping("A", "a")])


def pair(saving: Saving | None = None) -> LinkedPair:
    servers = {S: Saving(), D: saving or Saving()}
    return LinkedPair.of(TRANSFER, {"Key": "k", "A": "x"}, {"key": "k", "a": "x"}, saving=servers)


def first_update(plan: Plan) -> Update:
    return next(write for write in plan.writes if isinstance(write, Update))


# ------------------------------------------------------------------------------------------- breaches are seen


def test_a_blind_write_is_seen() -> None:
    """A memory that holds another value than the last look found leads to a write that the world refuses to plan."""
    one = pair()
    one.world.apply(one.world.plan())
    link = one.link
    state = attrs.evolve(link.fields["A:a"], base=("x", "never there"))
    one.world.baseline = Baseline(
        [attrs.evolve(link, fields={**link.fields, "A:a": state})],
        coverages=filter(None, map(one.world.baseline.coverage, Side)),
    )
    one.edit(S, A="y")
    with pytest.raises(AssertionError, match="blind write"):
        one.world.plan(*(one.world.snapshot(side, Coverage.CHANGES) for side in Side))


def test_a_forbidden_write_is_seen() -> None:
    """A plan whose write the triggers forbid is not carried out."""
    one = pair()
    one.edit(S, A="y")
    plan = one.world.plan()
    one.world.transfer = attrs.evolve(TRANSFER, triggers=Trigger.NONE)
    with pytest.raises(AssertionError, match="forbidden update"):
        one.world.apply(plan)
    one.world.transfer = attrs.evolve(
        TRANSFER, fields=[TRANSFER.lines[0], attrs.evolve(TRANSFER.lines[1], direction=Direction.TO_SALESFORCE)]
    )
    with pytest.raises(AssertionError, match="do not flow"):
        one.world.apply(plan)


def test_a_value_that_nobody_told_is_seen() -> None:
    """A difference or a record that a plan is silent about is listed."""
    one = pair()
    one.edit(S, A="y")
    one.world.add(D, {"key": "k2"})
    plan = one.world.plan()
    assert one.world.unaccounted(plan) == []
    assert len(one.world.unaccounted(attrs.evolve(plan, actions=()))) == 2


def test_a_base_that_moved_by_itself_is_seen() -> None:
    """A link that a plan would remember with another base, without a write or an agreement, is a breach."""
    one = pair()
    one.edit(S, A="y")
    plan = one.world.plan().without(kind="update")
    part = plan.parts[0]
    link = next(iter(part.links.values()))
    moved = attrs.evolve(link, fields={**link.fields, "A:a": attrs.evolve(link.fields["A:a"], base=("y", "x"))})
    with pytest.raises(AssertionError, match=r"remembered|base of A:a moved"):
        one.world.apply(attrs.evolve(plan, parts=(attrs.evolve(part, links={moved.id: moved}),)))


def test_a_loop_that_never_settles_is_seen() -> None:
    """A pass that writes every time ends in an error, not for ever."""
    one = pair()

    def restless(world: World) -> Plan:
        one.edit(S, A=str(world.seconds))
        return world.one_pass()

    with pytest.raises(AssertionError, match="passes in a row"):
        one.world.settle_down(restless, most=3)


# --------------------------------------------------------------------------------------------------- servers


def test_a_server_refuses_what_moved() -> None:
    """A write whose before-image is not there any more is stale and changes nothing."""
    one = pair()
    one.edit(S, A="y")
    plan = one.world.plan()
    one.edit(D, a="z")
    settlement = one.world.apply(plan)
    assert settlement is not None and [line.outcome for line in settlement.report.lines] == ["stale"]
    assert one.row(D)["a"] == "z"


SAVED: list[tuple[Saving, str, Value]] = [
    (Saving(truncate=3), "long", "lon"),
    (Saving(trims=True), " x ", "x"),
    (Saving(refuses=frozenset({"bad"})), "bad", "x"),
]


@pytest.mark.parametrize(("saving", "value", "kept"), SAVED)
def test_a_server_saves_in_its_own_way(saving: Saving, value: str, kept: Value) -> None:
    """A server cuts, trims or refuses, whoever writes."""
    one = pair(saving)
    one.edit(S, A=value)
    one.world.one_pass()
    assert one.row(D)["a"] == kept


def test_keys_are_unique_where_the_server_says_so() -> None:
    """A second record with a key is not taken, unless the server allows it; a relational row has its key alone."""
    world = World(TRANSFER)
    assert world.add(S, {"Key": "k"}) and world.add(S, {"Key": "k"}) is None
    loose = World(TRANSFER, dict.fromkeys(Side, Saving(unique_key=False)))
    assert loose.add(S, {"Key": "k"}) and loose.add(S, {"Key": "k"})
    table = World(attrs.evolve(TRANSFER, table="Things"), dict.fromkeys(Side, Saving(unique_key=False)))
    assert table.add(D, {"key": "k"}) and table.add(D, {"key": "k"}) is None and table.add(D, {"key": None}) is None


def test_changes_bring_what_moved_since_the_memory_last_looked() -> None:
    """A feed of changes names edits and deletes since the last settled look, and nothing else."""
    one = pair()
    one.world.add(S, {"Key": "quiet"})
    one.world.one_pass()
    one.world.one_pass()
    one.edit(S, A="y")
    shot = one.world.snapshot(S, Coverage.CHANGES)
    assert [row["Key"] for row in shot.rows] == ["k"]
    one.remove(S)
    assert one.world.snapshot(S, Coverage.CHANGES).deleted == {one.names[S]}
    assert len(one.world.snapshot(S, at=1).rows) == 1


def test_a_crash_remembers_nothing() -> None:
    """What was carried out before a crash is there; what would have been remembered is not."""
    one = pair()
    one.edit(S, A="y")
    before = one.world.baseline
    assert one.world.apply(one.world.plan(), crash=True) is None
    assert one.world.baseline is before and one.row(D)["a"] == "y"


# -------------------------------------------------------------------------------------------------- strategies


def shouted(value: Value) -> Value:
    return f"{value}!"


def whispered(value: Value) -> Value:
    return str(value)[:-1]


@given(data=st.data())
def test_worlds_of_ones_own_transfer(data: st.DataObject) -> None:
    """An application's own transfer, with values of its own where its converter is its own, is put through it all."""
    loud = converters.pair(shouted, whispered)
    mine = ObjectTransfer(
        "mine", sobject="T", fields=[FieldMapping("Key", "key", key=True), FieldMapping("A", "a", converter=loud)]
    )
    pools = {"A:a": {S: st.sampled_from(["x", "y"]), D: st.sampled_from(["x!", "y!"])}}
    world = data.draw(worlds(mine, pools=pools, context=Context(allow_empty=frozenset(Side))))
    world.settle_down(most=2)
    assert {row["a"] for row in world.rows(D).values()} <= {"x!", "y!", None}


@given(transfer=transfers(optins=False, relational=False))
def test_the_mirror_of_the_mirror_is_the_transfer(transfer: ObjectTransfer) -> None:
    """Mirroring twice gives the same directions, triggers, policies and defaults."""
    twice = mirror(mirror(transfer))
    assert [
        (line.name, line.flows, line.conflict, line.first_match, line.salesforce_default, line.group)
        for line in twice.lines
    ] == [
        (line.name, line.flows, line.conflict, line.first_match, line.salesforce_default, line.group)
        for line in transfer.lines
    ]
    assert (twice.allowed, twice.first_match, twice.constants) == (
        transfer.allowed,
        transfer.first_match,
        transfer.constants,
    )


def test_what_is_one_sided_has_no_mirror() -> None:
    """Opt-ins, filters and relational tables are one-sided: asking for their mirror is an error."""
    optin = attrs.evolve(TRANSFER, fields=[*TRANSFER.fields, FieldMapping("O", OptIn("n"))])
    for transfer in (
        optin,
        attrs.evolve(TRANSFER, table="Things"),
        attrs.evolve(TRANSFER, salesforce_filter="A != null"),
    ):
        with pytest.raises(ConfigurationError, match="no mirror"):
            mirror(transfer)
