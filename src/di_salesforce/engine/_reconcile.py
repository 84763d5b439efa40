"""The one entry: observations and memory in, a plan out.

What may not go in here: rules.  It lays the table, walks links and single rows, and gathers what was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Self

import attrs

from di_salesforce._lenses import function_name
from di_salesforce.engine import _sift
from di_salesforce.engine._actions import Action, Key, key_parts
from di_salesforce.engine._answers import NO_ANSWERS, Answers
from di_salesforce.engine._baseline import BaselineLike
from di_salesforce.engine._besides import CoverageRecord, OpenItem
from di_salesforce.engine._context import ERASED, Context
from di_salesforce.engine._identity import converted, followed
from di_salesforce.engine._lines import BoundTransfer
from di_salesforce.engine._links import decide_link, observe_link
from di_salesforce.engine._memory import Life, LinkRecord, digest
from di_salesforce.engine._needs import Need, Needs
from di_salesforce.engine._observe import Lookup, SideView
from di_salesforce.engine._part import Part
from di_salesforce.engine._plan import Plan
from di_salesforce.engine._rows import pair_up
from di_salesforce.engine._showing import in_order
from di_salesforce.engine._sieve import Sieve
from di_salesforce.engine._sift import Sifted, sift
from di_salesforce.engine._snapshot import Coverage, Snapshot
from di_salesforce.engine._workspace import Workspace
from di_salesforce.exceptions import ConfigurationError, EmptySideError, Problem
from di_salesforce.mapping import Constant, FieldMapping, ObjectTransfer
from di_salesforce.records import Row, Side
from di_salesforce.triggers import Rewritten

__all__ = ["Inputs", "mapping_version", "reconcile"]


def reconcile(
    transfer: ObjectTransfer,
    *,
    salesforce: Snapshot,
    dialog_insight: Snapshot,
    baseline: BaselineLike,
    now: datetime,
    context: Context | None = None,
) -> Plan:
    """Compare both sides with what is remembered of each, and plan what would bring them into agreement.

    Pure: the same arguments give the same plan, whatever the order of the rows, and nothing is read or written.

    Args:
        transfer: The mapping; without converters values compare as they are (see `ObjectTransfer.resolved`).
        salesforce: What was observed there: rows by API name, `Id` is the record's id.
        dialog_insight: What was observed there: rows by code, `idContact` is a contact's id.
        baseline: What is remembered; `Baseline.empty()` at a first run.
        now: When the plan is made, aware; a snapshot without `as_of` is taken as observed now.
        context: Other transfers' links, claims, limits and capabilities.

    Returns:
        The plan.  While `plan.needs` is true, look the rows up and call `plan.supplied`.

    Raises:
        ConfigurationError: For a naive `now`, or rows that belong to another object.
        EmptySideError: Where a complete read of a side that holds linked records gave none.

    Example:
        >>> from datetime import datetime, timezone
        >>> from di_salesforce import FieldMapping, ObjectTransfer
        >>> from di_salesforce.engine import Baseline, Snapshot, reconcile
        >>> transfer = ObjectTransfer("contacts", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True)])
        >>> reconcile(
        ...     transfer,
        ...     salesforce=Snapshot.complete([{"Id": "1", "Email": "ada@test.example"}]),
        ...     dialog_insight=Snapshot.complete([]),
        ...     baseline=Baseline.empty(),
        ...     now=datetime(2026, 5, 1, tzinfo=timezone.utc),
        ... )
        <Plan contacts: 1 create>
    """
    snapshots = {Side.SALESFORCE: salesforce, Side.DIALOG_INSIGHT: dialog_insight}
    return Inputs.of(transfer, snapshots, baseline, now, context or Context()).plan()


def mapping_version(transfer: ObjectTransfer) -> str:
    """Name everything about a mapping that a plan depends on: a plan made with another one is not applied."""
    return _version(BoundTransfer.of(transfer, Context()))


_NOT_DECIDING: Final = frozenset({"active", "fields", "project", "triggers", "converter"})
"""Settings that decide nothing, or are told in another form: a line's converter by its version."""


