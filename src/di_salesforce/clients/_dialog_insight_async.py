"""The Dialog Insight client for asyncio: one line per method over the flows of `di_salesforce.dialog_insight`.

What may not go in here: decisions of any kind.  `_dialog_insight.py` has the same names, parameters
and docstrings, which a test compares; the two differ by `await` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from di_salesforce._findings import Findings
from di_salesforce.clients._dialog_insight import CONNECTION, UPSERT, environment, session
from di_salesforce.dialog_insight import (
    DEFAULT_HOST,
    Capabilities,
    Confirm,
    ConfirmRow,
    ContactList,
    Discovery,
    MergeOptions,
    MergeResult,
    Probe,
    ProjectSummary,
    RelationalTable,
    Settings,
    Target,
)
from di_salesforce.dialog_insight import _flows as flows
from di_salesforce.dialog_insight._discovering import discover
from di_salesforce.dialog_insight._discovering_tables import discover_table
from di_salesforce.dialog_insight._verifying import verify
from di_salesforce.pacing import Pace
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Side, Value
from di_salesforce.retry import RetryPolicy
from di_salesforce.runners import AsyncConnection, AsyncPacedConnection, AsyncRunner, Observer
from di_salesforce.schema import TableSchema
from di_salesforce.transports._httpx import DEFAULT_TIMEOUT, AsyncHttpClient, AsyncHttpxConnection
from di_salesforce.wire import Flow

__all__ = ["AsyncDialogInsightClient", "AsyncProject", "AsyncRecords"]

T = TypeVar("T")


class AsyncRecords:
    """The contacts of a project, or the rows of a relational table.

    Made by `client.project(id).contacts` and `client.table(id)`.  Rows are plain dicts: contact fields by their code
    without the wire's `f_` (`EMail`), opt-ins and their dates by their wire name (`optin_news`, `dtOptin_news`),
    relational fields as they are called.  Values are as Dialog Insight renders them, with exact decimals.
    """

    def __init__(self, client: AsyncDialogInsightClient, target: Target) -> None:
        self._client = client
        self.target = target

    def __repr__(self) -> str:
        return f"<{self.target}>"

    async def get(self, /, **equal: Value) -> list[Row]:
        """Read the records whose fields have these values, or every record.

        Args:
            equal: fields by their names in rows, and the values to look for.  Of several, the service is asked for the
                first, and the answer is sifted by the others (see `find`).  None: every record, which needs
                `Capabilities(clauseless_get=True)`.

        Returns:
            The rows, perhaps none.

        Raises:
            ConfigurationError: a blank value, or every record without that capability; nothing was sent.
            ApiError, TransportError: the service refused, or did not answer.

        Example:
            `contacts.get(EMail="ada@test.example")`
        """
        return await self._client.run(flows.get_rows(*self._client.context, self.target, equal))

    async def find(
        self,
        field: str | Sequence[str],
        values: Iterable[Value | tuple[Value, ...]],
        *,
        progress: Progress | None = None,
    ) -> list[Row]:
        """Read the records that have one of these values: one call for each value, several at once.

        Args:
            field: a field's name in rows, or several names for a composite key.
            values: values, or tuples of values; repeated ones are asked for once.  Of several fields the service is
                asked for the first alone, unless `Capabilities(clause_lists=True)`; a row whose rendering leaves open
                whether the others fit is kept.
            progress: told how many look-ups are done.

        Returns:
            The rows found, each once, in the order of the values; how the service compares texts is unknown.

        Raises:
            ConfigurationError: a blank value; nothing was sent.
            ApiError, TransportError: the service refused, or did not answer.
        """
        return await self._client.run(
            flows.find_rows(*self._client.context, self.target, field, values, progress=progress)
        )

    async def merge(
        self,
        rows: Sequence[Row],
        *,
        key: str | Sequence[str],
        options: MergeOptions = UPSERT,
        progress: Progress | None = None,
    ) -> list[MergeResult]:
        """Create and update records, and say of each what became of it.

        Fields that a row leaves out stay as they are; a blank clears.  Dates without a zone are sent as they are, aware
        date-times are refused, since Dialog Insight knows no zones.

        Args:
            rows: dicts with names as in the rows that are read; each holds the key.
            key: the field, or the fields, that name a record; `idContact` for contacts that exist.
            options: what may be done; by default known keys are updated and unknown ones created.
            progress: told how many rows have an outcome.

        Returns:
            One result per row, in order.  A row that cannot be sent is a refusal of its own; where the answer to a
            slice was lost, its rows are `unknown`.  Look at `.status` of every result: a merge that returns has not
            necessarily stored every row.

        Raises:
            ConfigurationError: the key cannot work with the options; nothing was sent.
            ApiError, TransportError: nothing was written, and no row is in doubt.
        """
        return await self._client.run(
            flows.merge_rows(*self._client.context, self.target, rows, key=key, options=options, progress=progress)
        )

    async def delete(self, /, *, max_rows: int = 1, **equal: Value) -> int:
        """Delete the records whose field has a value, for good; a contact goes with its history and relational rows.

        Args:
            max_rows: the most records that may be meant; what the service does when more match is unknown.
            equal: exactly one field by its name in rows, and the value to look for.

        Returns:
            How many records were deleted.

        Raises:
            ConfigurationError: without `Capabilities(delete=True)`, or not one field; nothing was sent.
            ApiError, TransportError: the service refused, or did not answer; a delete is never repeated by itself.
        """
        return await self._client.run(
            flows.delete_rows(*self._client.context, self.target, equal=equal, max_rows=max_rows)
        )

    async def verify(self, schema: TableSchema, *, row: Row | None = None) -> Findings:
        """Hold the declared schema of a relational table against what the service accepts.

        Dialog Insight does not describe relational tables, so their schemas are declared.  Each declared column but
        those of two values is asked for with a value that no record is likely to have; of rows that are seen all the
        same, names and types are compared.
        Nothing is written unless you give a test record.

        Args:
            schema: as you declare it in `DestinationProject(tables=...)`.
            row: a test record with a key that is in use nowhere: it is created, compared with what was kept, and
                deleted where the key is one field and `Capabilities(delete=True)`.  None: nothing is written.

        Returns:
            Findings whose paths are columns; errors are what the service refuses.

        Raises:
            ConfigurationError: the row has not the whole key, or names what is not declared; nothing was sent.
            ApiError, TransportError: the table cannot be reached.
        """
        return await self._client.run(verify(*self._client.context, self.target, schema, row=row))


class AsyncProject:
    """One project: its description, and its contacts.  Made by `client.project(id)`, which sends nothing."""

    def __init__(self, client: AsyncDialogInsightClient, id_project: int) -> None:
        self._client = client
        self.id = id_project

    def __repr__(self) -> str:
        return f"<project {self.id}>"

    @property
    def contacts(self) -> AsyncRecords:
        """The project's contact list."""
        return AsyncRecords(self._client, ContactList(self.id))

    async def info(self) -> TableSchema:
        """Read the fields and opt-ins of the contact list.

        Returns:
            The schema; what Dialog Insight says of a type is in `raw_type`, since the meaning of its words is unknown.

        Raises:
            ApiError, TransportError: the service refused, or did not answer.
        """
        return await self._client.run(flows.project_schema(*self._client.context, self.id))


