"""A client of a service, with what all workers share of it."""

from collections.abc import Callable

import httpx2

from account_reviews.crm.http.answers import Raw, wait_of
from account_reviews.crm.http.client import ApiClient
from account_reviews.crm.http.limits import Limits
from account_reviews.crm.http.shared_breaker import SharedBreaker
from account_reviews.crm.http.shared_budget import SharedBudget
from account_reviews.crm.http.tokens import TokenSource
from account_reviews.crm.registry import CrmContext


def open_api_client(
    context: CrmContext,
    *,
    service: str,
    tokens: TokenSource,
    limits: Limits,
    http: httpx2.AsyncClient | None = None,
    wait: Callable[[Raw], float | None] = wait_of,
) -> ApiClient:
    """It is closed with the context. No connection is made yet. BadInputError for settings that
    do not fit."""
    settings = context.settings
    seconds = settings.api_timeout()
    client = ApiClient(
        service=service,
        tokens=tokens,
        budget=SharedBudget(context.engine, service=service, limits=limits, timeout=seconds),
        breaker=SharedBreaker(
            context.engine, service=service, key=limits.key, rules=settings.breaker_rules()
        ),
        http=http,
        timeout=seconds,
        wait=wait,
    )
    context.closing.push_async_callback(client.close)
    return client
