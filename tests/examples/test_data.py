"""The example's data sets: generated as committed, sound, and odd only where `oddities.py` says so."""

from __future__ import annotations

import csv
import importlib
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from di_salesforce.records import record_id_18
from di_salesforce.testing import _seed

DATA = Path(__file__).parents[2] / "examples" / "data"
SMALL = Path(_seed.__file__).parent / "data"
RECORD_IDS = {"001": ["AccountId"], "003": ["BillToContactId", "key_f_ClientNo"]}

Cells = Mapping[str, str]


@pytest.fixture(scope="module")
def make_data() -> Iterator[ModuleType]:
    """The generator, imported as Python runs it: with its own folder on the path."""
    sys.path.insert(0, str(DATA))
    try:
        yield importlib.import_module("make_data")
    finally:
        sys.path.remove(str(DATA))


class Oddity(NamedTuple):
    """What the tests need of an `oddities.Oddity`, typed."""

    name: str
    file: str
    keys: tuple[str, ...]
    loadable: bool
    copies: int


class DataSet(NamedTuple):
    folder: Path
    people: int
    oddities: tuple[Oddity, ...]  # with the keys that this set holds

    def rows(self, name: str) -> list[Cells]:
        return _rows(self.folder / name)

    def keys(self, *names: str) -> set[str]:
        assert set(names) <= {oddity.name for oddity in self.oddities}
        return {key for oddity in self.oddities if oddity.name in names for key in oddity.keys}


def _rows(path: Path) -> list[Cells]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True))


@pytest.fixture(scope="module", params=["full", "small"])
def data_set(request: pytest.FixtureRequest, make_data: ModuleType) -> DataSet:
    folder, people = (DATA, make_data.FULL) if request.param == "full" else (SMALL, 60)
    table = [
        Oddity(
            odd.name,
            odd.file,
            odd.keys if odd.group or request.param == "full" else odd.keys[:1],
            odd.loadable,
            odd.copies,
        )
        for odd in make_data.ODDITIES
    ]
    return DataSet(folder, people, tuple(table))


def test_the_committed_files_are_what_the_generator_makes(data_set: DataSet, make_data: ModuleType) -> None:
    """Byte for byte, with any Python: a change of the generator and of its files go together."""
    made: dict[str, bytes] = make_data.make_files(data_set.people)
    assert sorted(path.name for path in data_set.folder.glob("*.csv")) == sorted(made)
    for name, content in made.items():
        assert (data_set.folder / name).read_bytes() == content, f"{name}: run make_data.py, or mend .gitattributes"


def test_the_files_have_each_products_own_form(data_set: DataSet) -> None:
    """Salesforce's as Data Loader writes them, Dialog Insight's with a byte-order mark; all of RFC 4180."""
    for path in data_set.folder.glob("*.csv"):
        content = path.read_bytes()
        assert content.startswith(b"\xef\xbb\xbf") == path.name.startswith("dialog_insight"), path.name
        assert content.startswith(b'"Id","') == path.name.startswith("salesforce"), path.name
        assert content.endswith(b"\r\n")


def test_nobody_is_real(data_set: DataSet) -> None:
    """Every e-mail address ends in a reserved domain, every phone number is one set aside for inventions."""
    for path in data_set.folder.glob("*.csv"):
        domains = set(re.findall(r"(?:@|\(at\))([\w.-]+)", path.read_text(encoding="utf-8-sig").lower()))
        assert domains <= {"example.ca", "example.com", "example.org"}, path.name
    numbers = {row["Phone"] for row in data_set.rows("salesforce_contacts.csv")} - {""}
    assert numbers
    assert all(re.fullmatch(r"\+1 \d{3} 555-01\d\d", number) for number in numbers)


def test_the_full_set_is_as_large_as_it_says() -> None:
    """At least 3,000 distinct people, of whom each side knows some whom the other does not."""
    contacts = _rows(DATA / "salesforce_contacts.csv")
    ours = {row["Email"].lower() for row in contacts if row["Email"]}
    theirs = {row["f_EMail"].lower() for row in _rows(DATA / "dialog_insight_acquisition.csv")}
    nameless = sum(1 for row in contacts if not row["Email"])
    assert len(ours | theirs) + nameless > 3000
    assert (len(contacts), len(ours & theirs), len(theirs - ours)) == (3000, 900, 499)  # 500 rows, two of one address
    assert {path.name: len(_rows(path)) for path in DATA.glob("*.csv")} == {
        "salesforce_accounts.csv": 120,
        "salesforce_contacts.csv": 3000,
        "salesforce_orders.csv": 1500,
        "dialog_insight_acquisition.csv": 1400,
        "dialog_insight_communications.csv": 1200,
        "dialog_insight_orders.csv": 300,
    }


