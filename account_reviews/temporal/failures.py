"""What failures carry into histories, logs and answers: their words, without secrets, and short."""

from dataclasses import replace
from traceback import format_tb
from typing import Final, Self

from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    PayloadConverter,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError

from account_reviews.domain.audit.redaction import clean
from account_reviews.temporal.short_failures import CAUSES, joined


class RedactingFailureConverter(DefaultFailureConverter, WithSerializationContext):
    """The SDK's own, with secrets masked and all but the sentence short, in every cause.

    Which bound holds depends on where a failure goes:

    - of an activity: LIMIT (3.5 KiB) for all of it, causes and details too. As the last failure of
      a pending activity the server keeps 4 KiB. Their details are what they used, 150 bytes.
    - of a workflow or an update: LIMIT without the details of the outermost failure, which stay
      whole. They are results: that of a failed review or cycle, which its commands and hooks read,
      and the refusal of a decision. The server's bound for these is that of any result, 2 MiB
      (`limit.blobSize.error`). Details of causes are nobody's and may go.
    """

    def __init__(self, *, keep_details: bool = False) -> None:
        super().__init__()
        self._keep_details = keep_details

    def with_context(self, context: SerializationContext) -> Self:
        """The converter of workflows and updates, or that of activities."""
        keep = isinstance(context, WorkflowSerializationContext)
        return self if keep == self._keep_details else type(self)(keep_details=keep)

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        chain, passed_over = _chain_of(exception, payload_converter)
        failure.CopyFrom(joined(chain, passed_over=passed_over, keep_details=self._keep_details))


class _OneByOne(DefaultFailureConverter):
    """Converts one exception; the cause the SDK comes to next is left in `cause`."""

    def __init__(self) -> None:
        super().__init__()
        self.cause: BaseException | None = None

    def convert(self, exception: BaseException, payload_converter: PayloadConverter) -> Failure:
        self.cause = None
        failure = Failure()
        try:
            super().to_failure(exception, payload_converter, failure)
        except Exception:  # noqa: BLE001  half a character or an odd detail: the sentence arrives
            failure = Failure()
            plain = _plain(exception)
            plain.__cause__ = exception.__cause__
            super().to_failure(plain, payload_converter, failure)
            failure.stack_trace = clean("".join(format_tb(exception.__traceback__)))
        return failure

    def to_failure(
        self,
        exception: BaseException,
        payload_converter: PayloadConverter,  # noqa: ARG002  the SDK's signature
        failure: Failure,  # noqa: ARG002
    ) -> None:
        self.cause = exception


def _chain_of(
    exception: BaseException, payload_converter: PayloadConverter
) -> tuple[list[Failure], int]:
    """The failure and its causes, one by one: CAUSES at most, the last one the root.

    And how many were passed over before the root. A chain that comes back to itself ends there.
    """
    chain: list[Failure] = []
    passed_over = 0
    seen: set[int] = set()
    one_by_one = _OneByOne()
    current: BaseException | None = exception
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        for one in _unchained(one_by_one.convert(current, payload_converter)):
            if len(chain) > CAUSES:
                chain.pop()
                passed_over += 1
            chain.append(one)
        current = one_by_one.cause
    return chain, passed_over


def _unchained(failure: Failure) -> list[Failure]:
    """A failure that came from elsewhere has its causes in it already."""
    found = [failure]
    while found[-1].HasField("cause"):
        cause = Failure()
        cause.CopyFrom(found[-1].cause)
        found[-1].ClearField("cause")
        found.append(cause)
    return found


def _plain(exception: BaseException) -> ApplicationError:
    """An error of the same words and the same meaning for retries, without details."""
    try:
        words = clean(str(getattr(exception, "message", "") or exception))
    except Exception:  # noqa: BLE001  an error that cannot even say what it is
        words = ""
    name = clean(error_type(exception))
    if not isinstance(exception, ApplicationError):
        return ApplicationError(words or name, type=name)
    return ApplicationError(
        words or name,
        type=name,
        non_retryable=exception.non_retryable,
        next_retry_delay=exception.next_retry_delay,
        category=exception.category,
    )


DATA_CONVERTER: Final[DataConverter] = replace(
    pydantic_data_converter, failure_converter_class=RedactingFailureConverter
)
"""The converter of every client of ours: pydantic models in, no secrets out."""


def error_type(error: BaseException) -> str:
    """The name of the error's class; errors of ours travel as the type of Temporal's."""
    if isinstance(error, ApplicationError) and error.type:
        return error.type
    return type(error).__name__
