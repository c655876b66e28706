"""The reviews command. Modules import typer and the standard library at the top, no more."""

from account_reviews.cli.app import main

__all__ = ["main"]
