"""Notifies hooks of every try of an activity. Activities do not run on replay, nor do hooks."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from account_reviews.domain.audit.events import trace_of_run
from account_reviews.domain.audit.redaction import Rules, describe
from account_reviews.domain.review.state import ReviewState
from account_reviews.hooks.dispatcher import Lanes
from account_reviews.hooks.events import HookEvent, HookName, Inputs
from account_reviews.hooks.review_lifecycle import Sessions
from account_reviews.telemetry.trace_headers import trace_id_of
from account_reviews.temporal.failures import error_type
from account_reviews.temporal.names import TOOLS, is_review_id, parse_review_id

_SAVE: Final = "store.save_review"
"""The activity that is given a review's whole state, also the closed one."""


class HookInterceptor(Interceptor):
    """Notifies hooks of steps, and `sessions` of the end of a review.

    Client side: none. Workflow side: none; of runs that begin or end `sessions` is notified by the
    runner of `audit.capture.workflow_runner`. Activity side: puts `pre_*` and `post_*` events into
    the hooks' queues around every try, and hands `sessions` the closed state when it is saved.
    Results and errors pass through unchanged.
    """

    def __init__(self, lanes: Lanes, sessions: Sessions, tenant: str, rules: Rules) -> None:
        self._lanes = lanes
        self._sessions = sessions
        self._tenant = tenant
        self._rules = rules

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _HookDoor(next, self._lanes, self._sessions, self._tenant, self._rules)


class _HookDoor(ActivityInboundInterceptor):
    def __init__(
        self,
        next: ActivityInboundInterceptor,
        lanes: Lanes,
        sessions: Sessions,
        tenant: str,
        rules: Rules,
    ) -> None:
        super().__init__(next)
        self._lanes = lanes
        self._sessions = sessions
        self._tenant = tenant
        self._rules = rules

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        pre, post = (
            (HookName.PRE_TOOL, HookName.POST_TOOL)
            if info.activity_type.startswith(TOOLS)
            else (HookName.PRE_TASK, HookName.POST_TASK)
        )
        if not self._lanes.wanted(pre, post):
            answer = await super().execute_activity(input)
            self._note_end(info, input)
            return answer
        step = _Step(info, input, self._tenant, self._rules)
        self._lanes.notify(pre, partial(step.event, pre, datetime.now(UTC)))
        began = time.perf_counter()
        failed: str | None = None
        try:
            answer = await super().execute_activity(input)
        except (Exception, asyncio.CancelledError) as error:
            failed = error_type(error)
            raise
        finally:
            event = partial(
                step.event,
                post,
                datetime.now(UTC),
                duration_seconds=time.perf_counter() - began,
                error_type=failed,
            )
            self._lanes.notify(post, event)
        self._note_end(info, input)
        return answer

    def _note_end(self, info: activity.Info, input: ExecuteActivityInput) -> None:
        """Remember how the review ends: its end itself shows only that it has come."""
        if info.activity_type != _SAVE:
            return
        state = input.args[0] if input.args else None
        if isinstance(state, ReviewState) and state.closed_at is not None:
            self._sessions.closing(info.workflow_run_id or "", state, trace_id_of(input.headers))


class _Step:
    """One try of one activity. What costs time is found in the hooks' threads."""

    def __init__(
        self,
        info: activity.Info,
        input: ExecuteActivityInput,
        tenant: str,
        rules: Rules,
    ) -> None:
        self._info = info
        self._args: Sequence[object] = tuple(input.args)
        self._headers = input.headers
        self._tenant = tenant
        self._rules = rules
        self._known: HookEvent | None = None

    def event(self, name: HookName, at: datetime, **ended: Any) -> HookEvent:
        """The event of this try at that moment."""
        if self._known is None:
            self._known = self._describe(name, at)
        return replace(self._known, name=name, at=at, **ended)

    def _describe(self, name: HookName, at: datetime) -> HookEvent:
        info, args = self._info, self._args
        workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
        review_id, account_id, tenant = _of_review(workflow_id)
        first = args[0] if args else None
        given = first if len(args) == 1 else list(args)
        is_tool = info.activity_type.startswith(TOOLS)
        trace_id = trace_id_of(self._headers)
        if trace_id is None and run_id:
            trace_id = trace_of_run(str(getattr(first, "run_id", run_id)))
        return HookEvent(
            name=name,
            at=at,
            tenant=tenant or _text(first, "tenant") or self._tenant,
            workflow_id=workflow_id,
            run_id=run_id,
            agent=info.workflow_type or "none",
            review_id=review_id,
            account_id=account_id or _text(first, "account_id"),
            trace_id=trace_id,
            tool=info.activity_type if is_tool else None,
            task=None if is_tool else info.activity_type,
            activity_id=info.activity_id,
            attempt=info.attempt,
            inputs=Inputs(partial(describe, given, self._rules)) if args else None,
        )


def _of_review(workflow_id: str) -> tuple[str | None, str | None, str | None]:
    """Review id, account id and tenant, when it is a review and its id says so."""
    try:
        account_id, tenant = parse_review_id(workflow_id)
    except ValueError:
        return workflow_id if is_review_id(workflow_id) else None, None, None
    return workflow_id, account_id, tenant


def _text(value: object, field: str) -> str | None:
    found = getattr(value, field, None)
    return found if isinstance(found, str) else None
