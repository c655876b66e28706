"""A log that strangers can make grow."""

import logging

import pytest

from account_reviews.web.sparing import Sparing


def test_a_kind_of_line_is_told_at_once_and_then_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [0.0]
    monkeypatch.setattr("account_reviews.web.sparing.time.monotonic", lambda: clock[0])
    log = logging.getLogger("test.sparing")
    log.addFilter(Sparing())
    for number in range(1000):
        log.warning("%d was refused", number)
    log.warning("another kind")
    clock[0] = 10.0
    log.warning("%d was refused", 1000)
    assert [record.getMessage() for record in caplog.records] == [
        "0 was refused",
        "another kind",
        "1000 was refused (999 more since the last such line)",
    ]
