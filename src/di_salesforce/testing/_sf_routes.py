"""The addresses of the simulated Salesforce: one table, and the little code that walks it.

What may not go in here: what a route does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote

import attrs

from di_salesforce.testing import _sf_bulk as bulk
from di_salesforce.testing import _sf_collections as collections
from di_salesforce.testing import _sf_reads as reads
from di_salesforce.testing import _sf_records as records
from di_salesforce.testing._faults import html_page
from di_salesforce.testing._loopback import MAX_ADDRESS, SimRequest
from di_salesforce.testing._sf_auth import Door
from di_salesforce.testing._sf_errors import Answer, Refusal, not_found
from di_salesforce.testing._sf_service import ApiCall, Route, Service


@attrs.frozen
class Line:
    """One line of the table; `writes` is for the request log."""

    method: str
    pattern: tuple[str, ...]
    route: Route
    writes: bool = False


def _line(method: str, pattern: str, route: Route, *, writes: bool = False) -> Line:
    return Line(method, tuple(pattern.split("/")), route, writes)


# Below /services/data/vXX.X; `{name}` takes any one segment, and a line that stands first is preferred.
ROUTES: Final = (
    _line("GET", "sobjects", reads.sobjects),
    _line("GET", "sobjects/{sobject}", reads.sobject),
    _line("POST", "sobjects/{sobject}", records.create, writes=True),
    _line("GET", "sobjects/{sobject}/describe", reads.describe),
    _line("GET", "sobjects/{sobject}/updated", reads.updated),
    _line("GET", "sobjects/{sobject}/deleted", reads.deleted),
    _line("GET", "sobjects/{sobject}/{id}", records.read),
    _line("PATCH", "sobjects/{sobject}/{id}", records.update, writes=True),
    _line("DELETE", "sobjects/{sobject}/{id}", records.delete, writes=True),
    _line("POST", "sobjects/{sobject}/{id}", records.create_by_id_field, writes=True),
    _line("GET", "sobjects/{sobject}/{id}/{value}", records.read_by_key),
    _line("PATCH", "sobjects/{sobject}/{id}/{value}", records.upsert, writes=True),
    _line("DELETE", "sobjects/{sobject}/{id}/{value}", records.delete_by_key, writes=True),
    _line("GET", "query", reads.query),
    _line("GET", "query/{cursor}", reads.next_page),
    _line("GET", "queryAll", reads.query_all),
    _line("GET", "queryAll/{cursor}", reads.next_page),
    _line("POST", "composite/sobjects", collections.create, writes=True),
    _line("PATCH", "composite/sobjects", collections.update, writes=True),
    _line("DELETE", "composite/sobjects", collections.delete, writes=True),
    _line("POST", "composite/sobjects/{sobject}", collections.retrieve),
    _line("GET", "composite/sobjects/{sobject}", collections.retrieve_short),
    _line("PATCH", "composite/sobjects/{sobject}/{field}", collections.upsert, writes=True),
    _line("POST", "jobs/ingest", bulk.create_ingest),
    _line("POST", "jobs/query", bulk.create_query),
    _line("GET", "jobs/{kind}/{job}/results", bulk.query_results),
    _line("PUT", "jobs/{kind}/{job}/batches", bulk.upload, writes=True),
    _line("GET", "jobs/{kind}/{job}", bulk.look),
    _line("PATCH", "jobs/{kind}/{job}", bulk.change_state),
    _line("DELETE", "jobs/{kind}/{job}", bulk.forget),
    _line("GET", "jobs/{kind}/{job}/{results}", bulk.ingest_results),
    _line("GET", "limits", reads.limits),
    _line("GET", "limits/recordCount", reads.record_count),
)

_BEFORE_ROUTE: Final = 3
"""Segments in front of a route: `services`, `data`, the version."""
_VERSION: Final = re.compile(r"v(\d\d\.\d)")


def find(method: str, segments: Sequence[str]) -> tuple[Line, Mapping[str, str]]:
    """Find the line of an address; raises 404 for an unknown one, 405 where it has other methods."""
    allowed: list[str] = []
    for line in ROUTES:
        part = _match(line.pattern, segments)
        if part is not None:
            if line.method == method:
                return line, part
            allowed.append(line.method)
    if not allowed:
        raise not_found()
    listed = ",".join(dict.fromkeys(allowed))
    raise Refusal("METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are {listed}")


def _match(pattern: Sequence[str], segments: Sequence[str]) -> Mapping[str, str] | None:
    if len(pattern) != len(segments):
        return None
    part: dict[str, str] = {}
    for wanted, given in zip(pattern, segments, strict=True):
        if wanted[0] == "{":
            part[wanted[1:-1]] = given
        elif wanted.lower() != given.lower():
            return None
    return part


def segments_of(request: SimRequest) -> list[str]:
    """Split the address, each segment decoded by itself: an encoded slash in an external id is no separator."""
    raw = request.raw_path.strip("/").split("/")
    return [unquote(segment) for segment in raw]


@attrs.frozen
class Routed:
    """An answer with what the request log wants to know of its route; `counted`: it used up a call of the day."""

    answer: Answer
    route: str = ""
    writes: bool = False
    counted: bool = False


def dispatch(service: Service, door: Door, request: SimRequest) -> Routed:
    """Answer one request; never raises `Refusal`."""
    segments = segments_of(request)
    page = _too_large(service, request, segments)
    if page is not None:
        return attrs.evolve(asked_for(request), answer=page)
    try:
        if segments[:2] == ["services", "data"] and len(segments) > 2:
            return _rest(service, door, request, segments)
        return Routed(_outside(service, door, request, segments))
    except Refusal as refused:
        asked = asked_for(request)
        return attrs.evolve(asked, answer=attrs.evolve(_refused(refused), sobject=asked.answer.sobject))


def _too_large(service: Service, request: SimRequest, segments: Sequence[str]) -> Answer | None:
    """Refuse what the web server in front does not let in; it speaks HTML (facts 3.5; 413 is [inferred])."""
    headers = sum(len(name) + len(value) + 4 for name, value in request.headers.items())  # 4: colon, blank, line end
    bulk = segments[_BEFORE_ROUTE:][:1] == ["jobs"]  # the upload of a job has a limit of its own
    for wrong, status, title in (
        (request.address_size > MAX_ADDRESS, 414, "URI Too Long"),
        (request.address_size + headers > MAX_ADDRESS, 431, "Request Header Fields Too Large"),
        (not bulk and len(request.body) > service.org.switches.max_body, 413, "Request Entity Too Large"),
    ):
        if wrong:
            page = html_page(status, title)
            return Answer(status, page.body, page.headers)
    return None


def asked_for(request: SimRequest) -> Routed:
    """Say what a request asked for, without carrying it out."""
    segments = segments_of(request)
    if segments[:2] == ["services", "data"] and len(segments) > _BEFORE_ROUTE:
        try:
            line, part = find(request.method, segments[_BEFORE_ROUTE:])
        except Refusal:
            return Routed(Answer())
        return Routed(Answer(sobject=part.get("sobject")), "/".join(line.pattern), line.writes)
    return Routed(Answer())


def _outside(service: Service, door: Door, request: SimRequest, segments: Sequence[str]) -> Answer:
    match (request.method, *segments):
        case ("GET", "services", "data"):
            return reads.versions()
        case ("POST", "services", "oauth2", "token"):
            return door.token(request, rotate=service.org.switches.rotate_refresh_tokens)
        case ("GET" | "POST", "services", "oauth2", "userinfo"):
            return door.userinfo(request)
        case ("GET" | "POST", "services", "oauth2", "revoke"):
            return door.revoke(request)
        case ("POST", "services", "Soap", "u", version, *_):
            return door.soap_login(request, version, enabled=service.org.switches.soap_login)
        case _:
            raise not_found()


def _rest(service: Service, door: Door, request: SimRequest, segments: Sequence[str]) -> Routed:
    version = _VERSION.fullmatch(segments[2])
    if version is None or version[1] not in reads.VERSIONS:
        raise not_found()
    caller = service.caller(door.check(request))
    if service.calls_used >= service.daily_limit:
        raise Refusal("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    service.calls_used += 1
    if len(segments) == _BEFORE_ROUTE:
        return Routed(reads.resources(ApiCall(service, caller, request, version[1], {})), counted=True)
    try:
        line, part = find(request.method, segments[_BEFORE_ROUTE:])
    except Refusal as refused:
        return Routed(_refused(refused), counted=True)
    call = ApiCall(service, caller, request, version[1], part)
    try:
        answer = line.route(call)
    except Refusal as refused:
        table = service.org.table(part.get("sobject", ""))
        answer = attrs.evolve(_refused(call.place(refused)), sobject=None if table is None else table.sobject.name)
    return Routed(answer, "/".join(line.pattern), line.writes, counted=True)


def origin_of(request: SimRequest) -> str:
    """Give what change events say of where a change comes from: API, version, the client's name (facts 3.11)."""
    segments = segments_of(request)
    version = segments[_BEFORE_ROUTE - 1].removeprefix("v") if len(segments) >= _BEFORE_ROUTE else ""
    api = "bulkapi" if segments[_BEFORE_ROUTE:][:1] == ["jobs"] else "rest"
    options = request.headers.get("sforce-call-options", "")
    client = next((part.strip() for part in options.split(",") if part.strip().startswith("client=")), "client=")
    return f"com/salesforce/api/{api}/{version};{client}"


def _refused(refused: Refusal) -> Answer:
    return Answer(refused.status, refused.body())
