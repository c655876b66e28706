"""Accounts as our own reviews have read them, for when the CRM cannot be asked."""

from collections.abc import Sequence

from account_reviews.domain.records import Account
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_KNOWN = read_sql("account_reviews.store", "known_accounts.sql")


async def known_accounts(statements: Statements, tenant: str, ids: Sequence[str]) -> list[Account]:
    """Those of `ids` that a stored review has read, by id, with their name and owner then."""
    rows = await statements.rows(_KNOWN, tenant=tenant, ids=list(ids))
    return [
        Account(
            id=row["account_id"],
            version="",
            name=row["account_name"] or row["account_id"],
            owner_id=row["owner_id"],
        )
        for row in rows
    ]
