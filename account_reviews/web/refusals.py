"""Who was turned away, for log and trail: whoever tries a million times fills neither."""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from account_reviews.bootstrap import Parts
from account_reviews.services.sign_ins import record_refusal

_EVERY: Final = 10.0
_MOST: Final = 10_000
"""Kinds that are counted apart; the next ones are counted together."""
_Kind = tuple[str, str, str, str]
"""Action, why, name, address."""
_log = logging.getLogger(__name__)


@dataclass
class Refused:
    """Counts what was refused of whom, and tells at once and then every 10 seconds."""

    parts: Parts
    _counted: Counter[_Kind] = field(default_factory=Counter)
    _told_at: dict[_Kind, float] = field(default_factory=dict)
    _waiting: dict[_Kind, asyncio.TimerHandle] = field(default_factory=dict)

    def note(self, action: str, why: str, *, name: str = "unknown", address: str = "") -> None:
        """One more. `why` is one of few sentences."""
        now = time.monotonic()
        if len(self._told_at) >= _MOST:
            self._told_at = {kind: at for kind, at in self._told_at.items() if now - at <= _EVERY}
        key = (action, why, name, address)
        if key not in self._told_at and len(self._told_at) >= _MOST:
            key = (action, why, "unknown", "")
        self._counted[key] += 1
        told = self._told_at.get(key)
        if told is None or now - told > _EVERY:
            self._tell(key)
        elif key not in self._waiting:
            loop = asyncio.get_running_loop()
            self._waiting[key] = loop.call_later(_EVERY - (now - told), self._tell, key)

    def close(self) -> None:
        """Tell what was not told yet."""
        for key in list(self._counted):
            self._tell(key)

    def _tell(self, key: _Kind) -> None:
        if (waiting := self._waiting.pop(key, None)) is not None:
            waiting.cancel()
        action, why, name, address = key
        count = self._counted.pop(key)
        self._told_at[key] = time.monotonic()
        _log.warning("%s refused %d times: %s", action, count, why)
        record_refusal(self.parts, action, why, name=name, count=count, address=address)
