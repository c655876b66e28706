"""No secret leaves with an error: not on a terminal, not into a history, not into a log line."""

import json
from typing import Any

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from account_reviews.cli import output
from account_reviews.domain.audit.redaction import DEFAULT, redact
from account_reviews.domain.errors import ReviewsError, UnreachableError
from account_reviews.temporal.failures import DATA_CONVERTER
from account_reviews.temporal.worker_interceptor import to_application_error

CANARY = "kjh4-CANARY-9s8df"
URL = f"postgresql://reviews:{CANARY}@db.example.com/reviews"


class EndedError(Exception):
    """Instead of ending the process."""


@pytest.fixture(autouse=True)
def stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> None:
        raise EndedError(code)

    monkeypatch.setattr(output, "leave", leave)


@pytest.mark.parametrize("form", output.Format)
@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize(
    "error",
    [
        UnreachableError(f"cannot connect to {URL}", hint=f"check password={CANARY}"),
        RuntimeError(f"Authorization: Bearer {CANARY}"),
    ],
)
def test_no_secret_is_shown_on_a_terminal(
    error: Exception,
    level: str,
    form: output.Format,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REVIEWS_LOG_LEVEL", level)
    with pytest.raises(EndedError):
        output.fail(error, form)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "REDACTED" in shown.err
    assert "CANARY" not in shown.err
    if form is output.Format.JSON:
        body = json.loads(shown.err.splitlines()[-1])["error"]
        assert set(body) == {"code", "message", "hint"}


def test_names_and_addresses_of_people_stay_readable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EndedError):
        output.fail(ReviewsError("ann@corp.example is not an approver of ac-034"))
    assert capsys.readouterr().err == "ann@corp.example is not an approver of ac-034\n"


def failing() -> None:
    try:
        raise OSError(f"no route to {URL}")
    except OSError as error:
        raise UnreachableError(f"cannot connect to {URL}") from error


async def test_no_secret_goes_into_a_history() -> None:
    try:
        failing()
    except ReviewsError as error:
        ours = error
    converted = to_application_error(ours)
    converted.__cause__ = ours
    for exception in (converted, ours, RuntimeError(f"token={CANARY}"), ApplicationError(URL)):
        failure = Failure()
        await DATA_CONVERTER.encode_failure(exception, failure)
        assert "CANARY" not in str(failure)
        assert "REDACTED" in failure.message
    failure = Failure()
    await DATA_CONVERTER.encode_failure(converted, failure)
    assert failure.cause.cause.message == "no route to " + URL.replace(CANARY, "***REDACTED***")
    assert "raise UnreachableError" in failure.cause.stack_trace
    assert failure.application_failure_info.type == "UnreachableError"


def test_a_log_line_is_redacted_whatever_its_shape() -> None:
    line: dict[str, Any] = {
        "event": f"reading {URL}",
        "account_id": "5843104000000424162",
        "sent": [
            {"headers": {"Authorization": CANARY}},
            [f"?token={CANARY}", ("a", {"pwd": CANARY})],
        ],
        "owner": "call 555-123-4567, ann@corp.example",
    }
    kept = redact(line, DEFAULT)
    assert "CANARY" not in json.dumps(kept)
    assert isinstance(kept, dict)
    assert kept["account_id"] == "5843104000000424162"
    assert kept["owner"] == "call ***-***-****, ***@***.***"
