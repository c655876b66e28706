"""`reviews crm events`: what the CRM says has changed, and what became of it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from account_reviews.cli.lists import Rows, show_list, takes_view
from account_reviews.cli.options import Cursor, Limit, Output
from account_reviews.cli.output import Format, run
from account_reviews.presentation.tables import AS_IT_FITS, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_reviews.store.statements import Row


class Which(StrEnum):
    """Which events are listed."""

    WAITING = "waiting"
    DEAD = "dead"
    DONE = "done"


_STATES = {
    None: ("new", "waiting", "dead"),
    Which.WAITING: ("new", "waiting"),
    Which.DEAD: ("dead",),
    Which.DONE: ("done",),
}


def register(crm: typer.Typer) -> None:
    """Add the verb to the group."""
    crm.command("events")(events)


@takes_view
def events(
    state: Annotated[
        Which | None, typer.Option(help="Without it: what waits, and what could not be followed.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Of this account only.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    output: Output = Format.TABLE,
    view: View = AS_IT_FITS,
) -> None:
    """List what the CRM says has changed, the newest first."""
    run(_events(state, account, limit, cursor, output, view), output)


async def _events(
    state: Which | None,
    account: str | None,
    limit: int,
    cursor: str | None,
    output: Format,
    view: View,
) -> None:
    from account_reviews.cli.session import open_session
    from account_reviews.presentation.event_table import EVENT_COLUMNS, event_row
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.services.lookup import account_if_known
    from account_reviews.store.event_queries import EventPage, EventReader

    async with open_session() as parts:
        reader, account_id = EventReader(parts.statements), await account_if_known(parts, account)
        words = list_words(parts.settings, lambda: parts.policy)

        async def read(after: str | None, most: int) -> EventPage:
            return await reader.page(
                parts.settings.tenant,
                states=_STATES[state],
                account=account_id,
                cursor=after,
                limit=most,
            )

        async def rows(found: "Sequence[Row]") -> Rows:
            return [event_row(one, words) for one in found]

        await show_list(
            view, output, read=read, columns=EVENT_COLUMNS, rows=rows, document=dict,
            limit=limit, cursor=cursor, nothing="no event fits",
        )  # fmt: skip
