"""The front desk of the simulator: addresses, envelopes, key checks, and one function per method.

What may not go in here: sockets, faults, what becomes of a single record.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Final, Literal, cast

import attrs

from di_salesforce.testing._di_access import ApiKey, refused_right, refused_use, sent_key
from di_salesforce.testing._di_clauses import CallRefusal, is_list, is_object, picked, read_clause
from di_salesforce.testing._di_merge import merge, read_options
from di_salesforce.testing._di_model import ProjectField
from di_salesforce.testing._di_store import Account, Shelf
from di_salesforce.testing._di_switches import CallCause, Switches
from di_salesforce.testing._di_values import Json, JsonObject, whole
from di_salesforce.testing._loopback import MAX_ADDRESS, SimRequest, SimResponse

__all__ = ["Address", "Desk", "Reply", "encoded", "read_address"]

_PATH: Final = re.compile(r"/webservices/ofc4/(\w+)\.ashx", re.ASCII | re.IGNORECASE)
_SERVICES: Final = {"contacts": "Contacts", "relationaltables": "RelationalTables", "projects": "Projects"}
_ELSEWHERE: Final = frozenset(  # [seen] services of Dialog Insight that this simulator does not play
    {"sendings", "messages", "smssendings", "killfile", "push", "mobile", "connector"}
)
_EASTERN: Final = timezone(timedelta(hours=-5))  # [seen] the clock of the recorded traces
_MEMBERS: Final = ("idProject", "idTable", "Clause", "MaxRows", "Records", "MergeOptions", "Tag")
_EXACT: Final = re.compile(r'"\\u0000(-?[0-9.]+)\\u0000"')

_SYSTEM_COLUMNS: Final[JsonObject] = {
    "idTimeZone": 35,
    "dtCreation": "2014.11.26 10:00:00",
}  # invented names and values
_RETRY_AFTER: Final = "60"  # invented: no public text names one

Scope = Literal["account", "project", "table"]


@attrs.frozen
class Address:
    """The service, in lower case, and the method that a request names; empty where it names none."""

    service: str
    method: str


@attrs.frozen
class Reply:
    """An answer before it becomes bytes: an envelope, a page of the web server, or a fault's answer `instead`."""

    status: int
    envelope: JsonObject | None = None
    page: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    id_project: int | None = None
    id_table: int | None = None
    row_count: int = 0
    instead: SimResponse | None = None


@attrs.frozen
class _Done:
    """What a method gives back: its members of the envelope, the rows it moved, lines for the trace."""

    members: JsonObject
    row_count: int
    trace: tuple[str, ...] = ()


@attrs.frozen
class _Asked:
    """A call that may be carried out: its body, whom it addresses, and when."""

    desk: Desk
    body: JsonObject
    key: ApiKey
    number: int
    id_request: int
    now: datetime

    @property
    def switches(self) -> Switches:
        return self.desk.account.switches

    @property
    def shelf(self) -> Shelf:
        return self.desk.account.shelves[self.number]


@attrs.frozen
class _Route:
    """One method: what carries it out, and what it addresses."""

    carry_out: Callable[[_Asked], _Done | CallRefusal]
    scope: Scope


def read_address(request: SimRequest) -> Address:
    """Read service and method from a request; IIS file names know no case [inferred]."""
    match = _PATH.fullmatch(request.path)
    return Address(match.group(1).lower() if match else "", request.query.get("method", ""))


# methods ------------------------------------------------------------------------------------------------------------
def _max_rows(body: JsonObject) -> int | CallRefusal | None:
    raw = body.get("MaxRows")
    if raw is None:
        return None
    limit = whole(raw)
    return limit if limit is not None and limit > 0 else CallRefusal(CallCause.BAD_PARAMETER, "MaxRows.")


