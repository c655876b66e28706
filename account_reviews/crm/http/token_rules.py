"""When a service may be asked for another token. Pure; times are those of the database.

Zoho gives ten in ten minutes for one refresh token, and then none until they are over. One token
is enough for its life, so two that were taken back early within ten minutes mean that somebody has
to look after the credentials.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from account_reviews.domain.errors import (
    CrmAuthError,
    CrmError,
    CrmRateLimitedError,
    CrmTokensRevokedError,
    CrmUnavailableError,
)

WINDOW: Final = timedelta(minutes=10)
_SERVICES_WINDOW: Final = WINDOW + timedelta(seconds=30)
"""It counts when a question arrives, we when it leaves."""
MOST_ASKED: Final = 10
MOST_TAKEN_BACK: Final = 2
MARGIN: Final = timedelta(minutes=1)
_LAST_MOMENT: Final = timedelta(seconds=10)
REFUSAL_HOLDS: Final = timedelta(minutes=1)
"""How long a refused credential is not shown again."""
_LONGEST_PAUSE: Final = 120.0


@dataclass(frozen=True)
class TokenRow:
    """The row as it stands; `token` is encrypted."""

    now: datetime
    token: bytes | None = None
    api_url: str | None = None
    expires_at: datetime | None = None
    asked_at: tuple[datetime, ...] = ()
    given_at: tuple[datetime, ...] = ()
    asking_until: datetime | None = None
    refusal: str | None = None
    """What was said of it, and in a second line what to do about it."""
    refused_at: datetime | None = None

    @property
    def usable_for(self) -> timedelta:
        """How long the token may be handed out; short-lived ones have a shorter margin."""
        if self.token is None or self.expires_at is None:
            return timedelta(0)
        life = self.expires_at - (self.given_at[-1] if self.given_at else self.now)
        return max(self.expires_at - min(MARGIN, life / 4) - self.now, timedelta(0))

    @property
    def lasts_for(self) -> timedelta:
        """How long it can still be used, to the last moment."""
        if self.token is None or self.expires_at is None:
            return timedelta(0)
        return max(self.expires_at - _LAST_MOMENT - self.now, timedelta(0))

    @property
    def is_being_asked(self) -> bool:
        """Some worker is at it."""
        return self.asking_until is not None and self.asking_until > self.now

    def recently_asked(self) -> tuple[datetime, ...]:
        """Within what the service counts."""
        return tuple(at for at in self.asked_at if at > self.now - _SERVICES_WINDOW)

    def recently_given(self) -> tuple[datetime, ...]:
        """Within ten minutes."""
        return tuple(at for at in self.given_at if at > self.now - WINDOW)


def why_not_ask(service: str, row: TokenRow, *, refused: bool) -> CrmError | None:
    """What stands against asking for a token now. `refused`: the one of the row is not taken."""
    if row.refused_at is not None and row.refused_at > row.now - REFUSAL_HOLDS:
        said, _, hint = (row.refusal or "").partition("\n")
        return CrmAuthError(said or f"{service} does not accept our credentials", hint=hint or None)
    given, asked = row.recently_given(), row.recently_asked()
    early = refused and row.expires_at is not None and row.expires_at > row.now
    if early and len(given) >= MOST_TAKEN_BACK:
        wait = (given[-MOST_TAKEN_BACK] + WINDOW - row.now).total_seconds()
        return CrmTokensRevokedError(
            f"{service} took back {len(given)} tokens within ten minutes: "
            "its credentials need somebody",
            retry_after=max(wait, 1.0),
            hint="see whether others use the same credentials, and connect anew",
        )
    if len(asked) >= MOST_ASKED:
        wait = (asked[-MOST_ASKED] + _SERVICES_WINDOW - row.now).total_seconds()
        return CrmRateLimitedError(
            f"{service} was asked for {len(asked)} tokens within ten minutes, and is not again",
            retry_after=max(wait, 1.0),
        )
    return _too_soon(service, row, asked, given)


def _too_soon(
    service: str, row: TokenRow, asked: tuple[datetime, ...], given: tuple[datetime, ...]
) -> CrmError | None:
    """After a question that was not answered the next one waits, longer each time."""
    failed = [at for at in asked if not given or at > given[-1]]
    if not failed:
        return None
    pause = min(5.0 * 2 ** (len(failed) - 1), _LONGEST_PAUSE)
    wait = (failed[-1] - row.now).total_seconds() + pause
    if wait <= 0:
        return None
    return CrmUnavailableError(
        f"{service} gave no token, and is asked for one again in {wait:.0f} s",
        retry_after=wait,
        sent=False,
    )
