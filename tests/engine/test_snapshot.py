"""What was observed: three named coverages, evidence by id, clear errors."""

from __future__ import annotations

from collections import ChainMap
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from di_salesforce.engine import Coverage, Snapshot
from di_salesforce.exceptions import ConfigurationError, Problem

MAKERS = {Coverage.COMPLETE: Snapshot.complete, Coverage.CHANGES: Snapshot.changes, Coverage.SAMPLE: Snapshot.sample}


@pytest.mark.parametrize("coverage", Coverage)
def test_each_maker_names_its_coverage(coverage: Coverage) -> None:
    """The constructor says what the absence of a record means."""
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    shot = MAKERS[coverage]([{"Id": "1"}], as_of=moment, deleted=[7], merged={8: 9}, converted={"10": "11"})
    assert (shot.coverage, shot.as_of, len(shot.rows)) == (coverage, moment, 1)
    assert (set(shot.deleted), dict(shot.merged), dict(shot.converted)) == ({"7"}, {"8": "9"}, {"10": "11"})


@pytest.mark.parametrize("coverage", Coverage)
def test_a_generator_is_read_once(coverage: Coverage) -> None:
    """Rows may come from a generator; the snapshot keeps them."""
    shot = MAKERS[coverage]({"Id": str(i)} for i in range(3))
    assert [row["Id"] for row in shot.rows] == ["0", "1", "2"] and shot.as_of is None


@pytest.mark.parametrize("rows", ["text", b"bytes", {"Id": "1"}, [["Id", "1"]], [1], [{"Id": "1"}, None]], ids=repr)
def test_what_are_no_rows_is_refused(rows: Any) -> None:
    """A text, a single row, or anything but mappings is a mistake of the caller's, named with its place."""
    with pytest.raises(ConfigurationError, match="row"):
        Snapshot.complete(rows)


def test_a_naive_moment_is_refused() -> None:
    """A time without a zone could be any of two dozen moments."""
    with pytest.raises(ConfigurationError, match="aware"):
        Snapshot.complete([], as_of=datetime(2026, 5, 1))


def test_a_snapshot_shows_counts() -> None:
    """What the rows hold does not stand in the repr."""
    assert repr(Snapshot.sample([{"Id": "1", "Email": "ada@test.example"}])) == "<Snapshot sample: 1 row>"


@pytest.mark.parametrize("coverage", Coverage)
def test_rows_may_say_themselves_when_they_were_observed(coverage: Coverage) -> None:
    """Those of a file do; the caller's word goes first, and a column of that name is no moment."""
    theirs, mine = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)
    assert MAKERS[coverage](Dated(theirs)).as_of == theirs
    assert MAKERS[coverage](Dated(theirs), as_of=mine).as_of == mine
    assert MAKERS[coverage](Dated("2026-05-01")).as_of is None


class Dated(list[dict[str, Any]]):
    """Rows that have an attribute `as_of`, as those of a file and a data frame with such a column have."""

    def __init__(self, as_of: object) -> None:
        super().__init__([{"Id": "1"}])
        self.as_of = as_of


def test_any_mapping_is_a_row() -> None:
    """Rows are taken as they come, of whatever class of mapping they are."""
    rows = [{"Id": "1"}, MappingProxyType({"Id": "2"}), ChainMap({"Id": "3"})]
    assert Snapshot.complete(rows).rows == tuple(rows)


def test_what_are_no_rows_is_named_by_its_place() -> None:
    """The first twenty places are named, each with a code to look for; a wrong file has a million."""
    with pytest.raises(ConfigurationError) as error:
        Snapshot.complete([{"Id": "1"}, *([None] * 21)])  # type: ignore[list-item]  # the mistake
    flaw = "is not a mapping of field names to values", "row.not_mapping"
    assert list(error.value.problems) == [Problem(f"rows[{place}]", *flaw) for place in range(1, 21)]
