"""An account memory in this process: for tests and examples. It forgets when the process ends."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from account_reviews.domain.backends import Health
from account_reviews.domain.errors import MemoryUnavailableError
from account_reviews.domain.memory import MemoryHit, MemoryItem, MemoryKind
from account_reviews.memory import rules
from account_reviews.memory.protocol import (
    ForgetReport,
    FoundItem,
    MemoryCapabilities,
    MemoryRef,
    MemorySelector,
    RecallQuery,
    TimelinePage,
)

_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Kept:
    id: UUID
    item: MemoryItem
    tenant: str


class InMemoryMemory:
    """Implements `MemoryBackend`. Set `available` to False and every call fails.

    An item is found when it holds all words of the query, in any case; there is no stemming and
    no query syntax.
    """

    def __init__(self, *, tenant: str = "default") -> None:
        self.available = True
        self._tenant = tenant
        self._kept: dict[tuple[str, str], tuple[_Kept, ...]] = {}

    async def remember(
        self, items: tuple[MemoryItem, ...], *, idempotency_key: str, tenant: str | None = None
    ) -> tuple[MemoryRef, ...]:
        self._refuse_when_down()
        rules.check_id(idempotency_key, "idempotency key")
        whose = tenant or self._tenant
        fresh = tuple(
            _Kept(rules.item_id(whose, idempotency_key, place), rules.clean(item), whose)
            for place, item in enumerate(items)
        )
        key = whose, idempotency_key
        kept = self._kept.setdefault(key, fresh) if fresh else self._kept.get(key, ())
        return tuple(MemoryRef(id=str(one.id)) for one in kept)

    async def recall(self, query: RecallQuery) -> tuple[MemoryHit, ...]:
        self._refuse_when_down()
        moment = query.as_of or datetime.now(UTC)
        words = _words(rules.query_text(query.text) or "")
        found = [
            (_score(kept.item, words, moment), kept)
            for kept in self._of(query.account_id, query.tenant)
            if rules.wanted(kept.item, query, moment) and _matches(kept.item, words)
        ]
        found.sort(key=lambda pair: (-pair[0], -_stamp(pair[1].item), pair[1].id))
        hits = (rules.hit(kept.id, kept.item, score) for score, kept in found[: query.limit])
        return rules.within_budget(tuple(hits), query.token_budget)

    async def search(
        self,
        words: str,
        *,
        account_id: str | None = None,
        kinds: tuple[MemoryKind, ...] = (),
        since: datetime | None = None,
        limit: int = 20,
    ) -> tuple[FoundItem, ...]:
        self._refuse_when_down()
        everyone = {kept.item.account_id for batch in self._kept.values() for kept in batch}
        found: list[FoundItem] = []
        for one in [account_id] if account_id is not None else sorted(everyone):
            query = RecallQuery(account_id=one, text=words, kinds=kinds, since=since, limit=limit)
            hits = await self.recall(query)
            found += [FoundItem(account_id=one, **hit.model_dump()) for hit in hits]
        return tuple(sorted(found, key=lambda hit: -hit.score)[:limit])

    async def timeline(
        self, account_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> TimelinePage:
        self._refuse_when_down()
        kept = sorted(self._of(account_id), key=_place, reverse=True)
        if cursor is not None:
            last = rules.decode_cursor(cursor)
            kept = [one for one in kept if _place(one) < last]
        items = tuple(rules.hit(one.id, one.item, 0.0) for one in kept[:limit])
        return TimelinePage(
            items=items, next_cursor=rules.next_cursor(items, more=len(kept) > limit)
        )

    async def supersede(
        self, ref: MemoryRef, item: MemoryItem, *, tenant: str | None = None
    ) -> MemoryRef:
        self._refuse_when_down()
        whose, wanted = tenant or self._tenant, rules.reference(ref.id)
        found = [
            (key, place)
            for key, batch in self._kept.items()
            for place, kept in enumerate(batch)
            if (kept.tenant, kept.id) == (whose, wanted)
        ]
        if not found:
            raise rules.unknown(ref.id)
        fresh = rules.clean(item)
        key = rules.key_of_successor(ref.id)
        if (whose, key) not in self._kept:
            place = found[0]
            batch = list(self._kept[place[0]])
            ended = batch[place[1]].item.model_copy(update={"valid_to": rules.ends_with(fresh)})
            batch[place[1]] = _Kept(wanted, ended, whose)
            self._kept[place[0]] = tuple(batch)
        (successor,) = await self.remember((item,), idempotency_key=key, tenant=whose)
        return successor

    async def forget(
        self,
        selector: MemorySelector,
        *,
        reason: str,
        requested_by: str,
        tenant: str | None = None,
        dry_run: bool = False,
    ) -> ForgetReport:
        del reason, requested_by
        self._refuse_when_down()
        whose = tenant or self._tenant
        chosen = rules.choice(selector)
        gone = [
            kept
            for batch in self._kept.values()
            for kept in batch
            if kept.tenant == whose and chosen(kept.id, kept.item)
        ]
        if not dry_run:
            for key, batch in self._kept.items():
                self._kept[key] = tuple(kept for kept in batch if kept not in gone)
        return rules.forgotten((kept.item.kind for kept in gone), dry_run=dry_run)

    async def catch_up(self, *, limit: int = 100) -> int:
        del limit
        self._refuse_when_down()
        return 0

    async def capabilities(self) -> MemoryCapabilities:
        return MemoryCapabilities(name="in_memory", delete=True, max_batch=500, local=True)

    async def health(self) -> Health:
        detail = "account memory in this process" if self.available else "switched off"
        return Health(ok=self.available, detail=detail)

    def _of(self, account_id: str, tenant: str | None = None) -> list[_Kept]:
        rules.check_id(account_id, "account id")
        whose = tenant or self._tenant, account_id
        everything = (kept for batch in self._kept.values() for kept in batch)
        return [kept for kept in everything if (kept.tenant, kept.item.account_id) == whose]

    def _refuse_when_down(self) -> None:
        if not self.available:
            raise MemoryUnavailableError


def _place(kept: _Kept) -> tuple[datetime, UUID]:
    return kept.item.occurred_at, kept.id


def _stamp(item: MemoryItem) -> float:
    return (item.occurred_at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}


def _matches(item: MemoryItem, words: set[str]) -> bool:
    values = (
        str(value) for value in item.attributes.values() if isinstance(value, str | float | int)
    )
    return words <= _words(" ".join((item.title or "", item.text, *values)))


def _score(item: MemoryItem, words: set[str], moment: datetime) -> float:
    in_title = len(words & _words(item.title or ""))
    rank = (1 + in_title) / (1 + len(words)) if words else 1.0
    return rank * rules.decay(moment - item.occurred_at)
