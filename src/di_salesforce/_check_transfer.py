"""The rules of `check` for one transfer as a whole: its key, required fields, triggers, lookups, zone.

What may not go in here: rules for single lines (`_check_fields.py`), what Salesforce alone trips over
(`_check_traps.py`), and rules for several transfers (`_topology.py`).
"""

from __future__ import annotations

from typing import Final

from di_salesforce._check_ground import Found, Ground, Rule, listed
from di_salesforce._findings import Finding
from di_salesforce._time_lenses import Instant
from di_salesforce.mapping import CONTACT_TABLE, FieldMapping
from di_salesforce.records import UNSET, Side, is_blank
from di_salesforce.schema import FieldType
from di_salesforce.triggers import Direction, Drift, Rewritten, Trigger

__all__ = ["TRANSFER_RULES"]


def _schemas(ground: Ground) -> Found:
    for side, name in ((Side.SALESFORCE, ground.transfer.sobject), (Side.DIALOG_INSIGHT, ground.transfer.table)):
        schema, rows = ground.schema(side), ground.known(side).rows
        if schema is None and rows is None:
            yield ground.found(
                "schema.not_given",
                "",
                f"nothing is known of {ground.where(side)}, so nothing was checked against it",
                f"give check its schema or rows: {side.value}=",
                side=side,
            )
        # Salesforce's names ignore case; whether Dialog Insight's codes do is unknown.
        elif schema is not None and schema.name.casefold() != name.casefold():
            yield ground.found(
                "schema.other_table",
                "sobject" if side is Side.SALESFORCE else "table",
                f"the transfer's object is {name!r}, the schema that was given is called {schema.name!r}",
                "give check the schema of that object",
                side=side,
            )


# The key ------------------------------------------------------------------------------------------------------------
def _salesforce_key(ground: Ground) -> Found:
    keys = [(path, line) for path, line in ground.transfer.placed if line.key]
    if len(keys) > 1:
        return  # of a composite key no single field needs to be unique, and no upsert takes one
    for path, line in keys:
        field = ground.field(line, Side.SALESFORCE)
        if field is None:
            continue
        if not (field.unique or field.external_id or field.id_lookup):
            yield ground.found(
                "key.not_unique",
                path,
                f"records of {ground.where(Side.SALESFORCE)} may share one {field.name}: those that do are rejected",
                "make a unique external id the key, or keep the field unique by other means",
                side=Side.SALESFORCE,
            )
        can_upsert = field.external_id and field.unique
        if ground.transfer.dedicated_key and not can_upsert:
            yield ground.found(
                "key.not_dedicated",
                path,
                f"{field.name} is no unique external id, so no create can be an upsert by it",
                "make the field an external id and unique in Salesforce, or leave dedicated_key= out",
                side=Side.SALESFORCE,
            )
        elif ground.creates(Side.SALESFORCE) and field.name != "Id":
            yield _way_to_create(ground, path, field.name, can_upsert=can_upsert)


def _way_to_create(ground: Ground, path: str, name: str, *, can_upsert: bool) -> Finding:
    if ground.transfer.dedicated_key:
        return ground.found(
            "key.upsert",
            path,
            f"{name} is a dedicated external id: creates go as upserts by it, and a repetition makes no second record",
            "nothing to do, as long as nobody else writes the field",
            side=Side.SALESFORCE,
        )
    remedy = "nothing to do; a unique external id of your own as key makes repetition safe"
    if can_upsert:
        remedy = f"if nobody else writes {name}, say dedicated_key=True: that makes repetition safe"
    return ground.found(
        "key.lookup_first",
        path,
        f"{name} is no dedicated external id: what became of a create is looked up before it is repeated",
        remedy,
        side=Side.SALESFORCE,
    )


def _dialog_insight_key(ground: Ground) -> Found:
    schema = ground.schema(Side.DIALOG_INSIGHT)
    theirs = [field.name for field in schema if field.key] if schema is not None else []
    ours = [line.field(Side.DIALOG_INSIGHT) for line in ground.transfer.key_lines]
    relational = ground.transfer.id_field(Side.DIALOG_INSIGHT) is None
    if theirs and set(theirs) != set(ours) and (relational or ground.creates(Side.DIALOG_INSIGHT)):
        yield ground.found(
            "key.not_the_tables_key",
            "fields",
            f"{ground.where(Side.DIALOG_INSIGHT)} has the key {listed(theirs)}, the transfer {listed(ours)}",
            "make the lines of that key, and no others, the key: with_key(...)",
            side=Side.DIALOG_INSIGHT,
        )


