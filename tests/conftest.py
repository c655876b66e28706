"""Shared fixtures: one PostgreSQL, one Temporal dev server per session, no network beyond them."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.local.temporal_server import DYNAMIC_CONFIG, TUNED_SERVER, TemporalServer
from account_reviews.runtime.garbage_collection import collect_seldom
from account_reviews.temporal.failures import DATA_CONVERTER
from tests.support import databases, network
from tests.support import session_dir as directories
from tests.support.connections import close_all

pytest_plugins = ["tests.support.failures", "tests.support.fixtures"]

TESTS = Path(__file__).parent
SERVERS = frozenset({"temporal_server", "stack", "reviews", "dev"})
"""Fixtures that start a Temporal server, each in whatever file defines it."""
LONGEST_FIRST = (
    *("acceptance/test_docs.py", "acceptance/test_dev.py", "acceptance/test_kill.py"),
    *("acceptance", "workflows", "integration"),
)
"""Files and folders of tests that begin before all others."""
_TEMPLATE = "reviews_template"
_CLUSTER = pytest.StashKey[EmbeddedPostgres]()
_numbers = count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--crm-backend` runs the contract of CRMs alone, for a CRM of somebody else."""
    said = "a CRM to hold against tests/contract: module:factory, see docs/backends.md"
    parser.addoption("--crm-backend", metavar="MODULE:FACTORY", help=said)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--crm-backend` nothing else is collected."""
    if config.getoption("--crm-backend") and collection_path.name.startswith("test_"):
        return None if collection_path.match("tests/contract/test_crm_*.py") else True
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Tests see no settings of the machine, above all no address of a real server."""
    # Several processes take files in the order of the session, not those of many tests first.
    config.option.loadscopereorder = False
    for name in list(os.environ):
        if name.startswith(("REVIEWS_", "TEMPORAL_")) and name != "TEMPORAL_CLI_PATH":
            del os.environ[name]
    collect_seldom()  # a session holds all tests: each look for garbage would go through them
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
    os.environ |= {"REVIEWS_LOCALE": "en_GB", "REVIEWS_TIME_ZONE": "UTC"}
    # What a shell runs in the background ignores Ctrl-C, and so would the commands of the tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    network.block()
    # A machine that is busy with something else makes no test fail.
    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("busy")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what has its Temporal server from a fixture; tests that start one say so themselves.

    What takes long begins first, so that several processes end together.
    """
    items.sort(key=_turn)
    for item in items:
        if not SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("temporal")


def _turn(item: pytest.Item) -> int:
    place = item.path.relative_to(TESTS) if item.path.is_relative_to(TESTS) else item.path
    turns = (number for number, first in enumerate(LONGEST_FIRST) if place.is_relative_to(first))
    return next(turns, len(LONGEST_FIRST))


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Fail a test that tried to leave this machine, also when the code under test hid the error."""
    network.attempts.clear()
    yield
    assert not network.attempts, f"the test tried to reach {network.attempts}"


@pytest.fixture(scope="session")
def session_dir() -> Iterator[Path]:
    """What tests of all files share: a directory with a short path that every user can enter."""
    with directories.session_dir(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) as path:
        yield path


@pytest.fixture(scope="module")
def short_dir(session_dir: Path) -> Iterator[Path]:
    """The directory of one file's tests, for sockets and clusters. It goes with the file."""
    path = session_dir / str(next(_numbers))
    path.mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(session_dir: Path, pytestconfig: pytest.Config) -> Iterator[EmbeddedPostgres]:
    """The cluster of this session. It does not sync to disk."""
    cluster = EmbeddedPostgres(session_dir / "cluster", durable=False)
    cluster.start()
    pytestconfig.stash[_CLUSTER] = cluster
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module", autouse=True)
def no_databases_left(pytestconfig: pytest.Config) -> Iterator[None]:
    """The databases of one file's tests go with the file: they are in memory."""
    yield
    if _CLUSTER in pytestconfig.stash:
        databases.drop_all(pytestconfig.stash[_CLUSTER], keep=_TEMPLATE)


@pytest.fixture(scope="session")
async def template_database(postgres: EmbeddedPostgres) -> str:
    """The name of a migrated database without rows; nobody connects to it."""
    from account_reviews.store.database import create_engine
    from account_reviews.store.migration import AUDIT, upgrade

    postgres.create_database(_TEMPLATE)
    engine = create_engine(postgres.url(_TEMPLATE), application_name="tests")
    try:
        await upgrade(engine)
        await upgrade(engine, AUDIT)
    finally:
        await engine.dispose()
    return _TEMPLATE


@pytest.fixture(scope="module")
def database_url(postgres: EmbeddedPostgres, template_database: str) -> str:
    """A fresh migrated database for this test module."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(name, template=template_database)
    return postgres.url(name)


@pytest.fixture(scope="module")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on `database_url`."""
    from account_reviews.store.database import create_engine

    engine = create_engine(database_url, application_name="tests")
    yield engine
    await close_all()
    await engine.dispose()


@pytest.fixture(scope="session")
async def temporal_server() -> AsyncIterator[TemporalServer]:
    """A dev server in memory with our search attributes; it can skip time and pause workflows."""
    server = TemporalServer(
        ui=False,
        settings=TUNED_SERVER._replace(
            dynamic_config={
                **DYNAMIC_CONFIG,
                "frontend.WorkflowTimeSkippingEnabled": "true",
                "frontend.WorkflowPauseEnabled": "true",
            }
        ),
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def client(temporal_server: TemporalServer) -> Client:
    """A client of `temporal_server` with the converter of the product: failures are short."""
    return await Client.connect(temporal_server.address, data_converter=DATA_CONVERTER)


@pytest.fixture
def task_queue() -> str:
    """A task queue that no other test uses."""
    return f"test-{uuid4().hex[:12]}"
