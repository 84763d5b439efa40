"""Declarations as plain data: dictionaries, JSON and TOML, exact both ways.

What may not go in here: rules about declarations (`_declared.py`), and reading of the data (`_declaration_reading.py`).
cattrs is imported in the functions that use it, never with the package.

The data says what the constructors say, under the same names; what has its default is left out.  What differs:

- `version` is 1.  `projects` lists every destination project once, `transfers[].project` names one of them.
- A line is a constant where it has the member `constant` (the field's name), else a field line.
- An opt-in is `{"optin": code}`, its date `{"optin_date": code}`, in a line's `dialog_insight`.
- Triggers are a list of names.  A converter is `{"kind": ..., and its settings}`; a map of choices is a list of pairs,
  since its order has a meaning that objects may lose on their way (an object is read as well).
- A function stands by its registered name; in `conflict`, which may also be a policy, as `{"function": name}`.
- Values that JSON has no form for are tagged (`{"$decimal": "1.10"}`, `{"$date": ...}`, `{"$datetime": ...}`).
- TOML has no null: there it is `{"$null": true}`, which is read in JSON too.  TOML's own dates are read as dates.
"""

from __future__ import annotations

import enum
import functools
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

from di_salesforce import _lenses
from di_salesforce._declaration_reading import KINDS, OPT_INS, VERSION, Data, members_of, read_transfers, wrong
from di_salesforce.exceptions import ConfigurationError, MissingExtraError, Problem
from di_salesforce.mapping import (
    Constant,
    DestinationProject,
    FieldMapping,
    Integration,
    ObjectTransfer,
    OptIn,
    OptInDate,
)
from di_salesforce.protocols import NamedFunction
from di_salesforce.records import from_plain, to_plain
from di_salesforce.schema import FieldSchema, TableSchema
from di_salesforce.triggers import ConflictPolicy, Trigger

if TYPE_CHECKING:
    from os import PathLike

    import cattrs

_IntegrationT = TypeVar("_IntegrationT", bound=Integration)

__all__ = ["dump", "load", "read_file", "to_toml"]


def dump(integration: Integration) -> dict[str, Data]:
    """Give the declaration as plain, JSON-safe data.

    Raises:
        ConfigurationError: Where something has no form in a file: a function without a registered name, a converter of
            a class of your own, a value such as NaN; all of them, with their paths.
    """
    if problems := tuple(_unsavable(integration)):
        raise ConfigurationError(problems, what="integration")
    converter = _writer()
    data: dict[str, Data] = {"version": VERSION}
    if integration.projects:
        data["projects"] = [converter.unstructure(project) for project in integration.projects]
    data["transfers"] = [converter.unstructure(transfer) for transfer in integration.transfers]
    return data


def load(
    cls: type[_IntegrationT], data: Data, functions: Mapping[str, Callable[..., Any]], *, what: str = "declaration"
) -> _IntegrationT:
    """Read what `dump` gave.

    A transfer that cannot be read is not checked any further, and transfers are checked against each other once each of
    them is right by itself; within these steps all problems come at once.  A project that no transfer names is checked
    and not kept.

    Args:
        cls: `Integration`, or a subclass.
        data: Plain data.
        functions: The functions that the data names, by registered name.
        what: What the error calls the data, such as the file's path.

    Raises:
        ConfigurationError: With everything that is wrong, each problem with its path in the data.
    """
    try:
        return cls(read_transfers(_with_nulls(data), functions))
    except ConfigurationError as error:
        raise ConfigurationError(error.problems, what=what) from None


def _unsavable(integration: Integration) -> Iterator[Problem]:
    """Yield what has no exact form in a file."""
    for index, transfer in enumerate(integration.transfers):
        path = f"transfers[{index}]"
        yield from _unnamed(f"{path}.dialog_insight_filter", transfer.dialog_insight_filter)
        for place, line in transfer.placed:
            here = f"{path}.{place}"
            if not isinstance(line.conflict, ConflictPolicy):
                yield from _unnamed(f"{here}.conflict", line.conflict)
            if line.converter is not None and KINDS.get(getattr(line.converter, "kind", "")) is not type(
                line.converter
            ):
                yield Problem(
                    f"{here}.converter",
                    "a converter of a class of your own has no form in a file: use pair() with registered functions",
                    "converter.not_savable",
                )
            if isinstance(line.converter, _lenses.Pair):
                yield from _unnamed(f"{here}.converter.to_dialog_insight", line.converter.to_dialog_insight)
                yield from _unnamed(f"{here}.converter.to_salesforce", line.converter.to_salesforce)
            for name in ("salesforce_default", "dialog_insight_default"):
                yield from _inexact(f"{here}.{name}", getattr(line, name))
        for place, constant in transfer.placed_constants:
            yield from _inexact(f"{path}.{place}.value", constant.value)
    for index, project in enumerate(integration.projects):
        for code, table in project.tables.items():
            for field in table if isinstance(table, TableSchema) else ():
                yield from _inexact(f"projects[{index}].tables.{code}.{field.name}.default", field.default)


def _unnamed(path: str, function: object) -> Iterator[Problem]:
    if function is not None and not isinstance(function, NamedFunction):
        yield Problem(path, "a file can only name a function: register it with named(...)", "function.not_named")


def _inexact(path: str, value: Any) -> Iterator[Problem]:  # Any: the types are not held to at run time
    """Hold values to being read again as what they are: NaN is not, nor a list, nor a time in a repeated hour."""
    unequal = value.is_nan() if isinstance(value, Decimal) else getattr(value, "fold", 0) != 0
    if unequal or from_plain(to_plain(value)) != value:
        yield Problem(path, "the value has no exact form in a file", "value.not_savable")


