"""Finding and showing reviews. Temporal is only asked where it knows more than the read model."""

import shlex
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import (
    AccountNotFoundError,
    ConflictError,
    CrmError,
    PassingError,
    ReviewNotFoundError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.domain.known_names import Known
from account_reviews.services.lookup import find_account
from account_reviews.store.review_queries import Archived, RunDetail
from account_reviews.temporal import names

if TYPE_CHECKING:
    from temporalio.client import Client

    from account_reviews.domain.analysis.model import Analysis
    from account_reviews.domain.review.pending import PendingStep
    from account_reviews.domain.review.state import ReviewState

Connect = Callable[[], "Awaitable[Client | None]"]
"""Gives Temporal, or None when it is away. It is only called for an open review."""


async def find_review(parts: Parts, review: str, run_id: str | None = None) -> RunDetail:
    """A review by review id, or by the id or name of its account: its open run, else its newest,
    else the named run.

    One whose rows are gone comes from the archives. ReviewNotFoundError, BadInputError for a name
    that several accounts have.
    """
    try:
        return await _find(parts, review_id_of(parts.settings.tenant, review), run_id)
    except ReviewNotFoundError:
        if names.is_review_id(review) or run_id is not None:
            raise
        account = await _meant(parts, review)
        if account.id == review:
            raise ReviewNotFoundError(
                f"there is no review of {account.said}",
                hint=f"start one: reviews start {shlex.quote(account.id)}",
            ) from None
    return await _find(parts, names.review_id(account.id, parts.settings.tenant), run_id)


async def _find(parts: Parts, review_id: str, run_id: str | None) -> RunDetail:
    tenant = parts.settings.tenant
    try:
        return await parts.reader.find_run(tenant=tenant, review_id=review_id, run_id=run_id)
    except ReviewNotFoundError:
        found = await parts.reader.find_archived(tenant=tenant, review_id=review_id, run_id=run_id)
        if found is None:
            raise
        return found


async def _meant(parts: Parts, text: str) -> Known:
    """The account of whose review somebody speaks. ReviewNotFoundError."""
    try:
        return await find_account(parts, text)
    except (AccountNotFoundError, CrmError, PassingError) as error:
        missing = isinstance(error, AccountNotFoundError)
        raise ReviewNotFoundError(
            f"there is no review {text!r}", hint=error.hint if missing else "see `reviews list`"
        ) from None


async def named_review_id(parts: Parts, review: str) -> str:
    """The review id that a person means, who gives one, or an account by id or name."""
    if names.is_review_id(review):
        return review
    try:
        return names.review_id((await find_account(parts, review)).id, parts.settings.tenant)
    except (AccountNotFoundError, CrmError, PassingError):
        return review_id_of(parts.settings.tenant, review)


def review_id_of(tenant: str, review: str) -> str:
    """The review id that a person means, who gives one or an account id."""
    return review if names.is_review_id(review) else names.review_id(review, tenant)


async def show_review(
    parts: Parts, connect: Connect, review: str, run_id: str | None = None
) -> "tuple[ReviewState, Analysis | None, dict[str, Any]]":
    """State, analysis and document. An open review answers itself, else its row with its age.

    The document says what such a one fails at, and when it is paused in Temporal, was ended there
    or is not known there any more.
    """
    from account_reviews.domain.analysis.model import Analysis
    from account_reviews.presentation.review_documents import review_document

    seen = await see_review(parts, connect, review, run_id)
    state = seen.state
    if seen.archived is not None:
        body = seen.archived.analysis
    else:
        body = await parts.reader.document(state.analysis.hash) if state.analysis else None
    analysis = Analysis.model_validate(body) if body is not None else None
    halt = await parts.halt_history.current(state.tenant) if state.closed_at is None else None
    document = review_document(
        state,
        analysis,
        source=seen.source,
        age_seconds=seen.age_seconds,
        halt=halt,
        standing=seen.standing,
        failing=seen.failing,
        archived=seen.archived,
    )
    return state, analysis, document


class Seen(NamedTuple):
    """A review as it answers itself (`workflow`), else as its row (`projection`) or the archive has
    it."""

    state: "ReviewState"
    source: str
    age_seconds: float | None = None
    """Of the row."""
    standing: str | None = None
    """How it stands in Temporal, where it is open and did not answer."""
    failing: "tuple[PendingStep, ...]" = ()
    archived: Archived | None = None


async def see_review(
    parts: Parts, connect: Connect, review: str, run_id: str | None = None
) -> Seen:
    """A review as it is now, or as it was when it saved last."""
    return await see(connect, await find_review(parts, review, run_id))


async def see(connect: Connect, found: RunDetail) -> Seen:
    """The same of one that was found."""
    state, live = found.state, _Live()
    if state.closed_at is None:
        live = await _live(connect, state)
        if live.state is not None:
            return Seen(live.state, "workflow", failing=live.failing)
        state = live.row or state
    source = "projection" if found.archived is None else "archive"
    age = found.age_seconds
    return Seen(state, source, age, live.standing, live.failing, found.archived)


class _Live(NamedTuple):
    """What is known of an open review beside its row."""

    state: "ReviewState | None" = None
    """Its own answer."""
    row: "ReviewState | None" = None
    """Its row, closed as Temporal says where nobody has closed it yet."""
    standing: str | None = None
    failing: "tuple[PendingStep, ...]" = ()


async def _live(connect: Connect, state: "ReviewState") -> _Live:
    """What the open review says of itself; where nobody answers, how it stands in Temporal."""
    client = await connect()
    if client is None:
        return _Live()
    from account_reviews.domain.review.phases import Status
    from account_reviews.services.pending_steps import failing_steps
    from account_reviews.services.review_workflows import (
        ask,
        closed_as_in_temporal,
        handle_of,
        newest_run,
        standing,
    )
    from account_reviews.temporal.executions import Standing

    review_id, run_id = state.review_id, state.run_id
    live = await ask(handle_of(client, review_id, run_id))
    if live is not None and live.run_id == run_id:
        is_at_work = live.failing or live.status is Status.RUNNING
        failing = await failing_steps(client, review_id, run_id) if is_at_work else []
        return _Live(state=live, failing=tuple(failing))
    found = await standing(client, state)
    if found is Standing.CLOSED:
        ended = await newest_run(client, review_id, run_id)
        row = closed_as_in_temporal(state, ended) if ended is not None else state
        return _Live(row=row, standing=found)
    if found in (None, Standing.GONE):
        return _Live(standing=found)
    failing = await failing_steps(client, review_id, run_id)
    return _Live(standing=found, failing=tuple(failing))


async def open_review(parts: Parts, client: "Client", account_id: str) -> "ReviewState":
    """The open review of an account: its own answer, else its row.

    UnreachableError when it does not answer and has no row yet.
    """
    from account_reviews.services.review_workflows import ask, handle_of

    review_id = names.review_id(account_id, parts.settings.tenant)
    live = await ask(handle_of(client, review_id))
    if live is not None:
        return live
    try:
        found = await find_review(parts, review_id)
    except ReviewNotFoundError:
        found = None
    if found is None or found.state.closed_at is not None:
        raise await _silent(client, review_id)
    return found.state


async def _silent(client: "Client", review_id: str) -> ReviewsError:
    """Why an open review neither answers nor has a row."""
    from account_reviews.services.review_workflows import why_it_stands

    why = await why_it_stands(client, review_id)
    if why is None:
        return UnreachableError(
            f"the review {review_id} is open but does not answer", hint="start a worker"
        )
    return ConflictError(
        f"the review {review_id} is open but cannot run: {why}",
        hint="it was not started by `reviews start`; end it with"
        f" `temporal workflow terminate -w {shlex.quote(review_id)}`",
    )
