"""Checked by pyright, never run: SOQL with somebody's data in its text does not type-check; parameters do.

mypy takes `LiteralString` for `str`, so pyright alone can tell; an ignore below that were not needed would be an error.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from di_salesforce import AsyncSalesforceClient, SalesforceClient
from di_salesforce.salesforce import Soql, chunked_in, select, soql


def blocking(client: SalesforceClient, name: str) -> None:
    """A text that holds a value of somebody's is refused, however it was put together."""
    client.query("SELECT Id FROM Contact WHERE LastName = :name", {"name": name})
    client.query(select("Contact", [name], where=[soql("LastName = :name", name=name)]))
    client.query(Soql.trusted(name))
    client.query(f"SELECT Id FROM Contact WHERE LastName = '{name}'")  # pyright: ignore[reportArgumentType]  # must fail
    client.query("SELECT Id FROM Contact WHERE LastName = '" + name + "'")  # pyright: ignore[reportArgumentType]  # must fail
    client.query("SELECT Id FROM Contact WHERE LastName = '{}'".format(name))  # pyright: ignore[reportArgumentType]  # must fail  # noqa: UP032
    client.query_all(f"SELECT Id FROM {name}")  # pyright: ignore[reportArgumentType]  # must fail
    client.bulk_query(f"SELECT Id FROM {name}")  # pyright: ignore[reportArgumentType]  # must fail
    client.reading_way(f"SELECT Id FROM {name}")  # pyright: ignore[reportArgumentType]  # must fail
    soql(f"LastName = '{name}'")  # pyright: ignore[reportArgumentType]  # must fail
    chunked_in(f"SELECT {name} FROM Contact WHERE Id IN :ids", "ids", [])  # pyright: ignore[reportArgumentType]  # must fail


async def awaited(client: AsyncSalesforceClient, name: str) -> None:
    """The same in the other world."""
    client.query("SELECT Id FROM Contact WHERE LastName = :name", {"name": name})
    client.query(f"SELECT Id FROM Contact WHERE LastName = '{name}'")  # pyright: ignore[reportArgumentType]  # must fail
    await client.query_all(f"SELECT Id FROM {name}")  # pyright: ignore[reportArgumentType]  # must fail
