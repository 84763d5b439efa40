"""SOQL, the language: tokens, the tree, and a parser that says where a query goes wrong.

The subset: SELECT with parent paths, child sub-queries, COUNT() and aggregates, FIELDS(...); FROM; WHERE with AND, OR,
NOT, comparisons, LIKE, IN, INCLUDES and semi-joins; GROUP BY; ORDER BY; LIMIT; OFFSET.  What may not go in here: the
schema and the records (`_sf_query.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, TypeVar, cast

import attrs

from di_salesforce.testing._sf_errors import Refusal

T = TypeVar("T")

MAX_LENGTH: Final = 100_000
"""Characters of a query (facts 3.5)."""

TokenKind: TypeAlias = Literal["name", "string", "number", "date", "datetime", "ranged", "sign", "end"]
_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d(?![\dT]))
    | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<ranged>[A-Za-z_]+:\d+)
    | (?P<name>[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)
    | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_CLAUSES: Final = frozenset(
    {"FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "HAVING", "FOR", "ALL", "USING", "WITH"}
)
AGGREGATES: Final = frozenset({"COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG"})
_FIELD_SETS: Final = frozenset({"ALL", "STANDARD", "CUSTOM"})
_SNIPPET: Final = 40  # characters of the query shown on each side of the caret


@attrs.frozen
class Token:
    """A word of the query and where it begins."""

    kind: TokenKind
    text: str
    at: int

    def says(self, word: str) -> bool:
        """Whether this is the given keyword or sign, in any case."""
        return self.kind in ("name", "sign") and self.text.upper() == word


@attrs.frozen
class Path:
    """A field, perhaps of a parent: `Account.Owner.Name`."""

    parts: tuple[str, ...]
    at: int

    @property
    def text(self) -> str:
        """The path as it was written."""
        return ".".join(self.parts)


@attrs.frozen
class FieldSet:
    """`FIELDS(ALL)` and its like."""

    kind: str
    at: int


@attrs.frozen
class Aggregate:
    """`COUNT()`, `COUNT(Id)`, `MAX(Amount) biggest`."""

    function: str
    path: Path | None
    alias: str
    at: int


@attrs.frozen
class Term:
    """A literal: its kind, its text without quotes (escapes untouched), and where it stands."""

    kind: Literal["string", "number", "date", "datetime", "ranged", "word"]
    text: str
    at: int


@attrs.frozen
class Comparison:
    """A field, an operator, and literals or a sub-query."""

    path: Path
    operator: str
    terms: tuple[Term, ...]
    query: Query | None
    at: int


@attrs.frozen
class Both:
    """Conditions joined by AND (`every`) or OR."""

    every: bool
    parts: tuple[Condition, ...]


@attrs.frozen
class Negated:
    """NOT of a condition."""

    part: Condition


Condition: TypeAlias = "Comparison | Both | Negated"


@attrs.frozen
class Order:
    """One key of ORDER BY; `nulls_last` is resolved: nulls come first unless the query says otherwise [inferred]."""

    path: Path
    descending: bool
    nulls_last: bool


@attrs.frozen
class Query:
    """A parsed query; `text` is the whole text, for error messages."""

    text: str = attrs.field(repr=False)
    select: tuple[Path | Aggregate | FieldSet | Query, ...]
    source: Path
    alias: str
    where: Condition | None
    group_by: tuple[Path, ...]
    order_by: tuple[Order, ...]
    limit: int | None
    offset: int

    @property
    def counts(self) -> bool:
        """Whether this is `SELECT COUNT()`, which answers with a number and no rows."""
        return len(self.select) == 1 and isinstance(self.select[0], Aggregate) and self.select[0].path is None


def fault_at(code: str, text: str, at: int, message: str) -> Refusal:
    """Build a query error: a piece of the query, a caret line, row and column, and the message [seen]."""
    row = text.count("\n", 0, at) + 1
    line_start = text.rfind("\n", 0, at) + 1
    start = max(line_start, at - _SNIPPET)
    piece = text[start : at + _SNIPPET].split("\n", 1)[0]
    caret = " " * (at - start) + "^"
    return Refusal(code, f"\n{piece}\n{caret}\nERROR at Row:{row}:Column:{at - line_start + 1}\n{message}")


def unescape(term: Term, text: str, *, like: bool = False) -> str:
    """Resolve the escapes of a string; for LIKE, escaped wildcards stay as they are, for `like_pattern` to read."""

    def one(match: re.Match[str]) -> str:
        letter = match[1]
        if letter[0] == "u":
            return chr(int(letter[1:], 16))
        if letter in _ESCAPES:
            return ("\\\\" if letter == "\\" else _ESCAPES[letter]) if like else _ESCAPES[letter]
        if like and letter in "%_":
            return match[0]
        place = term.at + 1 + match.start()
        raise fault_at("MALFORMED_QUERY", text, place, f"Illegal string escape sequence '{match[0]}'")

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", one, term.text, flags=re.DOTALL)


def like_pattern(text: str) -> re.Pattern[str]:
    """Turn the text of LIKE into a pattern: `%` any run, `_` one character, a backslash takes both at their word."""
    parts: list[str] = []
    for match in re.finditer(r"\\(.)|(%)|(_)|([^\\%_]+)", text, re.DOTALL):
        escaped, run, single, plain = match.groups()
        parts.append(".*" if run else "." if single else re.escape(escaped or plain))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def parse(text: str) -> Query:
    """Read a query; raises `Refusal` with `MALFORMED_QUERY`, the row and the column."""
    if len(text) > MAX_LENGTH:
        raise Refusal("MALFORMED_QUERY", f"SOQL statements cannot be longer than {MAX_LENGTH} characters")
    return _Parser(text).whole()


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            what = "Unclosed string literal" if text[at] == "'" else f"unexpected token: '{text[at]}'"
            raise fault_at("MALFORMED_QUERY", text, at, what)
        kind = cast("TokenKind", match.lastgroup)  # each branch of the pattern is a group, named as its kind
        found.append(Token(kind, match[kind], match.start(kind)))
        at = match.end()
    found.append(Token("end", "<EOF>", end))
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    # The stream of tokens ------------------------------------------------------------------------------------------

    @property
    def _here(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._here
        if token.kind != "end":
            self._next += 1
        return token

    def _skip(self, *words: str) -> bool:
        """Go past the words if they come next, all of them; else stay."""
        upcoming = self._tokens[self._next : self._next + len(words)]
        if len(upcoming) == len(words) and all(token.says(word) for token, word in zip(upcoming, words, strict=True)):
            self._next += len(words)
            return True
        return False

    def _expect(self, *words: str) -> None:
        for word in words:
            if not self._skip(word):
                raise self._unexpected(f", expecting '{word}'")

    def _unexpected(self, more: str = "") -> Refusal:
        token = self._here
        return fault_at("MALFORMED_QUERY", self._text, token.at, f"unexpected token: '{token.text}'{more}")

    def _list(self, one: Callable[[], T]) -> tuple[T, ...]:
        found = [one()]
        while self._skip(","):
            found.append(one())
        return tuple(found)

    def _path(self, *, keywords: bool = False) -> Path:
        if self._here.kind != "name" or (self._here.text.upper() in _CLAUSES and not keywords):
            raise self._unexpected()
        token = self._take()
        return Path(tuple(token.text.split(".")), token.at)

    def _number(self, what: str) -> int:
        token = self._take()
        if token.kind != "number" or not token.text.isdigit():
            raise fault_at(
                "MALFORMED_QUERY", self._text, token.at, f"unexpected token: '{token.text}', {what} needs a number"
            )
        return int(token.text)

    # The grammar ---------------------------------------------------------------------------------------------------

    def whole(self) -> Query:
        query = self._query()
        if self._here.kind != "end":
            raise self._unexpected()
        return query

    def _query(self) -> Query:
        self._expect("SELECT")
        select = self._list(self._selected)
        self._expect("FROM")
        source = self._path(keywords=True)  # Order and Group are objects too
        self._skip("AS")
        alias = ""
        if self._here.kind == "name" and self._here.text.upper() not in _CLAUSES:
            alias = self._take().text
        where = self._condition() if self._skip("WHERE") else None
        group_by = self._list(self._path) if self._skip("GROUP", "BY") else ()
        order_by = self._list(self._order) if self._skip("ORDER", "BY") else ()
        limit = self._number("LIMIT") if self._skip("LIMIT") else None
        offset = self._number("OFFSET") if self._skip("OFFSET") else 0
        if self._skip("FOR") and not any(self._skip(word) for word in ("VIEW", "REFERENCE", "UPDATE")):
            raise self._unexpected()
        return Query(self._text, select, source, alias, where, group_by, order_by, limit, offset)

    def _selected(self) -> Path | Aggregate | FieldSet | Query:
        if self._skip("("):
            query = self._query()
            self._expect(")")
            return query
        path = self._path()
        if not self._skip("("):
            return path
        function = path.text.upper()
        if function == "FIELDS":
            kind = self._path(keywords=True).text.upper()
            if kind not in _FIELD_SETS:
                raise fault_at("MALFORMED_QUERY", self._text, path.at, f"unexpected token: '{kind}'")
            self._expect(")")
            return FieldSet(kind, path.at)
        if function not in AGGREGATES:
            raise fault_at("MALFORMED_QUERY", self._text, path.at, f"unexpected token: '{path.text}'")
        inner = None if function == "COUNT" and self._here.says(")") else self._path()
        self._expect(")")
        alias = ""
        if self._here.kind == "name" and self._here.text.upper() not in _CLAUSES:
            alias = self._take().text
        return Aggregate(function, inner, alias, path.at)

    def _order(self) -> Order:
        path = self._path()
        descending = self._skip("DESC")
        if not descending:
            self._skip("ASC")
        nulls_last = False
        if self._skip("NULLS"):
            nulls_last = self._skip("LAST")
            if not nulls_last:
                self._expect("FIRST")
        return Order(path, descending, nulls_last)

    def _condition(self) -> Condition:
        first = self._negation()
        for word in ("AND", "OR"):
            parts = [first]
            while self._skip(word):
                parts.append(self._negation())
            if len(parts) > 1:
                # AND and OR do not mix without parentheses: what follows is then an unexpected token, as there.
                return Both(word == "AND", tuple(parts))
        return first

    def _negation(self) -> Condition:
        if self._skip("NOT"):
            return Negated(self._negation())
        if self._skip("("):
            inner = self._condition()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        path = self._path()
        token = self._here
        for words in (("NOT", "IN"), ("IN",), ("LIKE",), ("INCLUDES",), ("EXCLUDES",)):
            if self._skip(*words):
                operator = " ".join(words)
                break
        else:
            if token.kind != "sign" or token.text in "(),":
                raise self._unexpected()
            operator = {"<>": "!="}.get(token.text, token.text)
            self._take()
        if operator not in ("IN", "NOT IN", "INCLUDES", "EXCLUDES"):
            return Comparison(path, operator, (self._term(),), None, token.at)
        self._expect("(")
        query = self._query() if self._here.says("SELECT") and operator in ("IN", "NOT IN") else None
        terms = () if query else self._list(self._term)
        self._expect(")")
        return Comparison(path, operator, terms, query, token.at)

    def _term(self) -> Term:
        token = self._here
        if token.kind == "string":
            self._take()
            return Term("string", token.text[1:-1], token.at)
        if token.kind == "name" and "." not in token.text and token.text.upper() not in _CLAUSES:
            self._take()
            return Term("word", token.text.upper(), token.at)
        if token.kind in ("number", "date", "datetime", "ranged"):
            self._take()
            return Term(token.kind, token.text.upper(), token.at)
        raise self._unexpected()
