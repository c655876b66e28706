"""The `reviews` command. Imports typer at the top, no more."""

from account_reviews.cli.app import main

__all__ = ["main"]
