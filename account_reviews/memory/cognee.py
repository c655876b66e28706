"""The account memory in Cognee, over its REST API. Never in this process.

Cognee finds what comes nearest to a question. What an item says, whose it is, since when it is true
and that it is kept once stands in our table, where `memory_places` maps it to its data id there. A
tenant has a dataset, an account a node set within it. A hit that is not of the account and the
tenant asked about is dropped, and raises an alarm.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.backends import Health
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError, MemoryUnavailableError, ReviewsError
from account_reviews.domain.memory import MemoryHit, MemoryItem, MemoryKind
from account_reviews.memory import rules
from account_reviews.memory.capabilities import COGNEE
from account_reviews.memory.cognee_answers import Found, marked
from account_reviews.memory.cognee_client import (
    SECONDS,
    CogneeClient,
    DatasetGoneError,
    Document,
)
from account_reviews.memory.cognee_places import Claimed, Held, Places
from account_reviews.memory.postgres import PostgresMemory
from account_reviews.memory.protocol import (
    ForgetReport,
    FoundItem,
    MemoryCapabilities,
    MemoryRef,
    MemorySelector,
    RecallQuery,
    Stray,
    TimelinePage,
)

EVERYTHING: Final = "risks, commitments, decisions, objections and changes of the account"
"""What is asked where nobody asks for words."""
_MOST: Final = 400
"""Pieces of text that one search asks for."""
_FOUND_BY: Final = 20_000
"""Characters of a text by which it is found: a longer one would crowd out the others."""
_NEAR: Final = 20
"""The place of a hit from which on its rank counts half."""
_RENEW_SECONDS: Final = 15.0
_WAIT_SECONDS: Final = 0.1
"""Between looks at items that another worker hands over."""
_TOGETHER: Final = 50
"""Documents of one call."""

Alarm = Callable[[Stray], None]


def node_set_of(account_id: str) -> str:
    """The node set of an account, within the dataset of its tenant."""
    return f"account:{account_id}"


def dataset_of(tenant: str) -> str:
    """The name of a tenant's dataset; from its first use on its id counts."""
    return f"account-reviews-{tenant}"


