"""The server that a web app runs in."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.applications import Starlette

from account_reviews.domain.errors import ConflictError
from account_reviews.web.connections import AtMost, impatient, make_room
from account_reviews.web.sparing import Sparing

_MOST_AT_ONCE: Final = 200
"""Requests at a time; more are answered with 503."""
_IDLE_SHARE: Final = 4
"""For each so many of them there may be a connection on which nothing is answered."""
_FILES_EACH: Final = 3
"""Open files for each: one that is answered, one that is idle, one for what is asked meanwhile."""
_END_SECONDS: Final = 10


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; port 0 takes any. ConflictError says why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only a socket that says it is TCP sends the pieces of an answer at once.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except (OSError, OverflowError) as error:
        found.close()
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConflictError(
            f"nothing can listen on {host} port {port}: {why}",
            hint="choose another one with --host and --port; port 0 takes any that is free",
        ) from None
    return found


def url_of(bound: socket.socket) -> str:
    """Where it is reached."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Signals are whoever's who runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: Starlette,
    bound: socket.socket,
    ready: Callable[[], None],
    *,
    most_at_once: int = _MOST_AT_ONCE,
    end_seconds: int = _END_SECONDS,
    ending: Callable[[], None] = lambda: None,
) -> None:
    """Answer until SIGTERM or SIGINT; what is being answered is answered first.

    `ending` is called when the signal comes, so that streams without an end know of it.
    """
    logger = logging.getLogger("uvicorn.error")
    if not any(isinstance(one, Sparing) for one in logger.filters):
        logger.addFilter(Sparing())
    make_room(_FILES_EACH * most_at_once)
    server = _Server(
        uvicorn.Config(
            AtMost(app, most_at_once),
            http=impatient(most_at_once // _IDLE_SHARE),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",  # what it says of its beginning and end, we say
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=end_seconds,
        )
    )

    def stop() -> None:
        ending()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started and not serving.done():  # noqa: ASYNC110  it has no event for that
        await asyncio.sleep(0.01)
    if server.started:
        ready()
    await serving
