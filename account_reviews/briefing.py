"""The brief of one review, from its state, its analysis and the policy."""

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.errors import NotFoundError
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.reports.brief import Brief, build_brief
from account_reviews.domain.review.state import ReviewState


def brief_of(state: ReviewState, analysis: Analysis | None, policy: Policy) -> Brief:
    """NotFoundError when the review has not come as far as its analysis."""
    if analysis is None:
        raise NotFoundError(
            f"the review {state.review_id} has no analysis: it is {state.phase}",
            hint="wait for it with `reviews watch`",
        )
    return build_brief(
        analysis,
        policy,
        states={change.change_id: item_state for change, item_state in state.changes},
        changes=[change for change, _ in state.changes],
        review_id=state.review_id,
    )
