"""What we say ourselves is not taken for a secret."""

import ast
from collections.abc import Iterator

from account_reviews.domain.audit.masks import mask_secrets
from tests.support.paths import ROOT

FILLINGS = ("invalid_client", "401")


def sentences() -> Iterator[tuple[str, str]]:
    """Each text of several words that is put together, but for addresses, filled in."""
    for folder in ("account_reviews", "activities", "workflows"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    for filling in FILLINGS:
                        text = filled(node, filling)
                        if text.count(" ") > 2 and "://" not in text:
                            yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def filled(node: ast.JoinedStr, filling: str) -> str:
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else filling for part in node.values
    )


def test_a_sentence_that_speaks_of_credentials_still_says_what_was_answered() -> None:
    found = list(sentences())
    assert len(found) > 1000
    assert [(where, text) for where, text in found if mask_secrets(text) != text] == []
