"""Answers come from what is known, and say so."""

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from account_reviews.domain.analysis.evidence import scalar
from account_reviews.domain.memory import MemoryHit, MemoryKind, MemorySource
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import (
    AccountSnapshot,
    AccountStatus,
    Note,
    Record,
    RecordType,
    Task,
)
from account_reviews.domain.review.answers import (
    Answer,
    answer,
    citation,
    memory_queries,
    new_findings,
    spell,
)
from account_reviews.domain.review.approvals import Terms, open_request
from account_reviews.domain.review.known_facts import Gap, Known, Sentence
from account_reviews.domain.review.questions import Asked, Subject, read_conversation
from account_reviews.domain.review.steps import ANSWER_CHARACTERS
from tests.support.account_strategies import snapshots
from tests.support.build import (
    ANNA,
    AS_OF,
    BEN,
    POLICY,
    account,
    again,
    ago,
    contact,
    deal,
    hit,
    outcome,
    review,
    snapshot,
)

QUICK = settings(max_examples=60)


def known(now: AccountSnapshot | None = None, **fields: Any) -> Known:
    now = now or snapshot()
    values: dict[str, Any] = {
        "snapshot": now,
        "analysis": again(now),
        "memory": (),
        "as_of": AS_OF,
        "policy": POLICY,
    }
    return Known(**{**values, **fields})


def ask(question: str, known: Known, *before: str) -> Answer:
    return answer(read_conversation(before, question), known)


def test_every_sentence_names_record_field_value_and_time() -> None:
    said = ask("What about the deals?", known()).text
    assert said == (
        "Deal 1 is in stage Negotiation since 2025-06-25, worth 20000. "
        "[deal Deal 1, stage: Negotiation, 2025-06-25 12:00 UTC; "
        "deal Deal 1, amount: 20000, 2025-06-30 12:00 UTC]"
    )


def test_a_score_is_explained_when_somebody_asks_why() -> None:
    now = snapshot(account=account(status=AccountStatus.AT_RISK))
    first = ask("What is the risk?", known(now)).text
    assert first.startswith("The risk is medium, 30 of 100. [account Acme Corporation, risk score")
    assert len(first.splitlines()) == 1
    then = ask("why?", known(now), "What is the risk?").text
    assert then.startswith(first)
    assert '+30 points: the status is "At Risk".' in then


def test_only_the_named_deal_is_told() -> None:
    deals = (deal(1, name="Globex expansion"), deal(2, name="Initech pilot"))
    said = ask("Is the Globex deal stalled?", known(snapshot(deals=deals))).text
    assert "Globex expansion" in said
    assert "Initech" not in said
    owner = ask("who owns it?", known(snapshot(deals=deals)), "Is the Globex deal stalled?").text
    assert owner.startswith("The owner is Anna Lee.")


def test_a_word_finds_what_people_wrote() -> None:
    note = Note(
        id="N-1",
        version="1",
        account_id="ACC-1",
        content="They want a data centre in Europe",
        created_at=ago(4),
    )
    private = note.model_copy(update={"id": "N-2", "private": True, "content": "data centre, cost"})
    found = ask("anything on a data centre?", known(snapshot(notes=(note, private))))
    assert found.text == (
        'Note of 2025-06-26: "They want a data centre in Europe" [note N-1, content: '
        "They want a data centre in Europe, 2025-06-26 12:00 UTC]"
    )


def test_decisions_of_this_review_earlier_ones_and_the_memory_are_told() -> None:
    now = snapshot(deals=(deal(days=50),))
    analysis = again(now)
    change = analysis.proposed_changes[0]
    request = open_request(
        "r-1", "review/ACC-1", (change,), Terms(), AS_OF, approvers=("anna",), started_by="ben"
    )
    remembered = MemoryHit(
        id="mem-9",
        kind=MemoryKind.DECISION,
        title="Call the sponsor",
        text="rejected by anna: not now",
        source=MemorySource(system="reviews"),
        occurred_at=ago(40),
    )
    everything = known(
        now,
        requests=(request,),
        memory=(remembered,),
        prior=(outcome(change, ItemState.REJECTED, analysis.risk.level, reason="too early"),),
    )
    said = ask("What did we decide?", everything).text
    assert f"{change.title} waits for a decision." in said
    assert '"Call the sponsor: rejected by anna: not now"' in said
    assert (
        "In an earlier review: a proposal of the kind risk mitigation was rejected by anna" in said
    )
    assert "on 2025-06-28: too early." in said
    item = request.items[0].model_copy(
        update={"state": ItemState.REJECTED, "decided_by": "anna", "decided_at": AS_OF}
    )
    decided = everything.model_copy(
        update={"requests": (request.model_copy(update={"items": (item,)}),)}
    )
    assert f"{change.title} was rejected by anna on 2025-06-30." in (
        ask("Who decided on it?", decided).text
    )


