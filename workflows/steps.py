"""How a review runs one step: locally when it is ours and short, else as a regular activity."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    FailureError,
    is_cancelled_exception,
)
from temporalio.workflow import ActivityConfig

from account_reviews.domain.errors import (
    CrmAuthError,
    CrmOfAnotherTenantError,
    CrmPermissionError,
    CrmTokensRevokedError,
    CrmUnreadableError,
    TenantNotServedError,
)
from account_reviews.domain.review.state import Usage
from account_reviews.domain.review.usage import usage_of, usage_of_failure
from workflows import policies

_Arg = TypeVar("_Arg")
_Result = TypeVar("_Result")


class StepError(ApplicationError):
    """A step that could not be done: `kind` is the class name of our error behind it, if any.

    One that nobody handles fails the workflow with its sentence; as another kind of exception it
    would fail the task, which is then done again without end.
    """

    def __init__(
        self, reason: str, *, kind: str | None, permanent: bool, usage: Usage | None = None
    ) -> None:
        self.reason = reason
        self.kind = kind
        self.permanent = permanent
        self.usage = usage
        super().__init__(reason, type=kind or "StepError", non_retryable=True)


_REFUSALS = {
    one.__name__: one.code
    for one in (
        CrmAuthError,
        CrmTokensRevokedError,
        CrmOfAnotherTenantError,
        CrmPermissionError,
        CrmUnreadableError,
        TenantNotServedError,
    )
}


def unread(error: StepError) -> str:
    """Why the CRM was not read, behind a word for the kind: `crm_auth`, `crm_permission`,
    `crm_unreadable` for what will not heal by itself, else `no_data`."""
    return f"{_REFUSALS.get(error.kind or '', 'no_data')}: {error.reason}"


class ReviewCancelledError(Exception):
    """Somebody cancelled the review while a step was under way."""


def _count_nowhere(_: Usage | None) -> None:
    """For steps of what has no counters."""


async def run_step(
    method: Callable[[Any, _Arg], Awaitable[_Result]],
    arg: _Arg,
    config: ActivityConfig,
    *,
    local: bool,
    used: Callable[[Usage | None], None] = _count_nowhere,
) -> _Result:
    """Run an activity method. StepError when it cannot be done. `used` hears what it used.

    A local activity that does not end in time goes on as a regular one: its retries leave no
    events, so an outage of hours does not grow the history.
    """
    if local:
        try:
            result = await workflow.execute_local_activity_method(
                method, arg, **policies.local(config.get("summary") or "")
            )
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            failed = _step_error(error)
            used(failed.usage)
            if failed.permanent:
                raise failed from None
        else:
            used(usage_of(result))
            return result
    try:
        result = await workflow.execute_activity_method(method, arg, **config)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        failed = _step_error(error)
        used(failed.usage)
        raise failed from None
    used(usage_of(result))
    return result


async def project(
    method: Callable[[Any, _Arg], Awaitable[object]],
    arg: _Arg,
    config: ActivityConfig,
    *,
    local: bool,
) -> str | None:
    """Show something in our tables. Gives the reason when that can never be done: what is shown
    only holds up nobody, an outage is waited out."""
    try:
        await run_step(method, arg, config, local=local)
    except StepError as error:
        if not error.permanent:
            raise
        workflow.logger.error("%s cannot be done: %s", config.get("summary"), error.reason)
        return error.reason
    return None


async def unless(stopped: Callable[[], bool], work: Awaitable[_Result]) -> _Result:
    """The result of `work`. Once `stopped` holds the work is cancelled, and unless it finishes
    all the same, ReviewCancelledError is raised."""
    task = asyncio.ensure_future(work)
    await workflow.wait_condition(lambda: task.done() or stopped())
    if not task.done():
        task.cancel()
    try:
        return await task
    except (asyncio.CancelledError, CancelledError, ActivityError) as error:
        if stopped() and is_cancelled_exception(error):
            raise ReviewCancelledError from None
        raise


def _step_error(error: FailureError) -> StepError:
    """Local activities fail with the error itself, regular ones wrap it in an ActivityError."""
    cause: BaseException = error
    if isinstance(error, ActivityError) and error.cause is not None:
        cause = error.cause
    if isinstance(cause, ApplicationError):
        said = cause.details[0] if cause.details else None
        return StepError(
            cause.message,
            kind=cause.type,
            permanent=cause.non_retryable,
            usage=usage_of_failure(said),
        )
    reason = cause.message if isinstance(cause, FailureError) else str(cause)
    return StepError(reason, kind=None, permanent=False, usage=usage_of_failure(None))