def _get(asked: _Asked) -> _Done | CallRefusal:
    switches = asked.switches
    conditions = read_clause(asked.body.get("Clause"), asked.shelf.layout, switches)
    if isinstance(conditions, CallRefusal):
        return conditions
    if not conditions and switches.clauseless_get == "refuse":
        return CallRefusal(CallCause.CLAUSE_REQUIRED)
    limit = _max_rows(asked.body)
    if isinstance(limit, CallRefusal):
        return limit
    numbers = picked(asked.shelf, conditions)
    if switches.inactive_contacts == "hidden":
        inactive = asked.desk.account.inactive.get(asked.number, frozenset())
        numbers = [number for number in numbers if number not in inactive]
    if switches.row_order == "shuffled":
        random.Random(asked.id_request).shuffle(numbers)  # noqa: S311 - repeatable on purpose, no secret
    if limit is not None and switches.max_rows_on_get == "honour":
        numbers = numbers[:limit]
    ceiling = switches.max_rows_per_get
    if ceiling is not None and len(numbers) > ceiling:
        if switches.past_max_rows_per_get == "refuse":
            return CallRefusal(CallCause.TOO_MANY_ROWS)
        numbers = numbers[:ceiling]
    render, rows = asked.shelf.renderer.render, asked.shelf.rows
    records: list[Json] = [render(rows[number]) for number in numbers]
    if switches.system_columns == "present" and asked.shelf.layout.id_slot is not None:
        records = [{**record, **_SYSTEM_COLUMNS} for record in records if is_object(record)]
    return _Done({"Records": records}, len(records))


def _merge(asked: _Asked) -> _Done | CallRefusal:
    records = asked.body.get("Records")
    if not is_list(records):
        return CallRefusal(CallCause.BAD_PARAMETER, "Records.")
    most = asked.switches.max_records_per_merge
    if most is not None and len(records) > most:
        return CallRefusal(CallCause.TOO_MANY_RECORDS)
    options = read_options(asked.body.get("MergeOptions"), folds=not asked.switches.members_case_sensitive)
    if isinstance(options, CallRefusal):
        return options
    merged = merge(asked.desk.account, asked.number, records, options, asked.now)
    if isinstance(merged, CallRefusal):
        return merged
    members: JsonObject = {
        "CreatedRecords": merged.created,
        "UpdatedRecords": merged.updated,
        "Records": merged.records,
    }
    trace = (
        f"Records received: {len(records)}",
        f"Candidates for insert: {len(records) if options.allow_insert else 0}",
        f"Candidates for update: {len(records) if options.allow_update else 0}",
        f"Duplicates in the input: {merged.duplicates}",
        f"Records updated: {merged.updated}",
        f"Records created: {merged.created}",
    )
    return _Done(members, len(records), trace)


def _delete(asked: _Asked) -> _Done | CallRefusal:
    switches = asked.switches
    conditions = read_clause(asked.body.get("Clause"), asked.shelf.layout, switches)
    if isinstance(conditions, CallRefusal):
        return conditions
    if not conditions and switches.clauseless_delete == "refuse":
        return CallRefusal(CallCause.CLAUSE_REQUIRED)
    limit = _max_rows(asked.body)
    if isinstance(limit, CallRefusal):
        return limit
    if limit is None and switches.delete_without_max_rows == "refuse":
        return CallRefusal(CallCause.BAD_PARAMETER, "MaxRows.")
    numbers = picked(asked.shelf, conditions)
    if limit is not None and len(numbers) > limit:
        if switches.delete_past_max_rows == "refuse":
            return CallRefusal(CallCause.TOO_MANY_ROWS)
        numbers = numbers[:limit]
    asked.desk.account.delete(asked.number, numbers)
    return _Done({"DeletedRecords": len(numbers)}, len(numbers))


def _list_projects(asked: _Asked) -> _Done | CallRefusal:
    records: list[Json] = [
        {"idProject": project.id, "ProjectName": project.name}
        for project in asked.desk.account.projects.values()
        if refused_right(asked.key.rights, "projects", "List", project.id, None) is None
    ]
    return _Done({"Records": records}, len(records))


def _get_project(asked: _Asked) -> _Done | CallRefusal:
    project = asked.desk.account.projects[asked.number]
    fields: list[Json] = [_shown_field(field, asked.switches) for field in project.all_fields]
    optins: list[Json] = [
        {"Code": optin.code, "Labels": _labels(optin.label or optin.code)} for optin in project.optins
    ]
    return _Done({"ProjectInfo": {"ProjectFields": fields, "OptinFields": optins}}, 1)


