"""What can be wrong with a declaration by itself: each rule is one small function, listed at the end.

What may not go in here: schemas and rows (that is `_check.py`).  A rule yields every problem it finds; nothing stops at
the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from di_salesforce._time_lenses import CalendarDate, Instant
from di_salesforce.exceptions import Problem
from di_salesforce.records import UNSET, Side
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction, Drift, Rewritten, Trigger

if TYPE_CHECKING:
    from di_salesforce._line import FieldMapping
    from di_salesforce.mapping import Integration, ObjectTransfer

Problems = Iterator[Problem]


# What each setting must be; declarations from data are converted before, so this meets mistakes in programs.
_LINE_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "salesforce": (str,),
    "direction": (Direction,),
    "first_match": (ConflictPolicy, type(None)),
    "references": (str, type(None)),
    "group": (str, type(None)),
    "drift": (Drift,),
    "rewritten": (Rewritten,),
}
_TRANSFER_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "name": (str,),
    "sobject": (str,),
    "table": (str,),
    "triggers": (Trigger, type(None)),
    "first_match": (ConflictPolicy,),
    "deletes": (Deletes,),
    "salesforce_filter": (str, type(None)),
    "converted_from": (str, type(None)),
    "dedicated_key": (bool,),
}


def kind_problems(transfer: ObjectTransfer) -> Problems:
    """Yield the settings that are of the wrong kind, such as a text where an enumeration's member belongs."""
    for name, kinds in _TRANSFER_KINDS.items():
        if not isinstance(getattr(transfer, name), kinds):
            yield _wrong_kind(name, kinds)
    for path, line in transfer.placed:
        for name, kinds in _LINE_KINDS.items():
            if not isinstance(getattr(line, name), kinds):
                yield _wrong_kind(f"{path}.{name}", kinds)
        policy: object = line.conflict  # whatever a program has put there
        if not (isinstance(policy, ConflictPolicy) or callable(policy)):
            yield _wrong_kind(f"{path}.conflict", (ConflictPolicy,))


def _wrong_kind(path: str, kinds: tuple[type, ...]) -> Problem:
    wanted = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
    return Problem(path, f"must be {wanted}", "declaration.kind")


def _names(transfer: ObjectTransfer) -> Problems:
    for path, value in (("name", transfer.name), ("sobject", transfer.sobject), ("table", transfer.table)):
        if not value.strip():
            yield Problem(path, "must not be empty", "declaration.empty")
    for path, line in transfer.placed:
        if not line.salesforce.strip() or not line.field(Side.DIALOG_INSIGHT).strip():
            yield Problem(path, "a line needs a field name on each side", "declaration.empty")


def _key(transfer: ObjectTransfer) -> Problems:
    if not transfer.key_lines:
        yield Problem("fields", "no line is the key: mark at least one with key=True", "key.not_declared")
    for path, line in transfer.placed:
        if line.key and line.is_consent:
            yield Problem(path, "an opt-in cannot be a key", "key.unsuitable")
        if line.key and "." in line.salesforce:
            yield Problem(path, f"{line.salesforce} is a parent's field and cannot be a key", "key.unsuitable")
        if line.key and line.references:
            yield Problem(path, "a translated lookup cannot be a key", "key.unsuitable")


def _dedicated_key(transfer: ObjectTransfer) -> Problems:
    """Hold a dedicated key to one field of Salesforce that a create can be upserted by."""
    if not transfer.dedicated_key:
        return
    keys = transfer.key_lines
    if len(keys) != 1 or keys[0].salesforce == "Id" or not keys[0].flows.allows(Side.SALESFORCE):
        yield Problem(
            "dedicated_key",
            "a dedicated key is one external id of Salesforce that this transfer writes: make its line alone the key",
            "key.unsuitable",
        )


