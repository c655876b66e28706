"""Is an export what the trail said? Checked with nothing but the file and the public keys.

A row's leaf leads over its path to the root of a seal, and a known key signed the seal. A row that
no seal closed is believed only under a signature over the whole export. What a seal cannot show is
looked for in the rows themselves: events of a history without gaps, lines of a timeline without
gaps, figures that follow from the entries. That nothing else was left out only the signature shows.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from account_reviews.audit.archive.export_format import (
    PROOF,
    RANGE_FORMAT,
    lines_of,
    read_json,
    same,
)
from account_reviews.audit.archive.review_documents import (
    AUDIT_FORMAT,
    METRICS_FORMAT,
    RUNNING,
    audit_body,
    entries_root,
    in_order,
    metrics_body,
)
from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.seals.keys import PublicKeys
from account_reviews.audit.seals.leaves import position_of
from account_reviews.audit.seals.seal import Seal
from account_reviews.audit.verify.offline_checker import Belief, Checker, OfflineReport, Row
from account_reviews.audit.verify.row_gaps import (
    gaps_in_entries,
    gaps_in_histories,
    late_ends,
    open_attempts,
)
from account_reviews.audit.verify.segments import MOST_FAULTS
from account_reviews.domain.errors import BadInputError

_AUDIT, _METRICS = "_audit.json", "_metrics.json"
_FIRST_LINE: Final = 65_536
_MOST: Final = 1024**3
"""Bytes of a document that is read whole."""
_DOCUMENT: Final = frozenset(
    {"format", "session_id", "status", "total_entries", "metadata", "exported_at", "entries", PROOF}
)
_PROOF_OF_METRICS: Final = frozenset({"entries_root", "unsealed", "public_keys", "signature"})
_PROOF_OF_AUDIT: Final = _PROOF_OF_METRICS | {"seals"}


def verify_export(
    path: Path, public_keys: PublicKeys | None = None, *, belief: Belief | None = None
) -> OfflineReport:
    """Check an audit document, with the metrics beside it, or a range.

    `public_keys` are those that somebody named; `belief` says it at length. Without any those in
    the export are taken, and a warning says what that is worth. BadInputError
    for a file that cannot be read or is no export.
    """
    belief = belief or Belief(public_keys)
    try:
        with path.open("rb") as stream:
            first = stream.readline(_FIRST_LINE)
        if _format_of(first) == RANGE_FORMAT:
            from account_reviews.audit.verify.offline_range import check_range

            with path.open("rb") as stream:
                return check_range(lines_of(stream, str(path)), belief)
        document = read_json(_content(path), str(path))
        if isinstance(document, dict) and document.get("format") == METRICS_FORMAT:
            return _of_metrics(path, belief)
        beside = path.with_name(path.name.removesuffix(_AUDIT) + _METRICS)
        metrics = (
            read_json(_content(beside), str(beside))
            if path.name.endswith(_AUDIT) and beside.exists()
            else None
        )
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None
    return check_session(document, metrics, belief)


def _content(path: Path) -> bytes:
    """The whole file, which may be something else, such as a device without an end."""
    with path.open("rb") as stream:
        content = stream.read(_MOST + 1)
    if len(content) > _MOST:
        raise BadInputError(f"{path} is longer than {_MOST // 2**30} GiB, which no document is")
    return content


def _of_metrics(path: Path, belief: Belief) -> OfflineReport:
    beside = path.with_name(path.name.removesuffix(_METRICS) + _AUDIT)
    if not path.name.endswith(_METRICS) or not beside.exists():
        raise BadInputError(
            f"{path} holds figures only", hint="put the audit document it was made with beside it"
        )
    return verify_export(beside, belief=belief)


def _format_of(first: bytes) -> object:
    try:
        found = read_json(first, "the first line")
    except BadInputError:
        return None
    return found.get("format") if isinstance(found, Mapping) else None


def check_session(document: object, metrics: object | None, belief: Belief) -> OfflineReport:
    """Check the audit document of a review, and its metrics when they are given."""
    if not _is_session(document):
        raise BadInputError("this is no export of the audit trail", hint="see docs/audit.md")
    assert isinstance(document, dict)
    check = _Session(document, belief)
    check.run()
    if metrics is not None:
        check.compare_metrics(metrics)
    del check.report.faults[MOST_FAULTS:]
    return check.report


def _is_session(document: object) -> bool:
    return (
        isinstance(document, dict)
        and document.get("format") == AUDIT_FORMAT
        and isinstance(document.get("entries"), list)
        and bool(document["entries"])
        and isinstance(document.get(PROOF), dict)
    )


class _Session(Checker):
    def __init__(self, document: dict[str, Any], belief: Belief) -> None:
        self._document = document
        self._proof: dict[str, Any] = document[PROOF]
        super().__init__(belief, self._proof.get("public_keys"))
        self._rows: list[Row] = []

    def run(self) -> None:
        self.only(self._document, _DOCUMENT, "an audit document")
        self.only(self._proof, _PROOF_OF_AUDIT, "its proof")
        seals = self._seals()
        proofs = self._read()
        for row, proof in zip(self._rows, proofs, strict=True):
            if proof is None:
                self._unsealed(row, seals.values())
            else:
                self.prove(row, proof, seals)
        self._twice()
        if not self._rows:
            return
        for fault in (*gaps_in_histories(self._rows), *gaps_in_entries(self._rows)):
            self.report.faults.append(fault)
        self._compare(audit_body(self._rows))

    def _seals(self) -> dict[int, Seal]:
        seals: dict[int, Seal] = {}
        before = None
        listed = self._proof.get("seals")
        for found in listed if isinstance(listed, list) else []:
            before = self.seal(found, before) or before
            if before is not None:
                seals[before.number] = before
        return seals

    def _read(self) -> list[object]:
        proofs = []
        for entry in self._document["entries"]:
            row = self.row(entry)
            if row is not None:
                self._rows.append(row)
                proofs.append(entry.get(PROOF))
        return proofs

    def _unsealed(self, row: Row, seals: Iterable[Seal]) -> None:
        self.unproved(row)
        if any(position_of(row) <= seal.until for seal in seals):
            self.add(Kind.DIFFERING, "the row has no proof, though it is older than a seal", row)

    def _twice(self) -> None:
        late = late_ends(self._rows)
        seen: set[object] = set()
        for row in self._rows:
            name = row["event_id"]
            names = {position_of(row)} if name in late else {name, position_of(row)}
            if names & seen:
                self.add(Kind.EXTRA, "the row is there twice", row)
            seen |= names

    def _compare(self, body: Mapping[str, Any]) -> None:
        """What the document says of its entries against what follows from them."""
        total = self._document.get("total_entries")
        lost = total - len(self._document["entries"]) if type(total) is int else 0
        if type(total) is not int:
            self.add(Kind.DIFFERING, "total_entries is no whole number")
        if lost:
            kind = Kind.MISSING if lost > 0 else Kind.EXTRA
            entries = f"{abs(lost)} {'entry' if abs(lost) == 1 else 'entries'}"
            why = f"{entries} too {'few' if lost > 0 else 'many'}"
            self.add(kind, why, rows=abs(lost))
        self._same(self._document, {k: v for k, v in body.items() if k != "total_entries"})
        if self._rows != in_order(self._rows):
            self.add(Kind.DIFFERING, "the entries are not in their order")
        if self._proof.get("entries_root") != entries_root(self._rows):
            self.add(Kind.DIFFERING, "the entries are not those that the document was made of")
        if not same(self._proof.get("unsealed"), self.report.unsealed):
            self.add(Kind.DIFFERING, "another number of rows is said to have no proof")
        if body["status"] == RUNNING:
            self.report.warnings.append("the review was not closed when it was exported")
        elif left := open_attempts(self._rows):
            self.report.warnings.append(
                f"of {len(left)} attempts only the start is told, the first is {left[0]}"
            )
        self.close(self._proof.get("signature"), self._statement(AUDIT_FORMAT))

    def _same(self, said: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        for key, value in made.items():
            if not same(said.get(key), value):
                self.add(Kind.DIFFERING, f"{key} does not follow from the entries")

    def _statement(self, form: str) -> dict[str, Any]:
        body = audit_body(self._rows)
        return {
            "format": form,
            "session_id": body["session_id"],
            "run_ids": body["metadata"]["run_ids"],
            "exported_at": self._document.get("exported_at"),
            "total_entries": len(self._rows),
            "entries_root": entries_root(self._rows),
        }

    def compare_metrics(self, metrics: object) -> None:
        """The figures against those that follow from the entries."""
        if not isinstance(metrics, dict) or not isinstance(metrics.get(PROOF), dict):
            self.add(Kind.DIFFERING, "the metrics document beside the audit is none")
            return
        if not self._rows:
            return
        made: dict[str, Any] = metrics_body(self._rows)
        made["exported_at"] = self._document.get("exported_at")
        for key in sorted(made.keys() | (metrics.keys() - {PROOF})):
            if key not in made or not same(metrics.get(key), made[key]):
                self.add(Kind.DIFFERING, f"{key} of the metrics does not follow from the entries")
        proof = metrics[PROOF]
        self.only(proof, _PROOF_OF_METRICS, "the proof of metrics")
        for key in ("public_keys", "unsealed"):
            if not same(proof.get(key), self._proof.get(key)):
                self.add(Kind.DIFFERING, f"{key} of the metrics is not that of the audit")
        if proof.get("entries_root") != entries_root(self._rows):
            self.add(Kind.DIFFERING, "the metrics were made of other entries")
        self.whole(proof.get("signature"), self._statement(METRICS_FORMAT), "the metrics")
