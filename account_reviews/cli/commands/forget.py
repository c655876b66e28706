"""`reviews forget`: erase a person or an account from everything that is ours."""

from typing import TYPE_CHECKING, Annotated

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from account_reviews.upkeep.forget import Forgotten, Wish

LONGEST_REASON = 5000


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("forget")(forget_command)


def forget_command(
    by: Annotated[str, typer.Option("--as", help="Who acts.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; without names.")],
    account: Annotated[
        str | None, typer.Option(help="An account: its id or its whole name.")
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(
            help="A full name, e-mail address, phone number, or the id of a contact or owner."
        ),
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="Another name of the person; can be repeated.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel open reviews first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Erase a person or an account. In reviews, archives, memory and histories; not in the CRM."""
    wish = run(_wish(account, person, also or [], by, reason, cancel, dry_run), output)
    done = run(_forget(wish), output)
    if output is Format.JSON:
        print_json({**done.model_dump(), "total": done.total})
    else:
        _print(done)


async def _wish(
    account: str | None,
    person: str | None,
    also: list[str],
    by: str,
    reason: str,
    cancel: bool,
    dry_run: bool,
) -> "Wish":
    """BadInputError unless one of the two is named, by somebody and for a reason."""
    from account_reviews.domain.erasure import ErasureKind, check_name
    from account_reviews.domain.errors import BadInputError
    from account_reviews.upkeep.forget import Wish

    if (account is None) == (person is None):
        raise BadInputError("give either --account or --person", hint="one at a time")
    if also and person is None:
        raise BadInputError("--also gives other names of a person", hint="give it with --person")
    words = {"--as": " ".join(by.split()), "--reason": " ".join(reason.split())}
    for option, text in words.items():
        if not text:
            raise BadInputError(f"{option} is empty", hint="say it in a few words")
        if len(text) > LONGEST_REASON:
            raise BadInputError(f"{option} is longer than {LONGEST_REASON} characters")
    if account is not None and (not account.strip() or "\x00" in account):
        raise BadInputError(f"--account is {account!r}, which is no account id")
    for name in (person, *also):
        if name is not None:
            check_name(name)
    return Wish(
        kind=ErasureKind.ACCOUNT if account is not None else ErasureKind.PERSON,
        key=account or person or "",
        also=tuple(also),
        by=words["--as"],
        reason=words["--reason"],
        cancel=cancel,
        dry_run=dry_run,
    )


async def _forget(wish: "Wish") -> "Forgotten":
    from account_reviews.domain.access.roles import Verb
    from account_reviews.services.access import require
    from account_reviews.upkeep.forget import forget

    async with open_session() as parts:
        await require(parts, Verb.FORGET, wish.by)
        return await forget(parts, await temporal(parts), wish)


def _print(done: "Forgotten") -> None:
    from account_reviews.presentation.quick_words import own_words
    from account_reviews.presentation.told import told

    gone = [(name.replace("_", " "), number) for name, number in done.counts.items() if number]
    for review_id in done.cancelled:
        say(told(f"cancelled the review {review_id}", own_words()))
    if not gone:
        say(f"there is nothing of this {done.kind.value} here")
    elif done.dry_run:
        say(f"of this {done.kind.value} would go:")
    else:
        say(f"the {done.kind.value} is forgotten (erasure {done.erasure_id}):")
    if gone:
        print_table(("Where", "How many"), gone)
    if done.unknown is not None:
        note(done.unknown)
    for sentence in done.not_erased:
        note(sentence)