def test_why_something_was_proposed_cites_what_it_goes_by() -> None:
    now = snapshot(deals=(deal(days=50, name="Globex expansion"),))
    said = ask("Why was that proposed?", known(now)).text
    assert "deal Globex expansion, stage: Negotiation, 2025-05-11 12:00 UTC" in said
    assert "sure of it" in said


def test_nothing_found_is_said_with_what_could_be_asked() -> None:
    said = ask("quantum bananas", known())
    assert not any(isinstance(line, Sentence) for line in said.lines)
    assert said.text.startswith('Nothing is known of "quantum", "bananas": the CRM, the analysis')
    assert all(subject in said.text for subject in Subject)
    assert said.findings == ()


def test_what_could_not_be_had_is_said() -> None:
    blind = known(analysis=None, memory=None, snapshot=None)
    said = ask("risk and deals", blind).text
    assert "not been analysed" in said
    assert "not been read" in said
    assert "memory could not be reached" in said
    stale = review(snapshot(), stale_seconds=7200)
    assert "as read on 2025-06-30 12:00 UTC" in ask("deals", known(analysis=stale)).text
    bare = snapshot(modules=frozenset({RecordType.ACCOUNT}), deals=(), contacts=())
    for question, gap in (
        ("deals", "This CRM holds no deals."),
        ("contacts", "This CRM holds no contacts."),
        ("tasks", "This CRM holds no tasks."),
    ):
        assert gap in ask(question, known(bare)).text


def test_addresses_and_numbers_stay_in_the_crm() -> None:
    now = snapshot(contacts=(contact(email="eve@acme.example", phone="+1 555 0100", title="CFO"),))
    for question in ("who do we know?", "eve", "Contact 1 phone"):
        said = ask(question, known(now)).text
        assert "eve@acme" not in said
        assert "0100" not in said


def test_a_memory_that_the_analysis_did_not_have_is_a_finding() -> None:
    late = hit(days=200, name="mem-old")
    searched = known(found=(late,))
    found = ask("what about the product?", searched)
    assert [finding.kind for finding in found.findings] == ["remembered"]
    assert found.findings[0].evidence[0].record.id == "mem-old"
    assert ask("what about the product?", known(found=(late,), memory=(late,))).findings == ()
    told = searched.model_copy(update={"findings": found.findings})
    assert ask("what about the product?", told).findings == ()


def test_facts_that_time_has_passed_over_are_findings() -> None:
    now = snapshot(
        account=account(contract_end=date(2025, 6, 1)),
        deals=(deal(closing_date=date(2025, 6, 29)), deal(2, closing_date=date(2025, 6, 30))),
        contacts=(contact(active=False, is_sponsor=True), contact(2, active=False)),
    )
    for question, kind in (
        ("deals?", "closing_date_passed"),
        ("contacts?", "contact_left"),
        ("contract?", "contract_ended"),
    ):
        assert [one.kind for one in ask(question, known(now)).findings] == [kind]
    assert ask("risk?", known(now)).findings == ()


def test_the_memory_is_asked_for_all_words_and_then_for_each() -> None:
    assert memory_queries(Asked(words=("data", "centre"))) == (
        ("data centre", ()),
        ("data", ()),
        ("centre", ()),
    )
    assert memory_queries(Asked(subjects=(Subject.RISK,))) == ()
    (text, kinds), *_ = memory_queries(Asked(subjects=(Subject.DECISIONS,)))
    assert (text, set(kinds)) == (None, {MemoryKind.DECISION, MemoryKind.REVIEW})


