"""Sign-ins of browsers, and links that sign in once: by the hashes of what browsers send."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from account_reviews.domain.person_names import person
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_BEGIN: Final = read_sql("account_reviews.store", "begin_web_session.sql")
_FIND: Final = read_sql("account_reviews.store", "find_web_session.sql")
_END: Final = "delete from reviews.web_sessions where tenant = :tenant and id_hash = :id_hash"
_END_ALL: Final = "delete from reviews.web_sessions where tenant = :tenant and person = :person"
_LINK: Final = (
    "insert into reviews.web_links (id_hash, tenant, person, ends_at) "
    "values (:id_hash, :tenant, :person, now() + cast(:length as interval))"
)
_LINKED: Final = (
    "delete from reviews.web_links where tenant = :tenant and id_hash = :id_hash "
    "and ends_at > now() returning person"
)


class SessionRow(NamedTuple):
    """A sign-in that holds."""

    name: str
    roles: list[str]
    groups: list[str]
    ends_at: datetime


class WebSessions:
    """Those of one tenant. UnreachableError when the database is down."""

    def __init__(self, statements: Statements, tenant: str, *, idle: timedelta) -> None:
        self._statements = statements
        self._tenant = tenant
        self._idle = idle

    async def begin(self, id_hash: bytes, name: str, length: timedelta) -> None:
        """Somebody of the table of people is signed in, for `length` at most."""
        await self._statements.execute(
            _BEGIN, id_hash=id_hash, tenant=self._tenant, person=person(name), length=length
        )

    async def find(self, id_hash: bytes) -> SessionRow | None:
        """Whose sign-in it is, with what the table of people says now; None for one that ended.
        To ask keeps it from ending by itself, once a minute."""
        row = await self._statements.row(
            _FIND, id_hash=id_hash, tenant=self._tenant, idle=self._idle
        )
        return None if row is None else SessionRow(**row)

    async def end(self, id_hash: bytes) -> None:
        """Sign out this browser."""
        await self._statements.execute(_END, tenant=self._tenant, id_hash=id_hash)

    async def end_all(self, name: str) -> int:
        """Sign somebody out everywhere; how many sign-ins that were."""
        return await self._statements.execute(_END_ALL, tenant=self._tenant, person=person(name))

    async def add_link(self, id_hash: bytes, name: str, length: timedelta) -> None:
        """Somebody of the table of people may sign in by it, once."""
        await self._statements.execute(
            _LINK, id_hash=id_hash, tenant=self._tenant, person=person(name), length=length
        )

    async def use_link(self, id_hash: bytes) -> str | None:
        """Whose link it was; None for one that was used, has ended, or never was."""
        found: str | None = await self._statements.scalar(
            _LINKED, tenant=self._tenant, id_hash=id_hash
        )
        return found
