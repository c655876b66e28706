"""Values that the shell completes: accounts, owners and requests, as our database knows them.

A shell waits for the answer, so it is there within LONGEST seconds or there is none, and nothing is
ever said: also while the database is away.
"""

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from account_reviews.store.begun_words import Kind

LONGEST: Final = 0.3
_READERS: Final = "reviews-completion"

Offer = list[str | tuple[str, str]]


def accounts(incomplete: str) -> Offer:
    """Ids of accounts, each with the name of the account."""
    return _offered("accounts", incomplete)


def owners(incomplete: str) -> Offer:
    """Ids of owners, each with the name of the owner."""
    return _offered("owners", incomplete)


def requests(incomplete: str) -> Offer:
    """Short ids of requests that wait, each with the name of its account."""
    return _offered("requests", incomplete)


def _offered(kind: "Kind", begins: str) -> Offer:
    """In a thread, which nobody waits for any longer than that."""
    found: Offer = []
    thread = threading.Thread(target=_look, args=(kind, begins, found), daemon=True)
    thread.start()
    thread.join(LONGEST)
    return list(found)


def _look(kind: "Kind", begins: str, found: Offer) -> None:
    try:
        import asyncio

        named = asyncio.run(_read(kind, begins))
    except Exception:  # noqa: BLE001  a prompt is no place for an error
        return
    found += [(one, name) if name else one for one, name in named.items()]


async def _read(kind: "Kind", begins: str) -> dict[str, str | None]:
    from account_reviews.config.settings import Settings
    from account_reviews.store.begun_words import begun
    from account_reviews.store.statements import Statements

    settings = Settings.load()
    statements = Statements(settings.require_database_url(), application_name=_READERS)
    try:
        return await begun(statements, kind, settings.tenant, begins)
    finally:
        await statements.close()
