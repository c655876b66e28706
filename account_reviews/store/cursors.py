"""Where a page of a list ended: what `--cursor` takes."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from account_reviews.domain.errors import BadInputError

NOWHERE = {"after_at": None, "after_id": None}
"""What a query is given for its first page."""


def make_cursor(at: datetime, key: str) -> str:
    """Where a page ended: a moment and what tells rows of one moment apart."""
    return _spelled([at.isoformat(), key])


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """The inverse of `make_cursor`. BadInputError for anything else."""
    try:
        at, key = _read(cursor)
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


def make_place(order: str, numbers: Sequence[Decimal | int], key: str) -> str:
    """Where a page ended of a list with several orders: what that one goes by, then a key."""
    return _spelled([order, *map(str, numbers), key])


def read_place(cursor: str, order: str, length: int) -> tuple[list[Decimal], str]:
    """The inverse of `make_place` with so many numbers. BadInputError for anything else."""
    try:
        made_for, *numbers, key = _read(cursor)
        found = [Decimal(one) for one in numbers]
        key.encode()
        fits = made_for == order and len(found) == length and "\x00" not in key
    except (ValueError, TypeError, AttributeError, RecursionError, InvalidOperation):
        fits = False
    if not fits or not all(one.is_finite() for one in found):
        raise BadInputError(f"{cursor!r} is not a cursor of this list")
    return found, key


def _spelled(place: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read(cursor: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(cursor.encode()))
