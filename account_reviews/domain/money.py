"""Codes of currencies."""

import re
from typing import Final

_CODE: Final = re.compile(r"[A-Z]{3}")


def is_currency(code: str) -> bool:
    """Whether it is written like a code of ISO 4217: three capital letters."""
    return _CODE.fullmatch(code) is not None
