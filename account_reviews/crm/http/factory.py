"""A client of a service, with what all workers share of it."""

from collections.abc import Callable

import httpx2

from account_reviews.config.settings import Settings
from account_reviews.crm.http.answers import Raw, wait_of
from account_reviews.crm.http.breaker import Breaker, BreakerRules
from account_reviews.crm.http.budget import BothBudgets, Budget
from account_reviews.crm.http.client import ApiClient
from account_reviews.crm.http.limits import Limits
from account_reviews.crm.http.shared_breaker import SharedBreaker
from account_reviews.crm.http.shared_budget import SharedBudget
from account_reviews.crm.http.tokens import TokenSource
from account_reviews.crm.registry import CrmContext
from account_reviews.domain.errors import BadInputError


def open_api_client(
    context: CrmContext,
    *,
    service: str,
    tokens: TokenSource,
    limits: Limits,
    http: httpx2.AsyncClient | None = None,
    wait: Callable[[Raw], float | None] = wait_of,
    lacks_right: Callable[[Raw], bool] = lambda _: False,
    within: ApiClient | None = None,
) -> ApiClient:
    """It is closed with the context. No connection is made yet. BadInputError for settings that
    do not fit.

    `within`: a client of the same service, whose budget these calls are part of and whose breaker
    is theirs; `limits`, of a key of their own, hold for them besides.
    """
    settings = context.settings
    seconds = settings.api_timeout
    budget: Budget = SharedBudget(context.engine, service=service, limits=limits, timeout=seconds)
    if within is None:
        rules = breaker_rules(settings)
        breaker: Breaker = SharedBreaker(
            context.engine, service=service, key=limits.key, rules=rules
        )
    else:
        budget, breaker = BothBudgets(budget, within.budget), within.breaker
    client = ApiClient(
        service=service,
        tokens=tokens,
        budget=budget,
        breaker=breaker,
        http=http,
        timeout=seconds,
        wait=wait,
        lacks_right=lacks_right,
    )
    context.closing.push_async_callback(client.close)
    return client


def breaker_rules(settings: Settings) -> BreakerRules:
    """As they are set. BadInputError when it could never close again."""
    if settings.breaker_successes > settings.breaker_trials:
        raise BadInputError(
            f"a breaker that closes after {settings.breaker_successes} answers lets only "
            f"{settings.breaker_trials} calls through",
            hint="set REVIEWS_BREAKER_SUCCESSES to at most REVIEWS_BREAKER_TRIALS",
        )
    return BreakerRules(
        failures=settings.breaker_failures,
        open_seconds=settings.breaker_open_seconds,
        trials=settings.breaker_trials,
        successes=settings.breaker_successes,
    )
