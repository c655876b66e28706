"""Checks a range of JSON lines as it streams by: one seal and its leaves are held at a time."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from account_reviews.audit.archive.export_format import HIDDEN, PROOF, RANGE_FORMAT, read_json, same
from account_reviews.audit.seals import merkle
from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.seals.leaves import BEGINNING, is_placed, leaves_of, position_of
from account_reviews.audit.seals.seal import Seal
from account_reviews.audit.verify.offline_checker import Belief, Checker, OfflineReport, Row
from account_reviews.audit.verify.segments import MOST_FAULTS
from account_reviews.domain.counting import counted
from account_reviews.domain.errors import BadInputError

_LEAF: Final = "leaf"
_HEADER: Final = frozenset(
    ("format", "tenant", "exported_at", "since", "until", "filters", "whole_seals", "public_keys")
)


def check_range(lines: Iterable[bytes], belief: Belief) -> OfflineReport:
    """Check the lines of a range, the header first. BadInputError when they are no export."""
    stream = iter(lines)
    first = next(stream, b"")
    header = read_json(first, "the first line")
    if not isinstance(header, dict) or header.get("format") != RANGE_FORMAT:
        raise BadInputError("this is no export of the audit trail", hint="see docs/audit.md")
    check = _Range(header, belief)
    check.digest.update(first)
    for number, spelled in enumerate(stream, start=2):
        check.line(number, spelled)
        if len(check.report.faults) >= MOST_FAULTS:
            return check.report
    check.finish()
    return check.report


class _Range(Checker):
    def __init__(self, header: Mapping[str, Any], belief: Belief) -> None:
        super().__init__(belief, header.get("public_keys"))
        self.digest = hashlib.sha256()
        self._header = header
        self._whole = _numbers(header.get("whole_seals"))
        self._next_whole = self._whole.start
        self._seal: Seal | None = None
        self._open: list[bytes] | None = None
        """Leaves so far of a seal whose rows have to be all there."""
        self._wrong = False
        """A row under the open seal was reported already."""
        self._last = BEGINNING
        self._hidden = 0
        self._rows = 0
        self._ended = False
        self.only(header, _HEADER, "the first line")

    def line(self, number: int, spelled: bytes) -> None:
        """Check the next line."""
        if self._ended:
            self.add(Kind.EXTRA, f"line {number} stands behind the end")
            return
        try:
            found = read_json(spelled, f"line {number}")
        except BadInputError as error:
            self.add(Kind.DIFFERING, error.message)
            found = {}
        if not isinstance(found, dict):
            found = {}
        if "end" in found:
            self.only(found, {"end"}, "the last line")
            self._end(found["end"])
            return
        self.digest.update(spelled)
        if "seal" in found and "event_id" not in found:
            self.only(found, {"seal"}, "a seal's line")
            self._close()
            self._begin(found["seal"])
        elif _LEAF in found:
            self.only(found, {_LEAF, "xid", "seq", "why"}, "a leaf's line")
            self._blind(found)
        elif "event_id" in found:
            self._row(found)
        else:
            self.add(Kind.DIFFERING, f"line {number} is neither a row nor a seal")

    def finish(self) -> None:
        """Check what has to be there at the end."""
        if not self._ended:
            self._close()
            self.add(Kind.MISSING, "the export was cut off: its last line is gone")
        if self._hidden:
            said = "" if self.report.signed else ", or so it says: nobody signed it"
            self.report.warnings.append(
                f"{self._hidden} rows are only leaves: they belong to other tenants or lie in "
                f"archives{said}"
            )
        if self.report.unsealed:
            self.report.warnings.append(
                f"{self.report.unsealed} rows were younger than the last seal: no seal proves them"
            )

    def _begin(self, document: object) -> None:
        before, self._seal = self._seal, self.seal(document, self._seal)
        if self._seal is None:
            self._seal = before
            return
        if self._seal.number in self._whole:
            self._lacking(self._seal.number)
            self._next_whole = self._seal.number + 1
            self._open, self._wrong = [], False

    def _row(self, found: dict[str, Any]) -> None:
        self._rows += 1
        proof = found.get(PROOF)
        row = self.row(found)
        if row is None:
            self._wrong = True
            return
        self._in_order(row)
        if row["tenant"] != self._header.get("tenant"):
            self.add(Kind.EXTRA, "the row belongs to another tenant", row)
        if self._open is not None and isinstance(proof, Mapping) and _LEAF in proof:
            self._under_whole(row, proof)
            return
        self._close()
        self._outside(row)
        if proof is None:
            self.unproved(row)
            if self._seal is not None and position_of(row) <= self._seal.until:
                why = "the row has no proof, though it is older than a seal"
                self.add(Kind.DIFFERING, why, row)
        else:
            self.prove(row, proof, {self._seal.number: self._seal} if self._seal else {})

    def _under_whole(self, row: Row, proof: Mapping[str, Any]) -> None:
        assert self._open is not None
        assert self._seal is not None
        leaves = leaves_of(row)
        self.only(proof, {_LEAF, "seal"}, "a row's proof")
        said = proof.get(_LEAF)
        leaf = next((one for one in leaves if one.hex() == said), None)
        self._open.append(leaf or leaves[0])
        self.report.rows += 1
        within = self._seal.after < position_of(row) <= self._seal.until
        if leaf is None or proof.get("seal") != self._seal.number or not within:
            self._wrong = True
            self.add(Kind.DIFFERING, "the row is not what was sealed", row, seal=self._seal.number)

    def _blind(self, found: Mapping[str, Any]) -> None:
        self._hidden += 1
        leaf = found.get(_LEAF)
        try:
            hidden = bytes.fromhex(leaf) if isinstance(leaf, str) else b""
            position = position_of(found) if is_placed(found) else BEGINNING
        except ValueError:
            hidden, position = b"", BEGINNING
        whole = is_placed(found) and found.get("why") in HIDDEN and hidden.hex() == leaf
        if self._open is None or len(hidden) != merkle.HASH_SIZE or not whole:
            self._wrong = True
            self.add(Kind.DIFFERING, "a leaf stands where none can be")
            return
        self._last = max(self._last, position)
        self._open.append(hidden)

    def _close(self) -> None:
        """The seal whose rows have to be all there: are they?"""
        leaves, seal = self._open, self._seal
        self._open = None
        if leaves is None or seal is None:
            return
        lacking = seal.rows - len(leaves)
        if lacking:
            kind = Kind.MISSING if lacking > 0 else Kind.EXTRA
            why = f"{abs(lacking)} of its rows {'are gone' if lacking > 0 else 'were added'}"
            self.add(kind, why, seal=seal.number, rows=abs(lacking))
        elif merkle.root(leaves) != seal.root and not self._wrong:
            self.add(Kind.DIFFERING, "at least one of its rows was changed", seal=seal.number)

    def _in_order(self, row: Row) -> None:
        position = position_of(row)
        if position <= self._last:
            self.add(Kind.EXTRA, "the row is there twice, or not in its place", row)
        self._last = max(self._last, position)

    def _outside(self, row: Row) -> None:
        """A row with a proof of its own has to be of the time that was asked for."""
        try:
            since = datetime.fromisoformat(str(self._header.get("since")))
            until = datetime.fromisoformat(str(self._header.get("until")))
            inside = since <= datetime.fromisoformat(row["at"]) < until
        except (TypeError, ValueError):
            inside = False
        if not inside:
            self.add(Kind.EXTRA, "the row is not of the time of the export", row)

    def _lacking(self, stop: int) -> None:
        """Seals that should have come before this number."""
        for number in range(self._next_whole, min(stop, self._next_whole + MOST_FAULTS)):
            self.add(Kind.SEAL, "the seal and its rows are gone", seal=number)

    def _end(self, end: object) -> None:
        self._close()
        self._ended = True
        self._lacking(self._whole.stop)
        statement = {
            "format": RANGE_FORMAT,
            "rows": self._rows,
            "unsealed": self.report.unsealed,
            "sha256": self.digest.hexdigest(),
        }
        said = end if isinstance(end, dict) else {}
        self.only(said, {*statement, "signature"}, "the last line")
        lacking = said["rows"] - self._rows if type(said.get("rows")) is int else 0
        if lacking:
            kind = Kind.MISSING if lacking > 0 else Kind.EXTRA
            rows = counted(abs(lacking), "row")
            why = f"{rows} too {'few' if lacking > 0 else 'many'}"
            self.add(kind, why, rows=abs(lacking))
        elif not same({key: said.get(key) for key in statement}, statement):
            self.add(Kind.DIFFERING, "the lines are not those that the last line speaks of")
        self.close(said.get("signature"), statement)


def _numbers(found: object) -> range:
    """From the first seal to the last whose rows are all there; empty for None."""
    if found is None:
        return range(0)
    if isinstance(found, list) and len(found) == 2 and all(type(one) is int for one in found):
        return range(found[0], found[1] + 1)
    raise BadInputError("the first line does not say which seals are whole")
