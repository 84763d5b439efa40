"""Hypothesis strategies: transfers, rows, and worlds in which some things have happened already.

`worlds(my_transfer)` lets an application that embeds the engine put its own transfer through everything.  Needs
Hypothesis (the extra `testing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, Protocol, TypeAlias, TypeVar

import attrs

try:
    from hypothesis import strategies as st
except ModuleNotFoundError:
    from di_salesforce.exceptions import MissingExtraError

    raise MissingExtraError(extra="testing", purpose="di_salesforce.testing.strategies") from None

from di_salesforce import converters
from di_salesforce._declared import tells_when
from di_salesforce._lenses import (
    AsIs,
    Boolean,
    Choice,
    DecimalNumber,
    EMail,
    Integer,
    MultiChoice,
    Phone,
    RecordId,
    Text,
)
from di_salesforce._time_lenses import CalendarDate, Instant
from di_salesforce.engine import Context, Coverage, Write
from di_salesforce.exceptions import ConversionError
from di_salesforce.mapping import Constant, FieldMapping, Integration, ObjectTransfer, OptIn, OptInDate
from di_salesforce.protocols import Converter
from di_salesforce.records import UNSET, Row, Side, UnsetType, Value
from di_salesforce.testing._integrations import chains, families, on_one_table
from di_salesforce.testing.several import SeveralWorlds
from di_salesforce.testing.world import Fate, Saving, World
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction, Drift, Rewritten, Trigger

__all__ = [
    "Pools",
    "change_something",
    "coverages",
    "fates",
    "integrations",
    "live_one_round",
    "rows",
    "rows_of",
    "several_worlds",
    "transfers",
    "values",
    "worlds",
]

_Drawn = TypeVar("_Drawn")

Pools: TypeAlias = Mapping[str, Mapping[Side, st.SearchStrategy[Value]]]
"""Values of your own, by line name and side, for lines whose converter is your own."""


class Draw(Protocol):
    """Draws from a strategy: what a composite strategy is given, or `data.draw` of `st.data()`."""

    def __call__(self, strategy: st.SearchStrategy[_Drawn], /) -> _Drawn: ...


_ID = "001D000000IRFmaIAH"
_LONG: Final = "a text that a server may cut"
_CUT: Final = 20  # characters that a cutting server keeps: no key is as long
_BLANKS: Final = (None, "")
# Small pools, so that values meet: equal ones, ones equal in another spelling, blanks, and now and then one without a
# form on the other side.
_POOLS: Final[Mapping[type, Mapping[Side, tuple[Value, ...]]]] = {
    AsIs: dict.fromkeys(Side, ("a", "b", 1, *_BLANKS)),
    Text: dict.fromkeys(Side, ("a", "b", "é", _LONG, *_BLANKS)),
    EMail: dict.fromkeys(Side, ("ada@test.example", "Ada@Test.example", "bo@test.example", *_BLANKS)),
    Phone: dict.fromkeys(Side, ("514 555 0100", "(514) 555-0100", "+1 514", *_BLANKS)),
    Integer: {side: (1, "1", 2, Decimal(3), 1.5, *_BLANKS) for side in Side},
    DecimalNumber: {side: (Decimal("1.00"), "1", 2.5, Decimal("1.005"), "one", *_BLANKS) for side in Side},
    Boolean: {Side.SALESFORCE: (True, False), Side.DIALOG_INSIGHT: ("1", "0", True, *_BLANKS)},
    MultiChoice: {Side.SALESFORCE: ("a", "a;b", "b;a", None), Side.DIALOG_INSIGHT: ("a", "a|b", "b|a", "")},
    RecordId: dict.fromkeys(Side, (_ID, _ID[:15], "001D000000IRFmb", *_BLANKS)),
    CalendarDate: {
        Side.SALESFORCE: ("2026-05-01", date(2026, 5, 1), "2026-05-02", None),
        Side.DIALOG_INSIGHT: ("2026.05.01", "2026.05.02", *_BLANKS),
    },
    Instant: {
        Side.SALESFORCE: ("2026-05-01T07:25:37.000+0000", datetime(2026, 5, 1, 8, tzinfo=UTC), None),
        Side.DIALOG_INSIGHT: ("2026.05.01 07:25:37", "2026.05.01 08:00:00", *_BLANKS),
    },
}
_CHOICES: Final = {"English": "en", "British": "en", "French": "fr"}
_KEYS: Final = ("k1", "k2", "k3", "k4")


def values(line: FieldMapping, side: Side) -> st.SearchStrategy[Value]:
    """Draw values of one line as that side holds them."""
    converter = line.converter or converters.AS_IS
    if line.key:
        return _key_values(converter, side)
    if isinstance(converter, Choice) and not isinstance(converter, MultiChoice):
        known = [pair[0 if side is Side.SALESFORCE else 1] for pair in converter.values]
        return st.sampled_from([*known, "unknown", None])
    return st.sampled_from(_POOLS.get(type(converter), _POOLS[Text])[side])


def _key_values(converter: Converter, side: Side) -> st.SearchStrategy[Value]:
    match converter:
        case EMail():
            return st.sampled_from([*(f"{name}@test.example" for name in ("ada", "ADA", "bo", "cy", "di", "ed")), ""])
        case Integer():
            return st.sampled_from([1, "1", 2, 3, 4, 5, 6, 7, None])
        case RecordId():
            return st.sampled_from(_POOLS[RecordId][side])
        case _:
            return st.sampled_from([*_KEYS, *_KEYS, *_KEYS, "", "K1"])


@st.composite
def rows(draw: st.DrawFn, transfer: ObjectTransfer, side: Side, *, pools: Pools | None = None) -> Row:
    """Draw one side's fields of a record, without its id."""
    return {
        line.field(side): draw((pools or {}).get(line.name, {}).get(side, values(line, side)))
        for line in transfer.lines
        if line.field(side) != transfer.id_field(side)
    }


