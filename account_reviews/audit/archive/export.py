"""Exports of the trail that prove themselves: one review as two documents, a range as JSON lines.

A row is proved by its way to the root of a seal, or by lying with all others under a seal. Nothing
is exported from a trail that does not agree with its seals.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.archive.export_format import (
    ARCHIVED,
    FOREIGN,
    PROOF,
    RANGE_FORMAT,
    line,
    public_document,
    safe_name,
    sign,
    written_whole,
)
from account_reviews.audit.archive.reader import AuditReader, Filters, Row
from account_reviews.audit.archive.review_documents import (
    METRICS_FORMAT,
    audit_body,
    entries_root,
    in_order,
    metrics_body,
)
from account_reviews.audit.seals.keys import PublicKeys, SigningKey
from account_reviews.audit.seals.leaves import BEGINNING, Position, leaves_of, position_of
from account_reviews.audit.seals.proofs import Prover
from account_reviews.audit.seals.seal import Seal
from account_reviews.audit.seals.store import Member, last_seal, members_of, seals_between
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import NegativeAnswerError, ReviewNotFoundError
from account_reviews.store.database import reachable

BEFORE_START: Final = timedelta(seconds=10)
"""Who asked for a start is recorded a moment before the run begins."""

_FIRST_SEAL: Final = text("select min(number) from audit.seals where sealed_at >= :at")
_ARCHIVED: Final = text("select leaf from audit.archived_rows where (xid, seq) = (:xid, :seq)")


@dataclass(frozen=True, slots=True)
class Written:
    """What was exported, and where it is."""

    files: dict[str, Path]
    rows: int
    unsealed: int
    """Rows without a proof: younger than the last seal."""
    sha256: dict[str, str]
    status: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON: the paths by their names, then the numbers of rows and the hashes."""
        paths = {name: str(file) for name, file in self.files.items()}
        numbers = {"rows": self.rows, "unsealed": self.unsealed, "sha256": self.sha256}
        return {**paths, **numbers, **({"status": self.status} if self.status else {})}


