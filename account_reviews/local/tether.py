"""Run a command that dies with its parent: `python tether.py PARENT_PID COMMAND...`.

Becomes the command (same process id). A killed parent cannot clean up, so the kernel does: Linux
sends SIGKILL by itself, elsewhere a small watcher process does. Uses the standard library alone,
since it runs without site-packages.
"""

import ctypes
import os
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to the parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    elif os.fork() == 0:
        _watch(parent, os.getppid())
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(command[0], command)


def _watch(parent: int, target: int) -> None:
    """Kill the target once the parent is gone; end when the target ends."""
    os.setsid()
    for descriptor in range(3):
        os.close(descriptor)
    while os.getppid() == target:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os.kill(target, signal.SIGKILL)
            break
        time.sleep(0.2)
    os._exit(0)


if __name__ == "__main__":
    main()
