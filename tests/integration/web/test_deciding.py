"""What the pages tell of a form that was taken, in part or not at all; a worker is played."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.domain.errors import ConflictError, NegativeAnswerError, UnreachableError
from account_reviews.domain.policy.access import Role
from account_reviews.domain.policy.model import load_policy
from account_reviews.domain.review import decisions
from account_reviews.domain.review.messages import (
    DecisionAnswer,
    QueuedAnswer,
    SubmitDecision,
    Verdict,
)
from account_reviews.domain.review.policy_terms import terms_of
from account_reviews.domain.review.state import NEWEST_LOGIC, ReviewState
from account_reviews.domain.review.terms import Terms
from account_reviews.services import form_decisions
from account_reviews.services.decisions import UnansweredError
from account_reviews.services.decisions import decide as send
from account_reviews.services.form_decisions import Decider, Form
from account_reviews.store.review_queries import RequestRow
from tests.support.inboxes import put, waiting
from tests.support.review_states import task_change
from tests.support.web_site import Web, open_web

KEYS = "k1:a-secret-of-at-least-24-bytes"
PAGE = "/requests/ac-1-1"
_ALERT = re.compile(r'<div class="notice" role="alert">(.*?)</div>', re.DOTALL)


@pytest.fixture
async def web(database_url: str, tmp_path: Path) -> AsyncIterator[Web]:
    tenant = f"t-{uuid4().hex[:8]}"
    async with open_web(database_url, tmp_path, tenant=tenant, approval_keys=KEYS) as found:
        found.parts.connect = connected  # type: ignore[method-assign]
        yield found


async def connected() -> Any:
    """A connection that only the played worker would use."""


@pytest.fixture
async def state(engine: AsyncEngine, web: Web) -> ReviewState:
    changes = (task_change("ac-1", "Call them"), task_change("ac-1", "Write to them"))
    tenant = web.parts.settings.tenant
    found = waiting("ac-1", at=datetime.now(UTC), tenant=tenant, changes=changes)
    await put(engine, found)
    return found


class Worker:
    """Applies what is sent to the rows, until it is told to answer otherwise."""

    def __init__(self, engine: AsyncEngine, state: ReviewState) -> None:
        self.engine, self.state = engine, state
        self.sent: list[SubmitDecision] = []
        self.raises: dict[str, Exception] = {}
        self.queues = False

    async def decide(self, _: object, row: RequestRow, said: SubmitDecision) -> DecisionAnswer:
        self.sent.append(said)
        if said.decision in self.raises:
            raise self.raises[said.decision]
        if self.queues:
            request = row.request
            return QueuedAnswer(
                request_id=request.request_id,
                review_id=row.review_id,
                state=request.state,
                items=(),
            )
        return await self.apply(said)

    async def apply(self, said: SubmitDecision) -> DecisionAnswer:
        found = decisions.decide(self.state, said, datetime.now(UTC))
        if not isinstance(found, DecisionAnswer):
            raise ConflictError(found.message)
        await put(self.engine, self.state)
        return found

    async def by(self, name: str, item: int) -> None:
        """Somebody else approves one."""
        request = self.state.requests[0]
        body = {"request_id": request.request_id, "decision": "approve", "approver": name}
        ids = [request.items[item].item_id]
        await self.apply(SubmitDecision.model_validate({**body, "item_ids": ids}))


@pytest.fixture
def worker(engine: AsyncEngine, state: ReviewState, monkeypatch: pytest.MonkeyPatch) -> Worker:
    found = Worker(engine, state)
    monkeypatch.setattr(form_decisions, "decide", found.decide)
    return found


def form_on(state: ReviewState, *, subject: str | None = None) -> dict[str, Any]:
    """All ticked, and the second one edited."""
    items = state.requests[0].items
    given: dict[str, Any] = {
        "decision_id": uuid4().hex,
        "verdict": "approve",
        "item": [one.item_id for one in items],
        "shown_hash": state.requests[0].shown_hash,
    }
    given |= {f"hash.{one.item_id}": one.change.hash for one in items}
    return given | ({f"set.{items[1].item_id}.subject": subject} if subject else {})


def told(answer: httpx2.Response) -> str:
    """What the page says of what was sent."""
    found = _ALERT.search(answer.text)
    assert found is not None, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


async def test_an_edited_form_counts_once_however_often_it_is_sent(
    web: Web, state: ReviewState, worker: Worker
) -> None:
    browser = await web.signed_in(Role.APPROVER, name="ow-1")
    form = form_on(state, subject="Write today")
    assert (await browser.post(f"{PAGE}/decide", data=form)).status_code == 303
    assert (await browser.post(f"{PAGE}/decide", data=form)).status_code == 303
    assert [one.decision for one in worker.sent] == ["approve", "adjust"]


async def test_who_is_partly_late_is_told_what_others_decided_and_that_the_rest_is_applied(
    web: Web, state: ReviewState, worker: Worker
) -> None:
    browser = await web.signed_in(Role.APPROVER, name="ow-1")
    form = form_on(state, subject="Write today")
    await worker.by("Ben", 1)
    answer = await browser.post(f"{PAGE}/decide", data=form)
    assert answer.status_code == 409
    said = told(answer)
    assert "Write to them" in said
    assert "approved by Ben" in said
    assert "Call them" not in said
    assert "was applied to it. The rest of what you sent is applied." in said


@pytest.mark.parametrize(("queues", "rest"), [(False, "is applied"), (True, "counts when")])
async def test_a_refused_second_decision_hides_the_first_from_nobody(
    web: Web, state: ReviewState, worker: Worker, *, queues: bool, rest: str
) -> None:
    worker.queues = queues
    worker.raises["adjust"] = NegativeAnswerError("ow-1 may not edit")
    path = web.parts.guard.link_path(state.requests[0], "ow-1")
    assert path is not None
    answer = await web.browser().post(path, data=form_on(state, subject="Write today"))
    assert answer.status_code == 409
    assert f"Ow-1 may not edit. The rest of what you sent {rest}" in told(answer)
    again = await web.browser().post(path, data=form_on(state))
    assert "used already" in told(again)  # a part of the first form was taken


async def test_only_what_was_sent_may_still_be_applied(
    web: Web, state: ReviewState, worker: Worker
) -> None:
    browser = await web.signed_in(Role.APPROVER, name="ow-1")
    form = form_on(state)
    for error, is_sent in (
        (UnreachableError("Temporal does not answer"), False),
        (UnansweredError("no worker answered; the decision may still be applied"), True),
    ):
        worker.raises["approve"] = error
        answer = await browser.post(f"{PAGE}/decide", data=form)
        assert answer.status_code == 503
        assert error.message.partition(";")[0].lower() in told(answer).lower()
        assert ("may still be applied" in answer.text) is is_sent
        assert ("Nobody knows yet" in answer.text) is is_sent
        assert f'name="decision_id" value="{form["decision_id"]}"' in answer.text
        assert "Look again" in answer.text


async def test_a_call_that_breaks_off_may_have_been_taken(state: ReviewState) -> None:
    class Handle:
        async def execute_update(self, *_: object, **__: object) -> None:
            raise RPCError("connection reset", RPCStatusCode.UNAVAILABLE, b"")

    class Client:
        def get_workflow_handle(self, *_: object, **__: object) -> Handle:
            return Handle()

    client: Any = Client()
    request = state.requests[0]
    row = RequestRow(state.run_id, state.review_id, None, request)
    body = {"request_id": request.request_id, "decision": "approve", "approver": "ow-1"}
    said = SubmitDecision.model_validate({**body, "decision_id": "d-1"})
    with pytest.raises(UnansweredError, match="may still be applied") as raised:
        await send(client, row, said)
    assert "d-1" in (raised.value.hint or "")


def ticked(*states: ReviewState) -> list[str]:
    """The first change of each, as the inbox names it."""
    requests = [one.requests[0] for one in states]
    return [
        f"{one.request_id}:{one.items[0].item_id}:{one.items[0].change.hash}" for one in requests
    ]


async def test_a_batch_of_which_something_may_still_be_applied_keeps_its_id(
    web: Web, state: ReviewState, worker: Worker
) -> None:
    browser = await web.signed_in(Role.APPROVER, name="ow-1")
    form = {"decision_id": "abc123", "verdict": "approve", "change": ticked(state)}
    for error, keeps in ((UnansweredError(), True), (ConflictError("too late"), False)):
        worker.raises["approve"] = error
        answer = await browser.post("/inbox/decide", data=form)
        assert answer.status_code == 409
        assert ('name="decision_id" value="abc123"' in answer.text) is keeps


async def test_the_inbox_answers_as_it_went(web: Web, state: ReviewState) -> None:
    async def away() -> Any:
        raise UnreachableError("Temporal does not answer")

    web.parts.connect = away  # type: ignore[method-assign]
    browser = await web.signed_in(Role.APPROVER, name="ow-1")
    form = {"decision_id": "abc123", "verdict": "approve", "change": ticked(state)}
    assert (await browser.post("/inbox/decide", data=form)).status_code == 503
    assert (await browser.post("/inbox/decide", data={})).status_code == 422


async def others_wait(engine: AsyncEngine, tenant: str) -> None:
    """Two more requests of ow-1: a mild one that is due first, and a grave one."""
    for account, due, risk in (("ac-2", -2, 10), ("ac-3", 2, 95)):
        one = waiting(account, at=datetime.now(UTC) + timedelta(hours=due), tenant=tenant)
        assert one.analysis is not None
        one.analysis = one.analysis.model_copy(update={"risk_score": risk})
        await put(engine, one)


async def test_the_order_and_the_filters_go_along_from_the_inbox_to_the_next_request(
    web: Web, worker: Worker, engine: AsyncEngine, state: ReviewState
) -> None:
    await others_wait(engine, web.parts.settings.tenant)
    browser = await web.signed_in(Role.APPROVER, name="ow-1")
    along = "?owner=ow-1&amp;sort=risk"
    inbox = (await browser.get("/inbox?owner=ow-1&sort=risk")).text
    assert re.findall(r'href="/requests/(ac-\d)-1(\S*)"', inbox) == [
        ("ac-3", along), ("ac-1", along), ("ac-2", along),
    ]  # fmt: skip
    assert '<option value="risk" selected>highest risk first' in inbox
    assert '<input type="hidden" name="sort" value="risk">' in inbox
    rows = (await browser.get("/inbox.csv?owner=ow-1&sort=risk")).text.splitlines()
    assert [one.split(",")[2] for one in rows[1:]] == ["ac-3", "ac-1", "ac-2"]
    page = (await browser.get(f"{PAGE}?owner=ow-1&sort=risk")).text
    assert f'action="{PAGE}/decide{along}"' in page
    assert f'href="/inbox{along}" data-key="n"' in page
    answer = await browser.post(f"{PAGE}/decide?owner=ow-1&sort=risk", data=form_on(state))
    assert answer.headers["location"] == "/requests/ac-3-1?owner=ow-1&sort=risk&done=ac-1-1"


async def test_without_an_order_the_soonest_deadline_is_next(
    web: Web, worker: Worker, engine: AsyncEngine, state: ReviewState
) -> None:
    await others_wait(engine, web.parts.settings.tenant)
    browser = await web.signed_in(Role.APPROVER, name="ow-1")
    answer = await browser.post(f"{PAGE}/decide", data=form_on(state))
    assert answer.headers["location"] == "/requests/ac-2-1?done=ac-1-1"


async def test_a_policy_that_changes_counts_at_once(
    database_url: str, tmp_path: Path, engine: AsyncEngine
) -> None:
    tenant, policy = f"t-{uuid4().hex[:8]}", tmp_path / "policy.toml"
    policy.write_text('version = "1"\n')
    state = waiting("ac-1", at=datetime.now(UTC), tenant=tenant, approvers=("board",))
    await put(engine, state)
    async with open_web(database_url, tmp_path, tenant=tenant, policy_file=policy) as web:
        browser = await web.signed_in(Role.APPROVER, name="Ann Lee")
        page = (await browser.get("/inbox?show=groups")).text
        assert "ac-1" not in page
        policy.write_text(
            '[approvals]\nbatch = false\napprovers = ["board"]\n'
            '[approvals.groups]\nboard = ["Ann Lee"]\n'
            '[approvals.delegates]\n"Ann Lee" = ["Ben"]\n'
        )
        page = (await browser.get("/inbox?show=groups")).text
        assert "ac-1" in page
        assert 'name="verdict"' not in page
        assert "Ben" in (await browser.get("/standing-in")).text
        form = {"decision_id": "abc123", "verdict": "approve", "change": ticked(state)}
        answer = await browser.post("/inbox/decide", data=form)
        assert (answer.status_code, "one request at a time" in answer.text) == (422, True)


async def test_who_is_in_a_group_by_signing_in_sees_what_waits_for_it_and_who_decides(
    database_url: str, tmp_path: Path, engine: AsyncEngine
) -> None:
    tenant, policy = f"t-{uuid4().hex[:8]}", tmp_path / "policy.toml"
    policy.write_text(
        '[access]\nusers = {}\n[access.groups]\nleads = ["approver"]\n'
        '[approvals]\napprovers = ["leads"]\n[approvals.groups]\nleads = ["Ben", "Cem Kaya"]\n'
    )
    listed = terms_of(load_policy(policy))
    unlisted = listed.model_copy(update={"groups": {}})
    for account, terms in (("ac-1", listed), ("ac-2", unlisted)):
        at = datetime.now(UTC)
        state = waiting(account, at=at, tenant=tenant, terms=terms, logic=NEWEST_LOGIC)
        await put(engine, state)
    async with open_web(database_url, tmp_path, tenant=tenant, policy_file=policy) as web:
        ann = await web.signed_in(name="Ann Lee", groups=["leads"])
        inbox = (await ann.get("/inbox?show=groups")).text
        assert ("ac-1" in inbox, "ac-2" in inbox) == (True, True)
        page = (await ann.get("/requests/ac-1-1")).text
        assert "you are in leads, and the policy names who decides for leads: Ben" in page
        assert 'name="verdict"' not in page
        assert 'name="verdict"' in (await ann.get("/requests/ac-2-1")).text
        ben = await web.signed_in(Role.APPROVER, name="ben")
        assert 'name="verdict"' in (await ben.get("/requests/ac-1-1")).text
        eve = await web.signed_in(Role.APPROVER, name="Eve", groups=["other"])
        page = (await eve.get("/requests/ac-1-1")).text
        assert "Eve is not one of the approvers of this change." in page
        zoe = await web.signed_in(Role.AUDITOR, name="Zoe", groups=["other"])
        assert 'name="verdict"' not in (await zoe.get("/requests/ac-2-1")).text


async def test_a_decision_reads_its_review_once_for_all_rights(
    database_url: str,
    tmp_path: Path,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant, policy = f"t-{uuid4().hex[:8]}", tmp_path / "policy.toml"
    policy.write_text('[access.users]\n"Olga" = { roles = ["approver"], id = "ow-1" }\n')
    state = waiting("ac-1", at=datetime.now(UTC), tenant=tenant)
    await put(engine, state)
    monkeypatch.setattr(form_decisions, "decide", Worker(engine, state).decide)
    async with open_web(database_url, tmp_path, tenant=tenant, policy_file=policy) as web:
        web.parts.connect = connected  # type: ignore[method-assign]
        row = await web.parts.reader.find_request(tenant, "ac-1-1")
        read = web.parts.reader.find_run
        seen: list[str] = []

        async def counted(**words: Any) -> Any:
            seen.append(words["run_id"])
            return await read(**words)

        monkeypatch.setattr(web.parts.reader, "find_run", counted)
        item = row.request.items[0]
        form = Form(form_id="f" * 32, verdict=Verdict.APPROVE, items=(item.item_id,))
        decider = Decider(name="Olga", roles=(Role.APPROVER,))
        client: Any = None
        await form_decisions.decide_form(web.parts, client, row, form, decider)
        assert seen == [state.run_id]


async def test_who_proposed_a_change_reads_that_somebody_else_approves_it(
    web: Web, engine: AsyncEngine, worker: Worker
) -> None:
    own = task_change("ac-2").model_copy(update={"author": "ow-1"})
    tenant = web.parts.settings.tenant
    terms = Terms(ids={"ann lee": "ow-1"})
    worker.state = waiting(
        "ac-2", at=datetime.now(UTC), tenant=tenant, changes=(own,), terms=terms, logic=NEWEST_LOGIC
    )
    await put(engine, worker.state)
    author = await web.signed_in(Role.APPROVER, name="Ann Lee")
    page = (await author.get("/requests/ac-2-1")).text
    assert "You proposed this: somebody else must approve it." in page
    assert 'value="approve"' not in page
    assert 'value="reject"' in page
    tried = await author.post("/requests/ac-2-1/decide", data=form_on(worker.state))
    assert tried.status_code == 409
    other = await web.signed_in(Role.APPROVER, name="Ben Ode")
    assert 'value="approve"' in (await other.get("/requests/ac-2-1")).text
