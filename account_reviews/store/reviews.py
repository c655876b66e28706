"""Documents and the read model of reviews.

A row is a projection of the review's own state, guarded by its time and version; everything here
is idempotent, so that an activity may run twice.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson
from cachetools import TTLCache
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.analysis.model import PriorOutcome, RiskLevel
from account_reviews.domain.analysis.own_writes import OwnWrite
from account_reviews.domain.audit.redaction import DEFAULT, Rules
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.errors import DocumentNotFoundError
from account_reviews.domain.records import AccountSnapshot, SnapshotRef
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.undo import what_it_undid
from account_reviews.store.database import autocommit, reachable
from account_reviews.store.review_rows import baseline_row, outcome_rows
from account_reviews.store.review_writes import (
    PUT_DOCUMENT,
    SAVE,
    Document,
    document_values,
    save_values,
)
from account_reviews.store.snapshot_history import SnapshotHistory
from account_reviews.store.sql_files import read_sql
from account_reviews.store.undone import (
    show_what_it_undid,
    show_what_was_undone,
    were_undone,
)
from account_reviews.store.usage import count_cache

KNOWN_CHARACTERS = 16_000_000
"""Of documents that this process stored: the next step of a review reads them from memory."""
KNOWN_SECONDS = 600
"""And no longer: somebody may be taken out of a document, by another process."""
PRIOR_LIMIT = 500

_PUT_DOCUMENT = text(PUT_DOCUMENT)
_SAVE = text(SAVE)
_GET_DOCUMENT = text("select body from reviews.documents where hash = :hash")
_PAST = text(read_sql("account_reviews.store", "past_of_account.sql"))
_FIND_SNAPSHOT = text(read_sql("account_reviews.store", "find_snapshot.sql"))
_LATEST_SNAPSHOT = text(read_sql("account_reviews.store", "latest_snapshot.sql"))

_SEEN = text(
    "select version, state->>'workflow_run_id' from reviews.review_runs where run_id = :run_id"
)
_SEEN_LOCKED = text(f"{_SEEN.text} for update")
_DELETE_RUN = text("delete from reviews.review_runs where run_id = :run_id")
_DELETE_REQUESTS = text(
    "delete from reviews.approval_requests where run_id = :run_id and request_id = any(:known)"
)
_REQUESTS = text(
    "select body from reviews.approval_requests where run_id = :run_id "
    "order by requested_at, request_id"
)
_ON_PURPOSE = text(read_sql("account_reviews.store", "removed_on_purpose.sql"))
_STATE_OF = text(read_sql("account_reviews.store", "state_of_review.sql"))
_STORED = text("select hash from reviews.documents where hash = any(:hashes)")


class Seen(NamedTuple):
    """Which save a row is of."""

    version: int
    workflow_run_id: str


class Past(Model):
    """What earlier reviews of an account left behind."""

    previous_snapshot: dict[str, Any] | None = None
    risk_score: int | None = None
    risk_level: RiskLevel | None = None
    outcomes: tuple[PriorOutcome, ...] = ()
    own_writes: tuple[OwnWrite, ...] = ()


class ReviewStore:
    """Everything the activities of a review keep in our PostgreSQL. UnreachableError when down.

    `rules`: what may be recorded of a review in the audit trail.
    """

    def __init__(self, engine: AsyncEngine, rules: Rules = DEFAULT) -> None:
        self._engine = engine
        self._rules = rules
        self._autocommit = autocommit(engine)
        self.history = SnapshotHistory(engine)
        self._known: TTLCache[str, str] = TTLCache(KNOWN_CHARACTERS, KNOWN_SECONDS, getsizeof=len)

    async def put_document(self, kind: str, body: object) -> str:
        """Store a document once under the hash of its content and give the hash."""
        document = Document.of(kind, body)
        async with self._statements() as connection:
            await connection.execute(_PUT_DOCUMENT, document_values(document))
        self._keep(document)
        return document.hash

    async def put_snapshots(self, snapshots: Sequence[AccountSnapshot]) -> list[str]:
        """Store many snapshots in one transaction and give their hashes, in order."""
        documents = []
        for one in snapshots:
            documents.append(Document.of("snapshot", one.model_dump()))
            await asyncio.sleep(0)  # two hundred in one go would hold up all other work
        if documents:
            rows = [document_values(one) for one in sorted(documents)]
            async with self._transaction() as connection:
                await connection.execute(_PUT_DOCUMENT, rows)
        return [one.hash for one in documents]

    async def get_document(self, stored: str) -> Any:
        """The document under that hash. DocumentNotFoundError when it is gone."""
        known = self._known.get(stored)
        count_cache(hit=known is not None)
        if known is not None:
            return orjson.loads(known)
        async with self._statements() as connection:
            body = await connection.scalar(_GET_DOCUMENT, {"hash": stored})
        if body is None:
            raise DocumentNotFoundError(f"no document {stored!r} is stored")
        return body

    async def open_run(self, opening: ReviewState, snapshot: AccountSnapshot | None = None) -> str:
        """Show a fresh review in the read model, and store its snapshot. Gives the hash."""
        document = Document.of("snapshot", snapshot.model_dump()) if snapshot else None
        owner_id = snapshot.account.owner_id if snapshot else None
        values = save_values(opening, self._rules, document=document, owner_id=owner_id)
        async with self._statements() as connection:
            await connection.execute(_SAVE, values)
        if document is None:
            return ""
        self._keep(document)
        return document.hash

    async def save(self, state: ReviewState) -> list[dict[str, Any]]:
        """Bring all rows of the review up to `state`, in one statement.

        A closed review also settles how its changes ended, which it gives, and, when it had a
        result, what the next review compares with.
        """
        settled = await self._settled(state)
        if what_it_undid(state) is not None:
            await self._save_undo(state, settled)
            return settled
        async with self._statements() as connection:
            await self._save(connection, state, settled)
        if state.outcome is not None and state.written:
            await self._show_what_was_undone(state)  # while it was open
        return settled

    async def _save_undo(self, state: ReviewState, settled: Sequence[dict[str, Any]]) -> None:
        """Together with the rows of the review whose write it took back."""
        async with self._transaction() as connection:
            await self._save(connection, state, settled)
            shown = await show_what_it_undid(connection, state, self._rules)
        if not shown:  # that one may be under way to its rows at this moment
            async with self._transaction() as connection:
                await show_what_it_undid(connection, state, self._rules)

    async def _show_what_was_undone(self, state: ReviewState) -> None:
        async with self._statements() as connection:
            if not await were_undone(connection, state):
                return
        async with self._transaction() as connection:
            await show_what_was_undone(connection, state, self._rules)

    async def state_of(self, tenant: str, run_id: str) -> ReviewState | None:
        """A review as its row has it, or as it was archived; None when it is not stored."""
        async with self._statements() as connection:
            found = await connection.scalar(_STATE_OF, {"tenant": tenant, "run_id": run_id})
        return None if found is None else ReviewState.model_validate(found)

    async def seen(self, run_id: str) -> Seen | None:
        """What `replace` compares with; None without a row. Look before asking for the state."""
        async with self._statements() as connection:
            row = (await connection.execute(_SEEN, {"run_id": run_id})).one_or_none()
        return None if row is None else Seen(*row)

    async def was_removed(self, workflow_run_id: str) -> bool:
        """True for a review that ended in this run and was archived or erased after that."""
        async with self._statements() as connection:
            found = await connection.scalar(_ON_PURPOSE, {"ids": [workflow_run_id]})
        return found is not None

    async def replace(self, state: ReviewState, *, seen: Seen | None) -> bool:
        """Write the rows of a review anew, whatever stood there when it was `seen`.

        False, and nothing is written, when the review itself has saved since: what it saved is
        newer than what it had answered. Requests that it does not know of, as of the run before a
        reset, end as superseded.
        """
        settled = await self._settled(state)
        async with self._transaction() as connection:
            row = (await connection.execute(_SEEN_LOCKED, {"run_id": state.run_id})).one_or_none()
            if (None if row is None else Seen(*row)) != seen:
                return False
            await connection.execute(_DELETE_RUN, {"run_id": state.run_id})
            known = [request.request_id for request in state.requests]
            values = {"run_id": state.run_id, "known": known}
            await connection.execute(_DELETE_REQUESTS, values)  # the save ends all others
            await self._save(connection, state, settled)
            await show_what_was_undone(connection, state, self._rules)
        async with self._transaction() as connection:  # and what came between
            await show_what_was_undone(connection, state, self._rules)
            await show_what_it_undid(connection, state, self._rules)
        return True

    async def missing_documents(self, state: ReviewState) -> tuple[str, ...]:
        """What its rows can no longer show, of `snapshot`, `memory`, `analysis`."""
        named = {"snapshot": state.snapshot, "memory": state.memory, "analysis": state.analysis}
        hashes = {kind: one.hash for kind, one in named.items() if one is not None and one.hash}
        async with self._statements() as connection:
            found = await connection.execute(_STORED, {"hashes": sorted(set(hashes.values()))})
            stored = set(found.scalars())
        return tuple(kind for kind, name in hashes.items() if name not in stored)

    async def _settled(self, state: ReviewState) -> list[dict[str, Any]]:
        """Retention or a lost database may have taken the analysis: it is closed all the same."""
        if state.outcome is None or state.analysis is None:
            return []
        try:
            analysis = await self.get_document(state.analysis.hash)
        except DocumentNotFoundError:
            analysis = {"recommendations": []}
        return outcome_rows(state, analysis)

    async def _save(
        self, connection: AsyncConnection, state: ReviewState, settled: Sequence[dict[str, Any]]
    ) -> None:
        ended = state.outcome is not None and state.analysis is not None
        baseline = baseline_row(state) if ended and state.commits_baseline else None
        values = save_values(state, self._rules, settled=settled, baseline=baseline)
        await connection.execute(_SAVE, values)

    def _keep(self, document: Document) -> None:
        """It changes under its hash only when somebody is erased. A huge one is read again."""
        if len(document.body) < KNOWN_CHARACTERS / 16:
            self._known[document.hash] = document.body

    async def past_of(self, tenant: str, account_id: str) -> Past:
        """The baseline, the risk then, and how earlier proposals ended."""
        key = {"tenant": tenant, "account_id": account_id, "limit": PRIOR_LIMIT}
        async with self._statements() as connection:
            found = (await connection.execute(_PAST, key)).mappings().one()
        return Past(
            previous_snapshot=found["body"],
            risk_score=found["risk_score"],
            risk_level=found["risk_level"],
            outcomes=found["outcomes"] or (),
            own_writes=found["writes"] or (),
        )

    async def requests_of(self, run_id: str) -> tuple[ApprovalRequest, ...]:
        """The requests of a review as they were last saved, oldest first; unreadable ones fail."""
        async with self._statements() as connection:
            found = (await connection.execute(_REQUESTS, {"run_id": run_id})).scalars()
            return tuple(ApprovalRequest.model_validate(body) for body in found)

    async def find_snapshot(self, tenant: str, account_id: str, stored: str) -> SnapshotRef | None:
        """The snapshot under that hash, when it is one of this account and tenant."""
        key = {"tenant": tenant, "account_id": account_id, "hash": stored}
        async with self._statements() as connection:
            found = (await connection.execute(_FIND_SNAPSHOT, key)).scalar_one_or_none()
        return None if found is None else SnapshotRef.model_validate(found)

    async def latest_snapshot(
        self, tenant: str, account_id: str, now: Timestamp
    ) -> SnapshotRef | None:
        """The newest stored snapshot of the account, with its age in seconds."""
        async with self._statements() as connection:
            row = await connection.execute(
                _LATEST_SNAPSHOT, {"tenant": tenant, "account_id": account_id}
            )
            found = row.scalar_one_or_none()
        if found is None:
            return None
        reference = SnapshotRef.model_validate(found)
        age = max(0, int((now - reference.fetched_at).total_seconds()))
        return reference.model_copy(update={"stale_seconds": age})

    @asynccontextmanager
    async def _statements(self) -> AsyncIterator[AsyncConnection]:
        """For statements that are each a transaction of their own."""
        async with reachable(), self._autocommit.connect() as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with reachable(), self._engine.begin() as connection:
            yield connection
