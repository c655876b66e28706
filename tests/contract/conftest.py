"""The CRM under contract: each of ours, or the one that `--crm-backend` names."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.support.crm_contract import Held
from tests.support.crm_worlds import BUILT_IN, CrmWorld, named_factory


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run of each test per CRM."""
    if "held" in metafunc.fixturenames:
        named = metafunc.config.getoption("--crm-backend")
        metafunc.parametrize("world_name", [named] if named else sorted(BUILT_IN))


@pytest.fixture
def world(world_name: str, request: pytest.FixtureRequest) -> AbstractAsyncContextManager[CrmWorld]:
    """A CRM and its world, with the fixtures it names in `fixtures`."""
    factory: Any = BUILT_IN.get(world_name) or named_factory(world_name)
    needed = {name: request.getfixturevalue(name) for name in getattr(factory, "fixtures", ())}
    made: AbstractAsyncContextManager[CrmWorld] = factory(**needed)
    return made


@pytest.fixture
async def held(world: AbstractAsyncContextManager[CrmWorld]) -> AsyncIterator[Held]:
    """A CRM that can be filled."""
    async with world as opened:
        yield Held(opened)
