"""The laws of the engine where transfers touch, and where outsiders never rest."""

from __future__ import annotations

from collections import Counter

from hypothesis import assume, event, given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, Integration, ObjectTransfer, check, converters
from di_salesforce.engine import Action, BoundTransfer, Context
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair
from di_salesforce.testing.several import SeveralWorlds
from di_salesforce.testing.strategies import integrations, rows, rows_of, several_worlds, transfers, worlds
from di_salesforce.triggers import ConflictPolicy, Trigger

CONTEXT = Context(allow_empty=frozenset(Side))  # small worlds lose their last record; the guard has its own test
ALL = st.just(Trigger.ALL)


@st.composite
def some_worlds(draw: st.DrawFn, /, *, honest: bool = False) -> SeveralWorlds:
    return draw(several_worlds(draw(integrations(triggers=ALL)), honest=honest, context=CONTEXT))


@given(integration=integrations())
def test_the_generated_integrations_are_safe(integration: Integration) -> None:
    """The topology check finds no error in what the laws below are shown for."""
    assert not [finding for finding in check(integration) if finding.severity.value == "error"]


@given(several=some_worlds())
def test_law_1_several_transfers_converge(several: SeveralWorlds) -> None:
    """With no edits, pass by pass in topological order, the pass after the longest path writes nothing."""
    event(f"moved {several.settle_down(most=len(several.integration.names) + 1)} times")


def _end_state(several: SeveralWorlds) -> dict[tuple[str, Side], Counter[str]]:
    """Give what all sides hold, without the numbers of the records."""
    return {
        (world.transfer.name, side): Counter(
            repr(sorted((field, repr(value)) for field, value in row.items() if field != world.transfer.id_field(side)))
            for row in world.rows(side).values()
        )
        for world in several
        for side in Side
    }


@given(data=st.data(), integration=integrations(triggers=ALL))
def test_law_2_any_safe_order_of_transfers_ends_alike(data: st.DataObject, integration: Integration) -> None:
    """Where the topology check has nothing to say, both orders end in the same state, at first and after edits."""
    assume(not any(finding.code.startswith("topology.") for finding in check(integration)))
    orders = [integration.names, integration.names[::-1]]
    both = [SeveralWorlds(integration, context=CONTEXT) for _ in orders]
    for _ in range(2):
        for world in both[0]:
            for side in Side:
                for row in data.draw(st.lists(rows_of(both[0], world.transfer.name, side), max_size=2)):
                    for several in both:
                        several[world.transfer.name].add(side, row)
        for several, order in zip(both, orders, strict=True):
            several.settle_down(order)
        assert _end_state(both[0]) == _end_state(both[1])


@given(several=some_worlds())
def test_law_3_nothing_is_lost_between_transfers(several: SeveralWorlds) -> None:
    """Of each transfer, every difference and every record is accounted for exactly once, before and after a pass."""
    for _ in range(2):
        for world in several:
            plan = world.plan()
            assert world.unaccounted(plan) == []
            world.apply(plan)


@given(data=st.data(), transfer=transfers())
def test_law_7_an_edit_stays_with_its_record(data: st.DataObject, transfer: ObjectTransfer) -> None:
    """What is not a key is edited in one record: nothing else is planned for any other."""
    world = data.draw(worlds(transfer, honest=True, context=CONTEXT))
    side = data.draw(st.sampled_from(Side))
    assume(world.rows(side))
    name = data.draw(st.sampled_from(sorted(world.rows(side))))
    keys = {line.field(side) for line in transfer.key_lines}
    row = data.draw(rows(transfer, side))
    field = data.draw(st.sampled_from(sorted(set(row) - keys)))
    key = BoundTransfer.of(transfer, Context()).key(side, world.rows(side)[name])

    def of_others() -> list[Action]:
        return [
            action
            for action in world.plan().actions
            if action.key_text != key and name not in (action.salesforce_id, action.dialog_insight_id)
        ]

    before = of_others()
    assume(world.edit(side, name, {field: row[field]}))
    assert of_others() == before


STUBBORN = {Side.SALESFORCE: ("A", "s"), Side.DIALOG_INSIGHT: ("a", "d")}


@given(
    policy=st.sampled_from([ConflictPolicy.SALESFORCE_WINS, ConflictPolicy.DIALOG_INSIGHT_WINS]),
    group=st.sampled_from([None, "pair"]),
    rounds=st.lists(st.sets(st.sampled_from(Side), min_size=1), min_size=9, max_size=9),
)
def test_law_9_outsiders_that_never_rest_are_stopped(
    policy: ConflictPolicy, group: str | None, rounds: list[set[Side]]
) -> None:
    """On each side somebody sets a field back to a value of their own: we write at most four times on end."""
    lines = [
        FieldMapping("Key", "key", key=True, converter=converters.text()),
        FieldMapping("A", "a", converter=converters.text(), conflict=policy, group=group),
        FieldMapping("B", "b", converter=converters.text(), conflict=policy, group=group),
    ]
    one = LinkedPair.of(ObjectTransfer("t", sobject="T", fields=lines), {"Key": "k"}, {"key": "k"})
    wrote = 0
    for stubborn in rounds:
        for side in sorted(stubborn):
            field, value = STUBBORN[side]
            one.edit(side, **{field: value})
        plan = one.world.one_pass()
        wrote = wrote + 1 if plan.writes else 0
        assert wrote <= CONTEXT.bounce_limit + 1
    assert one.world.unaccounted(one.world.plan()) == []
