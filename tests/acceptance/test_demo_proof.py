"""The proof of the demo, on a real CRM: it holds, and no tampering escapes it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowExecutionStatus as Execution

from account_reviews.crm.sql.backend import OwnSqlCrm
from account_reviews.crm.sql.tables import accounts, owners
from account_reviews.demo.evidence import CrmImage, Witness, crm_image, ledger, read_back
from account_reviews.demo.people import Answer, plan_answers
from account_reviews.demo.proof import Facts, Proof, prove
from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.proposals import (
    Action,
    ItemState,
    ProposedChange,
    change_id,
    proposal_hash,
)
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review import decisions
from account_reviews.domain.review.approvals import Decided, Terms
from account_reviews.domain.review.messages import DecisionAnswer, SubmitDecision, Verdict
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import (
    AnalysisResult,
    ReviewInput,
    ReviewState,
    WrittenChange,
)
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.database import create_engine
from account_reviews.store.review_queries import RequestRow
from account_reviews.store.tables import crm_operations
from account_reviews.temporal.names import operation_id, review_id

NOW = datetime(2026, 10, 1, tzinfo=UTC)
_numbers = count(1)


def proposal(
    account: str, action: Action, record: RecordRef, after: dict[str, str], **before: str
) -> ProposedChange:
    return ProposedChange(
        change_id=change_id(action, record, account, "rule", dict(after)),
        action=action,
        account_id=account,
        record=record,
        before=dict(before),
        after=dict(after),
        hash=proposal_hash(action, record, dict(before), dict(after)),
        rule="rule",
        title=f"{action} for {account}",
        rationale="Because the test says so, at some length.",
    )


def task(account: str, subject: str = "Call them") -> ProposedChange:
    record = RecordRef(type=RecordType.TASK)
    return proposal(account, Action.CREATE_TASK, record, {"subject": subject, "priority": "high"})


def status(account: str) -> ProposedChange:
    record = RecordRef(type=RecordType.ACCOUNT, id=account, version="1")
    after = {"status": "At Risk"}
    return proposal(account, Action.UPDATE_ACCOUNT, record, after, status="Active")


def waiting_review(account: str, *changes: ProposedChange) -> ReviewState:
    """A review that waits for a person."""
    run_id = f"run-of-{account}"
    start = ReviewInput(account_id=account, started_by="test")
    state = opening_state(
        start, review_id=review_id(account), run_id=run_id, workflow_run_id=run_id, now=NOW
    )
    state.move(Phase.INVESTIGATING, NOW)
    state.move(Phase.PLANNING, NOW)
    state.analysis = AnalysisResult(
        hash="",
        risk_level=RiskLevel.HIGH,
        risk_score=60,
        health_score=40,
        health_band=HealthBand.AT_RISK,
        needs_review=True,
        requires_attention=True,
        changes_detected=True,
        changes=changes,
        approvers=("ow-1",),
        terms=Terms(timeout_seconds=1e9),
        policy_hash="",
        summary="",
    )
    decisions.propose(state, changes, f"request-of-{account}", NOW)
    state.move(Phase.APPROVAL, NOW, status=Status.WAITING)
    return state


def say(state: ReviewState, verdict: Verdict, *item_ids: str) -> None:
    request = state.requests[0]
    message = SubmitDecision(
        request_id=request.request_id,
        decision=verdict,
        approver="ow-1",
        reason="so",
        item_ids=item_ids or None,
    )
    assert isinstance(decisions.decide(state, message, NOW), DecisionAnswer)


@dataclass
class Company:
    """A CRM with three accounts and their reviews: one closed, one answered in part, one open."""

    engine: AsyncEngine
    crm: OwnSqlCrm
    before: CrmImage
    reviews: list[Witness]
    given: set[str]

    async def facts(self) -> Facts:
        runs = frozenset((one.review_id, one.run_id) for one in self.reviews)
        return Facts(
            started=runs,
            listed=frozenset(one for one, _ in runs),
            reviews=tuple(self.reviews),
            given=frozenset(self.given),
            ledger=await ledger(self.engine),
            before=self.before,
            after=await crm_image(self.engine),
            shown=await read_back(self.crm, self.reviews),
        )

    async def prove(self) -> Proof:
        return prove(await self.facts())

    async def write_approved(self, state: ReviewState) -> None:
        """What the review does with what was approved."""
        for request, item in decisions.approved_items(state):
            name = operation_id(state.run_id, item.item_id)
            result = await self.crm.apply(
                item.change, expected_version=item.change.record.version, operation_id=name
            )
            known = state.request(request.request_id)
            assert known is not None
            state.replace_request(known.mark(item.item_id, ItemState.EXECUTED))
            state.written[item.item_id] = WrittenChange(
                change_id=item.item_id,
                state=ItemState.EXECUTED,
                record=result.record,
                written=item.change.after,
                at=NOW,
            )
            self.given.add(name)

    def saw(self, state: ReviewState, execution: Execution) -> None:
        self.reviews.append(Witness(state.review_id, state.run_id, execution, 0, state))


@pytest.fixture
async def company(postgres: EmbeddedPostgres, template_database: str) -> AsyncIterator[Company]:
    name = f"demo_proof_{next(_numbers)}"
    postgres.create_database(name, template=template_database)
    engine = create_engine(postgres.url(name), application_name="tests")
    async with engine.begin() as connection:
        await connection.execute(insert(owners).values(id="ow-1", name="Olga"))
        rows = [
            {"id": f"ac-{number}", "name": f"Account {number}", "status": "Active"}
            for number in (1, 2, 3)
        ]
        await connection.execute(insert(accounts), rows)
    company = Company(engine, OwnSqlCrm(engine), await crm_image(engine), [], set())
    closed = waiting_review("ac-1", task("ac-1"), status("ac-1"))
    say(closed, Verdict.APPROVE)
    await company.write_approved(closed)
    closed.move(Phase.EXECUTING, NOW)
    closed.move(Phase.VALIDATING, NOW)
    closed.close(Outcome.COMPLETED, NOW)
    company.saw(closed, Execution.COMPLETED)
    changes = task("ac-2"), status("ac-2"), task("ac-2", "Write to them")
    part = waiting_review("ac-2", *changes)
    say(part, Verdict.APPROVE, changes[0].change_id)
    say(part, Verdict.REJECT, changes[1].change_id)
    await company.write_approved(part)
    company.saw(part, Execution.RUNNING)
    company.saw(waiting_review("ac-3", status("ac-3")), Execution.RUNNING)
    yield company
    await engine.dispose()


async def test_it_holds(company: Company) -> None:
    proof = await company.prove()
    assert proof.complaints == ()
    assert proof.holds
    assert [claim.sentence for claim in proof.claims] == [
        "every review that started has ended or waits: 3 of 3 (1 ended, 2 wait)",
        "every approved change stands in the CRM exactly once: 3 of 3",
        "nothing was written without an approval: 3 writes, 6 records compared with before",
    ]
    counted = {one.action: (one.approved, one.ledger, one.shown) for one in proof.counts}
    assert counted == {Action.CREATE_TASK: (2, 2, 2), Action.UPDATE_ACCOUNT: (1, 1, 1)}


_NEW_TASK = "insert into crm.tasks (id, account_id, subject) values ('t-9', 'ac-1', 'Call them')"
_TAMPERINGS = [
    ("update crm.accounts set status = 'Active' where id = 'ac-1'", "status is 'Active'"),
    ("update crm.tasks set subject = 'x' where account_id = 'ac-1'", "subject is 'x'"),
    ("update crm.accounts set version = version + 1 where id = 'ac-1'", "is at version 3"),
    ("update crm.tasks set version = 2 where account_id = 'ac-1'", "is at version 2"),
    ("update crm.accounts set phone = '7' where id = 'ac-1'", "phone of account ac-1 changed"),
    ("update crm.accounts set status = 'At Risk' where id = 'ac-3'", "status of account ac-3"),
    (_NEW_TASK, "task t-9 is new in the CRM, and nobody approved it"),
    ("delete from crm.tasks where account_id = 'ac-2'", "the CRM does not show it"),
    ("delete from crm.accounts where id = 'ac-3'", "account ac-3 is gone"),
    ("delete from reviews.crm_operations where action = 'update_account'", "stands 0 times"),
    (
        "update reviews.crm_operations set after = '{}' where account_id = 'ac-2'",
        "has something else",
    ),
    (
        "update reviews.crm_operations set account_id = 'ac-3' where account_id = 'ac-2'",
        "something else",
    ),
]


@pytest.mark.parametrize(("command", "complaint"), _TAMPERINGS)
async def test_a_tampered_crm_is_found(company: Company, command: str, complaint: str) -> None:
    async with company.engine.begin() as connection:
        result = await connection.execute(text(command))
        assert result.rowcount == 1
    proof = await company.prove()
    assert not proof.holds
    assert any(complaint in found for found in proof.complaints), proof.complaints


async def test_a_write_nobody_approved_is_found(company: Company) -> None:
    row = {"change_id": "c", "action": "add_note", "account_id": "ac-3", "after": {}}
    async with company.engine.begin() as connection:
        made = {"operation_id": "run:c", "tenant": "default", "result": {}}
        await connection.execute(insert(crm_operations).values(made | row))
    assert (await company.prove()).complaints == (
        "the CRM's ledger holds add_note of ac-3, which nobody approved",
    )


async def test_a_rejected_change_that_was_written_is_found(company: Company) -> None:
    state = company.reviews[1].state
    assert state is not None
    rejected = state.requests[0].items[1]
    name = operation_id(state.run_id, rejected.item_id)
    await company.crm.apply(rejected.change, expected_version="1", operation_id=name)
    found = (await company.prove()).complaints
    assert "the CRM's ledger holds update_account of ac-2, which nobody approved" in found
    assert "status of account ac-2 changed in the CRM, and nobody approved it" in found


async def test_an_approval_that_was_not_written_is_found(company: Company) -> None:
    state = company.reviews[2].state
    assert state is not None
    say(state, Verdict.APPROVE)
    assert (await company.prove()).complaints == (
        "review/ac-3 has neither ended nor waits: it is in phase approval",
        "'update_account for ac-3' of ac-3 was approved and is not in the CRM: it is approved",
    )


async def test_an_approval_that_was_lost_is_found(company: Company) -> None:
    company.given.add("run-of-ac-3:lost")
    assert (await company.prove()).complaints == (
        "an approval that was confirmed is unknown to its review: run-of-ac-3:lost",
    )


_UNREST = [
    ({"status": None, "state": None}, "Temporal does not know review/ac-3"),
    ({"state": None}, "review/ac-3 does not answer"),
    ({"status": Execution.TERMINATED}, "review/ac-3 was terminated"),
    ({"status": Execution.TIMED_OUT}, "review/ac-3 was timed out"),
    ({"status": Execution.COMPLETED}, "review/ac-3 is closed without an outcome"),
    ({"open_steps": 2}, "review/ac-3 waits for a person and still has 2 steps open"),
]


@pytest.mark.parametrize(("changed", "complaint"), _UNREST)
async def test_a_review_that_is_not_at_rest_is_found(
    company: Company, changed: dict[str, object], complaint: str
) -> None:
    company.reviews[2] = replace(company.reviews[2], **changed)  # type: ignore[arg-type]
    assert (await company.prove()).complaints == (complaint,)


async def test_reviews_that_are_missing_or_strange_are_found(company: Company) -> None:
    facts = await company.facts()
    listed = facts.listed - {"review/ac-1"} | {"review/other"}
    lost = prove(replace(facts, listed=listed, reviews=facts.reviews[:2]))
    assert lost.complaints == (
        "Temporal does not list review/ac-1, which was started",
        "Temporal lists review/other, which nobody started",
        "review/ac-3 was not asked",
    )
    other = replace(facts.reviews[2], run_id="another")
    complaint = "review/ac-3 is another review than the one that was started"
    assert complaint in prove(replace(facts, reviews=(other,))).complaints


@pytest.mark.parametrize(
    ("times", "complaint"), [(0, "was written 0 times"), (2, "was written 2 times")]
)
async def test_a_crm_that_counts_otherwise_is_believed(
    company: Company, times: int, complaint: str
) -> None:
    facts = await company.facts()
    once = dict.fromkeys(facts.approvals, 1)
    assert prove(replace(facts, seen=once)).holds
    wrong = {**once, next(iter(once)): times}
    assert complaint in prove(replace(facts, seen=wrong)).complaints[0]
    more = prove(replace(facts, seen={**once, "other": 1}))
    assert more.complaints == ("the CRM wrote under other, which nobody approved",)


def test_people_answer_in_every_way() -> None:
    rows = []
    for number in range(1, 9):
        account = f"ac-{number}"
        changes = [task(account, f"Task {one}") for one in range(4 if number == 1 else 2)]
        state = waiting_review(account, *changes)
        rows.append(
            RequestRow(
                run_id=state.run_id,
                review_id=state.review_id,
                owner_id="ow-1",
                request=state.requests[0],
            )
        )
    plans = plan_answers(rows, {"ow-1"}, "boss")
    assert {plan.answer for plan in plans} == set(Answer)
    assert {one.approver for plan in plans for one in plan.decisions} == {"ow-1"}
    for plan in plans:
        request = plan.row.request
        for decision in plan.decisions:
            decided = request.decide(decision, NOW)
            assert isinstance(decided, Decided), decided
            request = decided.request
        undecided = {Answer.PART, Answer.LEAVE}
        assert request.is_pending == (plan.answer in undecided)
    nobody = plan_answers(rows, set(), "boss")
    assert {one.approver for plan in nobody for one in plan.decisions} == {"boss"}
