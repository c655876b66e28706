"""What operators see of a review: search attributes and the Markdown in the Temporal UI."""

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.characters import escaped_in_markdown
from account_reviews.domain.review.state import ReviewState
from account_reviews.temporal import search_attributes
from workflows.open_review import OpenReview


def show_attributes(state: ReviewState) -> None:
    """One upsert, so one event: when the review starts to wait and when it closes."""
    pending = state.pending
    updates: list[SearchAttributeUpdate[Any]] = [
        search_attributes.REVIEW_PHASE.value_set(state.phase.value),
        search_attributes.REVIEW_STATUS.value_set(state.status.value),
        search_attributes.NEEDS_ATTENTION.value_set(state.needs_attention),
        search_attributes.PENDING_APPROVERS.value_set(
            sorted({who for one in pending for who in one.approvers})
        )
        if pending
        else search_attributes.PENDING_APPROVERS.value_unset(),
        search_attributes.APPROVAL_DUE_AT.value_set(min(one.deadline for one in pending))
        if pending
        else search_attributes.APPROVAL_DUE_AT.value_unset(),
    ]
    if state.snapshot is not None and state.snapshot.owner_id is not None:
        updates.append(search_attributes.OWNER_ID.value_set(state.snapshot.owner_id))
    if state.cycle_id is not None:
        updates.append(search_attributes.CYCLE_ID.value_set(state.cycle_id))
    if state.analysis is not None:
        updates.append(search_attributes.RISK_LEVEL.value_set(state.analysis.risk_level.value))
        if state.analysis.health_score is not None:
            updates.append(
                search_attributes.HEALTH_SCORE.value_set(float(state.analysis.health_score))
            )
    workflow.upsert_search_attributes(updates)


def show_what_is_new(review: OpenReview) -> None:
    """The same, when the review has begun to wait, is paused or wants attention since; and the
    text in the Temporal UI."""
    state = review.state
    shown = state.status, state.needs_attention, [one.request_id for one in state.pending]
    if review.shown != shown:
        review.shown = shown
        show_attributes(state)
    show_details(state)


def show_details(state: ReviewState) -> None:
    """Markdown for the Temporal UI. Costs no event."""
    lines = [f"**{state.phase}** ({state.status})"]
    if state.analysis is not None:
        lines.append(escaped_in_markdown(state.analysis.summary))
    if state.paused is not None:
        why = escaped_in_markdown(state.paused.reason or "no reason given")
        lines.append(f"Paused by {escaped_in_markdown(state.paused.by)}: {why}")
    for failing in state.failing:
        error = escaped_in_markdown(failing.error)
        lines.append(f"**{failing.type} fails**, attempt {failing.attempt}: {error}")
    for request in state.pending:
        who = escaped_in_markdown(", ".join(request.approvers) or "anybody")
        lines.append(
            f"Waits for {who} until {rfc3339(request.deadline)}, request `{request.request_id}`:"
        )
        lines += [
            f"- {escaped_in_markdown(item.change.title)}: {item.state}" for item in request.items
        ]
    if state.missing_sources:
        lines.append(f"Degraded: {', '.join(state.missing_sources)} missing")
    if state.summary:
        lines.append(escaped_in_markdown(state.summary))
    workflow.set_current_details("\n\n".join(lines))
