"""Who may do what: the table, and what holds whatever the table says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.access.roles import Subject, Verb, permission, permission_for_other
from account_reviews.domain.policy.access import Access, Role, User

OWN = Subject(owner_id="owner-1", owner_name="Olga Owner", started_by="cycle")
OTHER = Subject(owner_id="owner-2", owner_name="Max", started_by="cycle")
STARTED = Subject(owner_id="owner-2", owner_name="Max", started_by="olga  owner")
roles = st.sets(st.sampled_from(Role)).map(tuple)
verbs = st.sampled_from(Verb)
subjects = st.sampled_from([OWN, OTHER, STARTED, Subject()])


def access(*given_roles: Role, owner: str | None = None) -> Access:
    return Access(users={"Olga Owner": User(roles=given_roles, id=owner)})


MAY: dict[Role, set[str]] = {
    Role.ADMIN: {*Verb},
    Role.OPERATOR: {
        "read", "start", "annotate", "touch", "pause", "resume", "cancel", "close", "refresh",
        "retry", "cycles", "schedules", "memory_sync", "stop_all", "purge",
    },
    Role.ACCOUNT_OWNER: {"read"},
    Role.APPROVER: {"read", "ask", "annotate", "touch", "propose", "decide", "delegate", "undo"},
    Role.ANALYST: {"read", "start", "ask", "annotate", "touch", "propose"},
    Role.AUDITOR: {"read", "audit"},
}  # fmt: skip
OWN_TOO: set[str] = {
    "start", "decide", "delegate", "propose", "undo", "ask", "annotate", "touch", "pause", "resume",
    "cancel",
    "close", "refresh", "retry",
}  # fmt: skip
STARTED_TOO: set[str] = {"pause", "resume", "cancel", "close"}


@pytest.mark.parametrize("role", Role)
def test_the_table(role: Role) -> None:
    for subject, more in (
        (OTHER, set()),
        (OWN, OWN_TOO if role is Role.ACCOUNT_OWNER else set()),
        (STARTED, STARTED_TOO if role is Role.ANALYST else set()),
    ):
        may = {
            verb for verb in Verb if permission(access(role), verb, "olga owner", subject).allowed
        }
        assert may == MAY[role] | more


@given(verbs, subjects, st.text(max_size=20))
def test_without_users_anybody_may(verb: Verb, subject: Subject, name: str) -> None:
    assert permission(Access(), verb, name, subject).allowed


@given(verbs | st.text(max_size=10), subjects, st.text(max_size=20))
def test_with_users_whoever_is_not_among_them_may_nothing(
    verb: str, subject: Subject, name: str
) -> None:
    for people in (Access(users={}), access(*Role)):
        answer = permission(people, verb, f"not {name}", subject)
        assert not answer.allowed
        assert answer.person is None
        assert "not among the users" in (answer.why or "")


@given(roles, verbs, subjects)
def test_more_roles_never_allow_less(some: tuple[Role, ...], verb: Verb, subject: Subject) -> None:
    alone = [permission(access(role), verb, "Olga Owner", subject).allowed for role in some]
    assert permission(access(*some), verb, "Olga Owner", subject).allowed == any(alone)


@given(roles, st.text(min_size=1, max_size=10), subjects)
def test_what_no_role_knows_is_the_admins(
    some: tuple[Role, ...], word: str, about: Subject
) -> None:
    if word in (*Verb, "cancel_review", "submit_decision"):
        return
    assert permission(access(*some), word, "Olga Owner", about).allowed == (Role.ADMIN in some)


@given(roles, verbs, subjects)
def test_a_refusal_says_why_in_one_line(some: tuple[Role, ...], verb: Verb, about: Subject) -> None:
    answer = permission(access(*some), verb, "Olga Owner", about)
    assert answer.allowed == (answer.why is None)
    assert answer.person == "Olga Owner"
    assert "\n" not in (answer.why or "")


def test_an_owner_is_known_by_id_or_name() -> None:
    def may(people: Access, subject: Subject) -> bool:
        return permission(people, "decide", "Olga Owner", subject).allowed

    by_name = access(Role.ACCOUNT_OWNER)
    assert may(by_name, OWN)
    assert not may(by_name, OTHER)
    assert not may(by_name, Subject())
    by_id = access(Role.ACCOUNT_OWNER, owner="owner-2")
    assert may(by_id, OTHER)
    assert not may(by_id, OWN)  # another person of the same name
    nameless = Subject(owner_id="olga owner")
    assert may(by_name, nameless)


def test_sentences() -> None:
    def why(people: Access, verb: str, subject: Subject) -> str | None:
        return permission(people, verb, "Olga Owner", subject).why

    assert why(access(Role.ANALYST), "decide", OTHER) == (
        "Olga Owner is analyst and may not decide; admin, approver or the account's owner may"
    )
    assert why(access(Role.ACCOUNT_OWNER), "decide", OTHER) == (
        "Olga Owner may decide on his own accounts only, and this one belongs to Max"
    )
    assert why(access(), "stop_all", Subject()) == (
        "Olga Owner is nobody in particular and may not stop-all; admin or operator may"
    )
    assert permission(access(), "pause", "Eve").why == (
        "'Eve' is not among the users of the policy and may do nothing"
    )


def test_a_delegate_decides_on_something_himself_and_for_somebody_who_may() -> None:
    people = Access(
        users={
            "Olga Owner": User(roles=(Role.ACCOUNT_OWNER,)),
            "Ann": User(roles=(Role.APPROVER,)),
            "Max": User(roles=(Role.ACCOUNT_OWNER,)),
            "Lea": User(roles=(Role.ANALYST,)),
        }
    )

    def may(by: str, other: str, subject: Subject) -> bool:
        answer = permission_for_other(people, by, other, subject)
        assert answer.allowed == (answer.why is None)
        return answer.allowed

    assert may("Max", "Olga Owner", OWN)
    assert may("Ann", "Olga Owner", OWN)
    assert not may("Ann", "Olga Owner", OTHER)  # Olga herself may not
    assert not may("Lea", "Olga Owner", OWN)
    assert not may("Eve", "Olga Owner", OWN)
    assert not may("Ann", "Eve", OWN)
    assert permission_for_other(Access(), "x", "y", OWN).allowed
