"""One review: its stages, what happened, what was written, and what can be done about it."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import BadInputError, ConflictError, NotFoundError
from account_reviews.domain.live import Watching
from account_reviews.domain.review.commands import Close, Command
from account_reviews.domain.review.messages import Malformed, checked
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.brief import brief_of
from account_reviews.presentation.brief_view import brief_view
from account_reviews.services.cancellations import cancel
from account_reviews.services.control import command
from account_reviews.services.documents import beside_brief
from account_reviews.services.review_story import review_story
from account_reviews.services.reviews import find_review, show_review
from account_reviews.services.stuck import retry
from account_reviews.web.fragment_streams import stream
from account_reviews.web.identity import Principal, Who, still_known
from account_reviews.web.places import account_path, review_path
from account_reviews.web.rights import may
from account_reviews.web.site import Here, Site
from account_reviews.web.starting import undo_for

router = APIRouter(include_in_schema=False)
Run = Annotated[str | None, Query(max_length=200)]
_DONE: Final = {
    "pause": "The review is paused. Decisions are taken, writes wait.",
    "resume": "The review goes on.",
    "cancel": "The review was told to stop. What was written stays.",
    "close": "The review is closed.",
    "retry": "What fails is tried again now.",
    "undo": "This review asks for a write to be taken back. Nothing is, before it is approved.",
}
_VERBS: Final = {
    "pause": Verb.PAUSE,
    "resume": Verb.RESUME,
    "cancel": Verb.CANCEL,
    "close": Verb.CLOSE,
    "retry": Verb.RETRY,
    "undo": Verb.UNDO,
}
_OFFERED: Final = {**_VERBS, "start": Verb.START}


@router.get("/reviews/{review:path}/brief")
async def brief(request: Request, who: Who, site: Here, review: str, run: Run = None) -> Response:
    """What the review found, as the brief says it."""
    await site.allow(who, Verb.READ)
    state, analysis, _ = await show_review(site.parts, site.temporal_if_there, review, run)
    document = brief_of(state, analysis, site.parts.policy)
    written = await beside_brief(site.parts, state)
    beside = replace(written.beside, web_url=site.address(request))
    words = await site.words(request, who)
    return await site.page(
        request,
        who,
        "brief_page.html.j2",
        brief=brief_view(document, words, beside),
        account_path=account_path(state.account_id),
        review_path=review_path(state.review_id, state.run_id),
    )


@router.get("/reviews/{review:path}/live")
async def live(request: Request, who: Who, site: Here, review: str, run: Run = None) -> Response:
    """How it stands, told again whenever that changes, until it is closed."""
    await site.allow(who, Verb.READ)
    state = (await find_review(site.parts, review, run)).state

    async def piece() -> tuple[str, bool]:
        words = await site.words(request, who)
        story = await review_story(
            site.parts, site.temporal_if_there, words, state.review_id, state.run_id
        )
        shown = await site.page(request, who, "review_live.html.j2", story=story, state=story.state)
        return bytes(shown.body).decode(), story.state.closed_at is not None

    where = Watching(review_id=state.review_id)
    return stream(site.live, where, piece, still=partial(still_known, request))


@router.get("/reviews/{review:path}")
async def page(
    request: Request,
    who: Who,
    site: Here,
    review: str,
    run: Run = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The review of that id or account: the open one, else the newest, else the run named."""
    await site.allow(who, Verb.READ)
    words = await site.words(request, who)
    story = await review_story(site.parts, site.temporal_if_there, words, review, run)
    state, subject = story.state, story.subject
    return await site.page(
        request,
        who,
        "review.html.j2",
        story=story,
        state=state,
        is_open=state.closed_at is None,
        path=review_path(state.review_id),
        run=state.run_id,
        live_path=review_path(state.review_id, state.run_id, "live"),
        account_path=account_path(state.account_id),
        brief_path=review_path(state.review_id, state.run_id, "brief"),
        audit_path=review_path(state.review_id, state.run_id, "audit"),
        undone_path=review_path(state.undo.review_id, state.undo.run_id) if state.undo else None,
        temporal_url=await _temporal_url(site, state),
        may={name: may(site, who, verb, subject) for name, verb in _OFFERED.items()},
        may_audit=may(site, who, Verb.AUDIT),
        done=_DONE.get(done),
    )


@router.post("/reviews/{review:path}/{verb}")
async def act(
    who: Who,
    site: Here,
    review: str,
    verb: str,
    run: Run = None,
    reason: Annotated[str, Form(max_length=5000)] = "",
    outcome: Annotated[str, Form(max_length=20)] = "",
    change: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Pause, resume, cancel, close, retry or undo, as the verbs of the command line do."""
    if verb not in _VERBS:
        raise NotFoundError(f"there is nothing to do to a review called {verb!r}")
    state = (await find_review(site.parts, review, run)).state
    await site.allow(who, _VERBS[verb], state)
    why = " ".join(reason.split()) or None
    if verb == "undo":
        if why is None:
            raise BadInputError("say why it is to be taken back")
        state = await undo_for(site, who, state, change, why)
    elif verb == "retry":
        await retry(
            site.parts,
            await site.temporal(),
            state.review_id,
            run_id=state.run_id,
            reason=why,
            by=who.name,
        )
    else:
        await _command(site, who, state, verb, why, outcome)
    address = review_path(state.review_id, state.run_id)
    return RedirectResponse(f"{address}&done={verb}", 303)


async def _command(
    site: Site, who: Principal, state: ReviewState, verb: str, why: str | None, outcome: str
) -> None:
    client = await site.temporal()
    if state.closed_at is not None:
        raise ConflictError(f"the review is closed already: {state.outcome}")
    if verb == "cancel":
        await cancel(
            site.parts, client, state.review_id, run_id=state.run_id, by=who.name, reason=why
        )
        return
    given = {"by": who.name, "reason": why}
    if verb == "close":
        given |= {"outcome": outcome or None, "summary": why}
    said = checked(
        Close if verb == "close" else Command,
        {name: value for name, value in given.items() if value is not None},
    )
    if isinstance(said, Malformed):
        raise BadInputError(said.why)
    await command(site.parts, client, state.review_id, verb, said, run_id=state.run_id)


async def _temporal_url(site: Site, state: ReviewState) -> str | None:
    """The review in the UI of Temporal, where somebody knows where that is."""
    ui = site.parts.settings.temporal_ui_url
    client = await site.temporal_if_there() if ui is not None else None
    if ui is None or client is None:
        return None
    where = (client.namespace, state.review_id, state.workflow_run_id)
    namespace, workflow, run = (quote(one, safe="") for one in where)
    return f"{ui.rstrip('/')}/namespaces/{namespace}/workflows/{workflow}/{run}/history"
