"""What happens to a cycle's state. Pure: the workflow only hands on its clock."""

from account_reviews.domain.base import Timestamp
from account_reviews.domain.cycle.state import (
    AccountState,
    CycleAccount,
    CycleInput,
    CycleResult,
    CycleState,
    CycleStatus,
    CycleView,
    Found,
    InFlight,
)
from account_reviews.domain.review.messages import ReviewProgress
from account_reviews.domain.review.phases import Outcome, Status
from account_reviews.domain.schedule.lateness import Judgement, Verdict
from account_reviews.domain.schedule.runs import RunStatus


def judged(state: CycleState, verdict: Judgement, now: Timestamp) -> None:
    """A schedule started this cycle: on time, late, missed, or by hand."""
    state.scheduled_at, state.late = verdict.scheduled_at, verdict.late
    state.backfill = verdict.verdict is Verdict.BACKFILL
    state.missed = verdict.missed
    if verdict.missed:
        stop(state, CycleStatus.CANCELLED, f"missed: {verdict.reason}", now)


def run_status(state: CycleState) -> RunStatus:
    """How the schedule's history names the end of this cycle."""
    return {
        CycleStatus.FAILED: RunStatus.FAILED,
        CycleStatus.CANCELLED: RunStatus.CANCELLED,
    }.get(state.status, RunStatus.SUCCESS)


def take_off(state: CycleState, account: CycleAccount, now: Timestamp) -> None:
    """The next account is being started."""
    state.in_flight[account.account_id] = InFlight(account_id=account.account_id, since=now)
    state.next_position = max(state.next_position, account.position + 1)
    state.touch(now)


def started(
    state: CycleState, account_id: str, run_id: str | None, now: Timestamp, *, joined: bool
) -> None:
    """Its review runs, or the one that was open took notice."""
    flight = state.in_flight.get(account_id)
    if joined:
        state.joined += 1
    if flight is not None:  # it may have reported its end already
        update = {"run_id": run_id, "joined": joined, "since": now}
        state.in_flight[account_id] = flight.model_copy(update=update)
        state.mark(account_id, AccountState.RUNNING, review_run_id=run_id, joined=joined)
    state.touch(now)


def progressed(state: CycleState, report: ReviewProgress, now: Timestamp) -> None:
    """A review waits, or is closed."""
    if report.outcome is not None:
        ended = AccountState.FAILED if report.outcome is Outcome.FAILED else AccountState.DONE
    elif report.status is Status.WAITING:
        ended = AccountState.WAITING
    else:
        return
    if report.account_id not in state.in_flight:
        if report.was is not Status.WAITING or ended is AccountState.WAITING:
            return  # not of this cycle, or reported twice
        state.waiting -= 1
    _land(state, report.account_id, ended, now, report.run_id)


def looked_up(state: CycleState, found: Found, now: Timestamp) -> None:
    """A review that said nothing was found in Temporal."""
    if found.account_id not in state.in_flight:
        return
    if found.state is AccountState.RUNNING:
        flight = state.in_flight[found.account_id]
        state.in_flight[found.account_id] = flight.model_copy(update={"since": now})
        return
    _land(state, found.account_id, found.state, now, None, found.reason)


def _land(
    state: CycleState,
    account_id: str,
    ended: AccountState,
    now: Timestamp,
    run_id: str | None,
    reason: str | None = None,
) -> None:
    flight = state.in_flight.pop(account_id, None)
    match ended:
        case AccountState.WAITING:
            state.waiting += 1
        case AccountState.FAILED:
            state.failed += 1
        case _:
            state.done += 1
    known = run_id or (flight.run_id if flight else None)
    joined = bool(flight and flight.joined)
    state.mark(account_id, ended, review_run_id=known, joined=joined, reason=reason)
    state.touch(now)


def lost_places(state: CycleState, now: Timestamp) -> None:
    """Accounts that have a place are not in the table any more: there is nothing to start."""
    lost = state.placed - state.next_position
    reason = f"{lost} accounts of the cycle are gone from the database"
    stop(state, CycleStatus.FAILED, reason, now)


def too_many_failed(state: CycleState, start: CycleInput) -> str | None:
    """Why the cycle must stop, None when it may go on."""
    if state.finished < start.min_finished:
        return None
    share = state.failed / state.finished
    if share <= start.max_failed_share:
        return None
    return (
        f"{state.failed} of {state.finished} finished reviews failed, more than"
        f" {start.max_failed_share:.0%}"
    )


def stop(state: CycleState, status: CycleStatus, reason: str, now: Timestamp) -> None:
    """Start nothing more; what runs goes on alone. The first reason counts."""
    if state.status is CycleStatus.RUNNING:
        state.status, state.reason = status, reason
        state.touch(now)


def pause(state: CycleState, by: str, now: Timestamp) -> None:
    """Start nothing until somebody resumes."""
    state.paused_by = state.paused_by or by
    state.touch(now)


def resume(state: CycleState, now: Timestamp) -> None:
    state.paused_by = None
    state.touch(now)


def close(state: CycleState, now: Timestamp) -> None:
    """All reviews work no more, or the cycle was stopped."""
    if state.status is CycleStatus.RUNNING:
        state.status = CycleStatus.COMPLETED
    state.closed_at = now
    state.touch(now)


def view(state: CycleState, now: Timestamp) -> CycleView:
    """How far the cycle is."""
    queued = max(0, state.accounts - state.finished - state.running)
    left = queued + state.running if state.closed_at is None else 0
    took = (now - state.started_at).total_seconds()
    return CycleView(
        cycle_id=state.cycle_id,
        run_id=state.run_id,
        kind=state.kind,
        status=state.status,
        reason=state.reason,
        accounts=state.accounts,
        queued=queued,
        done=state.done,
        running=state.running,
        waiting=state.waiting,
        failed=state.failed,
        joined=state.joined,
        loaded=state.loaded,
        paused_by=state.paused_by,
        eta_seconds=round(took * left / state.finished, 1) if state.finished else None,
        started_at=state.started_at,
        closed_at=state.closed_at,
    )


def result_of(state: CycleState) -> CycleResult:
    """What the closed cycle answers."""
    return CycleResult(
        cycle_id=state.cycle_id,
        run_id=state.run_id,
        kind=state.kind,
        status=state.status,
        reason=state.reason,
        accounts=state.accounts,
        done=state.done,
        waiting=state.waiting,
        failed=state.failed,
        joined=state.joined,
        owners=state.owners,
        degraded=bool(state.missing_sources),
    )
