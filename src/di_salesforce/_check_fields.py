"""The rules of `check` for single lines against both schemas: is the field there, may it be written, do the types fit.

What may not go in here: lengths, digits and picklists (`_check_limits.py`), and rules about the key, triggers and other
things of the whole transfer (`_check_transfer.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from di_salesforce._check_ground import Found, Ground, Rule, described, listed, near
from di_salesforce._compatibility import fit
from di_salesforce._findings import Finding
from di_salesforce._lenses import Boolean
from di_salesforce.mapping import OptIn, OptInDate
from di_salesforce.records import Side, UnsetType, Value
from di_salesforce.schema import FieldType

__all__ = ["FIELD_RULES"]


# Is it there --------------------------------------------------------------------------------------------------------
def _missing(ground: Ground) -> Found:
    for path, line in ground.transfer.placed:
        for side in Side:
            schema = ground.schema(side)
            if schema is None or ground.field(line, side) is not None:
                continue
            name = line.field(side)
            if side is Side.SALESFORCE and "." in name:
                yield from _parent_path(ground, path, name)
            elif side is Side.DIALOG_INSIGHT and isinstance(line.dialog_insight, OptInDate):
                yield ground.found(
                    "opt_in.date_not_listed",
                    path,
                    f"Dialog Insight does not list the dates of opt-ins, so {name} could not be looked up",
                    "compare the date's code with the one in Dialog Insight's application",
                    side=side,
                )
            else:
                yield _not_there(ground, path, name, side)
    for path, constant in ground.transfer.placed_constants:
        schema = ground.schema(constant.side)
        if schema is not None and constant.field not in schema:
            yield _not_there(ground, path, constant.field, constant.side)


_HIDDEN: Final[Mapping[Side, str]] = {
    Side.SALESFORCE: "field-level security hides fields: let an administrator show it to the integration user",
    Side.DIALOG_INSIGHT: "a field that was added in the application is not there before its list or table was prepared",
}


def _not_there(ground: Ground, path: str, name: str, side: Side) -> Finding:
    schema = ground.schema(side)
    meant = near(name, schema.names) if schema is not None else None
    remedy = f"did you mean {meant!r}? Otherwise, {_HIDDEN[side]}" if meant else _HIDDEN[side]
    return ground.found("field.missing", path, f"{ground.where(side)} has no field {name!r}", remedy, side=side)


def _parent_path(ground: Ground, path: str, name: str) -> Found:
    """Look at the first step only: further steps, and the last name, belong to objects that were not described."""
    schema = ground.schema(Side.SALESFORCE)
    step = name.partition(".")[0]
    lookup = f"{step[:-1]}c" if step.endswith("__r") else f"{step}Id"  # the platform's naming rule
    field = schema.get(lookup) if schema is not None else None
    whole = schema.get(step) if schema is not None else None
    if whole is not None and whole.type is FieldType.COMPOUND:
        yield ground.found(
            "field.compound",
            path,
            f"{step} is a compound field of {ground.where(Side.SALESFORCE)}, no lookup",
            "map its part, such as MailingCity for MailingAddress",
            side=Side.SALESFORCE,
        )
    elif field is None:
        yield ground.found(
            "path.unverified",
            path,
            f"{ground.where(Side.SALESFORCE)} shows no lookup {lookup!r}, where {name} would begin",
            "compare the relationship's name with Salesforce's Object Manager, and the user's right to see the lookup",
            side=Side.SALESFORCE,
        )
    elif field.type not in (FieldType.REFERENCE, FieldType.UNKNOWN):
        yield ground.found(
            "path.not_reference",
            path,
            f"{described(field, Side.SALESFORCE)} is no lookup, so {name} leads nowhere",
            "begin the path with the name of a lookup's relationship, such as Account.Name",
            side=Side.SALESFORCE,
        )


# May it be written --------------------------------------------------------------------------------------------------
def _writable(ground: Ground) -> Found:
    for path, line, to, _, target in ground.writes:
        if target is None or target.type in (FieldType.COMPOUND, FieldType.BINARY):  # `field.compound` says it
            continue
        name = described(target, to)
        away = "let the line flow the other way only (direction=), or map another field"
        if target.calculated:
            yield ground.found("field.calculated", path, f"{name} is calculated there", away, side=to)
            continue
        if ground.creates(to) and not target.creatable:
            yield ground.found("field.not_creatable", path, f"{name} cannot be given to a new record", away, side=to)
        if ground.updates(to) and not target.updatable:
            if line.key:
                yield ground.found(
                    "key.fixed",
                    path,
                    f"{name} is the key and cannot be changed: a key that changes on the other side is held",
                    "nothing to do, as long as keys do not change",
                    side=to,
                )
            else:
                yield ground.found("field.not_updatable", path, f"{name} cannot be changed", away, side=to)


# Do values fit ------------------------------------------------------------------------------------------------------
_TELL: Final[Mapping[str, tuple[str, str]]] = {
    "field.compound": (
        "{source} and {target} cannot be mapped as one value",
        "map its parts, such as MailingStreet and MailingCity",
    ),
    "opt_in.not_checkbox": (
        "{source} is a status, and {target} is no checkbox",
        "map a checkbox; or give the line a pair() that writes what the field holds",
    ),
    "reference.not_translated": (
        "{source} holds Salesforce record ids, and {target} expects ids of Dialog Insight",
        "name the transfer of the parent records: references=",
    ),
    "type.mismatch": (
        "no value of {source} has a form in {target} by way of {converter}",
        "map a field of another type, or give the line a converter that fits both",
    ),
    "type.multi_choice": (
        "{source} and {target}: one of them holds several choices, the other one",
        "let the line flow towards the field that holds several, or give it a pair() that picks one",
    ),
    "type.narrow": (
        "only some values of {source} have a form in {target} by way of {converter}",
        "rows with other values will be refused: check with real rows, or give the line another converter",
    ),
    "type.time_of_day": (
        "{source} to {target}: one of them is a day, the other a moment",
        "a time of day is refused or lost on the way: let the line flow the other way only, or give it a pair()",
    ),
}


def _fit(ground: Ground) -> Found:
    for path, line, to, source, target in ground.writes:
        converter = ground.converter(line)
        if converter is None:
            continue
        code = fit(converter, source, target, to=to)
        if code is None:
            continue
        if isinstance(line.dialog_insight, OptIn) and code != "field.compound" and isinstance(converter, Boolean):
            code = "opt_in.not_checkbox"
        ends = [
            described(field, side) if field else f"{side.label}'s {line.field(side)}"
            for field, side in ((source, to.other), (target, to))
        ]
        message, remedy = _TELL[code]
        kind = getattr(converter, "kind", "its converter")
        yield ground.found(
            code, path, message.format(source=ends[0], target=ends[1], converter=f"{kind}()"), remedy, side=to
        )


# Opt-ins ------------------------------------------------------------------------------------------------------------
_READS_LIKE_OPT_OUT: Final = re.compile(r"opt(ed)?_?out|do_?not|unsubscri|d[ée]sabonn", re.IGNORECASE)


def _opt_ins(ground: Ground) -> Found:
    for path, line in ground.transfer.placed:
        field = ground.field(line, Side.DIALOG_INSIGHT)
        if isinstance(line.dialog_insight, str):
            if field is not None and field.type is FieldType.OPT_IN:
                code = line.dialog_insight.removeprefix(OptIn.prefix)
                yield ground.found(
                    "opt_in.plain_name",
                    path,
                    f"{line.dialog_insight} is an opt-in, and opt-ins flow to Salesforce only",
                    f"write OptIn({code!r}) in the line's second place",
                    side=Side.DIALOG_INSIGHT,
                )
        elif isinstance(line.dialog_insight, OptIn) and _READS_LIKE_OPT_OUT.search(line.salesforce):
            converter = ground.converter(line)
            if isinstance(converter, Boolean) and not converter.negated:
                yield ground.found(
                    "opt_in.polarity",
                    path,
                    f"{line.salesforce} reads like an opt-out, and opt-in {line.dialog_insight.code} is not negated",
                    "if it is one: converter=negate(); if not, boolean() is right",
                    side=Side.SALESFORCE,
                )


# Constants and defaults ---------------------------------------------------------------------------------------------
def _fixed(ground: Ground) -> Iterator[tuple[str, Side, str, Value]]:
    """List the values of the declaration that new records get: path, side, field, value."""
    for path, constant in ground.transfer.placed_constants:
        yield path, constant.side, constant.field, constant.value
    for path, line in ground.transfer.placed:
        for side in Side:
            default = line.default(side)
            if not isinstance(default, UnsetType):
                yield f"{path}.{side.value}_default", side, line.field(side), default


def _fixed_values(ground: Ground) -> Found:
    for path, side, name, value in _fixed(ground):
        if not ground.creates(side):
            yield ground.found(
                "constant.unused",
                path,
                f"no record is created in {side.label}, so {name} never gets this value",
                "leave it out, or allow creates there (triggers=)",
                side=side,
            )
            continue
        schema = ground.schema(side)
        field = schema.get(name) if schema is not None else None
        if field is None:
            continue
        if not path.endswith("_default") and not field.creatable:  # of a line, `_writable` says it
            yield ground.found(
                "field.not_creatable",
                path,
                f"{described(field, side)} cannot be given to a new record",
                "leave the constant out",
                side=side,
            )
        if isinstance(value, str) and field.length is not None and len(value) > field.length:
            yield ground.found(
                "constant.too_long",
                path,
                f"{described(field, side)} holds {field.length} characters, the value has {len(value)}",
                "shorten it",
                side=side,
            )
        if field.restricted and field.choices and isinstance(value, str) and value and value not in field.choices:
            yield ground.found(
                "choice.not_in_picklist",
                path,
                f"the restricted {described(field, side)} does not have this value",
                f"it has {listed(field.choices)}",
                side=side,
            )


FIELD_RULES: Final[tuple[Rule, ...]] = (
    _missing, _writable, _fit, _opt_ins, _fixed_values,
)  # fmt: skip
