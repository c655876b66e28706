"""The account memory in our own PostgreSQL: full text, in the language of each item.

An item is found when it holds all words of the query (`"a phrase"`, `or` and `-word` work as in
web search). Its score is the rank of the match (title before text before attributes) times a
decay with the item's age. Deterministic, offline, and in the same database as the review.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.backends import Health
from account_reviews.domain.errors import BadInputError, MemoryUnavailableError
from account_reviews.domain.memory import MemoryHit, MemoryItem, MemoryKind, MemorySource
from account_reviews.memory import rules
from account_reviews.memory.capabilities import POSTGRES
from account_reviews.memory.protocol import (
    ForgetReport,
    FoundItem,
    MemoryCapabilities,
    MemoryRef,
    MemorySelector,
    RecallQuery,
    TimelinePage,
)
from account_reviews.memory.tables import memory_items
from account_reviews.store.database import autocommit, reachable

_ITEM: Final = memory_items.c
_SHOWN: Final = (
    _ITEM.id,
    _ITEM.account_id,
    _ITEM.kind,
    _ITEM.title,
    _ITEM.body,
    _ITEM.occurred_at,
    _ITEM.source_system,
    _ITEM.source_record_id,
    _ITEM.source_url,
    _ITEM.attributes,
)
_TOO_LONG: Final = "54000"
_RANK_TO_ONE: Final = 32
"""Makes a rank r into r / (r + 1), so that it lies between 0 and 1."""


class PostgresMemory:
    """Implements `MemoryBackend` on the tables of migration 0003_memory.

    `tenant` is meant where a call names none.
    """

    def __init__(self, engine: AsyncEngine, *, tenant: str = "default") -> None:
        self._engine = engine
        self._statements = autocommit(engine)
        self._tenant = tenant

    async def remember(
        self, items: tuple[MemoryItem, ...], *, idempotency_key: str, tenant: str | None = None
    ) -> tuple[MemoryRef, ...]:
        """Store the items once per key and tenant; a repeat of whatever gives the first references.

        BadInputError for an item that cannot be stored, MemoryUnavailableError.
        """
        rules.check_id(idempotency_key, "idempotency key")
        whose = tenant or self._tenant
        rows = [_row(whose, rules.clean(item), idempotency_key, n) for n, item in enumerate(items)]
        async with reachable(MemoryUnavailableError), self._statements.connect() as connection:
            if not rows:
                return await _stored(connection, whose, idempotency_key)
            try:
                await connection.execute(insert(memory_items), rows)  # all of them or none
            except DBAPIError as error:
                stored = await _stored(connection, whose, idempotency_key)
                if stored:
                    return stored
                raise _explained(error) from error
        return tuple(MemoryRef(id=str(row["id"])) for row in rows)

    async def recall(self, query: RecallQuery) -> tuple[MemoryHit, ...]:
        """Best first, of one account, valid at `as_of` (now without it).

        `since` is included, `until` is not. MemoryUnavailableError.
        """
        rules.check_id(query.account_id, "account id")
        conditions = [self._of(query.account_id, query.tenant), *_limits(query)]
        statement = _ranked(conditions, rules.query_text(query.text), _moment(query.as_of))
        rows = await self._read(statement.limit(query.limit))
        hits = tuple(rules.hit(row.id, _item(row), row.score) for row in rows)
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
        everything = RecallQuery(account_id=account_id or "", kinds=kinds, since=since, limit=limit)
        conditions = [self._of(account_id), *_limits(everything)]
        statement = _ranked(conditions, rules.query_text(words), _moment(None))
        rows = await self._read(statement.limit(limit))
        return tuple(_found(row, row.score) for row in rows)

    async def timeline(
        self, account_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> TimelinePage:
        """Everything ever remembered of the account, newest first, also what is no longer valid.

        BadInputError for a cursor that is none, MemoryUnavailableError.
        """
        rules.check_id(account_id, "account id")
        statement = select(*_SHOWN).where(self._of(account_id))
        if cursor is not None:
            place = tuple_(*rules.decode_cursor(cursor))
            statement = statement.where(tuple_(_ITEM.occurred_at, _ITEM.id) < place)
        order = (_ITEM.occurred_at.desc(), _ITEM.id.desc())
        rows = await self._read(statement.order_by(*order).limit(limit + 1))
        items = tuple(rules.hit(row.id, _item(row), 0.0) for row in rows[:limit])
        return TimelinePage(
            items=items, next_cursor=rules.next_cursor(items, more=len(rows) > limit)
        )

    async def supersede(
        self, ref: MemoryRef, item: MemoryItem, *, tenant: str | None = None
    ) -> MemoryRef:
        """Both rows in one transaction. NotFoundError, BadInputError, MemoryUnavailableError."""
        whose, wanted = tenant or self._tenant, rules.reference(ref.id)
        fresh, key = rules.clean(item), rules.key_of_successor(ref.id)
        row = _row(whose, fresh, key, 0)
        ours = and_(_ITEM.tenant == whose, _ITEM.id == wanted)
        async with reachable(MemoryUnavailableError), self._engine.begin() as connection:
            if await connection.scalar(select(_ITEM.id).where(ours).with_for_update()) is None:
                raise rules.unknown(ref.id)
            stored = await _stored(connection, whose, key)
            if stored:
                return stored[0]
            try:
                await connection.execute(insert(memory_items), [row])
            except DBAPIError as error:
                raise _explained(error) from error
            ended = update(memory_items).where(ours).values(valid_to=rules.ends_with(fresh))
            await connection.execute(ended)
        return MemoryRef(id=str(row["id"]))

    async def forget(
        self,
        selector: MemorySelector,
        *,
        reason: str,
        requested_by: str,
        tenant: str | None = None,
        dry_run: bool = False,
    ) -> ForgetReport:
        """In one transaction. MemoryUnavailableError."""
        del reason, requested_by  # the audit trail has them
        async with reachable(MemoryUnavailableError), self._engine.begin() as connection:
            gone = await _chosen(connection, selector, tenant or self._tenant)
            if gone and not dry_run:
                ids = [row.id for row in gone]
                await connection.execute(delete(memory_items).where(_ITEM.id.in_(ids)))
        return rules.forgotten((MemoryKind(row.kind) for row in gone), dry_run=dry_run)

    async def chosen(self, selector: MemorySelector, tenant: str | None = None) -> tuple[UUID, ...]:
        """The items that `forget` would remove. MemoryUnavailableError."""
        async with reachable(MemoryUnavailableError), self._engine.connect() as connection:
            rows = await _chosen(connection, selector, tenant or self._tenant)
        return tuple(row.id for row in rows)

    async def catch_up(self, *, limit: int = 100) -> int:
        """Nothing is ever missing: the table is the memory."""
        del limit
        return 0

    async def capabilities(self) -> MemoryCapabilities:
        return POSTGRES

    async def health(self) -> Health:
        """Asks the table; a memory that cannot answer is an answer too."""
        try:
            await self._read(select(_ITEM.id).limit(1))
        except MemoryUnavailableError as error:
            return Health(ok=False, detail=error.message, hint=error.hint)
        return Health(ok=True, detail="account memory in PostgreSQL")

    def _of(self, account_id: str | None, tenant: str | None = None) -> ColumnElement[bool]:
        whose = _ITEM.tenant == (tenant or self._tenant)
        return whose if account_id is None else and_(whose, _ITEM.account_id == account_id)

    async def _read(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        async with reachable(MemoryUnavailableError), self._statements.connect() as connection:
            found: Sequence[Row[Any]] = (await connection.execute(statement)).all()
            return found


async def _stored(connection: AsyncConnection, tenant: str, key: str) -> tuple[MemoryRef, ...]:
    ours = and_(_ITEM.tenant == tenant, _ITEM.idempotency_key == key)
    found = await connection.scalars(select(_ITEM.id).where(ours).order_by(_ITEM.ordinal))
    return tuple(MemoryRef(id=str(one)) for one in found)


def _row(tenant: str, item: MemoryItem, key: str, ordinal: int) -> dict[str, Any]:
    return {
        "id": rules.item_id(tenant, key, ordinal),
        "tenant": tenant,
        "account_id": item.account_id,
        "kind": item.kind.value,
        "title": item.title,
        "body": item.text,
        "occurred_at": item.occurred_at,
        "valid_from": item.valid_from,
        "valid_to": item.valid_to,
        "source_system": item.source.system,
        "source_record_id": item.source.record_id,
        "source_url": item.source.url,
        "attributes": item.attributes,
        "visibility": item.visibility,
        "language": item.language,
        "idempotency_key": key,
        "ordinal": ordinal,
    }


def _explained(error: DBAPIError) -> Exception:
    if getattr(error.orig, "sqlstate", None) != _TOO_LONG:
        return error
    return BadInputError(
        "an item has too many attributes to be indexed", hint="move long values into its text"
    )


async def _chosen(
    connection: AsyncConnection, selector: MemorySelector, tenant: str
) -> list[Row[Any]]:
    chosen = rules.choice(selector)
    limits = [_ITEM.tenant == tenant, *_chosen_by(selector)]
    statement: Select[Any] = select(*_SHOWN).where(*limits)
    rows = await connection.stream(statement)
    return [row async for row in rows if chosen(row.id, _item(row))]


def _chosen_by(selector: MemorySelector) -> list[ColumnElement[bool]]:
    """What the database can tell of a selector; whether a person is meant is told from the text."""
    if selector.account_id is not None:
        return [_ITEM.account_id == selector.account_id]
    if selector.items:
        wanted = [UUID(ref) for ref in selector.items if rules.is_reference(ref)]
        return [_ITEM.id.in_(wanted)]
    return []


def _moment(as_of: datetime | None) -> datetime:
    return as_of or datetime.now(UTC)


def _limits(query: RecallQuery) -> list[ColumnElement[bool]]:
    moment = _moment(query.as_of)
    limits: list[ColumnElement[bool]] = [
        or_(_ITEM.valid_from.is_(None), _ITEM.valid_from <= moment),
        or_(_ITEM.valid_to.is_(None), _ITEM.valid_to > moment),
    ]
    if query.kinds:
        limits.append(_ITEM.kind.in_([kind.value for kind in query.kinds]))
    if query.since is not None:
        limits.append(_ITEM.occurred_at >= query.since)
    if query.until is not None:
        limits.append(_ITEM.occurred_at < query.until)
    if query.as_of is not None:
        limits.append(_ITEM.occurred_at <= query.as_of)
    return limits


def _ranked(
    conditions: list[ColumnElement[bool]], words: str | None, moment: datetime
) -> Select[Any]:
    """The words are read once per language that occurs, then matched by the GIN index."""
    recency = _decay(moment)
    if words is None:
        statement = select(*_SHOWN, recency.label("score")).where(*conditions)
    else:
        config = func.reviews.search_config(_ITEM.language)
        parsed = func.websearch_to_tsquery(config, sql_cast(words, Text)).label("query")
        languages = select(_ITEM.language, parsed).where(conditions[0])
        asked = languages.group_by(_ITEM.language).cte("asked")
        rank = func.ts_rank_cd(_ITEM.search, asked.c.query, _RANK_TO_ONE)
        statement = (
            select(*_SHOWN, (rank * recency).label("score"))
            .join(asked, asked.c.language == _ITEM.language)
            .where(*conditions, _ITEM.search.op("@@")(asked.c.query))
        )
    return statement.order_by(text("score desc"), _ITEM.occurred_at.desc(), _ITEM.id)


def _decay(moment: datetime) -> ColumnElement[float]:
    """`rules.decay`, in SQL."""
    age = func.extract("epoch", moment - _ITEM.occurred_at)
    clamped = func.least(func.greatest(age, 0), rules.OLDEST.total_seconds())
    return func.power(0.5, clamped / rules.HALF_LIFE.total_seconds())


def _item(row: Row[Any]) -> MemoryItem:
    return MemoryItem(
        account_id=row.account_id,
        kind=MemoryKind(row.kind),
        title=row.title,
        text=row.body,
        occurred_at=row.occurred_at,
        source=MemorySource(
            system=row.source_system, record_id=row.source_record_id, url=row.source_url
        ),
        attributes=row.attributes,
    )


def _found(row: Row[Any], score: float) -> FoundItem:
    found = rules.hit(row.id, _item(row), score)
    return FoundItem(account_id=row.account_id, **found.model_dump())
