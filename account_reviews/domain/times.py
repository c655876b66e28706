"""Which points in time the product works with."""

from datetime import date, datetime
from typing import Final

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199
"""Of what records hold. Year 1 and 9999 are how programs write "none", and a database keeps them
as something that cannot be computed with."""

FIRST_REVIEWED_YEAR: Final = 1970
LAST_REVIEWED_YEAR: Final = LAST_YEAR
"""The years a review may speak of: the rules add and subtract years from them."""


def can_be_reviewed(value: date | datetime) -> bool:
    """Whether a review may be made as of it."""
    return FIRST_REVIEWED_YEAR <= value.year <= LAST_REVIEWED_YEAR


def is_usable_time(value: date | datetime) -> bool:
    """Whether a record may hold it."""
    return FIRST_YEAR <= value.year <= LAST_YEAR
