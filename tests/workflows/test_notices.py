"""Whom a review notifies, when, and that nobody waits for it."""

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.testing import TimeSkipper

from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.deliveries import DeliverNotice, Delivery
from account_reviews.domain.review.notices import NoticeKind
from account_reviews.domain.review.phases import Outcome
from account_reviews.store.review_queries import ReviewReader
from account_reviews.store.statements import Statements
from tests.support.world import World, create_task, decision, eventually
from worker import build_worker
from workflows.account_review import AccountReviewWorkflow

WAITS = Terms(
    channels=("log", "mail"),
    timeout_seconds=72 * 3600,
    reminder_seconds=48 * 3600,
    escalate_seconds=24 * 3600,
)


class Channels:
    """What was delivered; `dead` ones never answer."""

    def __init__(self) -> None:
        self.delivered: list[DeliverNotice] = []
        self.dead: set[str] = set()

    @activity.defn(name="notifications.deliver")
    async def deliver(self, call: DeliverNotice) -> Delivery:
        if call.channel in self.dead:
            await asyncio.Event().wait()
        self.delivered.append(call)
        return Delivery(
            recipient=call.recipient,
            channel=call.channel,
            kind=call.notice.kind,
            level=call.notice.level,
            at=call.notice.at,
            ok=True,
        )


@pytest.fixture
def channels() -> Channels:
    return Channels()


async def test_a_request_is_told_once_by_each_channel(world: World, channels: Channels) -> None:
    world.analysis.terms = WAITS
    world.analysis.changes = (create_task(world.account),)
    owners = [*world.owners(), channels]
    async with build_worker(world.client, owners, task_queue=world.task_queue):
        handle = await world.start()
        request = await world.request(handle)
        state = await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: len(state.requests[0].notifications) == 2,
        )
        assert not state.notices
        await handle.execute_update("decide", decision(request))
        await handle.result()
    told = [(one.channel, one.recipient, one.notice.kind) for one in channels.delivered]
    assert sorted(told) == [
        ("log", "owner-1", NoticeKind.REQUEST),
        ("mail", "owner-1", NoticeKind.REQUEST),
    ]


async def test_nobody_is_told_before_the_row_stands(
    world: World, channels: Channels, database_url: str
) -> None:
    seen: list[bool] = []
    statements = Statements(database_url, application_name="test")
    reader = ReviewReader(statements)

    class Looking(Channels):
        @activity.defn(name="notifications.deliver")
        async def deliver(self, call: DeliverNotice) -> Delivery:
            page = await reader.list_requests(tenant="default", limit=200)
            seen.append(call.notice.request_id in {one.request.request_id for one in page.items})
            return await super().deliver(call)

    world.analysis.terms = WAITS
    world.analysis.changes = (create_task(world.account),)
    owners = [*world.owners(), Looking()]
    async with build_worker(world.client, owners, task_queue=world.task_queue):
        handle = await world.start()
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: bool(state.requests) and len(state.requests[0].notifications) == 2,
        )
    await statements.close()
    assert seen == [True, True]


async def test_reminders_and_the_end_are_told_once_over_days(
    world: World, channels: Channels
) -> None:
    skipper = TimeSkipper(world.client)
    world.analysis.terms = WAITS
    world.analysis.changes = (create_task(world.account),)
    owners = [*world.owners(), channels]
    async with build_worker(world.client, owners, task_queue=world.task_queue):
        handle = await world.start(skipper.client)
        result = await handle.result()
    assert result.outcome is Outcome.EXPIRED
    assert result.duration_seconds < timedelta(hours=72, minutes=5).total_seconds()
    kinds = [one.notice.kind for one in channels.delivered if one.channel == "log"]
    assert kinds == [NoticeKind.REQUEST, NoticeKind.REMINDER, NoticeKind.EXPIRED]


async def test_a_dead_channel_holds_up_nothing(world: World, channels: Channels) -> None:
    world.analysis.terms = WAITS
    world.analysis.changes = (create_task(world.account),)
    channels.dead.add("mail")
    owners = [*world.owners(), channels]
    async with build_worker(world.client, owners, task_queue=world.task_queue):
        handle = await world.start()
        request = await world.request(handle)
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: len(channels.delivered) == 1,
        )
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert [one.channel for one in channels.delivered] == ["log"]


async def test_a_notice_goes_over_a_continue_as_new(world: World, channels: Channels) -> None:
    world.analysis.terms = WAITS
    world.analysis.changes = (create_task(world.account),)
    channels.dead.add("mail")
    owners = [*world.owners(), channels]
    async with build_worker(world.client, owners, task_queue=world.task_queue):
        handle = await world.start(history_limit=30)
        request = await world.request(handle)
        newest = world.client.get_workflow_handle(handle.id)
        for number in range(12):
            await newest.execute_update("annotate", {"by": "x", "metadata": {"n": number}})
        channels.dead.clear()
        assert (await newest.describe()).run_id != handle.first_execution_run_id
        await eventually(
            lambda: newest.query(AccountReviewWorkflow.snapshot),
            lambda state: len(state.requests[0].notifications) == 2,
        )
        await newest.execute_update("decide", decision(request))
        await newest.result()
    assert sorted(one.channel for one in channels.delivered) == ["log", "mail"]