class AsyncDialogInsightClient:
    """A client of Dialog Insight's web services; the methods of the `Async` one are awaited.

    Args:
        id_key: the number of a web-service key (Users / Web services in the application).
        key: the key itself; never shown, never logged.
        host: `app.dialoginsight.com`, or `app.mydialoginsight.com` for accounts in France; a name or a base URL.
        capabilities: what is known of this account's service; the defaults claim nothing.
        retry: when and how often a call is repeated.
        pace: how many requests may be under way at once, and how many may begin in a second.
        http_client: your own `httpx.Client` (or `AsyncClient`), with its proxies and certificates; you close it.
        timeout: seconds without a byte before a call is given up.
        observer: told of every exchange.

    Raises:
        ConfigurationError: no key, a host that is none, or plain http to another machine.
    """

    def __init__(
        self,
        *,
        id_key: int | str,
        key: str,
        host: str = DEFAULT_HOST,
        capabilities: Capabilities | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        pace: Pace = Pace(),  # noqa: B008 - a frozen value
        http_client: AsyncHttpClient | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        observer: Observer | None = None,
    ) -> None:
        self.settings = Settings(capabilities or Capabilities(), retry)
        self._transport = AsyncHttpxConnection(
            Side.DIALOG_INSIGHT, session(id_key, key, host), http_client=http_client, timeout=timeout
        )
        self.connection: AsyncConnection = AsyncPacedConnection(self._transport, pace)
        self._runner = AsyncRunner({CONNECTION: self.connection}, observer=observer)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Any) -> Self:  # __init__'s own parameters
        """Make a client from `DIALOG_INSIGHT_ID_KEY`, `DIALOG_INSIGHT_KEY` and, where it is set, `DIALOG_INSIGHT_HOST`.

        Args:
            environ: instead of the process environment.
            options: further arguments of the class.

        Raises:
            ConfigurationError: a variable is not set, or its content cannot be right.
        """
        return cls(**{**environment(environ), **options})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport!r})"

    @property
    def context(self) -> tuple[Settings, str]:
        """What every flow takes first: the settings, and the name of the connection."""
        return self.settings, CONNECTION

    async def run(self, flow: Flow[T]) -> T:
        """Carry out a flow of `di_salesforce.dialog_insight` through this client."""
        return await self._runner.run(flow)

    async def check_access(self, *id_projects: int) -> list[str]:
        """Try what a synchronisation needs, and say in plain words what is missing; writes nothing.

        Whether contacts and rows may be written shows only on the first write.

        Args:
            id_projects: projects whose description and contacts must be readable.

        Returns:
            One sentence for each thing that is missing; nothing is, if there is none.
        """
        return await self.run(flows.check_access(*self.context, id_projects))

    async def discover(
        self,
        id_project: int,
        *,
        confirm: Confirm,
        probe: Probe = Probe(),  # noqa: B008 - a frozen value
        progress: Progress | None = None,
    ) -> Discovery:
        """Find out on a test project what Dialog Insight's documents do not say; never use a project of real people.

        It takes about 60 calls of the key's quota, reads the contact list twice without a clause, writes two throw-away
        contacts and deletes them again.  A Merge of many records is tried with records that nobody has and that may not
        be created, so nothing of it is stored.

        Args:
            id_project: a project for tests, in which nobody else writes at that time.
            confirm: given each contact before it is written; False: write nothing, and find out what can be.
            probe: the key, what a contact must have, which field stands for which type, the spellings to try.
            progress: told how many questions have been gone into.

        Returns:
            The capabilities, to be stored with `to_dict()` and given to the next client, and a report: print it.

        Raises:
            ConfigurationError: the project has not the fields that the probe names, or requires others.
            ApiError, TransportError: the project could not be read; nothing was written.
        """
        return await self.run(discover(*self.context, id_project, confirm=confirm, probe=probe, progress=progress))

    async def discover_table(
        self,
        id_table: int,
        row: Row,
        *,
        key: str | Sequence[str],
        confirm: ConfirmRow,
        clean_up: bool = True,
        progress: Progress | None = None,
    ) -> Discovery:
        """Find out with one throw-away row how a relational table is read, how its fields are cleared, and more.

        It takes about a dozen calls of the key's quota and 8 for each filled field.  The row is written, its fields are
        cleared one by one with null and with an empty text, and it is deleted.

        Args:
            id_table: a table of a project for tests, in which nobody else writes at that time.
            row: what to write; fields that should be tried hold a value.
            key: the field, or the fields, that name the row; no row of the table may have the value of the first one,
                by which the row is found and deleted.
            confirm: given the row's key before it is written; False: write nothing, and find out what can be.
            clean_up: delete the row in the end.
            progress: told how many questions have been gone into.

        Returns:
            A report: print it.  Its capabilities are the client's without what this table does not do: what they claim
            is claimed for contacts and tables alike, so `discover` switches on, and `discover_table` only off.

        Raises:
            ConfigurationError: the key is not whole, or the value of its first field is in use; nothing was written.
            ApiError, TransportError: the table could not be read; nothing was written.
        """
        flow = discover_table(
            *self.context, id_table, row, key=key, confirm=confirm, clean_up=clean_up, progress=progress
        )
        return await self.run(flow)

    async def projects(self) -> list[ProjectSummary]:
        """List the projects that the key may see.

        Raises:
            ApiError, TransportError: the service refused, or did not answer.
        """
        return await self.run(flows.list_projects(*self.context))

    def project(self, id: int) -> AsyncProject:  # noqa: A002 - the word of the contract, as in DestinationProject
        """Give a project by its number; sends nothing."""
        return AsyncProject(self, id)

    def table(self, id_table: int) -> AsyncRecords:
        """Give a relational table by its number (in the application's address line); sends nothing."""
        return AsyncRecords(self, RelationalTable(id_table))

    async def call(
        self, service: str, method: str, body: Mapping[str, Any], *, writes: bool = True, repeatable: bool = False
    ) -> dict[str, Any]:  # members of any JSON value
        """Call any method of any service, with the same key, retries and errors as the others.

        Args:
            service: as in `Contacts`.
            method: as in `Get`.
            body: the members of the request besides `AuthKey`, as they stand on the wire.
            writes: whether it may change data.
            repeatable: whether carrying it out twice does no harm, so that it may be sent again after a lost answer.

        Returns:
            The members of the answer, without `Trace`; decimals are exact.

        Raises:
            ConfigurationError: names that cannot be right, or a body that JSON cannot hold; nothing was sent.
            ApiError, TransportError: the service refused, or did not answer.
        """
        return await self.run(flows.raw(*self.context, service, method, body, writes=writes, repeatable=repeatable))

    async def close(self) -> None:
        """Close the connections to the service, unless they belong to an `http_client` of yours."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
