"""The activity that notifies one person by one channel."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.errors import (
    ChannelUnavailableError,
    NoticeRefusedError,
    UnreachableError,
)
from account_reviews.domain.policy.model import parse_policy
from account_reviews.domain.records import Owner
from account_reviews.domain.review import decisions
from account_reviews.domain.review.deliveries import DeliverNotice, Delivery
from account_reviews.domain.review.messages import SubmitDecision, Verdict
from account_reviews.domain.review.notices import Notice, NoticeKind
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.notifications.address_book import AddressBook
from account_reviews.notifications.courier import Courier, Posting
from account_reviews.notifications.in_memory import InMemoryNotifier
from account_reviews.notifications.messages import Wording
from account_reviews.store.notification_deliveries import DeliveryLedger
from account_reviews.store.review_queries import ReviewReader
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.statements import Statements
from account_reviews.temporal.worker_interceptor import to_application_error
from activities.notifications import NotificationActivities
from tests.support.channels import words_of
from tests.support.review_states import NOW, analysis_result, fresh, task_change

OLGA = Owner(id="owner-1", version="1", name="Olga Owner", email="olga@example.com")


@dataclass
class Office:
    """A stored review with an open request, and channels that remember."""

    engine: AsyncEngine
    statements: Statements
    state: ReviewState
    email: InMemoryNotifier
    webhook: InMemoryNotifier
    crm: InMemoryCrm
    policy: str = ""

    def call(
        self, channel: str = "email", recipient: str = "owner-1", **more: object
    ) -> DeliverNotice:
        (request,) = self.state.requests
        notice: dict[str, object] = {
            "kind": NoticeKind.REQUEST, "request_id": request.request_id, "at": NOW, **more,
        }  # fmt: skip
        return DeliverNotice(
            tenant=self.state.tenant,
            run_id=self.state.run_id,
            review_id=self.state.review_id,
            account_id=self.state.account_id,
            notice=Notice.model_validate(notice),
            channel=channel,
            recipient=recipient,
        )

    async def deliver(self, call: DeliverNotice) -> Delivery:
        delivery = await self.try_to(call)
        assert delivery is not None
        return delivery

    async def try_to(self, call: DeliverNotice) -> Delivery | None:
        policy = parse_policy(self.policy)
        activities = NotificationActivities(
            ReviewReader(self.statements),
            Posting(
                Courier(
                    DeliveryLedger(self.engine), {"email": self.email, "webhook": self.webhook}
                ),
                AddressBook(policy, self.crm),
                Wording(words=words_of, personal_data=policy.notifications.personal_data),
            ),
        )
        return await ActivityEnvironment().run(activities.deliver, call)

    async def save(self) -> None:
        await ReviewStore(self.engine).save(self.state)


@pytest.fixture
async def office(engine: AsyncEngine, database_url: str) -> AsyncIterator[Office]:
    state = fresh()
    change = task_change(state.account_id)
    stored = await ReviewStore(engine).put_document("analysis", {"recommendations": []})
    state.analysis = analysis_result(stored, (change,))
    state.move(Phase.INVESTIGATING, NOW)
    state.move(Phase.PLANNING, NOW)
    decisions.propose(state, (change,), uuid4().hex, NOW)
    state.move(Phase.APPROVAL, NOW)
    statements = Statements(database_url, application_name="tests")
    crm = InMemoryCrm(owners=[OLGA])
    found = Office(
        engine, statements, state, InMemoryNotifier("email"), InMemoryNotifier("webhook"), crm
    )
    await found.save()
    yield found
    await statements.close()


async def test_the_owner_gets_it_at_the_address_of_the_crm(office: Office) -> None:
    delivery = await office.deliver(office.call())
    (message,) = office.email.sent
    assert message.address == "olga@example.com"
    assert message.subject.startswith("Decide by ")
    assert f"approvals show {office.state.account_id}-1" in message.text
    assert office.state.requests[0].request_id in str(message.data["command"])
    assert (delivery.ok, delivery.recipient, delivery.name) == (True, "owner-1", "Olga Owner")
    assert delivery.channel == "email"


async def test_a_group_without_members_and_address_is_nobody_to_mail_to(office: Office) -> None:
    """No failure, no row; a receiver of webhooks may know what to do with its name."""
    assert await office.try_to(office.call(recipient="team_lead")) is None
    assert (await office.deliver(office.call("webhook", recipient="team_lead"))).ok
    async with office.engine.connect() as connection:
        query = text("select recipient, channel from reviews.notification_deliveries")
        rows = [tuple(row) for row in await connection.execute(query)]
    assert ("team_lead", "webhook") in rows
    assert ("team_lead", "email") not in rows
    office.policy = '[notifications.addresses]\nteam_lead = "leads@example.com"'
    assert (await office.deliver(office.call(recipient="team_lead"))).ok


async def test_a_repeat_is_answered_from_the_row(office: Office) -> None:
    """A lost answer, another worker, a run that was reset: all ask again."""
    first = await office.deliver(office.call())
    again = await office.deliver(office.call())
    spelled_otherwise = await office.deliver(office.call(recipient=" OWNER-1 "))
    assert first == again
    assert spelled_otherwise.at == first.at
    assert len(office.email.sent) == 1


async def test_each_kind_level_and_channel_is_a_notice_of_its_own(office: Office) -> None:
    calls = [
        office.call(),
        office.call("webhook"),
        office.call(kind=NoticeKind.REMINDER),
        office.call(kind=NoticeKind.ESCALATION, level=1),
        office.call(kind=NoticeKind.ESCALATION, level=2),
        office.call(recipient="boss"),
    ]
    office.policy = '[notifications.addresses]\nboss = "boss@example.com"'
    for call in (*calls, *calls):
        await office.deliver(call)
    assert len(office.email.sent) == 5
    assert len(office.webhook.sent) == 1
    assert len({one.key for one in (*office.email.sent, *office.webhook.sent)}) == 6


async def test_the_policy_knows_better_than_the_crm(office: Office) -> None:
    office.policy = (
        '[notifications]\ntime_zone = "Asia/Tokyo"\n'
        '[notifications.addresses]\n"olga owner" = "desk@example.com"\n'
    )
    await office.deliver(office.call())
    (message,) = office.email.sent
    assert message.address == "desk@example.com"
    assert "(Asia/Tokyo)" in message.subject


async def test_a_user_of_the_policy_is_looked_up_by_the_id_in_the_crm(office: Office) -> None:
    office.policy = (
        '[access.users]\n"Olga" = { roles = ["approver"], id = "owner-1" }\n'
        '[notifications.time_zones]\n"Olga" = "Europe/Berlin"\n'
    )
    delivery = await office.deliver(office.call(recipient="Olga"))
    (message,) = office.email.sent
    assert message.address == "olga@example.com"
    assert "(Europe/Berlin)" in message.subject
    assert delivery.name == "Olga Owner"


async def test_the_account_owners_zone_holds_for_whoever_has_none(office: Office) -> None:
    assert office.state.snapshot is None
    office.policy = '[notifications]\ntime_zone = "America/New_York"\n'
    await office.deliver(office.call("webhook", recipient="somebody"))
    assert "(America/New_York)" in office.webhook.sent[0].subject


async def test_nobody_is_asked_for_what_was_decided_meanwhile(office: Office) -> None:
    office.email.failures = [ChannelUnavailableError("not now")]
    with pytest.raises(ChannelUnavailableError):
        await office.deliver(office.call())
    (request,) = office.state.requests
    said = SubmitDecision(
        request_id=request.request_id, decision=Verdict.REJECT, approver="olga", reason="no"
    )
    decisions.decide(office.state, said, NOW)
    await office.save()
    delivery = await office.deliver(office.call())
    assert not delivery.ok
    assert delivery.error == "the request was rejected before it could be sent"
    assert office.email.sent == []


async def test_that_it_expired_is_told_although_it_is_closed(office: Office) -> None:
    (request,) = office.state.requests
    office.state.replace_request(request.expired(NOW))
    office.state.touch(NOW)
    await office.save()
    assert (await office.deliver(office.call(kind=NoticeKind.EXPIRED))).ok
    assert office.email.sent[0].subject.startswith("Expired without a decision")


async def test_while_the_crm_is_down_only_unknown_addresses_wait(office: Office) -> None:
    office.crm.available = False
    with pytest.raises(ChannelUnavailableError, match="while the CRM cannot be asked"):
        await office.deliver(office.call())
    assert (await office.deliver(office.call("webhook"))).ok
    office.policy = '[notifications.addresses]\nowner-1 = "desk@example.com"\n'
    assert (await office.deliver(office.call())).ok
    assert office.email.sent[0].address == "desk@example.com"


async def test_a_review_without_its_row_is_asked_for_again(office: Office) -> None:
    """Its row is written before; a database that was put back may lack it for a while."""
    missing = office.call().model_copy(update={"run_id": "gone"})
    with pytest.raises(UnreachableError):
        await office.deliver(missing)
    other = office.call(request_id="another")
    with pytest.raises(UnreachableError, match="not stored yet"):
        await office.deliver(other)


async def test_addresses_stand_neither_in_rows_nor_in_the_trail(office: Office) -> None:
    office.policy = '[notifications.addresses]\nowner-1 = "desk@example.com"\n'
    await office.deliver(office.call())
    for query in (
        "select to_jsonb(d)::text from reviews.notification_deliveries d",
        "select body::text from reviews.audit_outbox",
    ):
        async with office.engine.connect() as connection:
            rows = await connection.scalars(text(query))
            assert not [row for row in rows if "example.com" in row]


def test_what_is_tried_again_is_said_by_the_class() -> None:
    late = to_application_error(ChannelUnavailableError("later", retry_after=90))
    assert not late.non_retryable
    assert late.next_retry_delay is not None
    assert late.next_retry_delay.total_seconds() == 90
    assert to_application_error(NoticeRefusedError("no")).non_retryable
