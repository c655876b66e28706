"""What is offered to whom: a button for something that would be refused is not shown.

Nothing is allowed here. `Site.allow` does that, and records what it refuses.
"""

from account_reviews.domain.access.roles import Permission, Subject, Verb, may_by_scopes, permission
from account_reviews.domain.policy.access import Access, User
from account_reviews.services.form_decisions import Decider
from account_reviews.web.identity import Principal
from account_reviews.web.site import Site


def may(site: Site, who: Principal, verb: Verb, about: Subject | None = None) -> bool:
    """Whether his roles and the policy let him, as far as can be told without asking anybody."""
    return permission_of(site, who, verb, about).allowed


def permission_of(
    site: Site, who: Principal, verb: Verb, about: Subject | None = None
) -> Permission:
    """The same, with why not."""
    if not may_by_scopes(verb, who.scopes):
        return Permission(allowed=False, why=f"the token of {who.name} may not {verb}")
    known = site.parts.guard.access().user(who.name)
    access = Access(users={who.name: User(roles=who.roles, id=known[1].id if known else None)})
    return permission(access, verb, who.name, about)


def decider_of(who: Principal) -> Decider:
    """Who decides is who signed in."""
    return Decider(name=who.name, roles=who.roles, scopes=who.scopes)
