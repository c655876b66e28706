"""Whether the trail is whole and unaltered: all of it, since a time, or of one review."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from account_reviews.bootstrap import Parts
from account_reviews.config.settings import Settings

if TYPE_CHECKING:
    from temporalio.client import Client

    from account_reviews.audit.seals.keys import PublicKeys
    from account_reviews.audit.verify.verifier import Report


def known_keys(settings: Settings) -> "PublicKeys":
    """The keys that are pinned, else those that lie in the data directory."""
    from account_reviews.audit.seals.keys import public_keys

    return public_keys(settings.signing_key, settings.pinned_keys)


async def verify(
    parts: Parts,
    client: "Client | None",
    keys: "PublicKeys",
    *,
    since: datetime | None = None,
    review_id: str | None = None,
) -> "Report":
    """What a check of the trail finds. Without `client` histories are not compared.

    NotFoundError for a review of which the trail has no row, UnreachableError.
    """
    from account_reviews.audit.seals.anchors import open_anchors
    from account_reviews.audit.verify.completeness import add_completeness
    from account_reviews.audit.verify.facts import add_facts
    from account_reviews.audit.verify.recorded_writes import Elsewhere
    from account_reviews.audit.verify.scope import Scope
    from account_reviews.audit.verify.verifier import Verifier
    from account_reviews.domain.audit.redaction import rules_of

    settings = parts.settings
    verifier = Verifier(parts.audit.engine, keys, open_anchors(settings.seals_place))
    if review_id is not None:
        report = await verifier.verify_review(settings.tenant, review_id)
    else:
        report = await verifier.verify(since=since)
    rules, began = rules_of(parts.policy), datetime.now(UTC)
    compared = await add_completeness(
        report,
        client,
        parts.audit.engine,
        rules,
        since=since,
        workflow_id=review_id,
    )
    await add_facts(
        report,
        parts.engine,
        parts.audit.engine,
        Elsewhere(settings.tenant, parts.foreign_ledger),
        rules,
        Scope(since=since, review_id=review_id),
        chains=compared.chains if compared is not None else {},
        began=began,
    )
    return report
