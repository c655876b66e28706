"""`reviews list`: which reviews there are."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from account_reviews.cli.lists import show_list, takes_view
from account_reviews.cli.options import Account, Cursor, InStatus, OfKind, Output, Owner
from account_reviews.cli.output import Format, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.tables import AS_IT_FITS, View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum

    from account_reviews.bootstrap import Parts
    from account_reviews.cli.lists import Rows
    from account_reviews.presentation.steps_after import NextStep
    from account_reviews.store.review_queries import RunRow

_CHOICES = ("phase", "status", "kind", "outcome", "risk_level")
"""Filters that take one of a few words."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("list")(list_command)


@takes_view
def list_command(
    owner: Owner = None,
    account: Account = None,
    name: Annotated[
        str | None, typer.Option(help="The name that a review was started with.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Who drives it.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What for.")] = None,
    phase: Annotated[str | None, typer.Option(help="How far it is, like approval.")] = None,
    status: InStatus = None,
    kind: OfKind = None,
    outcome: Annotated[str | None, typer.Option(help="How it ended, like rejected.")] = None,
    risk_level: Annotated[str | None, typer.Option(help="none to critical.")] = None,
    needs_attention: Annotated[
        bool | None, typer.Option(help="Whether somebody should look.")
    ] = None,
    waiting_on: Annotated[str | None, typer.Option(help="Whose decision it waits for.")] = None,
    since: Annotated[str | None, typer.Option(help="Started then or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Started before.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only open reviews.")] = False,
    tenant: Annotated[str | None, typer.Option(help="Another tenant's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="So many rows at most.")] = 100,
    cursor: Cursor = None,
    output: Output = Format.TABLE,
    view: View = AS_IT_FITS,
) -> None:
    """List reviews, newest first. All options narrow the list together."""
    given: dict[str, str | bool | None] = {
        "owner": owner,
        "account": account,
        "name": name,
        "agent": agent,
        "purpose": purpose,
        "phase": phase,
        "status": status,
        "kind": kind,
        "outcome": outcome,
        "risk_level": risk_level,
        "needs_attention": needs_attention,
        "waiting_on": waiting_on,
        "since": since,
        "until": until,
    }
    where = {key: value for key, value in given.items() if value is not None}
    run(_list(where, open_only, tenant, limit, cursor, output, view), output)


async def _list(
    where: "dict[str, str | bool]",
    open_only: bool,
    tenant: str | None,
    limit: int,
    cursor: str | None,
    output: Format,
    view: View,
) -> None:
    from account_reviews.presentation.review_table import RUN_COLUMNS, run_document
    from account_reviews.presentation.steps_after import list_step, nothing_listed
    from account_reviews.store.review_queries import RunFilter, RunPage

    checked = _checked(where)
    async with open_session() as parts:
        whose = parts.settings.tenant if tenant is None else tenant
        if whose == parts.settings.tenant:
            checked |= await _meant(parts, checked, strict=output is Format.TABLE)
        wanted = RunFilter(tenant=whose, where=checked, open_only=open_only)

        async def read(after: str | None, most: int) -> RunPage:
            return await parts.reader.list_runs(wanted, cursor=after, limit=most)

        async def rows(found: "Sequence[RunRow]") -> "Rows":
            return await _rows(parts, whose, found)

        def ending(found: "Sequence[RunRow]") -> "NextStep | None":
            narrowed = bool(checked) or open_only or view.page > 1
            return list_step(found) if found else nothing_listed(narrowed=narrowed)

        await show_list(
            view, output, read=read, columns=RUN_COLUMNS, rows=rows, document=run_document,
            limit=limit, cursor=cursor, nothing="no review fits", ending=ending,
        )  # fmt: skip


async def _meant(
    parts: "Parts", where: "Mapping[str, str | bool | datetime]", *, strict: bool
) -> "dict[str, str | bool | datetime]":
    """The account, the owner and the approver that are named, by their ids."""
    if not {"owner", "account", "waiting_on"} & set(where):
        return {}
    from account_reviews.services.lookup import narrowed

    return await narrowed(parts, where, strict=strict)


async def _rows(parts: "Parts", tenant: str, found: "Sequence[RunRow]") -> "Rows":
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.presentation.review_table import people_of, run_row, unknown_people

    people = people_of(found)
    missing = unknown_people(found)
    if missing:
        from account_reviews.store.name_queries import names_of_owners

        named = await names_of_owners(parts.statements, tenant, missing)
        people |= {who: name for who, name in named.items() if name}
    words = list_words(parts.settings, lambda: parts.policy, people=people)
    return [run_row(row, words) for row in found]


def _checked(where: "dict[str, str | bool]") -> "dict[str, str | bool | datetime]":
    """BadInputError for a word that no review can have there, or what is no time."""
    from account_reviews.cli.parsing import parse_choice, parse_time
    from account_reviews.domain.errors import BadInputError

    checked: dict[str, str | bool | datetime] = {}
    for name, value in where.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, str) and "\x00" in value:
            raise BadInputError(f"{option} holds a NUL character, which nothing stored has")
        if name in _CHOICES:
            checked[name] = parse_choice(option, str(value), _words(name))
        elif name in ("since", "until"):
            checked[name] = parse_time(str(value), option)
        else:
            checked[name] = value
    since, until = checked.get("since"), checked.get("until")
    if isinstance(since, datetime) and isinstance(until, datetime) and since >= until:
        raise BadInputError("--since is not before --until: nothing can be between them")
    return checked


def _words(name: str) -> "type[StrEnum]":
    from enum import StrEnum
    from typing import cast

    from account_reviews.domain.analysis.model import RiskLevel
    from account_reviews.domain.review.phases import Outcome, Phase, Status
    from account_reviews.domain.review.state import RECOVERY, ReviewKind

    kinds = {one.name: one.value for one in ReviewKind} | {"RECOVERY": RECOVERY}
    words: dict[str, type[StrEnum]] = {
        "phase": Phase,
        "status": Status,
        "kind": cast("type[StrEnum]", StrEnum("Kind", kinds)),
        "outcome": Outcome,
        "risk_level": RiskLevel,
    }
    return words[name]
