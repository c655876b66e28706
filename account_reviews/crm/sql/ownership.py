"""Whose CRM a database holds: that of one tenant, the first one that fills it or writes to it."""

from typing import Final

from account_reviews.domain.errors import CrmOfAnotherTenantError

OWNER: Final = "select tenant from crm.belongs_to"
CLAIM: Final = "insert into crm.belongs_to (tenant) values (:tenant) on conflict do nothing"
"""Two that come at once: the second waits until the first one's transaction is at its end."""


def refuse_others(owner: str | None, tenant: str) -> None:
    """CrmOfAnotherTenantError when the CRM has an owner, and that is not `tenant`."""
    if owner is not None and owner != tenant:
        raise CrmOfAnotherTenantError(
            f"the CRM in this database belongs to the tenant {owner!r}, not to {tenant!r}",
            hint=f"set REVIEWS_CRM_URL to the CRM of {tenant}, or REVIEWS_TENANT to {owner}",
        )
