"""Reviews that do not get on: which step, why, since when; and having it tried again now.

Temporal is asked, not the tables: it knows of each pending attempt, also while a database is away.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetActivityRequest
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.audit.capture.client_interceptor import Request
from account_reviews.bootstrap import Parts
from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import ConflictError, NothingToRetryError, ReviewNotFoundError
from account_reviews.domain.review.pending import PendingStep, StuckReview
from account_reviews.domain.review.usage import in_words
from account_reviews.services.access import require
from account_reviews.services.pending_steps import CALL_SECONDS, steps_of
from account_reviews.services.reviews import find_review, named_review_id
from account_reviews.temporal import names, search_attributes
from account_reviews.temporal.executions import OPEN, describe, first_run_of, is_open, quoted

MOST_LOOKED_AT: Final = 2000
"""Open reviews that are asked for, those first that are likely to be stuck."""
MOST_SECONDS: Final = 20.0
_AT_ONCE: Final = 16
_LIKELY: Final = "(NeedsAttention = true or ReviewStatus != 'waiting' or ReviewStatus is null)"


@dataclass
class StuckReport:
    """The reviews that were found, and how many open ones were not looked at."""

    found: list[StuckReview]
    looked_at: int = 0
    left_out: int = 0


async def find_stuck(client: Client, tenant: str, *, limit: int) -> StuckReport:
    """Open reviews of the tenant that do not get on, at most `limit`. RPCError."""
    deadline, report = monotonic() + MOST_SECONDS, StuckReport([])
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(workflow_id: str, run_id: str) -> None:
        async with gate:
            if len(report.found) >= limit or monotonic() >= deadline:
                report.left_out += 1
                return
            stuck = await _look_at(client, workflow_id, run_id)
            report.looked_at += 1
            if stuck is not None:
                report.found.append(stuck)

    listed = await _open_reviews(client, tenant)
    await asyncio.gather(*(one(*each) for each in listed))
    report.found.sort(key=_order)
    report.left_out += max(0, len(report.found) - limit)
    report.found = report.found[:limit]
    return report


async def _open_reviews(client: Client, tenant: str) -> list[tuple[str, str]]:
    """Workflow and run ids; those first that wait for nobody, or need attention."""
    ours = f"WorkflowType = '{names.REVIEW_WORKFLOW}' and Tenant = {quoted(tenant)} and {OPEN}"
    found: dict[str, str] = {}
    for wanted in (f"{ours} and {_LIKELY}", ours):
        async for one in client.list_workflows(wanted, limit=MOST_LOOKED_AT):
            found.setdefault(one.run_id, one.id)
    first = list(found.items())[:MOST_LOOKED_AT]
    return [(workflow_id, run_id) for run_id, workflow_id in first]


async def _look_at(client: Client, workflow_id: str, run_id: str) -> StuckReview | None:
    found = await asyncio.wait_for(describe(client, workflow_id, run_id), CALL_SECONDS)
    if found is None or not is_open(found):
        return None
    steps = await steps_of(client, found)
    return _stuck(found, steps) if steps else None


def _stuck(found: WorkflowExecutionDescription, steps: list[PendingStep]) -> StuckReview:
    return StuckReview(found.id, first_run_of(found), _account_of(found), tuple(steps))


def _account_of(found: WorkflowExecutionDescription) -> str:
    """In the id of a review; one that takes a write back only shows it."""
    shown = found.typed_search_attributes.get(search_attributes.ACCOUNT_ID)
    return names.account_of(found.id) or shown or "unknown"


async def retry(
    parts: Parts,
    client: Client,
    review: str,
    *,
    run_id: str | None,
    reason: str | None,
    by: str | None = None,
) -> StuckReview:
    """Have each failing step of a review run now instead of at its next time; gives those steps.

    The attempts of an activity are counted from 1 again. ReviewNotFoundError; NothingToRetryError
    when it is closed or nothing of it fails, ConflictError when only a new worker would help;
    NotAllowedError when `by` may not.
    """
    review_id = await named_review_id(parts, review)
    if by is not None and parts.settings.policy_file is not None:
        about = (await find_review(parts, review_id, run_id)).state
        await require(parts, Verb.RETRY, by, about)
    found = await asyncio.wait_for(describe(client, review_id), CALL_SECONDS)
    if found is None or (run_id is not None and first_run_of(found) != run_id):
        which = f"run {run_id} of {review_id}" if run_id else review_id
        raise ReviewNotFoundError(
            f"Temporal knows no open review {which}", hint="see `reviews list --open`"
        )
    if not is_open(found):
        raise NothingToRetryError(
            f"the review {review_id} is closed: there is nothing to try again",
            hint=f"see `reviews show {review_id}`",
        )
    steps = await steps_of(client, found)
    wanted = [one for one in steps if one.retryable]
    if not wanted:
        raise _nothing_to_retry(review_id, steps)
    for one in wanted:
        await _reset(parts, client, found, one, reason)
    return StuckReview(review_id, first_run_of(found), _account_of(found), tuple(wanted))


def _nothing_to_retry(review_id: str, steps: list[PendingStep]) -> ConflictError:
    if not steps:
        return NothingToRetryError(
            f"no step of the review {review_id} fails", hint=f"see `reviews show {review_id}`"
        )
    own = steps[0]
    if own.attempt > 1:
        hint = "Temporal tries it by itself; start a worker whose code can run it"
    elif "paused" in own.error:
        hint = f"unpause it: temporal workflow unpause -w {review_id}"
    else:
        hint = "start a worker"
    return ConflictError(f"{in_words(own.step)} cannot be retried: {own.error}", hint=hint)


async def _reset(
    parts: Parts,
    client: Client,
    found: WorkflowExecutionDescription,
    step: PendingStep,
    reason: str | None,
) -> None:
    """Temporal's reset of an activity. One that has ended meanwhile needs none."""
    asking = parts.audit.asking
    request = Request(
        actor=asking.actor,
        action=f"retry {step.activity}",
        resource=found.id,
        workflow_id=found.id,
        run_id=found.run_id,
        more={
            "activity_id": step.activity_id,
            "attempt": step.attempt,
            **({"reason": reason} if reason else {}),
        },
    )
    call = client.workflow_service.reset_activity(
        ResetActivityRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=found.id, run_id=found.run_id),
            identity=client.identity,
            id=step.activity_id or "",
        )
    )
    try:
        await asking.recorded(request, asyncio.wait_for(call, CALL_SECONDS))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def _order(one: StuckReview) -> tuple[datetime, str]:
    """What is stuck longest comes first; what nobody knows the begin of comes last."""
    known = [step.since for step in one.steps if step.since is not None]
    return min(known, default=datetime.max.replace(tzinfo=UTC)), one.review_id
