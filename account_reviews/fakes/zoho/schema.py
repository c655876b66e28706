"""The modules of the org, their fields and related lists."""

from dataclasses import dataclass
from typing import Any, Final

TEXT, AREA, NUMBER, MONEY, DOUBLE = "text", "textarea", "integer", "currency", "double"
DATE, MOMENT, YES_NO, PICK = "date", "datetime", "boolean", "picklist"
LOOKUP, OWNER, PEOPLE, EMAIL, PHONE, WEB = (
    "lookup", "ownerlookup", "participants", "email", "phone", "website",
)  # fmt: skip

OPERATION_FIELD: Final = "Review_Operation_Id"
"""The custom unique field that carries our operation id."""

_JSON_TYPES: Final = {
    NUMBER: "integer",
    MONEY: "double",
    DOUBLE: "double",
    YES_NO: "boolean",
    LOOKUP: "jsonobject",
    OWNER: "jsonobject",
    PEOPLE: "jsonarray",
}


@dataclass(frozen=True)
class Field:
    """One field. `lookup` names the modules that it may point into."""

    name: str
    type: str = TEXT
    mandatory: bool = False
    read_only: bool = False
    unique: bool = False
    custom: bool = False
    length: int = 255
    values: tuple[str, ...] = ()
    lookup: tuple[str, ...] = ()

    @property
    def json_type(self) -> str:
        return _JSON_TYPES.get(self.type, "string")

    def metadata(self, number: int) -> dict[str, Any]:
        """As `settings/fields` shows it."""
        return {
            "id": str(5_843_104_000_000_000_000 + number),
            "api_name": self.name,
            "field_label": self.name.replace("_", " "),
            "data_type": self.type,
            "json_type": self.json_type,
            "length": self.length,
            "system_mandatory": self.mandatory,
            "read_only": self.read_only,
            "field_read_only": self.read_only,
            "custom_field": self.custom,
            "visible": True,
            "unique": {"casesensitive": "false"} if self.unique else {},
            "external": {"type": "org", "show": True} if self.unique else None,
            "pick_list_values": [
                {"display_value": word, "actual_value": word, "type": "used"}
                for word in self.values
            ],
            "lookup": {"module": {"api_name": self.lookup[0]}} if len(self.lookup) == 1 else {},
            "multi_module_lookup": {"modules": [{"api_name": name} for name in self.lookup]}
            if len(self.lookup) > 1
            else {},
            "operation_type": {
                "api_create": not self.read_only,
                "api_update": not self.read_only,
                "web_create": not self.read_only,
                "web_update": not self.read_only,
            },
        }


@dataclass(frozen=True)
class RelatedList:
    """Records of `module` whose `field` points at the parent."""

    name: str
    module: str
    field: str
    closed: bool | None = None
    """Of activities: only those that are closed, or only open ones."""


_SYSTEM: Final = (
    Field("id", "bigint", read_only=True, length=20),
    Field("Owner", OWNER, lookup=("Users",)),
    Field("Created_By", OWNER, read_only=True, lookup=("Users",)),
    Field("Modified_By", OWNER, read_only=True, lookup=("Users",)),
    Field("Created_Time", MOMENT, read_only=True),
    Field("Modified_Time", MOMENT, read_only=True),
    Field("Last_Activity_Time", MOMENT, read_only=True),
)
_OPERATION: Final = Field(OPERATION_FIELD, unique=True, custom=True)
_ACCOUNT: Final = Field("Account_Name", LOOKUP, lookup=("Accounts",))
_WHAT: Final = Field("What_Id", LOOKUP, lookup=("Accounts", "Deals"))
_WHO: Final = Field("Who_Id", LOOKUP, lookup=("Contacts",))
_DESCRIPTION: Final = Field("Description", AREA, length=32_000)

STAGES: Final = (
    "Prospecting", "Qualification", "Needs Analysis", "Value Proposition",
    "Identify Decision Makers", "Proposal/Price Quote", "Negotiation/Review", "Closed Won",
    "Closed Lost", "Closed-Lost to Competition", "Stalled",
)  # fmt: skip
STATUSES: Final = ("Active", "Inactive", "At Risk", "Closed", "Pending", "Onboarding")
TASK_STATUSES: Final = (
    "Not Started", "Deferred", "In Progress", "Completed", "Waiting for input",
)  # fmt: skip
PRIORITIES: Final = ("High", "Highest", "Low", "Lowest", "Normal")
CLOSED_TASK: Final = "Completed"

