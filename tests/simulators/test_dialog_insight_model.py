"""The simulated Dialog Insight against a small independent model: random merges, deletions and edits end alike.

The model is two lists of dictionaries that are searched from end to end: it shares no code with the simulator.
"""

from __future__ import annotations

from datetime import date
from typing import Any, TypeAlias

import attrs
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.testing import Column, FakeDialogInsight, OptinField, Project, ProjectField, Table

PROJECT, LINES = 1, 2
FIRST_ID = 900_001
LONGEST = 5  # characters of City

Flags: TypeAlias = dict[str, bool]
Contact: TypeAlias = dict[str, Any]


@attrs.frozen
class MergeContacts:
    """Records by address or by number, with what they want stored."""

    records: tuple[tuple[str | int, dict[str, Any]], ...]
    flags: Flags


@attrs.frozen
class MergeLines:
    """Rows of a profiling table with a key of two columns, which hang on contacts by their address."""

    records: tuple[tuple[str, int, str], ...]
    flags: Flags


@attrs.frozen
class Delete:
    """Contacts of a city, no more than so many."""

    city: str
    most: int


@attrs.frozen
class Edit:
    """Somebody changes a contact's address in the application."""

    which: int
    email: str


Step: TypeAlias = MergeContacts | MergeLines | Delete | Edit
EMAILS = st.sampled_from(["a@x.yz", "A@x.yz", "b@x.yz", "c@x.yz"])
NAMES = st.one_of(EMAILS, st.sampled_from(["bad", ""]), st.integers(FIRST_ID, FIRST_ID + 3))
OPT_INS = {"1": True, "0": False, "": None, True: True, False: False, None: None}
DATA = st.fixed_dictionaries(
    {},
    optional={
        "f_City": st.sampled_from(["", "Oslo", "Toronto", None]),
        "optin_news": st.sampled_from(["1", "0", "", None]) | st.booleans(),
        "dtOptin_nws": st.sampled_from(["2025.03.04", "2025-03-05", None]),
        "f_EMail": EMAILS,
    },
)
FLAGS = st.fixed_dictionaries(
    dict.fromkeys(("AllowInsert", "AllowUpdate", "SkipDuplicateRecords", "SkipUnmatchedRecords"), st.booleans())
)
STEPS = st.lists(
    st.builds(MergeContacts, st.lists(st.tuples(NAMES, DATA), max_size=4).map(tuple), FLAGS)
    | st.builds(
        MergeLines,
        st.lists(st.tuples(st.sampled_from(["x", "X", "y"]), st.integers(1, 2), EMAILS), max_size=3).map(tuple),
        FLAGS,
    )
    | st.builds(Delete, st.sampled_from(["Oslo", ""]), st.integers(1, 2))
    | st.builds(Edit, st.integers(0, 2), EMAILS),
    max_size=8,
)


class Model:
    """What the account holds: contacts, and lines that hang on them."""

    def __init__(self) -> None:
        self.contacts: list[Contact] = []
        self.lines: list[dict[str, Any]] = []
        self.made = 0

    def find(self, name: str | int) -> Contact | None:
        if isinstance(name, int):
            return next((one for one in self.contacts if one["idContact"] == name), None)
        return next((one for one in self.contacts if one["EMail"].lower() == name.lower()), None)

    def merge(self, name: str | int, data: dict[str, Any], flags: Flags) -> str:
        """Store one record; tell whether it was created, updated or neither."""
        if name == "" or len(data.get("f_City") or "") > LONGEST:
            return ""
        contact = self.find(name)
        if contact is None and (isinstance(name, int) or not flags["AllowInsert"] or name == "bad"):
            return ""
        if contact is not None and not flags["AllowUpdate"]:
            return ""
        wanted = dict(contact) if contact else {"EMail": name, "City": None, "optin_news": None, "dtOptin_nws": None}
        for wire, value in data.items():
            wanted[wire.removeprefix("f_")] = read(wire, value)
        other = self.find(wanted["EMail"])
        if other is not None and other is not contact:
            return ""  # somebody else has the address
        if contact is not None:
            contact.update(wanted)
            return "updated"
        self.contacts.append({"idContact": FIRST_ID + self.made, **wanted})
        self.made += 1
        return "created"

    def merge_line(self, code: str, number: int, owner: str, flags: Flags) -> str:
        line = next((x for x in self.lines if (x["code"].lower(), x["number"]) == (code.lower(), number)), None)
        if not flags["AllowInsert" if line is None else "AllowUpdate"] or self.find(owner) is None:
            return ""
        if line is not None:
            line["owner"] = owner
            return "updated"
        self.lines.append({"code": code, "number": number, "owner": owner})
        return "created"

    def delete(self, city: str, most: int) -> int | None:
        gone = [one for one in self.contacts if one["City"] == city]
        if len(gone) > most:
            return None
        self.contacts = [one for one in self.contacts if one not in gone]
        addresses = [one["EMail"].lower() for one in gone]
        self.lines = [line for line in self.lines if line["owner"].lower() not in addresses]
        return len(gone)


