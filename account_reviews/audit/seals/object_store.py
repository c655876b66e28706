"""Object stores as the trail uses them: opened by URL, with failures as our own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from account_reviews.domain.errors import BadInputError, UnreachableError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_TIMEOUT: Final = "10s"
_RETRY_SECONDS: Final = 10.0
_RETRIES: Final = 2
"""Whoever asks tries again later anyway."""


def is_url(place: str) -> bool:
    """True for an object store, False for a path."""
    return "://" in place


def open_store(url: str) -> ObjectStore:
    """The store at s3://, gs://, az:// or file://. Credentials come from the environment.

    BadInputError when the URL cannot be used.
    """
    from obstore.exceptions import BaseError
    from obstore.store import LocalStore, from_url

    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            return LocalStore(Path(unquote(parts.path)), mkdir=True)
        return from_url(
            url,
            # Plain http only where the endpoint in the environment says so.
            client_options={"timeout": _TIMEOUT, "connect_timeout": _TIMEOUT, "allow_http": True},
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
            },
        )
    except (BaseError, OSError, ValueError) as error:
        raise BadInputError(
            f"{parts.scheme}://{parts.hostname or ''}{parts.path} cannot be used: {_reason(error)}",
            hint="give a path or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX",
        ) from None


@contextmanager
def answering(place: str) -> Iterator[None]:
    """Turn failures of a store inside into UnreachableError. FileNotFoundError passes."""
    from obstore.exceptions import AlreadyExistsError, BaseError

    try:
        yield
    except (FileNotFoundError, AlreadyExistsError):
        raise
    except (BaseError, OSError) as error:
        raise UnreachableError(
            f"{place} does not answer: {_reason(error)}",
            hint="check that it is there and may be written",
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
