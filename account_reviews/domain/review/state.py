"""One review: its input, its whole state, its result, and the steps' inputs and results."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from account_reviews.domain.analysis.model import Finding, HealthBand, RiskLevel
from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.records import RecordRef, SnapshotRef
from account_reviews.domain.review.approvals import ApprovalRequest, Terms
from account_reviews.domain.review.bounds import cut
from account_reviews.domain.review.commands import Close
from account_reviews.domain.review.messages import (
    CancelReview,
    Refresh,
    SubmitDecision,
    TimelineEntry,
)
from account_reviews.domain.review.notices import Notice
from account_reviews.domain.review.phases import (
    FINAL,
    Outcome,
    Phase,
    PhaseChange,
    Status,
    check_move,
)

NEWEST_LOGIC = 4
"""What starters set as `ReviewInput.logic`: each number is an order of commands.

1 is the first; 2 saves and reports before it remembers, and looks unknown outcomes up; 3 takes
commands, waits by one timer for all that is due, and writes on a queue of its own; 4 waits for a
CRM that names a time, takes it to be away after one burst of tries, and says how it was read.
"""
RECOVERY = "recovery"
"""How a review that was reset is shown; nobody starts one as such."""
TIMELINE_LIMIT = 200
"""Lines kept in the state; the event history holds all."""


class ReviewKind(StrEnum):
    SCHEDULED = "scheduled"
    ON_DEMAND = "on_demand"
    MANUAL = "manual"
    EVENT = "event"
    UNDO = "undo"


class Execution(Model):
    """Which steps run as local activities. Fixed at start: replay must not depend on settings.

    Local is right for work of ours that ends within 200 ms: rules, and reads that our own
    PostgreSQL answers. Everything over a network is a regular activity.
    """

    crm_reads: Literal["local", "regular"] = "regular"
    memory: Literal["local", "regular"] = "regular"
    own: Literal["local", "regular"] = "local"
    """Rules and our own tables."""
    heartbeats: bool = True


class ReviewInput(Model):
    """What starts a review. `resumed` carries everything over a continue-as-new."""

    account_id: str
    tenant: str = "default"
    kind: ReviewKind = ReviewKind.ON_DEMAND
    name: str | None = None
    purpose: str = "general"
    agent: str = "unknown"
    metadata: dict[str, Scalar] = Field(default_factory=dict)
    started_by: str = "unknown"
    as_of: Timestamp | None = None
    """The clock of the rules; None is now."""
    plan_only: bool = False
    give_up_after_seconds: float = 600
    """How long a CRM that is down is waited for when there is no older snapshot."""
    memory_patience_seconds: float = 10
    """How long the memory is waited for before the review goes on without history."""
    execution: Execution = Field(default_factory=Execution)
    history_limit: int | None = None
    """Continue as new after this many events; None leaves it to the server's advice."""
    cycle_id: str | None = None
    """The workflow id of the cycle that started it and wants to hear of it."""
    snapshot: SnapshotRef | None = None
    """What the cycle has read of the account already: the CRM is not read again while it is young
    enough."""
    clock_given: bool = True
    """False: `as_of` is only where a cycle without a clock began, and a later reading may be by a
    later one."""
    logic: int = 1
    """Which order of commands the workflow follows; a review keeps the one it began with."""
    interactive: bool = False
    """Stays in `investigating` until it is closed or nobody touched it for `idle_seconds`."""
    idle_seconds: float | None = 3600
    """None: it is never abandoned for being idle."""
    reservation_id: str | None = None
    """Its place among the open interactive reviews of the tenant."""
    undo: "UndoOf | None" = None
    """Of a review of kind `undo`: the write that is to be taken back."""
    resumed: "ReviewState | None" = None


class UndoOf(Model):
    """One executed write of another review, and why it is to be taken back."""

    review_id: str
    run_id: str
    change_id: str
    title: str = ""
    """Of the write, as people know it."""
    reason: str | None = None


class Paused(Model):
    by: str
    reason: str | None = None
    at: Timestamp


class Turn(Model):
    """One question and its answer."""

    number: int
    by: str
    question: str
    asked_at: Timestamp
    answer: str | None = None
    """None while it is worked on."""
    answered_at: Timestamp | None = None
    findings: int = 0
    """How many findings it added."""


