"""Verbs of `policy`."""

from pathlib import Path
from typing import Annotated

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, fail, print_json
from account_reviews.presentation.tables import facts
from account_reviews.presentation.terminal import print_table, say


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    policy = typer.Typer(no_args_is_help=True, help="The numbers the rules use.")
    policy.command("show")(show)
    policy.command("check")(check)
    app.add_typer(policy, name="policy")


def show(output: Output = Format.TABLE) -> None:
    """Show the policy in force: REVIEWS_POLICY_FILE, or the shipped one."""
    from account_reviews.config.settings import Settings
    from account_reviews.domain.errors import ReviewsError
    from account_reviews.domain.policy.model import SHIPPED, as_document, flat, load_policy

    try:
        source = Settings.load().policy_file
        policy = load_policy(source)
    except ReviewsError as error:
        fail(error, output)
    if output is Format.JSON:
        print_json({**as_document(policy), "file": str(source or SHIPPED)})
        return
    say(f"{source or SHIPPED}: version {policy.version}, hash {policy.hash[:12]}")
    print_table(facts("Key", "Value"), flat(policy))


def check(
    file: Annotated[
        Path | None, typer.Argument(help="A policy file; the one in force when left out.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Say whether a policy file is valid; exit 2 with the first fault when it is not."""
    from account_reviews.config.settings import Settings
    from account_reviews.domain.errors import ReviewsError
    from account_reviews.domain.policy.approvals import remarks
    from account_reviews.domain.policy.model import SHIPPED, load_policy

    try:
        source = file or Settings.load().policy_file
        policy = load_policy(source)
    except ReviewsError as error:
        fail(error, output)
    name = str(source or SHIPPED)
    if output is Format.JSON:
        known = {"file": name, "version": policy.version, "hash": policy.hash}
        print_json({"ok": True, **known, "remarks": remarks(policy.approvals)})
        return
    say(f"{name} is valid: version {policy.version}, hash {policy.hash[:12]}")
    for sentence in remarks(policy.approvals):
        say(sentence)
