"""The methods of Dialog Insight's web services as calls: a request, and the pure function that reads its answer.

What may not go in here: several steps (`_flows.py`), credentials (`_access.py`), the outcome of a Merge (`_merge.py`).

    service               methods               body, besides AuthKey                        evidence
    Contacts              Get, Merge, Delete    idProject, Clause | Records, MergeOptions    seen
    RelationalTables      Get, Merge            idTable, the same; never idProject           seen
                          Delete                                                             inferred
    Projects              List, Get             nothing | idProject                          seen
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from di_salesforce._json_text import written_ascii
from di_salesforce.dialog_insight._errors import open_envelope, unexpected
from di_salesforce.dialog_insight._names import Target
from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.dialog_insight._values import (
    JsonObject,
    dump_json,
    is_list,
    is_object,
    read_id,
    rows_from_wire,
    wire_value,
)
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import Row, Side, Value
from di_salesforce.wire import Call, HttpRequest, HttpResponse

__all__ = [
    "FieldClause",
    "ProjectSummary",
    "delete_call",
    "get_call",
    "list_projects_call",
    "open_call",
    "project_call",
    "raw_call",
    "read_objects",
]

_PATH: Final = "/webservices/ofc4/{service}.ashx"  # [seen] in every public client
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")


@attrs.frozen
class FieldClause:
    """A condition on one field, by its name in rows; `Equal` is the only operator ever seen."""

    field: str
    value: Value = attrs.field(repr=False)  # may be an e-mail address
    operator: str = "Equal"

    def to_wire(self, target: Target, capabilities: Capabilities) -> JsonObject:
        """Give the clause as it is sent: `$type` first, where the server's reader looks for it [inferred].

        Raises:
            ConfigurationError: an operator that nobody has found to work, or a blank value.
            ConversionError: a value that has no form on the wire.
        """
        if self.operator not in capabilities.operators:
            known = ", ".join(sorted(capabilities.operators))
            raise ConfigurationError(
                f"operator {self.operator!r} is not known to work here (known: {known}); try it on a test project, "
                f"then name it in Capabilities.operators"
            )
        value = wire_value(self.value, field=self.field)
        if value == "":
            raise ConfigurationError(f"{self.field}: cannot look for a blank value; read the table in full instead")
        return {
            "$type": "FieldClause",
            "Field": {"Name": target.wire_name(self.field)},
            "TypeOperator": self.operator,
            "ComparisonValue": value,
        }


def raw_call(
    service: str,
    method: str,
    body: Mapping[str, Any],
    *,
    name: str = "",
    writes: bool = False,
    repeatable: bool = True,
    plain: bool = False,
) -> HttpRequest:
    """Make the request of any method; the key pair is added by the connection.

    `plain` vouches that the body holds nothing but texts, whole numbers, booleans and nulls, at whatever depth.

    Raises:
        ConfigurationError: names that cannot stand in an address; a body with a key in it, or that JSON cannot hold.
    """
    problems = [
        Problem(place, "must be letters and digits, as in Contacts and Merge")
        for place, given in (("service", service), ("method", method))
        if not _NAME.fullmatch(given)
    ]
    if "AuthKey" in body:
        problems.append(
            Problem("body", "leave AuthKey out: the client adds its own, and a request is not to hold a key")
        )
    if problems:
        raise ConfigurationError(problems, what=name or "a Dialog Insight call")
    try:
        content = (written_ascii(body) if plain else None) or dump_json(dict(body)).encode("ascii")
    except (TypeError, ValueError, RecursionError):  # our own sentence, since json's may show the value
        raise ConfigurationError(
            [Problem("body", "holds something that JSON cannot")], what=f"{service}.{method}"
        ) from None
    return HttpRequest(
        side=Side.DIALOG_INSIGHT,
        method="POST",
        path=_PATH.format(service=service.lower()),
        query={"method": method},
        headers={"Content-Type": "application/json", "Accept": "application/json"},
        content=content,
        writes=writes,
        repeatable=repeatable,
        name=name or f"{service}.{method}",
    )


def open_call(
    service: str, method: str, body: Mapping[str, Any], *, capabilities: Capabilities, writes: bool, repeatable: bool
) -> Call[JsonObject]:
    """Make a call of any method whose answer is the opened envelope: what has no builder of its own goes here."""
    request = raw_call(service, method, body, writes=writes, repeatable=repeatable)
    return Call(request, lambda response: open_envelope(response, capabilities, request.name))


def get_call(target: Target, clauses: Sequence[FieldClause], *, capabilities: Capabilities) -> Call[list[Row]]:
    """Make a Get: all rows that satisfy the clauses, or every row.

    Args:
        target: where to read.
        clauses: none for every row; several only where a clause may be a list.
        capabilities: what the account's service can do.

    Raises:
        ConfigurationError: something that the capabilities do not hold; nothing was sent.
    """
    what = f"{target.service}.Get for {target}"
    body: JsonObject = dict(target.address)
    if len(clauses) == 1:
        body["Clause"] = clauses[0].to_wire(target, capabilities)
    elif clauses and capabilities.clause_lists:
        body["Clause"] = [clause.to_wire(target, capabilities) for clause in clauses]
    elif clauses:
        raise ConfigurationError(f"{what}: several clauses in one call need Capabilities(clause_lists=True)")
    elif not capabilities.clauseless_get:
        raise ConfigurationError(
            f"{what}: whether Dialog Insight gives all rows to a Get without a clause is not documented. Try it on a "
            f"test project, compare the number of rows with the application's, then use "
            f"Capabilities(clauseless_get=True); until then read by key, or from an exported CSV file"
        )

    def decode(response: HttpResponse) -> list[Row]:
        records = read_objects(open_envelope(response, capabilities, what), "Records", response, what)
        if capabilities.max_rows_per_get is not None and len(records) >= capabilities.max_rows_per_get:
            raise unexpected(
                response,
                what,
                f"the answer has {len(records)} rows, the most that one Get gives (Capabilities.max_rows_per_get), so "
                f"there may be more: read by key, or from an exported CSV file",
            )
        return rows_from_wire(target, records)

    return Call(raw_call(target.service, "Get", body, name=what), decode)


def delete_call(target: Target, clause: FieldClause, max_rows: int, *, capabilities: Capabilities) -> Call[int]:
    """Make a Delete, whose answer is the number of deleted records.

    What happens where more rows match than `max_rows` is unknown: should the service stop there, a repetition would
    delete further ones.  So it is never repeated.

    Raises:
        ConfigurationError: deleting has not been switched on, or `max_rows` is no count; nothing was sent.
    """
    what = f"{target.service}.Delete for {target}"
    if not capabilities.delete:
        raise ConfigurationError(
            f"{what}: deleting is switched off. Dialog Insight deletes a contact for good, with its history and its "
            f"relational rows; if that is meant, use Capabilities(delete=True)"
        )
    if isinstance(max_rows, bool) or max_rows < 1:
        raise ConfigurationError([Problem("max_rows", "must be at least 1")], what=what)
    body = {**target.address, "Clause": clause.to_wire(target, capabilities), "MaxRows": max_rows}

    def decode(response: HttpResponse) -> int:
        count = open_envelope(response, capabilities, what).get("DeletedRecords")
        if count in (0, "0"):
            return 0
        number = read_id(count)
        if number is None:
            raise unexpected(response, what, "the answer does not say how many records were deleted")
        return number

    return Call(raw_call(target.service, "Delete", body, name=what, writes=True, repeatable=False), decode)


@attrs.frozen
class ProjectSummary:
    """A project that the key may see: its number and its name."""

    id: int
    name: str


def list_projects_call(*, capabilities: Capabilities) -> Call[list[ProjectSummary]]:
    """Make a Projects.List, whose answer is the projects that the key may see."""
    what = "Projects.List"

    def decode(response: HttpResponse) -> list[ProjectSummary]:
        records = read_objects(open_envelope(response, capabilities, what), "Records", response, what)
        listed = [(read_id(record.get("idProject")), record.get("ProjectName")) for record in records]
        return [ProjectSummary(number, str(name or "")) for number, name in listed if number is not None]

    return Call(raw_call("Projects", "List", {}, name=what), decode)


def project_call(id_project: int, *, capabilities: Capabilities) -> Call[JsonObject]:
    """Make a Projects.Get, whose answer is the project's description as it came (`ProjectInfo`)."""
    what = f"Projects.Get for project {id_project}"

    def decode(response: HttpResponse) -> JsonObject:
        info = open_envelope(response, capabilities, what).get("ProjectInfo")
        if not is_object(info):
            raise unexpected(response, what, "the answer has no ProjectInfo")
        return info

    return Call(raw_call("Projects", "Get", {"idProject": id_project}, name=what), decode)


def read_objects(members: JsonObject, name: str, response: HttpResponse, what: str) -> list[JsonObject]:
    """Give a list of objects out of an opened envelope; raises `UnexpectedResponseError` for anything else."""
    found: object = members.get(name)
    if not is_list(found):
        raise unexpected(response, what, f"the answer has no list {name}")
    objects = [item for item in found if is_object(item)]
    if len(objects) < len(found):
        raise unexpected(response, what, f"{name} holds something that is no record")
    return objects
