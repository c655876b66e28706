"""What failures carry into histories, logs and answers: their words, without secrets."""

from dataclasses import replace
from typing import Final

from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError

from account_reviews.domain.audit.masks import mask_secrets


class RedactingFailureConverter(DefaultFailureConverter):
    """The SDK's own, with secrets masked in the message and stack trace of every cause."""

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        super().to_failure(exception, payload_converter, failure)  # comes back here for causes
        failure.message = mask_secrets(failure.message)
        failure.stack_trace = mask_secrets(failure.stack_trace)


DATA_CONVERTER: Final[DataConverter] = replace(
    pydantic_data_converter, failure_converter_class=RedactingFailureConverter
)
"""The converter of every client of ours: pydantic models in, no secrets out."""


def error_type(error: BaseException) -> str:
    """The name of the error's class; errors of ours travel as the type of Temporal's."""
    if isinstance(error, ApplicationError) and error.type:
        return error.type
    return type(error).__name__
