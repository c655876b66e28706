"""Notices as lines in the log of the worker."""

import logging
from typing import Final

from account_reviews.domain.backends import Health
from account_reviews.domain.errors import NoticeRefusedError
from account_reviews.notifications.protocol import Message

LOGGER: Final = "account_reviews.notices"
_UNSEEN: Final = "the log of the worker shows no notices: REVIEWS_LOG_LEVEL is above info"
_SAID: Final = ("request_id", "review_id", "deadline", "items")


class ConsoleNotifier:
    """Writes each notice to the log at info, for people who read that of a worker.

    `shown`: whether the log of a worker shows what is said at info.
    """

    channel = "console"

    def __init__(self, *, shown: bool = True) -> None:
        self._log = logging.getLogger(LOGGER)
        self._shown = shown

    async def send(self, message: Message) -> None:
        """Write one line. NoticeRefusedError where nobody would see it."""
        if not self._shown:
            raise NoticeRefusedError(_UNSEEN)
        extra: dict[str, object] = {"notice": message.kind, "to": message.name or message.recipient}
        extra.update((key, message.data[key]) for key in _SAID if key in message.data)
        self._log.info("%s", message.subject, extra=extra)

    async def health(self) -> Health:
        """A log is always there; whether it shows notices depends on its level."""
        if not self._shown:
            return Health(ok=False, detail=_UNSEEN, hint="set REVIEWS_LOG_LEVEL=info")
        return Health(ok=True, detail="the log of the worker")
