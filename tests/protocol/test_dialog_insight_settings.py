"""What is known of an account's service: kept, given back, refused where it cannot be, and used on a schema."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.dialog_insight import Capabilities, TextPattern, contact_schema
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.schema import FieldType

words = st.frozensets(st.text(min_size=1, max_size=5).map(str.lower), max_size=3)
counts = st.integers(1, 10**9)
patterns = st.lists(st.builds(TextPattern, st.sampled_from(["exists", "unmatched"]), st.just("x+")), max_size=2)
known = st.builds(
    Capabilities,
    clauseless_get=st.booleans(),
    clause_lists=st.booleans(),
    operators=words,
    max_records_per_merge=counts,
    max_rows_per_get=st.none() | counts,
    gets_at_once=counts,
    merges_at_once=counts,
    null_clears=st.booleans(),
    writes_key=st.booleans(),
    delete=st.booleans(),
    created=words,
    updated=words,
    valid=words,
    record_patterns=patterns,
    error_patterns=st.lists(st.builds(TextPattern, st.just("key"), st.just("y")), max_size=2),
    key_member=st.text(max_size=3),
    length_member=st.text(max_size=3),
    data_types=st.dictionaries(st.text(max_size=3).map(str.casefold), st.sampled_from(FieldType), max_size=3),
)


@given(known)
def test_capabilities_survive_a_file(given_: Capabilities) -> None:
    """What was found out is the same after being written as JSON and read again."""
    assert Capabilities.from_dict(json.loads(json.dumps(given_.to_dict()))) == given_


def test_defaults_claim_nothing() -> None:
    """The defaults allow what was seen and nothing else, and a file of them is empty but for its version."""
    default = Capabilities()
    assert not any(
        (default.clauseless_get, default.clause_lists, default.null_clears, default.writes_key, default.delete)
    )
    assert default.operators == {"Equal"}
    assert default.to_dict() == {"version": 1}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"max_records_per_merge": 0}, "max_records_per_merge"),
        ({"max_records_per_merge": True}, "max_records_per_merge"),
        ({"max_rows_per_get": "many"}, "max_rows_per_get"),
        ({"delete": "yes"}, "delete"),
        ({"clauseless": True}, "clauseless"),
        ({"operators": "Equal"}, "operators"),
        ({"operators": [1]}, "operators"),
        ({"error_patterns": [["nonsense", "x"]]}, "error_patterns"),
        ({"error_patterns": ["xyz"]}, "error_patterns"),
        ({"record_patterns": [["key", "x"]]}, "record_patterns"),
        ({"data_types": {"Fancy": "glitter"}}, "data_types"),
        ({"data_types": 3}, "data_types"),
        ({"key_member": 3}, "key_member"),
    ],
)
def test_wrong_capability_is_named(data: dict[str, object], path: str) -> None:
    """A capability that there is not, or that is not of its kind, is an error that names it."""
    with pytest.raises(ConfigurationError) as caught:
        Capabilities.from_dict(data)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_wrong_pattern_and_later_version_are_refused() -> None:
    """A pattern that is no regular expression, and a file of a later version, are refused."""
    with pytest.raises(ConfigurationError):
        Capabilities.from_dict({"error_patterns": [["key", "("]]})
    with pytest.raises(ConfigurationError):
        Capabilities.from_dict({"version": 2})


INFO = {
    "ProjectFields": [
        {"Code": "EMail", "DataType": None, "isRequired": True, "Labels": None, "isKey": True, "Size": "80"},
        {"Code": "Points", "DataType": "Whole number"},
        {"Code": "Born", "DataType": "Date / Time"},
        {"Code": None},
        "nonsense",
    ],
    "OptinFields": None,
}


def test_schema_uses_what_is_known() -> None:
    """Members and type names that somebody has learnt are used; the rest stays unknown; odd entries are passed over."""
    unknown = contact_schema(INFO, id_project=1, capabilities=Capabilities())
    assert unknown.names == ("idContact", "EMail", "Points", "Born", "hasTrackingConsent", "dtTrackingConsent")
    assert [unknown[name].type for name in ("EMail", "Points", "Born")] == [
        FieldType.EMAIL,
        FieldType.UNKNOWN,
        FieldType.DATETIME,
    ]
    assert not unknown["EMail"].key
    learnt = Capabilities(key_member="isKey", length_member="Size", data_types={"WHOLE NUMBER": FieldType.INTEGER})
    known_ = contact_schema(INFO, id_project=1, capabilities=learnt)
    assert known_["Points"].type is FieldType.INTEGER
    email = known_["EMail"]
    assert (email.key, email.unique, email.length, email.updatable) == (True, True, 80, False)
    assert contact_schema(INFO, id_project=1, capabilities=attrs.evolve(learnt, writes_key=True))["EMail"].updatable


def test_composite_key_is_unique_only_as_a_whole() -> None:
    """Of a composite key no single field is unique."""
    info = {"ProjectFields": [{"Code": code, "isKey": 1} for code in ("A", "B")]}
    schema = contact_schema(info, id_project=1, capabilities=Capabilities(key_member="isKey"))
    assert [(schema[code].key, schema[code].unique) for code in ("A", "B")] == [(True, False)] * 2
