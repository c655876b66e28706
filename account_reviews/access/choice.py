"""The guard of a process, by its settings."""

from account_reviews.access.guard import Guard
from account_reviews.access.keys import parse_keys
from account_reviews.access.policy_file import PolicyFile
from account_reviews.config.settings import Settings


def open_guard(settings: Settings) -> Guard:
    """Who may, by the policy as it is at each question. BadInputError for keys that cannot be
    used."""
    policy = PolicyFile(settings.policy_file, settings.policy)
    return Guard(policy, parse_keys(settings.secret("approval_keys")))
