"""The web app of a local stack: a process of its own, which is started again when it dies."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from account_reviews.config import ports
from account_reviews.domain.errors import ConflictError
from account_reviews.local.supervisor import Notify, Supervisor

DEFAULT_PORT: Final = 8000
_COMMAND: Final = (sys.executable, "-P", "-m", "account_reviews.cli", "web")


class WebProcess:
    """One of them. It keeps its port: pages that are open find it again."""

    def __init__(
        self,
        env: Mapping[str, str],
        log: Path,
        *,
        port: int | None,
        notify: Notify,
        changed: Callable[[], None],
        moved: Callable[[str], None],
        restart: bool = True,
    ) -> None:
        """ConflictError when the wanted port is taken."""
        self._wanted = port
        self._choose: Callable[[], int] = lambda: ports.choose(
            port, DEFAULT_PORT, flag="--web-port", what="the web app", moved=moved
        )
        self._supervised: Callable[[], Supervisor] = lambda: Supervisor(
            env,
            log,
            notify=notify,
            changed=changed,
            restart=restart,
            command=(*_COMMAND, "--port", str(self._port)),
            kind="web",
        )
        self._port = self._choose()
        self._supervisor = self._supervised()

    @property
    def url(self) -> str | None:
        """Where it answers, None while it does not."""
        return f"http://{ports.LOOPBACK}:{self._port}" if self._supervisor.pids else None

    async def start(self) -> None:
        """Errors of `Supervisor.start_worker`. A port that was not asked for may be another one
        by then: somebody else can take it between the look and the start."""
        try:
            await self._supervisor.start_worker()
        except ConflictError:
            if self._wanted is not None or ports.is_free(self._port):
                raise
            await self._supervisor.stop()
            self._port = self._choose()
            self._supervisor = self._supervised()
            await self._supervisor.start_worker()

    async def stop(self) -> None:
        """Let it answer what it is asked, then end it."""
        await self._supervisor.stop()
