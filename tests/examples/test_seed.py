"""The loader of the example's data: what it reads, what it sets aside, what it refuses to read at all."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._seed import FILES, Seed, read_seed, shipped_seed

Edit = Callable[[str, Callable[[bytes], bytes]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in FILES:
        (tmp_path / file.name).write_bytes(shipped_seed().joinpath(file.name).read_bytes())
    return tmp_path


@pytest.fixture
def edit(folder: Path) -> Edit:
    def change(name: str, with_function: Callable[[bytes], bytes]) -> None:
        path = folder / name
        before = path.read_bytes()
        path.write_bytes(with_function(before))
        assert path.read_bytes() != before, "the edit must change the file, or the test could not fail"

    return change


def _replace(old: str, new: str) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old.encode(), new.encode(), 1)


def _codes(error: ConfigurationError) -> set[tuple[str, str]]:
    return {(problem.path, problem.code) for problem in error.problems}


def test_values_have_the_types_that_the_simulators_hold(folder: Path) -> None:
    """Numbers, boxes and opt-ins are values, dates stay wire text, wire prefixes are gone, a blank cell is None."""
    (folder / "salesforce_contacts.csv").write_text(
        "Id,AccountId,FirstName,LastName,Email,Phone,MailingStreet,MailingCity,Language__c,Loyalty_Points__c,Birthdate,"
        "Newsletter__c,Newsletter_Date__c,HasOptedOutOfEmail,LastModifiedDate\n"
        '003D000000IRFma,,Zoé,"L\'Écuyer, ""Zo""",zoe@example.ca,,"1, rue A\nbureau 2",Lévis,Français,-12,1990-02-28,'
        "true,2024-02-29T12:00:00.000Z,false,2026-01-01T00:00:00.000Z\n",
        encoding="utf-8",
    )
    contact = read_seed(folder).contacts[0]
    assert contact == {
        "Id": "003D000000IRFmaIAH",
        "AccountId": None,
        "FirstName": "Zoé",
        "LastName": 'L\'Écuyer, "Zo"',
        "Email": "zoe@example.ca",
        "Phone": None,
        "MailingStreet": "1, rue A\nbureau 2",
        "MailingCity": "Lévis",
        "Language__c": "Français",
        "Loyalty_Points__c": -12,
        "Birthdate": "1990-02-28",
        "Newsletter__c": True,
        "Newsletter_Date__c": "2024-02-29T12:00:00.000Z",
        "HasOptedOutOfEmail": False,
        "LastModifiedDate": "2026-01-01T00:00:00.000Z",
    }


def test_dialog_insight_rows_lose_their_prefixes_but_for_opt_ins(folder: Path) -> None:
    (folder / "dialog_insight_acquisition.csv").write_text(
        "idContact,key_f_EMail,f_FirstName,LastName,optin_newsletter,dtOptin_newsletter\n"
        "7,a@example.ca,A,,1,2024.03.10 09:30:00\n"
        "8,b@example.ca,B,,,\n",
        encoding="utf-8-sig",
    )
    first, second = read_seed(folder).acquisition
    assert first == {
        "idContact": 7,
        "EMail": "a@example.ca",
        "FirstName": "A",
        "LastName": None,
        "optin_newsletter": True,
        "dtOptin_newsletter": "2024.03.10 09:30:00",
    }
    assert (second["optin_newsletter"], second["dtOptin_newsletter"]) == (None, None)


def test_amounts_are_exact(folder: Path) -> None:
    """An amount is a Decimal, never a binary float."""
    seed = read_seed(folder)
    assert all(isinstance(row["TotalAmount"], Decimal) for row in seed.orders)
    assert all(isinstance(row["Revenue"], Decimal) for row in seed.transactions)


@pytest.mark.parametrize(
    ("name", "cell", "spoilt", "reason"),
    [
        ("salesforce_contacts.csv", '"true"', '"oui"', "holds neither true nor false"),
        ("salesforce_contacts.csv", '"Contact"', '""', "LastName is blank where a value is required"),
        ("salesforce_contacts.csv", '"c@example.ca"', '"c at example.ca"', "Email holds no e-mail address"),
        ("salesforce_contacts.csv", '"003D000000IRFmaIAH"', '"003D000000IRFmaIAX"', "Id holds no Salesforce record id"),
        ("salesforce_contacts.csv", '"003D000000IRFmaIAH"', '"001D000000IRFmaIAH"', "Id holds no Salesforce record id"),
        ("salesforce_contacts.csv", '"12"', '"12.5"', "Loyalty_Points__c holds no number"),
        ("salesforce_contacts.csv", '"12"', f'"{10**18}"', "Loyalty_Points__c holds no number"),
        ("salesforce_contacts.csv", '"1990-02-28"', '"1990-02-30"', "Birthdate holds no date"),
        ("salesforce_contacts.csv", '"1990-02-28"', '"1990-2-28"', "Birthdate holds no date"),
        ("salesforce_contacts.csv", '"2026-01-01T00:00:00.000Z"', '"2026-01-01 00:00:00"', "LastModifiedDate holds no"),
        ("salesforce_contacts.csv", '"F"', f'"{"é" * 41}"', "FirstName holds 41 characters where 40 are allowed"),
    ],
)
def test_a_value_that_a_service_refuses_sets_its_row_aside(
    folder: Path, name: str, cell: str, spoilt: str, reason: str
) -> None:
    """The row stands in `unloadable` with its line and a reason, its cells as they are; the sentence shows no value."""
    header = (folder / name).read_text(encoding="utf-8").splitlines()[0]
    row = (
        '"003D000000IRFmaIAH","","F","Contact","c@example.ca","","a\nb","","","12","1990-02-28","true","","false",'
        '"2026-01-01T00:00:00.000Z"'
    )
    (folder / name).write_text(f"{header}\n{row}\n", encoding="utf-8", newline="")
    assert len(read_seed(folder).contacts) == 1, "the row is right before it is spoilt"
    assert cell in row
    (folder / name).write_text(f"{header}\n{row.replace(cell, spoilt, 1)}\n", encoding="utf-8", newline="")
    seed = read_seed(folder)
    assert seed.contacts == ()
    refused = next(entry for entry in seed.unloadable if entry.file == name)
    assert refused.line == 2
    assert reason in str(refused)
    text = spoilt.strip('"')
    assert not text or text in refused.row.values()
    assert not text or (text not in str(refused) and text not in repr(refused))


