"""Laws of compare: both sides read afresh, every difference named, and no reason given that is not the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from di_salesforce.dialog_insight import Capabilities
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import Integration
from di_salesforce.records import Side
from di_salesforce.stores import MemoryStore
from di_salesforce.triggers import Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

    from di_salesforce.synchronizer import Comparison

PROJECT = 4400
ANN = "ann@example.com"


def whys(comparison: Comparison) -> list[str]:
    return sorted(item.why for part in comparison.transfers for item in part.differences)


def test_it_writes_nothing_and_remembers_nothing(settled: World) -> None:
    """A comparison is a look: no write call, no run in the history, the memory as it was."""
    settled.contact("new@example.com")
    before, runs = settled.store.baseline("people"), settled.store.runs()
    settled.sync().compare()
    assert settled.write_calls == (0, 0)
    assert settled.store.baseline("people") == before
    assert settled.store.runs() == runs


def test_agreement_is_counted(settled: World) -> None:
    """Pairs that agree in every field are counted, and nothing else is."""
    comparison = settled.sync().compare()
    assert comparison.ok
    assert comparison.agree == 3
    assert whys(comparison) == []


def test_an_edit_that_was_not_carried_over_is_unexplained(settled: World) -> None:
    """A fresh edit has no remembered reason: named with its field, and not ok; after a run it is."""
    settled.salesforce.edit("Contact", settled.contact_id(ANN), FirstName="Anna")
    sync = settled.sync()
    comparison = sync.compare()
    assert not comparison.ok
    [difference] = [item for part in comparison.transfers for item in part.differences]
    assert (difference.key, difference.fields, difference.only_on) == (ANN, ("FirstName:FirstName",), None)
    assert ANN in str(comparison)
    sync.run()
    assert sync.compare().ok


@pytest.mark.parametrize("side", list(Side), ids=lambda side: side.value)
def test_somebody_on_one_side_only_is_named(settled: World, side: Side) -> None:
    """A record without a counterpart is a difference of its own, with the side that has it."""
    if side is Side.SALESFORCE:
        settled.contact("new@example.com")
    else:
        settled.person("new@example.com")
    comparison = settled.sync().compare()
    [difference] = [item for part in comparison.transfers for item in part.differences]
    assert (difference.key, difference.only_on, difference.why) == ("new@example.com", side, "")
    assert not comparison.ok
    assert comparison.agree == 3


def test_each_reason_has_its_name(world: World, people_transfer: Callable[..., Any]) -> None:
    """Held, refused, ambiguous, not allowed: what a run left is explained by the code under which it was left."""
    world.salesforce.validation_rule("Contact", lambda row, *_: "No." if row.get("LastName") == "Robot" else None)
    world.person("robot@example.com", last="Robot")
    world.contact("held@example.com", first="Here")
    world.person("held@example.com", first="There")
    world.contact("twice@example.com")
    world.contact("Twice@example.com")
    triggers = Trigger.ALL & ~Trigger.SALESFORCE_CREATED
    world.contact("unasked@example.com")
    sync = world.sync(Integration([people_transfer(triggers=triggers)]))
    sync.run(first_run=True)
    comparison = sync.compare()
    left = ["conflict.first_match", "key.ambiguous", "key.ambiguous", "outcome.refused", "trigger.off"]
    assert whys(comparison) == left
    assert comparison.ok


def test_a_reason_does_not_cover_a_later_edit_of_another_field(world: World) -> None:
    """One field is held; another was edited since and not carried over: the one is explained, the other is not."""
    world.contact(ANN, first="Here")
    number = world.person(ANN, first="There")
    sync = world.sync()
    sync.run(first_run=True)
    world.dialog_insight.edit_contact(PROJECT, number, Points=5)
    comparison = sync.compare()
    assert whys(comparison) == ["", "conflict.first_match"]
    assert not comparison.ok


def test_rewritten_is_the_reason_only_for_the_values_that_were_rewritten(world: World) -> None:
    """Salesforce keeps names in capitals: known. A later edit in Dialog Insight is another thing: not known."""
    world.salesforce.on_save("Contact", lambda row: row.update(FirstName=str(row.get("FirstName")).upper()))
    number = world.person(ANN, first="Ada")
    sync = world.sync()
    sync.run(first_run=True)
    assert whys(sync.compare()) == ["rewritten"]
    world.dialog_insight.edit_contact(PROJECT, number, FirstName="Zoé")
    assert whys(sync.compare()) == [""]
    sync.run()
    assert whys(sync.compare()) == ["rewritten"]


def test_a_deleted_record_is_explained_once_a_run_has_seen_it(settled: World) -> None:
    """Its counterpart stands alone: unexplained at first, reported by the run, explained from then on."""
    settled.dialog_insight.delete_contact(PROJECT, settled.person_id(ANN))
    sync = settled.sync()
    assert whys(sync.compare()) == [""]
    sync.run()
    assert whys(sync.compare()) == ["deleted.reported"]
    assert settled.write_calls == (0, 0)


def test_without_a_memory_pairs_are_found_by_key(settled: World) -> None:
    """A comparison needs no baseline to count: with an empty store it finds the same pairs and differences."""
    settled.salesforce.edit("Contact", settled.contact_id(ANN), FirstName="Anna")
    fresh = settled.sync(store=MemoryStore()).compare()
    assert fresh.agree == 2
    assert whys(fresh) == [""]


def test_a_side_that_cannot_be_read_in_full_is_an_error(settled: World) -> None:
    """Where Dialog Insight may not be asked for every row there is no comparison, and the sentence says what to do."""
    clients = settled.clients()
    clients["dialog_insight"].settings = clients["dialog_insight"].settings.__class__(
        Capabilities(clauseless_get=False), settled.retry
    )
    with pytest.raises(ConfigurationError, match="clauseless_get"):
        settled.sync(clients=clients).compare()


def test_its_plain_form_holds_every_difference(settled: World) -> None:
    """`to_dicts` names each difference with transfer, key, fields, side and reason."""
    settled.contact("new@example.com")
    [row] = settled.sync().compare().to_dicts()
    assert row == {"transfer": "people", "key": "new@example.com", "fields": [], "only_on": "salesforce", "why": ""}


FIRST = st.sampled_from(["Ada", "Bo", None])
LAST = st.sampled_from(["Roy", "Lee"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from("abcd"), st.tuples(FIRST, LAST), max_size=4),
    st.dictionaries(st.sampled_from("abcd"), st.tuples(FIRST, LAST), max_size=4),
)
def test_it_counts_what_anybody_would_count(
    make_world: Callable[..., World], here: dict[str, Any], there: dict[str, Any]
) -> None:
    """Of any two populations: the pairs that agree, the fields that differ and the lonely ones, counted by hand."""
    world = make_world()
    for name, (first, last) in here.items():
        world.contact(f"{name}@example.com", first=first, last=last)
    for name, (first, last) in there.items():
        world.person(f"{name}@example.com", first=first, last=last)
    comparison = world.sync().compare()
    both = here.keys() & there.keys()
    assert comparison.agree == sum(here[name] == there[name] for name in both)
    assert len(comparison.to_dicts()) == len(here.keys() ^ there.keys()) + sum(
        left != right for name in both for left, right in zip(here[name], there[name], strict=True)
    )
    assert comparison.ok is (here == there)
