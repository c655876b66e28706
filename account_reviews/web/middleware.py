"""What every request goes through: its body is read within bounds, and errors are JSON."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from account_reviews.domain.errors import ReviewsError

LARGEST: Final = 2**20
"""Bytes of a body."""
BODY_SECONDS: Final = 15.0
"""How long a body may take to come in."""


class TooLargeError(ReviewsError):
    """The body is larger than 1 MiB."""

    code = "too_large"


class TooSlowError(ReviewsError):
    """The body did not come in time."""

    code = "too_slow"


class GoneError(ReviewsError):
    """Whoever sent this has hung up."""

    code = "gone"


async def read_body(request: Request, largest: int = LARGEST) -> bytes:
    """All of the body. TooLargeError as soon as that is known, TooSlowError, GoneError."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said[:12]) > largest:
        raise TooLargeError
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > largest:
                    raise TooLargeError
                parts.append(part)
    except TimeoutError:
        raise TooSlowError from None
    except ClientDisconnect:
        raise GoneError from None
    return b"".join(parts)


def refusal(status: int, error: ReviewsError, *, retry_after: int | None = None) -> JSONResponse:
    """The answer that says so. `retry_after`: seconds."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    if status in (408, 413):
        headers["connection"] = "close"  # what is left of the body is not read
    document = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    return JSONResponse(document, status, headers)
