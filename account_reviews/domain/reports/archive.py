"""The archive of one closed review: all that is kept of it in one document. Pure.

It is named by the hash of its content, which the audit trail holds: whoever has the document can
show that it is the one that was archived.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.canonical import plain
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.reports.brief import build_brief
from account_reviews.domain.review.state import ReviewState

FORMAT: Final = "account-reviews-archive/1"

_log = logging.getLogger(__name__)


def archive_document(
    state: dict[str, Any],
    analysis: dict[str, Any] | None,
    policy: Policy,
    *,
    outcomes: Sequence[dict[str, Any]] = (),
    notifications: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """The brief as it stood in the end, decisions, timeline, analysis, and the state as saved.

    The snapshot is named by its hash. What cannot be read any more, as of a release long ago, is
    archived as it is, without a brief.
    """
    requests = state.get("requests") or []
    return {
        "format": FORMAT,
        "review_id": state.get("review_id"),
        "run_id": state.get("run_id"),
        "account_id": state.get("account_id"),
        "outcome": state.get("outcome"),
        "brief": _brief(state, analysis, policy),
        "decisions": [
            {"request_id": request.get("request_id"), **decision}
            for request in requests
            for decision in request.get("decisions") or []
        ],
        "timeline": state.get("timeline") or [],
        "outcomes": list(outcomes),
        "notifications": list(notifications),
        "snapshot": state.get("snapshot"),
        "analysis": analysis,
        "state": state,
    }


def _brief(state: dict[str, Any], analysis: dict[str, Any] | None, policy: Policy) -> Any:
    if analysis is None:
        return None
    try:
        review = ReviewState.model_validate(state)
        brief = build_brief(
            Analysis.model_validate(analysis),
            policy,
            states={change.change_id: item_state for change, item_state in review.changes},
            changes=[change for change, _ in review.changes],
            review_id=review.review_id,
        )
    except ValidationError:
        _log.warning("the brief of run %s cannot be made any more", state.get("run_id"))
        return None
    return plain(brief)
