"""A person decides on a request, and hears what became of each item."""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError as UpdateTimeoutError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.crm.protocol import AccountSource
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    CrmUnavailableError,
    NegativeAnswerError,
    NotFoundError,
    ReasonRequiredError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.domain.person_names import person
from account_reviews.domain.review.approvals import ApprovalRequest, RequestState
from account_reviews.domain.review.messages import (
    DecisionAnswer,
    ItemAnswer,
    QueuedAnswer,
    RefusalCode,
    SubmitDecision,
)
from account_reviews.services.review_workflows import ReviewHandle, gone, handle_of
from account_reviews.store.review_queries import RequestRow, ReviewReader
from account_reviews.temporal import names
from account_reviews.temporal.client import explained, is_at_a_standstill
from account_reviews.temporal.executions import Standing, standing_of

UPDATE_SECONDS = 10.0
_BAD = {RefusalCode.REASON_REQUIRED, RefusalCode.BAD_ADJUSTMENT, "bad_shape"}
EARLY_TRIES = 20
EARLY_PAUSE = 0.25
"""Seconds between tries for a request whose row stands while the workflow opens it once more."""
SEEN_SECONDS = 2.0
SEEN_PAUSE = 0.02
QUEUED = "sent; it counts when the review, which is paused in Temporal, goes on"
_ABOUT_THE_REVIEW = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}
"""It is closed or gone; it is paused in Temporal."""
_NO = {
    RefusalCode.NOT_ALLOWED,
    RefusalCode.NOT_AN_APPROVER,
    RefusalCode.BAD_TOKEN,
    RefusalCode.TOKEN_EXPIRED,
}
_MISSING = {RefusalCode.UNKNOWN_ITEM, RefusalCode.UNKNOWN_REQUEST}


class UnansweredError(UnreachableError):
    """Nobody answered what was sent; the decision may still be applied."""


async def decide(
    client: Client,
    row: RequestRow,
    decision: SubmitDecision,
    spellings: Mapping[str, str] | None = None,
) -> DecisionAnswer:
    """Send a decision as an update and give the answer. `spellings`: as in `Terms`, those of the
    policy, where an approver may be named by the id that the CRM has for him.

    ConflictError when something else was decided first, or under the same decision id;
    BadInputError for what does not fit; UnansweredError when nobody answered: then it may still be
    applied, and repeating it with the same decision id is safe. A review that is paused in Temporal
    takes no updates: the decision is sent as a signal, which waits there, and the answer is a
    `QueuedAnswer`. NotFoundError when Temporal does not know the review any more.
    """
    decision_id = decision.decision_id or uuid.uuid4().hex
    decided_at = decision.decided_at or datetime.now(UTC)
    message = decision.model_copy(update={"decision_id": decision_id, "decided_at": decided_at})
    _check_id(row.request, message, spellings or {})
    handle = handle_of(client, row.review_id, row.run_id)
    body = message.model_dump(mode="json", exclude_none=True)
    try:
        return await asyncio.wait_for(_send(handle, body, decision_id), UPDATE_SECONDS)
    except (TimeoutError, UpdateTimeoutError):
        raise UnansweredError(
            f"no worker answered within {UPDATE_SECONDS:.0f} s; the decision may still be applied",
            hint=f"start a worker, then repeat with --decision-id {decision_id}",
        ) from None
    except WorkflowUpdateFailedError as error:
        raise _refusal(error) from None
    except RPCError as error:
        if is_at_a_standstill(error) or error.status not in _ABOUT_THE_REVIEW:
            raise _broken_off(error, decision_id) from None
        standing = await standing_of(client, row.review_id, row.run_id)
        if standing is Standing.PAUSED:
            return await _queue(handle, row, message, body)
        if standing is Standing.GONE and row.request.is_pending:
            raise gone(row.review_id, row.run_id) from None
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise explained(error) from None
        return _answer_of_closed(row, decision_id)


