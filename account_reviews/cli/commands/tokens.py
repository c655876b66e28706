"""Verbs of tokens, by which programs use the API: `tokens create`, `list`, `revoke`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli.commands.users import parse_roles
from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.tables import Column, word_cell
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from account_reviews.presentation.quick_words import ListWords
    from account_reviews.store.web_tokens import TokenRow


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Tokens, by which programs use the API.")
    group.command("create")(create)
    group.command("list")(list_tokens)
    group.command("revoke")(revoke)
    app.add_typer(group, name="tokens")


def create(
    name: Annotated[str, typer.Argument(help="The program, as reviews and the trail call it.")],
    roles: Annotated[list[str], typer.Option("--role", help="See docs/access.md; repeatable.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="read, start, decide, control; repeatable. Default: all."),
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option("--expires-in", help="Such as 30d. Default: until it is revoked.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Make a token. It is shown once: only its hash is stored."""
    run(_create(name, roles, scopes, expires_in, output), output)


def list_tokens(output: Output = Format.TABLE) -> None:
    """List tokens: for what they are, until when, and when they were used."""
    run(_list(output), output)


def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `tokens list` shows it.")],
    output: Output = Format.TABLE,
) -> None:
    """Let a token hold no more, from now on."""
    run(_revoke(token_id, output), output)


async def _create(
    name: str, given: list[str], scopes: list[str] | None, expires_in: str | None, output: Format
) -> None:
    from account_reviews.cli.parsing import parse_choice, parse_length
    from account_reviews.domain.access.roles import Scope
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.services.sign_ins import make_token

    chosen = [Scope(parse_choice("--scope", one, list(Scope))) for one in scopes or []]
    length = None if expires_in is None else parse_length("--expires-in", expires_in)
    async with open_session() as parts:
        made = await make_token(
            parts, name, parse_roles(given), list(dict.fromkeys(chosen)) or None, length
        )
        words = list_words(parts.settings, lambda: parts.policy)
    if output is Format.JSON:
        print_json({"id": made.id, "token": made.token})
        return
    say(made.token)
    until = f", and holds until {words.moment(made.ends_at)}" if made.ends_at else ""
    note(f"it is shown once{until}; its id is {made.id}")


_COLUMNS = (
    Column("id", "Id"),
    Column("name", "Program"),
    Column("roles", "Roles", 3, folds=True),
    Column("scopes", "For", 4, folds=True),
    Column("holds", "Holds"),
    Column("used_at", "Last used", 2),
)


async def _list(output: Format) -> None:
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.presentation.review_table import time_cell

    async with open_session() as parts:
        rows = await parts.sign_ins.tokens.listed()
        words = list_words(parts.settings, lambda: parts.policy)
    if output is Format.JSON:
        print_json({"items": [_document(row) for row in rows]})
        return
    print_table(
        _COLUMNS,
        [
            (
                row.id,
                row.name,
                ", ".join(row.roles),
                "all" if row.scopes is None else ", ".join(row.scopes),
                word_cell(_holds(row, words)),
                time_cell(row.used_at, words) if row.used_at else "never",
            )
            for row in rows
        ],
    )
    if not rows:
        note("none yet: reviews tokens create NAME --role operator")


def _holds(row: "TokenRow", words: "ListWords") -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.ends_at is None:
        return "until it is revoked"
    ended = row.ends_at <= words.now
    return f"{'ended' if ended else 'until'} {words.moment(row.ends_at)}"


async def _revoke(token_id: str, output: Format) -> None:
    from account_reviews.services.sign_ins import revoke_token

    async with open_session() as parts:
        found = await revoke_token(parts, token_id)
    if output is Format.JSON:
        print_json(_document(found))
    else:
        say(f"the token of {found.name} holds no more")


def _document(row: "TokenRow") -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "roles": list(row.roles),
        "scopes": None if row.scopes is None else list(row.scopes),
        "created_at": row.created_at,
        "created_by": row.created_by,
        "used_at": row.used_at,
        "expires_at": row.ends_at,
        "revoked_at": row.revoked_at,
    }
