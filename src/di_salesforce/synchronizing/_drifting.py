"""How the tables of a transfer changed since a run last kept their descriptions, and keeping those of today.

What may not go in here: what a change means (`_drift.py`), and reading descriptions (`_setup.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import attrs

from di_salesforce._drift import schema_changes
from di_salesforce._findings import Finding, Findings
from di_salesforce.exceptions import Problem, SchemaChangedError
from di_salesforce.mapping import CONTACT_TABLE, ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.schema import TableSchema
from di_salesforce.synchronizing._setup import Setup
from di_salesforce.wire import Flow, work

__all__ = ["drifted", "keep", "stop_at"]


def _described(setup: Setup, transfer: ObjectTransfer) -> Mapping[Side, TableSchema]:
    """Give the schemas that a service told us; a relational table's is declared, so whoever changes it knows it."""
    given = {Side.SALESFORCE: setup.schemas.salesforce.get(transfer.name)}
    if transfer.table == CONTACT_TABLE:
        given[Side.DIALOG_INSIGHT] = setup.schemas.dialog_insight.get(transfer.name)
    return {side: schema for side, schema in given.items() if schema is not None}


def _changed(setup: Setup, transfer: ObjectTransfer) -> Flow[dict[Side, tuple[TableSchema | None, TableSchema]]]:
    """Give the schemas whose fingerprint is not the kept one: what was kept, if anything, and what is there now."""
    kept = yield from work("read the memory", partial(setup.store.schemas, transfer.name))
    now = _described(setup, transfer)
    pairs = {side: (kept.get(side), schema) for side, schema in now.items()}
    return {
        side: (None if before is None else _with_new_paths(before, after), after)
        for side, (before, after) in pairs.items()
        if before is None or before.fingerprint != after.fingerprint
    }


def _with_new_paths(before: TableSchema, after: TableSchema) -> TableSchema:
    """Add the parent paths that were not mapped before: a line that is new is no change of a table."""
    new = [field for field in after if "." in field.name and field.name not in before]
    return attrs.evolve(before, fields=[*before.fields, *new]) if new else before


def drifted(setup: Setup, transfers: Iterable[ObjectTransfer]) -> Flow[Findings]:
    """Explain what changed in the tables of these transfers since their last run, as far as it concerns them."""
    found: list[Finding] = []
    for transfer in transfers:
        for side, (before, after) in (yield from _changed(setup, transfer)).items():
            if before is not None:
                place = f"{transfer.name}.{side.value}"
                found += [
                    attrs.evolve(change, path=f"{place}.{change.path}" if change.path else place)
                    for change in schema_changes(before, after, transfer=transfer)
                ]
    return Findings(found)


def keep(setup: Setup, transfers: Iterable[ObjectTransfer]) -> Flow[None]:
    """Keep what the tables of these transfers look like now, for their next run to compare."""
    for transfer in transfers:
        changed = yield from _changed(setup, transfer)
        if changed:
            after = {side: schema for side, (_, schema) in changed.items()}
            yield from work("remember", partial(setup.store.keep_schemas, transfer.name, after))


def stop_at(changes: Iterable[Finding], others: Iterable[Problem] = ()) -> None:
    """Refuse to go on where something is told here; `others` are told with it."""
    problems = [Problem(change.path, f"{change.message}: {change.remedy}", change.code) for change in changes]
    if problems:
        raise SchemaChangedError(
            [*problems, *others],
            what="a table changed since the last run; mend what is named, and accept the rest with accept_schemas()",
        )
