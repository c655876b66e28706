"""Whether what the CRM tells of changes is followed."""

from datetime import timedelta
from typing import Final

from sqlalchemy import text

from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql
from account_reviews.upkeep.examination import NeedError, Patient

FOLLOWED_WITHIN: Final = timedelta(minutes=15)
_STANDING: Final = text(read_sql("account_reviews.upkeep", "events_standing.sql"))


async def events_standing(patient: Patient) -> str:
    """How many events wait, and how many could not be followed. NeedError, UnreachableError."""
    values = {"tenant": patient.settings.tenant}
    async with reachable(), patient.database().connect() as connection:
        row = (await connection.execute(_STANDING, values)).one()
    if row.oldest > FOLLOWED_WITHIN.total_seconds():
        why = f": {row.error}" if row.error else ""
        raise NeedError(
            f"{row.waiting} events of the CRM wait, the oldest for {row.oldest / 60:.0f} minutes"
            f"{why}",
            "see whether workers run and nothing is stopped; `reviews crm events` lists them",
        )
    dead = f", {row.dead} of the last 7 days could not be followed" if row.dead else ""
    return f"{row.waiting} events of the CRM wait{dead}"
