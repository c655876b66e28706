"""A long text, page by page, by the program that PAGER names."""

import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping


def show(text: str, command: str, environment: Mapping[str, str]) -> bool:
    """Show the text until the reader leaves. False when there is no such program.

    Ctrl-C is for the pager, which stays or ends as it likes.
    """
    try:
        words = shlex.split(command)
    except ValueError:  # a quote that is not closed
        return False
    if not words or shutil.which(words[0]) is None:
        return False
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        subprocess.run(  # noqa: S603  the reader's own pager
            words, input=text + "\n", text=True, errors="replace", env=dict(environment),
            check=False,
        )  # fmt: skip
    except OSError:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
    return True
