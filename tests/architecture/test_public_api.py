"""Guards of the public names: they are those of DESIGN section 5, with those parameters, documented, and nothing hides.

The tables are that section as data.  `=...` stands for any default or none; an addition must be optional, a rename or a
removal fails.  What is not built yet stands in `NOT_YET_BUILT`, which only shrinks: a name there that exists fails too.
"""

from __future__ import annotations

import enum
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import di_salesforce
from di_salesforce.records import UNSET
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction

DOCS = Path(__file__).parents[2] / "docs" / "reference"

CALLABLES = {
    # declare
    "converters.text": "",
    "converters.integer": "",
    "converters.decimal": "",
    "converters.boolean": "",
    "converters.negate": "",
    "converters.date": "",
    "converters.datetime": "",
    "converters.email": "",
    "converters.phone": "",
    "converters.choice": "values",
    "converters.multi_choice": "",
    "converters.record_id": "",
    "converters.pair": "...",
    "FieldMapping": "salesforce, dialog_insight, *, key=False, direction=Direction.BOTH, converter=None, "
    "conflict=ConflictPolicy.HOLD, first_match=None, salesforce_default=UNSET, dialog_insight_default=UNSET, "
    "references=None, group=None",
    "OptIn": "code",
    "OptInDate": "code",
    "Constant": "field, value, *, side, on='create'",
    "DestinationProject": "name, *, id, type=None, tables=..., time_zone=None",
    "ObjectTransfer": "name, *, sobject, table='Contact', project=None, fields, triggers=None, salesforce_filter=None, "
    "dialog_insight_filter=None, first_match=ConflictPolicy.HOLD, deletes=Deletes.REPORT, active=True",
    "ObjectTransfer.resolved": "salesforce_schema=..., dialog_insight_schema=...",
    "ObjectTransfer.with_key": "...",
    "ObjectTransfer.with_field": "...",
    "ObjectTransfer.without_fields": "...",
    "Integration": "transfers",
    "Integration.from_file": "path, *, functions=...",
    "Integration.to_toml": "",
    "Integration.from_dict": "...",
    "Integration.to_dict": "",
    "check": "integration_or_transfer, *, salesforce=None, dialog_insight=None",
    "suggest_transfer": "salesforce_schema, dialog_insight_schema, *, name",
    # the engine
    "engine.Snapshot.complete": "rows, *, scope=None, as_of=None, deleted=(), merged=..., converted=...",
    "engine.Snapshot.changes": "rows, *, as_of=None, deleted=(), merged=..., converted=...",
    "engine.Snapshot.sample": "rows, *, as_of=None, deleted=(), merged=..., converted=...",
    "engine.Baseline.empty": "",
    "engine.Baseline.from_dicts": "...",
    "engine.Baseline.to_dicts": "",
    "engine.Baseline.updated": "settlement",
    "engine.Baseline.distrust": "",
    "engine.reconcile": "transfer, *, salesforce, dialog_insight, baseline, now, context=...",
    "engine.Plan.summary": "",
    "engine.Plan.explain": "key",
    "engine.Plan.only": "...",
    "engine.Plan.without": "...",
    "engine.Plan.resolve": "key, *, keep, fields=None",
    "engine.Plan.accept": "key, *, fields=None",
    "engine.Plan.resolve_matches": "...",
    "engine.Plan.supplied": "*, salesforce=..., dialog_insight=...",
    "engine.Plan.to_dict": "",
    "engine.Plan.from_dict": "...",
    "engine.Outcome.done": "record_id=None, stored=None",
    "engine.Outcome.refused": "code, message, fields=()",
    "engine.Outcome.stale": "",
    "engine.Outcome.unknown": "",
    "engine.settle": "plan, outcomes, *, now",
    # connect
    "SalesforceClient": "*, auth, api_version=..., retry=..., budget=None, http_client=None",
    "AsyncSalesforceClient": "*, auth, api_version=..., retry=..., budget=None, http_client=None",
    "salesforce.AccessToken": "instance_url, token",
    **{
        f"{client}.{method}": "..."
        for client in ("SalesforceClient", "AsyncSalesforceClient")
        for method in (
            "from_env from_simple_salesforce to_simple_salesforce check_access describe schema query get create update "
            "upsert delete create_many bulk_query bulk_ingest changed_since deleted_since limits request"
        ).split()
    },
    "DialogInsightClient": "*, id_key, key, host='app.dialoginsight.com', capabilities=None",
    "AsyncDialogInsightClient": "*, id_key, key, host='app.dialoginsight.com', capabilities=None",
    **{
        f"{client}.{method}": parameters
        for client in ("DialogInsightClient", "AsyncDialogInsightClient")
        for method, parameters in {
            "from_env": "...",
            "check_access": "...",
            "projects": "",
            "project": "id",
            "call": "service, method, body",
            "discover": "...",
            "discover_table": "id_table, row, *, key, confirm, clean_up=True",
        }.items()
    },
    # run
    "Synchronizer": "integration, *, salesforce, dialog_insight, store",
    "AsyncSynchronizer": "integration, *, salesforce, dialog_insight, store",
    **{
        f"{synchronizer}.{method}": parameters
        for synchronizer in ("Synchronizer", "AsyncSynchronizer")
        for method, parameters in {
            "check": "",
            "plan": "*transfers, keys=None",
            "apply": "plan, progress=None",
            "run": "*transfers, keys=None, max_writes=None, first_run=False, progress=None",
            "compare": "",
            "status": "",
            "failed": "",
            "history": "key",
            "undo": "run_id",
            "cost": "plan",
            "notify": "events",
        }.items()
    },
    "MemoryStore": "",
    "SQLiteStore": "path",
    "PostgresStore": "dsn",
}
"""Functions, classes and methods with their parameters, `self` left out; `...` alone: they are not laid down."""

