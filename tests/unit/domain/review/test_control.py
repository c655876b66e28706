"""What commands, questions and timers do to a review, in any order."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import JsonValue

from account_reviews.domain.analysis.model import Finding, Severity
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.proposals import Action, ItemState
from account_reviews.domain.review import control, conversation, decisions, timers
from account_reviews.domain.review.bounds import STATE_BYTES
from account_reviews.domain.review.commands import (
    Annotate,
    Ask,
    Close,
    Command,
    CommandAnswer,
    CommandRefusal,
    CommandRefused,
    Propose,
    StepFailing,
    StepRecovered,
    Touch,
    WantedChange,
)
from account_reviews.domain.review.messages import SubmitDecision, Verdict
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import ALLOWED, Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewInput, ReviewState
from tests.support.review_states import analysis_result, task_change

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
COMMANDS: list[tuple[Callable[..., object], Model]] = [
    (control.pause, Command(by="ann")),
    (control.resume, Command(by="ann")),
    (control.close, Close(by="ann", outcome="abandoned")),
    (control.annotate, Annotate(by="ann", metadata={"a": 1})),
    (control.touch, Touch(by="ann")),
]


def review(*, interactive: bool = False, idle: float | None = 3600) -> ReviewState:
    """One that has its analysis, and waits."""
    start = ReviewInput(
        account_id="a", started_by="ann", interactive=interactive, idle_seconds=idle, logic=3
    )
    state = opening_state(start, review_id="review/a", run_id="run", workflow_run_id="run", now=NOW)
    state.move(Phase.INVESTIGATING, NOW)
    changes = (task_change("a", "One"), task_change("a", "Two"))
    state.analysis = analysis_result("hash", changes)
    if not interactive:
        state.move(Phase.PLANNING, NOW)
        decisions.propose(state, changes, "request", NOW)
        state.move(Phase.APPROVAL, NOW, status=Status.WAITING)
    return state


@pytest.mark.parametrize(("apply", "said"), COMMANDS)
def test_a_closed_review_takes_no_command(apply: Callable[..., object], said: Model) -> None:
    state = review()
    state.close(Outcome.EXPIRED, NOW)
    before = state.model_dump(exclude={"timeline", "counters", "version", "updated_at"})
    result = apply(state, said, NOW)
    assert isinstance(result, CommandRefused)
    assert result.code is CommandRefusal.REVIEW_CLOSED
    assert "phase abandoned" in result.message
    assert state.model_dump(exclude={"timeline", "counters", "version", "updated_at"}) == before
    assert state.timeline[-1].kind == "command_refused"


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("outcome", ["completed", "failed", "abandoned"])
def test_a_review_is_closed_only_as_its_phase_allows(phase: Phase, outcome: str) -> None:
    state = review()
    state.phase = phase
    state.outcome = Outcome.COMPLETED if phase.is_final else None
    result = control.close(state, Close.model_validate({"by": "a", "outcome": outcome}), NOW)
    if isinstance(result, CommandAnswer):
        state.close(control.outcome_wanted(state.closing or Close()), NOW)  # is a legal move
        assert state.outcome == outcome
    else:
        assert str(phase) in result.message


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (Close(), Outcome.COMPLETED),
        (Close(exit_code=0), Outcome.COMPLETED),
        (Close(exit_code=1), Outcome.FAILED),
        (Close(exit_code=-9), Outcome.FAILED),
        (Close(outcome="abandoned", exit_code=0), Outcome.ABANDONED),
    ],
)
def test_an_exit_code_is_an_outcome(said: Close, outcome: Outcome) -> None:
    assert control.outcome_wanted(said) is outcome


LISTS = st.lists(st.integers(0, 5), max_size=5)


@given(LISTS, LISTS)
def test_sets_are_united_and_lists_extended(old: list[int], new: list[int]) -> None:
    state = review()
    for values in (old, new):
        context: dict[str, JsonValue] = {"account_ids": list(values), "seen": list(values)}
        control.annotate(state, Annotate(by="x", context=context), NOW)
    assert state.context["account_ids"] == list(dict.fromkeys([*old, *new]))
    assert state.metadata["seen"] == [*old, *new]


def test_sets_of_many_are_united_by_what_they_spell() -> None:
    state = review()
    said: list[JsonValue] = [1, True, "1", [1], {"a": 1, "b": 2}, {"b": 2, "a": 1}]
    control.annotate(state, Annotate(by="x", context={"account_ids": said}), NOW)
    assert state.context["account_ids"] == said[:-1]


def test_what_a_short_message_proposes_at_length_is_refused() -> None:
    state = review(interactive=True)
    said = Propose(by="bot", changes=(WantedChange(action=Action.CREATE_TASK),) * 50)
    assert isinstance(control.take_proposal(state, said, NOW), CommandAnswer)
    changes = tuple(
        task_change("a", f"task {number}").model_copy(
            update={"author": "bot", "rationale": "x" * 5000}
        )
        for number in range(50)
    )
    result = control.still_new(state, changes, "bot", NOW)
    assert isinstance(result, CommandRefused)
    assert result.code is CommandRefusal.TOO_LARGE
    assert control.still_new(state, changes[:2], "bot", NOW) == changes[:2]


def test_what_does_not_fit_is_refused_and_nothing_is_merged() -> None:
    state = review()
    for number in range(100):
        context: dict[str, JsonValue] = {f"note{number}": "x" * 4000}
        before = state.metadata
        result = control.annotate(state, Annotate(by="x", context=context), NOW)
        if isinstance(result, CommandRefused):
            assert result.code is CommandRefusal.TOO_LARGE
            assert state.metadata is before
            return
    raise AssertionError("it was never too much")


@given(
    idle=st.integers(1, 10_000),
    touches=st.lists(st.integers(0, 20_000), max_size=10),
    late=st.integers(0, 100_000),
)
def test_an_idle_review_ends_so_long_after_the_last_touch(
    idle: int, touches: list[int], late: int
) -> None:
    state = review(interactive=True, idle=idle)
    last = NOW
    for seconds in sorted(touches):
        at = NOW + timedelta(seconds=seconds)
        timers.apply_due(state, at)
        if state.closing is not None:
            assert at >= last + timedelta(seconds=idle)
            return
        version = state.version
        control.touch(state, Touch(by="ann"), at)
        assert state.version == version  # it costs nothing
        last = at
    due = timers.next_due(state)
    assert due == last + timedelta(seconds=idle)
    timers.apply_due(state, due - timedelta(seconds=1))
    assert state.closing is None
    timers.apply_due(state, due + timedelta(seconds=late))
    assert state.closing is not None
    assert state.closing.by == control.IDLE


@pytest.mark.parametrize("reason", ["pending", "paused", "off", "not interactive"])
def test_the_idle_policy_is_off(reason: str) -> None:
    state = review(interactive=reason != "not interactive", idle=None if reason == "off" else 3600)
    if reason == "pending":
        state.move(Phase.PLANNING, NOW)
        decisions.propose(state, (task_change("a"),), "request", NOW)
        state.move(Phase.APPROVAL, NOW)
    if reason == "paused":
        control.pause(state, Command(by="ann"), NOW)
    assert control.idle_at(state) is None
    timers.apply_due(state, NOW + timedelta(hours=2))
    assert state.closing is None


def test_a_failing_step_wants_attention_until_it_recovers() -> None:
    state = review(interactive=True)
    state.analysis = None
    failing = StepFailing(activity_id="7", type="crm.apply_change", attempt=3, error="refused")
    control.note_failing(state, failing, NOW)
    control.note_failing(state, failing.model_copy(update={"attempt": 9}), NOW)
    assert state.needs_attention
    assert [(one.attempt, one.since) for one in state.failing] == [(9, NOW)]
    control.note_recovered(state, StepRecovered(activity_id="7"), NOW)
    assert not state.needs_attention
    assert [one.kind for one in state.timeline] == ["step_failing", "step_recovered"]


class AnyOrder(RuleBasedStateMachine):
    """Whatever is said in whatever order, a review keeps its promises."""

    @initialize(interactive=st.booleans())
    def begin(self, interactive: bool) -> None:
        self.state = review(interactive=interactive)
        self.now: Timestamp = NOW
        self.ending: Close | None = None

    def later(self, seconds: int = 60) -> Timestamp:
        self.now += timedelta(seconds=seconds)
        return self.now

    @rule(which=st.sampled_from(COMMANDS))
    def command(self, which: tuple[Callable[..., object], Model]) -> None:
        apply, said = which
        apply(self.state, said, self.later())

    @rule(by=st.text(max_size=200), question=st.text(min_size=1, max_size=5000))
    def ask(self, by: str, question: str) -> None:
        conversation.ask(self.state, Ask(by=by, question=question), self.later())

    @rule(text=st.text(max_size=4000), title=st.text(max_size=150))
    def answer(self, text: str, title: str) -> None:
        for turn in conversation.unanswered(self.state)[:1]:
            found = Finding(kind="answer", severity=Severity.LOW, title=title)
            conversation.answer(self.state, turn.number, text, (found,), self.later())

    @rule(verdict=st.sampled_from([Verdict.APPROVE, Verdict.REJECT, Verdict.DEFER]))
    def decide(self, verdict: Verdict) -> None:
        said = SubmitDecision(
            request_id="request", decision=verdict, approver="ann", reason="because"
        )
        decisions.decide(self.state, said, self.later())

    @rule(seconds=st.integers(0, 400_000))
    def time_passes(self, seconds: int) -> None:
        timers.apply_due(self.state, self.later(seconds))

    @invariant()
    def a_pause_is_seen(self) -> None:
        if not self.state.phase.is_final:
            assert (self.state.status is Status.PAUSED) == (self.state.paused is not None)

    @invariant()
    def only_legal_moves(self) -> None:
        for move in self.state.history:
            assert move.to_phase in ALLOWED[move.from_phase]

    @invariant()
    def the_first_close_counts(self) -> None:
        assert self.ending is None or self.state.closing is self.ending
        self.ending = self.state.closing

    @invariant()
    def time_never_approves(self) -> None:
        for request in self.state.requests:
            for item in request.items:
                assert item.state is not ItemState.APPROVED or item.decided_by == "ann"

    @invariant()
    def it_fits(self) -> None:
        assert len(conversation.unanswered(self.state)) <= conversation.MOST_OPEN
        assert len(self.state.model_dump_json().encode()) < STATE_BYTES


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_what_is_approved_and_not_written_yet_is_not_idle() -> None:
    state = review(interactive=True)
    state.move(Phase.PLANNING, NOW)
    decisions.propose(state, (task_change("a"),), "request", NOW)
    state.move(Phase.APPROVAL, NOW)
    said = SubmitDecision(request_id="request", decision=Verdict.APPROVE, approver="ann")
    decisions.decide(state, said, NOW)
    assert control.idle_at(state) is None


def test_the_story_says_what_was_noted_by_its_keys() -> None:
    state = review()
    said = Annotate(
        by="x", context={"current_batch": 1}, metadata={"a": "1", "b": "2"}, plan=("one",), step="s"
    )
    control.annotate(state, said, NOW)
    assert state.timeline[-1].text == "step s; plan of 1; context current_batch; metadata a, b"
    control.annotate(state, Annotate(by="x", error="no model"), NOW)
    assert state.timeline[-1].text == "error: no model"
    control.annotate(state, Annotate(by="x", step="t", reason="as agreed"), NOW)
    assert state.timeline[-1].text == "step t (as agreed)"
