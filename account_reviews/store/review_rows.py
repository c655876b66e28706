"""The rows of a review's state. Pure."""

import json
from datetime import timedelta
from typing import Any

from account_reviews.domain.base import Timestamp
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.decisions import approved_items
from account_reviews.domain.review.ending import memory_items
from account_reviews.domain.review.phases import Phase, Status
from account_reviews.domain.review.state import ReviewState


def run_row(state: ReviewState) -> dict[str, Any]:
    """The row of `review_runs`."""
    pending = state.pending
    analysis = state.analysis
    writes_next = state.status is Status.WAITING and not pending and bool(approved_items(state))
    return {
        "run_id": state.run_id,
        "review_id": state.review_id,
        "tenant": state.tenant,
        "account_id": state.account_id,
        "owner_id": state.snapshot.owner_id if state.snapshot else None,
        "name": state.name,
        "kind": state.shown_kind,
        # The next save comes when all of it is written, which can be long after.
        "phase": (Phase.EXECUTING if writes_next else state.phase).value,
        "status": (Status.RUNNING if writes_next else state.status).value,
        "outcome": state.outcome.value if state.outcome else None,
        "risk_level": analysis.risk_level.value if analysis else None,
        "risk_score": analysis.risk_score if analysis else None,
        "health_score": analysis.health_score if analysis else None,
        "waiting_on": json.dumps(sorted({who for one in pending for who in one.approvers})),
        "due_at": min((one.deadline for one in pending), default=None),
        "needs_attention": state.needs_attention,
        "analysis_hash": (analysis.hash or None) if analysis else None,
        "cycle_id": state.cycle_id,
        "agent": state.agent,
        "purpose": state.purpose,
        "context": json.dumps(state.context),
        "state": state.model_dump_json(),
        "version": state.version,
        "started_at": state.started_at,
        "updated_at": state.updated_at,
        "closed_at": state.closed_at,
    }


def approval_row(state: ReviewState, request: ApprovalRequest) -> dict[str, Any]:
    """The row of `approval_requests`, as JSON."""
    return {
        "request_id": request.request_id,
        "run_id": state.run_id,
        "review_id": state.review_id,
        "tenant": state.tenant,
        "account_id": state.account_id,
        "owner_id": state.snapshot.owner_id if state.snapshot else None,
        "state": request.state.value,
        "requested_at": request.requested_at.isoformat(),
        "deadline": request.deadline.isoformat(),
        "body": request.model_dump(mode="json"),
        "version": state.version,
    }


def baseline_row(state: ReviewState) -> dict[str, Any]:
    """The row of `account_baselines`, as JSON; the review has a snapshot and an analysis."""
    assert state.snapshot is not None
    assert state.analysis is not None
    return {
        "tenant": state.tenant,
        "account_id": state.account_id,
        "snapshot_hash": state.snapshot.hash,
        "run_id": state.run_id,
        "risk_score": state.analysis.risk_score,
        "risk_level": state.analysis.risk_level.value,
        "taken_at": state.as_of.isoformat(),
        "closed_at": (state.closed_at or state.updated_at).isoformat(),
    }


def memory_row(state: ReviewState) -> dict[str, Any]:
    """The row of `memory_outbox`, as JSON; the review is closed."""
    return {
        "run_id": state.run_id,
        "tenant": state.tenant,
        "account_id": state.account_id,
        "items": [item.model_dump(mode="json") for item in memory_items(state)],
    }


def outcome_rows(state: ReviewState, analysis: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per proposed change that came before a person, as JSON."""
    types = {
        change: recommendation["type"]
        for recommendation in analysis["recommendations"]
        for change in recommendation["change_ids"]
    }
    items = {
        item.item_id: (item, request.terms.on_timeout if request.needs is not None else None)
        for request in state.requests
        for item in request.items
    }
    other = "update_account" if state.undo is None else "undo"
    return [
        {
            "run_id": state.run_id,
            "change_id": item.item_id,
            "tenant": state.tenant,
            "account_id": state.account_id,
            "rule": item.change.rule,
            "recommendation_type": types.get(item.item_id, other),
            "state": item.state.value,
            "by": item.decided_by,
            "at": (item.decided_at or state.updated_at).isoformat(),
            "clock_at": _by_rules(state, item.decided_at or state.updated_at).isoformat(),
            "reason": item.reason,
            "risk_level": state.analysis.risk_level.value if state.analysis else "unknown",
            "evidence_hash": item.change.evidence_hash,
            "on_timeout": on_timeout,
        }
        for item, on_timeout in items.values()
    ]


def _by_rules(state: ReviewState, at: Timestamp) -> Timestamp:
    """A moment by the clock of the rules, which may lie back: it runs from the last reading on."""
    read = state.snapshot
    if read is None:
        return at
    read_at = read.fetched_at + timedelta(seconds=read.stale_seconds or 0)
    return at + (state.as_of - read_at)
