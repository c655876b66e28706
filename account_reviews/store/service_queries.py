"""What our tables say of the services: breakers, and how old what stands in for a CRM is."""

from collections.abc import Sequence
from typing import Final

from account_reviews.domain.base import Model, Timestamp
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_AGE: Final = read_sql("account_reviews.store", "snapshot_age.sql")
_BREAKERS: Final = (
    "select service, standing, nullif(since, to_timestamp(0)) as since "
    "from reviews.api_breakers where service = any(:services) order by api_breakers.since"
)


class BreakerRow(Model):
    """How a breaker stands that all workers share. None was needed yet where there is no row."""

    service: str
    standing: str
    since: Timestamp | None
    """None: it was never anything else."""


class ServiceReader:
    """UnreachableError when the database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def breakers(self, services: Sequence[str]) -> dict[str, BreakerRow]:
        """By service; of several credentials the one that changed last."""
        rows = await self._statements.rows(_BREAKERS, services=list(services))
        return {row["service"]: BreakerRow.model_validate(row) for row in rows}

    async def snapshot_age(self, tenant: str) -> float | None:
        """Seconds since an account of the tenant was read last; None when none was."""
        found = await self._statements.scalar(_AGE, tenant=tenant)
        return None if found is None else max(0.0, float(found))
