"""Tokens at rest: the database holds them, and what opens them it does not hold."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES: Final = 12
_INFO: Final = b"account-reviews api token"


class TokenCipher:
    """AES-GCM with a key made of the refresh token; `about` binds a text to its row."""

    def __init__(self, secret: str, about: str) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=_INFO).derive(secret.encode())
        self._cipher = AESGCM(key)
        self._about = about.encode()

    def close_up(self, token: str) -> bytes:
        """The token as the database may hold it."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, token.encode(), self._about)

    def open(self, stored: bytes | None) -> str | None:
        """The token again; None for what this secret did not close up."""
        if stored is None:
            return None
        try:
            nonce, rest = stored[:_NONCE_BYTES], stored[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, rest, self._about).decode()
        except (InvalidTag, ValueError):
            return None
