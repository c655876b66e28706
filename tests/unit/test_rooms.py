"""The layout holds: imports go downwards, without circles, and every folder says what it is for."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tests.support.paths import ROOT

PACKAGES = ("workflows", "activities", "account_reviews")
ABOVE_WORKER = {"account_reviews.cli"}
ABOVE_STARTER = {
    "worker",
    *(
        f"account_reviews.{room}"
        for room in ("cli", "demo", "runtime", "upkeep", "web", "services")
    ),
}
WITHOUT_CODE = {"sql", "templates", "__pycache__"}


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def imported() -> Iterator[tuple[str, str]]:
    for module in sorted(graph().modules):
        for other in sorted(graph().find_modules_directly_imported_by(module)):
            yield module, other


def in_order(edges: dict[str, set[str]]) -> list[str]:
    try:
        return [*TopologicalSorter(edges).static_order()]
    except CycleError as error:
        pytest.fail(f"these import in a circle: {' -> '.join(error.args[1])}")


def test_no_file_imports_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for module, other in imported():
        edges.setdefault(module, set()).add(other)
    assert len(in_order(edges)) > 200


def test_no_rooms_import_in_a_circle() -> None:
    """In each folder, what lies beside each other: files and folders with all that is in them."""
    folders = {module.rpartition(".")[0] for module in graph().modules}
    for folder in folders:
        inside = f"{folder}." if folder else ""
        edges: dict[str, set[str]] = {}
        for module, other in imported():
            if module.startswith(inside) and other.startswith(inside):
                one, another = (
                    name.removeprefix(inside).partition(".")[0] for name in (module, other)
                )
                # account_reviews lies beside workflows and activities, but its rooms lie
                # above and below them: the layers in pyproject.toml hold that.
                if one != another and folder:
                    edges.setdefault(one, set()).add(another)
        in_order(edges)


def imports_of(path: Path) -> set[str]:
    """What a file imports wherever it does, but under its `__main__` guard."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [part for part in tree.body if not _is_guard(part)]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _is_guard(part: ast.stmt) -> bool:
    return isinstance(part, ast.If) and "__main__" in ast.unparse(part.test)


@pytest.mark.parametrize(("name", "above"), [("worker", ABOVE_WORKER), ("starter", ABOVE_STARTER)])
def test_worker_and_starter_have_their_floor(name: str, above: set[str]) -> None:
    def is_above(module: str) -> bool:
        return any(module == one or module.startswith(f"{one}.") for one in above)

    assert not {one for one in imports_of(ROOT / f"{name}.py") if is_above(one)}
    for path in (*ROOT.glob("*.py"), *(p for one in PACKAGES for p in (ROOT / one).rglob("*.py"))):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if name in imports_of(path):
            assert is_above(module), f"{module} is below {name}.py and imports it"


def block() -> dict[str, str]:
    """Path -> sentence, from the layout block of docs/design.md."""
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    lines = re.search(r"## Layout\n+```\n(.*?)```", text, re.DOTALL)
    assert lines is not None
    found: dict[str, str] = {}
    path: list[str] = []
    for line in lines[1].splitlines():
        name, _, sentence = line.strip().partition(" ")
        depth = (len(line) - len(line.lstrip())) // 2
        path = [*path[:depth], name.rstrip("/")]
        found["/".join(path)] = sentence.strip()
    return found


def folders() -> Iterator[Path]:
    for package in PACKAGES:
        for path in (ROOT / package, *sorted((ROOT / package).rglob("*"))):
            parts = path.relative_to(ROOT).parts
            hidden = any(part.startswith(".") for part in parts)
            if not hidden and not WITHOUT_CODE & {*parts} and [*path.glob("*.py")]:
                yield path


def test_the_layout_block_names_every_folder_by_its_docstring() -> None:
    said = {
        path.relative_to(ROOT).as_posix(): ast.get_docstring(
            ast.parse((path / "__init__.py").read_text(encoding="utf-8"))
        )
        for path in folders()
    }
    assert all(sentence and "\n" not in sentence for sentence in said.values()), said
    others = {path: sentence for path, sentence in block().items() if path not in said}
    assert {path: sentence for path, sentence in block().items() if path in said} == said
    assert all((ROOT / path).exists() for path in others), others


def test_tests_share_modules_and_lie_as_the_rooms_they_test() -> None:
    package = ROOT / "account_reviews"
    rooms = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_dir()}
    for path in (ROOT / "tests").rglob("*.py"):
        where = path.relative_to(ROOT / "tests")
        shared = {
            name for name in imports_of(path) if re.match(r"tests\..*(conftest|\.test_)", name)
        }
        assert not shared, f"{where} imports {shared}: what tests share stands in tests/support"
        if where.parts[0] in ("unit", "integration") and path.name.startswith("test_"):
            room = "/".join(where.parts[1:-1])
            assert room in rooms | {"", "deploy", "support"}, f"{where} mirrors no room"
