"""What the environment says of whoever reads: language, time zone and labels of fields."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from account_reviews.domain.errors import BadInputError

_LOCALES: Final = ("LC_ALL", "LC_TIME", "LANG")
_MACHINE: Final = Path("/etc/localtime")


@dataclass(frozen=True)
class MappingWords:
    """What a mapping file of a CRM says for people: field -> label, and its currency."""

    labels: Mapping[str, str] = field(default_factory=dict)
    currency: str | None = None


def locale_names() -> Iterator[str]:
    """Names of locales in the order in which they count, without encoding: "de_AT"."""
    for variable in _LOCALES:
        name = os.environ.get(variable, "").partition(".")[0].partition("@")[0]
        if name and name not in ("C", "POSIX"):
            yield name


def zone_names() -> Iterator[str]:
    """IANA names of the machine's time zone, the most wanted first."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if name:
        yield name
    try:
        yield str(_MACHINE.readlink()).partition("zoneinfo/")[2] or "UTC"
    except OSError:
        return


def known_zone(name: str, variable: str) -> str:
    """The name of a time zone. BadInputError names the variable that has another one."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, KeyError):
        raise BadInputError(
            f"{variable} is {name!r}, which is no time zone", hint="write it like Europe/Berlin"
        ) from None


def mapping_words(path: Path | None) -> MappingWords:
    """Labels and currency of a mapping file. What is wrong with the file is said elsewhere."""
    if path is None:
        return MappingWords()
    import yaml

    from account_reviews.domain.money import is_currency

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return MappingWords()
    if not isinstance(document, dict):
        return MappingWords()
    labels: dict[str, str] = {}
    modules = document.get("modules")
    for module in modules if isinstance(modules, list) else ():
        fields = module.get("fields") if isinstance(module, dict) else None
        for name, rule in fields.items() if isinstance(fields, dict) else ():
            label = rule.get("label") if isinstance(rule, dict) else None
            if isinstance(label, str) and label.strip():
                labels.setdefault(str(name).removeprefix("custom."), label.strip())
    currency = document.get("currency")
    known = isinstance(currency, str) and is_currency(currency)
    return MappingWords(labels, currency if known else None)
