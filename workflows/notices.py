"""Notices leave a review: each recipient by each channel, side by side, none for another."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import product

from temporalio import workflow

from account_reviews.domain.review.bounds import cut
from account_reviews.domain.review.deliveries import DeliverNotice, Delivery
from account_reviews.domain.review.notices import Notice, NoticeKind
from activities.notifications import NotificationActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.steps import StepError, run_step

PATIENCE = timedelta(seconds=60)
"""How long a review that is closed waits for the last notice of its end."""


class Outgoing:
    """The notices of a review on their way.

    One is kept in the state until it was delivered or given up, so a run that continues as new
    takes it up again; the table of deliveries knows repeats.
    """

    def __init__(self, review: OpenReview) -> None:
        self._review = review
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def send(self) -> None:
        """Begin to deliver what is new. The row of its request stands by now."""
        for notice in self._review.state.notices:
            if notice.key not in self._under_way:
                self._under_way[notice.key] = asyncio.create_task(self._send(notice))

    async def finish(self) -> None:
        """The review is closed: that a request has expired is still told, for a while."""
        state = self._review.state
        state.notices = tuple(one for one in state.notices if one.kind is NoticeKind.EXPIRED)
        last = {one.key for one in state.notices}
        for key in [one for one in self._under_way if one not in last]:
            self._under_way.pop(key).cancel()
        self.send()
        if self._under_way:
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: not self._under_way, timeout=PATIENCE, timeout_summary="Last notices"
                )
        for task in self._under_way.values():
            task.cancel()

    async def _send(self, notice: Notice) -> None:
        await deliver(self._review, notice)
        state = self._review.state
        state.notices = tuple(one for one in state.notices if one.key != notice.key)
        self._under_way.pop(notice.key, None)
        if not self._under_way:  # while one is tried again, others that arrive do not mend it
            self._review.step_over("notify")
        state.touch(workflow.now())


async def deliver(review: OpenReview, notice: Notice) -> None:
    """Notify all recipients, and note on the request what came of it. Ends when the last one is
    told or given up, which may take a day; a failure of one is a line of the timeline.

    The request's row must stand before. Only a cancellation is raised.
    """
    await asyncio.gather(*(_deliver_one(review, call) for call in _calls(review, notice)))


def _calls(review: OpenReview, notice: Notice) -> Iterator[DeliverNotice]:
    state = review.state
    request = state.request(notice.request_id)
    if request is None:
        return
    told = {
        (one.channel, one.recipient)
        for one in request.notifications
        if (one.kind, one.level) == (notice.kind, notice.level)
    }
    for channel, recipient in product(request.terms.channels, notice.recipients):
        if (channel, recipient) not in told:
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
    delivery: Delivery | None
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
    if request is not None and delivery is not None:
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
