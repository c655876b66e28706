"""What is repeated of the many words of PostgreSQL is the line that says why."""

import pytest

from account_reviews.local.postgres import reason

FULL = """2026-11-29 21:54:55.919 UTC [29880] FATAL:  could not extend file "base/1/2691": wrote only 4096 of 8192 bytes at block 10
2026-11-29 21:54:55.919 UTC [29880] HINT:  Check free disk space.
2026-11-29 21:54:55.919 UTC [29880] PANIC:  cannot abort transaction 1, it was already committed
Aborted
child process exited with exit code 134
initdb: removing contents of data directory "/small/d/postgres.new"
"""  # noqa: E501  as it is written
FILES = """2026-11-29 21:54:56.347 UTC [29937] FATAL:  insufficient file descriptors available to start server process
2026-11-29 21:54:56.347 UTC [29937] DETAIL:  System allows 7, server needs at least 58.
child process exited with exit code 1
initdb: removing contents of data directory "/x/postgres.new"
"""  # noqa: E501  as it is written
LIBRARY = """initdb: error: could not create directory "/x/pg_wal": No space left on device
initdb: removing contents of data directory "/x"
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            FULL,
            (
                'could not extend file "base/1/2691": wrote only 4096 of 8192 bytes at block 10'
                " (Check free disk space.)"
            ),
        ),
        (
            FILES,
            (
                "insufficient file descriptors available to start server process"
                " (System allows 7, server needs at least 58.)"
            ),
        ),
        ("Segmentation fault\n", "Segmentation fault"),
        ("", "no reason given"),
    ],
)
def test_the_first_reason_of_a_run_is_told(text: str, why: str) -> None:
    assert reason(text) == why


def test_a_reason_that_the_program_gives_itself_is_told() -> None:
    assert "No space left on device" in reason(LIBRARY)
    assert "removing" not in reason(LIBRARY)


def test_of_a_log_the_last_reason_counts() -> None:
    log = FILES + "2026-11-29 22:00:00.000 UTC [1] FATAL:  the newest\n1 UTC LOG: done\n"
    assert reason(log, newest=True) == "the newest"
