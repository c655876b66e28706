"""What waits for whom, page by page; and links that count once."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.analysis.model import RiskLevel
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.proposals import Action
from account_reviews.store.inbox_queries import InboxFilter, InboxOrder, InboxReader
from account_reviews.store.link_uses import LinkUses
from account_reviews.store.reviews import ReviewStore
from tests.support.connections import statements_on
from tests.support.inboxes import hours, put, waiting
from tests.support.review_states import task_change

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


@pytest.fixture
async def reader(engine: AsyncEngine, tenant: str) -> InboxReader:
    """Seven requests of three owners, asked one hour after the other."""
    states = [
        waiting(
            f"ac-{number}",
            at=NOW + hours(6 - number),
            tenant=tenant,
            owner=("ow-1", "ow-2", None)[number % 3],
            approvers=(("ow-1",), ("Ben Ode", "ow-1"), ())[number % 3],
            risk=(RiskLevel.HIGH, RiskLevel.LOW)[number % 2],
        )
        for number in range(7)
    ]
    await put(engine, *states)
    return InboxReader(statements_on(engine), tenant)


async def accounts(reader: InboxReader, limit: int = 50, **where: object) -> list[str]:
    """All pages of a list."""
    found: list[str] = []
    cursor = None
    while True:
        page = await reader.page(InboxFilter(**where), cursor=cursor, limit=limit)  # type: ignore[arg-type]
        found += [one.account_id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 7, 50])
async def test_the_soonest_deadline_comes_first_on_every_page(
    reader: InboxReader, limit: int
) -> None:
    assert await accounts(reader, limit) == [f"ac-{number}" for number in (6, 5, 4, 3, 2, 1, 0)]


async def revenue(engine: AsyncEngine, tenant: str, account: str, amount: str | None) -> str:
    """A stored snapshot in which the account is worth so much; its hash."""
    body = {"tenant": tenant, "account": {"id": account, "annual_revenue": amount}}
    return await ReviewStore(engine).put_document("snapshot", body)


@pytest.fixture
async def mixed(engine: AsyncEngine, tenant: str) -> InboxReader:
    """Five requests, three of one minute; asked in the order of their names."""
    for account, seconds, risk, amount in (
        ("late-rich", 7200, 90, "1000000"),
        ("same-mild", 3601, 10, "900"),
        ("same-hot-poor", 3602, 80, "20"),
        ("same-hot-rich", 3603, 80, "1E+3"),
        ("soon-unknown", 0, None, None),
    ):
        state = waiting(account, at=NOW + timedelta(seconds=seconds), tenant=tenant)
        assert state.snapshot is not None
        assert state.analysis is not None
        known = await revenue(engine, tenant, account, amount)
        state.snapshot = state.snapshot.model_copy(update={"hash": known})
        state.analysis = state.analysis.model_copy(update={"risk_score": risk})
        await put(engine, state)
    return InboxReader(statements_on(engine), tenant)


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("due", "soon-unknown same-hot-rich same-hot-poor same-mild late-rich"),
        ("risk", "late-rich same-hot-rich same-hot-poor same-mild soon-unknown"),
        ("value", "late-rich same-hot-rich same-mild same-hot-poor soon-unknown"),
        ("waiting", "soon-unknown same-mild same-hot-poor same-hot-rich late-rich"),
    ],
)
async def test_every_order_holds_over_all_pages(
    mixed: InboxReader, order: str, expected: str, limit: int
) -> None:
    assert await accounts(mixed, limit, order=InboxOrder(order)) == expected.split()


async def test_a_cursor_is_of_one_order(mixed: InboxReader) -> None:
    page = await mixed.page(InboxFilter(order=InboxOrder.RISK), cursor=None, limit=2)
    with pytest.raises(BadInputError):
        await mixed.page(InboxFilter(order=InboxOrder.VALUE), cursor=page.next_cursor, limit=2)


async def test_a_request_shows_what_its_account_was_worth_when_it_was_read_last(
    engine: AsyncEngine, tenant: str
) -> None:
    state = waiting("ac-1", at=NOW, tenant=tenant)
    assert state.snapshot is not None
    found = []
    for amount in ("120000", "150000.50", "1E+999999", None):
        known = await revenue(engine, tenant, "ac-1", amount)
        state.snapshot = state.snapshot.model_copy(update={"hash": known})
        state.version += 1
        await put(engine, state)
        reader = InboxReader(statements_on(engine), tenant)
        (row,) = (await reader.page(InboxFilter(), cursor=None, limit=1)).items
        found.append(row.value)
    assert found == [Decimal(120_000), Decimal("150000.50"), None, None]


async def test_filters_hold_together(reader: InboxReader) -> None:
    assert await accounts(reader, names=("ben ode",)) == ["ac-4", "ac-1"]
    assert await accounts(reader, names=("ow-1", "nobody")) == [
        "ac-6",
        "ac-4",
        "ac-3",
        "ac-1",
        "ac-0",
    ]
    assert await accounts(reader, names=()) == []
    assert await accounts(reader, owner="ow-2", risk="low") == ["ac-1"]
    assert await accounts(reader, owner="") == ["ac-5", "ac-2"]
    assert len(await accounts(reader, action=Action.CREATE_TASK)) == 7
    assert await accounts(reader, action=Action.ADD_NOTE) == []


async def test_a_row_tells_account_owner_and_its_changes(reader: InboxReader) -> None:
    (row,) = (await reader.page(InboxFilter(), cursor=None, limit=1)).items
    assert (row.account_name, row.owner_name, row.short_id) == ("The ac-6", "Ann Lee", "ac-6-1")
    assert row.risk_level == "high"
    change = task_change("ac-6")
    (item,) = row.items
    assert (item.title, item.hash, item.after) == (change.title, change.hash, change.after)


async def test_counts_add_up(reader: InboxReader) -> None:
    counts = await reader.counts(mine=["ben ode"], groups=["ow-1"], now=NOW + timedelta(days=30))
    assert sum(one.waiting for one in counts) == 7
    assert sum(one.overdue for one in counts) == 7
    assert sum(one.mine for one in counts) == 2
    assert sum(one.groups for one in counts) == 5
    assert {one.owner_id for one in counts} == {"", "ow-1", "ow-2"}


async def test_a_cursor_of_something_else_is_refused(reader: InboxReader) -> None:
    with pytest.raises(BadInputError):
        await reader.page(InboxFilter(), cursor="nonsense", limit=5)


async def test_of_many_at_once_one_uses_a_link_up(engine: AsyncEngine, tenant: str) -> None:
    uses = LinkUses(statements_on(engine), tenant)
    ends = datetime.now(UTC) + timedelta(days=1)
    tries = [uses.use(b"link", f"form {number}".encode(), ends) for number in range(6)]
    assert sorted(await asyncio.gather(*tries)) == [False] * 5 + [True]
    assert await uses.used_at(b"link") is not None
    assert await uses.used_at(b"another") is None


async def test_the_same_form_may_be_sent_again_and_a_refused_one_frees_the_link(
    engine: AsyncEngine, tenant: str
) -> None:
    uses = LinkUses(statements_on(engine), tenant)
    ends = datetime.now(UTC) + timedelta(days=1)
    assert [await uses.use(b"l", b"first", ends) for _ in range(2)] == [True, True]
    assert not await uses.use(b"l", b"second", ends)
    await uses.free(b"l", b"first")
    assert await uses.used_at(b"l") is None
    assert await uses.use(b"l", b"second", ends)
    assert not await uses.use(b"l", b"first", ends)
