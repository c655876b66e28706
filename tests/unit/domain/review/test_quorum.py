"""Who must agree: held against a model that tries every possibility."""

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.matching import pairs
from account_reviews.domain.review import quorum
from account_reviews.domain.review.quorum import Needs, Rules, Said, Standing, Vote
from tests.support.votes import NAMES, could_pass, is_approved, may

people = st.frozensets(st.sampled_from(NAMES), max_size=4)
said = st.sampled_from(Said)
kinds: list[Needs] = ["any", "all", "n_of_m"]
requirements = st.sampled_from(kinds)


@st.composite
def rules(draw: st.DrawFn, *, delegates: bool = True, anyone: bool | None = None) -> Rules:
    seats = draw(people)
    requirement = draw(requirements)
    needed = {"any": 1, "all": max(1, len(seats)), "n_of_m": draw(st.integers(1, 3))}
    groups = draw(st.dictionaries(st.sampled_from(["red", "blue"]), people.filter(bool)))
    away = st.dictionaries(st.sampled_from(NAMES), people, max_size=3)
    n = needed[requirement]
    return Rules(
        requirement=requirement,
        n=n,
        seats=seats,
        anyone=draw(st.booleans()) if anyone is None else anyone,
        asked=max(n, len(seats)),
        groups=groups,
        barred=draw(st.frozensets(st.sampled_from(NAMES), max_size=1)),
        author=draw(st.none() | st.sampled_from(NAMES)),
        delegates=draw(away) if delegates else {},
    )


@st.composite
def ballots(draw: st.DrawFn, found: Rules) -> tuple[Vote, ...]:
    """Votes that could be given one after the other."""
    votes: tuple[Vote, ...] = ()
    for by in draw(st.permutations(NAMES)):
        of = draw(st.none() | st.sampled_from(NAMES))
        if draw(st.booleans()) and may(found, votes, by, of):
            votes = (*votes, Vote(by=by, on_behalf_of=of, says=draw(said)))
    return votes


@given(st.data())
def test_approved_is_what_the_model_says(data: st.DataObject) -> None:
    found = data.draw(rules())
    votes = data.draw(ballots(found))
    approved = quorum.standing(found, votes) is Standing.APPROVED
    assert approved == is_approved(found, votes)


@given(st.data())
def test_an_item_closes_as_soon_as_it_cannot_pass(data: st.DataObject) -> None:
    found = data.draw(rules(delegates=False, anyone=False))
    votes = data.draw(ballots(found))
    assert quorum.can_still_pass(found, votes) == could_pass(found, votes)


@given(st.data())
def test_what_could_pass_by_delegates_is_not_closed(data: st.DataObject) -> None:
    found = data.draw(rules(anyone=False))
    votes = data.draw(ballots(found))
    if could_pass(found, votes):
        assert quorum.can_still_pass(found, votes)


@given(st.data())
def test_who_may_and_who_has_voted_is_what_the_model_says(data: st.DataObject) -> None:
    found = data.draw(rules())
    votes = data.draw(ballots(found))
    by = data.draw(st.sampled_from(NAMES))
    of = data.draw(st.none() | st.sampled_from(NAMES))
    wide = data.draw(st.booleans())
    spelled, other = (f" {one.upper()} " if one and wide else one for one in (by, of))
    assert spelled is not None
    allowed = quorum.why_not(found, spelled, other) is None
    free = not quorum.is_repeated(found, votes, spelled, other)
    assert (allowed and free) == may(found, votes, by, of)


@given(st.data())
def test_a_closed_item_was_refused_by_somebody_and_an_open_one_can_pass(
    data: st.DataObject,
) -> None:
    found = data.draw(rules())
    votes = data.draw(ballots(found))
    noes = [one for one in votes if one.says is not Said.YES]
    match quorum.standing(found, votes):
        case Standing.REJECTED:
            assert any(one.says is Said.REJECT for one in noes)
        case Standing.DEFERRED:
            assert noes
            assert all(one.says is Said.DEFER for one in noes)
        case Standing.OPEN:
            assert not noes or (found.requirement != "any" and quorum.can_still_pass(found, votes))
        case Standing.APPROVED:
            assert not quorum.wanting(found, votes)


@given(st.dictionaries(st.integers(0, 5), st.frozensets(st.integers(0, 5)), max_size=5))
def test_as_many_pairs_as_possible_and_nothing_twice(options: dict[int, frozenset[int]]) -> None:
    named = {str(key): [str(one) for one in found] for key, found in options.items()}
    found = pairs(named)
    assert len(set(found.values())) == len(found)
    assert all(option in named[key] for key, option in found.items())
    assert len(found) == _most(list(options.values()), frozenset())


def _most(left: list[frozenset[int]], taken: frozenset[int]) -> int:
    if not left:
        return 0
    first, *rest = left
    used = [1 + _most(rest, taken | {one}) for one in first - taken]
    return max([_most(rest, taken), *used])
