"""The JSON documents the CLI shows: keys are a contract, see docs/design.md."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from account_reviews.presentation.notifications import delivery_documents
from account_reviews.presentation.story import in_order

if TYPE_CHECKING:
    from account_reviews.domain.analysis.model import Analysis
    from account_reviews.domain.halts import Halt
    from account_reviews.domain.proposals import ItemState, ProposedChange
    from account_reviews.domain.review.approvals import ApprovalRequest
    from account_reviews.domain.review.deliveries import DeliveryRow
    from account_reviews.domain.review.pending import PendingStep
    from account_reviews.domain.review.state import ReviewState
    from account_reviews.store.review_queries import Archived, RequestRow

BY_TEMPORAL = " in Temporal"
"""How the reason of such an end ends: `terminated in Temporal`."""
ENDS_IN_TEMPORAL = ("terminated", "timed_out", "failed")
"""How Temporal ends a review without its own closing steps."""


def started_document(state: "ReviewState", *, joined: bool = False) -> dict[str, Any]:
    """The answer of `start`."""
    return {
        "review_id": state.review_id,
        "workflow_id": state.review_id,
        "run_id": state.run_id,
        "account_id": state.account_id,
        "name": state.name,
        "phase": state.phase,
        "status": state.status,
        "outcome": state.outcome,
        "joined": joined,
    }


def change_document(change: "ProposedChange", state: "ItemState") -> dict[str, Any]:
    return {
        "change_id": change.change_id,
        "action": change.action,
        "record": change.record,
        "before": change.before,
        "after": change.after,
        "hash": change.hash,
        "state": state,
        "title": change.title,
        "rationale": change.rationale,
        "rule": change.rule,
        "recommendation_id": change.recommendation_id,
        "deferred": change.deferred,
        "due_in_seconds": change.due_in_seconds,
        "author": change.author,
        "confidence": change.confidence,
        "evidence_hash": change.evidence_hash,
    }


def request_document(
    request: "ApprovalRequest", deliveries: "Sequence[DeliveryRow]" = ()
) -> dict[str, Any]:
    """An approval request as `approvals list` and `show` give it.

    `deliveries`: the rows of its notices, which may know more than the request does yet.
    """
    return {
        "request_id": request.request_id,
        "review_id": request.review_id,
        "account_id": request.account_id,
        "state": request.state,
        "requested_at": request.requested_at,
        "deadline": request.deadline,
        "closed_at": request.closed_at,
        "required": {
            **request.required.model_dump(),
            "text": request.needed,
            "reachable": not request.unreachable,
        },
        "approvers": list(request.approvers),
        "version_check": request.terms.version_check,
        "hash": request.hash,
        "shown_hash": request.shown_hash,
        "items": [
            {
                "item_id": item.item_id,
                **change_document(item.change, item.state),
                "original_after": item.original.after if item.original else None,
                "decided_by": item.decided_by,
                "decided_at": item.decided_at,
                "reason": item.reason,
                "approvals": list(item.approvals),
                "needs": list(item.groups),
            }
            for item in request.items
        ],
        "decisions": [decision.model_dump() for decision in request.decisions],
        "notifications": delivery_documents(request, deliveries),
    }


def request_row_document(
    row: "RequestRow", deliveries: "Sequence[DeliveryRow]" = ()
) -> dict[str, Any]:
    return {
        **request_document(row.request, deliveries),
        "short_id": row.short_id,
        "review_id": row.review_id,
        "run_id": row.run_id,
        "owner_id": row.owner_id,
        "account_name": row.account_name,
        "owner_name": row.owner_name,
    }


def review_document(
    state: "ReviewState",
    analysis: "Analysis | None",
    *,
    source: str,
    age_seconds: float | None = None,
    halt: "Halt | None" = None,
    standing: str | None = None,
    failing: "Sequence[PendingStep]" = (),
    archived: "Archived | None" = None,
) -> dict[str, Any]:
    """The answer of `show`. `halt` is what keeps an open review from writing now.

    `archived` says where it comes from when its rows are gone. `standing` is how a review that did
    not answer stands in Temporal: a `Standing`. `failing` are the steps that do not get on, where
    Temporal was asked.
    """
    from account_reviews.domain.review.views import resumable_view
    from account_reviews.presentation.stuck_documents import step_document

    ended = state.closed_at or state.updated_at
    return {
        "review_id": state.review_id,
        "workflow_id": state.review_id,
        "run_id": state.run_id,
        "account_id": state.account_id,
        "account_name": state.snapshot.account_name if state.snapshot else None,
        "owner_id": state.snapshot.owner_id if state.snapshot else None,
        "owner_name": state.snapshot.owner_name if state.snapshot else None,
        "tenant": state.tenant,
        "kind": state.shown_kind,
        "started_as": state.kind,
        "name": state.name,
        "purpose": state.purpose,
        "agent": state.agent,
        "metadata": state.metadata,
        "undoes": state.undo.model_dump() if state.undo is not None else None,
        "started_by": state.started_by,
        "as_of": state.as_of,
        "phase": state.phase,
        "status": "paused" if standing == "paused" else state.status,
        "temporal_status": _ended_in_temporal(state) or standing,
        "failing": [step_document(one) for one in failing or _as_the_state_says(state)],
        "outcome": state.outcome,
        "reason": state.reason,
        "degraded": state.degraded,
        "missing_sources": list(state.missing_sources),
        **_analysis_part(analysis),
        "findings": _findings(state, analysis),
        "changes": [change_document(change, item_state) for change, item_state in state.changes],
        "approvals": [request_document(request) for request in state.requests],
        "written": [write.model_dump() for write in state.written.values()],
        "history": [move.model_dump() for move in state.history],
        "counters": counters_document(state),
        "version": state.version,
        "resume_ready": resumable_view(state).resumable,
        "error_count": state.error_count,
        "last_error": state.last_error,
        "needs_attention": state.needs_attention,
        **_control_part(state),
        "summary": state.summary or (state.analysis.summary if state.analysis else ""),
        "policy_hash": state.analysis.policy_hash if state.analysis else None,
        "started_at": state.started_at,
        "updated_at": state.updated_at,
        "closed_at": state.closed_at,
        "finalized_at": state.closed_at,
        "duration_seconds": (ended - state.started_at).total_seconds(),
        "source": source,
        "age_seconds": age_seconds,
        "archived": {"at": archived.at, "hash": archived.hash} if archived is not None else None,
        "halted": halt.model_dump(include={"by", "reason", "at"}) if halt is not None else None,
    }


def counters_document(state: "ReviewState") -> dict[str, Any]:
    """What a review did so far. Times are in milliseconds; `steps` has them by step.

    Sums of what the results of its activities carry: an attempt whose worker died is an error, and
    what it did is not known. `error_count` is that of the review, not of attempts.
    """
    counters = state.counters
    lasted = ((state.closed_at or state.updated_at) - state.started_at).total_seconds()
    return {
        **counters.model_dump(),
        "total_duration_ms": round(lasted * 1000),
        "account_processing_times_ms": [round(counters.usage.milliseconds)],
        "api_call_count": counters.usage.calls,
        "cache_hits": counters.usage.cache_hits,
        "cache_misses": counters.usage.cache_misses,
        "token_usage": counters.usage.tokens,
        "error_count": state.error_count,
        "failed_attempts": counters.usage.errors,
    }


def snapshot_document(
    state: "ReviewState", *, source: str, age_seconds: float | None = None
) -> dict[str, Any]:
    """The answer of `snapshot`: what an agent goes on with. A write may name its `version`.

    All of the state stands in it, but for what signs decisions.
    """
    from account_reviews.domain.review.views import resumable_view

    saved = state.model_dump(exclude={"early": {"__all__": {"token"}}, "nonces": True})
    return {
        **saved,
        "workflow_id": state.review_id,
        "degraded": state.degraded,
        "needs_attention": state.needs_attention,
        "review_id": state.review_id,
        "run_id": state.run_id,
        "account_id": state.account_id,
        "agent": state.agent,
        "phase": state.phase,
        "status": state.status,
        "outcome": state.outcome,
        "version": state.version,
        **_control_part(state),
        "metadata": state.metadata,
        "counters": counters_document(state),
        "waits_for": [request.request_id for request in state.pending],
        "resume_ready": resumable_view(state).resumable,
        "error_count": state.error_count,
        "last_error": state.last_error,
        "started_at": state.started_at,
        "updated_at": state.updated_at,
        "closed_at": state.closed_at,
        "source": source,
        "age_seconds": age_seconds,
    }


def _control_part(state: "ReviewState") -> dict[str, Any]:
    """What people and agents have said to a review, but for decisions."""
    paused = state.paused.model_dump() if state.paused is not None else None
    return {
        "interactive": state.interactive,
        "idle_seconds": state.idle_seconds if state.interactive else None,
        "touched_at": state.touched_at,
        "paused": paused,
        "context": state.context,
        "conversation": [turn.model_dump() for turn in state.conversation],
        "plan": list(state.plan),
        "step": state.step,
    }


def _ended_in_temporal(state: "ReviewState") -> str | None:
    """When that was its end."""
    word = (state.reason or "").removesuffix(BY_TEMPORAL)
    return word if word in ENDS_IN_TEMPORAL else None


def _as_the_state_says(state: "ReviewState") -> "list[PendingStep]":
    """Where Temporal was not asked: what the review was signalled last."""
    from account_reviews.domain.review.pending import PendingStep
    from account_reviews.domain.review.usage import step_of

    if state.closed_at is not None:
        return []
    return [
        PendingStep(
            step=step_of(one.type),
            activity=one.type,
            activity_id=one.activity_id,
            attempt=one.attempt,
            error=one.error,
            since=one.since,
            next_retry_at=None,
            retryable=True,
        )
        for one in state.failing
    ]


def _findings(state: "ReviewState", analysis: "Analysis | None") -> list[dict[str, Any]]:
    """Those of the analysis, and what turns of the conversation added."""
    found = analysis.findings if analysis is not None else ()
    return [one.model_dump() for one in (*found, *state.findings)]


def _analysis_part(analysis: "Analysis | None") -> dict[str, Any]:
    if analysis is None:
        unknown: dict[str, Any] = {
            "score": None,
            "rule": None,
            "contributions": [],
            "previous": None,
        }
        return {
            "risk": {**unknown, "level": "unknown"},
            "health": {"score": None, "band": "unknown"},
            "recommendations": [],
            "priority_score": None,
            "needs_review": False,
        }
    return {
        "risk": analysis.risk.model_dump(),
        "health": analysis.health.model_dump(),
        "recommendations": [one.model_dump() for one in analysis.recommendations],
        "priority_score": analysis.priority_score,
        "needs_review": analysis.needs_review,
        "stale_seconds": analysis.stale_seconds,
    }


def timeline_document(
    state: "ReviewState", more: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Phase moves and lines of the story in the order in which they happened, with `more` that it
    does not know."""
    moves = [
        {
            "at": move.at,
            "kind": "phase",
            "text": f"{move.from_phase} -> {move.to_phase}",
            "by": None,
            "from_phase": move.from_phase,
            "to_phase": move.to_phase,
        }
        for move in state.history
    ]
    lines = [line.model_dump() for line in state.timeline]
    lines = sorted([*lines, *more], key=lambda line: line["at"])
    return [dict(line) for line in in_order(moves, lines)]
