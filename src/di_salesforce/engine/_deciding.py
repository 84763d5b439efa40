"""People's decisions in a plan: a held conflict and a choice become the action that the choice comes to.

What may not go in here: deciding by rule.  What a choice would write was worked out with the conflict itself, gates
included, so that a plan that was saved and read back can still be decided in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from di_salesforce.engine._actions import Action, Conflict, Proposal, Skip, Update
from di_salesforce.engine._memory import LinkRecord, Relation, digest
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import UNSET, Side, UnsetType

__all__ = ["accepted", "chosen", "decided"]


def chosen(conflict: Conflict, keep: Side) -> Proposal | Problem:
    """Give what keeping one side's value comes to, or why it cannot be kept."""
    proposal = next((each for each in conflict.proposals if each.keep is keep), Proposal(keep, refusal=conflict.reason))
    # A gate that a person does not pass leaves a skip, but a hold that only says the same again would be no answer.
    if proposal.changes or proposal.refusal not in ("", "direction.one_way", conflict.reason):
        return proposal
    return Problem(
        conflict.group,
        f"{keep.label}'s value cannot be kept here ({proposal.refusal or 'nothing to write'}): "
        "accept the difference, or change the record by hand",
        proposal.refusal,
    )


def accepted(conflict: Conflict, links: Mapping[str, LinkRecord]) -> LinkRecord:
    """Give the link as it is remembered once a person has accepted that the conflict's values differ."""
    link = links.get(conflict.link or "")
    if link is None or not conflict.fields:
        raise ConfigurationError(f"this conflict ({conflict.reason}) is not about two values that could be accepted")
    states = dict(link.fields)
    for field in conflict.fields:
        if isinstance(field.salesforce, UnsetType) or isinstance(field.dialog_insight, UnsetType):
            continue  # not read: there is nothing to accept
        states[field.line] = attrs.evolve(
            states[field.line],
            base=(field.salesforce, field.dialog_insight),
            rel=Relation.ACCEPTED,
            seen=(UNSET, UNSET),
            bounce=0,
        )
    return attrs.evolve(link, fields=states)


def decided(conflict: Conflict, proposal: Proposal) -> Action:
    """Turn a conflict and a person's choice into the action that it comes to."""
    common: dict[str, Any] = {  # the members that all actions share
        "id": digest(conflict.id, proposal.keep.value),
        "transfer": conflict.transfer,
        "key": conflict.key,
        "link": conflict.link,
        "subject": conflict.subject,
        "key_text": conflict.key_text,
        "salesforce_id": conflict.salesforce_id,
        "dialog_insight_id": conflict.dialog_insight_id,
    }
    target = proposal.keep.other
    if proposal.refusal:
        return Skip(
            **common,
            reason=proposal.refusal,
            side=target,
            fields=tuple(field.line for field in conflict.fields),
            group=conflict.group,
            fingerprint=conflict.fingerprint,
        )
    return Update(
        **common,
        reason="update.person",
        side=target,
        record_id=conflict.salesforce_id if target is Side.SALESFORCE else conflict.dialog_insight_id,
        address=proposal.address,
        values={change.field: change.after for change in proposal.changes},
        based_on={c.field: c.before for c in proposal.changes if not isinstance(c.before, UnsetType)},
        changes=proposal.changes,
    )
