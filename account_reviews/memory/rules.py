"""What every memory of ours does alike, without any storage."""

import base64
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from account_reviews.domain.base import Scalar
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.erasure import Subject
from account_reviews.domain.errors import BadInputError, NotFoundError
from account_reviews.domain.memory import MemoryHit, MemoryItem, MemoryKind
from account_reviews.memory.protocol import ForgetReport, MemorySelector, RecallQuery

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


def wanted(item: MemoryItem, query: RecallQuery, moment: datetime) -> bool:
    """Whether the limits of a query let the item in; `moment` is its `as_of`, or now."""
    return (
        (not query.kinds or item.kind in query.kinds)
        and (query.since is None or item.occurred_at >= query.since)
        and (query.until is None or item.occurred_at < query.until)
        and (query.as_of is None or item.occurred_at <= query.as_of)
        and (item.valid_from is None or item.valid_from <= moment)
        and (item.valid_to is None or item.valid_to > moment)
    )


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


def key_of_successor(ref: str) -> str:
    """The idempotency key of what supersedes that item."""
    return f"supersedes/{ref}"


def ends_with(successor: MemoryItem) -> datetime:
    """Until when what it supersedes was valid."""
    return successor.valid_from or successor.occurred_at


def reference(ref: str) -> UUID:
    """NotFoundError for one that no memory of ours gives."""
    if not is_reference(ref):
        raise unknown(ref)
    return UUID(ref)


def unknown(ref: str) -> NotFoundError:
    """The error for a reference without an item."""
    return NotFoundError(f"the memory has no item {ref!r}")


def choice(selector: MemorySelector) -> Callable[[UUID, MemoryItem], bool]:
    """Whether an item is one of those that a selector names."""
    if selector.account_id is not None:
        account_id = check_id(selector.account_id, "account id")
        return lambda _, item: item.account_id == account_id
    if selector.items:
        wanted = {UUID(ref) for ref in selector.items if is_reference(ref)}
        return lambda ref, _: ref in wanted
    subject = Subject(names=selector.subject)
    return lambda _, item: mentions(item, subject)


def forgotten(kinds: Iterable[MemoryKind], *, dry_run: bool) -> ForgetReport:
    """The report on items of these kinds."""
    by_kind = Counter(kinds)
    return ForgetReport(removed=by_kind.total(), by_kind=dict(by_kind), dry_run=dry_run)


def is_reference(ref: str) -> bool:
    """True for what a memory of ours may have given as a reference."""
    try:
        UUID(ref)
    except ValueError:
        return False
    return True


def mentions(item: MemoryItem, subject: Subject) -> bool:
    """True when any text of the item names the subject."""
    source = item.source
    texts = (item.title, item.text, source.record_id, source.url, *item.attributes.values())
    return any(isinstance(text, str) and subject.is_in(text) for text in texts)


def _clean(text: str | None) -> str | None:
    return None if text is None else _clean_text(text)


def _clean_scalar(value: Scalar) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _clean_text(value) if isinstance(value, str) else value


def _clean_text(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
