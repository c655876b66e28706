"""Reviews that somebody starts on a page."""

from account_reviews.bootstrap import Parts
from account_reviews.domain.access.roles import Verb
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import ReviewState
from account_reviews.services.accounts import find_accounts
from account_reviews.services.halts import ensure_not_halted
from account_reviews.services.start_accounts import AWAY, unchecked_accounts
from account_reviews.services.starts import start_or_join, start_undo, template
from account_reviews.services.undo import look
from account_reviews.web.identity import Principal
from account_reviews.web.site import Site


async def start_for(site: Site, who: Principal, account_id: str) -> ReviewState:
    """Start a review of an account; where one is open already that one is meant.

    HaltedError, NotAllowedError, UnreachableError, AccountNotFoundError. While the CRM is away an
    account that was reviewed before can be started, and its review waits.
    """
    parts = site.parts
    await ensure_not_halted(parts)
    account = await _read(parts, account_id)
    await site.allow(who, Verb.START, account)
    start = await template(parts, started_by=who.name)
    start = start.model_copy(update={"account_id": account.id})
    state, _ = await start_or_join(parts, await site.temporal(), start, account)
    return state


async def _read(parts: Parts, account_id: str) -> Account:
    try:
        (account,) = await find_accounts(parts, ids=(account_id,))
    except AWAY:
        (account,) = await unchecked_accounts(parts, (account_id,))
    return account


async def undo_for(
    site: Site, who: Principal, of: ReviewState, change_id: str, reason: str
) -> ReviewState:
    """Ask for a write to be taken back: the review that asks, also one that is open already.

    What `services.undo.look` raises, HaltedError, NotAllowedError.
    """
    parts = site.parts
    await ensure_not_halted(parts)
    await site.allow(who, Verb.UNDO, of)
    wanted = await look(parts, of, change_id, by=who.name, reason=reason)
    state, _ = await start_undo(parts, await site.temporal(), wanted)
    return state