def _version(bound: BoundTransfer) -> str:
    transfer, project = bound.transfer, bound.transfer.project
    place = "" if project is None else f"{project.name}|{project.id}|{project.table_id(transfer.table)}"
    lines = tuple(f"{line.version}|{_told(line.mapping)}" for line in bound.lines.values())
    constants = tuple(map(_told, transfer.constants))
    return digest(_told(transfer), place, bound.allowed.names, lines, constants)


def _told(declared: ObjectTransfer | FieldMapping | Constant) -> str:
    """Give every setting of a part of a declaration as text; a function by its name."""
    settings: dict[str, Any] = {  # members of many types
        field.name: getattr(declared, field.name)
        for field in attrs.fields(type(declared))
        if field.name not in _NOT_DECIDING
    }
    return "|".join(
        f"{name}={function_name(value) if callable(value) else repr(value)}" for name, value in sorted(settings.items())
    )


def _decide_all(work: Workspace) -> None:
    """Decide every link that was touched and every row without one."""
    if work.sifted.passed:
        work.counts["agreed"] += len(work.sifted.passed)
    # What is held must be known of all links before any is decided, or the order of the memory would matter.
    observed = [(link, observe_link(work, link)) for link in followed(work, _visited(work))]
    for link, seen in observed:
        decide_link(work, link, seen)
    converted(work)
    pair_up(work)


@attrs.frozen(repr=False)
class Inputs:
    """The arguments of a plan, kept so that looked-up rows can be added, and what decides on the table they lie on."""

    bound: BoundTransfer
    snapshots: Mapping[Side, Snapshot]
    baseline: BaselineLike
    now: datetime
    context: Context
    decide: Callable[[Workspace], None] = _decide_all
    answers: Answers = NO_ANSWERS  # what a person said about the unlinked rows of an earlier plan of these
    is_whole: bool = True  # whether everything that was observed is decided, so that it counts as observed

    @classmethod
    def of(
        cls,
        transfer: ObjectTransfer,
        snapshots: Mapping[Side, Snapshot],
        baseline: BaselineLike,
        now: datetime,
        context: Context,
    ) -> Self:
        """Bind and check the arguments."""
        if now.tzinfo is None:
            raise ConfigurationError("now must be an aware datetime, such as datetime.now(timezone.utc)")
        _check_rows(transfer, {side: snapshot.rows for side, snapshot in snapshots.items()})
        _check_not_emptied(transfer, snapshots, baseline, context)
        return cls(BoundTransfer.of(transfer, context), snapshots, baseline, now, context)

    def plan(self, found: Mapping[Side, Lookup] | None = None) -> Plan:
        """Lay the table, decide, and gather what was decided."""
        lookups = found or {side: Lookup() for side in Side}
        work = self._workspace(lookups)
        self.decide(work)
        actions = in_order(work.actions)
        transfer = self.bound.transfer
        needs = self._needs(work, lookups)
        part = Part(
            transfer.name,
            dict(sorted(work.links.items())),
            tuple(item for _, item in sorted(work.closing.items())),
            tuple(_coverage(work, side, is_finished=not needs) for side in Side) if self.is_whole else (),
            dict(sorted(work.counts.items())),
            tuple(_guards(work, actions)),
            transfer.active,
            work.version,
            frozenset(side for side in Side if transfer.id_field(side) is None),
            {
                name: (*line.fields, line.version, line.mapping.rewritten is Rewritten.ADOPT)
                for name, line in self.bound.lines.items()
            },
            tuple(sorted(_expired(work))) if self.is_whole else (),
            min(view.as_of for view in work.views.values()),
            work.undoing,
            (tuple(line.name for line in self.bound.key_lines), *transfer.match),
            tuple(work.staying()),
        )
        return Plan(
            actions=actions,
            parts=(part,),
            needs=needs,
            now=self.now,
            again=_Again(self, lookups, needs),
            bound={transfer.name: self.bound},
        )

    def _workspace(self, lookups: Mapping[Side, Lookup]) -> Workspace:
        items: dict[str, list[OpenItem]] = {}
        for item in self.baseline.open_items.values():
            items.setdefault(item.subject, []).append(item)
        views = {
            side: SideView(self.bound, side, self.snapshots[side], lookups[side], self.baseline, self.now)
            for side in Side
        }
        sieve = Sieve(self.bound, is_in_use=_sift.IN_USE)
        # Where neither side was read completely only what was touched is looked at, and nothing need be passed over.
        if any(view.snapshot.coverage is Coverage.COMPLETE for view in views.values()):
            sifted = sift(self.bound, views, sieve, self.baseline.links, items)
        else:
            sifted = Sifted((), {side: view.snapshot.rows for side, view in views.items()})
        for view in views.values():
            view.read(sifted)
        return Workspace(
            self.bound,
            sieve,
            sifted,
            views,
            self.baseline,
            self.context,
            self.now,
            _version(self.bound),
            items,
            answers=self.answers,
        )

    def _needs(self, work: Workspace, lookups: Mapping[Side, Lookup]) -> Needs:
        """Give what is asked for and was not answered before: nothing is looked up twice for one plan."""
        wanted: dict[Side, list[Need]] = {side: [] for side in Side}
        for (side, _), need in work.needs.items():
            asked = lookups[side]
            by_id = need.record_id is not None
            if not (need.record_id in asked.ids if by_id else self._key(side, need.key) in asked.keys):
                wanted[side].append(need)
        return Needs(salesforce=wanted[Side.SALESFORCE], dialog_insight=wanted[Side.DIALOG_INSIGHT])

    def _key(self, side: Side, key: Key) -> tuple[str, ...]:
        values = key_parts(key)
        normal = self.bound.normalised(side, values)
        return normal if isinstance(normal, tuple) else tuple(map(str, values))

    def answer(self, needs: Needs, side: Side, rows: tuple[Row, ...]) -> Lookup:
        """Take rows as the answer to what was needed of one side."""
        return Lookup(
            (rows,),
            frozenset(need.record_id for need in needs[side] if need.record_id is not None),
            frozenset(self._key(side, need.key) for need in needs[side] if need.record_id is None),
        )


