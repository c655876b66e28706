"""What waits for a person, and the answers."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi import Query as Where
from pydantic import Field
from starlette.responses import Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.base import Scalar
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError, ConflictError, NotAllowedError
from account_reviews.domain.person_names import person
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.messages import (
    DecisionAnswer,
    Malformed,
    QueuedAnswer,
    SubmitDecision,
    checked,
)
from account_reviews.presentation.review_documents import request_row_document
from account_reviews.services.access import subject_of
from account_reviews.services.decisions import UnansweredError, numbered_items
from account_reviews.services.form_decisions import check_right, send
from account_reviews.services.lookup import account_or_given, find_request, owner_or_given
from account_reviews.store.review_queries import RequestRow
from account_reviews.temporal.names import undoes
from account_reviews.web.api.routes import (
    Body,
    Cursor,
    Limit,
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
from account_reviews.web.api.schemas import Decided, OneRequest, Pending, Requests, Unanswered
from account_reviews.web.identity import Principal
from account_reviews.web.rights import decider_of
from account_reviews.web.site import Here, Site

router = APIRouter(route_class=NamedRoute)

RequestName = Annotated[
    str,
    Path(
        min_length=1,
        max_length=1000,
        pattern=r"^[^\x00]*$",
        description="A request: `ac-038-1`, its id, or the first 8 characters of it.",
    ),
]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class Whose(Query):
    """Both narrow what is meant."""

    owner: PlainText | None = Field(None, description="An owner, by id or name.")
    account: PlainText | None = Field(None, description="An account, by id or name.")


class Wanted(Whose):
    """All of these narrow the list together."""

    state: Literal[
        "pending", "approved", "rejected", "deferred", "expired", "superseded", "cancelled",
        "mixed", "any",
    ] = "pending"  # fmt: skip
    limit: Limit = 50
    cursor: Cursor | None = None


class Nothing(Query):
    """Nothing may stand behind `?`."""


@router.get(
    "/approvals",
    operation_id="listApprovals",
    summary="List approval requests",
    response_model=None,
    responses=responses(Requests, description="A page, the soonest deadline first."),
)
async def list_approvals(
    site: Here,
    _: Annotated[Principal, Depends(may(Verb.READ))],
    wanted: Annotated[Wanted, Where()],
) -> Response:
    """Approval requests, the soonest deadline first, as `reviews approvals list` gives them."""
    parts = site.parts
    page = await parts.reader.list_requests(
        tenant=parts.settings.tenant,
        state=None if wanted.state == "any" else wanted.state,
        owner=await owner_or_given(parts, wanted.owner, strict=False),
        account=await account_or_given(parts, wanted.account, strict=False),
        cursor=wanted.cursor,
        limit=wanted.limit,
    )
    return answer(listed([request_row_document(row) for row in page.items], page.next_cursor))


@router.get(
    "/approvals/count",
    operation_id="countApprovals",
    summary="Count what waits",
    response_model=None,
    responses=responses(Pending, description="How many."),
)
async def count(
    site: Here,
    _: Annotated[Principal, Depends(may(Verb.READ))],
    whose: Annotated[Whose, Where()],
) -> Response:
    """How many requests wait for a decision."""
    parts = site.parts
    pending = await parts.reader.count_pending(
        parts.settings.tenant,
        owner=await owner_or_given(parts, whose.owner, strict=False),
        account=await account_or_given(parts, whose.account, strict=False),
    )
    return answer({"pending": pending})


@router.get(
    "/approvals/{request_name}",
    operation_id="showApproval",
    summary="Show an approval request",
    response_model=None,
    responses=responses(OneRequest, 404, description="The request."),
)
async def show(
    site: Here,
    _: Annotated[Principal, Depends(may(Verb.READ))],
    request_name: RequestName,
    _query: Annotated[Nothing, Where()],
) -> Response:
    """One request with each change, what stands now and what is to stand, and its decisions."""
    parts = site.parts
    row = await find_request(parts, request_name)
    request_id = row.request.request_id
    deliveries = await parts.deliveries.of(parts.settings.tenant, [request_id])
    document = request_row_document(row, deliveries.get(request_id, ()))
    return answer({**document, "undoes": undoes(row.review_id)})


class Decide(Body):
    """A decision. Who asks has decided; without `item_ids` it is about every undecided item."""

    decision: Literal["approve", "adjust", "reject", "defer"]
    item_ids: Annotated[list[Text], Field(min_length=1, max_length=200)] | None = Field(
        None, description="Ids of items, or their numbers as they are shown: `1` is the first."
    )
    changes: Annotated[dict[str, Scalar], Field(max_length=200)] = Field(
        default={}, description="Of `adjust`: the new value of each field, on one item."
    )
    reason: Annotated[str, Field(max_length=5000)] | None = None
    proposal_hash: Text | None = Field(None, description="Refused when the change is another one.")
    shown_hash: Text | None = Field(None, description="Refused when what is shown has changed.")
    decision_id: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Makes a repeat safe: the same id decides once."
    )
    on_behalf_of: Text | None = Field(None, description="Whose delegate decides.")
    token: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        None, description="Of a signed decision, where it was signed elsewhere."
    )
    approver: Text | None = Field(
        None, description="Only the name of who asks is taken: nobody decides in another's name."
    )


@router.post(
    "/approvals/{request_name}/decide",
    operation_id="decide",
    summary="Decide on a request",
    response_model=None,
    responses={
        **responses(Decided, 404, 409, 413, description="What became of it, item by item."),
        202: {
            "model": Unanswered,
            "description": "Sent, and no worker answered: it may still count. Repeat it with the "
            "same `decision_id`.",
        },
    },
    openapi_extra=takes(Decide),
)
async def decide(
    request: Request,
    site: Here,
    who: Annotated[Principal, Depends(may(Verb.DECIDE))],
    request_name: RequestName,
    _query: Annotated[Nothing, Where()],
) -> Response:
    """Approve, adjust, reject or put off items of a request."""
    body = await body_of(request, Decide)
    if body.approver is not None and person(body.approver) != person(who.name):
        raise NotAllowedError(
            f"{who.name} cannot decide in the name of {body.approver}",
            hint="leave approver out; a delegate names the other one in on_behalf_of",
        )
    if (body.decision == "adjust") != bool(body.changes):
        raise BadInputError("adjust needs changes, and nothing else takes them")
    if body.decision == "adjust" and (body.item_ids is None or len(body.item_ids) != 1):
        raise BadInputError("adjust needs one item in item_ids")
    given = body.model_dump(exclude={"approver"}, exclude_none=True)
    decision = checked(
        SubmitDecision,
        {
            "decision_id": uuid.uuid4().hex,
            **given,
            "request_id": request_name[:200],
            "approver": who.name,
        },
    )
    if isinstance(decision, Malformed):
        raise BadInputError(decision.why)
    return await _sent(site, who, request_name, decision)


async def _sent(
    site: Site, who: Principal, request_name: str, decision: SubmitDecision
) -> Response:
    parts = site.parts
    row = await find_request(parts, request_name)
    decision = decision.model_copy(
        update={
            "request_id": row.request.request_id,
            "item_ids": numbered_items(row.request, decision.item_ids),
        }
    )
    subject = await subject_of(parts, row)
    await check_right(parts, row, decider_of(who), subject, decision.on_behalf_of)
    try:
        found = await send(parts, await site.temporal(), row, decision, subject)
    except UnansweredError:
        return answer({"decision_id": decision.decision_id, "state": "unknown"}, 202)
    except ConflictError as error:
        raise await _with_who(site, row, decision, error) from None
    return answer(_document(decision, found))


def _document(decision: SubmitDecision, found: DecisionAnswer) -> dict[str, Any]:
    queued = isinstance(found, QueuedAnswer)
    return {"queued": queued, **found.model_dump(), "decision_id": decision.decision_id}


async def _with_who(
    site: Site, row: RequestRow, decision: SubmitDecision, error: ConflictError
) -> ConflictError:
    """The same, with who was first, and when."""
    now = await find_request(site.parts, row.request.request_id)
    first = _first(now.request, decision.item_ids)
    if first is not None:
        vars(error).update(decided_by=first[0], decided_at=first[1])
    return error


def _first(request: ApprovalRequest, items: tuple[str, ...] | None) -> tuple[str, str] | None:
    """Who decided on these last, else on the request."""
    decided = [
        (one.decided_at, one.decided_by)
        for one in request.items
        if one.decided_by is not None
        and one.decided_at is not None
        and not one.is_open
        and (items is None or one.item_id in items)
    ]
    decided = decided or [(one.at, one.by) for one in request.decisions[-1:]]
    return (max(decided)[1], rfc3339(max(decided)[0])) if decided else None
