"""What of a failure is left out so that its sentence arrives.

Temporal keeps the last failure of a pending activity only up to 4 KiB
(`limit.mutableStateActivityFailureSize.error`). Of a longer one people see "Failure exceeds size
limit." in place of the sentence. A stack trace alone can be longer: it grows with the path the
product is installed in. Whole traces are in the log of the worker.
"""

import re
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure

from account_reviews.domain.audit.masks import mask_secrets

LIMIT: Final = 3_584
"""Bytes of a failure with its causes: what is below 4 KiB leaves the server room of its own."""

FRAMES: Final = 5
"""Frames of a trace, the last ones: where it was raised."""
CAUSES: Final = 8
"""The first ones and the root; those between are counted."""

_LINE: Final = 160
"""Characters of one line of a trace."""
_PATH: Final = 100
_MESSAGES: Final = (512, 256, 128)
"""Bytes of the message of a cause, tried one after the other."""
_FIELD: Final = 200
"""Bytes of a type or an id; ours are far shorter."""
_MORE: Final = "…"

_FRAME: Final = re.compile(r"^(?=  File \")", re.MULTILINE)
_FILE: Final = re.compile(r"^  File \"(.+)\", line ")
_MARKS: Final = re.compile(r"^[ ~^]*$")
"""Blank, or what points at a part of the line above."""
_INSTALLED: Final = ("/site-packages/", "/dist-packages/")
_PROJECT: Final = f"{Path(__file__).parents[2]}/"
_LIBRARY: Final = tuple(
    f"{path}/" for name in ("stdlib", "platstdlib") if (path := sysconfig.get_path(name))
)
_ROOTS: Final = tuple(
    spelling for root in (_PROJECT, *_LIBRARY) for spelling in (root, mask_secrets(root))
)
"""A long name in a path looks like a key, and is masked by the time it is looked for."""


class Link:
    """One failure of a chain, without its cause, and the frames of its trace."""

    def __init__(self, failure: Failure, *, note: str = "") -> None:
        """`failure` is changed: its secrets are masked first, since half of one has no shape.

        `note` is a line that stays above the trace.
        """
        self.failure = failure
        failure.message = mask_secrets(failure.message)
        self._frames = frames_of(mask_secrets(failure.stack_trace))
        was_cut = bool(self._frames) and self._frames[0].startswith(f"  {_MORE}")
        self._note = note + self._frames.pop(0) if was_cut else note
        failure.ClearField("encoded_attributes")  # they were read into the two above

    def keep(self, frames: int, *, say: bool = False) -> None:
        """Keep the last frames; `say` how many are gone."""
        gone = max(0, len(self._frames) - frames)
        above = f"  {_MORE} {gone} more above, see the worker's log\n" if say and gone else ""
        below = "".join(_short_frame(frame) for frame in self._frames[gone:])
        self.failure.stack_trace = self._note + above + below


def joined(chain: list[Failure], *, passed_over: int = 0, keep_details: bool) -> Failure:
    """One failure of a chain that begins with the outermost, short and without secrets.

    No failure of the chain has a cause of its own yet; they are changed. `passed_over`: how many
    causes were left out before the last one. With `keep_details` the details of the outermost
    stay as they are and do not count.

    What is cut, until LIMIT holds: frames of causes, frames of the outermost, long messages of
    causes, details, causes from the innermost on, long types and ids, and only then the sentence.
    """
    kept = _take_details(chain[0]) if keep_details else Payloads()
    links = [Link(one) for one in chain[:-1]]
    note = f"  {_MORE} {passed_over} causes before\n" if passed_over else ""
    links.append(Link(chain[-1], note=note))
    for _ in _cuts(links):
        if _size(links) <= LIMIT:
            break
    whole = links.pop().failure
    while links:
        outer = links.pop().failure
        outer.cause.CopyFrom(whole)
        whole = outer
    if kept.payloads:
        whole.application_failure_info.details.CopyFrom(kept)
    return whole


def frames_of(trace: str) -> list[str]:
    """The frames of a trace, the innermost last; the lines of one that is not Python's."""
    parts = [part for part in _FRAME.split(trace) if part.strip()]
    if any(part.startswith("  File ") for part in parts):
        return parts
    return [line for line in trace.splitlines(keepends=True) if line.strip()]


def short_path(path: str) -> str:
    """The path of a source file below where it is installed, and no longer than it must be."""
    for place in _INSTALLED:
        if place in path:
            return path.rpartition(place)[2]
    for root in _ROOTS:
        if path.startswith(root):
            return path[len(root) :]
    if not path.startswith("/"):
        return path
    parts = path.split("/")
    ends = ["/".join(parts[-count:]) for count in (3, 2, 1) if count < len(parts)]
    fitting = [end for end in ends if len(end) <= _PATH]
    return f"{_MORE}/{fitting[0]}" if fitting else f"{_MORE}{path[-_PATH:]}"


def cut(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8, between two characters; an ellipsis when some are gone."""
    data = text.encode()
    if len(data) <= size:
        return text
    return data[: max(0, size - len(_MORE.encode()))].decode(errors="ignore") + _MORE


def _short_frame(frame: str) -> str:
    found = _FILE.match(frame)
    if found:
        frame = f'  File "{short_path(found[1])}", line {frame[found.end() :]}'
    lines = (line for line in frame.splitlines() if not _MARKS.match(line))
    return "".join(
        f"{line[:_LINE]}{_MORE}\n" if len(line) > _LINE else f"{line}\n" for line in lines
    )


def _size(links: Sequence[Link]) -> int:
    """Bytes of the chain as one failure: each cause has a tag and its length before it."""
    size = links[-1].failure.ByteSize()
    for link in reversed(links[:-1]):
        size += link.failure.ByteSize() + 1 + max(1, (size.bit_length() + 6) // 7)
    return size


def _cuts(links: list[Link]) -> Iterator[None]:
    """One step after the other; the last one makes it short enough."""
    outermost, causes = links[0], links[1:]
    outermost.keep(FRAMES, say=True)
    for frames in range(FRAMES, -1, -1):
        for link in causes:
            link.keep(frames)
        yield
    for frames in range(FRAMES - 1, -1, -1):
        outermost.keep(frames, say=True)
        yield
    for size in _MESSAGES:
        for link in causes:
            link.failure.message = cut(link.failure.message, size)
        yield
    for link in links:
        _take_details(link.failure)
    yield
    while len(links) > 1:
        links.pop()
        yield
    _cut_fields(outermost.failure)
    yield
    message = outermost.failure.message
    outermost.failure.message = cut(message, len(message.encode()) - (_size(links) - LIMIT))
    yield


def _take_details(failure: Failure) -> Payloads:
    """The details of an application failure; those of any other kind are gone too."""
    taken = Payloads()
    kind = failure.WhichOneof("failure_info")
    if kind is None:
        return taken
    info: Message = getattr(failure, kind)
    for field, value in info.ListFields():
        if isinstance(value, Payloads):
            if kind == "application_failure_info":
                taken.CopyFrom(value)
            info.ClearField(field.name)
    return taken


def _cut_fields(message: Any) -> None:
    """Every text but the sentence itself, at any depth."""
    for field, value in message.ListFields():
        if isinstance(value, str) and field.name != "message":
            setattr(message, field.name, cut(value, _FIELD))
        elif isinstance(value, Message):
            _cut_fields(value)
