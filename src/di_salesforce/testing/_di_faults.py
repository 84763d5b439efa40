"""What can go wrong with the simulated Dialog Insight alone, beside the faults of the road.

What may not go in here: sockets, rows, the envelope of a call that goes well.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import attrs

from di_salesforce.testing._di_switches import CallCause
from di_salesforce.testing._di_values import Json
from di_salesforce.testing._faults import RoadFault

__all__ = ["DialogInsightFault", "EnvelopeError", "MissingTrace", "NumbersAsText", "numbers_as_text"]


@attrs.frozen
class EnvelopeError:
    """A refused call in the envelope, for any cause: nothing is carried out."""

    cause: CallCause


@attrs.frozen
class NumbersAsText:
    """The call is carried out, every number of its answer is text."""


@attrs.frozen
class MissingTrace:
    """The call is carried out, its answer lacks `Trace`."""


DialogInsightFault: TypeAlias = EnvelopeError | NumbersAsText | MissingTrace | RoadFault
"""A closed union: what `FakeDialogInsight.inject` takes."""


def numbers_as_text(value: Json) -> Json:
    """Turn every number inside a JSON value into text."""
    if isinstance(value, dict):
        return {name: numbers_as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [numbers_as_text(item) for item in value]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return str(value)
    return value