def _shown_field(field: ProjectField, switches: Switches) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "Code": field.code,
        "DataType": field.data_type or field.type,
        "isRequired": field.required,
        "Labels": _labels(field.label or field.code),
    }
    if switches.key_member:
        shown[switches.key_member] = field.key
    if switches.length_member:
        shown[switches.length_member] = field.length
    return shown


def _labels(text: str) -> list[Json]:
    return [{"Value": text}]


_ROUTES: Final[Mapping[tuple[str, str], _Route]] = {
    ("contacts", "Get"): _Route(_get, "project"),
    ("contacts", "Merge"): _Route(_merge, "project"),
    ("contacts", "Delete"): _Route(_delete, "project"),
    ("relationaltables", "Get"): _Route(_get, "table"),
    ("relationaltables", "Merge"): _Route(_merge, "table"),
    ("relationaltables", "Delete"): _Route(_delete, "table"),
    ("projects", "List"): _Route(_list_projects, "account"),
    ("projects", "Get"): _Route(_get_project, "project"),
}


# the desk -----------------------------------------------------------------------------------------------------------
@attrs.define(eq=False)
class Desk:
    """Answers requests on behalf of one account; the façade holds its lock around every call."""

    account: Account
    clock: Callable[[], datetime]
    keys: dict[int, ApiKey] = attrs.field(factory=dict[int, ApiKey])
    used: dict[int, int] = attrs.field(factory=dict[int, int])
    caller_address: str = "127.0.0.1"

    def answer(self, address: Address, request: SimRequest) -> Reply:
        """Answer one request; whatever it holds, this returns."""
        if address.service in _ELSEWHERE:
            return Reply(501, page=f"The simulator does not play the service {address.service}.")
        if address.service not in _SERVICES:
            return Reply(404, page="The resource cannot be found.")
        if request.address_size > MAX_ADDRESS:
            return Reply(414, page="The request URL is too long.")
        if request.method != "POST":
            return Reply(405, page="The page you are looking for cannot be displayed.", headers={"Allow": "POST"})
        most = self.account.switches.max_body_bytes
        if most is not None and len(request.body) > most:
            return Reply(413, page="The request entity is too large.")
        return self._envelope(address, _read_body(request))

    def refused(self, address: Address, refusal: CallRefusal) -> Reply:
        """Refuse a call in the envelope, with a request number of its own."""
        return self._closed(address, refusal, self.account.next_request(), self.clock(), Reply(200))

    def _envelope(self, address: Address, body: JsonObject | None) -> Reply:
        id_request, now = self.account.next_request(), self.clock()
        blank = Reply(200)
        if body is None:
            return self._closed(address, CallRefusal(CallCause.BAD_JSON), id_request, now, blank)
        key = self._let_in(body, now)
        if isinstance(key, CallRefusal):
            return self._closed(address, key, id_request, now, blank)
        route = _ROUTES.get((address.service, address.method))
        if route is None:
            return self._closed(address, CallRefusal(CallCause.UNKNOWN_METHOD), id_request, now, blank)
        if not self.account.switches.members_case_sensitive:
            names = {name.lower(): name for name in _MEMBERS}
            body = {names.get(name.lower(), name): value for name, value in body.items()}
        number = self._addressed(route.scope, body)
        if isinstance(number, CallRefusal):
            return self._closed(address, number, id_request, now, blank)
        table = self.account.tables.get(number) if route.scope == "table" else None
        id_project = table.project if table is not None else number or None
        records = body.get("Records")
        blank = Reply(
            200,
            id_project=id_project,
            id_table=table.id if table is not None else None,
            row_count=len(records) if is_list(records) else 0,
        )
        done = refused_right(key.rights, address.service, address.method, blank.id_project, blank.id_table)
        asked = _Asked(self, body, key, number, id_request, now)
        return self._closed(address, done or route.carry_out(asked), id_request, now, blank)

    def _let_in(self, body: JsonObject, now: datetime) -> ApiKey | CallRefusal:
        sent = sent_key(body.get("AuthKey"))
        if sent is None:
            return CallRefusal(CallCause.MISSING_KEY)
        id_key, secret = sent
        known = self.keys.get(id_key)
        used = self.used.get(id_key, 0)
        refusal = refused_use(known, secret, now=now, address=self.caller_address, used=used)
        if refusal is not None or known is None:
            return refusal or CallRefusal(CallCause.BAD_KEY)
        self.used[id_key] = used + 1
        return known

    def _addressed(self, scope: Scope, body: JsonObject) -> int | CallRefusal:
        if scope == "account":
            return 0
        if scope == "project":
            number = whole(body.get("idProject"))
            return number if number in self.account.projects else CallRefusal(CallCause.UNKNOWN_PROJECT)
        if "idProject" in body and self.account.switches.id_project_on_relational == "error":
            return CallRefusal(CallCause.BAD_PARAMETER, "idProject.")
        number = whole(body.get("idTable"))
        return number if number in self.account.tables else CallRefusal(CallCause.UNKNOWN_TABLE)

    def _closed(
        self, address: Address, done: _Done | CallRefusal, id_request: int, now: datetime, blank: Reply
    ) -> Reply:
        switches = self.account.switches
        refused = isinstance(done, CallRefusal)
        envelope: dict[str, Json] = {"Success": not refused, "ErrorCode": None, "ErrorMessage": None}
        if isinstance(done, CallRefusal):
            error = switches.call_error(done.cause)
            detail = f" {done.detail}" if done.detail and error.message is not None else ""
            envelope |= {
                "ErrorCode": error.code,
                "ErrorMessage": None if error.message is None else error.message + detail,
            }
        else:
            envelope |= done.members
        envelope["idRequest"] = id_request
        if switches.trace == "present":
            envelope["Trace"] = _trace(address, now, () if isinstance(done, CallRefusal) else done.trace)
        if isinstance(done, CallRefusal):
            if done.cause is CallCause.QUOTA and switches.quota_status != 200:
                headers = {"Retry-After": _RETRY_AFTER}
                return attrs.evolve(blank, status=switches.quota_status, envelope=envelope, headers=headers)
            return attrs.evolve(blank, status=switches.error_http_status, envelope=envelope)
        return attrs.evolve(blank, envelope=envelope, row_count=done.row_count)


