"""Who may ask the fake HubSpot, and how often."""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

from account_reviews.fakes.framework import Call, Reply
from account_reviews.fakes.hubspot_records import RefusedError

CLIENT_ID: Final = "11111111-2222-4333-8444-555555555555"
CLIENT_SECRET: Final = "fake-client-secret"  # noqa: S105  of a fake
_PRIVATE: Final = "private"
REFRESH_TOKEN: Final = "na1-fake-refresh-token"  # noqa: S105  of a fake
PRIVATE_TOKEN: Final = "pat-na1-00000000-fake-private-app"  # noqa: S105  of a fake
_TOKEN: Final = re.compile(r"(?:pat-|CJ)[A-Za-z0-9_-]{8,}")
_OF_CONTACTS: Final = ("notes", "tasks", "meetings", "calls")
"""Activities go by the scopes of contacts."""
ALL_SCOPES: Final = frozenset(
    {
        f"crm.objects.{kind}.{verb}"
        for kind in ("companies", "contacts", "deals")
        for verb in ("read", "write")
    }
    | {f"crm.schemas.{kind}.read" for kind in ("companies", "contacts", "deals")}
    | {"crm.objects.owners.read", "sales-email-read", "oauth"}
)


@dataclass
class Access:
    """Tokens, scopes and limits of one portal. Limits as for a private app of a paid edition."""

    scopes: set[str] = field(default_factory=lambda: set(ALL_SCOPES))
    token_seconds: int = 1800
    burst: int = 190
    """Calls within 10 seconds."""
    searches: int = 5
    """Searches within a second."""
    daily: int = 650_000
    window_s: float = 86_400
    tokens: dict[str, datetime] = field(default_factory=dict)
    """Those of OAuth -> when they end."""
    issued: int = 0
    _recent: deque[datetime] = field(default_factory=deque)
    _searched: deque[datetime] = field(default_factory=deque)
    _day: deque[datetime] = field(default_factory=deque)

    def grant(self, call: Call) -> Reply:
        """The token endpoint. Credentials count only in the form body."""
        pairs = parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
        form = dict(pairs)
        if call.query.keys() & {"client_secret", "refresh_token"}:
            return _oauth_error("BAD_REQUEST", "credentials belong into the body of the request")
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return _oauth_error("BAD_CLIENT_ID", "missing or unknown client id")
        if form.get("grant_type") != "refresh_token":
            return _oauth_error("BAD_GRANT_TYPE", "missing or unknown grant type")
        if form.get("refresh_token") != REFRESH_TOKEN:
            return _oauth_error("BAD_REFRESH_TOKEN", "missing or unknown refresh token")
        self.issued += 1
        value = f"CJfake{self.issued:08d}"
        self.tokens[value] = call.now + timedelta(seconds=self.token_seconds)
        call.committed = True
        answer = {
            "access_token": value, "refresh_token": REFRESH_TOKEN, "token_type": "bearer",
            "expires_in": self.token_seconds, "hub_id": 4_711, "scopes": sorted(self.scopes),
        }  # fmt: skip
        return Reply(200, answer)

    def check(self, call: Call) -> Reply | None:
        """Whether the token is good. None: it is."""
        kind, _, value = call.headers.get("authorization", "").partition(" ")
        if kind == "Bearer" and value and not _TOKEN.fullmatch(value):
            return Reply(530, "<html><title>Error 1016</title><body>Origin DNS error</body></html>")
        if kind == "Bearer" and value == PRIVATE_TOKEN and _PRIVATE not in self.tokens:
            call.token_id = _PRIVATE
            return None
        ends = self.tokens.get(value) if kind == "Bearer" else None
        if ends is None:
            text = "Authentication credentials not found. This API supports OAuth 2.0."
            return _error(401, "INVALID_AUTHENTICATION", text)
        call.token_id = value[-4:]
        if ends <= call.now:
            return _error(401, "EXPIRED_AUTHENTICATION", "The OAuth token used is expired")
        return None

    def revoke(self, call: Call) -> None:
        """The token of the call is no good any more."""
        value = call.headers.get("authorization", "").removeprefix("Bearer ")
        if value == PRIVATE_TOKEN:
            self.tokens[_PRIVATE] = call.now
        self.tokens.pop(value, None)

    def limit(self, call: Call, *, search: bool) -> Reply | None:
        """Whether there is room for one more call. None: there is."""
        now = call.now
        _forget(self._day, now - timedelta(seconds=self.window_s))
        if len(self._day) >= self.daily:
            return _limited("DAILY", "You have reached your daily limit.")
        if search:
            _forget(self._searched, now - timedelta(seconds=1))
            if len(self._searched) >= self.searches:
                return _limited("SECONDLY", "You have reached your secondly limit.")
            self._searched.append(now)
        _forget(self._recent, now - timedelta(seconds=10))
        if len(self._recent) >= self.burst:
            text = "You have reached your ten_secondly_rolling limit."
            return _limited("TEN_SECONDLY_ROLLING", text)
        self._recent.append(now)
        self._day.append(now)
        call.credits = 1
        return None

    def headers(self) -> dict[str, str]:
        """What every answer but that of a search says about limits."""
        return {
            "X-HubSpot-RateLimit-Max": str(self.burst),
            "X-HubSpot-RateLimit-Remaining": str(self.burst - len(self._recent)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Daily": str(self.daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(self.daily - len(self._day)),
        }

    def need(self, kind: str, verb: str) -> None:
        """RefusedError names the scope that is missing."""
        if kind == "emails":
            scope = "sales-email-read"
        else:
            scope = f"crm.objects.{'contacts' if kind in _OF_CONTACTS else kind}.{verb}"
        if scope not in self.scopes:
            raise RefusedError(
                403, "MISSING_SCOPES",
                "This app hasn't been granted all required scopes to make this call.",
                context={"requiredGranularScopes": [scope]},
            )  # fmt: skip


def _forget(calls: deque[datetime], before: datetime) -> None:
    while calls and calls[0] <= before:
        calls.popleft()


def _error(status: int, category: str, message: str, **more: Any) -> Reply:
    body = {"status": "error", "message": message, "category": category, **more}
    return Reply(status, body)


def _limited(policy: str, message: str) -> Reply:
    return _error(429, "RATE_LIMITS", message, errorType="RATE_LIMIT", policyName=policy)


def _oauth_error(status: str, message: str) -> Reply:
    body: Mapping[str, str] = {"status": status, "message": message}
    return Reply(400, body)
