"""Ids that begin as somebody has typed them, for the shell: id -> name, None without one."""

from typing import Final, Literal

from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

Kind = Literal["accounts", "owners", "requests"]
_QUERIES: Final[dict[Kind, str]] = {
    "accounts": read_sql("account_reviews.store", "begun_accounts.sql"),
    "owners": read_sql("account_reviews.store", "begun_owners.sql"),
    "requests": read_sql("account_reviews.store", "begun_requests.sql"),
}
MOST: Final = 50
"""More than that nobody reads through behind a prompt."""


async def begun(
    statements: Statements, kind: Kind, tenant: str, begins: str
) -> dict[str, str | None]:
    """The first MOST of them, requests by their deadlines. UnreachableError."""
    rows = await statements.rows(_QUERIES[kind], tenant=tenant, begins=begins, most=MOST)
    return {str(row["id"]): row["name"] for row in rows}
