"""How a review runs one step: locally when it is ours and short, else as a regular activity."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.workflow import ActivityConfig

from workflows import policies

_Arg = TypeVar("_Arg")
_Result = TypeVar("_Result")


class ReviewCancelledError(Exception):
    """Somebody cancelled the review while a step was under way."""


async def run_step(
    method: Callable[[Any, _Arg], Awaitable[_Result]],
    arg: _Arg,
    config: ActivityConfig,
    *,
    local: bool,
) -> _Result:
    """Run an activity method.

    A local activity that does not end in time goes on as a regular one: its retries leave no
    events, so an outage of hours does not grow the history. ActivityError when it cannot help.
    """
    if local:
        try:
            return await workflow.execute_local_activity_method(
                method, arg, **policies.local(config.get("summary") or "")
            )
        except ActivityError as error:
            if is_permanent(error):
                raise
    return await workflow.execute_activity_method(method, arg, **config)


async def unless(stopped: Callable[[], bool], work: Awaitable[_Result]) -> _Result:
    """The result of `work`; once `stopped` holds, the work is cancelled and ReviewCancelledError
    raised, unless it finishes all the same."""
    task = asyncio.ensure_future(work)
    await workflow.wait_condition(lambda: task.done() or stopped())
    if not task.done():
        task.cancel()
    try:
        return await task
    except (asyncio.CancelledError, ActivityError) as error:
        if stopped() and _was_cancelled(error):
            raise ReviewCancelledError from None
        raise


def is_permanent(error: ActivityError) -> bool:
    """True when trying again cannot help."""
    return isinstance(error.cause, ApplicationError) and error.cause.non_retryable


def reason_of(error: ActivityError) -> str:
    """The sentence to show a person."""
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    return cause.message if isinstance(cause, ApplicationError) else str(cause)


def error_type(error: ActivityError) -> str | None:
    """The class name of our error behind it, as the activity boundary put it."""
    return error.cause.type if isinstance(error.cause, ApplicationError) else None


def _was_cancelled(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError) or isinstance(
        error.__cause__, CancelledError
    )
