"""One cycle: whole portfolios in one go. Its input, its state, and what travels between steps."""

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from account_reviews.domain.analysis.model import RiskLevel
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.records import AccountStatus, SnapshotRef
from account_reviews.domain.review.state import Execution


class CycleStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


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
    scope: CycleScope = Field(default_factory=CycleScope)
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
    execution: Execution = Field(default_factory=Execution)
    history_limit: int = 4000
    """Continue as new after this many events."""
    resumed: "CycleState | None" = None


class InFlight(Model):
    """A review of this cycle that works."""

    account_id: str
    run_id: str | None = None
    joined: bool = False
    since: Timestamp


class AccountMark(Model):
    """What became of one account."""

    account_id: str
    state: AccountState
    joined: bool = False
    review_run_id: str | None = None
    reason: str | None = None


class CycleState(BaseModel):
    """All of a cycle but its list of accounts, which stands in `cycle_accounts`."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    cycle_id: str
    run_id: str
    """Of the run that began it: kept over continue-as-new and reset, new for a later attempt."""
    workflow_run_id: str
    kind: str
    tenant: str
    schedule_id: str | None = None
    started_by: str = "unknown"
    as_of: Timestamp
    scheduled_at: Timestamp | None = None
    late: bool = False
    missed: bool = False
    """Its workers were away for longer than the grace: it is cancelled, nothing was reviewed."""
    backfill: bool = False
    """Started for a time long past: everything else goes first."""
    status: CycleStatus = CycleStatus.RUNNING
    reason: str | None = None
    paused_by: str | None = None
    cancelled_by: str | None = None
    accounts: int = 0
    """Selected so far."""
    loaded: bool = False
    """Every page of the CRM was read."""
    listed: bool = False
    """Every account in scope is known."""
    cursor: str | None = None
    placed: int = 0
    """Accounts that were read and have a place in the order of starting."""
    next_position: int = 0
    """The first account that was not started."""
    done: int = 0
    waiting: int = 0
    failed: int = 0
    joined: int = 0
    in_flight: dict[str, InFlight] = {}
    """By account id."""
    marks: tuple[AccountMark, ...] = ()
    """What became of accounts and is not in the table yet."""
    missing_sources: tuple[str, ...] = ()
    owners: int = 0
    """Owners who get a brief."""
    started_at: Timestamp
    updated_at: Timestamp
    closed_at: Timestamp | None = None
    version: int = 0

    @property
    def running(self) -> int:
        return len(self.in_flight)

    @property
    def finished(self) -> int:
        """Reviews that work no more. One that waits for a person has done its work."""
        return self.done + self.waiting + self.failed

    def touch(self, now: Timestamp) -> None:
        self.version += 1
        self.updated_at = now

    def mark(self, account_id: str, state: AccountState, **more: object) -> None:
        """Note what became of an account, to be stored with the next save."""
        values = {"account_id": account_id, "state": state, **more}
        self.marks = (*self.marks, AccountMark.model_validate(values))


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


START_ORDER: Final = (
    RiskLevel.CRITICAL,
    RiskLevel.HIGH,
    RiskLevel.MEDIUM,
    RiskLevel.LOW,
    RiskLevel.NONE,
)
"""Unknown risk starts with medium, never above it."""


def start_rank(level: RiskLevel) -> int:
    """0 is started first. Accounts of one rank are started in the order of their ids."""
    return START_ORDER.index(RiskLevel.MEDIUM if level is RiskLevel.UNKNOWN else level)


class CycleView(Model):
    """What a cycle answers when it is asked how far it is."""

    cycle_id: str
    run_id: str
    kind: str
    status: CycleStatus
    reason: str | None
    accounts: int
    queued: int
    done: int
    running: int
    waiting: int
    failed: int
    joined: int
    loaded: bool
    paused_by: str | None
    eta_seconds: float | None
    """Until the last review works no more, at the pace so far; None before there is one."""
    started_at: Timestamp
    closed_at: Timestamp | None

    @property
    def finished(self) -> int:
        """Reviews that work no more."""
        return self.done + self.waiting + self.failed


class CycleResult(Model):
    """What a closed cycle answers to whoever waited for it."""

    cycle_id: str
    run_id: str
    kind: str
    status: CycleStatus
    reason: str | None
    accounts: int
    done: int
    waiting: int
    failed: int
    joined: int
    owners: int = 0
    degraded: bool = False


class OpenCycle(Model):
    """A cycle that has begun. `as_of` is None when nobody said which moment the rules look at."""

    state: CycleState
    as_of: Timestamp | None


class OpenedCycle(Model):
    as_of: Timestamp


class ListAccounts(Model):
    """One page of the CRM's list, kept in `cycle_accounts`."""

    run_id: str
    tenant: str
    scope: CycleScope
    as_of: Timestamp
    cursor: str | None = None


class ListedAccounts(Model):
    selected: int
    next_cursor: str | None = None


class ReadAccounts(Model):
    """Read the next accounts that were not read, most at risk by what is known first."""

    run_id: str
    tenant: str
    as_of: Timestamp
    bulk: bool
    blind: bool = False
    """The CRM is down: give places by what is known, and let each review look for itself."""


class ReadAccountsResult(Model):
    placed: int
    """Accounts with a place in the order of starting, by now."""
    left: int


class CycleRef(Model):
    run_id: str
    tenant: str


class NextAccounts(Model):
    run_id: str
    tenant: str
    position: int
    limit: int


class NextAccountsResult(Model):
    accounts: tuple[CycleAccount, ...]
    halted: bool = False
    """Nothing may be started now."""


class LookUp(Model):
    """Reviews that said nothing for long."""

    tenant: str
    reviews: tuple[InFlight, ...]


class Found(Model):
    account_id: str
    state: AccountState
    reason: str | None = None


class LookUpResult(Model):
    found: tuple[Found, ...]
