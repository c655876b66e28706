"""What reviews count: recommendations when the rules have made them, all else when they close.

Counting again after a crash between a step and its report is possible, as with every counter.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.schedule.lateness import Judgement
from account_reviews.telemetry import instruments

_APPROVED: Final = frozenset(
    {
        *(ItemState.APPROVED, ItemState.ADJUSTED, ItemState.EXECUTED),
        *(ItemState.FAILED, ItemState.SKIPPED, ItemState.UNDONE),
    }
)
"""States of an item that somebody said yes to; what became of it came later."""


class Settled(NamedTuple):
    """How one proposed change ended."""

    recommendation_type: str
    state: str
    by: str | None
    """Who decided; None when nobody did."""


def analysed(analysis: Analysis) -> None:
    """The rules are done with one account."""
    for one in analysis.recommendations:
        instruments.recommendation_generated(one.type, one.priority, one.confidence.overall)


def review_saved(state: ReviewState, settled: Iterable[Settled]) -> None:
    """A review's rows were written; counts once it is closed."""
    if state.closed_at is None:
        return
    seconds = (state.closed_at - state.started_at).total_seconds()
    instruments.session_ended(state.kind, state.status, seconds)
    if state.outcome is not Outcome.FAILED:
        instruments.account_processed()
    for kind, how, by in settled:
        if how in _APPROVED and by is not None:
            instruments.recommendation_accepted(kind)
        else:
            instruments.recommendation_rejected(kind, _why(how, by))
    for request in state.requests:
        for item in request.items:
            if item.decided_by is not None and item.decided_at is not None:
                waited = (item.decided_at - request.requested_at).total_seconds()
                decision = "approved" if item.state in _APPROVED else item.state.value
                instruments.approval_decided(decision, waited)


def schedule_opened(schedule_id: str, judgement: Judgement) -> None:
    """A scheduled run was judged."""
    if not judgement.judged:
        return
    on_schedule = judgement.trigger == "schedule"
    lateness = judgement.lateness_seconds if on_schedule else None
    instruments.schedule_run(schedule_id, judgement.verdict, lateness)


def _why(state: str, by: str | None) -> str:
    """Why nothing comes of it. An item that was open when the review ended has no decision."""
    unsettled = (ItemState.PROPOSED, ItemState.SKIPPED)
    return "review_ended" if state in unsettled and by is None else state
