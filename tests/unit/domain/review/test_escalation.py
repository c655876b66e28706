"""One reminder, one escalation a level, whenever somebody looks; and by risk as it opens."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.review import escalation
from account_reviews.domain.review.approvals import ApprovalRequest, Terms
from account_reviews.domain.review.notices import Notice, NoticeKind
from account_reviews.domain.review.terms import Escalation
from tests.support.requests import NOW, OWNER, message, opened

HOUR = 3600.0
LEVELS = Escalation(levels=("owner", "leads", "director", "vp"), critical=("manager", "owner"))
TERMS = Terms(
    timeout_seconds=200 * HOUR,
    reminder_seconds=48 * HOUR,
    escalate_seconds=24 * HOUR,
    groups={"leads": ("Lea", "Leo"), "manager": ("Mia",)},
    escalation=LEVELS,
)


def seen(request: ApprovalRequest, *hours: float) -> list[Notice]:
    """The notices when somebody looks at these hours."""
    found: list[Notice] = []
    for hour in hours:
        request, more = escalation.apply_due(request, NOW + timedelta(hours=hour))
        found += more
    return found


def said(notices: list[Notice]) -> list[tuple[NoticeKind, int, float]]:
    return [(one.kind, one.level, (one.at - NOW) / timedelta(hours=1)) for one in notices]


EXPECTED = [
    (NoticeKind.ESCALATION, 2, 24),
    (NoticeKind.REMINDER, 2, 48),
    (NoticeKind.ESCALATION, 3, 48),
    (NoticeKind.ESCALATION, 4, 72),
]


def test_a_request_that_waits_goes_up_level_by_level() -> None:
    notices = seen(opened(terms=TERMS), 1, 24, 25, 48, 72, 96, 199)
    assert said(notices) == EXPECTED
    assert [one.recipients for one in notices] == [
        (OWNER, "Lea", "Leo"),
        (OWNER, "Lea", "Leo"),
        (OWNER, "Lea", "Leo", "director"),
        (OWNER, "Lea", "Leo", "director", "vp"),
    ]


@given(st.lists(st.floats(0, 199.9), min_size=1).map(sorted))
def test_each_is_given_once_however_late_somebody_looks(hours: list[float]) -> None:
    assert said(seen(opened(terms=TERMS), *hours)) == [
        one for one in EXPECTED if one[2] <= max(hours)
    ]


@given(st.floats(0, 300), st.integers(0, 100) | st.none())
def test_the_next_time_is_when_there_is_something_to_do(hours: float, risk: int | None) -> None:
    request, _ = escalation.apply_due(opened(terms=TERMS, risk=risk), NOW + timedelta(hours=hours))
    due = escalation.due_next(request)
    if due is None:
        assert escalation.apply_due(request, request.deadline - timedelta(seconds=1))[1] == ()
        return
    assert due < request.deadline
    assert escalation.apply_due(request, due - timedelta(microseconds=1))[1] == ()
    assert escalation.apply_due(request, due)[1] != ()


def test_nothing_is_said_once_the_deadline_has_passed() -> None:
    assert seen(opened(terms=TERMS), 200, 500) == []
    assert seen(opened(terms=Terms(reminder_seconds=1.0)), 100) == []


def test_a_decided_request_says_nothing_more() -> None:
    result = opened(terms=TERMS).decide(message("approve"), NOW, logic=3)
    assert seen(getattr(result, "request"), 100) == []  # noqa: B009


@pytest.mark.parametrize(
    ("risk", "level"),
    [(None, 1), (69, 1), (70, 2), (79, 2), (80, 3), (89, 3), (90, 4), (100, 4)],
)
def test_it_begins_at_the_level_of_its_risk(risk: int | None, level: int) -> None:
    request = opened(terms=TERMS, risk=risk)
    first = escalation.opening_notices(request)[0]
    assert (first.kind, first.level) == (NoticeKind.REQUEST, level)
    heard = [OWNER, "Lea", "Leo", "director", "vp"]
    assert list(first.recipients) == heard[: {1: 1, 2: 3, 3: 4, 4: 5}[level]]
    up = [one.level for one in seen(request, 199) if one.kind is NoticeKind.ESCALATION]
    assert up == list(range(level + 1, 5))


@pytest.mark.parametrize(("risk", "critical"), [(84, False), (85, True), (None, False)])
def test_from_85_on_the_manager_and_the_owner_hear_of_it_at_once(
    risk: int | None, *, critical: bool
) -> None:
    _, *more = escalation.opening_notices(opened(terms=TERMS, risk=risk))
    assert [(one.kind, one.recipients, one.critical) for one in more] == (
        [(NoticeKind.ESCALATION, ("Mia", OWNER), True)] if critical else []
    )


def test_keys_of_notices_differ() -> None:
    request = opened(terms=TERMS, risk=95)
    notices = [*escalation.opening_notices(request), *seen(opened(terms=TERMS), 199)]
    notices.append(escalation.expired_notice(request))
    assert len({one.key for one in notices}) == len(notices)


def test_without_levels_and_reminder_nothing_is_due() -> None:
    assert escalation.due_next(opened()) is None
    assert opened().escalation_level == 0
