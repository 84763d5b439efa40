"""Guards of the house: which module may import what, what an import costs, how files are named and how long they are.

The tables below are DESIGN section 3 as data: where the house changes, change them, and nothing else in this file.
"""

from __future__ import annotations

import ast
import fnmatch
import importlib
import inspect
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs
import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
PACKAGE = "di_salesforce"


@attrs.frozen
class Room:
    """Some modules, and what they may import besides each other and harmless modules of the standard library."""

    modules: tuple[str, ...]  # names or patterns, with all that is below them
    rooms: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    on_use: tuple[str, ...] = ()  # rooms and outside packages, inside functions only
    effects: tuple[str, ...] = ()


VALUES = ("attrs", "typing_extensions")
PURE = ("words", "declarations")
VENDORS = ("protocol", "salesforce", "dialog_insight")
INNER = (*PURE, "engine", *VENDORS, "transports", "stores", "runners", "clients", "orchestration")

ROOMS = {
    "words": Room(
        ("records", "exceptions", "protocols", "_cells", "_listing"),
        outside=VALUES,
        effects=("os",),  # a path is a parameter of Tabular.to_csv
    ),
    "declarations": Room(
        (
            *("schema", "converters", "*_lenses", "triggers", "mapping", "_line", "_declared"),
            *("_check*", "_compatibility", "_findings", "_suggest*", "_topology"),
            *("_drift", "_inferred", "_schema_data", "_typed_module"),
        ),
        rooms=("words",),
        outside=VALUES,
        on_use=("declaration files",),
        effects=("os", "pathlib"),  # a path is a parameter of Integration.from_file
    ),
    "declaration files": Room(  # imported on use, so that cattrs is
        ("_declaration_*",),
        rooms=PURE,
        outside=(*VALUES, "cattrs"),
        on_use=("tomli_w",),
        effects=("os", "pathlib"),
    ),
    "engine": Room(("engine",), rooms=PURE, outside=VALUES),
    "protocol": Room(
        ("wire", "retry", "session", "pacing", "_telling", "_json_text"),
        rooms=PURE,
        outside=(*VALUES, "cattrs"),
        on_use=("msgspec",),
    ),
    "salesforce": Room(("salesforce",), rooms=(*PURE, "protocol"), outside=(*VALUES, "cattrs")),
    "dialog_insight": Room(("dialog_insight",), rooms=(*PURE, "protocol"), outside=(*VALUES, "cattrs")),
    "transports": Room(("transports",), rooms=(*PURE, *VENDORS), outside=VALUES),
    "httpx": Room(
        ("transports._httpx", "transports._in_process"),
        rooms=(*PURE, *VENDORS, "transports"),
        outside=(*VALUES, "httpx"),
        effects=("asyncio", "ssl", "threading"),  # TLS settings, one log-in for many callers
    ),
    "simple_salesforce": Room(
        ("transports._simple_salesforce",),
        rooms=(*PURE, *VENDORS, "transports"),
        outside=VALUES,
        on_use=("requests", "simple_salesforce"),
    ),
    "stores": Room(
        ("stores",),
        rooms=(*PURE, "engine", "protocol"),
        outside=VALUES,
        on_use=("psycopg",),
        effects=("os", "pathlib", "sqlite3", "threading"),
    ),
    "runners": Room(
        ("runners", "_surroundings"),
        rooms=(*PURE, "protocol", "transports"),
        outside=VALUES,
        effects=("asyncio", "concurrent", "threading", "time"),
    ),
    "clients": Room(
        ("clients",),
        rooms=(*PURE, *VENDORS, "transports", "httpx", "simple_salesforce", "runners"),
        outside=VALUES,
        effects=("os",),  # from_env
    ),
    "orchestration": Room(
        ("synchronizer", "synchronizing", "csvfiles", "jobs"),
        rooms=(*PURE, "engine", *VENDORS, "transports", "stores", "runners", "clients"),
        outside=VALUES,
        on_use=("declaration files",),
        effects=("asyncio", "os", "pathlib", "threading"),  # one run at a time, whoever calls
    ),
    "testing": Room(
        ("testing",),
        rooms=(*INNER, "httpx"),  # its simulators answer the real clients without a socket, too
        outside=VALUES,
        effects=(
            *("http", "os", "pathlib", "random", "signal", "socket", "subprocess", "tempfile", "threading", "time"),
            "urllib.request",  # webhooks are sent
        ),
    ),
    "testing tools": Room(
        (
            "testing.strategies",
            "testing._integrations",
            "testing.pytest_plugin",
            "testing.store_contract",
            "testing._store_moves",
            "testing._store_runs",
        ),
        rooms=(*INNER, "testing"),
        outside=(*VALUES, "hypothesis", "pytest"),
        effects=("concurrent", "pathlib", "threading"),  # a store must bear several threads, and reopening
    ),
    "display": Room(
        ("frames", "_notebook", "progress"), rooms=INNER, outside=VALUES, on_use=("pandas", "polars", "tqdm")
    ),
    "facade": Room(
        ("", "__main__"),
        rooms=(*INNER, "testing", "testing tools", "display"),
        outside=VALUES,
        effects=("logging.config", "os", "pathlib", "signal"),  # SIGTERM ends a run clean
    ),
}

