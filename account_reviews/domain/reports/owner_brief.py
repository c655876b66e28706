"""The brief of one owner: what a cycle found in all of his or her accounts.

Accounts come one by one, in any order; equal facts give equal briefs.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Final

from account_reviews.domain.analysis.model import (
    Analysis,
    Confidence,
    DetectedChange,
    HealthBand,
    PreviousRisk,
    Recommendation,
    Reference,
    RiskLevel,
    Severity,
)
from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.counting import counted
from account_reviews.domain.cycle.state import AccountState, start_rank
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import AccountSnapshot, RecordRef
from account_reviews.domain.reports.brief import count_metrics, review_minutes
from account_reviews.domain.reports.figures import NO_FIGURES, Figures, figures_of
from account_reviews.domain.review.phases import Outcome, Status

UNASSIGNED: Final = "unassigned"
"""The owner id of the brief that holds the accounts nobody owns."""

LISTED: Final = 500
"""Updates and recommendations one brief lists, the most pressing ones; totals count all."""


class BriefStatus(StrEnum):
    GENERATED = "generated"
    DELIVERED = "delivered"
    REVIEWED = "reviewed"
    ARCHIVED = "archived"


class ReviewFacts(Model):
    """What a cycle's results need of one review."""

    run_id: str
    review_id: str
    status: Status
    outcome: Outcome | None = None
    reason: str | None = None
    due_at: Timestamp | None = None
    missing_sources: tuple[str, ...] = ()


class ReviewedAccount(Model):
    """The facts of one account of a cycle."""

    account_id: str
    account_name: str
    owner_id: str
    """`unassigned` when it has none."""
    state: AccountState
    joined: bool = False
    reason: str | None = None
    risk_level: RiskLevel = RiskLevel.UNKNOWN
    """As it was read, before its review."""
    risk_score: int | None = None
    review: ReviewFacts | None = None
    analysis: Analysis | None = None
    snapshot: AccountSnapshot | None = None

    @property
    def level(self) -> RiskLevel:
        """By its review, else as it was read."""
        return self.analysis.risk.level if self.analysis else self.risk_level

    @property
    def score(self) -> int | None:
        return self.analysis.risk.score if self.analysis else self.risk_score

    @property
    def failed(self) -> bool:
        failed = self.review is not None and self.review.outcome is Outcome.FAILED
        return failed or self.state is AccountState.FAILED


class CycleFacts(Model):
    """What all briefs of a cycle have in common."""

    cycle_id: str
    run_id: str
    tenant: str
    kind: str
    schedule_id: str | None = None
    as_of: Timestamp
    started_at: Timestamp
    period_start: Timestamp | None = None
    """The clock of the cycle before, or the begin of the window of changes."""
    generated_at: Timestamp
    missing_sources: tuple[str, ...] = ()


class AccountLine(Model):
    """One account of a brief in one line."""

    account_id: str
    account_name: str
    state: AccountState
    risk_level: RiskLevel
    risk_score: int | None
    previous_risk: PreviousRisk | None
    """Of the account's last review."""
    health_band: HealthBand
    health_score: int | None
    changed: bool | None
    """None: it was not reviewed."""
    first_review: bool
    requires_attention: bool
    high_priority: bool
    due_at: Timestamp | None
    """Until when a decision is waited for."""


class UpdateChange(Model):
    """One changed value."""

    type: str
    record: RecordRef
    field: str
    old: Scalar
    new: Scalar
    at: Timestamp | None


class Update(Model):
    """What changed in one account since its last review. `risk` is 0 to 100, None unknown."""

    account_id: str
    account_name: str
    owner_id: str
    owner_name: str | None
    changes: tuple[UpdateChange, ...]
    risk: int | None
    risk_level: RiskLevel
    requires_attention: bool
    detected_at: Timestamp


class PriorityAccount(Model):
    account_id: str
    account_name: str
    risk: int
    risk_level: RiskLevel


class FailedAccount(Model):
    account_id: str
    account_name: str
    reason: str


class StaleAccount(Model):
    """Reviewed on CRM data of that age, in seconds."""

    account_id: str
    account_name: str
    stale_seconds: int


class OwnerRecommendation(Model):
    """A recommendation and the account it is for."""

    id: str
    account_id: str
    account_name: str
    type: str
    rule: str
    title: str
    rationale: str
    priority: Severity
    urgency: float
    confidence: Confidence
    references: tuple[Reference, ...]
    generated_at: Timestamp
    expires_at: Timestamp
    estimated_effort_minutes: int
    change_ids: tuple[str, ...]


