"""The digest of a morning: three accounts, what changed, what waits, what was done."""

from account_reviews.domain.analysis.model import RiskLevel
from account_reviews.domain.reports.digest import (
    Digest,
    LastDigest,
    moment_of,
    since_of,
)
from account_reviews.domain.review.phases import Outcome
from tests.support.build import (
    AS_OF,
    again,
    deal,
    idle,
    review,
    snapshot,
)
from tests.support.digests import CHANGED, DAY, HOUR, closed_review, digest_of, of_account, request


def yesterday(digest: Digest) -> LastDigest:
    return LastDigest(made_at=AS_OF - 24 * HOUR, digest=digest)


def test_nothing_new_is_said_in_one_sentence() -> None:
    digest = digest_of([of_account("A"), of_account("B")])
    assert digest.nothing_new
    assert digest.summary == "Nothing new for Anna Lee on 2025-06-30."
    assert not any([digest.first_accounts, digest.changed, digest.waiting, digest.decided])


def test_a_change_is_told_once() -> None:
    first = digest_of([of_account("A", CHANGED)])
    assert [one.account_id for one in first.changed] == ["A"]
    (change,) = first.changed[0].changes
    assert (change.field, change.old, change.new) == ("status", "Active", "At Risk")
    second = digest_of([of_account("A", CHANGED)], yesterday(first))
    assert second.nothing_new
    third = digest_of([of_account("A", CHANGED)], yesterday(second))
    assert third.nothing_new


def test_the_first_digest_tells_what_was_found_since_yesterday() -> None:
    assert digest_of([of_account("A", CHANGED, analysed_at=AS_OF - 72 * HOUR)]).nothing_new
    assert not digest_of([of_account("A", CHANGED, analysed_at=AS_OF - 20 * HOUR)]).nothing_new


def test_a_first_review_is_no_news_and_what_changes_after_it_is() -> None:
    first = digest_of([of_account("A", review(snapshot()))])
    assert [one.type for one in review(snapshot()).changes] == ["new_account"]
    assert first.nothing_new
    assert not first.changed
    second = digest_of([of_account("A", CHANGED)], yesterday(first))
    assert [one.type for one in second.changed[0].changes] == ["status_change"]


def test_overdue_requests_come_first() -> None:
    requests = (request("C", AS_OF + HOUR), request("B", AS_OF), request("A", AS_OF + 2 * HOUR))
    digest = digest_of(requests=requests)
    assert [(one.account_id, one.overdue) for one in digest.waiting] == [
        ("B", True),
        ("C", False),
        ("A", False),
    ]
    assert digest.waiting[0].items == ("Call them",)
    assert "3 requests to decide, 1 of them overdue" in digest.summary


def test_three_accounts_are_looked_at_first_and_it_says_why() -> None:
    silent = again(idle(70))
    stalled = again(snapshot(deals=(deal(days=50),)))
    reviews = [
        of_account("calm"),
        of_account("changed", CHANGED),
        of_account("silent", silent),
        of_account("stalled", stalled),
        of_account("calm-2"),
        of_account("silent-2", silent),
    ]
    first = digest_of(reviews).first_accounts
    assert len(first) == 3
    assert not {"calm", "calm-2"} & {one.account_id for one in first}
    scores = [one.priority_score for one in first]
    assert scores == sorted(scores, reverse=True)
    for one in first:
        assert one.why
        assert all(why.evidence for why in one.why)
        facts = [tuple((it.record.id, it.field) for it in why.evidence) for why in one.why]
        assert len(set(facts)) == len(facts)


def test_an_account_that_waits_is_worth_a_look_although_it_is_calm() -> None:
    digest = digest_of([of_account("A")], requests=(request("A", AS_OF + HOUR),))
    assert [one.account_id for one in digest.first_accounts] == ["A"]
    assert digest.first_accounts[0].risk_level is RiskLevel.NONE


def test_decisions_tell_what_they_did_once() -> None:
    first = digest_of(closed=(closed_review("A"), closed_review("B", verified=False)))
    assert [one.outcome for one in first.decided] == [Outcome.COMPLETED] * 2
    described = [one.changes[0] for one in first.decided]
    assert [(one.state, one.by, one.verified) for one in described] == [
        ("executed", "anna", True),
        ("executed", "anna", False),
    ]
    assert digest_of(last=yesterday(first), closed=(closed_review("A"),)).nothing_new


def test_a_review_without_proposals_is_no_news() -> None:
    calm = closed_review("A").model_copy(update={"requests": (), "written": {}})
    assert digest_of(closed=(calm,)).nothing_new


def test_equal_facts_give_an_equal_digest_in_any_order() -> None:
    reviews = [of_account("A", CHANGED), of_account("B", CHANGED)]
    requests = [request("A", AS_OF + HOUR), request("B", AS_OF + HOUR)]
    closed = [closed_review("A"), closed_review("B")]
    there = digest_of(reviews, requests=tuple(requests), closed=tuple(closed))
    back = digest_of(reviews[::-1], requests=tuple(requests[::-1]), closed=tuple(closed[::-1]))
    assert there == back
    assert Digest.model_validate_json(there.model_dump_json()) == there


def test_a_day_that_is_over_is_shown_as_it_ended() -> None:
    assert moment_of(DAY, AS_OF) == AS_OF
    assert moment_of(DAY, AS_OF + 100 * HOUR) == AS_OF + 12 * HOUR
    assert since_of(DAY, None) == AS_OF - 36 * HOUR
    assert since_of(DAY, yesterday(digest_of())) == AS_OF - 24 * HOUR
