"""Times on the command line."""

from datetime import UTC, datetime


def parse_time(text: str, option: str) -> datetime:
    """A date (00:00 UTC) or an RFC 3339 time, in UTC. BadInputError names the option."""
    from account_reviews.domain.errors import BadInputError

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is not None and found.tzinfo is None and "T" not in text and " " not in text:
        found = found.replace(tzinfo=UTC)
    if found is None or found.tzinfo is None:
        raise BadInputError(
            f"{option}: {text!r} is no time",
            hint="give a date (2026-03-01) or a time with its zone (2026-03-01T08:00:00Z)",
        )
    return found.astimezone(UTC)
