"""Changes as they happen, as server-sent events."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Header, Request
from fastapi import Query as Where
from pydantic import Field
from starlette.responses import StreamingResponse

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import UnreachableError
from account_reviews.domain.live import LONGEST_ID, LiveEvent, Watching
from account_reviews.services.lookup import account_or_given, find_request
from account_reviews.services.reviews import named_review_id
from account_reviews.web.api.routes import NamedRoute, PlainText, Query, may, responses
from account_reviews.web.api.schemas import Event
from account_reviews.web.identity import Principal, still_known
from account_reviews.web.live import Subscription
from account_reviews.web.site import Here

router = APIRouter(route_class=NamedRoute)
BEAT_SECONDS: Final = 15.0
"""So often something is sent, whatever happens, so that nobody between us thinks it is over."""
_STILL_SECONDS: Final = 60.0
"""So often it is asked whether the sign-in or the token still holds."""
_COME_AGAIN_MS: Final = 2000
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}

EventId = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]


class Watched(Query):
    """All of these narrow what is told together."""

    review: PlainText | None = Field(None, description="A review, or an account's.")
    account: PlainText | None = Field(None, description="An account, by id or name.")
    request: PlainText | None = Field(None, description="An approval request.")
    kind: list[Literal["review", "request", "cycle"]] = Field(
        default=[], max_length=3, description="Repeatable; none: all of them."
    )
    after: EventId | None = Field(
        None, description="As `Last-Event-ID`, for who cannot send a header."
    )


@router.get(
    "/events",
    operation_id="watchEvents",
    summary="Watch what changes",
    response_model=None,
    responses={
        **responses(Event, 404),
        200: {
            "description": "A stream that does not end: `event` is review, request, cycle, or "
            "missed when what came meanwhile is not kept any more; `data` is JSON; `id` goes into "
            "`Last-Event-ID`, which brings everything since. A comment comes every 15 seconds.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
)
async def events(
    request: Request,
    site: Here,
    _: Annotated[Principal, Depends(may(Verb.READ, several=["kind"]))],
    watched: Annotated[Watched, Where()],
    last_event_id: Annotated[EventId | None, Header()] = None,
) -> StreamingResponse:
    """Changes of reviews, approval requests and cycles, each at once and none left out."""
    parts = site.parts
    where = Watching(
        review_id=await named_review_id(parts, watched.review) if watched.review else None,
        account_id=await account_or_given(parts, watched.account),
        request_id=(await find_request(parts, watched.request)).request.request_id
        if watched.request
        else None,
        kinds=frozenset(watched.kind) or None,
    )
    stack = AsyncExitStack()
    watching = await stack.enter_async_context(
        site.live.open(where, last_event_id or watched.after)
    )
    return StreamingResponse(
        _stream(request, stack, watching), media_type="text/event-stream", headers=_HEADERS
    )


async def _stream(
    request: Request, stack: AsyncExitStack, watching: Subscription
) -> AsyncIterator[str]:
    async with stack:
        yield f"retry: {_COME_AGAIN_MS}\nid: {watching.place.id}\n\n"
        asked = time.monotonic()
        while (found := await _next(watching)) is not None:
            if time.monotonic() - asked > _STILL_SECONDS:
                if not await still_known(request):
                    return
                asked = time.monotonic()
            # A browser takes the id also where no data follows.
            yield "".join(map(spelled, found)) or f": still here\nid: {watching.place.id}\n\n"


async def _next(watching: Subscription) -> "list[LiveEvent] | None":
    """None: the stream ends, and whoever wants more comes again."""
    try:
        found = await watching.next(BEAT_SECONDS)
    except UnreachableError:
        return None
    return None if found is None else list(found)


def spelled(event: LiveEvent) -> str:
    """One event as it is sent."""
    data = json.dumps(event.document, ensure_ascii=False)
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"