@attrs.frozen(repr=False)
class _Again:
    """Plans once more from the same inputs."""

    inputs: Inputs
    lookups: Mapping[Side, Lookup]
    needs: Needs

    def supplied(self, found: Mapping[Side, tuple[Row, ...]]) -> Plan:
        found = {side: Snapshot.sample(found[side]).rows for side in Side}
        _check_rows(self.inputs.bound.transfer, found)
        answers = {side: self.inputs.answer(self.needs, side, found[side]) for side in Side}
        return self.inputs.plan({side: self.lookups[side].joined(answers[side]) for side in Side})

    def matched(self, answers: Mapping[str, Answers]) -> Plan:
        own = answers.get(self.inputs.bound.transfer.name, NO_ANSWERS)
        return attrs.evolve(self.inputs, answers=self.inputs.answers.joined(own)).plan(self.lookups)


def _visited(work: Workspace) -> Iterator[LinkRecord]:
    """Give the links to look at: all where a side was read completely, else those that something touched."""
    if any(view.snapshot.coverage is Coverage.COMPLETE for view in work.views.values()):
        yield from work.sifted.links
        return
    given: set[str] = set()
    for link in _touched(work):
        if link.id not in given:
            given.add(link.id)
            yield link


def _touched(work: Workspace) -> Iterator[LinkRecord]:
    for side, view in work.views.items():
        for ref in view.refs():
            if ref.record_id is not None:
                yield from _found(work.baseline.find(side, ref.record_id))
            if isinstance(ref.key, tuple):
                # Whoever holds the key, on either side, must be known before it is called free.
                for each in Side:
                    yield from _found(work.baseline.find_key(each, ref.key))
        for record_id in (*view.evidence, *view.lookup.ids):
            yield from _found(work.baseline.find(side, record_id))
    for subject in work.items:
        if subject.startswith("link:"):
            yield from _found(work.baseline.link(subject.removeprefix("link:")))


