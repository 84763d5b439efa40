"""Both services as one process that answers at once or after a set latency: what the client benchmarks talk to.

It stores nothing and knows three shapes: pages of a query (by cursor, and by ranges of ids), slices of collections and
batches, and Dialog Insight's Merge.  Answers are made before the clock runs.  Run by `bench/clients.py`, never by hand.
"""

# ruff: noqa: INP001, T201, TID251 - a program of its own: it prints and waits

from __future__ import annotations

import argparse
import asyncio
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE, SLICE, BATCH = 2000, 200, 25
BASE = "/services/data/v60.0"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # in the order of record ids


def record_id(number: int) -> str:
    """Give the 18 characters of a record id; ids grow with their number."""
    tail = ""
    for _ in range(9):
        number, digit = divmod(number, 62)
        tail = DIGITS[digit] + tail
    fifteen = f"003000{tail}"
    bits = ["".join(fifteen[at : at + 5]) for at in (0, 5, 10)]
    check = (sum(1 << place for place, letter in enumerate(group) if letter.isupper()) for group in bits)
    return fifteen + "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[number] for number in check)


def number_of(text: str) -> int:
    """Give the number of a record id."""
    number = 0
    for letter in text[6:15]:
        number = number * 62 + DIGITS.index(letter)
    return number


def record(number: int) -> dict[str, Any]:
    """Make a record as a query shows it; one field in five is a decimal, as in an org with a currency field."""
    own = record_id(number)
    return {
        "attributes": {"type": "Contact", "url": f"{BASE}/sobjects/Contact/{own}"},
        "Id": own,
        "LastName": f"Tremblay {number}",
        "Email": f"p{number}@example.com",
        "Active__c": number % 3 == 0,
        "Points__c": number / 4,
    }


def dump(value: object) -> bytes:
    """Write JSON as both services do: compact."""
    return json.dumps(value, separators=(",", ":")).encode()


class Service:
    """The answers, made ahead."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.cells = [dump(record(number)) for number in range(rows)]
        ids = [record_id(number) for number in range(SLICE)]
        self.slice = dump([{"id": own, "success": True, "errors": [], "created": True} for own in ids])
        one = {"statusCode": 201, "result": {"id": ids[0], "success": True, "errors": [], "created": True}}
        self.batch = dump({"hasErrors": False, "results": [one] * BATCH})
        self.merges: dict[int, bytes] = {}

    def answer(self, path: str, body: bytes) -> bytes:
        """Answer one request."""
        if "/query" in path:
            return self._query(path)
        if ".ashx" in path:
            return self._merge(body)
        return self.batch if path.endswith("/batch") else self.slice

    def _query(self, path: str) -> bytes:
        parts = urlsplit(path)
        soql = parse_qs(parts.query).get("q", [""])[0]
        if not soql:
            first, last, at = (int(text) for text in parts.path.rpartition("/")[2].split("-")[1:])
            return self._page(first, last, at)
        low, high = (re.search(rf"Id {sign} '(\w+)'", soql) for sign in (">", "<="))
        first = 0 if low is None else number_of(low[1]) + 1
        last = self.rows if high is None else min(self.rows, number_of(high[1]) + 1)
        if "DESC" in soql:
            first = max(first, last - 1)
        return self._page(min(first, last), last, min(first, last))

    def _page(self, first: int, last: int, at: int) -> bytes:
        end = min(at + PAGE, last)
        more = b"" if end >= last else b'"nextRecordsUrl":"%b/query/0r8-%d-%d-%d",' % (BASE.encode(), first, last, end)
        head = b'{"totalSize":%d,"done":%b,%b"records":[' % (last - first, b"false" if more else b"true", more)
        return head + b",".join(self.cells[at:end]) + b"]}"

    def _merge(self, body: bytes) -> bytes:
        count = body.count(b'"ID"')
        if count not in self.merges:
            one = {"Status": "Created", "ValidationResult": "OK", "Message": None, "Data": None, "Record": None}
            told = [{"IdRecord": number + 1, **one} for number in range(count)]
            told_of = {"CreatedRecords": count, "UpdatedRecords": 0, "Records": told, "idRequest": 1}
            self.merges[count] = dump({"Success": True, "ErrorCode": None, "ErrorMessage": None, **told_of})
        return self.merges[count]


async def serve(rows: int) -> None:
    """Listen on a free port of this machine, print it, and answer until standard input ends."""
    service = Service(rows)
    settings = {"latency": 0.0}

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                if path.startswith("/latency/"):
                    settings["latency"] = float(path.rpartition("/")[2])
                content = b"{}" if path.startswith("/latency/") else service.answer(path, body)
                if settings["latency"]:
                    await asyncio.sleep(settings["latency"])
                start = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(start % len(content))
                writer.write(content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, limit=2**26)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    asyncio.run(serve(parser.parse_args().rows))


if __name__ == "__main__":
    main()