@functools.cache  # it depends on nothing, and making it takes longer than using it
def _writer() -> cattrs.Converter:
    """Make the cattrs converter that writes; defaults are left out."""
    import cattrs
    from cattrs.gen import make_dict_unstructure_fn, override

    converter = cattrs.Converter(unstruct_collection_overrides={tuple: list})
    converter.register_unstructure_hook(enum.StrEnum, _word)
    names: Mapping[type, str] = {cls: name for name, cls in OPT_INS.items()}

    def conflict(value: Any) -> Data:  # Any: a policy or a NamedFunction
        return {"function": value.name} if isinstance(value, NamedFunction) else value.value

    def dialog_insight_field(value: str | OptIn | OptInDate) -> Data:
        return value if isinstance(value, str) else {names[type(value)]: value.code}

    def name(value: Any) -> Data:  # Any: None, or something with a name
        return None if value is None else value.name

    def tables(value: Mapping[str, int | TableSchema]) -> Data:
        return {code: converter.unstructure(table) for code, table in value.items()}

    def triggers(value: Trigger | None) -> Data:
        return None if value is None else list(value.names)

    special: dict[type, dict[str, Callable[[Any], Any]]] = {
        FieldMapping: {
            "dialog_insight": dialog_insight_field,
            "conflict": conflict,
            "salesforce_default": to_plain,
            "dialog_insight_default": to_plain,
        },
        Constant: {"value": to_plain},
        DestinationProject: {"tables": tables},
        ObjectTransfer: {"project": name, "triggers": triggers, "dialog_insight_filter": name},
        FieldSchema: {"default": to_plain},
        TableSchema: {},
        **{lens_class: {} for lens_class in KINDS.values()},
        _lenses.Pair: {"to_dialog_insight": name, "to_salesforce": name},
    }
    for cls, hooks in special.items():
        overrides: dict[str, Any] = {  # Any: cattrs types its other keyword parameters apart
            attribute: override(unstruct_hook=hooks.get(attribute), rename=on_disk)
            for attribute, on_disk in members_of(cls).items()
            if attribute in hooks or attribute != on_disk
        }
        write: Callable[[Any], dict[str, Data]] = make_dict_unstructure_fn(
            cls, converter, _cattrs_omit_if_default=True, **overrides
        )
        converter.register_unstructure_hook(cls, _with_kind(write) if issubclass(cls, _lenses.Lens) else write)
    return converter


def _word(member: enum.StrEnum) -> str:
    return str(member.value)


def _with_kind(write: Callable[[Any], dict[str, Data]]) -> Callable[[Any], dict[str, Data]]:  # Any: one of KINDS
    return lambda lens: {"kind": lens.kind, **write(lens)}


def read_declaration(path: str | PathLike[str]) -> Data:
    """Read a file without its table `job`, which says how a declaration is run."""
    data = read_file(path)
    if isinstance(data, dict):
        data.pop("job", None)  # pyright: ignore[reportUnknownMemberType] - plain data of a file
    return data  # pyright: ignore[reportUnknownVariableType] - likewise


def read_file(path: str | PathLike[str]) -> Data:
    """Read plain data from a `.toml` or `.json` file, in UTF-8.

    Raises:
        ConfigurationError: Where the file cannot be read, is of another kind, or is malformed (with line and column).
    """
    file = Path(path)
    reader = _FORMATS.get(file.suffix.lower())
    if reader is None:
        wrong(f"{file}: a declaration is read from a {' or '.join(_FORMATS)} file", "file.format")
    try:
        text = file.read_bytes().decode("utf-8-sig")  # with or without the mark that some editors put first
    except OSError as error:
        wrong(f"{file}: cannot be read: {error.strerror or type(error).__name__}", "file.unreadable")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        wrong(f"{file}: line {line} is not UTF-8: save the file in that encoding", "file.malformed")
    try:
        return reader(text)
    except json.JSONDecodeError as error:
        wrong(f"{file}: line {error.lineno}, column {error.colno}: {error.msg}", "file.malformed")
    except tomllib.TOMLDecodeError as error:  # its text ends with line and column
        wrong(f"{file}: {error}", "file.malformed")
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        wrong(f"{file}: {reason}", "file.malformed")


def _read_json(text: str) -> Data:
    return json.loads(text, object_pairs_hook=_no_member_twice, parse_constant=_no_constant)


def _no_member_twice(members: list[tuple[str, Data]]) -> dict[str, Data]:
    """Refuse what JSON allows: two members of one name, of which the first would be lost in silence."""
    read = dict(members)
    if len(read) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice!r} stands twice in one object")
    return read


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_FORMATS: Final[Mapping[str, Callable[[str], Data]]] = {".toml": tomllib.loads, ".json": _read_json}


def to_toml(data: Mapping[str, Data]) -> str:
    """Give plain data as TOML text; null is written as `{"$null" = true}`.

    Raises:
        MissingExtraError: Without the extra `toml`.
    """
    try:
        import tomli_w
    except ImportError:
        raise MissingExtraError(extra="toml", purpose="writing TOML") from None
    return tomli_w.dumps(_without_null(dict(data)))


def _without_null(data: Data) -> Data:
    if isinstance(data, dict):
        return {name: _without_null(content) for name, content in cast("dict[str, Data]", data).items()}
    if isinstance(data, list):
        return [_without_null(item) for item in cast("Iterable[Data]", data)]
    return {"$null": True} if data is None else data


def _with_nulls(data: Data) -> Data:
    if isinstance(data, Mapping):
        members = cast("Mapping[str, Data]", data)
        return None if members == {"$null": True} else {name: _with_nulls(item) for name, item in members.items()}
    return [_with_nulls(item) for item in cast("Iterable[Data]", data)] if isinstance(data, list) else data
