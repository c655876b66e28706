"""What is stuck, for programs and for people."""

from typing import TYPE_CHECKING, Any, Final

from account_reviews.domain.review.pending import PendingStep, StuckReview
from account_reviews.domain.review.usage import in_words
from account_reviews.presentation.review_table import time_cell
from account_reviews.presentation.tables import Column, account_cell
from account_reviews.presentation.told import told

if TYPE_CHECKING:
    from account_reviews.presentation.quick_words import ListWords

STUCK_COLUMNS: Final = (
    Column("account_id", "Account", prose=True),
    Column("step", "Step"),
    Column("error", "Error", folds=True),
    Column("attempt", "Attempt", 2, right=True),
    Column("next_retry_at", "Next try", 3),
    Column("since", "Since", 4),
    Column("review_id", "Review", wide=True),
    Column("run_id", "Run", wide=True),
)


def step_document(step: PendingStep) -> dict[str, Any]:
    """One failing step as `show` and `stuck` give it."""
    return {
        "step": step.step,
        "activity": step.activity,
        "activity_id": step.activity_id,
        "attempt": step.attempt,
        "error": step.error,
        "since": step.since,
        "next_retry_at": step.next_retry_at,
    }


def stuck_documents(stuck: StuckReview) -> list[dict[str, Any]]:
    """The items of `stuck` for one review: `review_id run_id account_id steps`."""
    whose = {name: getattr(stuck, name) for name in ("review_id", "run_id", "account_id")}
    return [{**whose, **step_document(step)} for step in stuck.steps]


def stuck_rows(stuck: StuckReview, name: str | None, words: "ListWords") -> list[list[Any]]:
    """The lines of the table for one review, as STUCK_COLUMNS has them.

    `name`: of the account, where it is known.
    """
    return [
        [
            account_cell(name, stuck.account_id),
            in_words(step.step),
            told(step.error, words),
            step.attempt or None,
            time_cell(step.next_retry_at, words),
            time_cell(step.since, words),
            stuck.review_id,
            stuck.run_id,
        ]
        for step in stuck.steps
    ]


def retried_document(retried: StuckReview) -> dict[str, Any]:
    """The answer of `retry`."""
    whose = {name: getattr(retried, name) for name in ("review_id", "run_id", "account_id")}
    return {**whose, "retried": [step_document(step) for step in retried.steps]}


def failing_lines(steps: list[dict[str, Any]], words: "ListWords") -> list[str]:
    """What `show` says of failing steps, a sentence each."""
    lines = []
    for one in steps:
        attempt = f", attempt {one['attempt']}" if one["attempt"] else ""
        since = f", since {words.moment(one['since'])}" if one["since"] else ""
        next_at = one["next_retry_at"]
        after = f"; next try {words.moment(next_at)}" if next_at else ""
        why = told(one["error"], words)
        lines.append(f"stuck in {in_words(one['step'])}{attempt}{since}: {why}{after}")
    return lines
