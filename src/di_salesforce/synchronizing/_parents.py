"""The objects that parent paths lead to: their descriptions, so that a path's field has a type and is watched.

What may not go in here: reading records, and the table that a transfer is about (`_setup.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from di_salesforce.exceptions import DISalesforceError, NotFoundError, PermissionDeniedError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import UNSET
from di_salesforce.salesforce import Settings
from di_salesforce.salesforce import _flows as salesforce_flows
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.wire import Flow, SendAll

__all__ = ["lookup_of", "parents_of", "with_parents"]

_STEPS: Final = 5  # how far a path may lead: the platform's own limit


def lookup_of(step: str) -> str:
    """Give the lookup behind a step of a path, by the platform's naming rule.

    Example:
        >>> lookup_of("Account"), lookup_of("Sponsor__r")
        ('AccountId', 'Sponsor__c')
    """
    return f"{step[:-1]}c" if step.endswith("__r") else f"{step}Id"


def paths_of(transfer: ObjectTransfer) -> list[str]:
    """List the parent paths of a transfer's lines."""
    return list(dict.fromkeys(line.salesforce for line in transfer.lines if "." in line.salesforce))


def with_parents(
    settings: Settings, connection: str, transfers: Sequence[ObjectTransfer], described: Mapping[str, TableSchema]
) -> Flow[dict[str, TableSchema]]:
    """Give each transfer's schema with the fields that its parent paths lead to, under the paths' own names.

    An object that may not be described leaves its paths without a type, as does a lookup to one of several objects.

    Args:
        settings: of the Salesforce client.
        connection: its name.
        transfers: whose lines name the paths.
        described: what is described already, by object.
    """
    known, refused = dict(described), set[str]()
    for _ in range(_STEPS):
        wanted = {
            missing
            for transfer in transfers
            for path in paths_of(transfer)
            if isinstance(missing := _found(known, transfer.sobject, path), str)
        } - refused
        if not wanted:
            break
        flows = {name: salesforce_flows.schema(settings, connection, name) for name in sorted(wanted)}
        answers: list[TableSchema | DISalesforceError] = yield SendAll(list(flows.values()))
        for name, answer in zip(flows, answers, strict=True):
            if isinstance(answer, TableSchema):
                known[name] = answer
            elif isinstance(answer, (NotFoundError, PermissionDeniedError)):
                refused.add(name)
            else:
                raise answer
    return {transfer.name: _with_paths(known, transfer) for transfer in transfers}


def _with_paths(known: Mapping[str, TableSchema], transfer: ObjectTransfer) -> TableSchema:
    schema = known[transfer.sobject]
    found = [_found(known, transfer.sobject, path) for path in paths_of(transfer)]
    return attrs.evolve(schema, fields=[*schema.fields, *(field for field in found if isinstance(field, FieldSchema))])


def _found(known: Mapping[str, TableSchema], sobject: str, path: str) -> FieldSchema | str | None:
    """Follow a path: give its field as it is read from here, the next object to describe, or None (unknown)."""
    *steps, name = path.split(".")
    for step in steps:
        if sobject not in known:
            return sobject
        lookup = known[sobject].get(lookup_of(step))
        if lookup is None or lookup.type is not FieldType.REFERENCE or len(lookup.references) != 1:
            return None
        (sobject,) = lookup.references
    if sobject not in known:
        return sobject
    field = known[sobject].get(name)
    return None if field is None else _seen_from_below(field, path)


def _seen_from_below(field: FieldSchema, path: str) -> FieldSchema:
    """Give a parent's field as its children have it: only to be read, and naming no single child."""
    return attrs.evolve(
        field, name=path, creatable=False, updatable=False, required=False, unique=False, external_id=False,
        id_lookup=False, key=False, default=UNSET,
    )  # fmt: skip


def parents_of(transfer: ObjectTransfer, schema: TableSchema | None) -> list[tuple[str, str]]:
    """List the lookups whose parents a mapped line depends on, each with the parent's object.

    A path depends on its first step; a formula may depend on any parent.
    """
    if schema is None:
        return []
    own = {field.name: field for field in schema if "." not in field.name}
    lookups = {lookup_of(path.split(".")[0]) for path in paths_of(transfer)}
    if any(line.salesforce in own and own[line.salesforce].calculated for line in transfer.lines):
        lookups |= {field.name for field in own.values() if len(field.references) == 1} - _NOT_FOLLOWED
    return sorted((name, parent) for name in lookups if name in own for parent in own[name].references)


# Lookups that every record has: following them would read many records for formulas that rarely look there.
_NOT_FOLLOWED: Final = frozenset({"OwnerId", "CreatedById", "LastModifiedById", "RecordTypeId"})
