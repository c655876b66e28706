"""A database with our tables and the sample portfolio, made once in a session and then copied.

A stack that begins with a copy needs no initdb, no migration and no import. What a new data
directory needs is tested by `tests/integration/local` and `tests/acceptance/test_dev.py`.
"""

import os
import subprocess
from pathlib import Path

from account_reviews.local.postgres import DATABASE, EmbeddedPostgres
from tests.support.commands import IMPORT
from tests.support.forks import Forks


class PortfolioCluster:
    """A data directory that no stack ever runs in."""

    def __init__(self, data_dir: Path, forks: Forks) -> None:
        self._data_dir = data_dir
        cluster = EmbeddedPostgres(data_dir)
        cluster.start()
        try:
            cluster.create_database(DATABASE)
            here = {"REVIEWS_DATA_DIR": str(data_dir), "REVIEWS_DATABASE_URL": cluster.url()}
            for words in (("db", "upgrade"), IMPORT):
                code, _, said = forks.run(words, {**os.environ, **here})
                assert code == 0, said
        finally:
            cluster.stop()

    def copied_to(self, data_dir: Path) -> Path:
        """The data directory of a stack, which holds a copy. It must not be there yet."""
        # The files belong to the user that the server runs as: cp keeps that, shutil does not.
        subprocess.run(["cp", "-Rp", str(self._data_dir), str(data_dir)], check=True)
        return data_dir
