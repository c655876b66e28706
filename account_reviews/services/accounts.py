"""The accounts that somebody names."""

import unicodedata
from collections.abc import AsyncIterator, Iterable

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import AccountFilter, AccountSource
from account_reviews.crm.registry import scheme_of
from account_reviews.domain.errors import AccountNotFoundError, BadInputError, NotFoundError
from account_reviews.domain.records import Account


async def find_accounts(
    parts: Parts,
    *,
    ids: tuple[str, ...] = (),
    owner: str | None = None,
    every: bool = False,
    unknown: dict[str, str] | None = None,
) -> list[Account]:
    """The accounts meant, ordered by id.

    AccountNotFoundError names the first id that the CRM does not know; with `unknown` all of them
    go there, each with what to say of it.
    """
    if not ids and owner is None and not every:
        raise BadInputError(
            "no account is named", hint="give ACCOUNT ids, --owner, --all or --file"
        )
    spelled = dict.fromkeys((*ids, *(unicodedata.normalize("NFC", wanted) for wanted in ids)))
    where = AccountFilter(owner=owner, account_ids=tuple(spelled) or None)
    found = [account async for account in _list(parts.accounts, where)]
    known = {account.id for account in found}
    for wanted in ids:
        if not known & {wanted, unicodedata.normalize("NFC", wanted)}:
            message = f"the CRM has no account {wanted!r}"
            if unknown is None:
                raise AccountNotFoundError(message, hint=_what_to_do(parts))
            unknown[wanted] = message
    if owner is None:
        return found
    owner_id = _one_owner(found, owner)
    if owner_id is None:
        raise NotFoundError(f"the CRM has no accounts of owner {owner!r}")
    return [account for account in found if account.owner_id == owner_id]


def _what_to_do(parts: Parts) -> str:
    """About an account that the CRM does not know: only the CRM in tables is filled by us."""
    filled = scheme_of(parts.settings.crm_url or "postgresql://") == "postgresql"
    return "check the id, or import the account" if filled else "check the id in the CRM"


async def find_owner_id(crm: AccountSource, owner: str) -> str | None:
    """The id of somebody who owns accounts, by id or exact name; None when nobody is called so.

    BadInputError when several people are: what is meant for one of them is not for all.
    """
    accounts = [account async for account in _list(crm, AccountFilter(owner=owner))]
    return _one_owner(accounts, owner)


def _one_owner(accounts: Iterable[Account], owner: str) -> str | None:
    ids = sorted({account.owner_id for account in accounts if account.owner_id is not None})
    if owner in ids or not ids:
        return owner if ids else None
    if len(ids) > 1:
        raise BadInputError(
            f"{len(ids)} owners are called {owner}: {', '.join(ids)}", hint="give the id"
        )
    return ids[0]


async def _list(crm: AccountSource, where: AccountFilter) -> AsyncIterator[Account]:
    cursor: str | None = None
    while True:
        page = await crm.list_accounts(where, cursor=cursor)
        for account in page.items:
            yield account
        cursor = page.next_cursor
        if cursor is None:
            return
