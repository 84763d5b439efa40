"""`check`: a declaration against both schemas and real rows, before the first write.

What may not go in here: the rules themselves; each depth has its rooms: `_check_fields.py`, `_check_limits.py`,
`_check_transfer.py` and `_check_traps.py` for schemas, `_topology.py` for several transfers, `_check_rows.py` for rows.
What a declaration alone shows to be wrong is refused where it is made (`_declared.py`) and not repeated here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeAlias, TypeGuard

from di_salesforce._check_fields import FIELD_RULES
from di_salesforce._check_ground import Ground, Known, listed
from di_salesforce._check_limits import LIMIT_RULES
from di_salesforce._check_rows import row_findings
from di_salesforce._check_transfer import TRANSFER_RULES
from di_salesforce._check_traps import TRAP_RULES
from di_salesforce._compatibility import converter_for
from di_salesforce._findings import FINDING_CODES, Finding, Findings, Severity
from di_salesforce._inferred import InferredSchema
from di_salesforce._listing import as_rows
from di_salesforce._topology import TOPOLOGY_RULES, beside_findings
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import Integration, ObjectTransfer
from di_salesforce.records import Row, Side
from di_salesforce.schema import TableSchema

__all__ = ["FINDING_CODES", "Description", "Finding", "Findings", "Severity", "check", "converter_for"]

Description: TypeAlias = TableSchema | Iterable[Row] | tuple[TableSchema, Iterable[Row]]
"""What is known of one table: its schema, rows of it, or both."""


def check(
    integration_or_transfer: Integration | ObjectTransfer,
    *,
    salesforce: Description | Mapping[str, Description] | None = None,
    dialog_insight: Description | Mapping[str, Description] | None = None,
    show_values: bool = False,
    beside: Iterable[Integration] = (),
    settled: Mapping[str, Collection[str]] | None = None,
) -> Findings:
    """Tell what would go wrong, before anything is written: all of it, with causes and remedies.

    Use it whenever a declaration or a schema changes.  It goes as deep as what it is given: with schemas it compares
    fields, types, lengths and picklists; with rows it tries them and counts what would be refused, by cause; of several
    transfers it also compares who writes and creates what.

    Args:
        integration_or_transfer: What to check.
        salesforce: For one transfer its sObject as a schema, as rows, or as the two (`(schema, rows)`); for an
            integration a mapping from transfer names to such.  Rows are walked once; those of `read_csv` carry their
            schema.
        dialog_insight: Likewise for the table; where nothing is given, the schema that the project declares for it.
        beside: Other integrations on the same services, such as another program's: tables that both write are told.
        settled: By transfer name, the names of the lines that earlier runs compared (`FieldMapping.name`): lines that
            came since are told.  A `Synchronizer` takes them from its store.
        show_values: Whether examples of refused values are shown as they are, instead of masked.

    Returns:
        The findings, errors first; `.raise_for_errors()` stops at errors.

    Raises:
        ConfigurationError: Where what was given is neither schema nor rows, or names no transfer.

    Example:
        >>> from di_salesforce.mapping import FieldMapping
        >>> from di_salesforce.schema import FieldSchema, FieldType
        >>> contact = TableSchema("Contact", side=Side.SALESFORCE, fields=[
        ...     FieldSchema("Email", FieldType.EMAIL, length=80, id_lookup=True, nullable=False),
        ...     FieldSchema("LastName", FieldType.TEXT, length=80, required=True, nullable=False),
        ... ])
        >>> transfer = ObjectTransfer("contacts", sobject="Contact", fields=[FieldMapping("Emial", "EMail", key=True)])
        >>> for error in check(transfer, salesforce=contact).errors:
        ...     print(error)
        fields: Salesforce's Contact takes no new record without LastName, and no line fills it (required.not_mapped)
        fields[0]: Salesforce's Contact has no field 'Emial' (field.missing)
    """
    known_lines = {name: frozenset(lines) for name, lines in (settled or {}).items()}
    if isinstance(integration_or_transfer, ObjectTransfer):
        transfer = integration_or_transfer
        placed = {"": transfer}
        ground = Ground(
            transfer,
            _known(salesforce, Side.SALESFORCE, transfer),
            _known(dialog_insight, Side.DIALOG_INSIGHT, transfer),
            settled=known_lines.get(transfer.name, frozenset()),
        )
        found = _of_transfer(ground, show_values=show_values)
    else:
        placed = {f"transfers[{i}]": transfer for i, transfer in enumerate(integration_or_transfer.transfers)}
        found = _of_integration(
            integration_or_transfer, salesforce, dialog_insight, known_lines, show_values=show_values
        )
    return Findings([*found, *beside_findings(placed, beside)])


def _of_transfer(ground: Ground, *, show_values: bool) -> Iterator[Finding]:
    for rule in (*FIELD_RULES, *LIMIT_RULES, *TRANSFER_RULES, *TRAP_RULES):
        yield from rule(ground)
    yield from row_findings(ground, show_values=show_values)


def _of_integration(
    integration: Integration,
    salesforce: object,
    dialog_insight: object,
    settled: Mapping[str, frozenset[str]],
    *,
    show_values: bool,
) -> Iterator[Finding]:
    given = {
        side: _by_transfer(described, side, integration)
        for side, described in ((Side.SALESFORCE, salesforce), (Side.DIALOG_INSIGHT, dialog_insight))
    }
    grounds = {
        transfer.name: Ground(
            transfer,
            _known(given[Side.SALESFORCE].get(transfer.name), Side.SALESFORCE, transfer),
            _known(given[Side.DIALOG_INSIGHT].get(transfer.name), Side.DIALOG_INSIGHT, transfer),
            f"transfers[{index}].",
            settled.get(transfer.name, frozenset()),
        )
        for index, transfer in enumerate(integration.transfers)
    }
    for ground in grounds.values():
        yield from _of_transfer(ground, show_values=show_values)
    for rule in TOPOLOGY_RULES:
        yield from rule(integration, grounds)


def _by_transfer(described: object, side: Side, integration: Integration) -> Mapping[str, object]:
    if described is None:
        return {}
    if not _is_mapping(described):
        raise ConfigurationError(f"{side.value}= of an integration is a mapping from transfer names to schemas or rows")
    by_name: dict[str, object] = {str(name): value for name, value in described.items()}
    if unknown := sorted(set(by_name) - set(integration.names)):
        raise ConfigurationError(
            f"{side.value}= names no transfer with {listed(unknown)}: there are {listed(integration.names)}"
        )
    return by_name


def _known(described: object, side: Side, transfer: ObjectTransfer) -> Known:
    """Read what was given of one side: a schema, rows, both, or nothing."""
    described = as_rows(described)  # of a data frame
    schema, rows = _declared_schema(side, transfer), described
    if _is_pair(described):
        schema, rows = described
    elif isinstance(described, TableSchema):
        schema, rows = described, None
    elif schema is None and isinstance(own := getattr(described, "schema", None), TableSchema):
        schema = own  # rows of a file carry theirs
    if isinstance(schema, InferredSchema):
        schema = schema.without_limits()  # what was longest so far is no limit
    if schema is not None and schema.side is not side:
        raise ConfigurationError(f"{side.value}= was given a schema of {schema.side.label}")
    if rows is not None and not _are_rows(rows):
        raise ConfigurationError(f"{side.value}= of one transfer is a schema, rows, or (schema, rows)")
    return Known(schema, rows)


def _is_mapping(given: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(given, Mapping)


def _is_pair(given: object) -> TypeGuard[tuple[TableSchema, object]]:
    return _is_tuple(given) and len(given) == 2 and isinstance(given[0], TableSchema)  # (schema, rows)


def _is_tuple(given: object) -> TypeGuard[tuple[object, ...]]:
    return isinstance(given, tuple)


def _are_rows(given: object) -> TypeGuard[Iterable[Row]]:
    """Tell what may be rows: each row is looked at when its turn comes, since rows may be read from a file."""
    return isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping, TableSchema))


def _declared_schema(side: Side, transfer: ObjectTransfer) -> TableSchema | None:
    table = transfer.project.tables.get(transfer.table) if transfer.project and side is Side.DIALOG_INSIGHT else None
    return table if isinstance(table, TableSchema) else None
