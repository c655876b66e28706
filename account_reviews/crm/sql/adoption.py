"""What a CRM in another database has noted of its writes is taken over into our ledger, once.

Releases before kept it there alone. The rows stay where they are.
"""

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.sql.tables import operations
from account_reviews.domain.errors import CrmUnavailableError
from account_reviews.store.database import reachable
from account_reviews.store.operations import OperationLedger

_PAGE: Final = 1000
_NAMES: Final = (
    "operation_id", "change_id", "action", "account_id", "record", "before", "after", "result",
    "applied_at", "audited_at",
)  # fmt: skip


async def adopt_ledger(
    crm: AsyncEngine, ledger: OperationLedger, *, tenant: str, place: str
) -> bool:
    """Take over the rows of `crm.operations` for that tenant; False when that was done before.

    `place`: how our ledger calls that database. UnreachableError, CrmUnavailableError.
    """
    if await ledger.is_adopted(tenant, place):
        return False
    after = ""
    columns = [operations.c[name] for name in _NAMES]
    while True:
        query = select(*columns).where(
            operations.c.result.is_not(None), operations.c.operation_id > after
        )
        async with reachable(CrmUnavailableError), crm.connect() as connection:
            page = query.order_by(operations.c.operation_id).limit(_PAGE)
            rows = [dict(row) for row in (await connection.execute(page)).mappings()]
        await ledger.adopt(tenant, rows)
        if len(rows) < _PAGE:
            break
        after = rows[-1]["operation_id"]
    await ledger.note_adopted(tenant, place)
    return True
