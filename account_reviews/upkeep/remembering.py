"""Delivers what reviews left in the memory outbox. No review waits for it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Final, NoReturn

from account_reviews.domain.audit.redaction import clean
from account_reviews.domain.base import Model
from account_reviews.domain.errors import MemoryUnavailableError, ReviewsError
from account_reviews.memory.protocol import MemoryBackend
from account_reviews.store.memory_outbox import MemoryOutbox, ToRemember

BATCH: Final = 20
AT_ONCE: Final = 5
"""Reviews that a memory elsewhere gets side by side."""
_LOOK_SECONDS: Final = 2.0
"""Between looks at what others left or what failed before; what this worker closes is fetched
at once."""
_REPORT_EVERY: Final = 30.0

_log = logging.getLogger(__name__)


class Delivered(Model):
    """What one pass did."""

    remembered: int = 0
    refused: int = 0
    """Items the memory does not take; they are tried again once an hour."""
    unavailable: str | None = None
    """Why the memory could not be reached; what is left waits."""


async def deliver(outbox: MemoryOutbox, memory: MemoryBackend, tenant: str) -> Delivered:
    """Hand over all that is due, each once: the memory knows a repeat by its run id.

    A memory elsewhere, which takes its time, gets several side by side. UnreachableError when our
    own database is down.
    """
    remembered = refused = 0
    at_once = 1 if (await memory.capabilities()).local else AT_ONCE
    while taken := await outbox.take(tenant, BATCH):
        for start in range(0, len(taken), at_once):
            part = taken[start : start + at_once]
            found = await asyncio.gather(*(_hand_over(outbox, memory, tenant, one) for one in part))
            remembered += found.count(_Outcome.REMEMBERED)
            refused += found.count(_Outcome.REFUSED)
            away = next((one for one in found if isinstance(one, MemoryUnavailableError)), None)
            if away is not None:
                why = clean(away.message)
                left = [
                    one.run_id
                    for one, came in zip(part, found, strict=True)
                    if isinstance(came, MemoryUnavailableError)
                ]
                left += [one.run_id for one in taken[start + at_once :]]
                await outbox.failed(left, why)
                return Delivered(remembered=remembered, refused=refused, unavailable=why)
    return Delivered(remembered=remembered, refused=refused)


class _Outcome(Enum):
    REMEMBERED = auto()
    REFUSED = auto()


async def _hand_over(
    outbox: MemoryOutbox, memory: MemoryBackend, tenant: str, one: ToRemember
) -> _Outcome | MemoryUnavailableError:
    try:
        await memory.remember(one.items, idempotency_key=one.run_id, tenant=tenant)
    except MemoryUnavailableError as error:
        return error
    except Exception as error:  # noqa: BLE001  one bad item never holds up the others
        _log.warning("the memory does not take run %s: %s", one.run_id, clean(str(error)))
        await outbox.failed([one.run_id], clean(str(error)) or type(error).__name__)
        return _Outcome.REFUSED
    await outbox.delivered(one.run_id)
    return _Outcome.REMEMBERED


class Remembering:
    """Delivers in the background of a worker; `wake` makes it look at once."""

    def __init__(self, outbox: MemoryOutbox, memory: MemoryBackend, tenant: str) -> None:
        self._outbox, self._memory, self._tenant = outbox, memory, tenant
        self._news = asyncio.Event()

    def wake(self) -> None:
        """A review of this process has just left something."""
        self._news.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver inside. What is left at the end another worker, or the next one, delivers."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> NoReturn:
        clock = asyncio.get_running_loop().time
        reported = -_REPORT_EVERY
        while True:
            self._news.clear()
            try:
                reason = (await deliver(self._outbox, self._memory, self._tenant)).unavailable
            except ReviewsError as error:
                reason = error.message
            except Exception as error:  # noqa: BLE001  whatever it is, it is tried again
                reason = clean(str(error)) or type(error).__name__
            if reason is not None and clock() - reported > _REPORT_EVERY:
                reported = clock()
                _log.warning("outcomes of reviews wait to be remembered: %s", reason)
            try:
                await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)
            except TimeoutError:
                continue
