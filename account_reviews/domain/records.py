"""CRM records as the rules see them, and the snapshot of one account."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from pydantic import Field

from account_reviews.domain.base import Model, Timestamp


class RecordType(StrEnum):
    """The CRM modules in scope."""

    ACCOUNT = "account"
    CONTACT = "contact"
    DEAL = "deal"
    ACTIVITY = "activity"
    NOTE = "note"
    TASK = "task"
    OWNER = "owner"


class AccountStatus(StrEnum):
    ACTIVE = "Active"
    INACTIVE = "Inactive"
    AT_RISK = "At Risk"
    CLOSED = "Closed"
    PENDING = "Pending"
    ONBOARDING = "Onboarding"


class DealStage(StrEnum):
    PROSPECTING = "Prospecting"
    QUALIFICATION = "Qualification"
    NEEDS_ANALYSIS = "Needs Analysis"
    VALUE_PROPOSITION = "Value Proposition"
    PROPOSAL = "Proposal"
    NEGOTIATION = "Negotiation"
    CLOSED_WON = "Closed Won"
    CLOSED_LOST = "Closed Lost"
    STALLED = "Stalled"

    @property
    def is_closed(self) -> bool:
        return self in (DealStage.CLOSED_WON, DealStage.CLOSED_LOST)


class ActivityType(StrEnum):
    CALL = "Call"
    EMAIL = "Email"
    MEETING = "Meeting"
    TASK = "Task"
    DEMO = "Demo"
    CONTRACT_REVIEW = "Contract Review"
    EXECUTIVE_MEETING = "Executive Meeting"
    NOTE = "Note"

    @property
    def is_high_value(self) -> bool:
        return self in (
            ActivityType.DEMO,
            ActivityType.CONTRACT_REVIEW,
            ActivityType.EXECUTIVE_MEETING,
        )


OPEN_TASKS: Final = (
    "open", "not started", "in progress", "pending", "waiting", "waiting on someone else",
    "waiting for input", "deferred",
)  # fmt: skip
CLOSED_TASKS: Final = ("completed", "done", "closed", "cancelled", "canceled")
"""What a task's status says, see `task_word`. Of any other word nobody knows whether it is done."""


def task_word(status: str) -> str:
    """The status of a task in one spelling: `NOT_STARTED` is `not started`."""
    return " ".join(status.casefold().replace("_", " ").replace("-", " ").split())


class RecordRef(Model):
    """Points at one CRM record. `id` is None for a record that does not exist yet."""

    type: RecordType
    id: str | None = None
    name: str | None = None
    version: str | None = None
    url: str | None = None


class Record(Model):
    """What every CRM record has. `version` changes with every change of the record."""

    id: str
    version: str
    url: str | None = None


class Owner(Record):
    name: str
    email: str | None = None
    active: bool = True
    manager_id: str | None = None


class Account(Record):
    """One account. None means the CRM does not say: never zero, never healthy."""

    name: str
    owner_id: str | None = None
    status: AccountStatus | None = None
    account_type: str | None = None
    industry: str | None = None
    segment: str | None = None
    website: str | None = None
    phone: str | None = None
    billing_city: str | None = None
    billing_country: str | None = None
    annual_revenue: Decimal | None = None
    employees: int | None = None
    contract_end: date | None = None
    renewal_date: date | None = None
    created_at: Timestamp | None = None
    modified_at: Timestamp | None = None
    last_activity_at: Timestamp | None = None
    custom: dict[str, str] = Field(default_factory=dict)


class Contact(Record):
    account_id: str
    name: str
    email: str | None = None
    phone: str | None = None
    title: str | None = None
    level: str | None = None
    """C-Level, VP or Director."""
    accessible: bool | None = None
    alignment: float | None = None
    """0 to 1."""
    is_sponsor: bool | None = None
    active: bool | None = None
    """False when the person has left."""
    owner_id: str | None = None
    created_at: Timestamp | None = None


class StageChange(Model):
    stage: DealStage
    at: Timestamp


class Deal(Record):
    account_id: str
    name: str
    stage: DealStage
    amount: Decimal | None = None
    probability: int | None = None
    """0 to 100."""
    closing_date: date | None = None
    created_at: Timestamp | None = None
    modified_at: Timestamp | None = None
    stage_changed_at: Timestamp | None = None
    stage_history: tuple[StageChange, ...] = ()
    owner_id: str | None = None


class Activity(Record):
    account_id: str
    type: ActivityType
    subject: str | None = None
    description: str | None = None
    at: Timestamp
    """When it happened."""
    created_at: Timestamp | None = None
    owner_id: str | None = None
    participants: tuple[str, ...] = ()
    outcome: str | None = None


class Note(Record):
    account_id: str
    title: str | None = None
    content: str
    created_at: Timestamp | None = None
    created_by: str | None = None
    private: bool = False


class Task(Record):
    account_id: str
    subject: str
    description: str | None = None
    due_at: Timestamp | None = None
    status: str = "open"
    """One of OPEN_TASKS or CLOSED_TASKS, or a word that nobody knows."""
    priority: str | None = None
    owner_id: str | None = None
    created_at: Timestamp | None = None


class ActivityMark(Model):
    """The least of an activity: enough to count it."""

    id: str
    type: ActivityType
    at: Timestamp


class AccountSnapshot(Model):
    """All a review reads of one account, at one moment.

    Lists are newest first and capped (see `SnapshotLimits`); `activity_marks` holds every
    activity of the look-back window, so that counting is exact when `activities` is cut.
    `modules` names what the CRM holds at all: a module that is not in it is unknown, an
    empty list of a module that is in it is a fact.
    """

    account: Account
    owner: Owner | None = None
    previous_owner: Owner | None = None
    owner_changed_at: Timestamp | None = None
    """When it was given to the owner; known only where it was told from the snapshot before."""
    manager: Owner | None = None
    """Of an owner who is no longer active: the nearest active manager, or the own one where none
    is active. None also when the CRM does not say."""
    contacts: tuple[Contact, ...] = ()
    deals: tuple[Deal, ...] = ()
    activities: tuple[Activity, ...] = ()
    activity_marks: tuple[ActivityMark, ...] = ()
    notes: tuple[Note, ...] = ()
    tasks: tuple[Task, ...] = ()
    modules: frozenset[RecordType]
    totals: dict[RecordType, int] = Field(default_factory=dict)
    """Records of the account per module, before any cap."""
    fetched_at: Timestamp
    as_of: Timestamp
    source: str = "sql"


class Tier(StrEnum):
    """The ways an account can be read, in the order in which they are tried."""

    BULK = "bulk"
    """As many accounts in one read as the CRM can give."""
    LIST = "list"
    """A few in one read."""
    RECORD = "record"
    """Alone."""
    STORED = "stored"
    """Not at all: an older snapshot of ours."""


class SnapshotRef(Model):
    """A stored snapshot and the small facts a workflow needs of it."""

    hash: str
    account_name: str
    owner_id: str | None
    owner_name: str | None
    fetched_at: Timestamp
    stale_seconds: int | None = None
    """Age, when the CRM was down and this is an old one."""
    as_of: Timestamp | None = None
    """The clock it was read with; None in references from before this was noted."""
    tier: Tier | None = None
    """How it was read; None in references from before this was noted."""
    passed_over: tuple[str, ...] = ()
    """The tiers that failed before, each as "bulk: why"."""


class SnapshotLimits(Model):
    """How much of an account one snapshot carries."""

    contacts: int = 50
    deals: int = 20
    """Open deals come first, then closed ones, newest first."""
    activities: int = 100
    notes: int = 50
    tasks: int = 50
    lookback_days: int = 90
