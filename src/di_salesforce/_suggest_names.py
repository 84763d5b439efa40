"""What field names mean, in French and in English: words and phrases, and the few words that say little.

What may not go in here: comparing (`_suggest.py`).  Words are written without accents, case and punctuation, as
`_suggest.py` cuts names into them; a phrase is found whether its words stand apart (`Code_Postal`, `codePostal`) or
together (`codepostal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["MEANINGS", "REFUSAL", "SILENT", "WEAK"]

REFUSAL: Final = "refusal"
"""The meaning of every wording of an opt-out: such a field is never taken for its contrary."""

_PHRASES: Final[Mapping[str, str]] = {
    # meaning: the ways of putting it
    "email": "e mail, mail, courriel, couriel, mel, adresse courriel, adresse mail, adresse email, "
    "adresse electronique, email address, e mail address, courrier electronique",
    "first name": "prenom, given name, forename, fname",
    "last name": "nom, nom famille, surname, family name, lname",
    "full name": "nom complet, nom prenom, prenom nom",
    "salutation": "civilite, title of courtesy, titre civilite",
    "title": "titre, job title, fonction, poste, titre poste, titre emploi",
    "phone": "telephone, tel, phone number, numero telephone, no telephone, tel no",
    "mobile phone": "mobile, cell, cellulaire, cellular, cell phone, portable, telephone portable, telephone mobile, "
    "telephone cellulaire, tel mobile, tel cell",
    "home phone": "telephone maison, telephone domicile, tel maison, tel domicile, telephone residence",
    "work phone": "telephone travail, telephone bureau, tel bureau, tel travail, business phone, office phone",
    "fax": "telecopieur, telecopie, numero fax, fax number",
    "street": "rue, adresse, address, adresse postale, street address, adresse ligne, address line, adresse rue",
    "city": "ville, town, municipalite, localite",
    "state": "province, region, etat, prov, departement",
    "postal code": "code postal, cp, zip, zip code, postcode, post code, cod post",
    "country": "pays, country name",
    "birth date": "date naissance, naissance, anniversaire, dob, birthday, date birth, dt naissance, ddn",
    "language": "langue, lang, langue correspondance, langue preferee, preferred language, language preference",
    "gender": "sexe, sex, genre",
    "age": "age",
    "company": "compagnie, entreprise, societe, organisation, organization, company name, nom entreprise, "
    "nom compagnie, nom societe, raison sociale",
    "account": "compte",
    "department": "service",
    "industry": "industrie, secteur, secteur activite",
    "website": "site, site web, web site, site internet, url site",
    "employees": "employes, number employees, nombre employes, nb employes",
    "annual revenue": "chiffre affaires, chiffre affaire, revenu annuel, revenus annuels",
    "revenue": "revenu, chiffre",
    "amount": "montant, total, somme, total amount, montant total",
    "tax": "taxe, taxes, tva, tps, tvq",
    "discount": "rabais, remise, escompte",
    "price": "prix, tarif",
    "quantity": "quantite, qte, qty",
    "currency": "devise, monnaie",
    "customer number": "client no, no client, numero client, client number, customer no, member number, numero membre, "
    "no membre, member no, code client, client id, customer id, id client",
    "order": "commande",
    "order number": "no commande, numero commande, order no, id order, order id, id commande",
    "status": "statut, etat dossier",
    "stage": "etape, phase, stage name",
    "type": "categorie, category, sorte",
    "source": "provenance, lead source, origine, origin",
    "campaign": "campagne",
    "description": "descriptif, commentaire, commentaires, comments, comment, notes, remarques, remarque",
    "date": "dt, le jour, jour, day",
    "creation date": "created date, date creation, date ajout, created on, created at, dt creation, dt created, "
    "transaction created at",
    "modification date": "last modified date, date modification, updated at, modified on, dt modification, "
    "last update, date mise a jour, derniere modification",
    "start date": "date debut, debut, effective date, date effective, dt debut, start",
    "end date": "date fin, fin, dt fin, expiry date, expiration date, date expiration, end",
    "close date": "date fermeture, date cloture",
    "points": "pts, solde points, points balance",
    "loyalty": "fidelite, fidelisation, loyaute",
    "membership": "adhesion, abonnement, subscription",
    "member": "membre, adherent",
    "newsletter": "infolettre, news letter, bulletin, lettre information, newsletters, infolettres",
    "news": "nouvelles, actualites",
    "offers": "offres, promotions, promos, promotion, promo",
    "store": "magasin, boutique, succursale",
    "product": "produit, article, item",
    "segment": "segmentation",
    "interests": "interets, interet, interest, centres interet",
    "visits": "visites, visite, visit",
    "active": "actif, active, is active, est actif",
    "preferred": "prefere, preferee, favorite, favori",
    "number": "numero, num, no, nb, nombre, count",
    "consent": "opt in, optin, opted in, consentement, consents, subscribed, abonne, inscrit, inscription, accepte",
    REFUSAL: "opt out, optout, opted out, has opted out, do not, donot, unsubscribe, unsubscribed, desabonne, "
    "desabonnement, desinscrit, desinscription, refus, refuse, ne pas",
    "owner": "proprietaire, responsable",
    "tracking": "suivi, pistage",
    "identifier": "id, identifiant, ident, code",
}

_SILENT: Final = "a au aux d de des du en et for has in is l la le les of on par pour sur the un une est"
_WEAK: Final = (
    "billing champ client consent contact current custom customer field identifier info last lead mailing main name "
    "number person personal preferred primary principal user value"
)

SILENT: Final = frozenset(_SILENT.split())
"""Words that say nothing."""

WEAK: Final = frozenset(_WEAK.split())
"""Words that say little: two names may differ by them and still mean the same field."""

MEANINGS: Final[Mapping[str, str]] = {
    "".join(phrase.split()): meaning
    for meaning, phrases in _PHRASES.items()
    for phrase in (*phrases.split(", "), meaning)
}
"""Each phrase, its words together, with what it means; a meaning is one or more words."""