# ------------------------------------------------------------------------------------------------------- transfers

# The most restrictive value is defined for consent only, the newest for groups with a date.
_FREE: Final = tuple(
    policy for policy in ConflictPolicy if policy not in (ConflictPolicy.MOST_RESTRICTIVE, ConflictPolicy.NEWEST)
)
_KINDS: Final[Sequence[Converter]] = (
    converters.AS_IS,
    converters.text(),
    converters.text(trim=True, truncate=4),
    converters.integer(),
    converters.decimal(),
    converters.decimal(scale=2),
    converters.boolean(),
    converters.negate(),
    converters.choice(_CHOICES),
    converters.date(),
    converters.datetime(),
)
_OF_A_GROUP: Final = ("group", "direction", "conflict", "first_match", "drift", "rewritten")
_TRIGGERS: Final = st.one_of(st.just(Trigger.ALL), st.integers(0, Trigger.ALL.value).map(Trigger))
_SOURCE: Final = {Side.SALESFORCE: "Source__c", Side.DIALOG_INSIGHT: "source"}
_KEY_KINDS: Final[Sequence[Converter]] = (converters.email(), converters.text(), converters.integer())


@st.composite
def _line(draw: st.DrawFn, number: int, first_match: st.SearchStrategy[ConflictPolicy | None]) -> FieldMapping:
    direction = draw(st.sampled_from([Direction.BOTH, Direction.BOTH, *Direction]))
    converter = draw(st.sampled_from(_KINDS))
    both = direction is Direction.BOTH
    line = FieldMapping(
        f"F{number}__c",
        f"f{number}",
        direction=direction,
        drift=Drift.LEAVE if both else draw(st.sampled_from([Drift.LEAVE, *Drift])),
        rewritten=draw(st.sampled_from([Rewritten.KEEP, *Rewritten])) if both else Rewritten.KEEP,
        converter=converter,
        conflict=draw(st.sampled_from(_FREE)),
        first_match=draw(first_match),
    )
    default: Value | UnsetType = "zz" if isinstance(converter, Text) and draw(st.booleans()) else UNSET
    return _with_defaults(line, dict.fromkeys(Side, default))


def _with_defaults(line: FieldMapping, defaults: Mapping[Side, Value | UnsetType]) -> FieldMapping:
    """Give a line its defaults, where its direction writes at all."""
    salesforce, dialog_insight = (defaults[side] if line.flows.allows(side) else UNSET for side in Side)
    return attrs.evolve(line, salesforce_default=salesforce, dialog_insight_default=dialog_insight)


@st.composite
def _optin(draw: st.DrawFn, first_match: st.SearchStrategy[ConflictPolicy | None]) -> list[FieldMapping]:
    conflict = draw(st.sampled_from([ConflictPolicy.HOLD, ConflictPolicy.MOST_RESTRICTIVE]))
    first = draw(first_match)
    status = FieldMapping("News__c", OptIn("news"), converter=converters.boolean(blank=None))
    when = FieldMapping("News_Date__c", OptInDate("news"), converter=converters.datetime())
    lines = [status, when] if draw(st.booleans()) else [status]
    return [attrs.evolve(line, conflict=conflict, first_match=first) for line in lines]


