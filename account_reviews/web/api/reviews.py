"""Look at reviews, hold them, let them go on, cancel them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi import Query as Where
from pydantic import BeforeValidator, Field, WithJsonSchema
from starlette.responses import Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.review.commands import Command
from account_reviews.domain.review.messages import Malformed, checked
from account_reviews.presentation.review_documents import timeline_document
from account_reviews.presentation.review_table import run_document
from account_reviews.services.cancellations import cancel
from account_reviews.services.control import command
from account_reviews.services.halts import halt_lines
from account_reviews.services.lookup import narrowed
from account_reviews.services.reviews import find_review, see_review, show_review
from account_reviews.store.review_queries import RunFilter
from account_reviews.web.api.routes import (
    Body,
    Cursor,
    Limit,
    Moment,
    NamedRoute,
    PlainText,
    Query,
    answer,
    body_of,
    listed,
    may,
    responses,
    takes,
)
from account_reviews.web.api.schemas import Commanded, History, Review, Runs
from account_reviews.web.identity import Principal
from account_reviews.web.site import Here, Site

router = APIRouter(route_class=NamedRoute)


def _yes_or_no(value: object) -> object:
    if value not in ("true", "false", True, False):
        raise ValueError("must be true or false")
    return value


YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no), WithJsonSchema({"type": "boolean"})]
ReviewName = Annotated[
    str,
    Path(
        min_length=1,
        max_length=1000,
        pattern=r"^[^\x00]*$",
        description="A review id, percent-encoded (`review%2Fac-038`), or an account by id or "
        "name: its open review, else its newest.",
    ),
]


class WhichRun(Query):
    """One of several reviews of an account."""

    run: PlainText | None = Field(None, description="The run id of an older review.")


class Wanted(Query):
    """All of these narrow the list together."""

    owner: PlainText | None = Field(None, description="An owner, by id or name.")
    account: PlainText | None = Field(None, description="An account, by id or name.")
    name: PlainText | None = None
    agent: PlainText | None = None
    purpose: PlainText | None = None
    phase: (
        Literal[
            "initializing", "investigating", "planning", "approval", "executing", "validating",
            "completed", "failed", "abandoned",
        ]
        | None
    ) = None  # fmt: skip
    status: (
        Literal[
            "running", "waiting", "paused", "completed", "expired", "cancelled", "abandoned",
            "failed",
        ]
        | None
    ) = None  # fmt: skip
    kind: Literal["scheduled", "on_demand", "manual", "event", "undo", "recovery"] | None = None
    outcome: (
        Literal[
            "completed", "nothing_to_do", "rejected", "deferred", "expired", "cancelled",
            "abandoned", "failed",
        ]
        | None
    ) = None  # fmt: skip
    risk_level: Literal["critical", "high", "medium", "low", "none", "unknown"] | None = None
    needs_attention: YesOrNo | None = None
    waiting_on: PlainText | None = Field(None, description="Whose decision it waits for.")
    since: Moment | None = Field(None, description="Started then or later.")
    until: Moment | None = Field(None, description="Started before.")
    open: YesOrNo = Field(False, description="Only open reviews.")
    limit: Limit = 100
    cursor: Cursor | None = None


@router.get(
    "/reviews",
    operation_id="listReviews",
    summary="List reviews",
    response_model=None,
    responses=responses(Runs, description="A page, the newest first."),
)
async def list_reviews(
    site: Here,
    _: Annotated[Principal, Depends(may(Verb.READ))],
    wanted: Annotated[Wanted, Where()],
) -> Response:
    """Reviews, the newest first, as `reviews list` gives them."""
    parts = site.parts
    where = wanted.model_dump(exclude={"open", "limit", "cursor"}, exclude_none=True)
    if wanted.since and wanted.until and wanted.since >= wanted.until:
        raise BadInputError("since is not before until: nothing can be between them")
    where |= await narrowed(parts, where, strict=False)
    page = await parts.reader.list_runs(
        RunFilter(tenant=parts.settings.tenant, where=where, open_only=wanted.open),
        cursor=wanted.cursor,
        limit=wanted.limit,
    )
    return answer(listed([run_document(row) for row in page.items], page.next_cursor))


@router.get(
    "/reviews/{review}",
    operation_id="showReview",
    summary="Show a review",
    response_model=None,
    responses=responses(Review, 404, description="The review as it is now."),
)
async def show(
    site: Here,
    _: Annotated[Principal, Depends(may(Verb.READ))],
    review: ReviewName,
    which: Annotated[WhichRun, Where()],
) -> Response:
    """One review with risk, health, findings, changes and approvals, as `reviews show` gives it."""
    _state, _analysis, document = await show_review(
        site.parts, site.temporal_if_there, review, which.run
    )
    return answer(document)


@router.get(
    "/reviews/{review}/history",
    operation_id="reviewHistory",
    summary="Tell the story of a review",
    response_model=None,
    responses=responses(History, 404, description="The story, the oldest line first."),
)
async def history(
    site: Here,
    _: Annotated[Principal, Depends(may(Verb.READ))],
    review: ReviewName,
    which: Annotated[WhichRun, Where()],
) -> Response:
    """Phases, decisions, refusals and writes of a review, as `reviews history` gives them."""
    state = (await see_review(site.parts, site.temporal_if_there, review, which.run)).state
    return answer(listed(timeline_document(state, await halt_lines(site.parts, state))))


class Said(Body):
    """Why, if somebody says so."""

    reason: Annotated[str, Field(max_length=5000)] | None = None
    command_id: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Makes a repeat safe: the same id is done once."
    )


_COMMANDED = {
    "response_model": None,
    "responses": responses(Commanded, 404, 409, 413, description="What became of it."),
    "openapi_extra": takes(Said, required=False),
}


@router.post(
    "/reviews/{review}/suspend",
    operation_id="suspendReview",
    summary="Hold a review",
    **_COMMANDED,
)
async def suspend(
    request: Request,
    site: Here,
    who: Annotated[Principal, Depends(may(Verb.PAUSE))],
    review: ReviewName,
    which: Annotated[WhichRun, Where()],
) -> Response:
    """Hold the next step of a review. Decisions are taken and deadlines run; writes wait."""
    return await _command(request, site, who, review, which, Verb.PAUSE)


@router.post(
    "/reviews/{review}/resume",
    operation_id="resumeReview",
    summary="Let a review go on",
    **_COMMANDED,
)
async def resume(
    request: Request,
    site: Here,
    who: Annotated[Principal, Depends(may(Verb.RESUME))],
    review: ReviewName,
    which: Annotated[WhichRun, Where()],
) -> Response:
    """Let a review that is held go on."""
    return await _command(request, site, who, review, which, Verb.RESUME)


async def _command(
    request: Request, site: Site, who: Principal, review: str, which: WhichRun, verb: Verb
) -> Response:
    body = await body_of(request, Said)
    given = {"by": who.name, "reason": body.reason}
    said = checked(Command, {name: value for name, value in given.items() if value is not None})
    if isinstance(said, Malformed):
        raise BadInputError(said.why)
    state = (await find_review(site.parts, review, which.run)).state
    await site.allow(who, verb, state)
    done = await command(
        site.parts,
        await site.temporal(),
        state.review_id,
        verb,
        said,
        run_id=state.run_id,
        command_id=body.command_id,
    )
    return answer(done.document())


class Cancel(WhichRun):
    """Which review, and why."""

    reason: Annotated[str, Field(min_length=1, max_length=5000, pattern=r"^[^\x00]*$")] | None = (
        None
    )


@router.delete(
    "/reviews/{review}",
    operation_id="cancelReview",
    summary="Cancel a review",
    response_model=None,
    responses=responses(Commanded, 404, 409, description="It is cancelled, or was closed already."),
)
async def cancel_review(
    site: Here,
    who: Annotated[Principal, Depends(may(Verb.CANCEL))],
    review: ReviewName,
    which: Annotated[Cancel, Where()],
) -> Response:
    """Stop a review before its next write. What was written stays; a closed one stays as it is."""
    state = (await find_review(site.parts, review, which.run)).state
    await site.allow(who, Verb.CANCEL, state)
    done = await cancel(
        site.parts,
        await site.temporal(),
        state.review_id,
        run_id=state.run_id,
        by=who.name,
        reason=which.reason,
    )
    return answer(done.document())
