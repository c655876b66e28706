"""`reviews audit`: the group; each verb lives in the module of its subject."""

from importlib import import_module

import typer

MODULES = ("audit_tail", "audit_verify", "audit_reconcile", "audit_retain")
"""Each has `register(audit)`, which adds its verbs."""


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Who saw, decided and changed what.")
    for name in MODULES:
        import_module(f"account_reviews.cli.commands.{name}").register(group)
    app.add_typer(group, name="audit")
