"""An account is taken out of our tables: its reviews, and what cycles and digests say of it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.canonical import canonical_json
from account_reviews.domain.erasure import without_account
from account_reviews.domain.errors import ConflictError
from account_reviews.store.database import reachable
from account_reviews.store.retention import collect_unreferred
from account_reviews.store.sql_files import read_sql

_RUNS: Final = text(read_sql("account_reviews.store", "runs_of_account.sql"))
_MARK: Final = text(read_sql("account_reviews.store", "mark_erased_runs.sql"))
_HASHES: Final = text(read_sql("account_reviews.store", "documents_of_account.sql"))
_ORPHANS: Final = text(read_sql("account_reviews.store", "orphans_of_account.sql"))
_REPORTS: Final = text(read_sql("account_reviews.store", "reports_of_account.sql"))
_OPEN: Final = text(
    "select run_id from reviews.review_runs "
    "where tenant = :tenant and account_id = :account_id and closed_at is null"
)
_LOCK: Final = text(
    "select run_id from reviews.review_runs "
    "where tenant = :tenant and account_id = :account_id for update"
)
TABLES: Final = {
    "reviews": "review_runs",
    "approval_requests": "approval_requests",
    "request_numbers": "request_numbers",
    "outcomes": "proposal_outcomes",
    "baselines": "account_baselines",
    "archives": "archives",
    "notifications": "notification_deliveries",
    "memory_outbox": "memory_outbox",
    "events": "webhook_events",
    "event_accounts": "event_accounts",
    "memory_syncs": "memory_sync_accounts",
    "memory_snapshots": "memory_snapshots",
}
"""What belongs to one account: a name for people, and its table."""
_DELETE: Final = {
    name: text(
        f"delete from reviews.{table} where tenant = :tenant and account_id = :account_id"  # noqa: S608  constants
    )
    for name, table in TABLES.items()
}
_COUNT: Final = {
    name: text(
        f"select count(*) from reviews.{table} "  # noqa: S608  constants
        "where tenant = :tenant and account_id = :account_id"
    )
    for name, table in TABLES.items()
}
_WRITES: Final = text(read_sql("account_reviews.store", "erase_operations.sql"))
_WRITE_UNDER_WAY: Final = text(
    "select operation_id from reviews.crm_operations where tenant = :tenant "
    "and account_id = :account_id and settled_at is null and lease_until > clock_timestamp() "
    "limit 1"
)
_COUNT_WRITES: Final = text(
    "select count(*) from reviews.crm_operations "
    "where tenant = :tenant and account_id = :account_id and erased_at is null"
)
_OF_CYCLES: Final = text(
    "delete from reviews.cycle_accounts a using reviews.cycles c where c.run_id = a.run_id "
    "and c.tenant = :tenant and a.account_id = :account_id and c.closed_at is not null"
)
_OF_OPEN_CYCLES: Final = text(
    "update reviews.cycle_accounts a set account_name = :name, snapshot = null, reason = null "
    "from reviews.cycles c where c.run_id = a.run_id and c.tenant = :tenant "
    "and a.account_id = :account_id and c.closed_at is null"
)
_DOCUMENTS: Final = text("delete from reviews.documents where hash = any(:hashes)")
_WRITE_REPORT: Final = {
    "cycle_briefs": text(
        "update reviews.cycle_briefs set body = cast(:body as jsonb) "
        "where run_id = :run_id and owner_id = :owner_id"
    ),
    "portfolios": text(
        "update reviews.cycles set portfolio = cast(:body as jsonb) where run_id = :run_id"
    ),
    "digests": text(
        "update reviews.digests set body = cast(:body as jsonb) "
        "where tenant = :tenant and owner_id = :owner_id and day = cast(:day as date)"
    ),
}


class KnownRun(NamedTuple):
    """A review that has rows or an archive."""

    run_id: str
    review_id: str
    workflow_run_id: str
    is_open: bool


class AccountErasure:
    """The tables of one account. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine, tenant: str, account_id: str) -> None:
        self._engine = engine
        self._key = {"tenant": tenant, "account_id": account_id}
        self._account_id = account_id

    async def runs(self) -> list[KnownRun]:
        """Its reviews, open ones first."""
        async with reachable(), self._engine.connect() as connection:
            rows = (await connection.execute(_RUNS, self._key)).all()
        return [KnownRun(*row) for row in rows]

    async def count(self) -> Counter[str]:
        """How much `erase` would take. Nothing changes."""
        found: Counter[str] = Counter()
        async with reachable(), self._engine.connect() as connection:
            for name, statement in _COUNT.items():
                found[name] = int(await connection.scalar(statement, self._key) or 0)
            found["writes"] = int(await connection.scalar(_COUNT_WRITES, self._key) or 0)
            hashes = (await connection.execute(_HASHES, self._key)).scalars()
            found["documents"] = len(set(hashes))
            reports = (await connection.execute(_REPORTS, self._key)).all()
        found.update(row.place for row in reports if self._without(row.body, row) != row.body)
        return found

    async def erase(self, erasure_id: str) -> Counter[str]:
        """All in one transaction. ConflictError when a review of the account is open by now, or
        a write to it is under way."""
        gone: Counter[str] = Counter()
        async with reachable(), self._engine.begin() as connection:
            # A purge that is archiving one of them comes to its end: its archive goes too.
            await connection.execute(_LOCK, self._key)
            await self._refuse_open(connection)
            await connection.execute(_MARK, {**self._key, "erasure_id": erasure_id})
            found = await connection.execute(_HASHES, self._key)
            hashes = sorted(set(found.scalars()))
            gone.update(await self._reports(connection))
            for name, statement in _DELETE.items():
                gone[name] = (await connection.execute(statement, self._key)).rowcount
            gone["writes"] = (await connection.execute(_WRITES, self._key)).rowcount
            gone["cycle_accounts"] = (await connection.execute(_OF_CYCLES, self._key)).rowcount
            renamed = {**self._key, "name": self._account_id}
            await connection.execute(_OF_OPEN_CYCLES, renamed)
            orphans = (await connection.execute(_ORPHANS, self._key)).scalars()
            free = await collect_unreferred(connection, sorted({*hashes, *orphans}))
            gone["documents"] = (
                await connection.execute(_DOCUMENTS, {"hashes": list(free)})
            ).rowcount
            # A review that began meanwhile read what has just gone.
            await self._refuse_open(connection)
        return gone

    async def _refuse_open(self, connection: AsyncConnection) -> None:
        if await connection.scalar(_OPEN, self._key) is not None:
            raise ConflictError(
                f"a review of account {self._account_id} has begun meanwhile",
                hint="end it with `reviews cancel`, or forget with --cancel",
            )
        if await connection.scalar(_WRITE_UNDER_WAY, self._key) is not None:
            raise ConflictError(
                f"a write to account {self._account_id} is under way",
                hint="forget again in a minute; nothing was erased",
            )

    async def _reports(self, connection: AsyncConnection) -> Counter[str]:
        """Briefs of owners, portfolios and digests that name the account."""
        changed: Counter[str] = Counter()
        for row in (await connection.execute(_REPORTS, self._key)).all():
            body = self._without(row.body, row)
            if body != row.body:
                values = {
                    "body": canonical_json(body).decode(),
                    "run_id": row.run_id,
                    "owner_id": row.owner_id,
                    "day": row.day,
                    "tenant": self._key["tenant"],
                }
                await connection.execute(_WRITE_REPORT[row.place], values)
                changed[row.place] += 1
        return changed

    def _without(self, body: Mapping[str, Any], row: Any) -> Any:
        names = [name for name in row.names or () if name]
        return without_account(body, self._account_id, names)
