"""What people and outside agents propose is made exact by what stands in the CRM now."""

from temporalio import activity

from account_reviews.crm.merged import refuse_merged
from account_reviews.crm.protocol import CrmBackend
from account_reviews.domain.errors import AccountNotFoundError, BadInputError
from account_reviews.domain.records import SnapshotLimits
from account_reviews.domain.review.steps import PrepareChanges, PreparedChanges
from account_reviews.domain.review.terms import TermsNow
from account_reviews.domain.review.wanted import exact_changes
from account_reviews.store.usage import count_call


class ProposalActivities:
    """Reads one account of one CRM backend, and asks by the terms as they are now."""

    def __init__(self, crm: CrmBackend, limits: SnapshotLimits, terms: TermsNow) -> None:
        self._crm = crm
        self._limits = limits
        self._terms = terms

    @activity.defn(name="crm.prepare_changes")
    async def prepare(self, call: PrepareChanges) -> PreparedChanges:
        """The exact writes with what they would change. A change that is none of this account, or
        no write, is the refusal of all."""
        count_call()
        snapshot = await self._crm.of(call.tenant).snapshot(
            call.account_id, as_of=call.as_of, limits=self._limits
        )
        try:
            refuse_merged(call.account_id, snapshot)
            changes = exact_changes(call.changes, snapshot, call.known, call.by, call.reason)
        except (AccountNotFoundError, BadInputError) as error:
            return PreparedChanges(refusal=error.message)
        terms = await self._terms(call.tenant, snapshot, call.by)
        return PreparedChanges(changes=changes, terms=terms)
