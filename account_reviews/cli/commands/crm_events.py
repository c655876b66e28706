"""`reviews crm events`: what the CRM says has changed, and what became of it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.presentation.terminal import note, print_table

if TYPE_CHECKING:
    from account_reviews.store.event_queries import EventPage


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


def events(
    state: Annotated[
        Which | None, typer.Option(help="Without it: what waits, and what could not be followed.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Of this account only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """List what the CRM says has changed, the newest first."""
    page = run(_page(state, account, limit, cursor), output)
    if output is Format.JSON:
        print_json({"items": list(page.items), "next_cursor": page.next_cursor})
        return
    columns = ("received_at", "source", "record", "action", "account_id", "state", "error")
    rows = []
    for row in page.items:
        shown = {
            **row,
            "record": f"{row['record_type']}/{row['record_id']}",
            "state": row["outcome"] or row["state"],
        }
        rows.append([shown[name] for name in columns])
    print_table(columns, rows)
    if page.next_cursor is not None:
        note(f"more: --cursor {page.next_cursor}")


async def _page(
    state: Which | None, account: str | None, limit: int, cursor: str | None
) -> "EventPage":
    from account_reviews.cli.session import open_session
    from account_reviews.services.lookup import account_if_known
    from account_reviews.store.event_queries import EventReader

    async with open_session() as parts:
        return await EventReader(parts.statements).page(
            parts.settings.tenant,
            states=_STATES[state],
            account=await account_if_known(parts, account),
            cursor=cursor,
            limit=limit,
        )
