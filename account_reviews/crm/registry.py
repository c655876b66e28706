"""Which CRM a URL means: the one factory for every door.

A CRM is registered in the entry point group `account_reviews.crm`, by the scheme of its URL or by
a name of its own: `REVIEWS_CRM_URL=zoho://` and `REVIEWS_CRM_URL=mycrm` both work. The factory gets
a `CrmContext` and gives a `CrmBackend`. See docs/backends.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from account_reviews.config.settings import Settings
from account_reviews.crm.protocol import CrmBackend
from account_reviews.domain.errors import BadInputError

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from sqlalchemy.ext.asyncio import AsyncEngine

GROUP: Final = "account_reviews.crm"
_ALIASES: Final = {"postgres": "postgresql"}
_NAMES_ALONE: Final = {
    "zoho": "REVIEWS_ZOHO_DATA_CENTRE says where the org lives",
    "hubspot": "REVIEWS_HUBSPOT_API_URL names another address",
}
"""CRMs whose address is a setting of its own: a place in their URL would be passed over."""


@dataclass(frozen=True)
class CrmContext:
    """What a factory is given.

    `url`: as it was set. `engine`: our own database, for what all workers share. `engine_of` gives
    the engine of another one. `closing`: what is entered there, or pushed, ends with the process's
    parts. `may_write`: whether the login that writes is meant, see REVIEWS_CRM_WRITE_URL.
    """

    url: str
    settings: Settings
    engine: "AsyncEngine"
    engine_of: "Callable[[str], AsyncEngine]"
    closing: "AsyncExitStack"
    may_write: bool = False


CrmFactory = Callable[[CrmContext], CrmBackend]


def scheme_of(url: str) -> str:
    """What the URL is registered by: `zoho` of `zoho://`, `postgresql` of any PostgreSQL URL."""
    scheme = url.partition("://")[0].partition("+")[0].lower()
    return _ALIASES.get(scheme, scheme)


def open_crm(context: CrmContext) -> CrmBackend:
    """The CRM of a URL; no connection is made yet. BadInputError names what is registered."""
    return find_factory(context.url)(context)


def find_factory(url: str) -> CrmFactory:
    """What opens the CRM of that URL. BadInputError."""
    name = scheme_of(url)
    if name in _NAMES_ALONE and url.lower() not in (name, f"{name}://"):
        raise BadInputError(  # what stands there may be a password, and is not repeated
            f"REVIEWS_CRM_URL is more than {name}://, and {name} takes no place in it",
            hint=f"set it to {name}://; {_NAMES_ALONE[name]}",
        )
    found = entry_points(group=GROUP, name=name)
    if not found:
        known = ", ".join(sorted(one.name for one in entry_points(group=GROUP)))
        raise BadInputError(
            f"REVIEWS_CRM_URL names the CRM {name!r}, and there is none of that name",
            hint=f"use one of: {known}; or install the package of the other one",
        )
    try:
        factory = next(iter(found)).load()
    except (ImportError, AttributeError) as error:
        raise BadInputError(
            f"the CRM {name!r} cannot be loaded: {error}", hint="see whether its package is whole"
        ) from error
    if not callable(factory):
        raise BadInputError(f"the entry point of the CRM {name!r} is no factory")
    return factory  # type: ignore[no-any-return]
