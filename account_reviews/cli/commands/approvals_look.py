"""`reviews approvals list` and `show`: what waits for a person."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli.access_log import about
from account_reviews.cli.lists import Rows, show_list, takes_view
from account_reviews.cli.options import Account, Cursor, Limit, Output, Owner, Request
from account_reviews.cli.output import Format, is_wide, print_json, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.tables import View
from account_reviews.presentation.terminal import note, say

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.domain.analysis.model import Analysis
    from account_reviews.domain.review.state import ReviewState
    from account_reviews.store.review_queries import RequestPage, RequestRow


@takes_view
def list_command(
    view: View,
    owner: Owner = None,
    account: Account = None,
    state: Annotated[str, typer.Option(help="pending, another state, or any.")] = "pending",
    limit: Limit = 50,
    cursor: Cursor = None,
    output: Output = Format.TABLE,
) -> None:
    """List requests, soonest deadline first."""
    run(_list(owner, account, state, limit, cursor, output, view), output)


async def _list(
    owner: str | None,
    account: str | None,
    state: str,
    limit: int,
    cursor: str | None,
    output: Format,
    view: View,
) -> None:
    from account_reviews.cli.parsing import parse_choice
    from account_reviews.domain.review.approvals import RequestState
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.presentation.request_table import REQUEST_COLUMNS, request_row
    from account_reviews.presentation.review_documents import request_row_document
    from account_reviews.services.lookup import account_or_given, owner_or_given, people

    wanted = parse_choice("--state", state, [*RequestState, "any"])
    strict = output is Format.TABLE
    async with open_session() as parts:
        owner_id = await owner_or_given(parts, owner, strict=strict)
        account_id = await account_or_given(parts, account, strict=strict)

        async def read(after: str | None, most: int) -> "RequestPage":
            page = await parts.reader.list_requests(
                tenant=parts.settings.tenant,
                state=None if wanted == "any" else wanted,
                owner=owner_id,
                account=account_id,
                cursor=after,
                limit=most,
            )
            for request_id in page.unreadable:
                note(f"the stored approval request {request_id} cannot be read")
            return page

        async def rows(found: "Sequence[RequestRow]") -> "Rows":
            names = await people(parts)
            words = list_words(parts.settings, lambda: parts.policy, people=names)
            return [request_row(row, words) for row in found]

        await show_list(
            view, output, read=read, columns=REQUEST_COLUMNS, rows=rows,
            document=request_row_document, limit=limit, cursor=cursor,
            nothing=_nothing(wanted), last=_next,
        )  # fmt: skip


def _nothing(wanted: str) -> str:
    if wanted == "pending":
        return "no request waits for a decision"
    return "there is no request" if wanted == "any" else f"no request is {wanted}"


def _next(found: "Sequence[RequestRow]") -> str:
    name = found[0].short_id or found[0].request.request_id
    return f"Next: reviews approvals show {shlex.quote(name)}"


def show_command(request: Request, output: Output = Format.TABLE) -> None:
    """Show one request. Each change with what differs, why, evidence and decisions."""
    run(_show(request, output), output)


async def _show(name: str, output: Format) -> None:
    from account_reviews.presentation.review_documents import request_row_document
    from account_reviews.services.lookup import find_request
    from account_reviews.temporal.names import undoes

    async with open_session() as parts:
        tenant = parts.settings.tenant
        row = await find_request(parts, name)
        about(row.review_id)
        deliveries = await parts.deliveries.of(tenant, [row.request.request_id])
        document = {
            **request_row_document(row, deliveries.get(row.request.request_id, ())),
            "undoes": undoes(row.review_id),
        }
        if output is Format.JSON:
            print_json(document)
        else:
            await _print(parts, row, document)


async def _print(parts: "Parts", row: "RequestRow", document: dict[str, Any]) -> None:
    from account_reviews.domain.review.past_decisions import past_decisions
    from account_reviews.presentation import approval_page as page
    from account_reviews.presentation.notifications import delivery_sentence
    from account_reviews.services.readers import words_of

    words, request = await words_of(parts), row.request
    state, analysis = await _behind(parts, row)
    earlier = await parts.reader.past_requests(
        parts.settings.tenant, request.account_id, request.requested_at
    )
    lines = page.request_lines(
        request, analysis, words, name=row.account_name, short_id=row.short_id
    )
    if document["undoes"] is not None:
        lines += page.wrapped("takes back a write of an earlier review", "  ")
    for place, one in enumerate(request.items, 1):
        shown = state.told(one.change) if state else one.change
        item = one.model_copy(update={"change": shown})
        lines += ["", *page.item_lines(item, place, len(request.items), words, analysis)]
    told = [page.decision_line(one, words) for one in request.decisions]
    told += [delivery_sentence(one, words) for one in document["notifications"]]
    lines += [""] if told else []
    for text in told:
        lines += page.wrapped(text)
    past = page.past_lines(past_decisions(earlier), words)
    lines += ["", *past] if past else []
    if is_wide():
        lines += ["", f"request {request.request_id}", f"shown hash {request.shown_hash}"]
        lines += [f"item {item.item_id}, hash {item.change.hash}" for item in request.items]
    for line in lines:
        say(line)
    if request.is_pending:
        say()
        for line in page.next_lines(request, row.short_id or request.request_id):
            say(line)


async def analysis_of(parts: "Parts", row: "RequestRow") -> "Analysis | None":
    """The evidence; a request is shown without it when it cannot be read."""
    return (await _behind(parts, row))[1]


async def _behind(
    parts: "Parts", row: "RequestRow"
) -> "tuple[ReviewState | None, Analysis | None]":
    """The review that asks and what it found, as far as both can be read."""
    from pydantic import ValidationError

    from account_reviews.domain.analysis.model import Analysis
    from account_reviews.domain.errors import ReviewsError

    state = None
    try:
        found = await parts.reader.find_run(
            tenant=parts.settings.tenant, review_id=row.review_id, run_id=row.run_id
        )
        state = found.state
        body = await parts.reader.document(state.analysis.hash if state.analysis else None)
        return state, None if body is None else Analysis.model_validate(body)
    except (ReviewsError, ValidationError):
        return state, None
