"""What the steps of a review took, summed from their results, and what steps are called. Pure."""

from typing import Any, Final

from account_reviews.domain.review.state import ReviewState, Usage

STEPS: Final = {
    "crm.fetch_snapshot": "gather",
    "store.take_snapshot": "gather",
    "store.latest_snapshot": "gather",
    "memory.recall": "recall",
    "analysis.analyse": "analyse",
    "crm.prepare_undo": "gather",
    "crm.prepare_changes": "prepare",
    "analysis.answer": "answer",
    "access.check": "check",
    "notifications.deliver": "notify",
    "crm.apply_change": "write",
    "crm.find_writes": "look_up",
    "crm.read_back": "read_back",
    "store.save_review": "save",
    "memory.remember": "remember",
}
"""Activity type -> the step it belongs to, as counters and `stuck` name it."""

WORDS: Final = {
    "gather": "reading the CRM",
    "recall": "recalling the memory",
    "analyse": "running the rules",
    "prepare": "making a proposal exact",
    "answer": "answering a question",
    "check": "checking who may",
    "notify": "notifying people",
    "write": "writing to the CRM",
    "look_up": "asking the CRM what was written",
    "read_back": "reading back from the CRM",
    "save": "saving the review",
    "remember": "remembering the outcome",
    "workflow": "the review's own code",
}
"""A step, as a person says it."""


def step_of(activity_type: str) -> str:
    """The step of an activity; one that has no name is called by its type."""
    return STEPS.get(activity_type, activity_type)


def in_words(step: str) -> str:
    return WORDS.get(step, step)


def add_usage(state: ReviewState, step: str, usage: Usage | None) -> None:
    """Add what one activity did, as its result says. Without one nothing changes.

    It is no news: the version stays, so nothing is saved because of it.
    """
    if usage is None:
        return
    counters = state.counters
    steps = {**counters.steps, step: plus(counters.steps.get(step, Usage()), usage)}
    update = {"usage": plus(counters.usage, usage), "steps": steps}
    state.counters = counters.model_copy(update=update)


def plus(one: Usage, other: Usage) -> Usage:
    """Both together, to the microsecond."""
    sums = {name: getattr(one, name) + getattr(other, name) for name in Usage.model_fields}
    sums["milliseconds"] = round(sums["milliseconds"], 3)
    return Usage(**sums)


def usage_of(result: object) -> Usage | None:
    """What a result carries of its own."""
    found = getattr(result, "usage", None)
    return found if isinstance(found, Usage) else None


def usage_of_failure(details: Any) -> Usage:
    """What a failure carries of its own; one that says nothing is one error."""
    try:
        return Usage.model_validate(details)
    except ValueError:
        return Usage(errors=1)
