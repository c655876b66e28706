"""An integrator's code, called around each review and step."""

from account_reviews.hooks.events import HookEvent, HookName

__all__ = ["HookEvent", "HookName"]
