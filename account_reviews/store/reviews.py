"""Documents and the read model of reviews.

A row is a projection of the review's own state, guarded by its growing version; everything here
is idempotent, so that an activity may run twice.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from operator import itemgetter
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.facts import review_base, review_facts
from account_reviews.audit.store import spelled as json_text
from account_reviews.audit.traces import current_trace
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.canonical import canonical_json, hash_of
from account_reviews.domain.findings import PriorOutcome, RiskLevel
from account_reviews.domain.records import AccountSnapshot, SnapshotRef
from account_reviews.domain.redaction import DEFAULT, Rules
from account_reviews.domain.review import ReviewState
from account_reviews.store.database import autocommit, reachable
from account_reviews.store.rows import approval_row, baseline_row, outcome_rows, run_row
from account_reviews.store.tables import review_runs

PRIOR_LIMIT = 500

_PUT_DOCUMENT = text(
    "with young as (update reviews.documents set created_at = now() "
    "where hash = :hash and created_at < now() - interval '1 hour' returning 1) "
    "insert into reviews.documents (hash, kind, body) "
    "select cast(:hash as text), cast(:kind as text), cast(:body as jsonb) "
    "from (select count(*) from young) as first on conflict (hash) do nothing"
)
"""A document that is stored again is young again: retention takes old ones nobody refers to."""


def _upsert_run() -> str:
    columns = [column.name for column in review_runs.columns]
    json_columns = {column.name for column in review_runs.columns if isinstance(column.type, JSONB)}
    values = [f"cast(:{name} as jsonb)" if name in json_columns else f":{name}" for name in columns]
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "run_id")
    return (
        f"insert into reviews.review_runs as known ({', '.join(columns)}) "  # noqa: S608
        f"values ({', '.join(values)}) on conflict (run_id) do update set {updates} "
        "where known.version < excluded.version "
        "or known.state->>'workflow_run_id' <> excluded.state->>'workflow_run_id'"
    )


_SAVE_RUN = text(
    "with before as materialized (select state->'history' as moves, "  # noqa: S608  our own columns
    "state->'timeline' as lines, (state->>'timeline_dropped')::int as dropped "
    "from reviews.review_runs where run_id = :run_id "
    "and state->>'workflow_run_id' = :workflow_run_id), "
    f"saved as ({_upsert_run()} returning run_id) "
    "insert into reviews.audit_outbox (event_id, body) select fact.body->>'event_id', "
    "case when fact.analysis is null then fact.body else jsonb_set(fact.body, "
    "'{details,recommendations}', coalesce(made.list, '[]')) end || cast(:shared as jsonb) "
    "from jsonb_to_recordset(cast(:facts as jsonb)) "
    "as fact (list text, n int, place int, analysis text, body jsonb) "
    "left join lateral (select jsonb_agg(jsonb_build_object('id', one->>'id', "
    "'type', one->>'type', 'priority', one->>'priority', 'confidence', one->>'confidence')) "
    "as list from reviews.documents d, jsonb_array_elements(d.body->'recommendations') one "
    "where d.hash = fact.analysis) made on true "
    "where exists (select from saved) and not exists (select from before where "
    "(fact.list = 'timeline' and fact.n < dropped) or (fact.body->>'at')::timestamptz = (case "
    "fact.list when 'timeline' then lines->(fact.n - dropped) else moves->fact.n end->>'at')"
    "::timestamptz) order by fact.place"
)
"""Saves the row and tells the audit trail what is new in it, in one statement.

New is what the row did not hold at that place and time: a workflow task that was lost is done again
at another time, perhaps with a signal before it, and what it tells then is told too.