class Failing(Model):
    """A step whose attempts fail, as its worker says."""

    activity_id: str
    type: str
    attempt: int
    error: str
    since: Timestamp


class Usage(Model):
    """What one activity did, carried in its result, so that sums survive any crash."""

    calls: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    tokens: int = 0
    errors: int = 0
    milliseconds: float = 0.0


class WrittenChange(Model):
    """What became of one approved write."""

    change_id: str
    state: ItemState
    record: RecordRef
    replaced_version: str | None = None
    written: dict[str, Scalar] = Field(default_factory=dict)
    reason: str | None = None
    verified: bool | None = None
    """True when reading back showed what was approved."""
    at: Timestamp


class Counters(Model):
    """What the review did so far."""

    crm_reads: int = 0
    crm_writes: int = 0
    memory_reads: int = 0
    decisions: int = 0
    refusals: int = 0
    malformed: int = 0
    commands: int = 0
    turns: int = 0
    usage: Usage = Field(default_factory=Usage)
    """Of all steps together."""
    steps: dict[str, Usage] = Field(default_factory=dict)
    """By step: gather, recall, analyse, write, read_back, answer ..."""


class MemoryDocument(Model):
    hash: str
    items: int
    usage: Usage | None = None
    """Of a result that is under way; the state keeps it in its counters."""


class AnalysisResult(Model):
    """A stored analysis and what the workflow needs of it."""

    hash: str
    risk_level: RiskLevel
    risk_score: int | None
    health_score: int | None
    health_band: HealthBand
    needs_review: bool
    requires_attention: bool
    changes_detected: bool
    changes: tuple[ProposedChange, ...]
    approvers: tuple[str, ...]
    terms: Terms
    policy_hash: str
    summary: str
    usage: Usage | None = None
    """Of a result that is under way; the state keeps it in its counters."""


