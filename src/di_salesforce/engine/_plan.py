"""A plan is a thing: look at it, filter it, decide in it, save it, have it approved, and apply exactly it.

What may not go in here: comparing, and carrying out.  A plan is frozen; each verb gives a new one.  What a person takes
out is set aside, not forgotten, so that settling keeps it open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Self

import attrs

from di_salesforce._listing import HasHtml, Listing, Tabular
from di_salesforce.engine import _answers
from di_salesforce.engine._actions import (
    Action,
    Conflict,
    Create,
    Delete,
    Key,
    Link,
    Reject,
    Update,
    Write,
    action_to_dict,
    satisfies,
)
from di_salesforce.engine._deciding import accepted, chosen, decided
from di_salesforce.engine._lines import BoundTransfer
from di_salesforce.engine._needs import Needs
from di_salesforce.engine._part import Part
from di_salesforce.engine._saving import digest_of, members_of_plan, plan_to_dict
from di_salesforce.engine._showing import ORDER, in_order, show_action, show_summary
from di_salesforce.exceptions import ConfigurationError, GuardError, Problem
from di_salesforce.records import UNSET, Row, Side, UnsetType, Value

__all__ = ["Plan"]


@attrs.frozen(repr=False, eq=False)
class Plan(Tabular):
    """What would be written on each side, and why; what is held, left, refused; what must still be looked up."""

    actions: tuple[Action, ...] = ()
    parts: tuple[Part, ...] = ()
    needs: Needs = Needs()  # noqa: RUF009 - a frozen value, which all plans may share
    now: datetime | None = None
    set_aside: tuple[Action, ...] = ()
    _again: _answers.Again | None = attrs.field(
        default=None, alias="again"
    )  # reconciles once more with looked-up rows or a person's answers; a plan that was read back has none
    _bound: Mapping[str, BoundTransfer] = attrs.field(factory=dict[str, BoundTransfer], alias="bound")

    @classmethod
    def empty(cls) -> Self:
        """A plan without any action."""
        return cls()

    @classmethod
    def joined(cls, plans: Iterable[Plan]) -> Self:
        """Join the plans of several transfers into one, each transfer's actions in its turn."""
        listed = list(plans)
        return cls(
            # Parents first: the transfers' own order is kept, and within each transfer the safe order of kinds.
            actions=tuple(action for plan in listed for action in plan.actions),
            set_aside=tuple(action for plan in listed for action in plan.set_aside),
            parts=tuple(part for plan in listed for part in plan.parts),
            needs=Needs(
                salesforce=[need for plan in listed for need in plan.needs.salesforce],
                dialog_insight=[need for plan in listed for need in plan.needs.dialog_insight],
            ),
            now=max((plan.now for plan in listed if plan.now is not None), default=None),
            # The inputs of a plan are large: they are kept only where a person may answer something.
            again=_answers.Several(listed, cls.joined) if any(plan.ambiguous for plan in listed) else None,
            bound={name: bound for plan in listed for name, bound in plan._bound.items()},  # noqa: SLF001 - of its own class
        )

    # ------------------------------------------------------------------------------------------------ looking

    def _of(self, *kinds: type[Action]) -> Listing[Any]:  # each caller names its own kinds
        return Listing(action for action in self.actions if isinstance(action, kinds))

    @property
    def writes(self) -> Listing[Write]:
        """The actions that write, in a safe order."""
        return self._of(Create, Update, Delete)

    @property
    def conflicts(self) -> Listing[Conflict]:
        """What is held for a person."""
        return self._of(Conflict)

    @property
    def rejects(self) -> Listing[Reject]:
        """Rows and fields that cannot be synchronised as they are."""
        return self._of(Reject)

    @property
    def ambiguous(self) -> Listing[Reject]:
        """Unlinked rows that share a key, or agree in a match tier: nobody guesses which of them belong together."""
        return Listing(reject for reject in self.rejects if reject.reason in _answers.AMBIGUOUS)

    @property
    def guards(self) -> tuple[Problem, ...]:
        """The limits that the plan goes past; such a plan can be looked at, not applied."""
        return tuple(problem for part in self.parts for problem in part.guards)

    def raise_for_guards(self) -> None:
        """Raise `GuardError` if the plan goes past a limit."""
        if self.guards:
            raise GuardError("; ".join(problem.message for problem in self.guards), code=self.guards[0].code)

    @property
    def digest(self) -> str:
        """Name what the plan would do: equal plans have equal digests, whenever, in whatever order they were made."""
        return digest_of(map(action_to_dict, self.actions))

    def counts(self) -> Mapping[str, int]:
        """Count the actions by transfer, kind and reason, and the pairs that agree."""
        counted = Counter(f"{action.transfer} {action.kind} {action.reason}" for action in self.actions)
        return dict(sorted(counted.items()))

    def summary(self) -> str:
        """Show the plan as a small table: one line per transfer, kind, side and reason, with its count."""
        return show_summary(self)

    def explain(self, key: Key) -> str:
        """Tell, for one record, what is done about each field and why.

        Args:
            key: The value of the key field (a tuple of several), or the record id of either side.
        """
        return "\n".join(show_action(action) for action in self._matching(key)) or _NOTHING_PLANNED

    def _matching(self, key: Key) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.matches(key))

    def bound_transfer(self, name: str) -> BoundTransfer | None:
        """The transfer as it was bound; None for a plan that was read back."""
        return self._bound.get(name)

    def bound_to(self, *transfers: BoundTransfer) -> Plan:
        """Give a plan that was read back its transfers again, so that settling compares by their converters.

        Without them it settles all the same, but a stored value that is only spelled otherwise counts as rewritten, and
        a key that the service rewrote is not read.
        """
        return attrs.evolve(self, bound={**self._bound, **{bound.transfer.name: bound for bound in transfers}})

    # ---------------------------------------------------------------------------------------------- filtering

    def only(
        self,
        *,
        kind: str | None = None,
        side: Side | None = None,
        key: Key | UnsetType = UNSET,
        transfer: str | None = None,
        reason: str | None = None,
    ) -> Plan:
        """Keep the actions that satisfy every given condition and those that they depend on; set the others aside."""
        kept = {action.id for action in self.actions if satisfies(action, kind, side, key, transfer, reason)}
        links = {action.link for action in self.actions if action.id in kept and action.link is not None}
        kept |= {action.id for action in self.actions if isinstance(action, Link) and action.link in links}
        return self._keeping(kept)

    def without(
        self,
        *,
        kind: str | None = None,
        side: Side | None = None,
        key: Key | UnsetType = UNSET,
        transfer: str | None = None,
        reason: str | None = None,
    ) -> Plan:
        """Set aside the actions that satisfy every given condition, and those that depend on them."""
        dropped = [action for action in self.actions if satisfies(action, kind, side, key, transfer, reason)]
        links = {action.link for action in dropped if isinstance(action, Link)}
        gone = {action.id for action in dropped}
        gone |= {action.id for action in self.actions if action.link is not None and action.link in links}
        return self._keeping({action.id for action in self.actions} - gone)

    def only_transfer(self, name: str) -> Plan:
        """Give one transfer's piece of the plan, as if it had been planned alone."""
        return attrs.evolve(
            self,
            actions=tuple(action for action in self.actions if action.transfer == name),
            set_aside=tuple(action for action in self.set_aside if action.transfer == name),
            parts=tuple(part for part in self.parts if part.transfer == name),
            again=None,
        )

    def forgetting(self, action_ids: Iterable[str] = (), *, links: Iterable[str] = ()) -> Plan:
        """Drop actions, and all that concerns the same records, as if they had never been planned.

        Unlike `without`, nothing about these records is settled: what is remembered of them stays as it is.

        Args:
            action_ids: Ids of actions, also of such as were set aside.
            links: Ids of links; a link without an action may still have been noted, and that is forgotten too.
        """
        wanted, links = set(action_ids), set(links)
        if not (wanted or links):
            return self
        every = (*self.actions, *self.set_aside)
        links |= {action.link for action in every if action.id in wanted and action.link is not None}
        gone = {action.id for action in every if action.id in wanted or action.link in links}
        subjects = {action.subject for action in every if action.id in gone} | {f"link:{each}" for each in links}
        return attrs.evolve(
            self,
            actions=tuple(action for action in self.actions if action.id not in gone),
            set_aside=tuple(action for action in self.set_aside if action.id not in gone),
            parts=tuple(
                attrs.evolve(
                    part,
                    links={link_id: link for link_id, link in part.links.items() if link_id not in links},
                    items=tuple(item for item in part.items if item.subject not in subjects),
                )
                for part in self.parts
            ),
            again=None,
        )

    def _keeping(self, kept: set[str]) -> Plan:
        gone = tuple(action for action in self.actions if action.id not in kept)
        return attrs.evolve(
            self,
            actions=tuple(action for action in self.actions if action.id in kept),
            set_aside=(*self.set_aside, *gone),
            again=None,
        )

    # ----------------------------------------------------------------------------------------------- deciding

    def resolve(self, key: Key, *, keep: Side, fields: Iterable[str] | None = None) -> Plan:
        """Decide held conflicts of one record: keep one side's values, through the gates that still apply.

        Args:
            key: The value of the key field (a tuple of several), or the record id of either side.
            keep: The side whose values are right.
            fields: Only conflicts that touch one of these fields or lines; None: all of the record.

        Raises:
            ConfigurationError: Where the record has no such conflict, or a field cannot flow that way.
        """
        conflicts = self._conflicts_about(key, fields)
        choices = [chosen(conflict, keep) for conflict in conflicts]
        if problems := [choice for choice in choices if isinstance(choice, Problem)]:
            raise ConfigurationError(problems, what="resolve")
        added = [
            decided(conflict, choice)
            for conflict, choice in zip(conflicts, choices, strict=True)
            if not isinstance(choice, Problem)
        ]
        return self._replacing({conflict.id for conflict in conflicts}, added)

    def accept(self, key: Key, *, fields: Iterable[str] | None = None) -> Plan:
        """Accept that the two values of held conflicts may differ; they are held again only when one of them changes.

        Raises:
            ConfigurationError: Where the record has no such conflict.
        """
        conflicts = self._conflicts_about(key, fields)
        parts = {part.transfer: part for part in self.parts}
        for conflict in conflicts:
            part = parts[conflict.transfer]
            link = accepted(conflict, part.links)
            parts[conflict.transfer] = attrs.evolve(part, links={**part.links, link.id: link})
        plan = self._replacing({conflict.id for conflict in conflicts}, [])
        return attrs.evolve(plan, parts=tuple(parts[part.transfer] for part in self.parts))

    def _conflicts_about(self, key: Key, fields: Iterable[str] | None) -> tuple[Conflict, ...]:
        wanted = None if fields is None else set(fields)
        found = tuple(
            conflict
            for conflict in self.conflicts
            if conflict.matches(key)
            and (wanted is None or any(wanted & {f.line, *f.line.split(":")} for f in conflict.fields))
        )
        if not found:
            raise ConfigurationError(
                "the plan holds no such conflict: look at plan.conflicts for their keys and fields"
            )
        return found

    def _replacing(self, gone: set[str], added: list[Action]) -> Plan:
        order = {part.transfer: index for index, part in enumerate(self.parts)}
        actions = in_order([*(action for action in self.actions if action.id not in gone), *added])
        return attrs.evolve(self, actions=tuple(sorted(actions, key=lambda a: order[a.transfer])), again=None)

    def supplied(self, *, salesforce: Iterable[Row] = (), dialog_insight: Iterable[Row] = ()) -> Plan:
        """Plan again with the rows that `needs` asked for, once all of it has been looked up.

        What was asked for and is not among the rows is thereby proven absent.

        Raises:
            ConfigurationError: For a plan that was read back, filtered or decided in: it no longer has its inputs.
        """
        if self._again is None:
            raise ConfigurationError(
                "this plan no longer has its inputs: supply rows to the plan that reconcile() gave"
            )
        found = {Side.SALESFORCE: tuple(salesforce), Side.DIALOG_INSIGHT: tuple(dialog_insight)}
        plan: Plan = self._again.supplied(found)
        return plan

    def match_rows(self) -> _answers.MatchRows:
        """Give a flat row for each two unlinked records that may be the same, with a blank `decision` to fill in.

        `plan.match_rows().to_csv(path)` gives a file to fill in, which `plan.resolve_matches(read_csv(path))` takes.
        """
        return _answers.match_rows(self.actions, self.parts)

    def resolve_matches(self, decisions: Iterable[Mapping[str, object]]) -> Plan:
        """Plan again with a person's answers to `match_rows`; what was decided in the plan before is decided anew.

        Args:
            decisions: Rows of `match_rows`, as mappings, a file that was read or a data frame, `decision` being `link`,
                `different`, or blank (left as it is).  A row that names but one record, skipped as `match.unproven`,
                and says `different` lets it be created.

        Raises:
            ConfigurationError: With everything that is wrong with the answers; or for a plan that was read back,
                filtered or decided in: it no longer has its inputs.
        """
        if self._again is None:
            raise ConfigurationError(
                "this plan no longer has its inputs: give the answers to the plan that reconcile() gave"
            )
        return self._matched(_answers.read_answers(decisions, self.actions, (part.transfer for part in self.parts)))

    def _matched(self, answers: Mapping[str, _answers.Answers]) -> Plan:
        if self._again is None or not any(part.transfer in answers for part in self.parts):
            return self
        plan: Plan = self._again.matched(answers)
        return attrs.evolve(plan, parts=_answers.keeping_cursors(self.parts, plan.parts))

    # ------------------------------------------------------------------------------------------------- saving

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the plan as exact, JSON-safe data.

        `digest` names what the plan would do, `seal` every letter of the document.
        """
        return plan_to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a file
        """Read what `to_dict` gave.

        Raises:
            ConfigurationError: For anything else, a newer format, or a document that was changed since it was saved.
        """
        return cls(**members_of_plan(data))

    def to_dicts(self) -> list[dict[str, Any]]:  # JSON-safe data
        """Give the actions as plain data, one mapping each."""
        return [action_to_dict(action) for action in self.actions]

    def to_table(self) -> list[dict[str, Value]]:
        """Give the plan as flat rows with native values, one for each field of each action."""
        return [row for action in self.actions for row in action.to_table()]

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.plan(self)

    def unmasked(self) -> HasHtml:
        """Give a notebook's view that shows people's data, which the plan's own view masks."""
        from di_salesforce import _notebook

        return _notebook.Html(_notebook.plan(self, unmasked=True))

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Plan) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __bool__(self) -> bool:
        return bool(self.actions)

    def __len__(self) -> int:
        return len(self.actions)

    def __repr__(self) -> str:
        counted: Counter[str] = Counter(action.kind for action in self.actions)
        told = ", ".join(f"{counted[kind]:,} {kind}" for kind in ORDER if counted[kind])
        return f"<Plan {'+'.join(part.transfer for part in self.parts) or 'empty'}: {told or 'nothing to do'}>"

    def __str__(self) -> str:
        return self.summary()


_NOTHING_PLANNED: Final = "nothing is planned for this record: both sides agree, or neither has it"
