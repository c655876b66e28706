"""What came of notices: one delivery per notice, channel and recipient. Pure.

Each is tried for itself, so that one that fails keeps no other.
"""

from typing import Final

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.canonical import content_hash
from account_reviews.domain.person_names import person
from account_reviews.domain.review.notices import Notice, NoticeKind

KEPT_DELIVERIES: Final = 100
"""Per request, the newest; the table of deliveries has them all."""


class Delivery(Model):
    """What came of one notice for one recipient by one channel."""

    recipient: str
    name: str | None = None
    """What the CRM calls the recipient, where it says so."""
    channel: str
    kind: NoticeKind
    level: int = 0
    at: Timestamp
    """When it was sent, or given up."""
    ok: bool
    error: str | None = None
    """Why it was not sent: a sentence."""


class DeliverNotice(Model):
    """One notice for one recipient by one channel, as its activity is given it."""

    tenant: str
    run_id: str
    review_id: str
    account_id: str
    notice: Notice
    channel: str
    recipient: str

    @property
    def parcel(self) -> "Parcel":
        """Its key is the same for every try, and in every run of a review that was reset."""
        return Parcel(
            key=delivery_key(self.tenant, self.notice.key, self.channel, self.recipient),
            tenant=self.tenant,
            kind=self.notice.kind.value,
            about=self.notice.request_id,
            level=self.notice.level,
            channel=self.channel,
            recipient=self.recipient,
            run_id=self.run_id,
            review_id=self.review_id,
            account_id=self.account_id,
        )


def delivery_key(tenant: str, notice: str, channel: str, recipient: str) -> str:
    """What makes it the same delivery: 32 hex digits. Two spellings of a name are one person."""
    return content_hash([tenant, notice, channel, person(recipient)])[:32]


class Parcel(Model):
    """What the table of deliveries keeps of one, beside how it stands.

    `about` is the request's id, of a digest `digest/{owner}/{day}`.
    """

    key: str
    tenant: str
    kind: str
    about: str
    level: int = 0
    channel: str
    recipient: str
    name: str | None = None
    run_id: str | None = None
    review_id: str | None = None
    account_id: str | None = None


class Sent(Model):
    """It was sent."""

    at: Timestamp
    name: str | None = None
    """What the recipient is called."""


class Begun(Model):
    """Whether a try may send now."""

    ours: bool
    """It may: nobody else sends it, and it was not sent."""
    sent: "Sent | None" = None
    """An earlier try has sent it."""
    wait_seconds: float = 0
    """Another try is under way, or was when its worker died: how long it may still take."""


class DeliveryRow(Model):
    """One delivery as it stands."""

    key: str
    kind: str
    about: str
    level: int
    channel: str
    recipient: str
    name: str | None
    state: str
    """`trying`, `sent` or `failed`."""
    attempts: int
    begun_at: Timestamp
    ended_at: Timestamp | None
    error: str | None
