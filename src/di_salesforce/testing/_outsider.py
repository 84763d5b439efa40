"""Somebody else at work in a simulator, at random from a seed.

What may not go in here: what an edit does; each simulator's `edit` and `delete` know.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from di_salesforce.exceptions import ConfigurationError

__all__ = ["Editable", "Edited", "Outsider"]


class Editable(Protocol):
    """Either simulator, as somebody in the application sees it."""

    # What names an object and a record differs between the two: text, numbers, declarations, keys.
    def record_ids(self, target: Any, /) -> Sequence[Any]:
        """List the records of an object, project or table."""
        ...

    def edit(self, target: Any, record: Any, /, **values: Any) -> None:
        """Change a record."""
        ...

    def delete(self, target: Any, record: Any, /) -> None:
        """Delete a record."""
        ...


@attrs.frozen
class Edited:
    """What an `Outsider` did to a record; no values: it was deleted."""

    record: Any  # an id or a key
    values: Mapping[str, Any] = attrs.field(repr=False)  # the service's own values


class Outsider:
    """Somebody who edits random records of a simulator each time it is called, to be given to `Meanwhile`.

    Args:
        fake: either simulator.
        target: an sObject's name, or a project or table of Dialog Insight.
        values: for each field that may be edited, the values to choose from.
        seed: of the random series.
        deletes: the probability with which a record is deleted rather than edited.

    Attributes:
        done: what was done so far, in order.

    Example:
        >>> from di_salesforce.testing import FakeSalesforce, Meanwhile
        >>> fake = FakeSalesforce()
        >>> ids = fake.load("Contact", [{"LastName": "Roy"}, {"LastName": "Ada"}])
        >>> somebody = Outsider(fake, "Contact", {"Title": ["Dr", "Prof"]}, seed=3)
        >>> rule = fake.inject(Meanwhile(somebody), times=None, chance=0.5)
    """

    def __init__(
        self,
        fake: Editable,
        target: object,
        values: Mapping[str, Sequence[object]],
        *,
        seed: int = 0,
        deletes: float = 0.0,
    ) -> None:
        if not values or not all(values.values()):
            raise ConfigurationError("an outsider needs fields, and for each of them values to choose from")
        self.done: list[Edited] = []
        self._fake = fake
        self._target = target
        self._values = values
        self._deletes = deletes
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose, no secret

    def __call__(self) -> None:
        """Do something to a random record; nothing where there is none."""
        known = self._fake.record_ids(self._target)
        if not known:
            return
        record = self._random.choice(known)
        if self._random.random() < self._deletes:
            self._fake.delete(self._target, record)
            self.done.append(Edited(record, {}))
            return
        field = self._random.choice(sorted(self._values))
        values = {field: self._random.choice(self._values[field])}
        self._fake.edit(self._target, record, **values)
        self.done.append(Edited(record, values))
