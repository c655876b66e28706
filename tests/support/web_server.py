"""The web app behind a real socket, in a thread with an event loop of its own."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from account_reviews.bootstrap import open_parts
from account_reviews.config.settings import Settings
from account_reviews.domain.policy.access import Role
from account_reviews.services.sign_ins import make_token
from account_reviews.web.api.pace import Pace
from account_reviews.web.app import create_app
from account_reviews.web.security import known_hosts
from account_reviews.web.server import listen, url_of
from account_reviews.web.site import Site

NO_HURRY = Pace(of_who=(1e9, 1e9), of_address=(1e9, 1e9))
"""Nobody is too fast."""


@dataclass
class Served:
    """Where it is, and the token of a program that may everything."""

    url: str = ""
    token: str = ""
    ready: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


@contextmanager
def served(
    database_url: str, data_dir: Path, *, roles: Sequence[Role] = (Role.ADMIN,)
) -> Iterator[Served]:
    """The app of the default tenant."""
    found = Served()

    def run() -> None:
        try:
            asyncio.run(_serve(found, database_url, data_dir, roles))
        except BaseException as error:  # noqa: BLE001  told to the test below
            found.error = error
        finally:
            found.ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert found.ready.wait(60)
        if found.error is not None:
            raise found.error
        yield found
    finally:
        found.stop.set()
        thread.join(30)


async def _serve(found: Served, database_url: str, data_dir: Path, roles: Sequence[Role]) -> None:
    settings = Settings.load(database_url=database_url, data_dir=data_dir)
    async with open_parts(settings, application="tests-web") as parts, Site(parts) as site:
        app = create_app(site, hosts=known_hosts(None), pace=NO_HURRY)
        found.token = (await make_token(parts, "ann", roles)).token
        bound = listen("127.0.0.1", 0)
        found.url = url_of(bound)
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        while not server.started:  # noqa: ASYNC110  it has no event for that
            await asyncio.sleep(0.01)
        found.ready.set()
        await asyncio.to_thread(found.stop.wait)
        site.closing.set()
        server.should_exit = True
        await serving
