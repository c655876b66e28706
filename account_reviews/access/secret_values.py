"""Values that nobody can guess: cookies, links, tokens. Stored are their hashes alone."""

import hashlib
import secrets


def new_secret() -> str:
    """256 bits, in 43 letters that stand in addresses and cookies."""
    return secrets.token_urlsafe(32)


def digest(text: str) -> bytes:
    """What is stored of one. It needs no salt: nobody has a list of them."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
