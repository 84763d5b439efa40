"""The standard objects that a fresh simulator holds, with their main fields.

Sizes, types and required fields follow recorded describes where there are any (facts 3.2), else the vendor's object
reference as known.  A real org differs in picklist values and shows many more fields; add what you need with
`FakeSalesforce.add_field`.  What may not go in here: behaviour.
"""

from __future__ import annotations

from typing import Final, Literal

from di_salesforce.testing._sf_schema import Field, FieldType, SObject, StoredRow


def _text(name: str, length: int = 255, *, required: bool = False, id_lookup: bool = False) -> Field:
    return Field(name, length=length, required=required, id_lookup=id_lookup)


def _pick(
    name: str, *values: str, default: str | None = None, required: bool = False, restricted: bool = False
) -> Field:
    return Field(name, "picklist", values=values, default=default, required=required, restricted=restricted)


def _lookup(
    name: str, *to: str, children: str = "", cascade: bool = False, required: bool = False, label: str = ""
) -> Field:
    return Field(
        name, "reference", references=to, children=children, cascade=cascade, required=required, label=label,
        relationship="ReportsTo" if name == "ReportsToId" else "",
    )  # fmt: skip


def _long(name: str = "Description", length: int = 32000) -> Field:
    return Field(name, "textarea", length=length)


def _read_only(name: str, kind: FieldType) -> Field:
    return Field(name, kind, createable=False, updateable=False)


def _address(kind: str) -> tuple[Field, ...]:
    """Give the writable parts of an address, and the compound field that shows them (facts 3.5)."""
    compound = f"{kind}Address" if kind else "Address"
    parts = {"Street": 255, "City": 40, "State": 80, "PostalCode": 20, "Country": 80}

    def whole(row: StoredRow) -> object:
        found = {part: row.get(kind + part) for part in parts}
        if not any(found.values()):
            return None
        return {
            "city": found["City"], "country": found["Country"], "geocodeAccuracy": None, "latitude": None,
            "longitude": None, "postalCode": found["PostalCode"], "state": found["State"], "street": found["Street"],
        }  # fmt: skip

    kinds: dict[str, Literal["textarea", "string"]] = {"Street": "textarea"}
    fields = [Field(kind + part, kinds.get(part, "string"), size, compound=compound) for part, size in parts.items()]
    return (*fields, Field(compound, "address", formula=whole))


def _full_name(row: StoredRow) -> object:
    return " ".join(str(row[part]) for part in ("FirstName", "LastName") if row.get(part)) or None


_SALUTATIONS: Final = ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx.")
_PERSON: Final = (
    Field("Salutation", "picklist", values=_SALUTATIONS, compound="Name"),
    Field("FirstName", length=40, compound="Name"),
    Field("LastName", length=80, required=True, compound="Name"),
    Field("Name", length=121, formula=_full_name, label="Full Name"),
)


def _master(sobject: str) -> Field:
    """Give the field that names the winner of a merge in its losers (facts 3.13)."""
    return Field("MasterRecordId", "reference", references=[sobject], createable=False, updateable=False)


_INDUSTRIES: Final = ("Agriculture", "Banking", "Consulting", "Education", "Energy", "Retail", "Technology", "Other")
_SOURCES: Final = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
_OPT_OUTS: Final = (Field("HasOptedOutOfEmail", "boolean", label="Email Opt Out"), Field("DoNotCall", "boolean"))
_BOUNCES: Final = (
    Field("EmailBouncedReason", length=255, updateable=True),
    Field("EmailBouncedDate", "datetime"),
)