def test_a_row_that_refers_to_a_row_set_aside_is_set_aside(folder: Path, edit: Edit) -> None:
    """No loaded row refers to one that is not loaded, however long the chain."""
    before = read_seed(folder)
    gone = before.accounts[0]["Id"]
    contacts = {row["Id"] for row in before.contacts if row["AccountId"] == gone}
    assert contacts
    edit("salesforce_accounts.csv", _replace(str(gone), "nobody"))
    after = read_seed(folder)
    assert {row["Id"] for row in before.contacts} - {row["Id"] for row in after.contacts} == contacts
    known = {row["Id"] for row in after.contacts}
    assert all(row["BillToContactId"] in known for row in after.orders)
    assert len(after.orders) < len(before.orders)


def test_the_second_row_of_a_unique_value_is_set_aside(folder: Path, edit: Edit) -> None:
    seed = read_seed(folder)
    first, second = (str(row["EMail"]) for row in seed.acquisition[:2])
    edit("dialog_insight_acquisition.csv", _replace(f",{second},", f",{first},"))
    after = read_seed(folder)
    assert len(after.acquisition) == len(seed.acquisition) - 1
    assert any("EMail holds what an earlier row holds" in str(entry) for entry in after.unloadable)


def test_a_blank_line_is_no_row_and_a_column_more_is_ignored(folder: Path, edit: Edit) -> None:
    before = read_seed(folder).accounts
    edit("salesforce_accounts.csv", lambda content: content.replace(b"\r\n", b',"more"\r\n') + b"\r\n")
    assert read_seed(folder).accounts == before


def test_all_that_makes_files_unreadable_is_said_at_once(folder: Path, edit: Edit) -> None:
    """One error lists every problem of every file, with file and line."""
    (folder / "salesforce_orders.csv").unlink()
    (folder / "dialog_insight_orders.csv").write_bytes(b"")
    edit("salesforce_accounts.csv", lambda content: content.replace(b"\r\n", b'\r\n"001"\r\n"a\nb","x","y"\r\n', 1))
    edit("salesforce_contacts.csv", lambda content: content.replace("é".encode(), b"\xe9", 1))
    edit("dialog_insight_acquisition.csv", _replace("optin_newsletter", "optin_letter"))
    edit("dialog_insight_communications.csv", _replace("f_EMail", "f_Langue"))
    with pytest.raises(ConfigurationError) as caught:
        read_seed(folder)
    contacts = (folder / "salesforce_contacts.csv").read_bytes()
    first_accent = contacts[: contacts.index(b"\xe9")].count(b"\n") + 1
    assert _codes(caught.value) == {
        ("salesforce_accounts.csv, line 2", "file.ragged_row"),
        ("salesforce_accounts.csv, line 3", "file.ragged_row"),
        (f"salesforce_contacts.csv, line {first_accent}", "file.encoding"),
        ("salesforce_orders.csv", "file.unreadable"),
        ("dialog_insight_acquisition.csv, line 1", "file.column_missing"),
        ("dialog_insight_communications.csv, line 1", "file.column_missing"),
        ("dialog_insight_communications.csv, line 1", "file.column_repeated"),
        ("dialog_insight_orders.csv", "file.no_header"),
    }
    assert str(folder) not in str(caught.value)


def test_an_open_quote_is_reported_where_its_row_begins(folder: Path, edit: Edit) -> None:
    rows = (folder / "salesforce_accounts.csv").read_bytes().count(b"\n")
    edit("salesforce_accounts.csv", lambda content: content + b'"001","open\r\n')
    with pytest.raises(ConfigurationError) as caught:
        read_seed(str(folder))
    assert _codes(caught.value) == {(f"salesforce_accounts.csv, line {rows + 1}", "file.not_csv")}


def test_nothing_of_people_in_what_is_printed() -> None:
    """The repr of a seed counts rows and shows none."""
    seed: Seed = read_seed(shipped_seed())
    shown = repr(seed) + "".join(map(str, seed.unloadable))
    assert f"contacts=<{len(seed.contacts)} rows>" in shown
    assert not [row["Email"] for row in seed.contacts if row["Email"] and str(row["Email"]) in shown]
    assert not [cell for entry in seed.unloadable for cell in entry.row.values() if "@" in cell and cell in shown]
