"""Parts of reviews that several tests build."""

from datetime import UTC, datetime
from uuid import uuid4

from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.proposals import Action, ProposedChange, change_id, proposal_hash
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.state import AnalysisResult, ReviewInput, ReviewState

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


def task_change(account_id: str, subject: str = "Call them") -> ProposedChange:
    """A task to create under the account."""
    record = RecordRef(type=RecordType.TASK)
    return ProposedChange(
        change_id=change_id(Action.CREATE_TASK, record, account_id, "rule", {"subject": subject}),
        action=Action.CREATE_TASK,
        account_id=account_id,
        record=record,
        after={"subject": subject},
        hash=proposal_hash(Action.CREATE_TASK, record, {}, {"subject": subject}),
        rule="rule",
        title=subject,
        rationale="Because the test says so, at some length.",
    )


def analysis_result(stored: str, changes: tuple[ProposedChange, ...]) -> AnalysisResult:
    """High risk, poor health, and these changes."""
    return AnalysisResult(
        hash=stored,
        risk_level=RiskLevel.HIGH,
        risk_score=60,
        health_score=40,
        health_band=HealthBand.AT_RISK,
        needs_review=True,
        requires_attention=True,
        changes_detected=True,
        changes=changes,
        approvers=("owner-1",),
        terms=Terms(),
        policy_hash="policy",
        summary="risk high",
    )


def fresh(
    account: str | None = None, *, at: datetime = NOW, tenant: str = "default"
) -> ReviewState:
    account = account or f"acc-{uuid4().hex[:8]}"
    run = uuid4().hex
    start = ReviewInput(account_id=account, tenant=tenant, started_by="ann", as_of=at)
    return opening_state(
        start, review_id=f"review/{account}", run_id=run, workflow_run_id=run, now=at
    )
