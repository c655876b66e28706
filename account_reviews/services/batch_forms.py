"""The same decision on changes of several requests, as they were ticked in a list."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import BadInputError, ReviewsError
from account_reviews.domain.review.messages import Verdict
from account_reviews.services.form_decisions import Decider, Form, decide_form

if TYPE_CHECKING:
    from temporalio.client import Client

_AT_ONCE: Final = 8
MOST: Final = 200
"""Requests of one form."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What was ticked: request id -> item id -> hash of the change as it was shown."""

    form_id: str
    verdict: Verdict
    ticked: Mapping[str, Mapping[str, str]]
    reason: str | None = None


class Result(NamedTuple):
    """What came of it for one request."""

    request_id: str
    account_id: str | None
    name: str
    """What people call the request."""
    ticked: int
    """Changes that were ticked."""
    error: ReviewsError | None

    @property
    def ok(self) -> bool:
        return self.error is None


async def decide_batch(
    parts: Parts, client: "Client", batch: Batch, decider: Decider
) -> list[Result]:
    """Decide on each request; one that fails stops no other. BadInputError where nothing is ticked.

    A change that is not any more what was shown is not decided.
    """
    if not batch.ticked:
        raise BadInputError("nothing is ticked; tick at least one change")
    if len(batch.ticked) > MOST:
        raise BadInputError(f"that is more than {MOST} requests at once; tick fewer")
    gate = asyncio.Semaphore(_AT_ONCE)
    found = await parts.reader.find_requests(parts.settings.tenant, list(batch.ticked))

    async def one(request_id: str, ticked: Mapping[str, str]) -> Result:
        row = found[request_id]
        if isinstance(row, ReviewsError):
            return Result(request_id, None, request_id, len(ticked), row)
        name, account = row.short_id or request_id, row.request.account_id
        changed = [
            item.change.title
            for item in row.request.items
            if item.item_id in ticked and item.change.hash != ticked[item.item_id]
        ]
        form = Form(
            form_id=batch.form_id,
            verdict=batch.verdict,
            items=tuple(ticked),
            shown_hash=row.request.shown_hash,
            hashes=ticked,
            reason=batch.reason,
        )
        error: ReviewsError | None = None
        try:
            if changed:
                raise BadInputError(f"{changed[0]} changed since it was shown; look at it again")
            async with gate:
                await decide_form(parts, client, row, form, decider)
        except ReviewsError as raised:
            error = raised
        return Result(request_id, account, name, len(ticked), error)

    return list(await asyncio.gather(*(one(name, ids) for name, ids in batch.ticked.items())))
