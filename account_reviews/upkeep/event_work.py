"""Works on what the CRM says has changed, in the background of a worker.

Two steps, each with a lease: whose record an event is about, and what follows for an account. So a
burst of events about one account is followed once, and a worker that is killed loses none.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NoReturn

from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.bootstrap import Parts
from account_reviews.crm.http.priorities import Priority, calling_for
from account_reviews.crm.protocol import AccountFilter, Belonging, MapsRecords
from account_reviews.domain.audit.redaction import clean
from account_reviews.domain.crm_events import TRIES, EventAction, EventOutcome, version_key
from account_reviews.domain.errors import (
    BadInputError,
    CrmAuthError,
    CrmPermissionError,
    HaltedError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.domain.records import Account, RecordType
from account_reviews.store.event_queue import DueAccount, EventQueue, QueuedEvent
from account_reviews.store.own_writes import Ours, OwnWrites
from account_reviews.telemetry import instruments
from account_reviews.temporal.client import explained
from account_reviews.upkeep.event_reviews import follow, was_read

BATCH: Final = 100
ACCOUNTS: Final = 20
"""Accounts that one worker takes at a time."""
_AT_ONCE: Final = 8
_LOOK_SECONDS: Final = 1.0
_OUTAGE_SECONDS: Final = 30.0
"""When a CRM or a Temporal that is away is asked again."""
_WATCH_SECONDS: Final = 300.0
"""Between looks at a review that has not read yet."""
_BUSY_SECONDS: Final = 3.0
_HOUR: Final = 3600.0
_REPORT_EVERY: Final = 30.0

_log = logging.getLogger(__name__)


class EventWork:
    """One per worker."""

    def __init__(self, parts: Parts, client: Client) -> None:
        events = parts.policy.events
        self._parts, self._client = parts, client
        self._own_writes = OwnWrites(parts.statements, parts.settings.tenant)
        self._kept = events.duplicates
        self._queue = EventQueue(
            parts.transactions, parts.settings.tenant, settle=events.settle, quiet=events.quiet
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work inside. What is left at the end another worker, or the next one, does."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def work(self) -> int:
        """One pass; gives how much was taken. Nothing while everything is stopped."""
        if await self._parts.halt_history.current(self._parts.settings.tenant) is not None:
            return 0
        with calling_for(Priority.SCHEDULES):
            events = await self._queue.claim(BATCH)
            if events:
                await self._place(events)
            accounts = await self._queue.claim_accounts(ACCOUNTS)
            if accounts:
                await self._follow(accounts)
        return len(events) + len(accounts)

    async def _run(self) -> NoReturn:
        clock = asyncio.get_running_loop().time
        reported, cleaned = -_REPORT_EVERY, -_HOUR
        while True:
            taken = 0
            try:
                if clock() - cleaned > _HOUR:
                    await self._queue.forget_old(self._kept)
                    cleaned = clock()
                taken = await self.work()
            except Exception as error:  # noqa: BLE001  whatever it is, it is tried again
                if clock() - reported > _REPORT_EVERY:
                    reported = clock()
                    _log.warning("events of the CRM wait: %s", _said(error))
            if taken < ACCOUNTS:
                await asyncio.sleep(_LOOK_SECONDS)

    # Whose records

    async def _place(self, events: Sequence[QueuedEvent]) -> None:
        """Find the account of each; what one record of them does wrong harms no other."""
        try:
            await self._place_all(events)
        except Exception as error:  # noqa: BLE001  looked at below
            seconds = _outage(error)
            if seconds is not None:
                ids = [one.id for one in events]
                await self._queue.postpone(ids, seconds, _said(error), counted=False)
                _log.warning("%d events of the CRM wait: %s", len(ids), _said(error))
            elif len(events) > 1:
                for one in events:
                    await self._place([one])
            else:
                await self._failed(events[0], _said(error))

    async def _failed(self, event: QueuedEvent, why: str) -> None:
        if event.attempts < TRIES:
            await self._queue.postpone([event.id], 2.0**event.attempts, why, counted=True)
            return
        _log.warning("event %d of the CRM is a dead letter: %s", event.id, why)
        await self._queue.bury([event.id], why)
        instruments.event_followed("dead")

    async def _place_all(self, events: Sequence[QueuedEvent]) -> None:
        belongings = await self._belongings(events)
        ours = await self._own_writes.of(
            [one.record for one in events],
            [one.account_id for one in belongings if one is not None and one.account_id],
        )
        placed: dict[int, str] = {}
        versions: list[str] = []
        ended: dict[EventOutcome, list[int]] = {}
        unclear: list[int] = []
        for event, found in zip(events, belongings, strict=True):
            what = _judge(event, found, ours)
            if what is None:
                unclear.append(event.id)
            elif isinstance(what, EventOutcome):
                ended.setdefault(what, []).append(event.id)
            else:
                placed[event.id] = what
            if found is not None and found.version is not None:
                record = event.record.model_copy(update={"version": found.version})
                versions.append(version_key(record))
        if unclear:
            why = "a write of ours to that account is under way"
            await self._queue.postpone(unclear, _BUSY_SECONDS, why, counted=False)
        if placed:
            await self._queue.place(placed, versions)
        for outcome, ids in ended.items():
            await self._queue.end(ids, outcome)
            for _ in ids:
                instruments.event_followed(outcome.value)

    async def _belongings(self, events: Sequence[QueuedEvent]) -> Sequence[Belonging | None]:
        crm = self._parts.crm.of(self._parts.settings.tenant)
        if isinstance(crm, MapsRecords):
            return await crm.accounts_of([one.record for one in events])
        return [_by_itself(one) for one in events]

    # What follows

    async def _follow(self, accounts: Sequence[DueAccount]) -> None:
        ids = tuple(one.account_id for one in accounts)
        try:
            known = await self._accounts(ids)
        except Exception as error:  # noqa: BLE001  an outage; anything else is tried account by account
            seconds = _outage(error)
            if seconds is None and len(accounts) > 1:
                for one in accounts:
                    await self._follow([one])
            elif seconds is None:
                await self._not_followed(accounts[0], error)
            else:
                await self._queue.postpone_accounts(ids, seconds, counted=False)
                _log.warning("%d accounts that have changed wait: %s", len(ids), _said(error))
            return
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one_of_them(due: DueAccount) -> None:
            async with gate:
                try:
                    await self._follow_one(due, known.get(due.account_id))
                except Exception as error:  # noqa: BLE001  one account never holds up the others
                    await self._not_followed(due, error)

        await asyncio.gather(*(one_of_them(due) for due in accounts))

    async def _accounts(self, ids: tuple[str, ...]) -> dict[str, Account]:
        crm = self._parts.crm.of(self._parts.settings.tenant)
        page = await crm.list_accounts(AccountFilter(account_ids=ids), limit=len(ids))
        return {account.id: account for account in page.items}

    async def _follow_one(self, due: DueAccount, account: Account | None) -> None:
        if not due.events:
            read = await was_read(self._parts, due)
            if read is None:
                await self._queue.look_again(due, _WATCH_SECONDS)
                return
            if read:
                await self._queue.seen(due)
                return
        if account is None and not due.events:
            await self._queue.seen(due)
        elif account is None and due.all_deleted:
            await self._queue.settle(due, EventOutcome.DELETED)
            instruments.event_followed(EventOutcome.DELETED.value)
        elif account is None:
            await self._bury(due, f"the CRM has no account {due.account_id!r}")
        else:
            done = await follow(self._parts, self._client, account, due)
            await self._queue.settle(due, done.outcome, run_id=done.run_id, watched=done.watched)
            instruments.event_followed(done.outcome.value)

    async def _not_followed(self, due: DueAccount, error: Exception) -> None:
        seconds, why = _outage(error), _said(error)
        if seconds is not None:
            _log.warning("the change of account %s waits: %s", due.account_id, why)
            await self._queue.postpone_accounts([due.account_id], seconds, counted=False)
        elif due.attempts < TRIES and not isinstance(error, BadInputError):
            await self._queue.postpone_accounts([due.account_id], 2.0**due.attempts, counted=True)
        else:
            await self._bury(due, why)

    async def _bury(self, due: DueAccount, why: str) -> None:
        _log.warning("events of account %s are dead letters: %s", due.account_id, why)
        await self._queue.bury_account(due, why)
        instruments.event_followed("dead")


def _judge(event: QueuedEvent, found: Belonging | None, ours: Ours) -> EventOutcome | str | None:
    """What becomes of an event at once, or the account that it is about. None: that cannot be told
    yet."""
    if event.record_type is RecordType.ACCOUNT and found is None:
        return event.record_id  # its turn shows whether it is gone
    if found is None:
        known = event.account_id if event.action is EventAction.DELETED else None
        return known or EventOutcome.DELETED
    if ours.is_ours(event.record, found.version):
        return EventOutcome.OWN_WRITE
    if found.account_id in ours.busy:
        return None
    return found.account_id or event.account_id or EventOutcome.NO_ACCOUNT


def _by_itself(event: QueuedEvent) -> Belonging:
    """Of a CRM that cannot be asked. BadInputError for a record whose account nobody names."""
    if event.record_type is RecordType.ACCOUNT:
        return Belonging(account_id=event.record_id)
    if event.account_id is not None:
        return Belonging(account_id=event.account_id)
    raise BadInputError(
        f"the CRM cannot be asked whose {event.record_type} {event.record_id!r} is, and the event"
        " names no account"
    )


def _outage(error: Exception) -> float | None:
    """How long to wait for somebody else, in seconds; None when it is the event's own fault."""
    known = explained(error) if isinstance(error, RPCError) else error
    if isinstance(known, TimeoutError | UnreachableError | HaltedError):
        return _OUTAGE_SECONDS
    if isinstance(known, CrmAuthError | CrmPermissionError):
        return _OUTAGE_SECONDS
    if isinstance(known, ReviewsError) and known.retryable:
        wait = getattr(known, "retry_after", None)
        return _OUTAGE_SECONDS if wait is None else float(wait)
    return None


def _said(error: Exception) -> str:
    known = explained(error) if isinstance(error, RPCError) else error
    text = known.message if isinstance(known, ReviewsError) else str(known)
    return clean(text) or type(error).__name__
