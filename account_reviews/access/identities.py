"""Who of the people of a request is who: the CRM knows somebody by an id and by a name."""

from collections.abc import Iterable

from account_reviews.domain.person_names import person
from account_reviews.domain.records import AccountSnapshot
from account_reviews.domain.review.policy_terms import ids_by_name
from account_reviews.domain.review.terms import OWNER, Terms
from account_reviews.store import name_queries
from account_reviews.store.statements import Statements


async def ids_in_request(
    statements: Statements,
    tenant: str,
    terms: Terms,
    snapshot: AccountSnapshot,
    people: Iterable[str],
) -> dict[str, str]:
    """`Terms.ids`, of those whom the rules, the snapshot or `people` name, by id or by name.

    UnreachableError when the database is down.
    """
    others, ruling = {*people} - {""}, terms.people() - {OWNER}
    names: name_queries.Names = {}
    if others:  # by which of both they are named nobody knows
        names = await name_queries.owner_names(statements, tenant)
    elif ruling:  # as shipped the rules name nobody, and a review asks nothing
        names = await name_queries.names_of_owners(statements, tenant, sorted(ruling))
    read = [one for one in (snapshot.owner, snapshot.previous_owner, snapshot.manager) if one]
    ids = ids_by_name({**names, **{one.id: one.name for one in read}})
    named = {person(one) for one in (*ruling, *others, *(one.id for one in read))}
    return {name: one for name, one in ids.items() if named & {name, person(one)}}
