"""What a review's workflow is started with, by a client and by a cycle alike."""

from datetime import timedelta
from typing import Final

from temporalio.common import SearchAttributePair, TypedSearchAttributes

from account_reviews.domain.admission import MEMO
from account_reviews.domain.characters import escaped_in_markdown, shown_on_one_line
from account_reviews.domain.crm_events import HANDLING
from account_reviews.domain.review.state import ReviewInput, ReviewKind, UndoOf
from account_reviews.temporal import search_attributes

TASK_TIMEOUT: Final = timedelta(seconds=6)
"""How soon a workflow task that died with its worker is given to another one.

A first task at twice the normal load takes up to five seconds, nearly all of it local activities.
"""


def summary(account_name: str, undo: UndoOf | None = None) -> str:
    """The line the Temporal UI shows in lists."""
    what = "Review of" if undo is None else "Undo of a write to"
    return f"{what} {shown_on_one_line(account_name)}"


def details(start: ReviewInput) -> str:
    """What the Temporal UI shows of a review."""
    who = escaped_in_markdown(start.started_by)
    return f"Account {escaped_in_markdown(start.account_id)}, {start.kind}, started by {who}"


def memo(start: ReviewInput) -> dict[str, str] | None:
    """Which place it has, and which events began it. The server answers for both, also without a
    worker."""
    found = {} if start.reservation_id is None else {MEMO: start.reservation_id}
    if start.kind is ReviewKind.EVENT and start.metadata.get(HANDLING) is not None:
        found[HANDLING] = str(start.metadata[HANDLING])
    return found or None


def owned_by(tenant: str, owner_id: str | None) -> TypedSearchAttributes:
    """The attributes of a cycle or an upkeep run."""
    pairs = [SearchAttributePair(search_attributes.TENANT, tenant)]
    if owner_id is not None:
        pairs.append(SearchAttributePair(search_attributes.OWNER_ID, owner_id))
    return TypedSearchAttributes(pairs)


def attributes_of_review(start: ReviewInput, owner_id: str | None) -> TypedSearchAttributes:
    """Ids only: search attributes are never encrypted."""
    pairs = [
        SearchAttributePair(search_attributes.TENANT, start.tenant),
        SearchAttributePair(search_attributes.ACCOUNT_ID, start.account_id),
        SearchAttributePair(search_attributes.REVIEW_KIND, start.kind.value),
        SearchAttributePair(search_attributes.REVIEW_STATUS, "running"),
    ]
    if owner_id is not None:
        pairs.append(SearchAttributePair(search_attributes.OWNER_ID, owner_id))
    if start.cycle_id is not None:
        pairs.append(SearchAttributePair(search_attributes.CYCLE_ID, start.cycle_id))
    return TypedSearchAttributes(pairs)
