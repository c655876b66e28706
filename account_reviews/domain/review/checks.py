"""What a review asks before it applies what somebody said, and the answer.

The activity `access.check` answers: it holds the keys and reads the policy as it is now.
"""

from pydantic import Field

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.review.messages import Refusal, SubmitDecision


class CheckSaid(Model):
    """Somebody said something to a review, which is checked before it is applied."""

    tenant: str
    review_id: str
    run_id: str
    owner_id: str | None = None
    """Of the account, as the review has read it."""
    owner_name: str | None = None
    started_by: str
    verb: str
    """`decide`, `propose`, `undo`, `pause`, `close` ...: the word of `domain.access.roles.Verb`."""
    by: str
    """As it is given; of a decision its approver."""
    on_behalf_of: str | None = None
    request_id: str | None = None
    decision: SubmitDecision | None = None
    """The whole message when the verb is `decide`."""
    item_hashes: dict[str, str] = Field(default_factory=dict)
    """Content hash by item id, of every item of the request as it stands now."""
    listed_in: tuple[str, ...] = ()
    """Groups that let the approver, or the one he decides for, decide: as the request knows them
    from when it was opened."""
    is_delegate: bool = False
    """By the policy of that time he decides for somebody else."""
    ids: dict[str, str] = Field(default_factory=dict)
    """`Terms.ids` of the request."""
    used_nonces: tuple[str, ...] = ()
    """`ReviewState.nonces`."""
    now: Timestamp
    """The time of the workflow."""


class Checked(Model):
    """Whether it may be applied. It is never an exception, which would hold up the review."""

    allowed: bool
    refusal: Refusal | None = None
    """Why not, when it is not allowed."""
    verified: bool = False
    """The decision was signed, and the signature holds for exactly this decision."""
    nonce: str | None = None
    """To be added to `ReviewState.nonces` by `domain.review.nonces.used` when it is applied."""
    roles: tuple[str, ...] = ()
    """Of whoever said it; none when the policy has no users."""
    person: str | None = None
    """The name as the policy spells it; None when the policy does not know it."""
