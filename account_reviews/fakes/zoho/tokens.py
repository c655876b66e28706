"""OAuth: codes, refresh tokens, access tokens, and how many of each there can be."""

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

PER_REFRESH_TOKEN, WINDOW_S, ALIVE, LIFE_S = 10, 600, 30, 3_600
"""Access tokens of one refresh token per window, the window, tokens alive, seconds of a life."""
SCOPES: Final = (
    "ZohoCRM.modules.ALL", "ZohoCRM.settings.ALL", "ZohoCRM.users.READ", "ZohoCRM.org.READ",
    "ZohoCRM.coql.READ", "ZohoCRM.notifications.ALL",
)  # fmt: skip


@dataclass
class AccessToken:
    number: int
    expires_at: datetime
    scopes: frozenset[str]
    revoked: bool = False


@dataclass
class Tokens:
    """The accounts server. Secrets follow from the seed."""

    seed: int
    scopes: frozenset[str] = frozenset(SCOPES)
    life_s: int = LIFE_S
    alive: dict[str, AccessToken] = field(default_factory=dict)
    issued: deque[datetime] = field(default_factory=deque)
    """When access tokens of the window were given."""
    issued_in_all: int = 0
    refused: int = 0

    @property
    def client_id(self) -> str:
        return f"1000.{self._secret('client')[:28].upper()}"

    @property
    def client_secret(self) -> str:
        return self._secret("secret")[:42]

    @property
    def refresh_token(self) -> str:
        secret = self._secret("refresh")
        return f"1000.{secret[:32]}.{secret[32:64]}"

    @property
    def code(self) -> str:
        """What a person is given after the consent."""
        return f"1000.{self._secret('code')[:40]}"

    def answer(self, form: Mapping[str, str], base_url: str, now: datetime) -> dict[str, Any]:
        """The answer to a request for a token; errors too come with status 200."""
        grant = form.get("grant_type")
        if form.get("client_id") != self.client_id:
            return {"error": "invalid_client"}
        if form.get("client_secret") != self.client_secret:
            return {"error": "invalid_client_secret"}
        if grant == "authorization_code":
            if form.get("code") != self.code:
                return {"error": "invalid_code"}
            found = self._issue(base_url, now)
            return found if "error" in found else {**found, "refresh_token": self.refresh_token}
        if grant != "refresh_token":
            return {"error": "unsupported_grant_type"}
        if form.get("refresh_token") != self.refresh_token:
            return {"error": "invalid_code"}
        return self._issue(base_url, now)

    def check(self, header: str, now: datetime) -> AccessToken | None:
        """The token of an Authorization header, while it is good."""
        scheme, _, value = header.partition(" ")
        token = self.alive.get(value.strip())
        if scheme != "Zoho-oauthtoken" or token is None:
            return None
        return None if token.revoked or token.expires_at <= now else token

    def known(self, header: str) -> AccessToken | None:
        return self.alive.get(header.partition(" ")[2].strip())

    def revoke_all(self) -> None:
        for token in self.alive.values():
            token.revoked = True

    def _issue(self, base_url: str, now: datetime) -> dict[str, Any]:
        while self.issued and self.issued[0] <= now - timedelta(seconds=WINDOW_S):
            self.issued.popleft()
        if len(self.issued) >= PER_REFRESH_TOKEN:
            self.refused += 1
            return {
                "error": "Access Denied",
                "error_description": "You have made too many requests continuously."
                " Please try again after some time.",
                "status": "failure",
            }
        self.issued.append(now)
        self.issued_in_all += 1
        secret = self._secret(f"access {self.issued_in_all}")
        value = f"1000.{secret[:64]}"
        expires = now + timedelta(seconds=self.life_s)
        self.alive[value] = AccessToken(self.issued_in_all, expires, self.scopes)
        while len(self.alive) > ALIVE:
            del self.alive[next(iter(self.alive))]
        return {
            "access_token": value,
            "scope": " ".join(sorted(self.scopes)),
            "api_domain": base_url,
            "token_type": "Bearer",
            "expires_in": self.life_s,
        }

    def _secret(self, name: str) -> str:
        return hashlib.sha256(f"fake zoho {self.seed} {name}".encode()).hexdigest()
