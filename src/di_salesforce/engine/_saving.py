"""A plan as plain data: exact, sealed, and named by what it would do.

What may not go in here: what a plan is, and files.  The plain form is a promise: it carries its format number, and what
an older version saved stays readable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from di_salesforce.engine._actions import action_from_dict, action_to_dict
from di_salesforce.engine._memory import DAMAGE, plain_format
from di_salesforce.engine._needs import Needs
from di_salesforce.engine._part import Part
from di_salesforce.exceptions import ConfigurationError

if TYPE_CHECKING:
    from di_salesforce.engine._plan import Plan

__all__ = ["digest_of", "members_of_plan", "plan_to_dict", "seal_of"]

FORMAT: Final = 1
"""The format number of a saved plan."""


def plan_to_dict(plan: Plan) -> dict[str, Any]:  # JSON-safe data
    """Give a plan as exact plain data."""
    actions = [action_to_dict(action) for action in plan.actions]
    document = {
        "kind": "plan",
        "format": FORMAT,
        "digest": digest_of(actions),
        "now": plan.now.isoformat() if plan.now else None,
        "actions": actions,
        "set_aside": [action_to_dict(action) for action in plan.set_aside],
        "parts": [part.to_dict() for part in plan.parts],
        "needs": plan.needs.to_dict(),
    }
    return {**document, "seal": seal_of(document)}


def members_of_plan(data: Mapping[str, Any]) -> dict[str, Any]:  # plain data of a file; members of many types
    """Read what `plan_to_dict` gave.

    Raises:
        ConfigurationError: For anything else, a newer format, or a document that was changed since it was saved.
    """
    form = plain_format(data)
    if form is None or data.get("kind") != "plan":
        raise ConfigurationError("this is not a saved plan")
    if form > FORMAT:
        raise ConfigurationError(f"the plan has format {form}; this version reads up to {FORMAT}")
    try:
        seal = seal_of({name: value for name, value in data.items() if name != "seal"})
        members: dict[str, Any] = {
            "actions": tuple(map(action_from_dict, data["actions"])),
            "set_aside": tuple(map(action_from_dict, data["set_aside"])),
            "parts": tuple(map(Part.from_dict, data["parts"])),
            "needs": Needs.from_dict(data["needs"]),
            "now": None if data["now"] is None else datetime.fromisoformat(data["now"]),
        }
        # Of what was read: a member that this version does not know may say what must not be left out.
        digest = digest_of(map(action_to_dict, members["actions"]))
    except DAMAGE as error:
        raise ConfigurationError(f"the saved plan is damaged ({type(error).__name__})") from None
    if (digest, seal) != (data.get("digest"), data.get("seal")):
        raise ConfigurationError(
            "the saved plan was changed after it was made: it does not fit its digest and its seal"
        )
    return members


_SAYS_NOTHING: Final[tuple[object, ...]] = (None, "", 0, [], {})
"""The defaults of actions' members: left out of the digest, so that a member that comes later changes none."""


def digest_of(actions: Iterable[Mapping[str, Any]]) -> str:  # plain data
    """Name what some actions, given as plain data, would do."""
    # `now`, `as_of` and action ids say when and how a plan was made, not what it would do.
    told = (
        {name: value for name, value in action.items() if name != "id" and value not in _SAYS_NOTHING}
        for action in actions
    )
    return seal_of(sorted(map(_exact, told)))


def seal_of(document: object) -> str:
    """Name every letter of plain data."""
    return hashlib.sha256(_exact(document).encode()).hexdigest()


def _exact(document: object) -> str:
    # In ASCII (which is its default): a text of a service may hold half of a surrogate pair, which UTF-8 does not.
    return json.dumps(document, sort_keys=True)