class AuditExport:
    """Exports of one tenant. UnreachableError when the audit database is down.

    `key` signs whole exports, where this process has one; seals prove their rows without it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        reader: AuditReader,
        tenant: str,
        keys: PublicKeys,
        key: SigningKey | None,
    ) -> None:
        self._engine = engine
        self._tenant = tenant
        self._keys = keys
        self._key = key
        self._reader = reader

    # one review

    async def session(
        self, review_id: str, run_id: str | None, folder: Path, at: datetime
    ) -> Written:
        """The audit and the metrics document of a review; its newest run unless one is named.

        ReviewNotFoundError, and NegativeAnswerError when the seals and the trail do not agree.
        """
        name = safe_name(review_id, run_id)
        files = {kind: folder / f"{name}_{kind}.json" for kind in ("audit", "metrics")}
        with ExitStack() as stack:
            streams = {
                kind: stack.enter_context(written_whole(file)) for kind, file in files.items()
            }
            documents = await self.documents(review_id, run_id, at)
            hashes = {kind: _write(streams[kind], document) for kind, document in documents.items()}
        audit = documents["audit"]
        return Written(
            files, audit["total_entries"], audit[PROOF]["unsealed"], hashes, audit["status"]
        )

    async def documents(
        self, review_id: str, run_id: str | None, at: datetime
    ) -> dict[str, dict[str, Any]]:
        """Both documents, as `audit` and `metrics`."""
        entries = in_order(await self._entries(review_id, run_id))
        body = audit_body(entries)
        async with reachable(), self._engine.connect() as connection:
            seals, proofs = await _prove(connection, entries)
        statement = {
            "format": body["format"],
            "session_id": body["session_id"],
            "run_ids": body["metadata"]["run_ids"],
            "exported_at": rfc3339(at),
            "total_entries": len(entries),
            "entries_root": entries_root(entries),
        }
        proof = {
            "entries_root": statement["entries_root"],
            "unsealed": sum(one is None for one in proofs),
            "public_keys": public_document(self._keys),
        }
        audit = {
            **body,
            "exported_at": rfc3339(at),
            "entries": [{**row, PROOF: one} for row, one in zip(entries, proofs, strict=True)],
            PROOF: {**proof, "seals": seals, "signature": self._signature(statement)},
        }
        metrics = {**metrics_body(entries), "exported_at": rfc3339(at)}
        statement |= {"format": METRICS_FORMAT}
        return {
            "audit": audit,
            "metrics": {**metrics, PROOF: {**proof, "signature": self._signature(statement)}},
        }

    async def _entries(self, review_id: str, run_id: str | None) -> list[Row]:
        """All rows of one review. Rows that name no run belong to the run of their time."""
        runs = await self._reader.runs_of(self._tenant, review_id)
        firsts = list(dict.fromkeys(first for first, _, _ in runs))
        wanted = Filters(tenant=self._tenant, review_id=review_id)
        if run_id is not None:
            firsts_of = {run: first for first, run, _ in runs}
            first = firsts_of.get(run_id, run_id)
            if first not in firsts:
                raise ReviewNotFoundError(
                    f"the trail has no run {run_id} of {review_id}", hint="see `reviews audit tail`"
                )
        elif firsts:
            first = firsts[-1]
        else:
            return await self._without_history(wanted)
        mine = {first, *(run for one, run, _ in runs if one == first)}
        known = {one for pair in runs for one in pair[:2]}
        begin, end = _window(first, firsts, {one: at for one, _, at in reversed(runs)})
        found: list[Row] = []
        async for batch in self._all(wanted):
            for row in batch:
                at = datetime.fromisoformat(row["at"])
                loose = row["run_id"] not in known and begin <= at < end
                if row["run_id"] in mine or loose:
                    found.append(row)
        return found

    async def _without_history(self, wanted: Filters) -> list[Row]:
        """A review whose first event has not come yet."""
        found = [row async for batch in self._all(wanted) for row in batch]
        if not found:
            raise ReviewNotFoundError(
                f"the trail has no review {wanted.review_id!r}", hint="see `reviews list`"
            )
        return found

    async def _all(self, wanted: Filters) -> AsyncIterator[list[Row]]:
        until = Position(await self._reader.final_below(), 0)
        async for batch in self._reader.stretch(wanted, BEGINNING, until):
            yield batch

    def _signature(self, statement: Mapping[str, Any]) -> dict[str, str] | None:
        return None if self._key is None else sign(self._key, statement)

    # a range

    async def range(self, wanted: Filters, file: Path, at: datetime) -> Written:
        """Rows of a time as JSON lines.

        Without other filters than the times all rows are taken that the seals of that time closed,
        so that none can be left out unseen; with filters each row has its own proof.
        """
        assert wanted.since is not None
        assert wanted.until is not None
        with written_whole(file) as stream:
            out = _Lines(stream)
            span = None if wanted.document() else await self._span(wanted.since, wanted.until)
            out.put(self._header(wanted, span, at))
            final = Position(await self._reader.final_below(), 0)
            if span is None:
                await self._proved_one_by_one(wanted, BEGINNING, final, out)
            else:
                await self._proved_one_by_one(wanted, BEGINNING, span[0].after, out)
                await self._proved_whole(span, out)
                await self._proved_one_by_one(wanted, span[1].until, final, out)
            self._close(out)
        return Written({"file": file}, out.rows, out.unsealed, {"file": out.digest.hexdigest()})

    def _header(
        self, wanted: Filters, span: tuple[Seal, Seal] | None, at: datetime
    ) -> dict[str, Any]:
        assert wanted.since is not None
        assert wanted.until is not None
        return {
            "format": RANGE_FORMAT,
            "tenant": wanted.tenant,
            "exported_at": rfc3339(at),
            "since": rfc3339(wanted.since),
            "until": rfc3339(wanted.until),
            "filters": wanted.document(),
            "whole_seals": None if span is None else [span[0].number, span[1].number],
            "public_keys": public_document(self._keys),
        }

    async def _span(self, since: datetime, until: datetime) -> tuple[Seal, Seal] | None:
        """The first and the last seal of a time; None when nothing was sealed then."""
        async with reachable(), self._engine.connect() as connection:
            newest = await last_seal(connection)
            first = await connection.scalar(_FIRST_SEAL, {"at": since})
            if newest is None or first is None:
                return None
            last = await connection.scalar(_FIRST_SEAL, {"at": until}) or newest.number
            begin, *_ = await seals_between(connection, first, first)
            end, *_ = await seals_between(connection, last, last)
            return begin, end

    async def _proved_whole(self, span: tuple[Seal, Seal], out: "_Lines") -> None:
        for number in range(span[0].number, span[1].number + 1):
            async with reachable(), self._engine.connect() as connection:
                found = await seals_between(connection, number, number)
                if not found:
                    raise _disagreement(number)
                members = await members_of(connection, number)
                rows = await self._rows_under(found[0])
                if len(members) != found[0].rows:
                    raise _disagreement(number)
                out.put({"seal": found[0].document()})
                for member in members:
                    out.put(await self._member(connection, number, member, rows))

    async def _rows_under(self, seal: Seal) -> dict[Position, Row]:
        every = Filters(tenant=None)
        found: dict[Position, Row] = {}
        async for batch in self._reader.stretch(every, seal.after, seal.until):
            found |= {position_of(row): row for row in batch}
        return found

    async def _member(
        self,
        connection: AsyncConnection,
        number: int,
        member: Member,
        rows: dict[Position, Row],
    ) -> dict[str, Any]:
        """The row, or only its leaf when it is another tenant's or lies in an archive."""
        row = rows.pop(member.position, None)
        if row is None:
            there = await connection.scalar(_ARCHIVED, member.position._asdict())
            if there != member.leaf:
                raise _disagreement(number)
            return _blind(member, ARCHIVED)
        if member.leaf not in leaves_of(row):
            raise _disagreement(number)
        if row["tenant"] != self._tenant:
            return _blind(member, FOREIGN)
        return {**row, PROOF: {"seal": number, "leaf": member.leaf.hex()}}

    async def _proved_one_by_one(
        self, wanted: Filters, after: Position, until: Position, out: "_Lines"
    ) -> None:
        last = 0
        async with reachable(), self._engine.connect() as connection:
            prover = Prover(connection)
            async for batch in self._reader.stretch(wanted, after, until):
                for row in batch:
                    proof = await prover.proof(position_of(row))
                    if proof is not None and proof.seal > last:
                        last = proof.seal
                        out.put({"seal": prover.seals[last].document()})
                    out.put({**row, PROOF: proof and proof.document()})
                prover.seals.clear()

    def _close(self, out: "_Lines") -> None:
        statement = out.statement()
        out.put({"end": {**statement, "signature": self._signature(statement)}})


