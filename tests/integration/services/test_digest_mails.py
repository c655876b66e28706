"""The digests of a morning go out once per owner and channel, whoever else's fail."""

from datetime import date, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.errors import (
    ChannelUnavailableError,
    NoticeRefusedError,
    UnreachableError,
)
from account_reviews.domain.policy.model import Policy, parse_policy
from account_reviews.domain.records import Owner
from account_reviews.domain.reports.digest import Digest
from account_reviews.notifications.address_book import AddressBook
from account_reviews.notifications.courier import Courier, Posting
from account_reviews.notifications.in_memory import InMemoryNotifier
from account_reviews.notifications.messages import Wording
from account_reviews.notifications.protocol import Message
from account_reviews.services.digest_mails import Posted, send_all
from account_reviews.store.digest_queries import DigestReader
from account_reviews.store.digest_writes import DigestStore
from account_reviews.store.notification_deliveries import DeliveryLedger
from tests.support.channels import words_of
from tests.support.connections import statements_on
from tests.support.review_states import NOW

DAY = date(2026, 10, 1)
OWNERS = [
    Owner(id="ow-1", version="1", name="Ann Smith", email="ann@example.com"),
    Owner(id="ow-2", version="1", name="Bob Jones", email="bob@example.com"),
    Owner(id="ow-3", version="1", name="Nobody Knows"),
]
BOTH = '[notifications]\nchannels = ["email", "webhook"]\n'


class PickyNotifier(InMemoryNotifier):
    """Fails for some of the recipients, as long as they are in `broken`."""

    def __init__(self, channel: str) -> None:
        super().__init__(channel)
        self.broken: set[str] = set()

    async def send(self, message: Message) -> None:
        if message.recipient in self.broken:
            raise ChannelUnavailableError("nobody answers")
        if self.channel == "email" and message.address is None:
            raise NoticeRefusedError("nobody knows an e-mail address")
        await super().send(message)


class Morning:
    """Three owners with a digest each."""

    def __init__(self, engine: AsyncEngine, tenant: str) -> None:
        self.engine, self.tenant = engine, tenant
        self.email, self.webhook = PickyNotifier("email"), PickyNotifier("webhook")
        self.channels = {"email": self.email, "webhook": self.webhook}

    async def make(self, day: date = DAY, *, nothing_new: bool = False) -> None:
        for owner in OWNERS:
            digest = Digest(
                owner_id=owner.id,
                owner_name=owner.name,
                day=day,
                since=NOW - timedelta(days=1),
                nothing_new=nothing_new,
                summary="1 account changed; 0 requests to decide; 0 reviews closed.",
                first_accounts=(),
                changed=(),
                waiting=(),
                decided=(),
                seen=(),
            )
            await DigestStore(self.engine).put(self.tenant, digest, NOW)

    async def send(self, policy: str = BOTH, day: date = DAY) -> Posted:
        read: Policy = parse_policy(policy)
        posting = Posting(
            Courier(DeliveryLedger(self.engine), self.channels),
            AddressBook(read, InMemoryCrm(owners=OWNERS)),
            Wording(words=words_of, personal_data=read.notifications.personal_data),
        )
        return await send_all(
            DigestReader(statements_on(self.engine)),
            posting,
            read.notifications,
            [owner.id for owner in OWNERS],
            tenant=self.tenant,
            day=day,
            now=NOW,
        )

    @property
    def mailed(self) -> list[str]:
        return sorted(str(one.address) for one in self.email.sent)


@pytest.fixture
async def morning(engine: AsyncEngine, request: pytest.FixtureRequest) -> Morning:
    found = Morning(engine, request.node.name)
    await found.make()
    return found


async def test_each_owner_gets_one_however_often_the_job_runs(morning: Morning) -> None:
    first = await morning.send()
    again = await morning.send()
    assert morning.mailed == ["ann@example.com", "bob@example.com"]
    assert sorted(one.recipient for one in morning.webhook.sent) == ["ow-1", "ow-2", "ow-3"]
    assert (first.sent, again.sent) == (5, 5)
    assert first.describe() == ("; sent 5; not sent: ow-3 by email: nobody knows an e-mail address")


async def test_one_that_fails_keeps_no_other_and_goes_out_later(morning: Morning) -> None:
    morning.email.broken = {"ow-1"}
    with pytest.raises(UnreachableError) as caught:
        await morning.send()
    assert caught.value.message == ("digests not sent yet: ow-1 by email: nobody answers; sent 4")
    assert morning.mailed == ["bob@example.com"]
    assert len(morning.webhook.sent) == 3
    morning.email.broken = set()
    await morning.send()
    assert morning.mailed == ["ann@example.com", "bob@example.com"]
    assert len(morning.webhook.sent) == 3


async def test_a_channel_that_is_dead_keeps_no_other(morning: Morning) -> None:
    morning.email.refusal = ChannelUnavailableError("the mail server is away")
    with pytest.raises(UnreachableError, match="the mail server is away"):
        await morning.send()
    assert len(morning.webhook.sent) == 3


async def test_every_morning_is_another_one(morning: Morning) -> None:
    await morning.send()
    tomorrow = DAY + timedelta(days=1)
    await morning.make(tomorrow)
    await morning.send(day=tomorrow)
    assert len(morning.webhook.sent) == 6
    assert len({one.key for one in morning.webhook.sent}) == 6


@pytest.mark.parametrize(("digest", "count"), [("always", 3), ("news", 0), ("off", 0)])
async def test_mornings_without_news(engine: AsyncEngine, digest: str, count: int) -> None:
    morning = Morning(engine, f"quiet-{digest}")
    await morning.make(nothing_new=True)
    await morning.send(f'{BOTH}digest = "{digest}"\n')
    assert len(morning.webhook.sent) == count


async def test_without_channels_nothing_is_sent(morning: Morning) -> None:
    posted = await morning.send("")
    assert (posted.sent, posted.describe()) == (0, "")
    assert morning.webhook.sent == []


@pytest.mark.parametrize("personal", [False, True])
async def test_mails_have_a_page_and_other_channels_have_none(
    engine: AsyncEngine, personal: bool
) -> None:
    morning = Morning(engine, f"pages-{personal}")
    await morning.make()
    await morning.send(f"{BOTH}personal_data = {str(personal).lower()}\n")
    page = morning.email.sent[0].html or ""
    assert page.startswith("<!doctype html>")
    assert "Look at these first" in page if personal else "All of it:" in page
    assert ("Look at these first" in morning.email.sent[0].text) is personal
    assert [one.html for one in morning.webhook.sent] == [None] * 3
