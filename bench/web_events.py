"""Open pages: memory of each stream, connections that listen, delay, shutdown, what was missed."""

import argparse
import asyncio
import os
import re
import signal
import sys
import time
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import text

from account_reviews.config import ports
from account_reviews.domain.policy.access import Role
from account_reviews.services.sign_ins import make_token
from bench import common
from bench.common import Bench, Result, Row, percentile, spread

MOST_KIB = 100
MOST_STOP_SECONDS = 5.0
MOST_DELAY_SECONDS = 0.5
CHANGES = 100
_WHILE_AWAY = 50

_LISTENING = text(
    "select count(*) from pg_stat_activity where query ilike 'listen%' "
    "or application_name = 'reviews-web-live'"
)
_ADD = text(
    "insert into reviews.review_runs (run_id, review_id, tenant, account_id, kind, phase, status, "
    "state, version, started_at, updated_at) select 'run-' || n, 'review/ac-' || n, 'default', "
    "'ac-' || n, 'manual', 'approval', 'waiting', '{}', 1, now(), now() "
    "from generate_series(1, 10) n"
)
_SAVE = text(
    "update reviews.review_runs set version = version + 1 where run_id = :id returning version"
)


class Found(NamedTuple):
    """What one run saw."""

    kib_each: float
    listening: int
    delays: list[float]
    stop_seconds: float
    told: int
    missing: int