@st.composite
def transfers(
    draw: st.DrawFn,
    *,
    triggers: st.SearchStrategy[Trigger] | None = None,
    first_match: st.SearchStrategy[ConflictPolicy | None] | None = None,
    deletes: st.SearchStrategy[Deletes] | None = None,
    relational: bool | None = None,
    optins: bool = True,
    most_lines: int = 4,
) -> ObjectTransfer:
    """Draw a transfer: lines of all kinds and directions, policies, groups, defaults, constants, one or two keys.

    Args:
        draw: Given by Hypothesis.
        triggers: Of the transfer; None: any.
        first_match: Of each line and of the transfer; None: any.
        deletes: None: any.
        relational: Whether the table is a relational one; None: either.
        optins: Whether there may be an opt-in.
        most_lines: How many lines there are at most besides key and opt-in.
    """
    first = st.sampled_from([None, *_FREE]) if first_match is None else first_match
    table = draw(st.booleans()) if relational is None else relational
    keys = [
        FieldMapping(f"Key{number}__c", f"key{number}", key=True, converter=draw(st.sampled_from(_KEY_KINDS)))
        for number in range(draw(st.integers(1, 2)))
    ]
    lines = draw(st.lists(st.just(None), min_size=1, max_size=most_lines))
    fields = [draw(_line(number, first)) for number in range(len(lines))]
    if len(fields) > 1 and draw(st.booleans()):  # the first two as one group
        one = attrs.evolve(fields[0], group="pair")
        if not tells_when(one) and draw(st.booleans()):
            one = attrs.evolve(one, conflict=ConflictPolicy.NEWEST)
            fields[1] = attrs.evolve(fields[1], converter=converters.datetime())
        # What a group's lines must have in common.
        shared = {name: getattr(one, name) for name in _OF_A_GROUP}
        two = attrs.evolve(fields[1], **shared)
        fields[:2] = [one, _with_defaults(two, {side: two.default(side) for side in Side})]
    consent = draw(_optin(first)) if optins and draw(st.booleans()) else []
    constants = draw(st.lists(st.sampled_from(Side), unique=True, max_size=2))
    return ObjectTransfer(
        "generated",
        sobject="Thing__c",
        table="Things" if table else "Contact",
        fields=[*keys, *fields, *consent, *(Constant(_SOURCE[side], "sync", side=side) for side in constants)],
        triggers=draw(_TRIGGERS if triggers is None else triggers),
        first_match=draw(first) or ConflictPolicy.HOLD,
        deletes=draw(st.sampled_from(Deletes) if deletes is None else deletes),
    )


# ---------------------------------------------------------------------------------------------------------- worlds


def fates(*, sure: bool = False, late: bool = True) -> st.SearchStrategy[Fate]:
    """Draw what becomes of a write.

    Args:
        sure: Whether only what leaves no doubt is drawn.
        late: Whether a write may land after its answer was lost; whoever also forgets that (a crash) cannot know of it.
    """
    if sure:
        return st.sampled_from([Fate.DONE, Fate.DONE, Fate.REFUSED, Fate.NOT_TRIED])
    return st.sampled_from([Fate.DONE, Fate.DONE, *(fate for fate in Fate if late or fate is not Fate.LATE)])


def _savings(*, honest: bool, refusing: bool) -> st.SearchStrategy[dict[Side, Saving]]:
    one = st.builds(
        Saving,
        truncate=st.none() if honest else st.sampled_from([None, None, _CUT]),
        trims=st.just(value=False) if honest else st.booleans(),
        refuses=st.sampled_from([frozenset[Value](), frozenset[Value]({"b"})])
        if refusing
        else st.just(frozenset[Value]()),
        unique_key=st.booleans(),
    )
    return st.fixed_dictionaries(dict.fromkeys(Side, one))


@st.composite
def several_worlds(
    draw: st.DrawFn,
    integration: Integration,
    *,
    pools: Pools | None = None,
    most_rows: int = 3,
    honest: bool = False,
    context: Context | None = None,
) -> SeveralWorlds:
    """Draw the worlds of several transfers that share tables, with servers and rows.

    Args:
        draw: Given by Hypothesis.
        integration: Yours, or a generated one.
        pools: Values for lines whose converter is your own.
        most_rows: How many rows there are at first of each transfer on each side.
        honest: Whether servers keep what they are given as it is.
        context: Circumstances handed to the engine.
    """
    several = SeveralWorlds(integration, draw(_savings(honest=honest, refusing=False)), context or Context())
    for world in several:
        _populate(draw, world, {**_parents(several, world.transfer), **(pools or {})}, most_rows)
    return several


