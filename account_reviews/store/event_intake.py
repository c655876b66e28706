"""Takes in what a CRM says has changed: once per key, all or nothing, with its entry for the trail.

Whoever told us is answered when this is committed. Workers take it from there (`event_queue`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from account_reviews.domain.audit.entries import events_entry
from account_reviews.domain.crm_events import Delivery, QueueFullError, distinct
from account_reviews.store.outbox_rows import PUT, in_place, spelled
from account_reviews.store.sql_files import read_sql
from account_reviews.store.transactions import Transactions

_ALONE: Final = "select pg_advisory_xact_lock(hashtextextended('reviews-events:' || :tenant, 0))"
_TAKE_IN: Final = read_sql("account_reviews.store", "take_in_events.sql")
_WAITING: Final = (
    "select count(*) as waiting from (select from reviews.webhook_events "
    "where tenant = :tenant and state in ('new', 'waiting') limit :most) as counted"
)


class TakenIn(NamedTuple):
    """What became of one request."""

    events: int
    """That are new."""
    duplicates: int
    """Keys that came in before."""


class EventIntake:
    """The way in of one tenant. UnreachableError when the database is down.

    At most `most` events wait; `kept` is how long a key is remembered.
    """

    def __init__(
        self, transactions: Transactions, tenant: str, *, most: int, kept: timedelta
    ) -> None:
        self._transactions = transactions
        self._tenant = tenant
        self._most = most
        self._kept = kept

    async def take(self, deliveries: Sequence[Delivery]) -> TakenIn:
        """Store them in one transaction, which is committed when this returns. QueueFullError.

        One at a time per tenant: the queue never holds more than it may. What holds more than the
        whole queue is taken when nothing waits.
        """
        once = distinct(deliveries)
        values = {
            "tenant": self._tenant,
            "deliveries": spelled([one.model_dump(mode="json") for one in once]),
            "kept": self._kept.total_seconds(),
        }
        async with self._transactions.committed() as ask:
            await ask(_ALONE, tenant=self._tenant)
            (before,) = await ask(_WAITING, tenant=self._tenant, most=self._most)
            rows = await ask(_TAKE_IN, **values)
            waiting = before["waiting"]
            if rows and waiting and waiting + len(rows) > self._most:
                raise QueueFullError(self._most)
            fresh = {row["key"] for row in rows}
            taken = [one for one in once if one.key in fresh]
            if taken:
                first = min(row["id"] for row in rows)
                entry = events_entry(taken, tenant=self._tenant, first=first, at=datetime.now(UTC))
                await ask(PUT, rows=in_place([entry]))
        return TakenIn(len(rows), len(once) - len(taken))
