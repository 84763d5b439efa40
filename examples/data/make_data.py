"""Make the example's CSV files: invented people, the same bytes on every machine and with every Python.

    python3 examples/data/make_data.py                                              # the files beside this one
    python3 examples/data/make_data.py --people 60 --out src/di_salesforce/testing/data

First everybody is invented as both sides know them while they agree, then `oddities.py` says which cells are spoilt.
What may not go in here: real people, domains other than the reserved `example.*`, anything beyond the standard library,
and any source of chance but `Dice`.
"""

# ruff: noqa: SIM905 - a paragraph of names reads better than a list of quoted ones

from __future__ import annotations

import argparse
import csv
import io
import random
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from oddities import (
    ACCOUNTS,
    ACQUISITION,
    COMMUNICATIONS,
    CONTACTS,
    KEY_COLUMN,
    ODDITIES,
    ORDERS,
    TRANSACTIONS,
)

T = TypeVar("T")
Cells = dict[str, str]

SEED = "di-salesforce 1"
FULL = 3000  # contacts in Salesforce; everything else is in proportion
SMALLEST = 60  # below it the odd rows would leave no room for ordinary ones
WHOLE_TABLE_FROM = 1000  # smaller sets hold one row of each oddity
AT_FULL = {ACCOUNTS: 120, ORDERS: 1500, ACQUISITION: 1400, COMMUNICATIONS: 1200, TRANSACTIONS: 300}
SUBSCRIBED_CONTACTS = 900  # of the 1,400; they are in Salesforce too


class Dice:
    """Chance that repeats: only `random()` itself is promised to give the same numbers in every Python version."""

    def __init__(self, purpose: str) -> None:
        self._next = random.Random(f"{SEED}/{purpose}").random  # noqa: S311 - test data, not secrets

    def below(self, end: int) -> int:
        """Draw from 0 up to, not including, `end`."""
        return int(self._next() * end)

    def chance(self, share: float) -> bool:
        """Come true in this share of the cases."""
        return self._next() < share

    def pick(self, values: Sequence[T]) -> T:
        """Draw one of the values."""
        return values[self.below(len(values))]

    def shuffled(self, values: Iterable[T]) -> list[T]:
        """Give the values in another order."""
        drawn = [(self._next(), index, value) for index, value in enumerate(values)]
        return [value for _, _, value in sorted(drawn, key=lambda draw: draw[:2])]


FRENCH = """
    Adélaïde André Anaïs Aurélie Béatrice Benoît Cédric Céline Chloé Clément Danièle Élise Émile Étienne Eugénie
    Félix François Frédéric Geneviève Gérald Gisèle Hélène Henri Hugo Irène Isabelle Jacinthe Jean-François Jérémie
    Joëlle Josée Julien Laurie Léonie Loïc Louis-Philippe Lucie Luc Madeleine Maïka Marc-André Marie-Ève Mathieu
    Mélanie Michel Naomi Noël Océane Olivier Pascale Raphaël Rémi Renée Sébastien Simone Stéphane Thérèse Valérie
    Véronique Xavier Yves
""".split()
ENGLISH = """
    Aidan Alison Andrew Brian Caitlin Charlotte Colin Daniel Deborah Dylan Edward Eleanor Emma Ethan Fiona George
    Graham Hannah Harriet Ian Jacob James Jennifer Kathleen Laura Liam Lucas Margaret Matthew Megan Nathan Nicole
    Nora Oliver Patrick Rachel Rebecca Robert Samantha Sarah Scott Sean Sophie Thomas Victoria William
""".split()
LAST = """
    Arsenault Bélanger Bélisle Bergeron Bouchard Boucher Champagne Chevrier Côté D'Amours Demers Deschênes
    Desrosiers Dubé Dufour Fournier Gagné Gauthier Gélinas Grégoire Hébert Lachapelle Laflèche Lafrenière Langlois
    Lapointe Lavoie Légaré Lemieux L'Heureux Martel Ménard Michaud Nadeau Ouellet Paradis Pelletier Proulx Quévillon
    Rhéaume Sévigny St-Pierre Thériault Tremblay Trépanier Turcotte Vaillancourt Veilleux Campbell Clarke Davies
    Edwards Ferguson Graham Harris Hughes MacLeod McKenzie Murphy O'Connor O'Neill Patel Richards Robertson Singh
    Thompson Turner Wilson Wright
""".split()
CITIES = (
    "Montréal|Québec|Lévis|Trois-Rivières|Saint-Louis-du-Ha! Ha!|L'Ancienne-Lorette|Baie-D'Urfé|Sept-Îles|Gatineau|"
    "Rimouski|Sherbrooke|Val-d'Or|Ottawa|Toronto|Moncton|Halifax|Winnipeg|St. John's"
).split("|")
STREETS = (
    "{}, rue Saint-Denis",
    "{}, boul. René-Lévesque Est\nbureau 300",
    "{}, côte de l'Église",
    "{} King Street West, Unit 4",
    '{}, chemin du Roy\n"Le Vieux Moulin"',
    "{} O'Leary Avenue",
)
TRADES = ("Boulangerie", "Librairie", "Clinique", "Garage", "Hôtel", "Pharmacie", "École de musique", "Fleuriste")
AWKWARD_ACCOUNTS = (
    'Librairie "Le Signet"',
    "L'Atelier d'Érable, S.E.N.C.",
    "Smith, O'Connor & Sons Ltd.",
    'Café "Noël", Montréal (Québec)',
)
DOMAINS = ("example.ca", "example.com", "example.org")
LANGUAGE_CODE = {"Français": "fr", "English": "en", "": ""}


