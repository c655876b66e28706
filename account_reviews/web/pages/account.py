"""One account: how it is, how it was, what happened since, and what is remembered."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.presentation.account_timeline import timeline
from account_reviews.presentation.score_chart import score_chart
from account_reviews.presentation.templating import web_link
from account_reviews.services.account_story import story_of
from account_reviews.services.lookup import find_account
from account_reviews.web.identity import Who
from account_reviews.web.places import account_path, review_path
from account_reviews.web.site import Here
from account_reviews.web.starting import start_for

router = APIRouter(include_in_schema=False)
_DONE: Final = {"started": "A review was started. It reads the account now."}


@router.get("/accounts/{account}")
async def page(
    request: Request,
    who: Who,
    site: Here,
    account: str,
    done: Annotated[str, Query(max_length=20)] = "",
    before: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """The account of that id or name. `before`: a cursor, for what happened earlier."""
    await site.allow(who, Verb.READ)
    story = await story_of(site.parts, account, before=before)
    words = await site.words(request, who)
    url = story.account.url if story.account else (story.line.url if story.line else None)
    return await site.page(
        request,
        who,
        "account.html.j2",
        story=story,
        line=story.line,
        chart=score_chart(story.scores, words),
        days=timeline(story.past.reviews, words),
        earlier=story.past.next_cursor,
        is_newest=before is None,
        account_path=account_path(story.account_id),
        crm_url=web_link(url),
        review_path=review_path,
        done=_DONE.get(done),
    )


@router.post("/accounts/{account}/start")
async def start(who: Who, site: Here, account: str) -> Response:
    """Start a review; where one is open, that one is shown."""
    known = await find_account(site.parts, account)
    await start_for(site, who, known.id)
    return RedirectResponse(f"{account_path(known.id)}?done=started", 303)
