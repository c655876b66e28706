"""Times on the command line."""

from datetime import datetime


def parse_time(text: str, option: str) -> datetime:
    """A date (00:00 UTC) or an RFC 3339 time, in UTC. BadInputError names the option."""
    from account_reviews.domain.errors import BadInputError
    from account_reviews.inputs import parse_time as parse

    try:
        return parse(text)
    except BadInputError as error:
        raise BadInputError(f"{option}: {error.message}", hint=error.hint) from None
