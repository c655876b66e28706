"""`reviews` for a shell: has the command forked from the process of `forks.py`.

Run with `python -I -S` it imports next to nothing, so that it starts at once.
"""

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence


def called(
    address: str,
    words: Sequence[str],
    directory: object,
    env: Mapping[str, str],
    files: Sequence[int],
) -> int:
    """Run `reviews` there with these words, in this directory, with these files as 0, 1 and 2."""
    order = {"words": list(words), "directory": str(directory), "env": dict(env)}
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(address)
        message = json.dumps(order).encode()
        sent = socket.send_fds(door, [message], files)
        door.sendall(message[sent:])
        door.shutdown(socket.SHUT_WR)
        return int(door.recv(16))


if __name__ == "__main__":
    sys.exit(called(sys.argv[1], sys.argv[2:], os.environ["PWD"], os.environ, (0, 1, 2)))
