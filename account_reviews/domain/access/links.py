"""What a link in a mail binds: one person and what he is shown of one request. Pure."""

from account_reviews.domain.base import Model


class LinkClaims(Model):
    """What a link says. It names no decision: whoever it is for chooses."""

    request_id: str
    shown_hash: str
    """Of the request as it stood when the link was made."""
    by: str
    """Who decides with it, as the request asks for him."""
    expires: int
    """Second since 1970 from which on it is worth nothing: the deadline of the request."""
