"""What is kept for how long, and what never goes by its age. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from account_reviews.domain.base import Timestamp
from account_reviews.domain.policy.model import Policy


class Kept(StrEnum):
    """Why a review stays."""

    OPEN = "open"
    """It works or waits, however old it is."""
    YOUNG = "young"
    HELD = "held"
    """Its account is under a legal hold."""


class Row(NamedTuple):
    """What decides of one review."""

    run_id: str
    account_id: str
    closed_at: Timestamp | None


class Keeping(NamedTuple):
    """How long things are kept at one moment."""

    now: datetime
    closed: timedelta
    """Reviews, cycles and digests, after their end."""
    archives: timedelta
    """Archives, after the end of the review."""
    outcomes: timedelta
    """How proposals ended: later reviews judge by it."""
    held: frozenset[str] = frozenset()
    """Accounts under a legal hold."""

    @property
    def before(self) -> datetime:
        """Reviews that ended earlier are due."""
        return self.now - self.closed

    def why_kept(self, row: Row) -> Kept | None:
        """None for a review that is due: it is archived and its rows are removed."""
        if row.closed_at is None:
            return Kept.OPEN
        if row.closed_at >= self.before:
            return Kept.YOUNG
        return Kept.HELD if row.account_id in self.held else None

    def needs_outcome(self, account_id: str, at: Timestamp) -> bool:
        """True while a later review may go by how a proposal ended then."""
        return account_id in self.held or at >= self.now - self.outcomes

    def needs_archive(self, account_id: str, closed_at: Timestamp) -> bool:
        """True while the archive of a review is kept."""
        return account_id in self.held or closed_at >= self.now - self.archives


def keeping(policy: Policy, now: datetime, older_than: timedelta | None = None) -> Keeping:
    """By the policy; `older_than` is meant in place of `retention.closed`.

    Outcomes stay for as long as a rejection is quiet, whatever the policy says of their age.
    """
    kept = policy.retention
    quiet = timedelta(days=policy.recommendations.quiet_days)
    return Keeping(
        now=now,
        closed=kept.closed if older_than is None else older_than,
        archives=kept.archives,
        outcomes=max(kept.outcomes, quiet),
        held=frozenset(kept.legal_hold),
    )


def hold_sentence(account_id: str) -> str:
    """What is said of an account under a legal hold."""
    return f"account {account_id} is under a legal hold, so nothing of it is removed"
