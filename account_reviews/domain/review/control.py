"""What commands do to a review's state. Pure: the workflow only hands on its clock.

Each function gives the answer, or why it is refused; a refusal names the phase and changes nothing
but the timeline. `decisions` has what is said about requests, `conversation` the turns.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import JsonValue

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.durations import format_duration
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.review import decisions
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.bounds import NOTES_BYTES, WANTED_BYTES, bytes_of, cut, size_of
from account_reviews.domain.review.commands import (
    Annotate,
    Close,
    Command,
    CommandAnswer,
    CommandRefusal,
    CommandRefused,
    ProposalAnswer,
    Propose,
    ProposedItem,
    StepFailing,
    StepRecovered,
    Touch,
)
from account_reviews.domain.review.phases import ALLOWED, FINAL, Outcome, Phase, Status
from account_reviews.domain.review.state import Failing, Paused, ReviewState
from account_reviews.domain.review.usage import step_of

CONTEXT_SETS: Final = frozenset({"account_ids", "processed_accounts", "failed_accounts"})
"""Keys of the context that are sets: what is given is united with what is there."""
CONTEXT_KEYS: Final = CONTEXT_SETS | {
    "owner_id", "current_batch", "total_batches", "recommendations_count", "checkpoint_timestamp",
}  # fmt: skip
"""All keys that the context has; any other is a key of the metadata."""
MAX_FAILING: Final = 20
IDLE: Final = "idle policy"
"""Who closes a review that nobody touched."""

Result = CommandAnswer | CommandRefused


def pause(state: ReviewState, said: Command, now: Timestamp) -> Result:
    """Hold the next step. Decisions are taken all the same, and deadlines run."""
    if closed := refused_when_over(state, "pause", said.by, now):
        return closed
    if state.paused is not None:
        since = f"by {state.paused.by} since {rfc3339(state.paused.at)}"
        why = f"the review is paused already, {since} (phase {state.phase})"
        return refuse(state, CommandRefusal.ALREADY_PAUSED, why, said.by, now)
    _taken(state, now)
    state.paused, state.status = Paused(by=said.by, reason=said.reason, at=now), Status.PAUSED
    state.record(now, "paused", said.reason or "no reason given", said.by)
    return answer(state, "its next step waits, decisions are taken")


def resume(state: ReviewState, said: Command, now: Timestamp) -> Result:
    """Go on where it was paused."""
    if closed := refused_when_over(state, "resume", said.by, now):
        return closed
    if state.paused is None:
        why = f"the review is not paused (phase {state.phase}, {state.status})"
        return refuse(state, CommandRefusal.NOT_PAUSED, why, said.by, now)
    _taken(state, now)
    state.paused = None
    waits = bool(state.pending) and state.phase is Phase.APPROVAL
    state.status = Status.WAITING if waits else Status.RUNNING
    state.record(now, "resumed", said.reason or "no reason given", said.by)
    return answer(state, "goes on")


def close(state: ReviewState, said: Close, now: Timestamp) -> Result:
    """Note that somebody ends the review; nothing more is written. The first one counts."""
    if closed := refused_when_over(state, "close", said.by, now):
        return closed
    outcome = outcome_wanted(said)
    if FINAL[outcome][0] not in ALLOWED[state.phase]:
        why = f"a review cannot be closed as {outcome} in phase {state.phase}"
        return refuse(state, CommandRefusal.WRONG_PHASE, why, said.by, now)
    _taken(state, now)
    state.closing = said
    why = said.reason or said.summary or "no reason given"
    state.record(now, "closing", f"as {outcome}: {why}", said.by)
    return answer(state, f"is being closed as {outcome}")


def annotate(state: ReviewState, said: Annotate, now: Timestamp) -> Result:
    """Merge into context and metadata, set plan and step, count an error."""
    if closed := refused_when_over(state, "annotate", said.by, now):
        return closed
    if said.expected_version is not None and said.expected_version != state.version:
        why = (
            f"the review is at version {state.version}, not at {said.expected_version} "
            f"(phase {state.phase}); read its snapshot and try again"
        )
        return refuse(state, CommandRefusal.STALE_VERSION, why, said.by, now)
    context, metadata = merged(state.context, state.metadata, said)
    plan = state.plan if said.plan is None else said.plan
    if size_of(context, metadata, plan) > NOTES_BYTES:
        most = f"{NOTES_BYTES // 1024} KiB"
        why = f"context, metadata and plan of a review take {most} at most (phase {state.phase})"
        return refuse(state, CommandRefusal.TOO_LARGE, why, said.by, now)
    _taken(state, now)
    state.context, state.metadata, state.plan = context, metadata, plan
    state.step = said.step if said.step is not None else state.step
    if said.error is not None:
        state.error_count, state.last_error = state.error_count + 1, said.error
    state.record(now, "annotated", _described(said), said.by)
    return answer(state, "noted")


def touch(state: ReviewState, said: Touch, now: Timestamp) -> Result:
    """Somebody is here. Costs no event of its own: no new version, so nothing is saved."""
    if closed := refused_when_over(state, "touch", said.by, now):
        return closed
    be_touched(state, now)
    return answer(state, "touched")


def take_proposal(state: ReviewState, said: Propose, now: Timestamp) -> Result:
    """Whether changes may be proposed now; they are made exact and put forward after that."""
    if closed := refused_when_over(state, "propose", said.by, now):
        return closed
    if state.plan_only:
        why = f"the review only plans: nobody is asked (phase {state.phase})"
        return refuse(state, CommandRefusal.WRONG_PHASE, why, said.by, now)
    if too_large := _refused_as_too_large(state, (said,), said.by, now):
        return too_large
    _taken(state, now)
    return answer(state, "taken")


def still_new(
    state: ReviewState, changes: tuple[ProposedChange, ...], by: str, now: Timestamp
) -> tuple[ProposedChange, ...] | CommandRefused:
    """The changes, unless one of them waits for a decision already or was written, or together
    they are more than the state may hold: a short message can come to long changes."""
    if too_large := _refused_as_too_large(state, changes, by, now):
        return too_large
    live = {
        item.item_id: item.state
        for request in state.requests
        for item in request.items
        if item.is_open or item.is_approved or item.state is ItemState.EXECUTED
    }
    for change in changes:
        if change.change_id in live:
            why = f"{change.title!r} is {live[change.change_id]} already (phase {state.phase})"
            return refuse(state, CommandRefusal.BAD_CHANGE, why, by, now)
    return changes


def _refused_as_too_large(
    state: ReviewState, new: Iterable[Model], by: str, now: Timestamp
) -> CommandRefused | None:
    authored = (
        item.change for request in state.requests for item in request.items if item.change.author
    )
    if bytes_of(authored) + bytes_of(new) <= WANTED_BYTES:
        return None
    most = f"{WANTED_BYTES // 1024} KiB"
    why = f"what is proposed to one review takes {most} at most (phase {state.phase})"
    return refuse(state, CommandRefusal.TOO_LARGE, why, by, now)


def answer_to_proposal(state: ReviewState, request: ApprovalRequest) -> ProposalAnswer:
    """The request that was opened, and how the review stands."""
    items = tuple(
        ProposedItem(item_id=one.item_id, title=one.change.title, state=one.state)
        for one in request.items
    )
    return ProposalAnswer(
        **answer(state, "a request is open").model_dump(),
        request_id=request.request_id,
        items=items,
    )


def merged(
    context: Mapping[str, JsonValue], metadata: Mapping[str, JsonValue], said: Annotate
) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """Both after an annotation: sets are united, lists extended, scalars and objects replaced."""
    new_context, new_metadata = dict(context), dict(metadata)
    for key, value in said.context.items():
        if key in CONTEXT_KEYS:
            new_context[key] = _with(new_context.get(key), value, united=key in CONTEXT_SETS)
        elif key == "metadata" and isinstance(value, dict):
            for inner, one in value.items():
                new_metadata[inner] = _with(new_metadata.get(inner), one)
        else:
            new_metadata[key] = _with(new_metadata.get(key), value)
    new_metadata |= said.metadata
    return new_context, new_metadata


def note_failing(state: ReviewState, said: StepFailing, now: Timestamp) -> None:
    """A step fails again and again: the review needs attention until it recovers."""
    if state.outcome is not None:
        return
    known = {one.activity_id: one for one in state.failing}
    before = known.get(said.activity_id)
    known[said.activity_id] = Failing(
        activity_id=said.activity_id,
        type=said.type,
        attempt=said.attempt,
        error=cut(said.error),
        since=before.since if before else now,
    )
    state.failing = tuple(known.values())[-MAX_FAILING:]
    if before is None:
        state.record(now, "step_failing", f"{said.type}, attempt {said.attempt}: {said.error}")
    else:
        state.touch(now)


def note_recovered(state: ReviewState, said: StepRecovered, now: Timestamp) -> None:
    """The step that failed has been done."""
    gone = next((one for one in state.failing if one.activity_id == said.activity_id), None)
    if gone is not None:
        state.failing = tuple(one for one in state.failing if one is not gone)
        state.record(now, "step_recovered", gone.type)


def note_step_over(state: ReviewState, step: str, now: Timestamp) -> None:
    """A step is over, done or not: it fails no more. Nobody else says so of one that was given up,
    or that succeeds after a reset of its activity."""
    left = tuple(one for one in state.failing if step_of(one.type) != step)
    if len(left) != len(state.failing):
        state.failing = left
        state.touch(now)


def abandon_when_idle(state: ReviewState, now: Timestamp) -> None:
    """The idle policy closes what nobody touched for long enough."""
    due = idle_at(state)
    if due is not None and due <= now:
        idle = format_duration(timedelta(seconds=state.idle_seconds or 0), "h")
        reason = f"nobody touched it for {idle}"
        close(state, Close(by=IDLE, outcome="abandoned", reason=reason), now)


def idle_at(state: ReviewState) -> Timestamp | None:
    """When an interactive review is abandoned unless somebody touches it; None: not now."""
    last, allowed = state.touched_at, state.idle_seconds
    off = not state.interactive or last is None or allowed is None
    busy = state.pending or decisions.approved_items(state)
    if off or busy or state.paused or is_ending(state):
        return None
    assert last is not None
    assert allowed is not None
    return last + timedelta(seconds=allowed)


def be_touched(state: ReviewState, now: Timestamp) -> None:
    """Somebody said something."""
    if state.interactive:
        state.touched_at = now


def is_ending(state: ReviewState) -> bool:
    """Whether it is closed, or somebody closes or cancels it: nothing is begun then."""
    return state.outcome is not None or state.cancel is not None or state.closing is not None


def outcome_wanted(said: Close) -> Outcome:
    """As which outcome somebody closes: an exit code of 0 is completed, any other failed."""
    if said.outcome is not None:
        return Outcome(said.outcome)
    return Outcome.COMPLETED if not said.exit_code else Outcome.FAILED


def skip_for_close(state: ReviewState, said: Close, now: Timestamp) -> str:
    """What is open is skipped; gives the reason of the ending."""
    why = said.reason or said.summary or "no reason given"
    reason = f"closed by {said.by}: {why}"
    decisions.skip_what_is_open(state, reason, now)
    return reason


def refuse(
    state: ReviewState, code: CommandRefusal, why: str, by: str, now: Timestamp
) -> CommandRefused:
    """The refusal, noted in the timeline."""
    state.count(refusals=1)
    state.record(now, "command_refused", why, by)
    return CommandRefused(code=code, message=why)


def answer(state: ReviewState, message: str, **more: Any) -> CommandAnswer:
    """What a command came to, with where the review stands now."""
    return CommandAnswer(
        review_id=state.review_id,
        run_id=state.run_id,
        phase=state.phase,
        status=state.status,
        version=state.version,
        message=message,
        **more,
    )


def refused_when_over(
    state: ReviewState, name: str, by: str, now: Timestamp
) -> CommandRefused | None:
    """A refusal when the review is closed or about to be."""
    if state.outcome is not None:
        why = f"{name}: the review is closed (phase {state.phase}, {state.outcome})"
    elif is_ending(state):
        why = f"{name}: the review is ending (phase {state.phase})"
    else:
        return None
    return refuse(state, CommandRefusal.REVIEW_CLOSED, why, by, now)


def with_reason(text: str, reason: str | None) -> str:
    """A line of the timeline, with why where that was said."""
    return text if reason is None else f"{text} ({reason})"


def _described(said: Annotate) -> str:
    """What was noted, by its keys: values may be long, and stand in the snapshot."""
    parts = [f"error: {said.error}"] if said.error is not None else []
    parts += [f"step {said.step}"] if said.step is not None else []
    parts += [f"plan of {len(said.plan)}"] if said.plan is not None else []
    for name, values in (("context", said.context), ("metadata", said.metadata)):
        parts += [f"{name} {', '.join(values)}"] if values else []
    return with_reason("; ".join(parts), said.reason)


def _taken(state: ReviewState, now: Timestamp) -> None:
    state.count(commands=1)
    be_touched(state, now)


def _with(old: JsonValue, new: JsonValue, *, united: bool = False) -> JsonValue:
    if not isinstance(new, list):
        return new
    both = [*(old if isinstance(old, list) else []), *new]
    if not united:
        return both
    once: dict[str, JsonValue] = {}
    for one in both:  # by what they spell, since each with each other would hold up the review
        once.setdefault(json.dumps(one, sort_keys=True), one)
    return list(once.values())
