"""A review's rows, brought up to its state in one statement and so in one round trip.

Each row is a projection of the state, guarded by its growing version: all of it may run twice.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.domain.audit.facts import review_base, review_facts
from account_reviews.domain.audit.redaction import Rules
from account_reviews.domain.canonical import canonical_json, hash_of
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.outbox import current_trace
from account_reviews.store.outbox import spelled as json_text
from account_reviews.store.review_rows import approval_row, run_row
from account_reviews.store.tables import approval_requests, baselines, outcomes, review_runs


class Document(NamedTuple):
    """A document as it is stored: canonical JSON under the hash of it."""

    hash: str
    kind: str
    body: str

    @classmethod
    def of(cls, kind: str, content: object) -> "Document":
        spelled = canonical_json(content)
        return cls(hash_of(spelled), kind, spelled.decode())


def document_values(document: Document | None) -> dict[str, str | None]:
    """The parameters of `PUT_DOCUMENT`; without a document nothing is stored."""
    given = document or (None, None, None)
    return dict(zip(("document_hash", "document_kind", "document_body"), given, strict=True))


_KEEP_YOUNG: Final = (
    "update reviews.documents set created_at = now() "
    "where hash = :document_hash and created_at < now() - interval '1 hour' returning 1"
)
"""A document that is stored again is young again: retention takes old ones nobody refers to."""
_PUT: Final = (
    "insert into reviews.documents (hash, kind, body) "
    "select cast(:document_hash as text), cast(:document_kind as text), "
    "cast(:document_body as jsonb) "
    "from (select count(*) from young) as first where cast(:document_hash as text) is not null "
    "on conflict (hash) do nothing"
)
PUT_DOCUMENT: Final = text(f"with young as ({_KEEP_YOUNG}) {_PUT}")


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


def _upsert(table: Any, parameter: str, conflict: str) -> str:
    """All rows of a JSON list."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    return (
        f"insert into {table.fullname} as known ({columns}) select {columns} "  # noqa: S608  ours
        f"from jsonb_populate_recordset(null::{table.fullname}, cast(:{parameter} as jsonb)) "
        f"on conflict {conflict}"
    )


_REQUESTS = _upsert(
    approval_requests,
    "requests",
    "(request_id) do update set state = excluded.state, body = excluded.body, "
    "version = excluded.version where known.version < excluded.version",
)
_OUTCOMES = _upsert(
    outcomes,
    "outcomes",
    "(run_id, change_id) do update set state = excluded.state, by = excluded.by, "
    "at = excluded.at, reason = excluded.reason",
)
_BASELINE = _upsert(
    baselines,
    "baselines",
    "(tenant, account_id) do update set snapshot_hash = excluded.snapshot_hash, "
    "run_id = excluded.run_id, risk_score = excluded.risk_score, "
    "risk_level = excluded.risk_level, taken_at = excluded.taken_at "
    "where known.taken_at <= excluded.taken_at",
)
_SAVE = text(
    "with before as materialized (select state->'history' as moves, "  # noqa: S608  our own columns
    "state->'timeline' as lines, (state->>'timeline_dropped')::int as dropped "
    "from reviews.review_runs where run_id = :run_id "
    "and state->>'workflow_run_id' = :workflow_run_id), "
    f"saved as ({_upsert_run()} returning run_id), "
    f"requests as ({_REQUESTS}), outcomes as ({_OUTCOMES}), baseline as ({_BASELINE}), "
    f"young as ({_KEEP_YOUNG}), document as ({_PUT}) "
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
"""Saves the rows and tells the audit trail what is new in the review's own.

New is what the row did not hold at that place and time: a workflow task that was lost is done again
at another time, perhaps with a signal before it, and what it tells then is told too.

What the row told before is read as it was when the statement began: when two saves meet, a fact may
go to the outbox twice, and the trail takes it once. After continue-as-new or a reset all that the
state still holds is told again: a reset begins anew in the middle.
"""


async def save_rows(
    connection: AsyncConnection,
    state: ReviewState,
    rules: Rules,
    *,
    settled: Sequence[dict[str, Any]] = (),
    baseline: dict[str, Any] | None = None,
    document: Document | None = None,
    owner_id: str | None = None,
) -> None:
    """Save the review, its requests, and what else is given, in one statement.

    `settled`: how its changes ended. `owner_id`: where the state knows none yet. `rules`: what the
    audit trail may be told.
    """
    row = run_row(state)
    more = {
        "owner_id": row["owner_id"] or owner_id,
        "workflow_run_id": state.workflow_run_id,
        "requests": json_text([approval_row(state, request) for request in state.requests]),
        "outcomes": json_text(list(settled)),
        "baselines": json_text([baseline] if baseline else []),
        "shared": json_text(review_base(state, current_trace.get())),
        "facts": json_text(review_facts(state, rules)),
    }
    await connection.execute(_SAVE, row | more | document_values(document))
