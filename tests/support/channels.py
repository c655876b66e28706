"""The channels by which people are notified, replaced: workflow tests are not about mail."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from temporalio import activity

from account_reviews.domain.errors import UnreachableError
from account_reviews.domain.review.deliveries import DeliverNotice, Delivery
from account_reviews.notifications.messages import Addressee
from account_reviews.presentation.words import Words


def words_of(to: Addressee, people: Mapping[str, str]) -> Words:
    """The words of notices, in the zone of whoever they are for, on 28 September 2026."""
    return Words(now=datetime(2026, 9, 28, 7, tzinfo=UTC), zone=to.zone, people=people)


class Channels:
    """What was delivered; `dead` ones never answer, `refusing` ones fail and are tried again."""

    def __init__(self) -> None:
        self.delivered: list[DeliverNotice] = []
        self.dead: set[str] = set()
        self.refusing: set[str] = set()

    @activity.defn(name="notifications.deliver")
    async def deliver(self, call: DeliverNotice) -> Delivery:
        if call.channel in self.dead:
            await asyncio.Event().wait()
        if call.channel in self.refusing:
            raise UnreachableError(f"{call.channel} does not answer")
        self.delivered.append(call)
        return Delivery(
            recipient=call.recipient,
            channel=call.channel,
            kind=call.notice.kind,
            level=call.notice.level,
            at=call.notice.at,
            ok=True,
        )
