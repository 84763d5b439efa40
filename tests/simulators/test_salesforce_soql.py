"""Laws of the simulated Salesforce's queries: what they find, in which order and shape, how they page and fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_schema import Field, SObject

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
BASE = "/services/data/v60.0/"
NAMES = ["Ada", "bob", None, "Çelik", "100%", "a_b", "O'Neil", "back\\slash"]


@pytest.fixture
def fake() -> FakeSalesforce:
    fake = FakeSalesforce(clock=lambda: NOW)
    fake.add_field("Contact", Field("Points__c", "double"))
    fake.add_field("Contact", Field("Ext__c", external_id=True, unique=True))
    fake.add_field("Contact", Field("Tags__c", "multipicklist", values=["a", "b", "c"]))
    fake.add_field("Contact", Field("Seen__c", "datetime"))
    for number, name in enumerate(NAMES):
        fake.load(
            "Contact", [{"LastName": f"N{number}", "FirstName": name, "Points__c": number, "Ext__c": f"k{number}"}]
        )
    return fake


def query(fake: FakeSalesforce, soql: str, *, path: str = "query", **headers: str) -> Any:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = fake.send("GET", f"{BASE}{path}?q={quote(soql)}", headers=sent)
    return json.loads(response.body)


def found(fake: FakeSalesforce, where: str) -> list[int]:
    """The numbers of the rows that a condition finds."""
    answer = query(fake, f"SELECT Points__c FROM Contact WHERE {where}")
    return sorted(int(row["Points__c"]) for row in answer["records"])


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("FirstName = 'ADA'", [0]),
        ("FirstName != 'ada'", [1, 2, 3, 4, 5, 6, 7]),
        ("FirstName = null", [2]),
        ("FirstName != null", [0, 1, 3, 4, 5, 6, 7]),
        ("FirstName = 'O\\'Neil'", [6]),
        ("FirstName = 'back\\\\slash'", [7]),
        ("FirstName = 'çelik'", [3]),
        ("FirstName LIKE 'a%'", [0, 5]),
        ("FirstName LIKE 'a_b'", [5]),
        ("FirstName LIKE '___'", [0, 1, 5]),
        ("FirstName LIKE '100\\%'", [4]),
        ("FirstName LIKE '%\\_%'", [5]),
        ("FirstName LIKE '%\\\\%'", [7]),
        ("(NOT FirstName LIKE 'a%')", [1, 2, 3, 4, 6, 7]),
        ("FirstName IN ('BOB', 'ada')", [0, 1]),
        ("FirstName NOT IN ('BOB', 'ada')", [2, 3, 4, 5, 6, 7]),
        ("FirstName IN ('bob', null)", [1, 2]),
        ("Points__c > 5", [6, 7]),
        ("Points__c >= 5 AND Points__c < 7", [5, 6]),
        ("Points__c = 1 OR Points__c = 2.0 OR Points__c = 3e0", [1, 2, 3]),
        ("(Points__c = 1 OR Points__c = 2) AND FirstName = null", [2]),
        ("NOT (Points__c < 7)", [7]),
        ("Ext__c IN ('K3', 'k4', 'nope')", [3, 4]),
        ("HasOptedOutOfEmail = false AND Points__c < 1", [0]),
        ("CreatedDate = TODAY AND Points__c < 1", [0]),
        ("CreatedDate < TODAY", []),
        ("CreatedDate >= 2026-05-20T14:00:00+02:00 AND Points__c < 1", [0]),
        ("CreatedDate > 2026-05-20T12:00:00Z", []),
        ("CreatedDate = LAST_N_DAYS:3 AND Points__c <= 0", [0]),
        ("Contact.FirstName = 'ada'", [0]),
        ("Owner.Name = 'integration' OR Owner.Name = 'administrator'", list(range(8))),
        ("AccountId = null AND Points__c = 4", [4]),
        ("AccountId = ''", []),
    ],
)
def test_what_a_condition_finds(fake: FakeSalesforce, where: str, numbers: list[int]) -> None:
    """[documented] Text compares without case, null differs from every value, LIKE knows wildcards and escapes."""
    assert found(fake, where) == numbers


def test_ids_compare_with_case(fake: FakeSalesforce) -> None:
    """[documented] An id is found in both lengths, never in another case; an id that is none is refused."""
    record_id = str(fake.rows("Contact")[0]["Id"])
    assert found(fake, f"Id = '{record_id}'") == found(fake, f"Id = '{record_id[:15]}'") == [0]
    assert found(fake, f"Id = '{record_id[:15].swapcase()}'") == []
    assert query(fake, "SELECT Id FROM Contact WHERE Id = 'x'")[0]["errorCode"] == "INVALID_QUERY_FILTER_OPERATOR"


def test_multipicklists_include_and_exclude(fake: FakeSalesforce) -> None:
    """[documented] INCLUDES wants all values of one of its literals, EXCLUDES is its contrary."""
    for number, tags in enumerate(["a;b", "b", "a;b;c", None]):
        fake.edit("Contact", str(fake.rows("Contact")[number]["Id"]), Tags__c=tags)
    assert found(fake, "Tags__c INCLUDES ('a;b')") == [0, 2]
    assert found(fake, "Tags__c INCLUDES ('c', 'b')") == [0, 1, 2]
    assert found(fake, "Tags__c EXCLUDES ('a') AND Points__c < 4") == [1, 3]


def test_parents_nest_several_levels_deep(fake: FakeSalesforce) -> None:
    """[seen] A parent path nests with `attributes` at each level; a missing parent is null."""
    [boss] = fake.load("Account", [{"Name": "Boss"}])
    [child] = fake.load("Account", [{"Name": "Child", "ParentId": boss}])
    fake.load("Contact", [{"LastName": "Deep", "AccountId": child, "Points__c": 99}])
    [deep] = query(fake, "SELECT Account.Parent.Owner.Name, Account.Name FROM Contact WHERE LastName = 'Deep'")[
        "records"
    ]
    assert deep["Account"]["Parent"]["Owner"]["Name"] == "Administrator"
    assert deep["Account"]["Parent"]["attributes"]["type"] == "Account"
    assert deep["Account"]["Parent"]["Owner"]["attributes"]["type"] == "User"
    assert deep["Account"]["Name"] == "Child"
    assert query(fake, "SELECT Account.Name FROM Contact LIMIT 1")["records"][0]["Account"] is None
    assert found(fake, "Account.Parent.Name = 'boss'") == [99]
    assert found(fake, "Account.Name = 'x'") == []


def test_child_queries_nest_as_results_or_null(fake: FakeSalesforce) -> None:
    """[seen] A child sub-query gives a nested query result, filtered and ordered by its own clauses, or null."""
    full, empty = fake.load("Account", [{"Name": "Full"}, {"Name": "Empty"}])
    fake.load("Contact", [{"LastName": name, "AccountId": full} for name in ("B", "A", "Z")])
    children = "SELECT LastName FROM Contacts WHERE LastName != 'Z' ORDER BY LastName"
    records = query(fake, f"SELECT Name, ({children}) FROM Account ORDER BY Name")["records"]
    assert [record["Name"] for record in records] == ["Empty", "Full"]
    assert records[0]["Contacts"] is None
    assert [child["LastName"] for child in records[1]["Contacts"]["records"]] == ["A", "B"]
    assert (records[1]["Contacts"]["totalSize"], records[1]["Contacts"]["done"]) == (2, True)
    assert fake.row("Account", empty)["Name"] == "Empty"


def test_semi_joins_choose_by_another_object(fake: FakeSalesforce) -> None:
    """[documented] `IN (SELECT ...)` and its contrary choose rows by the rows of another object."""
    full, _ = fake.load("Account", [{"Name": "Full"}, {"Name": "Empty"}])
    fake.load("Contact", [{"LastName": "A", "AccountId": full}])
    inner = "(SELECT AccountId FROM Contact WHERE AccountId != null)"
    names = [
        [row["Name"] for row in query(fake, f"SELECT Name FROM Account WHERE Id {word} {inner}")["records"]]
        for word in ("IN", "NOT IN")
    ]
    assert names == [["Full"], ["Empty"]]


@pytest.mark.parametrize(
    ("order", "numbers"),
    [
        ("Points__c", [0, 1, 2]),
        ("Points__c DESC", [2, 1, 0]),
        ("FirstName", [2, 0, 1]),
        ("FirstName DESC", [2, 1, 0]),
        ("FirstName ASC NULLS LAST", [0, 1, 2]),
        ("FirstName DESC NULLS LAST", [1, 0, 2]),
        ("HasOptedOutOfEmail, Points__c DESC", [2, 1, 0]),
    ],
)
def test_order_by(fake: FakeSalesforce, order: str, numbers: list[int]) -> None:
    """[documented] Rows sort by each key in turn, text without case, nulls first unless asked otherwise."""
    records = query(fake, f"SELECT Points__c FROM Contact WHERE Points__c < 3 ORDER BY {order}")["records"]
    assert [row["Points__c"] for row in records] == numbers


def test_limit_and_offset_cut_after_ordering(fake: FakeSalesforce) -> None:
    """[inferred] `totalSize` is the count after LIMIT and OFFSET."""
    answer = query(fake, "SELECT Points__c FROM Contact ORDER BY Points__c DESC LIMIT 2 OFFSET 1")
    assert (answer["totalSize"], [row["Points__c"] for row in answer["records"]]) == (2, [6, 5])


def test_counts_and_aggregates(fake: FakeSalesforce) -> None:
    """[seen] `COUNT()` has no records; aggregates are `AggregateResult` with `expr0` or an alias, a row a group."""
    assert query(fake, "SELECT COUNT() FROM Contact WHERE Points__c > 3") == {
        "totalSize": 4,
        "done": True,
        "records": [],
    }
    [row] = query(fake, "SELECT COUNT(FirstName), MAX(Points__c) most, AVG(Points__c) FROM Contact")["records"]
    assert row == {"attributes": {"type": "AggregateResult"}, "expr0": 7, "most": 7, "expr1": 3.5}
    fake.load("Contact", [{"LastName": "N0"}])
    groups = query(fake, "SELECT LastName, COUNT(Id) n FROM Contact GROUP BY LastName ORDER BY LastName LIMIT 2")[
        "records"
    ]
    assert [(group["LastName"], group["n"]) for group in groups] == [("N0", 2), ("N1", 1)]


def test_deleted_rows_show_only_in_query_all(fake: FakeSalesforce) -> None:
    """[documented] `queryAll` also shows the recycle bin; ids still find deleted rows there."""
    record_id = str(fake.rows("Contact")[0]["Id"])
    fake.delete("Contact", record_id)
    soql = f"SELECT IsDeleted FROM Contact WHERE Id = '{record_id}'"
    assert query(fake, soql)["records"] == []
    assert query(fake, soql, path="queryAll")["records"][0]["IsDeleted"] is True
    assert query(fake, "SELECT Id FROM Contact WHERE Ext__c = 'k0'", path="queryAll")["totalSize"] == 1


def test_fields_function_needs_a_limit(fake: FakeSalesforce) -> None:
    """[documented] `FIELDS(ALL)` gives every field, and needs a LIMIT of at most 200."""
    [row] = query(fake, "SELECT FIELDS(ALL) FROM Contact LIMIT 1")["records"]
    assert {"Id", "LastName", "Points__c", "MailingAddress"} <= set(row)
    assert query(fake, "SELECT FIELDS(ALL) FROM Contact")[0]["errorCode"] == "MALFORMED_QUERY"


@pytest.mark.parametrize(
    ("soql", "code", "row", "column"),
    [
        ("SELEKT Id FROM Contact", "MALFORMED_QUERY", 1, 1),
        ("SELECT Id FROM Contact WHER a = 1", "MALFORMED_QUERY", 1, 29),
        ("SELECT Id\nFROM Contact WHERE", "MALFORMED_QUERY", 2, 19),
        ("SELECT Id FROM Contact WHERE LastName = 'x", "MALFORMED_QUERY", 1, 41),
        ("SELECT Id FROM Contact WHERE LastName = 'a\\z'", "MALFORMED_QUERY", 1, 43),
        ("SELECT Id FROM Contact WHERE LastName = 'a' AND Id = null OR Id = null", "MALFORMED_QUERY", 1, 59),
        ("SELECT Id FROM Contact LIMIT x", "MALFORMED_QUERY", 1, 30),
        ("SELECT Id, COUNT(Id) FROM Contact", "MALFORMED_QUERY", 1, 8),
        ("SELECT Nope FROM Contact", "INVALID_FIELD", 1, 8),
        ("SELECT Account.Nope FROM Contact", "INVALID_FIELD", 1, 8),
        ("SELECT Nope.Name FROM Contact", "INVALID_FIELD", 1, 8),
        ("SELECT Id, Id FROM Contact", "INVALID_FIELD", 1, 12),
        ("SELECT Id FROM Contact WHERE LastName = 5", "INVALID_FIELD", 1, 41),
        ("SELECT Id FROM Contact WHERE Points__c = '5'", "INVALID_FIELD", 1, 42),
        ("SELECT Id FROM Contact WHERE CreatedDate > 2026-01-01", "INVALID_FIELD", 1, 44),
        ("SELECT Id FROM Contact WHERE Birthdate > 2026-01-01T00:00:00Z", "INVALID_FIELD", 1, 42),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD", 1, 30),
        ("SELECT Id FROM Contact WHERE Points__c LIKE 'x'", "INVALID_QUERY_FILTER_OPERATOR", 1, 40),
        ("SELECT Id FROM Nope", "INVALID_TYPE", 1, 16),
        ("SELECT Id, (SELECT Id FROM Nopes) FROM Account", "INVALID_TYPE", 1, 28),
    ],
)
def test_bad_queries_say_where(fake: FakeSalesforce, soql: str, code: str, row: int, column: int) -> None:
    """[seen] A bad query is refused with code, row and column and no `fields`."""
    [error] = query(fake, soql)
    assert error["errorCode"] == code
    assert f"\nERROR at Row:{row}:Column:{column}\n" in error["message"]
    assert "fields" not in error


@given(st.text(alphabet="SELCTFROMWHIdai ,()'=<>%\\\n*:._-0123456789", max_size=60))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    """[inferred] Whatever is asked, the answer is a result or an error array."""
    answer = query(ORG, "SELECT Id FROM Contact WHERE " + text)
    assert isinstance(answer, list) or answer["done"] is True


ORG = FakeSalesforce(clock=lambda: NOW)


# Paging -------------------------------------------------------------------------------------------------------------


def pages(fake: FakeSalesforce, soql: str) -> list[list[Any]]:
    answer = query(fake, soql)
    found = [answer["records"]]
    while not answer["done"]:
        answer = json.loads(fake.send("GET", answer["nextRecordsUrl"]).body)
        found.append(answer["records"])
    return found


def test_pages_hold_every_row_once(fake: FakeSalesforce) -> None:
    """[seen] Pages follow `nextRecordsUrl` to the end; together they are the result; each says the full count."""
    fake.page_size = 3
    answer = query(fake, "SELECT Id FROM Contact")
    assert answer["nextRecordsUrl"].startswith("/services/data/v60.0/query/0r8")
    assert (answer["totalSize"], answer["done"]) == (8, False)
    found = pages(fake, "SELECT Id FROM Contact")
    assert [len(page) for page in found] == [3, 3, 2]
    assert sorted(row["Id"] for page in found for row in page) == sorted(str(row["Id"]) for row in fake.rows("Contact"))


def test_batch_size_shrinks_a_page_within_the_vendors_bounds(fake: FakeSalesforce) -> None:
    """[documented] `Sforce-Query-Options: batchSize` is kept between 200 and 2000."""
    fake.load("Account", [{"Name": f"A{number}"} for number in range(250)], trusted=True)
    sizes = [
        len(query(fake, "SELECT Id FROM Account", Sforce_Query_Options=f"batchSize={size}")["records"])
        for size in (1, 200, 230, 5000)
    ]
    assert sizes == [200, 200, 230, 250]


def test_a_forgotten_cursor_is_an_invalid_locator(fake: FakeSalesforce) -> None:
    """[documented] A cursor that is gone, or never was, is 400 `INVALID_QUERY_LOCATOR`."""
    fake.page_size = 3
    url = query(fake, "SELECT Id FROM Contact")["nextRecordsUrl"]
    fake.expire_cursors()
    for target in (url, BASE + "query/0r8xx0000000000AAA-3", BASE + "query/nonsense"):
        response = fake.send("GET", target)
        assert (response.status, json.loads(response.body)[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


@pytest.mark.parametrize(("live", "shown"), [(False, "N7"), (True, "Late")])
def test_later_pages_show_rows_as_the_switch_says(fake: FakeSalesforce, live: bool, shown: str) -> None:
    """[unknown] Whether later pages show rows as they were or as they are is not known: both answers are there."""
    fake.switches = attrs.evolve(fake.switches, cursor_reads_live=live)
    fake.page_size = 7
    url = query(fake, "SELECT LastName FROM Contact ORDER BY Points__c")["nextRecordsUrl"]
    fake.edit("Contact", str(fake.rows("Contact")[7]["Id"]), LastName="Late")
    assert json.loads(fake.send("GET", url).body)["records"][0]["LastName"] == shown


def test_rows_without_order_may_come_in_any(fake: FakeSalesforce) -> None:
    """[unknown] With the switch a query without ORDER BY comes shuffled, repeatably, and one with it does not."""
    fake.switches = attrs.evolve(fake.switches, unordered=1)
    plain, again, sorted_ = (
        [row["Points__c"] for row in query(fake, "SELECT Points__c FROM Contact" + order)["records"]]
        for order in ("", "", " ORDER BY Points__c")
    )
    assert plain == again != sorted_ == sorted(plain)


def test_pages_may_shrink(fake: FakeSalesforce) -> None:
    """[seen] A page may hold fewer rows than it could, each as it comes; together they are the whole result."""
    fake.switches = attrs.evolve(fake.switches, page_shrink=3)
    fake.page_size = 5
    found = pages(fake, "SELECT Id FROM Contact ORDER BY Id")
    assert [row["Id"] for page in found for row in page] == fake.record_ids("Contact")
    assert len(found) > 1
    assert all(found)


def test_custom_objects_in_a_few_lines(fake: FakeSalesforce) -> None:
    """[documented] A custom object has ids that begin with `a`, system fields, a name, relationships both ways."""
    lookup = Field("Contact__c", "reference", references=["Contact"], children="Memberships__r")
    fake.declare(SObject("Membership__c", [Field("Tier__c"), lookup]))
    contact = str(fake.rows("Contact")[0]["Id"])
    [record_id] = fake.load("Membership__c", [{"Tier__c": "Gold", "Contact__c": contact}])
    assert record_id[0] == "a"
    [row] = query(fake, "SELECT Tier__c, Name, Contact__r.LastName FROM Membership__c")["records"]
    assert (row["Tier__c"], row["Name"], row["Contact__r"]["LastName"]) == ("Gold", None, "N0")
    children = query(fake, "SELECT (SELECT Tier__c FROM Memberships__r) FROM Contact WHERE Points__c = 0")["records"]
    assert children[0]["Memberships__r"]["records"][0]["Tier__c"] == "Gold"


# An index never changes what is found -------------------------------------------------------------------------------

KEYS = st.sampled_from(["k0", "K1", "k2", "zz", ""])
PLAIN = FakeSalesforce(clock=lambda: NOW)
PLAIN.add_field("Contact", Field("Ext__c", external_id=True))
PLAIN.add_field("Contact", Field("Same__c"))


@given(st.lists(KEYS, max_size=6), st.lists(KEYS, min_size=1, max_size=3))
def test_an_indexed_field_finds_what_a_scan_finds(stored: list[str], asked: list[str]) -> None:
    """The same condition on an external id and on a plain field with the same values finds the same rows."""
    PLAIN.reset()
    PLAIN.load("Contact", [{"LastName": "x", "Ext__c": value, "Same__c": value} for value in stored])
    for row in PLAIN.rows("Contact")[::3]:
        PLAIN.edit("Contact", str(row["Id"]), Ext__c="k2", Same__c="k2")
    listed = ", ".join(f"'{value}'" for value in asked)
    answers = [query(PLAIN, f"SELECT Id FROM Contact WHERE {name} IN ({listed})") for name in ("Ext__c", "Same__c")]
    assert answers[0] == answers[1]
