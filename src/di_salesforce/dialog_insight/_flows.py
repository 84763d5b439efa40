"""Dialog Insight's work of several steps: look-ups side by side, merges in slices, and what every call shares, retries.

What may not go in here: sockets, sleeping, and anything that differs between the blocking and the async world.  Every
flow takes the settings and the name of the connection first, so that any runner can carry it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final, TypeVar

import attrs

from di_salesforce._telling import Tally
from di_salesforce.dialog_insight import _calls as calls
from di_salesforce.dialog_insight._calls import FieldClause, ProjectSummary
from di_salesforce.dialog_insight._merge import MergeOptions, MergeResult, MergeStatus, Prepared, merge_call, prepare
from di_salesforce.dialog_insight._names import ContactList, Target, key_fields
from di_salesforce.dialog_insight._schema import contact_schema
from di_salesforce.dialog_insight._settings import Settings
from di_salesforce.dialog_insight._values import JsonObject, can_be_equal, dump_json, wire_value
from di_salesforce.exceptions import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    DISalesforceError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    TransportError,
)
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Value
from di_salesforce.retry import may_have_applied, with_retry
from di_salesforce.schema import TableSchema
from di_salesforce.wire import Call, Flow, SendAll

__all__ = [
    "check_access",
    "delete_rows",
    "find_rows",
    "get_rows",
    "list_projects",
    "merge_rows",
    "project_schema",
    "raw",
    "read_rows",
]

T = TypeVar("T")

# Look-ups handed to the runner together: a key that is refused at the first of ten thousand does not cost them all.
_BATCH: Final = 64

# Calls for one slice that is refused as a whole: enough to find two bad rows among some hundreds, little for all.
_MOST_CALLS: Final = 32

# Failures that every further slice would meet as well.
_HOPELESS: Final = (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    TransportError,
)


def _perform(settings: Settings, connection: str, call: Call[T]) -> Flow[T]:
    return with_retry(call, connection, settings.retry)


# reading ------------------------------------------------------------------------------------------------------------


def read_rows(settings: Settings, connection: str, target: Target) -> Flow[list[Row]]:
    """Read every row.

    Raises:
        ConfigurationError: nobody has said that a Get without a clause gives every row.
        UnexpectedResponseError: the answer is at the known ceiling of one Get, so there may be more rows.
    """
    return _perform(settings, connection, calls.get_call(target, (), capabilities=settings.capabilities))


def get_rows(settings: Settings, connection: str, target: Target, equal: Mapping[str, Value]) -> Flow[list[Row]]:
    """Read the rows whose fields have these values; every row, where none is given (`read_rows`, `find_rows`)."""
    if not equal:
        return read_rows(settings, connection, target)
    return find_rows(settings, connection, target, tuple(equal), [tuple(equal.values())])


def find_rows(
    settings: Settings,
    connection: str,
    target: Target,
    field: str | Sequence[str],
    values: Iterable[Value | tuple[Value, ...]],
    *,
    progress: Progress | None = None,
) -> Flow[list[Row]]:
    """Read the rows that hold one of these values: one Get for each, several at once.

    Of several fields the service is asked for the first alone, unless it takes lists of clauses; the answer is then
    sifted by the others, leniently: a row whose rendering leaves it open is kept.

    Args:
        settings: of the client.
        connection: of the client.
        target: where to read.
        field: the field, or the fields of a composite key.
        values: for one field values, for several tuples of them; repeated ones are asked for once.
        progress: told how many look-ups are done.

    Returns:
        The rows found, each once, in the order of the values.

    Raises:
        ConfigurationError: a blank value, or a tuple of another length than `field`.
    """
    names = key_fields(field)
    sent = len(names) if settings.capabilities.clause_lists else 1
    lookups: dict[str, tuple[Call[list[Row]], list[tuple[Value, ...]]]] = {}
    for given in values:
        wanted: tuple[Value, ...] = given if isinstance(given, tuple) else (given,)
        if len(wanted) != len(names):
            raise ConfigurationError(f"looking in {target}: {len(names)} fields need {len(names)} values for each row")
        clauses = [FieldClause(name, value) for name, value in zip(names[:sent], wanted[:sent], strict=True)]
        asked = dump_json([wire_value(clause.value, field=clause.field) for clause in clauses])
        if asked not in lookups:
            lookups[asked] = (calls.get_call(target, clauses, capabilities=settings.capabilities), [])
        lookups[asked][1].append(wanted[sent:])
    found: dict[tuple[tuple[str, Value], ...], Row] = {}
    tally = Tally(progress, f"find in {target}", len(lookups))
    yield from tally.begin()
    for batch in _parts(lookups.values(), _BATCH):
        flows = [_perform(settings, connection, call) for call, _ in batch]
        answers: list[list[Row] | DISalesforceError] = yield SendAll(flows, settings.capabilities.gets_at_once)
        for answer, (_, rests) in zip(answers, batch, strict=True):
            if isinstance(answer, DISalesforceError):
                raise answer
            found.update((tuple(row.items()), row) for row in answer if _fits(row, names[sent:], rests))
        yield from tally.add(len(batch))
    return list(found.values())


def _fits(row: Row, names: Sequence[str], rests: Sequence[Sequence[Value]]) -> bool:
    return any(
        all(can_be_equal(value, row.get(name)) for name, value in zip(names, rest, strict=True)) for rest in rests
    )


def _parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


# writing ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Failed:
    """A slice without a readable answer; `in_doubt`: it may have been carried out."""

    error: DISalesforceError
    in_doubt: bool

    def result(self) -> MergeResult:
        code = (isinstance(self.error, ApiError) and self.error.code) or type(self.error).__name__
        return MergeResult(
            MergeStatus.UNKNOWN if self.in_doubt else MergeStatus.REFUSED, code=code, message=str(self.error)
        )


def merge_rows(
    settings: Settings,
    connection: str,
    target: Target,
    rows: Sequence[Row],
    *,
    key: str | Sequence[str],
    options: MergeOptions,
    progress: Progress | None = None,
) -> Flow[list[MergeResult]]:
    """Write rows in slices, and say of each what became of it, in the order of the rows.

    A slice without an answer does not lose the others: its rows are `unknown` where it may have been carried out, else
    `refused` with the reason.

    Args:
        settings: of the client.
        connection: of the client.
        target: where to write.
        rows: names without wire prefixes; each holds the key.
        key: the field, or the fields, that name a record; `idContact` for a contact that exists.
        options: what the merge may do.
        progress: told how many rows have an outcome.

    Raises:
        ConfigurationError: the key cannot work with these options.
        DISalesforceError: no slice was carried out, none is in doubt, and nothing was written: the first one's reason.
    """
    prepared = prepare(target, rows, key, options, settings.capabilities)
    results: list[MergeResult | None] = []  # of each row; None: it was sent, and its slice has its result
    sizes: list[int] = []
    tally = Tally(progress, f"merge into {target}", len(rows))
    yield from tally.begin()

    def flows() -> Iterator[Flow[list[MergeResult] | _Failed]]:
        for part in _parts(_sendable(prepared, results), settings.capabilities.max_records_per_merge):
            sizes.append(len(part))
            yield _merge_slice(settings, connection, target, part, options, tally)

    outcomes: list[list[MergeResult] | _Failed] = []
    slices = flows()
    for first in islice(slices, 1):
        # The first goes ahead alone: a wrong key or table shows before the rest is sent.
        outcomes.append((yield from first))
        _raise_if_hopeless(outcomes[0])
    outcomes.extend((yield SendAll(slices, settings.capabilities.merges_at_once)))
    failures = [outcome for outcome in outcomes if isinstance(outcome, _Failed)]
    if failures and len(failures) == len(outcomes) and not any(failed.in_doubt for failed in failures):
        raise failures[0].error
    yield from tally.finish()
    told = chain.from_iterable(
        [outcome.result()] * size if isinstance(outcome, _Failed) else outcome
        for outcome, size in zip(outcomes, sizes, strict=True)
    )
    return [next(told) if result is None else result for result in results]


def _sendable(prepared: Iterable[Prepared | MergeResult], results: list[MergeResult | None]) -> Iterator[Prepared]:
    """Give the rows that can be sent, each turned shortly before; note the refusals of the rest in `results`."""
    for row in prepared:
        if isinstance(row, Prepared):
            results.append(None)
            yield row
        else:
            results.append(row)


def _merge_slice(
    settings: Settings,
    connection: str,
    target: Target,
    rows: Sequence[Prepared],
    options: MergeOptions,
    tally: Tally,
) -> Flow[list[MergeResult] | _Failed]:
    """Write one slice; where it is refused as a whole for what is in it, halve it until the rows at fault stand alone.

    Which mistakes of one row refuse the whole call is not known.
    """
    results: dict[int, MergeResult] = {}
    first: _Failed | None = None
    parts, calls, answered = [range(len(rows))], 0, False
    while parts:
        part, calls = parts.pop(), calls + 1
        call = merge_call(target, [rows[place] for place in part], options, capabilities=settings.capabilities)
        try:
            told = yield from _perform(settings, connection, call)
            answered = True
        except DISalesforceError as error:
            failed = _Failed(error, may_have_applied(error, call.request))
            first = first or failed
            refused = isinstance(error, InvalidRequestError) and not failed.in_doubt
            if refused and len(part) > 1 and calls < _MOST_CALLS:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]  # the last is taken first, so the order of the rows is kept
                continue
            answered = answered or failed.in_doubt
            told = [failed.result()] * len(part)
        results |= dict(zip(part, told, strict=True))
    if first is not None and not answered:
        return first
    yield from tally.add(len(rows))
    return [results[place] for place in range(len(rows))]


def _raise_if_hopeless(outcome: list[MergeResult] | _Failed) -> None:
    if isinstance(outcome, _Failed) and not outcome.in_doubt and isinstance(outcome.error, _HOPELESS):
        raise outcome.error


def delete_rows(
    settings: Settings, connection: str, target: Target, *, equal: Mapping[str, Value], max_rows: int
) -> Flow[int]:
    """Delete the records whose field has a value, at most `max_rows`, and say how many there were.

    Raises:
        ConfigurationError: deleting has not been switched on, or not exactly one field is named.
    """
    if len(equal) != 1:
        raise ConfigurationError(
            f"deleting from {target}: name exactly one field, since what a list of clauses means to a Delete is unknown"
        )
    ((name, value),) = equal.items()
    call = calls.delete_call(target, FieldClause(name, value), max_rows, capabilities=settings.capabilities)
    return _perform(settings, connection, call)


# projects and the rest ----------------------------------------------------------------------------------------------


def list_projects(settings: Settings, connection: str) -> Flow[list[ProjectSummary]]:
    """List the projects that the key may see."""
    return _perform(settings, connection, calls.list_projects_call(capabilities=settings.capabilities))


def project_schema(settings: Settings, connection: str, id_project: int) -> Flow[TableSchema]:
    """Read a project's description as the schema of its contact list."""
    info = yield from _perform(settings, connection, calls.project_call(id_project, capabilities=settings.capabilities))
    return contact_schema(info, id_project=id_project, capabilities=settings.capabilities)


