"""What is odd on purpose in the example's data: in which file, which rows, and what a sync is expected to do with them.

One table, read by `make_data.py` (which spoils the rows), by the tests and by the example; the table of `README.md` is
its text.  What may not go in here: how the ordinary rows are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

ACCOUNTS = "salesforce_accounts.csv"
CONTACTS = "salesforce_contacts.csv"
ORDERS = "salesforce_orders.csv"
ACQUISITION = "dialog_insight_acquisition.csv"
COMMUNICATIONS = "dialog_insight_communications.csv"
TRANSACTIONS = "dialog_insight_orders.csv"

KEY_COLUMN = {
    CONTACTS: "Email",
    ORDERS: "OrderNumber",
    ACQUISITION: "f_EMail",
    COMMUNICATIONS: "f_EMail",
    TRANSACTIONS: "key_idOrder",
}


def always(text: str) -> Callable[[str], str]:
    """Give the function that puts `text` in place of any cell."""
    return lambda _: text


@dataclass(frozen=True)
class Oddity:
    """Something odd on purpose: in which file, which rows, and what a sync is expected to do with them.

    `rows` are (key, first name, last name); the key stands in `KEY_COLUMN` of `file`.  `cells` turns right cells of
    `file` into odd ones; `also_in` are the files that hold the same person or order unchanged.
    """

    name: str
    file: str
    rows: tuple[tuple[str, str, str], ...]
    what: str
    expected: str
    cells: Mapping[str, Callable[[str], str]] = field(default_factory=dict[str, Callable[[str], str]])
    also_in: tuple[str, ...] = ()
    loadable: bool = True  # False: a strict service refuses the row when it is loaded
    copies: int = 1
    group: bool = False  # the rows are odd only together

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the rows, as they stand in the file."""
        return tuple(key for key, _, _ in self.rows)


HELD = "held as a conflict of the first meeting: nothing says which value is right, so a person decides"
REFUSED_AT_LOADING = "cannot be loaded (the service refuses such a value); named in the report of the loading"
_LONG_FIRST = "Marie-Antoinette-Joséphine-" * 4 + "Ève"  # 111 characters; a short text of Dialog Insight holds 100
_LONG_LAST = "de la Bruère-Montarville-Saint-Hilaire-Rigaud de Vaudreuil-Cavagnal-Lotbinière-Joly"  # 83; Salesforce: 80

