"""What a run tells of a failure: at once, for it may be ended before its summary, and all of it.

Of a test that takes too long that is what each task of the session was waiting for. Without it the
traceback ends in the event loop, which waits for whatever comes.
"""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator

import pytest

_LOOP = pytest.StashKey[asyncio.AbstractEventLoop]()
_TOO_LONG = "Timeout (>"
"""What pytest-timeout says of a test that it ends."""


@pytest.fixture(scope="session", autouse=True)
async def loop_of_the_session(pytestconfig: pytest.Config) -> AsyncIterator[None]:
    """Remember the loop that runs the tests: only its tasks are of interest."""
    pytestconfig.stash[_LOOP] = asyncio.get_running_loop()
    yield
    del pytestconfig.stash[_LOOP]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the tasks to the report of a test that took too long."""
    report = yield
    if (
        call.excinfo is not None
        and _TOO_LONG in str(call.excinfo.value)
        and _LOOP in item.config.stash
    ):
        report.sections.append(("Tasks", tasks_of(item.config.stash[_LOOP])))
    return report


def tasks_of(loop: asyncio.AbstractEventLoop) -> str:
    """For each task that has not ended its name and where it waits, the innermost call last."""
    return "\n".join(
        "\n".join((task.get_name(), *_calls(task.get_coro()))) for task in asyncio.all_tasks(loop)
    )


def _calls(waiting: object) -> Iterator[str]:
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        yield f"  {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        waiting = getattr(waiting, "cr_await", None)


def pytest_configure(config: pytest.Config) -> None:
    """Tell failures at once where several processes test: one alone ends with its summary."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(ToldAtOnce(config))


class ToldAtOnce:
    """Writes each failure to the terminal when it is known."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if not report.failed or terminal is None:
            return
        terminal.ensure_newline()
        terminal.write_sep("_", f"{report.nodeid}, {report.when}")
        terminal.write_line(report.longreprtext)
        for name, text in report.sections:
            terminal.write_sep("-", name)
            terminal.write_line(text)
