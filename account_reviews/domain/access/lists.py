"""Whether somebody is still in the lists by which a request let him decide. Pure."""

from account_reviews.domain.person_names import person
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.review.checks import CheckSaid
from account_reviews.domain.review.messages import SubmitDecision


def removed(policy: Policy, call: CheckSaid, decision: SubmitDecision) -> str | None:
    """Why not, as a sentence, when he was taken out of a list since the request was opened.

    A person who was put in since decides on requests that are opened from then on.
    """

    def who(name: str) -> str:
        known = policy.access.user(name)
        found = person(known[0] if known else name)
        return person(call.ids.get(found, found))

    approvals = policy.approvals
    seat = decision.on_behalf_of or decision.approver
    for group in call.listed_in:
        if who(seat) not in map(who, approvals.groups.get(group, ())):
            return f"{seat} is not in the group {group} of the policy any more"
    if not call.is_delegate:
        return None
    for name, hands in approvals.delegates.items():
        if who(name) == who(seat) and who(decision.approver) in map(who, hands):
            return None
    return f"{decision.approver} is not a delegate of {seat} any more"
