"""What to do about a refusal, by the service's own code.

What may not go in here: anything computed.  The table of `docs/reference/codes.md` is made from this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["ADVICE", "advice"]

ADVICE: Final[Mapping[str, str]] = {
    "REQUIRED_FIELD_MISSING": "fill the field on the other side, or give the line a default",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "a validation rule of the org refuses it: mend the record, or the rule",
    "DUPLICATES_DETECTED": "a duplicate rule of the org objects: merge the records, or let the client pass warnings",
    "DUPLICATE_VALUE": "another record holds this unique value: mend one of the two",
    "STRING_TOO_LONG": "the text is longer than the field: shorten it, or widen the field",
    "INVALID_EMAIL_ADDRESS": "the address has no valid form: mend it where it comes from",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "the value is not in the list: add it, or map it",
    "INSUFFICIENT_ACCESS_OR_READONLY": "the user of the integration may not write this record or field",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "the integration's user may not see the record it refers to",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "a trigger or flow of the org failed: its administrator sees why",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "the field cannot be written: let its line flow the other way only",
    "ENTITY_IS_LOCKED": "an approval process holds the record: finish it",
    "key.missing": "fill the key field",
    "key.invalid": "mend the key: it has no form on the other side",
    "key.ambiguous": "several records have this key: merge them, or decide with plan.resolve_matches()",
    "match.proposed": "decide on the rows of plan.match_rows() with plan.resolve_matches()",
    "match.ambiguous": "decide on the rows of plan.match_rows() with plan.resolve_matches()",
    "key.duplicate": "a linked record has this key already: merge the two",
    "value.not_convertible": "mend the value, or give the line a converter that knows it",
}

_LOOK: Final = "read the service's own words, mend the record on the side where it comes from, and it is tried again"


def advice(code: str) -> str:
    """Say in a sentence what to do about a code; a general one where the code is not known."""
    return ADVICE.get(code, _LOOK)