ACCOUNT: Final = SObject(
    "Account",
    [
        _text("Name", 255, required=True),
        _pick("Type", "Prospect", "Customer - Direct", "Customer - Channel", "Partner", "Other"),
        _lookup("ParentId", "Account", children="ChildAccounts"),
        *_address("Billing"),
        *_address("Shipping"),
        Field("Phone", "phone"),
        Field("Fax", "phone"),
        _text("AccountNumber", 40),
        Field("Website", "url"),
        _text("Sic", 20),
        _pick("Industry", *_INDUSTRIES),
        Field("AnnualRevenue", "currency", scale=0),
        Field("NumberOfEmployees", "int", precision=8),
        _pick("Rating", "Hot", "Warm", "Cold"),
        _pick("AccountSource", *_SOURCES),
        _text("Site", 80),
        _long(),
        _read_only("LastActivityDate", "date"),
        _master("Account"),
    ],
    prefix="001",
)
CONTACT: Final = SObject(
    "Contact",
    [
        _lookup("AccountId", "Account", children="Contacts", cascade=True),
        *_PERSON,
        *_address("Mailing"),
        *_address("Other"),
        Field("Phone", "phone"),
        Field("Fax", "phone"),
        Field("MobilePhone", "phone"),
        Field("HomePhone", "phone"),
        Field("OtherPhone", "phone"),
        _lookup("ReportsToId", "Contact"),
        Field("Email", "email", id_lookup=True),
        _text("Title", 128),
        _text("Department", 80),
        _text("AssistantName", 40),
        _pick("LeadSource", *_SOURCES),
        Field("Birthdate", "date"),
        _long(),
        *_OPT_OUTS,
        *_BOUNCES,
        _read_only("LastActivityDate", "date"),
        _master("Contact"),
    ],
    prefix="003",
)
LEAD: Final = SObject(
    "Lead",
    [
        *_PERSON,
        _text("Title", 128),
        _text("Company", 255, required=True),
        *_address(""),
        Field("Phone", "phone"),
        Field("MobilePhone", "phone"),
        Field("Fax", "phone"),
        Field("Email", "email", id_lookup=True),
        Field("Website", "url"),
        _long(),
        _pick("LeadSource", *_SOURCES),
        _pick(
            "Status", "Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted",
            default="Open - Not Contacted", required=True,
        ),
        _pick("Industry", *_INDUSTRIES),
        _pick("Rating", "Hot", "Warm", "Cold"),
        Field("AnnualRevenue", "currency", scale=0),
        Field("NumberOfEmployees", "int", precision=8),
        *_OPT_OUTS,
        *_BOUNCES,
        Field("IsConverted", "boolean", createable=False, updateable=False, label="Converted"),
        _read_only("ConvertedDate", "date"),
        Field("ConvertedAccountId", "reference", references=["Account"], createable=False, updateable=False),
        Field("ConvertedContactId", "reference", references=["Contact"], createable=False, updateable=False),
        Field("ConvertedOpportunityId", "reference", references=["Opportunity"], createable=False, updateable=False),
        _master("Lead"),
    ],
    prefix="00Q",
)  # fmt: skip
_CLOSED_STAGES: Final = ("Closed Won", "Closed Lost")


def _closed(row: StoredRow) -> object:
    return row.get("StageName") in _CLOSED_STAGES


def _won(row: StoredRow) -> object:
    return row.get("StageName") == "Closed Won"