def _one_writer(transfer: ObjectTransfer) -> Problems:
    """Hold each target field to one writing line or constant, and no other line to reading what one line writes."""
    for side in Side:
        writers: dict[str, list[str]] = defaultdict(list)
        readers: dict[str, list[str]] = defaultdict(list)
        for path, line in transfer.placed:
            # Salesforce field names ignore case; whether Dialog Insight's codes do is unknown, so they do not here.
            name = line.field(side).lower() if side is Side.SALESFORCE else line.field(side)
            if line.flows.allows(side):
                writers[name].append(path)
            else:
                readers[name].append(path)
        for path, constant in transfer.placed_constants:
            if constant.side is side:
                writers[constant.field.lower() if side is Side.SALESFORCE else constant.field].append(path)
        for name, paths in writers.items():
            if len(paths) > 1:
                yield Problem(
                    paths[1],
                    f"{paths[0]} already writes {name} in {side.label}: one writer per field",
                    "field.two_writers",
                )
            for reader in readers.get(name, ()):
                yield Problem(
                    reader,
                    f"reads {name} in {side.label}, which {paths[0]} writes: use one line with both directions, "
                    "or another field",
                    "field.written_and_read",
                )


def _directions(transfer: ObjectTransfer) -> Problems:
    for path, line in transfer.placed:
        only = line.only_flows
        if only is not None and line.direction not in (Direction.BOTH, only):
            yield Problem(
                f"{path}.direction",
                f"{line.name} only flows {only.value.replace('_', ' ')}: leave the direction out",
                "direction.impossible",
            )
        if (
            transfer.table == "Contact"
            and line.dialog_insight == "idContact"
            and line.flows is not Direction.TO_SALESFORCE
        ):
            yield Problem(path, "a contact's own idContact only flows to Salesforce", "direction.impossible")
        for side in Side:
            if line.default(side) is not UNSET and not line.flows.allows(side):
                yield Problem(
                    f"{path}.{side.value}_default",
                    f"nothing is written to {line.field(side)}, so a default there has no effect",
                    "default.unused",
                )


def _policies(transfer: ObjectTransfer) -> Problems:
    for path, line in transfer.placed:
        for name, policy in (("conflict", line.conflict), ("first_match", line.first_match)):
            if policy is ConflictPolicy.MOST_RESTRICTIVE and not line.is_consent:
                yield Problem(
                    f"{path}.{name}",
                    "the most restrictive value is defined for opt-ins only: choose who wins, or give a function",
                    "policy.not_consent",
                )
    if transfer.first_match is ConflictPolicy.MOST_RESTRICTIVE:
        yield Problem("first_match", "the most restrictive value is defined for opt-ins only", "policy.not_consent")
    if transfer.first_match is ConflictPolicy.NEWEST:
        yield Problem(
            "first_match",
            "the newest value is known of groups with a date only: set it on their lines",
            "policy.no_date",
        )


def _newest(transfer: ObjectTransfer) -> Problems:
    """Hold `NEWEST` to groups that map one date of their own; consent is joined restrictively, whatever its date."""
    for path, line in transfer.placed:
        for name, policy in (("conflict", line.conflict), ("first_match", line.first_match)):
            if policy is not ConflictPolicy.NEWEST:
                continue
            if line.is_consent:
                yield Problem(
                    f"{path}.{name}", "which consent is the newer is not asked: the stricter holds", "policy.consent"
                )
            elif len([each for each in transfer.groups[line.group_name] if tells_when(each)]) != 1:
                yield Problem(
                    f"{path}.{name}",
                    "which value is newer only a date says that is mapped with it: give the line a group=, and one "
                    "line of that group converter=converters.datetime(...) or date()",
                    "policy.no_date",
                )


_DATED: Final = frozenset({CalendarDate.kind, Instant.kind})


def tells_when(line: FieldMapping) -> bool:
    """Tell whether a line maps a date, by the converter that was declared for it."""
    return getattr(line.converter, "kind", "") in _DATED


