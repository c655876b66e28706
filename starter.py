"""Start reviews: `python starter.py ACCOUNT [ACCOUNT ...] | --owner O | --all | --file F [--wait]`.

The same code as `reviews start`.
"""

import sys
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowHandle
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from account_reviews.domain.errors import ReviewAlreadyRunningError
from account_reviews.domain.opening import opening_state
from account_reviews.domain.records import Account
from account_reviews.domain.review import ReviewInput, ReviewResult, ReviewState
from account_reviews.temporal import names
from workflows.account_review import AccountReviewWorkflow

TASK_TIMEOUT = timedelta(seconds=4)
"""How soon a workflow task that died with its worker is given to another one."""


async def start_review(
    client: Client, start: ReviewInput, account: Account, *, task_queue: str = names.TASK_QUEUE
) -> tuple[WorkflowHandle[AccountReviewWorkflow, ReviewResult], ReviewState]:
    """Start one review and give its handle and first state.

    ReviewAlreadyRunningError when the account is under review.
    """
    review_id = names.review_id(account.id, start.tenant)
    now = datetime.now(UTC)
    try:
        handle = await client.start_workflow(
            AccountReviewWorkflow.run,
            start,
            id=review_id,
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            task_timeout=TASK_TIMEOUT,
            priority=Priority(priority_key=1, fairness_key=account.owner_id),
            static_summary=f"Review of {account.name}",
            static_details=f"Account {account.id}, {start.kind}, started by {start.started_by}",
            search_attributes=_attributes(start, account),
        )
    except WorkflowAlreadyStartedError:
        raise ReviewAlreadyRunningError(
            f"account {account.id} is under review already: {review_id}",
            hint="use --if-running join, or look with `reviews show`",
        ) from None
    run_id = handle.first_execution_run_id or ""
    state = opening_state(
        start, review_id=review_id, run_id=run_id, workflow_run_id=run_id, now=now
    )
    return handle, state


def _attributes(start: ReviewInput, account: Account) -> TypedSearchAttributes:
    pairs = [
        SearchAttributePair(names.TENANT, start.tenant),
        SearchAttributePair(names.ACCOUNT_ID, account.id),
        SearchAttributePair(names.REVIEW_KIND, start.kind.value),
        SearchAttributePair(names.REVIEW_STATUS, "running"),
    ]
    if account.owner_id is not None:
        pairs.append(SearchAttributePair(names.OWNER_ID, account.owner_id))
    return TypedSearchAttributes(pairs)


if __name__ == "__main__":
    from account_reviews.cli import main

    main(["start", *sys.argv[1:]])
