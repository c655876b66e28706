"""What the CLI does with reviews: find, show, start, decide. Errors are of `domain.errors`."""

import asyncio
from typing import Any

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.service import RPCError

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import AccountFilter
from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.errors import (
    AccountNotFoundError,
    BadInputError,
    NotFoundError,
    ReviewNotFoundError,
    UnreachableError,
)
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.review_documents import review_document
from account_reviews.store.review_queries import RunDetail
from account_reviews.temporal import names
from workflows.account_review import AccountReviewWorkflow

QUERY_SECONDS = 2.0


async def find_accounts(
    parts: Parts, *, ids: tuple[str, ...] = (), owner: str | None = None, every: bool = False
) -> list[Account]:
    """The accounts meant, ordered by id. AccountNotFoundError names the first unknown one."""
    if not ids and owner is None and not every:
        raise BadInputError(
            "no account is named", hint="give ACCOUNT ids, --owner, --all or --file"
        )
    where = AccountFilter(owner=owner, account_ids=ids or None)
    found: list[Account] = []
    cursor: str | None = None
    while True:
        page = await parts.crm.list_accounts(where, cursor=cursor)
        found.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    known = {account.id for account in found}
    for wanted in ids:
        if wanted not in known:
            raise AccountNotFoundError(
                f"the CRM has no account {wanted!r}", hint="check the id, or import the account"
            )
    if owner is not None and not found:
        raise NotFoundError(f"the CRM has no accounts of owner {owner!r}")
    return found


async def find_review(parts: Parts, review: str, run_id: str | None = None) -> RunDetail:
    """A review by review id or account id: its open run, else its newest, else the named run."""
    tenant = parts.settings.tenant
    review_id = review_id_of(tenant, review)
    return await parts.reader.find_run(tenant=tenant, review_id=review_id, run_id=run_id)


def review_id_of(tenant: str, review: str) -> str:
    """The review id that a person means, who gives one or an account id."""
    try:
        names.parse_review_id(review)
    except ValueError:
        return names.review_id(review, tenant)
    return review


async def show_review(
    parts: Parts, client: Client | None, review: str, run_id: str | None = None
) -> tuple[ReviewState, Analysis | None, dict[str, Any]]:
    """State, analysis and document. An open review answers itself, else its row with its age."""
    found = await find_review(parts, review, run_id)
    state, source = found.state, "projection"
    age: float | None = found.age_seconds
    if state.closed_at is None and client is not None:
        live = await _ask(handle_of(client, state.review_id, state.run_id))
        if live is not None and live.run_id == state.run_id:
            state, source, age = live, "workflow", None
    body = await parts.reader.document(state.analysis.hash) if state.analysis else None
    analysis = Analysis.model_validate(body) if body is not None else None
    halt = await parts.halts.current(state.tenant) if state.closed_at is None else None
    document = review_document(state, analysis, source=source, age_seconds=age, halt=halt)
    return state, analysis, document


async def open_review(parts: Parts, client: Client, account_id: str) -> ReviewState:
    """The open review of an account: its own answer, else its row.

    UnreachableError when it does not answer and has no row yet.
    """
    review_id = names.review_id(account_id, parts.settings.tenant)
    live = await _ask(handle_of(client, review_id))
    if live is not None:
        return live
    try:
        found = await find_review(parts, review_id)
    except ReviewNotFoundError:
        found = None
    if found is None or found.state.closed_at is not None:
        raise UnreachableError(
            f"the review {review_id} is open but does not answer", hint="start a worker"
        )
    return found.state


async def _ask(
    handle: WorkflowHandle[AccountReviewWorkflow, Any],
) -> ReviewState | None:
    try:
        return await asyncio.wait_for(handle.query(AccountReviewWorkflow.snapshot), QUERY_SECONDS)
    except (TimeoutError, RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
        return None


def handle_of(
    client: Client, review_id: str, run_id: str | None = None
) -> WorkflowHandle[AccountReviewWorkflow, Any]:
    """The review's workflow; with `run_id` that review of the account, over all its runs."""
    return client.get_workflow_handle_for(
        AccountReviewWorkflow.run, review_id, first_execution_run_id=run_id
    )
