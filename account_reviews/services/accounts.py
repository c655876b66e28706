"""The accounts that somebody names."""

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import AccountFilter
from account_reviews.domain.errors import AccountNotFoundError, BadInputError, NotFoundError
from account_reviews.domain.records import Account


async def find_accounts(
    parts: Parts, *, ids: tuple[str, ...] = (), owner: str | None = None, every: bool = False
) -> list[Account]:
    """The accounts meant, ordered by id. AccountNotFoundError names the first unknown one."""
    if not ids and owner is None and not every:
        raise BadInputError(
            "no account is named", hint="give ACCOUNT ids, --owner, --all or --file"
        )
    where = AccountFilter(owner=owner, account_ids=ids or None)
    found: list[Account] = []
    cursor: str | None = None
    while True:
        page = await parts.accounts.list_accounts(where, cursor=cursor)
        found.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    known = {account.id for account in found}
    for wanted in ids:
        if wanted not in known:
            raise AccountNotFoundError(
                f"the CRM has no account {wanted!r}", hint="check the id, or import the account"
            )
    if owner is not None and not found:
        raise NotFoundError(f"the CRM has no accounts of owner {owner!r}")
    return found
