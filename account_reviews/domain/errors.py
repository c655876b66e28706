"""The errors that reach people and programs. The docstring is the default message.

What one room raises and means by it more than these may derive from them there.

`retryable` says whether trying again can help; the activity boundary turns it into Temporal's
`non_retryable`, deciding by class and never by message. `exit_code` is what the CLI answers.
"""

from typing import ClassVar


class ReviewsError(Exception):
    """Something went wrong."""

    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 2
    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").splitlines()[0]
        self.hint = hint
        super().__init__(self.message)


class PassingError(ReviewsError):
    """It may go better later."""

    retryable = True

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        """`retry_after`: seconds in which no try makes sense."""
        self.retry_after = retry_after
        super().__init__(message, hint=hint)


class BadInputError(ReviewsError):
    """The input cannot be used."""

    code = "bad_input"


class ReasonRequiredError(BadInputError):
    """It needs a reason, and has none."""


class NotFoundError(ReviewsError):
    """There is nothing under that name."""

    exit_code = 3
    code = "not_found"


class DocumentNotFoundError(NotFoundError, KeyError):
    """What was stored is not there any more."""

    code = "document_not_found"

    def __str__(self) -> str:
        return self.message


class DocumentUnreadableError(ReviewsError):
    """What was stored cannot be read."""

    code = "document_unreadable"


class RefusedByDatabaseError(ReviewsError):
    """The database does not take this value, however often it is asked."""

    code = "refused_by_database"


class RulesFailedError(ReviewsError):
    """The rules cannot judge this account."""

    code = "rules_failed"


class ConflictError(ReviewsError):
    """Something else happened first."""

    exit_code = 4
    code = "conflict"


class UnreachableError(ReviewsError):
    """A service cannot be reached."""

    retryable = True
    exit_code = 5
    code = "unreachable"

    def __init__(
        self, message: str | None = None, *, hint: str | None = None, plainly: str | None = None
    ) -> None:
        """`plainly`: the same without addresses, for people and programs who are not of the
        house."""
        super().__init__(message, hint=hint)
        self.plainly = plainly or self.message


class PolicyError(BadInputError):
    """The policy file is not valid."""

    code = "invalid_policy"


class ScheduleError(BadInputError):
    """The schedule file is not valid."""

    code = "invalid_schedule"


class ScheduleNotFoundError(NotFoundError):
    """There is no such schedule."""

    code = "schedule_not_found"


class AccountNotFoundError(NotFoundError):
    """The CRM has no such account."""

    code = "account_not_found"


class ReviewNotFoundError(NotFoundError):
    """There is no such review."""

    code = "review_not_found"


class CycleNotFoundError(NotFoundError):
    """There is no such cycle."""

    code = "cycle_not_found"


class RequestNotFoundError(NotFoundError):
    """There is no such approval request."""

    code = "request_not_found"


class NothingToRetryError(ConflictError):
    """A review gets on, or has ended: no step of it waits for another try."""


class ReviewAlreadyRunningError(ConflictError):
    """The account is under review already."""

    code = "already_running"


class LimitReachedError(ReviewsError):
    """There is no more room."""

    exit_code = 6
    code = "limit_reached"


class CrmError(ReviewsError):
    """The CRM refused."""

    code = "crm_error"


class CrmUnavailableError(PassingError, CrmError):
    """The CRM cannot be reached."""

    exit_code = 5
    code = "crm_unavailable"

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: float | None = None,
        sent: bool = True,
        hint: str | None = None,
    ) -> None:
        """`sent`: False when the CRM was not asked at all: nothing can have been written."""
        self.sent = sent
        super().__init__(message, retry_after=retry_after, hint=hint)


class CrmAwayError(CrmUnavailableError):
    """The CRM did not answer a whole burst of tries."""

    retryable = False
    code = "crm_away"


class CrmAuthError(CrmError):
    """The CRM does not accept our credentials."""

    exit_code = 5
    code = "crm_auth"


class CrmPermissionError(CrmError):
    """The CRM does not allow this to us."""

    code = "crm_permission"


class CrmOfAnotherTenantError(CrmPermissionError):
    """The CRM belongs to another tenant."""

    code = "crm_of_another_tenant"


class CrmNeedsPersonError(CrmPermissionError):
    """The CRM lets nobody change this record before a person has acted there: it is locked, in a
    blueprint or waits for an approval."""

    code = "crm_needs_person"


class CrmRecordNotFoundError(CrmError, NotFoundError):
    """The CRM has no such record."""

    code = "crm_record_not_found"


class CrmInvalidError(CrmError):
    """The CRM does not accept this value."""

    code = "crm_invalid"

    def __init__(self, message: str | None = None, *, field: str, hint: str | None = None) -> None:
        self.field = field
        super().__init__(message, hint=hint)


class CrmUnreadableError(CrmError):
    """The CRM holds a record that cannot be read."""

    code = "crm_unreadable"


class CrmRateLimitedError(PassingError, CrmError):
    """The CRM asks us to slow down."""

    exit_code = 6
    code = "crm_rate_limited"


class CrmOutcomeUnknownError(PassingError, CrmError):
    """Whether the CRM has written is not known yet."""

    exit_code = 5
    code = "crm_outcome_unknown"


class CrmTokensRevokedError(CrmRateLimitedError):
    """The CRM takes back the tokens it gives us, and is not asked for another one yet.

    A person has to look after the credentials; until then each try waits for `retry_after`.
    """

    exit_code = 5
    code = "crm_auth"


class HaltedError(ConflictError):
    """Everything is stopped."""

    code = "halted"


class WritesHaltedError(PassingError, HaltedError):
    """Writes are stopped."""


class MemoryUnavailableError(PassingError):
    """The account memory cannot be reached."""

    exit_code = 5
    code = "memory_unavailable"


class MemoryAuthError(MemoryUnavailableError):
    """The account memory does not accept our credentials."""

    retryable = False
    code = "memory_auth"


class ChannelUnavailableError(PassingError):
    """The channel for notices cannot be reached."""

    exit_code = 5
    code = "channel_unavailable"


class NoticeRefusedError(ReviewsError):
    """The channel does not take this notice."""

    code = "notice_refused"


class NoticeOutdatedError(NoticeRefusedError):
    """What the notice says is not so any more."""

    code = "notice_outdated"


class TenantNotServedError(ReviewsError):
    """This worker does not serve that tenant."""

    code = "tenant_not_served"


class NegativeAnswerError(ReviewsError):
    """The answer is no."""

    exit_code = 1
    code = "refused"


class NotAllowedError(NegativeAnswerError):
    """That is not allowed."""
