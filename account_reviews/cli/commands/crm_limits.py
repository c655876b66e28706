"""`reviews crm limits`: what is left of what the CRM allows."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.tables import facts
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from account_reviews.crm.http.limits_queries import LimitsReport


def register(crm: typer.Typer) -> None:
    """Add the verb."""
    crm.command("limits")(limits)


def limits(output: Output = Format.TABLE) -> None:
    """Show credits, calls under way, the token, and who waits, of all workers together."""
    report = run(_report(), output)
    if output is Format.JSON:
        print_json(report)
    else:
        _print(report)


async def _report() -> "LimitsReport":
    from account_reviews.crm.http.limits import HasLimits
    from account_reviews.crm.http.limits_queries import LimitsReader
    from account_reviews.domain.errors import BadInputError

    async with open_session() as parts:
        crm = parts.crm
        if not isinstance(crm, HasLimits):
            raise BadInputError(
                "this CRM counts no calls: it is no service behind HTTP",
                hint="REVIEWS_CRM_URL says which CRM is meant",
            )
        service, allowed = crm.calls
        return await LimitsReader(parts.statements).report(service, allowed)


def _print(report: "LimitsReport") -> None:
    from account_reviews.domain.counting import counted
    from account_reviews.presentation.lengths import length_words
    from account_reviews.presentation.quick_words import own_words

    words = own_words()
    credits, calls, token = report.credits, report.concurrency, report.token
    length = credits.window_seconds
    window = "" if length is None else f" in {length_words(timedelta(seconds=length))}"

    def until(at: datetime) -> str:
        return f"until {words.clock(at)}, {words.distance(at)}"

    expires = "none yet" if token.expires_at is None else until(token.expires_at)
    asked = counted(token.refreshes_10m, "time")
    rows = [
        ("Credits", _of(credits.used, credits.limit, credits.remaining) + window),
        ("Calls under way", _of(calls.in_use, calls.limit, calls.limit - calls.in_use)),
        ("Waiting", f"people {report.waiting.people}, schedules {report.waiting.schedules}"),
        ("Token", f"{expires}; asked for {asked} in 10 minutes"),
    ]
    rows += [(f"Call of {lease.worker}", until(lease.expires_at)) for lease in calls.leases]
    say(report.backend)
    print_table(facts("Limit", "Now"), rows)
    if report.paused_until is not None:
        note(f"{report.backend} asked us to slow down {until(report.paused_until)}")


def _of(used: int, limit: int | None, remaining: int | None) -> str:
    if limit is not None:
        return f"{used} of {limit}, {remaining} left"
    return "no limit is known" if remaining is None else f"{remaining} left, as the service says"