def test_record_ids_have_the_right_prefix_and_checksum(data_set: DataSet) -> None:
    """The library's own reading of record ids accepts them all, and each names one row."""
    for name, prefix in {"accounts": "001", "contacts": "003", "orders": "801"}.items():
        ids = [row["Id"] for row in data_set.rows(f"salesforce_{name}.csv")]
        assert len(set(ids)) == len(ids)
        assert all(record_id_18(record_id) == record_id and record_id.startswith(prefix) for record_id in ids)


def test_sides_disagree_only_where_the_table_says(data_set: DataSet) -> None:
    """People known to both sides agree in every field of the example's mappings, but for the named rows."""
    contacts = data_set.rows("salesforce_contacts.csv")
    by_email: dict[str, Cells] = {row["Email"].lower(): row for row in contacts if row["Email"]}
    toronto = ZoneInfo("America/Toronto")
    differ: set[str] = set()
    spelled: set[str] = set()
    no_status: set[str] = set()
    for row in data_set.rows("dialog_insight_acquisition.csv"):
        contact = by_email.get(row["f_EMail"].lower())
        if contact is None:
            continue
        if row["f_EMail"] != contact["Email"]:
            spelled.add(row["f_EMail"])
        if not row["optin_newsletter"]:
            no_status.add(row["f_EMail"])
        at = row["dtOptin_newsletter"]
        local = datetime.strptime(at, "%Y.%m.%d %H:%M:%S").replace(tzinfo=toronto) if at else None
        theirs = (
            row["f_FirstName"],
            row["f_LastName"],
            {"1": "true", "0": "false", "": "false"}[row["optin_newsletter"]],
            local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z") if local else "",
        )
        if theirs != tuple(contact[name] for name in ("FirstName", "LastName", "Newsletter__c", "Newsletter_Date__c")):
            differ.add(row["f_EMail"])
    assert differ == data_set.keys("last_name_differs")
    assert spelled == data_set.keys("email_in_other_case")
    assert no_status == data_set.keys("no_opt_in_status")


def test_communications_disagree_only_where_the_table_says(data_set: DataSet) -> None:
    """Type A rows agree with the contact that their client number names, but for the named rows."""
    contacts: dict[str | None, Cells] = {row["Id"]: row for row in data_set.rows("salesforce_contacts.csv")}
    found: dict[str, set[str]] = {"points": set(), "first_name": set(), "nobody": set(), "short": set()}
    for row in data_set.rows("dialog_insight_communications.csv"):
        email = row["f_EMail"]
        contact = contacts.get(record_id_18(row["key_f_ClientNo"]))
        if contact is None:
            found["nobody"].add(email)
            continue
        assert (email, row["f_LastName"]) == (contact["Email"], contact["LastName"])
        assert row["f_Langue"] == {"Français": "fr", "English": "en", "": ""}[contact["Language__c"]]
        if row["key_f_ClientNo"] != contact["Id"]:
            found["short"].add(email)
        if row["f_Points"] != contact["Loyalty_Points__c"]:
            found["points"].add(email)
        if row["f_FirstName"] != contact["FirstName"]:
            found["first_name"].add(email)
    assert found == {
        "points": data_set.keys("points_differ", "text_for_points_in_dialog_insight"),
        "first_name": data_set.keys("first_name_differs"),
        "nobody": data_set.keys("no_client_number"),
        "short": data_set.keys("client_number_of_15_characters"),
    }


