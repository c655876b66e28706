"""How long the names of records may be, so that whatever is made of them later can be made."""

from typing import Final
from urllib.parse import quote

DEFAULT_TENANT: Final = "default"

LONGEST_ID: Final = 500
"""Characters. Four bytes each, they fit into an index of the database."""
LONGEST_OWNER_ID: Final = 200
"""Characters of what a task and a change of the owner can name."""
LONGEST_ENCODED_ID: Final = 900
"""Of an account: a review is named by it, and Temporal takes 1,000 characters."""


def encode_part(part: str) -> str:
    """A part of a name in Temporal: what is not one of [A-Za-z0-9._-] is percent-encoded."""
    return quote(part, safe="").replace("~", "%7E")


def is_too_long_for_a_review(account_id: str) -> bool:
    """Whether no review of the account could be named."""
    return len(encode_part(account_id)) > LONGEST_ENCODED_ID
