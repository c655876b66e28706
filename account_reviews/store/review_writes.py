"""A review's rows, brought up to its state in one statement and so in one round trip.

Each row is a projection of the state, guarded by its time and version: all of it may run twice.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from account_reviews.domain.audit.entries import review_base, review_entries
from account_reviews.domain.audit.redaction import Rules
from account_reviews.domain.canonical import canonical_json, hash_of
from account_reviews.domain.review.ending import is_remembered
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.outbox_rows import current_trace
from account_reviews.store.outbox_rows import spelled as json_text
from account_reviews.store.review_rows import approval_row, memory_row, run_row
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements


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


PUT_DOCUMENT: Final = read_sql("account_reviews.store", "put_document.sql")
SAVE: Final = read_sql("account_reviews.store", "save_review.sql")
"""Saves the rows, and leaves for the audit trail what is new in the review's own.

Its values are what `save_values` gives.

New is what the row did not hold at that place and time: a workflow task that was lost is done again
at another time, perhaps with a signal before it, and what it records then is recorded too.

What the row held before is read as it was when the statement began: when two saves meet, a fact may
go to the outbox twice, and the trail takes it once. After continue-as-new or a reset all that the
state still holds is recorded again: a reset begins anew in the middle.
"""


def save_values(
    state: ReviewState,
    rules: Rules,
    *,
    settled: Sequence[dict[str, Any]] = (),
    baseline: dict[str, Any] | None = None,
    document: Document | None = None,
    owner_id: str | None = None,
) -> dict[str, Any]:
    """The review, its requests, and what else is given, for `SAVE`.

    `settled`: how its changes ended. `owner_id`: where the state knows none yet. `rules`: what the
    audit trail may record.
    """
    row = run_row(state)
    more = {
        "owner_id": row["owner_id"] or owner_id,
        "workflow_run_id": state.workflow_run_id,
        "snapshot_hash": state.snapshot.hash if state.snapshot else None,
        "reservation_id": state.reservation_id,
        "requests": json_text([approval_row(state, request) for request in state.requests]),
        "outcomes": json_text(list(settled)),
        "memories": json_text([memory_row(state)] if is_remembered(state) else []),
        "baselines": json_text([baseline] if baseline else []),
        "shared": json_text(review_base(state, current_trace.get())),
        "facts": json_text(review_entries(state, rules)),
    }
    return row | more | document_values(document)


class FirstRows:
    """Shows reviews that were just started, over a plain connection. UnreachableError when down.

    `rules`: what the audit trail may record.
    """

    def __init__(self, statements: Statements, rules: Rules) -> None:
        self._statements = statements
        self._rules = rules

    async def open_run(self, opening: ReviewState) -> None:
        """As `ReviewStore.open_run`, without a snapshot."""
        await self._statements.execute(SAVE, **save_values(opening, self._rules))
