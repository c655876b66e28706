"""Whoever checks goes by the policy as it is at that moment."""

import re
from pathlib import Path
from textwrap import dedent

from account_reviews.access.guard import Guard
from account_reviews.access.policy_file import PolicyFile
from account_reviews.domain.access.people import Known
from account_reviews.domain.policy.model import Policy, parse_policy
from account_reviews.domain.review.messages import RefusalCode
from tests.support.paths import ROOT
from tests.support.signing import code, decision, guard, said


def test_the_policy_is_read_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    read_times = 0

    def load() -> Policy:
        nonlocal read_times
        read_times += 1
        return parse_policy(path.read_text())

    path.write_text('[access.users]\n"Ann Lee" = ["approver"]')
    asked = Guard(PolicyFile(path, load), None)
    assert code(asked.check(said(decision()))) is None
    assert code(asked.check(said(decision()))) is None
    assert read_times == 1
    path.write_text('[access.users]\n"Bob" = ["approver"]')
    gone = asked.check(said(decision()))
    assert code(gone) is RefusalCode.NOT_AN_APPROVER
    path.write_text('[access.users]\n"Ann Lee" = ["approve"]')
    broken = asked.check(said(decision()))
    assert code(broken) is RefusalCode.NOT_ALLOWED
    assert broken.refusal is not None
    assert "has the role 'approve'" in broken.refusal.message
    path.unlink()
    away = asked.check(said(decision()))
    assert away.refusal is not None
    assert f"the policy file {path} cannot be read" in away.refusal.message
    path.write_text('[access.users]\n"Ann Lee" = ["approver"]')
    back = asked.check(said(decision(), verb="pause", decision=None))
    assert code(back) is RefusalCode.NOT_ALLOWED
    assert (back.person, back.roles) == ("Ann Lee", ("approver",))


def test_a_request_is_opened_by_the_policy_as_it_is_then(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    began = parse_policy("[approvals]\nn = 2")
    asked = Guard(PolicyFile(path, lambda: parse_policy(path.read_text())), None)
    path.write_text("[approvals]\nrequirement = 'all'")
    assert (asked.terms(began).requirement, asked.terms(began).checked) == ("all", False)
    path.write_text('[access.users]\n"Ann Lee" = ["approver"]')
    assert asked.terms(began).checked
    path.write_text("[approvals.groups]\nleads = ['Ann']")
    assert asked.terms(began).groups == {"leads": ("Ann",)}
    for spoil in (lambda: path.write_text("[approvals"), path.unlink):
        spoil()
        terms = asked.terms(began)
        assert (terms.n, terms.checked) == (2, True)


def test_a_role_is_asked_of_the_approver_of_the_message() -> None:
    policy = '[access.users]\n"Ann Lee" = ["approver"]\n"Olga" = ["account_owner"]'
    by_eve = said(decision(approver="Eve"), by="Ann Lee")
    assert code(guard(policy).check(by_eve)) is RefusalCode.NOT_AN_APPROVER
    own = said(decision(approver="olga"), owner_id="o-1", owner_name="Olga")
    assert guard(policy).check(own).person == "Olga"
    other = said(decision(approver="olga"), owner_id="o-2", owner_name="Max")
    assert code(guard(policy).check(other)) is RefusalCode.NOT_AN_APPROVER


GROUPS = """
[approvals.groups]
sales = ["Ann Lee", "o-7"]
[approvals.delegates]
"Ann Lee" = ["Bob"]
[access.users]
"Ann Lee" = ["approver"]
"Bob" = ["approver"]
"Olga" = { roles = ["approver"], id = "o-7" }
"""


def test_whoever_was_taken_out_of_a_list_since_may_not() -> None:
    now = guard(GROUPS)
    assert code(now.check(said(decision(), listed_in=("sales",)))) is None
    assert code(now.check(said(decision(approver="olga"), listed_in=("sales",)))) is None
    gone = now.check(said(decision(approver="Bob"), listed_in=("sales",)))
    assert code(gone) is RefusalCode.NOT_AN_APPROVER
    assert gone.refusal is not None
    assert gone.refusal.message == "Bob is not in the group sales of the policy any more"
    away = now.check(said(decision(), listed_in=("finance",)))
    assert code(away) is RefusalCode.NOT_AN_APPROVER
    hand = decision(approver="Bob", on_behalf_of="ann lee")
    assert code(now.check(said(hand, listed_in=("sales",), is_delegate=True))) is None
    hand = decision(approver="Bob", on_behalf_of="Olga")
    taken = now.check(said(hand, listed_in=("sales",), is_delegate=True))
    assert code(taken) is RefusalCode.NOT_AN_APPROVER
    assert taken.refusal is not None
    assert taken.refusal.message == "Bob is not a delegate of Olga any more"


def test_who_decides_for_a_group_by_signing_in_as_the_page_has_it() -> None:
    page = (ROOT / "docs" / "access.md").read_text()
    blocks = re.findall(r"  ```toml\n(.*?)  ```", page, re.DOTALL)
    (policy,) = [one for one in blocks if "leads" in one]
    asked = guard(dedent(policy))
    terms = asked.terms(Policy())
    assert (terms.approvers, terms.groups, terms.checked) == (("leads",), {}, True)
    for groups, refusal in (
        (("leads", "all"), None),
        (("Leads",), RefusalCode.NOT_AN_APPROVER),
        ((), RefusalCode.NOT_AN_APPROVER),
    ):
        people = [Known(name="Ann Lee", groups=groups)]
        assert code(asked.check(said(decision()), people)) is refusal
    assert code(asked.check(said(decision()))) is RefusalCode.NOT_AN_APPROVER
