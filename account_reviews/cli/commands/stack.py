"""Verbs of the local stack: `dev`, `doctor`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, fail, leave, print_json, run
from account_reviews.presentation.tables import Column, word_cell
from account_reviews.presentation.terminal import note, print_table, print_text

if TYPE_CHECKING:
    from account_reviews.config.settings import Settings
    from account_reviews.local.stack import LocalStack
    from account_reviews.upkeep.examination import Report

_CHECKS = (
    Column("ok", "State"),
    Column("name", "Check"),
    Column("detail", "Found", folds=True),
    Column("hint", "What to do", folds=True, spare=True),
)
DataDir = Annotated[
    Path | None,
    typer.Option(help="Where everything is kept. Default: REVIEWS_DATA_DIR, else .reviews."),
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(dev)
    app.command()(doctor)


def dev(
    data_dir: DataDir = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Start no worker.")] = False,
    no_restart: Annotated[
        bool, typer.Option("--no-restart", help="Only say so when a worker dies.")
    ] = False,
    temporal_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: 7233, else any free one.")
    ] = None,
    ui_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: 8233, else any free one.")
    ] = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Start no Temporal UI.")] = False,
    web_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: 8000, else any free one.")
    ] = None,
    no_web: Annotated[bool, typer.Option("--no-web", help="Start no inbox.")] = False,
) -> None:
    """Run PostgreSQL, Temporal, a worker and the inbox here until Ctrl-C.

    With TEMPORAL_ADDRESS, TEMPORAL_PROFILE or REVIEWS_DATABASE_URL set, that one is used and not
    started.
    """
    from account_reviews.cli.commands.stack_welcome import welcome
    from account_reviews.cli.steps import Steps
    from account_reviews.local.processes import PRIVATE
    from account_reviews.local.stack import LocalStack, run_until_signal

    settings, temporal_address = _chosen(data_dir, workers=not no_worker)
    os.umask(PRIVATE)
    stack = LocalStack(
        settings.data_dir,
        workers=0 if no_worker else workers,
        restart=not no_restart,
        temporal_port=temporal_port,
        ui_port=ui_port,
        ui=not no_ui,
        web=not no_web,
        web_port=web_port,
        temporal_address=temporal_address,
        database_url=settings.database_url,
        notify=note,
    )
    stack.tell_with(Steps(stack.parts).during)

    async def ready() -> None:
        print_text(welcome(stack, await _sign_in_address(settings, stack)))

    was_ready = run(run_until_signal(stack, ready))
    note("stopped" if was_ready else "stopped before it was ready")


async def _sign_in_address(settings: "Settings", stack: "LocalStack") -> str | None:
    """Where whoever has started the stack signs in once; None without pages."""
    from dataclasses import replace

    from account_reviews.domain.errors import ReviewsError
    from account_reviews.services.sign_ins import own_address

    if stack.web_url is None:
        return None
    try:
        return await own_address(replace(settings, database_url=stack.database_url), stack.web_url)
    except Exception as error:  # noqa: BLE001  the stack runs, also where it makes no link
        why = error.message if isinstance(error, ReviewsError) else "the database does not answer"
        note(f"nobody can sign in by a link: {why}")
        return stack.web_url


def _chosen(data_dir: Path | None, *, workers: bool) -> "tuple[Settings, str | None]":
    """The settings, checked for `workers` too, and the Temporal to use in place of a new one."""
    from account_reviews.config.settings import Settings
    from account_reviews.domain.errors import ReviewsError
    from account_reviews.temporal.service_choice import (
        default_profile_address,
        named_by_environment,
    )

    try:
        settings = Settings.load(data_dir=data_dir)
        named, passed_over = named_by_environment(), default_profile_address()
        if workers:
            _check_for_workers(settings)
    except ReviewsError as error:
        fail(error)
    if passed_over:
        note(
            f"the default Temporal profile names {passed_over}, which this stack does not use;"
            " TEMPORAL_PROFILE=default makes it"
        )
    return settings, named.options["target_host"] if named else None


def _check_for_workers(settings: "Settings") -> None:
    """What a worker would refuse is refused before anything is started. Its errors."""
    from account_reviews.access.choice import open_guard
    from account_reviews.config.telemetry import check_protocol, exports_spans, metrics_address
    from account_reviews.crm.registry import find_factory, scheme_of
    from account_reviews.hooks.registry import load
    from account_reviews.store.addresses import normalise_url

    settings.audit_rules()
    settings.policy()
    open_guard(settings).ensure_keys()
    settings.snapshot_limits()
    find_factory(settings.crm_url or "postgresql://")
    crm = settings.crm_url if scheme_of(settings.crm_url or "") == "postgresql" else None
    for url in (settings.database_url, crm, settings.audit_database_url):
        if url:
            normalise_url(url)
    metrics_address()
    if exports_spans():
        check_protocol()
    load(settings.hooks)


def doctor(output: Output = Format.TABLE) -> None:
    """Check every part that reviews need and say what to do about each that fails."""
    report = run(_examine(), output)
    if output is Format.JSON:
        print_json(report)
    else:
        rows = [
            (word_cell("ok" if check.ok else "FAILED"), check.name, check.detail, check.hint or "")
            for check in report.checks
        ]
        print_table(_CHECKS, rows)
    if not report.ok:
        leave(1)


async def _examine() -> "Report":
    from account_reviews.config.settings import Settings
    from account_reviews.upkeep.doctor import examine

    return await examine(Settings.load())
