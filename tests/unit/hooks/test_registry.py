"""What cannot be a hook is refused in one sentence; what can be is found."""

import asyncio
import importlib.metadata
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from account_reviews.domain.errors import BadInputError
from account_reviews.hooks import registry
from account_reviews.hooks.events import HookName
from account_reviews.hooks.registry import hook_of, load
from tests.support.hooks import event

MODULE = """
import functools, asyncio

def one(event): return ("one", event)
async def two(event): return ("two", event)
partial = functools.partial(one)
NUMBER = 7

class Several:
    def session_start(self, event): return "start"
    async def session_end(self, event): return "end"
    def other(self): ...

class Called:
    def __call__(self, event): return "called"

class Deep:
    inner = Several()

class Needy:
    def __init__(self, url): ...

class Mistyped:
    def session_begin(self, event): ...

def none(): ...
def many(event, other): ...
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "ours_for_hooks.py").write_text(MODULE)
    (tmp_path / "broken_for_hooks.py").write_text("import json\njson.nothing\n")
    (tmp_path / "needs_for_hooks.py").write_text("import not_there_at_all\n")
    (tmp_path / "exits_for_hooks.py").write_text("raise SystemExit('bye')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [one for one in sys.modules if one.endswith("_for_hooks")]:
        del sys.modules[name]


@pytest.mark.usefixtures("modules")
def test_callables_and_objects_are_found_in_order() -> None:
    found = load(" ours_for_hooks:one, ours_for_hooks:two,,ours_for_hooks:Deep.inner")
    assert [hook.name for hook in found] == [
        "ours_for_hooks:one", "ours_for_hooks:two", "ours_for_hooks:Deep.inner",
    ]  # fmt: skip
    one, two, deep = found
    assert set(one.calls) == set(two.calls) == set(HookName)
    assert one.calls[HookName.PRE_TASK](event())[0] == "one"
    assert asyncio.run(two.calls[HookName.POST_TASK](event()))[0] == "two"
    assert set(deep.calls) == {HookName.SESSION_START, HookName.SESSION_END}
    assert deep.calls[HookName.SESSION_START](event()) == "start"


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("name", "hooks"), [("Several", 2), ("Called", len(HookName)), ("partial", len(HookName))]
)
def test_a_class_is_made_and_an_object_may_be_called(name: str, hooks: int) -> None:
    (found,) = load(f"ours_for_hooks:{name}")
    assert len(found.calls) == hooks


@pytest.mark.parametrize("nothing", [None, "", " , "])
def test_nothing_is_no_hook(nothing: str | None) -> None:
    assert load(nothing) == []


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("ours_for_hooks", "must be module:callable"),
        (":one", "must be module:callable"),
        ("ours_for_hooks:", "must be module:callable"),
        ("nowhere_at_all:one", "No module named 'nowhere_at_all'"),
        ("needs_for_hooks:one", "No module named 'not_there_at_all'"),
        ("broken_for_hooks:one", "has no attribute 'nothing'"),
        ("exits_for_hooks:one", "SystemExit: bye"),
        ("ours_for_hooks:missing", "has no attribute 'missing'"),
        ("ours_for_hooks:NUMBER", "not callable and has no method named like a hook"),
        ("ours_for_hooks:Mistyped", "not callable and has no method named like a hook"),
        ("ours_for_hooks:Needy", "missing 1 required positional argument: 'url'"),
        ("ours_for_hooks:none", "does not take one event"),
        ("ours_for_hooks:many", "does not take one event"),
        ("..:one", "cannot be imported"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(setting: str, why: str) -> None:
    with pytest.raises(BadInputError) as caught:
        load(f"ours_for_hooks:one,{setting}" if setting != "ours_for_hooks" else setting)
    assert why in caught.value.message
    assert f"REVIEWS_HOOKS names {setting!r}" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("modules")
def test_entry_points_are_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [
        EntryPoint("zeta", "ours_for_hooks:two", registry.GROUP),
        EntryPoint("alpha", "ours_for_hooks:Several", registry.GROUP),
        EntryPoint("theirs", "nowhere_at_all:one", "another.group"),
    ]

    def entry_points(*, group: str) -> EntryPoints:
        return EntryPoints(offered).select(group=group)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert [hook.name for hook in load("ours_for_hooks:one")] == [
        "ours_for_hooks:one", "alpha", "zeta",
    ]  # fmt: skip
    offered.append(EntryPoint("bad", "nowhere_at_all:one", registry.GROUP))
    with pytest.raises(BadInputError, match="the entry point 'bad' of account_reviews"):
        load(None)


def test_an_installed_distribution_offers_its_hook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip leaves it: a module and the metadata beside it."""
    (tmp_path / "installed_for_hooks.py").write_text("def hook(event): ...\n")
    metadata = tmp_path / "their_hooks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-hooks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[account_reviews.hooks]\naudit-bot = installed_for_hooks:hook\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert [hook.name for hook in load(None)] == ["audit-bot"]


def test_in_code_what_is_no_hook_is_refused_too() -> None:
    with pytest.raises(BadInputError, match="the hook 'mine' is 7, which is not callable"):
        hook_of(7, "mine")
