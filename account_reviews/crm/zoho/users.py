"""The users of the org, who own records."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from account_reviews.crm.http.client import Answer
from account_reviews.crm.zoho.client import PAGE, ZohoApi
from account_reviews.crm.zoho.fields import FRESH_SECONDS
from account_reviews.domain.canonical import content_hash
from account_reviews.domain.errors import CrmUnreadableError
from account_reviews.domain.records import Owner

_AGAIN_SECONDS: Final = 30.0
"""How often everybody is asked for because one is not known."""
_MOST_PAGES: Final = 100


class Users:
    """Everybody of the org, asked for once in a quarter of an hour and process, and when somebody
    is missing."""

    def __init__(self, api: ZohoApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._at = float("-inf")
        self._known: dict[str, Owner] = {}
        self._lock = asyncio.Lock()

    async def all(self, *wanted: str) -> Mapping[str, Owner]:
        """Everybody by id. When one of `wanted` is not among them they are asked for again."""
        async with self._lock:
            age = self._clock() - self._at
            missing = any(one not in self._known for one in wanted)
            if age >= FRESH_SECONDS or (missing and age >= _AGAIN_SECONDS):
                self._known = await self._ask()
                self._at = self._clock()
            return self._known

    async def find(self, owner: str) -> Owner | None:
        """The one of that id, else the only one of exactly that name."""
        everybody = await self.all(owner) if owner.isdecimal() else await self.all()
        if owner in everybody:
            return everybody[owner]
        named = [one for one in everybody.values() if one.name == owner]
        return named[0] if len(named) == 1 else None

    async def _ask(self) -> dict[str, Owner]:
        found: dict[str, Owner] = {}
        for page in range(1, _MOST_PAGES + 1):
            answer = await self._api.get(
                "/users", {"type": "AllUsers", "page": page, "per_page": PAGE}
            )
            users = users_of(answer)
            found |= {one.id: one for one in users}
            info = (answer.body or {}).get("info") or {}
            if not users or not info.get("more_records"):
                break
        return found


def users_of(answer: Answer) -> list[Owner]:
    """The users of an answer. CrmUnreadableError."""
    if answer.body is None:
        return []
    users = answer.body.get("users")
    if not isinstance(users, list):
        raise CrmUnreadableError("Zoho CRM answers with what is no list of users")
    return [_owner(one) for one in users if isinstance(one, dict) and one.get("id")]


def _owner(user: Mapping[str, Any]) -> Owner:
    name = user.get("full_name") or " ".join(
        str(user[part]) for part in ("first_name", "last_name") if user.get(part)
    )
    boss = user.get("Reporting_To") or user.get("reporting_to")
    values: dict[str, Any] = {
        "id": str(user["id"]),
        "name": str(name or user.get("email") or user["id"])[:500],
        "email": user.get("email") or None,
        "active": str(user.get("status") or "active").casefold() == "active",
        "manager_id": str(boss["id"]) if isinstance(boss, dict) and boss.get("id") else None,
    }
    return Owner(version=content_hash(values)[:16], **values)
