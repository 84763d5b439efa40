"""The laws of reading in ranges of ids: no row is left out, none comes twice, and only queries that allow it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import DISalesforceError, UnexpectedResponseError
from di_salesforce.salesforce import Soql, reading_way, soql
from di_salesforce.salesforce._query_flows import query_rows
from di_salesforce.salesforce._ranges import IdRange, cut, split_of
from di_salesforce.salesforce._settings import Settings
from di_salesforce.wire import Flow, HttpRequest, HttpResponse, Send, SendAll

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ids = st.text(alphabet=DIGITS, min_size=4, max_size=4).map(lambda tail: f"00300000000{tail}")
crowded = st.integers(0, 300).map(lambda number: f"0030000000000{DIGITS[number // 62]}{DIGITS[number % 62]}")


class Org:
    """Answers queries over some ids, sorted by an order of its own, in pages of a size."""

    def __init__(self, records: list[str], page_rows: int, order: Callable[[str], Any] = str) -> None:
        self.records = sorted(records, key=order)
        self.page_rows = page_rows
        self.order = order
        self.calls = 0
        self.side_by_side = 0
        self.cursors: list[list[str]] = []

    def answer(self, request: HttpRequest) -> HttpResponse:
        self.calls += 1
        text = request.query.get("q", "")
        if text:
            found = self.records
            for low in re.findall(r"Id > '(\w+)'", text):
                found = [one for one in found if self.order(one) > self.order(low)]
            for high in re.findall(r"Id <= '(\w+)'", text):
                found = [one for one in found if self.order(one) <= self.order(high)]
            found = found[::-1][:1] if "DESC" in text else found
            self.cursors.append(found)
            cursor, at = len(self.cursors) - 1, 0
        else:
            cursor, at = (int(number) for number in request.path.rpartition("/")[2].split("-"))
            found = self.cursors[cursor]
        end = at + self.page_rows
        page: dict[str, Any] = {"totalSize": len(found), "done": end >= len(found)}
        if end < len(found):
            page["nextRecordsUrl"] = f"/services/data/v60.0/query/{cursor}-{end}"
        page["records"] = [{"attributes": {"type": "Contact"}, "Id": f"{one}AAA"} for one in found[at:end]]
        return HttpResponse(200, {}, json.dumps(page).encode())

    def run(self, flow: Flow[Any]) -> Any:
        try:
            step = next(flow)
            while True:
                match step:
                    case Send(request):
                        step = flow.send(self.answer(request))
                    case SendAll(flows, at_most):
                        assert len(flows) <= at_most + 1, "the highest id is asked for beside the others"
                        self.side_by_side = max(self.side_by_side, len(flows))
                        step = flow.send([self.one(inner) for inner in flows])
                    case _:
                        raise AssertionError(step)
        except StopIteration as end:
            return end.value

    def one(self, flow: Flow[Any]) -> Any:
        try:
            return self.run(flow)
        except DISalesforceError as error:
            return error

    def read(self, ranges: int) -> list[str]:
        query = soql("SELECT Id FROM Contact")
        return [row["Id"][:15] for row in self.run(query_rows(Settings(ranges=ranges), "salesforce", query))]


@given(st.sets(ids | crowded, max_size=120), st.integers(1, 12), st.integers(2, 9))
def test_every_row_comes_once(records: set[str], page_rows: int, ranges: int) -> None:
    """However ids are scattered or crowded, all rows come, each once; few calls are made in vain."""
    org = Org(list(records), page_rows)
    assert sorted(org.read(ranges)) == sorted(records)
    pages = max(1, -(-len(records) // page_rows))
    assert org.calls <= 2 * pages + 3 * ranges + 40  # skewed ids are cut in vain at times, each time narrower
    if pages == 1:
        assert org.calls == 1


def test_even_ids_are_read_side_by_side() -> None:
    """Ids that grow evenly cost two calls more than page after page, and as many pages at once as may be."""
    org = Org([f"00300000000{DIGITS[n // 3844]}{DIGITS[n // 62 % 62]}{DIGITS[n % 62]}0" for n in range(8000)], 100)
    assert len(org.read(8)) == 8000
    assert org.side_by_side == 8
    assert org.calls <= 80 + 1 + 2 * 8


@given(st.sets(ids, min_size=1, max_size=60), st.integers(2, 6))
def test_another_order_of_ids_is_noticed(records: set[str], ranges: int) -> None:
    """Where the service sorts ids in another way, rows come once or the reading ends in an error: never twice."""
    org = Org(list(records), 3, order=lambda one: (one.swapcase(), one))
    with contextlib.suppress(UnexpectedResponseError):
        assert sorted(org.read(ranges)) == sorted(records)


def test_another_order_says_what_to_do() -> None:
    """The error names the setting that reads page after page."""
    org = Org(["00300000000000A", "00300000000000a", "00300000000000B", "00300000000000b"], 1, order=str.lower)
    with pytest.raises(UnexpectedResponseError, match="ranges=1"):
        org.read(4)


@given(ids, ids, st.integers(1, 9), st.lists(ids, max_size=20), st.permutations(DIGITS))
def test_ranges_are_whole_in_any_order(low: str, last: str, parts: int, records: list[str], digits: list[str]) -> None:
    """Every id above the lower bound is in at least one range by any order; by ours, in exactly one."""
    ranges = cut(IdRange(low), parts, last=last)
    assert 1 <= len(ranges) <= parts
    value = {digit: place for place, digit in enumerate(digits)}

    def foreign(one: str) -> list[int]:
        return [value[digit] for digit in one]

    for one in records:
        if foreign(one) > foreign(low):
            assert any(
                foreign(one) > foreign(r.low) and (not r.high or foreign(one) <= foreign(r.high)) for r in ranges
            )
        if one > low:
            assert sum(r.fits([{"Id": f"{one}AAA"}]) for r in ranges) == 1


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("SELECT Id, Email FROM Contact", True),
        ("select Name, id\nfrom Contact\nwhere Email != null", True),
        ("SELECT Id, Account.Name FROM Contact WHERE Name = 'a ORDER BY (b' OR Name IN ('x', 'LIMIT 1')", True),
        ("SELECT Id FROM Contact WHERE AccountId IN (SELECT AccountId FROM Case ORDER BY Id LIMIT 5)", True),
        ("SELECT Email FROM Contact", False),
        ("SELECT Account.Id FROM Contact", False),
        ("SELECT Id FROM Contact ORDER BY Email", False),
        ("SELECT Id FROM Contact LIMIT 5", False),
        ("SELECT Id FROM Contact OFFSET 5", False),
        ("SELECT Id, COUNT(Email) FROM Contact GROUP BY Id", False),
        ("SELECT COUNT() FROM Contact", False),
        ("SELECT FIELDS(ALL) FROM Contact", False),
        ("SELECT Id, (SELECT Id FROM Cases) FROM Account", False),
        ("SELECT Id FROM Contact c WHERE c.Email != null", False),
        ("SELECT Id FROM Contact FOR VIEW", False),
        ("SELECT Id FROM Contact USING SCOPE mine", False),
        ("SELECT Id FROM Contact WITH SECURITY_ENFORCED", False),
        ("SELECT Id FROM Contact ALL ROWS", False),
        ("SELECT TYPEOF What WHEN Account THEN Id END, Id FROM Event", False),
        ("SELECT Id FROM Contact WHERE (Email = null", False),
        ("", False),
    ],
)
def test_only_queries_that_are_sets_of_rows(text: str, allowed: bool) -> None:
    """What asks for an order, a part or a sum of rows is read as it is; each answer has its reason."""
    way = reading_way(Soql.trusted(text))
    assert way.by_ranges is allowed
    assert way.reason
    assert (split_of(Soql.trusted(text)) is not None) is allowed


def test_the_condition_of_a_query_holds_in_every_range() -> None:
    """The query's own condition is kept whole beside the range's."""
    split = split_of(soql("SELECT Id FROM Contact WHERE Email = :email OR Phone = null", email="it's"))
    assert split is not None
    text = split.within(IdRange("003000000000000", "003000000000009")).text
    assert text == (
        "SELECT Id FROM Contact WHERE (Email = 'it\\'s' OR Phone = null) AND Id > '003000000000000' "
        "AND Id <= '003000000000009' ORDER BY Id"
    )
    assert split.last_id().text.endswith("OR Phone = null) ORDER BY Id DESC LIMIT 1")


def test_what_is_no_id_is_not_cut() -> None:
    """Ids of another object or another form are read as one range."""
    for one in (IdRange("x"), IdRange("003000000000000", "001000000000009"), IdRange("003!00000000000")):
        assert cut(one, 4, last="003zzzzzzzzzzzz") == [one]
