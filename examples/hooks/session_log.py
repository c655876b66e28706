"""A hook that writes down sessions: one JSON line when one begins, and one when it has ended.

It is an object with methods named like the hooks; they are called one after another, so it needs
no lock. SESSION_LOG names the file.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from account_reviews.hooks import HookEvent


class SessionLog:
    """`session_log:SessionLog`"""

    def __init__(self) -> None:
        self._path = Path(os.environ.get("SESSION_LOG", "sessions.jsonl"))
        self._calls: Counter[str] = Counter()

    def session_start(self, event: HookEvent) -> None:
        """A review has begun."""
        self._write(event, {"kind": event.kind})

    def post_tool(self, event: HookEvent) -> None:
        """The CRM or the memory has answered."""
        self._calls[event.workflow_id] += 1

    def session_end(self, event: HookEvent) -> None:
        """A review has ended."""
        tools = self._calls.pop(event.workflow_id, 0)
        report = {"outcome": event.outcome, "tool_calls": tools, "anomalies": event.anomalies}
        self._write(event, report)

    def _write(self, event: HookEvent, report: Mapping[str, object]) -> None:
        line = {
            "hook": event.name,
            "at": event.at.isoformat(),
            "account": event.account_id,
            "trace": event.trace_id,
            **report,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