def test_orders_disagree_only_where_the_table_says(data_set: DataSet) -> None:
    """Orders refer to contacts, and those that both sides hold agree, but for the named rows."""
    contacts = {row["Id"]: row for row in data_set.rows("salesforce_contacts.csv")}
    orders = {row["OrderNumber"]: row for row in data_set.rows("salesforce_orders.csv")}
    nobody = {number for number, row in orders.items() if row["BillToContactId"] not in contacts}
    silent = {number for number in orders.keys() - nobody if not contacts[orders[number]["BillToContactId"]]["Email"]}
    assert nobody == data_set.keys("unknown_bill_to_contact")
    assert silent == data_set.keys("bill_to_contact_without_email")
    client_no = {row["idContact"]: row["key_f_ClientNo"] for row in data_set.rows("dialog_insight_communications.csv")}
    differ: set[str] = set()
    born_there: set[str] = set()
    for row in data_set.rows("dialog_insight_orders.csv"):
        order = orders.get(row["key_idOrder"])
        if order is None:
            born_there.add(row["key_idOrder"])
            assert row["idContact"] in client_no
            continue
        assert client_no[row["idContact"]] == order["BillToContactId"]
        assert row["dtTransaction"] == order["EffectiveDate"].replace("-", ".") + " 00:00:00"
        if row["Revenue"] != order["TotalAmount"]:
            differ.add(row["key_idOrder"])
    assert differ == data_set.keys("revenue_differs")
    assert born_there == data_set.keys("order_born_in_dialog_insight")


def test_addresses_repeat_only_where_the_table_says(data_set: DataSet) -> None:
    """No e-mail address stands twice on a side, in any case of its letters, but for the named pairs."""
    repeated = {
        file: {
            key for key, count in Counter(row[name].lower() for row in data_set.rows(file)).items() if key and count > 1
        }
        for file, name in {"salesforce_contacts.csv": "Email", "dialog_insight_acquisition.csv": "f_EMail"}.items()
    }
    twice = data_set.keys("same_email_twice", "same_email_twice_and_subscribed", "same_email_in_two_cases")
    assert repeated == {
        "salesforce_contacts.csv": {key.lower() for key in twice},
        "dialog_insight_acquisition.csv": {key.lower() for key in data_set.keys("email_differs_only_by_case")},
    }


def test_each_oddity_stands_in_its_file(data_set: DataSet, make_data: ModuleType) -> None:
    """Every key of the table is found as often as it says, so that the example can name the rows."""
    for oddity in data_set.oddities:
        column: str = make_data.KEY_COLUMN[oddity.file]
        found = Counter(row[column] for row in data_set.rows(oddity.file))
        assert {key: found[key] for key in oddity.keys} == dict.fromkeys(oddity.keys, oddity.copies), oddity.name


def test_long_values_are_as_long_as_they_must_be(data_set: DataSet) -> None:
    """Too long for the limit that they go past, and not for the one before it."""
    rows = {row["f_EMail"]: row for row in data_set.rows("dialog_insight_acquisition.csv")}
    for key in data_set.keys("first_name_too_long_for_dialog_insight"):
        assert len(rows[key]["f_FirstName"]) > 100
    for key in data_set.keys("last_name_too_long_for_salesforce"):
        assert 80 < len(rows[key]["f_LastName"]) <= 100


def test_exactly_the_rows_marked_so_cannot_be_loaded(data_set: DataSet, make_data: ModuleType) -> None:
    """A strict service takes every row but those that the table marks."""
    refused = {
        (entry.file, next(cell for name, cell in entry.row.items() if _is_key(make_data, entry.file, name)))
        for entry in _seed.read_seed(data_set.folder).unloadable
    }
    assert refused == {(odd.file, key) for odd in data_set.oddities if not odd.loadable for key in odd.keys}


def _is_key(make_data: ModuleType, file: str, code: str) -> bool:
    column: str = make_data.KEY_COLUMN[file]
    return column in (code, f"f_{code}", f"key_{code}")


def test_cells_need_a_real_csv_reader(data_set: DataSet) -> None:
    """Accents, apostrophes, commas, quotes and line breaks occur inside cells."""
    cells = [cell for path in data_set.folder.glob("*.csv") for row in _rows(path) for cell in row.values()]
    for mark in ("é", "'", ",", '"', "\n"):
        assert any(mark in cell for cell in cells), repr(mark)


def test_the_page_beside_the_data_shows_the_table(make_data: ModuleType) -> None:
    """README.md names each oddity, its rows and what a sync does with them, word for word as the table."""
    oddities = importlib.import_module("oddities")
    page = (DATA / "README.md").read_text(encoding="utf-8")
    table: str = oddities.markdown()
    assert table in page, "run python3 examples/data/oddities.py and put what it prints into README.md"


def test_too_few_people_are_refused(make_data: ModuleType) -> None:
    """A set without room for ordinary people is not made."""
    with pytest.raises(ValueError, match="at least 60"):
        make_data.make_files(59)
