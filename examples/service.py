"""The service: plans to look at, a button for one person, webhooks that are noted in milliseconds.

    pip install di-salesforce fastapi uvicorn
    uvicorn --app-dir examples service:app

Log-ins come from the environment (`SALESFORCE_...`, `DIALOG_INSIGHT_...`).  Put your own authentication before it:
these routes write to a customer's CRM.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request

from di_salesforce import (
    AsyncDialogInsightClient,
    AsyncSalesforceClient,
    AsyncSynchronizer,
    DestinationProject,
    FieldMapping,
    Integration,
    ObjectTransfer,
    Plan,
    SQLiteStore,
)
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.exceptions import AlreadyRunningError, ConfigurationError

integration = Integration(
    [
        ObjectTransfer(
            "people",
            sobject="Contact",
            project=DestinationProject("acquisition", id=4322),
            salesforce_filter="Email != null",
            fields=[
                FieldMapping("Email", "EMail", key=True),
                FieldMapping("FirstName", "FirstName"),
                FieldMapping("LastName", "LastName", salesforce_default="(unknown)"),
            ],
        )
    ]
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make one synchronizer when the service starts, and close what was opened when it stops."""
    async with (
        AsyncSalesforceClient.from_env() as salesforce,
        AsyncDialogInsightClient.from_env(capabilities=Capabilities(clauseless_get=True)) as dialog_insight,
        AsyncSynchronizer(
            integration, salesforce=salesforce, dialog_insight=dialog_insight, store=SQLiteStore("di-sync.db")
        ) as app.state.sync,
    ):
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/plan")
async def plan(request: Request) -> dict[str, Any]:
    """Show what would be written, as plain data with its digest."""
    return (await request.app.state.sync.plan()).to_dict()


@app.post("/plan/apply")
async def apply(request: Request) -> dict[str, Any]:
    """Apply exactly the plan that was shown; a changed one is refused."""
    try:
        shown = Plan.from_dict(await request.json())
        return (await request.app.state.sync.apply(shown)).to_dict()
    except AlreadyRunningError as busy:
        raise HTTPException(409, str(busy)) from busy
    except ConfigurationError as wrong:
        raise HTTPException(422, str(wrong)) from wrong


@app.post("/people/{email}/sync")
async def sync_one(email: str, request: Request) -> dict[str, Any]:
    """Synchronise one person now; reads that person only."""
    try:
        return (await request.app.state.sync.run("people", keys=[email])).to_dict()
    except AlreadyRunningError as busy:
        raise HTTPException(409, str(busy)) from busy