MODULES: Final[dict[str, tuple[Field, ...]]] = {
    "Accounts": (
        *_SYSTEM,
        Field("Account_Name", mandatory=True, length=200),
        Field("Account_Type", PICK, values=("Customer", "Partner", "Prospect", "Other")),
        Field("Industry", PICK),
        Field("Rating", PICK, values=("Active", "Acquired", "Market Failed", "Project Cancelled")),
        Field("Website", WEB),
        Field("Phone", PHONE, length=30),
        Field("Billing_City"),
        Field("Billing_Country"),
        Field("Annual_Revenue", MONEY),
        Field("Employees", NUMBER),
        Field("Parent_Account", LOOKUP, lookup=("Accounts",)),
        _DESCRIPTION,
        Field("Account_Status", PICK, custom=True, values=STATUSES),
        Field("Segment", PICK, custom=True, values=("Enterprise", "Mid-Market", "SMB")),
        Field("Contract_End_Date", DATE, custom=True),
        Field("Renewal_Date", DATE, custom=True),
        Field("Support_Tier", custom=True),
        _OPERATION,
    ),
    "Contacts": (
        *_SYSTEM,
        Field("Full_Name", read_only=True),
        Field("First_Name", length=40),
        Field("Last_Name", mandatory=True, length=80),
        Field("Email", EMAIL, length=100),
        Field("Phone", PHONE, length=50),
        Field("Title", length=100),
        _ACCOUNT,
        _DESCRIPTION,
        Field("Contact_Level", PICK, custom=True, values=("C-Level", "VP", "Director")),
        Field("Accessible", YES_NO, custom=True),
        Field("Alignment", DOUBLE, custom=True),
        Field("Is_Sponsor", YES_NO, custom=True),
        Field("Active", YES_NO, custom=True),
        _OPERATION,
    ),
    "Deals": (
        *_SYSTEM,
        Field("Deal_Name", mandatory=True, length=120),
        Field("Stage", PICK, mandatory=True, values=STAGES),
        Field("Amount", MONEY),
        Field("Probability", NUMBER),
        Field("Closing_Date", DATE),
        Field("Stage_Modified_Time", MOMENT, read_only=True),
        _ACCOUNT,
        Field("Contact_Name", LOOKUP, lookup=("Contacts",)),
        _DESCRIPTION,
        _OPERATION,
    ),
    "Tasks": (
        *_SYSTEM,
        Field("Subject", mandatory=True, length=300),
        Field("Due_Date", DATE),
        Field("Status", PICK, values=TASK_STATUSES),
        Field("Priority", PICK, values=PRIORITIES),
        Field("Closed_Time", MOMENT, read_only=True),
        _WHAT,
        _WHO,
        _DESCRIPTION,
        _OPERATION,
    ),
    "Events": (
        *_SYSTEM,
        Field("Event_Title", mandatory=True),
        Field("Start_DateTime", MOMENT, mandatory=True),
        Field("End_DateTime", MOMENT, mandatory=True),
        Field("Participants", PEOPLE),
        Field("Venue"),
        _WHAT,
        _WHO,
        _DESCRIPTION,
        Field("Meeting_Type", PICK, custom=True),
        Field("Outcome", custom=True),
        _OPERATION,
    ),
    "Calls": (
        *_SYSTEM,
        Field("Subject", mandatory=True),
        Field("Call_Type", PICK, mandatory=True, values=("Inbound", "Outbound", "Missed")),
        Field("Call_Start_Time", MOMENT, mandatory=True),
        Field("Call_Duration"),
        Field("Call_Purpose", PICK),
        Field("Call_Result", PICK),
        Field("Outgoing_Call_Status", PICK, values=("Completed", "Scheduled", "Cancelled")),
        _WHAT,
        _WHO,
        _DESCRIPTION,
        _OPERATION,
    ),
    "Notes": (
        *(field for field in _SYSTEM if field.name != "Last_Activity_Time"),
        Field("Note_Title", length=120),
        Field("Note_Content", AREA, mandatory=True, length=32_000),
        Field("Parent_Id", LOOKUP, mandatory=True, lookup=("Accounts", "Contacts", "Deals")),
    ),
}
"""Notes have no custom field: as in every org, none can be added to them."""

RELATED: Final[dict[str, tuple[RelatedList, ...]]] = {
    "Accounts": (
        RelatedList("Contacts", "Contacts", "Account_Name"),
        RelatedList("Deals", "Deals", "Account_Name"),
        RelatedList("Tasks", "Tasks", "What_Id", closed=False),
        RelatedList("Tasks_History", "Tasks", "What_Id", closed=True),
        RelatedList("Events", "Events", "What_Id", closed=False),
        RelatedList("Events_History", "Events", "What_Id", closed=True),
        RelatedList("Calls", "Calls", "What_Id", closed=False),
        RelatedList("Calls_History", "Calls", "What_Id", closed=True),
        RelatedList("Notes", "Notes", "Parent_Id"),
    ),
    "Contacts": (
        RelatedList("Deals", "Deals", "Contact_Name"),
        RelatedList("Notes", "Notes", "Parent_Id"),
    ),
    "Deals": (
        RelatedList("Tasks", "Tasks", "What_Id", closed=False),
        RelatedList("Notes", "Notes", "Parent_Id"),
    ),
}

UPSERTS: Final = frozenset({"Accounts", "Contacts", "Deals"})
"""Modules that can be upserted; activities and notes cannot."""
QUERIED: Final = frozenset(MODULES) - {"Notes"} | {"Users"}
"""Modules that COQL reads."""
USER_FIELDS: Final = (
    Field("id", "bigint", read_only=True),
    Field("full_name"),
    Field("first_name"),
    Field("last_name"),
    Field("email", EMAIL),
    Field("status"),
    Field("Reporting_To", OWNER, lookup=("Users",)),
    Field("created_time", MOMENT),
    Field("Modified_Time", MOMENT),
)


def field_of(module: str, name: str) -> Field | None:
    fields = USER_FIELDS if module == "Users" else MODULES.get(module, ())
    return next((field for field in fields if field.name == name), None)
