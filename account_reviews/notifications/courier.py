"""Sends a message by its channel, once: what the ledger says was sent is not sent again."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from account_reviews.domain.errors import (
    ChannelUnavailableError,
    NoticeOutdatedError,
    NoticeRefusedError,
    ReviewsError,
)
from account_reviews.domain.review.deliveries import Parcel, Sent
from account_reviews.notifications.address_book import AddressBook
from account_reviews.notifications.messages import Wording
from account_reviews.notifications.protocol import Ledger, Message, Notifier

SEND_SECONDS: Final = 50.0
"""One try, all of it. Each channel has shorter limits of its own."""
HOLD_SECONDS: Final = 60.0
"""How long a try keeps others from sending the same: longer than it can take."""

Outcome = Callable[[str, str, str], None]
"""Told of each try: the channel, the kind of notice, and `sent`, `failed`, `refused` or
`outdated`."""


def _nobody(channel: str, kind: str, outcome: str) -> None:
    """Counts nothing."""


class Courier:
    """All channels of a process. `count` is told how each try ended."""

    def __init__(
        self, ledger: Ledger, notifiers: Mapping[str, Notifier], count: Outcome = _nobody
    ) -> None:
        self._ledger = ledger
        self._notifiers = notifiers
        self._count = count

    async def deliver(self, parcel: Parcel, compose: Callable[[], Awaitable[Message]]) -> Sent:
        """Send it unless it was sent; gives when it was. What `compose` raises passes.

        ChannelUnavailableError when a later try may succeed, NoticeRefusedError when none will.
        """
        begun = await self._ledger.begin(parcel, HOLD_SECONDS)
        if begun.sent is not None:
            return begun.sent
        if not begun.ours:
            raise ChannelUnavailableError(
                "another try to send it is under way", retry_after=max(1.0, begun.wait_seconds)
            )
        try:
            name = await self._send(parcel, compose)
        except ReviewsError as error:
            self._count(parcel.channel, parcel.kind, _outcome_of(error))
            await self._ledger.failed(parcel, error.message, final=not error.retryable)
            raise
        self._count(parcel.channel, parcel.kind, "sent")
        return await self._ledger.sent(parcel.model_copy(update={"name": name}))

    async def _send(self, parcel: Parcel, compose: Callable[[], Awaitable[Message]]) -> str | None:
        """Send it; gives what the recipient is called."""
        notifier = self._notifiers.get(parcel.channel)
        if notifier is None:
            known = ", ".join(self._notifiers) or "none"
            raise NoticeRefusedError(
                f"there is no channel {parcel.channel!r}; this worker has {known}"
            )
        try:
            async with asyncio.timeout(SEND_SECONDS):
                message = await compose()
                await notifier.send(message)
                return message.name
        except TimeoutError:
            raise ChannelUnavailableError(
                f"{parcel.channel} did not answer within {SEND_SECONDS:g} seconds"
            ) from None


@dataclass(frozen=True)
class Posting:
    """What it takes to notify somebody."""

    courier: Courier
    book: AddressBook
    wording: Wording


def _outcome_of(error: ReviewsError) -> str:
    if isinstance(error, NoticeOutdatedError):
        return "outdated"
    return "failed" if error.retryable else "refused"
