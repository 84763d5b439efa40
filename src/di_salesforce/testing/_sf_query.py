"""SOQL, run: rows out of tables, in order, in the shape of the API's answer.

What may not go in here: the grammar (`_sf_soql.py`), conditions (`_sf_filter.py`), paging and HTTP.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import attrs

from di_salesforce.testing._sf_access import Caller
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_filter import Column, Filter, Scope, Test, leaf, parent
from di_salesforce.testing._sf_schema import StoredRow, Wire
from di_salesforce.testing._sf_soql import Aggregate, FieldSet, Order, Path, Query, fault_at, parse
from di_salesforce.testing._sf_store import Getter, Index, Org, Table, fold

MAX_OFFSET: Final = 2000
MAX_FIELD_SET_ROWS: Final = 200
"""`FIELDS(ALL)` and `FIELDS(CUSTOM)` need a LIMIT of at most this (facts 3.5)."""

Shown: TypeAlias = dict[str, object]
Show: TypeAlias = Callable[[StoredRow], Shown]


@attrs.frozen
class Result:
    """What a query found: rows as they were then, and the function that shows one; `table` is None for aggregates."""

    rows: Sequence[StoredRow]
    show: Show
    total: int
    table: Table | None


@attrs.frozen
class Runner:
    """Runs a user's queries against an org; `base` is the path of the version, for the addresses of records."""

    org: Org
    base: str
    caller: Caller

    def run(self, text: str, *, deleted: bool) -> Result:
        """Run a query; raises `Refusal` for one that is wrong."""
        query = parse(text)
        table = self._table(query)
        scope = Scope(self.org, table, query.alias, text, self.caller)
        if query.offset > MAX_OFFSET:
            raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
        if query.group_by or any(isinstance(item, Aggregate) for item in query.select):
            return self._aggregate(query, scope, deleted=deleted)
        show = self._show(query, scope)
        rows = self._ordered(query, scope, self._matching(query, scope, deleted=deleted))
        rows = _slice(query, rows)
        return Result(rows, show, len(rows), table)

    # Rows ----------------------------------------------------------------------------------------------------------

    def _table(self, query: Query) -> Table:
        table = self.org.table(query.source.text)
        if table is None:
            message = (
                f"sObject type '{query.source.text}' is not supported. If you are attempting to use a custom "
                "object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe "
                "call for the appropriate names."
            )
            raise fault_at("INVALID_TYPE", query.text, query.source.at, message)
        return table

    def _filter(self, scope: Scope) -> Filter:
        return Filter(scope, self.org.clock().date(), self._semi_join)

    def _semi_join(self, query: Query) -> frozenset[Wire]:
        """Run the query in `IN (SELECT ...)`: one field, of its live rows."""
        table = self._table(query)
        scope = Scope(self.org, table, query.alias, query.text, self.caller)
        if len(query.select) != 1 or not isinstance(query.select[0], Path):
            raise fault_at("MALFORMED_QUERY", query.text, query.source.at, "a semi-join selects exactly one field")
        read = scope.column(query.select[0]).read
        values = (read(row) for row in self._matching(query, scope, deleted=False))
        return frozenset(value for value in values if isinstance(value, (str, int, float)))

    def _matching(self, query: Query, scope: Scope, *, deleted: bool) -> list[StoredRow]:
        table = scope.table
        if query.where is None:
            return list(table.rows.values() if deleted else table.all_live())
        condition = self._filter(scope)
        test = condition.compile(query.where)
        ids = condition.candidates(query.where, deleted=deleted)
        rows: Iterable[StoredRow] = table.rows.values()
        if ids is not None:
            rows = [table.rows[one] for one in sorted(ids) if one in table.rows]
        return [row for row in rows if (deleted or not row["IsDeleted"]) and test(row)]

    def _ordered(self, query: Query, scope: Scope, rows: list[StoredRow]) -> list[StoredRow]:
        for order in reversed(query.order_by):
            rows = _sorted(rows, scope.column(order.path), order, scope.text)
        seed = self.org.switches.unordered
        if not query.order_by and seed is not None:
            random.Random(seed).shuffle(rows)  # noqa: S311 - a repeatable disorder, not a secret
        return rows

    # Shapes --------------------------------------------------------------------------------------------------------

    def _show(self, query: Query, scope: Scope) -> Show:
        paths: list[tuple[Path, tuple[str, ...]]] = []
        children: list[tuple[str, Callable[[StoredRow], object]]] = []
        for item in query.select:
            match item:
                case Path():
                    scope.column(item)  # says where an unknown field stands in the text
                    paths.append((item, scope.parts(item)))
                case FieldSet():
                    paths += [(Path((name,), item.at), (name,)) for name in self._field_set(item, query, scope)]
                case Query():
                    children.append(self._children(item, scope))
                case Aggregate():  # run() sends these elsewhere
                    raise fault_at("MALFORMED_QUERY", query.text, item.at, "unexpected aggregate")
        seen: set[str] = set()
        for path, parts in paths:
            name = ".".join(parts).lower()
            if name in seen:
                raise fault_at("INVALID_FIELD", query.text, path.at, f"duplicate field selected: {path.text}")
            seen.add(name)
        show = self.shape([scope.table], [parts for _, parts in paths])
        if not children:
            return show

        def with_children(row: StoredRow) -> Shown:
            shown = show(row)
            for name, child in children:
                shown[name] = child(row)
            return shown

        return with_children

    def shape(self, tables: Sequence[Table], paths: Sequence[Sequence[str]]) -> Show:
        """Build the function that shows a row as a record: `attributes`, fields, parents nested with their own."""
        plain: list[str] = []
        computed: list[tuple[str, Getter]] = []
        grouped: dict[str, list[Sequence[str]]] = {}
        order: list[str] = []
        for parts in paths:
            if len(parts) > 1:
                grouped.setdefault(parts[0].lower(), []).append(parts[1:])
                continue
            column = leaf(tables, parts[0], self.caller, own=True)
            order.append(column.field.name)
            if len(tables) == 1 and column.field.formula is None:
                plain.append(column.field.name)
            else:
                computed.append((column.field.name, column.read))
        for relationship, rest in grouped.items():
            reference, targets = parent(self.org, tables, relationship, self.caller)
            computed.append((reference.relationship, self._parent(reference.name, self.shape(targets, rest))))
        prefixes = {table.sobject.prefix: table.sobject.name for table in tables}
        base = f"{self.base}/sobjects/"
        only = tables[0].sobject.name if len(tables) == 1 else ""

        def show(row: StoredRow) -> Shown:
            record_id = row["Id"]
            kind = only or prefixes[str(record_id)[:3]]
            shown: Shown = {"attributes": {"type": kind, "url": f"{base}{kind}/{record_id}"}}
            get = row.get
            for name in plain:
                shown[name] = get(name)
            for name, read in computed:
                shown[name] = read(row)
            return shown

        return show

    def _parent(self, lookup: str, show: Show) -> Getter:
        org = self.org

        def read(row: StoredRow) -> object:
            found = org.row(str(row.get(lookup, "")))
            return None if found is None else show(found[1])

        return read

    def _field_set(self, item: FieldSet, query: Query, scope: Scope) -> list[str]:
        if item.kind != "STANDARD" and (query.limit is None or query.limit > MAX_FIELD_SET_ROWS):
            message = f"The SOQL FIELDS function must have a LIMIT of at most {MAX_FIELD_SET_ROWS}"
            raise fault_at("MALFORMED_QUERY", query.text, item.at, message)
        fields = self.caller.view(scope.table.sobject).visible()
        return [field.name for field in fields if item.kind == "ALL" or field.custom is (item.kind == "CUSTOM")]

    def _children(self, query: Query, scope: Scope) -> tuple[str, Callable[[StoredRow], object]]:
        wanted = query.source.text.lower()
        for table, field in self.org.children(scope.table.sobject.name):
            if field.children.lower() == wanted and wanted and self.caller.sees(table.sobject.name, field):
                return field.children, self._child_reader(query, table, table.index(field))
        message = (
            f"Didn't understand relationship '{query.source.text}' in FROM part of query call. If you are attempting "
            "to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please "
            "reference your WSDL or the describe call for the appropriate names."
        )
        raise fault_at("INVALID_TYPE", query.text, query.source.at, message)

    def _child_reader(self, query: Query, table: Table, index: Index) -> Callable[[StoredRow], object]:
        scope = Scope(self.org, table, query.alias, query.text, self.caller)
        show = self._show(query, scope)
        test: Test = (lambda _row: True) if query.where is None else self._filter(scope).compile(query.where)

        def read(row: StoredRow) -> object:
            rows = [table.rows[one] for one in index.find(row["Id"]) if test(table.rows[one])]
            rows = _slice(query, self._ordered(query, scope, rows))
            return {"totalSize": len(rows), "done": True, "records": [show(one) for one in rows]} if rows else None

        return read

    # Aggregates ----------------------------------------------------------------------------------------------------

    def _aggregate(self, query: Query, scope: Scope, *, deleted: bool) -> Result:
        rows = self._matching(query, scope, deleted=deleted)
        if query.counts and not query.group_by:
            count = len(_slice(query, rows))
            return Result([], _as_it_is, count, None)
        keys = {path.text.lower(): scope.column(path) for path in query.group_by}
        columns = self._aggregate_columns(query, scope, keys)
        groups: dict[tuple[object, ...], list[StoredRow]] = {} if keys else {(): rows}
        folding = [_folding(column) for column in keys.values()]
        for row in rows if keys else ():
            groups.setdefault(tuple(key(row) for key in folding), []).append(row)
        found = [{name: compute(group) for name, compute in columns} for group in groups.values()]
        for order in reversed(query.order_by):
            found = _sorted_by_name(found, order, scope.text)
        found = _slice(query, found)
        return Result(found, lambda row: {"attributes": {"type": "AggregateResult"}, **row}, len(found), None)

    def _aggregate_columns(
        self, query: Query, scope: Scope, keys: Mapping[str, Column]
    ) -> list[tuple[str, Callable[[Sequence[StoredRow]], Wire]]]:
        columns: list[tuple[str, Callable[[Sequence[StoredRow]], Wire]]] = []
        unnamed = 0
        for item in query.select:
            if isinstance(item, Aggregate):
                name = item.alias or f"expr{unnamed}"
                unnamed += not item.alias
                read = None if item.path is None else scope.column(item.path).read
                columns.append((name, _reducer(item.function, read)))
            elif isinstance(item, Path) and item.text.lower() in keys:
                column = keys[item.text.lower()]
                columns.append((column.field.name, _first(column.read)))
            else:
                at = item.source.at if isinstance(item, Query) else item.at
                raise fault_at("MALFORMED_QUERY", query.text, at, "Field must be grouped or aggregated")
        return columns


