"""The `reviews` command. It imports what is typed, and no more."""

import os
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the console script, of worker.py and of starter.py."""
    try:
        from account_reviews.cli.app import main as run

        run(arguments)
    except KeyboardInterrupt:  # while modules were loaded, or at the very end
        os._exit(130)
