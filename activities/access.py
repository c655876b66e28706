"""Whether somebody may say what he says to a review: roles, and signed decisions."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from account_reviews.domain.review.checks import Checked, CheckSaid


class AccessActivities:
    """Holds the keys and the policy, through what it is handed."""

    def __init__(self, check: Callable[[CheckSaid], Awaitable[Checked]]) -> None:
        self._check = check

    @activity.defn(name="access.check")
    async def check(self, call: CheckSaid) -> Checked:
        """Checked when it is said, not when the request was shown. Nothing is remembered here: the
        same question may come twice."""
        return await self._check(call)
