"""No message is long without end, and no state that messages can make is too large to go on."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.base import Model
from account_reviews.domain.review import refresh
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.bounds import (
    LINE_BYTES,
    MESSAGE_BYTES,
    MOVES,
    STATE_BYTES,
    clean_name,
    cut,
    person,
    size_of,
)
from account_reviews.domain.review.commands import (
    Annotate,
    Ask,
    Close,
    Command,
    Propose,
    StepFailing,
)
from account_reviews.domain.review.decisions import (
    MAX_REQUESTS,
    cancel,
    decide,
    propose,
    receive,
    record_malformed,
    skip_what_is_open,
)
from account_reviews.domain.review.messages import (
    CancelReview,
    CycleCommand,
    DecisionAnswer,
    Malformed,
    Refresh,
    Refusal,
    RefusalCode,
    ReviewProgress,
    SubmitDecision,
    parse,
)
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Phase, Status
from account_reviews.domain.review.state import ReviewInput, ReviewState
from account_reviews.temporal.names import MOST_OF_AN_ID, new_review_id, review_id
from tests.support.review_states import analysis_result, task_change

NOW = datetime(2026, 10, 1, tzinfo=UTC)
GOOD: dict[str, object] = {"request_id": "r", "decision": "approve", "approver": "ann"}
SNAPSHOT: dict[str, object] = {
    "hash": "h",
    "account_name": "Acme",
    "owner_id": "o",
    "owner_name": "Olga",
    "fetched_at": "2026-10-01T00:00:00Z",
}
PROGRESS: dict[str, object] = {
    "review_id": "r",
    "account_id": "a",
    "phase": "approval",
    "status": "waiting",
}
FAILING: dict[str, object] = {"activity_id": "1", "type": "crm.apply_change", "attempt": 3}
LONG = "x" * 5001
NOTHING: dict[str, object] = {}
DECISION_TEXTS = (
    "request_id", "decision_id", "approver", "reason", "proposal_hash", "token",
)  # fmt: skip
SNAPSHOT_TEXTS = ("hash", "account_name", "owner_id", "owner_name")
FIELDS: list[tuple[type[Model], dict[str, object]]] = [
    *((SubmitDecision, GOOD | {name: LONG}) for name in DECISION_TEXTS),
    (SubmitDecision, GOOD | {"item_ids": [LONG]}),
    (SubmitDecision, GOOD | {"item_ids": ["x"] * 201}),
    (SubmitDecision, GOOD | {"changes": {LONG: "x"}}),
    (SubmitDecision, GOOD | {"changes": {"subject": LONG}}),
    (SubmitDecision, GOOD | {"changes": {str(n): n for n in range(201)}}),
    (SubmitDecision, GOOD | {"unread": "x" * MESSAGE_BYTES}),
    *((CancelReview, NOTHING | {name: LONG}) for name in ("by", "requested_by", "reason")),
    *((Refresh, NOTHING | {name: LONG}) for name in ("by", "cycle_id")),
    *((Refresh, NOTHING | {"snapshot_ref": SNAPSHOT | {name: LONG}}) for name in SNAPSHOT_TEXTS),
    *((ReviewProgress, PROGRESS | {name: LONG}) for name in ("review_id", "run_id", "account_id")),
    *((CycleCommand, NOTHING | {name: LONG}) for name in ("by", "reason")),
    *((Command, NOTHING | {name: LONG}) for name in ("by", "reason")),
    *((Close, NOTHING | {name: LONG}) for name in ("by", "reason", "summary")),
    *((Annotate, NOTHING | {name: LONG}) for name in ("by", "step", "error")),
    *((Annotate, NOTHING | {name: {"key": LONG}}) for name in ("metadata", "context")),
    (Annotate, {"context": {"key": [LONG]}}),
    (Annotate, {"context": {"key": list(range(201))}}),
    (Annotate, {"plan": [{"step": LONG}]}),
    (Ask, {"question": LONG}),
    (Propose, {"changes": [{"after": {"subject": LONG}}]}),
    (Propose, {"changes": [{"record": {"id": LONG}}]}),
    (Propose, {"changes": [{}] * 201}),
    *((StepFailing, FAILING | {name: LONG}) for name in ("activity_id", "type", "error")),
]


def sent(model: type[Model], value: object, *, bounded: bool = True) -> Model | Malformed:
    return parse(model, "json/plain", json.dumps(value).encode(), bounded=bounded)


@pytest.mark.parametrize(("model", "value"), FIELDS)
def test_every_field_of_every_message_has_a_length(
    model: type[Model], value: dict[str, object]
) -> None:
    result = sent(model, value)
    assert isinstance(result, Malformed)
    assert "at most" in result.why
    assert len(result.why) < 300


def test_what_is_nested_without_end_is_refused() -> None:
    data = b'{"context":{"a":' + b"[" * 500 + b"]" * 500 + b"}}"
    result = parse(Annotate, "json/plain", data)
    assert isinstance(result, Malformed)
    assert "nested" in result.why


def test_a_message_as_long_as_it_may_be_is_taken() -> None:
    value = {**GOOD, "reason": "x" * 5000, "item_ids": ["x" * 200] * 200}
    assert isinstance(sent(SubmitDecision, value), SubmitDecision)


def test_a_cycle_hears_of_the_account_with_the_longest_id_that_can_be_reviewed() -> None:
    longest = "x" * (MOST_OF_AN_ID - len(review_id("")))
    value = {**PROGRESS, "account_id": longest, "review_id": new_review_id(longest)}
    assert isinstance(sent(ReviewProgress, value), ReviewProgress)


def test_a_review_from_before_there_were_bounds_reads_as_it_did() -> None:
    value = {**GOOD, "decision_id": LONG, "approver": " ann "}
    result = sent(SubmitDecision, value, bounded=False)
    assert isinstance(result, SubmitDecision)
    assert result.approver == " ann "


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_beyond_all_is_refused(number: str) -> None:
    data = json.dumps({**GOOD, "decision": "adjust", "changes": {"x": "N"}}).replace('"N"', number)
    result = parse(SubmitDecision, "json/plain", data.encode())
    assert isinstance(result, Malformed)


@pytest.mark.parametrize("blank", [" ", "\t\n", "\u200b", "\u2003"])
def test_nobody_decides_under_a_blank_name(blank: str) -> None:
    result = sent(SubmitDecision, {**GOOD, "approver": blank})
    assert result == Malformed(why="approver: it is blank; say who decides")


@given(st.text(max_size=200))
def test_one_person_stays_one_however_it_is_spelled(name: str) -> None:
    assert person(clean_name(name)) == person(f" {name}\t")
    assert clean_name(clean_name(name)) == clean_name(name)


def test_a_person_counts_once_of_two() -> None:
    state = waiting(Terms(requirement="n_of_m", n=2))
    assert isinstance(decide(state, message(approver="ann"), NOW), DecisionAnswer)
    for name in ("ann ", "Ann", "ａｎｎ", "an\u200bn"):
        answer = decide(state, message(approver=name), NOW)
        assert isinstance(answer, Refusal)
        assert answer.code is RefusalCode.DUPLICATE
    assert isinstance(decide(state, message(approver="bob"), NOW), DecisionAnswer)
    assert not state.pending


@given(st.text(max_size=3000))
def test_what_is_cut_is_the_beginning(text: str) -> None:
    short = cut(text)
    assert size_of(short) <= LINE_BYTES + len("…".encode())
    assert short == text or text.startswith(short[:-1])


WORST = ("x", "é", "😀", "\x01", '"', "\\", "\n")


@pytest.mark.parametrize("letter", WORST)
def test_the_largest_state_that_messages_can_make_is_within_what_temporal_takes(
    letter: str,
) -> None:
    state = waiting(Terms(requirement="n_of_m", n=100))
    reason, name = letter * 5000, "n" + letter.strip() * 150
    for place in range(2000):
        changes = {"subject": f"s{place}", "description": letter.strip() * 4999 or "d"}
        decide(state, message("adjust", reason=reason, approver=name, changes=changes,
                              item_ids=["c0"], decision_id="d" * 200), NOW)  # fmt: skip
        decide(state, message(reason=reason, approver=f"{name}{place}"), NOW)
        if state.counters.refusals > 20:
            break
    assert state.counters.refusals > 20, "there is an end to what can be said"
    for _ in range(300):
        record_malformed(state, "decide", Malformed(why=reason), NOW)
    state.move(Phase.INVESTIGATING, NOW)
    for _ in range(30):
        early = message(reason=reason, request_id="later", item_ids=["x" * 200] * 200)
        receive(state, early, NOW)
    while state.refresh is None or len(state.history) < MOVES:
        state.refresh = None
        refresh.ask(state, Refresh(by=name, cycle_id=letter * 1000), NOW)
        for phase in (Phase.PLANNING, Phase.INVESTIGATING):
            state.move(phase, NOW)
    cancel(state, CancelReview(by=name, reason=reason), NOW)
    skip_what_is_open(state, f"by {name}: {reason}", NOW)
    assert len(state.model_dump_json().encode()) < STATE_BYTES


def test_a_review_that_was_read_again_without_end_is_not_read_once_more() -> None:
    state = waiting(Terms())
    while len(state.history) < MOVES:
        for phase in (Phase.PLANNING, Phase.APPROVAL):
            state.move(phase, NOW, status=Status.WAITING)
    refresh.ask(state, Refresh(by="ann", cycle_id="cycle/1"), NOW)
    assert state.refresh is None
    assert state.cycle_id == "cycle/1", "it hears of the review all the same"
    assert state.timeline[-1].kind == "refresh_refused"


def test_what_was_proposed_anew_makes_room() -> None:
    state = waiting(Terms())
    assert state.analysis is not None
    for place in range(1, MAX_REQUESTS + 20):
        ids = frozenset(item.item_id for item in state.requests[-1].items)
        at = NOW + timedelta(minutes=place)
        state.replace_request(state.requests[-1].supersede(ids, at, "the account changed"))
        propose(state, state.analysis.changes, f"r{place}", at)
    assert len(state.requests) == MAX_REQUESTS + 1
    assert state.requests[-1].is_pending


def waiting(terms: Terms) -> ReviewState:
    start = ReviewInput(account_id="acme", logic=2)
    state = opening_state(start, review_id="r", run_id="1", workflow_run_id="1", now=NOW)
    changes = tuple(
        task_change("acme").model_copy(update={"change_id": f"c{n}"}) for n in range(10)
    )
    found = analysis_result("0", changes)
    state.analysis = found.model_copy(update={"terms": terms})
    for phase in (Phase.INVESTIGATING, Phase.PLANNING, Phase.APPROVAL):
        state.move(phase, NOW, status=Status.WAITING)
    propose(state, changes, "r", NOW)
    return state


def message(decision: str = "approve", **fields: object) -> SubmitDecision:
    body = {"request_id": "r", "decision": decision, "approver": "ann", **fields}
    return SubmitDecision.model_validate(body)


@pytest.mark.parametrize("changes", [{"subject": None}, {"subject": None, "priority": "low"}])
def test_an_adjustment_leaves_nothing_out_that_the_write_needs(changes: dict[str, None]) -> None:
    state = waiting(Terms())
    answer = decide(state, message("adjust", item_ids=["c0"], changes=changes), NOW)
    assert answer == Refusal(
        code=RefusalCode.BAD_ADJUSTMENT, message="create_task needs a value for subject"
    )
    assert state.requests[0].items[0].is_open
