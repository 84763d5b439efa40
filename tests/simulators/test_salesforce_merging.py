"""Laws of what people do in the simulated org beyond saving: merging, converting, transactions that last."""

from __future__ import annotations

import json
from typing import Any

import pytest

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._salesforce import FakeSalesforce

BASE = "/services/data/v60.0"


@pytest.fixture
def fake() -> FakeSalesforce:
    return FakeSalesforce()


def test_a_merge_leaves_the_winner(fake: FakeSalesforce) -> None:
    """[documented] The losers are deleted and name the winner; their children are the winner's."""
    a, b, c = fake.load("Contact", [{"LastName": name} for name in "ABC"])
    [case] = fake.load("Case", [{"ContactId": b}])
    fake.merge("Contact", a, [b, c])
    assert [row["Id"] for row in fake.rows("Contact")] == [a]
    assert {row["MasterRecordId"] for row in fake.rows("Contact", include_deleted=True)} == {None, a}
    assert fake.row("Case", case)["ContactId"] == a


def test_a_merge_that_cannot_be_changes_nothing(fake: FakeSalesforce) -> None:
    """[documented] Too many losers, the winner among them, a deleted one, an object that cannot merge: refused."""
    a, b, c, d = fake.load("Contact", [{"LastName": name} for name in "ABCD"])
    campaigns = fake.load("Campaign", [{"Name": "A"}, {"Name": "B"}])
    fake.delete("Contact", d)
    before = fake.rows("Contact", include_deleted=True)
    for losers in ([b, c, d], [a], [b, d]):
        with pytest.raises(ConfigurationError):
            fake.merge("Contact", a, losers)
    with pytest.raises(ConfigurationError):
        fake.merge("Campaign", campaigns[0], campaigns[1:])
    assert fake.rows("Contact", include_deleted=True) == before


def test_a_converted_lead_stays_and_is_read_only(fake: FakeSalesforce) -> None:
    """[documented] It names what it became, is still found by queries, and refuses writes."""
    [lead] = fake.load("Lead", [{"LastName": "Roy", "Company": "Acme", "Email": "a@example.com"}])
    made = fake.convert_lead(lead)
    row = fake.row("Lead", lead)
    assert (row["IsConverted"], row["ConvertedContactId"], row["ConvertedAccountId"]) == (
        True,
        made.contact_id,
        made.account_id,
    )
    assert fake.row("Contact", made.contact_id)["Email"] == "a@example.com"
    assert fake.row("Opportunity", str(made.opportunity_id))["AccountId"] == made.account_id
    answer = fake.send("PATCH", f"{BASE}/sobjects/Lead/{lead}", {"LastName": "X"})
    errors: Any = json.loads(answer.body)
    assert (answer.status, errors[0]["errorCode"]) == (400, "CANNOT_UPDATE_CONVERTED_LEAD")
    with pytest.raises(ConfigurationError):
        fake.convert_lead(lead)


def test_a_conversion_without_an_opportunity(fake: FakeSalesforce) -> None:
    """[documented] The person may choose not to make one."""
    [lead] = fake.load("Lead", [{"LastName": "Roy", "Company": "Acme"}])
    assert fake.convert_lead(lead, opportunity=False).opportunity_id is None
    assert fake.rows("Opportunity") == []


def test_held_rows_are_seen_after_their_commit(fake: FakeSalesforce) -> None:
    """[documented] New, changed and deleted rows appear at once, with the stamps of when they were saved."""
    a, b = fake.load("Contact", [{"LastName": "A"}, {"LastName": "B"}])
    before = fake.rows("Contact")

    def act() -> None:
        fake.edit("Contact", a, FirstName="New")
        fake.delete("Contact", b)
        fake.load("Contact", [{"LastName": "C"}])

    held = fake.hold(act)
    assert fake.rows("Contact") == before
    held.commit()
    held.commit()
    assert [row["Name"] for row in fake.rows("Contact")] == ["New A", "C"]


def test_a_held_row_cannot_be_saved_by_two(fake: FakeSalesforce) -> None:
    """[inferred] A real transaction would hold the row's lock: the commit says so and changes nothing."""
    [a] = fake.load("Contact", [{"LastName": "A"}])
    held = fake.hold(lambda: fake.edit("Contact", a, FirstName="Late"))
    fake.edit("Contact", a, FirstName="Now")
    with pytest.raises(ConfigurationError):
        held.commit()
    assert fake.row("Contact", a)["FirstName"] == "Now"
