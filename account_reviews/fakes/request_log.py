"""One line of JSON for each request that a fake was asked."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class LogLine:
    """What was asked and what came of it."""

    n: int
    """By arrival, from 1."""
    at: str
    """When it came, ISO 8601 with milliseconds."""
    method: str
    path: str
    query: Mapping[str, str]
    """Without secrets."""
    status: int | None
    """None: the connection was dropped."""
    token_id: str | None
    """Which token it carried: a number of the fake's, never the token."""
    operation_id: str | None
    records: tuple[str, ...]
    """Ids of what it read or wrote, for reads of at most 10."""
    fault: str | None
    committed: bool
    """Whether it changed anything."""
    in_flight: int
    """Requests that were under way when it came, itself included."""
    credits: int
    """What it cost."""
    ms: float
    """From its arrival to the end of the answer."""


@dataclass
class RequestLog:
    """Kept in memory up to `most` lines, and written to a file when there is one."""

    path: Path | None = None
    most: int = 200_000
    lines: list[LogLine] = field(default_factory=list)
    _file: IO[str] | None = None

    def open(self) -> None:
        """Make the file. OSError."""
        if self.path is not None and self._file is None:
            self._file = self.path.open("a", encoding="utf-8")

    def add(self, line: LogLine) -> None:
        if len(self.lines) < self.most:
            self.lines.append(line)
        self.open()
        if self._file is not None:
            self._file.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
