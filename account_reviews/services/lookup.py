"""Whom and what somebody means who types a name or an id, also while the CRM is away."""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import (
    AccountNotFoundError,
    BadInputError,
    CrmError,
    NotFoundError,
    PassingError,
    ReviewsError,
)
from account_reviews.domain.known_names import Known, listed, matching, near
from account_reviews.domain.person_names import clean_name, person
from account_reviews.store import name_queries
from account_reviews.store.name_queries import Names
from account_reviews.store.review_queries import can_be_stored

if TYPE_CHECKING:
    from account_reviews.crm.protocol import CrmBackend
    from account_reviews.domain.review.state import ReviewState
    from account_reviews.store.review_queries import RequestRow

_PAGE: Final = 1000
_MOST: Final = 20_000
"""Accounts of a CRM that are listed to find one by its name."""


async def find_account(parts: Parts, text: str) -> Known:
    """The account of that id or name, or whose id alone begins so. Its name is None when nobody
    knows it.

    BadInputError lists several, AccountNotFoundError names those that are called much like it. A
    CRM that is away is done without where our own reviews know it; else its error is raised.
    """
    if can_be_stored(text):
        found = await name_queries.account_name(parts.statements, parts.settings.tenant, text)
        if found.get(text):
            return Known(text, found[text])
    names, away = await account_names(parts, text)
    return _account(parts, text, names, away)


async def find_accounts_named(parts: Parts, texts: Iterable[str]) -> dict[str, Known | str]:
    """Each text -> the account that is meant, else why none is, in a sentence."""
    wanted = list(dict.fromkeys(texts))
    names, away = await account_names(parts, *wanted)
    found: dict[str, Known | str] = {}
    for text in wanted:
        try:
            found[text] = _account(parts, text, names, away)
        except ReviewsError as error:
            found[text] = error.message
    return found


async def find_owner(parts: Parts, text: str) -> Known:
    """The owner of that id or name, or whose id alone begins so.

    Errors are those of `find_account`, NotFoundError where it is nobody.
    """
    if can_be_stored(text):
        found = await name_queries.owner_name(parts.statements, parts.settings.tenant, text)
        if found.get(text):
            return Known(text, found[text])
    names, away = await owner_names(parts, text)
    missing = NotFoundError(f"there is no owner {text!r}", hint="give an id or a name")
    return _one(text, names, "owner", missing, away)


async def narrowed(
    parts: Parts, where: Mapping[str, object], *, strict: bool
) -> dict[str, str | bool | datetime]:
    """What `owner`, `account` and `waiting_on` of a list mean, as ids; what nobody can be asked
    about stays. `strict` as below."""
    found: dict[str, str | bool | datetime] = {}
    if isinstance(owner := where.get("owner"), str):
        found["owner"] = await owner_or_given(parts, owner, strict=strict) or owner
    if isinstance(account := where.get("account"), str):
        found["account"] = await account_or_given(parts, account, strict=strict) or account
    if isinstance(who := where.get("waiting_on"), str):
        found["waiting_on"] = "\n".join(await _called(parts, who))
    return found


async def _called(parts: Parts, who: str) -> list[str]:
    """How somebody may stand in a request: as he was given, and by the id and name of an owner."""
    text = clean_name(who)
    try:
        known = await find_owner(parts, text)
    except (CrmError, PassingError, NotFoundError):
        return [text]
    return list(dict.fromkeys(name for name in (text, known.id, known.name) if name))


async def all_names_of(parts: Parts, who: str) -> list[str]:
    """The same, and by the name that the policy has for that owner, first as he was given."""
    found = await _called(parts, who)
    meant = set(map(person, found))
    for name, user in (parts.policy.access.users or {}).items():
        if user.id is not None and meant & {person(name), person(user.id)}:
            found += [name, user.id]
    return list(dict.fromkeys(found))


async def owner_or_given(parts: Parts, text: str | None, *, strict: bool = True) -> str | None:
    """The id that narrows a list; what was given where nobody can be asked who it is.

    A person hears whom he may have meant. A program (not `strict`) means that id or name, never
    the beginning of another, and gets what fits nobody, nothing, where it fits none or several.
    """
    return None if text is None else await _or_given(find_owner(parts, text), text, strict=strict)


async def account_or_given(parts: Parts, text: str | None, *, strict: bool = True) -> str | None:
    """The same of an account."""
    return None if text is None else await _or_given(find_account(parts, text), text, strict=strict)


async def account_if_known(parts: Parts, text: str | None) -> str | None:
    """The same where more may be known of than accounts that exist, as in the memory or the trail:
    what is no account stays as it was given."""
    return await account_or_given(parts, text, strict=False)


async def account_of(parts: Parts, text: str) -> tuple[str, ReviewsError | None]:
    """The id of exactly the account of that id or name; where it is none or may be several, what
    was given, and why nobody knows it. The beginning of an id is no account here."""
    try:
        known = await find_account(parts, text)
    except (CrmError, PassingError, NotFoundError, BadInputError) as error:
        return text, error
    if _is_exactly(known, text):
        return known.id, None
    hint = f"give its whole id or name; did you mean {known.said}?"
    return text, AccountNotFoundError(f"the CRM has no account {text!r}", hint=hint)


