"""Single statements over one plain connection, against a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from account_reviews.domain.errors import BadInputError, ReviewsError, UnreachableError
from account_reviews.store.addresses import normalised
from account_reviews.store.statements import Statements, connect

NOWHERE = "postgresql://u:secret@127.0.0.1:1/db"


@pytest.fixture
async def statements(database_url: str) -> AsyncIterator[Statements]:
    found = Statements(database_url, application_name="reviews-test", command_timeout=0.5)
    yield found
    await found.close()


async def test_rows_row_and_scalar(statements: Statements) -> None:
    query = "select n, :word as word from generate_series(1, :last) n"
    assert await statements.rows(query, word="a", last=2) == [
        {"n": 1, "word": "a"},
        {"n": 2, "word": "a"},
    ]
    assert await statements.row(query, word="a", last=1) == {"n": 1, "word": "a"}
    assert await statements.row(query, word="a", last=0) is None
    assert await statements.scalar("select count(*) from reviews.review_runs") == 0
    assert await statements.scalar(query, word="a", last=0) is None


async def test_sessions_are_in_utc_and_named(statements: Statements) -> None:
    assert await statements.scalar("show timezone") == "UTC"
    assert await statements.scalar("show application_name") == "reviews-test"
    at = datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert await statements.scalar("select cast(:at as timestamptz)", at=at) == at


async def test_a_json_column_comes_as_its_text(statements: Statements) -> None:
    assert await statements.scalar("""select '{"a": 1}'::jsonb""") == '{"a": 1}'


async def test_what_was_written_is_counted_and_kept(
    statements: Statements, database_url: str
) -> None:
    await statements.execute("create table public.kept (n int primary key)")
    assert await statements.execute("insert into public.kept select generate_series(1, 3)") == 3
    again = "insert into public.kept values (:n) on conflict do nothing"
    assert [await statements.execute(again, n=n) for n in (3, 4)] == [0, 1]
    other = Statements(database_url, application_name="reviews-test")
    assert await other.scalar("select count(*) from public.kept") == 4
    await other.close()


async def test_many_at_once_wait_for_one_another(statements: Statements) -> None:
    query = "select pg_backend_pid() as pid, cast(:n as int) as n"
    found = await asyncio.gather(*(statements.row(query, n=n) for n in range(20)))
    rows = [row for row in found if row is not None]
    assert [row["n"] for row in rows] == list(range(20))
    assert len({row["pid"] for row in rows}) == 1


async def test_nobody_listens_and_no_connection_is_made_before_it_is_needed() -> None:
    nowhere = Statements(NOWHERE, application_name="t")
    with pytest.raises(UnreachableError, match="Connection refused") as caught:
        await nowhere.scalar("select 1")
    assert "secret" not in caught.value.message
    await nowhere.close()


async def test_a_command_takes_too_long(statements: Statements) -> None:
    with pytest.raises(UnreachableError, match="no answer in time"):
        await statements.scalar("select pg_sleep(5)")
    assert await statements.scalar("select 1") == 1


async def test_a_missing_table_names_the_upgrade(statements: Statements) -> None:
    with pytest.raises(UnreachableError, match="not set up") as caught:
        await statements.rows("select * from reviews.nothing")
    assert caught.value.hint == "run `reviews db upgrade`"


async def test_other_errors_pass(statements: Statements) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await statements.scalar("select 1 / 0")
    assert await statements.scalar("select 1") == 1


async def test_a_connection_that_was_ended_is_made_anew(
    statements: Statements, database_url: str
) -> None:
    pid = await statements.scalar("select pg_backend_pid()")
    other = Statements(database_url, application_name="reviews-test")
    await other.scalar("select pg_terminate_backend(:pid, 5000)", pid=pid)
    await other.close()

    answers = [await _pid_or_error(statements) for _ in range(2)]
    # The news of its end may not have come when it is used first.
    assert isinstance(answers[0], int) or "lost" in answers[0]
    assert isinstance(answers[1], int)
    assert answers[1] != pid


async def _pid_or_error(statements: Statements) -> int | str:
    try:
        found: int = await statements.scalar("select pg_backend_pid()")
    except UnreachableError as error:
        return error.message
    return found


async def test_a_statement_that_is_given_up_leaves_the_connection_usable(
    statements: Statements,
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await statements.scalar("select pg_sleep(0.3)")
    assert await statements.scalar("select 1") == 1


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("port=five", BadInputError, "cannot be used: invalid literal"),
        ("target_session_attrs=read-only", UnreachableError, "None of the hosts match"),
        ("target_session_attrs=best", UnreachableError, "target_session_attrs"),
    ],
)
async def test_an_address_that_the_driver_cannot_use_is_one_sentence(
    database_url: str, query: str, kind: type[ReviewsError], words: str
) -> None:
    name, _, value = query.partition("=")
    address = normalised(database_url)
    changed = address._replace(query={**address.query, name: value})
    with pytest.raises(kind, match=words):
        await connect(changed.url(), application_name="t")


async def test_a_pooler_that_forgets_prepared_statements_is_told(statements: Statements) -> None:
    """It hands out another connection, on which nobody prepared what is run."""
    assert await statements.scalar("select 1") == 1
    await statements.execute("deallocate all")
    with pytest.raises(UnreachableError, match="a pooler between us and the database"):
        await statements.scalar("select 1")


async def test_a_connection_that_the_driver_has_lost_track_of_is_made_anew(
    statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await statements.scalar("select 1 as one") == 1
    lost = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is ...")

    async def fetch(*_: object) -> None:
        raise lost

    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "fetch", fetch)
        with pytest.raises(UnreachableError, match="the connection to the database is lost"):
            await statements.scalar("select 1 as one")
    assert await statements.scalar("select 2 as two") == 2
