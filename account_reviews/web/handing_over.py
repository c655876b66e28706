"""Somebody lets another one decide in his place on one request."""

from account_reviews.domain.errors import BadInputError
from account_reviews.domain.person_names import person
from account_reviews.domain.review.commands import Delegate
from account_reviews.domain.review.messages import Malformed, checked
from account_reviews.presentation.words import Words
from account_reviews.services.control import command
from account_reviews.services.standing_in import seat_of
from account_reviews.store.review_queries import RequestRow
from account_reviews.web.identity import Principal
from account_reviews.web.site import Site


async def hand_over(
    site: Site, words: Words, who: Principal, row: RequestRow, *, to: str, reason: str | None
) -> None:
    """Hand the seat of `who` over to `to`; whether he may is asked before.

    BadInputError, UnreachableError, and what the review answers where it refuses.
    """
    seat = seat_of(site.parts, row, words, who.name)
    known = seat is not None and not site.parts.guard.unknown(seat)
    given = {
        "request_id": row.request.request_id,
        "by": seat if known else who.name,
        "to": _called(site, words, to),
        "reason": " ".join((reason or "").split()) or None,
    }
    said = checked(Delegate, given)
    if isinstance(said, Malformed):
        raise BadInputError(said.why)
    client = await site.temporal()
    await command(site.parts, client, row.review_id, "delegate", said, run_id=row.run_id)


def _called(site: Site, words: Words, name: str) -> str:
    """His id in the CRM where the policy knows him by it, since it may have another name for him;
    else the name, by which he signs in."""
    access, meant = site.parts.guard.access(), person(name)
    ids = (one for one, known in words.people.items() if person(known) == meant)
    return next((one for one in ids if access.user(one) is not None), name)
