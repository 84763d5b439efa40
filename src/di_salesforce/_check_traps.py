"""The rules of `check` for what a service is known to trip over: rights, person accounts, converted leads, formulas.

What may not go in here: rules that follow from types and limits (`_check_fields.py`, `_check_limits.py`).
"""

from __future__ import annotations

from typing import Final

import attrs

from di_salesforce._check_ground import Found, Ground, Rule
from di_salesforce.records import Side
from di_salesforce.triggers import Deletes

__all__ = ["TRAP_RULES"]


# Person accounts ----------------------------------------------------------------------------------------------------
@attrs.frozen
class _Trap:
    """A field that cannot be written as others can, in an org with person accounts; names are folded."""

    sobject: str
    field: str
    code: str
    why: str
    remedy: str


_LEAVE_OUT: Final = "leave them out (salesforce_filter='IsPersonAccount = false'), or "
_PERSON_TRAPS: Final = (  # [seen] in the threads of other integrations
    _Trap(
        "account",
        "name",
        "person_account.name",
        "the Name of a person account cannot be written",
        f"{_LEAVE_OUT}map their FirstName and LastName",
    ),
    _Trap(
        "account",
        "recordtypeid",
        "person_account.fixed",
        "a record type that makes an account a person's, or a business's, cannot be changed together with other fields",
        "give it to new records only, with a Constant, and never let it flow",
    ),
    _Trap(
        "contact",
        "accountid",
        "person_account.fixed",
        "the AccountId of a person account's contact cannot be written",
        f"{_LEAVE_OUT}let the lookup flow to Dialog Insight only",
    ),
    _Trap(
        "contact",
        "recordtypeid",
        "person_account.fixed",
        "the record type of a person account's contact cannot be written",
        f"{_LEAVE_OUT}let it flow to Dialog Insight only",
    ),
)


def _mentions(ground: Ground, field: str) -> bool:
    """Tell whether the transfer's filter is about a field, so that somebody has thought of it."""
    return field.casefold() in (ground.transfer.salesforce_filter or "").casefold()


def _person_accounts(ground: Ground) -> Found:
    schema = ground.schema(Side.SALESFORCE)
    if schema is None or "IsPersonAccount" not in schema or _mentions(ground, "IsPersonAccount"):
        return
    flowing = [(path, line.salesforce) for path, line in ground.transfer.placed if ground.flows(line, Side.SALESFORCE)]
    given = [(path, one.field) for path, one in ground.transfer.placed_constants if one.side is Side.SALESFORCE]
    for trap in _PERSON_TRAPS:
        if ground.transfer.sobject.casefold() != trap.sobject:
            continue
        # A new record is given its record type; it is a later change of it that fails.
        for path, name in flowing if trap.field == "recordtypeid" else [*flowing, *given]:
            if name.casefold() == trap.field:
                yield ground.found(
                    trap.code, path, f"this org has person accounts, and {trap.why}", trap.remedy, side=Side.SALESFORCE
                )


# Rights -------------------------------------------------------------------------------------------------------------
def _rights(ground: Ground) -> Found:
    for side in Side:
        schema = ground.schema(side)
        wanted = {
            "read": ("table.not_readable", True),
            "create": ("table.not_creatable", ground.creates(side)),
            "update": ("table.not_updatable", ground.updates(side)),
            "delete": ("table.not_deletable", ground.transfer.deletes is Deletes.DELETE),
        }
        for deed in schema.closed_to if schema is not None else ():
            code, needed = wanted[deed]
            if needed:
                yield ground.found(
                    code,
                    "sobject" if side is Side.SALESFORCE else "table",
                    f"the user may not {deed} records of {ground.where(side)}",
                    "let an administrator give the right (profile, permission set), or do not allow such writes "
                    "(triggers=, deletes=)",
                    side=side,
                )


# Converted leads ----------------------------------------------------------------------------------------------------
def _converted_leads(ground: Ground) -> Found:
    schema = ground.schema(Side.SALESFORCE)
    if schema is None or ground.transfer.sobject.casefold() != "lead" or not ground.updates(Side.SALESFORCE):
        return
    if "IsConverted" in schema and not _mentions(ground, "IsConverted"):
        yield ground.found(
            "lead.converted",
            "salesforce_filter",
            "a converted lead stays in the table and can no longer be changed: its edits will be refused",
            "leave them out: salesforce_filter='IsConverted = false'",
            side=Side.SALESFORCE,
        )


# Formulas and parents -----------------------------------------------------------------------------------------------
def _silent_changes(ground: Ground) -> Found:
    for path, line in ground.transfer.placed:
        field = ground.field(line, Side.SALESFORCE)
        if not ground.flows(line, Side.DIALOG_INSIGHT):
            continue
        if "." in line.salesforce or (field is not None and field.calculated):
            yield ground.found(
                "field.moves_silently",
                path,
                f"a change of {line.salesforce} does not move the record's time of modification",
                "nothing to do where runs read in full; what follows changes needs a full read from time to time",
                side=Side.SALESFORCE,
            )


TRAP_RULES: Final[tuple[Rule, ...]] = (_person_accounts, _rights, _converted_leads, _silent_changes)
