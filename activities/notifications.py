"""One notice for one person by one channel."""

from datetime import UTC, datetime

from temporalio import activity

from account_reviews.domain.errors import (
    NoticeOutdatedError,
    ReviewNotFoundError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.deliveries import DeliverNotice, Delivery
from account_reviews.domain.review.notices import NoticeKind
from account_reviews.domain.review.state import AnalysisResult, ReviewState
from account_reviews.domain.vocabulary import term_of
from account_reviews.notifications.courier import Posting
from account_reviews.notifications.messages import Addressee, Subject, notice_message
from account_reviews.notifications.protocol import Message
from account_reviews.store.review_queries import ReviewReader


class NotificationActivities:
    """Tells people. What a notice says is read from the review's row when it is sent."""

    def __init__(
        self,
        reader: ReviewReader,
        posting: Posting,
    ) -> None:
        self._reader = reader
        self._posting = posting

    @activity.defn(name="notifications.deliver")
    async def deliver(self, call: DeliverNotice) -> Delivery | None:
        """Send it unless it was sent. One that is outdated is not sent, and `ok` is False.

        None where there is nobody to be told: a group without members and without an address.

        ChannelUnavailableError, UnreachableError: a later try may succeed. NoticeRefusedError.
        """
        book = self._posting.book
        if await book.reaches_nobody(call.tenant, call.recipient, call.channel):
            return None
        parcel = call.parcel

        async def compose() -> Message:
            state = await self._review(call)
            request = _request(state, call)
            _check(call, request)
            to = await self._addressee(call, state)
            about = await self._subject(call, state)
            wording = self._posting.wording
            message = notice_message(parcel.key, call.notice, request, about, to, wording)
            if call.channel != "email":
                return message
            from account_reviews.presentation.notice_mail import with_page

            return with_page(message)

        delivery = {
            "recipient": call.recipient,
            "channel": call.channel,
            "kind": call.notice.kind,
            "level": call.notice.level,
        }
        try:
            sent = await self._posting.courier.deliver(parcel, compose)
        except NoticeOutdatedError as error:
            now = datetime.now(UTC)
            return Delivery(**delivery, at=now, ok=False, error=error.message)
        return Delivery(**delivery, name=sent.name, at=sent.at, ok=True)

    async def _subject(self, call: DeliverNotice, state: ReviewState) -> Subject:
        """The account, and by which names people and the request are known."""
        read = state.snapshot
        found = await self._reader.find_requests(call.tenant, [call.notice.request_id])
        row = found[call.notice.request_id]
        known = read is not None and read.owner_id is not None and read.owner_name is not None
        return Subject(
            account_id=state.account_id,
            name=read.account_name if read else None,
            short_id=None if isinstance(row, ReviewsError) else row.short_id,
            people={str(read.owner_id): str(read.owner_name)} if read and known else {},
            standing=_standing(state.analysis) if state.analysis else None,
        )

    async def _review(self, call: DeliverNotice) -> ReviewState:
        try:
            found = await self._reader.find_run(
                tenant=call.tenant, review_id=call.review_id, run_id=call.run_id
            )
        except ReviewNotFoundError as error:  # its row comes first, so it comes
            raise UnreachableError(error.message) from error
        return found.state

    async def _addressee(self, call: DeliverNotice, state: ReviewState) -> Addressee:
        read = state.snapshot
        owner = (read.owner_id, read.owner_name) if read is not None else ()
        book = self._posting.book
        return await book.find(call.tenant, call.recipient, call.channel, *owner)


def _standing(found: AnalysisResult) -> str:
    """How the account is, by the analysis that asks for decisions."""
    told = (
        ("Risk", found.risk_level, found.risk_score),
        ("Health", found.health_band, found.health_score),
    )
    return " ".join(
        f"{name}: {term_of(level)}."
        if score is None
        else f"{name}: {term_of(level)}, {score} of 100."
        for name, level, score in told
    )


def _request(state: ReviewState, call: DeliverNotice) -> ApprovalRequest:
    found = state.request(call.notice.request_id)
    if found is None:
        raise UnreachableError(f"the request {call.notice.request_id} is not stored yet")
    return found


def _check(call: DeliverNotice, request: ApprovalRequest) -> None:
    """Nobody is asked for what was decided meanwhile, however long a channel was away."""
    if call.notice.kind is not NoticeKind.EXPIRED and not request.is_pending:
        raise NoticeOutdatedError(f"the request was {request.state} before it could be sent")