def _key_is_written(ground: Ground) -> Found:
    for path, line in ground.transfer.placed:
        if not line.key:
            continue
        for side in Side:
            if ground.creates(side) and not line.flows.allows(side):
                yield ground.found(
                    "key.not_written",
                    path,
                    f"{line.field(side)} does not flow to {side.label}, so records born in {side.other.label} "
                    "cannot be created there",
                    f"choose another key, or do not allow these creates: triggers= without {_creating(side.other)}",
                    side=side,
                )


def _creating(born_on: Side) -> str:
    trigger = Trigger.SALESFORCE_CREATED if born_on is Side.SALESFORCE else Trigger.DIALOG_INSIGHT_CREATED
    return trigger.names[0]


def _key_may_be_blank(ground: Ground) -> Found:
    for path, line in ground.transfer.placed:
        for born_on in Side:
            field = ground.field(line, born_on)
            if not line.key or field is None or not field.nullable or not ground.creates(born_on.other):
                continue
            if field.key and ground.transfer.id_field(born_on) is None:
                continue  # a relational table's key is required [seen], whatever the schema says
            if born_on is Side.SALESFORCE:
                filtered = field.name.casefold() in (ground.transfer.salesforce_filter or "").casefold()
                remedy = f"leave them out: salesforce_filter={f'{field.name} != null'!r}"
            else:
                filtered = ground.transfer.dialog_insight_filter is not None
                remedy = "leave them out with dialog_insight_filter=, or make the field required there"
            if not filtered:
                yield ground.found(
                    "key.nullable",
                    path,
                    f"{field.name} may be blank in {born_on.label}, and records without a key are rejected",
                    remedy,
                    side=born_on,
                )


def _recommended_key(ground: Ground) -> Found:
    project = ground.transfer.project
    if project is None or project.type is None or ground.transfer.table != CONTACT_TABLE:
        return
    ours = [line.salesforce for line in ground.transfer.key_lines]
    if ours != [project.type.recommended_key]:
        yield ground.found(
            "key.not_recommended",
            "fields",
            f"for a project of type {project.type.value} the recommended key is {project.type.recommended_key}, "
            f"the transfer's is {listed(ours)}",
            "nothing to do if the key is unique, stable, and known where records are born",
        )


# Required fields ----------------------------------------------------------------------------------------------------
def _required(ground: Ground) -> Found:
    for side in Side:
        schema = ground.schema(side)
        if schema is None or not ground.creates(side):
            continue
        fixed = {
            constant.field
            for constant in ground.transfer.constants
            if constant.side is side and not is_blank(constant.value)
        }
        filling = {line.field(side): (path, line) for path, line in ground.transfer.placed if line.flows.allows(side)}
        for field in schema:
            if not field.required or field.default is not UNSET or field.name in fixed:
                continue
            if field.name not in filling:
                yield ground.found(
                    "required.not_mapped",
                    "fields",
                    f"{ground.where(side)} takes no new record without {field.name}, and no line fills it",
                    f"map it, or give new records a value: Constant({field.name!r}, ..., side=Side.{side.name})",
                    side=side,
                )
            else:
                yield from _may_be_blank(ground, *filling[field.name], side)


def _may_be_blank(ground: Ground, path: str, line: FieldMapping, side: Side) -> Found:
    source = ground.field(line, side.other)
    default = line.default(side)
    if source is None or not source.nullable or line.key or (default is not UNSET and not is_blank(default)):
        return  # a blank key is `key.nullable`
    yield ground.found(
        "required.may_be_blank",
        path,
        f"{ground.where(side)} takes no new record without {line.field(side)}, and {source.name} may be blank "
        f"in {side.other.label}",
        f"give the line a {side.value}_default=",
        side=side,
    )