def test_a_long_answer_is_cut_and_says_how_much_is_left() -> None:
    people = tuple(contact(number, name=f"Person {number} " + "x" * 300) for number in range(50))
    said = ask("contacts?", known(snapshot(contacts=people))).text
    assert len(said) <= ANSWER_CHARACTERS
    shown = len(said.splitlines()) - 1
    assert said.splitlines()[-1].startswith(f"There is more, {50 - shown} in all")


questions = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*Subject, "why", "and the", "Deal 1", "Acme", "it"]), max_size=4).map(
        " ".join
    ),
)


@st.composite
def knowns(draw: st.DrawFn) -> Known:
    now = draw(snapshots())
    tasks = tuple(
        Task(id=f"T-{place}", version="1", account_id="ACC-1", subject=text, due_at=ago(days))
        for place, (text, days) in enumerate(
            draw(st.lists(st.tuples(st.text(max_size=40), st.floats(-20, 60)), max_size=3))
        )
    )
    now = now.model_copy(update={"tasks": tasks})
    memories = (hit(), hit(MemoryKind.DECISION, 20, "mem-2"), hit(MemoryKind.RISK, 9, "mem-3"))
    return known(
        now,
        analysis=draw(st.sampled_from([None, review(now), again(now)])),
        memory=draw(st.sampled_from([None, (), memories[:1]])),
        found=draw(st.sampled_from([(), memories])),
    )


def record(now: AccountSnapshot, kind: RecordType, record_id: str | None) -> Record | None:
    """Of the snapshot, by what a citation names."""
    every: dict[RecordType, tuple[Record | None, ...]] = {
        RecordType.ACCOUNT: (now.account,),
        RecordType.OWNER: (now.owner, now.previous_owner, now.manager),
        RecordType.CONTACT: now.contacts,
        RecordType.DEAL: now.deals,
        RecordType.ACTIVITY: now.activities,
        RecordType.TASK: now.tasks,
        RecordType.NOTE: now.notes,
    }
    return next((one for one in every[kind] if one is not None and one.id == record_id), None)


@QUICK
@given(knowns(), st.lists(questions, max_size=3), questions)
def test_nothing_is_invented(known: Known, before: list[str], question: str) -> None:
    """Each cited field of a CRM record is what the snapshot holds."""
    said = answer(read_conversation(before, question), known)
    assert known.snapshot is not None
    for line in said.lines:
        assert isinstance(line, Gap) or line.evidence
        for cited in line.evidence if isinstance(line, Sentence) else ():
            found = record(known.snapshot, cited.record.type, cited.record.id)
            if found is None or cited.field not in type(found).model_fields or cited.before:
                continue
            assert cited.value == scalar(getattr(found, cited.field))
            assert cited.at is not None


@QUICK
@given(knowns(), st.lists(questions, max_size=3), questions)
def test_an_answer_is_never_empty_and_never_too_long(
    known: Known, before: list[str], question: str
) -> None:
    said = answer(read_conversation(before, question), known)
    assert 0 < len(said.text) <= ANSWER_CHARACTERS
    for line in said.lines:
        spelled = spell(line)
        assert "\n" not in spelled
        if isinstance(line, Sentence):
            assert citation(line.evidence[0]) in spelled
    assert said == answer(read_conversation(before, question), known)


@QUICK
@given(knowns(), questions)
def test_a_finding_is_new_once(known: Known, question: str) -> None:
    asked = read_conversation([], question)
    first = new_findings(asked, known)
    assert all(finding.evidence for finding in first)
    assert new_findings(asked, known.model_copy(update={"findings": first})) == ()


def test_the_owner_before_and_the_manager_are_told() -> None:
    now = snapshot(
        account=account(owner_id="anna"),
        owner=ANNA.model_copy(update={"active": False}),
        previous_owner=BEN,
        manager=BEN.model_copy(update={"id": "max", "name": "Max"}),
        deals=(deal(amount=Decimal(5)),),
    )
    said = ask("who is the owner", known(now)).text
    assert "The owner is Anna Lee, who is no longer active." in said
    assert "Before it was Ben Ray." in said
    assert "The manager is Max." in said
