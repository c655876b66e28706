"""Links that decide count once, whoever has them. UnreachableError when the database is down."""

from datetime import datetime
from typing import Final

from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_USE: Final = read_sql("account_reviews.store", "use_link.sql")
_LOOK: Final = (
    "select used_at from reviews.web_used "
    "where tenant = :tenant and kind = 'decision link' and key = :link"
)
_FREE: Final = (
    "delete from reviews.web_used where tenant = :tenant and "
    "(kind = 'decision link' and key = :link or kind = 'decision of link' and key = :form)"
)


class LinkUses:
    """Which links have decided, by their hashes."""

    def __init__(self, statements: Statements, tenant: str) -> None:
        self._statements = statements
        self._tenant = tenant

    async def used_at(self, link: bytes) -> datetime | None:
        """When a link was used up; None for one that was not."""
        found = await self._statements.scalar(_LOOK, tenant=self._tenant, link=link)
        return found if isinstance(found, datetime) else None

    async def use(self, link: bytes, form: bytes, ends_at: datetime) -> bool:
        """Use a link up for what that form says. True for the first, and for the same form again.

        `ends_at`: when the link ends by itself.
        """
        values = {"tenant": self._tenant, "link": link, "form": form, "ends_at": ends_at}
        # Who came a moment later has waited for the first, and sees its form at the second look.
        return bool(
            await self._statements.scalar(_USE, **values)
            or await self._statements.scalar(_USE, **values)
        )

    async def free(self, link: bytes, form: bytes) -> None:
        """What the form said was refused: the link goes on to hold."""
        await self._statements.execute(_FREE, tenant=self._tenant, link=link, form=form)