def _check_id(
    request: ApprovalRequest, message: SubmitDecision, spellings: Mapping[str, str]
) -> None:
    """ConflictError where the id is that of another decision: its answer would be taken for the
    answer to this one."""
    known = next((one for one in request.decisions if one.decision_id == message.decision_id), None)
    if known is None:
        return
    meant = known.item_ids if message.item_ids is None else message.item_ids

    def who(name: str) -> str:  # it is recorded under the name that counts
        return request.terms.who(spellings.get(person(name), name))

    seat, other = (who(one.on_behalf_of or "") for one in (known, message))
    is_same = (who(known.by), known.decision, seat) == (
        who(message.approver), message.decision, other
    )  # fmt: skip
    if not (is_same and set(known.item_ids) <= set(meant)):
        raise ConflictError(
            f"the decision id {message.decision_id} was used already, for another decision",
            hint="give each decision an id of its own; only a repeat has the same",
        )


def _broken_off(error: RPCError, decision_id: str) -> ReviewsError:
    found = explained(error)
    if not isinstance(found, UnreachableError):
        return found
    return UnansweredError(
        f"{found.message}; the decision may still be applied",
        hint=f"see `reviews doctor`, then repeat with --decision-id {decision_id}",
    )


async def _queue(
    handle: ReviewHandle, row: RequestRow, message: SubmitDecision, body: dict[str, Any]
) -> QueuedAnswer:
    """Signals are taken while a workflow is paused. What can be seen to be too late is not sent."""
    request = row.request
    if not request.is_pending:
        raise ConflictError(_closed_sentence(request))
    await handle.signal(names.DECIDE_SIGNAL, body)
    meant = [
        one for one in request.items if message.item_ids is None or one.item_id in message.item_ids
    ]
    return QueuedAnswer(
        request_id=request.request_id,
        review_id=row.review_id,
        state=request.state,
        items=tuple(
            ItemAnswer(item_id=one.item_id, state=one.state, applied=False, message=QUEUED)
            for one in meant
            if one.is_open
        ),
    )


async def check_owner(accounts: AccountSource, decision: SubmitDecision) -> None:
    """BadInputError for an adjustment to an owner whom the CRM does not know.

    When the CRM cannot be asked the review finds out as it writes, and proposes the change anew.
    """
    owner_id = decision.changes.get("owner_id")
    if not isinstance(owner_id, str):
        return
    with suppress(UnreachableError, CrmUnavailableError):
        if not await accounts.has_owner(owner_id.strip()):
            why = f"the CRM has no owner {owner_id!r}; give the name or the id of one it has"
            raise BadInputError(why)


async def until_seen(
    reader: ReviewReader, tenant: str, before: RequestRow, answer: DecisionAnswer
) -> None:
    """Wait until the read model has a decision, so that whoever made it sees it there.

    For SEEN_SECONDS at most: the decision stands, and its row comes when a worker can write it.
    `before` is the row as it was when the decision was sent.
    """
    if isinstance(answer, QueuedAnswer):
        return
    known = {item.item_id for item in before.request.items if item.decided_by is not None}
    if known.issuperset(item.item_id for item in answer.items):
        return  # a repeated decision, which changes nothing
    applied = {item.item_id for item in answer.items if item.applied}
    with suppress(ReviewsError):  # what was decided is, whoever can look
        for _ in range(round(SEEN_SECONDS / SEEN_PAUSE)):
            row = await reader.find_request(tenant, answer.request_id)
            if _shows(row, before, applied):
                return
            await asyncio.sleep(SEEN_PAUSE)


def _shows(row: RequestRow, before: RequestRow, item_ids: set[str]) -> bool:
    """Whether the row has what was decided on these items, and not only something of before."""
    if not item_ids:
        return row.request != before.request
    old = {item.item_id: item for item in before.request.items}
    return all(item != old[item.item_id] for item in row.request.items if item.item_id in item_ids)


async def _send(handle: ReviewHandle, body: dict[str, Any], decision_id: str) -> DecisionAnswer:
    for tried in range(EARLY_TRIES):
        try:
            answer: DecisionAnswer = await handle.execute_update(
                names.DECIDE_UPDATE, body, id=decision_id, result_type=DecisionAnswer
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
        needs_reason = kind == RefusalCode.REASON_REQUIRED
        return ReasonRequiredError(message) if needs_reason else BadInputError(message)
    if kind in _MISSING:
        return NotFoundError(message)
    if kind in _NO:
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


def numbered_items(
    request: ApprovalRequest, names: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """The item ids of `names`, in which "1" stands for the first item as it is shown."""
    if names is None:
        return None
    numbers = {str(place): item.item_id for place, item in enumerate(request.items, 1)}
    return tuple(numbers.get(name, name) for name in names)
