"""What all REST routes share: the org, the user, open cursors and jobs, the day's allowance, one call's request.

What may not go in here: the routes.
"""

from __future__ import annotations

import json
import random
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn, cast

import attrs

from di_salesforce.testing._loopback import SimRequest
from di_salesforce.testing._sf_access import Caller
from di_salesforce.testing._sf_errors import Answer, Refusal, not_found
from di_salesforce.testing._sf_jobs import Job
from di_salesforce.testing._sf_query import Result, Runner
from di_salesforce.testing._sf_save import Hand, Saver
from di_salesforce.testing._sf_schema import StoredRow
from di_salesforce.testing._sf_store import Journal, Org, Table, numbered_id, undo

_MAX_CURSORS: Final = 50
"""Open cursors kept; the vendor kept ten a user, and documents two days now (facts 3.5).  The oldest goes first."""


@attrs.define
class Service:
    """The state behind the routes."""

    org: Org
    saver: Saver
    page_size: int
    daily_limit: int
    callers: Mapping[str, Caller]
    """Users that have permissions of their own."""
    calls_used: int = 0
    cursors: OrderedDict[str, Result] = attrs.field(factory=OrderedDict[str, Result], repr=False)
    jobs: dict[str, Job] = attrs.field(factory=dict[str, Job], repr=False)
    jobs_made: int = 0
    bulk_queries: int = 0
    _cursor_number: int = 0
    _pages: int = 0

    def caller(self, user_id: str) -> Caller:
        """Give a user with its permissions."""
        return self.callers.get(user_id) or Caller(user_id)

    def keep(self, result: Result) -> str:
        """Keep a result for its next pages and give the cursor's name: 18 characters, `0r8` in front [seen]."""
        self._cursor_number += 1
        name = numbered_id("0r8", self._cursor_number)
        self.cursors[name] = result
        while len(self.cursors) > _MAX_CURSORS:
            self.cursors.popitem(last=False)
        return name

    def shrunk(self, rows: int) -> int:
        """Give how many of the rows that a page may hold it does hold."""
        seed = self.org.switches.page_shrink
        if seed is None:
            return rows
        self._pages += 1
        return random.Random(f"{seed} {self._pages}").randint(1, rows)  # noqa: S311 - repeatable on purpose, no secret

    def live_rows(self, result: Result, rows: Sequence[StoredRow]) -> list[StoredRow]:
        """Give the rows as they are now, where the switch says that later pages show them so."""
        if result.table is None or not self.org.switches.cursor_reads_live:
            return list(rows)
        current = (result.table.rows.get(str(row["Id"])) for row in rows)
        return [row for row in current if row is not None]


@attrs.frozen
class ApiCall:
    """One REST call: who makes it, the request, the version in its path, and the variable parts of its route."""

    service: Service
    caller: Caller
    request: SimRequest
    version: str
    part: Mapping[str, str]

    @property
    def org(self) -> Org:
        """The org that is called."""
        return self.service.org

    @property
    def base(self) -> str:
        """The path of the version."""
        return f"/services/data/v{self.version}"

    @property
    def runner(self) -> Runner:
        """A query runner that writes addresses of this version."""
        return Runner(self.service.org, self.base, self.caller)

    def table(self) -> Table:
        """Give the table that the path names."""
        table = self.org.table(self.part["sobject"])
        if table is None:
            raise not_found()
        return table

    def flag(self, name: str) -> bool:
        """Read a true-or-false query parameter."""
        return self.request.query.get(name, "").lower() == "true"

    def json_object(self) -> dict[str, Any]:  # any JSON object: this is the wire
        """Read the body as a JSON object; raises `JSON_PARSER_ERROR` with line and column."""
        try:
            value: object = json.loads(self.request.body.decode("utf-8-sig"), parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            place = f"at [line:{error.lineno}, column:{error.colno}]"
            raise Refusal("JSON_PARSER_ERROR", f"{error.msg} {place}") from None
        except (ValueError, RecursionError):
            raise Refusal("JSON_PARSER_ERROR", "The HTTP entity body is not valid JSON at [line:1, column:1]") from None
        if not isinstance(value, dict):
            raise Refusal("JSON_PARSER_ERROR", "The HTTP entity body must be a JSON object at [line:1, column:1]")
        return cast("dict[str, Any]", value)

    def place(self, refused: Refusal) -> Refusal:
        """Complete a `JSON_PARSER_ERROR` with the place of the first such key in the body, as the vendor does."""
        if refused.code != "JSON_PARSER_ERROR" or refused.key is None:
            return refused
        body = self.request.body.decode("utf-8", "replace")
        at = max(body.find(f'"{refused.key}"'), 0)
        line, column = body.count("\n", 0, at) + 1, at - body.rfind("\n", 0, at)
        return Refusal(refused.code, f"{refused.message} at [line:{line}, column:{column}]", refused.fields)

    @contextmanager
    def saving(self) -> Generator[Hand, None, None]:
        """Save as the API user; a refusal takes back whatever was saved before it."""
        journal: Journal = []
        header = self.request.headers.get("sforce-duplicate-rule-header", "")
        allowed = "allowsave=true" in header.replace(" ", "").lower()
        try:
            yield Hand(self.caller.user_id, self.caller, allow_duplicates=allowed, journal=journal)
        except Refusal:
            undo(journal)
            raise


Route = Callable[[ApiCall], Answer]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are Python's idea of JSON, not the vendor's
