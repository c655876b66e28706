"""Is an export what the trail said? Checked with nothing but the file and the public keys.

A row's leaf leads over its path to the root of a seal, and a known key signed the seal. A row that
no seal closed is believed only under a signature over the whole export. What a seal cannot show is
looked for in the rows themselves: events of a history without gaps, lines of a timeline without
gaps, figures that follow from the entries. That nothing else was left out only the signature shows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from account_reviews.audit.archive.export_format import (
    PROOF,
    RANGE_FORMAT,
    is_signed,
    public_from,
    read_json,
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
from account_reviews.audit.seals.faults import Finding, Kind
from account_reviews.audit.seals.keys import PublicKeys
from account_reviews.audit.seals.leaves import COLUMNS, is_placed, position_of
from account_reviews.audit.seals.proofs import row_proof_from, verify_proof
from account_reviews.audit.seals.seal import Seal, fault_of, seal_from, signature_fault
from account_reviews.audit.verify.row_gaps import (
    gaps_in_facts,
    gaps_in_histories,
    late_ends,
    open_attempts,
)
from account_reviews.audit.verify.segments import MOST_FINDINGS
from account_reviews.audit.verify.verifier import Report
from account_reviews.domain.errors import BadInputError

_AUDIT, _METRICS = "_audit.json", "_metrics.json"
_FIRST_LINE: Final = 65_536
OWN_KEYS: Final = (
    "the public keys are the export's own: this shows that it agrees with itself, not who made it; "
    "name the key you were given with --key"
)
UNSIGNED: Final = (
    "nobody signed the export as a whole: rows that no other row counts, such as reads, "
    "could be left out unseen"
)

Row = dict[str, Any]


@dataclass(kw_only=True)
class OfflineReport(Report):
    """What a check of a file found."""

    signed: bool = False
    """A key that is believed signed the whole file: nothing was left out since."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**super().document(), "signed": self.signed}


def verify_export(path: Path, public_keys: PublicKeys | None = None) -> OfflineReport:
    """Check an audit document, with the metrics beside it, or a range.

    Without keys those in the export are taken, and a warning says what that is worth.
    BadInputError for a file that cannot be read or is no export.
    """
    try:
        with path.open("rb") as stream:
            first = stream.readline(_FIRST_LINE)
        if _format_of(first) == RANGE_FORMAT:
            from account_reviews.audit.verify.offline_range import check_range

            with path.open("rb") as stream:
                return check_range(stream, public_keys)
        document = read_json(path.read_bytes(), str(path))
        if isinstance(document, dict) and document.get("format") == METRICS_FORMAT:
            return _of_metrics(path, public_keys)
        beside = path.with_name(path.name.removesuffix(_AUDIT) + _METRICS)
        metrics = (
            read_json(beside.read_bytes(), str(beside))
            if path.name.endswith(_AUDIT) and beside.exists()
            else None
        )
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None
    return check_session(document, metrics, public_keys)


def _of_metrics(path: Path, public_keys: PublicKeys | None) -> OfflineReport:
    beside = path.with_name(path.name.removesuffix(_METRICS) + _AUDIT)
    if not path.name.endswith(_METRICS) or not beside.exists():
        raise BadInputError(
            f"{path} holds figures only", hint="put the audit document it was made with beside it"
        )
    return verify_export(beside, public_keys)


def _format_of(first: bytes) -> object:
    try:
        found = read_json(first, "the first line")
    except BadInputError:
        return None
    return found.get("format") if isinstance(found, Mapping) else None


def check_session(
    document: object, metrics: object | None, public_keys: PublicKeys | None
) -> OfflineReport:
    """Check the audit document of a review, and its metrics when they are given."""
    if not _is_session(document):
        raise BadInputError("this is no export of the audit trail", hint="see docs/audit.md")
    assert isinstance(document, dict)
    check = _Session(document, public_keys)
    check.run()
    if metrics is not None:
        check.compare_metrics(metrics)
    del check.report.findings[MOST_FINDINGS:]
    return check.report


def _is_session(document: object) -> bool:
    return (
        isinstance(document, dict)
        and document.get("format") == AUDIT_FORMAT
        and isinstance(document.get("entries"), list)
        and bool(document["entries"])
        and isinstance(document.get(PROOF), dict)
    )


