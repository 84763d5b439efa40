"""Declarations: which fields of which object correspond, in which direction, and who decides.

What may not go in here: rows, schemas of a live service, deciding.  All values are frozen; a field line alone is never
refused, a transfer is checked as a whole, so that one `ConfigurationError` lists everything that is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from di_salesforce._declared import integration_problems, transfer_problems
from di_salesforce._line import Constant, FieldMapping, OptIn, OptInDate
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.protocols import NamedFunction, RowFilter
from di_salesforce.records import Side
from di_salesforce.schema import TableSchema
from di_salesforce.triggers import ConflictPolicy, Deletes, ProjectType, Trigger

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["Constant", "DestinationProject", "FieldMapping", "Integration", "ObjectTransfer", "OptIn", "OptInDate"]

CONTACT_TABLE: Final = "Contact"
"""What Dialog Insight calls a project's contact list, with a capital [seen: its own article]."""


def _tables(tables: Mapping[str, int | TableSchema]) -> Mapping[str, int | TableSchema]:
    return MappingProxyType(dict(tables))


@attrs.frozen(hash=False)
class DestinationProject:
    """A Dialog Insight project that records are kept in agreement with; it holds no key.

    Args:
        name: How transfers, stores and reports call it.
        id: Dialog Insight's `idProject`.
        type: `ProjectType.A` or `.B`; None: all triggers may be used.
        tables: Relational tables by code: the `idTable`, or a `TableSchema` that holds it.
        time_zone: IANA name of the zone in which the project's date-times are meant; None: UTC.

    Example:
        >>> DestinationProject("communications", id=4321, tables={"Orders": 8765}).table_id("Orders")
        8765
    """

    name: str
    id: int = attrs.field(kw_only=True)
    type: ProjectType | None = attrs.field(default=None, kw_only=True)
    tables: Mapping[str, int | TableSchema] = attrs.field(
        factory=dict[str, int | TableSchema], kw_only=True, converter=_tables
    )
    time_zone: str | None = attrs.field(default=None, kw_only=True)

    def table_id(self, code: str) -> int | None:
        """The `idTable` of a relational table; None where the project declares no such table."""
        table = self.tables.get(code)
        return table.id if isinstance(table, TableSchema) else table

    def __hash__(self) -> int:
        return hash((self.name, self.id))

    def __getstate__(self) -> dict[str, Any]:  # a read-only view cannot be pickled
        return {**attrs.asdict(self, recurse=False), "tables": dict(self.tables)}

    def __setstate__(self, state: dict[str, Any]) -> None:  # the counterpart
        for name, value in {**state, "tables": _tables(state["tables"])}.items():
            object.__setattr__(self, name, value)


def _lines(fields: Iterable[FieldMapping | Constant]) -> tuple[FieldMapping | Constant, ...]:
    return tuple(fields)


