"""Hooks for a worker process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from temporalio.client import Client

from account_reviews.domain.audit.redaction import rules_of
from account_reviews.domain.policy.model import Policy
from account_reviews.hooks.activity_interceptor import HookInterceptor
from account_reviews.hooks.dispatcher import CLOSING_SECONDS, TIMEOUT_SECONDS, Lanes
from account_reviews.hooks.registry import Hook
from account_reviews.hooks.review_lifecycle import Sessions

_LOOKING_UP_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Hooked:
    """What a worker is given: the interceptor for its list, the observer for the tap."""

    interceptor: HookInterceptor
    observer: Sessions


@asynccontextmanager
async def hooked(
    hooks: Sequence[Hook],
    client: Client,
    policy: Policy,
    *,
    tenant: str,
    call_seconds: float = TIMEOUT_SECONDS,
) -> AsyncIterator[Hooked]:
    """Call `hooks` (of `load`, or `hook_of` in code) until the end, which they may take 2 s for.

    `call_seconds` is the most one call of one hook may take.
    """
    lanes = Lanes(hooks, timeout=call_seconds)
    sessions = Sessions(lanes, client)
    try:
        yield Hooked(HookInterceptor(lanes, sessions, tenant, rules_of(policy)), sessions)
    finally:
        await sessions.close(_LOOKING_UP_SECONDS)
        await asyncio.to_thread(lanes.close, CLOSING_SECONDS)