def _as_it_is(row: StoredRow) -> Shown:
    return {**row}


def _slice(query: Query, rows: list[StoredRow]) -> list[StoredRow]:
    end = None if query.limit is None else query.offset + query.limit
    return rows[query.offset : end] if query.offset or end is not None else rows


def _folding(column: Column) -> Callable[[StoredRow], Any]:  # gives values of the column's own type
    """Build the function that reads a column in the form in which it is compared."""
    if not column.field.folds:
        return column.read
    folded, read = fold(column.field), cast("Callable[[StoredRow], Wire]", column.read)
    return lambda row: folded(read(row))


def _sorted(rows: list[StoredRow], column: Column, order: Order, text: str) -> list[StoredRow]:
    if column.field.is_long or column.field.type == "multipicklist":
        raise fault_at(
            "INVALID_FIELD", text, order.path.at, f"field '{order.path.text}' can not be sorted in a query call"
        )
    return _nulls_aside(rows, _folding(column), order)


def _sorted_by_name(rows: list[StoredRow], order: Order, text: str) -> list[StoredRow]:
    name = next((name for row in rows[:1] for name in row if name.lower() == order.path.parts[-1].lower()), None)
    if name is None and rows:
        raise fault_at(
            "MALFORMED_QUERY", text, order.path.at, f"Ordered field must be grouped or aggregated: {order.path.text}"
        )
    return _nulls_aside(rows, lambda row: row.get(name or ""), order)


