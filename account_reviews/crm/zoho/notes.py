"""Notes of accounts. Queries do not know them: they come from the list of an account, or, for many
accounts, from the list of all notes where that takes fewer calls."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from account_reviews.crm.http.client import Answer
from account_reviews.crm.zoho.client import PAGE, ZohoApi, record_path
from account_reviews.crm.zoho.fields import stamp
from account_reviews.domain.errors import CrmError, CrmInvalidError, CrmRecordNotFoundError

_MOST_PAGES: Final = 100
"""Of the list of all notes that are kept: 20,000 notes."""
_OVERLAP: Final = timedelta(seconds=5)
_KEPT_SECONDS: Final = 600.0
_AT_A_TIME: Final = 10

Row = dict[str, Any]


class Notes:
    """Reads them, and keeps the list of all for as long as a look shows that it still holds."""

    def __init__(self, api: ZohoApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._all: dict[str, Row] | None = None
        self._fields: tuple[str, ...] = ()
        self._read_at = datetime.min.replace(tzinfo=UTC)
        """By the service's clock."""
        self._until = float("-inf")
        self._too_many_until = float("-inf")
        self._lock = asyncio.Lock()

    async def of(
        self,
        accounts: str,
        module: str,
        fields: Sequence[str],
        parent: str,
        ids: Sequence[str],
    ) -> Mapping[str, list[Row]]:
        """The notes of these accounts by account; `accounts` is their module."""
        if len(ids) > 1 and self._clock() >= self._too_many_until:
            async with self._lock:
                everything = await self._list_all(module, tuple(fields), len(ids))
            if everything is not None:
                return _by_parent(everything.values(), parent, frozenset(ids))
        places = asyncio.Semaphore(_AT_A_TIME)

        async def one(account_id: str) -> list[Row]:
            async with places:
                path = record_path(accounts, account_id, module)
                return [row async for page in self._api.pages(path, fields) for row in page]

        lists = await asyncio.gather(*(self._there(one(account_id)) for account_id in ids))
        return dict(zip(ids, lists, strict=True))

    async def _there(self, reading: Any) -> list[Row]:
        try:
            rows: list[Row] = await reading
        except CrmRecordNotFoundError:
            return []
        return rows

    async def _list_all(
        self, module: str, fields: tuple[str, ...], most: int
    ) -> dict[str, Row] | None:
        """All notes of the org; None when reading the accounts one by one takes fewer calls."""
        kept = self._all is not None and fields == self._fields and self._clock() < self._until
        if kept and await self._refresh(module):
            return self._all
        self._all = None
        found: dict[str, Row] = {}
        page = 0
        async for rows in self._api.pages(f"/{module}", fields, sort_by="id", sort_order="asc"):
            found |= {row["id"]: row for row in rows}
            page += 1
            if page >= min(most, _MOST_PAGES) and len(rows) == PAGE:
                self._too_many_until = self._clock() + _KEPT_SECONDS
                return None
        count, began = await self._count(module)
        if began is not None and count == len(found):
            self._all, self._fields, self._read_at = found, fields, began
            self._until = self._clock() + _KEPT_SECONDS
        return found

    async def _refresh(self, module: str) -> bool:
        """Bring what is kept up to date. False when it has to be read anew."""
        assert self._all is not None
        since = {"If-Modified-Since": stamp(self._read_at - _OVERLAP)}
        changed = [
            row async for rows in self._api.pages(f"/{module}", self._fields, since) for row in rows
        ]
        self._all |= {row["id"]: row for row in changed}
        count, at = await self._count(module)
        if at is not None:
            self._read_at = at
        return count == len(self._all)

    async def _count(self, module: str) -> tuple[int | None, datetime | None]:
        """(how many there are, the service's time); None where it does not say."""
        try:
            answer: Answer = await self._api.get(f"/{module}/actions/count")
        except (CrmInvalidError, CrmRecordNotFoundError):
            return None, None
        except CrmError:
            raise
        count = (answer.body or {}).get("count")
        return (count if isinstance(count, int) else None), answer.date


def _by_parent(rows: Any, parent: str, wanted: frozenset[str]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        held = row.get(parent)
        account = str(held.get("id")) if isinstance(held, dict) else str(held)
        if account in wanted:
            found.setdefault(account, []).append(row)
    return found
