"""What somebody wants taken back: looked at before a review is started for it."""

from dataclasses import dataclass
from typing import Any, Final

from account_reviews.bootstrap import Parts
from account_reviews.crm.undo import prepare_undo
from account_reviews.domain.errors import (
    ConflictError,
    NegativeAnswerError,
    NotFoundError,
    ReviewsError,
)
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import ReviewInput, ReviewKind, ReviewState, UndoOf
from account_reviews.domain.review.undo import item_of, why_never
from account_reviews.store.timeline_queries import TimelineReader
from account_reviews.temporal import names

_EARLIER: Final = 20
"""Reviews of the account in which a write is looked for that the newest one has not made."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One write that can be taken back as things stand, and what its review is started with."""

    start: ReviewInput
    account: Account


async def written_items(parts: Parts, state: ReviewState) -> tuple[str, ...]:
    """The ids of all items that were written and stand. NegativeAnswerError without any."""
    found = tuple(
        change.change_id for change, item_state in state.changes
        if item_state is ItemState.EXECUTED
    )  # fmt: skip
    if not found:
        raise NegativeAnswerError(
            f"the review {state.review_id} has written nothing that stands",
            hint=await _who_wrote(parts, state),
        )
    return found


async def _who_wrote(parts: Parts, state: ReviewState) -> str:
    """Which earlier run of this review has written what stands; where to look without one."""
    past = await TimelineReader(parts.statements, state.tenant).page(
        state.account_id, cursor=None, limit=_EARLIER
    )
    for one in past.reviews:
        stands = any(change.state is ItemState.EXECUTED for change in one.written)
        if stands and one.review_id == state.review_id and one.run_id != state.run_id:
            return f"an earlier one has: add `--run {one.run_id}`"
    return f"see `reviews show {state.review_id} --run {state.run_id}`"


async def look(parts: Parts, state: ReviewState, change_id: str, *, by: str, reason: str) -> Wanted:
    """What a review that takes this write back is started with.

    NotFoundError for an unknown item, NegativeAnswerError for what is never taken back,
    ConflictError when it was not written, is undone, or the record has changed since.
    """
    item = item_of(state, change_id)
    if item is None:
        raise NotFoundError(
            f"the review {state.review_id} has no item {change_id!r}",
            hint=f"see `reviews show {state.review_id} --run {state.run_id}`",
        )
    undo = UndoOf(
        review_id=state.review_id,
        run_id=state.run_id,
        change_id=change_id,
        title=item.change.title,
        reason=reason,
    )
    operation = names.operation_id(state.run_id, change_id)
    limits = parts.settings.snapshot_limits()
    crm = parts.crm.of(state.tenant)
    made = await parts.operations.written(state.tenant, operation)
    prepared = await prepare_undo(crm, state, undo, made, limits, by=by)
    why = prepared if isinstance(prepared, str) else prepared.found
    if isinstance(why, str):
        error = NegativeAnswerError if why_never(item.change) == why else ConflictError
        raise error(f"this cannot be undone: {why}")
    assert not isinstance(prepared, str)
    start = ReviewInput(
        account_id=state.account_id,
        tenant=state.tenant,
        kind=ReviewKind.UNDO,
        purpose="undo",
        started_by=by,
        execution=await parts.execution(),
        undo=undo,
    )
    return Wanted(start, prepared.snapshot.account)


def row(state: ReviewState, undo: UndoOf, *, joined: bool) -> dict[str, Any]:
    """An undo that is under way, as commands show it. `state` is that of the undo."""
    pending = state.pending
    return {
        "review_id": state.review_id,
        "workflow_id": state.review_id,
        "run_id": state.run_id,
        "account_id": state.account_id,
        "item_id": undo.change_id,
        "title": undo.title,
        "undoes": undo.model_dump(),
        "phase": state.phase,
        "status": state.status,
        "outcome": state.outcome,
        "reason": state.reason,
        "request_id": pending[0].request_id if pending else None,
        "approvers": list(pending[0].approvers) if pending else [],
        "joined": joined,
        "asked_by": state.started_by,
        "ok": state.outcome is None or state.outcome == "completed",
        "error": None,
    }


def refused_row(of: ReviewState, change_id: str, error: ReviewsError) -> dict[str, Any]:
    """One that is not begun."""
    item = item_of(of, change_id)
    return {
        "account_id": of.account_id,
        "item_id": change_id,
        "title": item.change.title if item is not None else None,
        "request_id": None,
        "joined": False,
        "ok": False,
        "error": {"code": error.code, "message": error.message, "hint": error.hint},
    }
