"""Start reviews: `python starter.py ACCOUNT [ACCOUNT ...] | --owner O | --all | --file F [--wait]`.

The same code as `reviews start`.
"""

import shlex
import sys
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.common import Priority, WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from account_reviews.domain.errors import ReviewAlreadyRunningError
from account_reviews.domain.known_names import Known
from account_reviews.domain.records import Account
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.state import NEWEST_LOGIC, ReviewInput, ReviewResult, ReviewState
from account_reviews.temporal import names, start_options


async def start_review(
    client: Client, start: ReviewInput, account: Account, *, task_queue: str | None = None
) -> tuple[WorkflowHandle[Any, ReviewResult], ReviewState]:
    """Start one review, on the queue of its tenant, and give its handle and first state.

    ReviewAlreadyRunningError when the account is under review, or the write that is to be taken
    back is being taken back; BadInputError for an account whose id is too long for the server.
    """
    undo = start.undo
    review_id = (
        names.new_review_id(account.id, start.tenant)
        if undo is None
        else names.undo_id(undo.run_id, undo.change_id)
    )
    now = datetime.now(UTC)
    try:
        handle = await client.start_workflow(
            names.REVIEW_WORKFLOW,
            start.model_copy(update={"logic": NEWEST_LOGIC}),
            result_type=ReviewResult,
            id=review_id,
            task_queue=task_queue or names.task_queue(start.tenant),
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            task_timeout=start_options.TASK_TIMEOUT,
            priority=Priority(priority_key=1, fairness_key=account.owner_id),
            memo=start_options.memo(start),
            static_summary=start_options.summary(account.name, undo),
            static_details=start_options.details(start),
            search_attributes=start_options.attributes_of_review(start, account.owner_id),
        )
    except WorkflowAlreadyStartedError:
        raise ReviewAlreadyRunningError(
            f"{Known(account.id, account.name).said} is under review already",
            hint=f"use --if-running join, or look with `reviews show {shlex.quote(account.id)}`",
        ) from None
    run_id = handle.first_execution_run_id or ""
    state = opening_state(
        start, review_id=review_id, run_id=run_id, workflow_run_id=run_id, now=now
    )
    return handle, state


if __name__ == "__main__":
    from account_reviews.cli import main

    main(["start", *sys.argv[1:]])
