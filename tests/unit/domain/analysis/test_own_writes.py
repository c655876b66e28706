"""What we wrote is no news, and a task that stands open is not proposed again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.analysis.own_writes import OwnWrite, with_own_writes
from account_reviews.domain.base import Scalar
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import (
    CLOSED_TASKS,
    OPEN_TASKS,
    AccountSnapshot,
    AccountStatus,
    DealStage,
    RecordRef,
    RecordType,
    Task,
)
from tests.support.build import (
    ANNA,
    BEN,
    account,
    again,
    ago,
    contact,
    deal,
    earlier,
    idle,
    kinds,
    review,
    snapshot,
    written,
)


def wrote(
    record: RecordRef,
    after: dict[str, Scalar],
    *,
    action: Action = Action.UPDATE_ACCOUNT,
    at: datetime | None = None,
    change_id: str = "c-1",
) -> OwnWrite:
    return OwnWrite(change_id=change_id, action=action, record=record, after=after, at=at or ago(6))


ACCOUNT = RecordRef(type=RecordType.ACCOUNT, id=account().id)
DEAL = RecordRef(type=RecordType.DEAL, id=deal().id)
AT_RISK = wrote(ACCOUNT, {"status": "At Risk"})


def after_a_week(
    before: AccountSnapshot, now: AccountSnapshot, writes: Sequence[OwnWrite] = ()
) -> Analysis:
    return review(now, earlier(before), own_writes=tuple(writes))


def with_status(status: AccountStatus) -> AccountSnapshot:
    return snapshot(account=account(status=status))


def test_our_status_is_a_condition_and_no_change() -> None:
    before, now = with_status(AccountStatus.ACTIVE), with_status(AccountStatus.AT_RISK)
    theirs, ours = after_a_week(before, now), after_a_week(before, now, [AT_RISK])
    assert [one.type for one in theirs.changes] == ["status_change"]
    assert (ours.changes, ours.changes_detected) == ((), False)
    assert "status_at_risk" in kinds(ours)
    assert "status_change" not in kinds(ours)
    assert ours.risk.score == theirs.risk.score
    (told,) = (one.title for one in ours.findings if one.kind == "status_at_risk")
    assert told == 'The CRM has this account as "At Risk", as was approved here'


def test_a_status_that_we_did_not_write_is_told_without_us() -> None:
    now = with_status(AccountStatus.AT_RISK)
    another = wrote(RecordRef(type=RecordType.ACCOUNT, id="ac-other"), {"status": "At Risk"})
    other_field = wrote(ACCOUNT, {"industry": "At Risk"})
    for writes in ([], [another], [other_field]):
        analysis = after_a_week(now, now, writes)
        (told,) = (one.title for one in analysis.findings if one.kind == "status_at_risk")
        assert told == 'The CRM has this account as "At Risk"'


def test_what_somebody_makes_of_our_write_is_a_change_from_it() -> None:
    for now, before in ((AccountStatus.CLOSED, "At Risk"), (AccountStatus.ACTIVE, "At Risk")):
        analysis = after_a_week(with_status(AccountStatus.ACTIVE), with_status(now), [AT_RISK])
        (change,) = analysis.changes
        assert (change.before, change.after) == (before, now)


def test_the_last_of_our_writes_counts() -> None:
    undone = wrote(ACCOUNT, {"status": "Active"}, at=ago(5))
    same = with_status(AccountStatus.ACTIVE)
    assert after_a_week(same, same, [undone, AT_RISK]).changes == ()


def test_our_stage_is_no_step_back_of_the_deal() -> None:
    before = snapshot(deals=(deal(1, 50),))
    now = snapshot(deals=(deal(1, 6, stage=DealStage.STALLED),))
    stage = wrote(DEAL, {"stage": "Stalled"}, action=Action.UPDATE_DEAL_STAGE)
    assert {one.type for one in after_a_week(before, now).changes} == {"deal_stage_change"}
    ours = after_a_week(before, now, [stage])
    assert ours.changes == ()
    assert "deal_stalled" in kinds(ours)


def test_an_owner_whom_we_chose_is_no_news_and_still_new_to_the_account() -> None:
    before = snapshot(contacts=(contact(1, owner_id="anna"),))
    now = snapshot(
        account=account(owner_id="ben"),
        owner=BEN,
        previous_owner=ANNA,
        contacts=(contact(1, owner_id="anna"),),
    )
    given_to = wrote(ACCOUNT, {"owner_id": "ben"}, action=Action.CHANGE_OWNER)
    theirs, ours = after_a_week(before, now), after_a_week(before, now, [given_to])
    assert "owner_change" in kinds(theirs)
    assert ours.changes == ()
    assert "owner_change" not in kinds(ours)
    assert [one.change_id for one in ours.proposed_changes] == [
        one.change_id for one in theirs.proposed_changes
    ]


def test_a_value_that_fits_nothing_leaves_the_baseline() -> None:
    before = with_status(AccountStatus.ACTIVE)
    assert with_own_writes(before, [wrote(ACCOUNT, {"status": "Sunny"})]) == before


@given(st.sampled_from(AccountStatus), st.sampled_from(AccountStatus))
def test_what_stands_as_we_left_it_is_never_told(was: AccountStatus, left: AccountStatus) -> None:
    ours = wrote(ACCOUNT, {"status": left.value})
    assert after_a_week(with_status(was), with_status(left), [ours]).changes == ()


# Tasks.


SILENT = idle(40)
FIRST = again(SILENT)
(CALL, *_) = written(FIRST, Action.CREATE_TASK)


def standing(subject: str, *, status: str = "open", **fields: Any) -> Task:
    values: dict[str, Any] = {
        "id": "T-1", "version": "1", "account_id": account().id, "subject": subject,
        "status": status, "due_at": ago(-2), "owner_id": "anna",
    }  # fmt: skip
    return Task(**{**values, **fields})


@pytest.mark.parametrize("status", OPEN_TASKS)
def test_an_open_task_is_named_and_not_proposed_again(status: str) -> None:
    subject = str(CALL.after["subject"])
    analysis = again(idle(40, tasks=(standing(f" {subject.upper()}", status=status),)))
    assert CALL.change_id not in {one.change_id for one in analysis.proposed_changes}
    (task,) = [one for one in analysis.open_tasks if one.change_id == CALL.change_id]
    assert (task.record.id, task.due_at, task.owner_id) == ("T-1", ago(-2), "anna")


@pytest.mark.parametrize("status", [*CLOSED_TASKS, "whatever"])
def test_a_task_that_is_not_known_to_be_open_stands_in_no_way(status: str) -> None:
    tasks = (standing(str(CALL.after["subject"]), status=status),)
    analysis = again(idle(40, tasks=tasks))
    assert CALL.change_id in {one.change_id for one in analysis.proposed_changes}
    assert analysis.open_tasks == ()


def test_our_task_is_known_under_the_subject_that_a_person_gave_it() -> None:
    made = wrote(
        RecordRef(type=RecordType.TASK, id="T-1"),
        {"subject": "Ring them"},
        action=Action.CREATE_TASK,
        change_id=CALL.change_id,
    )
    now = idle(40, tasks=(standing("Ring them"),))
    assert [one.subject for one in again(now, own_writes=(made,)).open_tasks] == ["Ring them"]
    assert again(now).open_tasks == ()


def test_the_earliest_due_of_two_copies_is_named() -> None:
    subject = str(CALL.after["subject"])
    tasks = (
        standing(subject, id="T-1", due_at=None),
        standing(subject, id="T-2", due_at=ago(-9)),
        standing(subject, id="T-3", due_at=ago(-3)),
    )
    assert [one.record.id for one in again(idle(40, tasks=tasks)).open_tasks] == ["T-3"]