def _tiers(match: Iterable[Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple((tier,) if isinstance(tier, str) else tuple(tier) for tier in match)  # a text is one line's name


@attrs.frozen
class ObjectTransfer:
    """One Salesforce object and one Dialog Insight table, kept in agreement line by line.

    Args:
        name: How plans, stores and reports call it.
        sobject: API name of the Salesforce object.
        table: `Contact` for the project's contact list, else the code of a relational table.
        project: The destination project; None where only the engine is used.
        fields: `FieldMapping` lines and `Constant`s; at least one line is the key.
        triggers: Which writes are allowed; None: what the project's type supports (all, where there is no type).
        salesforce_filter: A SOQL condition that the rows of this transfer satisfy, such as `Email != null`.
        dialog_insight_filter: A pure function of a row that says whether it takes part.
        first_match: Who wins when two unlinked records with one key differ; each line may say otherwise.
        deletes: What a proven delete does to the other side.
        match: Match tiers, strongest first, each the name of a line or of several, such as
            `[["FirstName:firstname", "Birthdate:dob"]]`: unlinked records that agree in all lines of a tier are shown
            to a person before either is created.
        converted_from: Name of the transfer of leads, of the same table: where one of them was converted to a record of
            this transfer, its link moves here.  None: such a lead is held, and a person is told.
        dedicated_key: True: the key's Salesforce field is a unique external id that nobody else writes.  Creates there
            are upserts by it then, so that one that is repeated can never make a second record.
        active: False: may be planned, never applied.

    Raises:
        ConfigurationError: With everything that is wrong with the declaration, each problem with its path.

    Example:
        >>> contacts = ObjectTransfer("contacts", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True)])
        >>> contacts.key_lines[0].name
        'Email:EMail'
    """

    name: str
    sobject: str = attrs.field(kw_only=True)
    table: str = attrs.field(default=CONTACT_TABLE, kw_only=True)
    project: DestinationProject | None = attrs.field(default=None, kw_only=True)
    fields: tuple[FieldMapping | Constant, ...] = attrs.field(kw_only=True, converter=_lines)
    triggers: Trigger | None = attrs.field(default=None, kw_only=True)
    salesforce_filter: str | None = attrs.field(default=None, kw_only=True)
    dialog_insight_filter: RowFilter | NamedFunction[Callable[..., bool]] | None = attrs.field(
        default=None, kw_only=True
    )
    first_match: ConflictPolicy = attrs.field(default=ConflictPolicy.HOLD, kw_only=True)
    deletes: Deletes = attrs.field(default=Deletes.REPORT, kw_only=True)
    match: tuple[tuple[str, ...], ...] = attrs.field(default=(), kw_only=True, converter=_tiers)
    converted_from: str | None = attrs.field(default=None, kw_only=True)
    dedicated_key: bool = attrs.field(default=False, kw_only=True)
    active: bool = attrs.field(default=True, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if problems := tuple(transfer_problems(self)):
            raise ConfigurationError(problems, what=f"transfer {self.name!r}")

    @property
    def lines(self) -> tuple[FieldMapping, ...]:
        """The field lines, without the constants."""
        return tuple(line for line in self.fields if isinstance(line, FieldMapping))

    @property
    def constants(self) -> tuple[Constant, ...]:
        """The constants."""
        return tuple(line for line in self.fields if isinstance(line, Constant))

    @property
    def placed(self) -> tuple[tuple[str, FieldMapping], ...]:
        """The field lines with their paths in the declaration (`fields[2]`)."""
        return tuple((f"fields[{i}]", line) for i, line in enumerate(self.fields) if isinstance(line, FieldMapping))

    @property
    def placed_constants(self) -> tuple[tuple[str, Constant], ...]:
        """The constants with their paths in the declaration."""
        return tuple((f"fields[{i}]", line) for i, line in enumerate(self.fields) if isinstance(line, Constant))

    @property
    def key_lines(self) -> tuple[FieldMapping, ...]:
        """The lines that make up the key, in their order."""
        return tuple(line for line in self.lines if line.key)

    @property
    def groups(self) -> Mapping[str, tuple[FieldMapping, ...]]:
        """The lines by the group that they are decided with, in declared order."""
        groups: dict[str, tuple[FieldMapping, ...]] = {}
        for line in self.lines:
            groups[line.group_name] = (*groups.get(line.group_name, ()), line)
        return groups

    @property
    def allowed(self) -> Trigger:
        """The triggers as they are read: the declared ones, or those that the project's type supports."""
        if self.triggers is not None:
            return self.triggers
        return self.project.type.triggers if self.project is not None and self.project.type else Trigger.ALL

    def id_field(self, side: Side) -> str | None:
        """The name of the record id in that side's rows; None for a relational row, which has only its key."""
        if side is Side.SALESFORCE:
            return "Id"
        return "idContact" if self.table == CONTACT_TABLE else None

    def default_first_match(self, line: FieldMapping) -> ConflictPolicy:
        """Who wins on a line when two records meet for the first time."""
        return line.first_match or self.first_match

    def resolved(
        self, salesforce_schema: TableSchema | None = None, dialog_insight_schema: TableSchema | None = None
    ) -> ObjectTransfer:
        """Fill in every missing converter from the two schemas; the result can be saved and needs no schema.

        Args:
            salesforce_schema: The sObject as described; None: nothing is known of that side.
            dialog_insight_schema: The table as described or declared; None: nothing is known of that side.

        Returns:
            The same transfer with a converter on every line (a translated lookup keeps none: the links translate it).
        """
        from di_salesforce._check import converter_for  # here, since that file uses these declarations

        zone = (self.project.time_zone if self.project else None) or "UTC"
        declared = self.project.tables.get(self.table) if self.project else None
        if dialog_insight_schema is None and isinstance(declared, TableSchema):
            dialog_insight_schema = declared
        return attrs.evolve(
            self,
            fields=[
                attrs.evolve(line, converter=converter_for(line, salesforce_schema, dialog_insight_schema, zone))
                if isinstance(line, FieldMapping) and line.converter is None and line.references is None
                else line
                for line in self.fields
            ],
        )

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.transfer(self)

    def with_key(self, *salesforce_fields: str) -> ObjectTransfer:
        """Make those lines the key, in that order, and no others.

        Raises:
            ConfigurationError: Where no line maps one of the fields.
        """
        if missing := [name for name in salesforce_fields if all(name != line.salesforce for line in self.lines)]:
            raise ConfigurationError(
                f"no line of transfer {self.name!r} maps {', '.join(missing)}: it maps "
                + ", ".join(line.salesforce for line in self.lines)
            )
        key = [
            attrs.evolve(line, key=True) for name in salesforce_fields for line in self.lines if line.salesforce == name
        ]
        rest = [
            attrs.evolve(line, key=False) if isinstance(line, FieldMapping) else line
            for line in self.fields
            if not (isinstance(line, FieldMapping) and line.salesforce in salesforce_fields)
        ]
        return attrs.evolve(self, fields=[*key, *rest])

    def with_field(self, *lines: FieldMapping | Constant) -> ObjectTransfer:
        """Add lines at the end; a line between the same two fields is replaced in its place."""
        replaced = {line.name: line for line in lines if isinstance(line, FieldMapping)}
        kept = [replaced.pop(line.name, line) if isinstance(line, FieldMapping) else line for line in self.fields]
        added = [line for line in lines if not isinstance(line, FieldMapping) or line.name in replaced]
        return attrs.evolve(self, fields=[*kept, *added])

    def without_fields(self, *names: str) -> ObjectTransfer:
        """Drop the lines that touch any of the named fields, on either side.

        Raises:
            ConfigurationError: Where a name is in no line (a spelling mistake would else drop nothing).
        """
        touched = {id(line): _names_of(line) for line in self.fields}
        known = set[str]().union(*touched.values())
        if missing := sorted(set(names) - known):
            raise ConfigurationError(f"no line of transfer {self.name!r} touches {', '.join(missing)}")
        return attrs.evolve(self, fields=[line for line in self.fields if not touched[id(line)] & set(names)])


def _names_of(line: FieldMapping | Constant) -> set[str]:
    if isinstance(line, Constant):
        return {line.field}
    return {line.salesforce, line.field(Side.DIALOG_INSIGHT)}


def _transfers(transfers: Iterable[ObjectTransfer]) -> tuple[ObjectTransfer, ...]:
    return tuple(transfers)


@attrs.frozen
class Integration:
    """Several transfers that run together, in an order in which each finds what it refers to.

    Args:
        transfers: At least one; their names differ, and projects of one name are the same project.

    Raises:
        ConfigurationError: With everything that is wrong between the transfers.

    Example:
        >>> contacts = ObjectTransfer("contacts", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True)])
        >>> Integration([contacts]).names
        ('contacts',)
    """

    transfers: tuple[ObjectTransfer, ...] = attrs.field(converter=_transfers)

    def __attrs_post_init__(self) -> None:
        if problems := tuple(integration_problems(self)):
            raise ConfigurationError(problems, what="integration")

    @property
    def names(self) -> tuple[str, ...]:
        """The transfers' names, as declared."""
        return tuple(transfer.name for transfer in self.transfers)

    def __getitem__(self, name: str) -> ObjectTransfer:
        for transfer in self.transfers:
            if transfer.name == name:
                return transfer
        raise KeyError(name)

    @property
    def projects(self) -> tuple[DestinationProject, ...]:
        """The destination projects, each once, in order of first use."""
        return tuple({t.project.name: t.project for t in self.transfers if t.project is not None}.values())

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.names)

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.integration(self)

    def in_order(self) -> tuple[ObjectTransfer, ...]:
        """Give the transfers so that each comes after those that its lookups refer to, else as declared."""
        placed: list[ObjectTransfer] = []
        waiting = list(self.transfers)
        while waiting:
            names = {transfer.name for transfer in placed}
            # A cycle of references cannot be ordered: its first transfer goes first.
            ready = next(
                (t for t in waiting if {line.references for line in t.lines} - {None, t.name} <= names), waiting[0]
            )
            waiting.remove(ready)
            placed.append(ready)
        return tuple(placed)

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the whole declaration as plain, JSON-safe data; exact: `from_dict` gives an equal value.

        Raises:
            ConfigurationError: Where a function has no registered name (`named`).
        """
        from di_salesforce import _declaration_data  # here: it uses these classes, and cattrs only in this function

        return _declaration_data.dump(self)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, functions: Mapping[str, Callable[..., Any]] | None = None
    ) -> Self:  # plain data of a file
        """Read what `to_dict` gave.

        Args:
            data: Plain data.
            functions: The functions that the data names, by registered name.

        Raises:
            ConfigurationError: With everything that is wrong, each problem with its path in the data.
        """
        from di_salesforce import _declaration_data  # as in to_dict

        return _declaration_data.load(cls, data, functions or {})

    @classmethod
    def from_file(cls, path: str | PathLike[str], *, functions: Mapping[str, Callable[..., Any]] | None = None) -> Self:
        """Read a declaration from a `.toml` or `.json` file; its table `job` is for `di_salesforce.jobs`.

        Raises:
            ConfigurationError: Where the file cannot be read, or with everything that is wrong in it.
        """
        from di_salesforce import _declaration_data  # as in to_dict

        return _declaration_data.load(cls, _declaration_data.read_declaration(path), functions or {}, what=str(path))

    def to_toml(self) -> str:
        """Give the declaration as TOML text.

        Raises:
            MissingExtraError: Without the extra `toml` (the standard library reads TOML but does not write it).
        """
        from di_salesforce import _declaration_data  # as in to_dict

        return _declaration_data.to_toml(_declaration_data.dump(self))