ODDITIES: tuple[Oddity, ...] = (
    Oddity(
        "same_email_twice", CONTACTS,
        (("lise.bedard@example.ca", "Lise", "Bédard"), ("kevin.obrien@example.com", "Kevin", "O'Brien"),
         ("zoe.thibault@example.org", "Zoé", "Thibault")),
        "two contacts hold one e-mail address",
        "`subscribers`: both are named as duplicates and left alone; `contacts`: two records, each created in DI",
        copies=2,
    ),
    Oddity(
        "same_email_twice_and_subscribed", CONTACTS,
        (("andre.paquette@example.ca", "André", "Paquette"),),
        "two contacts hold one e-mail address, and Dialog Insight holds it once",
        "`subscribers`: nobody can say which of the two is meant; all three rows are named, none is linked or written",
        also_in=(ACQUISITION,), copies=2,
    ),
    Oddity(
        "same_email_in_two_cases", CONTACTS,
        (("Nadia.Haddad@Example.com", "Nadia", "Haddad"), ("nadia.haddad@example.com", "Nadia", "Haddad")),
        "two contacts hold one e-mail address, written in different cases",
        "the same as for `same_email_twice`: case does not tell two e-mail addresses apart",
        group=True,
    ),
    Oddity(
        "text_for_points_in_salesforce", CONTACTS, (("yvon.desjardins@example.ca", "Yvon", "Desjardins"),),
        "`Loyalty_Points__c` holds a word", REFUSED_AT_LOADING,
        {"Loyalty_Points__c": always("beaucoup")}, loadable=False,
    ),
    Oddity(
        "last_name_differs", ACQUISITION,
        (("chloe.gagnon@example.ca", "Chloé", "Gagnon"), ("francoise.levesque@example.ca", "Françoise", "Lévesque"),
         ("heather.macdonald@example.com", "Heather", "MacDonald"), ("noemie.poirier@example.org", "Noémie", "Poirier"),
         ("siobhan.kelly@example.com", "Siobhan", "Kelly"), ("maelle.cote@example.ca", "Maëlle", "Côté")),
        "the last name is double-barrelled in Dialog Insight only", HELD,
        {"f_LastName": lambda name: f"{name}-Roy"}, also_in=(CONTACTS,),
    ),
    Oddity(
        "email_in_other_case", ACQUISITION,
        (("Jerome.Fortin@Example.Ca", "Jérôme", "Fortin"), ("Amelie.Girard@Example.Org", "Amélie", "Girard"),
         ("Owen.Fraser@Example.Com", "Owen", "Fraser"), ("Helene.Morin@Example.Ca", "Hélène", "Morin"),
         ("Denise.L.Ecuyer@Example.Ca", "Denise", "L'Écuyer")),
        "the e-mail address is in small letters in Salesforce",
        "linked as the same person; nothing is written", also_in=(CONTACTS,),
    ),
    Oddity(
        "no_opt_in_status", ACQUISITION,
        (("gaetan.caron@example.ca", "Gaétan", "Caron"), ("ruth.bennett@example.com", "Ruth", "Bennett"),
         ("benoit.leclerc@example.org", "Benoît", "Leclerc")),
        "the opt-in has no status, and the box in Salesforce, which cannot be blank, is off",
        "linked; the box stays off: no status is never taken for a yes", also_in=(CONTACTS,),
    ),
    Oddity(
        "email_differs_only_by_case", ACQUISITION,
        (("Gilles.Roy@example.ca", "Gilles", "Roy"), ("gilles.roy@example.ca", "Gilles", "Roy")),
        "two rows of Dialog Insight whose e-mail addresses differ only by case; Salesforce holds neither",
        "both are named as duplicates; no contact is created",
        group=True,
    ),
    Oddity(
        "malformed_email", ACQUISITION,
        (("rene.cote(at)example.ca", "René", "Côté"), ("mary ann@example.com", "Mary Ann", "Walsh")),
        "the e-mail address is none", "rejected with the row's name; no contact is created",
    ),
    Oddity(
        "first_name_too_long_for_dialog_insight", ACQUISITION, (("eve.longtin@example.ca", _LONG_FIRST, "Longtin"),),
        "a first name of more than 100 characters", REFUSED_AT_LOADING, loadable=False,
    ),
    Oddity(
        "last_name_too_long_for_salesforce", ACQUISITION,
        (("philippe.rigaud@example.ca", "Philippe", _LONG_LAST), ("ursule.joly@example.org", "Ursule", _LONG_LAST)),
        "a last name of more than 80 characters, which Dialog Insight holds and Salesforce does not",
        "rejected with the row and the field; no contact is created",
    ),
    Oddity(
        "no_last_name", ACQUISITION,
        (("info.fleuriste@example.ca", "Fleuriste", ""), ("sasha@example.com", "Sasha", "")),
        "no last name, which Salesforce requires", "created with the mapping's default for Salesforce",
    ),
    Oddity(
        "blanks_around_first_name", ACQUISITION, (("chantal.nadeau@example.ca", "  Chantal ", "Nadeau"),),
        "blanks before and after the first name, which Salesforce cuts off",
        "created; the cut blanks are no news at the next run",
    ),
    Oddity(
        "impossible_date", ACQUISITION, (("marc.boivin@example.ca", "Marc", "Boivin"),),
        "an opt-in on 30 February", REFUSED_AT_LOADING,
        {"optin_newsletter": always("1"), "dtOptin_newsletter": always("2024.02.30 10:00:00")}, loadable=False,
    ),
    Oddity(
        "points_differ", COMMUNICATIONS,
        (("aurele.simard@example.ca", "Aurèle", "Simard"), ("grace.nguyen@example.com", "Grace", "Nguyen"),
         ("lea.beaudoin@example.org", "Léa", "Beaudoin"), ("ian.stewart@example.com", "Ian", "Stewart")),
        "50 points more in Dialog Insight", HELD,
        {"f_Points": lambda points: str(int(points) + 50)}, also_in=(CONTACTS,),
    ),
    Oddity(
        "first_name_differs", COMMUNICATIONS,
        (("anne.riviere@example.ca", "Anne", "Rivière"), ("jean.cloutier@example.ca", "Jean", "Cloutier")),
        "the first name is longer in Dialog Insight", HELD,
        {"f_FirstName": lambda name: f"{name}-Frédérique"}, also_in=(CONTACTS,),
    ),
    Oddity(
        "no_client_number", COMMUNICATIONS,
        (("odette.vachon@example.ca", "Odette", "Vachon"), ("tom.sinclair@example.com", "Tom", "Sinclair"),
         ("raoul.hebert@example.org", "Raoul", "Hébert")),
        "born in Dialog Insight, so without a Salesforce record id",
        "skipped: a type A project does not create in Salesforce",
    ),
    Oddity(
        "client_number_of_15_characters", COMMUNICATIONS, (("solange.dube@example.ca", "Solange", "Dubé"),),
        "the record id in its short, case-sensitive form", "linked to the same contact; nothing is created",
        {"key_f_ClientNo": lambda record_id: record_id[:15]}, also_in=(CONTACTS,),
    ),
    Oddity(
        "text_for_points_in_dialog_insight", COMMUNICATIONS, (("armand.tessier@example.ca", "Armand", "Tessier"),),
        "`f_Points` holds a word", f"{REFUSED_AT_LOADING}; the contact is then created there from Salesforce",
        {"f_Points": always("douze")}, also_in=(CONTACTS,), loadable=False,
    ),
    Oddity(
        "unknown_bill_to_contact", ORDERS, (("00009001", "", ""),),
        "`BillToContactId` has the form of a record id but names nobody", REFUSED_AT_LOADING, loadable=False,
    ),
    Oddity(
        "bill_to_contact_without_email", ORDERS, (("00009011", "", ""), ("00009012", "", ""), ("00009013", "", "")),
        "billed to a contact without an e-mail address, whom the filter of `contacts` leaves out",
        "waits, by name: the order cannot refer to a contact that Dialog Insight does not have",
    ),
    Oddity(
        "revenue_differs", TRANSACTIONS, (("00009021", "", ""), ("00009022", "", "")),
        "ten dollars more in Dialog Insight", HELD,
        {"Revenue": lambda amount: str(Decimal(amount) + 10)}, also_in=(ORDERS,),
    ),
    Oddity(
        "order_born_in_dialog_insight", TRANSACTIONS, (("WEB-0001", "", ""), ("WEB-0002", "", "")),
        "an order that Salesforce does not have", "skipped: a type A project does not create in Salesforce",
    ),
)  # fmt: skip


def markdown() -> str:
    """Give the table as it stands in `README.md`; `python3 examples/data/oddities.py` prints it."""
    lines = ["| name | file | rows, by key | what is odd | what a sync does |", "|---|---|---|---|---|"]
    for odd in ODDITIES:
        keys = ", ".join(f"`{key}`" for key in odd.keys)
        lines.append(f"| `{odd.name}` | `{odd.file}` | {keys} | {odd.what} | {odd.expected} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
