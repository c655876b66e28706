"""`reviews stop-all`: stop every write and every start at once, and let them go on."""

from typing import TYPE_CHECKING, Annotated

import typer

from account_reviews.cli.following import say_next
from account_reviews.cli.options import Actor, Output, Reason
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.tables import facts, word_cell
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from account_reviews.services.halts import Standing

LONGEST_NAME, LONGEST_REASON = 200, 5000


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("stop-all")(stop_all_command)


def stop_all_command(
    reason: Reason = None,
    by: Actor = None,
    release: Annotated[bool, typer.Option("--release", help="Let everything go on.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only tell how it stands.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Stop every CRM write, every new start and every schedule, until `--release`."""
    standing = run(_stop_all(reason, by, release, status), output)
    if output is Format.JSON:
        print_json(standing.document())
    else:
        _print(standing, by_command=not status, release=release)


async def _stop_all(reason: str | None, by: str | None, release: bool, status: bool) -> "Standing":
    from account_reviews.audit.capture.actors import user_name
    from account_reviews.domain.errors import BadInputError
    from account_reviews.domain.halts import NO_REASON
    from account_reviews.services.access import require
    from account_reviews.services.halts import release_all, status_of, stop_all

    if status and (release or reason is not None or by is not None):
        raise BadInputError("--status only tells how it stands", hint="give it alone")
    who = _checked("--as", user_name() if by is None else by, LONGEST_NAME)
    why = NO_REASON if reason is None else _checked("--reason", reason, LONGEST_REASON)
    async with open_session() as parts:
        if status:
            return await status_of(parts)
        await require(parts, "stop_all", by)
        if release:
            return await release_all(parts, who, why)
        return await stop_all(parts, who, why, notify=note)


def _checked(option: str, text: str, longest: int) -> str:
    from account_reviews.domain.errors import BadInputError

    words = " ".join(text.split())
    if not words:
        raise BadInputError(f"{option} is empty", hint="say it in a few words")
    if len(words) > longest:
        raise BadInputError(f"{option} has {len(words)} characters, but {longest} is the most")
    return words


def _print(standing: "Standing", *, by_command: bool, release: bool) -> None:
    from account_reviews.presentation.quick_words import own_words
    from account_reviews.presentation.review_table import time_cell
    from account_reviews.presentation.steps_after import OPEN_REVIEWS, RELEASE

    halt, words = standing.halt, own_words()
    if by_command and not standing.changed:
        say("nothing was stopped" if release else "everything was stopped already")
    if halt is None:
        if not by_command:
            say("nothing is stopped, and nothing ever was")
        return
    rows = [
        ("Everything is", word_cell("stopped" if halt.is_open else "going on")),
        ("Stopped by", halt.by),
        ("Since", time_cell(halt.at, words)),
        ("Reason", halt.reason),
        ("Released by", halt.released_by),
        ("Released at", time_cell(halt.released_at, words) if halt.released_at else None),
        ("Released because", halt.released_reason),
        ("Schedules paused by it", standing.schedules_paused),
        ("Schedules resumed", standing.schedules_resumed),
        ("Writes and starts under way", standing.writes_waited or None),
        ("Writes of unknown outcome", standing.writes_unknown or None),
    ]
    print_table(facts("What", "How it stands"), [row for row in rows if row[1] is not None])
    say_next(RELEASE if halt.is_open else OPEN_REVIEWS, err=True)
