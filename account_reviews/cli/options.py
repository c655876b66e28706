"""Options and arguments that several verbs take, each defined once."""

from enum import StrEnum
from typing import Annotated

import typer

from account_reviews.cli.output import Format

Output = Annotated[
    Format, typer.Option("--output", "-o", help="table for people, json for programs.")
]


class DocumentFormat(StrEnum):
    """How a document is written."""

    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"


Form = Annotated[DocumentFormat, typer.Option("--format", "-f")]

# Which rows, and how many.

Limit = Annotated[int, typer.Option(min=1, max=1000)]
Cursor = Annotated[str | None, typer.Option(help="Where the last page ended.")]
Account = Annotated[str | None, typer.Option(help="Account id.")]
Owner = Annotated[str | None, typer.Option(help="Owner id.")]
InStatus = Annotated[str | None, typer.Option()]
OfKind = Annotated[str | None, typer.Option()]

# Which review.

Review = Annotated[str, typer.Argument(help="A review id or an account id.")]
Reviews = Annotated[list[str], typer.Argument(help="Review ids or account ids.", metavar="REVIEW")]
Run = Annotated[str | None, typer.Option("--run", help="An older review, by its run id.")]

# Which accounts a review or a cycle is started of.

AllAccounts = Annotated[bool, typer.Option("--all", help="All accounts.")]
AllOfOwner = Annotated[str | None, typer.Option(help="All accounts of this owner.")]
AsOf = Annotated[str | None, typer.Option(help="The clock of the rules.")]

# Who, and why.

Actor = Annotated[str | None, typer.Option("--as", help="Who acts.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why.")]
