"""Who is notified how, and what a notice may say: the table `[notifications]` of the policy."""

import re
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field

from account_reviews.domain.errors import PolicyError
from account_reviews.domain.person_names import person
from account_reviews.domain.policy.section import Section


class Channel(StrEnum):
    """How people can be notified."""

    CONSOLE = "console"
    EMAIL = "email"
    WEBHOOK = "webhook"


Named = Annotated[str, Field(strict=True, min_length=1, max_length=200)]


class Notifications(Section):
    """Who is notified how, and what a notice may say."""

    channels: tuple[Channel, ...] = ()
    """Empty: nobody is notified."""
    personal_data: Annotated[bool, Field(strict=True)] = False
    """Whether notices name people and the values of what is proposed."""
    digest: Literal["always", "news", "off"] = "always"
    """Whether the morning's digest is sent; `news`: not when there is nothing new."""
    time_zone: Named = "UTC"
    """In which deadlines are named, for everybody who is not in `time_zones`."""
    addresses: dict[Named, Named] = Field(default_factory=dict)
    """Name or owner id -> e-mail address; without one that of the owner in the CRM is used."""
    time_zones: dict[Named, Named] = Field(default_factory=dict)
    """Name or owner id -> zone."""

    def address_of(self, *names: str | None) -> str | None:
        """The e-mail address under the first of these names that has one."""
        return _under(self.addresses, names)

    def zone_of(self, *names: str | None) -> ZoneInfo:
        """The zone under the first of these names that has one, else that of everybody."""
        return ZoneInfo(_under(self.time_zones, names) or self.time_zone)


ADDRESS: Final = re.compile(
    r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,64}@[^\s@<>,;:\"()\\\x00-\x1f\x7f]{1,253}"
)
"""One address and nothing beside it: no second one, no line break, no header."""


def check_notifications(table: Notifications) -> None:
    """PolicyError for an address or a time zone that is none."""
    _check_zone("notifications.time_zone", table.time_zone)
    for name, zone in table.time_zones.items():
        _check_zone(f"notifications.time_zones.{name}", zone)
    for name, address in table.addresses.items():
        if not ADDRESS.fullmatch(address):
            key = f"notifications.addresses.{name}"
            raise PolicyError(
                f"{key} is {address!r}, but must be one e-mail address such as ann@example.com"
            )


def _check_zone(key: str, zone: str) -> None:
    if zone == "UTC":
        return
    zones = available_timezones() - {"localtime", "Factory"}
    if zone in zones:
        return
    close = get_close_matches(zone, zones, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise PolicyError(
        f"{key} is {zone!r}, but must be an IANA time zone such as Europe/Berlin{hint}"
    )


def _under(table: dict[str, str], names: tuple[str | None, ...]) -> str | None:
    """Names are compared as those of approvers are: neither case nor blanks make another one."""
    spelled = {person(name): value for name, value in table.items()}
    known = (spelled.get(person(name)) for name in names if name)
    return next((value for value in known if value), None)
