"""Requirements, groups, four eyes, delegates and hashes, as decisions meet them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import ApprovalRequest, Decided, Terms
from account_reviews.domain.review.messages import Refusal, RefusalCode, SubmitDecision
from account_reviews.domain.review.policy_terms import ids_by_name
from account_reviews.domain.review.quorum import Standing, standing
from account_reviews.domain.review.terms import Routes
from account_reviews.domain.review.write_gate import evidence_of, why_not_written
from tests.support.requests import NOW, contact_change, message, opened, task

LEADS = {"leads": ("Ann", "Ben", "Cara")}
TWO_OF_THREE = Terms(requirement="n_of_m", n=2, approvers=("leads",), groups=LEADS)


def after(book: ApprovalRequest, *said: SubmitDecision) -> ApprovalRequest:
    for one in said:
        result = book.decide(one, NOW, logic=3)
        assert isinstance(result, Decided), result
        book = result.request
    return book


def refusal(book: ApprovalRequest, said: SubmitDecision) -> Refusal:
    result = book.decide(said, NOW, logic=3)
    assert isinstance(result, Refusal), result
    return result


def state(book: ApprovalRequest) -> ItemState:
    return book.items[0].state


def test_a_plain_request_is_decided_by_the_first_of_any_name() -> None:
    assert opened().approvers == ("owner-1",)
    assert opened().needed == "needs one approval"
    assert state(after(opened(), message("approve", "whoever"))) is ItemState.APPROVED
    assert state(after(opened(), message("reject", "whoever", reason="no"))) is ItemState.REJECTED
    assert state(after(opened(), message("defer", "whoever"))) is ItemState.DEFERRED


def test_two_of_three_approve() -> None:
    book = opened(terms=TWO_OF_THREE)
    assert book.needed == "needs 2 of Ann, Ben, Cara"
    book = after(book, message("approve", "ann"))
    assert state(book) is ItemState.PROPOSED
    assert refusal(book, message("approve", " ANN ")).code is RefusalCode.DUPLICATE
    assert refusal(book, message("reject", "ann", reason="no")).code is RefusalCode.DUPLICATE
    assert refusal(book, message("approve", "Dora")).code is RefusalCode.NOT_ALLOWED
    assert state(after(book, message("approve", "cara"))) is ItemState.APPROVED


def test_one_no_of_three_does_not_close_it_and_two_do() -> None:
    book = after(opened(terms=TWO_OF_THREE), message("reject", "Ann", reason="no"))
    assert state(book) is ItemState.PROPOSED
    assert state(after(book, message("approve", "Ben"), message("approve", "Cara"))) is (
        ItemState.APPROVED
    )
    assert state(after(book, message("reject", "Ben", reason="no"))) is ItemState.REJECTED
    assert state(after(book, message("defer", "Ben"))) is ItemState.REJECTED


def test_all_needs_everybody_and_one_no_closes_it() -> None:
    everybody = TWO_OF_THREE.model_copy(update={"requirement": "all"})
    book = after(opened(terms=everybody), message("approve", "Ann"), message("approve", "Ben"))
    assert state(book) is ItemState.PROPOSED
    assert state(after(book, message("approve", "Cara"))) is ItemState.APPROVED
    assert state(after(book, message("defer", "Cara"))) is ItemState.DEFERRED


def test_an_adjustment_voids_what_was_said_to_the_old_content() -> None:
    item = opened().items[0].item_id
    adjust = message("adjust", "Ben", item_ids=[item], changes={"priority": "low"})
    book = after(opened(terms=TWO_OF_THREE), message("approve", "Ann"), adjust)
    assert book.items[0].approvals == ("Ben",)
    assert refusal(book, message("approve", "Ben")).code is RefusalCode.DUPLICATE
    assert state(after(book, message("approve", "Ann"))) is ItemState.ADJUSTED


COMPLIANCE = Terms(
    routes=Routes(personal_data=("compliance",)), groups={"compliance": ("Dora", "Emil")}
)


def test_personal_data_also_needs_compliance() -> None:
    book = opened(task(), contact_change(), terms=COMPLIANCE)
    assert book.needed == (
        "needs one approval; and one of compliance (Dora, Emil) for 1 of 2 items"
    )
    assert book.approvers == ("owner-1", "Dora", "Emil")
    book = after(book, message("approve", "owner-1"))
    assert [one.state for one in book.items] == [ItemState.APPROVED, ItemState.PROPOSED]
    assert state(after(opened(contact_change(), terms=COMPLIANCE), message("approve", "Dora"))) is (
        ItemState.APPROVED
    )
    assert after(book, message("approve", "emil")).items[1].state is ItemState.APPROVED


def test_a_group_without_members_is_asked_and_required_nowhere() -> None:
    terms = Terms(routes=Routes(personal_data=("compliance",)))
    book = opened(contact_change(), terms=terms)
    assert book.approvers == ("owner-1", "compliance")
    assert state(after(book, message("approve", "ann"))) is ItemState.APPROVED


@pytest.mark.parametrize(("count", "asked"), [(10, False), (11, True)])
def test_many_records_need_two_persons(count: int, *, asked: bool) -> None:
    routes = Routes(many_records=("manager", "admin"))
    groups = {"manager": ("Mia",), "admin": ("Mia", "Adam")}
    changes = [task(f"Call {number}") for number in range(count)]
    book = opened(*changes, terms=Terms(routes=routes, groups=groups))
    book = after(book, message("approve", "Mia"))
    assert (state(book) is ItemState.PROPOSED) is asked
    if asked:
        assert state(after(book, message("approve", "Adam"))) is ItemState.APPROVED


@pytest.mark.parametrize(("confidence", "asked"), [(0.59, True), (0.6, False), (None, False)])
def test_low_confidence_needs_the_manager(confidence: float | None, *, asked: bool) -> None:
    terms = Terms(routes=Routes(low_confidence=("manager",)), groups={"manager": ("Mia",)})
    book = after(opened(task(confidence=confidence), terms=terms), message("approve", "ann"))
    assert (state(book) is ItemState.PROPOSED) is asked


@pytest.mark.parametrize("by", ["Ann", "ann ", "ＡＮＮ"])
def test_the_author_is_not_the_only_approver(by: str) -> None:
    book = opened(task(author="Ann"))
    item = book.items[0].item_id
    adjust = message("adjust", by, item_ids=[item], changes={"priority": "low"})
    assert refusal(book, message("approve", by)).code is RefusalCode.NOT_ALLOWED
    assert refusal(book, adjust).code is RefusalCode.NOT_ALLOWED
    assert state(after(book, message("reject", by, reason="no longer"))) is ItemState.REJECTED
    assert state(after(book, message("approve", "Ben"))) is ItemState.APPROVED
    off = opened(task(author="Ann"), terms=Terms(four_eyes="off"))
    assert state(after(off, message("approve", by))) is ItemState.APPROVED


def test_the_author_may_be_one_of_two() -> None:
    terms = Terms(requirement="n_of_m", n=2, delegates={"Ann": ("Ben",)})
    book = after(opened(task(author="Ann"), terms=terms), message("approve", "Ann"))
    assert state(after(book, message("approve", "Ben"))) is ItemState.APPROVED
    own = message("approve", "Ben", on_behalf_of="Ann")
    assert refusal(book, own).code is RefusalCode.DUPLICATE


def test_a_delegate_decides_for_another_once_and_both_are_recorded() -> None:
    terms = TWO_OF_THREE.model_copy(update={"delegates": {"Ann": ("Ben", "Zoe")}})
    book = after(opened(terms=terms), message("approve", "Zoe", on_behalf_of="ann"))
    assert (book.decisions[0].by, book.decisions[0].on_behalf_of) == ("Zoe", "ann")
    assert book.items[0].approvals == ("ann",)
    assert refusal(book, message("approve", "Ann")).code is RefusalCode.DUPLICATE
    assert refusal(book, message("approve", "Zoe")).code is RefusalCode.NOT_ALLOWED
    other = message("approve", "Zoe", on_behalf_of="Cara")
    assert refusal(book, other).code is RefusalCode.NOT_ALLOWED
    book = after(opened(terms=terms), message("approve", "Ben", on_behalf_of="Ann"))
    assert refusal(book, message("approve", "Ben")).code is RefusalCode.DUPLICATE


def test_a_delegate_gets_around_neither_four_eyes_nor_the_starter() -> None:
    terms = Terms(four_eyes="always", delegates={"starter": ("Ben",), "Ann": ("starter", "Ben")})
    book = opened(task(author="Ann"), terms=terms)
    for by, of in [("Ben", "starter"), ("starter", "Ann"), ("Ben", "Ann"), ("Starter", None)]:
        said = message("approve", by, on_behalf_of=of)
        assert refusal(book, said).code is RefusalCode.NOT_ALLOWED


def test_names_and_what_the_crm_calls_them_are_one_person() -> None:
    terms = Terms(requirement="n_of_m", n=2, spellings={"owner-1": "Olga"})
    book = after(opened(task(author="owner-1"), terms=terms), message("approve", "Olga"))
    assert refusal(book, message("approve", "owner-1")).code is RefusalCode.DUPLICATE


def test_what_nobody_could_approve_is_known_at_once() -> None:
    alone = TWO_OF_THREE.model_copy(update={"groups": {"leads": ("Ann",)}})
    assert opened(terms=alone).unreachable
    assert not opened(terms=TWO_OF_THREE).unreachable


def test_a_decision_on_another_page_is_stale() -> None:
    book = opened(task("Call"), task("Write"), terms=TWO_OF_THREE)
    first, shown = book.items[0].item_id, book.shown_hash
    later = after(book, message("approve", "Ann", shown_hash=shown))
    assert later.shown_hash == shown  # what others say makes it no other page
    assert later.decisions[0].shown_hash == shown
    said = message("adjust", "Ben", item_ids=[first], changes={"priority": "low"})
    adjusted = after(later, said)
    stale = message("approve", "Cara", shown_hash=shown)
    assert refusal(adjusted, stale).code is RefusalCode.STALE_HASH
    assert refusal(book, message("approve", shown_hash="0" * 64)).code is RefusalCode.STALE_HASH


def said_once(items: list[str]) -> st.SearchStrategy[SubmitDecision]:
    def build(by: str, of: str | None, what: str, chosen: list[str] | None) -> SubmitDecision:
        more: dict[str, Any] = {"on_behalf_of": of, "reason": "why", "item_ids": chosen}
        if what.startswith("adjust"):
            more |= {"item_ids": [items[0]], "changes": {"priority": what.partition(" ")[2]}}
        return message(what.partition(" ")[0], by, **more)

    names = st.sampled_from(["Ann", "ann ", "Ben", "Cara", "Dora", "starter"])
    what = st.sampled_from(["approve"] * 4 + ["reject", "defer", "adjust low", "adjust critical"])
    some = st.none() | st.lists(st.sampled_from(items), min_size=1, max_size=2, unique=True)
    return st.builds(build, names, st.none() | st.sampled_from(["Ann", "Ben"]), what, some)


BOOKS = [
    opened(task("Call"), task("Write", author="Ann"), terms=terms)
    for terms in (
        Terms(),
        Terms(four_eyes="always", requirement="n_of_m", n=2),
        TWO_OF_THREE.model_copy(update={"delegates": {"Ann": ("Dora", "Ben")}}),
        COMPLIANCE.model_copy(update={"requirement": "all", "delegates": {"Ben": ("Cara",)}}),
    )
]


@given(st.sampled_from(BOOKS), st.data())
def test_nothing_is_written_without_the_decisions_it_takes(
    book: ApprovalRequest, data: st.DataObject
) -> None:
    ids = [one.item_id for one in book.items]
    for said in data.draw(st.lists(said_once(ids), max_size=12)):
        before = book
        result = book.decide(said, NOW, logic=3)
        if isinstance(result, Refusal):
            continue
        book = result.request
        for old, item in zip(before.items, book.items, strict=True):
            assert old.is_open or old == item  # what is decided stays so
    for item in book.items:
        proof = evidence_of(book, item.item_id)
        approved = standing(book.rules(item), item.votes) is Standing.APPROVED
        assert item.is_approved == approved == (why_not_written(proof, item.change) is None)
        if approved:
            _nothing_forged_passes(proof)


def _nothing_forged_passes(proof: ApprovalRequest) -> None:
    item = proof.items[0]
    dearer = item.change.model_copy(update={"after": {**item.change.after, "subject": "Pay"}})
    assert why_not_written(proof, dearer) is not None
    assert why_not_written(proof.model_copy(update={"decisions": ()}), item.change) is not None
    fewer = item.model_copy(update={"votes": item.votes[:0]})
    assert why_not_written(proof.model_copy(update={"items": (fewer,)}), item.change) is not None
    open_again = item.model_copy(update={"state": ItemState.PROPOSED})
    found = proof.model_copy(update={"items": (open_again,)})
    assert why_not_written(found, item.change) is not None


def test_the_policy_approves_only_what_needs_nobody() -> None:
    book = opened(task(), terms=Terms(auto=("create_task",)))
    proof = evidence_of(book, book.items[0].item_id)
    assert why_not_written(proof, book.items[0].change) is None
    strict = proof.model_copy(update={"terms": Terms()})
    assert why_not_written(strict, book.items[0].change) is not None


TWO_NAMES = {"oren salvat": "ow-4"}
"""One person, as the CRM has him."""


@pytest.mark.parametrize(("first", "then"), [("ow-4", "Oren Salvat"), ("oren  salvat", "OW-4")])
def test_an_id_and_its_name_are_one_person(first: str, then: str) -> None:
    two = opened(terms=Terms(requirement="n_of_m", n=2, ids=TWO_NAMES))
    book = after(two, message("approve", first))
    said = refusal(book, message("approve", then))
    assert "has decided on this item already" in said.message
    assert state(after(book, message("approve", "Ben"))) is ItemState.APPROVED

    own = task("Call them").model_copy(update={"author": first})
    said = refusal(opened(own, terms=Terms(ids=TWO_NAMES)), message("approve", then))
    assert said.code is RefusalCode.NOT_ALLOWED

    group = Terms(approvers=("leads",), groups={"leads": (first, "Ben")}, ids=TWO_NAMES)
    assert state(after(opened(terms=group), message("approve", then))) is ItemState.APPROVED


def test_namesakes_are_nobody_by_name() -> None:
    names = {"ow-1": "Ann Lee", "ow-2": "ann  lee", "ow-3": "Ben Ode", "ow-4": None, "Cara": "cara"}
    assert ids_by_name(names) == {"ben ode": "ow-3"}
