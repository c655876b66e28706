"""What a start asks the SQL CRM, over a plain connection: a command needs no engine for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from account_reviews.crm.protocol import AccountFilter, AccountPage, Capabilities
from account_reviews.crm.sql.ownership import OWNER, refuse_others
from account_reviews.crm.sql.rows import LIST_ACCOUNTS, Links, list_values, page_of
from account_reviews.domain.errors import CrmUnavailableError, UnreachableError
from account_reviews.domain.times import can_be_reviewed
from account_reviews.store.statements import Statements, as_error

CAPABILITIES: Final = Capabilities(
    name="sql",
    optimistic_lock=True,
    transactional_ledger=True,
    create_once=True,
    bulk_reads=200,
    local=True,
    history=True,
    incremental=True,
)
_LAST_AS_OF: Final = "select as_of from crm.imports order by id desc limit 1"

_ACCOUNT_NAMES: Final = "select id, name from crm.accounts"
_OWNER_NAMES: Final = "select id, name from crm.owners"

_HAS_OWNER: Final = (
    "select exists (select from crm.owners where id = :owner or (:by_name and name = :owner))"
)


class SqlAccounts:
    """`AccountSource` on the schema `crm` of a database. CrmUnavailableError when it is down.

    Asked for a `tenant`, CrmOfAnotherTenantError when it belongs to another one.
    """

    def __init__(self, statements: Statements, tenant: str | None = None) -> None:
        self._statements = statements
        self._tenant = tenant
        self._links = Links(None)

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        """As `SqlCrm.list_accounts`, with the same statement."""
        values = list_values(where, cursor, limit)
        with _reachable():
            if cursor is None:
                await self._check_owner()
            rows = await self._statements.rows(LIST_ACCOUNTS, **values)
        return page_of(rows, limit, self._links)

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        """Whether there is an owner of that id, with `by_name` also of exactly that name."""
        with _reachable():
            await self._check_owner()
            return bool(await self._statements.scalar(_HAS_OWNER, owner=owner, by_name=by_name))

    async def account_names(self) -> dict[str, str]:
        """The name of every account, by id."""
        return await self._names(_ACCOUNT_NAMES)

    async def owner_names(self) -> dict[str, str]:
        """The name of every owner, by id."""
        return await self._names(_OWNER_NAMES)

    async def _names(self, statement: str) -> dict[str, str]:
        with _reachable():
            await self._check_owner()
            rows = await self._statements.rows(statement)
        return {row["id"]: row["name"] for row in rows}

    async def capabilities(self) -> Capabilities:
        """As of `SqlCrm`; nobody is asked."""
        return CAPABILITIES

    async def last_as_of(self) -> datetime | None:
        """The moment the files of the last import speak of; None when it named none.

        None also for one that no review can be made of: earlier releases took any, and kept the
        last day there is as `infinity`.
        """
        with _reachable():
            found: datetime | None = await self._statements.scalar(_LAST_AS_OF)
        return found if found is not None and can_be_reviewed(found) else None

    async def _check_owner(self) -> None:
        if self._tenant is not None:
            refuse_others(await self._statements.scalar(OWNER), self._tenant)


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except UnreachableError as error:
        raise as_error(CrmUnavailableError, error) from error
