"""The last look before a write: is exactly this approved, by as many as it takes? Pure.

It counts the votes and the recorded decisions again, whatever the state of the item says: no write
without a decision that stands, and none of other content than was decided on.
"""

from account_reviews.domain.proposals import ProposedChange, proposal_hash
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.items import Item
from account_reviews.domain.review.messages import Verdict
from account_reviews.domain.review.quorum import Said, Standing, Vote, standing

POLICY = "policy"
"""Who decides on the actions that need nobody."""


def evidence_of(request: ApprovalRequest, item_id: str) -> ApprovalRequest:
    """What a request says of one of its items, and no more: it goes with the write."""
    return request.model_copy(
        update={
            "items": tuple(item for item in request.items if item.item_id == item_id),
            "decisions": tuple(one for one in request.decisions if item_id in one.item_ids),
            "notifications": (),
        }
    )


def why_not_written(request: ApprovalRequest, change: ProposedChange) -> str | None:
    """Why this change must not be written, as a sentence; None when it may be."""
    item = next((one for one in request.items if one.item_id == change.change_id), None)
    if item is None:
        return f"request {request.request_id} has no item {change.change_id}"
    if not item.is_approved:
        return f"item {item.item_id} is {item.state}, not approved"
    content = proposal_hash(change.action, change.record, change.before, change.after)
    if not content == change.hash == item.change.hash:
        return f"item {item.item_id} was approved with other content"
    if item.decided_by == POLICY and not item.votes:
        return _why_not_by_policy(request, item)
    if request.needs is None:
        return None  # opened before votes were kept: its state and its hash are all there is
    if standing(request.rules(item), item.votes) is not Standing.APPROVED:
        return f"item {item.item_id} has not the approvals it needs"
    for vote in item.votes:
        if vote.says is Said.YES and not _is_recorded(request, item, vote):
            return f"the approval of item {item.item_id} by {vote.by} was never recorded"
    return None


def _why_not_by_policy(request: ApprovalRequest, item: Item) -> str | None:
    recorded = any(
        one.by == POLICY and one.verified and item.item_id in one.item_ids
        for one in request.decisions
    )
    if item.change.action in request.terms.auto and item.original is None and recorded:
        return None
    return f"the policy does not approve item {item.item_id} by itself"


def _is_recorded(request: ApprovalRequest, item: Item, vote: Vote) -> bool:
    return any(
        (one.by, one.on_behalf_of) == (vote.by, vote.on_behalf_of)
        and one.decision in (Verdict.APPROVE, Verdict.ADJUST)
        and item.item_id in one.item_ids
        for one in request.decisions
    )