@dataclass(frozen=True)
class Person:
    """One invented person, as both sides know them while they agree; `opted_in_at` is local time in Toronto."""

    first: str
    last: str
    email: str
    language: str
    points: str
    opt_in: str
    opted_in_at: datetime | None


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower())
    return "".join(letter for letter in letters if letter.isascii() and (letter.isalnum() or letter == "-"))


def _person(dice: Dice, first: str, last: str, email: str, *, opt_in: str) -> Person:
    day = datetime(2022, 1, 3) + timedelta(days=dice.below(1600))  # noqa: DTZ001 - local time
    # Between 8 and 20 o'clock: no local time that the change of clocks repeats or leaves out.
    moment = day + timedelta(hours=8 + dice.below(12), seconds=dice.below(3600))
    language = "" if dice.chance(0.1) else ("Français" if first in FRENCH else "English")
    points = "" if dice.chance(0.15) else str(dice.below(5000))
    return Person(first, last, email, language, points, opt_in, moment if opt_in else None)


def _people(dice: Dice, count: int, taken: set[str], *, blanks: bool) -> list[Person]:
    """Invent so many ordinary people with e-mail addresses that nobody has; `blanks`: some have no opt-in status."""
    found: list[Person] = []
    while len(found) < count:
        first, last = dice.pick(FRENCH if dice.chance(0.65) else ENGLISH), dice.pick(LAST)
        name, domain = f"{_plain(first)}.{_plain(last)}", dice.pick(DOMAINS)
        email = next(
            address
            for number in range(1, count + len(taken) + 2)
            if (address := f"{name}{number if number > 1 else ''}@{domain}") not in taken
        )
        taken.add(email)
        opt_in = "" if blanks and dice.chance(0.1) else ("1" if dice.chance(0.7) else "0")
        found.append(_person(dice, first, last, email, opt_in=opt_in))
    return found


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def record_id(prefix: str, number: int) -> str:
    """Make a Salesforce record id of 18 characters: prefix, instance, counter, checksum of the letters' case."""
    counter, rest = "", 150_000_000 + 7 * number  # an org in use: five digits of which most differ
    while rest:
        rest, digit = divmod(rest, 62)
        counter = _BASE62[digit] + counter
    body = f"{prefix}5g{counter:0>10}"
    groups = (body[start : start + 5] for start in (0, 5, 10))
    return body + "".join(_CHECK[sum(1 << bit for bit, letter in enumerate(g) if letter.isupper())] for g in groups)


def _sunday(year: int, month: int, which: int) -> datetime:
    first = date(year, month, 1)
    return datetime(year, month, 1 + (6 - first.weekday()) % 7 + 7 * (which - 1), 2)  # noqa: DTZ001 - local time


