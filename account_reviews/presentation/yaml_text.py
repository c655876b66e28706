"""A JSON document as YAML: the same keys and values, easier on the eye."""

import json
from typing import Any, Final

import yaml

from account_reviews.domain.characters import escaped_in_json

_WIDEST: Final = 10_000
"""Columns of a line: texts are not folded."""


def as_yaml(text: str, encoding: str | None = None) -> str:
    """JSON text as one YAML document. What a terminal would obey, or cannot show, is escaped."""
    document = json.loads(text)
    shown = _dumped(document, as_it_is=True)
    if escaped_in_json(shown, encoding) != shown:
        shown = _dumped(document, as_it_is=False)
    return shown.removesuffix("\n").removesuffix("\n...")


def _dumped(document: Any, *, as_it_is: bool) -> str:
    return yaml.safe_dump(
        document, sort_keys=False, allow_unicode=as_it_is, width=_WIDEST, explicit_start=True
    )
