"""Opens the SQL CRM of a URL."""

from account_reviews.crm.registry import CrmContext
from account_reviews.crm.sql.backend import OwnSqlCrm, SqlCrm


def open_sql(context: CrmContext) -> SqlCrm:
    """The one in our own database asks the gate in the transaction of the write."""
    engine = context.engine_of(context.url)
    return OwnSqlCrm(engine) if engine is context.engine else SqlCrm(engine)
