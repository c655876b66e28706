"""Plain connections to the databases that tests have engines on."""

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.store.statements import Statements

_opened: dict[AsyncEngine, Statements] = {}


def statements_on(engine: AsyncEngine) -> Statements:
    """What reads from the database of that engine; `close_all` ends it."""
    if engine not in _opened:
        url = engine.url.render_as_string(hide_password=False)
        _opened[engine] = Statements(url, application_name="tests")
    return _opened[engine]


async def close_all() -> None:
    """End what `statements_on` has opened."""
    while _opened:
        _, statements = _opened.popitem()
        await statements.close()
