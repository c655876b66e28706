"""What writes to a CRM, over real tables."""

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.gate import Gates
from account_reviews.crm.protocol import CrmBackend
from account_reviews.crm.writer import CrmWriter
from account_reviews.store.halts import HaltStore
from account_reviews.store.operations import OperationLedger


def writer_of(crm: CrmBackend, engine: AsyncEngine, gates: Gates | None = None) -> CrmWriter:
    """The writer of a CRM, with the ledger and the gates of this database."""
    return CrmWriter(crm, OperationLedger(engine), gates or HaltStore(engine).gate)
