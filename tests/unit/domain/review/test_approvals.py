"""The approval book: first valid decision wins, nothing approves by itself."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.proposals import (
    Action,
    ItemState,
    ProposedChange,
    change_id,
    proposal_hash,
)
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.approvals import (
    ApprovalRequest,
    Decided,
    RequestState,
    Terms,
    open_request,
)
from account_reviews.domain.review.messages import Refusal, RefusalCode, SubmitDecision, Verdict

NOW = datetime(2026, 10, 1, tzinfo=UTC)


def task(subject: str = "Call") -> ProposedChange:
    record = RecordRef(type=RecordType.TASK)
    after = {"subject": subject, "priority": "high"}
    return ProposedChange(
        change_id=change_id(Action.CREATE_TASK, record, "acme", "engagement", dict(after)),
        action=Action.CREATE_TASK,
        account_id="acme",
        record=record,
        after=dict(after),
        hash=proposal_hash(Action.CREATE_TASK, record, {}, dict(after)),
        rule="engagement",
        title=subject,
        rationale="Nobody has spoken to them for a while.",
    )


def request(count: int = 2, terms: Terms | None = None, **more: object) -> ApprovalRequest:
    opened = open_request(
        "r1",
        "review/acme",
        tuple(task(f"Call {number}") for number in range(count)),
        terms or Terms(),
        NOW,
        approvers=("owner-1",),
        started_by="starter",
    )
    return opened.model_copy(update=more)


def message(decision: str, **fields: object) -> SubmitDecision:
    body = {"request_id": "r1", "decision": decision, "approver": "ann", **fields}
    return SubmitDecision.model_validate(body)


def decided(book: ApprovalRequest, said: SubmitDecision) -> ApprovalRequest:
    result = book.decide(said, NOW)
    assert isinstance(result, Decided), result
    return result.request


def refused(book: ApprovalRequest, said: SubmitDecision, now: datetime = NOW) -> RefusalCode:
    result = book.decide(said, now)
    assert isinstance(result, Refusal)
    return result.code


def states(book: ApprovalRequest) -> list[ItemState]:
    return [item.state for item in book.items]


def test_approve_takes_all_undecided_items() -> None:
    book = decided(request(3), message("approve"))
    assert states(book) == [ItemState.APPROVED] * 3
    assert book.state is RequestState.APPROVED
    assert book.closed_at == NOW


def test_each_item_is_decided_on_its_own() -> None:
    book = request(3)
    first, second, third = (item.item_id for item in book.items)
    book = decided(book, message("approve", item_ids=[first]))
    assert book.is_pending
    book = decided(book, message("reject", item_ids=[second], reason="no"))
    book = decided(book, message("defer", item_ids=[third]))
    assert states(book) == [ItemState.APPROVED, ItemState.REJECTED, ItemState.DEFERRED]
    assert book.state is RequestState.MIXED


@pytest.mark.parametrize(
    ("verdict", "state"),
    [("reject", RequestState.REJECTED), ("defer", RequestState.DEFERRED)],
)
def test_one_verdict_on_all_names_the_request(verdict: str, state: RequestState) -> None:
    assert decided(request(2), message(verdict, reason="because")).state is state


def due_task() -> ProposedChange:
    after = {**task().after, "due_at": "2026-10-02T00:00:00Z"}
    update = {"after": after, "due_in_seconds": 24 * 3600}
    return task().model_copy(update=update)


@given(st.timedeltas(timedelta(days=-20_000), timedelta(days=60_000)))
def test_a_task_is_never_born_overdue(later: timedelta) -> None:
    moment = NOW + later
    found = due_task().written_at(moment)
    due = datetime.fromisoformat(str(found["due_at"]))
    assert timedelta(0) <= due - moment - timedelta(hours=24) < timedelta(seconds=1)
    assert {**found, "due_at": None} == {**due_task().after, "due_at": None}


@pytest.mark.parametrize(
    ("changes", "counted"),
    [({"due_at": "2026-12-24T00:00:00Z"}, False), ({"priority": "critical"}, True)],
)
def test_a_due_date_that_somebody_chose_stays(changes: dict[str, str], *, counted: bool) -> None:
    opened = open_request(
        "r1", "review/acme", (due_task(),), Terms(), NOW, approvers=(), started_by=None
    )
    book = decided(opened, message("adjust", changes=changes))
    change = book.items[0].change
    assert (change.due_in_seconds is not None) is counted
    assert (change.written_at(NOW + timedelta(days=9)) == change.after) is not counted


def test_adjust_keeps_the_original_and_changes_the_hash() -> None:
    book = request(1)
    item = book.items[0]
    said = message("adjust", item_ids=[item.item_id], changes={"subject": "Visit"})
    after = decided(book, said).items[0]
    assert after.state is ItemState.ADJUSTED
    assert after.original is not None
    assert after.original.after["subject"] == "Call 0"
    assert after.change.after == {"subject": "Visit", "priority": "high"}
    assert after.change.hash != item.change.hash


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"decision": "reject"}, RefusalCode.REASON_REQUIRED),
        ({"decision": "reject", "reason": "  "}, RefusalCode.REASON_REQUIRED),
        ({"decision": "approve", "item_ids": ["nope"]}, RefusalCode.UNKNOWN_ITEM),
        ({"decision": "approve", "item_ids": []}, RefusalCode.UNKNOWN_ITEM),
        ({"decision": "approve", "changes": {"subject": "x"}}, RefusalCode.BAD_ADJUSTMENT),
        ({"decision": "adjust", "changes": {"subject": "x"}}, RefusalCode.BAD_ADJUSTMENT),
        ({"decision": "approve", "proposal_hash": "0" * 64}, RefusalCode.STALE_HASH),
    ],
)
def test_what_does_not_fit_changes_nothing(said: dict[str, object], code: RefusalCode) -> None:
    book = request(2)
    assert refused(book, message(**{"decision": "approve", **said})) is code  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{"due_at": "soon"}, {"priority": "urgent"}, {"colour": "red"}, {"subject": ""}, {}],
)
def test_an_adjustment_must_fit_the_type_of_its_field(changes: dict[str, str]) -> None:
    book = request(1)
    said = message("adjust", item_ids=[book.items[0].item_id], changes=changes)
    assert refused(book, said) is RefusalCode.BAD_ADJUSTMENT


def test_the_hash_of_what_was_shown_must_match() -> None:
    book = request(2)
    assert decided(book, message("approve", proposal_hash=book.hash)).state is RequestState.APPROVED
    item = book.items[0]
    said = message("approve", item_ids=[item.item_id], proposal_hash=item.change.hash)
    assert decided(book, said).items[0].state is ItemState.APPROVED


def test_the_first_valid_decision_wins() -> None:
    book = decided(request(1), message("reject", reason="no"))
    assert refused(book, message("approve", approver="bob")) is RefusalCode.REQUEST_CLOSED
    book = request(2)
    first = book.items[0].item_id
    book = decided(book, message("approve", item_ids=[first]))
    again = message("reject", item_ids=[first], reason="no", approver="bob")
    assert refused(book, again) is RefusalCode.ALREADY_DECIDED


def test_a_mixed_answer_applies_what_can_be_applied() -> None:
    book = request(2)
    first, second = (item.item_id for item in book.items)
    book = decided(book, message("approve", item_ids=[first]))
    result = book.decide(message("reject", item_ids=[first, second], reason="no"), NOW)
    assert isinstance(result, Decided)
    assert [answer.applied for answer in result.answers] == [False, True]


def test_two_approvers_are_two_persons() -> None:
    book = request(1, Terms(requirement="n_of_m", n=2))
    book = decided(book, message("approve"))
    assert book.is_pending
    assert refused(book, message("approve")) is RefusalCode.DUPLICATE
    assert decided(book, message("approve", approver="bob")).state is RequestState.APPROVED


def test_an_adjustment_voids_earlier_approvals() -> None:
    book = request(1, Terms(requirement="n_of_m", n=2))
    book = decided(book, message("approve"))
    item = book.items[0].item_id
    adjust = message("adjust", item_ids=[item], changes={"subject": "Visit"}, approver="bob")
    book = decided(book, adjust)
    assert book.is_pending
    assert book.items[0].approvals == ("bob",)
    assert decided(book, message("approve")).items[0].state is ItemState.ADJUSTED


def test_four_eyes_always_keeps_the_starter_out() -> None:
    book = request(1, Terms(four_eyes="always"))
    assert refused(book, message("approve", approver="starter")) is RefusalCode.NOT_ALLOWED
    assert decided(book, message("approve")).state is RequestState.APPROVED


def test_expiry_never_approves_and_keeps_what_was_decided() -> None:
    book = request(2)
    book = decided(book, message("approve", item_ids=[book.items[0].item_id]))
    early = book.expire(book.deadline - timedelta(microseconds=1))
    assert early is book
    late = book.expire(book.deadline)
    assert states(late) == [ItemState.APPROVED, ItemState.EXPIRED]
    assert late.state is RequestState.MIXED
    assert request(2).expire(book.deadline).state is RequestState.EXPIRED


def test_a_decision_at_the_deadline_is_too_late() -> None:
    book = request(1)
    assert refused(book, message("approve"), book.deadline) is RefusalCode.EXPIRED


def test_the_policy_may_approve_an_action_by_itself() -> None:
    book = request(1, Terms(auto=("create_task",)))
    assert book.state is RequestState.APPROVED
    assert book.decisions[0].by == "policy"


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*Verdict]),
            st.sampled_from(["ann", "bob", "eve"]),
            st.one_of(st.none(), st.lists(st.integers(0, 3), max_size=3)),
            st.sampled_from([None, "because"]),
            st.integers(0, 100),
        ),
        max_size=12,
    ),
    st.sampled_from(["any", "n_of_m"]),
)
def test_no_order_of_decisions_undoes_one(
    story: list[tuple[Verdict, str, list[int] | None, str | None, int]], requirement: str
) -> None:
    terms = Terms.model_validate({"requirement": requirement, "n": 2})
    book = request(3, terms)
    ids = [item.item_id for item in book.items] + ["unknown"]
    for verdict, who, wanted, reason, hour in story:
        before = {item.item_id: item for item in book.items}
        said = message(
            verdict,
            approver=who,
            reason=reason,
            item_ids=None if wanted is None else [ids[number] for number in wanted],
            changes={"subject": f"by {who}"} if verdict is Verdict.ADJUST else {},
        )
        result = book.decide(said, NOW + timedelta(hours=hour))
        if isinstance(result, Refusal):
            continue
        book = result.request
        for item in book.items:
            if not before[item.item_id].is_open:
                assert item == before[item.item_id]
            if item.is_approved:
                assert len(set(item.approvals)) == len(item.approvals) >= book.required.n
        assert book.is_pending == any(item.is_open for item in book.items)
    closed = book.expire(book.deadline)
    assert not closed.is_pending
    assert {item.item_id for item in closed.items if item.is_approved} == {
        item.item_id for item in book.items if item.is_approved
    }
    assert ApprovalRequest.model_validate_json(closed.model_dump_json()) == closed
