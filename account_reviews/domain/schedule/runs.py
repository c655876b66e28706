"""Upkeep jobs and the rows of scheduled runs: what travels between workflow and activities."""

from enum import StrEnum

from pydantic import Field

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.review.state import Execution
from account_reviews.domain.schedule.lateness import Judgement

KEPT_RUNS = 1000
"""Rows kept per schedule; the oldest make room."""


class RunStatus(StrEnum):
    """How a scheduled run ended."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"


class UpkeepJob(StrEnum):
    """The jobs that a schedule can name."""

    RETENTION = "retention"
    RECONCILE = "reconcile"
    EXTEND_BIWEEKLY = "extend_biweekly"
    REMOVE_DONE = "remove_done"
    DIGEST = "digest"
    MEMORY = "memory"
    MEMORY_SYNC = "memory_sync"
    MEMORY_SYNC_FULL = "memory_sync_full"
    AUDIT_PARTITIONS = "audit_partitions"
    AUDIT_CLEANUP = "audit_cleanup"
    AUDIT_RECONCILE = "audit_reconcile"
    CRM_CHANGES = "crm_changes"
    CRM_CHANNELS = "crm_channels"


class UpkeepInput(Model):
    """What starts an upkeep job."""

    job: str
    tenant: str = "default"
    schedule_id: str | None = None
    """None: started by hand; no row is written."""
    grace_seconds: float = 300
    execution: Execution = Field(default_factory=Execution)


class JobReport(Model):
    """What a job did."""

    summary: str
    changed: int = 0


class UpkeepResult(Model):
    """The end of an upkeep workflow; a failed one ends Failed with the reason."""

    job: str
    status: RunStatus
    summary: str
    changed: int = 0


class RunJob(Model):
    job: str
    tenant: str


class OpenRun(Model):
    """The first row of a scheduled run, or its next attempt."""

    id: str
    """First execution run id."""
    schedule_id: str
    tenant: str
    workflow_id: str
    judgement: Judgement
    attempt: int = 1


class CloseRun(Model):
    """How it ended. Nothing happens when it has no row."""

    id: str
    status: RunStatus
    closed_at: Timestamp
    accounts_processed: int = 0
    error: str | None = None
    tenant: str | None = None
    """None: as releases asked that served all tenants alike."""


class ScheduleRun(Model):
    """One row of `schedule_runs`."""

    id: str
    schedule_id: str
    workflow_id: str
    trigger: str
    scheduled_at: Timestamp
    started_at: Timestamp
    lateness_seconds: float
    late: bool
    status: RunStatus
    accounts_processed: int
    duration_seconds: float | None
    error: str | None


class ScheduleRunPage(Model):
    items: tuple[ScheduleRun, ...]
    next_cursor: str | None = None
