"""Fixtures that tests of several rooms ask for by name."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, Interceptor
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.local import namespace
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.temporal.failures import DATA_CONVERTER
from account_reviews.temporal.schedules.entries import listed
from tests.support.connecting import Connect
from tests.support.forks import Forks
from tests.support.portfolio_cluster import PortfolioCluster
from tests.support.schedules import Place
from tests.support.world import World, make_world


@pytest.fixture(scope="session")
def forks(session_dir: Path) -> Iterator[Forks]:
    """Runs commands without their imports."""
    forks = Forks(session_dir)
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def portfolio_cluster(session_dir: Path, forks: Forks) -> PortfolioCluster:
    """The sample portfolio as of 2026-10-01, to begin with."""
    return PortfolioCluster(session_dir / "portfolio", forks)


@pytest.fixture
def world(client: Client, engine: AsyncEngine) -> World:
    """A world of its own for each test."""
    return make_world(client, engine)


@pytest.fixture
async def own_client(client: Client, temporal_server: TemporalServer) -> Client:
    """A client of a namespace in which nobody else has schedules."""
    name = f"halts-{uuid4().hex[:8]}"
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name, workflow_execution_retention_period=Duration(seconds=30 * 86_400)
        )
    )
    found = await Client.connect(
        temporal_server.address, namespace=name, data_converter=DATA_CONVERTER
    )
    await namespace.prepare(found)
    return found


@pytest.fixture
async def parts(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    temporal_server: TemporalServer,
    own_client: Client,
    database_url: str,
) -> AsyncIterator[Parts]:
    """What a command works with, for a tenant that nobody has stopped."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", own_client.namespace)
    settings = Settings.load(
        data_dir=tmp_path, database_url=database_url, tenant=f"t-{uuid4().hex[:8]}"
    )
    async with open_parts(settings, application="tests") as parts:
        yield parts


@pytest.fixture
async def place(client: Client, engine: AsyncEngine) -> AsyncIterator[Place]:
    """An empty tenant; whatever it has left is deleted, so that nothing fires later."""
    place = Place(client, ScheduleRunStore(engine), engine)
    yield place
    gate = asyncio.Semaphore(32)

    async def delete(name: str) -> None:
        async with gate:
            try:
                await client.get_schedule_handle(place.builder.server_id(name)).delete()
            except RPCError as error:  # deleted by the test; lists follow a little later
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise

    await asyncio.gather(*(delete(name) for name in await listed(client, place.tenant)))


@pytest.fixture
def connected(temporal_server: TemporalServer) -> Connect:
    """Connects with one interceptor."""

    async def connect(interceptor: Interceptor) -> Client:
        return await Client.connect(
            temporal_server.address,
            data_converter=DATA_CONVERTER,
            interceptors=[interceptor],
        )

    return connect
