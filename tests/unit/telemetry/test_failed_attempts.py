"""Which attempts are in the log: all that say something new, and not each of a thousand."""

import io
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from account_reviews.telemetry.logs import logging_to

WARNED, BENIGN = activity.logger.warning, activity.logger.debug
"""How the SDK logs a failure, and one that is expected."""


def attempt(number: int, error: Exception, log: Any = BENIGN, activity_id: str = "7") -> None:
    """What the SDK does with an activity that fails."""

    def run() -> None:
        activity.logger.debug("Starting activity")
        try:
            raise error
        except Exception:  # noqa: BLE001
            extra = {"__temporal_error_identifier": "ActivityFailure"}
            log("Completing activity as failed", exc_info=True, extra=extra)

    environment = ActivityEnvironment()
    environment.info = replace(
        environment.info,
        attempt=number,
        activity_id=activity_id,
        workflow_id="review/ac-017",
        workflow_run_id="run-1",
    )
    environment.run(run)


def logged(stream: io.StringIO) -> list[tuple[int, str]]:
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [(line["attempt"], line["level"]) for line in found]


@pytest.mark.parametrize(("log", "level"), [(BENIGN, "info"), (WARNED, "warning")])
def test_the_same_failure_is_logged_ever_less(log: Any, level: str) -> None:
    stream = io.StringIO()
    with logging_to(stream):
        for number in range(1, 1_001):
            attempt(number, OSError(f"no answer within {number} s"), log)
    assert logged(stream) == [(2**power, level) for power in range(10)]


def test_a_failure_with_other_words_or_of_another_type_is_logged() -> None:
    stream = io.StringIO()
    errors: Sequence[Exception] = [
        *(OSError("no answer"), OSError("no answer"), OSError("no answer"), OSError("refused")),
        *(OSError("refused"), RuntimeError("refused"), RuntimeError("refused")),
        *(ApplicationError("refused", type="Odd"), ApplicationError("refused", type="Odd")),
    ]
    with logging_to(stream):
        for number, error in enumerate(errors, start=101):
            attempt(number, error)
    assert logged(stream) == [(number, "info") for number in (101, 104, 106, 108)]


def test_each_activity_is_counted_for_itself() -> None:
    stream = io.StringIO()
    with logging_to(stream):
        for number in (5, 6, 7):
            for name in ("7", "8"):
                attempt(number, OSError("no answer"), activity_id=name)
    assert logged(stream) == [(5, "info"), (5, "info")]


def test_at_debug_all_is_told_and_once() -> None:
    stream = io.StringIO()
    with logging_to(stream, level="debug"):
        for number in (1, 2, 3):
            attempt(number, OSError("no answer"))
        attempt(3, OSError("no answer"), WARNED)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    failed = [(one["attempt"], one["level"]) for one in lines if "exception" in one]
    assert failed == [(1, "info"), (2, "info"), (3, "debug"), (3, "debug")]
    assert len([one for one in lines if one["event"] == "Starting activity"]) == 4


def test_at_warning_what_is_tried_again_is_not_logged() -> None:
    stream = io.StringIO()
    with logging_to(stream, level="warning"):
        attempt(1, OSError("no answer"))
        attempt(1, OSError("no answer"), WARNED, activity_id="8")
    assert logged(stream) == [(1, "warning")]


def test_a_line_has_the_ids_and_the_whole_trace() -> None:
    stream = io.StringIO()
    with logging_to(stream):
        attempt(1, OSError("x " * 9_000 + "token=abc12345 the end"))
    (line,) = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (line["workflow_id"], line["run_id"]) == ("review/ac-017", "run-1")
    assert (line["activity_id"], line["attempt"]) == ("7", 1)
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("token=***REDACTED*** the end")


def test_of_an_endless_trace_both_ends_are_logged() -> None:
    stream = io.StringIO()
    with logging_to(stream):
        attempt(1, OSError("w " * 100_000 + "the end"))
    (line,) = (json.loads(line) for line in stream.getvalue().splitlines())
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("the end")
    assert 100_000 <= len(line["exception"]) <= 100_100


def test_the_logger_of_the_sdk_is_given_back() -> None:
    logger = activity.logger.base_logger
    before = (logger.level, list(logger.filters))
    with logging_to(io.StringIO(), level="error"):
        assert logger.isEnabledFor(logging.DEBUG)
    assert (logger.level, list(logger.filters)) == before


def test_a_failed_workflow_task_has_the_ids_of_its_workflow() -> None:
    """The SDK logs it when it has left the workflow."""
    stream = io.StringIO()
    details = {"workflow_id": "review/ac-017", "run_id": "run-1", "workflow_type": "AccountReview"}
    with logging_to(stream):
        logging.getLogger("sdk").warning("Failed activation", extra={"temporal_workflow": details})
    (line,) = (json.loads(line) for line in stream.getvalue().splitlines())
    assert details.items() <= line.items()
    assert (line["review_id"], line["account_id"]) == ("review/ac-017", "ac-017")
