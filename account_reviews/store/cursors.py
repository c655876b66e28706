"""Where a page of a list ended: what `--cursor` takes."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from account_reviews.domain.errors import BadInputError

NOWHERE = {"after_at": None, "after_id": None}
"""What a query is given for its first page."""


def make_cursor(at: datetime, key: str) -> str:
    """Where a page ended: a moment and what tells rows of one moment apart."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), key]).encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """The inverse of `make_cursor`. BadInputError for anything else."""
    try:
        at, key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        moment = datetime.fromisoformat(at).astimezone(UTC)
        key.encode()
    except (ValueError, binascii.Error, TypeError, AttributeError, OverflowError, RecursionError):
        raise BadInputError(f"{cursor!r} is not a cursor of this list") from None
    if datetime.fromisoformat(at).tzinfo is None or "\x00" in key:
        raise BadInputError(f"{cursor!r} is not a cursor of this list")
    return moment, key


def after(cursor: str | None) -> dict[str, Any]:
    """The values `after_at` and `after_id` of a query, both None without a cursor.

    BadInputError as `read_cursor`.
    """
    if cursor is None:
        return NOWHERE
    at, key = read_cursor(cursor)
    return {"after_at": at, "after_id": key}