What the row told before is read as it was when the statement began: when two saves meet, a fact may
go to the outbox twice, and the trail takes it once. After continue-as-new or a reset all that the
state still holds is told again: a reset begins anew in the middle.
"""
_SAVE_REQUEST = text(
    "insert into reviews.approval_requests as known (request_id, run_id, review_id, tenant, "
    "account_id, owner_id, state, requested_at, deadline, body, version) values (:request_id, "
    ":run_id, :review_id, :tenant, :account_id, :owner_id, :state, :requested_at, :deadline, "
    "cast(:body as jsonb), :version) on conflict (request_id) do update set "
    "state = excluded.state, body = excluded.body, version = excluded.version "
    "where known.version < excluded.version"
)
_SAVE_OUTCOME = text(
    "insert into reviews.proposal_outcomes (run_id, change_id, tenant, account_id, rule, "
    "recommendation_type, state, by, at, reason, risk_level, evidence_hash) values (:run_id, "
    ":change_id, :tenant, :account_id, :rule, :recommendation_type, :state, :by, :at, :reason, "
    ":risk_level, :evidence_hash) on conflict (run_id, change_id) do update set "
    "state = excluded.state, by = excluded.by, at = excluded.at, reason = excluded.reason"
)
_SAVE_BASELINE = text(
    "insert into reviews.account_baselines as known (tenant, account_id, snapshot_hash, run_id, "
    "risk_score, risk_level, taken_at) values (:tenant, :account_id, :snapshot_hash, :run_id, "
    ":risk_score, :risk_level, :taken_at) on conflict (tenant, account_id) do update set "
    "snapshot_hash = excluded.snapshot_hash, run_id = excluded.run_id, "
    "risk_score = excluded.risk_score, risk_level = excluded.risk_level, "
    "taken_at = excluded.taken_at where known.taken_at <= excluded.taken_at"
)
_BASELINE = text(
    "select b.snapshot_hash, b.risk_score, b.risk_level, d.body "
    "from reviews.account_baselines b join reviews.documents d on d.hash = b.snapshot_hash "
    "where b.tenant = :tenant and b.account_id = :account_id"
)
_PRIOR = text(
    "select change_id, rule, recommendation_type, state, by, at, reason, risk_level, "
    "evidence_hash from reviews.proposal_outcomes where tenant = :tenant "
    "and account_id = :account_id order by at desc, change_id limit :limit"
)
_LATEST_SNAPSHOT = text(
    "select snapshot from ("
    "(select state->'snapshot' as snapshot, 0 as place from reviews.review_runs "
    "where tenant = :tenant "
    "and account_id = :account_id and jsonb_typeof(state->'snapshot') = 'object' "
    "order by started_at desc limit 1) union all "
    "(select jsonb_build_object('hash', d.hash, 'account_name', d.body#>>'{account,name}', "
    "'owner_id', d.body#>>'{account,owner_id}', 'owner_name', d.body#>>'{owner,name}', "
    "'fetched_at', d.body->>'fetched_at'), 1 from reviews.account_baselines b "
    "join reviews.documents d on d.hash = b.snapshot_hash "
    "where b.tenant = :tenant and b.account_id = :account_id)) found order by place limit 1"
)
"""The baseline is there when the review itself is no longer kept."""


class Past(Model):
    """What earlier reviews of an account left behind."""

    previous_snapshot: dict[str, Any] | None = None
    risk_score: int | None = None
    risk_level: RiskLevel | None = None
    outcomes: tuple[PriorOutcome, ...] = ()


class ReviewStore:
    """Everything the activities of a review keep in our PostgreSQL. UnreachableError when down.

    `rules`: what may be told of a review to the audit trail.
    """

    def __init__(self, engine: AsyncEngine, rules: Rules = DEFAULT) -> None:
        self._engine = engine
        self._rules = rules
        self._autocommit = autocommit(engine)

    async def put_document(self, kind: str, body: object) -> str:
        """Store a document once under the hash of its content and give the hash."""
        async with self._statements() as connection:
            return await _put(connection, kind, body)

    async def put_snapshots(self, snapshots: Sequence[AccountSnapshot]) -> list[str]:
        """Store many snapshots in one transaction and give their hashes, in order."""
        rows = []
        for one in snapshots:
            body = canonical_json(one.model_dump())
            rows.append({"hash": hash_of(body), "kind": "snapshot", "body": body.decode()})
            await asyncio.sleep(0)  # two hundred in one go would hold up all other work
        if rows:
            async with self._transaction() as connection:
                await connection.execute(_PUT_DOCUMENT, sorted(rows, key=itemgetter("hash")))
        return [row["hash"] for row in rows]

    async def get_document(self, stored: str) -> Any:
        """The document under that hash. KeyError when it is gone."""
        async with self._statements() as connection:
            row = await connection.execute(
                text("select body from reviews.documents where hash = :hash"), {"hash": stored}
            )
            body = row.scalar_one_or_none()
        if body is None:
            raise KeyError(f"no document {stored}")
        return body

    async def open_run(self, opening: ReviewState, snapshot: AccountSnapshot | None = None) -> str:
        """Show a fresh review in the read model, and store its snapshot. Gives the hash."""
        row = run_row(opening)
        if snapshot is not None:
            row |= {"owner_id": snapshot.account.owner_id}
        async with self._transaction() as connection:
            await _save_run(connection, opening, row, self._rules)
            if snapshot is None:
                return ""
            return await _put(connection, "snapshot", snapshot.model_dump())

    async def save(self, state: ReviewState) -> list[dict[str, Any]]:
        """Bring all rows of the review up to `state`, in one transaction.

        A closed review also settles how its changes ended, which it gives, and, when it had a
        result, what the next review compares with.
        """
        async with self._transaction() as connection:
            return await _save(connection, state, self._rules)

    async def replace(self, state: ReviewState) -> None:
        """Write the rows of a review anew, whatever stood there."""
        async with self._transaction() as connection:
            for table in ("review_runs", "approval_requests"):
                await connection.execute(
                    text(f"delete from reviews.{table} where run_id = :run_id"),  # noqa: S608
                    {"run_id": state.run_id},
                )
            await _save(connection, state, self._rules)

    async def past_of(self, tenant: str, account_id: str) -> Past:
        """The baseline, the risk then, and how earlier proposals ended."""
        key = {"tenant": tenant, "account_id": account_id}
        async with self._statements() as connection:
            baseline = (await connection.execute(_BASELINE, key)).mappings().first()
            prior = await connection.execute(_PRIOR, {**key, "limit": PRIOR_LIMIT})
            outcomes = tuple(PriorOutcome.model_validate(dict(row)) for row in prior.mappings())
        if baseline is None:
            return Past(outcomes=outcomes)
        return Past(
            previous_snapshot=baseline["body"],
            risk_score=baseline["risk_score"],
            risk_level=baseline["risk_level"],
            outcomes=outcomes,
        )

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


async def _save_run(
    connection: AsyncConnection, state: ReviewState, row: dict[str, Any], rules: Rules
) -> None:
    more = {
        "workflow_run_id": state.workflow_run_id,
        "shared": json_text(review_base(state, current_trace.get())),
        "facts": json_text(review_facts(state, rules)),
    }
    await connection.execute(_SAVE_RUN, row | more)


async def _save(
    connection: AsyncConnection, state: ReviewState, rules: Rules
) -> list[dict[str, Any]]:
    await _save_run(connection, state, run_row(state), rules)
    for request in state.requests:
        await connection.execute(_SAVE_REQUEST, approval_row(state, request))
    if state.outcome is None or state.analysis is None:
        return []
    analysis = await _get(connection, state.analysis.hash)
    settled = outcome_rows(state, analysis)
    for row in settled:
        await connection.execute(_SAVE_OUTCOME, row)
    if state.commits_baseline:
        await connection.execute(_SAVE_BASELINE, baseline_row(state))
    return settled


async def _put(connection: AsyncConnection, kind: str, body: object) -> str:
    spelled = canonical_json(body)
    stored = hash_of(spelled)
    await connection.execute(
        _PUT_DOCUMENT, {"hash": stored, "kind": kind, "body": spelled.decode()}
    )
    return stored


async def _get(connection: AsyncConnection, stored: str) -> Any:
    row = await connection.execute(
        text("select body from reviews.documents where hash = :hash"), {"hash": stored}
    )
    return row.scalar_one()