class CogneeMemory:
    """Implements `MemoryBackend` on a Cognee server and the tables of migration 0022_memory_sync.

    `tenant` is meant where a call names none.
    """

    def __init__(
        self, engine: AsyncEngine, client: CogneeClient, *, alarm: Alarm, tenant: str = "default"
    ) -> None:
        self._rows = PostgresMemory(engine, tenant=tenant)
        self._places = Places(engine, client.url)
        self._client = client
        self._alarm = alarm
        self._tenant = tenant

    async def remember(
        self, items: tuple[MemoryItem, ...], *, idempotency_key: str, tenant: str | None = None
    ) -> tuple[MemoryRef, ...]:
        """Returns once Cognee has worked them off. A repeat goes on where the last try ended."""
        whose = tenant or self._tenant
        refs = await self._rows.remember(items, idempotency_key=idempotency_key, tenant=whose)
        await self._keep(whose, [UUID(ref.id) for ref in refs])
        return refs

    async def recall(self, query: RecallQuery) -> tuple[MemoryHit, ...]:
        """Best first: how near it comes, times a decay with its age; without words the newest."""
        rules.check_id(query.account_id, "account id")
        whose, words = query.tenant or self._tenant, rules.query_text(query.text)
        dataset = await self._dataset(whose)
        known = await self._places.count(whose, query.account_id, dataset)
        most = min(_MOST, 4 * known + query.limit)
        found = await self._search(whose, dataset, words, query.account_id, most, known)
        moment = query.as_of or datetime.now(UTC)
        right = [held for held in found if rules.wanted(held.item, query, moment)]
        hits = _ranked(right, moment, by_words=words is not None)[: query.limit]
        return rules.within_budget(hits, query.token_budget)

    async def search(
        self,
        words: str,
        *,
        account_id: str | None = None,
        kinds: tuple[MemoryKind, ...] = (),
        since: datetime | None = None,
        limit: int = 20,
    ) -> tuple[FoundItem, ...]:
        """For people: best first, over all accounts of the tenant unless one is named."""
        query = RecallQuery(account_id=account_id or "", kinds=kinds, since=since, limit=limit)
        moment, asked = datetime.now(UTC), rules.query_text(words)
        dataset = await self._dataset(self._tenant)
        most = min(_MOST, 4 * limit)
        found = await self._search(self._tenant, dataset, asked, account_id, most, 0)
        right = [held for held in found if rules.wanted(held.item, query, moment)]
        accounts = {str(held.id): held.item.account_id for held in right}
        hits = _ranked(right, moment, by_words=asked is not None)[:limit]
        return tuple(FoundItem(account_id=accounts[hit.id], **hit.model_dump()) for hit in hits)

    async def timeline(
        self, account_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> TimelinePage:
        """From our table, which holds every item whole."""
        return await self._rows.timeline(account_id, cursor=cursor, limit=limit)

    async def supersede(
        self, ref: MemoryRef, item: MemoryItem, *, tenant: str | None = None
    ) -> MemoryRef:
        """The old item stays in Cognee, and is no longer valid here."""
        whose = tenant or self._tenant
        successor = await self._rows.supersede(ref, item, tenant=whose)
        await self._keep(whose, [UUID(successor.id)])
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
        """From Cognee first, then here: one that is killed in between is simply repeated."""
        ids = await self._rows.chosen(selector, tenant)
        if not dry_run:
            await self._delete(ids)
        chosen = MemorySelector(items=tuple(map(str, ids))) if ids else selector
        return await self._rows.forget(
            chosen, reason=reason, requested_by=requested_by, tenant=tenant, dry_run=dry_run
        )

    async def catch_up(self, *, limit: int = 100) -> int:
        """Also what was remembered before Cognee was, and what lay in a dataset that is gone."""
        dataset = await self._dataset(self._tenant)
        ids = await self._places.missing(self._tenant, dataset, min(limit, COGNEE.max_batch))
        await self._keep(self._tenant, ids)
        return len(ids)

    async def capabilities(self) -> MemoryCapabilities:
        return COGNEE

    async def health(self) -> Health:
        try:
            detail = await self._client.health()
            dataset = await self._places.dataset(self._tenant)
            missing = await self._places.missing(self._tenant, dataset or "", _MOST)
        except ReviewsError as error:
            return Health(ok=False, detail=error.message, hint=error.hint)
        more = "at least " if len(missing) == _MOST else ""
        waits = f"; it lacks {more}{len(missing)} items, see `reviews memory sync`"
        return Health(ok=True, detail=f"{detail}{waits if missing else ''}")

    async def _dataset(self, tenant: str) -> str:
        noted = await self._places.dataset(tenant)
        if noted is None:
            noted = await self._client.dataset(dataset_of(tenant))
            await self._places.note_dataset(tenant, noted)
        return noted

    async def _keep(self, tenant: str, ids: Sequence[UUID]) -> None:
        """Return once Cognee has them all; in a new dataset, when the old one is gone."""
        if not ids:
            return
        dataset = await self._dataset(tenant)
        try:
            await self._keep_in(dataset, ids)
        except DatasetGoneError:
            await self._places.lose_dataset(tenant, dataset)
            await self._keep_in(await self._dataset(tenant), ids)

    async def _keep_in(self, dataset: str, ids: Sequence[UUID]) -> None:
        deadline = asyncio.get_running_loop().time() + self._client.run_seconds
        while True:
            claimed = await self._places.claim(ids, dataset)
            if claimed:
                await self._hand_over(dataset, claimed)
            elif not await self._places.left(ids, dataset):
                return
            elif asyncio.get_running_loop().time() > deadline:
                raise MemoryUnavailableError("another worker is still handing these items over")
            else:
                await asyncio.sleep(_WAIT_SECONDS)

    async def _hand_over(self, dataset: str, claimed: Sequence[Claimed]) -> None:
        ids = [one.item_id for one in claimed]
        try:
            async with self._claiming(ids):
                known = await self._send(dataset, claimed)
                await self._places.mark(known, "processing")
                await self._client.follow(dataset)
                ours = await self._places.mark(known, "stored")
        except BadInputError:
            await self._places.forget_unstored(ids)
            raise
        except ReviewsError:
            await self._places.release(ids)
            raise
        for item_id, data_id in known.items():
            if item_id not in ours and data_id is not None:  # forgotten meanwhile
                await self._client.delete(dataset, data_id)

    async def _send(self, dataset: str, claimed: Sequence[Claimed]) -> dict[UUID, str | None]:
        """Give Cognee what it lacks. Of what was tried before it is asked first."""
        tried = [one for one in claimed if not one.is_new and one.data_id is None]
        there = await self._client.data(dataset) if tried else {}
        known = {one.item_id: one.data_id or there.get(str(one.item_id)) for one in claimed}
        new = [item_id for item_id, data_id in known.items() if data_id is None]
        items = sorted(await self._places.items(new), key=lambda held: held.item.account_id)
        named: dict[str, str] = {}
        for account_id, group in groupby(items, key=lambda held: held.item.account_id):
            documents = [_document(held) for held in group]
            for start in range(0, len(documents), _TOGETHER):
                part = documents[start : start + _TOGETHER]
                named |= await self._client.hand_over(dataset, node_set_of(account_id), part)
        if len(known) > len(new):  # whether their run was ever begun nobody knows
            await self._client.work_off(dataset)
        named |= await self._listed(dataset, {str(item_id) for item_id in new} - named.keys())
        return {item_id: data_id or named.get(str(item_id)) for item_id, data_id in known.items()}

    async def _listed(self, dataset: str, wanted: Collection[str]) -> dict[str, str]:
        """The data ids of items that Cognee has taken, once it shows all of them."""
        found: dict[str, str] = {}
        deadline = asyncio.get_running_loop().time() + self._client.run_seconds
        looks = 0
        while not found.keys() >= set(wanted):
            if asyncio.get_running_loop().time() > deadline:
                raise MemoryUnavailableError(f"{self._client.place} does not show what it took")
            await self._client.pause(looks)
            looks += 1
            found = await self._client.data(dataset)
        return found

    def _claiming(self, ids: Sequence[UUID]) -> "_Claiming":
        return _Claiming(self._places, ids)

    async def _delete(self, ids: Iterable[UUID]) -> None:
        """From Cognee. MemoryUnavailableError also while something may still be on its way there:
        it may come after a connection was lost, and would stay for good."""
        listed: dict[str, dict[str, str]] = {}
        for place in await self._places.places(ids, 2 * SECONDS):
            data_id = place.data_id
            try:
                if data_id is None:
                    if place.dataset_id not in listed:
                        listed[place.dataset_id] = await self._client.data(place.dataset_id)
                    data_id = listed[place.dataset_id].get(str(place.item_id))
                if data_id is not None:
                    await self._client.delete(place.dataset_id, data_id)
                elif place.is_fresh:
                    raise MemoryUnavailableError(
                        f"an item is still on its way to {self._client.place}",
                        hint=f"forget again in {2 * SECONDS:g} seconds",
                    )
            except DatasetGoneError:
                continue

    async def _search(
        self,
        tenant: str,
        dataset: str,
        words: str | None,
        account_id: str | None,
        most: int,
        known: int,
    ) -> list[Held]:
        """Our items behind the hits, in their order, each once. Strays are dropped and told."""
        node_set = None if account_id is None else node_set_of(account_id)
        try:
            hits = await self._client.search(
                dataset, words or EVERYTHING, node_set=node_set, top_k=most
            )
            if not hits and known and not await self._client.has_dataset(dataset):
                raise DatasetGoneError(f"{self._client.place} has lost our dataset")
        except DatasetGoneError as error:
            await self._places.lose_dataset(tenant, dataset)
            hint = "`reviews memory sync full` hands over anew what is known here"
            raise MemoryUnavailableError(error.message, hint=hint) from None
        held = await self._places.of_hits(
            [hit.data_id for hit in hits if hit.data_id],
            [hit.item_id for hit in hits if hit.item_id],
        )
        by_data = {one.data_id: one for one in held if one.data_id is not None}
        by_item = {str(one.id): one for one in held}
        found: dict[UUID, Held] = {}
        for hit in hits:
            one = by_data.get(hit.data_id or "") or by_item.get(hit.item_id or "")
            stray = _stray(hit, one, tenant, account_id, dataset)
            if stray is not None:
                self._alarm(stray)
            elif one is not None:
                found.setdefault(one.id, one)
        return list(found.values())


class _Claiming:
    """Keeps the claim on items for as long as its block lasts."""

    def __init__(self, places: Places, ids: Sequence[UUID]) -> None:
        self._places, self._ids = places, ids
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._renew())

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            await self._places.renew(self._ids)


