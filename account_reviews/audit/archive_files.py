"""The file of an archive: rows between the seals that close them, gzip, one JSON object a line.

After the first line come seals, each followed by its leaves in their order: `{"row": ...}` for a
row of the archive, `{"leaf": HEX}` for one of another month. So each root can be computed again
from the file alone. The last line counts.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from account_reviews.audit.findings import Finding, Kind
from account_reviews.audit.keys import PublicKeys
from account_reviews.audit.leaves import document_of, leaf_of, parse, position_of
from account_reviews.audit.merkle import HASH_SIZE, RootBuilder
from account_reviews.audit.seals import Seal, seal_from, signature_fault
from account_reviews.domain.canonical import canonical_json
from account_reviews.domain.errors import BadInputError

FORMAT: Final = "account-reviews-audit-archive/1"
_GZIP: Final = b"\x1f\x8b"


class ArchiveWriter:
    """Writes a new file. Use it as a context, and end it with `finish`."""

    def __init__(self, file: Path, head: dict[str, Any]) -> None:
        self._stream = gzip.open(file, "wb", compresslevel=6)  # noqa: SIM115  closed by `close`
        self._rows = RootBuilder()
        self._seals = 0
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

    def finish(self) -> tuple[int, bytes]:
        """Close the file; how many rows it has, and the root over their leaves."""
        count, root = self._rows.count, self._rows.root
        self._line({"rows": count, "root": root.hex(), "seals": self._seals})
        self.close()
        return count, root

    def close(self) -> None:
        """Leave it as it is; nothing happens when it is closed."""
        self._stream.close()

    def _line(self, document: dict[str, Any]) -> None:
        try:
            self._stream.write(orjson.dumps(document) + b"\n")
        except TypeError:  # a number beyond 64 bits, which the standard library spells exactly
            self._stream.write(canonical_json(document) + b"\n")


@dataclass
class ArchiveReport:
    """What a check of a file found."""

    rows: int
    seals_checked: int
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        return not self.findings

    def document(self) -> dict[str, Any]:
        """As JSON, with the keys that every check has."""
        bad = [one.document() for one in self.findings]
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
        if next(lines, {}).get("format") != FORMAT:
            raise BadInputError(f"{file} is no archive of the trail")
        for number, line in enumerate(lines, start=2):
            check.take(number, line)
    except (OSError, EOFError) as error:
        raise BadInputError(f"{file} is torn or cannot be read: {error}") from None
    if not check.ended:
        check.found(Kind.MISSING, "the end of the file is gone")
    return ArchiveReport(check.rows.count, check.seals, check.findings)


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rb") as stream:
        for number, text in enumerate(stream, start=1):
            try:
                line = parse(text)
            except ValueError:
                line = None
            if not isinstance(line, dict):
                raise BadInputError(f"line {number} of {file} is no JSON object")
            yield line


class _Check:
    """Follows the lines of a file."""

    def __init__(self, keys: PublicKeys) -> None:
        self._keys = keys
        self._seal: Seal | None = None
        self._leaves = RootBuilder()
        self._first: dict[str, Any] | None = None
        self.rows = RootBuilder()
        self.seals = 0
        self.findings: list[Finding] = []
        self.ended = False

    def take(self, number: int, line: dict[str, Any]) -> None:
        """The next line."""
        if self.ended:
            self.found(Kind.EXTRA, f"line {number} stands behind the end")
        elif "seal" in line:
            self._close()
            self._open(seal_from(line["seal"]))
        elif "row" in line:
            self._take_row(number, line["row"])
        elif "leaf" in line:
            self._leaves.add(_hash(number, line["leaf"]))
        elif "rows" in line:
            self._end(line)
        else:
            self.found(Kind.EXTRA, f"line {number} is of no known kind")

    def found(self, kind: Kind, why: str, row: dict[str, Any] | None = None) -> None:
        """Note what is wrong."""
        number = self._seal.number if self._seal else None
        position = position_of(row) if row else None
        event_id = row["event_id"] if row else None
        self.findings.append(
            Finding(kind=kind, why=why, seal=number, position=position, event_id=event_id)
        )

    def _open(self, seal: Seal) -> None:
        self._seal, self._leaves, self._first = seal, RootBuilder(), None
        self.seals += 1
        why = signature_fault(seal, self._keys)
        if why is not None:
            self.found(Kind.SEAL, why)

    def _take_row(self, number: int, row: dict[str, Any]) -> None:
        try:
            leaf, place = leaf_of(row), position_of(row)
        except (KeyError, TypeError):
            self.found(Kind.DIFFERING, f"line {number} is no row of the trail")
            return
        self._first = self._first or row
        self._leaves.add(leaf)
        self.rows.add(leaf)
        if self._seal is None or not self._seal.after < place <= self._seal.until:
            self.found(Kind.EXTRA, f"the row of line {number} is not under its seal", row)

    def _close(self) -> None:
        seal = self._seal
        if seal is None or (self._leaves.count == seal.rows and self._leaves.root == seal.root):
            return
        lacking = seal.rows - self._leaves.count
        if lacking > 0:
            self.found(Kind.MISSING, f"{lacking} of {seal.rows} rows are gone", self._first)
        elif lacking < 0:
            self.found(Kind.EXTRA, f"{-lacking} rows more than were sealed", self._first)
        else:
            why = f"at least one of {seal.rows} rows was changed, of which this is the first"
            self.found(Kind.DIFFERING, why, self._first)

    def _end(self, line: dict[str, Any]) -> None:
        self._close()
        self.ended, self._seal = True, None
        if line["rows"] != self.rows.count or line.get("root") != self.rows.root.hex():
            self.found(Kind.MISSING, "the last line tells of other rows")


def _hash(number: int, text: object) -> bytes:
    try:
        found = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        found = b""
    if len(found) != HASH_SIZE:
        raise BadInputError(f"line {number} is no leaf")
    return found
