"""Mirror a declaration: what was Salesforce's becomes Dialog Insight's, and the other way round.

For the law of symmetry.  What the declaration itself makes one-sided has no mirror: opt-ins, parent paths, project
types, row filters, relational tables.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final, TypeVar

import attrs

from di_salesforce.engine import Context, EngineCapabilities
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import Constant, FieldMapping, ObjectTransfer
from di_salesforce.protocols import Converter, FieldCase
from di_salesforce.records import Side, Value
from di_salesforce.triggers import ConflictPolicy, Direction, Trigger

__all__ = ["mirror", "mirror_context", "mirror_name"]

_DIRECTIONS: Final[Mapping[Direction, Direction]] = {
    Direction.BOTH: Direction.BOTH,
    Direction.TO_DIALOG_INSIGHT: Direction.TO_SALESFORCE,
    Direction.TO_SALESFORCE: Direction.TO_DIALOG_INSIGHT,
}
_POLICIES: Final[Mapping[ConflictPolicy, ConflictPolicy]] = {
    **{policy: policy for policy in ConflictPolicy},
    ConflictPolicy.SALESFORCE_WINS: ConflictPolicy.DIALOG_INSIGHT_WINS,
    ConflictPolicy.DIALOG_INSIGHT_WINS: ConflictPolicy.SALESFORCE_WINS,
}
_TRIGGERS: Final[Mapping[Trigger, Trigger]] = {
    Trigger.SALESFORCE_CREATED: Trigger.DIALOG_INSIGHT_CREATED,
    Trigger.DIALOG_INSIGHT_CREATED: Trigger.SALESFORCE_CREATED,
    Trigger.SALESFORCE_UPDATED: Trigger.DIALOG_INSIGHT_UPDATED,
    Trigger.DIALOG_INSIGHT_UPDATED: Trigger.SALESFORCE_UPDATED,
}
_IDS: Final[Mapping[str, str]] = {"Id": "idContact", "idContact": "Id"}


@attrs.frozen
class _Mirrored:
    """A converter that sees each side as the other."""

    inner: Converter

    @property
    def kind(self) -> str:
        return getattr(self.inner, "kind", "")

    @property
    def version(self) -> str:
        return self.inner.version

    def normal(self, side: Side, value: Value) -> Hashable:
        return self.inner.normal(side.other, value)

    def convert(self, value: Value, *, to: Side) -> Value:
        return self.inner.convert(value, to=to.other)


def mirror_name(line: str) -> str:
    """Mirror a line's name as plans write it."""
    salesforce, _, dialog_insight = line.partition(":")
    return f"{_IDS.get(dialog_insight, dialog_insight)}:{_IDS.get(salesforce, salesforce)}"


def mirror(transfer: ObjectTransfer) -> ObjectTransfer:
    """Give the transfer that does on each side what this one does on the other.

    Raises:
        ConfigurationError: For a declaration that has no mirror.
    """
    ids = set(_IDS)
    one_sided = [
        line.name
        for line in transfer.lines
        if line.only_flows is not None and not ids & {line.salesforce, line.field(Side.DIALOG_INSIGHT)}
    ]
    filters = transfer.salesforce_filter or transfer.dialog_insight_filter
    if one_sided or filters or transfer.project or transfer.id_field(Side.DIALOG_INSIGHT) is None:
        raise ConfigurationError(
            f"transfer {transfer.name!r} has no mirror: opt-ins, filters, projects and relational tables are one-sided"
        )
    return attrs.evolve(
        transfer,
        fields=[_mirror_constant(one) if isinstance(one, Constant) else _mirror_line(one) for one in transfer.fields],
        triggers=_mirror_triggers(transfer.allowed),
        first_match=_POLICIES[transfer.first_match],
    )


def mirror_context(context: Context) -> Context:
    """Mirror the circumstances of a run (links and claims of other transfers have no mirror)."""
    return attrs.evolve(
        context,
        capabilities=EngineCapabilities(
            frozenset(side.other for side in context.capabilities.writes_key),
            frozenset(side.other for side in context.capabilities.deletes),
        ),
        quarantine={side.other: lasts for side, lasts in context.quarantine.items()},
        allow_empty=frozenset(side.other for side in context.allow_empty),
    )


def _mirror_triggers(triggers: Trigger) -> Trigger:
    mirrored = Trigger.NONE
    for trigger, other in _TRIGGERS.items():
        if trigger in triggers:
            mirrored |= other
    return mirrored


_Policy = TypeVar("_Policy")


def _mirror_policy(policy: _Policy) -> _Policy | ConflictPolicy | Callable[[FieldCase], Side | None]:
    if isinstance(policy, ConflictPolicy):
        return _POLICIES[policy]
    if not callable(policy):
        return policy

    def mirrored(case: FieldCase, /) -> Side | None:
        answer = policy(
            FieldCase(
                case.transfer, mirror_name(case.field), case.dialog_insight, case.salesforce,
                case.dialog_insight_before, case.salesforce_before,
            )
        )  # fmt: skip
        return answer.other if isinstance(answer, Side) else None

    return mirrored


def _mirror_line(line: FieldMapping) -> FieldMapping:
    dialog_insight = line.field(Side.DIALOG_INSIGHT)
    return attrs.evolve(
        line,
        salesforce=_IDS.get(dialog_insight, dialog_insight),
        dialog_insight=_IDS.get(line.salesforce, line.salesforce),
        direction=_DIRECTIONS[line.direction],
        converter=None if line.converter is None else _Mirrored(line.converter),
        conflict=_mirror_policy(line.conflict),
        first_match=None if line.first_match is None else _POLICIES[line.first_match],
        salesforce_default=line.dialog_insight_default,
        dialog_insight_default=line.salesforce_default,
    )


def _mirror_constant(constant: Constant) -> Constant:
    return attrs.evolve(constant, side=constant.side.other)
