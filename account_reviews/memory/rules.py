"""What every memory of ours does alike, without any storage."""

import base64
import json
import math
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from account_reviews.domain.base import Scalar
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.memory import MemoryHit, MemoryItem

HALF_LIFE: Final = timedelta(days=180)
"""An item of this age counts half as much as one of today."""
OLDEST: Final = timedelta(days=36500)
"""Ages beyond this all count alike; their decay would leave the range of a double."""

_REFS: Final = UUID("6f0d1c8e-52a7-5b0c-9a35-0c1f6b7a4e21")
_CHARS_PER_TOKEN: Final = 4


def item_id(tenant: str, idempotency_key: str, ordinal: int) -> UUID:
    """The reference of the item at one place of one call: the same for every repeat."""
    return uuid5(_REFS, json.dumps([tenant, idempotency_key, ordinal]))


def decay(age: timedelta) -> float:
    """1 for now or later, halved with every half-life."""
    clamped = min(max(age, timedelta(0)), OLDEST)
    return math.pow(0.5, clamped / HALF_LIFE)


def tokens(title: str | None, text: str) -> int:
    """A rough count of language-model tokens: four characters each, rounded up."""
    return math.ceil((len(title or "") + len(text)) / _CHARS_PER_TOKEN)


def within_budget(hits: tuple[MemoryHit, ...], budget: int | None) -> tuple[MemoryHit, ...]:
    """The hits, best first, that fit together. One that is too long gives way to the next."""
    if budget is None:
        return hits
    kept = []
    for hit in hits:
        cost = tokens(hit.title, hit.text)
        if cost <= budget:
            kept.append(hit)
            budget -= cost
    return tuple(kept)


def clean(item: MemoryItem) -> MemoryItem:
    """The item as it can be stored: without NUL, and with no half of a surrogate pair."""
    source = item.source
    return item.model_copy(
        update={
            "account_id": check_id(item.account_id, "account id"),
            "title": _clean(item.title),
            "text": _clean_text(item.text),
            "source": source.model_copy(
                update={
                    "system": _clean_text(source.system),
                    "record_id": _clean(source.record_id),
                    "url": _clean(source.url),
                }
            ),
            "attributes": {
                _clean_text(name): _clean_scalar(value) for name, value in item.attributes.items()
            },
            "visibility": _clean_text(item.visibility),
            "language": _clean_text(item.language).strip().lower(),
        }
    )


def check_id(value: str, what: str) -> str:
    """Ids are never repaired: two that differ must stay two. BadInputError for unusable ones."""
    if not value or _clean_text(value) != value:
        raise BadInputError(f"{what} {value!r} is empty or holds characters that cannot be stored")
    return value


def query_text(text: str | None) -> str | None:
    """The words to look for, None when there are none."""
    return (_clean(text) or "").strip() or None


def next_cursor(page: tuple[MemoryHit, ...], *, more: bool) -> str | None:
    """Where the page after this one begins, None when there is none."""
    if not more:
        return None
    place = json.dumps([rfc3339(page[-1].occurred_at), page[-1].id])
    return base64.urlsafe_b64encode(place.encode()).decode()


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The place a cursor stands for: (occurred_at, id) of the last item seen. BadInputError."""
    try:
        at, reference = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        place = datetime.fromisoformat(at), UUID(reference)
    except (ValueError, TypeError, AttributeError, RecursionError):
        place = None
    if place is None or place[0].tzinfo is None:
        raise BadInputError(
            f"{cursor!r} is not a cursor of this list", hint="take next_cursor of the page before"
        )
    return place


def hit(reference: object, item: MemoryItem, score: float) -> MemoryHit:
    """What a reader gets of a stored item."""
    fields: dict[str, Any] = {name: getattr(item, name) for name in _SHOWN}
    return MemoryHit(id=str(reference), score=score, **fields)


_SHOWN: Final = ("kind", "title", "text", "source", "occurred_at", "attributes")


def _clean(text: str | None) -> str | None:
    return None if text is None else _clean_text(text)


def _clean_scalar(value: Scalar) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _clean_text(value) if isinstance(value, str) else value


def _clean_text(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
