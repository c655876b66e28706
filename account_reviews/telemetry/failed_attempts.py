"""Which failed attempts of activities stand in the log, and how loudly.

What leaves a worker with a failure is a short trace; the whole one is in the log. The SDK logs
every failed attempt once, with its trace: failures that are tried again at debug, the others as
warnings. A halted write is tried again for hours, so neither all of them nor none is right: at
`info` the first attempt a process sees is logged, the 2nd, 4th, 8th, 16th and so on, and each that
fails with other words than the one before. The rest is logged at `debug`.
"""

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from temporalio import activity

from account_reviews.temporal.failures import error_type

_REMEMBERED: Final = 10_000
"""Activities whose last failure is known; one is a hundred bytes or so."""
_KIND: Final = "__temporal_error_identifier"
_FAILED: Final = "ActivityFailure"
_NUMBERS: Final = re.compile(r"\d+")


@contextmanager
def failed_attempts_from(level: int) -> Iterator[None]:
    """While inside, the SDK's lines of activities are logged from `level` on, failures as above."""
    logger = activity.logger.base_logger
    chosen = _Chosen(level)
    before = logger.level
    logger.addFilter(chosen)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeFilter(chosen)
        logger.setLevel(before)


class _Chosen(logging.Filter):
    """Asked where the activity runs, so it knows which one it is."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level
        self._last: OrderedDict[tuple[str | None, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.__dict__.get(_KIND) == _FAILED and activity.in_activity():
            is_news = self._is_news(_words_of(record))
            record.levelno = max(record.levelno, logging.INFO) if is_news else logging.DEBUG
            record.levelname = logging.getLevelName(record.levelno)
        return record.levelno >= self._level

    def _is_news(self, words: int) -> bool:
        about = activity.info()
        key = (about.workflow_run_id, about.activity_id)
        with self._lock:
            before = self._last.pop(key, None)
            self._last[key] = words
            if len(self._last) > _REMEMBERED:
                self._last.popitem(last=False)
        return before != words or about.attempt & (about.attempt - 1) == 0


def _words_of(record: logging.LogRecord) -> int:
    """A mark of the failure: its type and its words, in which numbers may differ."""
    error = record.exc_info[1] if record.exc_info else None
    return hash((error_type(error), _NUMBERS.sub("", str(error)))) if error else 0
