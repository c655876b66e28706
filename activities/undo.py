"""What a review of kind `undo` begins with, in place of gathering and analysing."""

from datetime import UTC, datetime

from temporalio import activity

from account_reviews.crm.protocol import CrmBackend
from account_reviews.crm.undo import prepare_undo
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits, SnapshotRef
from account_reviews.domain.review.state import AnalysisResult, ReviewState
from account_reviews.domain.review.steps import PreparedUndo, PrepareUndo
from account_reviews.domain.review.terms import Terms, TermsNow
from account_reviews.store.operations import OperationLedger
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.usage import count_call
from account_reviews.temporal.names import operation_id


class UndoActivities:
    """Reads one CRM backend and the stored reviews, and asks by the terms as they are now."""

    def __init__(
        self,
        crm: CrmBackend,
        ledger: OperationLedger,
        store: ReviewStore,
        limits: SnapshotLimits,
        policy: Policy,
        terms: TermsNow,
    ) -> None:
        self._crm = crm
        self._ledger = ledger
        self._store = store
        self._limits = limits
        self._policy = policy
        self._terms = terms

    @activity.defn(name="crm.prepare_undo")
    async def prepare_undo(self, call: PrepareUndo) -> PreparedUndo:
        """The write that takes another one back, with what the gate needs; else why there is none.

        Stores the account as it is, and shows the review in the read model.
        """
        original = await self._store.state_of(call.tenant, call.undo.run_id)
        if original is None or original.account_id != call.account_id:
            return PreparedUndo(
                refusal=f"the review {call.undo.review_id} is not stored any more (run "
                f"{call.undo.run_id})"
            )
        count_call(2)
        operation = operation_id(call.undo.run_id, call.undo.change_id)
        prepared = await prepare_undo(
            self._crm.of(call.tenant),
            original,
            call.undo,
            await self._ledger.written(call.tenant, operation),
            self._limits,
            by=call.by,
        )
        if isinstance(prepared, str):
            return PreparedUndo(refusal=prepared)
        snapshot, found = prepared
        if not (await self._crm.capabilities()).history:
            (snapshot,) = await self._store.history.complete(call.tenant, [snapshot], self._limits)
        stored = await self._store.open_run(call.opening, snapshot)
        if isinstance(found, str):
            return PreparedUndo(snapshot=_reference(snapshot, stored), refusal=found)
        return PreparedUndo(
            snapshot=_reference(snapshot, stored),
            analysis=self._result(
                original, snapshot, found, await self._terms(call.tenant, snapshot, call.by)
            ),
        )

    def _result(
        self,
        original: ReviewState,
        snapshot: AccountSnapshot,
        change: ProposedChange,
        terms: Terms,
    ) -> AnalysisResult | None:
        """As an analysis would say it. The risk is what the review of the write found."""
        if original.analysis is None:
            return None
        owner_id = snapshot.account.owner_id
        return original.analysis.model_copy(
            update={
                "hash": "",
                "needs_review": False,
                "requires_attention": False,
                "changes_detected": False,
                "changes": (change,),
                "approvers": self._policy.approvals.owners(owner_id),
                # Nothing is undone that nobody approved, whatever needs nobody elsewhere.
                "terms": terms.model_copy(update={"auto": ()}),
                "policy_hash": self._policy.hash,
                "summary": change.title,
            }
        )


def _reference(snapshot: AccountSnapshot, stored: str) -> SnapshotRef:
    return SnapshotRef(
        hash=stored,
        account_name=snapshot.account.name,
        owner_id=snapshot.account.owner_id,
        owner_name=snapshot.owner.name if snapshot.owner else None,
        fetched_at=snapshot.fetched_at,
        as_of=datetime.now(UTC),
    )
