"""`reviews digest`: what an owner should know this morning."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, print_document, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.terminal import note, print_prose


class DigestFormat(StrEnum):
    MD = "md"
    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"
    MAIL = "mail"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("digest")(digest_command)


def digest_command(
    owner: Annotated[str, typer.Option(help="Whose: an id or a name.")],
    day: Annotated[
        str | None, typer.Option(help="A date in UTC, such as 2026-10-01; today without it.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Make it anew, also when there is one.")
    ] = False,
    form: Annotated[
        DigestFormat, typer.Option("--format", "-f", help="How it is written.")
    ] = DigestFormat.MD,
    file: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Where to look first, what changed, what waits for you, what your decisions did."""
    chosen = DigestFormat.JSON if output is Format.JSON else form
    run(_digest(owner, day, fresh, chosen, file), output)


async def _digest(
    owner: str, day: str | None, fresh: bool, form: DigestFormat, file: Path | None
) -> None:
    from datetime import UTC, datetime

    from account_reviews.cli.parsing import parse_day
    from account_reviews.presentation.digest import render_digest
    from account_reviews.services.digests import find_owner, make

    now = datetime.now(UTC)
    chosen = parse_day(day, now.date()) if day else now.date()
    async with open_session() as parts:
        tenant = parts.settings.tenant
        owner_id = (await find_owner(parts, owner)).id
        digest = await parts.digests.get(tenant, owner_id, chosen)
        if digest is None or fresh:
            digest = await make(
                parts.digests,
                parts.digest_store,
                parts.policy,
                tenant=tenant,
                owner_id=owner_id,
                day=chosen,
                now=now,
            )
        if form is DigestFormat.JSON:
            document = render_digest(digest, form.value)
        else:
            from account_reviews.services.documents import beside_digest

            document = render_digest(digest, form.value, *await beside_digest(parts, digest))
    if file is not None:
        _write(document, file)
    elif form is DigestFormat.JSON:
        print_document(document)
    else:
        print_prose(document)


def _write(document: str, file: Path) -> None:
    from account_reviews.domain.errors import BadInputError

    try:
        file.write_text(f"{document}\n", encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{file} cannot be written: {error.strerror}") from None
    note(f"written to {file}")
