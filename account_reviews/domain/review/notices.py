"""What people are to be notified of about an approval request. Pure."""

from enum import StrEnum

from account_reviews.domain.base import Model, Timestamp


class NoticeKind(StrEnum):
    REQUEST = "request"
    """It is open: decide, please."""
    REMINDER = "reminder"
    ESCALATION = "escalation"
    EXPIRED = "expired"
    """Its deadline has passed."""


class Notice(Model):
    """One notice. There is one of a request, kind and level, however often it is tried."""

    kind: NoticeKind
    request_id: str
    level: int = 0
    """Of an escalation, counted from 1; the level the request has by its risk otherwise."""
    recipients: tuple[str, ...] = ()
    """Names as the policy gives them: people, and groups that have no members."""
    at: Timestamp
    """When it was due."""
    critical: bool = False
    """An escalation because of the risk, as the request opens."""

    @property
    def key(self) -> str:
        """The same for each repeat, and for nothing else."""
        critical = ":critical" if self.critical else ""
        return f"{self.request_id}:{self.kind}:{self.level}{critical}"
