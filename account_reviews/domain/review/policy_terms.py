"""The terms of a review's requests, from the policy under which it is analysed. Pure."""

from collections.abc import Mapping
from datetime import timedelta

from account_reviews.domain.person_names import person
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.review.terms import Escalation, Routes, Terms


def terms_of(policy: Policy) -> Terms:
    """What the policy says now; a request that is opened keeps it."""
    approvals = policy.approvals
    routes, escalation = approvals.routes, approvals.escalation
    return Terms(
        timeout_seconds=approvals.timeout.total_seconds(),
        requirement=approvals.requirement,
        n=approvals.n,
        four_eyes=approvals.four_eyes,
        reason_required_on_reject=approvals.reason_required_on_reject,
        max_conflict_rounds=approvals.max_conflict_rounds,
        auto=tuple(approvals.auto),
        max_errors=policy.resume.max_errors,
        reminder_seconds=_seconds(approvals.reminder),
        escalate_seconds=_seconds(approvals.escalate),
        on_timeout=approvals.on_timeout,
        checked=is_checked(policy),
        channels=tuple(policy.notifications.channels),
        approvers=approvals.approvers,
        groups={name: members for name, members in approvals.groups.items() if members},
        routes=Routes(
            max_records=routes.max_records,
            many_records=routes.many_records,
            personal_data=routes.personal_data,
            min_confidence=routes.min_confidence,
            low_confidence=routes.low_confidence,
        ),
        delegates=approvals.delegates,
        escalation=Escalation(
            levels=escalation.levels,
            risk=escalation.risk,
            critical_risk=escalation.critical_risk,
            critical=escalation.critical,
        ),
        spellings=spellings_of(policy),
    )


def is_checked(policy: Policy) -> bool:
    """Whether a decision is checked as it is made: by its token, by roles, by lists of people."""
    approvals = policy.approvals
    lists = any(approvals.groups.values())
    return approvals.require_signed or policy.access.users is not None or lists


def spellings_of(policy: Policy) -> dict[str, str]:
    """What the CRM calls a user -> the name that the policy has for him: one person."""
    users = policy.access.users or {}
    return {person(user.id): name for name, user in users.items() if user.id is not None}


def ids_by_name(names: Mapping[str, str | None]) -> dict[str, str]:
    """Id -> name of people of the CRM, the other way round, as `Terms.ids` has them.

    Namesakes are left out: nobody knows who of them is meant by that name.
    """
    found: dict[str, list[str]] = {}
    for owner_id, name in names.items():
        if name and person(name) and person(name) != person(owner_id):
            found.setdefault(person(name), []).append(owner_id)
    return {name: ids[0] for name, ids in found.items() if len(ids) == 1}


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
