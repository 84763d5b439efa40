"""Actions laid out as the rows of one table: a row for each field that an action is about.

What may not go in here: showing the table (a terminal's is in `_showing.py`), and deciding.
"""

from __future__ import annotations

from collections.abc import Iterator

from di_salesforce.engine._actions import Action, Conflict, Create, Delete, Key, Reject, Skip, Update, key_parts
from di_salesforce.engine._reasons import sentence
from di_salesforce.records import UnsetType, Value, is_blank

__all__ = ["action_table", "key_text"]


def key_text(key: Key) -> str:
    """Write a key as one text, whether it has one part or several; a blank part stands for nothing."""
    return " / ".join(str(part) for part in key_parts(key) if not is_blank(part))


def _known(value: Value | UnsetType) -> Value:
    return None if isinstance(value, UnsetType) else value


def action_table(action: Action) -> list[dict[str, Value]]:
    """Give an action as flat rows, all with the same columns; what does not concern it is null."""
    side = getattr(action, "side", None)
    common: dict[str, Value] = {
        "transfer": action.transfer,
        "kind": action.kind,
        "side": side.value if side else None,
        "key": key_text(action.key),
    }
    end: dict[str, Value] = {
        "salesforce_id": action.salesforce_id,
        "dialog_insight_id": action.dialog_insight_id,
    }
    blank = {"field": None, "before": None, "after": None, "salesforce": None, "dialog_insight": None}
    return [
        {**common, **blank, "reason": action.reason, "why": action.sentence, **told, **end}
        for told in list(_fields(action)) or [{}]
    ]


def _fields(action: Action) -> Iterator[dict[str, Value]]:
    match action:
        case Create() | Update() | Delete():
            for change in action.changes:
                yield {
                    "field": change.field,
                    "before": _known(change.before),  # a create replaces nothing
                    "after": change.after,
                    "reason": change.rule,
                    "why": sentence(change.rule),
                }
        case Conflict():
            for field in action.fields:
                yield {
                    "field": field.line,
                    "salesforce": _known(field.salesforce),
                    "dialog_insight": _known(field.dialog_insight),
                }
        case Reject():
            for name, code in action.causes:
                yield {"field": name, "reason": code, "why": sentence(code)}
        case Skip():
            for name in action.fields:
                yield {"field": name}
        case _:
            pass
