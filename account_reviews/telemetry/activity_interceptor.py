"""Counts every try of an activity, outside the workflows and so never twice for a replay."""

import asyncio
import time
from typing import Any, Final

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from account_reviews.domain.errors import CrmRateLimitedError
from account_reviews.telemetry import instruments
from account_reviews.temporal.failures import error_type
from account_reviews.temporal.names import TOOLS

_RULES: Final = "analysis.analyse"
_RATE_LIMITED: Final = CrmRateLimitedError.__name__


class Metering(Interceptor):
    """Counts and times the tries of activities.

    Client side: none. Workflow side: none. Activity side: counts each try's start, end and error,
    and measures how long it took. Errors are named by their own class, so it may stand on either
    side of the interceptor that turns ours into Temporal's. They pass through unchanged.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Metered(next)


class _Metered(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        name, agent = info.activity_type, info.workflow_type or "none"
        is_tool = name.startswith(TOOLS)
        began = time.perf_counter()
        failed: str | None = None
        (instruments.tool_started if is_tool else instruments.task_started)(name, agent)
        try:
            return await super().execute_activity(input)
        except (Exception, asyncio.CancelledError) as error:
            failed = error_type(error)
            raise
        finally:
            seconds = time.perf_counter() - began
            ended = instruments.tool_ended if is_tool else instruments.task_ended
            ended(name, agent, seconds, failed)
            if failed == _RATE_LIMITED:
                instruments.crm_rate_limited()
            if name == _RULES and failed is None:
                instruments.recommendations_took(seconds)
