"""The columns of `reviews crm events`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from account_reviews.presentation.review_table import time_cell
from account_reviews.presentation.tables import Column, word_cell

if TYPE_CHECKING:
    from account_reviews.presentation.quick_words import ListWords

EVENT_COLUMNS: Final = (
    Column("received_at", "Received"),
    Column("account_id", "Account"),
    Column("state", "State"),
    Column("error", "Error", 2, prose=True),
    Column("action", "Action", 3),
    Column("record", "Record", 4),
    Column("source", "Source", 5),
    Column("attempts", "Attempts", right=True, wide=True),
    Column("next_at", "Next try", wide=True),
    Column("ended_at", "Ended", wide=True),
    Column("id", "Id", wide=True),
)


def event_row(row: Mapping[str, Any], words: "ListWords") -> tuple[object, ...]:
    """The cells of one event, as EVENT_COLUMNS has them."""
    return (
        time_cell(row["received_at"], words),
        row["account_id"],
        word_cell(row["outcome"] or row["state"]),
        row["error"],
        word_cell(row["action"]),
        f"{row['record_type']}/{row['record_id']}",
        row["source"],
        row["attempts"],
        time_cell(row["next_at"], words),
        time_cell(row["ended_at"], words),
        row["id"],
    )
