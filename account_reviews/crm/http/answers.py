"""What came back over HTTP: read within bounds, and told apart from what is no answer at all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2
import orjson

from account_reviews.crm.http.service_names import service_name
from account_reviews.domain.audit.masks import mask_secrets
from account_reviews.domain.characters import shown_on_one_line
from account_reviews.domain.errors import (
    CrmAuthError,
    CrmUnavailableError,
)

UNAUTHORIZED: Final = 401
TOO_MANY: Final = 429
WRONG_CREDENTIALS: Final = 530
"""What some services answer to a credential of another form, or of another place."""
_LONGEST: Final = 200
"""Characters of a text of the HTTP library that are repeated."""
_BODILESS: Final = frozenset({204, 205, 304})
_PAGE: Final = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")


@dataclass(frozen=True)
class Answer:
    """What a service said. `body` is the JSON document, None when there was none (204, 304)."""

    status: int
    body: Any
    headers: Mapping[str, str]
    """Names in lower case."""
    date: datetime | None
    """The service's own clock when it answered."""


@dataclass(frozen=True)
class Raw:
    """An answer before anybody looked into it."""

    status: int
    content: bytes
    headers: Mapping[str, str]
    """Names in lower case."""


async def read_raw(response: httpx2.Response, largest: int) -> Raw:
    """The whole body. CrmUnavailableError when it is larger than `largest` bytes."""
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > largest:
            raise CrmUnavailableError(
                f"the answer is larger than {largest:,} bytes and was not read to its end",
                hint="ask for fewer records or fields at a time",
            )
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Raw(response.status_code, bytes(content), headers)


def judge(service: str, raw: Raw) -> Answer:
    """The answer a backend can map. 401 and 429 are the client's to handle before.

    CrmUnavailableError for 5xx, for a page in place of a document and for a success whose document
    is no JSON: the line cut it short, and next time it may be whole. CrmAuthError for 530.
    """
    name = service_name(service)
    if raw.status == WRONG_CREDENTIALS:
        raise CrmAuthError(
            f"{name} does not accept our credentials and answers 530",
            hint="its token may be of another form, or for another place",
        )
    if raw.status >= 500:
        raise CrmUnavailableError(f"{name} answers {raw.status}", retry_after=wait_of(raw))
    return Answer(raw.status, _document(service, raw), raw.headers, date_of(raw.headers))


def _document(service: str, raw: Raw) -> Any:
    name = service_name(service)
    content = raw.content.strip()
    if raw.status in _BODILESS or not content:
        return None
    if _is_page(raw, content):
        raise CrmUnavailableError(
            f"{name} answers {raw.status} with a web page where a document should stand",
            hint="see whether its address is right, and what stands between",
        )
    try:
        return orjson.loads(content)
    except ValueError:
        return _odd_document(service, raw, content)


def _odd_document(service: str, raw: Raw, content: bytes) -> Any:
    """What only the tolerant parser takes: numbers out of range, halves of characters."""
    name = service_name(service)
    try:
        return json.loads(content, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        if raw.status >= 300:
            return None
        raise CrmUnavailableError(
            f"{name} answers {raw.status} with what is no JSON, or with half of one"
        ) from None


def _is_page(raw: Raw, content: bytes) -> bool:
    kind = raw.headers.get("content-type", "").lower()
    return "html" in kind or ("json" not in kind and content[:9].lower().startswith(_PAGE))


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """The time of the header `Date`; None without one that can be read."""
    return _moment(headers.get("date", ""))


def wait_of(raw: Raw) -> float | None:
    """Seconds that `Retry-After` asks for, by number or by date; None without one."""
    asked = raw.headers.get("retry-after", "").strip()
    try:
        seconds = float(asked)
    except ValueError:
        until = _moment(asked)
        if until is None:
            return None
        now = date_of(raw.headers) or datetime.now(UTC)
        seconds = (until - now).total_seconds()
    return max(seconds, 0.0) if seconds < float("inf") else None  # also what is no number


def _moment(said: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def broken(service: str, error: Exception) -> CrmUnavailableError:
    """What it means that no answer came."""
    name = service_name(service)
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol):
        return CrmUnavailableError(
            f"{name} has an address that cannot be used",
            sent=False,
            hint="see its URL",
        )
    if isinstance(error, httpx2.LocalProtocolError):  # its text repeats what stands in a header
        return CrmUnavailableError(
            f"{name} cannot be asked: the request is none that HTTP carries",
            sent=False,
            hint="see whether its credentials hold blanks or line breaks",
        )
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        unsent = isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout)
        return CrmUnavailableError(f"{name} did not answer in time", sent=not unsent)
    unsent = isinstance(error, httpx2.ConnectError | httpx2.ProxyError)
    said = mask_secrets(shown_on_one_line(str(error)).strip())[:_LONGEST] or type(error).__name__
    kind = "cannot be reached" if unsent else "broke the connection off"
    return CrmUnavailableError(f"{name} {kind}: {said}", sent=not unsent)
