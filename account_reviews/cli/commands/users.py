"""Verbs of people who sign in: `users add`, `list`, `remove`, `link`, `sign-out`."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.tables import Column
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from account_reviews.domain.policy.access import Role
    from account_reviews.store.people import PersonRow

Name = Annotated[str, typer.Argument(help="As reviews and the trail call the person.")]
Roles = Annotated[list[str] | None, typer.Option("--role", help="See docs/access.md; repeatable.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="Repeatable.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Who signs in to the pages.")
    group.command("add")(add)
    group.command("list")(list_users)
    group.command("remove")(remove)
    group.command("link")(link)
    group.command("sign-out")(sign_out)
    app.add_typer(group, name="users")


def add(
    name: Name,
    roles: Roles = None,
    groups: Groups = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Add a local user, who signs in with a password."""
    run(_add(name, list(roles or []), list(groups or []), password_stdin, output), output)


def list_users(output: Output = Format.TABLE) -> None:
    """List local users and whoever has signed in."""
    run(_list(output), output)


def remove(name: Name, output: Output = Format.TABLE) -> None:
    """Take somebody away. It ends every sign-in of that person at once."""
    run(_remove(name, output), output)


def link(
    name: Name,
    roles: Roles = None,
    expires_in: Annotated[str, typer.Option("--expires-in", help="Such as 15m.")] = "15m",
    output: Output = Format.TABLE,
) -> None:
    """Print an address that signs somebody in once. Whoever has it can use it."""
    run(_link(name, list(roles or []), expires_in, output), output)


def sign_out(name: Name, output: Output = Format.TABLE) -> None:
    """End every sign-in of somebody."""
    run(_sign_out(name, output), output)


async def _add(
    name: str, words: list[str], groups: list[str], from_stdin: bool, output: Format
) -> None:
    from account_reviews.domain.errors import BadInputError
    from account_reviews.services.sign_ins import add_user

    roles = parse_roles(words)
    if not roles and not groups:
        raise BadInputError("a user needs a role or a group", hint="add --role approver")
    password = _password(from_stdin)
    async with open_session() as parts:
        found = await add_user(parts, name, roles, groups, password)
    if output is Format.JSON:
        print_json(_document(found))
    else:
        say(f"{found.name} can sign in now")


def _password(from_stdin: bool) -> str:
    from account_reviews.domain.errors import BadInputError

    if from_stdin:
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise BadInputError("there is no password", hint="add --password-stdin")
    from getpass import getpass

    given = getpass("Password: ")
    if getpass("Again: ") != given:
        raise BadInputError("these are two passwords")
    return given


_COLUMNS = (
    Column("name", "Name"),
    Column("roles", "Roles", folds=True),
    Column("groups", "Groups", 2, folds=True),
    Column("source", "Signs in by", 4),
    Column("seen_at", "Last sign-in", 3),
)


async def _list(output: Format) -> None:
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.presentation.review_table import time_cell

    async with open_session() as parts:
        rows = await parts.sign_ins.people.listed()
        known = parts.guard.access()
        words = list_words(parts.settings, lambda: parts.policy)
    if output is Format.JSON:
        print_json({"items": [_document(row) for row in rows]})
        return
    how = {"local": "password", "oidc": "provider", "link": "link"}
    print_table(
        _COLUMNS,
        [
            (
                row.name,
                ", ".join(row.roles) if known.user(row.name) is None else "see the policy",
                ", ".join(row.groups),
                how[row.source],
                time_cell(row.seen_at, words) if row.seen_at else "never",
            )
            for row in rows
        ],
    )
    if not rows:
        note("nobody yet: reviews users add NAME --role approver --password-stdin")


async def _remove(name: str, output: Format) -> None:
    from account_reviews.services.sign_ins import remove_user

    async with open_session() as parts:
        await remove_user(parts, name)
    print_json({"removed": name}) if output is Format.JSON else say(f"{name} is removed")


async def _link(name: str, words: list[str], expires_in: str, output: Format) -> None:
    from account_reviews.cli.parsing import parse_length
    from account_reviews.services.sign_ins import make_link

    length = parse_length("--expires-in", expires_in)
    async with open_session() as parts:
        path = await make_link(parts, name, parse_roles(words), length)
        base = parts.settings.pages_url
    if output is Format.JSON:
        print_json({"url": f"{base}{path}" if base else None, "path": path})
        return
    say(f"{base or ''}{path}")
    if base is None:
        note("put the address of `reviews web` in front of it, or set REVIEWS_WEB_URL")
    note(f"it works once, for {expires_in}")


async def _sign_out(name: str, output: Format) -> None:
    from account_reviews.domain.counting import counted
    from account_reviews.services.sign_ins import sign_out_everywhere

    async with open_session() as parts:
        ended = await sign_out_everywhere(parts, name)
    if output is Format.JSON:
        print_json({"ended": ended})
    else:
        say(f"{name} was signed in {counted(ended, 'time')} and is not any more")


def parse_roles(words: list[str]) -> "list[Role]":
    """Roles by their names. BadInputError."""
    from account_reviews.cli.parsing import parse_choice
    from account_reviews.domain.policy.access import Role

    found = [Role(parse_choice("--role", word.replace("-", "_"), list(Role))) for word in words]
    return list(dict.fromkeys(found))


def _document(row: "PersonRow") -> dict[str, Any]:
    return {
        "name": row.name,
        "roles": list(row.roles),
        "groups": list(row.groups),
        "source": row.source,
        "created_at": row.created_at,
        "seen_at": row.seen_at,
    }
