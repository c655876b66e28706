"""A channel that the policy names and nobody has set up: its notices wait."""

from account_reviews.domain.backends import Health
from account_reviews.domain.errors import ChannelUnavailableError
from account_reviews.notifications.protocol import Message


class UnavailableNotifier:
    """Refuses every notice for now, and says what is missing."""

    def __init__(self, channel: str, why: str, hint: str) -> None:
        self.channel = channel
        self._why = why
        self._hint = hint

    async def send(self, message: Message) -> None:
        """ChannelUnavailableError: it may be set up before the notice is given up."""
        del message
        raise ChannelUnavailableError(self._why, hint=self._hint)

    async def health(self) -> Health:
        """Not well."""
        return Health(ok=False, detail=self._why, hint=self._hint)
