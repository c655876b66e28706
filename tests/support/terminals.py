"""A command at a real pseudo-terminal, answered as a person would."""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from fcntl import ioctl
from struct import pack

from tests.support.paths import ROOT

PATIENCE = 60


class Terminal:
    """A command with a terminal of 80 columns as its input and output."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], columns: int = 80) -> None:
        ours, its = pty.openpty()
        ioctl(its, termios.TIOCSWINSZ, pack("HHHH", 24, columns, 0, 0))
        self._fd = ours
        self._process = subprocess.Popen(
            list(words),
            cwd=ROOT,
            env={**env, "TERM": "xterm"},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  nothing but this
        )
        os.close(its)
        self.shown = ""
        """All that was printed so far, and what was typed."""
        self._read_to = 0

    def until(self, pattern: str) -> str:
        """Wait until this is printed after what was waited for before; gives what matched.

        A blank stands for any, also for the end of a line.
        """
        pattern = pattern.replace(" ", r"\s+")
        deadline = time.monotonic() + PATIENCE
        while (found := re.compile(pattern).search(self.shown, self._read_to)) is None:
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.shown}"
            assert self._more() or self._process.poll() is None, f"no {pattern!r}: {self.shown}"
        self._read_to = found.end()
        return found[0]

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._fd, f"{text}\n".encode())

    def press(self, key: bytes) -> None:
        """Press a key: b"\\x03" is Ctrl-C, b"\\x04" the end of the input."""
        os.write(self._fd, key)

    def end(self) -> int:
        """The exit code, once it has ended."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None or self._more():
            assert time.monotonic() < deadline, self.shown
            self._more()
        return self._process.wait()

    def close(self) -> None:
        """End it if it goes on."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        os.close(self._fd)

    def _more(self) -> bool:
        """Take what was printed; False when nothing is there to take."""
        if not select.select([self._fd], [], [], 0.1)[0]:
            return False
        try:
            found = os.read(self._fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += found.decode(errors="replace").replace("\r\n", "\n")
        return bool(found)