class OwnerBrief(Model):
    """One owner, one cycle. Times in UTC, estimated time in minutes."""

    owner_id: str
    owner_name: str | None
    owner_email: str | None
    cycle_id: str
    kind: str
    period_start: Timestamp | None
    period_end: Timestamp
    generated_at: Timestamp
    accounts_total: int
    """Reviewed, and not reviewed."""
    accounts_reviewed: int
    accounts_with_changes: int
    high_priority_accounts: tuple[PriorityAccount, ...]
    updates: tuple[Update, ...]
    recommendations: tuple[OwnerRecommendation, ...]
    """Most urgent first."""
    total_recommendations: int
    critical_recommendations: int
    """Of priority critical or high."""
    estimated_review_time_minutes: int
    degraded: bool
    missing_sources: tuple[str, ...]
    stale_accounts: tuple[StaleAccount, ...]
    failed_accounts: tuple[FailedAccount, ...]
    stalled_deals: int
    overdue_follow_ups: int
    no_updates: bool
    summary: str
    status: BriefStatus = BriefStatus.GENERATED
    accounts: tuple[AccountLine, ...]
    """Every account once, those most at risk first."""
    figures: Figures

    @property
    def accounts_with_news(self) -> int:
        """Those that differ from their last review: a first review is no news."""
        return _with_news(self.accounts)

    @property
    def first_reviews(self) -> int:
        return sum(line.first_review for line in self.accounts)


class BriefBuilder:
    """Takes the accounts of one owner, page by page, and gives the brief."""

    def __init__(self, cycle: CycleFacts, owner_id: str, policy: Policy) -> None:
        self._cycle = cycle
        self._owner_id = owner_id
        self._policy = policy
        self._names: set[str] = set()
        self._emails: set[str] = set()
        self._figures = NO_FIGURES
        self._lines: list[AccountLine] = []
        self._updates: list[Update] = []
        self._recommendations: list[OwnerRecommendation] = []
        self._failed: list[FailedAccount] = []
        self._stale: list[StaleAccount] = []
        self._missing = set(cycle.missing_sources)
        self._total = self._critical = self._minutes = self._changed = 0
        self._stalled = self._overdue = 0

    def add(self, accounts: Iterable[ReviewedAccount]) -> "BriefBuilder":
        """Count in accounts of this owner, each at most once."""
        for account in accounts:
            self._add(account)
        self._updates = heapq.nsmallest(LISTED, self._updates, key=_pressing)
        self._recommendations = heapq.nsmallest(LISTED, self._recommendations, key=_urgent)
        return self

    def finish(self, known_name: str | None = None) -> OwnerBrief:
        """The brief. `known_name` is used when no account has the owner's name."""
        cycle, name = self._cycle, min(self._names, default=known_name)
        reviewed = sum(line.changed is not None for line in self._lines)
        lines = sorted(self._lines, key=_by_risk)
        return OwnerBrief(
            owner_id=self._owner_id,
            owner_name=name,
            owner_email=min(self._emails, default=None),
            cycle_id=cycle.cycle_id,
            kind=cycle.kind,
            period_start=cycle.period_start,
            period_end=cycle.as_of,
            generated_at=cycle.generated_at,
            accounts_total=len(lines),
            accounts_reviewed=reviewed,
            accounts_with_changes=self._changed,
            high_priority_accounts=_high_priority(lines),
            updates=tuple(one.model_copy(update={"owner_name": name}) for one in self._updates),
            recommendations=tuple(self._recommendations),
            total_recommendations=self._total,
            critical_recommendations=self._critical,
            estimated_review_time_minutes=self._minutes,
            degraded=bool(self._missing),
            missing_sources=tuple(sorted(self._missing)),
            stale_accounts=tuple(sorted(self._stale, key=lambda one: one.account_id)),
            failed_accounts=tuple(sorted(self._failed, key=lambda one: one.account_id)),
            stalled_deals=self._stalled,
            overdue_follow_ups=self._overdue,
            no_updates=self._changed == 0,
            summary=self._summary(reviewed, lines),
            accounts=tuple(lines),
            figures=self._figures,
        )

    def _add(self, account: ReviewedAccount) -> None:
        analysis = account.analysis
        band = analysis.health.band if analysis else HealthBand.UNKNOWN
        self._figures += figures_of(account.level, band, account.snapshot, self._policy)
        self._lines.append(self._line(account))
        self._meet_owner(account)
        if account.review is not None:
            self._missing.update(account.review.missing_sources)
        if account.failed:
            self._failed.append(_failed(account))
        if analysis is not None:
            self._add_analysis(account, analysis)

    def _add_analysis(self, account: ReviewedAccount, analysis: Analysis) -> None:
        self._missing.update(analysis.missing_sources)
        if analysis.stale_seconds is not None:
            self._stale.append(
                StaleAccount(
                    account_id=account.account_id,
                    account_name=account.account_name,
                    stale_seconds=analysis.stale_seconds,
                )
            )
        if analysis.changes_detected:
            self._changed += 1
            self._updates.append(_update(account, analysis))
        counted = count_metrics(analysis)
        self._stalled += counted.stalled_deals
        self._overdue += counted.overdue_follow_ups
        self._minutes += review_minutes(analysis, self._policy)
        current = [one for one in analysis.recommendations if self._stands(one)]
        self._total += len(current)
        self._critical += sum(is_critical(one.priority) for one in current)
        self._recommendations += [_recommendation(account, one) for one in current]

    def _stands(self, recommendation: Recommendation) -> bool:
        """A review that was open already may hold some that are no longer valid."""
        return recommendation.expires_at > self._cycle.as_of

    def _meet_owner(self, account: ReviewedAccount) -> None:
        owner = account.snapshot.owner if account.snapshot else None
        if owner is not None and owner.id == self._owner_id:
            self._names.add(owner.name)
            self._emails.update(filter(None, [owner.email]))
        elif account.analysis is not None and account.analysis.owner_id == self._owner_id:
            self._names.update(filter(None, [account.analysis.owner_name]))

    def _line(self, account: ReviewedAccount) -> AccountLine:
        analysis, score = account.analysis, account.score
        return AccountLine(
            account_id=account.account_id,
            account_name=account.account_name,
            state=account.state,
            risk_level=account.level,
            risk_score=score,
            previous_risk=analysis.risk.previous if analysis else None,
            health_band=analysis.health.band if analysis else HealthBand.UNKNOWN,
            health_score=analysis.health.score if analysis else None,
            changed=analysis.changes_detected if analysis else None,
            first_review=analysis is not None and analysis.baseline_at is None,
            requires_attention=analysis is not None and analysis.requires_attention,
            high_priority=score is not None and crosses("high_priority", score, self._policy),
            due_at=account.review.due_at if account.review else None,
        )

    def _summary(self, reviewed: int, lines: list[AccountLine]) -> str:
        grave = sum(line.high_priority for line in lines)
        pressing = f", {grave} of high priority" if grave else ""
        parts = [
            *_since_last(_with_news(lines), sum(line.first_review for line in lines)),
            f"{counted(reviewed, 'account')} reviewed{pressing}",
        ]
        if self._total:
            urgent = f", {self._critical} of them critical or high" if self._critical else ""
            parts.append(f"{counted(self._total, 'recommendation')}{urgent}")
        if self._failed:
            parts.append(f"{counted(len(self._failed), 'account')} could not be reviewed")
        return ". ".join(parts) + "."


