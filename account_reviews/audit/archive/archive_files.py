"""The file of an archive: rows between the seals that close them, gzip, one JSON object a line.

After the first line come seals, each followed by its leaves in their order: `{"row": ...}` for a
row of the archive, `{"leaf": HEX}` for one of another month. So each root can be computed again
from the file alone. The last line counts, and is signed with a hash of all lines before it, so that
no seal can be left out with its rows, and no row become a mere leaf.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from account_reviews.audit.archive.export_format import (
    is_signed,
    line,
    lines_of,
    read_json,
    same,
    sign,
)
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.keys import PublicKeys, SigningKey
from account_reviews.audit.seals.leaves import (
    COLUMNS,
    VERSIONS,
    document_of,
    is_placed,
    leaves_of,
    position_of,
)
from account_reviews.audit.seals.merkle import HASH_SIZE, RootBuilder
from account_reviews.audit.seals.seal import Seal, seal_from, signature_fault
from account_reviews.domain.errors import BadInputError

FORMAT: Final = "account-reviews-audit-archive/1"
_MOST_FAULTS: Final = 1000
_MOST_UNDER_A_SEAL: Final = 1_000_000
"""Rows of which leaves are kept until their seal is closed; ours have 50,000 at most."""
_GZIP: Final = b"\x1f\x8b"


class ArchiveWriter:
    """Writes a new file. Use it as a context, and end it with `finish`."""

    def __init__(self, file: Path, head: dict[str, Any]) -> None:
        file.touch(mode=0o600)
        self._stream = gzip.open(file, "wb", compresslevel=6)  # noqa: SIM115  closed by `close`
        self._rows = RootBuilder()
        self._seals = 0
        self._digest = hashlib.sha256()
        self._line({"format": FORMAT, **head})

    def seal(self, seal: Seal) -> None:
        """The seal of what follows."""
        self._seals += 1
        self._line({"seal": seal.document()})

    def row(self, row: dict[str, Any], leaf: bytes) -> None:
        """The next leaf is a row of this archive."""
        self._rows.add(leaf)
        self._line({"row": document_of(row)})

    def leaf(self, leaf: bytes) -> None:
        """The next leaf is of another month."""
        self._line({"leaf": leaf.hex()})

    def finish(self, key: SigningKey) -> tuple[int, bytes]:
        """Sign and close the file; how many rows it has, and the root over their leaves."""
        count, root = self._rows.count, self._rows.root
        statement = _statement(count, root, self._seals, self._digest.hexdigest())
        self._line({**statement, "signature": sign(key, statement)})
        self.close()
        return count, root

    def close(self) -> None:
        """Leave it as it is; nothing happens when it is closed."""
        self._stream.close()

    def _line(self, document: dict[str, Any]) -> None:
        spelled = line(document)
        self._digest.update(spelled)
        self._stream.write(spelled)


@dataclass
class ArchiveReport:
    """What a check of a file found."""

    rows: int
    seals_checked: int
    faults: list[Fault]
    signed: bool
    """A key that is believed signed the whole file."""

    @property
    def ok(self) -> bool:
        return not self.faults

    def document(self) -> dict[str, Any]:
        """As JSON, with the keys that every check has."""
        bad = [one.document() for one in self.faults]
        return {
            "ok": self.ok,
            "rows": self.rows,
            "first_bad": bad[0] if bad else None,
            "missing": [one for one in bad if one["kind"] == Kind.MISSING],
            "extra": [one for one in bad if one["kind"] == Kind.EXTRA],
            "differing": [one for one in bad if one["kind"] == Kind.DIFFERING],
            "bad_seals": [one for one in bad if one["kind"] == Kind.SEAL],
            "seals_checked": self.seals_checked,
            "unsealed": 0,
            "warnings": [],
            "signed": self.signed,
        }


def is_archive(file: Path) -> bool:
    """True for a file that begins as archives do. BadInputError when it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(2) == _GZIP
    except OSError as error:
        raise BadInputError(f"{file} cannot be read: {error.strerror}") from None


def check_archive(file: Path, keys: PublicKeys) -> ArchiveReport:
    """Compute every root of the file again. BadInputError when it is no archive, or torn."""
    check = _Check(keys)
    try:
        lines = _lines(file)
        first, head = next(lines, (b"", {}))
        if head.get("format") != FORMAT:
            raise BadInputError(f"{file} is no archive of the trail")
        check.digest.update(first)
        for number, (spelled, found) in enumerate(lines, start=2):
            check.take(number, found)
            check.digest.update(spelled)
            if len(check.faults) >= _MOST_FAULTS:
                return ArchiveReport(check.rows.count, check.seals, check.faults, signed=False)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInputError(f"{file} is torn or cannot be read: {error}") from None
    if not check.ended:
        check.found(Kind.MISSING, "the end of the file is gone")
    return ArchiveReport(check.rows.count, check.seals, check.faults, check.signed)