class Checker:
    """Keys, seals and rows with a proof of their own: what both kinds of export share."""

    def __init__(self, public_keys: PublicKeys | None, own: object) -> None:
        self.report = OfflineReport()
        self.keys = public_from(own) if public_keys is None else public_keys
        self._own_keys = public_keys is None
        self._unproved: Row | None = None
        if self._own_keys:
            self.report.warnings.append(OWN_KEYS)

    def add(self, kind: Kind, why: str, row: Mapping[str, Any] | None = None, **more: Any) -> None:
        """One thing that is wrong."""
        if row is not None:
            event_id = row.get("event_id")
            more.setdefault("event_id", event_id if isinstance(event_id, str) else None)
            if is_placed(row):
                more.setdefault("position", position_of(row))
        self.report.findings.append(Finding(kind=kind, why=why, **more))

    def seal(self, found: object, before: Seal | None) -> Seal | None:
        """A seal that is signed, and follows the one before when that is next to it."""
        try:
            seal = seal_from(found if isinstance(found, Mapping) else {})
        except BadInputError as error:
            self.add(Kind.SEAL, error.message)
            return None
        self.report.seals_checked += 1
        if before is not None and seal.number <= before.number:
            self.add(Kind.SEAL, "the seals are not in their order", seal=seal.number)
        beside = before is not None and before.number + 1 == seal.number
        why = fault_of(seal, before, self.keys) if beside else signature_fault(seal, self.keys)
        if why is not None:
            self.add(Kind.SEAL, why, seal=seal.number)
        return seal

    def row(self, entry: object) -> Row | None:
        """The columns of a row, without its proof; None when it is no whole row."""
        if not isinstance(entry, dict):
            self.add(Kind.DIFFERING, "an entry is no row")
            return None
        row = {name: value for name, value in entry.items() if name != PROOF}
        if set(row) != set(COLUMNS) or not is_placed(row) or not _is_told(row):
            self.add(Kind.DIFFERING, "the row has not the columns that were sealed", row)
            return None
        return row

    def prove(self, row: Row, proof: object, seals: Mapping[int, Seal]) -> None:
        """Count a row as proved, or say why it is not."""
        try:
            found = row_proof_from(proof if isinstance(proof, Mapping) else {})
        except BadInputError as error:
            self.add(Kind.DIFFERING, error.message, row)
            return
        seal = seals.get(found.seal)
        if seal is None:
            self.add(Kind.SEAL, "the seal of a row is not in the export", row, seal=found.seal)
        elif verify_proof(row, found, seal):
            self.report.rows += 1
        else:
            self.add(Kind.DIFFERING, "the row is not what was sealed", row, seal=found.seal)

    def unproved(self, row: Row) -> None:
        """Count a row that no seal closed: only a signature over the whole shows it is genuine."""
        self.report.unsealed += 1
        self._unproved = self._unproved or row

    def whole(self, signature: object, statement: Mapping[str, Any], what: str) -> bool:
        """The signature under everything: is it there, and right?"""
        if signature is None:
            if UNSIGNED not in self.report.warnings:
                self.report.warnings.append(UNSIGNED)
            return False
        found = signature if isinstance(signature, Mapping) else {}
        if not is_signed(found, statement, self.keys):
            self.add(Kind.SEAL, f"the signature under {what} is wrong, or of an unknown key")
            return False
        return True

    def close(self, signature: object, statement: Mapping[str, Any]) -> None:
        """The signature under the export, and what lacks without it."""
        signed = self.whole(signature, statement, "the export")
        self.report.signed = signed and not self._own_keys
        if self._unproved is not None and not signed:
            rows = self.report.unsealed
            why = f"{rows} rows have no proof, this is the first, and nobody signed the export"
            self.add(Kind.EXTRA, why, self._unproved, rows=rows)


class _Session(Checker):
    def __init__(self, document: dict[str, Any], public_keys: PublicKeys | None) -> None:
        self._document = document
        self._proof: dict[str, Any] = document[PROOF]
        super().__init__(public_keys, self._proof.get("public_keys"))
        self._rows: list[Row] = []

    def run(self) -> None:
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
        for finding in (*gaps_in_histories(self._rows), *gaps_in_facts(self._rows)):
            self.report.findings.append(finding)
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
        lost = total - len(self._document["entries"]) if isinstance(total, int) else 0
        if lost:
            kind = Kind.MISSING if lost > 0 else Kind.EXTRA
            self.add(
                kind, f"{abs(lost)} entries too {'few' if lost > 0 else 'many'}", rows=abs(lost)
            )
        self._same(self._document, {k: v for k, v in body.items() if k != "total_entries"})
        if self._rows != in_order(self._rows):
            self.add(Kind.DIFFERING, "the entries are not in their order")
        if self._proof.get("entries_root") != entries_root(self._rows):
            self.add(Kind.DIFFERING, "the entries are not those that the document was made of")
        if self._proof.get("unsealed") != self.report.unsealed:
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
            if said.get(key) != value:
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
            if metrics.get(key) != made.get(key):
                self.add(Kind.DIFFERING, f"{key} of the metrics does not follow from the entries")
        proof = metrics[PROOF]
        if proof.get("entries_root") != entries_root(self._rows):
            self.add(Kind.DIFFERING, "the metrics were made of other entries")
        self.whole(proof.get("signature"), self._statement(METRICS_FORMAT), "the metrics")


def _is_told(row: Mapping[str, Any]) -> bool:
    """Texts where the trail has texts, so that nothing further trips over the row."""
    needed = ("event_id", "at", "source", "event_type", "severity", "tenant", "actor", "action")
    if not all(isinstance(row[name], str) for name in needed):
        return False
    names = ("review_id", "account_id", "workflow_id", "run_id", "trace_id")
    if not all(row[name] is None or isinstance(row[name], str) for name in names):
        return False
    if not isinstance(row["details"], dict):
        return False
    try:
        return datetime.fromisoformat(row["at"]).tzinfo is not None
    except ValueError:
        return False
