"""Reading of declarations from plain data; the form of the data stands in `_declaration_data.py`.

What may not go in here: rules about declarations (`_declared.py`); they run when the values are made, and their
problems get their path in the data here.  cattrs is imported in the functions that use it, never with the package.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast, get_args, get_origin

import attrs

from di_salesforce import _lenses, _time_lenses
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.mapping import (
    Constant,
    DestinationProject,
    FieldMapping,
    ObjectTransfer,
    OptIn,
    OptInDate,
)
from di_salesforce.protocols import Converter, NamedFunction
from di_salesforce.records import UNSET, from_plain
from di_salesforce.schema import FieldSchema, TableSchema
from di_salesforce.triggers import ConflictPolicy, Trigger

if TYPE_CHECKING:
    import cattrs

__all__ = ["KINDS", "OPT_INS", "RENAMED", "VERSION", "Data", "members_of", "read_transfers", "wrong"]

VERSION: Final = 1
"""Counts changes of the format that an older reader would misread."""

Data = Any
"""Plain data of a file: anything may stand in it, so every reader here looks before it believes."""

KINDS: Final[Mapping[str, type[_lenses.Lens]]] = {
    lens.kind: lens
    for lens in (
        _lenses.AsIs, _lenses.Text, _lenses.EMail, _lenses.Phone, _lenses.Integer, _lenses.DecimalNumber,
        _lenses.Boolean, _time_lenses.CalendarDate, _time_lenses.Instant, _lenses.Choice, _lenses.MultiChoice,
        _lenses.RecordId, _lenses.Pair,
    )
}  # fmt: skip
"""Every converter class by the name that it has on disk."""

OPT_INS: Final[Mapping[str, type[OptIn | OptInDate]]] = {"optin": OptIn, "optin_date": OptInDate}
"""What may stand in a line's second place instead of a field code, by its one member."""

RENAMED: Final[Mapping[tuple[type, str], str]] = {(Constant, "field"): "constant"}
"""Attributes that are called otherwise on disk."""

_T = TypeVar("_T")
_Registered = Mapping[str, NamedFunction[Callable[..., Any]]]  # any signature: where one stands says which it must have


def read_transfers(data: Data, functions: Mapping[str, Callable[..., Any]]) -> list[ObjectTransfer]:
    """Read all transfers, or raise `ConfigurationError` with everything that is wrong."""
    members = _mapping(data)
    registered = _registered(functions)
    projects: dict[str, DestinationProject | None] = {}
    transfers: list[ObjectTransfer] = []

    def projects_from(data: Data) -> None:
        # Known by name even where they cannot be read, so that transfers do not complain as well.
        names = [_mapping(project).get("name") for project in _list(data) if isinstance(project, Mapping)]
        projects.update({name: None for name in names if isinstance(name, str)})
        projects.update(_by_name(_items(data, _Reader(registered, {}).project)))

    def transfers_from(data: Data) -> None:
        transfers.extend(_items(data, _Reader(registered, projects).transfer))

    readers = {"version": _version, "projects": projects_from, "transfers": transfers_from}

    def read(name: str) -> None:
        if name not in readers:
            _unknown_member(name, readers)
        if name in members:
            readers[name](members[name])
        elif name != "projects":
            wrong("is missing", "data.missing")

    _gather(((str(name), str(name)) for name in dict.fromkeys([*readers, *members])), read)
    return transfers


def _by_name(projects: Iterable[DestinationProject]) -> Mapping[str, DestinationProject]:
    by_name: dict[str, DestinationProject] = {}
    for index, project in enumerate(projects):
        if project.name in by_name:
            wrong(f"two projects are called {project.name!r}", "name.twice", f"[{index}].name")
        by_name[project.name] = project
    return by_name


def _version(version: Data) -> None:
    if type(version) is not int or version < 1:
        wrong(f"must be {VERSION}", "data.version")
    if version > VERSION:
        wrong(f"{version} is of a newer di-salesforce; this one reads {VERSION}", "data.version")