def _statement(rows: int, root: bytes, seals: int, sha256: str) -> dict[str, Any]:
    """What the last line says, and what is signed. `sha256`: of all lines before it."""
    return {"format": FORMAT, "rows": rows, "root": root.hex(), "seals": seals, "sha256": sha256}


def _lines(file: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each line as it is written and as it is read."""
    with gzip.open(file, "rb") as stream:
        for number, text in enumerate(lines_of(stream, str(file)), start=1):
            found = read_json(text, f"line {number} of {file}")
            if not isinstance(found, dict):
                raise BadInputError(f"line {number} of {file} is no JSON object")
            yield text, found


class _Check:
    """Follows the lines of a file."""

    def __init__(self, keys: PublicKeys) -> None:
        self._keys = keys
        self._seal: Seal | None = None
        self._leaves = _builders()
        self._mine: list[list[bytes]] = []
        """Leaves of the rows under the open seal, in every version."""
        self._first: dict[str, Any] | None = None
        self.rows = RootBuilder()
        self.seals = 0
        self.digest = hashlib.sha256()
        """Over the lines so far."""
        self.faults: list[Fault] = []
        self.ended = self.signed = False

    def take(self, number: int, found: dict[str, Any]) -> None:
        """The next line."""
        if self.ended:
            self.found(Kind.EXTRA, f"line {number} stands behind the end")
        elif "seal" in found:
            self._close()
            self._open(seal_from(found["seal"]))
        elif "row" in found:
            self._take_row(number, found["row"])
        elif "leaf" in found:
            leaf = _hash(number, found["leaf"])
            for built in self._leaves:
                built.add(leaf)
        elif "rows" in found:
            self._end(found)
        else:
            self.found(Kind.EXTRA, f"line {number} is of no known kind")

    def found(self, kind: Kind, why: str, row: dict[str, Any] | None = None) -> None:
        """Note what is wrong."""
        number = self._seal.number if self._seal else None
        position = position_of(row) if row else None
        event_id = str(row["event_id"]) if row else None
        self.faults.append(
            Fault(kind=kind, why=why, seal=number, position=position, event_id=event_id)
        )

    def _open(self, seal: Seal) -> None:
        self._seal, self._leaves, self._first = seal, _builders(), None
        self.seals += 1
        why = signature_fault(seal, self._keys)
        if why is not None:
            self.found(Kind.SEAL, why)

    def _take_row(self, number: int, row: object) -> None:
        if not isinstance(row, dict) or not is_placed(row) or row.keys() != set(COLUMNS):
            self.found(Kind.DIFFERING, f"line {number} is no row of the trail")
            return
        leaves, place = leaves_of(row), position_of(row)
        self._first = self._first or row
        if len(self._mine) < _MOST_UNDER_A_SEAL:
            self._mine.append(leaves)
        for built, leaf in zip(self._leaves, leaves, strict=True):
            built.add(leaf)
        if self._seal is None or not self._seal.after < place <= self._seal.until:
            self.found(Kind.EXTRA, f"the row of line {number} is not under its seal", row)

    def _close(self) -> None:
        seal = self._seal
        roots = [built.root for built in self._leaves]
        fits = seal is not None and seal.root in roots
        version = roots.index(seal.root) if seal is not None and fits else 0
        for leaves in self._mine:
            self.rows.add(leaves[version])
        self._mine = []
        count = self._leaves[0].count
        if seal is None or (count == seal.rows and fits):
            return
        lacking = seal.rows - count
        if lacking > 0:
            self.found(Kind.MISSING, f"{lacking} of {seal.rows} rows are gone", self._first)
        elif lacking < 0:
            self.found(Kind.EXTRA, f"{-lacking} rows more than were sealed", self._first)
        else:
            why = f"at least one of {seal.rows} rows was changed, of which this is the first"
            self.found(Kind.DIFFERING, why, self._first)

    def _end(self, found: dict[str, Any]) -> None:
        self._close()
        self.ended, self._seal = True, None
        rows, sha256 = self.rows, self.digest.hexdigest()
        statement = _statement(rows.count, rows.root, self.seals, sha256)
        signature = found.get("signature")
        if not same({**found, "signature": None}, {**statement, "signature": None}):
            self.found(Kind.MISSING, "the last line tells of other lines than those before it")
        signature = signature if isinstance(signature, dict) else {}
        self.signed = is_signed(signature, statement, self._keys)
        if not self.signed:
            self.found(Kind.SEAL, "nobody who is known here signed the file as a whole")


def _builders() -> list[RootBuilder]:
    """One for each version of leaves."""
    return [RootBuilder() for _ in VERSIONS]


def _hash(number: int, text: object) -> bytes:
    try:
        found = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        found = b""
    if len(found) != HASH_SIZE:
        raise BadInputError(f"line {number} is no leaf")
    return found
