"""The second place: a copy of every seal outside the database, which its owner cannot rewrite.

A file of JSON lines, or one object per seal in an object store. It is only ever added to.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol

import orjson

from account_reviews.audit.seals.object_store import answering, is_url, open_store
from account_reviews.audit.seals.seal import Seal, seal_from
from account_reviews.domain.errors import BadInputError, ConflictError, UnreachableError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_TAIL: Final = 8192
"""Bytes; more than the longest line."""
_AT_ONCE: Final = 32
"""Objects that are read at the same time."""
_LINES_AT_ONCE: Final = 2000


class Anchors(Protocol):
    """A second place. Every method may raise UnreachableError; `put` also when it lost its seals.

    BadInputError: it holds what is no seal. ConflictError: it holds another seal than it should.
    """

    where: str
    """As the settings name it."""

    async def newest(self, upto: int) -> Seal | None:
        """The seal with the highest number that is there. `upto` is a guess, for speed."""

    async def put(self, seal: Seal) -> None:
        """Add the next seal; nothing happens when it is there. On return it is safe on disk."""

    def read(self, first: int = 1) -> AsyncIterator[Seal]:
        """All seals from a number on, in the order of their numbers."""


def open_anchors(place: str) -> Anchors:
    """The second place at a path or at the URL of an object store. BadInputError."""
    return ObjectAnchors(place) if is_url(place) else FileAnchors(Path(place))


class FileAnchors:
    """One JSON line per seal. A line that was torn by a crash is removed before the next one."""

    def __init__(self, file: Path) -> None:
        self.where = str(file)
        self._file = file

    async def newest(self, upto: int) -> Seal | None:  # noqa: ARG002  the file knows its end
        """The last whole line."""
        return await asyncio.to_thread(self._newest)

    async def put(self, seal: Seal) -> None:
        """Append and sync."""
        await asyncio.to_thread(self._put, seal)

    async def read(self, first: int = 1) -> AsyncIterator[Seal]:
        """Whole lines only."""
        lines = self._lines(first)
        while some := await asyncio.to_thread(_take, lines):
            for seal in some:
                yield seal

    def _newest(self) -> Seal | None:
        with answering(self.where):
            try:
                with self._file.open("rb") as stream:
                    return self._last(stream)
            except FileNotFoundError:
                return None

    def _put(self, seal: Seal) -> None:
        with answering(self.where):
            new = not self._file.exists()
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if new:
                self._file.touch(mode=0o600)
            with self._file.open("a+b") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)  # two databases may name the same file
                last = self._last(stream)
                if last is not None and last.number == seal.number and last.hash == seal.hash:
                    return
                if last is not None and seal.previous != last.hash:
                    raise _other(self.where, last.number)
                if last is None and seal.number > 1:  # as when its file system was unmounted
                    raise _lost(self.where, seal.number)
                _mend(stream)
                stream.write(orjson.dumps(seal.document()) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            if new:
                _sync_directory(self._file.parent)

    def _last(self, stream: IO[bytes]) -> Seal | None:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL))
        whole, newline, _ = stream.read().rpartition(b"\n")
        if not newline:
            return None
        return self._seal(whole.rpartition(b"\n")[2], "the last line")

    def _lines(self, first: int) -> Iterator[Seal]:
        with answering(self.where):
            try:
                stream = self._file.open("rb")
            except FileNotFoundError:
                return
            with stream:
                for number, line in enumerate(stream, start=1):
                    if line.endswith(b"\n"):
                        seal = self._seal(line, f"line {number}")
                        if seal.number >= first:
                            yield seal

    def _seal(self, line: bytes, name: str) -> Seal:
        try:
            return seal_from(orjson.loads(line))
        except (orjson.JSONDecodeError, BadInputError):
            raise BadInputError(f"{name} of {self.where} is no seal") from None


class ObjectAnchors:
    """One object per seal, `NUMBER.json`, written only when there is none of that name."""

    def __init__(self, url: str) -> None:
        """BadInputError for a URL that cannot be used."""
        self.where = url
        self._store: ObjectStore = open_store(url)

    async def newest(self, upto: int) -> Seal | None:
        """Looks from `upto` on, and further back as long as nothing is there."""
        back = 1
        while True:
            names = await self._names(max(0, upto - back))
            if names:
                return await self._get(names[-1])
            if back > upto:
                return None
            back *= 10

    async def put(self, seal: Seal) -> None:
        """Write the object unless there is one; then it has to be the same."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        content = orjson.dumps(seal.document())
        with answering(self.where):
            try:
                if seal.number > 1:
                    await obstore.head_async(self._store, _name(seal.number - 1))
            except FileNotFoundError:
                raise _lost(self.where, seal.number) from None
            try:
                name = _name(seal.number)
                await obstore.put_async(self._store, name, content, mode="create")
                return
            except AlreadyExistsError:
                there = await self._get(name)
        if there.hash != seal.hash:
            raise _other(self.where, there.number)

    async def read(self, first: int = 1) -> AsyncIterator[Seal]:
        """By the names that are there."""
        names = await self._names(first - 1)
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            for seal in await asyncio.gather(*(self._get(name) for name in some)):
                yield seal

    async def _names(self, after: int) -> list[str]:
        import obstore

        with answering(self.where):
            found = obstore.list(self._store, offset=_name(after), chunk_size=1000)
            names = [str(one["path"]) async for some in found for one in some]
        return sorted(name for name in names if _number(name) > after)

    async def _get(self, name: str) -> Seal:
        import obstore

        with answering(self.where):
            found = await obstore.get_async(self._store, name)
            content = bytes(await found.bytes_async())
        try:
            seal = seal_from(orjson.loads(content))
        except (orjson.JSONDecodeError, BadInputError):
            raise BadInputError(f"{name} in {self.where} is no seal") from None
        if seal.number != _number(name):
            raise BadInputError(f"{name} in {self.where} holds seal {seal.number}")
        return seal


def _name(number: int) -> str:
    return f"{number:012d}.json"


def _number(name: str) -> int:
    """0 for an object that is not ours."""
    stem = name.removesuffix(".json")
    return int(stem) if stem.isdecimal() and len(stem) == 12 else 0


def _take(lines: Iterator[Seal]) -> list[Seal]:
    return [seal for _, seal in zip(range(_LINES_AT_ONCE), lines, strict=False)]


def _mend(stream: IO[bytes]) -> None:
    """Cut a torn last line off: the table has the seal, and it comes again."""
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - _TAIL)
    stream.seek(start)
    tail = stream.read()
    if tail and not tail.endswith(b"\n"):
        stream.truncate(start + tail.rfind(b"\n") + 1)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lost(where: str, number: int) -> UnreachableError:
    return UnreachableError(f"{where} lost the seals before {number}")


def _other(where: str, number: int) -> ConflictError:
    return ConflictError(
        f"{where} holds another seal {number} than the database",
        hint="run `reviews audit verify`; name another place when it is of another trail",
    )