ATTRIBUTES = {
    "Side": "SALESFORCE DIALOG_INSIGHT",
    "Direction": "BOTH TO_DIALOG_INSIGHT TO_SALESFORCE",
    "Trigger": "SALESFORCE_CREATED SALESFORCE_UPDATED DIALOG_INSIGHT_CREATED DIALOG_INSIGHT_UPDATED ALL",
    "ProjectType": "A B triggers recommended_key",
    "ConflictPolicy": "HOLD SALESFORCE_WINS DIALOG_INSIGHT_WINS FILL_BLANKS MOST_RESTRICTIVE",
    "Deletes": "REPORT UNLINK DELETE",
    "engine.Baseline": "links",
    "engine.Plan": "actions writes needs conflicts rejects ambiguous digest",
    **{
        f"engine.{action}": "id transfer key reason kind"
        for action in ("Create", "Update", "Delete", "Link", "Unlink", "Skip", "Conflict", "Reject")
    },
    "engine.Need": "record_id key",
    "engine.Settlement": "report changed_links removed_links open_items tombstones",
}
"""Attributes, separated by blanks, of classes whose constructors are not laid down."""

WRITE_ATTRIBUTES = "side record_id values based_on changes"
ATTRIBUTES |= {name: f"{ATTRIBUTES[name]} {WRITE_ATTRIBUTES}" for name in ("engine.Create", "engine.Update")}

NAMES = frozenset(
    """
    AsyncDialogInsightClient AsyncSalesforceClient AsyncSynchronizer Baseline ConflictPolicy Constant Deletes
    DestinationProject DialogInsightClient Direction DISalesforceError FieldMapping Integration MemoryStore
    ObjectTransfer OptIn OptInDate Outcome Plan PostgresStore ProjectType RetryPolicy SalesforceClient Side Snapshot
    SQLiteStore Synchronizer Trigger UNSET check converters engine exceptions reconcile settle suggest_transfer
    engine.Context
    salesforce.ClientCredentials salesforce.JWTBearer salesforce.RefreshToken salesforce.UsernamePassword
    """.split()
)
"""What can be had from `di_salesforce` and its public modules, besides the tables above."""