def _registered(functions: Mapping[str, Callable[..., Any]]) -> _Registered:
    """Put every function under its name; one that has a name already must be passed under that one."""

    def read(item: tuple[str, Callable[..., Any]]) -> NamedFunction[Callable[..., Any]]:
        name, function = item
        if not callable(function):
            wrong("is no function", "function.invalid")
        if not isinstance(function, NamedFunction):
            return NamedFunction(name, function)
        if function.name != name:
            wrong(f"is registered as {function.name!r}: pass it under that name", "function.invalid")
        return cast("NamedFunction[Callable[..., Any]]", function)

    return {
        function.name: function
        for function in _gather(((f"functions[{item[0]!r}]", item) for item in functions.items()), read)
    }


# Problems and their paths


def wrong(message: str, code: str = "data.invalid", path: str = "") -> NoReturn:
    """Say what is wrong at one place."""
    raise ConfigurationError([Problem(path, message, code)]) from None  # what it comes from is no more than the cause


def members_of(cls: type) -> Mapping[str, str]:
    """Give the attributes of a class, and what they are called on disk."""
    names: list[str] = [field.name for field in attrs.fields(cls)]
    return {name: RENAMED.get((cls, name), name) for name in names}


def _unknown_member(name: str, known: Iterable[str]) -> NoReturn:
    wrong(f"there is no such member: {_near(name, known)}", "data.unknown_member")


def _near(name: str, known: Iterable[str]) -> str:
    """Name what may have been meant, else all that is known."""
    names = sorted(known)
    if meant := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {meant[0]!r}?"
    return f"known here: {', '.join(names) or 'none'}"


def _gather(steps: Iterable[tuple[str, _T]], read: Callable[[_T], Any]) -> list[Any]:  # the list of what `read` gives
    """Read everything, then raise the problems of all of it together."""
    done: list[Any] = []
    problems: list[Problem] = []
    for path, data in steps:
        try:
            done.append(read(data))
        except Exception as error:  # noqa: BLE001 - `_problems` lets through what is none
            problems.extend(_problems(error, path))
    if problems:
        raise ConfigurationError(problems)
    return done


def _problems(error: BaseException, path: str) -> Iterator[Problem]:
    """Walk what cattrs gathered down to single problems."""
    from cattrs.errors import AttributeValidationNote, ClassValidationError, ForbiddenExtraKeysError

    if isinstance(error, ConfigurationError):
        for problem in error.problems:
            yield Problem(_join(path, problem.path), problem.message, problem.code)
    elif isinstance(error, ClassValidationError):
        for part in error.exceptions:
            # cattrs names the attribute in a note; what has none concerns the whole.
            notes = [note.name for note in getattr(part, "__notes__", []) if isinstance(note, AttributeValidationNote)]
            yield from _problems(part, _join(path, members_of(error.cl)[notes[-1]] if notes else ""))
    elif isinstance(error, ForbiddenExtraKeysError):
        for name in sorted(map(str, error.extra_fields)):
            message = f"there is no such member: {_near(name, members_of(error.cl).values())}"
            yield Problem(_join(path, name), message, "data.unknown_member")
    elif isinstance(error, KeyError) and path.endswith(str(error.args[0])):  # how cattrs says it
        yield Problem(path, "is missing", "data.missing")
    else:
        raise error


def _join(path: str, step: str) -> str:
    return f"{path}{step}" if not path or not step or step.startswith("[") else f"{path}.{step}"


# One value


def _kind(data: Data) -> str:
    names: dict[Any, str] = {type(None): "null", bool: "a truth value", str: "text", dict: "an object", list: "a list"}
    return names.get(type(data), "a number" if isinstance(data, (int, float, Decimal)) else type(data).__name__)


def _mapping(data: Data) -> Mapping[str, Data]:
    if not isinstance(data, Mapping):
        wrong(f"must be an object with members, not {_kind(data)}", "data.type")
    return cast("Mapping[str, Data]", data)


def _list(data: Data) -> list[Data]:
    if not isinstance(data, (list, tuple)):
        wrong(f"must be a list, not {_kind(data)}", "data.type")
    return list(cast("Iterable[Data]", data))


def _items(data: Data, read: Callable[[Data], Any]) -> list[Any]:  # the list of what `read` gives
    return _gather(((f"[{index}]", item) for index, item in enumerate(_list(data))), read)


