"""Channels that tell somebody of changes, until they expire."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from account_reviews.fakes.framework import Call, Notice, Reply
from account_reviews.fakes.zoho.errors import envelope
from account_reviews.fakes.zoho.org import Org, Written, told

LIFE: Final = timedelta(hours=1)
LONGEST: Final = timedelta(days=7)
_EVENTS: Final = {"insert": "create", "update": "edit", "delete": "delete"}


@dataclass
class Channel:
    id: str
    events: tuple[str, ...]
    """`Accounts.all`, `Deals.edit`, ..."""
    url: str
    token: str | None
    expires_at: datetime

    def shown(self) -> list[dict[str, Any]]:
        return [
            {
                "channel_id": self.id, "channel_expiry": told(self.expires_at),
                "resource_name": event.partition(".")[0], "resource_id": "5843104000000002173",
                "resource_uri": f"/crm/v8/{event.partition('.')[0]}", "notify_url": self.url,
            }
            for event in self.events
        ]  # fmt: skip

    def wants(self, written: Written) -> bool:
        kind = _EVENTS[written.kind]
        return any(event in (f"{written.module}.all", f"{written.module}.{kind}")
                   for event in self.events)  # fmt: skip


@dataclass
class Channels:
    """All channels of the org."""

    org: Org
    secret: str
    open: dict[str, Channel] = field(default_factory=dict)
    _told: int = 0
    _number: int = 0

    def handle(self, call: Call) -> Reply:
        """/actions/watch."""
        if call.method == "GET":
            alive = [one for one in self.open.values() if one.expires_at > call.now]
            wanted = call.query.get("channel_id")
            shown = [line for one in alive if wanted in (None, one.id) for line in one.shown()]
            return Reply(200, {"watch": shown, "info": _info(shown)}) if shown else Reply(204)
        if call.method == "DELETE":
            ids = call.query.get("channel_ids", "").split(",")
            found = [self.open.pop(one, None) for one in ids]
            return Reply(200, {"watch": [_done({}) for one in found if one is not None]})
        return self._put(call)

    def notices(self, now: datetime) -> list[Notice]:
        """What is to be told of writes since the last time."""
        new, self._told = self.org.written[self._told :], len(self.org.written)
        return [
            self._notice(one, written)
            for written in new
            for one in self.open.values()
            if one.expires_at > now and one.wants(written)
        ]

    def _put(self, call: Call) -> Reply:
        try:
            body = call.json()
            given = body["watch"] if isinstance(body, Mapping) else []
            shown = [self._open(one, call) for one in given]
        except (ValueError, KeyError, TypeError, AttributeError):
            return Reply(202, {"watch": [envelope("INVALID_DATA", {"api_name": "watch"})]})
        call.committed = True
        return Reply(201 if call.method == "POST" else 200, {"watch": shown})

    def _open(self, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        known = self.open.get(str(given["channel_id"]))
        if known is None and call.method != "POST":
            return envelope("INVALID_DATA", {"api_name": "channel_id"})
        expires = call.now + LIFE
        if given.get("channel_expiry"):
            expires = datetime.fromisoformat(given["channel_expiry"])
        if expires <= call.now or expires > call.now + LONGEST:
            return envelope("INVALID_DATA", {"api_name": "channel_expiry"})
        channel = Channel(
            id=str(given["channel_id"]),
            events=tuple(given.get("events") or (known.events if known else ())),
            url=str(given.get("notify_url") or (known.url if known else "")),
            token=given.get("token") or (known.token if known else None),
            expires_at=expires,
        )
        if not channel.events or not channel.url:
            return envelope("MANDATORY_NOT_FOUND", {"api_name": "notify_url"})
        self.open[channel.id] = channel
        return _done({"events": channel.shown()})

    def _notice(self, channel: Channel, written: Written) -> Notice:
        self._number += 1
        body = {
            "server_time": int(written.at.timestamp() * 1000), "query_params": {},
            "module": written.module, "resource_uri": f"/crm/v8/{written.module}",
            "ids": [written.id], "operation": written.kind, "channel_id": channel.id,
            "affected_fields": [{written.id: list(written.values)}], "token": channel.token,
        }  # fmt: skip
        text = json.dumps(body).encode()
        signature = hmac.new(self.secret.encode(), text, hashlib.sha256).hexdigest()
        event = f"{channel.id}-{self._number}"
        headers = {"X-Zoho-Signature": signature, "X-Zoho-Event-Id": event}
        return Notice(channel.url, text, headers)


def _done(details: Mapping[str, Any]) -> dict[str, Any]:
    return {"code": "SUCCESS", "details": dict(details), "message": "done", "status": "success"}


def _info(shown: list[Any]) -> dict[str, Any]:
    return {"page": 1, "per_page": 200, "count": len(shown), "more_records": False}
