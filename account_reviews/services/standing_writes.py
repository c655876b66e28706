"""What stands in the CRM of a review that ended without its own closing steps."""

from account_reviews.crm.writer import CrmWriter
from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import ConflictError, CrmError
from account_reviews.domain.review.decisions import approved_items, skip_what_is_open
from account_reviews.domain.review.standing import note, unwritten
from account_reviews.domain.review.state import ReviewState
from account_reviews.temporal.names import operation_id


async def note_what_stands(
    writer: CrmWriter, state: ReviewState, now: Timestamp, *, reason: str
) -> None:
    """Ask by operation id for all that this review may have written. CrmError, UnreachableError."""
    ids = {operation_id(state.run_id, one): one for one in unwritten(state)}
    found = await writer.find(state.tenant, sorted(ids))
    for operation, result in found.items():
        note(state, ids[operation], result, now, reason=reason)


async def settle_what_was_approved(
    writer: CrmWriter, state: ReviewState, now: Timestamp, *, reason: str
) -> None:
    """Call executed what stands in the CRM, and skipped what it says was not written.

    What it refuses to say for good stays as it is. An outage is raised (CrmError,
    UnreachableError): then it is to be settled later.
    """
    if not approved_items(state) and not state.was_reset:
        return
    try:
        await note_what_stands(writer, state, now, reason=f"written before it was {reason}")
    except (CrmError, ConflictError) as error:  # the latter: what was written is forgotten
        if error.retryable:
            raise
        return
    skip_what_is_open(state, reason, now)
