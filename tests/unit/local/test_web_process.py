"""The web app of a stack finds a port, also when somebody else is faster."""

import os
import socket
import sys
from pathlib import Path

import pytest

from account_reviews.config import ports
from account_reviews.domain.errors import ConflictError
from account_reviews.local import web_process
from account_reviews.local.web_process import WebProcess

_PROGRAM = """
import os, socket, sys, time
held = socket.socket()
try:
    held.bind(("127.0.0.1", int(sys.argv[-1])))
except OSError:
    sys.exit(4)
print(f"web ready pid={os.getpid()} on", file=sys.stderr, flush=True)
time.sleep(60)
"""


def _web(tmp_path: Path, said: list[str], port: int | None) -> WebProcess:
    return WebProcess(
        os.environ,
        tmp_path / "web.log",
        port=port,
        notify=said.append,
        changed=lambda: None,
        moved=said.append,
    )


@pytest.mark.parametrize("wanted", [False, True], ids=["any port", "this port"])
async def test_a_port_that_is_taken_meanwhile_is_given_up_unless_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    said: list[str] = []
    with socket.socket() as faster:
        faster.bind((ports.LOOPBACK, 0))
        taken = faster.getsockname()[1]
        faster.listen()
        monkeypatch.setattr(web_process, "_COMMAND", (sys.executable, "-u", "-c", _PROGRAM))
        monkeypatch.setattr(web_process, "DEFAULT_PORT", taken)
        with monkeypatch.context() as early:  # it looks before the other one comes
            early.setattr(ports, "is_free", lambda port: True)
            web = _web(tmp_path, said, taken if wanted else None)
        if wanted:
            with pytest.raises(ConflictError):
                await web.start()
        else:
            await web.start()
            assert web.url not in (None, f"http://{ports.LOOPBACK}:{taken}")
            assert f"port {taken} is taken by another program" in said[-1]
        await web.stop()
