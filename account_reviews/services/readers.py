"""Words for whoever reads what a command or a page says."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from account_reviews.bootstrap import Parts
from account_reviews.services.lookup import people

if TYPE_CHECKING:
    from account_reviews.presentation.words import Words


async def words_of(parts: Parts) -> "Words":
    """By the settings of this process, with everybody's name. BadInputError for a locale that is
    none."""
    from account_reviews.domain.errors import PolicyError
    from account_reviews.domain.policy.model import Policy
    from account_reviews.presentation.readers import reader_words

    try:
        policy = parts.policy
    except PolicyError:  # it says the currency, and nothing else to a reader
        policy = Policy()
    return reader_words(parts.settings, policy, now=datetime.now(UTC), people=await people(parts))