def _settings(transfer: ObjectTransfer) -> Problems:
    """Find settings that would never have an effect."""
    for path, line in transfer.placed:
        both = line.flows is Direction.BOTH
        if line.drift is Drift.ENFORCE and both:
            yield Problem(
                f"{path}.drift", f"{line.name} flows both ways, so that no side of it can drift", "setting.unused"
            )
        if line.rewritten is Rewritten.ADOPT and not both:
            yield Problem(
                f"{path}.rewritten", f"{line.name} flows one way, so that nothing can flow back", "setting.unused"
            )


def _groups(transfer: ObjectTransfer) -> Problems:
    places = {id(line): path for path, line in transfer.placed}
    for name, lines in transfer.groups.items():
        if len({line.flows for line in lines}) > 1:
            yield Problem(
                places[id(lines[-1])], f"the lines of group {name!r} flow in different directions", "group.directions"
            )
        if len({str(line.conflict) for line in lines}) > 1:
            yield Problem(
                places[id(lines[-1])], f"the lines of group {name!r} have different conflict policies", "group.policies"
            )
        if len({(line.drift, line.rewritten) for line in lines}) > 1:
            yield Problem(
                places[id(lines[-1])], f"the lines of group {name!r} differ in drift= or rewritten=", "group.policies"
            )
        if len(lines) > 1 and any(line.references for line in lines):
            yield Problem(places[id(lines[-1])], f"a lookup cannot be in a group ({name!r})", "group.reference")


def _match(transfer: ObjectTransfer) -> Problems:
    """Hold match tiers to lines whose values say who somebody is."""
    known = {line.name: line for line in transfer.lines}
    for index, tier in enumerate(transfer.match):
        path = f"match[{index}]"
        if not tier:
            yield Problem(path, "a tier without a line would match every record", "declaration.empty")
        for place, name in enumerate(tier):
            line, here = known.get(name), f"{path}[{place}]"
            if line is None:
                yield Problem(here, f"there is no line {name!r}: there are {', '.join(known)}", "match.unknown_line")
            elif line.is_consent:
                yield Problem(here, "an opt-in says nothing about who somebody is", "match.unsuitable")
            elif line.references:
                yield Problem(here, "a translated lookup cannot be matched by", "match.unsuitable")
        if len(set(tier)) < len(tier):
            yield Problem(path, "names a line twice", "name.twice")
        elif tier in transfer.match[:index]:
            yield Problem(path, f"is the same as match[{transfer.match.index(tier)}]", "name.twice")


def _constants(transfer: ObjectTransfer) -> Problems:
    for path, constant in transfer.placed_constants:
        if constant.on != "create":
            yield Problem(f"{path}.on", "a constant is written on create only", "constant.on")


def _project(transfer: ObjectTransfer) -> Problems:
    project = transfer.project
    if project is None:
        return
    if project.type is not None and transfer.triggers is not None:
        unsupported = transfer.triggers & ~project.type.triggers
        if unsupported:
            yield Problem(
                "triggers",
                f"a project of type {project.type.value} does not support {', '.join(unsupported.names)}: it supports "
                + ", ".join(project.type.triggers.names),
                "trigger.not_supported",
            )
    if transfer.table != "Contact" and project.table_id(transfer.table) is None:
        known = ", ".join(sorted(project.tables)) or "none"
        yield Problem(
            "table",
            f"project {project.name!r} declares no relational table {transfer.table!r} with its idTable "
            f"(declared: {known})",
            "table.not_declared",
        )


def _transfer_names(integration: Integration) -> Problems:
    if not integration.transfers:
        yield Problem("transfers", "an integration needs at least one transfer", "declaration.empty")
    seen: set[str] = set()
    for index, transfer in enumerate(integration.transfers):
        if transfer.name in seen:
            yield Problem(f"transfers[{index}].name", f"{transfer.name!r} is the name of two transfers", "name.twice")
        seen.add(transfer.name)


