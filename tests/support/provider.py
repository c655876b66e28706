"""A provider of OpenID Connect in the test's process: strict, and hostile when told to."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit
from uuid import uuid4

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

ISSUER = "http://127.0.0.1:9"
CLIENT_ID, SECRET = "reviews:web", "a secret / of ours"
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})
OTHERS = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})

Key = RSAKey | ECKey
Claims = dict[str, Any]


def unsigned(claims: Claims) -> str:
    """A token of the algorithm `none`."""
    return _joined({"alg": "none", "typ": "JWT"}, claims) + "."


def by_public_key(claims: Claims) -> str:
    """A token whose secret is what everybody knows: the public key."""
    text = _joined({"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}, claims)
    made = hmac.digest(RSA.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{_encoded(made)}"


def _joined(*parts: Claims) -> str:
    return ".".join(_encoded(json.dumps(one).encode()) for one in parts)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(claims: Claims, key: Key = RSA, alg: str = "RS256", **header: Any) -> str:
    """A token by that key."""
    return jwt.encode({"alg": alg, "kid": key.kid, **header}, claims, key, algorithms=[alg])


@dataclass
class Provider:
    """What it knows of itself; change a field to make it hostile."""

    claims: Claims = field(default_factory=lambda: {"email": "ann@example.com"})
    change: Callable[[Claims], Claims] = lambda claims: claims
    make: Callable[[Claims], str] = signed
    metadata: dict[str, Any] = field(default_factory=dict)
    """Beside or before what it usually says of itself."""
    token: dict[str, Any] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=lambda: [RSA, EC])
    secret: str | None = SECRET
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Path -> where it leads instead of answering."""
    slow: float = 0.0
    huge: bool = False
    status: int = 200
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def http(self) -> httpx2.AsyncClient:
        """What reaches it and nothing else."""
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    def authorize(self, address: str) -> dict[str, str]:
        """What it sends a browser back with that came by this address."""
        assert address.startswith(f"{ISSUER}/authorize?")
        query = {name: one for name, (one,) in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        assert min(len(query["state"]), len(query["nonce"]), len(query["code_challenge"])) == 43
        code = uuid4().hex
        self._codes[code] = query
        return {"code": code, "state": query["state"]}

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.asked.append(path)
        await asyncio.sleep(self.slow)
        if path in self.elsewhere:
            return httpx2.Response(302, headers={"location": self.elsewhere[path]})
        if self.huge:
            return httpx2.Response(200, content=_much())
        if self.status != 200:
            return httpx2.Response(self.status)
        if path == "/.well-known/openid-configuration":
            return httpx2.Response(200, json=self._metadata())
        if path == "/keys":
            keys = [key.as_dict(private=False) for key in self.keys]
            return httpx2.Response(200, json={"keys": [*keys, {"kty": "new", "kid": "x"}]})
        if path == "/token" and request.method == "POST":
            return self._exchanged(request, await request.aread())
        return httpx2.Response(404)

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            **self.metadata,
        }

    def _exchanged(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        form = {name: one for name, (one,) in parse_qs(body.decode()).items()}
        begun = self._codes.pop(form.get("code", ""), None)  # a code counts once
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = _encoded(verifier)
        fits = (
            begun is not None
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == begun["redirect_uri"]
            and challenge == begun["code_challenge"]
            and self._is_ours(request, form)
        )
        if not fits or begun is None:
            return httpx2.Response(400, json={"error": "invalid_grant"})
        now, access = int(time.time()), uuid4().hex
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims = {
            "iss": ISSUER,
            "aud": CLIENT_ID,
            "sub": "user-1",
            "iat": now,
            "exp": now + 300,
            "nonce": begun["nonce"],
            "at_hash": _encoded(half),
            **self.claims,
        }
        document = {"id_token": self.make(self.change(claims)), "access_token": access}
        return httpx2.Response(200, json={**document, "token_type": "Bearer", **self.token})

    def _is_ours(self, request: httpx2.Request, form: dict[str, str]) -> bool:
        if self.secret is None:
            return form.get("client_id") == CLIENT_ID and "client_secret" not in form
        if "client_secret_post" in self.metadata.get("token_endpoint_auth_methods_supported", ()):
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, self.secret)
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        name, _, secret = base64.b64decode(word).decode().partition(":")
        given = unquote_plus(name), unquote_plus(secret)
        return scheme == "Basic" and given == (CLIENT_ID, self.secret)


async def _much() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield b" " * 65_536
