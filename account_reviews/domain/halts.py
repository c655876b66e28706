"""The kill switch: who stopped everything, when and why, and who let it go on again."""

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import WritesHaltedError

NO_REASON = "no reason given"
RELEASE_HINT = "`reviews stop-all --release` lets it go on"


class Halt(Model):
    """One row of `halts`. It is in force until `released_at` is set."""

    id: int
    tenant: str
    by: str
    reason: str
    at: Timestamp
    released_by: str | None = None
    released_reason: str | None = None
    released_at: Timestamp | None = None

    @property
    def is_open(self) -> bool:
        return self.released_at is None

    def describe(self) -> str:
        """Who, since when and why, to follow "everything is" or "writes are"."""
        at = rfc3339(self.at.replace(microsecond=0))
        return f"stopped by {self.by} since {at}: {self.reason}"

    def describe_release(self) -> str:
        """Who let it go on, since when and why, to follow "everything was"."""
        at = self.released_at
        since = "" if at is None else f" at {rfc3339(at.replace(microsecond=0))}"
        return f"released by {self.released_by}{since}: {self.released_reason}"


class AskHalt(Model):
    """Whether something of this tenant may be started."""

    tenant: str


class HaltAnswer(Model):
    """`halt` is there when nothing may be started."""

    halt: Halt | None = None

    @property
    def halted(self) -> bool:
        return self.halt is not None


def writes_halted(halt: Halt, retry_after: float) -> WritesHaltedError:
    """The error of a write under `halt`; `retry_after` in seconds."""
    return WritesHaltedError(
        f"writes are {halt.describe()}", retry_after=retry_after, hint=RELEASE_HINT
    )