NOT_YET_BUILT = frozenset(
    """
    """.split()
)
"""Names of DESIGN section 5 that wait for a later issue, a class for all that is in it; this set only shrinks."""

NOT_YET_DOCUMENTED: frozenset[str] = frozenset(
    """
    """.split()
)
"""Public modules that have no entry in docs/reference yet; this set only shrinks."""


class MissingNameError(Exception):
    """A public name that the package does not have."""


def find(name: str) -> Any:  # any public object
    """Get a public object by its dotted name below the package; None for what only instances have."""
    found: Any = di_salesforce
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except (AttributeError, ModuleNotFoundError) as error:
            if inspect.ismodule(found) and importlib.util.find_spec(f"{found.__name__}.{part}"):
                found = importlib.import_module(f"{found.__name__}.{part}")
            elif inspect.isclass(found) and any(part in inspect.get_annotations(base) for base in found.__mro__):
                found = None
            else:
                raise MissingNameError(name) from error
    return found


def exists(name: str) -> bool:
    """Tell whether the package has that public name, or that parameter of it (`name(parameter)`)."""
    owner, _, parameter = name.removesuffix(")").partition("(")
    try:
        found = find(owner)
    except MissingNameError:
        return False
    return not parameter or parameter in inspect.signature(found).parameters


def all_names() -> Iterator[str]:
    """List every name of the tables, attributes as `Class.attribute`, parameters as `name(parameter)`."""
    yield from sorted({*NAMES, *CALLABLES, *ATTRIBUTES})
    for owner, text in CALLABLES.items():
        if text != "...":
            yield from (f"{owner}({parameter})" for parameter in expected_parameters(text).parameters)
    for owner, names in ATTRIBUTES.items():
        yield from (f"{owner}.{name}" for name in names.split())


def waits(name: str) -> bool:
    """Tell whether a name, or what it belongs to, is not built yet."""
    parts = name.partition("(")[0].split(".")
    return name in NOT_YET_BUILT or any(".".join(parts[:end]) in NOT_YET_BUILT for end in range(1, len(parts) + 1))


def expected_parameters(text: str) -> inspect.Signature:
    """Read a parameter list of the table; `...` as a default stays an ellipsis."""
    words = {kind.__name__: kind for kind in (ConflictPolicy, Deletes, Direction)} | {"UNSET": UNSET}
    return inspect.signature(eval(f"lambda {text}: None", words))  # the tables of this file


def differences(found: Callable[..., object], text: str) -> Iterator[str]:
    """Compare the parameters of a public object with those of the same names in the table."""
    actual = [parameter for parameter in inspect.signature(found).parameters.values() if parameter.name != "self"]
    by_name = {parameter.name: parameter for parameter in actual}
    wanted = list(expected_parameters(text).parameters.values())
    positional = [p.name for p in actual if p.kind is p.POSITIONAL_OR_KEYWORD]
    for place, want in enumerate(wanted):
        have = by_name.get(want.name)
        if have is None:
            continue  # test_the_names_of_the_design_exist tells
        if have.kind is not want.kind:
            yield f"{want.name} is {have.kind.description}, not {want.kind.description}"
        elif want.kind is want.POSITIONAL_OR_KEYWORD and positional.index(want.name) != place:
            yield f"{want.name} stands in another place"
        elif want.default is not ... and have.default not in (want.default, attrs.NOTHING):
            yield f"{want.name} defaults to {have.default!r}, not {want.default!r}"
    for extra in actual:
        collects = extra.kind in (extra.VAR_POSITIONAL, extra.VAR_KEYWORD)
        if extra.name not in {want.name for want in wanted} and extra.default is extra.empty and not collects:
            yield f"{extra.name} is an addition that is not optional"


