"""The web app of a local stack: a process of its own, which is started again when it dies."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from account_reviews.config import ports
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
        self._port = ports.choose(
            port, DEFAULT_PORT, flag="--web-port", what="the web app", moved=moved
        )
        self._supervisor = Supervisor(
            env,
            log,
            notify=notify,
            changed=changed,
            restart=restart,
            command=(*_COMMAND, "--port", str(self._port)),
            kind="web",
        )

    @property
    def url(self) -> str | None:
        """Where it answers, None while it does not."""
        return f"http://{ports.LOOPBACK}:{self._port}" if self._supervisor.pids else None

    async def start(self) -> None:
        """Errors of `Supervisor.start_worker`."""
        await self._supervisor.start_worker()

    async def stop(self) -> None:
        """Let it answer what it is asked, then end it."""
        await self._supervisor.stop()
