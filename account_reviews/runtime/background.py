"""Jobs that run in the background of a worker for as long as it lives."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from account_reviews.telemetry import instruments

_BACK_OFF: Final = (0.25, 2.0)
"""Seconds: the shortest and the longest rest after a failure."""
_REPORT_EVERY: Final = 30.0

_log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]


async def kept_up(name: str, job: Job) -> NoReturn:
    """Run a background job for ever. Its errors are reported now and then, and waited out."""
    pause, reported_at = _BACK_OFF[0], 0.0
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            await job()
        except Exception as error:  # noqa: BLE001  whatever it is, the trail goes on later
            instruments.audit_failed(name, type(error).__name__)
            if not reported_at or clock() - reported_at > _REPORT_EVERY:
                reported_at = clock()
                reason = str(error) or type(error).__name__
                _log.warning("the audit trail (%s) waits: %s", name, reason)
        pause = _BACK_OFF[0] if clock() - began > _REPORT_EVERY else min(2 * pause, _BACK_OFF[1])
        await asyncio.sleep(pause)
