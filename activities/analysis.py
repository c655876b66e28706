"""The rules as an activity: they change over time, replay must not."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from temporalio import activity

from account_reviews.domain.analysis.analysis import AnalysisInputs, analyse
from account_reviews.domain.analysis.model import Analysis, PreviousRisk
from account_reviews.domain.base import first_fault
from account_reviews.domain.counting import counted
from account_reviews.domain.errors import (
    ConflictError,
    DocumentUnreadableError,
    ReviewsError,
    RulesFailedError,
)
from account_reviews.domain.memory import MemoryHit
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import AccountSnapshot
from account_reviews.domain.review.state import AnalysisResult
from account_reviews.domain.review.steps import AnalyseAccount
from account_reviews.domain.review.terms import Terms, TermsNow
from account_reviews.domain.vocabulary import term_of
from account_reviews.store.reviews import ReviewStore
from account_reviews.telemetry import review_metrics


class WrongAccountError(ConflictError):
    """The snapshot is of another account."""


@contextmanager
def _readable(what: str, name: str) -> Iterator[None]:
    """DocumentUnreadableError for what no try will make readable."""
    try:
        yield
    except ValidationError as error:
        raise DocumentUnreadableError(
            f"the stored {what} {name!r} cannot be read: {first_fault(error)}"
        ) from error


class AnalysisActivities:
    """Runs the rules of one policy on stored documents. `terms` gives those of a request that is
    opened now."""

    def __init__(self, store: ReviewStore, policy: Policy, terms: TermsNow) -> None:
        self._store = store
        self._policy = policy
        self._terms = terms

    @activity.defn(name="analysis.analyse")
    async def analyse(self, call: AnalyseAccount) -> AnalysisResult:
        """Changes, risk, health, recommendations and exact writes, stored under their hash."""
        inputs = await self._inputs(call)
        try:
            analysis = analyse(inputs, self._policy)
        except ReviewsError:
            raise
        except Exception as error:  # they are pure: the same facts would fail again
            raise RulesFailedError(
                f"the rules cannot judge account {call.account_id!r}: {type(error).__name__}"
            ) from error
        stored = await self._store.put_document("analysis", analysis.model_dump())
        review_metrics.analysed(analysis)
        terms = await self._terms(call.tenant, inputs.snapshot)
        return self._result(analysis, stored, terms)

    async def _inputs(self, call: AnalyseAccount) -> AnalysisInputs:
        """What the rules read.

        DocumentNotFoundError, DocumentUnreadableError, WrongAccountError.
        """
        body = await self._store.get_document(call.snapshot_hash)
        with _readable("snapshot", call.snapshot_hash):
            snapshot = AccountSnapshot.model_validate(body)
        if snapshot.account.id != call.account_id:
            raise WrongAccountError(
                f"the snapshot of account {snapshot.account.id!r} was handed to the review of "
                f"account {call.account_id!r}"
            )
        past = await self._store.past_of(call.tenant, call.account_id)
        previous = past.previous_snapshot
        with _readable("baseline of account", call.account_id):
            baseline = AccountSnapshot.model_validate(previous) if previous else None
        return AnalysisInputs(
            snapshot=snapshot,
            baseline=baseline,
            memory=await self._memory(call.memory_hash),
            prior=past.outcomes,
            own_writes=past.own_writes,
            previous_risk=PreviousRisk(score=past.risk_score, level=past.risk_level)
            if past.risk_level is not None
            else None,
            as_of=call.as_of,
            stale_seconds=call.stale_seconds,
        )

    async def _memory(self, stored: str | None) -> tuple[MemoryHit, ...] | None:
        if stored is None:
            return None
        hits = await self._store.get_document(stored)
        with _readable("memories", stored):
            return tuple(MemoryHit.model_validate(hit) for hit in hits)

    def _result(self, analysis: Analysis, stored: str, terms: Terms) -> AnalysisResult:
        return AnalysisResult(
            hash=stored,
            risk_level=analysis.risk.level,
            risk_score=analysis.risk.score,
            health_score=analysis.health.score,
            health_band=analysis.health.band,
            needs_review=analysis.needs_review,
            requires_attention=analysis.requires_attention,
            changes_detected=analysis.changes_detected,
            changes=analysis.proposed_changes,
            approvers=self._policy.approvals.owners(analysis.owner_id),
            terms=terms,
            policy_hash=analysis.policy_hash,
            summary=summarise_analysis(analysis),
        )


def summarise_analysis(analysis: Analysis) -> str:
    """One short sentence: risk, health, what was found."""
    risk = analysis.risk
    score = "" if risk.score is None else f" {risk.score}"
    health = analysis.health
    points = "" if health.score is None else f" {health.score}"
    findings = len(analysis.findings)
    return (
        f"risk {risk.level}{score}, health {term_of(health.band)}{points}, "
        f"{counted(findings, 'finding')}"
    )
