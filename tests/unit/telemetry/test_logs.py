"""The log's lines: which keys, and nothing that must not be logged."""

import io
import json
import logging
from typing import Any

import pytest

from account_reviews.domain.audit.redaction import REDACTED
from account_reviews.telemetry.logs import formatter, logging_to

log = logging.getLogger("tests.telemetry")


@pytest.fixture
def stream() -> io.StringIO:
    """Where lines go."""
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_record_is_one_line_of_json(stream: io.StringIO) -> None:
    with logging_to(stream, level="info"):
        log.info("read %s rows\nof %s", 3, "one table", extra={"rows": 3})
        log.debug("not logged")
    (line,) = lines(stream)
    assert line["event"] == "read 3 rows\nof one table"
    assert (line["level"], line["logger"], line["rows"]) == ("info", "tests.telemetry", 3)
    assert line["at"].endswith("Z")


def test_levels_are_kept(stream: io.StringIO) -> None:
    with logging_to(stream, level="warning"):
        log.info("not logged")
        log.warning("logged")
    assert [line["event"] for line in lines(stream)] == ["logged"]


def test_secrets_and_personal_data_are_masked_wherever_they_stand(stream: io.StringIO) -> None:
    nested = {"calls": [{"api_key": "k-123", "to": "ann@example.com", "account": "ac-034"}]}
    with logging_to(stream):
        log.info("asked ann@example.com at postgresql://u:hidden@host/db", extra={"sent": nested})
        try:
            raise RuntimeError("token=abc123def for bob@example.com")
        except RuntimeError:
            log.exception("it failed")
    said = stream.getvalue()
    for secret in ("ann@example.com", "bob@example.com", "hidden", "k-123", "abc123def"):
        assert secret not in said
    first, second = lines(stream)
    assert first["sent"]["calls"][0]["account"] == "ac-034"
    assert first["sent"]["calls"][0]["api_key"] == REDACTED
    assert "RuntimeError" in second["exception"]


def test_a_terminal_gets_text_for_people() -> None:
    record = log.makeRecord(log.name, logging.INFO, "", 1, "all is %s", ("well",), None)
    said = formatter(people=True).format(record)
    assert "all is well" in said
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(said)


def test_a_terminal_obeys_nothing_that_is_logged() -> None:
    record = log.makeRecord(log.name, logging.INFO, "", 1, "%s", ("Acme\x1b[2K\nfalse",), None)
    record.account = "\x9b2J\u202ex"
    said = formatter(people=True).format(record)
    sign = "\N{REPLACEMENT CHARACTER}"
    assert f"Acme{sign}[2K false" in said
    assert f"{sign}2J{sign}x" in said
    assert "\n" not in said


def test_the_log_is_given_back_as_it_was(stream: io.StringIO) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    with logging_to(stream, level="debug"):
        pass
    assert (root.level, list(root.handlers)) == before
    log.warning("afterwards")
    assert stream.getvalue() == ""
