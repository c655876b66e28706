"""Which properties the objects of the fake HubSpot have."""

from dataclasses import dataclass
from typing import Any, Final

STAGES: Final = {
    "appointmentscheduled": "Appointment Scheduled",
    "qualifiedtobuy": "Qualified To Buy",
    "presentationscheduled": "Presentation Scheduled",
    "decisionmakerboughtin": "Decision Maker Bought-In",
    "contractsent": "Contract Sent",
    "closedwon": "Closed Won",
    "closedlost": "Closed Lost",
    "100000001": "Needs Analysis",
    "100000002": "Stalled",
}
"""Of the pipeline: id -> label. The last two are the portal's own."""
OPERATION: Final = "review_operation_id"
"""The property with unique values that notes and tasks of the fake portal have."""


@dataclass(frozen=True)
class Property:
    """One property of an object type. `options`: values -> labels, of an enumeration."""

    name: str
    type: str = "string"
    options: dict[str, str] | None = None
    unique: bool = False
    read_only: bool = False
    custom: bool = False

    def shown(self) -> dict[str, Any]:
        """As the properties API tells it."""
        field_types = {
            "enumeration": "select",
            "datetime": "date",
            "date": "date",
            "bool": "booleancheckbox",
        }
        options = self.options or {}
        return {
            "name": self.name,
            "label": self.name.replace("_", " ").title(),
            "type": self.type,
            "fieldType": field_types.get(self.type, "text"),
            "groupName": "reviews" if self.custom else "information",
            "options": [
                {"value": value, "label": label, "hidden": False, "displayOrder": n}
                for n, (value, label) in enumerate(options.items())
            ],
            "hasUniqueValue": self.unique,
            "hubspotDefined": not self.custom,
            "hidden": False,
            "archived": False,
            "calculated": False,
            "modificationMetadata": {
                "archivable": self.custom, "readOnlyDefinition": not self.custom,
                "readOnlyValue": self.read_only,
            },
        }  # fmt: skip


def _texts(*names: str) -> list[Property]:
    return [Property(name) for name in names]


def _options(*values: str) -> dict[str, str]:
    return {value: value.replace("_", " ").capitalize() for value in values}


_COMMON: Final = [
    Property("hs_object_id", "number", read_only=True),
    Property("createdate", "datetime", read_only=True),
    Property("hs_createdate", "datetime", read_only=True),
    Property("hs_lastmodifieddate", "datetime", read_only=True),
    Property("hubspot_owner_id", "enumeration"),
]
_ENGAGEMENT: Final = [
    *_COMMON,
    Property("hs_timestamp", "datetime"),
]
PROPERTIES: Final[dict[str, dict[str, Property]]] = {
    kind: {one.name: one for one in properties}
    for kind, properties in {
        "companies": [
            *_COMMON,
            *_texts("name", "domain", "website", "phone", "city", "country", "description"),
            Property(
                "industry",
                "enumeration",
                _options("COMPUTER_SOFTWARE", "RETAIL", "BANKING", "HEALTH_CARE"),
            ),
            Property(
                "type",
                "enumeration",
                _options("PROSPECT", "PARTNER", "RESELLER", "VENDOR", "OTHER"),
            ),
            Property(
                "lifecyclestage",
                "enumeration",
                _options("lead", "opportunity", "customer", "other"),
            ),
            Property("annualrevenue", "number"),
            Property("numberofemployees", "number"),
            Property("notes_last_updated", "datetime", read_only=True),
            Property("notes_last_contacted", "datetime", read_only=True),
            Property("hs_last_sales_activity_timestamp", "datetime", read_only=True),
            Property(
                "account_status",
                "enumeration",
                _options("Active", "Inactive", "At Risk", "Closed", "Pending", "Onboarding"),
                custom=True,
            ),
            Property("account_segment", custom=True),
            Property("contract_end", "date", custom=True),
            Property("renewal_date", "date", custom=True),
        ],
        "contacts": [
            *_COMMON,
            Property("lastmodifieddate", "datetime", read_only=True),
            Property("hs_full_name_or_email", read_only=True),
            *_texts("firstname", "lastname", "email", "phone", "jobtitle", "hs_seniority"),
            Property(
                "hs_buying_role", "enumeration", _options("CHAMPION", "DECISION_MAKER", "OTHER")
            ),
        ],
        "deals": [
            *_COMMON,
            *_texts("dealname", "description", "pipeline"),
            Property("dealstage", "enumeration", dict(STAGES)),
            Property("amount", "number"),
            Property("closedate", "datetime"),
            Property("hs_deal_stage_probability", "number", read_only=True),
            Property("hs_is_closed", "bool", read_only=True),
            Property("hs_is_closed_won", "bool", read_only=True),
            Property("hs_v2_date_entered_current_stage", "datetime", read_only=True),
        ],
        "notes": [
            *_ENGAGEMENT,
            *_texts("hs_note_body"),
            Property(OPERATION, unique=True, custom=True),
        ],
        "tasks": [
            *_ENGAGEMENT,
            *_texts("hs_task_subject", "hs_task_body"),
            Property(
                "hs_task_status",
                "enumeration",
                _options("NOT_STARTED", "IN_PROGRESS", "WAITING", "DEFERRED", "COMPLETED"),
            ),
            Property("hs_task_priority", "enumeration", _options("NONE", "LOW", "MEDIUM", "HIGH")),
            Property("hs_task_type", "enumeration", _options("TODO", "CALL", "EMAIL")),
            Property(OPERATION, unique=True, custom=True),
        ],
        "meetings": [
            *_ENGAGEMENT,
            *_texts(
                "hs_meeting_title", "hs_meeting_body", "hs_meeting_outcome", "hs_activity_type"
            ),
            Property("hs_meeting_start_time", "datetime"),
            Property("hs_meeting_end_time", "datetime"),
        ],
        "calls": [
            *_ENGAGEMENT,
            *_texts(
                "hs_call_title",
                "hs_call_body",
                "hs_call_status",
                "hs_call_disposition",
                "hs_activity_type",
            ),
        ],
        "emails": [
            *_ENGAGEMENT,
            *_texts("hs_email_subject", "hs_email_text", "hs_email_direction", "hs_email_status"),
        ],
    }.items()
}
"""Type -> name -> property."""

TYPE_IDS: Final = {
    "0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-46": "notes", "0-27": "tasks",
    "0-47": "meetings", "0-48": "calls", "0-49": "emails",
}  # fmt: skip
"""How types are called beside their names."""
LINKS: Final = {
    ("contacts", "companies"): 279, ("companies", "contacts"): 280,
    ("deals", "companies"): 341, ("companies", "deals"): 342,
    ("notes", "companies"): 190, ("companies", "notes"): 189,
    ("tasks", "companies"): 192, ("companies", "tasks"): 191,
    ("meetings", "companies"): 188, ("companies", "meetings"): 187,
    ("calls", "companies"): 182, ("companies", "calls"): 181,
    ("emails", "companies"): 186, ("companies", "emails"): 185,
    ("contacts", "deals"): 4, ("deals", "contacts"): 3,
}  # fmt: skip
"""Numbers of the plain associations."""
