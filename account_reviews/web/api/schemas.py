"""What the API answers, as its description says it. Answers hold at least these keys."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = str | None


class Shown(BaseModel):
    """More keys may follow; none is ever renamed."""

    model_config = ConfigDict(extra="allow", json_schema_serialization_defaults_required=False)


class Fault(Shown):
    """What went wrong."""

    code: str = Field(description="One word for programs.")
    message: str = Field(description="One sentence for people.")
    hint: Text = Field(description="What to do.")
    decided_by: str | None = Field(None, description="Of a conflict: who was first.")
    decided_at: str | None = Field(None, description="Of a conflict: when, RFC 3339.")


class Problem(Shown):
    """Every error."""

    error: Fault


class Started(Shown):
    """A review that was begun, or was open already (`joined`)."""

    review_id: str
    workflow_id: str
    run_id: str
    account_id: str
    name: Text
    phase: str
    status: str
    outcome: Text
    joined: bool


class Refused(Shown):
    """Why no review of that account was begun."""

    account_id: str
    error: str


class StartedMany(Shown):
    """A row for each account."""

    items: list[Started | Refused]
    next_cursor: None


class RunRow(Shown):
    """A review as lists show it."""

    review_id: str
    workflow_id: str
    run_id: str
    account_id: str
    account_name: Text
    owner_id: Text
    owner_name: Text
    name: Text
    kind: str
    phase: str
    status: str
    outcome: Text
    risk_level: Text
    waiting_on: list[str]
    due_at: datetime | None
    needs_attention: bool
    started_at: datetime
    updated_at: datetime


class Runs(Shown):
    """A page of reviews, the newest first."""

    items: list[RunRow]
    next_cursor: Text = Field(description="Give it as `cursor` for the next page; null: no more.")


class Change(Shown):
    """One exact write that is proposed."""

    change_id: str
    action: str
    record: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
    hash: str
    state: str


class Item(Change):
    """A change as people are asked for it."""

    item_id: str
    decided_by: Text
    decided_at: datetime | None
    reason: Text


class Decision(Shown):
    """What somebody decided."""

    by: str
    decision: str
    at: datetime
    reason: Text
    verified: bool


class Request(Shown):
    """What people are asked."""

    request_id: str
    review_id: str
    account_id: str
    state: str
    requested_at: datetime
    deadline: datetime
    required: dict[str, Any]
    approvers: list[str]
    items: list[Item]
    decisions: list[Decision]
    notifications: list[dict[str, Any]]


class RequestRow(Request):
    """The same with the names that people know it by."""

    short_id: Text
    run_id: str
    owner_id: Text
    account_name: Text
    owner_name: Text


class Requests(Shown):
    """A page of requests, the soonest deadline first."""

    items: list[RequestRow]
    next_cursor: Text = Field(description="Give it as `cursor` for the next page; null: no more.")


class OneRequest(RequestRow):
    """One request; `undoes` says which write it takes back."""

    undoes: dict[str, str] | None


class Pending(Shown):
    """How many requests wait for a decision."""

    pending: int = Field(ge=0)


class Review(Shown):
    """All of one review."""

    review_id: str
    workflow_id: str
    run_id: str
    account_id: str
    owner_id: Text
    tenant: str
    kind: str
    name: Text
    purpose: str
    agent: str
    metadata: dict[str, Any]
    phase: str
    status: str
    outcome: Text
    degraded: bool
    risk: dict[str, Any]
    health: dict[str, Any]
    findings: list[dict[str, Any]]
    recommendations: list[dict[str, Any]]
    changes: list[Change]
    approvals: list[Request]
    history: list[dict[str, Any]]
    counters: dict[str, Any]
    version: int
    resume_ready: bool
    error_count: int
    needs_attention: bool
    summary: str
    started_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    duration_seconds: float
    source: str = Field(description="workflow, projection or archive: who says so.")


class Line(Shown):
    """One line of a review's story."""

    at: datetime
    kind: str
    text: str
    by: Text


class History(Shown):
    """The whole story, the oldest first."""

    items: list[Line]
    next_cursor: None


class Commanded(Shown):
    """What became of it."""

    review_id: str
    run_id: str
    account_id: str
    phase: str
    status: str
    outcome: Text
    queued: bool = Field(description="Sent, and nobody can say yet what becomes of it.")
    message: str


class ItemState(Shown):
    """What became of one item."""

    item_id: str
    state: str
    applied: bool
    message: Text


class Decided(Shown):
    """What became of a decision."""

    decision_id: str
    request_id: str
    review_id: str
    state: str
    queued: bool
    items: list[ItemState]


class Unanswered(Shown):
    """Sent, and no worker answered: repeat it with this `decision_id`, which is safe."""

    decision_id: str
    state: Literal["unknown"]


class Health(Shown):
    """How much of its work the product does, and five figures of its reviews."""

    level: str = Field(description="full, degraded, minimal or offline.")
    ok: bool
    total_sessions: int | None
    active_sessions: int | None
    oldest_session_age: float | None = Field(description="Seconds.")
    newest_session_age: float | None = Field(description="Seconds.")
    avg_session_age: float | None = Field(description="Seconds.")


class Event(Shown):
    """What changed: look again."""

    kind: str
    run_id: str
    state: str
    version: int
    at: datetime