@st.composite
def worlds(
    draw: st.DrawFn,
    transfer: ObjectTransfer,
    *,
    pools: Pools | None = None,
    most_rows: int = 4,
    honest: bool = False,
    refusing: bool = False,
    past: bool = True,
    rekeys: bool = False,
    context: Context | None = None,
) -> World:
    """Draw a world of one transfer: servers, rows on both sides, and a past of passes and edits.

    Args:
        draw: Given by Hypothesis.
        transfer: Yours, or a generated one.
        pools: Values for lines whose converter is your own.
        most_rows: How many rows there are on each side at first.
        honest: Whether servers keep what they are given as it is.
        refusing: Whether servers may refuse values: such a write is tried again at every run.
        past: Whether there were passes and edits before.
        rekeys: Whether people edit keys too: keys that move in a chain settle one link per pass.
        context: Circumstances handed to the engine.
    """
    world = World(transfer, draw(_savings(honest=honest, refusing=refusing)), context or Context())
    _populate(draw, world, pools, most_rows)
    if past:
        for _ in range(draw(st.integers(0, 2))):
            live_one_round(draw, world, fates(sure=True), pools, rekeys=rekeys)
    return world


def _populate(draw: Draw, world: World, pools: Pools | None, most_rows: int) -> None:
    transfer = world.transfer
    for row in draw(st.lists(rows(transfer, Side.SALESFORCE, pools=pools), max_size=most_rows)):
        world.add(Side.SALESFORCE, row)
    keys = [_key_there(transfer, row) for row in world.rows(Side.SALESFORCE).values()]
    for row in draw(st.lists(rows(transfer, Side.DIALOG_INSIGHT, pools=pools), max_size=most_rows)):
        # Two of three have the key of a Salesforce record, so that there is something to compare.
        same = draw(st.sampled_from([{}, *keys, *keys]))
        world.add(Side.DIALOG_INSIGHT, {**row, **same})


def _key_there(transfer: ObjectTransfer, row: Row) -> Row:
    """Give the key of a Salesforce row as Dialog Insight writes it; empty where it has no form there."""
    try:
        return {
            line.field(Side.DIALOG_INSIGHT): (line.converter or converters.AS_IS).convert(
                row[line.salesforce], to=Side.DIALOG_INSIGHT
            )
            for line in transfer.key_lines
        }
    except ConversionError:
        return {}


def live_one_round(
    draw: Draw, world: World, fate: st.SearchStrategy[Fate], pools: Pools | None = None, *, rekeys: bool = False
) -> None:
    """Let one pass run, and then people change something on both sides."""
    if all(world.rows(side) for side in Side):  # an emptied side is refused
        world.apply(world.plan(), _chosen(draw, fate))
        world.rest()
    for side in Side:
        for name in draw(st.lists(st.sampled_from(sorted(world.rows(side))), max_size=2)) if world.rows(side) else ():
            change_something(draw, world, side, name, pools, rekeys=rekeys)


def _chosen(draw: Draw, fate: st.SearchStrategy[Fate]) -> Callable[[Write], Fate]:
    known: dict[str, Fate] = {}

    def choose(write: Write) -> Fate:
        if write.id not in known:
            known[write.id] = draw(fate)
        return known[write.id]

    return choose


def change_something(
    draw: Draw, world: World, side: Side, name: str, pools: Pools | None = None, *, rekeys: bool = False
) -> None:
    """Let a person edit, or now and then delete, one record."""
    if name not in world.rows(side):
        return
    if draw(st.integers(0, 7)) == 0:
        world.remove(side, name)
        return
    row = draw(rows(world.transfer, side, pools=pools))
    keys = {line.field(side) for line in world.transfer.key_lines}
    field = draw(st.sampled_from(sorted(set(row) if rekeys else set(row) - keys)))
    world.edit(side, name, {field: row[field]})


def integrations(*, triggers: st.SearchStrategy[Trigger] | None = None) -> st.SearchStrategy[Integration]:
    """Draw several transfers that touch: a chain over two projects, two sObjects on one table, a parent with children.

    Args:
        triggers: Of each transfer; None: any.  In a chain, and on one table, only the first creates in Salesforce.
    """
    drawn = _TRIGGERS if triggers is None else triggers
    return st.one_of(chains(drawn), on_one_table(drawn), families(drawn))


def rows_of(several: SeveralWorlds, name: str, side: Side) -> st.SearchStrategy[Row]:
    """Draw rows of one transfer of several; its lookups hold records that are there, or nothing."""
    return rows(several[name].transfer, side, pools=_parents(several, several[name].transfer))


def _parents(several: SeveralWorlds, transfer: ObjectTransfer) -> Pools:
    return {
        line.name: {side: st.sampled_from([None, *_identities(several[line.references], side)]) for side in Side}
        for line in transfer.lines
        if line.references is not None
    }


def _identities(world: World, side: Side) -> list[Value]:
    field = world.transfer.id_field(side)
    return [row[field] for row in world.rows(side).values()] if field is not None else []


def coverages() -> st.SearchStrategy[Coverage]:
    """Draw how much of a side is read."""
    return st.sampled_from(Coverage)
