"""Values for people's eyes: masked, and safe in a spreadsheet's cell.

What may not go in here: files, tables, HTML.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["masked", "neutralised", "restored"]


def masked(text: str) -> str:
    """Give the shape of a text: each letter an x, each digit a 9.

    Example:
        >>> masked("Ada@example.ca, 514")
        'xxx@xxxxxxx.xx, 999'
    """
    return "".join("9" if sign.isdigit() else "x" if sign.isalpha() else sign for sign in text)


# What makes a spreadsheet take a cell for a formula: the four signs, the white space that some strip before they look,
# and the full-width forms of the signs, which some read alike.
_FORMULA: Final = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


def neutralised(text: str) -> str:
    r"""Put an apostrophe before a text that a spreadsheet would run as a formula; `restored` takes it away.

    Example:
        >>> neutralised('=HYPERLINK("http://x")'), neutralised("Ada"), restored(neutralised("+1 819 555-0101"))
        ('\'=HYPERLINK("http://x")', 'Ada', '+1 819 555-0101')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def restored(text: str) -> str:
    """Take away the apostrophe that `neutralised` put before a text."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text) else text
