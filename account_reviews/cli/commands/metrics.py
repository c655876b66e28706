"""`reviews metrics`: figures of all reviews, or the pages of the running workers."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli.following import say_next
from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.presentation.terminal import print_table, print_text

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.config.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("metrics")(metrics)


def metrics(
    page: Annotated[
        bool, typer.Option("--page", help="Print the page that Prometheus reads instead.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Of which worker. Default: the first of the running stack.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show numbers of reviews. How old, how they ended, what was decided."""
    if page or url:
        print_text(run(_page(url), output).rstrip("\n"))
        return
    document = run(_figures(), output)
    if output is Format.JSON:
        print_json(document)
        return
    from datetime import UTC, datetime

    from account_reviews.presentation.figures_table import figure_rows
    from account_reviews.presentation.quick_words import QuickWords
    from account_reviews.presentation.steps_after import OPEN_REVIEWS

    words = QuickWords(now=datetime.now(UTC))
    print_table(("Figure", "Value"), figure_rows(document, words.span))
    say_next(OPEN_REVIEWS, err=True)


async def _figures() -> dict[str, Any]:
    from account_reviews.cli.session import open_session

    async with open_session() as parts:
        summary = await parts.figures.summary(parts.settings.tenant)
        return {"open_in_temporal": await _open_in_temporal(parts), **summary}


async def _open_in_temporal(parts: "Parts") -> int | None:
    """None while Temporal does not answer."""
    from temporalio.service import RPCError

    from account_reviews.cli.session import temporal_if_there
    from account_reviews.temporal.open_reviews import count_running

    client = await temporal_if_there(parts)
    if client is None:
        return None
    try:
        return await count_running(client, parts.settings.tenant)
    except RPCError:
        return None


async def _page(url: str | None) -> str:
    import asyncio

    from account_reviews.config.settings import Settings

    return await asyncio.to_thread(fetch, url or _known(Settings.load()))


def _known(settings: "Settings") -> str:
    from account_reviews.domain.errors import UnreachableError

    found = settings.stack.get("metrics_url")
    if not found:
        raise UnreachableError(
            f"no worker with a metrics page runs in {settings.data_dir}",
            hint="give its address with --url, or start one with `reviews dev`",
        )
    return str(found)


def fetch(url: str) -> str:
    """The text at an address. UnreachableError, BadInputError for one that is none."""
    import urllib.request

    from account_reviews.config import ports
    from account_reviews.domain.errors import BadInputError, UnreachableError

    if not url.startswith(("http://", "https://")):
        raise BadInputError(f"--url is {url!r}, but must begin with http:// or https://")
    try:
        proxies = urllib.request.ProxyHandler({} if ports.is_here(url) else None)
        with urllib.request.build_opener(proxies).open(url, timeout=10) as answer:
            return str(answer.read().decode())
    except (OSError, ValueError):  # ValueError: no address, or no text
        raise UnreachableError(
            f"no metrics page answers at {url}", hint="see `metrics_url` in stack.json"
        ) from None