def read(wire: str, value: Any) -> Any:
    if wire == "optin_news":
        return OPT_INS[value]
    if wire == "dtOptin_nws" and value is not None:
        return date(*map(int, value.replace("-", ".").split(".")))
    return value


def carry_out(step: Step, fake: FakeDialogInsight, model: Model) -> None:
    """Take one step in both, and compare what they say."""
    match step:
        case MergeContacts(records, flags):
            sent = [
                {"ID": {"idContact": name} if isinstance(name, int) else {"key_f_EMail": name}, "Data": data}
                for name, data in records
            ]
            answer = fake.call("contacts", "Merge", idProject=PROJECT, Records=sent, MergeOptions=flags)
            subjects = [(model.find(name) or {}).get("idContact", str(name).lower()) for name, _ in records]
            first = [subject == "" or subject not in subjects[:at] for at, subject in enumerate(subjects)]
            done = [model.merge(*record, flags) if alone else "" for record, alone in zip(records, first, strict=True)]
            assert (answer["CreatedRecords"], answer["UpdatedRecords"]) == counted(done), step
        case MergeLines(records, flags):
            sent = [{"ID": {"key_code": c, "key_number": n}, "Data": {"owner": owner}} for c, n, owner in records]
            answer = fake.call("relationaltables", "Merge", idTable=LINES, Records=sent, MergeOptions=flags)
            keys = [(code.lower(), number) for code, number, _ in records]
            done = [
                model.merge_line(*row, flags) if keys[at] not in keys[:at] else "" for at, row in enumerate(records)
            ]
            assert (answer["CreatedRecords"], answer["UpdatedRecords"]) == counted(done), step
        case Delete(city, most):
            clause = {
                "$type": "FieldClause",
                "Field": {"Name": "f_City"},
                "TypeOperator": "Equal",
                "ComparisonValue": city,
            }
            answer = fake.call("contacts", "Delete", idProject=PROJECT, Clause=clause, MaxRows=most)
            assert answer.get("DeletedRecords") == model.delete(city, most), step
        case Edit(which, email) if which < len(model.contacts):
            contact = model.contacts[which]
            if model.find(email) in (None, contact):
                contact["EMail"] = email
                fake.edit(PROJECT, contact["idContact"], EMail=email)
        case _:
            pass  # there is no such contact


def counted(done: list[str]) -> tuple[int, int]:
    return done.count("created"), done.count("updated")


FAKE = FakeDialogInsight()
FAKE.add_project(
    Project(
        PROJECT,
        fields=[ProjectField("EMail", "email", key=True), ProjectField("City", "text", LONGEST)],
        optins=[OptinField("news", date_code="nws")],
    )
)
FAKE.add_table(
    Table(
        LINES,
        project=PROJECT,
        kind="profiling",
        columns=[
            Column("code", key=True),
            Column("number", "int", key=True),
            Column("owner", foreign_key=True, references="EMail"),
        ],
    )
)


UPSERT = {"AllowInsert": True, "AllowUpdate": True, "SkipDuplicateRecords": False, "SkipUnmatchedRecords": False}
FIRST = (
    MergeContacts((("a@x.yz", {"f_City": "Oslo"}), ("b@x.yz", {"f_City": ""})), UPSERT),
    MergeLines((("x", 1, "a@x.yz"), ("y", 2, "b@x.yz")), UPSERT),
)
"""Some rows to begin with, so that nearly every step finds what it speaks of."""


@given(STEPS)
def test_any_sequence_of_calls_leaves_what_the_model_holds(steps: list[Step]) -> None:
    """Flags, keys of one and two columns, consent, foreign keys, cascades: whatever is called, both agree."""
    FAKE.reset()
    model = Model()
    for step in (*FIRST, *steps):
        carry_out(step, FAKE, model)
    names = ("idContact", "EMail", "City", "optin_news", "dtOptin_nws")
    assert [{name: row[name] for name in names} for row in FAKE.contacts(PROJECT)] == model.contacts
    assert FAKE.rows(LINES) == model.lines
    for contact in model.contacts:
        clause = {
            "$type": "FieldClause",
            "Field": {"Name": "f_EMail"},
            "TypeOperator": "Equal",
            "ComparisonValue": contact["EMail"].upper(),
        }
        [row] = FAKE.call("contacts", "Get", idProject=PROJECT, Clause=clause)["Records"]
        assert (row["idContact"], row["optin_news"]) == (contact["idContact"], contact["optin_news"])