def toronto_to_utc(local: datetime) -> datetime:
    """Turn local time in Toronto into UTC by the rule in force since 2007 (not every machine has a zone database)."""
    summer = _sunday(local.year, 3, 2) <= local < _sunday(local.year, 11, 1)
    return local + timedelta(hours=4 if summer else 5)


def _contact(dice: Dice, person: Person, number: int, accounts: Sequence[Cells]) -> Cells:
    at = person.opted_in_at
    changed = datetime(2026, 1, 1) + timedelta(seconds=dice.below(180 * 86_400))  # noqa: DTZ001 - UTC, written so
    return {
        "Id": record_id("003", number),
        "AccountId": "" if dice.chance(0.1) else dice.pick(accounts)["Id"],
        "FirstName": person.first,
        "LastName": person.last,
        "Email": person.email,
        # 555-01xx is set aside for invented numbers
        "Phone": "" if dice.chance(0.2) else f"+1 {dice.pick(('418', '514', '613', '819'))} 555-01{dice.below(100):02}",
        "MailingStreet": "" if dice.chance(0.4) else dice.pick(STREETS).format(1 + dice.below(9000)),
        "MailingCity": "" if dice.chance(0.1) else dice.pick(CITIES),
        "Language__c": person.language,
        "Loyalty_Points__c": person.points,
        "Birthdate": "" if dice.chance(0.3) else str(date(1940, 1, 1) + timedelta(days=dice.below(24_000))),
        "Newsletter__c": "true" if person.opt_in == "1" else "false",
        "Newsletter_Date__c": f"{toronto_to_utc(at):%Y-%m-%dT%H:%M:%S}.000Z" if at else "",
        "HasOptedOutOfEmail": "true" if dice.chance(0.05) else "false",
        "LastModifiedDate": f"{changed:%Y-%m-%dT%H:%M:%S}.000Z",
    }


def _subscriber(person: Person) -> Cells:
    return {
        "f_EMail": person.email,
        "f_FirstName": person.first,
        "f_LastName": person.last,
        "optin_newsletter": person.opt_in,
        "dtOptin_newsletter": f"{person.opted_in_at:%Y.%m.%d %H:%M:%S}" if person.opted_in_at else "",
    }


def _recipient(person: Person, client_no: str) -> Cells:
    return {
        "key_f_ClientNo": client_no,
        "f_EMail": person.email,
        "f_FirstName": person.first,
        "f_LastName": person.last,
        "f_Langue": LANGUAGE_CODE[person.language],
        "f_Points": person.points,
    }


def _order(dice: Dice, number: int, order_number: str, contact: Cells) -> Cells:
    cents = 500 + dice.below(250_000)
    return {
        "Id": record_id("801", number),
        "OrderNumber": order_number,
        "BillToContactId": contact["Id"],
        "AccountId": contact["AccountId"],
        "EffectiveDate": str(date(2024, 1, 2) + timedelta(days=dice.below(900))),
        "Status": "Draft" if dice.chance(0.2) else "Activated",
        "TotalAmount": f"{cents // 100}.{cents % 100:02}",
    }


def _transaction(order: Cells, id_contact: str) -> Cells:
    return {
        "key_idOrder": order["OrderNumber"],
        "idContact": id_contact,
        "Revenue": order["TotalAmount"],
        # A column of a relational table knows no date without a time: midnight stands for it.
        "dtTransaction": order["EffectiveDate"].replace("-", ".") + " 00:00:00",
    }


def _named(people: int, name: str) -> tuple[tuple[str, str, str], ...]:
    oddity = next(oddity for oddity in ODDITIES if oddity.name == name)
    return oddity.rows if oddity.group or people >= WHOLE_TABLE_FROM else oddity.rows[:1]


def _numbered(rows: Iterable[Cells], first: int) -> list[Cells]:
    return [{"idContact": str(first + index), **row} for index, row in enumerate(rows)]


