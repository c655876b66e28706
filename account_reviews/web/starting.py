"""Reviews that somebody starts on a page."""

from account_reviews.bootstrap import Parts
from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import ReviewAlreadyRunningError
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import ReviewInput, ReviewState
from account_reviews.services.accounts import find_accounts
from account_reviews.services.admission import admitted
from account_reviews.services.halts import ensure_not_halted, starting
from account_reviews.services.reviews import find_review, open_review
from account_reviews.services.start_accounts import AWAY, clock_of, unchecked_accounts
from account_reviews.services.undo import look
from account_reviews.temporal import names
from account_reviews.web.identity import Principal
from account_reviews.web.site import Site
from starter import start_review


async def start_for(site: Site, who: Principal, account_id: str) -> ReviewState:
    """Start a review of an account; where one is open already that one is meant.

    HaltedError, NotAllowedError, UnreachableError, AccountNotFoundError. While the CRM is away an
    account that was reviewed before can be started, and its review waits.
    """
    parts = site.parts
    await ensure_not_halted(parts)
    account = await _read(parts, account_id)
    await site.allow(who, Verb.START, account)
    clock, clock_given = await clock_of(parts)
    start = ReviewInput(
        account_id=account.id,
        tenant=parts.settings.tenant,
        started_by=who.name,
        as_of=clock,
        clock_given=clock_given,
        give_up_after_seconds=parts.policy.gather.give_up_after.total_seconds(),
        execution=await parts.execution(),
    )
    client = await site.temporal()
    try:
        async with starting(parts) as ask, admitted(parts, client, start, ask) as review:
            _, state = await start_review(client, review, account)
    except ReviewAlreadyRunningError:
        return await open_review(parts, client, account.id)
    await parts.first_rows.open_run(state)
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
    undo = wanted.start.undo
    assert undo is not None
    client = await site.temporal()
    try:
        async with starting(parts):
            _, state = await start_review(client, wanted.start, wanted.account)
    except ReviewAlreadyRunningError:
        return (await find_review(parts, names.undo_id(undo.run_id, undo.change_id))).state
    await parts.first_rows.open_run(state)
    return state
