"""A whole integration in one TOML file: what corresponds, which store, and where in the environment the log-ins stand.

What may not go in here: secrets (a file names environment variables, never their contents), deciding, printing.

Besides the declaration (`Integration.to_toml`) the file has a table `job`, all of it optional::

    [job]
    store = "di-sync.db"                  # beside the file; SQLite
    salesforce = "SALESFORCE_"            # how the names of the log-in's environment variables begin
    dialog_insight = "DIALOG_INSIGHT_"    # the same; or a table with one such beginning for each project
    max_writes = 5000                     # where a run stops

    [job.capabilities]                    # what your Dialog Insight can do, as far as you found out
    clauseless_get = true
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Final, Self, TypeGuard, TypeVar

import attrs

from di_salesforce.clients import DialogInsightClient, SalesforceClient
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.mapping import Integration
from di_salesforce.salesforce._auth import NO_LOG_IN
from di_salesforce.stores import SQLiteStore
from di_salesforce.synchronizer import Synchronizer

__all__ = ["Job"]

C = TypeVar("C")  # a client of either service

_SALESFORCE: Final = "SALESFORCE_"
_DIALOG_INSIGHT: Final = "DIALOG_INSIGHT_"


@attrs.frozen
class Job:
    """An integration with its store and its log-ins, as one file has them; `connect` opens all of it.

    Args:
        integration: What corresponds.
        store: Path of the SQLite store.
        salesforce: How the names of Salesforce's environment variables begin.
        dialog_insight: The same for Dialog Insight: one for all projects, or one for each by its name.
        capabilities: What the Dialog Insight account can do.
        max_writes: Where a run stops; None: nowhere.
    """

    integration: Integration
    store: Path
    salesforce: str = _SALESFORCE
    dialog_insight: str | Mapping[str, str] = _DIALOG_INSIGHT
    capabilities: Capabilities = attrs.field(factory=Capabilities)
    max_writes: int | None = None

    @classmethod
    def from_file(cls, path: str | PathLike[str], *, functions: Mapping[str, Callable[..., Any]] | None = None) -> Self:
        """Read a job from a `.toml` or `.json` file.

        Args:
            path: The file; its store is beside it.
            functions: The functions that the declaration names, by registered name.

        Raises:
            ConfigurationError: The file cannot be read, or with everything that is wrong in it.

        Example:
            >>> from pathlib import Path
            >>> _ = Path("people.toml").write_text('''
            ... version = 1
            ... [[transfers]]
            ... name = "people"
            ... sobject = "Contact"
            ... fields = [{ salesforce = "Email", dialog_insight = "EMail", key = true }]
            ... [job]
            ... store = "people.db"
            ... ''')
            >>> job = Job.from_file("people.toml")
            >>> job.integration.names, str(job.store)
            (('people',), 'people.db')
        """
        from di_salesforce._declaration_data import read_file  # here: it brings cattrs

        file = Path(path)
        data = read_file(file)
        told: dict[str, Any] = data.pop("job", {}) if _is_table(data) else {}  # checked before it is used
        problems = list(_wrong(told))
        try:
            integration = Integration.from_dict(data, functions=functions)
        except ConfigurationError as error:
            raise ConfigurationError([*error.problems, *problems], what=str(file)) from None
        projects = {project.name for project in integration.projects}
        named = told.get("dialog_insight") if not problems else None
        if _is_table(named) and set(named) != projects:
            sentence = f"must have one entry for each project: {', '.join(sorted(projects))}"
            problems.append(Problem("job.dialog_insight", sentence, "job.invalid"))
        if problems:
            raise ConfigurationError(problems, what=str(file))
        return cls(
            integration,
            file.parent / told.get("store", f"{file.stem}.db"),
            told.get("salesforce", _SALESFORCE),
            told.get("dialog_insight", _DIALOG_INSIGHT),
            Capabilities.from_dict(told.get("capabilities", {})),
            told.get("max_writes"),
        )

    @contextmanager
    def connect(self, environ: Mapping[str, str] | None = None) -> Generator[Synchronizer, None, None]:
        """Open clients and store, give the synchronizer, and close everything at the end.

        Args:
            environ: Instead of the process environment.

        Raises:
            ConfigurationError: No log-in is complete, or the integration has a transfer without a project.
            StoreError: The store cannot be opened.
        """
        given = os.environ if environ is None else environ
        with ExitStack() as stack:
            salesforce = stack.enter_context(
                _with_names(self.salesforce, _SALESFORCE, given, SalesforceClient.from_env)
            )

            def dialog_insight(prefix: str) -> DialogInsightClient:
                client = _with_names(
                    prefix,
                    _DIALOG_INSIGHT,
                    given,
                    lambda names: DialogInsightClient.from_env(names, capabilities=self.capabilities),
                )
                return stack.enter_context(client)

            both = (
                dialog_insight(self.dialog_insight)
                if isinstance(self.dialog_insight, str)
                else {project: dialog_insight(prefix) for project, prefix in self.dialog_insight.items()}
            )
            yield stack.enter_context(
                Synchronizer(
                    self.integration, salesforce=salesforce, dialog_insight=both, store=SQLiteStore(str(self.store))
                )
            )


def _with_names(prefix: str, usual: str, environ: Mapping[str, str], make: Callable[[Mapping[str, str]], C]) -> C:
    """Make a client (of either class) from variables whose names begin otherwise than usual; errors name the file's."""
    renamed = {usual + name.removeprefix(prefix): value for name, value in environ.items() if name.startswith(prefix)}
    try:
        return make(renamed)
    except ConfigurationError as error:
        problems = [
            Problem(problem.path.replace(usual, prefix), problem.message.replace(usual, prefix), problem.code)
            for problem in error.problems
        ]
        raise ConfigurationError(
            problems, what=NO_LOG_IN if usual == _SALESFORCE else "environment variables"
        ) from None


def _is_table(value: object) -> TypeGuard[dict[str, Any]]:  # of a file
    return isinstance(value, dict)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_MEMBERS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {  # any plain data of a file
    "store": (_is_name, "a path"),
    "salesforce": (_is_name, "how the names of environment variables begin, such as SALESFORCE_"),
    "dialog_insight": (
        lambda value: _is_name(value) or (_is_table(value) and all(map(_is_name, value.values()))),
        "how the names of environment variables begin, such as DIALOG_INSIGHT_, or one such for each project",
    ),
    "capabilities": (_is_table, "a table"),
    "max_writes": (_is_count, "a whole number"),
}
"""What `job` may hold."""


def _wrong(told: object) -> Iterator[Problem]:
    """Find everything that is wrong with the table `job`; its values may be secrets, so none is repeated."""
    if not _is_table(told):
        yield Problem("job", "must be a table", "job.invalid")
        return
    for name, value in told.items():
        if name not in _MEMBERS:
            known = ", ".join(_MEMBERS)
            sentence = f"is not known: a job has {known}; log-ins stand in the environment"
            yield Problem(f"job.{name}", sentence, "job.invalid")
        elif not _MEMBERS[name][0](value):
            yield Problem(f"job.{name}", f"must be {_MEMBERS[name][1]}", "job.invalid")
        elif name == "capabilities":
            yield from _wrong_capabilities(value)


def _wrong_capabilities(value: Mapping[str, Any]) -> Iterable[Problem]:  # plain data of a file
    try:
        Capabilities.from_dict(value)
    except ConfigurationError as error:
        return [
            Problem(f"job.capabilities.{problem.path}".rstrip("."), problem.message, problem.code)
            for problem in error.problems
        ]
    return []