def raw(
    settings: Settings,
    connection: str,
    service: str,
    method: str,
    body: Mapping[str, Any],
    *,
    writes: bool,
    repeatable: bool,
) -> Flow[JsonObject]:
    """Carry out any method, and give the members of its answer."""
    call = calls.open_call(
        service, method, body, capabilities=settings.capabilities, writes=writes, repeatable=repeatable
    )
    return _perform(settings, connection, call)


# An address that no contact has: `.invalid` is reserved for such uses.  Every project has the field `EMail` [seen].
_NOBODY: Final = "access-check@di-salesforce.invalid"


def check_access(settings: Settings, connection: str, id_projects: Sequence[int]) -> Flow[list[str]]:
    """Try what reading takes, writing nothing, and say in plain words what is missing."""
    missing: list[str] = []
    for step in _access_steps(settings, connection, id_projects):
        try:
            yield from step
        except (ApiError, TransportError) as error:
            missing.append(str(error))
            if isinstance(error, (AuthenticationError, TransportError)):
                break  # the other steps would meet the same
    return missing


def _access_steps(settings: Settings, connection: str, id_projects: Sequence[int]) -> Iterator[Flow[object]]:
    yield list_projects(settings, connection)
    for id_project in id_projects:
        yield project_schema(settings, connection, id_project)
        yield find_rows(settings, connection, ContactList(id_project), "EMail", [_NOBODY])