# Triggers -----------------------------------------------------------------------------------------------------------
def _triggers(ground: Ground) -> Found:
    if not ground.transfer.allowed:
        yield ground.found(
            "trigger.none",
            "triggers",
            "no trigger is on, so nothing is ever written",
            "turn some on, or leave them out for those of the project's type",
        )
        return
    for side in Side:
        if ground.updates(side.other):
            continue
        flowing = [line for line in ground.transfer.lines if line.flows.allows(side.other)]
        both = [line.name for line in flowing if line.flows is Direction.BOTH and not line.key]
        once = [line.name for line in flowing if line.flows is not Direction.BOTH and not line.key]
        trigger = _updating(side)
        if both and ground.updates(side):
            yield ground.found(
                "trigger.update_off",
                "triggers",
                f"{trigger} is off: an edit in {side.label} never flows, and when {side.other.label} edits the same "
                f"field later, that is a conflict ({listed(both)})",
                f"turn the trigger on, or let these lines flow to {side.label} only (direction=)",
                side=side,
            )
        if once and ground.creates(side.other):
            yield ground.found(
                "trigger.create_only",
                "triggers",
                f"{trigger} is off: {listed(once)} reach {side.other.label} when a record is created, and never again",
                "nothing to do if that is meant; else turn the trigger on",
                side=side,
            )


def _settings_without_trigger(ground: Ground) -> Found:
    for path, line in ground.transfer.placed:
        for to in Side:
            if line.drift is Drift.ENFORCE and line.flows is Direction.towards(to) and not ground.updates(to):
                what, trigger = f"what is changed in {to.label} is never overwritten", _updating(to.other)
            elif line.rewritten is Rewritten.ADOPT and not ground.updates(to.other) and ground.flows(line, to):
                what, trigger = f"what {to.label} rewrites never flows back", _updating(to)
            else:
                continue
            yield ground.found(
                "trigger.setting_unused",
                path,
                f"{trigger} is off, so {what}, though the line asks for it",
                "turn the trigger on, or leave the setting out (drift=, rewritten=)",
                side=to,
            )


def _updating(side: Side) -> str:
    return (Trigger.SALESFORCE_UPDATED if side is Side.SALESFORCE else Trigger.DIALOG_INSIGHT_UPDATED).names[0]


# Lookups, zone ------------------------------------------------------------------------------------------------------
def _lookups(ground: Ground) -> Found:
    for path, line in ground.transfer.placed:
        field = ground.field(line, Side.SALESFORCE)
        if line.references and field is not None and field.type not in (FieldType.REFERENCE, FieldType.UNKNOWN):
            yield ground.found(
                "reference.not_lookup",
                path,
                f"{field.name} of {ground.where(Side.SALESFORCE)} is no lookup, so no link translates it",
                "map the lookup field, such as AccountId, or leave references= out",
                side=Side.SALESFORCE,
            )


def _time_zone(ground: Ground) -> Found:
    if not ground.time_zone_is_known:
        yield ground.found(
            "time_zone.unknown",
            "project.time_zone",
            f"the time zone {ground.time_zone!r} is not known here",
            "use an IANA name such as America/Toronto; without zone data: pip install 'di-salesforce[tz]'",
        )
    elif ground.time_zone is None:
        chosen = [
            line.name
            for line in ground.transfer.lines
            if line.converter is None and isinstance(ground.converter(line), Instant)
        ]
        if chosen:
            yield ground.found(
                "time_zone.not_set",
                "project",
                f"Dialog Insight's times carry no zone and will be read as UTC ({listed(chosen)})",
                "name the project's zone: DestinationProject(..., time_zone='America/Toronto')",
                side=Side.DIALOG_INSIGHT,
            )


# What is new ---------------------------------------------------------------------------------------------------------
def _new_lines(ground: Ground) -> Found:
    for path, line in ground.transfer.placed:
        if ground.settled and line.name not in ground.settled:
            yield ground.found(
                "line.new",
                path,
                f"{line.name} is new here: records that are linked already meet in it for the first time",
                "the next run reads both sides in full; where they differ, first_match= decides, and what it writes "
                "counts against the limits: look at a plan first",
            )


TRANSFER_RULES: Final[tuple[Rule, ...]] = (
    _schemas, _salesforce_key, _dialog_insight_key, _key_is_written, _key_may_be_blank, _recommended_key, _required,
    _triggers, _settings_without_trigger, _lookups, _time_zone, _new_lines,
)  # fmt: skip
