"""Syncs of the memory: what the CRM holds of accounts becomes items, resumable at the batch."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from account_reviews.domain.base import Model, Timestamp

BATCH: Final = 100
"""Accounts of one activity."""
AT_ONCE: Final = 5
"""Accounts that are handed over side by side."""
TRIES: Final = 3
OVERLAP: Final = timedelta(minutes=2)
"""How much before the last success an incremental sync looks: clocks differ, times are rounded."""
STALE_AFTER: Final = timedelta(days=7)
"""A memory that was synced longer ago is flagged."""
SHOWN_ERRORS: Final = 100


class SyncType(StrEnum):
    FULL = "full"
    """All accounts."""
    INCREMENTAL = "incremental"
    """What changed since the last success; everything where there was none."""
    ON_DEMAND = "on_demand"
    """The accounts that are named."""


class SyncStatus(StrEnum):
    PENDING = "pending"
    """Started, and no worker has taken it up yet."""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in (SyncStatus.COMPLETED, SyncStatus.FAILED, SyncStatus.CANCELLED)


class SyncState(BaseModel):
    """What the workflow knows: where it is. Counters stand in our tables."""

    model_config = ConfigDict(extra="ignore")

    status: SyncStatus = SyncStatus.PENDING
    cursor: str | None = None
    listed: bool = False
    paused_by: str | None = None
    cancelled_by: str | None = None
    reason: str | None = None


class SyncInput(Model):
    """What a sync is started with."""

    type: SyncType
    tenant: str = "default"
    account_ids: tuple[str, ...] = ()
    started_by: str
    continues: str | None = None
    """The sync that goes on: one that failed or was cancelled."""
    history_limit: int = 4000
    """Events after which it continues as new."""
    resumed: SyncState | None = None


class SyncCommand(Model):
    """`pause`, `resume` and `cancel_sync`: who says it, and why."""

    by: str = Field(min_length=1, max_length=200)
    reason: str | None = Field(default=None, max_length=2000)


class OpenSync(Model):
    """The first step."""

    sync_id: str
    tenant: str
    type: SyncType
    account_ids: tuple[str, ...] = ()
    started_by: str
    started_at: Timestamp
    continues: str | None = None


class OpenedSync(Model):
    """What the sync does after all."""

    type: SyncType
    listed: bool
    """All its accounts are known."""


class SyncStep(Model):
    """One page of the list, or one batch."""

    sync_id: str
    tenant: str
    cursor: str | None = None
    catches_up: bool = False
    """After the accounts, hand over what is known here and a memory elsewhere lacks."""


class SyncedPage(Model):
    next_cursor: str | None = None


class SyncedBatch(Model):
    more: bool
    """Whether something was done: the next one may find more."""


class MarkSync(Model):
    """How it stands from now on."""

    sync_id: str
    tenant: str
    status: SyncStatus
    at: Timestamp
    reason: str | None = None


class SyncError(Model):
    account_id: str | None = None
    """None: why the whole sync failed."""
    message: str


class SyncView(Model):
    """One sync as people and programs see it. Without one only `last_success_at` is said."""

    sync_id: str | None = None
    type: SyncType | None = None
    status: SyncStatus | None = None
    total: int = 0
    done: int = 0
    skipped: int = 0
    """Unchanged since they were synced last."""
    failed: int = 0
    percent: float = 0.0
    """Of `total`; 100 for one that is completed."""
    cursor: str | None = None
    last_success_at: Timestamp | None = None
    """When the last full or incremental sync that completed had begun to read."""
    stale: bool = False
    errors: tuple[SyncError, ...] = ()
    """The first 100."""
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None


def is_stale(last_success_at: Timestamp | None, first_at: Timestamp | None, now: Timestamp) -> bool:
    """Whether the memory is older than it should be. Where nobody ever synced it has no age;
    `first_at` is when the first sync began."""
    since = last_success_at or first_at
    return since is not None and now - since > STALE_AFTER


def percent(view_total: int, over: int, status: SyncStatus) -> float:
    """How far it is, 0 to 100, with one decimal."""
    if status is SyncStatus.COMPLETED:
        return 100.0
    return round(100.0 * over / view_total, 1) if view_total else 0.0
