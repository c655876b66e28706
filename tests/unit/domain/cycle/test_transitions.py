"""A cycle's counters, whatever its reviews report and in whatever order."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.analysis.model import RiskLevel
from account_reviews.domain.cycle import transitions
from account_reviews.domain.cycle.state import (
    AccountState,
    CycleAccount,
    CycleInput,
    CycleState,
    CycleStatus,
    Found,
    start_rank,
)
from account_reviews.domain.review.messages import ReviewProgress
from account_reviews.domain.review.phases import FINAL, Outcome, Phase, Status

NOW = datetime(2026, 10, 1, tzinfo=UTC)
NAMES = ("a", "b", "c", "d")

words = st.tuples(
    st.sampled_from(["take_off", "waits", "closed", "lost", "silent"]),
    st.sampled_from(NAMES),
    st.sampled_from([*Outcome]),
)


def fresh(accounts: int = len(NAMES)) -> CycleState:
    return CycleState(
        cycle_id="cycle/x",
        run_id="run",
        workflow_run_id="run",
        kind="daily",
        tenant="default",
        as_of=NOW,
        accounts=accounts,
        placed=accounts,
        listed=True,
        loaded=True,
        started_at=NOW,
        updated_at=NOW,
    )


def progress(
    name: str, outcome: Outcome | None = None, was: Status | None = None
) -> ReviewProgress:
    phase, status = FINAL[outcome] if outcome else (Phase.APPROVAL, Status.WAITING)
    return ReviewProgress(
        review_id=f"review/{name}",
        account_id=name,
        phase=phase,
        status=status,
        outcome=outcome,
        was=was,
    )


def take_off(state: CycleState, name: str) -> None:
    account = CycleAccount(position=NAMES.index(name), account_id=name, account_name=name)
    transitions.take_off(state, account, NOW)


@given(st.lists(words, max_size=40))
def test_every_account_is_in_one_place(story: list[tuple[str, str, Outcome]]) -> None:
    state, where = fresh(), dict.fromkeys(NAMES, "queued")
    for word, name, outcome in story:
        match word, where[name]:
            case "take_off", "queued":
                take_off(state, name)
                transitions.started(state, name, f"run-{name}", NOW, joined=False)
                where[name] = "running"
            case "waits", _:
                transitions.progressed(state, progress(name), NOW)
                where[name] = "waiting" if where[name] == "running" else where[name]
            case "closed", before:
                was = Status.WAITING if before == "waiting" else None
                transitions.progressed(state, progress(name, outcome, was), NOW)
                if before in ("running", "waiting"):
                    where[name] = "failed" if outcome is Outcome.FAILED else "done"
            case (("lost" | "silent"), before):
                found = AccountState.FAILED if word == "lost" else AccountState.RUNNING
                transitions.looked_up(state, Found(account_id=name, state=found), NOW)
                if word == "lost" and before == "running":
                    where[name] = "failed"
    places = list(where.values())
    shown = transitions.view(state, NOW)
    counted = {name: getattr(shown, name) for name in ("queued", "running", "waiting", "failed")}
    assert counted == {name: places.count(name) for name in counted}
    assert shown.done == places.count("done")
    newest = {mark.account_id: mark.state.value for mark in state.marks}
    assert newest == {name: place for name, place in where.items() if place != "queued"}


def test_a_review_that_closes_later_is_counted_once() -> None:
    state = fresh()
    take_off(state, "a")
    transitions.progressed(state, progress("a"), NOW)
    assert (state.waiting, state.done) == (1, 0)
    transitions.progressed(state, progress("a", Outcome.COMPLETED, Status.WAITING), NOW)
    assert (state.waiting, state.done) == (0, 1)


def test_strangers_change_nothing() -> None:
    state = fresh()
    transitions.progressed(state, progress("nobody", Outcome.FAILED), NOW)
    transitions.progressed(state, progress("nobody"), NOW)
    assert state == fresh()


def test_unknown_risk_is_never_started_above_medium() -> None:
    ranks = {level: start_rank(level) for level in RiskLevel}
    assert ranks[RiskLevel.UNKNOWN] == ranks[RiskLevel.MEDIUM]
    order = (RiskLevel.CRITICAL, RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW, RiskLevel.NONE)
    assert sorted(order, key=start_rank) == list(order)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_too_many_failed_is_more_than_the_share_of_enough(
    done: int, waiting: int, failed: int
) -> None:
    state = fresh(100).model_copy(update={"done": done, "waiting": waiting, "failed": failed})
    reason = transitions.too_many_failed(state, CycleInput())
    total = done + waiting + failed
    assert (reason is not None) == (total >= 10 and failed / total > 0.3)


def test_the_first_reason_to_stop_counts() -> None:
    state = fresh()
    transitions.stop(state, CycleStatus.CANCELLED, "by ann", NOW)
    transitions.stop(state, CycleStatus.FAILED, "later", NOW)
    transitions.close(state, NOW)
    assert (state.status, state.reason) == (CycleStatus.CANCELLED, "by ann")
