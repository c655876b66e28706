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
    def key(self) -> str:
        """The same for every try, and in every run of a review that was reset."""
        return delivery_key(self.tenant, self.notice.key, self.channel, self.recipient)


def delivery_key(tenant: str, notice: str, channel: str, recipient: str) -> str:
    """What makes it the same delivery: 32 hex digits. Two spellings of a name are one person."""
    return content_hash([tenant, notice, channel, person(recipient)])[:32]
