"""Days of owners, and their digests."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.base import Timestamp
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import AccountStatus
from account_reviews.domain.reports.digest import (
    Digest,
    DigestFacts,
    LastDigest,
    OpenRequest,
    OwnerReview,
    build_digest,
)
from account_reviews.domain.review.approvals import ApprovalRequest, Terms, open_request
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewInput, ReviewState, WrittenChange
from tests.support.build import AS_OF, POLICY, account, again, earlier, review, snapshot
from tests.support.review_states import task_change

DAY = date(2025, 6, 30)


HOUR = timedelta(hours=1)


CALM = again(snapshot())


CHANGED = review(
    snapshot(account=account(status=AccountStatus.AT_RISK)), earlier(snapshot(), days=7)
)


def of_account(account_id: str, analysis: Analysis = CALM, **fields: Any) -> OwnerReview:
    values: dict[str, Any] = {
        "review_id": f"review/{account_id}",
        "account_id": account_id,
        "account_name": f"Account {account_id}",
        "analysed_at": AS_OF - HOUR,
        "analysis": analysis,
        **fields,
    }
    return OwnerReview(**values)


def request(account_id: str, deadline: Timestamp) -> OpenRequest:
    opened = open_request(
        f"req-{account_id}",
        f"review/{account_id}",
        (task_change(account_id),),
        Terms(),
        AS_OF - 10 * HOUR,
        approvers=("anna",),
        started_by=None,
        deadline=deadline,
    )
    return OpenRequest(account_name=f"Account {account_id}", request=opened)


def closed_review(account_id: str, *, verified: bool | None = True) -> ReviewState:
    start = ReviewInput(account_id=account_id, as_of=AS_OF)
    state = opening_state(
        start, review_id=f"review/{account_id}", run_id=account_id, workflow_run_id="w", now=AS_OF
    )
    asked: ApprovalRequest = request(account_id, AS_OF + HOUR).request
    (item,) = asked.items
    done = asked.mark(item.item_id, ItemState.EXECUTED)
    state.requests = (
        done.model_copy(
            update={"items": (done.items[0].model_copy(update={"decided_by": "anna"}),)}
        ),
    )
    state.written[item.item_id] = WrittenChange(
        change_id=item.item_id,
        state=ItemState.EXECUTED,
        record=item.change.record,
        verified=verified,
        at=AS_OF,
    )
    return state.model_copy(update={"outcome": Outcome.COMPLETED, "closed_at": AS_OF - HOUR})


def digest_of(
    reviews: Iterable[OwnerReview] = (), last: LastDigest | None = None, **fields: Any
) -> Digest:
    values: dict[str, Any] = {
        "owner_id": "anna",
        "owner_name": "Anna Lee",
        "day": DAY,
        "moment": AS_OF,
        "last": last,
        "reviews": tuple(reviews),
        "requests": (),
        "closed": (),
        **fields,
    }
    return build_digest(DigestFacts(**values), POLICY)
