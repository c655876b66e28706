"""The ledger of notices: what was sent to whom by which channel, before and after each try."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.audit.entries import notice_entry
from account_reviews.domain.audit.redaction import DEFAULT, Rules
from account_reviews.domain.review.deliveries import Begun, Parcel, Sent
from account_reviews.store.database import reachable
from account_reviews.store.outbox import put_into_outbox
from account_reviews.store.sql_files import read_sql

UNSEEN_SECONDS: Final = 5.0
"""Until another look when somebody else has put the row there at the same moment."""

_BEGIN = text(read_sql("account_reviews.store", "begin_delivery.sql"))
_SENT = text(
    "update reviews.notification_deliveries set state = 'sent', ended_at = now(), error = null, "
    "held_until = now(), name = :name where key = :key and state <> 'sent' returning ended_at"
)
_KNOWN = text("select ended_at, name from reviews.notification_deliveries where key = :key")
_FAILED = text(
    "update reviews.notification_deliveries set error = :error, held_until = now(), "
    "state = case when :final then 'failed' else state end, "
    "ended_at = case when :final then now() end where key = :key and state <> 'sent'"
)


class DeliveryLedger:
    """A `Ledger` of our own tables. UnreachableError when the database is down.

    `rules`: what of a recipient may be recorded in the audit trail.
    """

    def __init__(self, engine: AsyncEngine, rules: Rules = DEFAULT) -> None:
        self._engine = engine.execution_options(isolation_level="READ COMMITTED")
        self._rules = rules

    async def begin(self, parcel: Parcel, hold_seconds: float) -> Begun:
        """Note that a try to send begins; nobody else's begins within `hold_seconds`."""
        values = {**parcel.model_dump(), "hold": hold_seconds}
        async with reachable(), self._engine.begin() as connection:
            row = (await connection.execute(_BEGIN, values)).one()
        if row.ours:
            return Begun(ours=True)
        if row.sent_at is not None:
            return Begun(ours=False, sent=Sent(at=row.sent_at, name=row.name))
        wait = UNSEEN_SECONDS if row.wait_seconds is None else row.wait_seconds
        return Begun(ours=False, wait_seconds=wait)

    async def sent(self, parcel: Parcel) -> Sent:
        """Note that it was sent, here and in the trail, or give what an earlier try noted."""
        values = {"key": parcel.key, "name": parcel.name}
        async with reachable(), self._engine.begin() as connection:
            at = await connection.scalar(_SENT, values)
            if at is None:
                known = (await connection.execute(_KNOWN, {"key": parcel.key})).one()
                return Sent(at=known.ended_at, name=known.name)
            await put_into_outbox(connection, [notice_entry(parcel, at, self._rules)])
            return Sent(at=at, name=parcel.name)

    async def failed(self, parcel: Parcel, error: str, *, final: bool) -> None:
        """Note why a try did not send it. `final`: there will be no other."""
        values = {"key": parcel.key, "error": error, "final": final}
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(_FAILED, values)
