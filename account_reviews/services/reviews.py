"""What the CLI does with reviews: find, show, start, decide. Errors are of `domain.errors`."""

import asyncio
import uuid
from typing import Any

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError as UpdateTimeoutError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import AccountFilter
from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import (
    AccountNotFoundError,
    BadInputError,
    ConflictError,
    NegativeAnswerError,
    NotFoundError,
    ReviewNotFoundError,
    UnreachableError,
)
from account_reviews.domain.records import Account
from account_reviews.domain.review.approvals import ApprovalRequest, RequestState
from account_reviews.domain.review.messages import (
    DecisionAnswer,
    ItemAnswer,
    RefusalCode,
    SubmitDecision,
)
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.review_documents import review_document
from account_reviews.store.review_queries import RequestRow, RunDetail
from account_reviews.temporal import names
from account_reviews.temporal.client import explained
from workflows.account_review import AccountReviewWorkflow

QUERY_SECONDS = 2.0
UPDATE_SECONDS = 10.0

_BAD = {RefusalCode.REASON_REQUIRED, RefusalCode.BAD_ADJUSTMENT, "bad_shape"}
EARLY_TRIES = 20
EARLY_PAUSE = 0.25
"""Seconds between tries for a request whose row stands while the workflow opens it once more."""

_MISSING = {RefusalCode.UNKNOWN_ITEM, RefusalCode.UNKNOWN_REQUEST}


async def find_accounts(
    parts: Parts, *, ids: tuple[str, ...] = (), owner: str | None = None, every: bool = False
) -> list[Account]:
    """The accounts meant, ordered by id. AccountNotFoundError names the first unknown one."""
    if not ids and owner is None and not every:
        raise BadInputError(
            "no account is named", hint="give ACCOUNT ids, --owner, --all or --file"
        )
    where = AccountFilter(owner=owner, account_ids=ids or None)
    found: list[Account] = []
    cursor: str | None = None
    while True:
        page = await parts.crm.list_accounts(where, cursor=cursor)
        found.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    known = {account.id for account in found}
    for wanted in ids:
        if wanted not in known:
            raise AccountNotFoundError(
                f"the CRM has no account {wanted!r}", hint="check the id, or import the account"
            )
    if owner is not None and not found:
        raise NotFoundError(f"the CRM has no accounts of owner {owner!r}")
    return found


async def find_review(parts: Parts, review: str, run_id: str | None = None) -> RunDetail:
    """A review by review id or account id: its open run, else its newest, else the named run."""
    tenant = parts.settings.tenant
    review_id = review_id_of(tenant, review)
    return await parts.reader.find_run(tenant=tenant, review_id=review_id, run_id=run_id)


def review_id_of(tenant: str, review: str) -> str:
    """The review id that a person means, who gives one or an account id."""
    try:
        names.parse_review_id(review)
    except ValueError:
        return names.review_id(review, tenant)
    return review


async def show_review(
    parts: Parts, client: Client | None, review: str, run_id: str | None = None
) -> tuple[ReviewState, Analysis | None, dict[str, Any]]:
    """State, analysis and document. An open review answers itself, else its row with its age."""
    found = await find_review(parts, review, run_id)
    state, source = found.state, "projection"
    age: float | None = found.age_seconds
    if state.closed_at is None and client is not None:
        live = await _ask(_handle(client, state.review_id, state.run_id))
        if live is not None and live.run_id == state.run_id:
            state, source, age = live, "workflow", None
    body = await parts.reader.document(state.analysis.hash) if state.analysis else None
    analysis = Analysis.model_validate(body) if body is not None else None
    halt = await parts.halts.current(state.tenant) if state.closed_at is None else None
    document = review_document(state, analysis, source=source, age_seconds=age, halt=halt)
    return state, analysis, document


async def open_review(parts: Parts, client: Client, account_id: str) -> ReviewState:
    """The open review of an account: its own answer, else its row.

    UnreachableError when it does not answer and has no row yet.
    """
    review_id = names.review_id(account_id, parts.settings.tenant)
    live = await _ask(_handle(client, review_id))
    if live is not None:
        return live
    try:
        found = await find_review(parts, review_id)
    except ReviewNotFoundError:
        found = None
    if found is None or found.state.closed_at is not None:
        raise UnreachableError(
            f"the review {review_id} is open but does not answer", hint="start a worker"
        )
    return found.state