_PLAIN: Final[Mapping[type, str]] = {str: "text", int: "a whole number", bool: "true or false"}


def _plain(data: Data, expected: type[_T]) -> _T:
    """Hold text, whole numbers and truth values to their types: nothing is turned into another type in silence."""
    if type(data) is not expected:
        wrong(f"must be {_PLAIN[expected]}, not {_kind(data)}", "data.type")
    plain: _T = data
    return plain


def _text(data: Data) -> str:
    return _plain(data, str)


def _word(data: Data, known: Iterable[str], code: str = "data.invalid") -> str:
    """Hold to a list of words."""
    words = list(known)
    if data not in words:
        meant = difflib.get_close_matches(data, words, n=1) if isinstance(data, str) else []
        hint = f"; did you mean {meant[0]!r}?" if meant else ""
        wrong(f"must be one of {', '.join(words)}{hint}", code)
    return _text(data)


def _enum(data: Data, expected: type[enum.Enum]) -> enum.Enum:
    return expected(_word(data, [member.value for member in expected]))


def _triggers(data: Data) -> Trigger:
    return Trigger.from_names(_items(data, lambda name: _word(name, Trigger.ALL.names)))


def _value(data: Data) -> Any:  # a Value
    try:
        value = from_plain(data)
    except (ValueError, TypeError, DecimalException):
        value = UNSET  # an unknown tag, or one with the wrong content
    if value is UNSET or not isinstance(value, (bool, int, float, Decimal, str, date, type(None))):
        wrong("must be text, a number, true, false, null or tagged $decimal, $float, $date, $datetime", "data.type")
    return value


def _one_member(data: Data, name: str, read: Callable[[Data], _T]) -> _T:
    """Read an object that has just this one member."""
    members = _mapping(data)

    def read_member(key: str) -> _T:
        return read(members[key]) if key == name else _unknown_member(key, [name])

    found: list[_T] = _gather(((str(key), str(key)) for key in members), read_member)
    return found[0]


def _dialog_insight_field(data: Data) -> str | OptIn | OptInDate:
    if isinstance(data, str):
        return data
    for name, cls in OPT_INS.items():
        if isinstance(data, Mapping) and name in data:
            return cls(_one_member(data, name, _text))
    wrong('must be a field code, {"optin": code} or {"optin_date": code}', "data.type")


def _pair(data: Data) -> tuple[str, str]:
    texts = _items(data, _text)
    if len(texts) != 2:
        wrong("must be a pair: Salesforce's value, Dialog Insight's code")
    return (texts[0], texts[1])


def _pairs(data: Data) -> tuple[tuple[str, str], ...]:
    pairs: list[Data] = [list(item) for item in _mapping(data).items()] if isinstance(data, Mapping) else _list(data)
    return tuple(_items(pairs, _pair))


# The classes


