"""A client of a service, with what all workers share of it."""

from collections.abc import Callable

import httpx2

from account_reviews.crm.http.answers import Raw, wait_of
from account_reviews.crm.http.breaker import LocalBreaker
from account_reviews.crm.http.budget import LocalBudget
from account_reviews.crm.http.client import SECONDS, ApiClient
from account_reviews.crm.http.limits import Limits
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
    """It is closed with the context. No connection is made yet."""
    client = ApiClient(
        service=service,
        tokens=tokens,
        budget=LocalBudget(limits),
        breaker=LocalBreaker(service),
        http=http,
        timeout=SECONDS,
        wait=wait,
    )
    context.closing.push_async_callback(client.close)
    return client