async def need_account(parts: Parts, text: str) -> None:
    """Of what is not found: AccountNotFoundError or BadInputError where there is no such account,
    as far as the CRM can be asked."""
    _, unknown = await account_of(parts, text)
    if isinstance(unknown, NotFoundError | BadInputError):
        raise unknown


async def owner_name_of(parts: Parts, text: str) -> str:
    """What the owner of exactly that id is called; else what was given."""
    try:
        known = await find_owner(parts, text)
    except (CrmError, PassingError, NotFoundError, BadInputError):
        return text
    return known.name if known.name and person(known.id) == person(text) else text


def _is_exactly(known: Known, text: str) -> bool:
    return person(text) in (person(known.id), person(known.name or ""))


async def _or_given(asked: Awaitable[Known], text: str, *, strict: bool) -> str:
    try:
        known = await asked
    except (CrmError, PassingError, NotFoundError, BadInputError) as error:
        if strict and isinstance(error, NotFoundError | BadInputError):
            raise
        return text
    if strict or _is_exactly(known, text):
        return known.id
    return text


async def people(parts: Parts) -> dict[str, str]:
    """id -> name of everybody whose name is known at no cost: owners of reviewed accounts, and
    all of a CRM that tells names at once. Without the latter where it cannot be asked."""
    from account_reviews.crm.protocol import NamesSource

    ours = await name_queries.owner_names(parts.statements, parts.settings.tenant)
    found = {ident: name for ident, name in ours.items() if name}
    try:
        if isinstance(source := parts.accounts, NamesSource):
            return {**found, **await source.owner_names()}
    except (CrmError, PassingError):
        pass
    return found


async def short_ids(parts: Parts, state: "ReviewState") -> dict[str, str]:
    """Request id -> `ac-038-1`, of the requests of a review that have a row."""
    return await short_ids_of(parts, [one.request_id for one in state.requests])


async def short_ids_of(parts: Parts, asked: Sequence[str]) -> dict[str, str]:
    """The same of these requests."""
    if not asked:
        return {}
    found = await parts.reader.find_requests(parts.settings.tenant, asked)
    return {
        name: row.short_id
        for name, row in found.items()
        if not isinstance(row, ReviewsError) and row.short_id is not None
    }


async def find_request(parts: Parts, text: str) -> "RequestRow":
    """The request of that id, of that beginning of one (8 characters), or `ac-038-1`.

    BadInputError for several, RequestNotFoundError.
    """
    return await parts.reader.find_request(parts.settings.tenant, text.strip())


async def account_names(parts: Parts, *exact: str) -> tuple[Names, ReviewsError | None]:
    """The names of all accounts that may be meant, and why the CRM was not asked.

    `exact`: ids that are asked for by themselves where the CRM cannot tell all names at once.
    """
    from account_reviews.crm.protocol import AccountFilter, NamesSource

    names = await name_queries.account_names(parts.statements, parts.settings.tenant)
    exact = tuple(filter(can_be_stored, exact))
    try:
        source = parts.accounts
        if isinstance(source, NamesSource):
            return {**names, **await source.account_names()}, None
        page = await source.list_accounts(AccountFilter(account_ids=tuple(exact) or None))
        names |= {one.id: one.name for one in page.items}
        if all(matching(text, names) for text in exact):
            return names, None
        cursor = None
        while len(names) < _MOST:
            page = await source.list_accounts(AccountFilter(), cursor=cursor, limit=_PAGE)
            names |= {one.id: one.name for one in page.items}
            cursor = page.next_cursor
            if cursor is None:
                break
    except (CrmError, PassingError) as error:
        return names, error
    return names, None


async def owner_names(parts: Parts, text: str) -> tuple[Names, ReviewsError | None]:
    """The names of all owners that may be meant by `text`, and why the CRM was not asked."""
    from account_reviews.crm.protocol import NamesSource

    names = await name_queries.owner_names(parts.statements, parts.settings.tenant)
    try:
        source = parts.accounts
        if isinstance(source, NamesSource):
            return {**names, **await source.owner_names()}, None
        if can_be_stored(text) and not matching(text, names):
            # What has not all names at hand is a whole backend, see `Parts.accounts`.
            found = await cast("CrmBackend", source).find_owner(text)
            names |= {found.id: found.name} if found is not None else {}
    except (CrmError, PassingError) as error:
        return names, error
    return names, None


def what_to_do(parts: Parts) -> str:
    """About an account that the CRM does not know: only the CRM in tables is filled by us."""
    from account_reviews.crm.registry import scheme_of

    filled = scheme_of(parts.settings.crm_url or "postgresql://") == "postgresql"
    return "check the id, or import the account" if filled else "check the id in the CRM"


def _account(parts: Parts, text: str, names: Names, away: ReviewsError | None) -> Known:
    missing = AccountNotFoundError(f"the CRM has no account {text!r}", hint=what_to_do(parts))
    return _one(text, names, "account", missing, away)


def _one(
    text: str, names: Names, what: str, missing: NotFoundError, away: ReviewsError | None
) -> Known:
    """The only one that is meant. Else BadInputError; `missing`, which learns who is called much
    like it; or `away`, since the CRM might have known."""
    found = matching(text, names)
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInputError(
            f"{len(found):,} {what}s may be meant by {text!r}: {listed(found)}", hint="give the id"
        )
    if away is not None:
        raise away
    if like := near(text, names):
        missing.hint = f"did you mean {listed(like)}?"
    raise missing
