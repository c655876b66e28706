"""What was taken back: the rows of the review that wrote it say so, whichever is saved first, and
the audit trail has the line that they gain."""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.domain.audit.entries import review_base, review_entries
from account_reviews.domain.audit.redaction import Rules
from account_reviews.domain.review.state import ReviewState, UndoOf
from account_reviews.domain.review.undo import Undone, mark_undone, what_it_undid
from account_reviews.store.outbox_rows import PUT, current_trace
from account_reviews.store.outbox_rows import spelled as json_text
from account_reviews.store.review_rows import approval_row

_STATE: Final = text(
    "select state from reviews.review_runs where run_id = :run_id and tenant = :tenant for update"
)
_SHOW: Final = text(
    "update reviews.review_runs set state = cast(:state as jsonb) where run_id = :run_id"
)
_SHOW_REQUEST: Final = text(
    "update reviews.approval_requests set body = cast(:body as jsonb)"
    " where request_id = :request_id and run_id = :run_id"
)
# The clock of the rules goes on from where it stood when the write was decided on.
_SETTLE: Final = text(
    "update reviews.proposal_outcomes"
    " set state = 'undone', by = :by, at = :at, clock_at = clock_at + (:at - at), reason = :reason"
    " where run_id = :run_id and change_id = :change_id and state <> 'undone'"
)
_UNDOS: Final = text(
    "select state from reviews.review_runs where kind = 'undo' and tenant = :tenant"
    " and state->'undo'->>'run_id' = :run_id and closed_at is not null"
    " order by closed_at, run_id"
)
"""In the order in which their lines were told."""
_PUT: Final = text(PUT)


async def show_what_it_undid(connection: AsyncConnection, state: ReviewState, rules: Rules) -> bool:
    """In the rows of the other review, when this one has taken something back.

    False when that one has no row that could be seen. `rules`: what the trail may record.
    """
    found = what_it_undid(state)
    return found is None or await _show(connection, state.tenant, *found, rules)


async def were_undone(connection: AsyncConnection, state: ReviewState) -> bool:
    """Whether others have taken something of this review back."""
    values = {"tenant": state.tenant, "run_id": state.run_id}
    return (await connection.execute(_UNDOS, values)).first() is not None


async def show_what_was_undone(
    connection: AsyncConnection, state: ReviewState, rules: Rules
) -> None:
    """In the rows of this review, what others have taken back of it."""
    values = {"tenant": state.tenant, "run_id": state.run_id}
    for row in (await connection.execute(_UNDOS, values)).scalars().all():
        await show_what_it_undid(connection, ReviewState.model_validate(row), rules)


async def _show(
    connection: AsyncConnection, tenant: str, undo: UndoOf, undone: Undone, rules: Rules
) -> bool:
    values: dict[str, Any] = {"tenant": tenant, "run_id": undo.run_id}
    stored = await connection.scalar(_STATE, values)
    if stored is None:
        return False
    state = ReviewState.model_validate(stored)
    marked = mark_undone(state, undo.change_id, undone)
    if marked is state:
        return True
    await connection.execute(_SHOW, {"run_id": undo.run_id, "state": marked.model_dump_json()})
    if told := _told(state, marked, rules):
        await connection.execute(_PUT, {"rows": json_text(told)})
    for before, after in zip(state.requests, marked.requests, strict=True):
        if before != after:
            body = json_text(approval_row(marked, after)["body"])
            await connection.execute(
                _SHOW_REQUEST,
                {"body": body, "request_id": after.request_id, "run_id": undo.run_id},
            )
    reason = next(
        item.reason for request in marked.requests for item in request.items
        if item.item_id == undo.change_id and item.reason
    )  # fmt: skip
    await connection.execute(
        _SETTLE,
        {
            "run_id": undo.run_id,
            "change_id": undo.change_id,
            "by": undone.by,
            "at": undone.at,
            "reason": reason,
        },
    )
    return True


def _told(before: ReviewState, marked: ReviewState, rules: Rules) -> list[dict[str, Any]]:
    """The rows for the trail of the lines that a review gained, as its own saves leave them."""
    base = review_base(marked, current_trace.get())
    known = {entry["body"]["event_id"] for entry in review_entries(before, rules)}
    return [
        {**entry["body"], **base}
        for entry in review_entries(marked, rules)
        if entry["body"]["event_id"] not in known
    ]
