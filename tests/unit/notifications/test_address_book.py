"""Which groups of a policy no mail reaches."""

from account_reviews.domain.policy.model import parse_policy
from account_reviews.domain.review.asked_groups import is_empty_group
from account_reviews.notifications.address_book import groups_without_address

POLICY = """
[approvals]
approvers = ["owner", "desk"]
[approvals.groups]
compliance = ["Dora"]
[approvals.routes]
many_records = ["manager"]
low_confidence = []
personal_data = ["compliance"]
[approvals.escalation]
levels = ["owner", "team_lead"]
critical = ["manager"]
[notifications.addresses]
"Team_Lead" = "lead@example.com"
"""


def test_groups_without_members_need_an_address() -> None:
    assert groups_without_address(parse_policy(POLICY)) == ["desk", "manager"]


def test_with_addresses_of_all_nothing_is_missing() -> None:
    more = 'desk = "desk@example.com"\nmanager = "boss@example.com"\n'
    assert groups_without_address(parse_policy(POLICY + more)) == []


def test_a_group_without_members_is_told_from_people() -> None:
    """A person without an address is a fault that is to be seen; nobody at all is none."""
    policy = parse_policy(POLICY + '[access.users]\n"Desk" = ["approver"]\n')
    empty = {"manager": True, " Manager": True, "team_lead": True, "Dora": False, "owner": False}
    found = {name: is_empty_group(policy, name) for name in (*empty, "compliance", "desk", "ow-4")}
    assert found == {**empty, "compliance": False, "desk": False, "ow-4": False}
