"""Currencies and amounts."""

import re
from decimal import Decimal
from typing import Final

from account_reviews.domain.canonical import money

_CODE: Final = re.compile(r"[A-Z]{3}")


def is_currency(code: str) -> bool:
    """Whether it is written like a code of ISO 4217: three capital letters."""
    return _CODE.fullmatch(code) is not None


def amount_in_words(amount: Decimal, currency: str | None = None) -> str:
    """ "48,000 EUR", in sentences that are written before anybody reads them."""
    whole, _, part = money(amount).partition(".")
    said = f"{int(whole):,}" + (f".{part}" if part else "")
    return f"{said} {currency}" if currency else said
