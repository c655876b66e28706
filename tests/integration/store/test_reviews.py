"""The read model on a real PostgreSQL."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError, RequestNotFoundError, ReviewNotFoundError
from account_reviews.domain.records import Account, AccountSnapshot, RecordType, SnapshotRef
from account_reviews.domain.review.decisions import decide, expire_due, propose, skip_what_is_open
from account_reviews.domain.review.messages import DecisionAnswer, SubmitDecision
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.review_queries import ReviewReader, RunFilter
from account_reviews.store.reviews import ReviewStore
from tests.support.connections import statements_on
from tests.support.review_states import NOW, analysis_result, fresh, task_change

HOUR = timedelta(hours=1)


@pytest.fixture
def store(engine: AsyncEngine) -> ReviewStore:
    return ReviewStore(engine)


@pytest.fixture
def reader(engine: AsyncEngine) -> ReviewReader:
    return ReviewReader(statements_on(engine))


async def waiting(
    store: ReviewStore, account: str | None = None, *, as_of: datetime = NOW
) -> ReviewState:
    """A review that waits for a decision on one task, saved."""
    state = fresh(account)
    state.as_of = as_of
    state.move(Phase.INVESTIGATING, NOW)
    snapshot = AccountSnapshot(
        account=Account(id=state.account_id, version="1", name="Acme", owner_id="owner-1"),
        modules=frozenset({RecordType.ACCOUNT}),
        fetched_at=NOW,
        as_of=as_of,
    )
    stored = await store.open_run(state, snapshot)
    state.snapshot = SnapshotRef(
        hash=stored, account_name="Acme", owner_id="owner-1", owner_name=None, fetched_at=NOW
    )
    document = await store.put_document("analysis", {"recommendations": []})
    state.analysis = analysis_result(document, (task_change(state.account_id),))
    state.move(Phase.PLANNING, NOW)
    propose(state, state.analysis.changes, f"req-{state.run_id}", NOW)
    state.move(Phase.APPROVAL, NOW, status=Status.WAITING)
    await store.save(state)
    return state


async def found(reader: ReviewReader, state: ReviewState) -> ReviewState:
    detail = await reader.find_run(
        tenant=state.tenant, review_id=state.review_id, run_id=state.run_id
    )
    return detail.state


async def test_a_saved_review_reads_back_whole(store: ReviewStore, reader: ReviewReader) -> None:
    state = await waiting(store)
    assert await found(reader, state) == state
    page = await reader.list_runs(
        RunFilter(where={"account": state.account_id}), cursor=None, limit=10
    )
    assert page.items[0].waiting_on == ("owner-1",)
    assert page.items[0].due_at == NOW + 72 * HOUR
    row = await reader.find_request("default", f"req-{state.run_id}")
    assert row.request == state.requests[0]


async def test_an_older_version_never_overwrites(store: ReviewStore, reader: ReviewReader) -> None:
    state = await waiting(store)
    old = state.model_copy(deep=True)
    said = SubmitDecision.model_validate(
        {"request_id": state.requests[0].request_id, "decision": "approve", "approver": "ann"}
    )
    assert isinstance(decide(state, said, NOW), DecisionAnswer)
    await store.save(state)
    await store.save(old)
    assert await found(reader, state) == state
    row = await reader.find_request("default", state.requests[0].request_id)
    assert row.request.state == "approved"
    found_by = RunFilter(where={"account": state.account_id})
    (listed,) = (await reader.list_runs(found_by, cursor=None, limit=10)).items
    assert (listed.phase, listed.status) == ("executing", "running")
    await store.open_run(fresh(state.account_id).model_copy(update={"run_id": state.run_id}))


async def test_a_reset_run_starts_over(store: ReviewStore, reader: ReviewReader) -> None:
    state = await waiting(store)
    again = fresh(state.account_id).model_copy(
        update={"run_id": state.run_id, "workflow_run_id": "after-reset"}
    )
    await store.save(again)
    assert (await found(reader, state)).phase is Phase.INITIALIZING


async def test_only_a_review_with_a_result_moves_the_baseline(store: ReviewStore) -> None:
    cancelled = await waiting(store)
    cancelled.close(Outcome.CANCELLED, NOW)
    await store.save(cancelled)
    past = await store.past_of("default", cancelled.account_id)
    assert past.previous_snapshot is None
    expired = await waiting(store, cancelled.account_id)
    expire_due(expired, NOW + 100 * HOUR)
    expired.close(Outcome.EXPIRED, NOW + 100 * HOUR)
    await store.save(expired)
    await store.save(expired)
    past = await store.past_of("default", expired.account_id)
    assert past.previous_snapshot is not None
    assert past.risk_level == "high"
    states = {(one.change_id, one.state) for one in past.outcomes}
    assert (expired.requests[0].items[0].item_id, "expired") in states


async def test_the_review_that_closed_last_is_the_baseline_whatever_its_clock(
    store: ReviewStore,
) -> None:
    account = f"acc-{uuid4().hex[:8]}"
    hashes = []
    for n, as_of in enumerate((NOW + timedelta(days=13_000), NOW, NOW - HOUR)):
        state = await waiting(store, account, as_of=as_of)
        assert state.snapshot is not None
        hashes.append(state.snapshot.hash)
        state.close(Outcome.REJECTED, NOW + n * HOUR)
        await store.save(state)
        past = await store.past_of("default", account)
        assert past.previous_snapshot is not None
        assert past.previous_snapshot["as_of"] == rfc3339(as_of)
    assert len(set(hashes)) == 3
    late = await waiting(store, account, as_of=NOW + HOUR)
    late.close(Outcome.REJECTED, NOW + HOUR)
    await store.save(late)
    past = await store.past_of("default", account)
    assert past.previous_snapshot is not None
    assert past.previous_snapshot["as_of"] == rfc3339(NOW - HOUR), (
        "a rebuild writes older ones anew"
    )


async def test_an_outcome_has_its_time_by_the_clock_of_the_rules(store: ReviewStore) -> None:
    """The import is of 1 September, read in October; a person answers a day after that."""
    as_of = NOW - timedelta(days=30)
    state = await waiting(store, as_of=as_of)
    said = {"decision": "reject", "approver": "ann", "reason": "no"}
    message = SubmitDecision.model_validate({"request_id": state.requests[0].request_id, **said})
    assert isinstance(decide(state, message, NOW + 24 * HOUR), DecisionAnswer)
    state.close(Outcome.REJECTED, NOW + 24 * HOUR)
    await store.save(state)
    (outcome,) = (await store.past_of("default", state.account_id)).outcomes
    assert outcome.at == NOW + 24 * HOUR
    assert outcome.clock_at == as_of + 24 * HOUR


async def test_an_outcome_keeps_what_its_silence_was_said_to_mean(store: ReviewStore) -> None:
    """Of requests from before that was kept nothing is known: the policy then decides."""
    state = await waiting(store)
    assert state.analysis is not None
    state.logic = 3
    deferring = state.analysis.terms.model_copy(update={"on_timeout": "defer"})
    state.analysis = state.analysis.model_copy(update={"terms": deferring})
    other = task_change(state.account_id, "Write to them")
    propose(state, (other,), f"later-{state.run_id}", NOW)
    expire_due(state, NOW + 73 * HOUR)
    state.close(Outcome.EXPIRED, NOW + 73 * HOUR)
    await store.save(state)
    outcomes = (await store.past_of("default", state.account_id)).outcomes
    assert {one.change_id: one.on_timeout for one in outcomes} == {
        state.analysis.changes[0].change_id: None,
        other.change_id: "defer",
    }


async def test_the_latest_snapshot_has_its_age(store: ReviewStore) -> None:
    assert await store.latest_snapshot("default", "nobody", NOW) is None
    state = await waiting(store)
    latest = await store.latest_snapshot("default", state.account_id, NOW + 2 * HOUR)
    assert latest is not None
    assert latest.stale_seconds == 7200


async def test_the_baseline_is_a_snapshot_too(store: ReviewStore, engine: AsyncEngine) -> None:
    """Retention takes the review; the account can still be reviewed while the CRM is down."""
    state = await waiting(store)
    state.close(Outcome.REJECTED, NOW)
    await store.save(state)
    async with engine.begin() as connection:
        await connection.execute(
            text("delete from reviews.review_runs where run_id = :r"), {"r": state.run_id}
        )
    latest = await store.latest_snapshot("default", state.account_id, NOW + HOUR)
    assert state.snapshot is not None
    assert latest == state.snapshot.model_copy(update={"stale_seconds": 3600})


async def test_replace_repairs_a_damaged_row(
    store: ReviewStore, reader: ReviewReader, engine: AsyncEngine
) -> None:
    state = await waiting(store)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "update reviews.review_runs set phase = 'failed', version = 999 where run_id = :r"
            ),
            {"r": state.run_id},
        )
        await connection.execute(
            text("delete from reviews.approval_requests where run_id = :r"), {"r": state.run_id}
        )
    assert await store.replace(state, seen=await store.seen(state.run_id))
    page = await reader.list_runs(
        RunFilter(where={"account": state.account_id}), cursor=None, limit=1
    )
    assert page.items[0].phase == "approval"
    assert await reader.find_request("default", state.requests[0].request_id)


async def test_what_the_review_saved_since_it_was_asked_is_not_replaced(
    store: ReviewStore, reader: ReviewReader
) -> None:
    asked = await waiting(store)
    seen = await store.seen(asked.run_id)
    ended = asked.model_copy(deep=True)
    skip_what_is_open(ended, "cancelled", NOW + HOUR)
    ended.close(Outcome.CANCELLED, NOW + HOUR)
    await store.save(ended)
    assert not await store.replace(asked, seen=seen)
    found = await reader.find_run(tenant="default", review_id=asked.review_id)
    assert (found.state.outcome, found.state.pending) == (Outcome.CANCELLED, ())
    request = await reader.find_request("default", asked.requests[0].request_id)
    assert request.request.state == "cancelled"


async def test_a_first_save_is_not_replaced_by_what_was_asked_before_it(
    store: ReviewStore, reader: ReviewReader
) -> None:
    asked = fresh()
    ended = asked.model_copy(deep=True)
    ended.close(Outcome.FAILED, NOW + HOUR)
    await store.save(ended)
    assert not await store.replace(asked, seen=None)
    found = await reader.find_run(tenant="default", review_id=asked.review_id)
    assert found.state.outcome is Outcome.FAILED


async def test_the_open_review_comes_before_a_newer_closed_one(
    store: ReviewStore, reader: ReviewReader
) -> None:
    still_open = await waiting(store)
    newer = fresh(still_open.account_id, at=NOW + HOUR)
    newer.close(Outcome.FAILED, NOW + HOUR)
    await store.save(newer)
    detail = await reader.find_run(tenant="default", review_id=still_open.review_id)
    assert detail.state.run_id == still_open.run_id


async def test_lists_page_by_cursor(store: ReviewStore, reader: ReviewReader) -> None:
    tenant = f"t-{uuid4().hex[:6]}"
    runs = [fresh(at=NOW + number * HOUR, tenant=tenant) for number in range(5)]
    for state in runs:
        await store.open_run(state)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await reader.list_runs(RunFilter(tenant=tenant), cursor=cursor, limit=2)
        seen += [row.run_id for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [state.run_id for state in reversed(runs)]


@pytest.mark.parametrize("cursor", ["", "x", "bm90", "W10=", "WzEsMl0="])
async def test_a_wrong_cursor_is_said(reader: ReviewReader, cursor: str) -> None:
    with pytest.raises(BadInputError, match="cursor"):
        await reader.list_runs(RunFilter(), cursor=cursor, limit=1)


async def test_unknown_names_are_said(reader: ReviewReader) -> None:
    with pytest.raises(ReviewNotFoundError):
        await reader.find_run(tenant="default", review_id="review/nobody")
    with pytest.raises(RequestNotFoundError):
        await reader.find_request("default", "nobody")
    with pytest.raises(BadInputError):
        await reader.list_runs(RunFilter(where={"colour": "red"}), cursor=None, limit=1)


async def test_a_document_is_kept_once(store: ReviewStore) -> None:
    body = {"b": [1, 2], "a": "text \u00e9"}
    first = await store.put_document("memory", body)
    assert first == await store.put_document("memory", {"a": "text \u00e9", "b": [1, 2]})
    assert await store.get_document(first) == body
    with pytest.raises(KeyError):
        await store.get_document("0" * 64)
