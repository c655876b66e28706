"""What it takes to approve an item, once more and by brute force: to hold the rules against."""

from itertools import permutations

from account_reviews.domain.review.quorum import Rules, Said, Vote

NAMES = ("ann", "ben", "cara", "dora", "emil")


def is_approved(rules: Rules, votes: tuple[Vote, ...]) -> bool:
    """By trying every way to stand for the groups."""
    yes = [one for one in votes if one.says is Said.YES]
    seats = [one.on_behalf_of or one.by for one in yes]
    counted = [one for one in seats if rules.anyone or one in rules.seats]
    free = [one for one in yes if rules.author not in (one.by, one.on_behalf_of or one.by)]
    return (
        len(set(counted)) >= rules.n
        and (rules.author is None or bool(free))
        and _groups_stand(rules, seats)
    )


def _groups_stand(rules: Rules, seats: list[str]) -> bool:
    groups = list(rules.groups.values())
    return any(
        all(who in members for who, members in zip(chosen, groups, strict=True))
        for chosen in permutations(sorted(set(seats)), len(groups))
    )


def may(rules: Rules, votes: tuple[Vote, ...], by: str, of: str | None) -> bool:
    """Whether this vote could be given now, whatever it says."""
    seat = of or by
    known = {one.by for one in votes}, {one.on_behalf_of or one.by for one in votes}
    if by in known[0] or seat in known[1] or {by, seat} & rules.barred:
        return False
    if of is not None and (of == by or by not in rules.delegates.get(of, frozenset())):
        return False
    listed = rules.seats | frozenset[str]().union(*rules.groups.values())
    return rules.anyone or seat in listed


def could_pass(rules: Rules, votes: tuple[Vote, ...]) -> bool:
    """Whether any further approvals by these people would approve it: by trying all of them."""
    if is_approved(rules, votes):
        return True
    for by in NAMES:
        for of in (None, *NAMES):
            if may(rules, votes, by, of):
                more = (*votes, Vote(by=by, on_behalf_of=of, says=Said.YES))
                if could_pass(rules, more):
                    return True
    return False
