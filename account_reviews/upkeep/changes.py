"""What a CRM tells of changes, kept going: it is asked for what was lost, and channels are renewed.

Each record is taken once per version: what a webhook has told already is known by it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from account_reviews.crm.protocol import (
    AccountFilter,
    Channel,
    CrmBackend,
    ListsChanges,
    RenewsChannels,
)
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.crm_events import (
    CrmEvent,
    Delivery,
    EventAction,
    EventSource,
    QueueFullError,
    version_key,
)
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.store.event_intake import EventIntake
from account_reviews.store.poll_cursors import PollCursors

OVERLAP: Final = timedelta(minutes=2)
"""A change may become visible after a later one, and clocks differ a little."""
CURSOR: Final = "changes"
RENEW_BEFORE: Final = timedelta(days=2)
"""A channel that ends sooner is renewed. The job runs at least once a day."""
_BATCH: Final = 200


@dataclass(frozen=True)
class EventTools:
    """What the jobs about changes work with. `notify_url`: where the CRM reaches our webhooks."""

    intake: EventIntake
    cursors: PollCursors
    notify_url: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Polled:
    """What one look found. `since` None: the first one only notes the time."""

    since: datetime | None
    found: int = 0
    taken: int = 0
    """That nobody had told of."""
    full: bool = False
    """Not all were taken: the queue is full, and the next look begins where this one did."""


async def poll(crm: CrmBackend, tools: EventTools, now: datetime) -> Polled:
    """Ask what has changed since the last look, and put it into the queue of events.

    BadInputError for a CRM that cannot say that; errors of the CRM, UnreachableError.
    """
    capabilities = await crm.capabilities()
    if not (capabilities.incremental or isinstance(crm, ListsChanges)):
        raise BadInputError(
            f"the CRM {capabilities.name} cannot say what has changed",
            hint="take the job crm_changes out of the schedules, and let a cycle look daily",
        )
    cursor = await tools.cursors.read(CURSOR)
    if cursor is None:
        await tools.cursors.advance(CURSOR, now, 0)
        return Polled(since=None)
    since = cursor.until_at - OVERLAP
    found = taken = 0
    async for batch in _batches(_changed(crm, since, now)):
        found += len(batch)
        try:
            taken += (await tools.intake.take(batch)).events
        except QueueFullError:
            return Polled(since, found, taken, full=True)
    await tools.cursors.advance(CURSOR, now, found)
    return Polled(since, found, taken)


async def renew(crm: CrmBackend, tools: EventTools, now: datetime) -> tuple[Channel, ...] | None:
    """Renew what ends soon; None for a CRM whose subscriptions stay, and without an address at
    which the CRM could reach us."""
    if not isinstance(crm, RenewsChannels) or tools.notify_url is None:
        return None
    return await crm.renew_channels(
        notify_url=tools.notify_url, token=tools.token, before=now + RENEW_BEFORE
    )


async def _changed(crm: CrmBackend, since: datetime, now: datetime) -> AsyncIterator[Delivery]:
    if isinstance(crm, ListsChanges):
        async for record in _records(crm, since):
            yield _delivery(record, version_key(record))
        return
    cursor: str | None = None
    while True:
        page = await crm.list_accounts(AccountFilter(changed_since=since), cursor=cursor)
        for account in page.items:
            record = RecordRef(type=RecordType.ACCOUNT, id=account.id, version=account.version)
            itself = account.modified_at is not None and account.modified_at >= since
            # Else a record of it has changed, which the account's version does not show.
            key = version_key(record)
            yield _delivery(record, key if itself else f"{key} {rfc3339(now)}")
        cursor = page.next_cursor
        if cursor is None:
            return


async def _records(crm: ListsChanges, since: datetime) -> AsyncIterator[RecordRef]:
    cursor: str | None = None
    while True:
        page = await crm.changed_records(since=since, cursor=cursor)
        for record in page.items:
            yield record
        cursor = page.next_cursor
        if cursor is None:
            return


def _delivery(record: RecordRef, key: str) -> Delivery:
    event = CrmEvent(record_type=record.type, record_id=record.id or "", action=EventAction.UPDATED)
    return Delivery(source=EventSource.POLL, key=key, events=(event,))


async def _batches(found: AsyncIterator[Delivery]) -> AsyncIterator[list[Delivery]]:
    batch: list[Delivery] = []
    async for one in found:
        batch.append(one)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
