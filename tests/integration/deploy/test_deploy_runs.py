"""What compose starts, started as processes against the servers of the tests."""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from temporalio.client import Client

from account_reviews.local import namespace
from account_reviews.local.postgres import EmbeddedPostgres, binary
from account_reviews.local.temporal_server import TemporalServer, find_cli
from account_reviews.store.database import create_engine
from account_reviews.store.migration import current_revision, head_revision
from account_reviews.temporal.names import RETENTION_DAYS
from tests.support.compose import environment, services
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

_READY_SECONDS = 30


def ours(command: list[str]) -> list[str]:
    """The command of one of our services, with the interpreter of the tests."""
    assert command[0] == "reviews"
    return [sys.executable, "-m", "account_reviews.cli", *command[1:]]


def moved(url: str, target: str) -> str:
    """The service's address, with the host and the user of the test server."""
    given, there = make_url(url), make_url(target)
    assert given.username in ("reviews_owner", "worker")
    assert (given.host, given.database) == ("postgres", "reviews")
    return there.set(drivername=given.drivername).render_as_string(hide_password=False)


def with_real_servers(name: str, database_url: str, temporal: str) -> dict[str, str]:
    """The environment of a service; only the names of other containers are replaced."""
    service = services()[name]
    given = service["environment"]
    changed = {"REVIEWS_DATABASE_URL": moved(given["REVIEWS_DATABASE_URL"], database_url)}
    if "TEMPORAL_ADDRESS" in given:
        assert given["TEMPORAL_ADDRESS"] == "temporal:7233"
        changed["TEMPORAL_ADDRESS"] = temporal
    return environment(service, PYTHONPATH=str(ROOT), **changed)


async def test_migrate_prepares_an_empty_database(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    postgres.create_database("deploy_migrate")
    url = postgres.url("deploy_migrate")
    done = await asyncio.to_thread(
        subprocess.run,
        ours(services()["migrate"]["command"]),
        env=with_real_servers("migrate", url, ""),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    engine = create_engine(url, application_name="tests")
    assert await current_revision(engine) == head_revision()
    await engine.dispose()


@pytest.fixture
def alone(short_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A server of its own: logins belong to all databases of one."""
    server = EmbeddedPostgres(short_dir / "roles", durable=False)
    server.start()
    yield server
    server.stop()


def run_here(command: list[str], env: dict[str, str]) -> None:
    """To its end, which is to be a good one."""
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_workers_own_nothing_and_see_only_their_database(alone: EmbeddedPostgres) -> None:
    """The script, the migration as the owner, and what the worker's login may do then."""
    service = services()["postgres-roles"]
    path = f"{Path(binary('psql')).parent}{os.pathsep}{os.environ['PATH']}"
    env = environment(service, PGHOST=str(alone.socket_dir), PATH=path)
    script = ROOT / "deploy" / Path(service["command"][0]).name
    for _ in range(2):
        await asyncio.to_thread(run_here, [*service["entrypoint"], str(script)], env)
    owner = alone.url("reviews", login="reviews_owner")
    migrate = environment(services()["migrate"], REVIEWS_DATABASE_URL=owner, PYTHONPATH=str(ROOT))
    await asyncio.to_thread(run_here, ours(services()["migrate"]["command"]), migrate)
    engine = create_engine(alone.url("reviews", login="worker"), application_name="tests")
    async with engine.connect() as connection:
        query = text(
            "select rolname from pg_roles where rolcanlogin and (rolsuper or rolcreaterole "
            "or rolcreatedb or rolbypassrls or rolreplication)"
        )
        assert list(await connection.scalars(query)) == ["postgres"]
        query = text("select count(*) from pg_class where pg_get_userbyid(relowner) = 'worker'")
        assert await connection.scalar(query) == 0
        query = text(
            "select datname from pg_database where not datistemplate and datname <> 'postgres' "
            "and has_database_privilege(:login, datname, 'connect') order by 1"
        )
        for login, seen in (
            ("worker", ["reviews"]),
            ("reviews_owner", ["reviews"]),
            ("temporal", ["temporal", "temporal_visibility"]),
        ):
            assert list(await connection.scalars(query, {"login": login})) == seen
        assert await connection.scalar(text("select count(*) from reviews.review_runs")) == 0
        for statement in (
            "alter table audit.audit_events disable trigger all",
            "delete from audit.seals",
            "drop table audit.audit_events",
            "update audit.audit_events set actor = 'eve'",
        ):
            with pytest.raises(DBAPIError, match=r"must be owner|permission denied"):
                await connection.execute(text(statement))
            await connection.rollback()
    await engine.dispose()


@asynccontextmanager
async def worker_process(env: dict[str, str], folder: Path) -> AsyncIterator[Process]:
    """A worker that has said it is ready; killed if the test did not end it."""
    command = ours(services()["worker"]["command"])
    process = await asyncio.create_subprocess_exec(*command, env=env, cwd=folder, stderr=PIPE)
    assert process.stderr is not None
    try:
        said = await asyncio.wait_for(process.stderr.readline(), _READY_SECONDS)
        assert said.startswith(b"worker ready pid=%d " % process.pid), said
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_worker_polls_the_queue_of_its_tenant(
    database_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    env = with_real_servers("worker", database_url, temporal_server.address)
    env["REVIEWS_TENANT"] = "acme & co"
    command = (sys.executable, "-m", "account_reviews.cli", "worker", "--adopt", "umbrella")
    process = await asyncio.create_subprocess_exec(*command, env=env, cwd=tmp_path, stderr=PIPE)
    assert process.stderr is not None
    try:
        said = await asyncio.wait_for(process.stderr.readline(), _READY_SECONDS)
        assert b" task_queue=account-reviews/acme%20%26%20co" in said
    finally:
        process.kill()
        await process.communicate()


async def test_two_workers_start_and_stop_in_order(
    database_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    assert services()["worker"]["deploy"]["replicas"] == 2
    env = with_real_servers("worker", database_url, temporal_server.address)
    async with worker_process(env, tmp_path) as one, worker_process(env, tmp_path) as two:
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
        codes = [await asyncio.wait_for(process.wait(), PATIENCE) for process in (one, two)]
    assert codes == [0, 0]


async def test_namespace_script_on_a_real_server(temporal_server: TemporalServer) -> None:
    service = services()["temporal-namespace"]
    env = environment(
        service,
        TEMPORAL_ADDRESS=temporal_server.address,
        TEMPORAL_NAMESPACE="deploy",
        PATH=f"{find_cli().parent}{os.pathsep}{os.environ['PATH']}",
    )
    script = ROOT / "deploy/temporal" / Path(service["command"][0]).name
    for _ in range(2):
        done = await asyncio.to_thread(
            subprocess.run,
            [service["entrypoint"][0], script],
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.endswith("namespace deploy is ready\n")
    client = await Client.connect(temporal_server.address, namespace="deploy")
    assert await namespace.missing_attributes(client) == []
    assert await namespace.retention_days(client) == RETENTION_DAYS
