"""Notices leave a review: each recipient by each channel, side by side, none for another."""

import asyncio
from collections.abc import Iterator

from temporalio import workflow

from account_reviews.domain.review.bounds import cut
from account_reviews.domain.review.deliveries import DeliverNotice, Delivery
from account_reviews.domain.review.notices import Notice
from activities.notifications import NotificationActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.steps import StepError, run_step


async def deliver(review: OpenReview, notice: Notice) -> None:
    """Notify all recipients, and note on the request what came of it. Ends when the last one is
    told or given up, which may take a day; a failure of one is a line of the timeline.

    The request's row must stand before. Only a cancellation is raised.
    """
    await asyncio.gather(*(_deliver_one(review, call) for call in _calls(review, notice)))


def _calls(review: OpenReview, notice: Notice) -> Iterator[DeliverNotice]:
    state = review.state
    request = state.request(notice.request_id)
    for channel in request.terms.channels if request is not None else ():
        for recipient in notice.recipients:
            yield DeliverNotice(
                tenant=state.tenant,
                run_id=state.run_id,
                review_id=state.review_id,
                account_id=state.account_id,
                notice=notice,
                channel=channel,
                recipient=recipient,
            )


async def _deliver_one(review: OpenReview, call: DeliverNotice) -> None:
    heartbeats = review.execution.heartbeats
    summary = f"Notify by {call.channel}: {call.notice.kind}"
    try:
        delivery = await run_step(
            NotificationActivities.deliver,
            call,
            policies.notice(summary, heartbeats=heartbeats),
            local=False,
        )
    except StepError as error:
        delivery = _failed(call, error.reason)
        review.record("notice_failed", f"{call.recipient} by {call.channel}: {error.reason}")
    request = review.state.request(call.notice.request_id)
    if request is not None:
        review.state.replace_request(request.with_delivery(delivery))


def _failed(call: DeliverNotice, reason: str) -> Delivery:
    return Delivery(
        recipient=call.recipient,
        channel=call.channel,
        kind=call.notice.kind,
        level=call.notice.level,
        at=workflow.now(),
        ok=False,
        error=cut(reason),
    )