@pytest.mark.parametrize("name", [name for name in sorted(CALLABLES) if not waits(name)])
def test_signatures_are_those_of_the_design(name: str) -> None:
    """Each public function, class and method takes the parameters that were agreed on; additions are optional."""
    found = find(name)
    assert callable(found)
    if CALLABLES[name] != "...":
        assert list(differences(found, CALLABLES[name])) == []


def test_the_names_of_the_design_exist() -> None:
    """Each public name exists, or stands in the list of what is not built yet; never both."""
    names = set(all_names())
    there = {name for name in names if exists(name)}
    assert sorted(name for name in names - there if not waits(name)) == [], "missing"
    assert sorted(there & NOT_YET_BUILT) == [], "built: take them off NOT_YET_BUILT"
    assert sorted(NOT_YET_BUILT - names) == [], "of no table"


@pytest.mark.parametrize(
    ("table", "complaints"),
    [
        ("first, second=1, *, third=...", 0),
        ("first, second=2, *, third=...", 1),
        ("second=1, first=..., *, third=...", 2),
        ("first, second=1, third=...", 1),
        ("first, second=1, *, fourth", 1),
        ("first, *, third", 0),
        ("first, second=1", 1),
    ],
)
def test_the_guard_itself(table: str, complaints: int) -> None:
    """The comparison sees a default, an order, a kind, a name and a required parameter that differ."""

    def found(first: str, second: int = 1, *, third: bool, fifth: bool = False) -> None:
        """Take some parameters."""

    assert len(list(differences(found, table))) == complaints


def test_exports_exist() -> None:
    """Every name that the package exports can be had, is listed once, and shows up on tab."""
    names = list(di_salesforce.__all__)
    assert len(names) == len(set(names))
    assert set(names) <= set(dir(di_salesforce))
    assert [name for name in names if not hasattr(di_salesforce, name)] == []


def public_modules() -> Iterator[str]:
    """List the modules whose names have no underscore, below the package."""
    package = Path(di_salesforce.__file__).parent
    for path in sorted(package.rglob("*.py")):
        parts = [part for part in path.relative_to(package).with_suffix("").parts if part != "__init__"]
        if parts and not any(part.startswith("_") for part in parts):
            yield ".".join(parts)


def documented(directives: str) -> set[str]:
    """List what the reference makes entries of with some of autodoc's directives, below the package."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md")))
    return set(re.findall(rf"^\.\. (?:{directives}):: di_salesforce\.([\w.]+)$", pages, flags=re.MULTILINE))


def exported(module: str) -> list[str]:
    """List what a module of the package exports; a package may export nothing."""
    return list(getattr(importlib.import_module(f"di_salesforce.{module}"), "__all__", ()))


def test_every_public_module_is_documented() -> None:
    """Each module that exports something has its entry in the reference, or stands in the list of what waits."""
    modules, entries = set(public_modules()), documented("automodule")
    public = {module for module in modules if exported(module)}
    assert sorted(public - entries - NOT_YET_DOCUMENTED) == [], "missing in docs/reference"
    assert sorted(entries & NOT_YET_DOCUMENTED) == [], "documented: take them off NOT_YET_DOCUMENTED"
    assert sorted((entries | NOT_YET_DOCUMENTED) - modules) == [], "no such module"


def test_every_public_name_is_documented() -> None:
    """Each name that the package exports has an entry in the reference, and a docstring of its own."""
    entries = {name for module in documented("automodule") for name in (*exported(module), module)}
    entries |= documented("autofunction|autoclass|autodata") | NOT_YET_DOCUMENTED
    names = [name for name in di_salesforce.__all__ if not name.startswith("__")]
    assert [name for name in names if name not in entries] == []
    objects = {name: getattr(di_salesforce, name) for name in names}
    plain = {name for name, value in objects.items() if isinstance(value, enum.Enum | str)}
    assert [name for name in names if name not in plain and not inspect.getdoc(objects[name])] == []
