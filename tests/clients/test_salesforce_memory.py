"""Laws of memory: what is read and written by the million is never held whole."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import httpx

from di_salesforce.clients import SalesforceClient
from di_salesforce.salesforce import AccessToken, Bulk, CsvForm
from di_salesforce.salesforce._bulk_csv import pieces


def peak_of(work: Callable[[], object]) -> int:
    """Give the most bytes that were held at once while a work was done."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bulk_query_holds_one_page() -> None:
    """Ten times as many rows take no more memory: a page is let go before the next but one is read."""

    def answer(request: httpx.Request, pages: int) -> httpx.Response:
        gc.collect()  # what counts is what is still held, not what a Python has not swept up yet
        if not request.url.path.endswith("/results"):
            return httpx.Response(200, json={"id": "750000000000001AAA", "state": "JobComplete"})
        at = int(request.url.params.get("locator", "0")) + 1
        body = "Id,LastName\n" + "".join(f"003{n:012d},Tremblay {n}\n" for n in range(1000))
        headers = {"Sforce-NumberOfRecords": "1000", "Sforce-Locator": str(at) if at < pages else "null"}
        return httpx.Response(200, text=body, headers=headers)

    def read(pages: int) -> None:
        transport = httpx.MockTransport(lambda request: answer(request, pages))
        auth = AccessToken("https://example.my.salesforce.com", "t")
        with httpx.Client(transport=transport) as own, SalesforceClient(auth=auth, http_client=own) as client:
            rows = client.bulk_query("SELECT Id, LastName FROM Contact", bulk=Bulk(first_look=0, page_rows=1000))
            assert sum(1 for _ in rows) == 1000 * pages

    read(1)  # what is imported and kept once
    assert peak_of(lambda: read(30)) < 1.5 * peak_of(lambda: read(3))


def test_a_query_holds_no_rows_while_it_asks_for_more() -> None:
    """When the next page is asked for, the rows that came before it are let go."""
    ids = [f"003{number:012d}AAA" for number in range(6000)]
    held: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        gc.collect()
        if tracemalloc.is_tracing():
            held.append(tracemalloc.get_traced_memory()[0])
        at = int(request.url.path.rpartition("-")[2]) if "-" in request.url.path else 0
        records = [{"attributes": {"type": "Contact"}, "Id": own, "LastName": f"N{own}"} for own in ids[at : at + 1000]]
        more = {"nextRecordsUrl": f"/services/data/v60.0/query/0r8-{at + 1000}"} if at + 1000 < len(ids) else {}
        return httpx.Response(200, json={"totalSize": len(ids), "done": not more, **more, "records": records})

    def read() -> int:
        auth = AccessToken("https://example.my.salesforce.com", "t")
        with (
            httpx.Client(transport=httpx.MockTransport(answer)) as own,
            SalesforceClient(auth=auth, http_client=own) as client,
        ):
            return sum(1 for _ in client.query("SELECT Id, LastName FROM Contact"))

    assert read() == len(ids)  # what is imported and kept once
    page = peak_of(lambda: [{"Id": own, "LastName": f"N{own}"} for own in ids[:1000]])
    tracemalloc.start()
    try:
        assert read() == len(ids)
    finally:
        tracemalloc.stop()
    assert len(held) == 6
    assert max(held[1:]) - held[0] < page / 2


def test_uploads_hold_one_piece() -> None:
    """Rows that come one after another are cut without being kept."""

    def cut(count: int) -> None:
        rows = ((n, {"Ext__c": f"x{n}", "LastName": f"Tremblay {n}"}) for n in range(count))
        form = CsvForm()
        for _ in pieces(rows, form, key="Ext__c", most_bytes=50_000, most_rows=10_000, refuse=lambda *_: None):
            pass

    cut(10)
    assert peak_of(lambda: cut(30_000)) < 1.5 * peak_of(lambda: cut(10_000))
