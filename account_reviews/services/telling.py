"""What a command or a page says to people: with the names of whom and what it speaks of."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import (
    BadInputError,
    PassingError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.presentation.quick_words import list_words
from account_reviews.presentation.told import mentioned, told
from account_reviews.services.lookup import people, short_ids_of
from account_reviews.store.name_queries import names_of_accounts

if TYPE_CHECKING:
    from account_reviews.presentation.told import Speech


async def in_words(parts: Parts, *texts: str, words: "Speech | None" = None) -> list[str]:
    """Each text for people. As it is where nobody can be asked for names now."""
    try:
        known = words or list_words(
            parts.settings, lambda: parts.policy, people=await people(parts)
        )
        found = [mentioned(text) for text in texts]
        accounts = await account_names_of(parts, {one for each in found for one in each.accounts})
        short = await short_ids_of(parts, sorted({one for each in found for one in each.requests}))
    except ReviewsError:
        return list(texts)
    return [told(text, known, accounts=accounts, short_ids=short) for text in texts]


async def account_names_of(parts: Parts, ids: Iterable[str]) -> dict[str, str | None]:
    """Id -> name of these accounts, as far as our own reviews know it."""
    if not (wanted := sorted(set(ids))):
        return {}
    return await names_of_accounts(parts.statements, parts.settings.tenant, wanted)


async def explain(parts: Parts, error: ReviewsError, words: "Speech | None" = None) -> None:
    """Have an error speak of people and accounts by their names. What somebody has given is told
    as it was given, and nobody is asked for names while something is away."""
    if not isinstance(error, BadInputError | PassingError | UnreachableError):
        error.message = (await in_words(parts, error.message, words=words))[0]
