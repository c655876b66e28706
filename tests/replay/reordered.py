"""The review with two steps in the wrong order: what the replay test must catch."""

from temporalio import workflow

from account_reviews.domain.review.state import ReviewInput, ReviewResult
from workflows.account_review import AccountReviewWorkflow


@workflow.defn(name="AccountReview")
class ReorderedReviewWorkflow(AccountReviewWorkflow):
    """Starts the deadline before it shows the search attributes."""

    @workflow.init
    def __init__(self, start: ReviewInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ReviewInput) -> ReviewResult:
        return await super().run(start)

    async def _next_decision(self) -> bool:
        self._timers.watch()
        return await super()._next_decision()
