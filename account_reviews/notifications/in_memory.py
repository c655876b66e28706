"""A channel and a ledger in memory, for tests of whatever notifies."""

from datetime import UTC, datetime

from account_reviews.domain.backends import Health
from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.review.deliveries import Begun, Parcel
from account_reviews.notifications.protocol import Message


class InMemoryNotifier:
    """Keeps what was sent. `failures` are raised by the next calls, one each; `refusal` by all."""

    def __init__(self, channel: str = "console") -> None:
        self.channel = channel
        self.sent: list[Message] = []
        self.failures: list[ReviewsError] = []
        self.refusal: ReviewsError | None = None
        self.tries = 0

    async def send(self, message: Message) -> None:
        """Keep it, or raise what is set."""
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        if self.refusal is not None:
            raise self.refusal
        self.sent.append(message)

    async def health(self) -> Health:
        """Fine unless it refuses everything."""
        broken = self.refusal
        return Health(ok=broken is None, detail=broken.message if broken else "in memory")


class InMemoryLedger:
    """As the table keeps it, without its memory of a crash."""

    def __init__(self) -> None:
        self.sent_at: dict[str, Timestamp] = {}
        self.errors: dict[str, str] = {}

    async def begin(self, parcel: Parcel, hold_seconds: float) -> Begun:  # noqa: ARG002
        """Ours, unless it was sent."""
        at = self.sent_at.get(parcel.key)
        return Begun(ours=at is None, sent_at=at)

    async def sent(self, parcel: Parcel) -> Timestamp:
        """Note it."""
        return self.sent_at.setdefault(parcel.key, datetime.now(UTC))

    async def failed(self, parcel: Parcel, error: str, *, final: bool) -> None:  # noqa: ARG002
        """Note it."""
        self.errors[parcel.key] = error