class _Lines:
    """The lines of a range as they are written, counted and hashed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.rows = 0
        self.unsealed = 0

    def put(self, document: Mapping[str, Any]) -> None:
        spelled = line(document)
        self.digest.update(spelled)
        self._stream.write(spelled)
        self.rows += "event_id" in document
        self.unsealed += document.get(PROOF, ()) is None

    def statement(self) -> dict[str, Any]:
        """What is said of all lines so far."""
        return {
            "format": RANGE_FORMAT,
            "rows": self.rows,
            "unsealed": self.unsealed,
            "sha256": self.digest.hexdigest(),
        }


def _window(
    first: str, firsts: list[str], starts: Mapping[str, datetime]
) -> tuple[datetime, datetime]:
    """From shortly before a review begins until shortly before the next one does."""
    later = firsts[firsts.index(first) + 1 :]
    end = starts[later[0]] - BEFORE_START if later else datetime.max.replace(tzinfo=UTC)
    return starts[first] - BEFORE_START, end


async def _prove(
    connection: AsyncConnection, entries: list[Row]
) -> tuple[list[dict[str, Any]], list[dict[str, Any] | None]]:
    """The seals that the entries lead to, and the proof of each entry."""
    prover = Prover(connection)
    made = {}
    for position in sorted(position_of(row) for row in entries):
        made[position] = await prover.proof(position)
    proofs = [made[position_of(row)] for row in entries]
    seals = [prover.seals[number].document() for number in sorted(prover.seals)]
    return seals, [None if proof is None else proof.document() for proof in proofs]


def _write(stream: IO[bytes], document: Mapping[str, Any]) -> str:
    spelled = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    stream.write(spelled)
    return hashlib.sha256(spelled).hexdigest()


def _blind(member: Member, why: str) -> dict[str, Any]:
    xid, seq = member.position
    return {"leaf": member.leaf.hex(), "xid": xid, "seq": seq, "why": why}


def _disagreement(number: int) -> NegativeAnswerError:
    return NegativeAnswerError(
        f"the trail does not agree with seal {number}", hint="run `reviews audit verify`"
    )
