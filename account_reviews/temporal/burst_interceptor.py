"""Activities go by the installation's numbers of tries and pauses."""

from typing import Any

from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from account_reviews.domain.bursts import BurstRules, bursts_by


class BurstInterceptor(Interceptor):
    """It stands around the one that turns errors of ours into Temporal's."""

    def __init__(self, rules: BurstRules) -> None:
        self._rules = rules

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _ByRules(next, self._rules)


class _ByRules(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, rules: BurstRules) -> None:
        super().__init__(next)
        self._rules = rules

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        with bursts_by(self._rules):
            return await super().execute_activity(input)