OPPORTUNITY: Final = SObject(
    "Opportunity",
    [
        _lookup("AccountId", "Account", children="Opportunities", cascade=True),
        _lookup("ContactId", "Contact", children="Opportunities"),
        _text("Name", 120, required=True, id_lookup=True),
        _long(),
        _pick("StageName", "Prospecting", "Qualification", "Negotiation/Review", *_CLOSED_STAGES, required=True),
        Field("Amount", "currency"),
        Field("Probability", "percent", precision=3, scale=0),
        Field("CloseDate", "date", required=True),
        _pick("Type", "Existing Business", "New Business"),
        _text("NextStep", 255),
        _pick("LeadSource", *_SOURCES),
        Field("IsClosed", "boolean", formula=_closed, label="Closed"),
        Field("IsWon", "boolean", formula=_won, label="Won"),
        _lookup("CampaignId", "Campaign", children="Opportunities"),
    ],
    prefix="006",
    plural="Opportunities",
)
ORDER: Final = SObject(
    "Order",
    [
        _lookup("AccountId", "Account", children="Orders", required=True),
        _lookup("BillToContactId", "Contact"),
        _lookup("ShipToContactId", "Contact"),
        Field("EffectiveDate", "date", required=True, label="Order Start Date"),
        Field("EndDate", "date"),
        _pick("Status", "Draft", "Activated", required=True),
        _pick("Type", "New", "Renewal"),
        _text("Name", 80),
        _text("OrderReferenceNumber", 80),
        _text("PoNumber", 80),
        _long(),
        *_address("Billing"),
        *_address("Shipping"),
        Field("TotalAmount", "currency", createable=False, updateable=False),
        Field("OrderNumber", length=30, auto_number="{00000000}"),
    ],
    prefix="801",
)
CASE: Final = SObject(
    "Case",
    [
        Field("CaseNumber", length=30, auto_number="{00000000}", id_lookup=True),
        _lookup("ContactId", "Contact", children="Cases"),
        _lookup("AccountId", "Account", children="Cases"),
        _text("SuppliedName", 80),
        Field("SuppliedEmail", "email"),
        _pick("Type", "Question", "Problem", "Other"),
        _pick("Status", "New", "Working", "Escalated", "Closed", default="New"),
        _pick("Origin", "Phone", "Email", "Web"),
        _text("Subject", 255),
        _pick("Priority", "High", "Medium", "Low", default="Medium"),
        _long(),
        Field("IsClosed", "boolean", formula=lambda row: row.get("Status") == "Closed", label="Closed"),
        _read_only("ClosedDate", "datetime"),
        _master("Case"),
    ],
    prefix="500",
)
CAMPAIGN: Final = SObject(
    "Campaign",
    [
        _text("Name", 80, required=True),
        _lookup("ParentId", "Campaign", children="ChildCampaigns"),
        _pick("Type", "Email", "Webinar", "Conference", "Other"),
        _pick("Status", "Planned", "In Progress", "Completed", "Aborted", default="Planned"),
        Field("StartDate", "date"),
        Field("EndDate", "date"),
        Field("BudgetedCost", "currency"),
        Field("ActualCost", "currency"),
        Field("IsActive", "boolean", label="Active"),
        _long(),
    ],
    prefix="701",
)
CAMPAIGN_MEMBER: Final = SObject(
    "CampaignMember",
    [
        _lookup("CampaignId", "Campaign", children="CampaignMembers", cascade=True, required=True),
        _lookup("LeadId", "Lead", children="CampaignMembers", cascade=True),
        _lookup("ContactId", "Contact", children="CampaignMembers", cascade=True),
        _pick("Status", "Sent", "Responded", default="Sent"),
        Field(
            "HasResponded", "boolean", formula=lambda row: row.get("Status") == "Responded", label="Responded"
        ),
    ],
    prefix="00v",
    owned=False,
)  # fmt: skip
TASK: Final = SObject(
    "Task",
    [
        Field("WhoId", "reference", references=["Contact", "Lead"], children="Tasks", cascade=True, label="Name ID"),
        Field(
            "WhatId", "reference", references=["Account", "Campaign", "Case", "Opportunity", "Order"],
            children="Tasks", cascade=True, label="Related To ID",
        ),
        Field("Subject", "combobox", values=("Call", "Email", "Send Letter", "Other")),
        Field("ActivityDate", "date", label="Due Date Only"),
        _pick("Status", "Not Started", "In Progress", "Completed", default="Not Started", required=True),
        _pick("Priority", "High", "Normal", "Low", default="Normal", required=True),
        _long(),
        Field("IsClosed", "boolean", formula=lambda row: row.get("Status") == "Completed", label="Closed"),
    ],
    prefix="00T",
)  # fmt: skip
USER: Final = SObject(
    "User",
    [
        Field("Username", length=80, required=True, unique=True, id_lookup=True),
        *_PERSON,
        _text("CompanyName", 80),
        Field("Email", "email", length=128, required=True),
        _text("Alias", 8, required=True),
        Field("IsActive", "boolean", default=True, label="Active"),
        _text("TimeZoneSidKey", 40),
        _text("LocaleSidKey", 40),
        _text("LanguageLocaleKey", 40),
    ],
    prefix="005",
    owned=False,
    deletable=False,
)
GROUP: Final = SObject(
    "Group",
    [_text("Name", 40, required=True), _text("DeveloperName", 80), _pick("Type", "Regular", "Queue", default="Queue")],
    prefix="00G",
    owned=False,
)
ORGANIZATION: Final = SObject(
    "Organization",
    [
        _text("Name", 80, required=True),
        _text("InstanceName", 5),
        _text("OrganizationType", 40),
        _text("LanguageLocaleKey", 40),
        _text("DefaultLocaleSidKey", 40),
        _text("TimeZoneSidKey", 40),
        Field("IsSandbox", "boolean"),
    ],
    prefix="00D",
    owned=False,
    createable=False,
    deletable=False,
    replicateable=False,
)

DEFAULT: Final = (
    ORGANIZATION, USER, GROUP, ACCOUNT, CONTACT, LEAD, OPPORTUNITY, ORDER, CAMPAIGN, CAMPAIGN_MEMBER, CASE, TASK,
)  # fmt: skip
"""What `FakeSalesforce` declares when nothing else is asked for."""