def _spoil(file: str, rows: Iterable[Cells]) -> list[Cells]:
    """Turn the right cells of the named rows into the odd ones of the table."""
    odd = {key: oddity.cells for oddity in ODDITIES if oddity.file == file for key in oddity.keys}
    key = KEY_COLUMN.get(file, "")
    return [{name: odd.get(row.get(key, ""), {}).get(name, str)(text) for name, text in row.items()} for row in rows]


@dataclass(frozen=True)
class Cast:
    """Everybody, by where they are known; `silent` have no e-mail address in Salesforce."""

    contacts: list[Person]
    subscribers: list[Person]
    recipients: list[Person]
    silent: set[str]
    plain_recipients: list[Person]


def _cast(people: int) -> Cast:
    """Invent everybody: those of the table by name, the others by chance."""
    dice = Dice("people")
    known: dict[str, list[Person]] = {CONTACTS: [], ACQUISITION: [], COMMUNICATIONS: []}
    for oddity in (oddity for oddity in ODDITIES if oddity.file in known):
        for email, first, last in _named(people, oddity.name):
            person = _person(dice, first, last, email, opt_in="" if oddity.name == "no_opt_in_status" else "1")
            person = replace(person, points=person.points or "100")
            known[oddity.file] += [person] * oddity.copies
            for file in oddity.also_in:
                # Salesforce is the tidy side: what is odd about an address is odd in Dialog Insight.
                known[file].append(replace(person, email=email.lower()) if file == CONTACTS else person)
    in_both = {person.email for person in known[CONTACTS]} & {person.email.lower() for person in known[ACQUISITION]}

    taken = {key.lower() for oddity in ODDITIES for key in oddity.keys}
    ordinary = _people(dice, people - len(known[CONTACTS]), taken, blanks=False)
    # One at least, since the table has orders of such people.
    silent = {ordinary[0].email, *(person.email for person in ordinary if dice.chance(0.04))}
    reachable = [person for person in ordinary if person.email not in silent]
    both = dice.shuffled(reachable)[: people * SUBSCRIBED_CONTACTS // FULL - len(in_both)]
    count = people * AT_FULL[ACQUISITION] // FULL - len(known[ACQUISITION]) - len(both)
    only_there = _people(dice, count, taken, blanks=True)
    plain = dice.shuffled(reachable)[: people * AT_FULL[COMMUNICATIONS] // FULL - len(known[COMMUNICATIONS])]
    return Cast(
        contacts=dice.shuffled([*known[CONTACTS], *ordinary]),
        subscribers=dice.shuffled([*known[ACQUISITION], *both, *only_there]),
        recipients=dice.shuffled([*known[COMMUNICATIONS], *plain]),
        silent=silent,
        plain_recipients=plain,
    )


def _accounts(people: int) -> list[Cells]:
    dice = Dice("accounts")
    count = max(len(AWKWARD_ACCOUNTS), people * AT_FULL[ACCOUNTS] // FULL)
    plain = [f"{dice.pick(TRADES)} {dice.pick(LAST)}" for _ in range(count - len(AWKWARD_ACCOUNTS))]
    return [{"Id": record_id("001", n), "Name": name} for n, name in enumerate([*AWKWARD_ACCOUNTS, *plain])]


def _orders(people: int, buyers: list[Cells], silent: list[Cells], recipients: list[Cells]) -> list[Cells]:
    """Sell something to contacts: to ordinary buyers, and under the numbers of the table to those whom it names."""
    dice = Dice("orders")
    nobody = {"Id": record_id("003", people), "AccountId": buyers[0]["AccountId"]}  # the first number not given out
    named = {
        "unknown_bill_to_contact": [nobody],
        "bill_to_contact_without_email": silent,
        "revenue_differs": recipients,
    }
    odd = [(key, who) for name, who in named.items() for key, _, _ in _named(people, name)]
    count = people * AT_FULL[ORDERS] // FULL - len(odd)
    plan = [*((f"{101 + index:08}", buyers) for index in range(count)), *odd]
    return [_order(dice, index, number, dice.pick(who)) for index, (number, who) in enumerate(plan)]


def _transactions(people: int, orders: list[Cells], recipients: list[Cells], id_contact: dict[str, str]) -> list[Cells]:
    """Copy orders of contacts whom Dialog Insight knows, those of the table first, and add the ones born there."""
    dice = Dice("transactions")
    web = [_order(dice, 0, key, dice.pick(recipients)) for key, _, _ in _named(people, "order_born_in_dialog_insight")]
    named = {key for key, _, _ in _named(people, "revenue_differs")}
    reachable = {contact["Id"] for contact in recipients}
    shared = [order for order in orders if order["BillToContactId"] in reachable]
    there = [order for order in shared if order["OrderNumber"] in named] + web
    plain = dice.shuffled(order for order in shared if order["OrderNumber"] not in named)
    there += plain[: people * AT_FULL[TRANSACTIONS] // FULL - len(there)]
    rows = [_transaction(order, id_contact[order["BillToContactId"]]) for order in there]
    return sorted(rows, key=lambda row: row["key_idOrder"])


def make_rows(people: int) -> dict[str, list[Cells]]:
    """Give the rows of each file, by file name, for so many contacts in Salesforce."""
    cast, accounts, dice = _cast(people), _accounts(people), Dice("contacts")
    contacts = [_contact(dice, person, number, accounts) for number, person in enumerate(cast.contacts)]
    by_email = {contact["Email"]: contact for contact in contacts}
    silent = [by_email[email] for email in sorted(cast.silent)]
    for contact in silent:
        contact["Email"] = ""
    client_no = {email: contact["Id"] for email, contact in by_email.items()}
    recipients = _numbered((_recipient(p, client_no.get(p.email, "")) for p in cast.recipients), 700_001)

    # An order needs an account, so it is sold to contacts who have one.
    with_account = {contact["Id"] for contact in contacts if contact["AccountId"]}
    ordinary = [contact for contact in contacts if contact["Email"] and contact["Id"] in with_account]
    named = {key.lower() for oddity in ODDITIES for key in oddity.keys}
    buyers = [contact for contact in ordinary if contact["Email"].lower() not in named]
    known = [by_email[person.email] for person in cast.plain_recipients if client_no[person.email] in with_account]
    orders = _orders(people, buyers, [contact for contact in silent if contact["Id"] in with_account], known)
    id_contact = {row["key_f_ClientNo"]: row["idContact"] for row in recipients}
    return {
        ACCOUNTS: accounts,
        CONTACTS: _spoil(CONTACTS, contacts),
        ORDERS: _spoil(ORDERS, orders),
        ACQUISITION: _spoil(ACQUISITION, _numbered(map(_subscriber, cast.subscribers), 500_001)),
        COMMUNICATIONS: _spoil(COMMUNICATIONS, recipients),
        TRANSACTIONS: _spoil(TRANSACTIONS, _transactions(people, orders, known, id_contact)),
    }


def make_files(people: int = FULL) -> dict[str, bytes]:
    """Give the content of each file, by file name.

    Salesforce's are in the form of Data Loader (API names, every cell quoted), Dialog Insight's in that of its import
    page (wire names, a byte-order mark); both are RFC 4180, so lines end in CR LF whatever the machine.
    """
    if people < SMALLEST:
        raise ValueError(f"at least {SMALLEST} people, or the odd rows leave no room for ordinary ones")
    files: dict[str, bytes] = {}
    for name, rows in make_rows(people).items():
        data_loader = name in (ACCOUNTS, CONTACTS, ORDERS)
        text = io.StringIO(newline="")
        writer = csv.writer(text, quoting=csv.QUOTE_ALL if data_loader else csv.QUOTE_MINIMAL, lineterminator="\r\n")
        writer.writerows([rows[0].keys(), *(row.values() for row in rows)])
        files[name] = text.getvalue().encode("utf-8" if data_loader else "utf-8-sig")
    return files


def main() -> None:
    """Write the files into a folder."""
    parser = argparse.ArgumentParser(description="Make the example's CSV files.")
    parser.add_argument("--people", type=int, default=FULL, help="contacts in Salesforce (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder (default: beside this script)")
    options = parser.parse_args()
    try:
        files = make_files(options.people)
    except ValueError as error:
        parser.error(str(error))
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (options.out / name).write_bytes(content)
        print(f"{options.out / name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
