"""On which days of the week owners want their digest. Days are ISO: 1 is Monday, 7 is Sunday."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

EVERY_DAY: Final = (1, 2, 3, 4, 5, 6, 7)
_ALL: Final = (
    "select owner_id, days, set_by, set_at from reviews.digest_days where tenant = :tenant "
    "order by owner_id"
)
_NOT: Final = (
    "select owner_id from reviews.digest_days "
    "where tenant = :tenant and not (cast(:day as smallint) = any(days))"
)
_PUT: Final = read_sql("account_reviews.store", "put_digest_days.sql")


class DigestDays(NamedTuple):
    """What one owner wants."""

    owner_id: str
    days: tuple[int, ...]
    set_by: str
    set_at: datetime


async def digest_days(statements: Statements, tenant: str) -> dict[str, DigestDays]:
    """Owner id -> what he wants; who is not in it wants one every day. UnreachableError."""
    rows = await statements.rows(_ALL, tenant=tenant)
    return {row["owner_id"]: DigestDays(**{**row, "days": tuple(row["days"])}) for row in rows}


async def without_digest(statements: Statements, tenant: str, day: date) -> frozenset[str]:
    """Ids of the owners who want none on that day. UnreachableError."""
    rows = await statements.rows(_NOT, tenant=tenant, day=day.isoweekday())
    return frozenset(row["owner_id"] for row in rows)


async def put_digest_days(
    statements: Statements, tenant: str, owner_id: str, days: Sequence[int], by: str
) -> None:
    """Note what an owner wants, in place of what he wanted before. UnreachableError."""
    wanted = sorted(set(days))
    await statements.execute(_PUT, tenant=tenant, owner=owner_id, days=wanted, by=by)
