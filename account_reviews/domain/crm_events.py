"""What a CRM says has changed: by a webhook, or because it was asked. Pure."""

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.errors import BadInputError, LimitReachedError
from account_reviews.domain.ids import LONGEST_ID
from account_reviews.domain.records import RecordRef, RecordType

KEPT: Final = timedelta(days=7)
"""How long events that are done, and dead letters, can be looked at."""
TRIES: Final = 3
"""After so many failures of its own an event is a dead letter. Waiting for an outage is none."""
HANDLING: Final = "event"
"""Of a review: the key of its metadata and its memo in Temporal that holds what began it."""
MOST_OF_A_REQUEST: Final = 1000
"""Records that one request may name."""


class EventSource(StrEnum):
    """How it became known."""

    ZOHO = "zoho"
    HUBSPOT = "hubspot"
    CRM = "crm"
    """Any other CRM, by Standard Webhooks."""
    POLL = "poll"
    """The CRM was asked what has changed."""


class EventAction(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    RESTORED = "restored"
    MERGED = "merged"
    """Another record has become part of this one."""


class EventOutcome(StrEnum):
    """What became of an event that is done."""

    STARTED = "started"
    """A review began."""
    REFRESHED = "refreshed"
    """The open review was asked to read the account again."""
    OWN_WRITE = "own_write"
    """It is what an approved write of ours has left."""
    DELETED = "deleted"
    """The record is gone: nothing is started for it."""
    NO_ACCOUNT = "no_account"
    """The record belongs to no account."""


class CrmEvent(Model):
    """One record that changed. `account_id` where the CRM said it at once."""

    record_type: RecordType
    record_id: str
    action: EventAction
    account_id: str | None = None
    occurred_at: Timestamp | None = None
    """By the clock of the CRM."""


class Delivery(Model):
    """What has one key: a repeat of it, within an hour, is not taken again."""

    source: EventSource
    key: str
    events: tuple[CrmEvent, ...]


class QueueFullError(LimitReachedError):
    """Too many events wait."""

    code = "queue_full"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most:,} events wait already",
            hint="see whether workers run, or set REVIEWS_WEBHOOK_MAX_QUEUE",
        )


def checked_id(value: object, what: str) -> str:
    """An id as text, whatever a CRM writes it as. BadInputError."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadInputError(f"{what} is missing or no id")
    text = str(value).strip()
    if not text or len(text) > LONGEST_ID or not text.isprintable():
        raise BadInputError(f"{what} is no id: it is empty, too long or not printable")
    return text


def version_key(record: RecordRef) -> str:
    """What a version of a record is known by, however it became known."""
    return f"{record.type.value}/{record.id}@{record.version}"


def distinct(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Each key once: a request may name the same event twice."""
    found: dict[tuple[EventSource, str], Delivery] = {}
    for one in deliveries:
        found.setdefault((one.source, one.key), one)
    return list(found.values())
