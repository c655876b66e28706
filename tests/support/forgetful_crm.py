"""A CRM that knows no operation ids by itself, as those behind HTTP: sent twice is made twice."""

from collections.abc import Sequence
from typing import Literal

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.crm.protocol import Capabilities
from account_reviews.domain.errors import CrmError, CrmOutcomeUnknownError, CrmUnavailableError
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review.steps import ApplyResult

Fate = Literal["lost before", "lost after", "late"]
"""What becomes of a call whose answer never comes: nothing is written, it is, or it will be."""


class ForgetfulCrm(InMemoryCrm):
    """`fates` are those of the next calls; `refuses` is raised by each, which then writes nothing.

    `sent` has the operation ids of all calls, `committed` those that were written, in order;
    `asked` the operations that were looked up.
    """

    fates: list[Fate]
    refuses: CrmError | None = None
    atomic = False

    def start(self) -> "ForgetfulCrm":
        self.fates, self.sent, self.committed = [], list[str](), list[str]()
        self.asked: list[str] = []
        self._late: list[tuple[ProposedChange, str | None, str]] = []
        self._made: dict[str, ApplyResult] = {}
        return self

    async def capabilities(self) -> Capabilities:
        can = await super().capabilities()
        lacks = {"transactional_ledger": False, "create_once": False}
        return can.model_copy(update={**lacks, "optimistic_lock": self.atomic})

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        self.sent.append(operation_id)
        if self.refuses is not None:
            raise self.refuses
        fate = self.fates.pop(0) if self.fates else None
        if fate == "late":
            self._late.append((change, expected_version, operation_id))
        if fate in ("lost before", "late"):
            raise CrmUnavailableError("the CRM did not answer in time")
        result = await self._commit(change, expected_version, operation_id)
        if fate == "lost after":
            raise CrmUnavailableError("the CRM did not answer in time")
        return result

    async def commit_late(self) -> None:
        """What was sent and lost is written now."""
        while self._late:
            await self._commit(*self._late.pop(0))

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        asked = [one.operation_id for one in operations]
        self.asked += asked
        if any(one in asked for _, _, one in self._late):
            raise CrmOutcomeUnknownError("it may still be written", retry_after=7.0)
        return {one: self._made[one] for one in asked if one in self._made}

    async def _commit(
        self, change: ProposedChange, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        number = f"{operation_id}#{len(self.sent)}"
        result = await super().apply(change, expected_version=expected_version, operation_id=number)
        result = result.model_copy(update={"version_check": None})
        if result.status == "applied":
            self.committed.append(operation_id)
            self._made[operation_id] = result
        return result