def _references(integration: Integration) -> Problems:
    names = set(integration.names)
    for index, transfer in enumerate(integration.transfers):
        for path, line in transfer.placed:
            if line.references is not None and line.references not in names:
                yield Problem(
                    f"transfers[{index}].{path}.references",
                    f"there is no transfer {line.references!r}: there are {', '.join(sorted(names))}",
                    "reference.unknown",
                )


def _conversions(integration: Integration) -> Problems:
    """Hold a transfer to taking over the leads of its own table."""
    by_name = {transfer.name: transfer for transfer in integration.transfers}
    for index, transfer in enumerate(integration.transfers):
        if transfer.converted_from is None:
            continue
        path = f"transfers[{index}].converted_from"
        leads = by_name.get(transfer.converted_from)
        if leads is None or leads is transfer:
            message = f"there is no other transfer {transfer.converted_from!r}"
            yield Problem(path, message, "reference.unknown")
        elif (leads.project, leads.table) != (transfer.project, transfer.table):
            yield Problem(
                path,
                f"{leads.name!r} has another table: the link of a converted lead can only move within one",
                "conversion.table",
            )


def _projects(integration: Integration) -> Problems:
    by_name: dict[str, object] = {}
    for index, transfer in enumerate(integration.transfers):
        if transfer.project is None:
            continue
        if by_name.setdefault(transfer.project.name, transfer.project) != transfer.project:
            yield Problem(
                f"transfers[{index}].project",
                f"two different projects are called {transfer.project.name!r}",
                "name.twice",
            )


def _hands_over(one: ObjectTransfer, other: ObjectTransfer) -> bool:
    """Tell whether one takes over converted leads of the other: a record belongs to one of the two at any time."""
    return one.converted_from == other.name or other.converted_from == one.name


def _two_writers_across(integration: Integration) -> Problems:
    """Find fields of one Dialog Insight table that two transfers write; consent under the restrictive join is exempt.

    Two writers of one Salesforce field can be told apart by their filters, so `check()` judges those.
    """
    writers: dict[tuple[object, ...], tuple[str, ObjectTransfer]] = {}
    for index, transfer in enumerate(integration.transfers):
        writes = transfer.allowed.allows_update(Side.SALESFORCE) or transfer.allowed.allows_create(Side.SALESFORCE)
        if transfer.project is None or not writes:
            continue
        for path, line in transfer.placed:
            if not line.flows.allows(Side.DIALOG_INSIGHT) or line.conflict is ConflictPolicy.MOST_RESTRICTIVE:
                continue
            here = f"transfers[{index}].{path}"
            place = (transfer.project, transfer.table, line.field(Side.DIALOG_INSIGHT))
            first, other = writers.setdefault(place, (here, transfer))
            if first != here and not _hands_over(transfer, other):
                yield Problem(
                    here, f"{first} writes the same field of the same table: one writer per field", "field.two_writers"
                )


TRANSFER_RULES: Final[tuple[Callable[[ObjectTransfer], Problems], ...]] = (
    _names, _key, _dedicated_key, _one_writer, _directions, _policies, _newest, _settings, _groups, _match, _constants,
    _project,
)  # fmt: skip
INTEGRATION_RULES: Final[tuple[Callable[[Integration], Problems], ...]] = (
    _transfer_names, _references, _conversions, _projects, _two_writers_across,
)  # fmt: skip


def transfer_problems(transfer: ObjectTransfer) -> Problems:
    """Yield everything that is wrong with one transfer; the rules ask only settings of the right kind."""
    wrong_kinds = tuple(kind_problems(transfer))
    yield from wrong_kinds
    for rule in () if wrong_kinds else TRANSFER_RULES:
        yield from rule(transfer)


def integration_problems(integration: Integration) -> Problems:
    """Yield everything that is wrong between the transfers of an integration."""
    for rule in INTEGRATION_RULES:
        yield from rule(integration)
