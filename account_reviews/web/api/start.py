"""Begin reviews."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from account_reviews.bootstrap import Parts
from account_reviews.domain.access.roles import Verb
from account_reviews.domain.base import Scalar
from account_reviews.domain.clock import why_too_far
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import ReviewInput
from account_reviews.presentation.review_documents import started_document
from account_reviews.services.halts import ensure_not_halted
from account_reviews.services.start_accounts import accounts_to_start
from account_reviews.services.starts import start_each, start_one, start_or_join, template
from account_reviews.web.api.routes import (
    Body,
    Moment,
    NamedRoute,
    answer,
    body_of,
    listed,
    may,
    responses,
)
from account_reviews.web.api.routes import takes as takes_body
from account_reviews.web.api.schemas import Started, StartedMany
from account_reviews.web.identity import Principal
from account_reviews.web.site import Here, Site

router = APIRouter(route_class=NamedRoute)
MOST_ACCOUNTS: Final = 200

Name = Annotated[str, Field(min_length=1, max_length=200)]
AccountName = Annotated[
    str, Field(min_length=1, max_length=500, description="An account, by id or name.")
]


class Start(Body):
    """What is to be reviewed: `account`, or several `accounts`."""

    account: AccountName | None = None
    accounts: Annotated[list[AccountName], Field(min_length=1, max_length=MOST_ACCOUNTS)] | None = (
        None
    )
    kind: Literal["on_demand", "scheduled", "manual", "event"] = "on_demand"
    name: Name | None = None
    purpose: Name = "general"
    agent: Name = "unknown"
    metadata: Annotated[dict[str, Scalar], Field(max_length=200)] = {}  # noqa: RUF012
    as_of: Moment | None = Field(None, description="The clock of the rules.")
    interactive: bool = Field(False, description="Stays open for questions until it is closed.")
    plan_only: bool = Field(False, description="Show everything, write nothing.")
    if_running: Literal["fail", "join"] = "fail"


@router.post(
    "/reviews",
    status_code=201,
    operation_id="startReviews",
    summary="Start reviews",
    response_model=None,
    responses={
        **responses(Started, 404, 409, 413, status=201),
        201: {"model": Started | StartedMany, "description": "Begun; of `accounts` a row each."},
        200: {
            "model": Started | StartedMany,
            "description": "Nothing new was begun: the review was open already, or each account "
            "was refused.",
        },
    },
    openapi_extra=takes_body(Start),
)
async def start_reviews(
    request: Request, site: Here, who: Annotated[Principal, Depends(may(Verb.START))]
) -> Response:
    """Start a review of one account, or of several. Who asks has started it."""
    body = await body_of(request, Start)
    if (body.account is None) == (body.accounts is None):
        raise BadInputError("give either account or accounts")
    _check_clock(body)
    await ensure_not_halted(site.parts)
    if body.account is not None:
        (account,) = await _accounts(site.parts, (body.account,), None)
        start, join = await _template(site, who, body), body.if_running == "join"
        row = await _start(site, who, account, start, join=join)
        return answer(row, 200 if row["joined"] else 201)
    rows = await _start_all(site, who, body)
    begun = any("error" not in row and not row["joined"] for row in rows)
    return answer(listed(rows), 201 if begun else 200)


def _check_clock(body: Start) -> None:
    why = None if body.as_of is None else why_too_far(body.as_of, datetime.now(UTC))
    if why is not None and not body.plan_only:
        raise BadInputError(f"as_of: {why}", hint="plan_only looks ahead and writes nothing")


async def _accounts(
    parts: Parts, ids: tuple[str, ...], unknown: dict[str, str] | None
) -> list[Account]:
    return await accounts_to_start(
        parts, ids=ids, owner=None, every=False, unknown=unknown, say=lambda _: None
    )


async def _start_all(site: Site, who: Principal, body: Start) -> list[dict[str, Any]]:
    """A row for each account: its review, or why there is none."""
    unknown: dict[str, str] = {}
    named = tuple(dict.fromkeys(body.accounts or ()))
    accounts = await _accounts(site.parts, named, unknown)
    start = await _template(site, who, body)

    async def one(account: Account) -> dict[str, Any]:
        return await _start(site, who, account, start, join=body.if_running == "join")

    rows = await start_each(accounts, one)
    return rows + [{"account_id": name, "error": why} for name, why in unknown.items()]


async def _template(site: Site, who: Principal, body: Start) -> ReviewInput:
    return await template(
        site.parts,
        started_by=who.name,
        **body.model_dump(exclude={"account", "accounts", "if_running"}),
    )


async def _start(
    site: Site, who: Principal, account: Account, start: ReviewInput, *, join: bool
) -> dict[str, Any]:
    await site.allow(who, Verb.START, account)
    start = start.model_copy(update={"account_id": account.id})
    client = await site.temporal()
    if join:
        state, joined = await start_or_join(site.parts, client, start, account)
        return started_document(state, joined=joined)
    return started_document(await start_one(site.parts, client, start, account))
