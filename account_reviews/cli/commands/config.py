"""Verbs of `config`: which settings apply, and where each comes from."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.presentation.tables import Column, facts
from account_reviews.presentation.terminal import note, print_table

if TYPE_CHECKING:
    from account_reviews.config.settings import Settings

_SECRET = ("KEY", "SECRET", "PASSWORD", "TOKEN")

_PLACES = {
    "audit_seals": "seals_place",
    "audit_signing_key": "signing_key",
    "audit_archive": "archive_place",
}
"""Settings that name a place, with what gives it when they are not set."""


class Item(NamedTuple):
    """One setting: its name, its value as text (None when unset) and who set it."""

    name: str
    value: str | None
    origin: str


def register(app: typer.Typer) -> None:
    """Add `config show`."""
    config = typer.Typer(help="Show the settings.", no_args_is_help=True)
    config.callback()(_group)
    config.command("show")(show)
    app.add_typer(config, name="config")


def _group() -> None:
    """Show the settings."""


def show(
    origin: Annotated[bool, typer.Option("--origin", help="Also say what set each.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show every setting. Passwords and keys are hidden."""
    items, idle = run(_collect(), output)
    if output is Format.JSON:
        print_json(
            {
                "items": [item._asdict() for item in items],
                "without_effect": [{"name": name, "reason": why} for name, why in idle.items()],
            }
        )
        return
    columns = (*facts("Setting", "Value"), Column("origin", "Set by"))[: 3 if origin else 2]
    print_table(columns, [item[: len(columns)] for item in items])
    for name, why in idle.items():
        note(f"{name} has no effect: {why}")


def without_password(url: str) -> str:
    """The URL with its password hidden."""
    url = re.sub(r"(://[^:/?#@]*):[^/?#]*@", r"\1:***@", url)
    return re.sub(r"([?&]password=)[^&#]*", r"\1***", url)


def without_path(url: str) -> str:
    """Where the URL leads, without what is often a secret: its path and what follows it."""
    return re.sub(
        r"^([a-z]+://)(?:[^/?#@]*@)?([^/?#]*)[/?#].+$", r"\1\2/***", without_password(url)
    )


async def _collect() -> tuple[list[Item], dict[str, str]]:
    from dataclasses import fields

    from account_reviews.config import environment_aliases
    from account_reviews.config.settings import Settings

    settings = Settings.load()
    aliased = environment_aliases.calls()
    items = [_own(settings, field.name, aliased) for field in fields(settings)]
    idle = environment_aliases.without_effect()
    items += _temporal(settings, idle)
    limits, policy = settings.snapshot_limits(), settings.policy()
    set_limits = environment_aliases.read(environment_aliases.LIMITS)
    for field, value in limits:
        name = f"snapshot.{field}"
        items.append(Item(name, str(value), set_limits.get(field, ("default",))[0]))
    for key, (alias, _) in environment_aliases.read(environment_aliases.POLICY).items():
        section, _, field = key.partition(".")
        value = policy.model_dump(mode="json")[section][field]
        items.append(Item(f"policy.{key}", str(value), alias))
    return items, idle


def _own(settings: "Settings", field: str, aliased: Mapping[str, tuple[str, Any]]) -> Item:
    from account_reviews.config.settings import set_by_environment

    name = f"REVIEWS_{field.upper()}"
    value = getattr(settings, field)
    origin = "environment" if field in set_by_environment() else "default"
    if field == "database_url" and origin == "default":
        value, origin = _database(settings)
    if field in aliased and origin == "default":
        origin = aliased[field][0]
    if field in _PLACES:
        value = getattr(settings, _PLACES[field])
    if value is None:
        return Item(name, None, origin)
    # Fingerprints of public keys, and paths.
    public = field in _PLACES or field == "audit_keys" or field.endswith("_file")
    hidden = not public and any(word in name for word in _SECRET)
    if field == "webhook_url":
        return Item(name, without_path(str(value)), origin)
    return Item(name, "***" if hidden else without_password(str(value)), origin)


def _database(settings: "Settings") -> tuple[str | None, str]:
    """The database when REVIEWS_DATABASE_URL does not say."""
    if settings.database_url:
        return settings.database_url, "DATABASE_HOST"
    found = settings.stack.get("database_url")
    return (str(found), "stack.json") if found else (None, "default")


def _temporal(settings: "Settings", idle: dict[str, str]) -> list[Item]:
    from account_reviews.config.settings import is_set
    from account_reviews.domain.errors import UnreachableError
    from account_reviews.temporal.names import NAMESPACE
    from account_reviews.temporal.service_choice import ENVIRONMENT, PROFILE, STACK, choose

    try:
        options, origin, passed_over = choose(settings)
    except UnreachableError:
        options, origin, passed_over = {}, "default", None
    if passed_over:
        idle["the default Temporal profile"] = (
            f"it names {passed_over}, and the stack that runs in {settings.data_dir} is used;"
            " TEMPORAL_PROFILE=default uses the profile"
        )
    namespace = options.get("namespace")
    if is_set("TEMPORAL_NAMESPACE"):
        of_the_namespace = ENVIRONMENT
    elif namespace is not None and settings.stack.get("namespace") == namespace:
        of_the_namespace = STACK
    else:
        of_the_namespace = "default" if namespace in (None, NAMESPACE) else PROFILE
    return [
        Item("TEMPORAL_ADDRESS", options.get("target_host"), origin),
        Item("TEMPORAL_NAMESPACE", namespace, of_the_namespace),
    ]
