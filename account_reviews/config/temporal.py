"""What of Temporal's own variables we read ourselves; the rest is the SDK's to read."""

import os
from typing import Final

from account_reviews.config.settings import is_unicode
from account_reviews.domain.errors import BadInputError

PROGRAM: Final = "TEMPORAL_CLI_PATH"
_PREFIX: Final = "TEMPORAL_"


def temporal_program() -> str | None:
    """The `temporal` program to start, when it is named."""
    return os.environ.get(PROGRAM) or None


def sdk_variables() -> dict[str, str]:
    """The environment as the SDK can read it: without what is not UTF-8, at which it panics.

    BadInputError when that is one of Temporal's own.
    """
    readable = {name: value for name, value in os.environ.items() if is_unicode(f"{name}{value}")}
    for name in os.environ:
        if name.startswith(_PREFIX) and name not in readable:
            raise BadInputError(f"the variable {name!a} is not UTF-8")
    return readable
