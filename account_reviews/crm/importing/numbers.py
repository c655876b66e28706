"""Numbers as people and programs write them. Pure."""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from account_reviews.crm.importing.fields import Kind, ModuleField
from account_reviews.crm.importing.mapping import Rule

_LARGEST_INTEGER: Final = 2**31 - 1
_DIGITS: Final = 30
"""Numbers of more digits are mistakes, and 1e999999 would fill the disk."""
_BLANKS: Final = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'\u2019](?=\d{3}(?!\d))")
"""What may part thousands besides a point or a comma."""


class BadValueError(ValueError):
    """The text of a cell does not fit its field; says what would fit."""


def read_number(text: str, field: ModuleField, rule: Rule, decimal: str | None) -> Decimal | float:
    """The number of one field. `(5)` and `5-` are negative, as books have it. BadValueError.

    `decimal` is the sign before the fraction; None takes the point, and no thousands are parted.
    """
    for character in rule.remove:
        text = text.replace(character, "")
    found = _decimal(text.strip(), field, decimal)
    if rule.scale is not None:
        found *= rule.scale
    if field.kind is Kind.DECIMAL:
        return found
    if field.kind is Kind.FRACTION:
        if not 0 <= found <= 1:
            raise BadValueError("is not a number from 0 to 1")
        return float(found)
    maximum = field.maximum or _LARGEST_INTEGER
    if not 0 <= found <= maximum:
        raise BadValueError(f"is not a whole number from 0 to {maximum}")
    if field.rounded:
        found = found.quantize(Decimal(1), ROUND_HALF_UP)
    if found != found.to_integral_value():
        raise BadValueError(f"is not a whole number from 0 to {maximum}")
    return int(found)


def _decimal(text: str, field: ModuleField, decimal: str | None) -> Decimal:
    negative, digits = _sign(text)
    if decimal is not None:
        digits = _with_point(digits, decimal)
    try:
        found = Decimal(digits)
    except InvalidOperation:
        comma = decimal is None and re.search(r"\d,\d", digits)
        hint = "; say what its comma means by `decimal` in the mapping" if comma else ""
        raise BadValueError(f"is not a {field.kind.value}{hint}") from None
    if (
        not found.is_finite()
        or abs(found.adjusted()) > _DIGITS
        or len(found.as_tuple().digits) > _DIGITS
    ):
        raise BadValueError(f"is not a {field.kind.value}")
    return -found if negative else found


def _sign(text: str) -> tuple[bool, str]:
    """(negative in the manner of books, the rest)."""
    text = text.replace("\N{MINUS SIGN}", "-")
    inner = text[1:-1].strip() if text.startswith("(") and text.endswith(")") else None
    if inner is None and len(text) > 1 and text.endswith("-"):
        inner = text[:-1].strip()
    if inner is None or (not inner[:1].isdigit() and inner[:1] not in (".", ",")):
        return False, text
    return True, inner


def _with_point(text: str, decimal: str) -> str:
    """`1.234,56` as `1234.56`. What parts thousands must part thousands, else nothing is changed:
    a comma where the point was meant would make a hundred times as much of a number."""
    other = "," if decimal == "." else "."
    whole, sign, fraction = _BLANKS.sub("", text).partition(decimal)
    if other in whole and not re.fullmatch(rf"[-+]?\d{{1,3}}({re.escape(other)}\d{{3}})+", whole):
        return "not a number"
    return whole.replace(other, "") + ("." + fraction if sign else "")
