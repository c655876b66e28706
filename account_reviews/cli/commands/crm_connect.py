"""`reviews crm connect`: a person allows the product to use a CRM."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.presentation.terminal import note, say

if TYPE_CHECKING:
    from pathlib import Path

    from account_reviews.config.settings import Settings
    from account_reviews.crm.zoho.consent import Connection, Consent
    from account_reviews.domain.backends import Health

_CENTRES: Final = "com, eu, in, com.au, jp, com.cn, sa or ca"


def register(crm: typer.Typer) -> None:
    """Add `crm connect zoho`."""
    connect = typer.Typer(help="Connect a CRM by the consent of a person.", no_args_is_help=True)
    connect.command("zoho")(zoho)
    crm.add_typer(connect, name="connect")


def zoho(
    data_centre: Annotated[
        str | None, typer.Option(help=f"Where the org lives: {_CENTRES}. Else it is asked.")
    ] = None,
    code: Annotated[
        str | None, typer.Option(help="The code of a consent or of a self client; else asked.")
    ] = None,
    redirect_uri: Annotated[str | None, typer.Option(help="As the client at Zoho has it.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Walk through Zoho's consent, store the refresh token, and ask whether the CRM answers."""
    health, stored = run(_connect(data_centre, code, redirect_uri, output), output)
    if output is Format.JSON:
        print_json({"stored": str(stored), "health": health})
    else:
        put = say if health.ok else note
        put(health.detail + (f" ({health.hint})" if health.hint else ""))
    if not health.ok:
        leave(5)


async def _connect(
    data_centre: str | None, code: str | None, redirect_uri: str | None, output: Format
) -> "tuple[Health, Path]":
    from account_reviews.cli.answers import Answers
    from account_reviews.config.settings import Settings
    from account_reviews.crm.zoho.consent import begin, finish

    settings = Settings.load()
    answers = Answers(err=output is Format.JSON)
    centre = data_centre or settings.zoho_data_centre
    if centre is None:
        centre = await answers.ask(f"Data centre of the org ({_CENTRES}): ") or ""
    consent = begin(settings, centre, redirect_uri)
    pasted = code or await _ask_code(answers, consent, output)
    made = await finish(consent, pasted, by_url=code is None)
    tell = note if output is Format.JSON else say
    tell(f"the refresh token is stored in {made.stored}, readable for you alone")
    if settings.zoho_refresh_token or settings.zoho_refresh_token_file:
        note("REVIEWS_ZOHO_REFRESH_TOKEN is set too, and comes before what was stored: unset it")
    return await _ping(settings, made), made.stored


async def _ask_code(answers: object, consent: "Consent", output: Format) -> str:
    from account_reviews.cli.answers import Answers
    from account_reviews.domain.errors import BadInputError

    assert isinstance(answers, Answers)
    tell = note if output is Format.JSON else say
    tell("Open this address, allow it, and copy the address your browser ends at:")
    tell(consent.url)
    pasted = await answers.ask("The code, or that address: ")
    if not pasted:
        raise BadInputError("no code was given", hint="give it with `--code`")
    return pasted


async def _ping(before: "Settings", made: "Connection") -> "Health":
    from account_reviews.bootstrap import open_parts
    from account_reviews.cli.access_log import record_change

    async with open_parts(made.settings, application="reviews-crm") as parts:
        health = await parts.crm.of(parts.settings.tenant).health()
    details = {"connected": "zoho", "data_centre": made.settings.zoho_data_centre}
    await record_change(before, "crm", details)
    return health
