"""The columns of `reviews approvals list`."""

from typing import TYPE_CHECKING, Final

from account_reviews.presentation.review_table import due_cell, time_cell, whom_cell
from account_reviews.presentation.tables import Cell, Column, word_cell

if TYPE_CHECKING:
    from account_reviews.domain.review.approvals import ApprovalRequest
    from account_reviews.presentation.quick_words import ListWords
    from account_reviews.store.review_queries import RequestRow

REQUEST_COLUMNS: Final = (
    Column("short_id", "Request"),
    Column("account", "Account", prose=True),
    Column("items", "Changes", 2, right=True),
    Column("deadline", "Due", 3),
    Column("approvers", "Waits for", 4, prose=True),
    Column("state", "State", 5),
    Column("owner", "Owner", 6, prose=True),
    Column("requested_at", "Asked", wide=True),
    Column("request_id", "Id", wide=True),
)


def request_row(row: "RequestRow", words: "ListWords") -> tuple[object, ...]:
    """The cells of one request, as REQUEST_COLUMNS has them."""
    request = row.request
    owner = row.owner_id
    return (
        row.short_id or request.request_id,
        Cell(row.account_name or request.account_id),
        _changes(request),
        due_cell(request.deadline, words),
        whom_cell(request.approvers, words, waits=request.is_pending),
        word_cell(request.state),
        row.owner_name or (words.person(owner) if owner else None),
        time_cell(request.requested_at, words),
        request.request_id,
    )


def _changes(request: "ApprovalRequest") -> Cell:
    """How many wait; "3 of 5" once some of them are decided."""
    total = len(request.items)
    left = sum(one.is_open for one in request.items) if request.is_pending else total
    return Cell(str(total) if left == total else f"{left} of {total}", left)