def _found(link: LinkRecord | None) -> Iterator[LinkRecord]:
    if link is not None:
        yield link


def _expired(work: Workspace) -> Iterator[str]:
    """Give the tombstones that keep nothing from being created any more: old, and no row has their name."""
    for stone_id, stone in work.baseline.tombstones.items():
        view = work.views[stone.side]
        is_old = work.now - stone.since > work.context.tombstone_retention
        if is_old and stone.cause != ERASED and view.proves_absence:
            name = stone.record_id or digest(stone.key or ())
            if name not in view.rows and name not in view.found:
                yield stone_id


def _coverage(work: Workspace, side: Side, *, is_finished: bool) -> CoverageRecord:
    """Say what this observation adds to what a side was ever read for.

    That it was made is remembered in any case; that it was whole only where nothing of it still waits for a look-up.
    """
    view, before = work.views[side], work.baseline.coverage(side)
    fields = tuple(sorted(line.field(side) for line in work.bound.lines.values()))
    coverage = view.snapshot.coverage
    if view.is_old or coverage is Coverage.SAMPLE:
        return before or CoverageRecord(work.name, side, None, (), None, None)
    if coverage is Coverage.COMPLETE and is_finished:
        return CoverageRecord(
            work.name, side, view.snapshot.scope, fields, view.as_of, view.as_of, before.cursor if before else None
        )
    if before is None:
        return CoverageRecord(work.name, side, None, (), None, view.as_of)
    return attrs.evolve(before, as_of=view.as_of)


def _guards(work: Workspace, actions: tuple[Action, ...]) -> Iterator[Problem]:
    """Compare the finished plan with its limits."""
    limits = work.context.limits
    counted = {
        "creates": sum(action.kind == "create" for action in actions),
        "deletes": sum(action.kind == "delete" for action in actions),
        "writes": sum(action.kind in ("create", "update", "delete") for action in actions),
    }
    for name, count in counted.items():
        most: int | None = getattr(limits, name)
        share: float | None = getattr(limits, f"{name}_share")
        if most is not None and count > most:
            yield Problem(work.name, f"{work.name} would make {count:,} {name}; the limit is {most:,}", f"limit.{name}")
        # One is never a share worth stopping for: in a table of four, a single delete is a quarter.
        if share is not None and count > 1 and count > share * (total := len(work.baseline)):
            yield Problem(
                work.name,
                f"{work.name} would make {count:,} {name} among {total:,} linked records; the limit is {share:.0%}",
                f"limit.{name}_share",
            )


def _check_rows(transfer: ObjectTransfer, rows: Mapping[Side, tuple[Row, ...]]) -> None:
    """Refuse rows that cannot be this transfer's: Salesforce rows without an id, contacts without a number."""
    problems = [
        Problem(f"{side.value}.rows[{index}]", f"has no {field}: rows of {side.label} are named by it", "row.no_id")
        for side in Side
        if (field := transfer.id_field(side)) is not None
        for index in [index for index, row in enumerate(rows[side]) if row.get(field) in (None, "")][:10]
    ]
    if problems:
        raise ConfigurationError(problems, what=f"transfer {transfer.name!r}")


def _check_not_emptied(
    transfer: ObjectTransfer, snapshots: Mapping[Side, Snapshot], baseline: BaselineLike, context: Context
) -> None:
    for side, snapshot in snapshots.items():
        if snapshot.coverage is Coverage.COMPLETE and not snapshot.rows and side not in context.allow_empty:
            live = sum(link.life is Life.LIVE for link in baseline.links)
            if live:
                raise EmptySideError(
                    f"{side.label} answered with no record for transfer {transfer.name!r}, "
                    f"which has {live:,} linked ones: a lost permission or a wrong filter, rather than a mass delete; "
                    "nothing was planned",
                    code="side.empty",
                )