def _trace(address: Address, now: datetime, lines: Iterable[str]) -> str:
    clock = now.astimezone(_EASTERN).strftime("%H:%M:%S")
    target = f"{_SERVICES.get(address.service, address.service)}.{address.method}"
    steps = ("JSON deserialization", "Parameter validation", "Method execution")
    head = [f"{clock} Start", "\tPlatform user: false", "\tAdministrator: false", f"Target: {target}"]
    return "\r\n".join([*head, *steps, *(f"\t{line}" for line in lines), "End"])


# bytes --------------------------------------------------------------------------------------------------------------
def _read_body(request: SimRequest) -> JsonObject | None:
    try:
        value = cast(Json, json.loads(request.body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_number))
    except (ValueError, ArithmeticError, RecursionError):  # no JSON, an exponent past all bounds, nesting without end
        return None
    return value if is_object(value) else None


def _no_number(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def _exact(value: object) -> str:
    """Mark a decimal, so that it can be written with all its digits: the JSON writer knows no decimals."""
    if isinstance(value, Decimal):
        return f"\0{value:f}\0"
    raise TypeError(f"{type(value).__name__} has no place in an answer")


def encoded(envelope: Json, switches: Switches) -> bytes:
    """Write an envelope as bytes, in the layout that the switches say."""
    if switches.body_layout == "indented":
        text = json.dumps(envelope, ensure_ascii=False, indent=2, default=_exact).replace("\n", "\r\n")
    else:
        text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), default=_exact)
    if "\\u0000" in text:
        text = _EXACT.sub(r"\1", text)
    return text.encode(errors="replace")  # a lone surrogate has no bytes
