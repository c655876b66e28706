"""Tokens of signed decisions: JWS in the compact form, HS256, with the id of the key.

What else is signed with these keys has another type in its header, and is no decision by that.
"""

import json
import warnings
from typing import Any, Final, TypeVar

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import OctKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode
from pydantic import ValidationError

from account_reviews.access.keys import ApprovalKeys
from account_reviews.domain.access.signed import Claims
from account_reviews.domain.base import Model
from account_reviews.domain.canonical import canonical_json

MOST_CHARACTERS: Final = 4096
_ALGORITHMS: Final = ["HS256"]
_TYPE: Final = "review-decision"
_M = TypeVar("_M", bound=Model)


class BadTokenError(ValueError):
    """No token that one of the keys has signed; the text says why, without the token."""


def sign(claims: Claims, keys: ApprovalKeys) -> str:
    """A token of these claims."""
    return sign_typed(claims, keys, _TYPE)


def read(token: str, keys: ApprovalKeys) -> Claims:
    """What a token says that one of the keys has signed. BadTokenError for any other text."""
    return read_typed(token, keys, _TYPE, Claims)


def sign_typed(claims: Model, keys: ApprovalKeys, kind: str) -> str:
    """A token of that type."""
    header = {"alg": "HS256", "typ": kind, "kid": keys.signs}
    return jws.serialize_compact(
        header, canonical_json(claims), _key(keys, keys.signs), algorithms=_ALGORITHMS
    )


def read_typed(token: str, keys: ApprovalKeys, kind: str, model: type[_M]) -> _M:
    """What a token of that type says. BadTokenError."""
    if len(token) > MOST_CHARACTERS or not token.isascii():
        raise BadTokenError("it is no token")
    try:
        header = _header(token)
        kid = header.get("kid")
        if header.get("typ") != kind or not isinstance(kid, str):
            what = "a decision" if kind == _TYPE else "a link"
            raise BadTokenError(f"it is no token of {what}")
        if kid not in keys.secrets:
            raise BadTokenError("it was signed with a key that is not among ours any more")
        found = jws.deserialize_compact(token, _key(keys, kid), algorithms=_ALGORITHMS)
        return model.model_validate(json.loads(found.payload))
    except BadTokenError:
        raise
    except (JoseError, ValidationError, ValueError, TypeError, RecursionError):
        raise BadTokenError("it was changed, or signed with another key") from None


def _key(keys: ApprovalKeys, kid: str) -> OctKey:
    with warnings.catch_warnings():  # a secret that looks like a public key is one all the same
        warnings.simplefilter("ignore", SecurityWarning)
        return OctKey.import_key(keys.secrets[kid], {"kid": kid, "use": "sig"})


def _header(token: str) -> dict[str, Any]:
    """The protected header. BadTokenError unless each part is spelled in the only right way: the
    last letter of base64 has bits to spare, by which one token would have several spellings."""
    parts = token.split(".")
    raw = [urlsafe_b64decode(part.encode()) for part in parts]
    if len(parts) != 3 or [urlsafe_b64encode(one).decode() for one in raw] != parts:
        raise BadTokenError("it is no token")
    header = json.loads(raw[0])
    if not isinstance(header, dict):
        raise BadTokenError("it is no token")
    return header
