"""The parts of a process, on a database and a namespace of their own."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.local import namespace
from account_reviews.local.temporal_server import TemporalServer


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
        temporal_server.address, namespace=name, data_converter=pydantic_data_converter
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