EFFECTS = frozenset(
    "asyncio concurrent http logging.config logging.handlers multiprocessing os pathlib random secrets select shelve "
    "shutil signal smtplib socket socketserver sqlite3 ssl subprocess tempfile threading time urllib.request".split()
)
"""Standard modules that reach outside the values given to a function; the others may be imported anywhere."""

UPWARD_ON_USE = frozenset({"to_pandas", "to_polars", "as_rows", "_repr_html_", "unmasked"})
"""The only functions in which the display modules may be imported from below."""

FOREIGN_TO_THE_ENGINE = frozenset(
    {"httpx", "requests", "simple_salesforce", "cattrs", "asyncio", "socket", "ssl"}  # DESIGN section 3
)

MOST_LINES = 450  # about 400 is the house's measure; past this a file hides two rooms

TOO_LONG_FOR_NOW: frozenset[str] = frozenset()
"""Files past `MOST_LINES` that wait to be split; this set only shrinks."""


@attrs.frozen
class Import:
    """One module that another one imports, and where."""

    importer: str
    target: str
    line: int
    function: str | None  # None: at module level

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def module_name(path: Path) -> str:
    """Give the dotted name below the package: "" for the package itself."""
    parts = path.relative_to(SRC / PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted((SRC / PACKAGE).rglob("*.py"))}


def imports_of(module: str) -> Iterator[Import]:
    """Walk a file's imports: at module level, in functions, and under TYPE_CHECKING alike."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))

    def walk(node: ast.AST, function: str | None) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.Import(names=names):
                    yield from (Import(module, alias.name, child.lineno, function) for alias in names)
                case ast.ImportFrom(module=source, names=names):
                    for alias in names:
                        whole = f"{source}.{alias.name}"
                        is_module = whole.removeprefix(f"{PACKAGE}.") in FILES or whole in EFFECTS
                        yield Import(module, whole if is_module else str(source), child.lineno, function)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    yield from walk(child, name)
                case _:
                    yield from walk(child, function)

    yield from walk(tree, None)


def room_of(module: str) -> str | None:
    """Give the name of the module's room: that of its longest prefix in the table."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        for name, room in ROOMS.items():
            if any(fnmatch.fnmatchcase(".".join(parts[:end]), pattern) for pattern in room.modules):
                return name
    return None


def objection(found: Import) -> str | None:
    """Say why an import may not stand where it does, or None."""
    home = room_of(found.importer)
    assert home is not None, f"{found.importer}: say in ROOMS in which room the module stands"
    room = ROOMS[home]
    top = found.target.partition(".")[0]
    if top == PACKAGE:
        target = room_of(found.target.removeprefix(PACKAGE).removeprefix("."))
        allowed = (home, *room.rooms, *(room.on_use if found.function is not None else ()))
        upward = target == "display" and found.function in UPWARD_ON_USE
        return None if target in allowed or upward else f"{home} may not import {target}"
    if top in sys.stdlib_module_names:
        effects = {name for name in EFFECTS if found.target == name or found.target.startswith(f"{name}.")}
        return None if effects <= set(room.effects) else f"{home} may not reach outside by {found.target}"
    if top in room.outside or (found.function is not None and top in room.on_use):
        return None
    return f"{home} may import {top} inside functions only" if top in room.on_use else f"{home} may not import {top}"


@pytest.mark.parametrize("module", FILES, ids=lambda name: name or "__init__")
def test_imports_point_down(module: str) -> None:
    """Each module imports only what the table gives to its room."""
    objections = [f"{found}: {why}" for found in imports_of(module) if (why := objection(found))]
    assert not objections, "\n".join(objections)


