"""Making digests: one per owner and morning, kept in `reviews.digests`."""

from datetime import date

from account_reviews.bootstrap import Parts
from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import CrmError, NotFoundError, PassingError
from account_reviews.domain.known_names import Known
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.reports.digest import (
    Digest,
    DigestFacts,
    UnreadableAccount,
    build_digest,
    moment_of,
    since_of,
)
from account_reviews.services import lookup
from account_reviews.store.digest_queries import DigestReader
from account_reviews.store.digest_writes import DigestStore


async def make(
    reader: DigestReader,
    store: DigestStore,
    policy: Policy,
    *,
    tenant: str,
    owner_id: str,
    day: date,
    now: Timestamp,
) -> Digest:
    """Make the owner's digest of that day and keep it; equal facts give an equal one.

    A day that is over is shown as it was at its end. UnreachableError when the database is down.
    """
    moment = moment_of(day, now)
    last = await reader.last(tenant, owner_id, day)
    lost: dict[str, str] = {}
    since = since_of(day, last)
    facts = DigestFacts(
        owner_id=owner_id,
        owner_name=await reader.owner_name(tenant, owner_id),
        day=day,
        moment=moment,
        last=last,
        reviews=tuple(await reader.reviews(tenant, owner_id, moment, lost)),
        requests=tuple(await reader.requests(tenant, owner_id, moment, lost)),
        closed=tuple(await reader.closed(tenant, owner_id, since, moment, lost)),
        unreadable=tuple(UnreadableAccount(account_id=i, account_name=n) for i, n in lost.items()),
    )
    digest = build_digest(facts, policy)
    await store.put(tenant, digest, moment)
    return digest


async def make_all(
    reader: DigestReader,
    store: DigestStore,
    policy: Policy,
    *,
    tenant: str,
    day: date,
    now: Timestamp,
) -> list[str]:
    """Make the digest of every known owner who wants one on that day, one after the other; gives
    their ids. The next digest of the others tells of the days between."""
    off = await reader.without(tenant, day)
    owners = [one for one in await reader.owners(tenant) if one not in off]
    for owner in owners:
        await make(reader, store, policy, tenant=tenant, owner_id=owner, day=day, now=now)
    return owners


async def find_owner(parts: Parts, owner: str) -> Known:
    """Whose digest is meant: an id that reviews or briefs have, or whom `lookup` finds.

    NotFoundError also where the CRM cannot be asked who it is.
    """
    if owner in await parts.digests.owners(parts.settings.tenant):
        return Known(owner)
    try:
        return await lookup.find_owner(parts, owner)
    except (CrmError, PassingError) as error:
        hint = f"the CRM could not be asked: {error.message}"
        raise NotFoundError(f"no review knows an owner {owner!r}", hint=hint) from None
