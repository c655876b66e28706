"""One cycle: whole portfolios in one go. Its input, its state, and what travels between steps."""

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.findings import RiskLevel
from account_reviews.domain.records import AccountStatus
from account_reviews.domain.review import Execution, SnapshotRef


class CycleStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"
    """Its workers were away for longer than the grace; nothing was reviewed."""


class AccountState(StrEnum):
    """Where one account of a cycle stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """Its review waits for a person and goes on alone."""
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not started, because the cycle was cancelled or stopped."""


class CycleScope(Model):
    """Which accounts a cycle takes; all conditions must hold."""

    account_ids: tuple[str, ...] | None = None
    owner: str | None = None
    """Owner id or exact owner name."""
    segment: str | None = None
    statuses: tuple[AccountStatus, ...] = ()
    """Empty: every status."""
    changed_within_seconds: float | None = None
    """None: also what did not change."""


class CycleInput(Model):
    """What starts a cycle. `resumed` carries everything over a continue-as-new."""

    kind: str = "on_demand"
    """`daily`, `weekly`, `on_demand`, or a name of the policy's `cycle.kinds`."""
    tenant: str = "default"
    scope: CycleScope = CycleScope()
    name: str | None = None
    started_by: str = "unknown"
    as_of: Timestamp | None = None
    """The clock of the rules; None is now, or the moment of the last CRM import."""
    window: int = 10
    """Reviews that work at once; those that wait do not count."""
    bulk_reads: bool = True
    priority_key: int = 1
    """1 on demand, 3 scheduled, 5 backfill."""
    max_failed_share: float = 0.3
    min_finished: int = 10
    silent_after_seconds: float = 900
    """A review that says nothing for this long is looked up."""
    give_up_after_seconds: float = 3600
    """How long a CRM that is down is waited for."""
    schedule_id: str | None = None
    grace_seconds: float = 300
    execution: Execution = Execution()
    history_limit: int = 4000
    """Continue as new after this many events."""
    resumed: "CycleState | None" = None


class InFlight(Model):
    """A review of this cycle that works."""

    position: int
    account_id: str
    review_id: str
    run_id: str | None = None
    joined: bool = False
    since: Timestamp


class CycleState(BaseModel):
    """All of a cycle but its list of accounts, which stands in `cycle_accounts`."""

    model_config = ConfigDict(extra="ignore")

    cycle_id: str
    run_id: str
    """First execution run id."""
    workflow_run_id: str
    kind: str
    tenant: str
    schedule_id: str | None = None
    started_by: str = "unknown"
    as_of: Timestamp
    scheduled_at: Timestamp | None = None
    late: bool = False
    status: CycleStatus = CycleStatus.RUNNING
    reason: str | None = None
    paused_by: str | None = None
    cancelled_by: str | None = None
    accounts: int = 0
    """Selected so far."""
    loaded: bool = False
    """Every page of the CRM was read."""
    cursor: str | None = None
    next_position: int = 0
    """The first account that was not started."""
    done: int = 0
    waiting: int = 0
    failed: int = 0
    joined: int = 0
    in_flight: dict[str, InFlight] = {}
    """By account id."""
    missing_sources: tuple[str, ...] = ()
    started_at: Timestamp
    updated_at: Timestamp
    closed_at: Timestamp | None = None
    version: int = 0

    @property
    def running(self) -> int:
        return len(self.in_flight)


class CycleAccount(Model):
    """One row of `cycle_accounts`."""

    position: int
    account_id: str
    account_name: str
    owner_id: str | None = None
    risk_level: RiskLevel = RiskLevel.UNKNOWN
    risk_score: int | None = None
    snapshot: SnapshotRef | None = None
    state: AccountState = AccountState.QUEUED
    joined: bool = False
    review_run_id: str | None = None
    reason: str | None = None


START_ORDER: Final = (RiskLevel.CRITICAL, RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW)
"""Unknown risk starts with medium, never above it."""


def start_rank(level: RiskLevel) -> int:
    """0 is started first. Accounts of one rank are started in the order of their ids."""
    return START_ORDER.index(RiskLevel.MEDIUM if level is RiskLevel.UNKNOWN else level)


CycleInput.model_rebuild()
