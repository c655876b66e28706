"""Counts over the attempts of one activity how often a CRM did not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from temporalio import activity

from account_reviews.domain.base import Model
from account_reviews.domain.bursts import Burst
from account_reviews.domain.errors import CrmAwayError, CrmUnavailableError, ReviewsError
from account_reviews.domain.records import Tier


class Progress(Model):
    """What the next attempt goes on with: kept as the details of the heartbeat."""

    burst: Burst = Burst()
    tier: Tier | None = None
    """How the accounts of a portfolio are read; None until one way failed."""
    passed_over: tuple[str, ...] = ()
    read: bool = False
    """Something was read in that way."""

    def after(self, error: ReviewsError) -> "Progress":
        """After a call that failed. Only an answer that did not come counts as a try."""
        if not isinstance(error, CrmUnavailableError):
            return self
        wait = None if error.sent else error.retry_after
        return self.model_copy(update={"burst": self.burst.after_failure(wait)})


def progress_so_far() -> Progress:
    """Of the attempts before; that of the first one outside an activity."""
    details = activity.info().heartbeat_details if activity.in_activity() else ()
    try:
        return Progress.model_validate(details[0]) if details else Progress()
    except ValidationError:
        return Progress()


def keep(progress: Progress) -> None:
    """For the next attempt. A local activity has none that would see it."""
    if activity.in_activity() and not activity.info().is_local:
        activity.heartbeat(progress.model_dump(mode="json"))


@contextmanager
def one_burst(*, limited: bool) -> Iterator[None]:
    """Around a read. When `limited` the third that is not answered raises CrmAwayError, which is
    not tried again; what names a time to wait is tried again then."""
    try:
        yield
    except CrmUnavailableError as error:
        counted = limited and activity.in_activity() and not activity.info().is_local
        if not counted:
            raise
        progress = progress_so_far().after(error)
        if progress.burst.is_over:
            raise CrmAwayError(error.message, hint=error.hint) from error
        keep(progress)
        raise
