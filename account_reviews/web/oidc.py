"""Signing in by OpenID Connect: the code flow with PKCE, bound to the browser it began in."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.util import urlsafe_b64decode

from account_reviews.access.secret_values import digest, new_secret
from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from account_reviews.services.sign_ins import checked_groups, checked_name
from account_reviews.store.web_sign_ins import Begun, WebSignIns
from account_reviews.web.provider import Provider, SignInFailedError

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Signatures by a private key. What we know ourselves signs nothing, and nothing goes unsigned."""
TIME: Final = timedelta(minutes=10)
"""From the first page of the provider to its answer."""
LEEWAY: Final = 60
"""Seconds by which clocks may differ."""
_LONGEST: Final = 16 * 1024
_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


class Identity(NamedTuple):
    """Who it is, as the provider says, and where he wanted to go."""

    name: str
    groups: tuple[str, ...]
    following: str


class Client(NamedTuple):
    """What we are to the provider, and which claims say who somebody is."""

    client_id: str
    secret: str | None
    name_claim: str
    groups_claim: str

    @classmethod
    def of(cls, settings: Settings) -> "Client | None":
        """None where no provider is set. BadInputError for one without a client id."""
        if settings.oidc_issuer is None:
            return None
        if settings.oidc_client_id is None:
            raise BadInputError(
                "REVIEWS_OIDC_ISSUER is set, but REVIEWS_OIDC_CLIENT_ID is not",
                hint="the provider names it when the application is registered",
            )
        return cls(
            settings.oidc_client_id,
            settings.secret("oidc_client_secret"),
            settings.oidc_name_claim,
            settings.oidc_groups_claim,
        )


class Oidc:
    """Sign-ins by one provider."""

    def __init__(self, provider: Provider, client: Client, under_way: WebSignIns) -> None:
        self._provider = provider
        self._client = client
        self._under_way = under_way

    async def begin(self, *, back: str, browser: str, following: str) -> str:
        """The address of the provider to go to. `back`: ours that it answers to; `browser`: what
        tells this browser. UnreachableError."""
        metadata = await self._provider.metadata()
        state, nonce, verifier = new_secret(), new_secret(), new_secret()
        challenge = hashlib.sha256(verifier.encode()).digest()
        await self._under_way.begin(
            digest(state), Begun(digest(browser), nonce, verifier, following, holds=True), TIME
        )
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": back,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(query)}"

    async def finish(
        self, answer: Mapping[str, str], *, back: str, browser: str | None
    ) -> Identity:
        """Who came back. SignInFailedError unless all of it holds, UnreachableError."""
        begun = await self._begun(answer, browser)
        metadata = await self._provider.metadata()
        issuer = answer.get("iss")
        if issuer != self._provider.issuer and (issuer is not None or metadata.says_issuer):
            raise SignInFailedError("the answer comes from another provider")
        if "error" in answer or not 0 < len(answer.get("code", "")) <= _LONGEST:
            raise SignInFailedError("the provider gives no code")
        given = await self._provider.exchange(
            {
                "grant_type": "authorization_code",
                "code": answer["code"],
                "redirect_uri": back,
                "code_verifier": begun.verifier,
            },
            self._client.client_id,
            self._client.secret,
        )
        claims = await self._claims(given, begun.nonce)
        return Identity(self._name(claims), self._groups(claims), begun.following)

    async def _begun(self, answer: Mapping[str, str], browser: str | None) -> Begun:
        """What this answer is to. It is taken before it is looked at: nothing is tried twice."""
        state = answer.get("state", "")
        if browser is None or not state or len(state) > _LONGEST:
            raise SignInFailedError("the answer is to no sign-in of this browser")
        found = await self._under_way.take(digest(state))
        if found is None:
            raise SignInFailedError("the answer is to no sign-in under way")
        if not hmac.compare_digest(found.browser_hash, digest(browser)):
            raise SignInFailedError("the answer is to a sign-in of another browser")
        if not found.holds:
            raise SignInFailedError("the answer came too late")
        return found

    async def _claims(self, given: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        token, access = given.get("id_token"), given.get("access_token")
        if not isinstance(token, str) or len(token) > 4 * _LONGEST:
            raise SignInFailedError("the provider gives no id token")
        header = _header(token)
        if header.get("alg") not in ALGORITHMS:
            raise SignInFailedError("the id token is not signed as it must be")
        kid = header.get("kid")
        keys = await self._provider.keys(kid if isinstance(kid, str) else None)
        claims = _verified(token, keys)
        self._check(claims, nonce)
        said = claims.get("at_hash")
        if said is not None and said != _at_hash(access, str(header["alg"])):
            raise SignInFailedError("the id token belongs to another access token")
        return claims

    def _check(self, claims: Mapping[str, Any], nonce: str) -> None:
        if claims.get("iss") != self._provider.issuer:
            raise SignInFailedError("the id token comes from another issuer")
        ours, meant = self._client.client_id, claims.get("aud")
        several = meant if isinstance(meant, list) else [meant]
        if ours not in several:
            raise SignInFailedError("the id token is for somebody else")
        party = claims.get("azp")
        if party != ours and (party is not None or len(several) > 1):
            raise SignInFailedError("the id token was asked for by somebody else")
        now = time.time()
        if not _is_moment(claims.get("exp")) or claims["exp"] + LEEWAY <= now:
            raise SignInFailedError("the id token has ended")
        if not _is_moment(claims.get("iat")) or claims["iat"] - LEEWAY > now:
            raise SignInFailedError("the id token is of a time to come")
        before = claims.get("nbf", 0)
        if not _is_moment(before) or before - LEEWAY > now:
            raise SignInFailedError("the id token does not hold yet")
        said = claims.get("nonce")
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
            raise SignInFailedError("the id token was made for another sign-in")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise SignInFailedError("the id token says of nobody")

    def _name(self, claims: Mapping[str, Any]) -> str:
        claim = self._client.name_claim
        name = claims.get(claim)
        if claim == "email" and claims.get("email_verified", True) not in (True, "true"):
            raise SignInFailedError("nobody has verified that address")
        if not isinstance(name, str):
            raise SignInFailedError(f"the id token has no {claim}")
        try:
            return checked_name(name)
        except BadInputError:
            raise SignInFailedError(f"the {claim} of the id token is no name") from None

    def _groups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        found = claims.get(self._client.groups_claim, [])
        groups = [found] if isinstance(found, str) else found
        if not isinstance(groups, list) or not all(isinstance(one, str) for one in groups):
            raise SignInFailedError(f"the {self._client.groups_claim} of the id token are no names")
        try:
            return checked_groups(groups)
        except BadInputError:
            raise SignInFailedError("the id token has too many groups") from None


def _header(token: str) -> Mapping[str, Any]:
    try:
        found = json.loads(urlsafe_b64decode(token.partition(".")[0].encode()))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SignInFailedError("the id token is no token")
    return found


def _verified(token: str, keys: KeySet) -> Mapping[str, Any]:
    try:
        return jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        raise SignInFailedError("the id token is not signed by the provider") from None


def _at_hash(access: object, algorithm: str) -> str | None:
    """The left half of the hash of the access token, by the strength of the signature."""
    if not isinstance(access, str):
        return None
    made = _HASHES.get(algorithm[-3:], hashlib.sha512)(access.encode()).digest()
    return base64.urlsafe_b64encode(made[: len(made) // 2]).rstrip(b"=").decode()


def _is_moment(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
