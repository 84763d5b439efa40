"""Laws of `suggest_transfer`: the same schemas give the same draft, each field is used once, and no key is invented."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce._check import check
from di_salesforce._compatibility import converter_for, fit
from di_salesforce._suggest import Confidence, SuggestedTransfer, suggest_transfer
from di_salesforce._suggest_names import _PHRASES, MEANINGS
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import Constant, DestinationProject, FieldMapping, ObjectTransfer, OptIn
from di_salesforce.records import Side
from di_salesforce.schema import FieldSchema as F
from di_salesforce.schema import FieldType as T
from di_salesforce.schema import TableSchema
from di_salesforce.triggers import Direction

WORDS = (
    "Email EMail Courriel FirstName Prénom prenom LastName Nom Phone Telephone Cell MobilePhone MailingCity Ville "
    "OtherCity CodePostal ZIP Birthdate DateNaissance Langue__c Langue Id idContact AccountId optin_news News__c "
    "HasOptedOutOfEmail optin_email Points__c points a A é 日本 __c x"
).split()
FLAGS = "creatable updatable unique required nullable".split()
names = st.sampled_from(WORDS) | st.text(max_size=6)


@st.composite
def schemas(draw: st.DrawFn, side: Side) -> TableSchema:
    """Any table: known names of both languages, odd ones, any type, writable or not."""

    def described(name: str, kind: T, label: str, bits: int) -> F:
        # One draw for all flags: the generator's time goes by the number of draws.
        flags = {flag: bool(bits >> place & 1) for place, flag in enumerate(FLAGS)}
        return F(name, kind, label=label, calculated=bits >= 96, **flags)

    labels = st.sampled_from(["", "", "Prénom", "Ville", "Email Opt Out"])
    one = st.builds(described, names, st.sampled_from(T), labels, st.integers(0, 127))
    listed = draw(st.lists(one, max_size=7, unique_by=lambda field: field.name.casefold()))
    return TableSchema("Contact", side=side, fields=listed)


here, there = schemas(Side.SALESFORCE), schemas(Side.DIALOG_INSIGHT)


@given(here, there, st.randoms(use_true_random=False))
def test_the_order_of_fields_says_nothing(salesforce: TableSchema, dialog_insight: TableSchema, shuffled: Any) -> None:
    """The same fields give the same draft, in whatever order the services list them."""
    draft = suggest_transfer(salesforce, dialog_insight, name="t")
    mixed = [
        attrs.evolve(schema, fields=shuffled.sample(schema.fields, len(schema.fields)))
        for schema in (salesforce, dialog_insight)
    ]
    again = suggest_transfer(mixed[0], mixed[1], name="t")
    assert again == draft
    assert str(again) == str(draft)


@given(here, there)
def test_each_field_is_used_once_or_left(salesforce: TableSchema, dialog_insight: TableSchema) -> None:
    """Every field of both sides is in exactly one line, or among the unmatched; every line has a reason."""
    draft = suggest_transfer(salesforce, dialog_insight, name="t")
    for side, schema in ((Side.SALESFORCE, salesforce), (Side.DIALOG_INSIGHT, dialog_insight)):
        used = [_field(suggested.line, side) for suggested in draft.lines]
        left = [field.name for field in draft.unmatched if field.side is side]
        assert sorted([*used, *left]) == sorted(schema.names)
    assert all(suggested.why for suggested in draft.lines)
    left_names = {(field.side, field.name) for field in draft.unmatched}
    assert all((field.side.other, near) in left_names for field in draft.unmatched for near in field.near)


def _field(line: FieldMapping, side: Side) -> str:
    return line.field(side)


@given(here, there)
def test_values_can_flow_along_every_line(salesforce: TableSchema, dialog_insight: TableSchema) -> None:
    """Where a line flows, its target can be written and the types have values in common; ids and lookups are left."""
    for suggested in suggest_transfer(salesforce, dialog_insight, name="t").lines:
        line = suggested.line
        ends = {
            Side.SALESFORCE: salesforce[line.salesforce],
            Side.DIALOG_INSIGHT: dialog_insight[line.field(Side.DIALOG_INSIGHT)],
        }
        assert not line.key
        assert line.converter is None
        assert not {end.type for end in ends.values()} & {T.ID, T.REFERENCE, T.COMPOUND, T.BINARY}
        converter = converter_for(line, salesforce, dialog_insight, "UTC")
        for to in Side:
            if line.flows.allows(to):
                assert not ends[to].calculated
                assert ends[to].creatable
                assert ends[to].updatable
                assert fit(converter, ends[to.other], ends[to], to=to) not in {
                    "type.mismatch", "reference.not_translated", "field.compound",
                }  # fmt: skip


@given(here, there)
def test_a_draft_becomes_a_transfer_by_naming_a_key(salesforce: TableSchema, dialog_insight: TableSchema) -> None:
    """No draft is a transfer; with a key named it is one, with the same lines, and `check` knows all of its fields."""
    draft = suggest_transfer(salesforce, dialog_insight, name="t")
    assert not isinstance(draft, ObjectTransfer)
    with pytest.raises(ConfigurationError):
        draft.with_key()
    for suggested in draft.lines:
        if suggested.line.is_consent or not suggested.line.salesforce.strip():
            continue
        if any(
            not _field(one.line, side).strip() or "." in one.line.salesforce for one in draft.lines for side in Side
        ):
            continue  # a name that no service has
        transfer = draft.with_key(suggested.line.salesforce)
        assert [line.name for line in transfer.key_lines] == [suggested.line.name]
        assert {line.name for line in transfer.lines} == {one.line.name for one in draft.lines}
        codes = {finding.code for finding in check(transfer, salesforce=salesforce, dialog_insight=dialog_insight)}
        assert not codes & {"field.missing", "field.compound", "field.calculated", "type.mismatch", "opt_in.plain_name"}


@given(here, there)
def test_a_suggestion_passes_check_or_says_why_not(salesforce: TableSchema, dialog_insight: TableSchema) -> None:
    """With any of its candidates as key a draft has no errors but the fields that it named as needed and unfilled."""
    draft = suggest_transfer(salesforce, dialog_insight, name="t")
    for candidate in draft.key_candidates:
        try:
            transfer = draft.with_key(candidate)
        except ConfigurationError:
            continue  # a name that no service has, such as a blank
        errors = check(transfer, salesforce=salesforce, dialog_insight=dialog_insight).errors
        assert {error.code for error in errors} <= {"required.not_mapped"}
        told = [error.message for error in errors]
        expected = [name for _, name in draft.unfilled]
        assert len(told) == len(expected)
        assert all(any(f"without {name}," in message for message in told) for name in expected)
        assert all(f"{side.label}'s {name}" in str(draft) for side, name in draft.unfilled)


def of(side: Side, *fields: F | str) -> TableSchema:
    listed = [field if isinstance(field, F) else F(field, T.TEXT) for field in fields]
    return TableSchema("Contact", side=side, fields=listed)


def suggested(salesforce: F | str, dialog_insight: F | str) -> Confidence | None:
    draft = suggest_transfer(of(Side.SALESFORCE, salesforce), of(Side.DIALOG_INSIGHT, dialog_insight), name="t")
    return draft.lines[0].confidence if draft.lines else None


@pytest.mark.parametrize(
    ("salesforce", "dialog_insight", "confidence"),
    [
        ("Email", "EMail", "high"),
        ("FirstName", "Prenom", "high"),
        ("LastName", "NomDeFamille", "high"),
        ("Prénom__c", "prenom", "high"),
        ("Code_Postal__c", "codepostal", "high"),
        ("PostalCode", "CP", "high"),
        ("Date_de_naissance__c", "DateNaissance", "high"),
        ("Birthdate", "DOB", "high"),
        ("MobilePhone", "TelephoneCellulaire", "high"),
        ("Company", "RaisonSociale", "high"),
        ("Nb_employés__c", "NumberOfEmployees", "high"),
        ("OrderNumber", "idOrder", "high"),
        ("MailingCity", "Ville", "medium"),
        ("Infolettre__c", "Newsletter", "high"),
        ("Loyalty_Points__c", "PointsFidelite", "high"),
        ("Loyalty_Points__c", "Points", "low"),
        ("Preferences__c", "Preferance", "low"),
        ("FirstName", "LastName", None),
        ("HomePhone", "WorkPhone", None),
        ("MailingCity", "MailingCountry", None),
        ("LeadSource", "LeadStatus", None),
        ("StartDate", "EndDate", None),
    ],
)
def test_names_of_both_languages_are_understood(salesforce: str, dialog_insight: str, confidence: str | None) -> None:
    """French and English, standard and custom, accents, underscores and humps: the meaning counts, and its parts."""
    assert suggested(salesforce, dialog_insight) == confidence


def test_labels_count_where_names_say_nothing() -> None:
    """A field called Champ1 whose label is Prénom is a first name."""
    assert suggested("FirstName", F("Champ1", T.TEXT, label="Prénom")) is Confidence.HIGH


@pytest.mark.parametrize("name", ["HasOptedOutOfEmail", "DoNotCall", "Desabonne_email__c", "Email_Opt_Out__c"])
def test_consent_is_never_turned_round(name: str) -> None:
    """An opt-out is not mapped onto an opt-in by guess, by its name or by its label."""
    assert suggested(F(name, T.BOOLEAN), F("optin_email", T.OPT_IN)) is None
    assert suggested(F("Email__c", T.BOOLEAN, label=name), F("optin_email", T.OPT_IN)) is None
    assert suggested(F("Email__c", T.BOOLEAN), F("optin_email", T.OPT_IN)) is not None


def test_a_field_that_cannot_be_written_flows_out_only() -> None:
    """A formula goes to Dialog Insight; a field that neither side can write is left."""
    formula = F("Points__c", T.INTEGER, calculated=True, creatable=False, updatable=False)
    draft = suggest_transfer(of(Side.SALESFORCE, formula), of(Side.DIALOG_INSIGHT, F("Points", T.INTEGER)), name="t")
    assert draft.lines[0].line.direction is Direction.TO_DIALOG_INSIGHT
    assert suggested(formula, attrs.evolve(formula, name="Points")) is None


def test_two_fields_that_are_equally_likely_are_a_guess_and_say_so() -> None:
    """Where two fields fit as well, one is proposed with low confidence and the reason names the other."""
    draft = suggest_transfer(
        of(Side.SALESFORCE, "MobilePhone"), of(Side.DIALOG_INSIGHT, "Cell", "TelephoneMobile"), name="t"
    )
    (line,) = draft.lines
    assert line.confidence is Confidence.LOW
    assert "as likely: MobilePhone and TelephoneMobile" in line.why


@pytest.fixture
def draft() -> SuggestedTransfer:
    salesforce = of(
        Side.SALESFORCE, F("Email", T.EMAIL, id_lookup=True), "FirstName", "Fax", F("Newsletter__c", T.BOOLEAN)
    )
    dialog_insight = of(
        Side.DIALOG_INSIGHT, F("EMail", T.EMAIL, key=True), "Prenom", "Telecopieur", F("optin_n", T.OPT_IN)
    )
    return suggest_transfer(salesforce, dialog_insight, name="contacts")


def test_the_draft_is_made_mine_by_three_verbs(draft: SuggestedTransfer) -> None:
    """Key, fewer fields and more fields, in any order, give the same transfer."""
    mine = FieldMapping("Newsletter__c", OptIn("n"))
    one = draft.with_key("Email").without_fields("Fax").with_field(mine)
    other = draft.without_fields("Telecopieur").with_field(mine).with_key("Email")
    assert one == other
    assert [line.name for line in one.lines] == ["Email:EMail", "FirstName:Prenom", "Newsletter__c:optin_n"]
    assert draft.key_candidates == ("Email",)


def test_a_line_of_ones_own_replaces_what_used_its_fields(draft: SuggestedTransfer) -> None:
    """The suggested line makes way; constants are kept; the project is given with the key."""
    project = DestinationProject("p", id=1)
    constant = Constant("LeadSource", "Web", side=Side.SALESFORCE)
    mine = draft.with_field(FieldMapping("FirstName", "Surnom"), constant).with_key("Email", project=project)
    assert [line.name for line in mine.lines] == ["Email:EMail", "Fax:Telecopieur", "FirstName:Surnom"]
    assert (mine.constants, mine.project) == ((constant,), project)


def test_misspelt_names_are_told(draft: SuggestedTransfer) -> None:
    """A name that no line has is an error for each verb, and wrong sides are too."""
    for wrong in (lambda: draft.with_key("Emial"), lambda: draft.without_fields("Emial")):
        with pytest.raises(ConfigurationError, match="Emial"):
            wrong()
    with pytest.raises(ConfigurationError, match="dialog_insight_schema"):
        suggest_transfer(of(Side.SALESFORCE), of(Side.SALESFORCE), name="t")


def test_no_phrase_has_two_meanings() -> None:
    """Each wording stands once in the table, so that its order says nothing."""
    worded = [
        (words.replace(" ", ""), meaning) for meaning, phrases in _PHRASES.items() for words in phrases.split(", ")
    ]
    twice = {words for words, _ in worded if len({meaning for other, meaning in worded if other == words}) > 1}
    assert twice == set()
    assert all(MEANINGS[meaning.replace(" ", "")] == meaning for meaning in _PHRASES)
