"""Search attributes: ids and numbers only, since they are never encrypted."""

from typing import Any, Final

from temporalio.common import SearchAttributeKey

TENANT: Final = SearchAttributeKey.for_keyword("Tenant")
ACCOUNT_ID: Final = SearchAttributeKey.for_keyword("AccountId")
OWNER_ID: Final = SearchAttributeKey.for_keyword("OwnerId")
REVIEW_KIND: Final = SearchAttributeKey.for_keyword("ReviewKind")
REVIEW_PHASE: Final = SearchAttributeKey.for_keyword("ReviewPhase")
REVIEW_STATUS: Final = SearchAttributeKey.for_keyword("ReviewStatus")
RISK_LEVEL: Final = SearchAttributeKey.for_keyword("RiskLevel")
CYCLE_ID: Final = SearchAttributeKey.for_keyword("CycleId")
PENDING_APPROVERS: Final = SearchAttributeKey.for_keyword_list("PendingApprovers")
APPROVAL_DUE_AT: Final = SearchAttributeKey.for_datetime("ApprovalDueAt")
HEALTH_SCORE: Final = SearchAttributeKey.for_float("HealthScore")
NEEDS_ATTENTION: Final = SearchAttributeKey.for_bool("NeedsAttention")

SCHEDULED_BY: Final = SearchAttributeKey.for_keyword("TemporalScheduledById")
SCHEDULED_AT: Final = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""The server's own, on every workflow that a schedule started. They need no registering."""


def _type_of(key: SearchAttributeKey[Any]) -> str:
    """`KEYWORD_LIST` as the server spells it: `KeywordList`."""
    return key.indexed_value_type.name.title().replace("_", "")


SEARCH_ATTRIBUTES: Final[dict[str, str]] = {
    key.name: _type_of(key)
    for key in list(vars().values())
    if isinstance(key, SearchAttributeKey) and not key.name.startswith("Temporal")
}
"""Name -> type of each of ours above. What is registered is what is used."""
