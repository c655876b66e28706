"""People whom the policy does not name: in which roles they signed in. Pure."""

from collections.abc import Iterable

from account_reviews.domain.base import Model
from account_reviews.domain.person_names import person
from account_reviews.domain.policy.access import Access, Role, User


class Known(Model):
    """Somebody of the table of people, or a program with a token."""

    name: str
    roles: tuple[Role, ...] = ()
    groups: tuple[str, ...] = ()


def roles_of(access: Access, known: Known) -> tuple[Role, ...]:
    """In which roles: those of the policy's table when it names him, else his own and those that
    the policy gives to his groups."""
    named = access.user(known.name)
    if named is not None:
        return named[1].roles
    given = [*known.roles, *(role for one in known.groups for role in access.groups.get(one, ()))]
    return tuple(dict.fromkeys(given))


def with_people(access: Access, people: Iterable[Known]) -> Access:
    """The policy's users and these, where it has users at all. Who is named there stays as he is
    there; of several of one name the roles come together."""
    if access.users is None:
        return access
    users, meant = dict(access.users), dict[str, str]()
    for one in people:
        if access.user(one.name) is not None:
            continue
        name = meant.setdefault(person(one.name), one.name)
        before = users[name].roles if name in users else ()
        roles = tuple(dict.fromkeys([*before, *roles_of(access, one)]))
        if roles:
            users[name] = User(roles=roles)
    return access.model_copy(update={"users": users})
