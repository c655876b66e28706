"""The reviews command. Modules import typer and the standard library at the top, nothing heavier."""

from account_reviews.cli.app import main

__all__ = ["main"]
