"""The accounts that somebody names."""

import unicodedata
from collections.abc import AsyncIterator

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import AccountFilter, AccountSource
from account_reviews.domain.errors import AccountNotFoundError, BadInputError, NotFoundError
from account_reviews.domain.records import Account
from account_reviews.services.lookup import (
    find_account,
    find_accounts_named,
    find_owner,
    what_to_do,
)


async def find_accounts(
    parts: Parts,
    *,
    ids: tuple[str, ...] = (),
    owner: str | None = None,
    every: bool = False,
    unknown: dict[str, str] | None = None,
) -> list[Account]:
    """The accounts meant, ordered by id. `ids` are ids, beginnings of one, or names.

    AccountNotFoundError names the first that nobody knows, BadInputError one that may be several;
    with `unknown` all of them go there, each with what to say of it.
    """
    if not ids and owner is None and not every:
        raise BadInputError(
            "no account is named", hint="give ACCOUNT ids or names, --owner, --all or --file"
        )
    owner_id = None if owner is None else await id_of_owner(parts, owner)
    found = await _read(parts, ids, owner_id)
    known = {account.id for account in found}
    others = [one for one in ids if not known & {one, _composed(one)}]
    if others:
        found += await _called(parts, others, owner_id, known, unknown)
        found.sort(key=lambda account: account.id)
    if owner_id is not None and not found:
        raise NotFoundError(f"the CRM has no accounts of owner {owner!r}")
    return found


async def id_of_owner(parts: Parts, owner: str) -> str:
    """The id of somebody who may own accounts. NotFoundError, BadInputError for several."""
    try:
        return (await find_owner(parts, owner)).id
    except NotFoundError as error:
        message = f"the CRM has no accounts of owner {owner!r}"
        raise NotFoundError(message, hint=error.hint) from None


async def _called(
    parts: Parts,
    texts: list[str],
    owner_id: str | None,
    known: set[str],
    unknown: dict[str, str] | None,
) -> list[Account]:
    """Those that are no ids; `known` are the ids of what is there already."""
    wanted: dict[str, str] = {}
    if unknown is None:
        wanted = {text: (await find_account(parts, text)).id for text in texts}
    else:
        for text, one in (await find_accounts_named(parts, texts)).items():
            if isinstance(one, str):
                unknown[text] = one
            else:
                wanted[text] = one.id
    more = set(wanted.values()) - known
    found = await _read(parts, tuple(more), owner_id) if more else []
    read = known | {account.id for account in found}
    for text, account_id in wanted.items():
        if account_id not in read:
            message = f"the CRM has no account {text!r}"
            if unknown is None:
                raise AccountNotFoundError(message, hint=what_to_do(parts))
            unknown[text] = message
    return found


async def _read(parts: Parts, ids: tuple[str, ...], owner_id: str | None) -> list[Account]:
    spelled = dict.fromkeys((*ids, *map(_composed, ids)))
    where = AccountFilter(owner=owner_id, account_ids=tuple(spelled) or None)
    found = [account async for account in _list(parts.accounts, where)]
    return [one for one in found if owner_id is None or one.owner_id == owner_id]


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


async def _list(crm: AccountSource, where: AccountFilter) -> AsyncIterator[Account]:
    cursor: str | None = None
    while True:
        page = await crm.list_accounts(where, cursor=cursor)
        for account in page.items:
            yield account
        cursor = page.next_cursor
        if cursor is None:
            return
