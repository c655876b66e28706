"""Where the items of our table lie in Cognee: which dataset, under which id, and how far."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import MemoryUnavailableError
from account_reviews.domain.memory import MemoryItem, MemoryKind, MemorySource
from account_reviews.memory import rules
from account_reviews.store.database import autocommit, reachable
from account_reviews.store.sql_files import read_sql

CLAIM_SECONDS: Final = 60
"""How long a worker that died keeps others from its items; one that lives claims them anew."""

_CLAIM: Final = text(read_sql("account_reviews.memory", "claim_items.sql"))
_OF_HITS: Final = text(read_sql("account_reviews.memory", "places_of_hits.sql"))
_ITEMS: Final = text("select * from reviews.memory_items where id = any(:ids) order by id")
_LEFT: Final = text(
    "select count(*) from reviews.memory_items i left join reviews.memory_places p "
    "on p.item_id = i.id and p.dataset_id = :dataset and p.state = 'stored' "
    "where i.id = any(:ids) and p.item_id is null"
)
_RENEW: Final = text(
    "update reviews.memory_places set claimed_until = now() + :seconds * interval '1 second' "
    "where item_id = any(:ids)"
)
_RELEASE: Final = text(
    "update reviews.memory_places set claimed_until = null where item_id = any(:ids)"
)
_MARK: Final = text(read_sql("account_reviews.memory", "mark_places.sql"))
_PLACES: Final = text(
    "select item_id, dataset_id, data_id, changed_at > now() - :seconds * interval '1 second' "
    "as is_fresh from reviews.memory_places where item_id = any(:ids)"
)
_DATASET: Final = text(
    "select dataset_id from reviews.memory_datasets where tenant = :tenant and service = :service"
)
_NOTE: Final = text(read_sql("account_reviews.memory", "note_dataset.sql"))
_LOSE: Final = text(
    "delete from reviews.memory_datasets "
    "where tenant = :tenant and service = :service and dataset_id = :dataset"
)
_COUNT: Final = text(
    "select count(*) from reviews.memory_items i join reviews.memory_places p on p.item_id = i.id "
    "where i.tenant = :tenant and i.account_id = :account_id and p.dataset_id = :dataset "
    "and p.state = 'stored'"
)
_MISSING: Final = text(read_sql("account_reviews.memory", "missing_items.sql"))
_FORGET: Final = text(
    "delete from reviews.memory_items where id = any(:ids) and not exists ("
    "select from reviews.memory_places p where p.item_id = id and p.state = 'stored')"
)


class Claimed(NamedTuple):
    """An item that is ours to hand over."""

    item_id: UUID
    data_id: str | None
    """Known: Cognee has it, and may still be at it."""
    state: str
    is_new: bool
    """False: somebody tried before, with whatever outcome."""


class Place(NamedTuple):
    item_id: UUID
    dataset_id: str
    data_id: str | None
    is_fresh: bool
    """It was given to Cognee just now: what is not there yet may still come."""


class Held(NamedTuple):
    """An item with whom it is of, and where it lies."""

    id: UUID
    tenant: str
    item: MemoryItem
    data_id: str | None
    dataset_id: str | None


class Places:
    """Our tables about one server. MemoryUnavailableError when they are down."""

    def __init__(self, engine: AsyncEngine, service: str) -> None:
        self._statements = autocommit(engine)
        self._service = service

    async def dataset(self, tenant: str) -> str | None:
        """The dataset that was noted for the tenant."""
        row = await self._one(_DATASET, tenant=tenant, service=self._service)
        return None if row is None else str(row.dataset_id)

    async def note_dataset(self, tenant: str, dataset: str) -> None:
        """From now on it is this one."""
        await self._do(_NOTE, tenant=tenant, service=self._service, dataset=dataset)

    async def lose_dataset(self, tenant: str, dataset: str) -> None:
        """It is gone; what lay in it is to be handed over again."""
        await self._do(_LOSE, tenant=tenant, service=self._service, dataset=dataset)

    async def claim(self, ids: Iterable[UUID], dataset: str) -> list[Claimed]:
        """Those of the items that are not there yet and that nobody else has claimed."""
        values = {"ids": list(ids), "dataset": dataset, "seconds": CLAIM_SECONDS}
        rows = await self._all(_CLAIM, **values)
        return [Claimed(row.item_id, row.data_id, row.state, row.is_new) for row in rows]

    async def renew(self, ids: Iterable[UUID]) -> None:
        """Keep the claim."""
        await self._do(_RENEW, ids=list(ids), seconds=CLAIM_SECONDS)

    async def release(self, ids: Iterable[UUID]) -> None:
        """Others may try."""
        await self._do(_RELEASE, ids=list(ids))

    async def left(self, ids: Iterable[UUID], dataset: str) -> int:
        """How many of the items are not in the dataset yet."""
        row = await self._one(_LEFT, ids=list(ids), dataset=dataset)
        return 0 if row is None else int(row[0])

    async def mark(self, found: Mapping[UUID, str | None], state: str) -> set[UUID]:
        """Note how far they are. Gives those that are still ours: the others were forgotten."""
        values = {"ids": list(found), "data_ids": list(found.values()), "state": state}
        return {row.item_id for row in await self._all(_MARK, **values)}

    async def places(self, ids: Iterable[UUID], fresh_seconds: float) -> list[Place]:
        """Where these items lie, as far as they were handed over."""
        rows = await self._all(_PLACES, ids=list(ids), seconds=fresh_seconds)
        return [Place(row.item_id, row.dataset_id, row.data_id, row.is_fresh) for row in rows]

    async def items(self, ids: Iterable[UUID]) -> list[Held]:
        """The items themselves."""
        return [_held(row) for row in await self._all(_ITEMS, ids=list(ids))]

    async def of_hits(self, data_ids: Sequence[str], item_ids: Sequence[str]) -> list[Held]:
        """The items behind what a search gave, of whomever they are."""
        known = [UUID(one) for one in item_ids if rules.is_reference(one)]
        rows = await self._all(_OF_HITS, data_ids=list(data_ids), item_ids=known)
        return [_held(row, row.data_id, row.dataset_id) for row in rows]

    async def count(self, tenant: str, account_id: str, dataset: str) -> int:
        """How many items of the account the dataset has."""
        values = {"tenant": tenant, "account_id": account_id, "dataset": dataset}
        row = await self._one(_COUNT, **values)
        return 0 if row is None else int(row[0])

    async def missing(self, tenant: str, dataset: str, most: int) -> list[UUID]:
        """Items of the tenant that the dataset lacks and that nobody hands over, oldest first."""
        rows = await self._all(_MISSING, tenant=tenant, dataset=dataset, most=most)
        return [row.id for row in rows]

    async def forget_unstored(self, ids: Iterable[UUID]) -> None:
        """Remove items that were never taken."""
        await self._do(_FORGET, ids=list(ids))

    async def _all(self, statement: Any, **values: Any) -> Sequence[Row[Any]]:
        async with reachable(MemoryUnavailableError), self._statements.connect() as connection:
            found: Sequence[Row[Any]] = (await connection.execute(statement, values)).all()
            return found

    async def _one(self, statement: Any, **values: Any) -> Row[Any] | None:
        found = await self._all(statement, **values)
        return found[0] if found else None

    async def _do(self, statement: Any, **values: Any) -> None:
        async with reachable(MemoryUnavailableError), self._statements.connect() as connection:
            await connection.execute(statement, values)


def _held(row: Row[Any], data_id: str | None = None, dataset_id: str | None = None) -> Held:
    item = MemoryItem(
        account_id=row.account_id,
        kind=MemoryKind(row.kind),
        title=row.title,
        text=row.body,
        occurred_at=row.occurred_at,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        source=MemorySource(
            system=row.source_system, record_id=row.source_record_id, url=row.source_url
        ),
        attributes=row.attributes,
    )
    return Held(row.id, row.tenant, item, data_id, dataset_id)
