"""The key pair, and the one place where it enters a request.

What may not go in here: anything else.  The key travels in the body [seen], so masking headers would not hide it: no
other code ever sees a body that holds it.
"""

from __future__ import annotations

import json
from typing import Final

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.wire import HttpRequest

__all__ = ["DEFAULT_HOST", "KeyPair"]

DEFAULT_HOST: Final = "app.dialoginsight.com"
"""The host for Canada and the rest of the world; accounts in France live on app.mydialoginsight.com [seen]."""


def _id_key(given: int | str) -> int:
    """Take a number, or its digits (an environment variable)."""
    text = str(given).strip()
    if isinstance(given, bool) or not (text.isascii() and text.isdigit() and int(text)):
        raise ConfigurationError(
            [Problem("id_key", "must be the number that Dialog Insight shows as idKey, under Users / Web services")]
        )
    return int(text)


def _key(given: str) -> str:
    if not given.strip():
        raise ConfigurationError([Problem("key", "must not be empty: Dialog Insight shows it beside idKey")])
    return given.strip()  # a line end out of a file or a variable is never part of the key


@attrs.frozen
class KeyPair:
    """A web-service key of Dialog Insight: its number, and the secret that never shows in a repr."""

    id_key: int = attrs.field(converter=_id_key)
    key: str = attrs.field(converter=_key, repr=False)

    def apply(self, request: HttpRequest) -> HttpRequest:
        """Give the request with `AuthKey` as the first member of its body, as Dialog Insight asks [seen].

        Raises:
            ConfigurationError: the body is no JSON object.
        """
        body = request.content.lstrip()
        if not body.startswith(b"{"):
            raise ConfigurationError(f"{request.shown}: the body of a Dialog Insight call must be a JSON object")
        members = body[1:].lstrip()
        auth = json.dumps({"idKey": self.id_key, "Key": self.key}).encode()
        comma = b"" if members.startswith(b"}") else b","
        return attrs.evolve(request, content=b'{"AuthKey":' + auth + comma + members)
