"""What is offered to whom: a button for something that would be refused is not shown.

Nothing is allowed here. `Site.allow` does that, and records what it refuses.
"""

from account_reviews.domain.access.roles import Subject, Verb, may_by_scopes, permission
from account_reviews.domain.policy.access import Access, User
from account_reviews.web.identity import Principal
from account_reviews.web.site import Site


def may(site: Site, who: Principal, verb: Verb, about: Subject | None = None) -> bool:
    """Whether his roles and the policy let him, as far as can be told without asking anybody."""
    guard = site.parts.guard
    known = guard.access().user(who.name)
    access = Access(users={who.name: User(roles=who.roles, id=known[1].id if known else None)})
    by_role = permission(access, verb, who.name, about).allowed
    return by_role and may_by_scopes(verb, who.scopes)