@pytest.mark.parametrize(
    ("importer", "target", "function", "allowed"),
    [
        ("engine._plan", "json", None, True),
        ("engine._plan", "di_salesforce.wire", None, False),
        ("engine._plan", "di_salesforce._notebook", "_repr_html_", True),
        ("engine._plan", "di_salesforce._notebook", "reconcile", False),
        ("engine._plan", "time", None, False),
        ("engine._plan", "cattrs", "to_dict", False),
        ("mapping", "cattrs", None, False),
        ("mapping", "di_salesforce._declaration_data", None, False),
        ("mapping", "di_salesforce._declaration_data", "to_dict", True),
        ("salesforce._calls", "di_salesforce.dialog_insight._calls", None, False),
        ("salesforce._calls", "urllib.request", None, False),
        ("salesforce._calls", "urllib.parse", None, True),
        ("wire", "di_salesforce.engine", None, False),
        ("transports._simple_salesforce", "simple_salesforce", None, False),
        ("transports._simple_salesforce", "simple_salesforce", "log_in", True),
        ("clients", "httpx", None, False),
        ("clients.salesforce", "di_salesforce.transports._httpx", None, True),
        ("records", "di_salesforce.schema", None, False),
        ("synchronizer", "di_salesforce.testing", None, False),
    ],
)
def test_the_guard_itself(importer: str, target: str, function: str | None, *, allowed: bool) -> None:
    """The guard allows and refuses what DESIGN section 3 does: a guard that allows everything would pass as well."""
    assert (objection(Import(importer, target, 1, function)) is None) is allowed


@pytest.mark.parametrize("module", [PACKAGE, *(["di_salesforce.engine"] if "engine" in FILES else [])])
def test_an_import_is_cheap(module: str) -> None:
    """Importing the package or its engine in a fresh process loads no network, no event loop and no guest."""
    program = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    path = f"import sys; sys.path[:0] = {[str(SRC), str(Path(attrs.__file__).parents[1])]!r}\n"
    # -S: without the site module, whose .pth files may load anything before our first line runs.
    done = subprocess.run([sys.executable, "-S", "-c", path + program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert module in loaded
    assert not loaded & FOREIGN_TO_THE_ENGINE


def exports(module: ModuleType) -> list[str]:
    """List the names that a module exports; a package may export none."""
    return list(getattr(module, "__all__", ()))


def test_no_module_is_called_like_a_standard_one() -> None:
    """A public module's name is neither a standard module's nor a public function's (one would hide the other)."""
    public = [name for name in FILES if name and not any(part.startswith("_") for part in name.split("."))]
    leaves = {name: name.rpartition(".")[2] for name in public}
    modules = [importlib.import_module(f"{PACKAGE}.{name}".removesuffix(".")) for name in ("", *public)]
    functions = {name for module in modules for name in exports(module) if inspect.isfunction(getattr(module, name))}
    assert [name for name, leaf in leaves.items() if leaf in sys.stdlib_module_names] == []
    assert [name for name, leaf in leaves.items() if leaf in functions] == []


def test_no_file_hides_two_rooms() -> None:
    """A file stays short enough to be read in one go."""
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in FILES.items()}
    long = {name for name, length in lengths.items() if length > MOST_LINES}
    assert {name: lengths[name] for name in long - TOO_LONG_FOR_NOW} == {}
    assert TOO_LONG_FOR_NOW - long == set(), "short again: take it off the list"


def test_every_package_has_an_init() -> None:
    """A folder of the package without `__init__.py` would be left out of some builds."""
    folders = {path.parent for path in FILES.values()}
    assert [str(folder.relative_to(SRC)) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


SWITCHED_OFF = re.compile(
    r"(?:noqa: [A-Z0-9, ]+|(?:type|pyright): ignore\[[^\]]*\]|pragma: no cover)(?!.*ignore\[)(.*)"
)


def without_reason(path: Path) -> Iterator[str]:
    """Find the comments that switch a check off and do not say why."""
    with path.open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            found = SWITCHED_OFF.search(token.string) if token.type == tokenize.COMMENT else None
            if found is not None and not re.search("[A-Za-z]{2}", found[1]):
                yield f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}"


def test_every_exception_to_a_rule_has_its_reason() -> None:
    """A comment that switches a check off says why, on the same line."""
    folders = [ROOT / name for name in ("src", "tests", "docs", "examples")]
    files = [path for folder in folders for path in folder.rglob("*.py")] + list(ROOT.glob("*.py"))
    assert [line for path in files for line in without_reason(path)] == []
