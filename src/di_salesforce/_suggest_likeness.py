"""How alike the names of two fields are, and why: by their letters, by what they mean, by their labels.

What may not go in here: the words themselves (`_suggest_names.py`), types, and choosing among pairs (`_suggest.py`).
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from di_salesforce._suggest_names import MEANINGS, REFUSAL, SILENT, WEAK
from di_salesforce.mapping import OptIn
from di_salesforce.schema import FieldSchema, FieldType

__all__ = ["Likeness", "named_alike"]


_CUSTOM: Final = re.compile(r"__p?c$")  # custom fields, and those of contacts that a person account shows
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])")
_LONGEST_PHRASE: Final = 5  # words, with the silent ones: "numero de telephone de bureau"


@functools.lru_cache(maxsize=4096)  # the fields of a few wide objects
def _folded(name: str) -> str:
    """Give a name without accents, case and punctuation."""
    plain = unicodedata.normalize("NFKD", _CUSTOM.sub("", name))
    return "".join(sign for sign in plain.casefold() if sign.isalnum())


@functools.lru_cache(maxsize=4096)  # likewise
def _meaning(name: str) -> frozenset[str]:
    """Give the words that a name means, each phrase in its common wording."""
    plain = unicodedata.normalize("NFKD", _CUSTOM.sub("", name))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    words = [word.casefold() for word in re.split(r"[\W_]+", _HUMP.sub(" ", bare)) if word]
    meant: set[str] = set()
    place = 0
    while place < len(words):
        size, meaning = next(_phrases_at(words, place), (1, words[place]))
        meant |= {word for word in meaning.split() if word not in SILENT}
        place += size
    return frozenset(meant)


def _phrases_at(words: Sequence[str], place: int) -> Iterator[tuple[int, str]]:
    """List the known phrases that begin at a word, the longest first, silent words counted or not."""
    for size in range(min(_LONGEST_PHRASE, len(words) - place), 0, -1):
        window = words[place : place + size]
        for phrase in ("".join(window), "".join(word for word in window if word not in SILENT)):
            if phrase in MEANINGS:
                yield size, MEANINGS[phrase]


def _weight(words: Iterable[str]) -> float:
    return sum(0.3 if word in WEAK else 1.0 for word in words)  # 0.3: two such words are less than a telling one


@attrs.frozen(order=True)
class Likeness:
    """How alike two names are, from 0 to 1, and why; ordered by the number first."""

    score: float
    why: str = ""


_SAME_NAME: Final = 1.0
_SAME_MEANING: Final = 0.95
_OF_LABELS: Final = 0.98  # labels are for people, and change more often than names
_SPELT_ALIKE: Final = 0.85  # share of letters from which a difference is a slip or an abbreviation
_OF_SPELLING: Final = 0.7
_NOTHING: Final = Likeness(0.0)


def _likeness(here: str, there: str) -> Likeness:
    """Compare two names, or labels."""
    if not (_folded(here) and _folded(there)):
        return _NOTHING
    if _folded(here) == _folded(there):
        return Likeness(_SAME_NAME, "the same name")
    ours, theirs = _meaning(here), _meaning(there)
    if (REFUSAL in ours) is not (REFUSAL in theirs):
        return _NOTHING
    common = ours & theirs
    if ours == theirs and common:
        return Likeness(_SAME_MEANING, f"both mean '{_phrase(common)}'")
    share = _weight(common) / _weight(ours | theirs) if ours | theirs else 0.0
    alike = Likeness(
        share * _SAME_MEANING, f"both speak of '{_phrase(common)}', and one also of '{_phrase(ours ^ theirs)}'"
    )
    return max(alike if common else _NOTHING, _spelling(_folded(here), _folded(there)))


def _phrase(words: Iterable[str]) -> str:
    return " ".join(sorted(words))


def _spelling(here: str, there: str) -> Likeness:
    first, second = sorted((here, there))  # ratio() is not symmetric
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    if matcher.real_quick_ratio() < _SPELT_ALIKE or matcher.quick_ratio() < _SPELT_ALIKE:
        return _NOTHING
    ratio = matcher.ratio()
    return Likeness(ratio * _OF_SPELLING, "spelt nearly the same") if ratio >= _SPELT_ALIKE else _NOTHING


def _names_of(field: FieldSchema) -> tuple[str, str]:
    """Give a field's name and label; an opt-in's wire prefix is not part of its name."""
    name = field.name.removeprefix(OptIn.prefix) if field.type is FieldType.OPT_IN else field.name
    return name, field.label


def named_alike(here: FieldSchema, there: FieldSchema) -> Likeness:
    """Compare two fields by their names and labels; where one of these is an opt-out, the other must be too."""
    if _refuses(here) is not _refuses(there):
        return _NOTHING
    (name, label), (other_name, other_label) = _names_of(here), _names_of(there)
    by_name = _likeness(name, other_name)
    by_label = max(_likeness(label, other_name), _likeness(name, other_label), _likeness(label, other_label))
    return max(by_name, Likeness(by_label.score * _OF_LABELS, f"going by the labels, {by_label.why}"))


def _refuses(field: FieldSchema) -> bool:
    return any(REFUSAL in _meaning(name) for name in _names_of(field))
