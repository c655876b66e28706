"""The users of the policy: two forms, faults as sentences, found however they are spelled."""

import re

import pytest

from account_reviews.domain.errors import PolicyError
from account_reviews.domain.policy.access import Role
from account_reviews.domain.policy.model import Policy, as_document, parse_policy

TWO = """
[access.users]
"Ann Lee" = ["approver", "auditor"]
"Olga Owner" = { roles = ["account_owner"], id = "owner-17" }
"""


def test_both_forms_are_read() -> None:
    users = parse_policy(TWO).access.users
    assert users is not None
    assert users["Ann Lee"].roles == (Role.APPROVER, Role.AUDITOR)
    assert users["Olga Owner"].id == "owner-17"


def test_without_a_table_there_are_no_users_and_an_empty_one_has_none() -> None:
    assert parse_policy("").access.users is None
    assert parse_policy('[access]\nusers = "off"').access.users is None
    assert parse_policy("[access.users]").access.users == {}


@pytest.mark.parametrize("name", ["Ann Lee", " ann  LEE ", "Ａnn Lee", "ann\u200b lee"])
def test_a_user_is_found_however_he_is_spelled(name: str) -> None:
    found = parse_policy(TWO).access.user(name)
    assert found is not None
    assert found[0] == "Ann Lee"


def test_a_user_is_found_by_id_and_nobody_by_nothing() -> None:
    access = parse_policy(TWO).access
    found = access.user("OWNER-17")
    assert found is not None
    assert found[0] == "Olga Owner"
    assert access.user("") is None
    assert access.user("bob") is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('"Ann" = ["boss"]', "access.users.\"Ann\" has the role 'boss', but roles are admin, "),
        ('"Ann" = "admin"', "access.users.\"Ann\" is 'admin', but must be a list of roles"),
        ('"Ann" = { role = ["admin"] }', "access.users.\"Ann\" has 'role', but may have roles and"),
        ('"Ann" = { id = "x" }', "must be a list of roles"),
        ('"Ann" = { roles = ["admin"], id = 3 }', 'access.users."Ann" has the id 3, but must'),
        ('" " = ["admin"]', 'access.users." " is no name'),
        ('"Ann" = ["admin"]\n"ann " = ["auditor"]', "are both 'ann '"),
        (
            '"Ann" = { roles = ["admin"], id = "Bob" }\n"bob" = ["auditor"]',
            'access.users."bob" and access.users."Ann" are both \'bob\'',
        ),
        ('"Ann" = [["admin"]]', "has the role ['admin']"),
    ],
)
def test_a_fault_is_one_sentence(entry: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(f"[access.users]\n{entry}")
    assert message in caught.value.message


def test_users_are_a_table() -> None:
    with pytest.raises(PolicyError, match=r"access\.users is 'everybody', but must be a table"):
        parse_policy('[access]\nusers = "everybody"')


def test_the_policy_travels_and_is_shown_with_its_users() -> None:
    policy = parse_policy(TWO)
    assert Policy.model_validate_json(policy.model_dump_json()) == policy
    assert as_document(policy)["access"] == {
        "users": {
            "Ann Lee": {"roles": ["approver", "auditor"]},
            "Olga Owner": {"roles": ["account_owner"], "id": "owner-17"},
        },
        "groups": {},
    }
    assert as_document(Policy())["access"] == {"users": "off", "groups": {}}


def test_groups_have_roles() -> None:
    policy = parse_policy('[access.groups]\nsales = ["approver", "analyst"]')
    assert policy.access.groups == {"sales": (Role.APPROVER, Role.ANALYST)}
    assert policy.access.users is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('groups = "sales"', "access.groups is 'sales', but must be a table of groups"),
        ('[access.groups]\nsales = "admin"', "access.groups.\"sales\" is 'admin', but must be a"),
        ('[access.groups]\nsales = ["boss"]', "access.groups.\"sales\" has the role 'boss', but"),
    ],
)
def test_groups_that_do_not_fit_are_refused(text: str, said: str) -> None:
    table = text if text.startswith("[") else f"[access]\n{text}"
    with pytest.raises(PolicyError, match=re.escape(said)):
        parse_policy(table)
