"""Roles of people whom the policy does not name, and what a token is for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.access.people import Known, roles_of, with_people
from account_reviews.domain.access.roles import (
    SCOPES,
    Scope,
    Verb,
    may_by_scopes,
    permission,
)
from account_reviews.domain.policy.access import Access, Role, User

ROLES = st.lists(st.sampled_from(Role), max_size=3).map(tuple)
NAMES = st.sampled_from(["Ann", "ann", "ANN ", "Bob", "Cy"])
KNOWN = st.builds(
    Known, name=NAMES, roles=ROLES, groups=st.lists(st.sampled_from("gh"), max_size=2).map(tuple)
)
ACCESS = st.builds(
    Access,
    users=st.none()
    | st.dictionaries(st.sampled_from(["Ann", "Bob"]), st.builds(User, roles=ROLES)),
    groups=st.dictionaries(st.sampled_from("gh"), ROLES),
)


@given(ACCESS, st.lists(KNOWN, max_size=4), st.sampled_from(Verb))
def test_the_policy_has_the_last_word_on_whom_it_names(
    access: Access, people: list[Known], verb: Verb
) -> None:
    found = with_people(access, people)
    assert (found.users is None) == (access.users is None)
    for name in access.users or {}:
        assert permission(found, verb, name) == permission(access, verb, name)


@given(ACCESS, st.lists(KNOWN, max_size=4), st.sampled_from(Verb))
def test_nobody_may_more_than_his_roles_and_those_of_his_groups(
    access: Access, people: list[Known], verb: Verb
) -> None:
    found = with_people(access, people)
    if access.users is None:
        return
    for one in people:
        named = access.user(one.name)
        same = [other for other in people if other.name.strip().lower() == one.name.strip().lower()]
        given = {role for other in same for role in roles_of(access, other)}
        most = named[1].roles if named else tuple(given)
        alone = permission(Access(users={"x": User(roles=most)}), verb, "x")
        assert permission(found, verb, one.name).allowed == alone.allowed


def test_whoever_has_no_role_is_no_user() -> None:
    found = with_people(Access(users={}), [Known(name="Ann", groups=("g",))])
    assert "not among the users" in (permission(found, "read", "Ann").why or "")


@pytest.mark.parametrize("verb", Verb)
def test_each_verb_is_of_one_scope(verb: Verb) -> None:
    assert [scope for scope in Scope if may_by_scopes(verb, frozenset({scope}))] != []
    assert sum(may_by_scopes(verb, frozenset({scope})) for scope in Scope) == 1
    assert may_by_scopes(verb, None)
    assert not may_by_scopes(verb, frozenset())
    assert not any(verb in verbs for verbs in SCOPES.values()) or verb is not Verb.STOP_ALL


def test_words_of_messages_are_of_a_scope_too() -> None:
    assert may_by_scopes("submit_decision", frozenset({Scope.DECIDE}))
    assert may_by_scopes("cancel_review", frozenset({Scope.CONTROL}))
    assert may_by_scopes("a verb to come", frozenset({Scope.CONTROL}))