@attrs.frozen
class _Reader:
    """What refers to other parts of the data, and the table of which attribute is read how."""

    functions: _Registered
    projects: Mapping[str, DestinationProject | None]
    converter: cattrs.Converter = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.made(), takes_self=True)
    )

    def made(self) -> cattrs.Converter:
        """Make the cattrs converter."""
        import cattrs
        from cattrs.gen import make_dict_structure_fn, override

        converter = cattrs.Converter()
        for plain in _PLAIN:
            converter.register_structure_hook(plain, _plain)
        converter.register_structure_hook(enum.StrEnum, _enum)
        converter.register_structure_hook_func(_is_tuple, self._tuple)
        # By type, since an override cannot be called `converter`: cattrs has a parameter of that name.
        converter.register_structure_hook_func(_is_converter, _ignoring_type(_optional(self._lens)))
        special = self._special()

        def class_reader(cls: type) -> Callable[[Data, Any], Any]:  # Any: an instance of the class
            hooks = special[cls]
            overrides: dict[str, Any] = {  # Any: cattrs types its other keyword parameters apart
                name: override(struct_hook=_ignoring_type(hooks[name]) if name in hooks else None, rename=on_disk)
                for name, on_disk in members_of(cls).items()
                if name in hooks or name != on_disk
            }
            return _from_mapping(
                cast(
                    "Callable[[Mapping[str, Data], Any], Any]",
                    make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True, **overrides),
                )
            )

        # A factory, so that only the classes that stand in the data cost something.
        converter.register_structure_hook_factory(special.__contains__, class_reader)
        return converter

    def _special(self) -> dict[type, dict[str, Callable[[Data], Any]]]:
        """Name what cattrs cannot know from the types alone, by class and attribute."""
        return {
            FieldMapping: {
                "dialog_insight": _dialog_insight_field,
                "conflict": self._conflict,
                "salesforce_default": _value,
                "dialog_insight_default": _value,
            },
            Constant: {"value": _value},
            DestinationProject: {"tables": self._tables},
            ObjectTransfer: {
                "project": _optional(self._project),
                "fields": lambda data: tuple(_items(data, self._line)),
                "triggers": _optional(_triggers),
                "dialog_insight_filter": _optional(self._function),
            },
            FieldSchema: {"default": _value},
            TableSchema: {},
            **{lens: {} for lens in KINDS.values()},
            _lenses.Choice: {"values": _pairs},
            _lenses.MultiChoice: {"values": _pairs},
            _lenses.Pair: {"to_dialog_insight": self._function, "to_salesforce": self._function},
        }

    def project(self, data: Data) -> DestinationProject:
        """Read one destination project."""
        return self.converter.structure(data, DestinationProject)

    def transfer(self, data: Data) -> ObjectTransfer:
        """Read one transfer."""
        return self.converter.structure(data, ObjectTransfer)

    def _tuple(self, data: Data, expected: Any) -> tuple[Any, ...]:  # Any: a tuple type as written in a class
        return tuple(_items(data, lambda item: self.converter.structure(item, get_args(expected)[0])))

    def _line(self, data: Data) -> FieldMapping | Constant:
        if "constant" in _mapping(data):
            return self.converter.structure(data, Constant)
        return self.converter.structure(data, FieldMapping)

    def _lens(self, data: Data) -> _lenses.Lens:
        settings = dict(_mapping(data))
        kind = _gather([("kind", settings.pop("kind", None))], lambda name: _word(name, KINDS, "converter.unknown"))[0]
        return self.converter.structure(settings, KINDS[kind])

    def _conflict(self, data: Data) -> ConflictPolicy | NamedFunction[Any]:
        if isinstance(data, Mapping) and "function" in data:
            return _one_member(data, "function", self._function)
        return self.converter.structure(data, ConflictPolicy)

    def _function(self, data: Data) -> NamedFunction[Any]:
        name = _text(data)
        if name not in self.functions:
            registered = f"registered are {', '.join(sorted(self.functions))}" if self.functions else "none is"
            wrong(f"no function is registered as {name!r} in functions={{...}}: {registered}", "function.unknown")
        return self.functions[name]

    def _project(self, data: Data) -> DestinationProject | None:
        name = _text(data)
        if name not in self.projects:
            wrong(f"there is no project {name!r} under `projects`: {_near(name, self.projects)}", "project.unknown")
        return self.projects[name]

    def _tables(self, data: Data) -> dict[str, int | TableSchema]:
        tables = _mapping(data)
        return dict(zip(tables, _gather(((str(code), tables[code]) for code in tables), self._table), strict=True))

    def _table(self, data: Data) -> int | TableSchema:
        return self.converter.structure(data, TableSchema) if isinstance(data, Mapping) else _plain(data, int)


def _is_tuple(kind: Any) -> bool:  # Any: whatever stands in an annotation
    return get_origin(kind) is tuple


def _is_converter(kind: Any) -> bool:  # Any: likewise
    return bool(kind == Converter | None)


def _optional(read: Callable[[Data], _T]) -> Callable[[Data], _T | None]:
    return lambda data: None if data is None else read(data)


def _ignoring_type(read: Callable[[Data], Any]) -> Callable[[Data, Any], Any]:  # Any: cattrs passes the type
    return lambda data, _: read(data)


def _from_mapping(read: Callable[[Mapping[str, Data], Any], _T]) -> Callable[[Data, Any], _T]:  # likewise
    return lambda data, kind: read(_mapping(data), kind)
