"""Everything about one account: how it is, how it was, what is remembered."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import AccountFilter
from account_reviews.domain.errors import CrmError, PassingError, ReviewsError
from account_reviews.domain.records import Account
from account_reviews.memory.protocol import MemoryHit
from account_reviews.presentation.score_chart import MOST
from account_reviews.presentation.surroundings import Past
from account_reviews.services.documents import past_in_words
from account_reviews.services.lookup import find_account
from account_reviews.services.portfolio import account_line
from account_reviews.store.document_queries import DocumentReader
from account_reviews.store.portfolio_queries import AccountLine
from account_reviews.store.review_queries import RequestRow
from account_reviews.store.timeline_queries import OpenReview, PastPage, TimelineReader

REVIEWS: Final = 10
"""On a page of the timeline."""
MEMORIES: Final = 20
_PATIENCE: Final = 2.0
"""Seconds for a CRM or a memory elsewhere."""


@dataclass(frozen=True)
class AccountStory:
    """What is known of an account. `line` and `account` are None where nobody knows it: no review
    of it has found something, or the CRM did not answer in time. `memory` likewise."""

    account_id: str
    name: str | None
    line: AccountLine | None
    account: Account | None
    reviews: int
    open_review: OpenReview | None
    past: PastPage
    """A page of its reviews."""
    scores: tuple[Past, ...]
    """The newest ones, oldest first."""
    pending: tuple[RequestRow, ...]
    memory: tuple[MemoryHit, ...] | None


async def story_of(parts: Parts, text: str, *, before: str | None = None) -> AccountStory:
    """The account of that id or name; its reviews before that cursor.

    AccountNotFoundError, BadInputError for several and for a cursor of something else.
    """
    known = await find_account(parts, text)
    reading, tenant = parts.slow_statements, parts.settings.tenant
    timeline = TimelineReader(reading, tenant)
    past = await timeline.page(known.id, cursor=before, limit=REVIEWS)
    scores = await DocumentReader(reading).scores(
        tenant, known.id, before=datetime.max.replace(tzinfo=UTC), most=MOST
    )
    pending = await parts.reader.list_requests(tenant=tenant, account=known.id, limit=20)
    account, memory = await asyncio.gather(_account(parts, known.id), _memory(parts, known.id))
    return AccountStory(
        account_id=known.id,
        name=known.name or (account.name if account else None),
        line=await account_line(parts, known.id),
        account=account,
        reviews=await timeline.count(known.id),
        open_review=await timeline.open_review(known.id),
        past=past,
        scores=past_in_words(scores),
        pending=pending.items,
        memory=memory,
    )


async def _account(parts: Parts, account_id: str) -> Account | None:
    where = AccountFilter(account_ids=(account_id,))
    try:
        async with asyncio.timeout(_PATIENCE):
            page = await parts.accounts.list_accounts(where)
    except (CrmError, PassingError, TimeoutError):
        return None
    return page.items[0] if page.items else None


async def _memory(parts: Parts, account_id: str) -> tuple[MemoryHit, ...] | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            return (await parts.memory.timeline(account_id, limit=MEMORIES)).items
    except (ReviewsError, TimeoutError):
        return None
