"""The laws of JSON bodies: exact, and the same values whether the extra `speed` is installed or not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import _json_text as json_text
from di_salesforce._json_text import read_exactly, written_ascii, written_fast
from di_salesforce.dialog_insight._values import dump_json
from di_salesforce.salesforce._rows import record_text

NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,25})?", fullmatch=True)
TEXTS = st.text(max_size=12).map(json.dumps) | st.text(max_size=12).map(
    lambda text: json.dumps(text, ensure_ascii=False)
)
LEAVES = (
    NUMBERS | TEXTS | st.sampled_from(["true", "false", "null", "NaN", "-Infinity", "01", '"\\ud800"', '"\t"', "-0"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(TEXTS, inner), max_size=4).map(
            lambda pairs: "{ " + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"
        )
    ),
    max_leaves=12,
)
BODIES = JSON.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=20)


def outcome(content: bytes) -> Any:
    """Give the value with the types in it, or that there was none."""
    try:
        return repr(read_exactly(content))
    except ValueError:
        return ValueError


@pytest.fixture
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_fast_reader", lambda: None)
    monkeypatch.setattr(json_text, "_fast_writer", lambda: None)


def test_the_extra_is_there() -> None:
    """The two laws below compare two readers, not one with itself."""
    assert json_text._fast_reader() is not None
    assert json_text._fast_writer() is not None


@pytest.mark.fuzz
@given(BODIES | st.sampled_from([b"\xef\xbb\xbf{}", b"[" * 100_000, b"", b"1e99999999999999999999"]))
def test_both_readers_give_the_same(content: bytes) -> None:
    """Value for value and type for type, and refused by one exactly where by the other."""
    fast = outcome(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_fast_reader", lambda: None)
        assert outcome(content) == fast


@given(
    st.dictionaries(
        st.text(alphabet="abcXYZ_c09", min_size=1, max_size=8),
        st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
        max_size=6,
    )
)
def test_both_writers_mean_the_same(row: dict[str, Any]) -> None:
    """A record is the same record with the extra and without it, and refused alike."""

    def written() -> Any:
        try:
            return json.loads(record_text(row, sobject="Contact"), parse_float=Decimal)
        except ValueError as error:
            return str(error)

    fast = written()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_fast_writer", lambda: None)
        assert written() == fast


PLAIN = st.none() | st.booleans() | st.integers() | st.text() | st.just("\ud83d") | st.just("\x7f\u2028\U0001f600")


@given(st.dictionaries(st.text(max_size=4), st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3)), max_size=4))
def test_both_ascii_writers_mean_the_same(body: dict[str, Any]) -> None:
    """A body in ASCII reads as the values that were written, as the standard library's does."""
    written = written_ascii(body)
    if written is not None:  # half a character is left to the standard library
        assert written.isascii()
        assert json.loads(written) == json.loads(dump_json(body)) == body


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN"), Decimal("1.10"), 1.5, b"x", object()])
def test_what_the_fast_writer_would_change_is_left_to_ours(value: object) -> None:
    """A number that is none must not become null, a decimal must keep its digits: those take the other way."""
    assert written_fast({"A": value}) is None


@pytest.mark.usefixtures("without_the_extra")
def test_nothing_needs_the_extra() -> None:
    """Without it, bodies are read and rows are written all the same."""
    assert read_exactly(b'{"a": 0.10}') == {"a": Decimal("0.10")}
    assert record_text({"A": 1}, sobject="Contact") == b'{"attributes":{"type":"Contact"},"A":1}'
    assert record_text({}, sobject="Contact") == b'{"attributes":{"type":"Contact"}}'
    assert written_ascii({"A": 1}) is None
