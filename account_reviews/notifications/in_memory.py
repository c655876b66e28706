"""A channel and a ledger in memory, for tests of whatever notifies."""

from datetime import UTC, datetime

from account_reviews.domain.backends import Health
from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.review.deliveries import Begun, Parcel, Sent
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
        self.noted: dict[str, Sent] = {}
        self.errors: dict[str, str] = {}

    async def begin(self, parcel: Parcel, hold_seconds: float) -> Begun:  # noqa: ARG002
        """Ours, unless it was sent."""
        sent = self.noted.get(parcel.key)
        return Begun(ours=sent is None, sent=sent)

    async def sent(self, parcel: Parcel) -> Sent:
        """Note it."""
        return self.noted.setdefault(parcel.key, Sent(at=datetime.now(UTC), name=parcel.name))

    async def failed(self, parcel: Parcel, error: str, *, final: bool) -> None:  # noqa: ARG002
        """Note it."""
        self.errors[parcel.key] = error
