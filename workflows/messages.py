"""Messages of workflows: reading what a handler is given, signalling another workflow."""

from typing import TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from account_reviews.domain.base import Model
from account_reviews.domain.review.messages import Malformed, parse

_Message = TypeVar("_Message", bound=Model)
_NOBODY_THERE = "ExternalWorkflowExecutionNotFound"


def read(model: type[_Message], message: RawValue, *, bounded: bool = True) -> _Message | Malformed:
    """The message, or why it cannot be used. Never raises: for signals."""
    encoding = message.payload.metadata.get("encoding", b"").decode(errors="replace")
    return parse(model, encoding, message.payload.data, bounded=bounded)


def read_or_refuse(model: type[_Message], message: RawValue, *, bounded: bool = True) -> _Message:
    """The message; for updates and their validators, where a refusal is an answer."""
    parsed = read(model, message, bounded=bounded)
    if isinstance(parsed, Malformed):
        raise ApplicationError(parsed.why, type="bad_shape", non_retryable=True)
    return parsed


async def signal(workflow_id: str, name: str, message: Model) -> bool:
    """Signal another workflow. False when it is closed or was never there."""
    try:
        await workflow.get_external_workflow_handle(workflow_id).signal(name, message)
    except ApplicationError as error:
        if error.type != _NOBODY_THERE:
            raise
        return False
    return True