def _nulls_aside(rows: list[StoredRow], key: Callable[[StoredRow], Any], order: Order) -> list[StoredRow]:
    values: list[StoredRow] = []
    nulls: list[StoredRow] = []
    for row in rows:
        (nulls if key(row) is None else values).append(row)
    values.sort(key=key, reverse=order.descending)
    return values + nulls if order.nulls_last else nulls + values


def _first(read: Getter) -> Callable[[Sequence[StoredRow]], Wire]:
    def first(group: Sequence[StoredRow]) -> Wire:
        return cast("Wire", read(group[0]))  # a group has at least one row; what can be grouped is no compound field

    return first


def _reducer(function: str, read: Getter | None) -> Callable[[Sequence[StoredRow]], Wire]:
    if read is None:
        return len

    def values(group: Sequence[StoredRow]) -> list[Any]:  # values of one column
        return [value for row in group if (value := read(row)) is not None]

    reducers: Mapping[str, Callable[[list[Any]], Wire]] = {
        "COUNT": len,
        "COUNT_DISTINCT": lambda found: len(set(found)),
        "MIN": min,
        "MAX": max,
        "SUM": sum,
        "AVG": lambda found: sum(found) / len(found),
    }
    reduce = reducers[function]

    def compute(group: Sequence[StoredRow]) -> Wire:
        found = values(group)
        return reduce(found) if found or function.startswith("COUNT") else None

    return compute
