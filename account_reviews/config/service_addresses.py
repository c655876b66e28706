"""Addresses that somebody sets: where a credential may be sent, and where links lead."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

from account_reviews.config.ports import HERE
from account_reviews.domain.errors import BadInputError

_NOTHING: Final = urlsplit("")


def service_url(value: str, variable: str) -> str:
    """Where a credential may be sent, without a slash at its end: https, or http on this machine.

    BadInputError names the variable, and repeats nothing that may be a password.
    """
    parts = split(value)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
    if not secure or not _is_plain(parts):
        raise BadInputError(
            f"{variable} is {_shown(value)}, but must be https://HOST",
            hint="http:// is for this machine alone, as in http://127.0.0.1:8080",
        )
    return value.rstrip("/")


def web_url(value: str, variable: str) -> str:
    """What links begin with, without a slash at its end. BadInputError."""
    parts = split(value)
    if parts.scheme not in ("http", "https") or not _is_plain(parts):
        raise BadInputError(
            f"{variable} is {_shown(value)}, but must be https://HOST or http://HOST",
            hint="it is the address at which others reach `reviews web`, up to the path",
        )
    return value.rstrip("/")


def split(value: str) -> SplitResult:
    """The parts of an address; of one that is none, nothing."""
    try:
        parts = urlsplit(value)
        fits = parts.port is None or parts.port > 0
    except ValueError:
        return _NOTHING
    return parts if fits and value.isascii() and value.isprintable() else _NOTHING


def _is_plain(parts: SplitResult) -> bool:
    return bool(parts.hostname) and not (
        "@" in parts.netloc or parts.query or parts.fragment or " " in parts.netloc
    )


def _shown(value: str) -> str:
    return "an address with a name or password" if "@" in value else repr(value)
