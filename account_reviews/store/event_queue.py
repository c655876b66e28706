"""Events that came in, as workers take them: first whose record each is, then account by account.

An event is `new` until its account is known, then it is `waiting` for its account's turn, then
`done`, or `dead` when it cannot be worked on. A worker that dies leaves what it had taken to the
others, once its lease is over.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from account_reviews.domain.audit.entries import handled_entry
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.crm_events import KEPT, EventAction, EventOutcome, EventSource
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.store.outbox_rows import PUT, in_place, spelled
from account_reviews.store.sql_files import read_sql
from account_reviews.store.transactions import Ask, Transactions

LEASE: Final = timedelta(seconds=60)
"""How long a worker may take for what it has taken."""
_ERROR_CHARACTERS: Final = 500

_CLAIM: Final = read_sql("account_reviews.store", "claim_events.sql")
_CLAIM_ACCOUNTS: Final = read_sql("account_reviews.store", "claim_event_accounts.sql")
_PLACE: Final = read_sql("account_reviews.store", "place_events.sql")
_SETTLE: Final = read_sql("account_reviews.store", "settle_event_account.sql")
_LOCK_ACCOUNT: Final = (
    "select from reviews.event_accounts where tenant = :tenant and account_id = :account_id "
    "for update"
)
_END: Final = (
    "update reviews.webhook_events set state = :state, outcome = :outcome, error = :error, "
    "ended_at = now() where id = any(cast(:ids as bigint[])) and state in ('new', 'waiting')"
)
_POSTPONE: Final = (
    "update reviews.webhook_events set next_at = now() + make_interval(secs => :seconds), "
    "attempts = attempts - cast(:uncounted as int), error = :error "
    "where id = any(cast(:ids as bigint[])) and state = 'new'"
)
_POSTPONE_ACCOUNTS: Final = (
    "update reviews.event_accounts set due_at = now() + make_interval(secs => :seconds), "
    "attempts = attempts - cast(:uncounted as int) "
    "where tenant = :tenant and account_id = any(cast(:ids as text[]))"
)
_KNOWN: Final = (
    "insert into reviews.webhook_keys (tenant, source, key) "
    "select :tenant, 'poll', key from unnest(cast(:keys as text[])) as key "
    "on conflict (tenant, source, key) do update set seen_at = now()"
)
_LOOK_AGAIN: Final = (
    "update reviews.event_accounts set due_at = now() + make_interval(secs => :seconds), "
    "handling_id = null, handling_until = null, attempts = 0 "
    "where tenant = :tenant and account_id = :account_id"
)
_OLD_KEYS: Final = (
    "delete from reviews.webhook_keys "
    "where tenant = :tenant and seen_at < now() - make_interval(secs => :seconds)"
)
_OLD_EVENTS: Final = (
    "delete from reviews.webhook_events "
    "where tenant = :tenant and ended_at < now() - make_interval(secs => :seconds)"
)
_OLD_ACCOUNTS: Final = (
    "delete from reviews.event_accounts where tenant = :tenant and due_at is null "
    "and handled_at < now() - make_interval(secs => :seconds)"
)


class QueuedEvent(Model):
    """One event whose account is not known yet."""

    id: int
    source: EventSource
    record_type: RecordType
    record_id: str
    action: EventAction
    account_id: str | None = None
    received_at: Timestamp
    attempts: int

    @property
    def record(self) -> RecordRef:
        return RecordRef(type=self.record_type, id=self.record_id)


class DueAccount(Model):
    """One account whose turn it is. `events`: ids of those that wait, none where only the review
    that was asked to read again is looked after."""

    account_id: str
    handling_id: str
    attempts: int
    watched_run_id: str | None = None
    watched_snapshot: str | None = None
    events: tuple[int, ...] = ()
    all_deleted: bool = False
    """Every one of them says that the account itself is gone."""
    sources: tuple[str, ...] = ()


class Watched(Model):
    """A review that was asked to read again, and when what it has read by now was read."""

    run_id: str
    snapshot: str | None


class EventQueue:
    """The events of one tenant. UnreachableError when the database is down."""

    def __init__(
        self, transactions: Transactions, tenant: str, *, settle: timedelta, quiet: timedelta
    ) -> None:
        self._transactions = transactions
        self._tenant = tenant
        self._settle = settle.total_seconds()
        self._quiet = quiet.total_seconds()

    async def claim(self, most: int) -> list[QueuedEvent]:
        """Events that are due, the longest waiting first; nobody else gets them for LEASE."""
        values = {"tenant": self._tenant, "most": most, "lease": LEASE.total_seconds()}
        async with self._transactions.committed() as ask:
            rows = await ask(_CLAIM, **values)
        return [QueuedEvent.model_validate(row) for row in rows]

    async def claim_accounts(self, most: int) -> list[DueAccount]:
        """Accounts whose turn it is, likewise."""
        values = {"tenant": self._tenant, "most": most, "lease": LEASE.total_seconds()}
        async with self._transactions.committed() as ask:
            rows = await ask(_CLAIM_ACCOUNTS, **values)
        return [DueAccount.model_validate(row) for row in rows]

    async def place(self, accounts: Mapping[int, str], versions: Sequence[str] = ()) -> None:
        """Say whose these events are: id -> account. Each account is due once its burst is over,
        and no sooner than its quiet time allows.

        `versions` (see `version_key`) are known from now on: polling does not take them again.
        """
        placed = [{"id": id_, "account_id": account} for id_, account in accounts.items()]
        async with self._transactions.committed() as ask:
            await ask(
                _PLACE,
                tenant=self._tenant,
                placed=spelled(placed),
                settle=self._settle,
                quiet=self._quiet,
            )
            if versions:
                await ask(_KNOWN, tenant=self._tenant, keys=sorted(set(versions)))

    async def end(self, ids: Sequence[int], outcome: EventOutcome) -> None:
        """Nothing is to be done for these."""
        async with self._transactions.committed() as ask:
            await ask(_END, ids=list(ids), state="done", outcome=outcome.value, error=None)

    async def bury(self, ids: Sequence[int], why: str) -> None:
        """These cannot be worked on: they are dead letters, to be looked at for 7 days."""
        async with self._transactions.committed() as ask:
            await _bury(ask, ids, why)

    async def postpone(
        self, ids: Sequence[int], seconds: float, why: str, *, counted: bool
    ) -> None:
        """Try these again later. What is not `counted` was no try: somebody else is away."""
        values = {
            "seconds": seconds,
            "error": why[:_ERROR_CHARACTERS],
            "uncounted": int(not counted),
        }
        async with self._transactions.committed() as ask:
            await ask(_POSTPONE, ids=list(ids), **values)

    async def postpone_accounts(self, ids: Sequence[str], seconds: float, *, counted: bool) -> None:
        """The same of accounts."""
        values = {"seconds": seconds, "uncounted": int(not counted)}
        async with self._transactions.committed() as ask:
            await ask(_POSTPONE_ACCOUNTS, tenant=self._tenant, ids=list(ids), **values)

    async def settle(
        self,
        due: DueAccount,
        outcome: EventOutcome,
        *,
        run_id: str | None = None,
        watched: Watched | None = None,
    ) -> None:
        """Its events are done; what came in meanwhile has its turn after the quiet time."""
        async with self._transactions.committed() as ask:
            await self._lock(ask, due)
            await ask(_END, ids=list(due.events), state="done", outcome=outcome.value, error=None)
            await self._leave(ask, due, outcome.value, run_id, watched)

    async def look_again(self, due: DueAccount, seconds: float) -> None:
        """Nothing was done, since the review that was asked may still read."""
        values = {"tenant": self._tenant, "account_id": due.account_id, "seconds": seconds}
        async with self._transactions.committed() as ask:
            await ask(_LOOK_AGAIN, **values)

    async def seen(self, due: DueAccount) -> None:
        """The review has read the account since: nobody has to look after it any more."""
        async with self._transactions.committed() as ask:
            await self._lock(ask, due)
            await self._release(ask, due, None)

    async def bury_account(self, due: DueAccount, why: str) -> None:
        """Its events are dead letters."""
        async with self._transactions.committed() as ask:
            await self._lock(ask, due)
            await _bury(ask, due.events, why)
            await self._leave(ask, due, "dead", None, None)

    async def forget_old(self, keys_kept: timedelta) -> int:
        """Remove what is kept long enough; gives how many events went."""
        kept = KEPT.total_seconds()
        async with self._transactions.committed() as ask:
            await ask(_OLD_KEYS, tenant=self._tenant, seconds=keys_kept.total_seconds())
            await ask(_OLD_ACCOUNTS, tenant=self._tenant, seconds=kept)
            gone = await ask(_OLD_EVENTS + " returning id", tenant=self._tenant, seconds=kept)
        return len(gone)

    async def _lock(self, ask: Ask, due: DueAccount) -> None:
        await ask(_LOCK_ACCOUNT, tenant=self._tenant, account_id=due.account_id)

    async def _leave(
        self, ask: Ask, due: DueAccount, action: str, run_id: str | None, watched: Watched | None
    ) -> None:
        await self._release(ask, due, watched)
        entry = handled_entry(
            tenant=self._tenant,
            account_id=due.account_id,
            handling_id=due.handling_id,
            action=action,
            events=due.events,
            run_id=run_id,
            at=datetime.now(UTC),
        )
        await ask(PUT, rows=in_place([entry]))

    async def _release(self, ask: Ask, due: DueAccount, watched: Watched | None) -> None:
        await ask(
            _SETTLE,
            tenant=self._tenant,
            account_id=due.account_id,
            quiet=self._quiet,
            watched_run_id=None if watched is None else watched.run_id,
            watched_snapshot=None if watched is None else watched.snapshot,
        )


async def _bury(ask: Ask, ids: Sequence[int], why: str) -> None:
    await ask(_END, ids=list(ids), state="dead", outcome=None, error=why[:_ERROR_CHARACTERS])
