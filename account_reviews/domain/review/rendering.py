"""What a person is shown of a request, in one canonical form whose hash a decision may carry. Pure.

It holds what is decided on, and nothing of what others said: a decision by somebody else does not
make it another, an adjustment does.
"""

from collections.abc import Sequence
from typing import Any, Final

from account_reviews.domain.base import Timestamp
from account_reviews.domain.canonical import content_hash, rfc3339
from account_reviews.domain.review.items import Item

FORMAT: Final = 1
"""Raised when the same request is rendered otherwise: hashes of older renderings are then stale."""


def rendering(
    *,
    request_id: str,
    review_id: str,
    account_id: str,
    deadline: Timestamp,
    items: Sequence[Item],
) -> dict[str, Any]:
    """The request as JSON values, in the order in which it is shown."""
    return {
        "format": FORMAT,
        "request_id": request_id,
        "review_id": review_id,
        "account_id": account_id,
        "deadline": rfc3339(deadline),
        "items": [_item(item) for item in items],
    }


def shown_hash(shown: dict[str, Any]) -> str:
    """64 hex digits."""
    return content_hash(shown)


def _item(item: Item) -> dict[str, Any]:
    change = item.change
    record = change.record
    return {
        "item_id": item.item_id,
        "action": change.action.value,
        "record": {"type": record.type.value, "id": record.id, "name": record.name},
        "title": change.title,
        "rationale": change.rationale,
        "before": change.before,
        "after": change.shown,
        "original_after": item.original.shown if item.original is not None else None,
        "hash": change.hash,
        "evidence_hash": change.evidence_hash,
        "author": change.author,
        "needs": list(item.groups),
    }
