"""No error and no hint of ours loses a part to the masks; what is secret in one still does."""

import ast
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from account_reviews.domain.audit.masks import REDACTED, mask_secrets
from tests.support.paths import ROOT

FOLDERS = ("account_reviews", "activities", "workflows")
FILLINGS = ("ac-038", "8b7e5a4bb37b4d5a9cbb8d8e2cf7a1f0", "Fjord Optics", "7")
"""What stands in a template: an id, a generated decision id, a name, a number."""


def templates() -> Iterator[tuple[str, str]]:
    """Every text that an error is made of, with its place, filled in each way."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in texts_of(ast.parse(path.read_text(encoding="utf-8"))):
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                for filling in FILLINGS if isinstance(node, ast.JoinedStr) else ("",):
                    yield place, filled(node, filling)


def texts_of(tree: ast.AST) -> Iterator[ast.JoinedStr | ast.Constant]:
    """Texts of raised errors, of hints, of `fail` and of constants that are named as hints."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            yield from strings_of(node.exc)
        elif isinstance(node, ast.Call) and named(node.func) in ("fail", "note"):
            yield from strings_of(node)
        elif isinstance(node, ast.keyword) and node.arg in ("hint", "message"):
            yield from strings_of(node.value)
        elif isinstance(node, ast.AnnAssign | ast.Assign) and is_a_hint(node):
            yield from strings_of(node)


def strings_of(node: ast.AST) -> Iterator[ast.JoinedStr | ast.Constant]:
    if isinstance(node, ast.JoinedStr):
        yield node
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from strings_of(child)


def is_a_hint(node: ast.AnnAssign | ast.Assign) -> bool:
    targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
    return any("hint" in named(one).lower() or named(one) == "EXAMPLE" for one in targets)


def named(node: ast.AST) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def filled(node: ast.JoinedStr | ast.Constant, filling: str) -> str:
    """The text; a value that touches a word or another value is an ending, and stays empty."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    found = ""
    for part, following in zip(node.values, [*node.values[1:], None], strict=True):
        if isinstance(part, ast.Constant):
            found += str(part.value)
        elif not touches(found[-1:]) and not touches(beginning(following)):
            found += filling
    return found


def beginning(part: ast.expr | None) -> str:
    if part is None:
        return ""
    return str(part.value)[:1] if isinstance(part, ast.Constant) else "x"


def touches(sign: str) -> bool:
    return sign.isalnum()


def test_nothing_of_a_template_is_masked() -> None:
    found = list(templates())
    assert len(found) > 2000
    assert len({Path(place.rpartition(":")[0]) for place, _ in found}) > 100
    masked = [(place, text) for place, text in found if mask_secrets(text) != text]
    assert masked == []


def test_an_id_that_has_to_be_repeated_is_whole() -> None:
    decision_id = uuid4().hex
    text = f"start a worker, then repeat with --decision-id {decision_id}"
    assert mask_secrets(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "no database at postgresql://USER:hunter2@HOST:5432/DATABASE",
        "no database at postgresql://ann:PASSWORD@db.example.com/x",
        "no mail server at smtp://user:password@mail.example.com",
        "no database at postgresql://USER:PASSWORDS@HOST/x",
    ],
)
def test_a_password_is_masked_also_where_it_looks_like_a_template(text: str) -> None:
    masked = mask_secrets(text)
    assert REDACTED in masked
    assert "hunter2" not in masked


SECRET = "q7RzP0aLw9Xv2Bn4Kc8Jd6Hf1Gs3Tm5Y"


def test_a_secret_in_any_template_is_masked() -> None:
    """A key that an error quotes does not come out; in the path of a file it is a name."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in texts_of(ast.parse(path.read_text(encoding="utf-8"))):
                text = filled(node, SECRET)
                if SECRET in text and f"/{SECRET}" not in text and f"{SECRET}/" not in text:
                    assert SECRET not in mask_secrets(text), text
