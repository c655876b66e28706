"""An integrator's code, called around reviews and steps."""

from account_reviews.hooks.events import HookEvent, HookName

__all__ = ["HookEvent", "HookName"]