async def _ask(
    handle: WorkflowHandle[AccountReviewWorkflow, Any],
) -> ReviewState | None:
    try:
        return await asyncio.wait_for(handle.query(AccountReviewWorkflow.snapshot), QUERY_SECONDS)
    except (TimeoutError, RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
        return None


async def decide(client: Client, row: RequestRow, decision: SubmitDecision) -> DecisionAnswer:
    """Send a decision as an update and give the answer.

    ConflictError when something else was decided first, BadInputError for what does not fit,
    UnreachableError when nobody answered: then it may still be applied, and repeating it with
    the same decision id is safe.
    """
    decision_id = decision.decision_id or uuid.uuid4().hex
    message = decision.model_copy(update={"decision_id": decision_id})
    handle = _handle(client, row.review_id, row.run_id)
    body = message.model_dump(mode="json", exclude_none=True)
    try:
        return await asyncio.wait_for(_send(handle, body, decision_id), UPDATE_SECONDS)
    except (TimeoutError, UpdateTimeoutError):
        raise UnreachableError(
            f"no worker answered within {UPDATE_SECONDS:.0f} s; the decision may still be applied",
            hint=f"start a worker, then repeat with --decision-id {decision_id}",
        ) from None
    except WorkflowUpdateFailedError as error:
        raise _refusal(error) from None
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise explained(error) from None
        return _answer_of_closed(row, decision_id)


async def _send(
    handle: WorkflowHandle[AccountReviewWorkflow, Any], body: dict[str, Any], decision_id: str
) -> DecisionAnswer:
    for tried in range(EARLY_TRIES):
        try:
            answer: DecisionAnswer = await handle.execute_update(
                "decide", body, id=decision_id, result_type=DecisionAnswer
            )
            return answer
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            early = isinstance(cause, ApplicationError) and (
                cause.type == RefusalCode.UNKNOWN_REQUEST
            )
            if not early or tried == EARLY_TRIES - 1:
                raise
        await asyncio.sleep(EARLY_PAUSE)
    raise AssertionError


def _refusal(error: WorkflowUpdateFailedError) -> Exception:
    cause = error.cause
    kind = cause.type if isinstance(cause, ApplicationError) else None
    message = cause.message if isinstance(cause, ApplicationError) else str(cause)
    if kind in _BAD:
        return BadInputError(message)
    if kind in _MISSING:
        return NotFoundError(message)
    if kind == RefusalCode.NOT_ALLOWED:
        return NegativeAnswerError(message)
    return ConflictError(message)


def _answer_of_closed(row: RequestRow, decision_id: str) -> DecisionAnswer:
    """The review is closed: a repeated decision gets its answer again, any other a conflict."""
    request = row.request
    known = next((one for one in request.decisions if one.decision_id == decision_id), None)
    if known is None:
        raise ConflictError(_closed_sentence(request))
    items = tuple(
        ItemAnswer(item_id=item.item_id, state=item.state, applied=True)
        for item in request.items
        if item.item_id in known.item_ids
    )
    return DecisionAnswer(
        request_id=request.request_id, review_id=row.review_id, state=request.state, items=items
    )


def _closed_sentence(request: ApprovalRequest) -> str:
    if request.is_pending:
        return f"the request {request.request_id} is closed with its review"
    decided = request.decisions and request.state is not RequestState.EXPIRED
    by = f" by {request.decisions[-1].by}" if decided else ""
    at = f" at {rfc3339(request.closed_at)}" if request.closed_at else ""
    return f"the request is already {request.state}{by}{at}"


def _handle(
    client: Client, review_id: str, run_id: str | None = None
) -> WorkflowHandle[AccountReviewWorkflow, Any]:
    return client.get_workflow_handle_for(
        AccountReviewWorkflow.run, review_id, first_execution_run_id=run_id
    )
