"""Credits of a rolling window, and how many calls may be under way."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass
class Limits:
    """What the org may use."""

    credits: int = 50_000
    window_s: float = 86_400
    concurrency: int = 10
    used: int = 0
    refused_credits: int = 0
    refused_concurrency: int = 0
    _spent: deque[tuple[datetime, int]] = field(default_factory=deque)

    def spend(self, credits: int, now: datetime) -> bool:
        """Take them; False when there are not so many left."""
        oldest = now - timedelta(seconds=self.window_s)
        while self._spent and self._spent[0][0] <= oldest:
            self.used -= self._spent.popleft()[1]
        if self.used + credits > self.credits:
            self.refused_credits += 1
            return False
        self.used += credits
        self._spent.append((now, credits))
        return True

    def headers(self) -> dict[str, str]:
        """What is told of them: nothing before half is used."""
        if self.used * 2 < self.credits:
            return {}
        return {"X-API-CREDITS-REMAINING": str(self.credits - self.used)}
