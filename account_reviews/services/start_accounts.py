"""The accounts that reviews are started of, also while the CRM is away."""

import unicodedata
from collections.abc import Callable

from account_reviews.bootstrap import Parts
from account_reviews.domain.base import Timestamp
from account_reviews.domain.characters import is_blank, shown_on_one_line
from account_reviews.domain.errors import BadInputError, CrmRateLimitedError, CrmUnavailableError
from account_reviews.domain.records import Account
from account_reviews.services.accounts import find_accounts
from account_reviews.services.lookup import find_accounts_named
from account_reviews.store.known_accounts import known_accounts

_HINT = "start it when the CRM is back, or with --unchecked: its review then waits for the CRM"

AWAY = (CrmUnavailableError, CrmRateLimitedError)


async def accounts_to_start(
    parts: Parts,
    *,
    ids: tuple[str, ...],
    owner: str | None,
    every: bool,
    unknown: dict[str, str] | None,
    say: Callable[[str], None],
) -> list[Account]:
    """As `find_accounts`; while the CRM is away those of `ids` that a review of ours has read.

    CrmUnavailableError when the CRM is away and none of them is known, or `ids` are not given:
    which accounts an owner has only the CRM knows. `say` hears that the CRM is away.
    """
    try:
        return await find_accounts(parts, ids=ids, owner=owner, every=every, unknown=unknown)
    except AWAY as error:
        if not ids:
            whose = f"owner {owner!r} has" if owner is not None else "there are"
            raise CrmUnavailableError(
                f"{error.message}, and only the CRM knows which accounts {whose}",
                hint="name the accounts: those that were reviewed before can be started",
            ) from error
        ids = await _as_ids(parts, ids)
        known = {one.id: one for one in await _known(parts, ids)}
        missing = [one for one in ids if not known.keys() & {one, _composed(one)}]
        if unknown is None or not known:
            _raise_missing(missing, error.message)
        if unknown is not None:
            said = "the CRM is away, and no review of {!r} is stored"
            unknown |= {one: said.format(one) for one in missing}
        say(f"{error.message}: what is started waits for the CRM")
        return sorted(known.values(), key=lambda one: one.id)


async def clock_of(parts: Parts) -> tuple[Timestamp | None, bool]:
    """The clock of the CRM, that of its last import, and whether there is one to be had: where not,
    the review asks the CRM as it reads."""
    try:
        return await parts.default_as_of(), True
    except AWAY:
        return None, False


async def _as_ids(parts: Parts, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of what our reviews know by name, all else as it is."""
    found = await find_accounts_named(parts, texts)
    named = ((text, found[text]) for text in texts)
    return tuple(dict.fromkeys(text if isinstance(one, str) else one.id for text, one in named))


def _raise_missing(missing: list[str], why: str) -> None:
    if missing:
        which = f"account {missing[0]!r}" + (" and the others" if len(missing) > 1 else "")
        raise CrmUnavailableError(f"{why}, and no review of {which} is stored", hint=_HINT)


async def unchecked_accounts(parts: Parts, ids: tuple[str, ...]) -> list[Account]:
    """Exactly these, without asking the CRM: as a review of ours knows them, else by their ids.

    BadInputError for what can be no id.
    """
    if not ids:
        raise BadInputError(
            "--unchecked takes account ids", hint="only the CRM knows what --owner and --all mean"
        )
    for one in ids:
        if is_blank(one) or shown_on_one_line(one) != one:
            raise BadInputError(f"{shown_on_one_line(one)!r} is no account id", hint="check it")
    known = {one.id: one for one in await _known(parts, ids)}
    found = {}
    for one in ids:
        exact = one if one in known else _composed(one)
        found[exact] = known.get(exact) or Account(id=exact, version="", name=exact)
    return [found[one] for one in sorted(found)]


async def _known(parts: Parts, ids: tuple[str, ...]) -> list[Account]:
    asked = list(dict.fromkeys((*ids, *map(_composed, ids))))
    return await known_accounts(parts.statements, parts.settings.tenant, asked)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
