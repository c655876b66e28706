"""The names of accounts and owners, as our own reviews have read them: id -> name.

The name is None where no review knows one. UnreachableError when the database is down.
"""

from collections.abc import Iterable
from typing import Final

from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_ACCOUNTS: Final = read_sql("account_reviews.store", "reviewed_account_names.sql")
_OWNERS: Final = read_sql("account_reviews.store", "reviewed_owner_names.sql")
_ACCOUNT: Final = (
    "select account_id as id, state#>>'{snapshot,account_name}' as name from reviews.review_runs "
    "where tenant = :tenant and account_id = :id order by started_at desc limit 1"
)
_OWNER: Final = (
    "select owner_id as id, state#>>'{snapshot,owner_name}' as name from reviews.review_runs "
    "where tenant = :tenant and owner_id = :id order by started_at desc limit 1"
)
_NAMED_ACCOUNTS: Final = read_sql("account_reviews.store", "names_of_accounts.sql")
_NAMED: Final = read_sql("account_reviews.store", "names_of_owners.sql")

Names = dict[str, str | None]


async def account_name(statements: Statements, tenant: str, account_id: str) -> Names:
    """The account of exactly that id, or nothing."""
    return _read(await statements.rows(_ACCOUNT, tenant=tenant, id=account_id))


async def owner_name(statements: Statements, tenant: str, owner_id: str) -> Names:
    """The owner of exactly that id, or nothing."""
    return _read(await statements.rows(_OWNER, tenant=tenant, id=owner_id))


async def names_of_owners(statements: Statements, tenant: str, ids: Iterable[str]) -> Names:
    """Those of these owners whose accounts were reviewed."""
    return _read(await statements.rows(_NAMED, tenant=tenant, ids=list(ids)))


async def names_of_accounts(statements: Statements, tenant: str, ids: Iterable[str]) -> Names:
    """Those of these accounts that were reviewed."""
    return _read(await statements.rows(_NAMED_ACCOUNTS, tenant=tenant, ids=list(ids)))


async def account_names(statements: Statements, tenant: str) -> Names:
    """Every account that was reviewed."""
    return _read(await statements.rows(_ACCOUNTS, tenant=tenant))


async def owner_names(statements: Statements, tenant: str) -> Names:
    """Everybody whose accounts were reviewed."""
    return _read(await statements.rows(_OWNERS, tenant=tenant))


def _read(rows: list[dict[str, str | None]]) -> Names:
    return {str(row["id"]): row["name"] for row in rows}
