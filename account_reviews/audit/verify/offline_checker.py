"""What an exported file shows of itself, row by row."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from account_reviews.audit.archive.export_format import (
    PROOF,
    is_signed,
    public_document,
    public_from,
)
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.keys import PublicKeys
from account_reviews.audit.seals.leaves import COLUMNS, is_placed, position_of
from account_reviews.audit.seals.proofs import row_proof_from, verify_proof
from account_reviews.audit.seals.seal import Seal, fault_of, seal_from, signature_fault
from account_reviews.audit.verify.verifier import Report
from account_reviews.domain.errors import BadInputError

OWN_KEYS: Final = (
    "the public keys are the export's own: this shows that it agrees with itself, not who made it; "
    "name the key you were given with --key"
)
UNSIGNED: Final = (
    "nobody signed the export as a whole: rows that no other row counts, such as reads, "
    "could be left out unseen"
)
FOUND_KEYS: Final = (
    "the public keys are those in {}: the file is genuine if these are; "
    "name the key you were given with --key, or pin its fingerprint in REVIEWS_AUDIT_KEYS"
)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Belief:
    """Which public keys are believed: what somebody named, else what was found, else the file's."""

    keys: PublicKeys | None = None
    pins: frozenset[str] = frozenset()
    """Fingerprints: keys that the file brings along, or `keys`, are believed if these name them."""
    found_in: str | None = None
    """Where `keys` lay, when nobody named them."""

    @property
    def is_named(self) -> bool:
        """Somebody said which keys to believe; only then is a file said to be whole."""
        return bool(self.pins) or (self.keys is not None and self.found_in is None)

    def among(self, own: PublicKeys) -> PublicKeys:
        """The keys that are believed of a file that brings `own` along."""
        if self.pins:
            known = [] if self.keys is None else self.keys.all_raw()
            return PublicKeys([*own.all_raw(), *known]).only(self.pins)
        return own if self.keys is None else self.keys

    def warnings(self) -> list[str]:
        """What the keys are worth, where nobody named them."""
        if self.is_named:
            return []
        return [OWN_KEYS if self.keys is None else FOUND_KEYS.format(self.found_in)]


@dataclass(kw_only=True)
class OfflineReport(Report):
    """What a check of a file found."""

    signed: bool = False
    """A key that somebody named signed the whole file: nothing was left out since."""
    keys: PublicKeys = field(default_factory=PublicKeys)
    """Those that were believed."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**super().document(), "signed": self.signed}


class Checker:
    """Keys, seals and rows with a proof of their own: what both kinds of export share."""

    def __init__(self, belief: Belief, own: object) -> None:
        named = public_from(own)
        self.keys = belief.among(named)
        self.report = OfflineReport(keys=self.keys)
        self._is_named = belief.is_named
        self._unproved: Row | None = None
        self.report.warnings += belief.warnings()
        strange = [name for name in public_document(named) if name not in self.keys]
        if strange:
            self.report.warnings.append(
                f"the export names public keys that are not believed here: {', '.join(strange)}"
            )

    def only(self, found: Mapping[str, Any], keys: Collection[str], where: str) -> None:
        """Nothing stands there that no export holds, and that nothing else would look at."""
        for name in found:
            if name not in keys:
                self.add(Kind.EXTRA, f"{name[:80]!r} is no key of {where}")

    def add(self, kind: Kind, why: str, row: Mapping[str, Any] | None = None, **more: Any) -> None:
        """One thing that is wrong."""
        if row is not None:
            event_id = row.get("event_id")
            more.setdefault("event_id", event_id if isinstance(event_id, str) else None)
            if is_placed(row):
                more.setdefault("position", position_of(row))
        self.report.faults.append(Fault(kind=kind, why=why, **more))

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
        if set(row) != set(COLUMNS) or not is_placed(row) or not _is_readable(row):
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
        found = signature if isinstance(signature, dict) else {}
        if not is_signed(found, statement, self.keys):
            self.add(Kind.SEAL, f"the signature under {what} is wrong, or of an unknown key")
            return False
        return True

    def close(self, signature: object, statement: Mapping[str, Any]) -> None:
        """The signature under the export, and what lacks without it."""
        signed = self.whole(signature, statement, "the export")
        self.report.signed = signed and self._is_named
        if self._unproved is not None and not signed:
            rows = self.report.unsealed
            why = f"{rows} rows have no proof, this is the first, and nobody signed the export"
            self.add(Kind.EXTRA, why, self._unproved, rows=rows)


def _is_readable(row: Mapping[str, Any]) -> bool:
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
