"""How often what does not answer is asked again, and when it counts as away. Pure.

Three tries are one burst: 1 s after the first, then twice as long each time, up to a minute, each
up to a quarter longer by chance, so that many who failed together do not come back together. A wait
that the service names is kept as it is and is no try: a limit of its rate, or an open breaker. An
installation may set these numbers: `bursts_by` says which hold.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from account_reviews.domain.base import Model

TRIES: Final = 3
FIRST_SECONDS: Final = 1.0
FACTOR: Final = 2.0
LONGEST_SECONDS: Final = 60.0
SPREAD: Final = 0.25
"""A pause is longer by up to this share."""
OUTAGE_SECONDS: Final = 180.0
"""Of waiting for an open breaker, as long as three tries through one take: then it is an outage."""


@dataclass(frozen=True)
class BurstRules:
    """The numbers of an installation."""

    tries: int
    first_seconds: float
    factor: float
    longest_seconds: float
    spread: float


_rules: ContextVar[BurstRules | None] = ContextVar("burst_rules", default=None)


@contextmanager
def bursts_by(rules: BurstRules) -> Iterator[None]:
    """All inside goes by these."""
    token = _rules.set(rules)
    try:
        yield
    finally:
        _rules.reset(token)


def rules_now() -> BurstRules:
    """Those of the installation, else as described above."""
    return _rules.get() or BurstRules(TRIES, FIRST_SECONDS, FACTOR, LONGEST_SECONDS, SPREAD)


def pause(tries: int, chance: float) -> float:
    """Seconds until the next try after `tries` failed ones (at least 1); `chance` is 0 to 1."""
    rules = rules_now()
    longer = rules.first_seconds * rules.factor ** min(max(tries, 1) - 1, 32)
    return min(rules.longest_seconds, longer) * (1 + rules.spread * min(max(chance, 0.0), 1.0))


class Burst(Model):
    """What was tried so far of one burst."""

    tries: int = 0
    waited: float = 0.0
    """Seconds spent on waits for an open breaker."""

    def after_failure(self, retry_after: float | None) -> "Burst":
        """After one that failed; with `retry_after` nothing was tried, as a breaker was open."""
        if retry_after is None:
            return self.model_copy(update={"tries": self.tries + 1})
        return self.model_copy(update={"waited": self.waited + max(0.0, retry_after)})

    @property
    def is_over(self) -> bool:
        """The service is away: what stands in for it may be used."""
        return self.tries >= rules_now().tries or self.waited > OUTAGE_SECONDS
