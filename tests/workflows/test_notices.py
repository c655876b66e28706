"""Whom a review notifies, when, and that nobody waits for it."""

from datetime import timedelta

from temporalio import activity
from temporalio.testing import TimeSkipper

from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.deliveries import DeliverNotice, Delivery
from account_reviews.domain.review.notices import NoticeKind
from account_reviews.domain.review.phases import Outcome
from account_reviews.store.review_queries import ReviewReader
from account_reviews.store.statements import Statements
from tests.support.channels import Channels
from tests.support.world import World, create_task, decision, eventually
from workflows.account_review import AccountReviewWorkflow

WAITS = Terms(
    channels=("log", "mail"),
    timeout_seconds=72 * 3600,
    reminder_seconds=48 * 3600,
    escalate_seconds=24 * 3600,
)


async def test_a_request_is_told_once_by_each_channel(world: World) -> None:
    world.analysis.terms = WAITS
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
        state = await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: len(state.requests[0].notifications) == 2,
        )
        assert not state.notices
        await handle.execute_update("decide", decision(request))
        await handle.result()
    told = [(one.channel, one.recipient, one.notice.kind) for one in world.channels.delivered]
    assert sorted(told) == [
        ("log", "owner-1", NoticeKind.REQUEST),
        ("mail", "owner-1", NoticeKind.REQUEST),
    ]


async def test_nobody_is_told_before_the_row_stands(world: World, database_url: str) -> None:
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
    world.channels = Looking()
    async with world.worker():
        handle = await world.start()
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: bool(state.requests) and len(state.requests[0].notifications) == 2,
        )
    await statements.close()
    assert seen == [True, True]


async def test_reminders_and_the_end_are_told_once_over_days(world: World) -> None:
    skipper = TimeSkipper(world.client)
    world.analysis.terms = WAITS
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        handle = await world.start(skipper.client)
        result = await handle.result()
    assert result.outcome is Outcome.EXPIRED
    assert result.duration_seconds < timedelta(hours=72, minutes=5).total_seconds()
    kinds = [one.notice.kind for one in world.channels.delivered if one.channel == "log"]
    assert kinds == [NoticeKind.REQUEST, NoticeKind.REMINDER, NoticeKind.EXPIRED]


async def test_a_dead_channel_holds_up_nothing(world: World) -> None:
    world.analysis.terms = WAITS
    world.analysis.changes = (create_task(world.account),)
    world.channels.dead.add("mail")
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: len(world.channels.delivered) == 1,
        )
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert [one.channel for one in world.channels.delivered] == ["log"]


async def test_a_notice_goes_over_a_continue_as_new(world: World) -> None:
    world.analysis.terms = WAITS
    world.analysis.changes = (create_task(world.account),)
    world.channels.refusing.add("mail")
    async with world.worker():
        handle = await world.start(history_limit=30)
        request = await world.request(handle)
        newest = world.client.get_workflow_handle(handle.id)
        for number in range(12):
            await newest.execute_update("annotate", {"by": "x", "metadata": {"n": number}})
        world.channels.refusing.clear()
        assert (await newest.describe()).run_id != handle.first_execution_run_id
        await eventually(
            lambda: newest.query(AccountReviewWorkflow.snapshot),
            lambda state: len(state.requests[0].notifications) == 2,
        )
        await newest.execute_update("decide", decision(request))
        await newest.result()
    assert sorted(one.channel for one in world.channels.delivered) == ["log", "mail"]
