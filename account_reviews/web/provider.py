"""What a provider of OpenID Connect says of itself and of whoever signs in, read within bounds."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import orjson
from joserfc.jwk import KeySet

from account_reviews.config.ports import HERE
from account_reviews.domain.errors import UnreachableError
from account_reviews.web.identity import TurnedAwayError

LARGEST: Final = 256 * 1024
"""Bytes of an answer."""
SECONDS: Final = 10.0
"""For one whole call."""
_KEPT: Final = 3600.0
_KEYS_AGAIN: Final = 30.0
"""Until the keys are asked for again, for the sake of one that is not among them."""
_log = logging.getLogger(__name__)
logging.getLogger("httpx2").setLevel(logging.WARNING)


class SignInFailedError(TurnedAwayError):
    """That sign-in does not hold; begin again."""

    code = "sign_in_failed"
    action = "sign-in"

    def __init__(self, why: str) -> None:
        """`why` is for log and trail: whoever tries is told no more than the docstring."""
        self.why = why
        super().__init__()


@dataclass(frozen=True)
class Metadata:
    """As the provider publishes it."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    by_post: bool
    """It takes our secret in the body alone."""
    says_issuer: bool
    """Its answers name it (RFC 9207)."""


@dataclass
class Provider:
    """One provider. `http`: what calls it; it follows no redirect."""

    issuer: str
    http: httpx2.AsyncClient
    now: Any = time.monotonic
    _metadata: tuple[float, Metadata] | None = None
    _keys: tuple[float, KeySet] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def metadata(self) -> Metadata:
        """UnreachableError for a provider that does not answer, or says what cannot be used."""
        async with self._turn:
            if self._metadata is None or self.now() - self._metadata[0] > _KEPT:
                self._metadata = self.now(), await self._read_metadata()
            return self._metadata[1]

    async def _read_metadata(self) -> Metadata:
        address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await self._document("GET", address)
        if found.get("issuer") != self.issuer:
            raise UnreachableError("the sign-in provider calls itself by another name")
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return Metadata(
            authorization_endpoint=self._checked(found, "authorization_endpoint"),
            token_endpoint=self._checked(found, "token_endpoint"),
            jwks_uri=self._checked(found, "jwks_uri"),
            by_post="client_secret_basic" not in methods,
            says_issuer=found.get("authorization_response_iss_parameter_supported") is True,
        )

    def _checked(self, found: Mapping[str, Any], name: str) -> str:
        value = found.get(name)
        if isinstance(value, str) and value.isascii() and value.isprintable():
            parts = urlsplit(value)
            plain = parts.scheme == "http" and parts.hostname in HERE
            plain = plain and urlsplit(self.issuer).scheme == "http"
            if (parts.scheme == "https" or plain) and parts.hostname and "@" not in parts.netloc:
                return value
        raise UnreachableError(f"the sign-in provider has no {name} that can be used")

    async def keys(self, kid: str | None) -> KeySet:
        """Its public keys; asked for again where one is missing. UnreachableError."""
        metadata = await self.metadata()
        async with self._turn:
            if self._keys is not None:
                age = self.now() - self._keys[0]
                known = kid is None or any(key.kid == kid for key in self._keys[1])
                if age < (_KEPT if known else _KEYS_AGAIN):
                    return self._keys[1]
            found = await self._document("GET", metadata.jwks_uri)
            try:
                keys = KeySet.import_key_set({"keys": list(found["keys"])[:100]})
            except Exception as error:
                raise UnreachableError("the keys of the sign-in provider cannot be read") from error
            self._keys = self.now(), keys
            return keys

    async def exchange(
        self, form: Mapping[str, str], client_id: str, secret: str | None
    ) -> Mapping[str, Any]:
        """What it gives for a code. SignInFailedError when it refuses, UnreachableError."""
        metadata, auth, body = await self.metadata(), None, dict(form)
        if secret is None or metadata.by_post:
            body |= {"client_id": client_id, **({"client_secret": secret} if secret else {})}
        else:
            auth = httpx2.BasicAuth(_quoted(client_id), _quoted(secret))
        return await self._document("POST", metadata.token_endpoint, data=body, auth=auth)

    async def _document(self, method: str, url: str, **more: Any) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(SECONDS):
                status, content = await self._read(method, url, **more)
        except (TimeoutError, httpx2.HTTPError) as error:
            _log.warning("the sign-in provider: %s", type(error).__name__)
            raise UnreachableError("the sign-in provider does not answer") from None
        if method == "POST" and 400 <= status < 500:
            raise SignInFailedError(f"the provider answers {status} to the code")
        if status != 200:
            raise UnreachableError(f"the sign-in provider answers {status}")
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise UnreachableError("the sign-in provider answers what is no JSON object")
        return found

    async def _read(self, method: str, url: str, **more: Any) -> tuple[int, bytes]:
        content = bytearray()
        async with self.http.stream(method, url, **more) as response:
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > LARGEST:
                    raise UnreachableError("the sign-in provider answers too much")
            return response.status_code, bytes(content)


def _quoted(text: str) -> str:
    """As RFC 6749 wants it before the header is made."""
    from urllib.parse import quote_plus

    return quote_plus(text)
