"""The rows of schedules, for people with SQL."""

import json
from collections.abc import Sequence
from typing import Any, Final

from account_reviews.domain.canonical import plain
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_SAVE: Final = read_sql("account_reviews.store", "save_schedules.sql")


async def save_schedule_rows(
    statements: Statements,
    tenant: str,
    rows: Sequence[dict[str, Any]],
    asked: Sequence[str] | None,
) -> None:
    """Bring these rows up to date; those of `asked`, of all without it, that are not there go."""
    await statements.execute(
        _SAVE,
        rows=json.dumps(plain(list(rows))),
        tenant=tenant,
        asked=None if asked is None else list(asked),
    )
