"""One line of a transfer: the two fields that correspond, an opt-in, or a constant.

What may not go in here: anything about several lines; a line alone is never refused, its transfer is checked whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

import attrs

from di_salesforce.protocols import ConflictResolver, Converter, NamedFunction
from di_salesforce.records import UNSET, Side, UnsetType, Value
from di_salesforce.triggers import ConflictPolicy, Direction, Drift, Rewritten

__all__ = ["Constant", "FieldMapping", "OptIn", "OptInDate"]


@attrs.frozen
class OptIn:
    """A Dialog Insight opt-in, by its code; it stands in a line's second place and flows to Salesforce only.

    In rows it keeps its wire name (`optin_<code>`), since a contact field may have the same code.
    """

    code: str
    prefix: ClassVar[str] = "optin_"

    @property
    def wire_name(self) -> str:
        """The field's name in rows."""
        return self.prefix + self.code


@attrs.frozen
class OptInDate:
    """The date of a Dialog Insight opt-in, by its own code; of one code with an `OptIn`, the two are decided as one."""

    code: str
    prefix: ClassVar[str] = "dtOptin_"

    @property
    def wire_name(self) -> str:
        """The field's name in rows."""
        return self.prefix + self.code


DialogInsightField: TypeAlias = str | OptIn | OptInDate
Conflict: TypeAlias = ConflictPolicy | ConflictResolver | NamedFunction[Callable[..., Side | None]]


@attrs.frozen
class FieldMapping:
    """One line of a transfer: a Salesforce field and the Dialog Insight field that corresponds to it.

    Args:
        salesforce: API name; `Account.Name` is a parent path, which is read only.
        dialog_insight: Field code without wire prefix, or `OptIn(code)`, `OptInDate(code)`.
        key: Whether the line is (part of) the key that pairs records which are not linked yet.
        direction: Whose value is the truth.  `Id`, `idContact`, parent paths and opt-ins only flow out of their side,
            so `BOTH` is read as that direction there.
        converter: How values read on each side (`di_salesforce.converters`); None: filled in by
            `ObjectTransfer.resolved`, and until then values compare as they are.
        conflict: Who wins when both sides changed the field: a policy, or a pure function (`ConflictResolver`).
            `NEWEST` compares the one date that the line's group maps.
        first_match: Who wins when two records meet for the first time; None: the transfer's.
        salesforce_default, dialog_insight_default: What a record created on that side gets where the other side's field
            is blank.  A default never travels back as data.
        references: Name of the transfer whose links translate the lookup.
        group: Lines of one group are compared and decided as one value.
        drift: What becomes of a change on the side to which a one-way field flows.
        rewritten: What becomes of a value that a service keeps otherwise than it was sent, on a line that flows both
            ways.

    Example:
        >>> FieldMapping("Email", "EMail", key=True).name
        'Email:EMail'
    """

    salesforce: str
    dialog_insight: DialogInsightField
    key: bool = attrs.field(default=False, kw_only=True)
    direction: Direction = attrs.field(default=Direction.BOTH, kw_only=True)
    converter: Converter | None = attrs.field(default=None, kw_only=True)
    conflict: Conflict = attrs.field(default=ConflictPolicy.HOLD, kw_only=True)
    first_match: ConflictPolicy | None = attrs.field(default=None, kw_only=True)
    salesforce_default: Value | UnsetType = attrs.field(default=UNSET, kw_only=True)
    dialog_insight_default: Value | UnsetType = attrs.field(default=UNSET, kw_only=True)
    references: str | None = attrs.field(default=None, kw_only=True)
    group: str | None = attrs.field(default=None, kw_only=True)
    drift: Drift = attrs.field(default=Drift.LEAVE, kw_only=True)
    rewritten: Rewritten = attrs.field(default=Rewritten.KEEP, kw_only=True)

    @property
    def name(self) -> str:
        """The line's name in plans and stores: the names of its two fields."""
        return f"{self.salesforce}:{self.field(Side.DIALOG_INSIGHT)}"

    def field(self, side: Side) -> str:
        """The field's name in that side's rows."""
        if side is Side.SALESFORCE:
            return self.salesforce
        return self.dialog_insight if isinstance(self.dialog_insight, str) else self.dialog_insight.wire_name

    @property
    def only_flows(self) -> Direction | None:
        """The one direction that the field's nature allows, or None where both are possible."""
        if self.salesforce == "Id" or "." in self.salesforce:
            return Direction.TO_DIALOG_INSIGHT
        if not isinstance(self.dialog_insight, str):
            return Direction.TO_SALESFORCE
        # A contact's own number cannot be written; in a relational table `idContact` is a foreign key, which a
        # translated lookup or an explicit direction may write (a rule refuses that for a contact list).
        if self.dialog_insight == "idContact" and self.references is None and self.direction is Direction.BOTH:
            return Direction.TO_SALESFORCE
        return None

    @property
    def flows(self) -> Direction:
        """The direction as it is read: the declared one, narrowed to what the field's nature allows."""
        return self.only_flows or self.direction

    @property
    def is_consent(self) -> bool:
        """Whether the line carries an opt-in status or its date."""
        return not isinstance(self.dialog_insight, str)

    @property
    def group_name(self) -> str:
        """The name of the group that the line is decided with; its own name where it stands alone."""
        if self.group is not None:
            return self.group
        return f"optin:{self.dialog_insight.code}" if not isinstance(self.dialog_insight, str) else self.name

    def default(self, side: Side) -> Value | UnsetType:
        """The default that belongs to that side."""
        return self.salesforce_default if side is Side.SALESFORCE else self.dialog_insight_default


@attrs.frozen
class Constant:
    """A fixed value that records created on one side get, such as `LeadSource`; it never travels back as data."""

    field: str
    value: Value
    side: Side = attrs.field(kw_only=True)
    on: str = attrs.field(default="create", kw_only=True)
