"""The databases that tests make in the cluster of their session."""

import os
import subprocess

from account_reviews.local.postgres import EmbeddedPostgres, binary

_DROP = r"""
select format('drop database %I with (force)', datname) from pg_database
where not datistemplate and datname not in ('postgres', :'keep')
\gexec
"""


def drop_all(cluster: EmbeddedPostgres, *, keep: str) -> None:
    """Drop all databases but one, whoever is still connected to them."""
    where = ("-h", str(cluster.socket_dir), "-p", "5432", "-U", "postgres", "-d", "postgres")
    subprocess.run(
        [binary("psql"), *where, "-X", "-q", "-v", f"keep={keep}", "-v", "ON_ERROR_STOP=1"],
        input=_DROP,
        check=True,
        text=True,
        capture_output=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
    )
