"""The dev server keeps its data, takes free ports, and never shares its file."""

import os
import socket
from pathlib import Path

import pytest
from temporalio.client import Client

from account_reviews.config import ports
from account_reviews.domain.errors import ConflictError, UnreachableError
from account_reviews.local import namespace, processes
from account_reviews.local.temporal_server import TemporalServer, find_cli
from account_reviews.temporal.names import RETENTION_DAYS

pytestmark = pytest.mark.temporal


def _gone(pid: int) -> bool:
    return not processes.is_alive(pid)


async def test_it_keeps_workflows_over_a_kill(tmp_path: Path) -> None:
    server = TemporalServer(tmp_path, port=ports.any_free(), ui=False)
    await server.start()
    address, killed = server.address, server.pid
    client = await Client.connect(address)
    handle = await client.start_workflow("Any", id="kept", task_queue="nobody")
    assert killed is not None
    processes.kill_and_wait(killed)
    await server.wait()
    assert server.pid is None
    await server.start()
    try:
        assert server.address == address
        client = await Client.connect(address)
        assert (await client.get_workflow_handle("kept").describe()).run_id == handle.result_run_id
        assert await namespace.missing_attributes(client) == []
        assert await namespace.retention_days(client) == RETENTION_DAYS
    finally:
        await server.stop()
    assert not (tmp_path / "temporal.pid").exists()


async def test_no_name_of_a_directory_means_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    monkeypatch.setenv("TEMPORAL_PROFILE", "production")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    data_dir = tmp_path / "home" / 'a%20b#1?mode=memory&$HOME`id`"c ~'
    data_dir.mkdir(parents=True)
    server = TemporalServer(data_dir, port=ports.any_free(), ui=False)
    await server.start()
    try:
        assert (data_dir / "temporal.db").stat().st_size > 0
        assert [path.name for path in data_dir.parent.iterdir()] == [data_dir.name]
    finally:
        await server.stop()


async def test_a_server_left_behind_is_ended_first(tmp_path: Path) -> None:
    left_behind = TemporalServer(tmp_path, port=ports.any_free(), ui=False)
    await left_behind.start()
    orphan = left_behind.pid
    assert orphan is not None
    server = TemporalServer(tmp_path, port=ports.any_free(), ui=False)
    await server.start()
    try:
        await left_behind.wait()
        assert _gone(orphan)
        assert server.pid is not None
    finally:
        await server.stop()


async def test_a_number_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "temporal.pid").write_text(str(os.getpid()))
    server = TemporalServer(tmp_path, port=ports.any_free(), ui=False)
    await server.start()
    await server.stop()


async def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConflictError, match=f"port {port} is taken"):
            await TemporalServer(tmp_path, port=port).start()


class Hasty(TemporalServer):
    """One that believes a port is free which another has just taken."""

    def __init__(self, taken: int) -> None:
        super().__init__(ui=False)
        self._believed = [taken]

    def _choose_ports(self) -> tuple[int, int]:
        port, ui_port = super()._choose_ports()
        return (self._believed.pop() if self._believed else port), ui_port


async def test_a_server_on_the_port_is_not_taken_for_ours() -> None:
    theirs = TemporalServer(ui=False)
    await theirs.start()
    ours = Hasty(int(theirs.address.rpartition(":")[2]))
    try:
        await ours.start()
        assert ours.address != theirs.address
        assert ours.pid is not None
        assert ports.listens(ours.pid, int(ours.address.rpartition(":")[2]))
    finally:
        await ours.stop()
        await theirs.stop()


async def test_a_port_that_was_taken_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is free again when one looks."""
    program, tried = tmp_path / "temporal", tmp_path / "tried"
    program.write_text(
        f"#!/bin/sh\n[ -e '{tried}' ] && exec '{find_cli()}' \"$@\"\ntouch '{tried}'\n"
        "echo 'Error: listen tcp 127.0.0.1:7233: bind: address already in use' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("TEMPORAL_CLI_PATH", str(program))
    server = TemporalServer(ui=False)
    await server.start()
    await server.stop()
    assert tried.exists()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "temporal.db").write_text("this is no database, and it is long enough to be read")
    with pytest.raises(UnreachableError, match=r"does not start: .*not a database"):
        await TemporalServer(tmp_path, port=ports.any_free(), ui=False).start()
