"""Which memory REVIEWS_MEMORY_URL means: the one factory for every door."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from account_reviews.memory.capabilities import COGNEE, POSTGRES
from account_reviews.memory.protocol import MemoryBackend, MemoryCapabilities, Stray

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from account_reviews.memory.cognee_client import Credentials

_OURS: Final = ("postgresql", "postgres")


@dataclass(frozen=True)
class MemoryContext:
    """What a memory is made from.

    `engine`: our own database. `alarm` hears of each hit that was not of whom it was asked about.
    `closing`: what is pushed there ends with the process's parts.
    """

    settings: Settings
    engine: "AsyncEngine"
    closing: AsyncExitStack
    alarm: Callable[[Stray], None]


def open_memory(context: MemoryContext) -> MemoryBackend:
    """The memory of the settings; no connection is made yet. BadInputError."""
    settings = context.settings
    if capabilities_of(settings) is POSTGRES:
        from account_reviews.memory.postgres import PostgresMemory

        return PostgresMemory(context.engine, tenant=settings.tenant)
    from account_reviews.crm.http.factory import breaker_rules
    from account_reviews.crm.http.limits import key_of
    from account_reviews.crm.http.shared_breaker import SharedBreaker
    from account_reviews.memory.cognee import CogneeMemory
    from account_reviews.memory.cognee_client import CogneeClient, checked_url

    url = settings.memory_url or ""
    breaker = SharedBreaker(
        context.engine,
        service="cognee",
        key=key_of(checked_url(url)),
        rules=breaker_rules(settings),
    )
    client = CogneeClient(
        url, credentials_of(settings), breaker=breaker, seconds=settings.api_timeout
    )
    context.closing.push_async_callback(client.close)
    return CogneeMemory(context.engine, client, alarm=context.alarm, tenant=settings.tenant)


def capabilities_of(settings: Settings) -> MemoryCapabilities:
    """What the memory of the settings can do, without opening it. BadInputError for an address that
    is of no memory we know."""
    url = settings.memory_url
    scheme = (url or "postgresql:").partition(":")[0].partition("+")[0].lower()
    if scheme in _OURS:
        _ensure_ours(url or "", settings)
        return POSTGRES
    if scheme == "cognee":
        return COGNEE
    raise BadInputError(
        f"REVIEWS_MEMORY_URL begins with {scheme!r}, and there is no such memory",
        hint="use postgresql: for the memory in the main database, or cognee+https://host",
    )


def credentials_of(settings: Settings) -> "Credentials":
    """A key, or a login; none for a server that asks nobody. BadInputError for half of a login."""
    from account_reviews.memory.cognee_client import Credentials

    key, password = settings.credential("cognee_api_key"), settings.secret("cognee_password")
    name = settings.cognee_username
    if key is not None and name is not None:
        raise BadInputError(
            "both REVIEWS_COGNEE_API_KEY and REVIEWS_COGNEE_USERNAME are set", hint="set one"
        )
    if (name is None) != (password is None):
        missing = "USERNAME" if name is None else "PASSWORD"
        raise BadInputError(
            f"REVIEWS_COGNEE_{missing} is not set", hint="a login needs a name and a password"
        )
    return Credentials(api_key=key, username=name, password=password)


def _ensure_ours(url: str, settings: Settings) -> None:
    """The memory is a part of the main database, and not of another one."""
    if "://" not in url:
        return
    from account_reviews.store.addresses import same_place

    if not same_place(url, settings.require_database_url()):
        raise BadInputError(
            "REVIEWS_MEMORY_URL names another database than the main one",
            hint="leave it out, or use postgresql: for the memory in the main database",
        )
