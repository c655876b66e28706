"""Sending the digests of a morning: per owner once a day by each channel."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from typing import Final

from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import ReviewsError, UnreachableError
from account_reviews.domain.policy.notifications import Notifications
from account_reviews.domain.reports.digest import Digest
from account_reviews.domain.review.deliveries import Parcel, delivery_key
from account_reviews.notifications.courier import Posting
from account_reviews.notifications.messages import Addressee, decide_url, digest_message
from account_reviews.notifications.protocol import Message
from account_reviews.presentation.digest import digest_mail
from account_reviews.presentation.mail import Mail
from account_reviews.presentation.notice_mail import with_page
from account_reviews.presentation.surroundings import Surroundings
from account_reviews.presentation.words import Words
from account_reviews.services.documents import asked_in_words
from account_reviews.store.digest_queries import DigestReader

AT_ONCE: Final = 8
"""Messages on their way at a time."""
_NAMED: Final = 5
"""Failures that a summary names."""


@dataclass
class Posted:
    """How many went out today, also by an earlier run, and what did not."""

    sent: int = 0
    refused: list[str] = field(default_factory=list)
    """Nothing will change that."""
    failed: list[str] = field(default_factory=list)
    """Another try may succeed."""

    def describe(self) -> str:
        """What follows in the summary of a job; empty when there was nothing to send."""
        if not (self.sent or self.refused):
            return ""
        return "; ".join(("", f"sent {self.sent}", *_few("not sent", self.refused)))


async def send_all(
    reader: DigestReader,
    posting: Posting,
    table: Notifications,
    owners: Sequence[str],
    *,
    tenant: str,
    day: date,
    now: Timestamp,
) -> Posted:
    """Send the stored digest of that day to each of these owners, by every channel.

    One that fails keeps no other. UnreachableError at the end names those that may go out later:
    a repeat sends only these.
    """
    posted, gate = Posted(), asyncio.Semaphore(AT_ONCE)
    if table.digest == "off" or not table.channels:
        return posted

    async def send(owner: str, channel: str) -> None:
        async with gate:
            try:
                digest = await reader.get(tenant, owner, day)
                if digest is None or (digest.nothing_new and table.digest == "news"):
                    return
                await _send(reader, posting, digest, channel, tenant, now)
                posted.sent += 1
            except ReviewsError as error:
                where = posted.failed if error.retryable else posted.refused
                where.append(f"{owner} by {channel}: {error.message}")

    await asyncio.gather(*(send(*one) for one in product(owners, table.channels)))
    if posted.failed:
        why = "; ".join((*_few("digests not sent yet", posted.failed), f"sent {posted.sent}"))
        raise UnreachableError(why)
    return posted


async def _mail(
    reader: DigestReader,
    posting: Posting,
    digest: Digest,
    to: Addressee,
    tenant: str,
    now: Timestamp,
    links: Mapping[str, str],
) -> Mail:
    """All of it, in the words of whoever it is for."""
    asked = await reader.documents.asked(
        tenant, requests=[one.request_id for one in digest.waiting]
    )
    words = posting.wording.words(to, {})
    if not isinstance(words, Words):
        words = Words(now=now, zone=to.zone)
    beside = Surroundings(asked=asked_in_words(asked), web_url=posting.wording.web_url, links=links)
    return digest_mail(digest, words, beside)


async def _send(
    reader: DigestReader,
    posting: Posting,
    digest: Digest,
    channel: str,
    tenant: str,
    now: Timestamp,
) -> None:
    about = f"digest/{digest.owner_id}/{digest.day.isoformat()}"
    parcel = Parcel(
        key=delivery_key(tenant, about, channel, digest.owner_id),
        tenant=tenant,
        kind="digest",
        about=about,
        channel=channel,
        recipient=digest.owner_id,
    )

    async def compose() -> Message:
        to = await posting.book.find(tenant, digest.owner_id, channel, digest.owner_name)
        whole, page = "", None
        links = await _links(reader, posting, digest, to, tenant)
        if posting.wording.personal_data:
            mail = await _mail(reader, posting, digest, to, tenant, now, links)
            whole, page = mail.text, mail.html if channel == "email" else None
        message = digest_message(parcel.key, digest, to, posting.wording, whole, now, page, links)
        return with_page(message) if channel == "email" else message

    await posting.courier.deliver(parcel, compose)


async def _links(
    reader: DigestReader, posting: Posting, digest: Digest, to: Addressee, tenant: str
) -> dict[str, str]:
    """Request id -> where the addressee decides on what waits; empty where no link decides."""
    wording = posting.wording
    if not digest.waiting or wording.links is None or not wording.web_url:
        return {}
    requests = await reader.waiting(tenant, [one.request_id for one in digest.waiting])
    found = {one.request_id: decide_url(one, to, wording) for one in requests if one.is_pending}
    return {name: url for name, url in found.items() if url is not None}


def _few(what: str, reasons: Sequence[str]) -> Iterator[str]:
    """The first of them in words, and how many there are."""
    if reasons:
        more = len(reasons) - _NAMED
        rest = f", and {more} more" if more > 0 else ""
        yield f"{what}: {', '.join(sorted(reasons)[:_NAMED])}{rest}"
