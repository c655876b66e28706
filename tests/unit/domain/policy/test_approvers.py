"""Lists of people in the policy: what could never be reached is refused at the door."""

import json

import pytest

from account_reviews.domain.errors import PolicyError
from account_reviews.domain.policy.approvals import remarks
from account_reviews.domain.policy.model import Policy, parse_policy
from account_reviews.domain.review.policy_terms import terms_of

LEADS = '[approvals]\napprovers = ["leads"]\n{more}\n[approvals.groups]\nleads = ["Ann", "Ben"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LEADS.format(more='requirement = "n_of_m"\nn = 3'),
            "approvals.n is 3, but approvals.approvers has 2 persons who could approve",
        ),
        ("[approvals]\napprovers = []", "approvals.approvers is [], but must name somebody"),
        (
            '[approvals]\nfallback = ["Owner"]',
            "approvals.fallback names 'owner', but is for accounts that have no owner",
        ),
        ('[approvals]\nfallback = [" Mia"]', "approvals.fallback has ' Mia', but must have names"),
        ('[approvals]\napprovers = "ann"', "approvals.approvers is 'ann', but must be a list"),
        ("[approvals]\ngroups = 1", "approvals.groups is 1, but must be a table of names"),
        ('[approvals.groups]\nleads = "Ann"', "approvals.groups.leads is 'Ann', but must be"),
        (
            '[approvals.groups]\nleads = ["Ann", "ann "]',
            "approvals.groups.leads has 'ann ', but must have names of 1 to 100 characters",
        ),
        (
            '[approvals.groups]\nleads = ["Ann", "ANN"]',
            "approvals.groups.leads names 'ANN' and 'Ann': one name, twice",
        ),
        ('[approvals.groups]\nowner = ["Ann"]', "approvals.groups.owner is not a group"),
        (
            '[approvals.groups]\nred = ["Ann"]\nRed = ["Ben"]',
            "approvals.groups.Red and approvals.groups.red are the same name",
        ),
        ('[approvals.delegates]\nAnn = ["ann"]', "nobody is a delegate of himself"),
        (
            '[approvals.groups]\nmanager = ["Mia"]\nadmin = ["Mia"]',
            "approvals.groups.admin has nobody of its own beside the other groups",
        ),
        (
            "[approvals.escalation]\nrisk = [80, 70]",
            "approvals.escalation.risk is [80, 70], but each number must be above",
        ),
        (
            "[approvals.escalation]\nrisk = [101]",
            "approvals.escalation.risk is [101], but must be a list of a whole number from 0",
        ),
        (
            "[approvals.groups]\nleads = "
            + json.dumps([f"Somebody with a long name {number:040}" for number in range(200)]),
            "approvals.groups and approvals.delegates take",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert message in caught.value.message


def test_the_owner_counts_beside_the_members() -> None:
    text = LEADS.format(more='requirement = "n_of_m"\nn = 3').replace(
        '["leads"]', '["owner", "leads"]'
    )
    assert parse_policy(text).approvals.n == 3
    anybody = parse_policy('[approvals]\nrequirement = "n_of_m"\nn = 20')
    assert "any 20 persons approve" in " ".join(remarks(anybody.approvals))


def test_groups_without_members_are_told() -> None:
    said = remarks(Policy().approvals)
    assert len(said) == 1
    assert said[0].startswith("without members in approvals.groups: manager, admin, compliance;")
    known = parse_policy('[approvals.groups]\ncompliance = ["Dora"]\nspare = ["Emil"]')
    first, second = remarks(known.approvals)
    assert "manager, admin; they" in first
    assert second == "approvals.groups.spare is used by nothing"


def test_terms_are_those_of_the_policy() -> None:
    plain = terms_of(Policy())
    assert (plain.requirement, plain.n, plain.approvers, plain.checked) == (
        "any",
        1,
        ("owner",),
        False,
    )
    assert (plain.reminder_seconds, plain.escalate_seconds) == (48 * 3600, 24 * 3600)
    text = LEADS.format(more='reminder = "off"\nescalate = "off"\non_timeout = "defer"')
    listed = terms_of(parse_policy(text))
    assert listed.groups == {"leads": ("Ann", "Ben")}
    assert listed.checked
    assert (listed.reminder_seconds, listed.escalate_seconds) == (None, None)
    assert listed.on_timeout == "defer"
    users = '[access.users]\n"Olga" = { roles = ["account_owner"], id = "ow-1" }\n'
    assert terms_of(parse_policy(users)).known_as("OW-1") == "Olga"


def test_an_account_without_an_owner_waits_for_the_fallback() -> None:
    policy = parse_policy(
        '[approvals]\nfallback = ["Mia", "leads", "night shift"]\n'
        '[approvals.groups]\nleads = ["Ann", "mia"]\n'
    ).approvals
    assert policy.owners("ow-5") == ("ow-5",)
    assert policy.owners(None) == ("Mia", "Ann", "night shift")
    assert not [line for line in remarks(policy) if "used by nothing" in line]
    assert Policy().approvals.owners(None) == ()
