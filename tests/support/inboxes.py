"""Requests that wait, as rows, without anybody who works on them."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.analysis.model import RiskLevel
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import SnapshotRef
from account_reviews.domain.review.decisions import propose
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.terms import Terms
from account_reviews.store.reviews import ReviewStore
from tests.support.review_states import analysis_result, fresh, task_change


def waiting(
    account: str,
    *,
    at: datetime,
    tenant: str,
    owner: str | None = "ow-1",
    name: str | None = None,
    risk: RiskLevel = RiskLevel.HIGH,
    approvers: tuple[str, ...] = ("ow-1",),
    changes: tuple[ProposedChange, ...] = (),
    terms: Terms | None = None,
    logic: int = 1,
) -> ReviewState:
    """A review of that account that asked at that time. Its request is `account-1`."""
    state = fresh(account, tenant=tenant, at=at)
    state.logic = logic
    state.snapshot = SnapshotRef(
        hash="5" * 64,
        account_name=name or f"The {account}",
        owner_id=owner,
        owner_name="Ann Lee" if owner == "ow-1" else None,
        fetched_at=at,
    )
    state.move(Phase.INVESTIGATING, at)
    found = changes or (task_change(account),)
    state.analysis = analysis_result("a" * 64, found).model_copy(
        update={"risk_level": risk, "approvers": approvers, "terms": terms or Terms()}
    )
    state.move(Phase.PLANNING, at)
    propose(state, found, f"request-{tenant}-{account}", at)
    state.move(Phase.APPROVAL, at)
    return state


async def put(engine: AsyncEngine, *states: ReviewState) -> None:
    """Store them."""
    store = ReviewStore(engine)
    for state in states:
        await store.save(state)


def hours(number: float) -> timedelta:
    """So many hours."""
    return timedelta(hours=number)