def _ranked(held: Sequence[Held], moment: datetime, *, by_words: bool) -> tuple[MemoryHit, ...]:
    hits = []
    for place, one in enumerate(held):
        near = _NEAR / (_NEAR + place) if by_words else 1.0
        hits.append(rules.hit(one.id, one.item, near * rules.decay(moment - one.item.occurred_at)))
    return tuple(sorted(hits, key=lambda hit: (-hit.score, -hit.occurred_at.timestamp(), hit.id)))


def _stray(
    hit: Found, held: Held | None, tenant: str, account_id: str | None, dataset: str
) -> Stray | None:
    """What is wrong with a hit, if anything is."""
    reference = hit.data_id or hit.item_id or "nothing"
    elsewhere = hit.dataset_id is not None and hit.dataset_id != dataset
    if elsewhere or (held is not None and held.tenant != tenant):
        kind = "tenant"
    elif held is None:
        kind = "unknown"
    elif account_id is not None and held.item.account_id != account_id:
        kind = "account"
    else:
        return None
    return Stray.model_validate(
        {"tenant": tenant, "account_id": account_id, "kind": kind, "reference": reference}
    )


def _document(held: Held) -> Document:
    """What Cognee reads of an item: unlike any other, since it names itself."""
    item = held.item
    facts = [f"{item.kind.value} of {rfc3339(item.occurred_at)}", f"source {item.source.system}"]
    facts += [f"{name} {value}" for name, value in item.attributes.items() if value is not None]
    lines = [item.title, item.text[:_FOUND_BY], "; ".join(facts), marked(str(held.id))]
    metadata = {
        "item_id": str(held.id),
        "tenant": held.tenant,
        "account_id": item.account_id,
        "kind": item.kind.value,
        "occurred_at": rfc3339(item.occurred_at),
    }
    return Document(str(held.id), "\n".join(line for line in lines if line), metadata)
