"""Groups that the policy asks, as far as nobody is in them. Pure."""

from collections.abc import Iterator

from account_reviews.domain.person_names import person
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.review.terms import OWNER


def is_empty_group(policy: Policy, recipient: str) -> bool:
    """Whether it stands for a group of the policy that has no members. It may have an address."""
    groups, called = policy.approvals.groups, person(recipient)
    if policy.access.user(recipient) is not None:
        return False
    names = (*groups_asked(policy), *groups)
    return any(person(one) == called and not groups.get(one) for one in names)


def groups_asked(policy: Policy) -> Iterator[str]:
    """What the policy names as who is asked or hears of a request, without the owner."""
    approvals, routes = policy.approvals, policy.approvals.routes
    named = (
        *approvals.approvers,
        *(one for one in approvals.fallback if one in approvals.groups),
        *routes.many_records,
        *routes.low_confidence,
        *routes.personal_data,
        *approvals.escalation.levels,
        *approvals.escalation.critical,
    )
    return (one for one in named if one != OWNER)
