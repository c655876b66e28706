"""Clients with one interceptor, on the server of this session."""

from collections.abc import Awaitable, Callable

import pytest
from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter

from account_reviews.local.temporal_server import TemporalServer

Connect = Callable[[Interceptor], Awaitable[Client]]


@pytest.fixture
def connected(temporal_server: TemporalServer) -> Connect:
    """Connects with one interceptor."""

    async def connect(interceptor: Interceptor) -> Client:
        return await Client.connect(
            temporal_server.address,
            data_converter=pydantic_data_converter,
            interceptors=[interceptor],
        )

    return connect
