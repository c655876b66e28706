"""The keys that sign decisions: `kid:secret[,kid:secret]`, of which the first signs.

To change keys put the new one first, and take the old one away when no token of it is in force.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from account_reviews.domain.errors import BadInputError

LEAST_BYTES: Final = 24
"""Of a secret, as Standard Webhooks ask for too."""
NAME: Final = "REVIEWS_APPROVAL_KEYS"
_KID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HINT: Final = f"{NAME} is kid:secret[,kid:secret]; `openssl rand -base64 33` makes a secret"


@dataclass(frozen=True)
class ApprovalKeys:
    """Secrets by key id. They never show in what is printed of it."""

    secrets: Mapping[str, bytes] = field(repr=False)
    signs: str
    """The id of the key that signs."""


def parse_keys(text: str | None) -> ApprovalKeys | None:
    """The keys of the setting, None when it is not set. BadInputError, which shows no secret."""
    entries = [entry.strip() for entry in (text or "").split(",") if entry.strip()]
    found: dict[str, bytes] = {}
    for number, entry in enumerate(entries, 1):
        kid, colon, secret = entry.partition(":")
        if not colon or not _KID.fullmatch(kid):
            raise BadInputError(
                f"entry {number} of {NAME} does not begin with a key id and a colon", hint=_HINT
            )
        if kid in found:
            raise BadInputError(f"{NAME} has the key id {kid!r} twice", hint=_HINT)
        size = len(secret.encode())
        if size < LEAST_BYTES:
            raise BadInputError(
                f"the secret of the key {kid!r} in {NAME} has {size} bytes,"
                f" but must have at least {LEAST_BYTES}",
                hint=_HINT,
            )
        found[kid] = secret.encode()
    return ApprovalKeys(found, next(iter(found))) if found else None
