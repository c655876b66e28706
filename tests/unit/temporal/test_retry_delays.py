"""When what failed is tried again: said by the error, else by how often it failed."""

import pytest

from account_reviews.domain.errors import (
    CrmAuthError,
    CrmAwayError,
    CrmOutcomeUnknownError,
    CrmRateLimitedError,
    CrmUnavailableError,
    MemoryUnavailableError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.temporal.worker_interceptor import to_application_error


def seconds(error: ReviewsError, attempt: int | None) -> float | None:
    delay = to_application_error(error, attempt=attempt).next_retry_delay
    return None if delay is None else delay.total_seconds()


@pytest.mark.parametrize(
    "error",
    [
        CrmRateLimitedError(retry_after=1800),
        CrmUnavailableError(retry_after=1800, sent=False),
        CrmOutcomeUnknownError(retry_after=1800),
    ],
)
def test_the_time_that_is_named_is_kept(error: ReviewsError) -> None:
    assert seconds(error, 1) == seconds(error, 99) == seconds(error, None) == 1800


@pytest.mark.parametrize(
    "error", [CrmRateLimitedError(), CrmUnavailableError(), MemoryUnavailableError()]
)
def test_without_one_the_pauses_grow(error: ReviewsError) -> None:
    for attempt, least in ((1, 1), (2, 2), (3, 4), (30, 60)):
        found = seconds(error, attempt)
        assert found is not None
        assert least <= found <= least * 1.25


@pytest.mark.parametrize("error", [CrmAuthError(), CrmAwayError()])
def test_what_is_not_tried_again_has_no_time(error: ReviewsError) -> None:
    assert to_application_error(error, attempt=1).non_retryable
    assert seconds(error, 1) is None


def test_others_go_by_the_policy_of_their_activity() -> None:
    assert seconds(UnreachableError(), 3) is None
    assert seconds(CrmUnavailableError(), None) is None
