"""The hooks of examples/hooks do what they say. docs/hooks.md runs the other one in a stack."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from account_reviews.hooks.dispatcher import Lanes
from account_reviews.hooks.events import Anomaly, HookName
from account_reviews.hooks.registry import load
from tests.support.hooks import PATIENCE, counting, event
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples" / "hooks"


@pytest.fixture(autouse=True)
def on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    for path in EXAMPLES.glob("*.py"):
        sys.modules.pop(path.stem, None)


@contextmanager
def receiver(status: int) -> Iterator[tuple[str, Queue[Any]]]:
    """A web address that answers so, and what was posted there."""
    posted: Queue[Any] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", posted
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [200, 500])
def test_the_webhook_posts_ends(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    end = replace(
        event(1, HookName.SESSION_END),
        account_id="acc-1",
        outcome="failed",
        anomalies=(Anomaly.FAILED,),
    )
    with counting() as counted, receiver(status) as (url, posted):
        monkeypatch.setenv("WEBHOOK_URL", url)
        lanes = Lanes(load("webhook:post"))
        lanes.notify(HookName.PRE_TOOL, lambda: event(1))
        lanes.notify(HookName.SESSION_END, lambda: end)
        assert posted.get(timeout=PATIENCE) == {
            "account": "acc-1", "outcome": "failed", "anomalies": ["failed"],
        }  # fmt: skip
        lanes.close(PATIENCE)
        assert posted.empty()
        failed = {("webhook:post", "raised"): 1} if status == 500 else {}
        assert counted("reviews_hook_failures") == failed
