"""Long SQL stands in `.sql` files beside the modules that run it."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from account_reviews.store.sql_files import read_sql
from tests.support.paths import ROOT

MOST_LINES = 3
"""Of a statement in Python."""
WIDEST = 100
BEGINNING = re.compile(r"\s*\(*\s*(select|insert|update|delete|with)\b", re.IGNORECASE)


def modules() -> Iterator[tuple[str, str]]:
    """(path below the root, code) of every module but migrations."""
    for path in sorted((ROOT / "account_reviews").rglob("*.py")):
        if "migrations" not in path.parts:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def sql_files() -> list[Path]:
    return sorted((ROOT / "account_reviews").rglob("*.sql"))


def beginning(node: ast.AST) -> str:
    """What a string expression begins with; empty for anything else."""
    match node:
        case ast.Constant(value=str(said)):
            return said
        case ast.JoinedStr(values=[first, *_]):
            return beginning(first)
        case ast.BinOp(left=left, op=ast.Add()):
            return beginning(left)
    return ""


def long_statements(code: str) -> list[int]:
    """The lines at which a statement begins that spans too many."""
    nodes = list(ast.walk(ast.parse(code)))
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    found = {
        node.lineno
        for node in nodes
        if isinstance(node, ast.expr)
        and id(node) not in prose
        and BEGINNING.match(beginning(node))
        and (node.end_lineno or node.lineno) - node.lineno >= MOST_LINES
    }
    return sorted(found)


def nested(code: str) -> list[int]:
    """The lines of f-strings that hold another one. A format after `:` is none."""
    return [
        outer.lineno
        for outer in ast.walk(ast.parse(code))
        if isinstance(outer, ast.JoinedStr)
        for part in outer.values
        if isinstance(part, ast.FormattedValue)
        and any(isinstance(inner, ast.JoinedStr) for inner in ast.walk(part.value))
    ]


def reads() -> Iterator[tuple[str, str, str]]:
    """(module, package, name) of every file of SQL that is read."""
    for path, code in modules():
        for node in ast.walk(ast.parse(code)) if "read_sql(" in code else ():
            match node:
                case ast.Call(func=ast.Name(id="read_sql"), args=[package, name]):
                    yield path, ast.literal_eval(package), ast.literal_eval(name)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('q = (\n"select a "\n"from b "\n"where c"\n)', []),
        ('q = (\n"select a "\n"from b "\n"where c "\n"order by d"\n)', [2]),
        ('q = (\nf"WITH a AS ({b}) "\n"select a "\n"from b "\n"where c"\n)', [2]),
        ('q = "insert into a " + (\n"(b) "\n"values "\n"(c)"\n)', [1]),
        ('q = """\n(select a\nfrom b)\nunion ..."""', [1]),
        ('def f():\n    """Update the row.\n\n    Gives\n    it.\n    """', []),
    ],
)
def test_long_statements_are_found(code: str, found: list[int]) -> None:
    assert long_statements(code) == found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x = f'{a:{width}} {b!r:>9}' + f'{c}'", []),
        ("x = 1\ny = f\"{', '.join(f':{c}' for c in d)}\"", [2]),
    ],
)
def test_nested_f_strings_are_found(code: str, found: list[int]) -> None:
    assert nested(code) == found


def test_statements_in_python_are_short() -> None:
    found = {path: long_statements(code) for path, code in modules()}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_no_f_string_holds_another() -> None:
    found = {path: nested(code) for path, code in modules()}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_every_file_is_read_by_a_module_beside_it() -> None:
    read = set()
    for path, package, name in reads():
        beside = (ROOT / path).parent
        assert beside == ROOT.joinpath(*package.split(".")), path
        file = beside / name if beside.name == "sql" else beside / "sql" / name
        assert read_sql(package, name) == file.read_text(encoding="utf-8")
        read.add(file)
    assert sorted(read) == sql_files()


def test_files_are_tidy() -> None:
    for path in sql_files():
        lines = path.read_text(encoding="utf-8").split("\n")
        assert lines[0], path
        assert lines[-1] == "", path
        assert all(any(pair) for pair in pairwise(lines)), path
        assert all(line == line.rstrip() and "\t" not in line for line in lines), path
        assert max(map(len, lines)) <= WIDEST, path


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(FileNotFoundError):
        read_sql("account_reviews.store", "nothing.sql")
