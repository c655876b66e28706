"""Stop everything, and let it go on: a page of its own that says what it does."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import BadInputError
from account_reviews.services.halts import release_all, status_of, stop_all
from account_reviews.web.identity import Who
from account_reviews.web.rights import may
from account_reviews.web.site import Here

router = APIRouter(include_in_schema=False)
_DONE: Final = {"stop": "Everything is stopped.", "release": "Everything goes on."}
_HISTORY: Final = 20


@router.get("/stop-all")
async def page(
    request: Request, who: Who, site: Here, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """How it stands, and what stopping does."""
    await site.allow(who, Verb.READ)
    tenant = site.parts.settings.tenant
    return await site.page(
        request,
        who,
        "stop_all.html.j2",
        standing=await status_of(site.parts),
        past=await site.parts.halt_history.history(tenant, limit=_HISTORY),
        may_stop=may(site, who, Verb.STOP_ALL),
        done=_DONE.get(done),
    )


@router.post("/stop-all")
async def stop(
    who: Who, site: Here, reason: Annotated[str, Form(max_length=5000)] = ""
) -> Response:
    """Stop every write and every start. It answers when no write is under way any more."""
    await site.allow(who, Verb.STOP_ALL)
    await stop_all(site.parts, who.name, _said(reason), notify=lambda _: None)
    return RedirectResponse("/stop-all?done=stop", 303)


@router.post("/stop-all/release")
async def release(
    who: Who, site: Here, reason: Annotated[str, Form(max_length=5000)] = ""
) -> Response:
    """Let everything go on."""
    await site.allow(who, Verb.STOP_ALL)
    await release_all(site.parts, who.name, _said(reason))
    return RedirectResponse("/stop-all?done=release", 303)


def _said(reason: str) -> str:
    words = " ".join(reason.split())
    if not words:
        raise BadInputError("say why; everybody who is held up reads it")
    return words
