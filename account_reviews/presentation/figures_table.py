"""The figures of `reviews metrics` in words."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from account_reviews.presentation.terms import UNKNOWN, term_of

_NAMES: Final[Mapping[str, str]] = {
    "open_in_temporal": "Open in Temporal",
    "total_sessions": "Reviews",
    "active_sessions": "Open reviews",
    "oldest_session_age": "Age of the oldest open one",
    "newest_session_age": "Age of the newest open one",
    "avg_session_age": "Age of open ones, on average",
    "approval_rate": "Approved of what was decided",
    "mean_approval_seconds": "Until a decision, on average",
    "closed_last_day": "Closed within a day",
    "error_rate": "Failed of those",
    "resume_rate": "Taken up again of those that failed a step",
    "resume_success_rate": "Finished of those taken up again",
    "median_duration_seconds": "Duration, half of them",
    "p95_duration_seconds": "Duration, 95 of 100",
}
_GROUPS: Final = {"by_phase": "In phase", "by_status": "With status"}


def figure_rows(
    document: Mapping[str, Any], span: Callable[[float], str]
) -> Iterator[tuple[str, object]]:
    """What is counted, and how much it is: times by `span`, shares in percent."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            for kind, number in value.items():
                yield f"{_GROUPS.get(name, term_of(name))} {term_of(kind)}", number
        else:
            yield _NAMES.get(name, term_of(name)), _shown(name, value, span)


def _shown(name: str, value: Any, span: Callable[[float], str]) -> object:
    if value is None:
        return UNKNOWN
    if name.endswith(("_age", "_seconds")):
        return span(float(value))
    return f"{100 * value:.0f}%" if name.endswith("_rate") else value
