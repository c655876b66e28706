"""A service of a fixed latency that counts what is under way: `python -m bench.counting_service`.

`GET /call` takes its time. `GET /mark` gives what happened since the mark before: the mean and the
most under way, the calls, and the most credits that any window held. Prints its URL.
"""

import argparse
import asyncio
import json
import socket
import time
from collections import deque
from typing import Any

import uvicorn


class Counting:
    """The ASGI application."""

    def __init__(self, latency: float, window: float) -> None:
        self._latency = latency
        self._window = window
        self._under_way = 0
        self._most = 0
        self._area = 0.0
        self._at = self._marked_at = time.monotonic()
        self._calls = 0
        self._recent: deque[float] = deque()
        self._most_credits = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await receive()
        body = self._mark() if scope["path"] == "/mark" else await self._call()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})
        if scope["path"] != "/mark":
            self._step(-1)

    async def _call(self) -> dict[str, Any]:
        self._step(1)
        self._calls += 1
        now = time.monotonic()
        self._recent.append(now)
        while self._recent[0] <= now - self._window:
            self._recent.popleft()
        self._most_credits = max(self._most_credits, len(self._recent))
        await asyncio.sleep(self._latency)
        return {}

    def _step(self, change: int) -> None:
        now = time.monotonic()
        self._area += self._under_way * (now - self._at)
        self._at = now
        self._under_way += change
        self._most = max(self._most, self._under_way)

    def _mark(self) -> dict[str, Any]:
        self._step(0)
        found = {
            "mean": self._area / max(self._at - self._marked_at, 1e-9),
            "most": self._most,
            "calls": self._calls,
            "most_credits": self._most_credits,
        }
        self._area, self._calls, self._marked_at = 0.0, 0, self._at
        self._most, self._most_credits = self._under_way, len(self._recent)
        return found


async def serve(latency: float, window: float) -> None:
    """Until it is killed."""
    # Only a socket that says it is TCP has its small packets sent at once.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            Counting(latency, window), log_config=None, access_log=False, lifespan="off"
        )
        await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--latency", type=float, default=0.2, metavar="SECONDS")
    flags.add_argument("--window", type=float, default=60.0, metavar="SECONDS")
    given = flags.parse_args()
    asyncio.run(serve(given.latency, given.window))
