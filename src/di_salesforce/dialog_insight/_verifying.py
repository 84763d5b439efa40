"""A declared table held against what the service accepts: what its API does not describe is asked for by column.

What may not go in here: guessing a schema (`schema.infer_schema` reads rows), and writing that nobody asked for.  A
test record is written only where its row is given, only as a new one, and taken away again where deleting is switched
on.

That a refusal of a question means a wrong column is [inferred]; so a column that cannot exist is asked for first, and
where the service answers that as well, its silence about the others says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from di_salesforce._compatibility import converter_for
from di_salesforce._findings import Finding, FindingCode, Findings, Severity, found
from di_salesforce.dialog_insight import _calls as calls
from di_salesforce.dialog_insight._calls import FieldClause
from di_salesforce.dialog_insight._flows import delete_rows, merge_rows
from di_salesforce.dialog_insight._merge import MergeOptions, MergeResult, MergeStatus
from di_salesforce.dialog_insight._names import Target
from di_salesforce.dialog_insight._settings import Settings
from di_salesforce.dialog_insight._study import is_refusal
from di_salesforce.exceptions import ApiError, ConfigurationError, ConversionError, NotFoundError, PermissionDeniedError
from di_salesforce.mapping import FieldMapping
from di_salesforce.protocols import Converter
from di_salesforce.records import Row, Side, Value, is_blank
from di_salesforce.retry import with_retry
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.wire import Flow

__all__ = ["VERIFY_CODES", "verify"]

VERIFY_CODES: Final[Mapping[str, FindingCode]] = {
    "verify.column_refused": FindingCode(Severity.ERROR, "the service refuses a question about a declared column"),
    "verify.column_undeclared": FindingCode(Severity.INFO, "a row has a column that is not declared"),
    "verify.kept_otherwise": FindingCode(Severity.WARNING, "the service kept a value otherwise than it was sent"),
    "verify.not_asked": FindingCode(Severity.INFO, "a column of two values is not asked for"),
    "verify.row_exists": FindingCode(Severity.ERROR, "the test record's key is in use, so nothing was written"),
    "verify.row_left": FindingCode(Severity.WARNING, "the test record is still there: delete it by hand"),
    "verify.row_refused": FindingCode(Severity.ERROR, "the service refuses the test record"),
    "verify.row_taken": FindingCode(Severity.INFO, "the service takes the test record"),
    "verify.silent": FindingCode(Severity.INFO, "the service answers questions about columns that do not exist, too"),
    "verify.value_of_other_type": FindingCode(
        Severity.WARNING, "a row holds a value that is none of the declared type"
    ),
}
"""Each code of `verify` with its severity and meaning."""

_NO_COLUMN: Final = "zz_no_such_column"
_NOBODY: Final = "zz-no-such-value"
_ASKED_FOR: Final[Mapping[FieldType, Value]] = {
    # Values that no record is likely to have, in a form that the type takes.
    FieldType.INTEGER: -987654321,
    FieldType.DECIMAL: -987654321,
    FieldType.ID: 987654321,
    FieldType.REFERENCE: 987654321,
    FieldType.DATE: "1801.01.01",
    FieldType.DATETIME: "1801.01.01 00:00:01",
}

_TWO_VALUES: Final = frozenset({FieldType.BOOLEAN, FieldType.OPT_IN})


def verify(
    settings: Settings, connection: str, target: Target, schema: TableSchema, *, row: Row | None
) -> Flow[Findings]:
    """Hold a declared schema against what the service accepts; writes nothing unless a row is given.

    Args:
        settings: of the client.
        connection: of the client.
        target: the table.
        schema: as it is declared.
        row: a test record with a key that is in use nowhere; None: nothing is written.

    Raises:
        ConfigurationError: the row has not all of the key, or names columns that are not declared.
        ApiError, TransportError: the table cannot be reached.
    """
    _check_row(schema, row)
    told: list[Finding] = []
    seen: list[Row] = []
    if (yield from _question(settings, connection, target, _NO_COLUMN, _NOBODY, seen)) is None:
        told.append(
            _finding("verify.silent", "", "so its silence about a column says nothing", "give a test record: row=")
        )
    for field in schema:
        if field.type in _TWO_VALUES:
            told.append(
                _finding("verify.not_asked", field.name, "half of the table might come", "give a test record: row=")
            )
            continue
        refusal = yield from _question(
            settings, connection, target, field.name, _ASKED_FOR.get(field.type, _NOBODY), seen
        )
        if refusal is not None:
            told.append(
                _finding(
                    "verify.column_refused",
                    field.name,
                    str(refusal),
                    "compare the column's name, letter by letter, and its type with the application",
                )
            )
    if row is not None:
        told += yield from _try_row(settings, connection, target, schema, row, seen)
    return Findings([*told, *_seen_otherwise(schema, seen)])


def _finding(code: str, path: str, message: str, remedy: str) -> Finding:
    sentence = f"{VERIFY_CODES[code].meaning}: {message}"
    return found(code, path, sentence, remedy, side=Side.DIALOG_INSIGHT, codes=VERIFY_CODES)


def _check_row(schema: TableSchema, row: Row | None) -> None:
    if row is None:
        return
    key = [field.name for field in schema if field.key]
    if not key:
        raise ConfigurationError(f"the schema of {schema.name!r} marks no key: FieldSchema(..., key=True)")
    if lacking := [name for name in key if is_blank(row.get(name))]:
        raise ConfigurationError(f"the test record needs the whole key: {', '.join(lacking)} is blank")
    if strange := [name for name in row if name not in schema]:
        raise ConfigurationError(f"the test record names what is not declared: {', '.join(strange)}")


def _question(
    settings: Settings, connection: str, target: Target, column: str, value: Value, seen: list[Row]
) -> Flow[ApiError | None]:
    """Ask for the rows with a value in a column, and give the refusal, if it is one; rows that come are kept."""
    call = calls.get_call(target, [FieldClause(column, value)], capabilities=settings.capabilities)
    try:
        seen += yield from with_retry(call, connection, settings.retry)
    except ApiError as error:
        if not is_refusal(error) or isinstance(error, (NotFoundError, PermissionDeniedError)):
            raise
        return error
    return None


# The test record ----------------------------------------------------------------------------------------------------
def _try_row(
    settings: Settings, connection: str, target: Target, schema: TableSchema, row: Row, seen: list[Row]
) -> Flow[list[Finding]]:
    key = [field.name for field in schema if field.key]
    options = MergeOptions(allow_update=False)
    [result] = yield from merge_rows(settings, connection, target, [row], key=key, options=options)
    if result.status is MergeStatus.EXISTS:
        return [
            _finding("verify.row_exists", "", "choose another", "give the test record a key that is in use nowhere")
        ]
    if not result.written:
        words = " ".join(filter(None, (result.code, result.message))) or result.status.value
        left = [_left(row, key)] if result.status is MergeStatus.UNKNOWN else []
        return [
            _finding("verify.row_refused", "", words, "compare columns, types and lengths with the application"),
            *left,
        ]
    told = [_finding("verify.row_taken", "", ", ".join(row), "nothing to do")]
    if result.stored is not None:
        seen.append(result.stored)
        told += _kept_otherwise(schema, row, result)
    if len(key) == 1 and settings.capabilities.delete:
        removed = yield from delete_rows(settings, connection, target, equal={key[0]: row[key[0]]}, max_rows=1)
        return told if removed == 1 else [*told, _left(row, key)]
    return [*told, _left(row, key)]


def _left(row: Row, key: Sequence[str]) -> Finding:
    named = ", ".join(f"{name}={row[name]!r}" for name in key)
    return _finding("verify.row_left", "", named, "a Delete names one field, and needs Capabilities(delete=True)")


def _kept_otherwise(schema: TableSchema, row: Row, result: MergeResult) -> Iterator[Finding]:
    for name, sent in row.items():
        stored = result.stored.get(name) if result.stored is not None else None
        converter = _converter(schema[name])
        try:
            same = converter.normal(Side.DIALOG_INSIGHT, sent) == converter.normal(Side.DIALOG_INSIGHT, stored)
        except ConversionError:
            same = False
        if not same:
            yield _finding(
                "verify.kept_otherwise",
                name,
                "blank" if is_blank(stored) else "another value",
                "compare the column's type and length with the application; a shortened or rounded value comes back at "
                "every comparison",
            )


# Rows that were seen ------------------------------------------------------------------------------------------------
def _seen_otherwise(schema: TableSchema, seen: Sequence[Row]) -> Iterator[Finding]:
    names = dict.fromkeys(name for row in seen for name in row)
    for name in names:
        field = schema.get(name)
        if field is None:
            yield _finding(
                "verify.column_undeclared", name, "it is read for nothing", "declare it, if it is to be mapped"
            )
        elif not all(_reads(field, row.get(name)) for row in seen):
            yield _finding(
                "verify.value_of_other_type",
                name,
                f"declared as {field.type.value.replace('_', ' ')}",
                "compare the column's type with the application",
            )


def _reads(field: FieldSchema, value: Value) -> bool:
    try:
        _converter(field).normal(Side.DIALOG_INSIGHT, value)
    except ConversionError:
        return False
    return True


def _converter(field: FieldSchema) -> Converter:
    """Give the converter that the declared type stands for, where nothing is known of the other side."""
    schema = TableSchema("", side=Side.DIALOG_INSIGHT, fields=[field])
    return converter_for(FieldMapping(field.name, field.name), None, schema, "UTC")
