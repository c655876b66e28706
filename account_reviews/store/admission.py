"""Places for interactive reviews: one row of `admission` for each that is open or being started.

A row is there before its review, and is deleted by the closing save of that review
(`store.reviews`) or by whoever was refused its start. What a starter that died left behind is
looked up in Temporal when all places are taken (`services.admission`).
"""

from collections.abc import Sequence
from typing import Final

from account_reviews.domain.admission import Reservation, has_place
from account_reviews.store.sql_files import read_sql
from account_reviews.store.transactions import Ask, Transactions

_HOLD: Final = (
    "select pg_advisory_xact_lock(hashtextextended('reviews-reservation:' || :reservation_id, 0))"
)
_LOCK_TENANT: Final = (
    "insert into reviews.admission_tenants (tenant) values (:tenant) "
    "on conflict (tenant) do update set tenant = excluded.tenant"
)
_COUNT: Final = "select count(*) as taken from reviews.admission where tenant = :tenant"
_TAKE: Final = (
    "insert into reviews.admission (reservation_id, tenant, workflow_id) "
    "values (:reservation_id, :tenant, :workflow_id)"
)
_GIVE_BACK: Final = (
    "delete from reviews.admission where reservation_id = :reservation_id and tenant = :tenant"
)
_SETTLE: Final = read_sql("account_reviews.store", "settle_reservations.sql")
_NOTE: Final = read_sql("account_reviews.store", "note_reservations.sql")
_TO_CHECK: Final = read_sql("account_reviews.store", "reservations_to_check.sql")


class Admission:
    """The places of one tenant. UnreachableError when the database is down."""

    def __init__(self, transactions: Transactions, tenant: str) -> None:
        self._transactions = transactions
        self._tenant = tenant

    async def hold(self, ask: Ask, reservation_id: str) -> None:
        """Say that the starter of this reservation is at work, until the transaction ends.

        To be said before the place is taken: no place is ever without a word of its starter.
        """
        await ask(_HOLD, reservation_id=reservation_id)

    async def take(self, reservation_id: str, workflow_id: str, *, most: int) -> bool:
        """Take one of `most` places; False when all are taken.

        Starters of a tenant come one after the other, so two cannot both have the last one.
        """
        values = {"reservation_id": reservation_id, "tenant": self._tenant}
        async with self._transactions.committed() as ask:
            await ask(_LOCK_TENANT, tenant=self._tenant)
            (row,) = await ask(_COUNT, tenant=self._tenant)
            if not has_place(row["taken"], most):
                return False
            await ask(_TAKE, workflow_id=workflow_id, **values)
        return True

    async def give_back(self, reservation_id: str) -> None:
        """The start was refused, by whoever took this place for it."""
        async with self._transactions.committed() as ask:
            await ask(_GIVE_BACK, reservation_id=reservation_id, tenant=self._tenant)

    async def settle(self, seen: Sequence[Reservation]) -> None:
        """Free the places of these, unless one of them has been heard of since."""
        ids, runs = [one.reservation_id for one in seen], [one.run_id for one in seen]
        async with self._transactions.committed() as ask:
            await ask(_SETTLE, ids=ids, runs=runs)

    async def to_check(self, limit: int) -> list[Reservation]:
        """The ones to look up in Temporal, as they are now."""
        async with self._transactions.committed() as ask:
            rows = await ask(_TO_CHECK, tenant=self._tenant, limit=limit)
            alone = [row["reservation_id"] for row in rows if row["alone"] is not None]
            await ask(_NOTE, ids=[row["reservation_id"] for row in rows], alone=alone)
        return [Reservation.model_validate(row) for row in rows]