def _with_news(lines: Iterable[AccountLine]) -> int:
    return sum(bool(line.changed) and not line.first_review for line in lines)


def _since_last(news: int, first: int) -> Iterator[str]:
    """What a cycle found since the last reviews; a first review is told apart from changes."""
    if news:
        yield f"{counted(news, 'account')} with changes since the last review"
    if first:
        yield f"For {counted(first, 'account')} it is the first review"
    if not news and not first:
        yield "No updates since the last review"


def is_critical(priority: Severity) -> bool:
    """What counts as critical in a brief."""
    return priority in (Severity.CRITICAL, Severity.HIGH)


def period_start(
    previous: Timestamp | None, as_of: Timestamp, within_seconds: float | None
) -> Timestamp | None:
    """Since when a cycle looks: the clock of the cycle before it, else its window of changes."""
    if previous is not None:
        return previous
    return None if within_seconds is None else as_of - timedelta(seconds=within_seconds)


def _high_priority(lines: list[AccountLine]) -> tuple[PriorityAccount, ...]:
    return tuple(
        PriorityAccount(
            account_id=line.account_id,
            account_name=line.account_name,
            risk=line.risk_score,
            risk_level=line.risk_level,
        )
        for line in lines
        if line.high_priority and line.risk_score is not None
    )


def _failed(account: ReviewedAccount) -> FailedAccount:
    reason = account.review.reason if account.review else None
    return FailedAccount(
        account_id=account.account_id,
        account_name=account.account_name,
        reason=account.reason or reason or "its review failed",
    )


def _update(account: ReviewedAccount, analysis: Analysis) -> Update:
    return Update(
        account_id=account.account_id,
        account_name=account.account_name,
        owner_id=account.owner_id,
        owner_name=None,
        changes=tuple(update_change(change) for change in analysis.changes),
        risk=analysis.risk.score,
        risk_level=analysis.risk.level,
        requires_attention=analysis.requires_attention,
        detected_at=analysis.as_of,
    )


def update_change(change: DetectedChange) -> UpdateChange:
    """A detected change as briefs show it."""
    return UpdateChange(
        type=change.type,
        record=change.record,
        field=change.field,
        old=change.before,
        new=change.after,
        at=change.at,
    )


def _recommendation(account: ReviewedAccount, one: Recommendation) -> OwnerRecommendation:
    shared = {name: getattr(one, name) for name in _SHARED}
    return OwnerRecommendation(
        account_id=account.account_id, account_name=account.account_name, **shared
    )


_SHARED = tuple(OwnerRecommendation.model_fields.keys() & Recommendation.model_fields.keys())


def _by_risk(line: AccountLine) -> tuple[int, int, str]:
    return (start_rank(line.risk_level), -(line.risk_score or 0), line.account_id)


def _pressing(update: Update) -> tuple[bool, int, int, str]:
    rank = start_rank(update.risk_level)
    return (not update.requires_attention, rank, -(update.risk or 0), update.account_id)


def _urgent(one: OwnerRecommendation) -> tuple[float, str, str]:
    return (-one.urgency, one.account_id, one.id)
