"""Events of a CRM: put into the queue as the web app does it, and worked on as a worker does it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import CrmBackend
from account_reviews.domain.crm_events import CrmEvent, Delivery, EventAction, EventSource
from account_reviews.domain.policy.model import Events
from account_reviews.domain.records import RecordType
from account_reviews.store.event_intake import EventIntake
from account_reviews.temporal import names
from account_reviews.upkeep.event_work import EventWork
from tests.support.commands import rows

EVENTS = "select * from reviews.webhook_events where tenant = :tenant order by id"
ACCOUNTS = "select * from reviews.event_accounts where tenant = :tenant order by account_id"
_ACCOUNTS_DUE = (
    "update reviews.event_accounts set due_at = now() where tenant = :tenant and due_at is not null"
)
_EVENTS_DUE = "update reviews.webhook_events set next_at = now() where tenant = :tenant"
AT_ONCE = Events.model_construct(
    settle=timedelta(0), quiet=timedelta(minutes=1), duplicates=timedelta(hours=1)
)


def prepare(parts: Parts, crm: CrmBackend, events: Events = AT_ONCE) -> None:
    """Parts that read that CRM and wait for no burst."""
    parts.__dict__["crm"] = crm
    parts.__dict__["policy"] = parts.policy.model_copy(update={"events": events})


def event(
    record_id: str,
    kind: RecordType = RecordType.ACCOUNT,
    action: EventAction = EventAction.UPDATED,
    account_id: str | None = None,
) -> CrmEvent:
    return CrmEvent(record_type=kind, record_id=record_id, action=action, account_id=account_id)


async def come_in(parts: Parts, *events: CrmEvent) -> None:
    """As one request."""
    intake = EventIntake(
        parts.transactions, parts.settings.tenant, most=10_000, kept=timedelta(hours=1)
    )
    await intake.take([Delivery(source=EventSource.CRM, key=uuid4().hex, events=events)])


async def stored(parts: Parts) -> list[dict[str, Any]]:
    return await rows(parts.engine, EVENTS, tenant=parts.settings.tenant)


async def accounts(parts: Parts) -> list[dict[str, Any]]:
    return await rows(parts.engine, ACCOUNTS, tenant=parts.settings.tenant)


async def outcomes(parts: Parts) -> list[str | None]:
    return [row["outcome"] or row["state"] for row in await stored(parts)]


async def all_due(parts: Parts) -> None:
    """The quiet time, and every lease, is over."""
    async with parts.engine.begin() as connection:
        for statement in (_ACCOUNTS_DUE, _EVENTS_DUE):
            await connection.execute(text(statement), {"tenant": parts.settings.tenant})


async def pass_by(work: EventWork, parts: Parts) -> None:
    """First whose records they are, then what follows, once it is due."""
    for _ in range(2):
        await all_due(parts)
        await work.work()


async def signals(client: Client, parts: Parts, account_id: str) -> list[str]:
    """The names of the signals that the account's newest review has got."""
    handle = client.get_workflow_handle(names.review_id(account_id, parts.settings.tenant))
    return [
        one.workflow_execution_signaled_event_attributes.signal_name
        async for one in handle.fetch_history_events()
        if one.HasField("workflow_execution_signaled_event_attributes")
    ]


async def reviews_of(client: Client, parts: Parts, account_id: str) -> int:
    """How many executions the account's review id has had."""
    review_id = names.review_id(account_id, parts.settings.tenant)
    return len([one async for one in client.list_workflows(f"WorkflowId = '{review_id}'")])
