"""Channels by which Zoho tells of changes: each ends after a week at most."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from account_reviews.crm.field_values import parse_moment
from account_reviews.crm.protocol import Channel
from account_reviews.crm.zoho.client import ZohoApi
from account_reviews.crm.zoho.fields import stamp
from account_reviews.domain.canonical import content_hash

_LASTS: Final = timedelta(days=6, hours=23)
"""A little less than Zoho allows."""


async def renew_channels(
    api: ZohoApi, modules: Sequence[str], *, notify_url: str, token: str | None, before: datetime
) -> tuple[Channel, ...]:
    """One channel per module, made or made to last where it ends before `before`."""
    answer = await api.get("/actions/watch")
    watched = (answer.body or {}).get("watch")
    known = {
        str(one.get("channel_id")): one
        for one in (watched if isinstance(watched, list) else ())
        if isinstance(one, dict)
    }
    found: list[Channel] = []
    for module in dict.fromkeys(modules):
        channel_id = _id_of(module, notify_url)
        ends = _end_of(known.get(channel_id))
        renew = ends is None or ends < before
        if renew:
            ends = (answer.date or datetime.now(UTC)) + _LASTS
            await api.watch(
                {
                    "channel_id": channel_id,
                    "events": [f"{module}.all"],
                    "channel_expiry": stamp(ends),
                    "notify_url": notify_url,
                    **({} if token is None else {"token": token}),
                },
                exists=channel_id in known,
            )
        assert ends is not None
        found.append(Channel(name=module, expires_at=ends, renewed=renew))
    return tuple(found)


def _id_of(module: str, notify_url: str) -> str:
    """A number that is the same each time: Zoho takes numbers that we choose."""
    digest = content_hash({"module": module, "url": notify_url})
    return str(10**17 + int(digest[:13], 16))


def _end_of(channel: Mapping[str, Any] | None) -> datetime | None:
    try:
        return None if channel is None else parse_moment(channel.get("channel_expiry"))
    except ValueError:
        return None
