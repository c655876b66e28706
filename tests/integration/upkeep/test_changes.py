"""Polling finds what no webhook has told, each version once; channels are renewed."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.crm.protocol import (
    AccountFilter,
    AccountPage,
    Capabilities,
    ChangedPage,
    Channel,
)
from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.store.event_intake import EventIntake
from account_reviews.store.poll_cursors import PollCursors
from account_reviews.upkeep.changes import EventTools, poll, renew
from account_reviews.upkeep.event_work import EventWork
from tests.support.events import come_in, event, pass_by, prepare, stored
from tests.support.world import World, make_world

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
URL = "https://reviews.example/webhooks/zoho"


class Incremental:
    """A CRM that says which of its accounts changed, as it does."""

    def __init__(self, crm: InMemoryCrm) -> None:
        self.crm = crm
        self.asked: list[datetime | None] = []

    async def capabilities(self) -> Capabilities:
        return Capabilities(name="incremental", incremental=True)

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        self.asked.append(where.changed_since)
        return await self.crm.list_accounts(AccountFilter(), cursor=cursor, limit=limit)


class Listing(Incremental):
    """One that names the records, in pages of one."""

    records: tuple[RecordRef, ...] = ()

    async def changed_records(self, *, since: Timestamp, cursor: str | None = None) -> ChangedPage:
        self.asked.append(since)
        at = int(cursor or 0)
        following = str(at + 1) if at + 1 < len(self.records) else None
        return ChangedPage(items=self.records[at : at + 1], next_cursor=following)


@pytest.fixture
def world(parts: Parts, own_client: Client) -> World:
    world = make_world(own_client, parts.engine)
    prepare(parts, world.crm)
    return world


@pytest.fixture
def tools(parts: Parts) -> EventTools:
    return EventTools(
        parts.intake, PollCursors(parts.transactions, parts.settings.tenant), URL, "t"
    )


async def test_the_first_look_only_notes_the_time(
    parts: Parts, world: World, tools: EventTools
) -> None:
    crm = Incremental(world.crm)
    assert (await poll(crm, tools, NOW)).since is None  # type: ignore[arg-type]
    assert crm.asked == []
    done = await poll(crm, tools, NOW + HOUR)  # type: ignore[arg-type]
    assert crm.asked == [NOW - timedelta(minutes=2)]
    assert (done.found, done.taken) == (1, 1)


async def test_an_account_is_taken_once_per_version(
    parts: Parts, world: World, tools: EventTools
) -> None:
    crm = Incremental(world.crm)
    await poll(crm, tools, NOW)  # type: ignore[arg-type]
    world.crm.edit(RecordType.ACCOUNT, world.account.id, modified_at=NOW + HOUR)
    for later, taken in ((1, 1), (1, 0)):
        assert (await poll(crm, tools, NOW + later * HOUR)).taken == taken  # type: ignore[arg-type]
    world.crm.edit(RecordType.ACCOUNT, world.account.id, modified_at=NOW + 2 * HOUR)
    assert (await poll(crm, tools, NOW + 2 * HOUR)).taken == 1  # type: ignore[arg-type]
    assert (await poll(crm, tools, NOW + 3 * HOUR)).taken == 0  # type: ignore[arg-type]
    # Nothing but a record of it has changed: what that was is not known, so it is looked at.
    assert (await poll(crm, tools, NOW + 4 * HOUR)).taken == 1  # type: ignore[arg-type]


async def test_what_a_webhook_has_told_is_not_taken_again(
    parts: Parts, own_client: Client, world: World, tools: EventTools
) -> None:
    crm = Listing(world.crm)
    await poll(crm, tools, NOW)  # type: ignore[arg-type]
    await come_in(parts, event(world.account.id))
    await pass_by(EventWork(parts, own_client), parts)
    told = RecordRef(type=RecordType.ACCOUNT, id=world.account.id, version=world.account.version)
    crm.records = (told, RecordRef(type=RecordType.DEAL, id="d-1", version="3"))
    done = await poll(crm, tools, NOW + HOUR)  # type: ignore[arg-type]
    assert (done.found, done.taken) == (2, 1)
    assert [row["source"] for row in await stored(parts)] == ["crm", "poll"]


async def test_a_full_queue_is_gone_on_with_next_time(
    parts: Parts, world: World, tools: EventTools
) -> None:
    crm = Listing(world.crm)
    intake = EventIntake(parts.transactions, parts.settings.tenant, most=1, kept=HOUR)
    small = EventTools(intake, tools.cursors)
    await poll(crm, small, NOW)  # type: ignore[arg-type]
    await come_in(parts, event("a-1"))
    crm.records = (RecordRef(type=RecordType.DEAL, id="d-1", version="3"),)
    assert (await poll(crm, small, NOW + HOUR)).full  # type: ignore[arg-type]
    assert (await poll(crm, tools, NOW + 2 * HOUR)).taken == 1  # type: ignore[arg-type]
    assert crm.asked == [NOW - timedelta(minutes=2)] * 2


async def test_a_crm_that_cannot_say_what_changed_is_named(world: World, tools: EventTools) -> None:
    with pytest.raises(BadInputError, match="cannot say what has changed"):
        await poll(Blind(world.crm), tools, NOW)  # type: ignore[arg-type]


class Blind(Incremental):
    async def capabilities(self) -> Capabilities:
        return Capabilities(name="blind")


class Renewing(Incremental):
    """One whose channels end."""

    async def renew_channels(
        self, *, notify_url: str, token: str | None, before: Timestamp
    ) -> tuple[Channel, ...]:
        assert (notify_url, token, before) == (URL, "t", NOW + timedelta(days=2))
        return (Channel(name="1", expires_at=NOW + timedelta(days=7)),)


async def test_channels_are_renewed_where_there_are_any(world: World, tools: EventTools) -> None:
    renewed = await renew(Renewing(world.crm), tools, NOW)  # type: ignore[arg-type]
    assert renewed is not None
    assert [one.name for one in renewed] == ["1"]
    assert await renew(Incremental(world.crm), tools, NOW) is None  # type: ignore[arg-type]
    nowhere = EventTools(tools.intake, tools.cursors)
    assert await renew(Renewing(world.crm), nowhere, NOW) is None  # type: ignore[arg-type]
