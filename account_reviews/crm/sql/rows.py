"""Rows of the SQL CRM as records, whichever way they were read."""

from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, date
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import orjson
from pydantic import ValidationError

from account_reviews.crm.protocol import AccountFilter, AccountPage
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import Account, RecordType
from account_reviews.store.sql_files import read_sql

Row = Mapping[str, Any]

LIST_ACCOUNTS: Final = read_sql("account_reviews.crm.sql", "list_accounts.sql")
"""Its values are what `list_values` gives, its rows what `page_of` takes."""


class Links:
    """Links to records, from a template with {type} and {id}. BadInputError for another one."""

    def __init__(self, template: str | None) -> None:
        self._template = template
        try:
            self.url(RecordType.ACCOUNT, "1")
        except (LookupError, ValueError):
            raise BadInputError(
                f"the link template {template!r} cannot be used",
                hint="write it like https://crm.example.com/{type}/{id}",
            ) from None

    def url(self, record_type: RecordType, record_id: str) -> str | None:
        """The link of a record, None without a template."""
        if self._template is None:
            return None
        return self._template.format(type=record_type.value, id=quote(record_id, safe=""))


def list_values(where: AccountFilter, cursor: str | None, limit: int) -> dict[str, Any]:
    """One row more than the page holds says whether there is another."""
    return {
        "cursor": cursor,
        "ids": None if where.account_ids is None else list(where.account_ids),
        "owner": where.owner,
        "segment": where.segment,
        "statuses": [status.value for status in where.statuses] or None,
        "since": where.changed_since,
        "limit": limit + 1,
    }


def page_of(rows: Sequence[Row], limit: int, links: Links) -> AccountPage:
    """The page; its cursor is its last id."""
    items = tuple(_account(row, links) for row in rows[:limit])
    return AccountPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


def _account(row: Row, links: Links) -> Account:
    """The version becomes text. A plain connection gives JSON as its text, an engine its values.

    What cannot be read, such as a status that nobody knows, is unknown in a list: it holds up no
    other account.
    """
    custom = row["custom"]
    values = {name: usable(value) for name, value in row.items()}
    values |= {
        "version": str(row["version"]),
        "custom": orjson.loads(custom) if isinstance(custom, str) else custom,
        "url": links.url(RecordType.ACCOUNT, row["id"]),
    }
    try:
        return Account.model_validate(values)
    except ValidationError as error:
        unusable = {one["loc"][0] for one in error.errors()}
        return Account.model_validate({k: v for k, v in values.items() if k not in unusable})


def usable(value: object) -> object:
    """The driver gives 90000 as 9E+4, which would be written so wherever it travels, and `infinity`
    as the first or last day there is, which nobody can compute with: it is unknown."""
    if isinstance(value, Decimal):
        return Decimal(format(value, "f"))
    return None if isinstance(value, date) and value.year in (MINYEAR, MAXYEAR) else value
