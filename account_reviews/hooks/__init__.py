"""Calling code of others when a review or one of its steps begins or ends."""

from account_reviews.hooks.events import HookEvent, HookName

__all__ = ["HookEvent", "HookName"]