class ReviewState(BaseModel):
    """All of a review, in one model: what queries answer and what continue-as-new carries."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    review_id: str
    run_id: str
    workflow_run_id: str
    account_id: str
    tenant: str
    kind: str
    name: str
    purpose: str
    agent: str
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    started_by: str
    as_of: Timestamp
    started_at: Timestamp
    updated_at: Timestamp
    closed_at: Timestamp | None = None
    phase: Phase = Phase.INITIALIZING
    status: Status = Status.RUNNING
    outcome: Outcome | None = None
    reason: str | None = None
    summary: str = ""
    history: tuple[PhaseChange, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    timeline_dropped: int = 0
    missing_sources: tuple[str, ...] = ()
    snapshot: SnapshotRef | None = None
    memory: MemoryDocument | None = None
    analysis: AnalysisResult | None = None
    requests: tuple[ApprovalRequest, ...] = ()
    written: dict[str, WrittenChange] = Field(default_factory=dict)
    rounds: dict[str, int] = Field(default_factory=dict)
    """Conflicts met so far, per change."""
    cancel: CancelReview | None = None
    early: tuple[SubmitDecision, ...] = ()
    """Decisions that came before their request, kept until it is open."""
    cycle_id: str | None = None
    """The cycle that hears of this review."""
    reported: Status | None = None
    """What that cycle was notified of last."""
    refresh: Refresh | None = None
    """Somebody wants the account to be read again; done while the review waits."""
    counters: Counters = Field(default_factory=Counters)
    version: int = 0
    error_count: int = 0
    last_error: str | None = None
    plan_only: bool = False
    logic: int = 1
    """That of its input: what a message does may differ by it, as the order of commands does."""
    interactive: bool = False
    idle_seconds: float | None = 3600
    touched_at: Timestamp | None = None
    """When somebody last said anything; only of an interactive review."""
    paused: Paused | None = None
    closing: Close | None = None
    """Somebody closes it; the first one counts."""
    context: dict[str, JsonValue] = Field(default_factory=dict)
    conversation: tuple[Turn, ...] = ()
    plan: tuple[JsonValue, ...] = ()
    step: str | None = None
    findings: tuple[Finding, ...] = ()
    """Added by turns of the conversation, beside those of the analysis."""
    failing: tuple[Failing, ...] = ()
    notices: tuple[Notice, ...] = ()
    """What people are to be notified of, until it is delivered."""
    nonces: tuple[str, ...] = ()
    """Of signed decisions that were used."""
    reservation_id: str | None = None
    undo: UndoOf | None = None
    was_reset: bool = False
    """`temporal workflow reset` began this run: an earlier one may have written what this one
    knows nothing of."""

    def follows(self, logic: int) -> bool:
        """Whether this review was begun with that order of commands, or a later one."""
        return self.logic >= logic

    @property
    def shown_kind(self) -> str:
        """What people see it as: one that was reset is a recovery, unless it takes a write back."""
        return RECOVERY if self.was_reset and self.undo is None else self.kind

    @property
    def degraded(self) -> bool:
        return bool(self.missing_sources)

    @property
    def needs_attention(self) -> bool:
        found = self.analysis is not None and self.analysis.needs_review
        broken = self.status is Status.FAILED or self.error_count > 0 or bool(self.failing)
        return found or broken

    @property
    def commits_baseline(self) -> bool:
        """A review with a result is what the next one compares with; a broken one is not, nor one
        that only took a write back."""
        fresh = self.snapshot is not None and self.snapshot.stale_seconds is None
        whole = fresh and not self.plan_only and self.undo is None
        return whole and self.outcome not in (
            None, Outcome.FAILED, Outcome.CANCELLED, Outcome.ABANDONED,
        )  # fmt: skip

    @property
    def pending(self) -> tuple[ApprovalRequest, ...]:
        return tuple(request for request in self.requests if request.is_pending)

    @property
    def changes(self) -> tuple[tuple[ProposedChange, ItemState], ...]:
        """Each proposed change once, in its newest form and state."""
        if self.analysis is None:
            return ()
        newest = {
            change.change_id: (change, ItemState.PROPOSED) for change in self.analysis.changes
        }
        for request in self.requests:
            for item in request.items:
                newest[item.item_id] = (item.change, item.state)
        return tuple(newest.values())

    def told(self, change: ProposedChange) -> ProposedChange:
        """A change as people read it: with what was written, once it is."""
        found = self.written.get(change.change_id)
        return change.as_written(found.written) if found is not None else change

    def move(self, phase: Phase, now: Timestamp, *, status: Status | None = None) -> None:
        """Go to another phase. IllegalPhaseError for a step that is not allowed."""
        if phase is not self.phase:
            check_move(self.phase, phase)
            change = PhaseChange(from_phase=self.phase, to_phase=phase, at=now)
            self.history = (*self.history, change)
            self.phase = phase
        if not phase.is_final:
            self.status = Status.PAUSED if self.paused is not None else status or Status.RUNNING
        self.touch(now)

    def close(self, outcome: Outcome, now: Timestamp, reason: str | None = None) -> None:
        """End the review: final phase, status and times."""
        phase, status = FINAL[outcome]
        self.move(phase, now)
        self.status, self.outcome, self.closed_at = status, outcome, now
        self.reason = reason

    def touch(self, now: Timestamp) -> None:
        self.version += 1
        self.updated_at = now

    def record(self, now: Timestamp, kind: str, text: str, by: str | None = None) -> None:
        """Add a line to the timeline; the oldest ones make room."""
        lines = (*self.timeline, TimelineEntry(at=now, kind=kind, text=cut(text), by=by))
        extra = max(0, len(lines) - TIMELINE_LIMIT)
        self.timeline, self.timeline_dropped = lines[extra:], self.timeline_dropped + extra
        self.touch(now)

    def count(self, **more: int) -> None:
        values = {name: getattr(self.counters, name) + value for name, value in more.items()}
        self.counters = self.counters.model_copy(update=values)

    def replace_request(self, request: ApprovalRequest) -> None:
        self.requests = tuple(
            request if known.request_id == request.request_id else known for known in self.requests
        )

    def request(self, request_id: str) -> ApprovalRequest | None:
        return next((known for known in self.requests if known.request_id == request_id), None)


class ReviewResult(Model):
    """What a closed review answers to whoever waited for it."""

    review_id: str
    run_id: str
    account_id: str
    phase: Phase
    status: Status
    outcome: Outcome
    summary: str
    changes: dict[str, ItemState]
    counters: Counters
    policy_hash: str | None
    analysis_hash: str | None
    started_at: Timestamp
    finalized_at: Timestamp
    duration_seconds: float