class Stream:
    """One who watches, with the socket alone, so that many of them cost this process little."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.last_id = ""
        self.seen: dict[tuple[str, int], float] = {}
        self.opened = asyncio.Event()

    @classmethod
    async def open(cls, url: str, token: str, last_id: str = "") -> "Stream":
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        resume = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        writer.write(
            f"GET /api/v1/events HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Authorization: Bearer {token}\r\n{resume}\r\n".encode()
        )
        await writer.drain()
        found = cls(reader, writer)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        return found

    async def read(self) -> None:
        """Until the server ends it."""
        while line := await self._reader.readline():
            said = line.decode().strip()
            if said.startswith("id: "):
                self.last_id = said[4:]
                self.opened.set()
            elif said.startswith("data: "):
                found = re.search(r'"run_id": "([^"]+)".*"version": (\d+)', said)
                if found:
                    self.seen[found[1], int(found[2])] = time.monotonic()
        self._writer.close()


async def measure(arguments: argparse.Namespace) -> Result:
    """Open them, change rows, stop the server, change more, start it again."""
    async with common.fresh_stack() as bench:
        async with bench.parts.engine.begin() as connection:
            await connection.execute(_ADD)
        found = await _measure(bench, arguments.streams)
    return _result(found, arguments.streams)


async def _measure(bench: Bench, count: int) -> Found:
    made = [(await make_token(bench.parts, f"page-{n}", [Role.AUDITOR])).token for n in range(20)]
    port = ports.any_free()
    url = f"http://127.0.0.1:{port}"
    async with _web(bench, port) as server:
        warm = await Stream.open(url, made[0])
        warming = asyncio.create_task(warm.read())
        await warm.opened.wait()
        before = _rss_kib(server.pid)
        streams, reading = await _open(url, made, count - 1)
        await asyncio.sleep(1)
        kib = (_rss_kib(server.pid) - before) / max(1, count - 1)
        streams, reading = [warm, *streams], [warming, *reading]
        async with bench.parts.engine.connect() as connection:
            listening = await connection.scalar(_LISTENING) or 0
        delays = await _delays(bench, streams)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        await server.wait()
        stop = time.monotonic() - began
        await asyncio.gather(*reading, return_exceptions=True)
    away = [await _save(bench, f"run-{n % 10 + 1}") for n in range(_WHILE_AWAY)]
    async with _web(bench, port):
        again = await Stream.open(url, made[0], streams[0].last_id)
        task = asyncio.create_task(again.read())
        told = await _until_told(again, away)
        task.cancel()
    return Found(kib, listening, delays, stop, told, _WHILE_AWAY - told)


async def _open(
    url: str, tokens: list[str], count: int
) -> tuple[list[Stream], list["asyncio.Task[None]"]]:
    streams: list[Stream] = []
    for number in range(count):
        streams.append(await Stream.open(url, tokens[number % len(tokens)]))
        if number % 30 == 29:  # at the pace that one address may have
            await asyncio.sleep(0.8)
    reading = [asyncio.create_task(one.read()) for one in streams]
    await asyncio.gather(*(one.opened.wait() for one in streams))
    return streams, reading


async def _delays(bench: Bench, streams: list[Stream]) -> list[float]:
    """From the commit until a stream has it, of each change and stream."""
    found = []
    for number in range(CHANGES):
        key = await _save(bench, f"run-{number % 10 + 1}")
        committed = time.monotonic()
        async with asyncio.timeout(20):
            while not all(key in one.seen for one in streams):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        found += [max(0.0, one.seen[key] - committed) for one in streams]
        await asyncio.sleep(0.05)
    return found


async def _save(bench: Bench, run_id: str) -> tuple[str, int]:
    async with bench.parts.engine.begin() as connection:
        version = await connection.scalar(_SAVE, {"id": run_id})
    return run_id, int(version or 0)


async def _until_told(stream: Stream, wanted: list[tuple[str, int]]) -> int:
    for _ in range(200):
        if all(key in stream.seen for key in wanted):
            break
        await asyncio.sleep(0.05)
    return sum(key in stream.seen for key in wanted)


@asynccontextmanager
async def _web(bench: Bench, port: int) -> AsyncIterator[Process]:
    """`reviews web` as a process of its own."""
    command = (sys.executable, "-P", "-m", "account_reviews.cli", "web", "--port", str(port))
    env = os.environ | {
        "REVIEWS_DATA_DIR": str(bench.stack.data_dir),
        "REVIEWS_DATABASE_URL": bench.stack.database_url,
    }
    server = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.PIPE)
    assert server.stderr is not None
    try:
        async with asyncio.timeout(60):
            while b"web ready" not in (line := await server.stderr.readline()):
                if not line:
                    raise RuntimeError("the web app did not start")
        draining = asyncio.create_task(_drain(server.stderr))
        yield server
        draining.cancel()
    finally:
        if server.returncode is None:
            server.terminate()
            await server.wait()


async def _drain(stream: StreamReader) -> None:
    while await stream.readline():
        pass


def _rss_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[0])


def _result(found: Found, count: int) -> Result:
    result = Result("web_events", samples={"delays": sorted(found.delays)[:: max(1, count)]})
    delay = percentile(found.delays, 0.95)
    result.rows = [
        Row(
            f"memory of each of {count} open streams",
            f"{found.kib_each:.0f} KiB",
            f"<= {MOST_KIB} KiB",
            found.kib_each <= MOST_KIB,
        ),
        Row(
            "connections that listen, per process",
            str(found.listening),
            "1",
            found.listening == 1,
        ),
        Row(
            f"from the commit to each of {count} streams",
            spread(found.delays, "ms", 0, scale=1000),
            f"p95 <= {MOST_DELAY_SECONDS * 1000:.0f} ms",
            delay <= MOST_DELAY_SECONDS,
        ),
        Row(
            f"shutdown with {count} open streams",
            f"{found.stop_seconds:.1f} s",
            f"<= {MOST_STOP_SECONDS:.0f} s",
            found.stop_seconds <= MOST_STOP_SECONDS,
        ),
        Row(
            f"of {_WHILE_AWAY} changes while the web was away, told by Last-Event-ID",
            str(found.told),
            str(_WHILE_AWAY),
            not found.missing,
        ),
    ]
    if found.missing:
        result.broken.append(f"{found.missing} changes were never told")
    return result


if __name__ == "__main__":
    arguments = common.parser(__doc__ or "")
    arguments.add_argument("--streams", type=int, default=500)
    common.main(measure, arguments.parse_args())
