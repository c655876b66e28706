"""Options and arguments that several verbs take, each defined once."""

from enum import StrEnum
from typing import Annotated

import typer

from account_reviews.cli import completion
from account_reviews.cli.output import Format, chosen

Output = Annotated[
    Format,
    typer.Option(
        "--output",
        "-o",
        help="table or wide for people, json or yaml for programs.",
        callback=chosen,
    ),
]


class DocumentFormat(StrEnum):
    """How a document is written."""

    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"
    MAIL = "mail"
    """A mail as a file, with a part of text and one of HTML."""


Form = Annotated[
    DocumentFormat, typer.Option("--format", "-f", help="Markdown, HTML, JSON or a mail.")
]

# Which rows, and how many.

Limit = Annotated[int, typer.Option(min=1, max=1000, help="So many rows at most.")]
Cursor = Annotated[str | None, typer.Option(help="Where the last page ended; with -o json.")]
Account = Annotated[
    str | None,
    typer.Option(help="Of this account: its id or name.", autocompletion=completion.accounts),
]
Owner = Annotated[
    str | None, typer.Option(help="Of this owner: id or name.", autocompletion=completion.owners)
]
InStatus = Annotated[str | None, typer.Option(help="How it stands, like waiting.")]
OfKind = Annotated[str | None, typer.Option(help="What kind, like scheduled.")]

# How a table is shown: `cli/lists.py` adds these to a verb that takes a view.

Columns = Annotated[str | None, typer.Option("--columns", metavar="A,B", help="Only these.")]
Sort = Annotated[
    str | None, typer.Option("--sort", metavar="COLUMN", help="Its order; -COLUMN turns it.")
]
Page = Annotated[int | None, typer.Option("--page", min=1, help="The next rows; from 1.")]
NoPager = Annotated[bool, typer.Option("--no-pager", help="Print long lists at once.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Again every 2 s, until Ctrl-C.")]

# Which review.

Review = Annotated[
    str,
    typer.Argument(
        help="An account, by id or name; or a review id.", autocompletion=completion.accounts
    ),
]
Reviews = Annotated[
    list[str],
    typer.Argument(
        help="Accounts, by id or name; or review ids.",
        metavar="REVIEW",
        autocompletion=completion.accounts,
    ),
]
Run = Annotated[str | None, typer.Option("--run", help="An older review, by its run id.")]

# Which request.

Request = Annotated[
    str,
    typer.Argument(help="The request: `ac-038-1`, or its id.", autocompletion=completion.requests),
]
Requests = Annotated[
    list[str] | None,
    typer.Argument(
        help="Requests: `ac-038-1`, or ids.",
        metavar="REQUEST...",
        autocompletion=completion.requests,
    ),
]

# Which accounts a review or a cycle is started of.

AllAccounts = Annotated[bool, typer.Option("--all", help="All accounts.")]
AllOfOwner = Annotated[
    str | None,
    typer.Option(help="All accounts of this owner: id or name.", autocompletion=completion.owners),
]
AsOf = Annotated[str | None, typer.Option(help="The clock of the rules.")]

# Who, and why.

Actor = Annotated[
    str | None, typer.Option("--as", help="Who acts.", autocompletion=completion.owners)
]
Reason = Annotated[str | None, typer.Option("--reason", help="Why.")]
